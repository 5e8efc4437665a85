"""Which pictures are other copies of one: brighter, darker, colourless, cropped, noisy or compressed anew.

Small sketches, free of brightness and contrast, are compared all with all, also mirrored and enlarged about
the middle and the corners. Pairs that look alike are then laid over each other at more pixels and compared
block by block: two skies over two plains look alike, but their fields do not lie in the same places.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Single = NDArray[np.float32]

SIDE = 32  # pixels of the compared sketches
CHUNK = 20_000  # pictures compared with each other, in the order of their names
ALIKE = 0.85  # correlation of sketches that are looked at closely
MOST_LIKE = 1  # pictures each is looked at closely beside, in each view
CLOSE_PX, BLOCK = 256, 16
STRUCTURE = 2.0  # grey levels of fine structure that make a block tell something
FEWEST_BLOCKS = 48  # more than a horizon fills, which looks alike over all seas
SAME = 0.55  # correlation of three quarters of the blocks of two copies; elsewhere skies and seas have 0.4
WARP = 0.2  # of the size: a copy is cut or turned by no more
_TURN = 0.08  # share of the width that is cut off where sketches are compared enlarged
_ECC = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)


def _enlarged(right: float, down: float) -> Single:
    """Matrix of a picture's places from those of one cut by _TURN about a corner or the middle, widths 1."""
    return np.array([[1 - _TURN, 0, right * _TURN], [0, 1 - _TURN, down * _TURN]], np.float32)


VIEWS: dict[str, Single] = {
    "": np.array([[1, 0, 0], [0, 1, 0]], np.float32),
    "mirrored": np.array([[-1, 0, 1], [0, 1, 0]], np.float32),
    "enlarged": _enlarged(0.5, 0.5),
    "enlarged about the upper left": _enlarged(0, 0),
    "enlarged about the upper right": _enlarged(1, 0),
    "enlarged about the lower left": _enlarged(0, 1),
    "enlarged about the lower right": _enlarged(1, 1),
}


def _seen(picture: NDArray[np.generic], view: Single) -> Single:
    """A picture (h, w) as a view has it."""
    height, width = picture.shape
    scale = np.array([width - 1, height - 1], np.float32)
    matrix = np.column_stack([view[:, :2] * scale[:, None] / scale[None], view[:, 2] * scale])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(
            picture.astype(np.float32), matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
        ),
        np.float32,
    )


def _unit(sketch: Single) -> Single:
    """Structure of a sketch (n, n) without brightness and contrast, as a vector of length 1."""
    soft = cv2.GaussianBlur(sketch, (0, 0), 1.0)
    rest = soft - cv2.GaussianBlur(soft, (0, 0), 4.0)
    small = cv2.resize(rest, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    small = small / (np.sqrt(cv2.GaussianBlur(small * small, (0, 0), 3.0)) + 1.0)
    small = small - small.mean()
    return np.asarray((small / (np.linalg.norm(small) + 1e-6)).ravel(), np.float32)


def look_alikes(sketches: NDArray[np.uint8]) -> list[tuple[int, int, str]]:
    """Pairs (first, second, view of the first) of sketches (n, h, w) that look alike, each once."""
    found: dict[tuple[int, int], tuple[float, str]] = {}
    for start in range(0, len(sketches), CHUNK):
        part = sketches[start : start + CHUNK]
        plain = np.stack([_unit(one.astype(np.float32)) for one in part])
        for name, view in VIEWS.items():
            turned = np.stack([_unit(_seen(one, view)) for one in part]) if name else plain
            for k in range(0, len(part), 1024):
                alike = turned[k : k + 1024] @ plain.T
                rows = np.arange(len(alike))
                alike[rows, rows + k] = -1.0
                most = np.argpartition(-alike, min(MOST_LIKE, alike.shape[1] - 1), axis=1)[:, :MOST_LIKE]
                for row, columns in enumerate(most):
                    for column in columns[alike[row, columns] > ALIKE].tolist():
                        a, b, value = start + k + row, start + column, float(alike[row, column])
                        key = (min(a, b), max(a, b))
                        # the view is the first one's: a pair seen the other way round is tried as it stands
                        if value > found.get(key, (0.0, ""))[0] and (a < b or not name):
                            found[key] = (value, name)
                        elif key not in found:
                            found[key] = (value, f"{name}, the second")
    return [(a, b, name) for (a, b), (_, name) in sorted(found.items())]


def likeness(first: Grey, second: Grey, view: str) -> float:
    """Correlation of the fine structure of two grey pictures, laid over each other: the lower quartile
    of blocks.

    view: one of VIEWS, in which the first, or with `, the second` the second, looks like the other. 0 where
    too few blocks have structure.
    """
    name, _, which = view.partition(", ")
    if which:
        first, second = second, first
    a, b = (cv2.resize(one, (CLOSE_PX, CLOSE_PX), interpolation=cv2.INTER_AREA) for one in (first, second))
    moved = _seen(a, VIEWS[name])
    matrix = np.eye(2, 3, dtype=np.float32)
    try:
        _, matrix = cv2.findTransformECC(
            b.astype(np.float32),
            moved,
            matrix,
            cv2.MOTION_AFFINE,
            _ECC,
            None,
            5,  # type: ignore[call-overload]
        )
    except cv2.error:  # nothing in common: no transform explains the one by the other
        return 0.0
    if np.abs(matrix[:, :2] - np.eye(2)).max() > WARP:
        return 0.0
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(moved, matrix, (CLOSE_PX, CLOSE_PX), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.ones_like(moved), matrix, (CLOSE_PX, CLOSE_PX), flags=flags)
    fine = [one - cv2.GaussianBlur(one, (0, 0), 4.0) for one in (laid, b.astype(np.float32))]
    blocks = [
        one.reshape(CLOSE_PX // BLOCK, BLOCK, -1, BLOCK).swapaxes(1, 2).reshape(-1, BLOCK * BLOCK)
        for one in (*fine, inside)
    ]
    x, y = (one - one.mean(axis=1, keepdims=True) for one in blocks[:2])
    spread = [one.std(axis=1) for one in (x, y)]
    telling = (blocks[2].min(axis=1) > 0.99) & (spread[0] > STRUCTURE / 2) & (spread[1] > STRUCTURE / 2)
    telling &= np.maximum(*spread) > STRUCTURE
    if telling.sum() < FEWEST_BLOCKS:
        return 0.0
    alike = (x * y).mean(axis=1)[telling] / (spread[0] * spread[1])[telling]
    return float(np.quantile(alike, 0.25))
