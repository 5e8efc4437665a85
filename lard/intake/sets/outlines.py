"""Labels of outlines that another tool has drawn: four corners, a polygon or a box for each runway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import shapely
from numpy.typing import NDArray

from lard.labels.checks import NAMELESS, UNKNOWN
from lard.labels.pixels import labels_of_pixels, ordered_around
from lard.odd import VERDICTS
from lard.tables import LABELS, name_fault

Array = NDArray[np.float64]
REACH_PX = 1e6
OVERHANG_PX, OVERHANG = 1.0, 1e-3  # px, or of a side, by which a box may lie outside: rounding
CORNER_OVERHANG = 0.5  # of a side by which a corner that is said to be seen may lie outside
LEAST_SIDE_PX = 1e-5  # six decimals of a fraction hold no less; a sliver at the edge may be so thin
_NAMED = 5
UNTOLD: dict[str, Any] = {
    "along_track_m": None, "lateral_deg": None, "vertical_deg": None, "yaw_offset_deg": None,
    "slant_m": None, "height_m": None, "runway_db": "annotated", "runway_db_version": "",
    "earth_model": UNKNOWN,
}  # fmt: skip
"""What pictures do not tell of a runway."""


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """A runway as it was drawn in a picture: its points (k, 2) px, whether they are its corners, its name."""

    frame_id: str
    width_px: int
    height_px: int
    points: Array
    corners: bool
    airport: str = ""
    runway: str = ""
    verdict: str = "UNKNOWN"
    seen: tuple[bool, ...] = ()
    """Which of its corners are said to be seen in the picture; others may lie anywhere beyond its edge."""
    target: bool = True
    """Whether it is what the picture approaches; so is each runway of a picture that does not tell."""


def box_points(x0: float, y0: float, x1: float, y1: float) -> Array:
    """The outline (4, 2) of a box."""
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64)


def check_outline(item: Outline) -> Outline:
    """An outline as it stands; ValueError for one that shows nothing in its picture or has no plain name."""
    if not np.isfinite(item.points).all() or np.abs(item.points).max() > REACH_PX:
        raise ValueError(f"coordinates beyond {REACH_PX:,.0f} px; expected pixels of the picture")
    for name in (item.airport, item.runway):
        if name and name_fault(name):
            raise ValueError(f"name {name[:60]!r} {name_fault(name)}; expected a plain name")
    if item.verdict not in (*VERDICTS, "UNKNOWN"):
        raise ValueError(f"verdict {item.verdict[:60]!r}; expected {', '.join(VERDICTS)} or UNKNOWN")
    size = np.array([item.width_px, item.height_px], np.float64)
    picture = shapely.box(0, 0, item.width_px, item.height_px)
    if item.corners:
        # far runways of whole pixels may be a line: that is seen, if hardly
        if not shapely.MultiPoint(item.points).convex_hull.intersects(picture):
            raise ValueError("corners of which nothing lies in the picture; leave the runway out")
        _check_overhang(item, item.points[list(np.flatnonzero(item.seen))], CORNER_OVERHANG * size)
        return item
    whole = shapely.Polygon(item.points)
    if not whole.is_valid:
        raise ValueError("an outline whose sides cross or touch; draw it as one ring")
    seen = shapely.intersection(whole, picture)
    if seen.geom_type != "Polygon" or seen.area == 0:
        raise ValueError("an outline outside of the picture, or in several parts of it; draw it as one")
    if np.ptp(item.points, axis=0).min() < LEAST_SIDE_PX:
        raise ValueError(
            f"an outline of less than {LEAST_SIDE_PX:g} px; expected pixels or fractions, as is usual"
        )
    _check_overhang(item, item.points, np.maximum(OVERHANG_PX, OVERHANG * size))
    return item


def _check_overhang(item: Outline, points: Array, allowed_px: Array) -> None:
    """ValueError for an outline of which some points leave its picture by more than is allowed in x and y."""
    size = (item.width_px, item.height_px)
    if (points < -allowed_px).any() or (points > size + allowed_px).any():
        x0, y0, x1, y1 = shapely.MultiPoint(item.points).bounds
        raise ValueError(
            f"an outline from {x0:g}, {y0:g} to {x1:g}, {y1:g} leaves the picture of {size[0]}x{size[1]} px; "
            "cut it to the picture"
        )


def without_repeats(placed: Sequence[tuple[str, Outline]]) -> tuple[list[Outline], list[str]]:
    """Outlines, one of those that are alike in all, and a note that names the others by their places."""
    first: dict[Any, tuple[str, Outline]] = {}
    repeats = []
    for place, item in placed:
        key = (item.frame_id, item.points.tobytes(), item.airport, item.runway, item.verdict)
        if key in first:
            repeats.append(f"{place} is {first[key][0]} again")
        else:
            first[key] = place, item
    return [item for _, item in first.values()], told_once(repeats)


def told_once(repeats: Sequence[str]) -> list[str]:
    """A note on rows that were left out because they stand there twice, the first few of them named."""
    if not repeats:
        return []
    more = f" and {len(repeats) - _NAMED} more" if len(repeats) > _NAMED else ""
    return [f"taken once, though it stands there twice: {'; '.join(repeats[:_NAMED])}{more}"]


def labels_of_outlines(outlines: Sequence[Outline]) -> pl.DataFrame:
    """LABELS; corners as TL, TR, BR, BL of the picture, other outlines cut to it and without corners."""
    if not outlines:
        return pl.DataFrame(schema=dict(LABELS))
    size = np.array([(item.width_px, item.height_px) for item in outlines], np.int64)
    corners = np.full((len(outlines), 4, 2), np.nan)
    cornered = np.array([item.corners for item in outlines])
    if cornered.any():
        corners[cornered] = ordered_around(np.stack([item.points for item in outlines if item.corners]))
    columns: dict[str, Any] = {
        "frame_id": [item.frame_id for item in outlines],
        "image": [f"images/{item.frame_id}.jpg" for item in outlines],
        "airport": [item.airport for item in outlines],
        "runway": [item.runway or NAMELESS for item in outlines],
        "verdict": [item.verdict for item in outlines],
        "is_target": [item.target for item in outlines],
        **UNTOLD,
    }
    labels = labels_of_pixels(corners, size, columns)
    if not cornered.all():
        labels = _outlined(labels, outlines, cornered)
    return labels.sort("frame_id", "airport", "runway", "x_min_px", "y_min_px")


def _outlined(labels: pl.DataFrame, outlines: Sequence[Outline], cornered: NDArray[np.bool_]) -> pl.DataFrame:
    """The same labels with the outlines that are no corners, cut to their pictures."""
    rows = np.flatnonzero(~cornered).tolist()
    whole = np.array([shapely.Polygon(outlines[row].points) for row in rows])
    frame = shapely.box(
        0, 0, [outlines[row].width_px for row in rows], [outlines[row].height_px for row in rows]
    )
    inside = shapely.intersection(whole, frame)
    area, seen = shapely.area(whole), shapely.area(inside)
    bounds = shapely.bounds(inside)
    rings = labels["polygon"].to_list()
    boxes = labels.select("x_min_px", "y_min_px", "x_max_px", "y_max_px").to_numpy().copy()
    fraction, cut = labels["visible_fraction"].to_numpy().copy(), labels["truncated"].to_numpy().copy()
    for place, row in enumerate(rows):
        rings[row] = shapely.get_coordinates(inside[place])[:-1].ravel().tolist()
    boxes[rows] = bounds
    fraction[rows] = np.where(area > 0, seen / np.where(area > 0, area, 1), 0.0)
    cut[rows] = seen < area - 1e-6
    behind = labels["behind"].to_numpy().copy()
    behind[rows] = False
    return labels.with_columns(
        pl.Series("polygon", rings, dtype=pl.List(pl.Float64)),
        *(
            pl.Series(name, boxes[:, k])
            for k, name in enumerate(("x_min_px", "y_min_px", "x_max_px", "y_max_px"))
        ),
        pl.Series("visible_fraction", fraction),
        pl.Series("truncated", cut),
        pl.Series("behind", behind),
    )
