"""COCO detection files, and the one reader of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lard.errors import DataError
from lard.tables import inside, read_json

PARTS = ("images", "annotations", "categories")
Id = int | float | str


@dataclass(frozen=True, slots=True)
class CocoFault:
    """What is wrong at a place of a COCO file such as `annotations[3]`."""

    place: str
    message: str


@dataclass(frozen=True, slots=True)
class Coco:
    """A COCO file: the document as it was written, the images and annotations that are sound, all faults.

    A sound image has id and file_name; a sound annotation, which comes with its place in the file, is of one
    of them and has a box of four finite numbers x, y, width, height whose sides are not below 0.
    """

    document: Mapping[str, Any]
    images: tuple[Mapping[str, Any], ...]
    annotations: tuple[tuple[int, Mapping[str, Any]], ...]
    faults: tuple[CocoFault, ...]


def is_coco(document: object) -> bool:
    """Whether a JSON document has the parts of a COCO file."""
    return isinstance(document, dict) and all(isinstance(document.get(part), list) for part in PARTS)


def looks_like_coco(document: object) -> bool:
    """Whether a JSON document is meant as a COCO detection file, even where a part of it is amiss."""
    if not isinstance(document, dict) or not {"images", "annotations"} <= document.keys():
        return False
    notes = document["annotations"]
    boxes = isinstance(notes, list) and any(isinstance(note, dict) and "bbox" in note for note in notes)
    return "categories" in document or boxes


def read_coco(path: str | Path) -> Coco:
    """Read a COCO file whatever its faults; DataError when it is none."""
    document = read_json(path)
    if not is_coco(document):
        raise DataError(f"{path}: not a COCO detection file; expected lists {', '.join(PARTS)}")
    faults: list[CocoFault] = []
    known: set[Id] = set()
    refused: set[Id] = set()
    images: list[Mapping[str, Any]] = []
    for k, image in enumerate(document["images"]):
        if not isinstance(image, dict) or "file_name" not in image or not isinstance(image.get("id"), Id):
            faults.append(CocoFault(f"images[{k}]", "an image needs id and file_name"))
            continue
        if not _is_inside(image["file_name"]):
            name = image["file_name"]
            why = "leads out of the dataset's folder"
            if not isinstance(name, str):
                why = "is no text"
            elif any(ord(sign) < 32 or ord(sign) == 127 for sign in name):
                why = "has a control character; write the name of the picture"
            faults.append(CocoFault(f"images[{k}]", f"file_name {name!r:.80} {why}"))
            refused.add(image["id"])
            continue
        if image["id"] in known:
            faults.append(CocoFault(f"images[{k}]", f"two images have the same id, {image['id']}"))
        known.add(image["id"])
        images.append(image)
    annotations: list[tuple[int, Mapping[str, Any]]] = []
    told_of = known | refused
    for k, note in enumerate(document["annotations"]):
        fault = _annotation_fault(note, told_of)
        if fault:
            faults.append(CocoFault(f"annotations[{k}]", fault))
        elif note["image_id"] in known:  # of a refused image only the image is a fault
            annotations.append((k, note))
    return Coco(document, tuple(images), tuple(annotations), tuple(faults))


def category_faults(coco: Coco) -> Iterator[tuple[str, str]]:
    """Categories listed twice or without a name, and annotations of one that is not listed."""
    known: set[Any] = set()
    for k, category in enumerate(coco.document["categories"]):
        if not isinstance(category, dict) or "id" not in category or not category.get("name"):
            yield f"categories[{k}]", "a category needs id and name"
        elif id_key(category["id"]) in known:
            yield f"categories[{k}]", f"two categories have the same id, {category['id']}"
        else:
            known.add(id_key(category["id"]))
    for k, note in coco.annotations:
        if id_key(note.get("category_id")) not in known:
            stated = note.get("category_id")
            yield f"annotations[{k}]", f"is of category {stated}, which the file does not list"


def id_key(value: Any) -> Any:
    """What stands for an id in a set, whatever somebody wrote for one."""
    return value if isinstance(value, int | str | None) else repr(value)


def _is_inside(name: object) -> bool:
    """Whether a picture's name is a path below a folder."""
    try:
        inside(str(name), "file_name")
    except DataError:
        return False
    return isinstance(name, str)


def _annotation_fault(note: object, known: set[Id]) -> str:
    if not isinstance(note, dict) or "image_id" not in note:
        return "an annotation needs image_id and bbox"
    image = note["image_id"]
    if not isinstance(image, Id) or image not in known:
        return f"an annotation is of image {image!r:.60}, which is not there"
    box: object = note.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_finite, box)):
        return f"bbox {box!r:.80} is not x, y, width, height"
    if box[2] < 0 or box[3] < 0:
        return f"a box of {box[2]:g} x {box[3]:g} px in image {image}"
    return ""


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
