"""Corners that detections carry: COCO keypoints x, y, v of top left, top right, bottom right, bottom left.

v is a flag (0: not given; 1, 2: given) or a score from 0 to 1 (0: not given). Corners may lie outside the
picture, as those of a runway that its border cuts do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.score.boxes import Floats

NAMES = ("top_left", "top_right", "bottom_right", "bottom_left")
"""The corners as the landing pilot sees them, in the order of files; that of COCO's category."""
GIVEN_FLAG = 2.0
REACH = 1000.0
"""A corner may lie so many sides of the picture away, as those beside the camera do; no farther."""
LEAST_TOLD = 5
"""Fewer detections do not tell in which other order their corners come."""
_SURE = 0.25


def keypoint_fault(points: Any, size: tuple[float, float] | None) -> str:
    """What is wrong with a detection's keypoints in a picture of width, height; "" if nothing."""
    if not isinstance(points, list) or len(points) != 3 * len(NAMES):
        return f"keypoints must be x, y, v of four corners, {', '.join(NAMES)}: 12 numbers"
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in points):
        return "keypoints must be numbers"
    values = np.array(points, np.float64).reshape(-1, 3)
    if not np.isfinite(values).all():
        return "keypoints must be finite"
    if not _flags(values[:, 2]):
        return "the v of a keypoint must be 0, 1, 2 or a score from 0 to 1"
    if size is None:
        return ""
    far = np.abs(values[:, :2] - np.array(size) / 2) > (REACH + 0.5) * np.array(size)
    if far[values[:, 2] > 0].any():
        return f"keypoints must lie within {REACH:g} sides of the {size[0]:g}x{size[1]:g} picture"
    return ""


def corners_of(items: Sequence[Mapping[str, Any]]) -> tuple[Floats, Floats]:
    """Corners in px (n, 4, 2) and their v (n, 4); v is 0 where an item has no keypoints."""
    none = [0.0] * (3 * len(NAMES))
    values = np.array([item.get("keypoints") or none for item in items], np.float64).reshape(-1, 4, 3)
    return values[..., :2], values[..., 2]


def truth_fault(truth: Mapping[str, Any]) -> str:
    """Why the runways of a ground truth have no corners to compare with; "" if they have."""
    notes = truth["annotations"]
    carrying = [note for note in notes if note.get("keypoints") is not None]
    if not carrying:
        return "the ground truth has no corners (keypoints)"
    for category in truth["categories"]:
        named = category.get("keypoints")
        if named is not None and list(named) != list(NAMES):
            return f"the ground truth names its keypoints {named}; expected {list(NAMES)}"
    lists = [note["keypoints"] for note in carrying]
    if _all_sound(lists):
        return ""
    for note in carrying:
        if fault := keypoint_fault(note["keypoints"], None):
            return f"an annotation of image {note['image_id']}: {fault}"
    return ""


def _all_sound(lists: Sequence[Any]) -> bool:
    """Whether all keypoints are without fault, told of all at once; False where that cannot be told."""
    if not all(isinstance(points, list) and len(points) == 3 * len(NAMES) for points in lists):
        return False
    numbers = np.array(lists)
    if numbers.dtype.kind not in "if":
        return False
    v = numbers[:, 2::3]
    return bool(np.isfinite(numbers).all()) and _flags(v)


def _flags(v: Floats) -> bool:
    """Whether all are scores from 0 to 1 or the flag 2."""
    return bool((((v >= 0) & (v <= 1)) | (v == GIVEN_FLAG)).all())


def other_order(found_px: Floats, true_px: Floats) -> tuple[str, ...]:
    """The order in which corners (n, 4, 2) come if not ours, told by the true ones; () where nothing tells.

    Told when, in the median detection, another order leaves less than a quarter of the error of ours.
    """
    if len(found_px) < LEAST_TOLD:
        return ()
    ours = np.linalg.norm(found_px - true_px, axis=-1).mean(axis=1)
    best: tuple[str, ...] = ()
    least = _SURE
    for order in list(permutations(range(4)))[1:]:  # the first is ours
        other = np.linalg.norm(found_px - true_px[:, list(order)], axis=-1).mean(axis=1)
        share = float(np.median(other / np.maximum(ours, 1e-9)))
        if share < least:
            best, least = tuple(NAMES[k] for k in order), share
    return best


def order_fault(rows: Sequence[Mapping[str, Any]], notes: NDArray[Any], truth: Mapping[str, Any]) -> str:
    """A line if corners come in another order; notes (rows,) are places of matched annotations, -1 for none.

    Rows without four corners, and runways whose corners are not all in the picture, say nothing.
    """
    if truth_fault(truth):
        return ""
    known = np.flatnonzero(notes >= 0)
    found, given = corners_of([rows[k] for k in known.tolist()])
    true, shown = corners_of([truth["annotations"][notes[k]] for k in known])
    whole = (given > 0).all(axis=1) & (shown == 2).all(axis=1)
    order = other_order(found[whole], true[whole])
    if not order:
        return ""
    return f"the keypoints come as {', '.join(order)}; write them as {', '.join(NAMES)}"
