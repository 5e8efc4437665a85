"""COCO detection, segmentation and keypoint files, one per split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from lard.errors import DataError
from lard.labels.masks import polygon_rle
from lard.labels.table import CORNERS
from lard.tables import write_json

SPLITS = ("train", "val", "test")
REQUIRED = ("IN_ODD", "UNKNOWN")
"""Verdicts of runways that have to be found."""
KEYPOINTS = ("top_left", "top_right", "bottom_right", "bottom_left")
CATEGORY = {
    "id": 1,
    "name": "runway",
    "supercategory": "runway",
    "keypoints": list(KEYPOINTS),
    "skeleton": [[1, 2], [2, 3], [3, 4], [4, 1]],
}

_POSE = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")
_INTRINSICS = ("fx_px", "fy_px", "cx_px", "cy_px")
_DISTORTION = ("k1", "k2", "k3")
_CIRCUMSTANCES = ("light", "weather", "sequence", "time_s", "time_to_landing_s")
"""Columns of the frames table that an image carries where they are known."""
_DECIMALS = 6


def coco_dataset(
    frames: pl.DataFrame,
    labels: pl.DataFrame,
    info: Mapping[str, Any],
    *,
    segmentation: str = "polygon",
    first_image_id: int = 1,
) -> dict[str, Any]:
    """COCO dictionary of frames and their visible runways.

    A runway whose verdict is neither IN_ODD nor UNKNOWN (annotated by hand) is marked `iscrowd`: finding it
    is neither rewarded nor punished, by plain pycocotools. `segmentation` is "polygon" or "rle".
    Image ids follow the order of frame_id.
    """
    frames = frames.sort("frame_id")
    image_id = {name: first_image_id + k for k, name in enumerate(frames["frame_id"])}
    size = {name: (w, h) for name, w, h in frames.select("frame_id", "width_px", "height_px").iter_rows()}
    seen = labels.filter((pl.col("visible_fraction") > 0) & pl.col("frame_id").is_in(list(image_id)))
    annotations = [
        _annotation(row, image_id[row["frame_id"]], size[row["frame_id"]], segmentation)
        for row in seen.sort("frame_id", "airport", "runway").iter_rows(named=True)
    ]
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    file_name = dict(labels.select("frame_id", "image").iter_rows())
    images = [
        _image(row, image_id[row["frame_id"]], file_name.get(row["frame_id"]))
        for row in frames.iter_rows(named=True)
    ]
    return {"info": dict(info), "images": images, "annotations": annotations, "categories": [CATEGORY]}


def write_coco(
    frames: pl.DataFrame,
    labels: pl.DataFrame,
    folder: str | Path,
    info: Mapping[str, Any],
    *,
    segmentation: str = "polygon",
) -> dict[str, int]:
    """Write train.json, val.json and test.json; return the number of images of each.

    Image ids are unique over the three files. Splits come from the frames table, where they are by airport.
    """
    unknown = sorted(map(str, set(frames["split"].unique()) - set(SPLITS)))
    if unknown:
        raise DataError(f"frames have the split {', '.join(unknown)}; expected {', '.join(SPLITS)}")
    counts, first = {}, 1
    for split in SPLITS:
        part = frames.filter(pl.col("split") == split)
        dataset = coco_dataset(
            part, labels, {**info, "split": split}, segmentation=segmentation, first_image_id=first
        )
        write_json(dataset, Path(folder) / f"{split}.json")
        counts[split] = len(part)
        first += len(part)
    return counts


def _image(row: dict[str, Any], image_id: int, file_name: str | None) -> dict[str, Any]:
    return {
        "id": image_id,
        "file_name": file_name or f"images/{row['frame_id']}.jpg",
        "width": row["width_px"],
        "height": row["height_px"],
        **{name: row[name] for name in ("frame_id", "airport", "runway", "zone", "split", "time_utc")},
        **{name: row[name] for name in _CIRCUMSTANCES if row.get(name) is not None},
        "camera": {
            **{name: row[name] for name in _INTRINSICS},
            **{name: row[name] for name in _DISTORTION if row.get(name)},
        },
        "pose": {**{name: row[name] for name in _POSE}, "earth_model": row["earth_model"]},
        "altitude_datum": row["altitude_datum"],
    }


def _annotation(
    row: dict[str, Any], image_id: int, size: tuple[int, int], segmentation: str
) -> dict[str, Any]:
    width_px, height_px = size
    x0, y0, x1, y1 = (row[name] for name in ("x_min_px", "y_min_px", "x_max_px", "y_max_px"))
    keypoints: list[float] = []
    for corner in CORNERS:
        keypoints += keypoint(row[f"x_{corner}_px"], row[f"y_{corner}_px"], width_px, height_px)
    polygon = [round(value, _DECIMALS) for value in row["polygon"]]
    return {
        "image_id": image_id,
        "category_id": CATEGORY["id"],
        "bbox": [round(value, _DECIMALS) for value in (x0, y0, x1 - x0, y1 - y0)],
        "area": round((x1 - x0) * (y1 - y0), _DECIMALS),
        "segmentation": [polygon] if segmentation == "polygon" else polygon_rle(polygon, width_px, height_px),
        "keypoints": keypoints,
        "num_keypoints": sum(1 for flag in keypoints[2::3] if flag),
        "iscrowd": 0 if row["verdict"] in REQUIRED else 1,
        **{name: row[name] for name in ("airport", "runway", "is_target", "verdict", "truncated")},
        **{
            name: None if row[name] is None else round(row[name], _DECIMALS)
            for name in ("visible_fraction", "along_track_m", "slant_m", "lateral_deg", "vertical_deg")
        },
    }


def keypoint(x_px: float | None, y_px: float | None, width_px: int, height_px: int) -> list[float]:
    """COCO keypoint x, y, v: v is 0 behind the camera, 1 outside the picture, 2 in it."""
    if x_px is None or y_px is None:
        return [0.0, 0.0, 0]
    inside = 0 <= x_px <= width_px and 0 <= y_px <= height_px
    return [round(x_px, _DECIMALS), round(y_px, _DECIMALS), 2 if inside else 1]
