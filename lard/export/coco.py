"""COCO detection, segmentation and keypoint files, one per split."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from lard.errors import DataError
from lard.labels.masks import polygon_rle
from lard.labels.table import CORNERS
from lard.tables import atomic_path, json_text

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
_ROWS_AT_ONCE = 4096


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
    frames, seen, files = _in_order(frames, labels)
    return {
        "info": dict(info),
        "images": list(_images(frames, files, first_image_id)),
        "annotations": list(_annotations(frames, labels, seen, first_image_id, segmentation)),
        "categories": [CATEGORY],
    }


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
    The files are written as their entries are made: memory is that of the tables.
    """
    unknown = sorted(map(str, set(frames["split"].unique()) - set(SPLITS)))
    if unknown:
        raise DataError(f"frames have the split {', '.join(unknown)}; expected {', '.join(SPLITS)}")
    counts, first = {}, 1
    for split in SPLITS:
        part = frames.filter(pl.col("split") == split)
        ordered, seen, files = _in_order(part, labels)
        entries = {
            "annotations": _annotations(ordered, labels, seen, first, segmentation),
            "categories": [CATEGORY],
            "images": _images(ordered, files, first),
            "info": {**info, "split": split},
        }
        with atomic_path(Path(folder) / f"{split}.json") as temporary, temporary.open("w") as stream:
            stream.writelines(_json_parts(entries))
        counts[split] = len(part)
        first += len(part)
    return counts


def _in_order(frames: pl.DataFrame, labels: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series, pl.DataFrame]:
    """Frames in the order of their ids, the rows of their visible runways in theirs, and images that labels
    name."""
    frames = frames.sort("frame_id")
    keys = labels.lazy().select("frame_id", "airport", "runway", "image", "visible_fraction")
    own = keys.with_row_index("row").join(frames.lazy().select("frame_id"), on="frame_id", how="semi")
    seen = own.filter(pl.col("visible_fraction") > 0).sort("frame_id", "airport", "runway")
    files = own.select("frame_id", "image").unique("frame_id", keep="last")
    return frames, seen.select("row").collect()["row"], files.collect()


def _annotations(
    frames: pl.DataFrame, labels: pl.DataFrame, seen: pl.Series, first_image_id: int, segmentation: str
) -> Iterator[dict[str, Any]]:
    """Annotations of visible runways, in the order of their rows `seen`; frames are sorted by frame_id."""
    places = frames.select(
        "frame_id", "width_px", "height_px", _image=pl.int_range(first_image_id, first_image_id + pl.len())
    )
    number = 0
    for start in range(0, len(seen), _ROWS_AT_ONCE):
        rows = labels[seen[start : start + _ROWS_AT_ONCE]]
        # frames are in the order of their labels: those of some rows lie together
        here = places.slice(*_span(places["frame_id"], rows["frame_id"][0], rows["frame_id"][-1]))
        for row in rows.join(here, on="frame_id", maintain_order="left").iter_rows(named=True):
            number += 1
            size = row["width_px"], row["height_px"]
            yield {**_annotation(row, row["_image"], size, segmentation), "id": number}


def _span(names: pl.Series, first: str, last: str) -> tuple[int, int]:
    """Offset and length of what lies from the first to the last name in sorted names."""
    start = bisect_left(names, first)
    return start, bisect_right(names, last) - start


def _images(frames: pl.DataFrame, files: pl.DataFrame, first_image_id: int) -> Iterator[dict[str, Any]]:
    """Images in the order of frames, by the file names that labels give."""
    image_id = first_image_id
    files = files.rename({"image": "_file"}).sort("frame_id")
    for rows in frames.iter_slices(_ROWS_AT_ONCE):
        some = files.slice(*_span(files["frame_id"], rows["frame_id"][0], rows["frame_id"][-1]))
        for row in rows.join(some, on="frame_id", how="left", maintain_order="left").iter_rows(named=True):
            yield _image(row, image_id, row["_file"])
            image_id += 1


def _json_parts(entries: Mapping[str, Any]) -> Iterator[str]:
    """The text of json_text(entries), piece by piece; lists may be iterators."""
    lead = "{"
    for name in sorted(entries):
        yield f'{lead}\n "{name}": '
        lead = ","
        if isinstance(entries[name], Mapping):
            yield _inner(entries[name], 1)
            continue
        before = "["
        for item in entries[name]:
            yield f"{before}\n  {_inner(item, 2)}"
            before = ","
        yield "[]" if before == "[" else "\n ]"
    yield "\n}\n"


def _inner(value: Any, depth: int) -> str:
    """The text of a value so deep in a document; strings hold no plain line breaks."""
    return json_text(value).rstrip("\n").replace("\n", "\n" + " " * depth)


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
