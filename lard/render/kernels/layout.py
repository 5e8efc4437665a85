"""What the compiled loops share: the record of a view, places in their vectors, how they are compiled."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.compiled import compiled

Array = NDArray[Any]
View = Any
"""A record of VIEW, compiled."""

MOST_SMOOTH = 48

VIEW = np.dtype(
    [
        ("width_px", np.int64),
        ("height_px", np.int64),
        ("fx_px", np.float64),
        ("fy_px", np.float64),
        ("cx_px", np.float64),
        ("cy_px", np.float64),
        ("k1", np.float64),  # radial distortion, and the radius where it stops growing
        ("k2", np.float64),
        ("k3", np.float64),
        ("fold_radius", np.float64),
        ("camera_m", np.float64, (3,)),  # ENU
        ("rotation", np.float64, (3, 3)),  # cam_from_enu
        ("up", np.float64, (3,)),  # vertical at the camera, ENU
        ("shell_matrix", np.float64, (3, 3)),  # A of the quadric P A P + 2 b P + c = 0 at z_far
        ("shell", np.float64, (3,)),  # A C + b, of the camera's place C
        ("shell_level", np.float64),  # C A C + 2 b C + c
        ("drop", np.float64, (5,)),  # see, snn, suu, half0, half1 of the height-0 ellipsoid
        ("prime_m", np.float64),  # radii at the origin
        ("meridian_m", np.float64),
        ("polynomial", np.float64, (7,)),  # from ENU to the map
        ("z_far_m", np.float64),
        ("near_x_m", np.float64),  # grids of heights: first post and step
        ("near_y_m", np.float64),
        ("near_step_m", np.float64),
        ("far_x_m", np.float64),
        ("far_y_m", np.float64),
        ("far_step_m", np.float64),
        ("top_m", np.float64),  # greatest height of all, for the march
        ("horizon_m", np.float64),
        ("horizon_rad", np.float64),
        ("zone_margin_m", np.float64),
        ("lod_bias", np.float64),
        ("max_taps", np.float64),
        ("grain", np.float64),  # strength of drawn detail below the texels, and its seed
        ("grain_seed", np.int64),
        ("smooth", np.float64, (MOST_SMOOTH, 6)),  # rectangles without it, as strips, and their number
        ("smooth_count", np.int64),
    ]
)

# a point of the lattice: 1 / t, x / t, y / t, share of the ground's colour, colour of the air, ground or not
W, X, Y, CLEAR, ADD, KIND, POINT_SIZE = 0, 1, 2, 3, 4, 7, 8
# a row of pixels: values of W .. ADD + 2 at the first, their changes per pixel, changes of W, X, Y per row
CHANGE, DOWN, SPAN_SIZE = 7, 14, 17
# rows of what a row of pixels is worked out in: light on the ground and the far ground's colour (6 values);
# what shadows leave; where walks start, along and across; shares of the ground's colour; sums of channels
LIGHTS, SUNS, STARTS, PLACES, SHARES, SUMS, RAW_ROWS = 0, 1, 2, 3, 4, 5, 8

EDGE = -2.0  # a start of EDGE - k: that of its parts stand in the rows below the picture, as the k-th
TILE, CELL = 32, 4  # pixels: of the squares tried first, and of the smallest

# These loops own no memory, so references to arrays need not be counted: with counting, each view and call
# adds atomic operations that took a quarter of a picture's time. What makes arrays is compiled by `maker`.
_BORROWED = {"nogil": True, "error_model": "numpy", "_nrt": False}
jit = compiled(**_BORROWED)
inlined = compiled(**_BORROWED, forceinline=True)
maker = compiled(nogil=True, error_model="numpy")
