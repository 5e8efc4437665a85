"""YOLO folders in Ultralytics' layout, as a dataset: boxes, polygons or four corners."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lard.documents import number_of, read_text, read_yaml
from lard.errors import DataError
from lard.intake.sets.classes import class_notes, runway_class, same_name_note
from lard.intake.sets.model import SUFFIXES, Imported, frame_ids, frames_of, refuse, split_of
from lard.intake.sets.outlines import Outline, box_points, check_outline, labels_of_outlines, without_repeats
from lard.intake.sets.sizes import upright_size
from lard.intake.yolo import NO_DETECTIONS

SLACK = 0.5  # of the picture's side by which a corner may lie outside
BOX_SLACK = 1e-3


@dataclass(frozen=True, slots=True)
class _Layout:
    """What data.yaml says: class names by number, numbers per keypoint, pictures of each split."""

    names: Mapping[int, str]
    keypoints: tuple[int, int] | None
    pictures: Mapping[str, list[Path]]
    declared: bool = True
    """Whether a data.yaml says so; else class 0 is taken for the runway and others may be there."""


def read_yolo_set(place: Path, split: str = "", label: str = "") -> Imported:
    """Read a data.yaml or the folder of one, or a folder with images/ and labels/ without it.

    A picture without label file holds no runway, as YOLO has it. `label` is the class that is a runway.
    """
    root = place if place.is_dir() else place.parent
    layout = _layout(place, split)
    wanted = runway_class(layout.names.values(), label, place)
    numbers = [key for key, name in layout.names.items() if name == wanted]
    every = [picture for pictures in layout.pictures.values() for picture in pictures]
    shared = len(every) - len(set(every))
    if shared:
        raise DataError(f"{place}: {shared} pictures are in more than one split")
    ids = frame_ids(every, root)
    rows: list[dict[str, Any]] = []
    outlines: list[tuple[str, Outline]] = []
    faults: list[str] = []
    empty = others = 0
    for name, pictures in layout.pictures.items():
        for picture in pictures:
            size = upright_size(picture)
            rows.append({"frame_id": ids[picture], "split": name, "width_px": size[0], "height_px": size[1]})
            text = label_path(picture)
            if not text.exists():
                empty += 1
                continue
            for line, fields in _lines(text, faults):
                if fault := _class_fault(fields[0], layout):
                    faults.append(f"{text}:{line}: {fault}")
                    continue
                if fields[0] not in numbers:
                    others += 1
                    continue
                try:
                    points, corners = _points(fields[1:], layout.keypoints, size)
                    drawn = check_outline(Outline(ids[picture], *size, points, corners))
                    outlines.append((f"{text}:{line}", drawn))
                except ValueError as error:
                    faults.append(f"{text}:{line}: {error}")
    refuse(place, faults)
    notes = class_notes(wanted, label) + same_name_note(place, "classes", numbers, wanted)
    notes += [f"{empty} pictures have no label file: no runway in them"] if empty else []
    notes += [f"{others} objects of other classes are left out"] if others else []
    kept, repeats = without_repeats(outlines)
    notes += [*repeats, *_orphan_notes(every, root)]
    pictures_of = {ids[picture]: picture for picture in every}
    return Imported("yolo", frames_of(rows, "yolo"), labels_of_outlines(kept), pictures_of, tuple(notes))


def label_path(picture: Path) -> Path:
    """The label file of a picture: the last folder images of its path becomes labels."""
    parts = list(picture.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _class_fault(value: float, layout: _Layout) -> str:
    """What is wrong with the class of an object; "" for nothing."""
    if value < 0 or value % 1:
        return f"class {value:g}; expected a whole number from 0"
    if layout.declared and int(value) not in layout.names:
        listed = ", ".join(str(key) for key in sorted(layout.names)[:20])
        return f"class {value:g}, which names does not have (it has {listed}); mend the line or data.yaml"
    return ""


def _orphan_notes(pictures: list[Path], root: Path) -> list[str]:
    """A note that names label files without a picture: perhaps it was lost, or renamed."""
    orphans = []
    for images, labels in sorted({_folders(picture) for picture in pictures}):
        below = sorted(labels.rglob("*.txt")) if labels != images else sorted(labels.glob("*.txt"))
        known = {path.relative_to(images).with_suffix("") for path in _below(images)} if below else set()
        orphans += [
            path
            for path in below
            if path.relative_to(labels).with_suffix("") not in known
            and path.name.lower() not in NO_DETECTIONS
        ]
    if not orphans:
        return []
    told = [str(path.relative_to(root) if path.is_relative_to(root) else path) for path in orphans[:5]]
    more = f" and {len(orphans) - 5} more" if len(orphans) > 5 else ""
    return [f"left out, label files without a picture: {', '.join(told)}{more}"]


def _folders(picture: Path) -> tuple[Path, Path]:
    """The folders images/ and labels/ that a picture and its label file lie below, else their own."""
    images, labels = picture.parent, label_path(picture).parent
    while images != labels and images.name == labels.name:
        images, labels = images.parent, labels.parent
    return images, labels


def _layout(place: Path, split: str) -> _Layout:
    files = [place] if place.is_file() else sorted([*place.glob("*.yaml"), *place.glob("*.yml")])
    if len(files) > 1:
        raise DataError(f"{place}: {', '.join(path.name for path in files)}: give the one to read")
    if not files:
        pictures = _below(place / "images") if (place / "images").is_dir() else []
        if not pictures:
            raise DataError(f"{place}: neither data.yaml nor pictures in images/ there")
        return _Layout({0: "runway"}, None, _by_name(pictures, place, split), declared=False)
    document = read_yaml(files[0], error=DataError, absent="give the folder of a data.yaml")
    if not isinstance(document, Mapping):
        raise DataError(f"{files[0]}: expected a mapping with train, val and names")
    return _described(document, files[0])


def _by_name(pictures: list[Path], place: Path, split: str) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for picture in pictures:
        name = split_of(picture.parent.relative_to(place)) or split
        if not name:
            raise DataError(f"{picture}: no folder of its path tells its split; give --split")
        found.setdefault(name, []).append(picture)
    return found


def _described(document: Mapping[str, Any], path: Path) -> _Layout:
    names = document.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    plain = isinstance(names, Mapping) and all(
        isinstance(key, int) and key >= 0 and isinstance(name, str | int) for key, name in names.items()
    )
    if not plain or not names:
        raise DataError(f"{path}: names is {names!r:.200}; expected a list, or numbers with their names")
    told = document.get("nc")
    if told is not None and told != len(names):
        raise DataError(
            f"{path}: nc is {told!r:.60} and names has {len(names)}; expected the number of names"
        )
    shape = document.get("kpt_shape")
    if shape is not None and not (
        isinstance(shape, list) and len(shape) == 2 and shape[0] == 4 and shape[1] in (2, 3)
    ):
        raise DataError(f"{path}: kpt_shape is {shape!r}; expected [4, 2] or [4, 3], the corners of a runway")
    base = path.parent
    if isinstance(document.get("path"), str):
        stated = Path(document["path"])
        base = stated if stated.is_absolute() and stated.is_dir() else path.parent / stated
        base = base if base.is_dir() else path.parent
    pictures = {}
    for split in ("train", "val", "test"):
        entry = document.get(split)
        if entry:
            entries = entry if isinstance(entry, list) else [entry]
            pictures[split] = [found for one in entries for found in _entry(base, str(one), path, split)]
    if not pictures:
        raise DataError(f"{path}: none of train, val, test is there")
    keypoints = None if shape is None else (int(shape[0]), int(shape[1]))
    return _Layout({key: str(name) for key, name in names.items()}, keypoints, pictures)


def _entry(base: Path, entry: str, path: Path, split: str) -> list[Path]:
    """The pictures of a folder, or those that a text file lists."""
    # Roboflow writes ../train/images beside train/
    place = next((p for p in (base / entry, base / entry.removeprefix("../")) if p.exists()), None)
    if place is None:
        raise DataError(f"{path}: {split}: no folder or list {entry} below {base}")
    if place.is_dir():
        return _below(place)
    listed = [line.strip() for line in read_text(place).splitlines() if line.strip()]
    found = [base / line for line in listed]
    missing = [line for line, picture in zip(listed, found, strict=True) if not picture.is_file()]
    refuse(place, (f"{place}: no picture {line}" for line in missing))
    return found


def _below(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES]


def _lines(path: Path, faults: list[str]) -> Iterator[tuple[int, list[float]]]:
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            fields = [number_of(field) for field in line.split()]
        except ValueError as error:
            faults.append(f"{path}:{number}: {error}; expected numbers")
            continue
        yield number, fields


def _points(
    values: list[float], keypoints: tuple[int, int] | None, size: tuple[int, int]
) -> tuple[np.ndarray[Any, np.dtype[np.float64]], bool]:
    """The outline in px of an object's numbers in fractions; ValueError for what is none."""
    scale = np.array(size, np.float64)
    if len(values) == 4 or keypoints is not None:
        return _box_or_corners(values, keypoints, scale)
    if len(values) < 6 or len(values) % 2:
        raise ValueError(f"{len(values) + 1} numbers; expected a class and a box of 4 or a polygon")
    points = np.array(values).reshape(-1, 2)
    if points.min() < -BOX_SLACK or points.max() > 1 + BOX_SLACK:
        raise ValueError("a polygon that leaves the picture; expected fractions of width and height")
    if len(points) > 4 and (points[0] == points[-1]).all():
        points = points[:-1]
    return points * scale, len(points) == 4


def _box_or_corners(
    values: list[float], keypoints: tuple[int, int] | None, scale: np.ndarray[Any, np.dtype[np.float64]]
) -> tuple[np.ndarray[Any, np.dtype[np.float64]], bool]:
    expected = 4 + (keypoints[0] * keypoints[1] if keypoints else 0)
    if len(values) != expected:
        raise ValueError(f"{len(values) + 1} numbers; expected {expected + 1}")
    x, y, width, height = values[:4]
    box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    if width <= 0 or height <= 0 or min(box) < -BOX_SLACK or max(box) > 1 + BOX_SLACK:
        raise ValueError(f"box {x:g} {y:g} {width:g} {height:g}: expected one in the picture, in fractions")
    if keypoints is not None:
        marks = np.array(values[4:]).reshape(keypoints)
        seen = (marks[:, 2] > 0).all() if keypoints[1] == 3 else (marks[:, :2] != 0).any(axis=1).all()
        if seen:
            if marks[:, :2].min() < -SLACK or marks[:, :2].max() > 1 + SLACK:
                raise ValueError("a corner far outside of the picture")
            return marks[:, :2] * scale, True
    return box_points(*box) * scale, False
