"""The fused per-pixel kernel that paints land cover, and what it is made of: parcels, lots, tree crowns."""

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray

from lard.imagery.ground.procedural_noise import unit
from lard.imagery.ground.tiles import HEIGHT_UNIT_M

Array = NDArray[np.float64]
COARSE_PX = 8
"""Slowly varying fields are evaluated at every 8th pixel and interpolated."""
DISTRICT_M = 3400.0
"""Side of the districts, each with its own direction of fields."""


@nb.njit(cache=True)
def _ramp(distance_m: float, gsd_m: float) -> float:
    """Coverage of a pixel whose centre lies this far inside an edge."""
    return min(max(distance_m / gsd_m + 0.5, 0.0), 1.0)


@nb.njit(cache=True)
def _band(distance_m: float, half_m: float, gsd_m: float) -> float:
    """Coverage of a pixel by a band of given half width about distance 0, exact for thin bands too."""
    return max(_ramp(half_m + distance_m, gsd_m) + _ramp(half_m - distance_m, gsd_m) - 1.0, 0.0)


@nb.njit(cache=True)
def _crown(x: float, y: float, seed: int) -> float:
    """Brightness of tree crowns about 7 m apart, lit from the south-east; about zero on average."""
    u, v = x / 7.0, y / 7.0 + 0.5 * math.floor(x / 7.0)
    i, j = math.floor(u), math.floor(v)
    h, k = unit(i, j, seed + 41), unit(i, j, seed + 42)
    du, dv = u - i - 0.38 - 0.24 * h, v - j - 0.38 - 0.24 * k
    dome = max(1.0 - (du * du + dv * dv) / (0.13 + 0.09 * h), 0.0)
    return dome * (0.42 + 0.9 * (du - dv) + 0.35 * (k - 0.5)) - 0.15


@nb.njit(cache=True)
def _parcel(
    u: float, v: float, cell: float, splits: int, seed: int
) -> tuple[float, float, float, float, int]:
    """Return the parcel (u0, u1, v0, v1, id) that holds a point: a square cell split again and again."""
    ci, cj = math.floor(u / cell), math.floor(v / cell)
    u0, v0 = ci * cell, cj * cell
    u1, v1 = u0 + cell, v0 + cell
    key = int(unit(ci, cj, seed) * 1.0e9)
    for depth in range(splits):
        if depth > 1 and unit(key, depth, seed + 1) < 0.18:
            break
        cut = 0.3 + 0.4 * unit(key, depth, seed + 2)
        if (u1 - u0) * (0.75 + 0.5 * unit(key, depth, seed + 3)) > v1 - v0:
            middle = u0 + cut * (u1 - u0)
            if u < middle:
                u1 = middle
                key = key * 2 + 1
            else:
                u0 = middle
                key = key * 2 + 2
        else:
            middle = v0 + cut * (v1 - v0)
            if v < middle:
                v1 = middle
                key = key * 2 + 3
            else:
                v0 = middle
                key = key * 2 + 4
        key &= 0xFFFFFFFFF
    return u0, u1, v0, v1, key


@nb.njit(cache=True)
def _lot(
    pu: float,
    pv: float,
    key: int,
    seed: int,
    g: float,
    roofs: Array,
    lawn: Array,
    road: Array,
    detail: float,
    tree: Array,
) -> tuple[float, float, float, float]:
    """Colour and height (m) of a built-up place at parcel coordinates: streets, gardens, houses, trees."""
    style = unit(key, 5, seed)
    lot_u, lot_v = (26.0, 34.0) if style < 0.75 else (70.0, 95.0)
    block_u, block_v = lot_u * 4.0 + 8.0, lot_v * 2.0 + 8.0
    bu, bv = math.floor(pu / block_u), math.floor(pv / block_v)
    fu, fv = pu - bu * block_u, pv - bv * block_v
    street = max(_band(min(fu, block_u - fu), 4.0, g), _band(min(fv, block_v - fv), 4.0, g))
    # Mean colour of a lot: about a quarter roof, a tenth shadow, the rest garden and trees.
    shade = 0.5 * unit(key, 9, seed)
    mean_r = 0.26 * roofs[0, 0] + 0.62 * lawn[0] + 0.12 * road[0] * (0.6 + shade)
    mean_g = 0.26 * roofs[0, 1] + 0.62 * lawn[1] + 0.12 * road[1] * (0.6 + shade)
    mean_b = 0.26 * roofs[0, 2] + 0.62 * lawn[2] + 0.12 * road[2] * (0.6 + shade)
    r, gr, b = mean_r, mean_g, mean_b
    tall = 1.6 * (1.0 - street)
    if detail > 0.0 and street < 1.0:
        iu, iv = math.floor((fu - 4.0) / lot_u), math.floor((fv - 4.0) / lot_v)
        hu, hv = int(bu * 7 + iu), int(bv * 5 + iv)
        lu, lv = fu - 4.0 - iu * lot_u, fv - 4.0 - iv * lot_v
        a1, a2, a3 = unit(hu, hv, seed + key), unit(hu, hv, seed + key + 1), unit(hu, hv, seed + key + 2)
        half_u, half_v = lot_u * (0.17 + 0.14 * a1), lot_v * (0.15 + 0.12 * a2)
        cu, cv = lot_u * (0.42 + 0.16 * a2), lot_v * (0.40 + 0.2 * a1)
        garden = 0.86 + 0.28 * a3
        yr, yg, yb = lawn[0] * garden, lawn[1] * garden, lawn[2] * garden
        if style >= 0.75:
            yr, yg, yb = road[0] * garden, road[1] * garden, road[2] * garden
        tr = math.hypot(lu - lot_u * a3, lv - lot_v * (0.15 + 0.7 * a2))
        ct = _ramp(2.2 + 2.5 * a1 - tr, g) * (1.0 if style < 0.75 else 0.3)
        yr, yg, yb = yr + ct * (tree[0] - yr), yg + ct * (tree[1] - yg), yb + ct * (tree[2] - yb)
        up = ct * (4.0 + 6.0 * a2)
        if a3 < 0.9:
            height = 4.0 + 3.0 * a1 + (5.0 if style >= 0.75 else 0.0)
            # A dim rim at the walls' feet; shadows are the renderer's.
            cs = 0.3 * _band(lu - cu, half_u + 1.2, g) * _band(lv - cv, half_v + 1.2, g)
            yr, yg, yb = yr * (1.0 - cs), yg * (1.0 - cs), yb * (1.0 - cs)
            ch = _band(lu - cu, half_u, g) * _band(lv - cv, half_v, g)
            k = int(a2 * 7919.0) % roofs.shape[0]
            # The two sides of a pitched roof differ by weathering, not by the sun.
            light = 1.0 if style >= 0.75 else 1.0 + (0.06 if (lv - cv) * (a1 - 0.5) < 0.0 else -0.06)
            yr += ch * (roofs[k, 0] * light - yr)
            yg += ch * (roofs[k, 1] * light - yg)
            yb += ch * (roofs[k, 2] * light - yb)
            up += ch * (height - up)
        r, gr, b = r + detail * (yr - r), gr + detail * (yg - gr), b + detail * (yb - b)
        tall += detail * (up - tall)
    return (
        r + street * (road[0] - r),
        gr + street * (road[1] - gr),
        b + street * (road[2] - b),
        tall * (1.0 - street),
    )


@nb.njit(cache=True)
def land_kernel(
    image: NDArray[np.uint8],
    done: NDArray[np.uint8],
    x0: float,
    y0: float,
    g: float,
    fields: NDArray[np.float32],
    flat: NDArray[np.float32],
    starts: NDArray[np.int64],
    info: Array,
    count: int,
    crops: Array,
    table: Array,
    roofs: Array,
    biases: Array,
    seed: int,
    detail: float,
    grain: float,
    crowns: float,
) -> None:
    """Fused painting of one tile; see paint_land."""
    height, width = image.shape[0], image.shape[1]
    forest_bias, urban_bias, hedge, contrast = biases[0], biases[1], biases[2], biases[3]
    cell, splits, mow, patch, canopy_m = biases[4], int(biases[5]), biases[6], biases[7], biases[8]
    grass, pasture, forest, water, soil, lawn, road = (
        table[0],
        table[1],
        table[2],
        table[3],
        table[4],
        table[5],
        table[6],
    )
    mow_c, mow_s = math.cos(mow), math.sin(mow)
    line = np.empty((8, fields.shape[2]), np.float32)
    u0, u1, v0, v1 = 1.0, 0.0, 1.0, 0.0
    key, district_i, district_j = 0, -(1 << 40), 0
    ca, sa = 1.0, 0.0
    crop_r, crop_g, crop_b, kind, parcel_bias, urban_parcel, row_period, along_u = (
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        8.0,
        True,
    )
    # Where each column falls in each octave's lattice.
    cells = np.empty((max(count, 1), width), np.int32)
    shares = np.empty((max(count, 1), width), np.float32)
    widest = 1
    for k in range(count):
        for j in range(width):
            lu = (x0 + (j + 0.5) * g) / info[k, 0] - info[k, 1]
            cells[k, j] = int(lu)
            fu = lu - int(lu)
            shares[k, j] = fu * fu * (3.0 - 2.0 * fu)
        widest = max(widest, starts[k, 1])
    noise = np.zeros((max(count, 1), widest), np.float32)
    for i in range(height):
        y = y0 - (i + 0.5) * g
        for k in range(count):
            lv = y / info[k, 0] - info[k, 2]
            iv = int(lv)
            fv = lv - iv
            fv = fv * fv * (3.0 - 2.0 * fv)
            at = starts[k, 0] + iv * starts[k, 1]
            for c in range(starts[k, 1]):
                noise[k, c] = flat[at + c] + (flat[at + starts[k, 1] + c] - flat[at + c]) * fv
        fi = (i + 0.5) / COARSE_PX
        ri = int(fi)
        wi = fi - ri
        for f in range(8):
            for c in range(fields.shape[2]):
                line[f, c] = fields[f, ri, c] + (fields[f, ri + 1, c] - fields[f, ri, c]) * wi
        j = 0
        while j < width:
            if done[i, j]:
                j += 1
                continue
            x = x0 + (j + 0.5) * g
            fj = (j + 0.5) / COARSE_PX
            rj = int(fj)
            wj = fj - rj
            outline = line[7, rj] + (line[7, rj + 1] - line[7, rj]) * wj
            mottle = line[6, rj] + (line[6, rj + 1] - line[6, rj]) * wj
            texture, wiggle, fine = 0.0, 0.0, 0.0
            for k in range(count):
                at = cells[k, j]
                n = noise[k, at] + (noise[k, at + 1] - noise[k, at]) * shares[k, j]
                texture += info[k, 3] * n
                wiggle += info[k, 4] * n
                if info[k, 0] < 13.0:
                    fine += n * info[k, 3]
            tone = 1.0 + 0.075 * contrast * mottle + 0.085 * texture
            inside = _ramp(outline, g)
            r, gr, b, tall = 0.0, 0.0, 0.0, 0.0
            if inside < 1.0:
                bx = line[0, rj] + (line[0, rj + 1] - line[0, rj]) * wj
                by = line[1, rj] + (line[1, rj + 1] - line[1, rj]) * wj
                wood = line[2, rj] + (line[2, rj + 1] - line[2, rj]) * wj
                urban = line[3, rj] + (line[3, rj + 1] - line[3, rj]) * wj
                river = line[4, rj] + (line[4, rj + 1] - line[4, rj]) * wj
                lake = line[5, rj] + (line[5, rj + 1] - line[5, rj]) * wj
                wu, wv = x + bx * 3.0, y + by * 3.0
                di, dj = math.floor(wu / DISTRICT_M), math.floor(wv / DISTRICT_M)
                if di != district_i or dj != district_j:
                    district_i, district_j = di, dj
                    angle = unit(di, dj, seed + 11) * 1.5707963
                    if cell > 1200.0:
                        angle *= 0.06
                    ca, sa = math.cos(angle), math.sin(angle)
                    u0, u1 = 1.0, 0.0
                px, py = x + bx, y + by
                u, v = px * ca + py * sa, py * ca - px * sa
                if u < u0 or u >= u1 or v < v0 or v >= v1:
                    u0, u1, v0, v1, key = _parcel(u, v, cell, splits, seed + 17 * di + 23 * dj)
                    kind = unit(key, 1, seed)
                    parcel_bias = unit(key, 2, seed) - 0.5
                    urban_parcel = unit(key, 3, seed) - 0.5
                    k = int(unit(key, 4, seed) * crops.shape[0])
                    shade = 0.90 + 0.2 * unit(key, 5, seed)
                    crop_r, crop_g, crop_b = crops[k, 0] * shade, crops[k, 1] * shade, crops[k, 2] * shade
                    if kind > 0.72:
                        crop_r, crop_g, crop_b = pasture[0] * shade, pasture[1] * shade, pasture[2] * shade
                    if patch < 1.0 and kind > 0.10:
                        crop_r = soil[0] + patch * (crop_r - soil[0])
                        crop_g = soil[1] + patch * (crop_g - soil[1])
                        crop_b = soil[2] + patch * (crop_b - soil[2])
                    row_period = 9.0 + 15.0 * unit(key, 6, seed)
                    along_u = u1 - u0 > v1 - v0
                edge = min(min(u - u0, u1 - u), min(v - v0, v1 - v))
                r, gr, b = crop_r, crop_g, crop_b
                if kind <= 0.72 and row_period > 2.0 * g:
                    q = (v if along_u else u) / row_period
                    q = abs(q - math.floor(q) - 0.5) * 4.0 - 1.0
                    strength = 0.045 * patch * min(row_period / (2.0 * g) - 1.0, 1.0) * (0.4 + kind)
                    r, gr, b = r * (1.0 + strength * q), gr * (1.0 + strength * q), b * (1.0 + strength * q)
                border = _ramp(1.6 - edge, g) * min(3.0 / g, 1.0)
                r, gr, b = (
                    r + 0.5 * border * (soil[0] - r),
                    gr + 0.5 * border * (soil[1] - gr),
                    b + 0.5 * border * (soil[2] - b),
                )
                if hedge > 0.0:
                    h = _ramp(hedge + 0.35 * wiggle - edge, g) * _ramp((parcel_bias + 0.25) * 40.0, 1.0)
                    r, gr, b = r + h * (forest[0] - r), gr + h * (forest[1] - gr), b + h * (forest[2] - b)
                    tall = 3.0 * h
                # Lanes follow the cells of the parcel pattern and vanish under trees; main roads divide
                # districts.
                lane_u, lane_v = u / cell, v / cell
                lane_u, lane_v = lane_u - math.floor(lane_u), lane_v - math.floor(lane_v)
                lane = min(min(lane_u, 1.0 - lane_u), min(lane_v, 1.0 - lane_v)) * cell
                verge, tar = 0.6 * _band(lane, 4.5, g), _band(lane, 2.6, g)
                r, gr, b = r + verge * (soil[0] - r), gr + verge * (soil[1] - gr), b + verge * (soil[2] - b)
                r, gr, b = r + tar * (road[0] - r), gr + tar * (road[1] - gr), b + tar * (road[2] - b)
                town = (urban + 0.5 * urban_parcel - urban_bias) * 260.0 - 40.0
                built = _ramp(town, max(g, 20.0))
                if built > 0.5:
                    r, gr, b, tall = _lot(
                        u - u0,
                        v - v0,
                        key & 0xFFFFF,
                        seed,
                        g,
                        roofs,
                        lawn,
                        road,
                        detail,
                        forest,
                    )
                trees = _ramp(
                    (wood + 0.9 * parcel_bias - forest_bias) * 160.0 + wiggle * 0.8 - max(town, 0.0), g
                )
                if trees > 0.0:
                    top = canopy_m * (0.85 + 0.3 * parcel_bias)
                    canopy = 1.0 + 0.20 * fine + 0.36 * texture + 0.12 * mottle
                    if crowns > 0.0:
                        crown = _crown(x + 0.9 * wiggle, y - 1.3 * wiggle + 2.0 * fine, seed)
                        canopy += 0.8 * crowns * crown
                        top *= 1.0 + 0.5 * crowns * crown
                    tall += trees * (top - tall)
                    r += trees * (forest[0] * canopy - r)
                    gr += trees * (forest[1] * canopy - gr)
                    b += trees * (forest[2] * canopy - b)
                eu, ev = wu - di * DISTRICT_M, wv - dj * DISTRICT_M
                main = min(min(eu, DISTRICT_M - eu), min(ev, DISTRICT_M - ev))
                verge, tar = 0.6 * _band(main, 9.0, g), _band(main, 5.0, g)
                tall *= 1.0 - _band(main, 9.0, g)
                r, gr, b = r + verge * (soil[0] - r), gr + verge * (soil[1] - gr), b + verge * (soil[2] - b)
                r, gr, b = r + tar * (road[0] - r), gr + tar * (road[1] - gr), b + tar * (road[2] - b)
                r, gr, b = r * tone, gr * tone, b * tone
                wet = max(lake, min(16.0 - abs(river), -outline - 60.0)) + 0.5 * wiggle
                bank = _ramp(wet + 7.0, max(g, 3.0))
                if bank > 0.0:
                    tall *= 1.0 - bank
                    r, gr, b = (
                        r + 0.7 * bank * (soil[0] - r),
                        gr + 0.7 * bank * (soil[1] - gr),
                        b + 0.7 * bank * (soil[2] - b),
                    )
                    wave = 1.0 + 0.02 * texture + 0.03 * mottle
                    cw = _ramp(wet, g)
                    # Shallow water is lighter.
                    depth = 1.0 + 0.35 * math.exp(-max(wet, 0.0) / 60.0)
                    r, gr, b = (
                        r + cw * (water[0] * wave * depth - r),
                        gr + cw * (water[1] * wave * depth - gr),
                        b + cw * (water[2] * wave * depth - b),
                    )
            if inside > 0.0:
                q = (x * mow_c - y * mow_s) / 14.0
                q = abs(q - math.floor(q) - 0.5) * 4.0 - 1.0
                green = tone + 0.022 * q * grain + 0.03 * texture
                dry = 0.5 * mottle
                ar, ag, ab = (
                    grass[0] * (green + 0.05 * dry),
                    grass[1] * (green + 0.01 * dry),
                    grass[2] * (green - 0.04 * dry),
                )
                track = _band(outline - 9.0, 2.2, g)
                ar, ag, ab = (
                    ar + track * (soil[0] - ar),
                    ag + track * (soil[1] - ag),
                    ab + track * (soil[2] - ab),
                )
                r, gr, b = r + inside * (ar - r), gr + inside * (ag - gr), b + inside * (ab - b)
                tall *= 1.0 - inside
            image[i, j, 0] = min(max(r + 0.5, 0.0), 255.0)
            image[i, j, 1] = min(max(gr + 0.5, 0.0), 255.0)
            image[i, j, 2] = min(max(b + 0.5, 0.0), 255.0)
            image[i, j, 3] = min(tall / HEIGHT_UNIT_M + 0.5, 255.0)
            j += 1
