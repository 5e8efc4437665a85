"""What averages hide: calibration of scores, runways mistaken for one another, and errors of the boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lard.score.boxes import Floats, Ints, corners
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


@dataclass(frozen=True, slots=True)
class _Views:
    """Pictures that show the required target among other runways, the nearest runway first in each."""

    places: Ints  # (pictures,) of the evaluation's images
    runways: Ints  # (runways,) places in the annotations, picture by picture
    first: Ints  # (pictures,) first runway of each
    count: Ints  # (pictures,) runways in each
    target: Ints  # (pictures,) row of the target


def confusion(evaluation: Evaluation, score: float) -> dict[str, Any]:
    """Pictures that show the required target runway among others: which one is detected, at a score or above.

    A detection is of the runway that it overlaps best, by half at least. order counts runways by distance,
    the nearest first, and tells how many of each place were found.
    """
    views = _views(evaluation)
    first = {"target": 0, "other": 0, "background": 0, "nothing": 0}
    target = {"found": 0, "other_instead": 0, "missed": 0}
    order: dict[str, dict[str, int]] = {}
    images = len(views.places)
    told = {"images": images, "score": score, "best_detection": first, "target": target, "order": order}
    if not images:
        return told
    view, owner = _owners(evaluation, views, score)
    hit = np.zeros(len(views.runways), bool)
    hit[owner[owner >= 0]] = True
    best = np.full(images, -2)  # row of the runway that the best detection is of
    best[view[::-1]] = owner[::-1]
    first["target"] = int((best == views.target).sum())
    first["other"] = int(((best >= 0) & (best != views.target)).sum())
    first["background"], first["nothing"] = int((best == -1).sum()), int((best == -2).sum())
    found = hit[views.target]
    target["found"] = int(found.sum())
    target["other_instead"] = int((np.logical_or.reduceat(hit, views.first) & ~found).sum())
    target["missed"] = images - target["found"] - target["other_instead"]
    place = np.minimum(np.arange(len(hit)) - np.repeat(views.first, views.count), 3)
    notes = evaluation.truth["annotations"]
    required = np.array([not notes[k].get("iscrowd", 0) for k in views.runways.tolist()])
    for k in range(4):
        here = required & (place == k)
        if here.any():
            row = {"runways": int(here.sum()), "found": int((here & hit).sum())}
            order["4+" if k == 3 else str(k + 1)] = row
    return told


def _views(evaluation: Evaluation) -> _Views:
    notes = evaluation.truth["annotations"]
    shown: dict[int, list[int]] = {}
    for row, note in enumerate(notes):
        if "is_target" in note and "slant_m" in note:
            shown.setdefault(int(note["image_id"]), []).append(row)
    places: list[int] = []
    runways: list[int] = []
    count: list[int] = []
    targets: list[int] = []
    for place, image_id in enumerate(evaluation.images):
        rows = shown.get(image_id, ())
        wanted = [k for k in rows if notes[k]["is_target"] and not notes[k].get("iscrowd", 0)]
        if len(rows) < 2 or len(wanted) != 1:
            continue
        rows = sorted(rows, key=lambda k: (notes[k]["slant_m"], k))
        targets.append(len(runways) + rows.index(wanted[0]))
        places.append(place)
        count.append(len(rows))
        runways += rows
    ends = np.cumsum(np.array(count, np.int64))
    first = ends - np.array(count, np.int64)
    return _Views(*(np.array(found, np.int64) for found in (places, runways, first, count, targets)))


def _owners(evaluation: Evaluation, views: _Views, score: float) -> tuple[Ints, Ints]:
    """Picture and runway of each detection (detections,), the best of a picture first; -1 for background."""
    of_image = np.full(len(evaluation.image_ids), -1)
    of_image[views.places] = np.arange(len(views.places))
    kept = np.flatnonzero((evaluation.scores >= score) & (of_image[evaluation.image] >= 0))
    view = of_image[evaluation.image[kept]]
    if not len(kept):
        return view, view
    pairs = views.count[view]
    start = np.cumsum(pairs) - pairs
    runway = np.repeat(views.first[view] - start, pairs) + np.arange(pairs.sum())
    notes = evaluation.truth["annotations"]
    boxes = np.array([notes[k]["bbox"] for k in views.runways.tolist()], np.float64)
    overlap = _overlaps(evaluation.boxes[np.repeat(kept, pairs)], boxes[runway])
    most = np.maximum.reduceat(overlap, start)
    nearest = np.where(overlap == np.repeat(most, pairs), runway, len(views.runways))  # of equals
    return view, np.where(most >= IOU, np.minimum.reduceat(nearest, start), -1)


def _overlaps(first: Floats, second: Floats) -> Floats:
    """IoU (n,) of boxes x, y, width, height beside one another."""
    low = np.maximum(first[:, :2], second[:, :2])
    high = np.minimum(first[:, :2] + first[:, 2:], second[:, :2] + second[:, 2:])
    common = np.maximum(high - low, 0.0).prod(axis=1)
    return np.asarray(common / (first[:, 2:].prod(axis=1) + second[:, 2:].prod(axis=1) - common))


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


def _centre(boxes: Floats) -> Floats:
    return (boxes[:, :2] + boxes[:, 2:]) / 2
