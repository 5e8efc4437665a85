"""Detections in other programs' formats, read as COCO results."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lard.documents import read_text
from lard.errors import DataError

SHOWN = 8
SLACK = 1e-3


def read_yolo(folder: str | Path, truth: Mapping[str, Any], class_id: int = 0) -> list[dict[str, Any]]:
    """COCO results of YOLO text files, one per image and named as it is; every fault in one error.

    A line is class, x and y of the centre, width, height and confidence, in fractions of the picture. When
    the images come from several sources, the files of each lie in a folder named as the source.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give the one with a text file per image")
    apart = len({image.get("source") for image in truth["images"]}) > 1
    named: dict[Path, Mapping[str, Any]] = {}
    for image in truth["images"]:
        stem = Path(str(image["file_name"])).stem
        key = Path(str(image.get("source")), stem) if apart else Path(stem)
        if key in named:
            raise DataError(f"{key}: two images of the ground truth have this name")
        named[key] = image
    rows: list[dict[str, Any]] = []
    faults: list[str] = []
    category = truth["categories"][0]["id"]
    for path in sorted(folder.rglob("*.txt")):
        image = named.get(path.relative_to(folder).with_suffix(""))
        if image is None:
            faults.append(f"{path}: no image of the ground truth has this name")
            continue
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            if not line.strip():
                continue
            try:
                box, score = _box(line, image, class_id)
            except ValueError as error:
                faults.append(f"{path}:{number}: {error}")
                continue
            rows.append({"image_id": int(image["id"]), "category_id": category, "bbox": box, "score": score})
    if faults:
        more = [f"and {len(faults) - SHOWN} more faults"] if len(faults) > SHOWN else []
        raise DataError("\n".join(faults[:SHOWN] + more))
    rows.sort(key=lambda row: (row["image_id"], -row["score"], row["bbox"]))
    return rows


def _box(line: str, image: Mapping[str, Any], class_id: int) -> tuple[list[float], float]:
    """x, y, width, height in px, cut to the picture, and the confidence of one line."""
    fields = line.split()
    if len(fields) == 5:
        raise ValueError("5 numbers, expected 6: the confidence is missing, predict again with save_conf")
    if len(fields) != 6:
        raise ValueError(f"{len(fields)} numbers, expected class, x, y, width, height, confidence")
    try:
        values = [float(field) for field in fields]
    except ValueError as error:
        raise ValueError(f"{line.strip()[:60]!r}: expected six numbers") from error
    if not all(map(math.isfinite, values)):
        raise ValueError(f"{line.strip()[:60]!r}: expected finite numbers")
    if values[0] != class_id:
        raise ValueError(f"class {fields[0]}, expected {class_id}; keep the runways only, or give --class")
    x, y, width, height, score = values[1:]
    if not (0 <= score <= 1):
        raise ValueError(f"confidence {score:g}, expected 0 to 1")
    low, high = (x - width / 2, y - height / 2), (x + width / 2, y + height / 2)
    if width <= 0 or height <= 0 or min(low) < -SLACK or max(high) > 1 + SLACK:
        raise ValueError(f"box {x:g} {y:g} {width:g} {height:g}: expected one in the picture, in fractions")
    x0, y0 = max(low[0], 0.0) * image["width"], max(low[1], 0.0) * image["height"]
    x1, y1 = min(high[0], 1.0) * image["width"], min(high[1], 1.0) * image["height"]
    return [round(value, 3) for value in (x0, y0, x1 - x0, y1 - y0)], score
