"""Outlines of runways in pictures by a second path: cut before the camera, drawn, and clipped by shapely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from lard.quality.measures.geometry import drawn

Array = NDArray[np.float64]
Shapes = NDArray[np.object_]

NEAR_M = 1.0  # what lies nearer to the camera plane, or behind it, has no pixel
PIECES = 64  # of every edge under a lens that bends lines


def outlines(body: Array, camera: Mapping[str, Array]) -> Shapes:
    """Outlines (n,) in pixels, beyond the picture too, of corners (n, 4, 3) forward, right, down metres.

    None where no part is before the camera, or where the lens draws some of it nowhere.
    """
    shapes = np.full(len(body), None, dtype=object)
    bent = np.any([np.asarray(camera.get(name, 0.0)) != 0.0 for name in ("k1", "k2", "k3")], axis=0)
    plain = np.flatnonzero((body[..., 0] >= NEAR_M).all(axis=1) & ~np.broadcast_to(bent, len(body)))
    if len(plain):
        shapes[plain] = shapely.polygons(_pixels(body[plain], camera, plain))
    others = np.setdiff1d(np.flatnonzero((body[..., 0] >= NEAR_M).any(axis=1)), plain)
    for k in others.tolist():
        points = _before(body[k])
        if len(points) < 3:
            continue
        ring = _pixels(
            _divided(points)[None] if np.broadcast_to(bent, len(body))[k] else points[None], camera, [k]
        )[0]
        if np.isfinite(ring).all():
            shapes[k] = shapely.Polygon(ring)
    return shapes


def _pixels(body: Array, camera: Mapping[str, Array], rows: Any) -> Array:
    """Pixels (m, k, 2) of points (m, k, 3) before the cameras of those rows."""
    chosen = {name: np.asarray(values, np.float64)[rows] for name, values in camera.items()}
    return drawn(body[..., 1] / body[..., 0], body[..., 2] / body[..., 0], chosen)


def _before(corners: Array) -> Array:
    """The part (k, 3) of an outline (4, 3) at least NEAR_M before the camera."""
    kept: list[Array] = []
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if a[0] >= NEAR_M:
            kept.append(a)
        if (a[0] >= NEAR_M) != (b[0] >= NEAR_M):
            share = (NEAR_M - a[0]) / (b[0] - a[0])
            cut = a + share * (b - a)
            kept.append(np.array([NEAR_M, cut[1], cut[2]]))
    return np.array(kept)


def _divided(points: Array) -> Array:
    """An outline (k, 3) scaled to depth 1, each edge in PIECES pieces."""
    flat = points / points[:, :1]
    share = (np.arange(PIECES) / PIECES)[:, None]
    return np.concatenate([a + share * (b - a) for a, b in zip(flat, np.roll(flat, -1, axis=0), strict=True)])


def in_picture(shapes: Shapes, width_px: Array, height_px: Array) -> tuple[Shapes, Array]:
    """The parts (n,) of outlines within their pictures, and the share (n,) of the outlines' area they are."""
    there = np.array([shape is not None for shape in shapes], bool)
    parts, share = np.full(len(shapes), None, dtype=object), np.zeros(len(shapes))
    rows = np.flatnonzero(there)
    if not len(rows):
        return parts, share
    outline = shapes[rows]
    pictures = shapely.box(0.0, 0.0, np.asarray(width_px)[rows], np.asarray(height_px)[rows])
    sound = shapely.is_valid(outline)
    outline[~sound] = shapely.buffer(outline[~sound], 0)
    whole = shapely.covers(pictures, outline)
    part = outline.copy()
    part[~whole] = shapely.intersection(outline[~whole], pictures[~whole])
    area, full = shapely.area(part), shapely.area(outline)
    seen = area > 0
    parts[rows[seen]] = part[seen]
    share[rows] = np.divide(area, full, out=np.zeros_like(area), where=full > 0)
    return parts, share


def rings(lists: Sequence[Sequence[float] | None]) -> tuple[Shapes, NDArray[np.bool_]]:
    """Polygons (n,) of lists x0, y0, x1, y1, ..., None for those that are none, and which of those are torn.

    Torn: not empty, yet of fewer than three points, of an odd number of values or not finite.
    """
    shapes = np.full(len(lists), None, dtype=object)
    sizes = np.array([0 if points is None else len(points) for points in lists])
    torn = (sizes > 0) & ((sizes < 6) | (sizes % 2 == 1))
    for size in np.unique(sizes[(sizes > 0) & ~torn]):
        rows = np.flatnonzero(sizes == size)
        values = np.array(
            [[np.nan if v is None else v for v in lists[k] or ()] for k in rows.tolist()], np.float64
        )
        finite = np.isfinite(values).all(axis=1)
        torn[rows[~finite]] = True
        if finite.any():
            shapes[rows[finite]] = shapely.polygons(values[finite].reshape(-1, size // 2, 2))
    return shapes, torn
