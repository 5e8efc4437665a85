"""YOLO, LARD, Hugging Face and WebDataset exports, as the comparison sees them."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lard.documents import number_of, parse_json, read_text
from lard.errors import DataError
from lard.intake.lard_csv import FOOT_PER_M, LETTERS, NM_M, SIDES, open_lard_csv
from lard.quality.exports.descriptions import HF_NAMES, huggingface_faults, yolo_faults
from lard.quality.exports.model import Exported, Fields

_HF_SPLITS = {hf: name for name, hf in HF_NAMES.items()}
_POSE = {
    "lat_cam": "lat_deg", "lon_cam": "lon_deg", "alt_cam": "alt_m", "yaw": "yaw_deg", "pitch": "pitch_deg",
    "roll": "roll_deg",
}  # fmt: skip
_SIDES_OF_CORNERS = ("TL", "TR", "BR", "BL")


def read_huggingface(folder: Path, where: str) -> Exported:
    """metadata.jsonl of every set, and the pictures beside it."""
    found = Exported(where, "huggingface")
    for path in sorted(folder.glob("data/*/metadata.jsonl")):
        split = _HF_SPLITS.get(path.parent.name, path.parent.name)
        for number, line in enumerate(read_text(path).splitlines(), 1):
            record = _json(line, f"{path.parent.name}/metadata.jsonl:{number}", found)
            if record is None:
                continue
            columns = record.get("objects", {})
            sizes = {len(values) for values in columns.values()}
            if len(sizes) > 1:
                found.fault(
                    f"{path.parent.name}/metadata.jsonl:{number}", "columns of objects of several lengths"
                )
                continue
            objects = [
                {name: values[k] for name, values in columns.items()} for k in range(max(sizes, default=0))
            ]
            _record(found, record, objects, split)
            found.pictures[str(record.get("frame_id"))] = path.parent / str(record.get("file_name"))
            if record.get("file_name") != f"{record.get('frame_id')}.jpg":
                found.fault(str(record.get("frame_id")), f"its picture is named {record.get('file_name')}")
    for place, text in huggingface_faults(folder, found):
        found.fault(place, text)
    return found


def read_webdataset(folder: Path, where: str) -> Exported:
    """KEY.json of every shard; pictures are hashed where they lie in the tar."""
    found = Exported(where, "webdataset")
    for path in sorted(folder.glob("*.tar")):
        split = path.name.split("-")[0]
        try:
            with tarfile.open(path) as tar:
                for entry in tar:
                    stream = tar.extractfile(entry)
                    content = stream.read() if stream is not None else b""
                    key, _, suffix = entry.name.partition(".")
                    if suffix == "json":
                        record = _json(content, entry.name, found)
                        if record is not None:
                            if record.get("frame_id") != key:
                                found.fault(key, f"its record is that of {record.get('frame_id')}")
                            _record(found, record, list(record.get("objects", [])), split)
                    else:
                        if key in found.pictures_in_tar:
                            found.fault(key, "its picture is in the shards twice")
                        found.pictures_in_tar[key] = hashlib.sha256(content).hexdigest()
        except (tarfile.TarError, OSError, EOFError) as error:
            found.fault(path.name, f"cannot be read: {error}")
    for name in sorted(set(found.frames) - set(found.pictures_in_tar)):
        found.fault(name, "no picture beside its record")
    return found


def _record(found: Exported, record: Mapping[str, Any], objects: list[Fields], split: str) -> None:
    fields = {name: value for name, value in record.items() if name not in ("objects", "file_name")}
    size = (record.get("width_px") or 0, record.get("height_px") or 0)
    named = [dict(item) | {"size": size} for item in objects]
    for item in named:
        if "mask_rle" in item:
            item["mask"] = item.pop("mask_rle")
    found.add(str(record.get("frame_id")), fields | {"split": split}, named)
    if record.get("split") not in (None, split):
        found.fault(
            str(record.get("frame_id")), f"in the files of {split}, its record says {record['split']}"
        )


def _json(text: str | bytes, place: str, found: Exported) -> dict[str, Any] | None:
    """A record; what is none, or has a key twice, of which readers would take one, is noted."""
    try:
        record = parse_json(text, place)
    except DataError as error:
        found.fault(place, f"cannot be read: {error}")
        return None
    if not isinstance(record, dict):
        found.fault(place, "cannot be read: expected a JSON object")
        return None
    return record


def read_yolo(folder: Path, where: str) -> Exported:
    """labels/<set>/*.txt in fractions of pictures, whose size the comparison takes from the frames."""
    found = Exported(where, "yolo", named=False, tolerance_px=2e-3)
    pose = "kpt_shape" in read_text(folder / "data.yaml")
    for text in yolo_faults(folder):
        found.fault("data.yaml", text)
    for path in sorted(folder.glob("images/*/*")):
        found.pictures[path.stem] = path
        found.add(path.stem, {"split": path.parent.name})
        lines = folder / "labels" / path.parent.name / f"{path.stem}.txt"
        if not lines.is_file():
            found.fault(path.stem, "no text file of labels beside its picture")
            continue
        for number, line in enumerate(read_text(lines).splitlines(), 1):
            try:
                values = [number_of(word) for word in line.split()]
            except ValueError:
                values = []
            if len(values) < 5 or values[0] != 0 or not np.isfinite(values).all():
                found.fault(f"{path.stem}.txt:{number}", f"{line[:60]!r}: expected class 0 and its numbers")
                continue
            found.objects[path.stem].append({"fractions": values[1:], "pose": pose})
    for path in sorted(folder.glob("labels/*/*.txt")):
        if path.stem not in found.frames:
            found.fault(path.name, "labels without a picture")
    return found


def in_pixels(found: Exported, sizes: Mapping[str, tuple[int, int]]) -> None:
    """Turn the fractions of a YOLO export into pixels of its pictures."""
    for name, objects in found.objects.items():
        width, height = sizes.get(name, (1, 1))
        for item in objects:
            values = item.pop("fractions", None)
            if values is None:
                continue
            if not item.pop("pose") and len(values) > 4:
                points = [v * (height if k % 2 else width) for k, v in enumerate(values)]
                xs, ys = points[0::2], points[1::2]
                item |= {"polygon": points, "bbox": [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]}
                continue
            x, y, w, h = values[:4]
            item["bbox"] = [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]
            if len(values) > 4:
                item["size"] = (width, height)
                item["keypoints"] = [
                    v * (width, height, 1)[k % 3] if k % 3 < 2 else v for k, v in enumerate(values[4:])
                ]


def read_lard(path: Path, where: str) -> Exported:
    """LARD's table: its rows by picture and runway, in metres and degrees."""
    try:
        table = open_lard_csv(path)
    except DataError as error:
        found = Exported(where, "lard", every_frame=False)
        found.fault(path.name, str(error))
        return found
    v2 = table.version == "v2"
    found = Exported(
        where, f"lard_{table.version}", every_frame=False, holds="whole" if v2 else "targets",
        whole_px="trunc" if v2 else "floor",
    )  # fmt: skip
    for line, text in table.layout:
        found.fault(f"{path.name}:{line}", text)
    for cell in table.cells:
        if cell.text:
            found.fault(f"{path.name}:{cell.line}", str(cell))
    for row in table.table.iter_rows(named=True):
        name = Path(str(row["image"])).stem
        found.pictures[name] = path.parent / str(row["image"])
        fields: Fields = {"width_px": row["width"], "height_px": row["height"], "room": {}}
        for column, key in _POSE.items():
            value = row.get(column)
            if value is not None:
                fields[key] = value - 90.0 if key == "pitch_deg" else value
                fields["room"][key] = 1e-6 if v2 else 0.006
        found.add(name, fields if name not in found.frames else {}, [_lard_object(row, v2)])
    return found


def _lard_object(row: Mapping[str, Any], v2: bool) -> Fields:
    """One row in our names and units; V1 does not name corners, their numbers are compared sorted."""
    decimals = 1e-6 if v2 else 0.005
    item: Fields = {"airport": row["airport"], "runway": row["runway"], "room": {}}
    for name, column, unit in (
        ("slant_m", "slant_distance", NM_M),
        ("along_track_m", "along_track_distance", NM_M),
        ("height_m", "height_above_runway", 1 / FOOT_PER_M),
        ("vertical_deg", "vertical_path_angle", 1.0),
    ):
        if row[column] is not None:
            key = "unsigned" if name == "along_track_m" and v2 else name
            item[key], item["room"][key] = row[column] * unit, decimals * unit
    if v2:
        item |= {"lateral_deg": row["lateral_path_angle"], "verdict": row["runway_in_cone"]}
        item["room"]["lateral_deg"] = decimals
        corners = [row[f"{axis}_{side}"] for side in _SIDES_OF_CORNERS for axis in "xy"]
        assert set(_SIDES_OF_CORNERS) == set(SIDES)
        return item | {"corners_px": [float(v) for v in corners]}
    corners = [row[f"{axis}_{letter}"] for letter in LETTERS for axis in "xy"]
    if row["lateral_path_angle"] is not None:
        item["lateral_v1_deg"] = row["lateral_path_angle"]
        item["room"]["lateral_v1_deg"] = 0.02  # it is made of rounded values
    return item | {"corners_px": sorted(float(v) for v in corners), "sorted": True}
