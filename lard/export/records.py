"""A frame as a JSON record: what Hugging Face folders and WebDataset tars carry beside a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lard.export.coco import keypoint
from lard.labels.masks import polygon_rle
from lard.labels.table import CORNERS

_FRAME = ("frame_id", "airport", "runway", "zone", "split", "time_utc", "earth_model", "altitude_datum")
_POSE = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")
_INTRINSICS = ("width_px", "height_px", "fx_px", "fy_px", "cx_px", "cy_px")
_OBJECT = ("runway", "is_target", "verdict", "truncated", "behind")
_NUMBERS = (
    "visible_fraction", "along_track_m", "lateral_deg", "vertical_deg", "yaw_offset_deg",
    "slant_m", "height_m",
)  # fmt: skip


def frame_fields(frame: Mapping[str, Any]) -> dict[str, Any]:
    """Identity, camera and pose of a frame, flat."""
    return {name: frame[name] for name in (*_FRAME, *_INTRINSICS, *_POSE)}


def objects(
    rows: Sequence[Mapping[str, Any]], width_px: int, height_px: int, *, masks: bool
) -> list[dict[str, Any]]:
    """Objects of a frame: box x, y, width, height, corners x, y, v, polygon, flags, approach values, mask."""
    found = []
    for row in rows:
        x0, y0, x1, y1 = (row[name] for name in ("x_min_px", "y_min_px", "x_max_px", "y_max_px"))
        item: dict[str, Any] = {
            "bbox": [round(value, 6) for value in (x0, y0, x1 - x0, y1 - y0)],
            "keypoints": [
                keypoint(row[f"x_{corner}_px"], row[f"y_{corner}_px"], width_px, height_px)
                for corner in CORNERS
            ],
            "polygon": [round(value, 6) for value in row["polygon"]],
            "category": 0,
            **{name: row[name] for name in _OBJECT},
            **{name: None if row[name] is None else round(row[name], 6) for name in _NUMBERS},
        }
        if masks:
            item["mask_rle"] = polygon_rle(item["polygon"], width_px, height_px)
        found.append(item)
    return found


def as_columns(found: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, list[Any]]:
    """Objects as one list per field, the form Hugging Face reads as a sequence feature."""
    return {name: [item[name] for item in found] for name in names}


OBJECT_FIELDS = ("bbox", "category", "keypoints", "polygon", *_OBJECT, *_NUMBERS)
