"""A runway strip in the ortho plane: its corners, its two ends, and places in its own metres."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon

from lard.ground.painted.markings import RunwayEnd

Array = NDArray[np.float64]
PAVED = ("asphalt", "concrete", "mixed")


@dataclass(frozen=True, slots=True)
class Strip:
    """A runway strip in the ortho plane; corners (4, 2) TL, TR, BR, BL between landing thresholds."""

    corners: Array
    near: RunwayEnd
    far: RunwayEnd
    surface: str

    def at(self, st: Array) -> Array:
        """Plane coordinates (n, 2) of (s, t): bilinear in the four corners, so edges follow the labels."""
        tl, tr, br, bl = self.corners
        u = (st[:, :1]) / self.near.length_m
        v = st[:, 1:] / self.near.width_m + 0.5
        return (1 - u) * ((1 - v) * bl + v * br) + u * ((1 - v) * tl + v * tr)

    def rectangle(self, s0: float, s1: float, t0: float, t1: float) -> Array:
        """Return plane corners (4, 2) of a rectangle in runway metres."""
        return self.at(np.array([[s0, t0], [s1, t0], [s1, t1], [s0, t1]]))

    @property
    def frame(self) -> tuple[float, float, float, float]:
        """Origin and direction of the runway's axis."""
        origin = self.at(np.zeros((1, 2)))[0]
        axis = self.at(np.array([[self.near.length_m, 0.0]]))[0] - origin
        axis = axis / np.hypot(*axis)
        return float(origin[0]), float(origin[1]), float(axis[0]), float(axis[1])

    def pavement(self, side_m: float = 0.0, end_m: float = 0.0) -> Array:
        """Return the paved quadrilateral, displaced parts included, grown on the sides and at the ends."""
        half = self.near.width_m / 2 + side_m
        return self.rectangle(
            -self.near.displaced_m - end_m, self.near.length_m + self.far.displaced_m + end_m, -half, half
        )

    @property
    def smooth(self) -> list[float]:
        """Centre, unit axis, half length, half width (6,) of its pavement, displaced parts and pads too."""
        x, y, ux, uy = self.frame
        start = -self.near.displaced_m - self.near.pad_m
        end = self.near.length_m + self.far.displaced_m + self.far.pad_m
        middle, half = (start + end) / 2, (end - start) / 2
        return [x + middle * ux, y + middle * uy, ux, uy, half, self.near.width_m / 2]


def polygon(corners: Array) -> Polygon:
    """Return plane corners as a shapely polygon."""
    return Polygon([tuple(p) for p in corners])
