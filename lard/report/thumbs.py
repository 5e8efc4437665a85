"""Small pictures embedded in a report: the part around a runway, with its outline."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.quality.measures.reading import read_plain

SIZE_PX = 220
_QUALITY = 78


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """A picture (h, w, 3) blue-green-red as the text of an image's source."""
    ok, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}" if ok else ""


def thumbnail(
    path: Path,
    outlines: Sequence[tuple[NDArray[np.float64], tuple[int, int, int]]] = (),
    focus: tuple[float, float, float, float] | None = None,
) -> str:
    """Source of a small picture: the surroundings of a box `focus` (x0, y0, x1, y1), else all of it.

    `outlines` are closed polygons (k, 2) in pixels with a blue-green-red colour. "" when unreadable.
    """
    pixels = read_plain(path, cv2.IMREAD_COLOR)
    if pixels is None:
        return ""
    height, width = pixels.shape[:2]
    x0, y0, side = 0.0, 0.0, float(min(width, height))
    if focus is not None:
        centre_x, centre_y = (focus[0] + focus[2]) / 2, (focus[1] + focus[3]) / 2
        side = float(
            np.clip(2.5 * max(focus[2] - focus[0], focus[3] - focus[1]), width / 10, min(width, height))
        )
        x0 = float(np.clip(centre_x - side / 2, 0, max(width - side, 0)))
        y0 = float(np.clip(centre_y - side / 2, 0, max(height - side, 0)))
    scale = SIZE_PX / side
    warp = np.array([[scale, 0, -x0 * scale], [0, scale, -y0 * scale]])
    shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    left, top, edge = round(x0), round(y0), max(round(side), 1)
    crop = pixels[top : top + edge, left : left + edge]
    small = cv2.resize(crop, (SIZE_PX, SIZE_PX), interpolation=shrink)
    for polygon, colour in outlines:
        points = np.asarray(polygon) @ warp[:, :2].T + warp[:, 2]
        points = np.clip(np.nan_to_num(points), -1e4, 1e4)
        cv2.polylines(small, [np.round(points * 16).astype(np.int32)], True, colour, 1, cv2.LINE_AA, 4)
    return data_uri(np.asarray(small, np.uint8))
