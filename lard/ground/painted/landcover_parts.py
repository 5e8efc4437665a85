"""What land cover is made of: parcels, lots with houses, orchards, crowns; all functions of the place."""

import math

import numpy as np
from numpy.typing import NDArray

from lard.compiled import compiled
from lard.ground.painted.noise import hash32, unit

Array = NDArray[np.float64]


@compiled(inline="always")
def ramp(distance_m: float, per_m: float) -> float:
    """Coverage of a pixel whose centre lies this far inside an edge; per_m = pixels per metre."""
    return min(max(distance_m * per_m + 0.5, 0.0), 1.0)


@compiled(inline="always")
def band(distance_m: float, half_m: float, per_m: float) -> float:
    """Coverage of a pixel by a band of given half width about distance 0, exact for thin bands too."""
    return max(ramp(half_m + distance_m, per_m) + ramp(half_m - distance_m, per_m) - 1.0, 0.0)


@compiled(error_model="numpy")
def crown(x: float, y: float, per_m: float, seed: int, near: Array) -> tuple[float, float]:
    """Dome (below 0 between trees, 1 at a top) and tone (-0.5..0.5) of the crown over a place.

    One tree stands anywhere in each cell of a lattice; per_m = cells per metre. near (18,) keeps the four
    nearest trees between calls; it starts as nan.
    """
    u, v = x * per_m, y * per_m
    i, j = math.floor(u - 0.5), math.floor(v - 0.5)
    if near[16] != i or near[17] != j:
        near[16], near[17] = i, j
        for n in range(4):
            ci, cj = i + (n & 1), j + (n >> 1)
            h = hash32(ci, cj, seed)
            near[n] = ci + 0.05 + 0.9 / 255.0 * (h & 255)
            near[4 + n] = cj + 0.05 + 0.9 / 255.0 * ((h >> 8) & 255)
            radius = 0.38 + 0.17 / 255.0 * ((h >> 16) & 255)
            near[8 + n] = 1.0 / (radius * radius)
            near[12 + n] = ((h >> 24) & 255) / 255.0 - 0.5
    best, tone = -0.6, 0.0
    for n in range(4):
        du, dv = u - near[n], v - near[4 + n]
        dome = 1.0 - (du * du + dv * dv) * near[8 + n]
        tone = near[12 + n] if dome > best else tone
        best = max(best, dome)
    return best, tone


@compiled()
def orchard(u: float, v: float, pitch_m: float, per_m: float) -> float:
    """Coverage by trees planted in rows, about 0.38 on average."""
    du, dv = u / pitch_m, v / (0.8 * pitch_m)
    du, dv = (du - math.floor(du) - 0.5) * pitch_m, (dv - math.floor(dv) - 0.5) * 0.8 * pitch_m
    return ramp(0.311 * pitch_m - math.hypot(du, dv), per_m)


@compiled()
def parcel(u: float, v: float, cell: float, splits: int, seed: int) -> tuple[float, float, float, float, int]:
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


@compiled()
def lot(
    pu: float,
    pv: float,
    key: int,
    seed: int,
    style: float,
    per_m: float,
    roofs: Array,
    lawn: Array,
    road: Array,
    detail: float,
    tree: Array,
) -> tuple[float, float, float, float]:
    """Colour and height (m) of a built-up place at parcel coordinates: streets, gardens, houses, trees.

    Roofs (n, 3): the last row is the mean of the others. Three kinds of quarter: detached houses, terraces
    and halls.
    """
    halls = style >= 0.78
    lot_u, lot_v = 26.0, 34.0
    share_u, share_v, fullness = 0.17, 0.15, 0.9
    if halls:
        lot_u, lot_v = 70.0, 95.0
    elif style > 0.5:
        lot_u, lot_v, share_u, share_v, fullness = 15.0, 30.0, 0.38, 0.17, 0.96
    block_u, block_v = lot_u * (4.0 if style <= 0.5 else 7.0) + 8.0, lot_v * 2.0 + 8.0
    bu, bv = math.floor(pu / block_u), math.floor(pv / block_v)
    fu, fv = pu - bu * block_u, pv - bv * block_v
    street = max(band(min(fu, block_u - fu), 4.0, per_m), band(min(fv, block_v - fv), 4.0, per_m))
    garden_r, garden_g, garden_b = lawn[0], lawn[1], lawn[2]
    green, trees = 1.0, 1.0
    if halls:
        # Yards: paving with some of the region's own ground.
        garden_r = 0.65 * road[0] + 0.35 * lawn[0] + 6.0
        garden_g = 0.65 * road[1] + 0.35 * lawn[1] + 6.0
        garden_b = 0.65 * road[2] + 0.35 * lawn[2] + 6.0
        trees = 0.3
    last = roofs.shape[0] - 1
    # Mean colour of a lot: the share of roofs times their colour, then trees, then garden.
    roof_share = 4.0 * (share_u + 0.07) * (share_v + 0.06) * fullness
    leafy = trees * 37.0 / (lot_u * lot_v) * (1.0 - roof_share)
    plain = 1.0 - roof_share - leafy
    r = roof_share * roofs[last, 0] + leafy * tree[0] + plain * garden_r
    gr = roof_share * roofs[last, 1] + leafy * tree[1] + plain * garden_g
    b = roof_share * roofs[last, 2] + leafy * tree[2] + plain * garden_b
    height = 4.5 + 3.5 * (7.0 * style - math.floor(7.0 * style)) + (5.0 if halls else 0.0)
    tall = height * roof_share
    if detail > 0.0 and street < 1.0:
        iu, iv = math.floor((fu - 4.0) / lot_u), math.floor((fv - 4.0) / lot_v)
        hu, hv = int(bu * 7 + iu), int(bv * 5 + iv)
        lu, lv = fu - 4.0 - iu * lot_u, fv - 4.0 - iv * lot_v
        h = hash32(hu, hv, seed + key)
        a1, a2, a3 = (h & 255) / 255.0, ((h >> 8) & 255) / 255.0, ((h >> 16) & 255) / 255.0
        half_u, half_v = lot_u * (share_u + 0.14 * a1), lot_v * (share_v + 0.12 * a2)
        cu, cv = lot_u * (0.42 + 0.16 * a2), lot_v * (0.40 + 0.2 * a1)
        green = 0.86 + 0.28 * a3
        yr, yg, yb = garden_r * green, garden_g * green, garden_b * green
        away = math.hypot(lu - lot_u * a3, lv - lot_v * (0.15 + 0.7 * a2))
        ct = ramp(2.2 + 2.5 * a1 - away, per_m) * trees
        yr, yg, yb = yr + ct * (tree[0] - yr), yg + ct * (tree[1] - yg), yb + ct * (tree[2] - yb)
        up = ct * (4.0 + 6.0 * a2)
        if a3 < fullness:
            # A dim rim at the walls' feet; shadows are the renderer's.
            rim = 0.25 * band(lu - cu, half_u + 1.0, per_m) * band(lv - cv, half_v + 1.0, per_m)
            yr, yg, yb = yr * (1.0 - rim), yg * (1.0 - rim), yb * (1.0 - rim)
            house = band(lu - cu, half_u, per_m) * band(lv - cv, half_v, per_m)
            k = (h >> 24) % last
            # The two sides of a pitched roof differ by weathering, not by the sun.
            light = 1.0 if halls else 1.0 + (0.06 if (lv - cv) * (a1 - 0.5) < 0.0 else -0.06)
            yr += house * (roofs[k, 0] * light - yr)
            yg += house * (roofs[k, 1] * light - yg)
            yb += house * (roofs[k, 2] * light - yb)
            up += house * (height * (0.8 + 0.4 * a2) - up)
        r, gr, b = r + detail * (yr - r), gr + detail * (yg - gr), b + detail * (yb - b)
        tall += detail * (up - tall)
    tall *= 1.0 - street
    return r + street * (road[0] - r), gr + street * (road[1] - gr), b + street * (road[2] - b), tall
