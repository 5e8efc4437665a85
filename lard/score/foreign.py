"""Detections in other programs' formats, brought to COCO results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lard.errors import DataError
from lard.intake.yolo import NO_DETECTIONS, YoloBox, read_detections

SHOWN = 8


def read_yolo(folder: str | Path, truth: Mapping[str, Any], class_id: int = 0) -> list[dict[str, Any]]:
    """COCO results of YOLO text files, one per image and named as it is; every fault in one error.

    When the images come from several sources, the files of each lie in a folder named as the source.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give the one with a text file per image")
    named = _named_images(truth)
    rows: list[dict[str, Any]] = []
    faults: list[str] = []
    category = truth["categories"][0]["id"]
    files = sorted(folder.rglob("*.txt"))
    if not files:
        raise DataError(f"{folder}: no label files (*.txt); predict with save_txt and save_conf first")
    for path in files:
        image = named.get(path.relative_to(folder).with_suffix(""))
        if image is None and path.name.lower() in NO_DETECTIONS:
            continue
        if image is None:
            faults.append(f"{path}: no image of the ground truth has this name")
            continue
        boxes, wrong = read_detections(path, class_id)
        faults += wrong
        rows += [
            {
                "image_id": int(image["id"]),
                "category_id": category,
                "bbox": _pixels(box, image),
                "score": box.score,
            }
            for box in boxes
        ]
    if faults:
        more = [f"and {len(faults) - SHOWN} more faults"] if len(faults) > SHOWN else []
        raise DataError("\n".join(faults[:SHOWN] + more))
    rows.sort(key=lambda row: (row["image_id"], -row["score"], row["bbox"]))
    return rows


def _named_images(truth: Mapping[str, Any]) -> dict[Path, Mapping[str, Any]]:
    """Each image by the path that its text file has, without suffix."""
    apart = len({image.get("source") for image in truth["images"]}) > 1
    named: dict[Path, Mapping[str, Any]] = {}
    for image in truth["images"]:
        stem = Path(str(image["file_name"])).stem
        key = Path(str(image.get("source")), stem) if apart else Path(stem)
        if key in named:
            raise DataError(f"{key}: two images of the ground truth have this name")
        named[key] = image
    return named


def _pixels(box: YoloBox, image: Mapping[str, Any]) -> list[float]:
    """x, y, width, height in px, cut to the picture."""
    low = box.x - box.width / 2, box.y - box.height / 2
    high = box.x + box.width / 2, box.y + box.height / 2
    x0, y0 = max(low[0], 0.0) * image["width"], max(low[1], 0.0) * image["height"]
    x1, y1 = min(high[0], 1.0) * image["width"], min(high[1], 1.0) * image["height"]
    return [round(value, 3) for value in (x0, y0, x1 - x0, y1 - y0)]
