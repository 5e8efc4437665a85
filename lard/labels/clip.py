"""Clipping of many small polygons at once: Sutherland-Hodgman on padded arrays.

A batch of n polygons is an array (n, m, d) whose rows are padded with copies of their first vertex, so that
areas, minima and maxima need no mask; the true numbers of vertices travel beside it as (n,) integers.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


def clip_halfspace(vertices: Array, counts: Counts, inside: Array) -> tuple[Array, Counts]:
    """Part of each polygon where `inside` (n, m), linear in the vertices, is not negative.

    An edge that crosses is cut from its inner towards its outer end, so that polygons that share an
    edge get the same vertex to the last bit.
    """
    cut = np.flatnonzero((inside < 0).any(axis=1))
    if not len(cut):
        return vertices, counts
    clipped, clipped_counts = _clip_crossing(vertices[cut], counts[cut], inside[cut])
    result = padded(vertices, clipped.shape[1])
    result[cut] = padded(clipped, result.shape[1])
    new_counts = counts.copy()
    new_counts[cut] = clipped_counts
    return result, new_counts


def padded(polygons: Array, width: int) -> Array:
    """A copy of polygons (n, m, d) as (n, max(m, width), d), filled with their first vertex."""
    filler = np.repeat(polygons[:, :1], max(width - polygons.shape[1], 0), axis=1)
    return np.concatenate([polygons, filler], axis=1)


def _clip_crossing(vertices: Array, counts: Counts, inside: Array) -> tuple[Array, Counts]:
    n, m, d = vertices.shape
    column = np.arange(m)
    valid = column < counts[:, None]
    following = np.where(column + 1 < counts[:, None], column + 1, 0)
    keep = valid & (inside >= 0)
    after = np.take_along_axis(inside, following, axis=1)
    crosses = valid & ((inside >= 0) != (after >= 0))
    next_vertices = np.take_along_axis(vertices, following[:, :, None], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        leaving = vertices + (next_vertices - vertices) * (inside / (inside - after))[:, :, None]
        entering = next_vertices + (vertices - next_vertices) * (after / (after - inside))[:, :, None]
    cut = np.where(keep[:, :, None], leaving, entering)
    # slots 2i and 2i + 1 hold vertex i and the cut of its outgoing edge; used slots move to the front
    slots = np.stack([vertices, cut], axis=2).reshape(n, 2 * m, d)
    used = np.stack([keep, crosses], axis=2).reshape(n, 2 * m)
    new_counts = used.sum(axis=1)
    order = np.argsort(~used, axis=1, kind="stable")[:, : max(int(new_counts.max()), 1)]
    clipped = np.take_along_axis(slots, order[:, :, None], axis=1)
    padding = np.arange(clipped.shape[1]) >= new_counts[:, None]
    return np.where(padding[:, :, None], clipped[:, :1], clipped), new_counts


def clip_to_image(polygons: Array, counts: Counts, width_px: int, height_px: int) -> tuple[Array, Counts]:
    """Part of each polygon (n, m, 2) in pixels that lies within [0, width] x [0, height]."""
    for axis, size in ((0, width_px), (1, height_px)):
        polygons, counts = clip_halfspace(polygons, counts, polygons[..., axis])
        polygons, counts = clip_halfspace(polygons, counts, size - polygons[..., axis])
    # cuts may leave the border by a rounding error: the picture's own edge is exact
    return np.clip(polygons, 0.0, [float(width_px), float(height_px)]), counts


def polygon_areas(polygons: Array) -> Array:
    """Areas (n,) of padded polygons (n, m, 2), in the square of their unit."""
    relative = polygons - polygons[:, :1]  # far-away corners would cost digits otherwise
    x, y = relative[..., 0], relative[..., 1]
    return np.abs(np.sum(x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1), axis=1)) / 2
