"""Sources that state pavement ends: displaced thresholds applied, implausible runways left out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lard.airports.build import (
    Strip,
    as_edges,
    displaced_thresholds,
    idents_inverted,
    square_edges,
    strip_headings_deg,
)
from lard.airports.intake import ImportReport, Selection, reciprocal_ident
from lard.airports.model import Array, normalise_ident
from lard.airports.vocabulary import ASSUMABLE
from lard.errors import AirportError
from lard.geodesy import geodesic_inverse

LOW_M, HIGH_M = -500.0, 9000.0  # of a runway above sea level, as the table's reader has them
_LENGTH_TOLERANCE_M = 150.0
_THRESHOLD_EVIDENCE_M = 60.0

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pavement:
    """A strip as a source states it: ends of the pavement and displaced lengths; nan where it is silent."""

    airport: str
    idents: tuple[str, str]
    ends: tuple[tuple[float, float, float], tuple[float, float, float]]
    """Latitude and longitude in degrees, altitude in metres."""
    width_m: float
    displaced_m: tuple[float, float]
    surface: str
    lighted: bool
    marking: tuple[str, str]
    source: str
    stated_length_m: float = float("nan")
    approach_lights: tuple[str, str] = ("full", "full")
    assumed: tuple[str, ...] = ASSUMABLE


def ident_fault(idents: tuple[str, str]) -> str | None:
    """Why a pair of idents names no runway strip, or None."""
    try:
        first, second = (normalise_ident(ident) for ident in idents)
    except AirportError:
        return "ident is no runway number"
    return None if reciprocal_ident(first) == second else "idents are not reciprocal"


def strips_of(
    rows: Sequence[Pavement], selection: Selection, report: ImportReport, date: str, earth: str
) -> list[Strip]:
    """Strips of the rows whose numbers are complete and plausible; the others are counted in the report."""
    if not rows:
        return []
    points = np.array([row.ends for row in rows], dtype=np.float64)  # (n, 2, 3)
    codes = np.array([row.airport for row in rows])
    filled = filled_elevations(points, codes) if selection.fill_elevation else points
    displaced_m = np.array([row.displaced_m for row in rows], dtype=np.float64)
    width_m = np.array([row.width_m for row in rows], dtype=np.float64)
    stated_m = np.array([row.stated_length_m for row in rows], dtype=np.float64)
    length_m = np.full(len(rows), np.nan)
    known = ~np.isnan(points[..., :2]).any((1, 2))
    length_m[known] = _length_m(points[known])
    at_thresholds = _are_thresholds(length_m, stated_m, displaced_m.sum(-1))
    moved_m = np.where(at_thresholds[:, None], 0.0, displaced_m)
    landing_m = length_m - moved_m.sum(-1)
    stated_m = np.where(at_thresholds, stated_m - displaced_m.sum(-1), stated_m)
    tests = {
        "no coordinates": ~known,
        "no width": ~(width_m > 0),
        f"width outside {selection.min_width_m:g} to {selection.max_width_m:g} m": (
            (width_m < selection.min_width_m) | (width_m > selection.max_width_m)
        ),
        "no elevation": np.isnan(filled[..., 2]).any(1),
        f"elevation outside {LOW_M:g} to {HIGH_M:g} m": (
            (filled[..., 2] < LOW_M) | (filled[..., 2] > HIGH_M)
        ).any(1),
        "negative displaced threshold": (displaced_m < 0).any(1),
        f"landing length outside {selection.min_length_m:g} to {selection.max_length_m:g} m": (
            ~((landing_m >= selection.min_length_m) & (landing_m <= selection.max_length_m))
        ),
        f"coordinates and stated length differ by more than {_LENGTH_TOLERANCE_M:g} m": (
            np.abs(length_m - stated_m) > _LENGTH_TOLERANCE_M
        ),
    }
    keep = np.ones(len(rows), dtype=bool)
    for reason, fails in tests.items():
        out = np.flatnonzero(keep & fails).tolist()
        named = (f"{rows[k].airport} {'/'.join(rows[k].idents)}" for k in out)
        report.exclude(reason, len(out), named)
        keep &= ~fails
    if not keep.any():
        return []
    thresholds = displaced_thresholds(filled[keep], moved_m[keep], earth)
    headings = strip_headings_deg(thresholds, earth)
    edges = square_edges(thresholds, np.stack([width_m[keep]] * 2, -1), earth)
    strips = []
    for k, index in enumerate(np.flatnonzero(keep).tolist()):
        doubts = []
        if np.isnan(points[index]).any():
            doubts.append("elevation taken from the nearest known end")
        if at_thresholds[index]:
            doubts.append("coordinates are the landing thresholds already")
        strips.append(_strip(rows[index], edges[k], headings[k], doubts, report, date))
    return strips


def _length_m(ends: Array) -> Array:
    """Geodesic distance (n,) in metres between pavement ends (n, 2, 3)."""
    _, _, length_m = geodesic_inverse(ends[:, 0, 0], ends[:, 0, 1], ends[:, 1, 0], ends[:, 1, 1])
    return np.asarray(length_m)


def _are_thresholds(length_m: Array, stated_m: Array, displaced_m: Array) -> Bools:
    """Whether two ends are as far apart as the landing thresholds are, not as the pavement ends (nan: no)."""
    as_thresholds = np.abs(length_m - (stated_m - displaced_m))
    return as_thresholds + _THRESHOLD_EVIDENCE_M < np.abs(length_m - stated_m)


def _strip(
    row: Pavement, edges: Array, headings_deg: Array, doubts: list[str], report: ImportReport, date: str
) -> Strip:
    idents = (normalise_ident(row.idents[0]), normalise_ident(row.idents[1]))
    label = f"{row.airport} {'/'.join(idents)}"
    report.notes += [f"{label}: {doubt}" for doubt in doubts]
    if idents_inverted(idents, headings_deg.tolist()):
        report.notes.append(f"{label}: idents exchanged, they name the opposite ends")
        idents = (idents[1], idents[0])
    return Strip(
        row.airport,
        idents,
        as_edges(edges),
        row.displaced_m,
        row.surface,
        row.lighted,
        row.marking,
        "; ".join([row.source, *doubts]),
        date,
        row.approach_lights,
        (row.assumed, row.assumed),
    )


def filled_elevations(points: Array, codes: NDArray[np.str_]) -> Array:
    """Ends (n, 2, 3) whose missing altitudes are those of the nearest end of the same airport, if any."""
    filled = points.copy()
    flat, stated = filled.reshape(-1, 3), points.reshape(-1, 3)
    complete = np.asarray(~np.isnan(stated).any(-1))
    ends_of: dict[str, list[int]] = {}
    for k, code in enumerate(np.repeat(codes, 2).tolist()):
        ends_of.setdefault(code, []).append(k)
    for k in np.flatnonzero(np.isnan(stated[:, 2]) & ~np.isnan(stated[:, 0])).tolist():
        siblings = np.array(ends_of[str(codes[k // 2])])
        known = siblings[complete[siblings]]
        if known.size:
            lat, lon = stated[known, 0], stated[known, 1]
            _, _, distance_m = geodesic_inverse(stated[k, 0], stated[k, 1], lat, lon)
            flat[k, 2] = stated[known[int(np.argmin(distance_m))], 2]
    return filled
