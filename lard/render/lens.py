"""What lens, shutter and film stock do to a picture: motion blur, defocus, vignetting, watermark bands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.camera import Camera, project, ray_directions
from lard.render.conditions import Conditions

Array = NDArray[np.float64]
Picture = NDArray[np.float32]

_STEP_PX = 1.0
_GRID_PX = 32


def blurred_by_motion(picture: Picture, camera: Camera, conditions: Conditions) -> Picture:
    """Mean of a picture (height, width, 3) over the camera's rotation while the shutter is open.

    The exposure is centred on the pose. The rates turn the camera about its own axes: yaw to the right, pitch
    up, roll right wing down. The aircraft's travel during an exposure is left out.
    """
    flow = motion_px(camera, conditions)
    longest = float(np.hypot(flow[..., 0], flow[..., 1]).max())
    if longest < 0.05:
        return picture
    rows, columns = picture.shape[:2]
    full = cv2.resize(flow.astype(np.float32), (columns, rows), interpolation=cv2.INTER_LINEAR)
    x, y = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
    share = np.float32(0.25)
    # each pass doubles the samples on the way; all are symmetric about the pose, where the labels are
    for _ in range(max(math.ceil(math.log2(longest / _STEP_PX)), 1)):
        ahead, behind = (
            cv2.remap(
                picture, x + full[..., 0] * step, y + full[..., 1] * step, cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
            for step in (share, -share)
        )  # fmt: skip
        picture = np.asarray(cv2.addWeighted(ahead, 0.5, behind, 0.5, 0.0), np.float32)
        share *= np.float32(0.5)
    return picture


def motion_px(camera: Camera, conditions: Conditions) -> Array:
    """Pixels (rows, columns, 2) that the scene travels during the exposure, on a grid of cell centres."""
    seconds = conditions.shutter_ms / 1000.0
    turn = np.radians([conditions.pitch_rate_deg_s, conditions.yaw_rate_deg_s, conditions.roll_rate_deg_s])
    half = turn * seconds / 2
    columns, rows = (max(math.ceil(n / _GRID_PX), 2) for n in (camera.width_px, camera.height_px))
    x, y = np.meshgrid(
        (np.arange(columns) + 0.5) * camera.width_px / columns,
        (np.arange(rows) + 0.5) * camera.height_px / rows,
    )
    rays = ray_directions(camera, np.stack([x, y], -1))
    ends = [project(rays @ _rotation(sign * half).T, camera) for sign in (-1.0, 1.0)]
    return ends[1] - ends[0]


def _rotation(angles: Array) -> Array:
    """How directions in camera axes (right, down, forward) move as the camera turns (pitch, yaw, roll)."""
    return np.asarray(cv2.Rodrigues(-angles)[0], np.float64)


def defocused(picture: Picture, sigma_px: float) -> Picture:
    """Picture out of focus by a Gaussian of that spread."""
    if sigma_px <= 0:
        return picture
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma_px), np.float32)


def vignetted(picture: Picture, camera: Camera, fraction: float) -> Picture:
    """Picture whose corners lose that share of their grey level, growing with the square of the distance."""
    if fraction <= 0:
        return picture
    x = (np.arange(camera.width_px) + 0.5 - camera.width_px / 2) / (camera.width_px / 2)
    y = (np.arange(camera.height_px) + 0.5 - camera.height_px / 2) / (camera.height_px / 2)
    loss = (fraction / 2) * (x[None, :] ** 2 + y[:, None] ** 2)
    return picture * (1 - loss[..., None]).astype(np.float32)


def watermarked(image: NDArray[np.uint8], height_px: int, manifest: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Picture with a band of that height at its top and bottom, as map footage has: a name and a credit."""
    rows, columns = image.shape[:2]
    height = min(height_px, rows // 2)
    if height <= 0:
        return image
    out = image.copy()
    scale, line = height / 60.0, max(round(height / 24), 1)
    credit = str(manifest.get("attribution") or manifest.get("generator") or "")
    for top, words, right in ((0, "lard imagery", False), (rows - height, credit, True)):
        band = out[top : top + height]
        band[:] = (band * 0.72).astype(np.uint8)
        size, _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, scale, line)
        fit = scale * min(1.0, 0.94 * columns / max(size[0], 1))
        size, _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, fit, line)
        x = columns - size[0] - height // 4 if right else height // 4
        place = (max(x, 2), (height + size[1]) // 2)
        cv2.putText(band, words, place, cv2.FONT_HERSHEY_SIMPLEX, fit, (232, 232, 232), line, cv2.LINE_AA)
    return out
