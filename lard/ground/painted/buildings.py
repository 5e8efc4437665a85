"""Things that stand on the apron: buildings with their shadows, parked aircraft."""

import numpy as np
from numpy.typing import NDArray

from lard.ground.painted.paint import Quad, Surface
from lard.ground.painted.palette import grey
from lard.ground.painted.strip import Strip

Array = NDArray[np.float64]


def building(
    corners: Array,
    height_m: float,
    roof: tuple[float, float, float],
    frame: tuple[float, float, float, float],
) -> list[Quad]:
    """A roof with a dim rim at the foot of the walls; shadows are the renderer's, from the heights."""
    centre = corners.mean(axis=0)
    rim = centre + (corners - centre) * (1.0 + 2.0 / np.abs(corners - centre).max())
    out = [Quad(rim, Surface.SHADOW, (0.72, 0.73, 0.76), 0.8, frame)]
    out.append(Quad(corners, Surface.PLAIN, roof, 1.0, frame, 0.6, height_m))
    out.append(
        Quad(
            centre + (corners - centre) * 0.9,
            Surface.PLAIN,
            (0.95 * roof[0], 0.95 * roof[1], 0.95 * roof[2]),
            1.0,
            frame,
            1.0,
            height_m,
        )
    )
    return out


def aircraft(
    strip: Strip, nose: tuple[float, float], ahead: tuple[float, float], span: float, rng: np.random.Generator
) -> list[Quad]:
    """A parked airliner from four quads; nose at (s, t), tail against the direction ahead away from it."""
    a = np.array(ahead)
    n = np.array([-a[1], a[0]])
    origin = np.array(nose)
    white = grey(float(rng.uniform(215, 240)))
    frame = strip.frame

    def shape(points: list[tuple[float, float]], height_share: float) -> Quad:
        st = np.array([origin + a * p * span + n * q * span for p, q in points])
        return Quad(strip.at(st), Surface.PLAIN, white, 1.0, frame, 0.2, height_share * span)

    red, green, blue = rng.uniform(40, 220, 3)
    tail = (float(red), float(green), float(blue))
    body = shape([(0, -0.055), (1.0, -0.04), (1.0, 0.04), (0, 0.055)], 0.15)
    wings = [
        shape([(0.36, 0), (0.54, 0), (0.70, side * 0.48), (0.64, side * 0.48)], 0.11) for side in (-1, 1)
    ]
    stabiliser = shape([(0.93, -0.16), (1.0, -0.16), (1.0, 0.16), (0.93, 0.16)], 0.2)
    upright = shape([(0.86, -0.02), (1.0, -0.02), (1.0, 0.02), (0.86, 0.02)], 0.33)
    fin = Quad(upright.corners, Surface.PLAIN, tail, 1.0, frame, 0.0, upright.height_m)
    under = shape([(-0.01, -0.075), (1.01, -0.06), (1.01, 0.06), (-0.01, 0.075)], 0.0)
    shadow = Quad(under.corners, Surface.SHADOW, (0.7, 0.71, 0.75), 0.8, frame)
    return [shadow, body, *wings, stabiliser, fin]
