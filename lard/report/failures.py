"""The worst failures of detectors: confident false alarms and large runways that were missed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.report.thumbs import thumbnail
from lard.score.boxes import iou, share_inside

Array = NDArray[np.float64]
IOU = 0.5
SHOWN = 5
RED_BGR, GREEN_BGR, GREY_BGR = (38, 38, 214), (90, 200, 60), (190, 190, 190)


def failures(
    truth: Mapping[str, Any], results: Mapping[str, Sequence[Mapping[str, Any]]], root: Path
) -> list[dict[str, Any]]:
    """Per model, thumbnails of its most confident false alarms and of the largest runways it missed.

    Missed means that no detection overlaps it by half; ignorable runways (iscrowd) are neither.
    """
    images = {int(image["id"]): image for image in truth["images"]}
    notes: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for note in truth["annotations"]:
        notes[int(note["image_id"])].append(note)
    found = []
    for model in sorted(results):
        rows: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
        for row in results[model]:
            rows[int(row["image_id"])].append(row)
        alarms, missed = [], []
        for image_id in sorted(images):
            wrong, lost = judge(notes[image_id], rows[image_id])
            alarms += [(row, image_id) for row in wrong]
            missed += [(note, image_id) for note in lost]
        alarms.sort(key=lambda item: (-float(item[0]["score"]), item[1], tuple(item[0]["bbox"])))
        missed.sort(key=lambda item: (-min(item[0]["bbox"][2:]), item[1], tuple(item[0]["bbox"])))
        shown = []
        for row, image_id in _spread(missed):
            width, height = row["bbox"][2:]
            text = f"missed runway {row.get('runway', '')} of {width:.0f} x {height:.0f} px"
            shown.append(_picture(images[image_id], notes[image_id], rows[image_id], row["bbox"], text, root))
        for row, image_id in _spread(alarms):
            text = f"false alarm, score {row['score']:.2f}"
            shown.append(_picture(images[image_id], notes[image_id], rows[image_id], row["bbox"], text, root))
        found.append({"model": model, "pictures": shown, "missed": len(missed), "alarms": len(alarms)})
    return found


def _spread(items: Sequence[tuple[Mapping[str, Any], int]]) -> list[tuple[Mapping[str, Any], int]]:
    """The first few, one per picture."""
    kept: dict[int, tuple[Mapping[str, Any], int]] = {}
    for item in items:
        if len(kept) < SHOWN:
            kept.setdefault(item[1], item)
    return list(kept.values())


def judge(
    notes: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """False alarms (score 0.5 or more) and missed required runways of one picture."""
    if not notes:
        return [row for row in rows if row["score"] >= 0.5], []
    required = [note for note in notes if not note.get("iscrowd")]
    if not rows:
        return [], required
    detected = np.array([row["bbox"] for row in rows], np.float64)
    overlap = iou(np.array([note["bbox"] for note in notes], np.float64), detected)
    best = overlap.max(axis=0)
    # what touches an ignorable runway is no false alarm, as in the scoring
    crowd = [k for k, note in enumerate(notes) if note.get("iscrowd")]
    covered = share_inside(detected, np.array([notes[k]["bbox"] for k in crowd], np.float64).reshape(-1, 4))
    touched: list[bool] = (covered.max(axis=1, initial=0.0) >= IOU).tolist()
    alarms = [row for k, row in enumerate(rows) if row["score"] >= 0.5 and best[k] < IOU and not touched[k]]
    missed = [
        note for k, note in enumerate(notes) if not note.get("iscrowd") and overlap[k].max(initial=0.0) < IOU
    ]
    return alarms, missed


def _picture(
    image: Mapping[str, Any],
    notes: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
    focus: Sequence[float],
    text: str,
    root: Path,
) -> dict[str, str]:
    name = str(image["file_name"])
    path = root / name if (root / name).is_file() else root / "images" / name
    outlines = [(_corners(n["bbox"]), GREY_BGR if n.get("iscrowd") else GREEN_BGR) for n in notes]
    outlines += [(_corners(r["bbox"]), RED_BGR) for r in rows if r["score"] >= 0.3]
    x, y, width, height = focus
    return {
        "image": thumbnail(path, outlines, (x, y, x + width, y + height)),
        "name": str(image.get("frame_id", name)),
        "text": text,
    }


def _corners(box: Sequence[float]) -> Array:
    x, y, width, height = box
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], np.float64)
