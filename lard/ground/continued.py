"""Painted ground that goes on where imagery ends: feathered into it, in the colours of its rim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.airports.layout import strips_around
from lard.airports.model import Airport, RunwayDatabase
from lard.ground.cover import COVER_PX, Cover, Mask
from lard.ground.holes import RunwayZone
from lard.ground.painted.airport import GENERATOR, LICENCE, Neighbours, attribution, input_key, prepare
from lard.ground.painted.build import AROUND_M
from lard.ground.painted.levels import REACHES, Ground, paint_window
from lard.ground.tiles import LevelGrid

PAINTED = "painted"
FEATHER_M = 250.0
"""Width of the seam, inside the imagery."""
_BAND_M = 800.0
"""How far inside the rim colours are compared."""
_TONE_M = 1500.0
"""Over what distance beyond the rim its local tone passes into the common one."""
_GAINS = (0.6, 1.6)
_FAINT = 0.05  # of the rim's weight, where the local tone has half its size
_SAMPLES_PX = 512
_PAINTED_GSD_M = 0.25

Array = NDArray[np.float64]
Colours = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Sampled = Callable[[LevelGrid], tuple[Pixels, Mask]]


@dataclass(frozen=True, slots=True)
class Beyond:
    """What goes on beyond the imagery of an airport: painted ground of a season, with the runways on it."""

    season: str = "summer"
    seed: int = 1
    neighbours: Neighbours = ()

    @classmethod
    def of(cls, airport: Airport, db: RunwayDatabase, season: str = "summer", seed: int = 1) -> Beyond:
        """With the runways of other airports of the database that lie on the ground."""
        return cls(season, seed, strips_around(db, airport, AROUND_M))

    def described(self, airport: Airport) -> dict[str, Any]:
        """What the manifest says of it; `key` is that of everything the painting depends on."""
        key = input_key(airport, self.seed, _PAINTED_GSD_M, REACHES, self.season, self.neighbours)
        return {
            "filled_with": PAINTED, "generator": GENERATOR, "season": self.season, "seed": self.seed,
            "licence": LICENCE, "attribution": attribution(airport, self.neighbours), "key": key,
        }  # fmt: skip

    def credited(self, airport: Airport, licence: str, named: str) -> tuple[str, str]:
        """Licence and attribution of imagery that it continues."""
        mine = attribution(airport, self.neighbours)
        return f"{licence}; painted ground beyond the imagery: {LICENCE}", f"{named}; {mine}"


@dataclass(frozen=True, slots=True, eq=False)
class Continuation:
    """The painted ground of one airport, how much the imagery weighs, and the colours at its rim."""

    ground: Ground
    grid: LevelGrid  # of weight and tone
    weight: NDArray[np.float32]  # (rows, columns), 1 = imagery alone
    gain: Colours  # (3,)
    offset: Colours  # (3,)
    tone: Colours  # (rows, columns, 3) added to the painted colours

    def put(self, grid: LevelGrid, pixels: Pixels, valid: Mask, fresh: Mask) -> None:
        """Blend a block (height, width, 3) in place where `fresh`; what is not `valid` is painted alone."""
        weight = np.where(valid, self._looked_up(self.weight, grid), np.float32(0.0))
        painted = fresh & (weight < 1.0)
        if not painted.any():
            return
        theirs = self.colours(grid)[painted]
        share = weight[painted][:, None]
        pixels[painted] = np.rint(share * pixels[painted] + (1.0 - share) * theirs).astype(np.uint8)

    def colours(self, grid: LevelGrid) -> Colours:
        """Painted colours (height, width, 3) of a block, matched to the imagery."""
        matched = painted_colours(self.ground, grid) * self.gain + self.offset
        return np.asarray(np.clip(matched + self._looked_up(self.tone, grid), 0.0, 255.0))

    def _looked_up(self, field: NDArray[np.float32], grid: LevelGrid) -> NDArray[np.float32]:
        """A field at the pixels of a block, bilinear; beyond its rim it is 0."""
        step = grid.gsd_m / self.grid.gsd_m
        column = (grid.x_min_m - self.grid.x_min_m) / self.grid.gsd_m - 0.5
        row = (self.grid.y_max_m - grid.y_max_m) / self.grid.gsd_m - 0.5
        columns = (column + step * (np.arange(grid.width_px) + 0.5)).astype(np.float32)
        rows = (row + step * (np.arange(grid.height_px) + 0.5)).astype(np.float32)
        x, y = np.meshgrid(columns, rows)
        return np.asarray(cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT))


def continuation(
    airport: Airport, beyond: Beyond, cover: Cover, zones: Sequence[RunwayZone], photo: Sampled
) -> Continuation:
    """What goes on beyond the imagery; `photo` gives its colours in a window of the map."""
    ground = prepare(airport, beyond.seed, _PAINTED_GSD_M, REACHES, beyond.season, beyond.neighbours)
    wide = _widened(cover, 2 * _TONE_M)
    gain, offset, tone = _matched(ground, wide, photo)
    return Continuation(ground, wide.grid, seam(wide, zones), gain, offset, tone)


def painted_colours(ground: Ground, grid: LevelGrid) -> Colours:
    """Painted colours (height, width, 3) of any window of the map."""
    image = paint_window(ground, grid, (0, 0, grid.height_px, grid.width_px))
    return image[..., :3].astype(np.float32)


def seam(cover: Cover, zones: Sequence[RunwayZone]) -> NDArray[np.float32]:
    """How much the imagery weighs in every cell: 0 at its rim, 1 from FEATHER_M on and near runways."""
    gsd_m = cover.grid.gsd_m
    edge_m = np.maximum(_distance(cover.mask) - 1.0, 0.0) * gsd_m
    zone = np.ones(cover.mask.shape, np.uint8)
    for each in zones:
        column = (each.polygon[:, 0] - cover.grid.x_min_m) / gsd_m - 0.5
        row = (cover.grid.y_max_m - each.polygon[:, 1]) / gsd_m - 0.5
        cv2.fillPoly(zone, [np.rint(np.column_stack([column, row])).astype(np.int32)], (0,))
    # a cell more: a pixel of the zone interpolates between cells
    away_m = _distance(cv2.erode(zone, np.ones((3, 3), np.uint8)) > 0) * gsd_m
    width_m = np.minimum(max(FEATHER_M, 4 * gsd_m), edge_m + away_m)
    weight = np.where(width_m > 0, edge_m / np.maximum(width_m, 1e-9), away_m == 0)
    return np.clip(weight, 0.0, 1.0).astype(np.float32)


def _distance(mask: Mask) -> Array:
    """Cells from every cell of a mask to the nearest that is not of it, or beyond the grid."""
    framed = np.pad(mask.astype(np.uint8), 1)
    return np.asarray(cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1], np.float64)


def _widened(cover: Cover, margin_m: float) -> Cover:
    """The part of a cover that holds all imagery, with a margin around it, in COVER_PX cells at most."""
    x0, y0, x1, y1 = cover.bounds or (0.0, 0.0, 1.0, 1.0)
    gsd_m = max(cover.grid.gsd_m, (max(x1 - x0, y1 - y0) + 2 * margin_m) / COVER_PX)
    columns, rows = (int(np.ceil((side + 2 * margin_m) / gsd_m)) for side in (x1 - x0, y1 - y0))
    grid = LevelGrid(gsd_m, x0 - margin_m, y1 + margin_m, columns, rows)
    x = grid.x_min_m + (np.arange(columns) + 0.5) * gsd_m
    y = grid.y_max_m - (np.arange(rows) + 0.5) * gsd_m
    return Cover(grid, cover.at(*np.meshgrid(x, y)))


def _matched(ground: Ground, cover: Cover, photo: Sampled) -> tuple[Colours, Colours, Colours]:
    """Gain and offset (3,) that give painted colours mean and spread of the imagery's rim, and the rest."""
    step = max(1, -(-max(cover.mask.shape) // _SAMPLES_PX))
    gsd_m = cover.grid.gsd_m * step
    shape = tuple(-(-side // step) for side in cover.mask.shape)
    grid = LevelGrid(gsd_m, cover.grid.x_min_m, cover.grid.y_max_m, shape[1], shape[0])
    theirs, valid = photo(grid)
    mine = painted_colours(ground, grid)
    depth_m = _distance(valid) * gsd_m
    band = (depth_m > gsd_m) & (depth_m <= _BAND_M)
    whole, size = np.zeros((*cover.mask.shape, 3), np.float32), cover.mask.shape[::-1]
    if not band.any():
        return np.ones(3, np.float32), np.zeros(3, np.float32), whole
    spread = theirs[band].std(axis=0) / np.maximum(mine[band].std(axis=0), 1.0)
    gain = np.clip(spread, *_GAINS).astype(np.float32)
    offset = (theirs[band].mean(axis=0) - gain * mine[band].mean(axis=0)).astype(np.float32)
    left = np.where(band[..., None], theirs - (mine * gain + offset), 0.0)
    sigma = _TONE_M / gsd_m / 2
    weight = cv2.GaussianBlur(band.astype(np.float64), (0, 0), sigma)
    rest = cv2.GaussianBlur(left, (0, 0), sigma) / (weight + _FAINT * weight.max())[..., None]
    full = (shape[1] * step, shape[0] * step)
    tone = cv2.resize(rest.astype(np.float32), full, interpolation=cv2.INTER_LINEAR)
    return gain, offset, np.ascontiguousarray(tone[: size[1], : size[0]])
