"""How runways appear to cameras: projected, cut at the near plane and clipped to the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lard.camera import Camera, project, to_pixels, undistort
from lard.labels.clip import Counts, clip_halfspace, clip_to_image, padded, polygon_areas

Array = NDArray[np.float64]

NEAR_PLANE_M = 1.0
"""What lies at a smaller depth counts as behind the camera: closer points project to astronomical pixels."""

BENDS = 64
"""Pieces of every edge of a polygon under a lens that bends lines."""


@dataclass(frozen=True, slots=True)
class View:
    """How one runway appears to n cameras."""

    corners_px: Array  # (n, 4, 2) TL, TR, BR, BL, unclipped, NaN behind the near plane
    polygons_px: Array  # (n, m, 2) clipped to the picture, padded with the first vertex
    counts: Counts  # (n,) vertices of each polygon, 0 = not in the picture
    visible_fraction: (
        Array  # (n,) share of the area projected from beyond the near plane that is in the picture
    )


def view_runway(corners_cam: Array, camera: Camera) -> View:
    """Project and clip a runway's corners (n, 4, 3), given in camera axes in metres."""
    n = len(corners_cam)
    depth = corners_cam[..., 2]
    behind = depth < NEAR_PLANE_M
    corners_px = np.where(behind[..., None], np.nan, project(corners_cam, camera))
    counts = np.full(n, 4)
    cut = np.flatnonzero(behind.any(axis=1))
    near, near_counts = clip_halfspace(corners_cam[cut], counts[cut], depth[cut] - NEAR_PLANE_M)
    # cuts lie on the near plane; keep rounding from putting them a hair behind it
    near = np.concatenate([near[..., :2], np.maximum(near[..., 2:], NEAR_PLANE_M)], axis=-1)
    if camera.distorted:
        outline = padded(corners_cam, near.shape[1])
        outline[cut] = padded(near, outline.shape[1])
        counts[cut] = near_counts
        polygons, counts, projected = _bent(outline[..., :2] / outline[..., 2:], counts, camera)
    else:
        polygons = padded(corners_px, near.shape[1])
        polygons[cut] = padded(project(near, camera), polygons.shape[1])
        counts[cut] = near_counts
        projected = polygon_areas(polygons)
    size = np.array([camera.width_px, camera.height_px], np.float64)
    crossing = np.flatnonzero((counts > 0) & ~((polygons >= 0) & (polygons <= size)).all(axis=(1, 2)))
    clipped, clipped_counts = clip_to_image(
        polygons[crossing], counts[crossing], camera.width_px, camera.height_px
    )
    polygons = padded(polygons, clipped.shape[1])
    polygons[crossing] = padded(clipped, polygons.shape[1])
    counts[crossing] = clipped_counts
    area = projected.copy()
    area[crossing] = polygon_areas(clipped)
    seen = (counts >= 3) & (area > 0)
    counts[~seen] = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = np.where(seen, np.minimum(area / projected, 1.0), 0.0)
    return View(corners_px, polygons, counts, fraction)


def _bent(plane: Array, counts: Counts, camera: Camera) -> tuple[Array, Counts, Array]:
    """Polygons in pixels with bent edges of straight ones (n, m, 2) at depth 1; their areas before any cut.

    What lies far outside the picture is cut off first, so that the pieces of an edge fall where it is seen.
    """
    projected = polygon_areas(to_pixels(_divided(plane), camera))
    low, high = picture_bounds(camera)
    margin = 0.05 * (high - low)
    for axis in (0, 1):
        plane, counts = clip_halfspace(plane, counts, plane[..., axis] - (low - margin)[axis])
        plane, counts = clip_halfspace(plane, counts, (high + margin)[axis] - plane[..., axis])
    return to_pixels(_divided(plane), camera), counts * BENDS, projected


def _divided(polygons: Array) -> Array:
    """Padded polygons (n, m, 2) with every edge in BENDS pieces: (n, m BENDS, 2)."""
    n, m, _ = polygons.shape
    share = (np.arange(BENDS) / BENDS)[:, None]
    step = np.roll(polygons, -1, axis=1) - polygons
    return (polygons[:, :, None] + step[:, :, None] * share).reshape(n, m * BENDS, 2)


def picture_bounds(camera: Camera) -> tuple[Array, Array]:
    """Least and greatest x and y (2,) at depth 1 of what a camera draws into its picture."""
    size = np.array([camera.width_px, camera.height_px], np.float64)
    share = np.linspace(0, 1, 33)
    sides = [np.stack([share, np.full(33, end)], -1) for end in (0.0, 1.0)]
    border = np.concatenate([*sides, *(side[:, ::-1] for side in sides)]) * size
    drawn = undistort((border - [camera.cx_px, camera.cy_px]) / [camera.fx_px, camera.fy_px], camera)
    return drawn.min(axis=0), drawn.max(axis=0)
