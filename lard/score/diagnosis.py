"""What averages hide: calibration of scores, runways mistaken for one another, and errors of the boxes."""

from __future__ import annotations

from typing import Any

import numpy as np

from lard.score.boxes import Floats, corners, iou
from lard.score.evaluation import Evaluation
from lard.score.slices import distance_bin

BINS = 10
IOU = 0.5


def calibration(evaluation: Evaluation, score: float) -> dict[str, Any]:
    """How far scores are from being probabilities, for detections of a score or above, at IoU 0.5.

    Over ten equal bins of score, the sum of |right detections - sum of their scores|, for each runway that
    was found: detections below the score, however many, change nothing. Detections of runways that need not
    be found are left out. None where no runway was found.
    """
    found = evaluation.matches()
    known = ~found.skipped[0] & (evaluation.scores >= score)
    scores, right = evaluation.scores[known], found.right[0][known]
    place = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    rows, gap = [], 0.0
    for k in range(BINS):
        here = place == k
        count = int(here.sum())
        row: dict[str, Any] = {"low": k / BINS, "high": (k + 1) / BINS, "detections": count}
        if count:
            row |= {"score": float(scores[here].mean()), "precision": float(right[here].mean())}
            gap += abs(float(right[here].sum()) - float(scores[here].sum()))
        rows.append(row)
    matched = int(right.sum())
    return {
        "iou": IOU,
        "score": score,
        "ECE": gap / matched if matched else None,
        "detections": len(scores),
        "matched": matched,
        "bins": rows,
    }


def found_by_airport(evaluation: Evaluation, score: float) -> dict[str, dict[str, dict[str, int]]]:
    """Required runways and those found at a score or above, by airport of the picture and slant distance.

    Runways of unknown airport or distance are left out.
    """
    found = evaluation.matches()
    hits = set(found.taken[0][found.right[0] & (evaluation.scores >= score)].tolist())
    airports = {int(image["id"]): image.get("airport") for image in evaluation.truth["images"]}
    table: dict[str, dict[str, dict[str, int]]] = {}
    for place in np.flatnonzero(~evaluation.crowd).tolist():
        note = evaluation.truth["annotations"][evaluation.notes[place]]
        airport, slant_m = airports[int(note["image_id"])], note.get("slant_m")
        if airport is None or slant_m is None:
            continue
        row = table.setdefault(str(airport), {}).setdefault(
            distance_bin(float(slant_m)), {"runways": 0, "found": 0}
        )
        row["runways"] += 1
        row["found"] += place in hits
    return {airport: dict(sorted(bins.items())) for airport, bins in sorted(table.items())}


def confusion(evaluation: Evaluation, score: float) -> dict[str, Any]:
    """Pictures that show the required target runway among others: which one is detected, at a score or above.

    A detection is of the runway that it overlaps best, by half at least. order counts runways by distance,
    the nearest first, and tells how many of each place were found.
    """
    truth = evaluation.truth
    shown: dict[int, list[int]] = {}
    for place, note in enumerate(truth["annotations"]):
        if "is_target" in note and "slant_m" in note:
            shown.setdefault(int(note["image_id"]), []).append(place)
    first = {"target": 0, "other": 0, "background": 0, "nothing": 0}
    target = {"found": 0, "other_instead": 0, "missed": 0}
    order: dict[str, dict[str, int]] = {}
    images = 0
    for image_id in evaluation.images:
        places = sorted(shown.get(image_id, []), key=lambda k: (truth["annotations"][k]["slant_m"], k))
        notes = [truth["annotations"][k] for k in places]
        wanted = [k for k, note in enumerate(notes) if note["is_target"] and not note.get("iscrowd", 0)]
        if len(notes) < 2 or len(wanted) != 1:
            continue
        images += 1
        rows = evaluation.detections_of([image_id])
        rows = rows[evaluation.scores[rows] >= score]
        overlap = iou(evaluation.boxes[rows], _boxes(notes))
        owner = np.where(overlap.max(axis=1) >= IOU, overlap.argmax(axis=1), -1)
        found = set(owner.tolist())
        best = int(owner[0]) if len(owner) else None
        first[_what(best, wanted[0])] += 1
        target[
            "found" if wanted[0] in found else "other_instead" if any(k >= 0 for k in found) else "missed"
        ] += 1
        for k, note in enumerate(notes):
            if not note.get("iscrowd", 0):
                row = order.setdefault("4+" if k >= 3 else str(k + 1), {"runways": 0, "found": 0})
                row["runways"] += 1
                row["found"] += int(k in found)
    return {"images": images, "score": score, "best_detection": first, "target": target, "order": order}


def _what(owner: int | None, target: int) -> str:
    if owner is None:
        return "nothing"
    return "background" if owner < 0 else "target" if owner == target else "other"


def localisation(evaluation: Evaluation, score: float) -> dict[str, Any]:
    """Errors of the detections of required runways (IoU at least 0.5, at a score or above): median and 95 %.

    corner_px is the mean distance of the four corners of the box, centre_px that of its centre. Where camera
    and slant distance are known, bearing_deg is the angle between the rays through both centres and
    offset_m the distance between them at the runway: how far aside an aircraft that steers by the box is.
    """
    found = evaluation.matches()
    rows = np.flatnonzero(found.right[0] & (evaluation.scores >= score))
    if not len(rows):
        return {"matched": 0, "score": score}
    runway = found.taken[0][rows]
    detected, wanted = corners(evaluation.boxes[rows]), corners(evaluation.runways[runway])
    side = np.abs(detected - wanted)
    corner = np.mean(
        [np.hypot(side[:, x], side[:, y]) for x in (0, 2) for y in (1, 3)], axis=0
    )  # the four corners pair the sides
    centre, true_centre = _centre(detected), _centre(wanted)
    values = {"corner_px": corner, "centre_px": np.hypot(*(centre - true_centre).T)}
    images = {int(image["id"]): image for image in evaluation.truth["images"]}
    cameras = [images[int(evaluation.image_ids[k])].get("camera") for k in evaluation.image[rows]]
    notes = [evaluation.truth["annotations"][evaluation.notes[k]] for k in runway]
    known = np.array(
        [
            c is not None and c.get("fx_px") is not None and n.get("slant_m") is not None
            for c, n in zip(cameras, notes, strict=True)
        ]
    )
    if known.any():
        where = np.flatnonzero(known)
        numbers = [[cameras[k][key] for key in ("fx_px", "fy_px", "cx_px", "cy_px")] for k in where]
        intrinsics = np.array(numbers, np.float64)
        slant_m = np.array([notes[k]["slant_m"] for k in where], np.float64)
        a, b = _rays(centre[where], intrinsics), _rays(true_centre[where], intrinsics)
        angle = np.arctan2(np.linalg.norm(np.cross(a, b), axis=1), (a * b).sum(axis=1))
        values |= {"bearing_deg": np.degrees(angle), "offset_m": slant_m * np.tan(angle)}
    summary = {
        key: {"median": float(np.median(v)), "p95": float(np.quantile(v, 0.95))} for key, v in values.items()
    }
    return {"matched": len(rows), "score": score, **summary}


def _rays(points_px: Floats, intrinsics: Floats) -> Floats:
    """Unit rays (n, 3), camera frame x right, y down, of pixels (n, 2) and fx, fy, cx, cy (n, 4)."""
    flat = (points_px - intrinsics[:, 2:]) / intrinsics[:, :2]
    rays = np.concatenate((flat, np.ones((len(flat), 1))), axis=1)
    return np.asarray(rays / np.linalg.norm(rays, axis=1, keepdims=True))


def _boxes(notes: list[Any]) -> Floats:
    return np.array([note["bbox"] for note in notes], np.float64).reshape(-1, 4)


def _centre(boxes: Floats) -> Floats:
    return (boxes[:, :2] + boxes[:, 2:]) / 2
