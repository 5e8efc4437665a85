"""Columns that tell of a camera, where it stands and what a label says, and rows that have them."""

from __future__ import annotations

import polars as pl

from lard.camera import DISTORTION

POSE = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")
CAMERA = ("width_px", "height_px", "fx_px", "fy_px", "cx_px", "cy_px")
CORNERS = ("x_tl_px", "y_tl_px", "x_tr_px", "y_tr_px", "x_br_px", "y_br_px", "x_bl_px", "y_bl_px")
BOX = ("x_min_px", "y_min_px", "x_max_px", "y_max_px")


def with_distortion(frames: pl.DataFrame) -> pl.DataFrame:
    """Frames with the columns of radial distortion, 0 where none is stated."""
    stated = [pl.col(name).fill_null(0.0).cast(pl.Float64) for name in DISTORTION if name in frames.columns]
    absent = [pl.lit(0.0).alias(name) for name in DISTORTION if name not in frames.columns]
    return frames.with_columns(*stated, *absent)


def posed() -> pl.Expr:
    """Whether a row has a complete and finite pose; DQR-T02 reports those that have not."""
    known = (pl.col(name).is_not_null() & pl.col(name).is_finite().fill_null(False) for name in POSE)
    return pl.all_horizontal(known)


def once(frames: pl.DataFrame) -> pl.DataFrame:
    """Each frame by its first row, in their order: the table itself where no frame comes twice."""
    if not frames["frame_id"].is_duplicated().any():
        return frames
    return frames.unique("frame_id", keep="first", maintain_order=True)
