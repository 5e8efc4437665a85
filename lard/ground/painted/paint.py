"""Painting convex quadrilaterals of real surfaces into a georeferenced image with exact edges."""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from lard.compiled import compiled
from lard.ground.painted.noise import fade, unit
from lard.ground.tiles import HEIGHT_UNIT_M

Array = NDArray[np.float64]


class Surface(IntEnum):
    """How a quadrilateral is textured inside its outline."""

    PLAIN = 0  # roofs, cars: one colour with little grain
    PAINT = 1  # marking paint, worn
    ASPHALT = 2
    CONCRETE = 3
    RUBBER = 4
    SHADOW = 5


@dataclass(frozen=True, slots=True)
class Quad:
    """A convex quadrilateral (4, 2) in metres east and north, its surface and colour."""

    corners: Array
    surface: Surface
    colour: tuple[float, float, float]
    opacity: float = 1.0
    frame: tuple[float, float, float, float] = field(default=(0.0, 0.0, 1.0, 0.0))
    """Origin x, y and unit direction of the surface's own grid (slabs, lanes, rubber), metres."""
    grain: float = 1.0
    """Strength of the texture; for rubber the length it reaches along the frame's direction in metres."""
    height_m: float = 0.0
    """How high its top stands above the ground."""


def pack(quads: list[Quad]) -> Array:
    """Rows (n, 27): 4 half planes (nx, ny, c), box, surface, colour, opacity, frame, grain, height."""
    rows = np.zeros((len(quads), 27))
    for k, quad in enumerate(quads):
        p = quad.corners
        following = np.roll(p, -1, axis=0)
        area = np.sum(p[:, 0] * following[:, 1] - following[:, 0] * p[:, 1])
        edge = (following - p) * (1.0 if area > 0 else -1.0)
        normal = np.stack([-edge[:, 1], edge[:, 0]], axis=-1) / np.maximum(np.hypot(*edge.T), 1e-9)[:, None]
        offset = -np.sum(normal * p, axis=-1)
        rows[k, :12] = np.column_stack([normal, offset]).ravel()
        rows[k, 12:16] = *p.min(axis=0), *p.max(axis=0)
        rows[k, 16] = quad.surface
        rows[k, 17:20] = quad.colour
        rows[k, 20] = quad.opacity
        rows[k, 21:25] = quad.frame
        rows[k, 25] = quad.grain
        rows[k, 26] = quad.height_m / HEIGHT_UNIT_M
    return rows


def paint(
    image: NDArray[np.uint8],
    done: NDArray[np.uint8],
    x0_m: float,
    y0_m: float,
    gsd_m: float,
    rows: Array,
    seed: int,
) -> None:
    """Paint packed quads in order into an image (h, w, 4) whose top-left corner lies at (x0, y0).

    The fourth channel is the height in half metres; pixels marked in done (h, w) are left alone.
    """
    height, width = image.shape[:2]
    x1, y1 = x0_m + width * gsd_m, y0_m - height * gsd_m
    near = (rows[:, 12] < x1 + gsd_m) & (rows[:, 14] > x0_m - gsd_m)
    near &= (rows[:, 13] < y0_m + gsd_m) & (rows[:, 15] > y1 - gsd_m)
    if near.any():
        _paint_kernel(image, done, x0_m, y0_m, gsd_m, rows[near], seed, fade(1.4, gsd_m), fade(6.0, gsd_m))


@compiled()
def _smooth(x: float, y: float, wavelength: float, seed: int) -> float:
    """Value noise in [-1, 1] at one point."""
    u, v = x / wavelength, y / wavelength
    iu, iv = np.floor(u), np.floor(v)
    fu, fv = u - iu, v - iv
    i, j = int(iu), int(iv)
    fu, fv = fu * fu * (3.0 - 2.0 * fu), fv * fv * (3.0 - 2.0 * fv)
    below = unit(i, j, seed) + (unit(i + 1, j, seed) - unit(i, j, seed)) * fu
    above = unit(i, j + 1, seed) + (unit(i + 1, j + 1, seed) - unit(i, j + 1, seed)) * fu
    return 2.0 * (below + (above - below) * fv) - 1.0


@compiled()
def _edge(distance: float, g: float) -> float:
    return min(max(distance / g + 0.5, 0.0), 1.0)


@compiled()
def _joint(position: float, pitch: float, half: float, g: float) -> float:
    """Coverage by thin lines at every multiple of the pitch."""
    d = position / pitch
    d = abs(d - np.floor(d + 0.5)) * pitch
    return max(_edge(half + d, g) + _edge(half - d, g) - 1.0, 0.0)


@compiled()
def _asphalt(
    s: float, t: float, x: float, y: float, g: float, seed: int, fine: float, coarse: float, grain: float
) -> float:
    """Tone factor of asphalt: grain, stains, paving lanes, resealed patches."""
    lane = np.floor(t / 7.5)
    tone = (
        1.0 + 0.035 * fine * grain * _smooth(x, y, 0.9, seed) + 0.04 * grain * _smooth(x, y, 37.0, seed + 1)
    )
    tone += 0.035 * coarse * grain * _smooth(s / 8.0, t, 4.0, seed + 2)
    tone += 0.05 * grain * coarse * (unit(int(lane), int(np.floor(s / 900.0)), seed + 3) - 0.5)
    tone -= 0.10 * grain * _joint(t, 7.5, 0.06, g)
    block = unit(int(np.floor(s / 85.0)), int(np.floor(t / 15.0)), seed + 4)
    if block < 0.035:
        tone -= 0.09 * grain * grain * coarse
    elif block > 0.985:
        tone += 0.06 * grain * grain * coarse
    return tone


@compiled()
def _concrete(
    s: float, t: float, x: float, y: float, g: float, seed: int, fine: float, coarse: float, grain: float
) -> float:
    """Tone factor of concrete slabs of 7.6 m: tone by slab, dark joints, stains."""
    a, b = int(np.floor(s / 7.62)), int(np.floor(t / 7.62))
    tone = 1.0 + 0.09 * coarse * grain * (unit(a, b, seed) - 0.5) + 0.02 * fine * _smooth(x, y, 0.9, seed + 1)
    tone += 0.04 * _smooth(x, y, 45.0, seed + 2) * grain
    tone -= 0.16 * grain * max(_joint(s, 7.62, 0.07, g), _joint(t, 7.62, 0.07, g))
    if unit(a, b, seed + 3) < 0.012:
        tone -= 0.12 * coarse * grain
    return tone


@compiled()
def _rubber(s: float, t: float, x: float, y: float, reach: float, seed: int) -> float:
    """Opacity of tyre rubber: two broad wheel tracks, strongest a third of the way along."""
    if s < 0.0 or s > reach:
        return 0.0
    u = s / reach
    along = min(u / 0.22, 1.0) * min((1.0 - u) / 0.55, 1.0)
    left, right = (t + 4.2) / 3.3, (t - 4.2) / 3.3
    across = 0.85 * (np.exp(-left * left) + np.exp(-right * right)) + 0.45 * np.exp(-((t / 8.5) ** 2))
    streak = 0.85 + 0.3 * _smooth(s / 90.0, t, 0.8, seed) * 0.8
    return along * min(across, 1.0) * streak


@compiled()
def _paint_kernel(
    image: NDArray[np.uint8],
    done: NDArray[np.uint8],
    x0: float,
    y0: float,
    g: float,
    rows: Array,
    seed: int,
    fine: float,
    coarse: float,
) -> None:
    """Blend each quad by its exact coverage; two opposite half planes give thin bands their true weight."""
    height, width = image.shape[0], image.shape[1]
    for q in range(rows.shape[0]):
        row = rows[q]
        kind = int(row[16])
        ox, oy, dx, dy = row[21], row[22], row[23], row[24]
        i_from = max(int(np.floor((y0 - row[15]) / g)) - 1, 0)
        i_to = min(int(np.ceil((y0 - row[13]) / g)) + 1, height)
        for i in range(i_from, i_to):
            y = y0 - (i + 0.5) * g
            low, high = row[12] - g, row[14] + g
            for e in range(4):
                # nx x + ny y + c >= -g bounds x on one side, unless the edge is level.
                rest = row[3 * e + 1] * y + row[3 * e + 2] + g
                nx = row[3 * e]
                if nx > 1e-9:
                    low = max(low, -rest / nx)
                elif nx < -1e-9:
                    high = min(high, -rest / nx)
                elif rest < 0.0:
                    high = low - 1.0
            j_from = max(int(np.floor((low - x0) / g)), 0)
            j_to = min(int(np.ceil((high - x0) / g)) + 1, width)
            for j in range(j_from, j_to):
                if done[i, j]:
                    continue
                x = x0 + (j + 0.5) * g
                c0 = (
                    _edge(row[0] * x + row[1] * y + row[2], g)
                    + _edge(row[6] * x + row[7] * y + row[8], g)
                    - 1.0
                )
                c1 = (
                    _edge(row[3] * x + row[4] * y + row[5], g)
                    + _edge(row[9] * x + row[10] * y + row[11], g)
                    - 1.0
                )
                if c0 <= 0.0 or c1 <= 0.0:
                    continue
                cover = c0 * c1 * row[20]
                s = (x - ox) * dx + (y - oy) * dy
                t = (x - ox) * dy - (y - oy) * dx
                tone = 1.0
                if kind == 1:
                    cover *= 0.90 - row[25] * (
                        0.10 + 0.10 * _smooth(x, y, 2.1, seed) + 0.08 * _smooth(x, y, 31.0, seed + 1)
                    )
                elif kind == 2:
                    tone = _asphalt(s, t, x, y, g, seed, fine, coarse, row[25])
                elif kind == 3:
                    tone = _concrete(s, t, x, y, g, seed, fine, coarse, row[25])
                elif kind == 4:
                    cover *= _rubber(s, t, x, y, row[25], seed)
                elif kind == 0:
                    tone = 1.0 + 0.05 * row[25] * _smooth(x, y, 5.0, seed) * coarse
                cover = min(max(cover, 0.0), 1.0)
                for k in range(3):
                    old = image[i, j, k]
                    new = row[17 + k] * tone
                    if kind == 5:
                        new = old * row[17 + k]
                    image[i, j, k] = min(max(old + cover * (new - old) + 0.5, 0.0), 255.0)
                if kind != 5:
                    image[i, j, 3] = int(image[i, j, 3] + cover * (row[26] - image[i, j, 3]) + 0.5)
