"""Where the rays of pixels first meet terrain, hills in front included; NaN where they meet the sky."""

import numpy as np
from numpy.typing import NDArray

from lard.errors import DataError
from lard.ground.terrain.surface import Surface
from lard.render.kernels import march as kernel
from lard.render.kernels.layout import EDGE, View
from lard.render.summits import Summits, summits_of

Array = NDArray[np.float64]


def march(view: View, surface: Surface) -> Array:
    """Ray parameters (height, width) where the rays of pixel centres first meet the surface; NaN: sky.

    view: as the renderer's kernels take it. A ray is camera + t d with d of depth 1 along the optical axis,
    so t is the depth. Squares whose corners and middles agree on a plane are interpolated, to SLACK_PX.
    """
    summits = summits_of(surface)
    start = np.full((int(view["height_px"]), int(view["width_px"])), kernel.UNSET)
    view = _under(view, surface, summits)
    if not kernel.march(start, view, surface.height_m, surface.far_height_m, summits.values, summits.table):
        raise DataError(
            "the camera lies below the terrain; take a higher approach, or check the runway against the "
            "terrain with `lard terrain report`"
        )
    return start


def start_depths(view: View, surface: Surface, samples: int) -> Array:
    """What `march` gives, with pixels at edges of the terrain marched in samples x samples parts.

    Such a pixel holds EDGE - k; its parts' ray parameters, row by row, are the k-th samples * samples
    values of the rows below the picture.
    """
    start = march(view, surface)
    pixels = np.argwhere(edge_pixels(start))
    if samples == 1 or len(pixels) == 0:
        return start
    height, width = start.shape
    parts = march_parts(view, surface, pixels, samples).ravel()
    packed = np.full((height + -(-parts.size // width), width), np.nan)
    packed[:height] = start
    packed[height:].reshape(-1)[: parts.size] = parts
    packed[pixels[:, 0], pixels[:, 1]] = EDGE - np.arange(len(pixels))
    return packed


def edge_pixels(start: Array) -> NDArray[np.bool_]:
    """Pixels (height, width) beside a jump of the depth: a skyline, or a hill before land further away."""
    edges = np.zeros(start.shape, np.bool_)
    kernel.mark_edges(start, edges)
    kernel.mark_edges(start.T, edges.T)
    return edges


def march_parts(view: View, surface: Surface, pixels: NDArray[np.int64], samples: int) -> Array:
    """Ray parameters (n, samples * samples), row by row, of the parts of pixels (n, 2): row, column."""
    summits = summits_of(surface)
    parts = np.empty((len(pixels), samples * samples))
    view = _under(view, surface, summits)
    kernel.march_parts(
        parts, pixels, samples, view, surface.height_m, surface.far_height_m, summits.values, summits.table
    )
    return parts


def _under(view: View, surface: Surface, summits: Summits) -> View:
    """The view with the greatest height around it."""
    view = view.copy()
    view["top_m"] = max(summits.top_m, surface.z_far_m)
    return view
