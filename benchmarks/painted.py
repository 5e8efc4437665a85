"""Ten airports as they are painted, from above: the sheet of docs/ground.md.

python benchmarks/painted.py docs/images/painted.jpg
"""

from __future__ import annotations

import sys

import cv2
import numpy as np

from lard.airports import load_shipped
from lard.airports.layout import strips_around
from lard.ground.painted.airport import plane_corners, prepare
from lard.ground.painted.build import AROUND_M
from lard.ground.painted.levels import paint_window
from lard.ground.tiles import LevelGrid
from lard.progress import track

AIRPORTS = ("LEBL", "KATL", "HKJK", "YSSY", "LFBO", "BIRK", "EHAM", "RJTT", "OMDB", "NTAA")
GSD_M, WIDTH_PX, HEIGHT_PX, ACROSS = 4.0, 360, 300, 5


def seen_from_above(icao: str) -> np.ndarray:
    """The surroundings of the longest runway's threshold and its approach lights, blue, green, red."""
    db = load_shipped()
    airport = db.airport(icao)
    ground = prepare(airport, 1, 0.25, neighbours=strips_around(db, airport, AROUND_M))
    strip = max(airport.strips, key=lambda runway: runway.length_m)
    corners = plane_corners(strip, ground.lat0_deg, ground.lon0_deg)
    x, y = corners[2:].mean(axis=0)
    grid = LevelGrid(
        GSD_M, x - GSD_M * WIDTH_PX / 2, y + GSD_M * HEIGHT_PX / 2, WIDTH_PX, HEIGHT_PX
    )  # round about the threshold
    image = np.ascontiguousarray(paint_window(ground, grid, (0, 0, HEIGHT_PX, WIDTH_PX))[..., 2::-1])
    cv2.putText(image, icao, (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
    return image


def main() -> None:
    pictures = [seen_from_above(icao) for icao in track(AIRPORTS, "painted", len(AIRPORTS), "airports")]
    rows = [np.hstack(pictures[k : k + ACROSS]) for k in range(0, len(pictures), ACROSS)]
    cv2.imwrite(sys.argv[1], np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 82])


if __name__ == "__main__":
    main()
