"""Terrain models made ready for the surface: gaps closed, runways cut and filled into it, rims joined."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import griddata

from lard.errors import DataError

Array = NDArray[np.float64]

EMBANKMENT_SLOPE = 1 / 3
"""Steepest cut or fill beside a runway; real ones lie between 1:2 and 1:4."""
EMBANKMENT_ROUNDING_M = 150.0
"""Distance over which the cut or fill steepens to half its slope, from level at the runway's margin."""
_CLIP_SHARPNESS = 4
VOID_REACH_M = 300.0
"""Gaps are filled up to this far from known ground; wider ones are gaps of the model."""
FADE_M = 3000.0
"""Width of the land that leads from the edge of a terrain model down to the height beyond it."""


def cut_and_fill(natural: Array, plane: Array, distance_m: Array) -> Array:
    """Terrain kept within an envelope about the runway planes that opens with the distance from them.

    Where the natural height stays inside the envelope it stands; elsewhere the envelope, an embankment
    of at most EMBANKMENT_SLOPE, does. At distance 0 the result is the plane. Once differentiable.
    """
    half_width = np.maximum(EMBANKMENT_SLOPE * distance_m**2 / (distance_m + EMBANKMENT_ROUNDING_M), 1e-9)
    share = (natural - plane) / half_width
    # share / (1 + |share|^p)^(1/p), without overflow
    size = np.abs(share)
    clipped = np.sign(share) * np.where(
        size > 1,
        (1 + np.maximum(size, 1) ** -_CLIP_SHARPNESS) ** (-1 / _CLIP_SHARPNESS),
        size * (1 + np.minimum(size, 1) ** _CLIP_SHARPNESS) ** (-1 / _CLIP_SHARPNESS),
    )
    return plane + half_width * clipped


def fill_voids(height: Array, step_m: float) -> Array:
    """Heights with gaps closed from their rims where known ground lies within VOID_REACH_M on all sides."""
    unknown = np.isnan(height)
    if not unknown.any() or unknown.all():
        return height
    reach = max(VOID_REACH_M / step_m, 1.0)
    labels, _ = ndimage.label(unknown, structure=np.ones((3, 3)))
    depth = ndimage.distance_transform_edt(np.pad(unknown, 1, constant_values=True))[1:-1, 1:-1]
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    deepest = ndimage.maximum(depth, labels, np.arange(labels.max() + 1))
    small = (np.asarray(deepest) <= reach) & ~np.isin(np.arange(labels.max() + 1), rim)
    fill = small[labels] & unknown
    if not fill.any():
        return height
    rim = ndimage.binary_dilation(fill, structure=np.ones((3, 3))) & ~unknown
    filled = height.copy()
    filled[fill] = griddata(np.argwhere(rim), height[rim], np.argwhere(fill), method="linear")
    return filled


def extend(height: Array, step_m: float, beyond_m: float) -> Array:
    """Heights everywhere: known ones unchanged, from the edge of the known on a fall to beyond_m."""
    unknown = np.isnan(height)
    if not unknown.any():
        return height
    distance, nearest = ndimage.distance_transform_edt(unknown, return_indices=True)
    edge = height[tuple(nearest)]
    # the further out, the wider the stretch of the edge that is averaged: no rays
    share = np.zeros_like(height)
    previous = edge
    for sigma_m in (FADE_M / 16, FADE_M / 4):
        smooth = ndimage.gaussian_filter(edge, sigma_m / step_m, mode="nearest")
        share = ramp(distance * step_m / (3 * sigma_m))
        previous = previous + (smooth - previous) * share
    faded = beyond_m + (previous - beyond_m) * (1 - ramp(distance * step_m / FADE_M))
    return np.where(unknown, faded, height)


def known_share(known: NDArray[np.bool_], step_m: float, width_m: float) -> Array:
    """Weight from 0 where the model ends to 1 width_m inside it, once differentiable."""
    if known.all():
        return np.ones(known.shape)
    return ramp((ndimage.distance_transform_edt(known) - 1) * step_m / width_m)


def ramp(share: Array) -> Array:
    """0 below 0, 1 above 1 and a smooth step between."""
    t = np.clip(share, 0.0, 1.0)
    return t * t * (3 - 2 * t)


def refuse_gaps(where: str, path: str, heights: Array, planes: Array, max_offset_m: float) -> None:
    """DataError when a runway (heights and its plane's (n,) at points on it) is not on the terrain model."""
    missing = np.isnan(heights)
    if missing.all():
        raise DataError(f"{path}: does not cover {where}; add the tiles around it")
    if missing.any():
        raise DataError(
            f"{path}: no data on {missing.mean():.0%} of {where}; fill that void from another model "
            "(gaps over a runway are not filled)"
        )
    offset = float(np.median(heights - planes))
    if abs(offset) > max_offset_m:
        level = float(np.median(planes))
        ratio = float(np.median(heights)) / level if level else 0.0
        hint = ""
        for factor, unit in ((3.28084, "ft"), (0.3048, "m")):
            if abs(ratio / factor - 1) < 0.1:
                hint = f"; the ratio is that of {'feet' if unit == 'ft' else 'metres'} read as " + (
                    "metres" if unit == "ft" else "feet"
                )
        raise DataError(
            f"{path}: lies {offset:+.0f} m from {where} at {level:.0f} m; expected at most {max_offset_m:g} m"
            f"{hint}. State its unit and datum in terrain.json, or mend the runway's altitudes"
        )
