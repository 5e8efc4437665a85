"""LARD's label tables in this project's tables and units: labels to draw or keep, and rows to be judged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lard.intake.lard_csv import FOOT_PER_M, LETTERS, NM_M
from lard.labels.pixels import labels_of_pixels, ordered_around
from lard.labels.table import CORNERS

V2_FOV_DEG = 60.0  # of the published dataset; the CSV does not state it


def labels_of_lard(table: pl.DataFrame) -> pl.DataFrame:
    """LABELS of a LARD table; V1's letters tell no side: its corners are ordered as they lie in a picture."""
    sides = LETTERS if "x_A" in table.columns else tuple(corner.upper() for corner in CORNERS)
    corners = np.stack([table.select(f"x_{c}", f"y_{c}").to_numpy() for c in sides], axis=1).astype(float)
    v1 = sides is LETTERS
    stems = [Path(name).stem if name else f"row_{k:06d}" for k, name in enumerate(table["image"].to_list())]
    columns: Mapping[str, Any] = {
        "frame_id": pl.Series(stems, dtype=pl.String),
        "image": table["image"],
        "airport": table["airport"],
        "runway": table["runway"],
        "is_target": v1,
        "along_track_m": table["along_track_distance"] * NM_M,
        "lateral_deg": table["lateral_path_angle"],
        "vertical_deg": table["vertical_path_angle"],
        "yaw_offset_deg": None,
        "slant_m": table["slant_distance"] * NM_M,
        "height_m": table["height_above_runway"] / FOOT_PER_M,
        "verdict": "UNKNOWN" if v1 else table["runway_in_cone"],
        "runway_db": "",
        "runway_db_version": "",
        "earth_model": "sphere6371010" if v1 else "lard-v2-flat",
    }
    size = table.select("width", "height").to_numpy().astype(np.int64)
    return labels_of_pixels(ordered_around(corners) if v1 else corners, size, columns)


def rows_as_stated(table: pl.DataFrame) -> pl.DataFrame:
    """LARD's rows with this project's names and units, nothing derived, null where the table says nothing.

    V2's corners are named by place; V1's, in reading order, a to d.
    """
    number = {
        name: table[name] if name in table.columns else pl.Series([None] * len(table), dtype=pl.Float64)
        for name in ("lat_cam", "lon_cam", "alt_cam")
    }
    columns: dict[str, Any] = {
        "frame_id": _frame_ids(table),
        "image": table["image"].fill_null(""),
        "airport": table["airport"],
        "runway": table["runway"],
        "split": table["split"],
        "source": table["type"],
        "lat_deg": number["lat_cam"],
        "lon_deg": number["lon_cam"],
        "alt_m": number["alt_cam"],
        "yaw_deg": table["yaw"],
        "pitch_deg": table["pitch"] - 90.0,  # 90 is the horizon in LARD
        "roll_deg": table["roll"],
        "along_track_m": table["along_track_distance"] * NM_M,
        "lateral_deg": table["lateral_path_angle"],
        "vertical_deg": table["vertical_path_angle"],
        "slant_m": table["slant_distance"] * NM_M,
        "height_m": table["height_above_runway"] / FOOT_PER_M,
        "verdict": table["runway_in_cone"] if "runway_in_cone" in table.columns else None,
        "width_px": table["width"],
        "height_px": table["height"],
        "watermark_px": table["watermark_height"],
        "time": table["time"],
    }
    rows = pl.DataFrame(columns).with_columns(pl.col("verdict").cast(pl.String))
    return rows.with_columns(_corner_pixels(table))


def _frame_ids(table: pl.DataFrame) -> pl.Series:
    """The picture's path without suffix where there is one, else the pose's uuid: a frame's rows share it."""
    image = table["image"].fill_null("")
    stem = image.str.replace(r"\.[A-Za-z]+$", "")
    if "uuid" in table.columns:
        return pl.select(pl.when(image == "").then(table["uuid"]).otherwise(stem)).to_series()
    return stem


def _corner_pixels(table: pl.DataFrame) -> list[pl.Series]:
    """Corner pixels; LARD cuts off towards zero, so half a pixel is the best guess of what was lost."""
    named = tuple(corner.upper() for corner in CORNERS)
    found = []
    for letter in named if "x_TR" in table.columns else LETTERS:
        for axis in "xy":
            values = table[f"{axis}_{letter}"]
            whole = bool((values.drop_nulls() % 1 == 0).all())
            lost = pl.select(pl.when(values < 0).then(-0.5).otherwise(0.5)).to_series() if whole else 0.0
            found.append((values + lost).alias(f"{axis}_{letter.lower()}_px"))
    return found


def frames_as_stated(rows: pl.DataFrame, version: str) -> pl.DataFrame:
    """One row per picture: of several runways, one IN_ODD whose centreline is nearest is approached."""
    ranked = rows.with_columns(
        away=(pl.col("verdict") != "IN_ODD").fill_null(True), order=pl.col("lateral_deg").abs().fill_null(1e9)
    )
    first = ranked.sort("frame_id", "away", "order", "runway").unique("frame_id", keep="first")
    second = version == "v2"
    focal = (
        pl.col("width_px") / 2 / np.tan(np.radians(V2_FOV_DEG) / 2) if second else pl.lit(None, pl.Float64)
    )
    return first.sort("frame_id").with_columns(
        yaw_offset_deg=pl.lit(None, pl.Float64),
        fx_px=focal,
        fy_px=focal,
        cx_px=pl.col("width_px") / 2,
        cy_px=pl.col("height_px") / 2,
        # V2 measures with WGS 84 geodesics, V1 on the sphere of Earth Studio
        earth_model=pl.lit("wgs84" if second else "sphere6371010"),
        altitude_datum=pl.lit("msl"),
        time_utc=pl.lit(None, pl.String),  # LARD's time is local civil time
    )


def boxes_as_stated(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with the box round their corners, cut to the picture; null where nothing of it is seen."""
    xs = [name for name in rows.columns if re.fullmatch(r"x_[a-z]+_px", name)]
    ys = [name.replace("x_", "y_", 1) for name in xs]
    width, height = pl.col("width_px"), pl.col("height_px")
    labels = rows.with_columns(
        x_min_px=pl.min_horizontal(xs).clip(0, width),
        x_max_px=pl.max_horizontal(xs).clip(0, width),
        y_min_px=pl.min_horizontal(ys).clip(0, height),
        y_max_px=pl.max_horizontal(ys).clip(0, height),
    )
    hidden = (pl.col("x_max_px") <= pl.col("x_min_px")) | (pl.col("y_max_px") <= pl.col("y_min_px"))
    box = ("x_min_px", "y_min_px", "x_max_px", "y_max_px")
    return labels.with_columns(pl.when(hidden).then(None).otherwise(pl.col(name)).alias(name) for name in box)
