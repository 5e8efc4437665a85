"""What towns are made of: streets, lots, houses, yards and gardens; all functions of the place."""

import math

import numpy as np
from numpy.typing import NDArray

from lard.compiled import compiled
from lard.ground.painted.landcover_parts import band, ramp
from lard.ground.painted.noise import hash32

Array = NDArray[np.float64]
CORE_M = 320.0
"""How far inside of a town its old core begins."""
DRAB = 158.0
"""Grey of flat roofs."""


@compiled(inline="always")
def parked(across: float, back: float, wide: float, seed: int) -> tuple[float, float]:
    """Whether a car stands in a yard's two rows of bays, and its grey; back: from the rear of the yard, m."""
    if back < 3.0 or back > 19.0 or 8.0 < back < 14.0 or across < 3.0 or across > wide - 3.0:
        return 0.0, 0.0
    bay, depth = math.floor(across * (1.0 / 2.7)), back - (3.0 if back < 10.0 else 14.0)
    h = hash32(bay, int(back < 10.0), seed)
    if h & 255 < 90 or abs(across - 2.7 * bay - 1.35) > 0.95 or abs(depth - 2.5) > 2.2:
        return 0.0, 0.0
    return 1.0, 40.0 + 180.0 / 255.0 * ((h >> 8) & 255)


@compiled()
def lot(
    pu: float,
    pv: float,
    key: int,
    seed: int,
    style: float,
    within: float,
    per_m: float,
    roofs: Array,
    lawn: Array,
    road: Array,
    detail: float,
    tree: Array,
) -> tuple[float, float, float, float]:
    """Colour and height (m) of a built-up place at parcel coordinates: streets, gardens, houses, trees.

    Roofs (n, 3): the last row is the mean of the others. Five kinds of quarter: detached houses, terraces,
    blocks of flats in greens, halls with car parks, and old cores of the inmost parts of a town; each parcel
    has streets of its own direction and bend, lots of its own size and density, and towns thin out towards
    their edge, `within` m inside of it.
    """
    halls, flats, terraces = style >= 0.78, 0.7 < style < 0.78, 0.5 < style <= 0.7
    core = style <= 0.7 and within > CORE_M
    hq = hash32(key & 0xFFFF, key >> 16, seed + 71)
    b1, b2 = (hq & 255) / 255.0, ((hq >> 8) & 255) / 255.0
    b3, b4 = ((hq >> 16) & 255) / 255.0, ((hq >> 24) & 255) / 255.0
    scale = 0.78 + 0.5 * b1
    lot_u, lot_v = 26.0 * scale, 34.0 * (1.1 - 0.3 * b2)
    share_u, share_v, full, crooked = 0.17, 0.15, 0.66 + 0.32 * b3, 0.7
    if halls:
        lot_u, lot_v, crooked = 62.0 * scale + 10.0, 95.0 * (1.1 - 0.4 * b2), 0.0
        share_u, share_v = 0.25, 0.20
    elif terraces:
        lot_u, lot_v, share_u, share_v, full, crooked = 13.0 * scale + 2.0, 30.0, 0.38, 0.17, 0.96, 0.0
    elif flats:
        lot_u, lot_v, share_u, share_v, full, crooked = 34.0 * scale, 72.0, 0.14, 0.30, 0.9, 0.0
    elif not core:
        # Old streets wind and follow no field.
        turn = 0.9 * (b4 - 0.5)
        pu, pv = pu + turn * pv, pv - turn * pu
        wind = 0.006 + 0.010 * b2
        pu += 0.22 * b3 / wind * math.sin(pv * wind + 6.0 * b1)
    if core:
        # Wall to wall around yards, in crooked lanes.
        lot_u, lot_v, share_u, share_v, full, crooked = 12.0 + 8.0 * b1, 21.0, 0.41, 0.34, 0.97, 0.1
        pu += 9.0 * math.sin(pv * (0.017 + 0.01 * b2) + 6.0 * b3)
    full *= min(max(0.25 + within * (1.0 / 140.0), 0.25), 1.0)
    block_u = lot_u * (4.0 + math.floor(3.0 * b4) if not terraces else 7.0) + 8.0
    block_v = lot_v * 2.0 + 8.0
    bu, bv = math.floor(pu / block_u), math.floor(pv / block_v)
    fu, fv = pu - bu * block_u, pv - bv * block_v
    half_street = 2.6 + 1.4 * b2 if not core else 2.2 + b2
    street = max(
        band(min(fu, block_u - fu), half_street, per_m), band(min(fv, block_v - fv), half_street, per_m)
    )
    garden_r, garden_g, garden_b = lawn[0], lawn[1], lawn[2]
    green, trees = 1.0, 1.7 - 0.9 * b3
    if halls:
        # Yards: paving with some of the region's own ground.
        garden_r = 0.65 * road[0] + 0.35 * lawn[0] + 6.0
        garden_g = 0.65 * road[1] + 0.35 * lawn[1] + 6.0
        garden_b = 0.65 * road[2] + 0.35 * lawn[2] + 6.0
        trees = 0.3
    elif core:
        garden_r = 0.5 * (road[0] + lawn[0])
        garden_g = 0.5 * (road[1] + lawn[1])
        garden_b = 0.5 * (road[2] + lawn[2])
        trees = 0.35
    last = roofs.shape[0] - 1
    # Mean colour of a lot: the share of roofs times their colour, then trees, then garden.
    roof_share = 4.0 * (share_u + 0.07) * (share_v + 0.06) * full
    leafy = min(trees * 62.0 / (lot_u * lot_v), 0.45) * (1.0 - roof_share)
    plain = 1.0 - roof_share - leafy
    drab = 0.65 if halls else 0.25 if flats else 0.0  # sheet metal and felt
    r = roof_share * (roofs[last, 0] + drab * (DRAB - roofs[last, 0])) + leafy * tree[0] + plain * garden_r
    gr = roof_share * (roofs[last, 1] + drab * (DRAB - roofs[last, 1])) + leafy * tree[1] + plain * garden_g
    b = roof_share * (roofs[last, 2] + drab * (DRAB - roofs[last, 2])) + leafy * tree[2] + plain * garden_b
    height = 4.5 + 3.5 * (7.0 * style - math.floor(7.0 * style)) + (5.0 if halls else 0.0)
    height += 10.0 if flats else 5.0 if core else 0.0
    tall = height * roof_share
    if detail > 0.0 and street < 1.0:
        iu, iv = math.floor((fu - 4.0) / lot_u), math.floor((fv - 4.0) / lot_v)
        hu, hv = int(bu * 9 + iu), int(bv * 5 + iv)
        lu, lv = fu - 4.0 - iu * lot_u, fv - 4.0 - iv * lot_v
        h = hash32(hu, hv, seed + key)
        a1, a2, a3 = (h & 255) / 255.0, ((h >> 8) & 255) / 255.0, ((h >> 16) & 255) / 255.0
        half_u, half_v = lot_u * (share_u + 0.14 * a1), lot_v * (share_v + 0.12 * a2)
        cu, cv = lot_u * (0.42 + 0.16 * a2), lot_v * (0.40 + 0.2 * a1)
        green = 0.8 + 0.36 * a3 if not flats else 0.9 + 0.16 * b2
        yr, yg, yb = garden_r * green, garden_g * green, garden_b * green
        # A tree beside the house and one behind it, of sizes of their own.
        away = math.hypot(lu - lot_u * a3, lv - lot_v * (0.15 + 0.7 * a2))
        other = math.hypot(lu - lot_u * (0.1 + 0.8 * a1), lv - lot_v * (0.96 - 0.2 * a3))
        bark = ramp(max(1.6 + 3.4 * a1 - away, 1.2 + 3.2 * a2 - other), per_m)
        ct = bark * min(trees, 1.0)
        leaf = 0.85 + 0.35 * a2
        yr, yg, yb = (
            yr + ct * (tree[0] * leaf - yr),
            yg + ct * (tree[1] * leaf - yg),
            yb + ct * (tree[2] * leaf - yb),
        )
        up = ct * (4.0 + 6.0 * a2)
        if halls and a1 > 0.3:
            car, paint = parked(lu, lot_v - lv, lot_u, h)
            car *= min(max(2.0 * per_m - 1.0, 0.0), 1.0)
            yr, yg, yb = yr + car * (paint - yr), yg + car * (paint - yg), yb + car * (paint + 4.0 - yb)
        if a3 < full:
            tilt = crooked * (a1 - 0.5) * (1.0 if a2 > 0.4 else 0.15)
            du, dv = lu - cu, lv - cv
            du, dv = du + tilt * dv, dv - tilt * du
            # A dim rim at the walls' feet; shadows are the renderer's.
            rim = 0.25 * band(du, half_u + 1.0, per_m) * band(dv, half_v + 1.0, per_m)
            yr, yg, yb = yr * (1.0 - rim), yg * (1.0 - rim), yb * (1.0 - rim)
            house = band(du, half_u, per_m) * band(dv, half_v, per_m)
            if crooked > 0.5 and a1 > 0.35:
                # A wing across: few houses are one plain rectangle.
                side = half_v if a2 > 0.5 else -half_v
                wing = band(du - 0.4 * half_u * (1.0 - 2.0 * a3), 0.55 * half_u, per_m)
                house = max(house, wing * band(dv - side, 0.5 * half_v, per_m))
            k = (h >> 24) % last
            # The two sides of a pitched roof differ by weathering, not by the sun.
            light = 1.0 if halls or flats else 1.0 + (0.06 if dv * (a1 - 0.5) < 0.0 else -0.06)
            light *= 0.84 + 0.32 * (((h >> 4) & 255) / 255.0)
            yr += house * ((roofs[k, 0] + drab * (DRAB - roofs[k, 0])) * light - yr)
            yg += house * ((roofs[k, 1] + drab * (DRAB - roofs[k, 1])) * light - yg)
            yb += house * ((roofs[k, 2] + drab * (DRAB - roofs[k, 2])) * light - yb)
            up += house * (height * (0.8 + 0.4 * a2) - up)
        r, gr, b = r + detail * (yr - r), gr + detail * (yg - gr), b + detail * (yb - b)
        tall += detail * (up - tall)
    tall *= 1.0 - street
    return r + street * (road[0] - r), gr + street * (road[1] - gr), b + street * (road[2] - b), tall
