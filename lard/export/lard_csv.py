"""LARD's label tables, V1 and V2, as written: same columns, order, separator and number formats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.intake.lard_csv import (
    FOOT_PER_M,
    LETTERS,
    METRICS,
    NM_M,
    SEPARATOR,
    SIDES,
    V1_COLUMNS,
    V1_LATERAL_APEX_M,
    V2_COLUMNS,
    pixel_columns,
)
from lard.labels.lard_v1 import reading_order
from lard.labels.table import CORNERS
from lard.scenario.formats_model import CLOCK, Scenario
from lard.tables import check_numbers, write_text


def lard_table(
    labels: pl.DataFrame,
    scenario: Scenario,
    size_px: tuple[int, int],
    version: str,
    *,
    frame_ids: Sequence[str] = (),
    image_type: str = "earth_studio",
    scenario_name: str = "",
    lateral_apex_m: float | None = None,
) -> tuple[pl.DataFrame, int]:
    """Labels in LARD's columns, in the labels' row order, and the number of rows that format cannot hold.

    V1 takes only target rows; neither holds a runway with a corner behind the camera. `lateral_apex_m` is the
    point the labels' lateral angles are seen from, to bring them to V1's; None when they are V1's already.
    Sub-pixel corners are cut off towards zero for V2 and rounded down for V1, as LARD does.
    """
    if version == "v1":
        labels = labels.filter("is_target")
    whole = labels.filter(~pl.col("behind") & pl.all_horizontal(pl.col(_corner_columns()).is_not_null()))
    ids = list(frame_ids) or scenario.frame_ids
    poses = scenario.poses.drop("airport", "runway").with_columns(frame_id=pl.Series(ids, dtype=pl.String))
    rows = whole.join(poses, on="frame_id", how="left", maintain_order="left")
    clock = [
        f"{y:04d}-{mo:02d}-{d:02d} {h:02d}:{mi:02d}:{s:02d}"
        for y, mo, d, h, mi, s in rows.select(CLOCK).rows()
    ]
    corners = rows.select(_corner_columns()).to_numpy().reshape(-1, 4, 2)
    corners = (np.trunc(corners) if version == "v2" else np.floor(corners)).astype(np.int64)
    columns: dict[str, Any] = {
        "uuid": rows["pose_id"],
        "image": pl.select(_picture_names(rows, version)).to_series(),
        "height": size_px[1],
        "width": size_px[0],
        "type": image_type,
        "original_dataset": None,
        "scenario": scenario_name or None,
        "airport": rows["airport"],
        "runway": rows["runway"],
        **dict.fromkeys(("time_to_landing", "weather", "night")),
        "time": pl.Series(clock, dtype=pl.String),
        "lat_cam": rows["lat_deg"],
        "lon_cam": rows["lon_deg"],
        "alt_cam": rows["alt_m"],
        "yaw": rows["yaw_deg"],
        "pitch": rows["tilt_deg"],
        "roll": rows["roll_deg"],
        "slant_distance": rows["slant_m"] / NM_M,
        "along_track_distance": rows["along_track_m"] / NM_M,
        "height_above_runway": rows["height_m"] * FOOT_PER_M,
        "lateral_path_angle": rows["lateral_deg"],
        "vertical_path_angle": rows["vertical_deg"],
        "watermark_height": scenario.image.watermark_px,
        "runway_in_cone": rows["verdict"],
    }
    if version == "v2":
        # LARD V2's distance along the track has no sign
        columns["along_track_distance"] = columns["along_track_distance"].abs()
        ordered = corners[:, [CORNERS.index(side.lower()) for side in SIDES]]
        columns |= {name: ordered.reshape(-1, 8)[:, k] for k, name in enumerate(pixel_columns(SIDES))}
        return _finite(pl.DataFrame(columns).select(V2_COLUMNS)), len(labels) - len(whole)
    if lateral_apex_m is not None:
        columns["lateral_path_angle"] = _seen_from(rows, lateral_apex_m, V1_LATERAL_APEX_M)
    order = reading_order(corners, size_px[0])
    read = np.take_along_axis(corners, order[..., None], axis=1).reshape(-1, 8)
    columns |= {name: read[:, k] for k, name in enumerate(pixel_columns(LETTERS))}
    table = pl.DataFrame(columns).select(V1_COLUMNS)
    table = table.with_columns(pl.col(METRICS).cast(pl.Float64).round(2))
    return _finite(table), len(labels) - len(whole)


def _finite(table: pl.DataFrame) -> pl.DataFrame:
    return check_numbers(table, "LARD's table of these labels")


def _picture_names(rows: pl.DataFrame, version: str) -> pl.Expr:
    """Paths of the pictures; V1 has no uuid, so a row without a picture is named as its footage will be."""
    image = pl.lit(rows["image"])
    if version != "v1":
        return image
    later = pl.lit(rows["frame_id"])
    return pl.when(image.fill_null("") == "").then("footage/" + later + ".jpeg").otherwise(image)


def _corner_columns() -> list[str]:
    return [f"{axis}_{corner}_px" for corner in CORNERS for axis in "xy"]


def _seen_from(rows: pl.DataFrame, apex_m: float, other_m: float) -> NDArray[np.float64]:
    """Lateral angles (n,) as seen from another point of the axis."""
    along = rows["along_track_m"].to_numpy()
    across = (along + apex_m) * np.tan(np.radians(rows["lateral_deg"].to_numpy()))
    return np.degrees(np.arctan2(across, along + other_m))


def write_lard_csv(table: pl.DataFrame, path: str | Path) -> None:
    """Write a table of LARD's columns: semicolons, V2's floats with six decimals, V1's as short as can be."""
    decimals = 6 if "uuid" in table.columns else None
    texts = pl.col(pl.String)
    table = table.with_columns(pl.when(texts != "").then(texts))  # polars would write an empty text as ""
    write_text(table.write_csv(separator=SEPARATOR, float_precision=decimals), path)
