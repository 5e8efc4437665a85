"""Erasure energy of runways from a second picture, drawn without them: exact for that erasure.

The picture x_g is the clean one with the surroundings of runway g taken from the picture of the same frame
that was drawn without runways. Its distance from the clean one is E_g: a model that does not fire at g on
x_g cannot certify a radius above E_g there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.detect.data import Picture, picture_pixels
from lard.errors import DataError
from lard.score.truth import Paths, several

METHOD = (
    "exact: norm of the difference from the picture drawn without runways, over the runway's own surroundings"
    " (nearer to it than to any other labelled runway, up to the diagonal of its box, 16 px at least)"
)
LEAST_PX = 16.0
"""How far surroundings reach at least: over a block of JPEG."""
CHANGED = 24 / 255
"""Change of a value that is more than what coding makes of one."""
MOST_ELSEWHERE = 0.02
"""Share of the pixels off all surroundings that may change so much: buildings' shadows on a runway, say."""

Floats = NDArray[np.float64]


def bare_pictures(datasets: Paths, without: Paths, pictures: Sequence[Picture]) -> dict[int, Path]:
    """By image id, the picture of the same frame without runways, where there is one.

    `without` are dataset folders in the order of `datasets`; DataError where they do not pair, or where no
    picture has its like.
    """
    folders, bare = several(datasets), several(without)
    if len(folders) != len(bare):
        raise DataError(
            f"--without: {len(bare)} datasets for {len(folders)} of --data; give one for each, in their order"
        )
    found: dict[int, Path] = {}
    for picture in pictures:
        for folder, other in zip(folders, bare, strict=True):
            if picture.path.is_relative_to(folder):
                path = other / picture.path.relative_to(folder)
                if path.is_file():
                    found[picture.image_id] = path
                break
    if not found:
        first = pictures[0].path.name if pictures else "none"
        raise DataError(
            f"{bare[0]}: has none of the {len(pictures)} pictures ({first} first); render the same frames"
            " there, over ground of lard ground --no-runways"
        )
    return found


def exact_energies(image: NDArray[np.uint8], bare: Path, picture: Picture) -> Floats:
    """Exact erasure energy of each required runway of an RGB picture (h, w, 3): L2, pixels in [0, 1].

    DataError where the picture without runways has another size, or differs far from every runway.
    """
    other = picture_pixels(bare)
    if other.shape != image.shape:
        raise DataError(
            f"{bare}: {other.shape[1]}x{other.shape[0]} px, {picture.path} has"
            f" {image.shape[1]}x{image.shape[0]}; render the same frames"
        )
    change = (image.astype(np.float64) - other) / 255
    owners, near = surroundings(picture.polygons, image.shape[:2])
    _check_pair(change, near, bare, picture)
    squares = (change**2).sum(axis=2)
    wanted = np.flatnonzero(~picture.ignored)
    return np.array([np.sqrt(squares[owners[place]].sum()) for place in wanted], np.float64)


def surroundings(
    polygons: Sequence[Floats], shape_px: tuple[int, int]
) -> tuple[list[NDArray[np.bool_]], NDArray[np.bool_]]:
    """The pixels (h, w) about each runway that are nearer to it than to any other, and those about any.

    Pixels inside of two runways are about both.
    """
    distances = np.full((len(polygons), *shape_px), np.inf, np.float32)
    reach = np.zeros(len(polygons))
    for place, polygon in enumerate(polygons):
        outside = np.ones(shape_px, np.uint8)
        cv2.fillPoly(outside, [np.round(polygon - 0.5).astype(np.int32)], 0)
        if not outside.all():
            distances[place] = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        reach[place] = max(LEAST_PX, float(np.hypot(*np.ptp(polygon, axis=0))))
    nearest = distances.min(axis=0, initial=np.inf)
    about = [(found <= far) & (found <= nearest) for found, far in zip(distances, reach, strict=True)]
    near = (distances <= reach[:, None, None]).any(axis=0)
    return about, np.asarray(near, bool)


def _check_pair(change: Floats, near: NDArray[np.bool_], bare: Path, picture: Picture) -> None:
    """DataError where so much differs off the runways that it is another frame, light or weather."""
    far = ~near
    if not far.any():
        return
    share = float((np.abs(change[far]).max(axis=1) > CHANGED).mean())
    if share > MOST_ELSEWHERE:
        raise DataError(
            f"{bare}: differs from {picture.path} in {share:.1%} of the pixels off all runways; render the"
            " same frames with the same settings over ground of lard ground --no-runways"
        )
