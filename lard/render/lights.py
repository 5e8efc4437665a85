"""Airfield lights of an airport: where they stand, which way they shine, in which colour and how brightly.

Layout after ICAO Annex 14 volume I, chapter 5.3, luminous intensities after its appendix 2, both simplified:
one fixture of the stated average intensity with a beam that falls off like a Gaussian. Positions come from
the runways' own corners and stand on the rendered surface; nothing here occludes a light.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from lard.airports.model import Airport, Runway
from lard.geodesy import ecef_from_geodetic, enu_from_ecef, geodetic_from_ecef
from lard.ground.painted.markings import RunwayEnd, aiming_point, marked_like_faa
from lard.ground.terrain.surface import Surface, map_from_geodetic

Array = NDArray[np.float64]

KINDS = ("edge", "threshold", "end", "centreline", "touchdown", "approach", "flash", "papi")
COLOURS = {
    "white": (1.0, 0.90, 0.72),
    "amber": (1.0, 0.50, 0.03),
    "red": (1.0, 0.035, 0.015),
    "green": (0.03, 1.0, 0.32),
    "flash": (0.92, 0.95, 1.0),
}
"""Linear RGB of filtered lamps; a little of every colour, so that a glaring lamp bleaches."""

FLASHERS = 21
PAPI_DEG = (3.5, 3.0 + 1 / 6, 3.0 - 1 / 6, 2.5)
"""Elevation at which each PAPI unit turns white, the nearest to the runway first (ICAO Annex 14, 5.3.5)."""
_FIXTURE_HEIGHT_M = 0.35
_BEAM_DEG = 14.0
_PAPI_BEAM_DEG = 18.0


@dataclass(frozen=True, slots=True, eq=False)
class LightField:
    """Lights of one airport (n,): ECEF positions, unit verticals and beam axes, linear colours (n, 3).

    height_m is in the surface's datum; papi_deg is the angle at which a PAPI unit turns white, else NaN;
    flash the place in the flashing sequence, else -1.
    """

    position: Array
    up: Array
    axis: Array
    height_m: Array
    colour: Array
    intensity_cd: Array
    beam_deg: Array
    papi_deg: Array
    flash: NDArray[np.int64]
    kind: NDArray[np.int64]  # index into KINDS
    runway: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.intensity_cd)

    def __getitem__(self, index: NDArray[np.bool_]) -> LightField:
        return LightField(*(getattr(self, field.name)[index] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class _Row:
    """Lights of one kind and colour in the metres of a landing direction: s onwards, t to the right."""

    kind: str
    colour: str
    s: Array
    t: Array
    intensity_cd: float
    papi_deg: float = np.nan
    flash: int = -1


def lights_of(airport: Airport, surface: Surface) -> LightField:
    """Every light of the lighted runways of an airport."""
    reciprocal = {runway.ident: runway for runway in airport.runways}
    faa = marked_like_faa(airport)
    parts = []
    for runway in airport.runways:
        if runway.lighted:
            far = reciprocal.get(runway.reciprocal)
            rows = _rows(runway, far.displaced_m if far else 0.0, faa)
            parts += [_placed(runway, row, surface) for row in rows]
    if not parts:
        return _empty()
    names = [field.name for field in fields(LightField)]
    return LightField(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _empty() -> LightField:
    points, values, whole = np.zeros((0, 3)), np.zeros(0), np.zeros(0, np.int64)
    names = np.zeros(0, np.str_)
    return LightField(
        points, points, points, values, points, values, values, values, whole, whole, names
    )  # fmt: skip


def _placed(runway: Runway, row: _Row, surface: Surface) -> LightField:
    """Lights of a row on the surface, shining towards the approach and 3 degrees up."""
    tl, tr, br, bl = runway.corners_ecef(surface.earth)
    n = len(row.s)
    u, v = (row.s / runway.length_m)[:, None], (row.t / runway.width_m + 0.5)[:, None]
    points = (1 - u) * ((1 - v) * bl + v * br) + u * ((1 - v) * tl + v * tr)
    lat, lon, _ = geodetic_from_ecef(points, surface.earth)
    # beyond the runway's plane the land decides
    height = surface.heights(*map_from_geodetic(lat, lon, surface.lat0_deg, surface.lon0_deg))
    points = ecef_from_geodetic(lat, lon, height + _FIXTURE_HEIGHT_M, surface.earth)
    back = (bl + br) - (tl + tr)
    up = enu_from_ecef(lat, lon)[:, 2]
    axis = back - up * (up @ back)[:, None]
    axis = axis / np.linalg.norm(axis, axis=1, keepdims=True) + np.tan(np.radians(3.0)) * up
    return LightField(
        points,
        up,
        axis / np.linalg.norm(axis, axis=1, keepdims=True),
        height + _FIXTURE_HEIGHT_M,
        np.tile(COLOURS[row.colour], (n, 1)),
        np.full(n, row.intensity_cd),
        np.full(n, _PAPI_BEAM_DEG if row.kind == "papi" else _BEAM_DEG),
        np.full(n, row.papi_deg),
        np.full(n, row.flash),
        np.full(n, KINDS.index(row.kind)),
        np.full(n, runway.ident),
    )


def _rows(runway: Runway, far_displaced_m: float, faa: bool) -> list[_Row]:
    """All lights seen by those who land on a runway."""
    precise = runway.marking == "precision"
    rows = _edge(runway, far_displaced_m, 10_000.0 if precise else 1_500.0)
    rows += _ends(runway, far_displaced_m, precise)
    if precise:
        rows += _centreline(runway, far_displaced_m) + _touchdown(runway)
    return rows + _approach(runway) + _papi(runway, faa)


def _spread(start: float, stop: float, spacing: float) -> Array:
    """Evenly spaced places from start to stop, at most so far apart."""
    return np.linspace(start, stop, max(int(np.ceil((stop - start) / spacing)), 1) + 1)


def _edge(runway: Runway, far_displaced_m: float, intensity_cd: float) -> list[_Row]:
    """Edge lights at most 60 m apart: red before a displaced threshold, amber over the last 600 m (third)."""
    s = _spread(-runway.displaced_m, runway.length_m + far_displaced_m, 60.0)
    end = s[-1]
    amber = s > end - min(600.0, end / 3)
    t = runway.width_m / 2 + 1.5
    rows = []
    for colour, chosen, share in (
        ("red", s < -1, 0.25),
        ("white", (s >= -1) & ~amber, 1.0),
        ("amber", (s >= -1) & amber, 0.4),
    ):
        if chosen.any():
            both = np.concatenate([s[chosen], s[chosen]])
            side = np.repeat([-t, t], chosen.sum())
            rows.append(_Row("edge", colour, both, side, intensity_cd * share))
    return rows


def _ends(runway: Runway, far_displaced_m: float, precise: bool) -> list[_Row]:
    """Green threshold bar, 3 m apart on precision runways, with wing bars when displaced; red end lights."""
    half = runway.width_m / 2
    t = _spread(-half, half, 3.0 if precise else runway.width_m / 5.001)
    if runway.displaced_m > 1:
        wing = half + 3.0 + 2.5 * np.arange(5)
        t = np.concatenate([t, -wing, wing])
    red = _spread(-half, half, 6.0)
    bright = 1.0 if precise else 0.2
    return [
        _Row("threshold", "green", np.full(len(t), -1.0), t, 10_000.0 * bright),
        _Row("end", "red", np.full(len(red), runway.length_m + far_displaced_m + 1.0), red, 2_500.0 * bright),
    ]


def _centreline(runway: Runway, far_displaced_m: float) -> list[_Row]:
    """Centreline lights 30 m apart: red and white in turn from 900 m before the end, red from 300 m."""
    end = runway.length_m + far_displaced_m
    s = np.arange(15.0, end - 5.0, 30.0)
    left = end - s
    red = (left < 300.0) | ((left < 900.0) & (np.arange(len(s)) % 2 == 0))
    pairs = (("white", ~red, 5_000.0), ("red", red, 1_500.0))
    return [
        _Row("centreline", colour, s[chosen], np.zeros(chosen.sum()), cd)
        for colour, chosen, cd in pairs
        if chosen.any()
    ]


def _touchdown(runway: Runway) -> list[_Row]:
    """Touchdown zone barrettes of three lights each 60 m over 900 m, at most to the middle."""
    s = np.arange(60.0, min(900.0, runway.length_m / 2) + 1.0, 60.0)
    offset = min(9.0, runway.width_m / 4) + 1.5 * np.arange(3)
    t = np.concatenate([-offset, offset])
    if len(s) == 0:
        return []
    return [_Row("touchdown", "white", np.repeat(s, 6), np.tile(t, len(s)), 5_000.0)]


def _approach(runway: Runway) -> list[_Row]:
    """Approach lights: 900 m of barrettes, a crossbar and flashing lights, or a simple line of 420 m."""
    if runway.marking == "precision":
        s = np.arange(30.0, 901.0, 30.0)
        bar = np.linspace(-2.0, 2.0, 5)
        cross = np.concatenate([-np.arange(4.5, 15.1, 1.5), np.arange(4.5, 15.1, 1.5)])
        flashers = 300.0 + 30.0 * np.arange(FLASHERS)
        rows = [
            _Row("approach", "white", np.repeat(-s, 5), np.tile(bar, len(s)), 8_000.0),
            _Row("approach", "white", np.full(len(cross), -300.0), cross, 8_000.0),
        ]
        return rows + [
            _Row("flash", "flash", np.array([-distance]), np.zeros(1), 30_000.0, flash=k)
            for k, distance in enumerate(flashers)
        ]
    if runway.marking == "nonprecision":
        s = np.arange(60.0, 421.0, 60.0)
        cross = np.concatenate([-np.arange(3.0, 9.1, 3.0), np.arange(3.0, 9.1, 3.0)])
        return [
            _Row("approach", "white", -s, np.zeros(len(s)), 2_000.0),
            _Row("approach", "white", np.full(len(cross), -300.0), cross, 2_000.0),
        ]
    return []


def _papi(runway: Runway, faa: bool) -> list[_Row]:
    """Four units left of the runway, 15 m from its edge and 9 m apart, abeam the painted aiming point."""
    if runway.length_m < 1000 or runway.marking == "none":
        return []
    s = aiming_point(RunwayEnd(runway.ident, runway.length_m, runway.width_m, runway.marking, faa))[0]
    return [
        _Row(
            "papi", "white", np.array([s]), np.array([-runway.width_m / 2 - 15.6 - 9.0 * k]), 15_000.0,
            papi_deg=turn,
        )
        for k, turn in enumerate(PAPI_DEG)
    ]  # fmt: skip
