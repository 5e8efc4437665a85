"""Runways as quadrilaterals in drawing order: shoulders, pads, pavement, markings, tyre rubber."""

import numpy as np

from lard.ground.painted.markings import strip_markings
from lard.ground.painted.paint import Quad, Surface
from lard.ground.painted.palette import grey
from lard.ground.painted.strip import PAVED, Strip


def runway_quads(strips: list[Strip], rng: np.random.Generator) -> list[Quad]:
    """Return shoulders and pads, then each runway with its markings; the longest comes last and wins."""
    shoulders: list[Quad] = []
    runways: list[Quad] = []
    for strip in sorted(strips, key=lambda s: (s.near.length_m, s.near.ident)):
        paved = strip.surface.lower().startswith(PAVED)
        concrete = strip.surface.lower().startswith(("con", "pem")) or (paved and rng.random() < 0.25)
        wide = strip.near.width_m >= 40
        frame = strip.frame
        if not paved:
            earth = (148.0, 140.0, 100.0) if "grass" in strip.surface.lower() else (160.0, 146.0, 118.0)
            runways.append(Quad(strip.pavement(), Surface.PLAIN, earth, 0.75, frame))
            continue
        side = (7.5 if wide else 3.0) if rng.random() < 0.85 else 1.5
        tone = float(rng.uniform(84, 122))
        shoulder = grey(tone + rng.uniform(-8, 26) + 10, rng.uniform(0, 4))
        length, half = strip.near.length_m, strip.near.width_m / 2
        s0, s1 = -strip.near.displaced_m, length + strip.far.displaced_m
        shoulders.append(Quad(strip.pavement(side), Surface.ASPHALT, shoulder, 1.0, frame, 0.8))
        for a, b in ((s0 - strip.near.pad_m, s0 + 1), (s1 - 1, s1 + strip.far.pad_m)):
            if b - a > 2:
                pad = strip.rectangle(a, b, -half - side, half + side)
                shoulders.append(Quad(pad, Surface.ASPHALT, shoulder, 1.0, frame, 1.0))
        if concrete:
            base = grey(float(rng.uniform(150, 182)), rng.uniform(1, 4))
            runways.append(Quad(strip.pavement(), Surface.CONCRETE, base, 1.0, frame))
        else:
            runways.append(
                Quad(strip.pavement(), Surface.ASPHALT, grey(tone, rng.uniform(-1, 2)), 1.0, frame)
            )
            if wide and rng.random() < 0.5:
                # Ends are often concrete on an asphalt runway.
                base = grey(float(rng.uniform(140, 165)), rng.uniform(1, 3))
                for a, b in ((s0, s0 + 150 + strip.near.displaced_m), (s1 - 150 - strip.far.displaced_m, s1)):
                    runways.append(
                        Quad(strip.rectangle(a, b, -half, half), Surface.CONCRETE, base, 1.0, frame)
                    )
        wear = float(rng.uniform(0.4, 1.4))
        for marking in strip_markings(strip.near, strip.far):
            runways.append(
                Quad(strip.at(marking.corners_st), Surface.PAINT, marking.colour, 1.0, frame, wear)
            )
        runways += _rubber(strip, rng)
    return shoulders + runways


def _rubber(strip: Strip, rng: np.random.Generator) -> list[Quad]:
    """Return the tyre deposits of both touchdown zones: more on long, wide runways."""
    out = []
    length, half = strip.near.length_m, strip.near.width_m / 2
    ox, oy, dx, dy = strip.frame
    reach = min(1100.0, 0.42 * length)
    for near in (True, False):
        opacity = float(rng.uniform(0.25, 0.75)) * min(length / 2600.0, 1.0)
        start = float(rng.uniform(90, 180))
        if near:
            corners = strip.rectangle(start, start + reach, -half, half)
            frame = (ox + start * dx, oy + start * dy, dx, dy)
        else:
            corners = strip.rectangle(length - start - reach, length - start, -half, half)
            frame = (ox + (length - start) * dx, oy + (length - start) * dy, -dx, -dy)
        out.append(Quad(corners, Surface.RUBBER, (44.0, 44.0, 46.0), opacity, frame, reach))
    return out
