"""COCO files of one dataset, as the comparison sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lard.errors import DataError
from lard.intake.coco import read_coco
from lard.quality.exports.descriptions import category_faults
from lard.quality.exports.model import Exported, Fields

SPLITS = ("train", "val", "test")
_PLAIN = (
    "airport",
    "runway",
    "zone",
    "split",
    "time_utc",
    "altitude_datum",
    "light",
    "weather",
    "time_to_landing_s",
)
_OBJECT = (
    "airport", "runway", "is_target", "verdict", "truncated", "visible_fraction", "along_track_m", "slant_m",
    "lateral_deg", "vertical_deg", "bbox", "area", "iscrowd",
)  # fmt: skip


def read_coco_export(paths: Sequence[Path], where: str) -> Exported:
    """All files of a folder; a frame's file must be that of its set."""
    found = Exported(where, "coco", every_frame=len(paths) > 1)
    ids: set[Any] = set()
    present = {path.stem for path in paths}
    if len(paths) > 1:
        for split in sorted(set(SPLITS) - present):
            found.fault(split, "the file of this set is missing")
    for path in paths:
        try:
            coco = read_coco(path)
        except DataError as error:
            found.fault(path.name, f"cannot be read: {str(error).replace(str(path), path.name)}")
            found.unread.add(path.stem if path.stem in SPLITS else "")
            continue
        for fault in coco.faults:
            found.fault(f"{path.name}#{fault.place}", fault.message)
        _read(coco.document, path.stem, found, ids)
    return found


def _read(document: Mapping[str, Any], split: str, found: Exported, ids: set[Any]) -> None:
    names = {image["id"]: image for image in document["images"] if isinstance(image, dict) and "id" in image}
    category = next((c for c in document["categories"] if isinstance(c, dict)), {})
    for text in category_faults(document["categories"]):
        found.fault(f"{split}.json", text)
    if isinstance(document.get("info"), dict):
        found.about[split] = document["info"]
    objects: dict[Any, list[Fields]] = {}
    numbers: set[Any] = set()
    for note in document["annotations"]:
        if not isinstance(note, dict) or note.get("image_id") not in names:
            continue  # noted as a fault of the file
        if note.get("id") in numbers:
            found.fault(f"{split}.json", f"two annotations have the same id, {note.get('id')}")
        numbers.add(note.get("id"))
        if note.get("category_id") != category.get("id"):
            found.fault(
                f"{split}.json#{note.get('id')}", f"is of category {note.get('category_id')}, not listed"
            )
        objects.setdefault(note["image_id"], []).append(_object(note, names[note["image_id"]]))
    for number, image in names.items():
        if number in ids:
            found.fault(f"{split}.json", f"image id {number} is used in another file too")
        ids.add(number)
        name = str(image.get("frame_id") or Path(str(image.get("file_name", ""))).stem)
        found.add(name, _frame(image, split if split in SPLITS else None), objects.get(number, []))


def _frame(image: Mapping[str, Any], split: str | None) -> Fields:
    fields: Fields = {name: image[name] for name in _PLAIN if name in image}
    fields |= {f"{side}_px": image.get(side) for side in ("width", "height")}
    for part in ("camera", "pose"):
        if isinstance(image.get(part), dict):
            fields |= image[part]
    if split is not None:
        fields["split"] = split
    stem = Path(str(image.get("file_name", ""))).stem
    return fields | {"frame_id": stem}


def _object(note: Mapping[str, Any], image: Mapping[str, Any]) -> Fields:
    fields: Fields = {name: note[name] for name in _OBJECT if name in note}
    fields["size"] = (image.get("width") or 0, image.get("height") or 0)
    shape = note.get("segmentation")
    if isinstance(shape, dict):
        fields["mask"] = shape
    elif isinstance(shape, list) and len(shape) == 1:
        fields["polygon"] = shape[0]
    else:
        fields["polygon"] = []
    if "keypoints" in note:
        fields["keypoints"] = note["keypoints"]
        if "num_keypoints" in note:
            fields["num_keypoints"] = note["num_keypoints"]
    return fields
