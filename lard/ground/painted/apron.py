"""Taxiways, aprons, terminal buildings and parked aircraft derived from the geometry of the runways."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon
from shapely.ops import unary_union

from lard.ground.painted.buildings import aircraft, building
from lard.ground.painted.markings import YELLOW
from lard.ground.painted.paint import Quad, Surface
from lard.ground.painted.palette import Palette, grey
from lard.ground.painted.strip import Strip, polygon

Array = NDArray[np.float64]


def airfield_quads(
    strips: list[Strip], palette: Palette, rng: np.random.Generator
) -> tuple[list[Quad], list[Polygon]]:
    """Return everything paved or built beside the runways, and the sites built on."""
    paved = [strip for strip in strips if strip.near.marking != "none" and strip.near.length_m > 500]
    centre = np.mean([strip.at(np.array([[strip.near.length_m / 2, 0.0]]))[0] for strip in strips], axis=0)
    safety = unary_union([polygon(strip.pavement(70.0, 700.0)) for strip in strips])
    shoulders: list[Quad] = []
    surfaces: list[Quad] = []
    lines: list[Quad] = []
    sites: list[Polygon] = []
    tone = float(rng.uniform(96, 132))
    colour = grey(tone, rng.uniform(-1, 2))
    edge = grey(tone + 14, rng.uniform(0, 4))
    order = sorted(paved, key=lambda s: (-s.near.length_m, s.near.ident))
    wanted = 1 + int(len(order) >= 2 and rng.random() < 0.6) + int(len(order) >= 4)
    aprons: list[Polygon] = []
    for strip in order:
        wide = strip.near.width_m >= 40
        offset = float(rng.uniform(150, 190) if wide else rng.uniform(85, 115))
        half = 11.5 if wide else 7.5
        # Some parallel taxiways are as wide as a runway: old runways, or built to stand in for one.
        track_half = float(rng.uniform(15.0, 22.5)) if wide and rng.random() < 0.3 else half
        middle = strip.at(np.array([[strip.near.length_m / 2, 0.0]]))[0]
        _, _, dx, dy = strip.frame
        towards = (centre - middle) @ np.array([dy, -dx])
        first = 1.0 if towards >= 0 else -1.0
        if abs(towards) < 30:
            first = 1.0 if rng.random() < 0.5 else -1.0
        built = 0
        for side in (first, -first):
            t = side * offset
            track = polygon(strip.rectangle(-20, strip.near.length_m + 20, t - 45, t + 45))
            clash = any(
                polygon(other.pavement(15.0)).intersects(track)
                for other in strips
                if other is not strip and _parallel(strip, other)
            )
            room: list[Quad] = []
            area: list[Polygon] = []
            if len(aprons) < wanted:
                taken = unary_union([safety, *aprons, *(site for site in sites if site is not track)])
                room, area = _apron(strip, t, side, taken, palette, rng)
            if (clash or built) and not area:
                continue
            part = _taxiway(strip, t, half, track_half, colour, edge, rng)
            shoulders, surfaces, lines = shoulders + part[0], room + surfaces + part[1], lines + part[2]
            sites += [track, *area]
            aprons += area
            built += 1
    buildings = [quad for quad in surfaces if quad.surface in (Surface.PLAIN, Surface.SHADOW)]
    ground = [quad for quad in surfaces if quad.surface not in (Surface.PLAIN, Surface.SHADOW)]
    return shoulders + ground + lines + buildings, sites


def _parallel(a: Strip, b: Strip) -> bool:
    return abs(a.frame[2] * b.frame[3] - a.frame[3] * b.frame[2]) < 0.2


def _band(strip: Strip, start: tuple[float, float], end: tuple[float, float], half: float) -> Array:
    """Return plane corners (4, 2) of a band of given half width between two (s, t) points."""
    a, b = np.array(start), np.array(end)
    along = (b - a) / np.hypot(*(b - a))
    across = np.array([-along[1], along[0]]) * half
    return strip.at(np.array([a - across, b - across, b + across, a + across]))


def _taxiway(
    strip: Strip,
    t: float,
    half: float,
    track_half: float,
    colour: tuple[float, float, float],
    edge: tuple[float, float, float],
    rng: np.random.Generator,
) -> tuple[list[Quad], list[Quad], list[Quad]]:
    """Return shoulders, surfaces and yellow lines of a parallel taxiway with its connectors."""
    length, frame = strip.near.length_m, strip.frame
    s0, s1 = -strip.near.displaced_m, length + strip.far.displaced_m
    side = float(np.sign(t))
    rim = side * strip.near.width_m / 2
    shoulders, surfaces, lines = [], [], []
    ways: list[tuple[tuple[float, float], tuple[float, float]]] = [((s0 - 6, t), (s1 + 6, t))]
    ways += [((s, 0.0), (s, t)) for s in (s0 + half + 14, s1 - half - 14)]
    count = int(rng.integers(2, 5)) if length > 1500 else 1
    for k in range(count):
        s = length * (k + 1 + rng.uniform(-0.2, 0.2)) / (count + 1)
        kind = rng.random()
        slant = abs(t) / np.tan(np.radians(30 if length > 2200 else 45))
        if kind < 0.45 or slant > 0.3 * length:
            ways.append(((s, 0.0), (s, t)))
        else:
            direction = 1.0 if s > length / 2 else -1.0
            ways.append(((s - direction * 20, 0.0), (s + direction * slant, t)))
    for k, (a, b) in enumerate(ways):
        own = half if k else track_half
        shoulders.append(Quad(_band(strip, a, b, own + 5.0), Surface.ASPHALT, edge, 1.0, frame, 0.8))
        surfaces.append(Quad(_band(strip, a, b, own), Surface.ASPHALT, colour, 1.0, frame, 0.9))
        lines.append(Quad(_band(strip, a, b, 0.2), Surface.PAINT, YELLOW, 0.8, frame, 1.0))
        if k == 0:
            continue
        if abs(a[0] - b[0]) > 1:
            continue
        # Fillets widen a connector where it meets the runway and the taxiway.
        for end, other in ((a, b), (b, a)):
            d = np.array(other) - np.array(end)
            d /= np.hypot(*d)
            n = np.array([-d[1], d[0]])
            base = np.array(end) + d * (abs(rim) - 2 if end is a else track_half - 1) / max(abs(d[1]), 0.5)
            far = base + d * 26
            corners = np.array(
                [base - n * (half + 14), far - n * half, far + n * half, base + n * (half + 14)]
            )
            surfaces.append(Quad(strip.at(corners), Surface.ASPHALT, colour, 1.0, frame, 0.9))
        # Holding position: two bars across the connector, 90 m (or 60 m) from the runway's axis.
        hold = side * min(90.0, 0.6 * abs(t))
        for shift in (0.0, 1.2):
            bar = _band(strip, (a[0] - half, hold + shift), (a[0] + half, hold + shift), 0.3)
            lines.append(Quad(bar, Surface.PAINT, YELLOW, 0.9, frame, 1.0))
    return shoulders, surfaces, lines


def _apron(
    strip: Strip, t: float, side: float, safety: Polygon, palette: Palette, rng: np.random.Generator
) -> tuple[list[Quad], list[Polygon]]:
    """The apron beyond a taxiway with buildings and aircraft, shrunk until it keeps clear of all runways."""
    length = strip.near.length_m
    wide = strip.near.width_m >= 40
    # Clear of all runways and of the ground before and behind them.
    for shrink in (1.0, 0.8, 0.6, 0.45, 0.3):
        for centre in (0.5, 0.35, 0.65, 0.2, 0.8):
            extent = min((0.42 if wide else 0.25) * length, 1500.0) * shrink
            depth = (float(rng.uniform(230, 330)) if wide else 110.0) * max(shrink, 0.55)
            s0 = float(np.clip(length * centre - extent / 2, 0, length - extent))
            inner, outer = t + side * 60, t + side * (60 + depth)
            site = polygon(strip.rectangle(s0, s0 + extent, *sorted((inner, outer + side * 170))))
            if not site.intersects(safety):
                return _furnish(strip, s0, extent, t, side, depth, palette, rng), [site]
    return [], []


def _furnish(
    strip: Strip,
    s0: float,
    extent: float,
    t: float,
    side: float,
    depth: float,
    palette: Palette,
    rng: np.random.Generator,
) -> list[Quad]:
    """Apron slabs, connectors to the taxiway, terminal and hangars with shadows, aircraft, a car park."""
    frame = strip.frame
    inner, outer = t + side * 60, t + side * (60 + depth)
    out = []
    paved = rng.random() < 0.25
    base = grey(float(rng.uniform(100, 128) if paved else rng.uniform(142, 186)), rng.uniform(-1, 5))
    stand = Surface.ASPHALT if paved else Surface.CONCRETE

    def place(a: float, b: float, c: float, d: float) -> Array:
        return strip.rectangle(a, b, *sorted((c, d)))

    for s in np.linspace(s0 + 25, s0 + extent - 25, max(int(extent // 250), 2)):
        out.append(Quad(place(s - 12, s + 12, t, inner + side * 47), stand, base, 1.0, frame))
    # Built in pieces over the years: each with its own tone and edge towards the taxiway.
    cuts = np.sort(rng.uniform(0.15, 0.85, int(rng.integers(0, 4))))
    for a, b in pairwise([0.0, *cuts, 1.0]):
        shade = float(rng.normal(0.0, 5.0))
        piece = (base[0] + shade, base[1] + shade, base[2] + shade)
        edge = inner + side * float(rng.choice([0.0, 0.0, 25.0, 45.0]))
        out.append(Quad(place(s0 + a * extent, s0 + b * extent, edge, outer), stand, piece, 1.0, frame))
    lane = t + side * (60 + 0.45 * depth)
    for line_s in np.linspace(s0 + 25, s0 + extent - 25, max(int(extent // 250), 2)):
        out.append(Quad(place(line_s - 0.2, line_s + 0.2, t, lane), Surface.PAINT, YELLOW, 0.8, frame))
    out.append(
        Quad(place(s0 + 20, s0 + extent - 20, lane - 0.2, lane + 0.2), Surface.PAINT, YELLOW, 0.8, frame)
    )
    park = grey(float(rng.uniform(95, 125)))
    out.append(
        Quad(
            place(s0 + 0.1 * extent, s0 + 0.9 * extent, outer + side * 55, outer + side * 130),
            Surface.ASPHALT,
            park,
            1.0,
            frame,
        )
    )
    for row in np.arange(60, 125, 16.0):
        for s in np.arange(s0 + 0.12 * extent, s0 + 0.88 * extent, 3.0):
            if rng.random() < 0.65:
                shade = float(rng.choice([40, 70, 120, 170, 220, 235]))
                car = (shade, shade * rng.uniform(0.85, 1), shade * rng.uniform(0.85, 1.05))
                out.append(
                    Quad(
                        place(s, s + 1.8, outer + side * row, outer + side * (row + 4.4)),
                        Surface.PLAIN,
                        car,
                        1.0,
                        frame,
                        0.0,
                    )
                )
    # The tower stands behind the apron, terminal and hangars on its outer edge.
    if extent > 300:
        top, foot = float(rng.uniform(28, 60)), s0 + extent * float(rng.uniform(0.3, 0.7))
        shaft = place(foot, foot + 7, outer + side * 50.5, outer + side * 57.5)
        cab = place(foot - 2, foot + 9, outer + side * 48.5, outer + side * 59.5)
        out += building(cab, top, grey(float(rng.uniform(120, 200))), frame)
        out.append(Quad(shaft, Surface.PLAIN, grey(96.0), 1.0, frame, 0.3, top + 4.0))
    terminals, hall_m = float(rng.uniform(0.0, 0.75)), float(rng.uniform(150, 300))
    s = s0 + extent * 0.04
    while s < s0 + extent * 0.96 - 40:
        size = float(rng.uniform(45, 110)) if rng.random() > terminals else float(rng.uniform(120, hall_m))
        size = min(size, s0 + extent * 0.97 - s)
        back = float(rng.uniform(30, 48))
        roof = (
            palette.roofs[int(rng.integers(len(palette.roofs)))]
            if rng.random() < 0.35
            else grey(float(rng.uniform(165, 225)))
        )
        out += building(
            place(s, s + size, outer - side * 4, outer + side * back), float(rng.uniform(9, 20)), roof, frame
        )
        if size > 115:
            for pier in np.arange(s + 25, s + size - 20, 95.0):
                reach = min(float(rng.uniform(50, 110)), 0.45 * depth)
                out += building(place(pier, pier + 18, outer - side * reach, outer), 11.0, roof, frame)
                for q in np.arange(22, reach, 48.0):
                    for flip in (-1.0, 1.0):
                        nose = (pier + 9 + flip * 13, outer - side * q)
                        if rng.random() < 0.75:
                            out += aircraft(strip, nose, (flip, 0.0), float(rng.uniform(30, 44)), rng)
        s += size + float(rng.uniform(18, 60))
    for s in np.arange(s0 + 40, s0 + extent - 40, 62.0):
        if rng.random() < 0.3:
            out += aircraft(
                strip, (float(s), inner + side * 70), (0.0, -side), float(rng.uniform(26, 40)), rng
            )
    return out
