"""Labels as the checks see them: their names, corners, and values made anew from pose and runway."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.quality.dataset import BOX, CORNERS, Dataset
from lard.quality.measures import geometry
from lard.quality.sights import LabelGeometry

Array = NDArray[np.float64]

DISTANCES = ("along_track_m", "slant_m", "height_m")
ANGLES = ("lateral_deg", "vertical_deg", "yaw_offset_deg")
REQUIRED = ("frame_id", "airport", "runway", *BOX, "visible_fraction", "verdict")


def label_name(data: Dataset, row: int) -> str:
    """How findings name a label: frame and runway, with its airport where that is not the frame's."""
    assert data.labels is not None
    frame_id, runway = data.labels["frame_id"][row], data.labels["runway"][row]
    airport = data.labels["airport"][row]
    if runway and airport and data.airport_of.get(frame_id, airport) != airport:
        return f"{frame_id}:{airport}/{runway}"
    return f"{frame_id}:{runway}" if runway else str(frame_id)


def label_corners(data: Dataset, rows: NDArray[np.int64] | None = None) -> Array:
    """Corner pixels (n, 4, 2) of all labels, or of those rows, as stated, NaN where null."""
    assert data.labels is not None
    columns = [data.labels[name] if rows is None else data.labels[name].gather(rows) for name in CORNERS]
    numbers = [column.cast(pl.Float64).fill_null(np.nan).to_numpy() for column in columns]
    return np.column_stack(numbers).reshape(-1, 4, 2)


def frame_ids(data: Dataset, rows: NDArray[np.int64]) -> pl.Series:
    """Frame ids (m,) of label rows."""
    assert data.labels is not None
    return data.labels["frame_id"].gather(rows).cast(pl.String)


def visible_ids(data: Dataset) -> pl.Series:
    """Frame ids of labels of which something is in the picture, or of all where that is not told."""
    assert data.labels is not None
    ids = data.labels["frame_id"]
    if "polygon" not in data.parts:
        return ids
    return ids.filter((data.labels["visible_fraction"] > 0).fill_null(False))


def required_labels(data: Dataset) -> pl.DataFrame:
    """REQUIRED columns of labels a detector must find (IN_ODD and in the picture, or all boxed ones where no
    verdict is given), with `row` and the size of their picture (null where unknown)."""
    assert data.labels is not None
    there = [pl.col(name).is_not_null() for name in BOX]
    if "verdict" in data.parts:
        there.append(pl.col("verdict") == "IN_ODD")
    kept = [name for name in REQUIRED if name in data.labels.columns]
    labels = data.labels.lazy().select(*kept).with_row_index("row").filter(*there).collect()
    if data.frames is None:
        return labels.with_columns(pl.lit(None, pl.Int32).alias(n) for n in ("width_px", "height_px"))
    size = data.frames.select("frame_id", "width_px", "height_px").unique("frame_id", keep="first")
    return labels.join(size, on="frame_id", how="left", maintain_order="left")


def reprojected(found: LabelGeometry) -> tuple[Array, Array]:
    """Corner pixels (m, 4, 2) and depths (m, 4) of labels anew; take pieces of many labels."""
    points_px = np.full((len(found.rows), 4, 2), np.nan)
    depth = np.full((len(found.rows), 4), np.nan)
    for earth, mask in found.groups():
        points = geometry.cart(found.corners[mask], earth)
        pose = {name: values[mask] for name, values in found.pose.items()}
        camera = {name: values[mask] for name, values in found.camera.items()}
        points_px[mask] = geometry.pixels(points, pose, camera, earth)
        depth[mask] = geometry.body_coordinates(points, pose, earth)[..., 0]
    return points_px, depth


def body_corners(found: LabelGeometry) -> Array:
    """Corners (m, 4, 3) of labels: forward, right, down in metres; take pieces of many labels."""
    body = np.full((len(found.rows), 4, 3), np.nan)
    for earth, mask in found.groups():
        pose = {name: values[mask] for name, values in found.pose.items()}
        body[mask] = geometry.body_coordinates(geometry.cart(found.corners[mask], earth), pose, earth)
    return body


def recomputed_approach(data: Dataset) -> tuple[NDArray[np.int64], dict[str, Array]]:
    """Label rows (m,) whose runway is known and their approach values (m,) anew from the pose.

    LARD V2's own tables measure in the sloping plane of the runway, tables written in its layout by others
    level with the ground: the one that fits the stated vertical angles is taken.
    """
    rows = data.label_geometry.rows
    values = _approach_anew(data, level=True)
    if data.kind == "lard_v2":
        assert data.labels is not None
        stated = data.labels["vertical_deg"].cast(pl.Float64).fill_null(np.nan).to_numpy()[rows]
        sloping = _approach_anew(data, level=False)
        misfit = [np.nansum(np.abs(stated - v["vertical_deg"])) for v in (values, sloping)]
        values = values if misfit[0] < misfit[1] else sloping
        values["along_track_m"] = np.abs(values["along_track_m"])  # stated without its sign
    found = data.label_geometry
    return rows, values | {name: found.views[name][found.view] for name in ("pitch_deg", "roll_deg")}


def _approach_anew(data: Dataset, level: bool) -> dict[str, Array]:
    whole = data.label_geometry
    apexes = (data.odd.lateral_apex_m, data.odd.vertical_apex_m) if data.odd else (0.0, 305.0)
    values: dict[str, Array] = {name: np.full(len(whole.rows), np.nan) for name in (*DISTANCES, *ANGLES)}
    for piece, found in whole.pieces():
        for earth, mask in found.groups():
            pose = {name: column[mask] for name, column in found.pose.items()}
            anew = geometry.approach_values(found.corners[mask], pose, earth, *apexes, level=level)
            for name, column in anew.items():
                values[name][piece][mask] = column
    return values
