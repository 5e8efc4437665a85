"""Land cover around an airport: its slow fields, its water, and the call that paints one window."""

import math
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from lard.compiled import compiled
from lard.ground.painted.landcover_kernel import COARSE_PX, land_kernel
from lard.ground.painted.noise import add_octave, fade, fractal, lattice
from lard.ground.painted.palette import Palette, colour_table

TEXTURE_SHORTEST_M = 0.75
TEXTURE_LONGEST_M = 3072.0
CLEAR_M = 400.0
"""Around other airports' runways neither water nor trees; more than a cell of their map."""
INLAND_M = 120.0
"""Lakes count as no deeper than this where there is sea, whose colour begins there."""
QUAY_M = 90.0
"""From the fence to the sea at least."""
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outline:
    """Signed distance to the airport's fence in metres, positive inside, on a regular grid in the plane."""

    distance: NDArray[np.float32]  # (rows, columns); row 0 is the northernmost
    x0_m: float
    y0_m: float
    step_m: float

    def sample(self, x0_m: float, y0_m: float, step_m: float, shape: tuple[int, int]) -> NDArray[np.float32]:
        """The distance on another grid; beyond this one it goes on falling with the distance to the grid."""
        out = np.empty(shape, np.float32)
        _sample(out, x0_m, y0_m, step_m, self.distance, self.x0_m, self.y0_m, self.step_m)
        return out


@dataclass(frozen=True, slots=True)
class Shore(Outline):
    """Signed distance to the coast, positive at sea, m; what is made up of it: its waves' size and length."""

    waves_m: float = 450.0
    longest_m: float = 5000.0


def outline_of(area: BaseGeometry, margin_m: float = 400.0, step_m: float = 16.0) -> Outline:
    """Return the distance grid of the airport's area, exact at the grid's nodes."""
    x0, y0, x1, y1 = area.bounds
    x = np.arange(x0 - margin_m, x1 + margin_m + step_m, step_m)
    y = np.arange(y1 + margin_m, y0 - margin_m - step_m, -step_m)
    points = shapely.points(*np.meshgrid(x, y))
    shapely.prepare(area)
    distance = shapely.distance(area.boundary, points)
    signed = np.where(shapely.contains(area, points), distance, -distance)
    return Outline(signed.astype(np.float32), float(x[0]), float(y[0]), step_m)


@dataclass(frozen=True, slots=True)
class LandSetting:
    """What the land cover depends on besides the position: seed, palette, airport outline, sea."""

    seed: int
    palette: Palette
    outline: Outline
    mow_rad: float  # direction of the mowing
    shore: Shore | None  # None without sea
    clearing: Outline | None  # distance from other airports' runways, negated, m
    water_seed: int  # chosen so that no river or lake touches the airport
    rivers: bool


@compiled()
def _sample(
    out: NDArray[np.float32],
    x0: float,
    y0: float,
    step: float,
    grid: NDArray[np.float32],
    gx0: float,
    gy0: float,
    gstep: float,
) -> None:
    """Bilinear lookup in the distance grid for the nodes of another grid."""
    rows, columns = grid.shape
    for r in range(out.shape[0]):
        v = (gy0 - (y0 - r * step)) / gstep
        vc = min(max(v, 0.0), rows - 1.001)
        i = int(vc)
        fv = vc - i
        for c in range(out.shape[1]):
            u = (x0 + c * step - gx0) / gstep
            uc = min(max(u, 0.0), columns - 1.001)
            j = int(uc)
            fu = uc - j
            above = grid[i, j] + (grid[i, j + 1] - grid[i, j]) * fu
            below = grid[i + 1, j] + (grid[i + 1, j + 1] - grid[i + 1, j]) * fu
            out[r, c] = above + (below - above) * fv - gstep * math.hypot(u - uc, v - vc)


def texture_gain(wavelength_m: float) -> float:
    """Relative strength of brightness texture at a wavelength: grain at metres, mottling at kilometres."""
    return 0.34 + 0.12 * math.log2(max(wavelength_m, 1.5) / 1.5) / 3.0


def coarse_fields(
    setting: LandSetting, x0_m: float, y0_m: float, step_m: float, shape: tuple[int, int]
) -> NDArray:
    """Slow fields (8, rows, columns): bend x, y, forest, urban, river, water, mottling, outline."""
    s, p = setting.seed * 64, setting.palette

    def noise(longest: float, shortest: float, k: int, roughness: float = 0.5) -> NDArray[np.float32]:
        return fractal(shape, x0_m, y0_m, step_m, longest, shortest, s + k, roughness)

    out = np.empty((8, *shape), np.float32)
    out[0] = p.bend_m * noise(900.0, 200.0, 1)
    out[1] = p.bend_m * noise(900.0, 200.0, 2)
    out[2] = 0.85 * noise(12600.0, 60.0, 3, 0.7)
    out[3] = noise(6400.0, 300.0, 4, 0.6)
    out[4], out[5] = _water(setting, x0_m, y0_m, step_m, shape)
    out[6] = 0.0
    wavelength, k = TEXTURE_LONGEST_M, 0
    while wavelength >= TEXTURE_SHORTEST_M:
        weight = fade(wavelength, step_m)
        if weight > 0.0:
            add_octave(
                out[6],
                x0_m,
                y0_m,
                step_m,
                wavelength,
                s + 32 + k,
                0.6 * weight * texture_gain(wavelength),
                0.0,
            )
        wavelength /= 2.0
        k += 1
    out[7] = setting.outline.sample(x0_m, y0_m, step_m, shape)
    if setting.clearing is not None:
        # Others' fields have no turf of their own, but neither trees nor rivers.
        clear = setting.clearing.sample(x0_m, y0_m, step_m, shape) + CLEAR_M
        out[7] = np.maximum(out[7], np.minimum(clear, -20.0))
    return out


def _water(
    setting: LandSetting, x0_m: float, y0_m: float, step_m: float, shape: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The signed distance to the nearest river's middle and the lake or sea field, positive in water, m."""
    seed = setting.seed * 64 + 5 + 7919 * setting.water_seed
    river = np.full(shape, 3000.0, np.float32)
    if setting.rivers:
        n = fractal(shape, x0_m, y0_m, step_m, 16000.0, 300.0, seed, 0.42)
        gy, gx = np.gradient(n, step_m)
        river = np.clip(n / np.maximum(np.hypot(gx, gy), 2.0e-5), -3000.0, 3000.0).astype(np.float32)
    lake = (
        fractal(shape, x0_m, y0_m, step_m, 7000.0, 120.0, seed + 1, 0.5) - setting.palette.lake_bias
    ) * 900.0
    if setting.shore is not None:
        by = setting.shore
        shore = by.sample(x0_m, y0_m, step_m, shape)
        shore += by.waves_m * fractal(shape, x0_m, y0_m, step_m, by.longest_m, 100.0, seed + 2, 0.55)
        # The fence keeps its distance, as behind a sea wall.
        shore = np.minimum(shore, -QUAY_M - setting.outline.sample(x0_m, y0_m, step_m, shape))
        lake = np.maximum(np.minimum(lake, INLAND_M), shore)
    if setting.clearing is not None:
        lake = np.minimum(lake, -CLEAR_M - setting.clearing.sample(x0_m, y0_m, step_m, shape))
    return river, lake


def in_water(setting: LandSetting, points: Array, rivers: bool = False) -> NDArray[np.bool_]:
    """Tell which points (n, 2) of the plane lie in a lake or the sea, or in a river too."""
    wet = []
    for x, y in points:
        river, lake = _water(setting, float(x), float(y), 50.0, (2, 2))
        wet.append(lake[0, 0] > 0.0 or (rivers and abs(river[0, 0]) < 18.0))
    return np.array(wet, bool)


def place_water(setting: LandSetting) -> LandSetting:
    """The setting with the first water seed that leaves the airport dry, without rivers if none does."""
    outline = setting.outline
    inside = outline.distance[::4, ::4] > -60.0
    for rivers in (True, False):
        for seed in range(24):
            trial = replace(setting, water_seed=seed, rivers=rivers)
            river, lake = _water(trial, outline.x0_m, outline.y0_m, outline.step_m * 4, inside.shape)
            if not (inside & ((np.abs(river) < 80.0) | (lake > -30.0))).any():
                return trial
    return replace(
        setting, water_seed=0, rivers=False, palette=replace(setting.palette, lake_bias=9.0), shore=None
    )


def pixel_octaves(setting: LandSetting, gsd_m: float) -> list[tuple[float, int, float]]:
    """Return (wavelength m, seed, weight) of the texture octaves that the coarse grid does not carry."""
    octaves = []
    wavelength, k = TEXTURE_LONGEST_M, 0
    while wavelength >= TEXTURE_SHORTEST_M:
        weight = fade(wavelength, gsd_m) - fade(wavelength, gsd_m * COARSE_PX)
        if weight > 0.0:
            octaves.append((wavelength, setting.seed * 64 + 32 + k, weight))
        wavelength /= 2.0
        k += 1
    return octaves


def paint_land(
    image: NDArray[np.uint8],
    done: NDArray[np.uint8],
    x0_m: float,
    y0_m: float,
    gsd_m: float,
    setting: LandSetting,
) -> None:
    """Paint an image (h, w, 4), colours and height in half metres, whose top-left corner lies at (x0, y0).

    Pixels marked in done (h, w) are left alone.
    """
    height, width = image.shape[:2]
    step = COARSE_PX * gsd_m
    shape = (height // COARSE_PX + 2, width // COARSE_PX + 2)
    fields = coarse_fields(setting, x0_m, y0_m, step, shape)
    octaves = pixel_octaves(setting, gsd_m)
    grids = []
    info = np.zeros((max(len(octaves), 1), 6))
    for k, (wavelength, seed, weight) in enumerate(octaves):
        i0, j0 = math.floor(x0_m / wavelength), math.floor((y0_m - height * gsd_m) / wavelength)
        columns = math.ceil(width * gsd_m / wavelength) + 3
        rows = math.ceil(height * gsd_m / wavelength) + 3
        grids.append(lattice(i0, j0, rows, columns, seed))
        info[k] = (
            wavelength,
            i0,
            j0,
            0.6 * weight * texture_gain(wavelength),
            0.12 * weight * wavelength,
            0.0,
        )
    p = setting.palette
    biases = np.array(
        [
            p.forest_bias, p.urban_bias, p.hedge_m, p.contrast, p.cell_m, p.splits, setting.mow_rad, p.patch,
            p.canopy_m, p.groves, p.mow, p.scattered,
        ]
    )  # fmt: skip
    roofs = np.array([*p.roofs, np.mean(p.roofs, axis=0)])
    flat, starts = _pack(grids)
    land_kernel(
        image,
        done,
        x0_m,
        y0_m,
        gsd_m,
        fields,
        flat,
        starts,
        info,
        len(octaves),
        np.array(p.crops),
        colour_table(p, p.sea if setting.shore is not None else p.water),
        roofs,
        biases,
        setting.seed,
        fade(16.0, gsd_m),
        fade(6.0, gsd_m),
        fade(7.0, gsd_m),
        fade(24.0, gsd_m),
    )


def _pack(grids: list[NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return all lattices in one flat array and rows (offset, columns) to find them again."""
    starts = np.zeros((max(len(grids), 1), 2), np.int64)
    offset = 0
    for k, grid in enumerate(grids):
        starts[k] = offset, grid.shape[1]
        offset += grid.size
    flat = np.concatenate([grid.ravel() for grid in grids]) if grids else np.zeros(1, np.float32)
    return flat, starts
