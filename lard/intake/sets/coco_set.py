"""COCO detection files with their pictures, as a dataset: boxes, polygons or four corner keypoints."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lard.errors import DataError
from lard.intake.coco import Coco, category_faults, looks_like_coco, read_coco
from lard.intake.sets.classes import class_notes, runway_class, same_name_note
from lard.intake.sets.model import Imported, airport_faults, frame_ids, frames_of, refuse, split_of
from lard.intake.sets.outlines import Outline, box_points, check_outline, labels_of_outlines, without_repeats
from lard.intake.sets.sizes import upright_size
from lard.tables import read_json


def read_coco_set(place: Path, split: str = "", label: str = "") -> Imported:
    """Read a COCO file, or every one below a folder, one file a split.

    `label` is the category that is a runway; the split is the one that a file's path names, else `split`.
    Annotations marked iscrowd become runways that need not be found.
    """
    root = place if place.is_dir() else place.parent
    read = {place: read_coco(place)} if place.is_file() else _read_below(place)
    files = list(read)
    if not files:
        raise DataError(f"{place}: no COCO file (.json with images, annotations and categories) there")
    refuse(place, (f"{path}: {f.place}: {f.message}" for path, coco in read.items() for f in coco.faults))
    refuse(
        place, (f"{path}: {at}: {text}" for path, coco in read.items() for at, text in category_faults(coco))
    )
    splits = {path: split_of(path.relative_to(root.parent)) or split for path in files}
    refuse(
        place,
        (f"{path}: nothing in its path tells its split; give --split" for path in files if not splits[path]),
    )
    found = {path: _pictures(path, coco, place) for path, coco in read.items()}
    every = [picture for of_file in found.values() for picture in of_file.values()]
    twice = [picture for picture, count in Counter(every).items() if count > 1]
    refuse(place, (f"{picture}: described more than once" for picture in sorted(twice)))
    ids = frame_ids(every, root)
    rows: list[dict[str, Any]] = []
    outlines: list[tuple[str, Outline]] = []
    notes: list[str] = []
    faults: list[str] = []
    for path, coco in read.items():
        wanted, found_notes = _category(path, coco, label)
        notes += [note for note in found_notes if note not in notes]
        images = {image["id"]: image for image in coco.images}
        for key, image in images.items():
            picture = found[path][key]
            size = upright_size(picture)
            if (image.get("width", size[0]), image.get("height", size[1])) != size:
                told = f"{image.get('width')!r:.20}x{image.get('height')!r:.20}"
                faults.append(f"{path}: image {key}: {told} px, {picture.name} is {size[0]}x{size[1]}")
            rows.append(_row(image, ids[picture], size, splits[path]))
            codes = airport_faults([rows[-1].get("airport", "")])
            faults += [f"{path}: image {key}: {fault}" for fault in codes]
        for place_in_file, note_of in coco.annotations:
            if note_of.get("category_id") not in wanted:
                continue
            picture = found[path][note_of["image_id"]]
            try:
                drawn = _outline(note_of, images[note_of["image_id"]], ids[picture], upright_size(picture))
            except ValueError as error:
                faults.append(f"{path}: annotations[{place_in_file}]: {error}")
                continue
            outlines.append((f"{path.name}: annotations[{place_in_file}]", drawn))
            codes = airport_faults([drawn.airport])
            faults += [f"{path}: annotations[{place_in_file}]: {fault}" for fault in codes]
    refuse(place, faults)
    kept, repeats = without_repeats(outlines)
    return Imported(
        "coco",
        frames_of(rows, "coco"),
        labels_of_outlines(kept),
        {ids[p]: p for p in every},
        (*notes, *repeats),
    )


def _read_below(folder: Path) -> dict[Path, Coco]:
    """The COCO files below a folder; DataError of those that cannot be read, for each may be a split."""
    read, faults = {}, []
    for path in sorted(folder.rglob("*.json")):
        try:
            if looks_like_coco(read_json(path)):
                read[path] = read_coco(path)
        except DataError as error:
            faults.append(f"{error} (or move the file out of the folder)")
    refuse(folder, faults)
    return read


def _pictures(path: Path, coco: Coco, place: Path) -> dict[Any, Path]:
    """The picture of each image: beside the file, in images/ there or above, or in a folder of the split."""
    folders = [path.parent, path.parent / "images", path.parent.parent, path.parent.parent / "images"]
    folders += [path.parent.parent / "images" / path.stem, path.parent.parent / path.stem]
    found, missing = {}, []
    for image in coco.images:
        name = Path(str(image["file_name"]))
        here = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if here is None:
            missing.append(str(name))
        else:
            found[image["id"]] = here
    refuse(place, (f"{path}: no picture {name}, neither beside it nor in images/" for name in missing))
    return found


def _category(path: Path, coco: Coco, label: str) -> tuple[list[Any], list[str]]:
    """The ids of the runways' category, and notes on what is taken for it and what is left out.

    Roboflow lists a project and its class, which may have the same name.
    """
    named: dict[str, list[Any]] = {}
    for category in coco.document["categories"]:
        named.setdefault(str(category["name"]), []).append(category["id"])
    chosen = runway_class(named, label, path)
    notes = class_notes(chosen, label) + same_name_note(path, "categories", named[chosen], chosen)
    others = sum(note.get("category_id") not in named[chosen] for _, note in coco.annotations)
    notes += [f"{path.name}: {others} annotations of other categories are left out"] if others else []
    return named[chosen], notes


def _row(image: Mapping[str, Any], name: str, size: tuple[int, int], split: str) -> dict[str, Any]:
    texts = {key: str(image[key]) for key in ("airport", "runway") if isinstance(image.get(key), str)}
    return {"frame_id": name, "split": split, "width_px": size[0], "height_px": size[1], **texts}


def _outline(note: Mapping[str, Any], image: Mapping[str, Any], name: str, size: tuple[int, int]) -> Outline:
    points, corners, seen = _points(note)
    told = note.get("verdict")
    verdict = str(told) if isinstance(told, str) else "OUT_OF_ODD" if note.get("iscrowd") else "UNKNOWN"
    airport, runway = (note.get(key, image.get(key)) for key in ("airport", "runway"))
    return check_outline(
        Outline(
            name, *size, points, corners, str(airport or ""), str(runway or ""), verdict, seen,
            _approached(note, image),
        )
    )  # fmt: skip


def _approached(note: Mapping[str, Any], image: Mapping[str, Any]) -> bool:
    """Whether an annotation is what its picture approaches: as it says, or by the runway that both name."""
    told = note.get("is_target")
    if isinstance(told, bool | int):
        return bool(told)
    if not image.get("runway"):
        return True
    return all(note.get(name, image.get(name)) == image.get(name) for name in ("airport", "runway"))


def _points(note: Mapping[str, Any]) -> tuple[np.ndarray[Any, np.dtype[np.float64]], bool, tuple[bool, ...]]:
    """Four corners where all are marked, else the polygon, else the box; ValueError for what is none.

    With them whether they are corners, and which of those are said to be seen: a keypoint beyond the edge of
    the picture is marked 1, as one that hides.
    """
    marks = note.get("keypoints")
    if isinstance(marks, list) and len(marks) == 12:
        _check_numbers(marks, "keypoints")
        table = np.array(marks, np.float64).reshape(4, 3)
        if (table[:, 2] > 0).all():
            return table[:, :2], True, tuple((table[:, 2] > 1).tolist())
    rings = note.get("segmentation")
    if isinstance(rings, list) and len(rings) == 1 and isinstance(rings[0], list) and len(rings[0]) >= 6:
        _check_numbers(rings[0], "segmentation")
        if len(rings[0]) % 2:
            raise ValueError(f"segmentation has {len(rings[0])} numbers; expected pairs of x, y")
        points = np.array(rings[0], np.float64).reshape(-1, 2)
        if len(points) > 4 and (points[0] == points[-1]).all():
            points = points[:-1]
        return points, len(points) == 4, (True,) * len(points)
    x, y, width, height = note["bbox"]
    if not (width > 0 and height > 0):
        raise ValueError(f"bbox {note['bbox']!r} has no area")
    return box_points(x, y, x + width, y + height), False, ()


def _check_numbers(values: list[Any], name: str) -> None:
    """ValueError unless all are finite numbers."""
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{name} holds {value!r:.60}; expected finite numbers")
