"""YOLO text files of detections, and the one reader of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lard.documents import number_of, read_text
from lard.errors import DataError

SLACK = 1e-3
NO_DETECTIONS = ("classes.txt", "labels.txt", "train.txt", "val.txt", "test.txt", "readme.txt")
"""Texts that labelling programs put beside those of the pictures: names of classes, lists of files."""


@dataclass(frozen=True, slots=True)
class YoloBox:
    """Centre, width and height of a box in fractions of the picture, and its confidence."""

    x: float
    y: float
    width: float
    height: float
    score: float


def read_detections(path: Path, class_id: int) -> tuple[list[YoloBox], list[str]]:
    """The detections of a text file, one a line, and a fault for each line that is none."""
    try:
        lines = read_text(path).splitlines()
    except DataError as error:
        return [], [str(error)]
    boxes: list[YoloBox] = []
    faults: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            boxes.append(_box(line, class_id))
        except ValueError as error:
            faults.append(f"{path}:{number}: {error}")
    return boxes, faults


def _box(line: str, class_id: int) -> YoloBox:
    """One line: class, x and y of the centre, width, height and confidence."""
    fields = line.split()
    if len(fields) == 5:
        raise ValueError("5 numbers, expected 6: the confidence is missing, predict again with save_conf")
    if len(fields) != 6:
        raise ValueError(f"{len(fields)} numbers, expected class, x, y, width, height, confidence")
    try:
        values = [number_of(field) for field in fields]
    except ValueError as error:
        raise ValueError(f"{line.strip()[:60]!r}: expected six finite numbers") from error
    if values[0] != class_id:
        raise ValueError(f"class {fields[0]}, expected {class_id}; keep the runways only, or give --class")
    x, y, width, height, score = values[1:]
    if not (0 <= score <= 1):
        raise ValueError(f"confidence {score:g}, expected 0 to 1")
    low, high = (x - width / 2, y - height / 2), (x + width / 2, y + height / 2)
    if width <= 0 or height <= 0 or min(low) < -SLACK or max(high) > 1 + SLACK:
        raise ValueError(f"box {x:g} {y:g} {width:g} {height:g}: expected one in the picture, in fractions")
    return YoloBox(x, y, width, height, score)
