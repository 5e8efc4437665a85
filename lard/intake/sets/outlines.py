"""Labels of outlines that another tool has drawn: four corners, a polygon or a box for each runway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import shapely
from numpy.typing import NDArray

from lard.labels.pixels import labels_of_pixels, ordered_around
from lard.odd import VERDICTS
from lard.tables import LABELS, name_fault

Array = NDArray[np.float64]
REACH_PX = 1e6
UNTOLD: dict[str, Any] = {
    "along_track_m": None, "lateral_deg": None, "vertical_deg": None, "yaw_offset_deg": None,
    "slant_m": None, "height_m": None, "runway_db": "annotated", "runway_db_version": "",
    "earth_model": "unknown",
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
    if item.corners:
        return item
    whole = shapely.Polygon(item.points)
    if not whole.is_valid:
        raise ValueError("an outline whose sides cross or touch; draw it as one ring")
    seen = shapely.intersection(whole, shapely.box(0, 0, item.width_px, item.height_px))
    if seen.geom_type != "Polygon" or seen.area == 0:
        raise ValueError("an outline outside of the picture, or in several parts of it; draw it as one")
    return item


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
        "runway": [item.runway or "?" for item in outlines],
        "verdict": [item.verdict for item in outlines],
        "is_target": True,
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
