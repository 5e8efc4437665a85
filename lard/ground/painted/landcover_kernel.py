"""The fused per-pixel kernel that paints land cover and how high it stands."""

import math

import numpy as np
from numpy.typing import NDArray

from lard.compiled import compiled
from lard.ground.painted.landcover_growth import (
    LONE_M,
    TREES_SHARE,
    VINES_SHARE,
    crown,
    lone,
    orchard,
    turf,
)
from lard.ground.painted.landcover_parts import band, lot, parcel, ramp
from lard.ground.painted.noise import unit
from lard.ground.tiles import HEIGHT_UNIT_M

Array = NDArray[np.float64]
COARSE_PX = 8
"""Slowly varying fields are evaluated at every 8th pixel and interpolated."""
DISTRICT_M = 3400.0
"""Side of the districts, each with its own direction of fields."""
FRAYED_M = 18.0
"""Width of the rim in which woods thin out."""
STRUNG_M = 85.0
"""How far from a main road houses are strung along it."""

RECORD = 24
"""Numbers remembered of a parcel."""
STORE = 8192
"""Parcels remembered while a tile is painted, so that the next row need not split again."""


@compiled(error_model="numpy")
def _parcel_record(
    e: Array,
    u: float,
    v: float,
    cell: float,
    splits: int,
    seed: int,
    crops: Array,
    pasture: Array,
    soil: Array,
    patch: float,
    groves: float,
    scattered: float,
    g: float,
) -> None:
    """Fill the record e (RECORD,) of the parcel at (u, v) of district (e[16], e[17]); see land_kernel."""
    u0, u1, v0, v1, key = parcel(u, v, cell, splits, int(seed + 17 * e[16] + 23 * e[17]))
    kind = unit(key, 1, seed)
    k = int(unit(key, 4, seed) * crops.shape[0])
    shade = 0.76 + 0.40 * unit(key, 5, seed)
    row_period = 9.0 + 15.0 * unit(key, 6, seed)
    e[0], e[1], e[2], e[3], e[4] = u0, u1, v0, v1, key
    e[5], e[6] = unit(key, 2, seed) - 0.5, unit(key, 3, seed) - 0.5
    for c in range(3):
        colour = pasture[c] if kind > 0.72 else crops[k, c]
        colour *= shade
        if patch < 1.0 and kind > 0.10:
            colour = soil[c] + patch * (colour - soil[c])
        e[7 + c] = colour
    e[10], e[11] = 1.0 / row_period, 0.0
    if kind <= 0.72 and row_period > 2.0 * g:
        e[11] = 0.03 * patch * min(row_period / (2.0 * g) - 1.0, 1.0) * (0.4 + kind)
    e[12] = 1.0 if u1 - u0 > v1 - v0 else 0.0
    e[13] = 1.0 if unit(key, 8, seed) < groves else 0.0
    # Every town has its own mixture of quarters.
    e[15] = unit(key, 7, seed) ** (0.55 + 1.3 * unit(int(e[16]), int(e[17]), seed + 97))
    vines = unit(key, 10, seed) < 0.4
    e[14] = 4.5 + 2.5 * unit(key, 9, seed) if vines else 6.0 + 4.0 * unit(key, 9, seed)
    e[18] = 1.0 if vines else 0.0
    # Worked in two parts: from one row on, a third of all fields has another tone.
    low, wide = (v0, v1 - v0) if e[12] > 0.0 else (u0, u1 - u0)
    e[19] = low + (0.2 + 0.6 * unit(key, 11, seed)) * wide
    e[20] = 0.0 if unit(key, 12, seed) > 0.35 or kind > 0.72 else 0.3 * (unit(key, 13, seed) - 0.5)
    # How far bare and wet places show, and ruts of wheels.
    e[21] = 0.15 + 0.55 * unit(key, 14, seed)
    e[22] = 0.28 if kind <= 0.72 and g < 0.8 else 0.0
    # Trees that stand alone, in pastures rather than in fields.
    lonely = unit(key, 15, seed)
    e[23] = scattered * lonely * lonely * (1.6 if kind > 0.72 else 0.35)


@compiled(error_model="numpy")
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
    clumps: float,
) -> None:
    """Fused painting of one tile; see paint_land."""
    height, width = image.shape[0], image.shape[1]
    forest_bias, urban_bias, hedge, contrast = biases[0], biases[1], biases[2], biases[3]
    cell, splits, mow, patch = biases[4], int(biases[5]), biases[6], biases[7]
    canopy_m, groves, mow_gain, scattered = biases[8], biases[9], biases[10], biases[11]
    grass, pasture, forest, water = table[0], table[1], table[2], table[3]
    soil, lawn, road, second, sea = table[4], table[5], table[6], table[7], table[8]
    deep = 0.46 * min(canopy_m * (1.0 / 14.0), 1.0)  # gaps between low trees are less dark
    mow_c, mow_s = math.cos(mow) / 14.0, math.sin(mow) / 14.0
    per, per_cell, per_district, per_coarse = 1.0 / g, 1.0 / cell, 1.0 / DISTRICT_M, 1.0 / COARSE_PX
    faint = min(3.0 * per, 1.0)
    wet_soft = min(per, 1.0 / 3.0)
    line = np.empty((8, fields.shape[2]), np.float32)
    u0, u1, v0, v1 = 1.0, 0.0, 1.0, 0.0
    key, district_i, district_j = 0, -(1 << 40), 0
    ca, sa = 1.0, 0.0
    crop_r, crop_g, crop_b, parcel_bias, urban_parcel = 0.0, 0.0, 0.0, 0.0, 0.0
    trees_near, stands_near = np.full(18, np.nan), np.full(18, np.nan)
    store = np.full((STORE, RECORD), np.nan)
    above = np.zeros(width, np.int64)
    current = newest = 0
    row_per, row_gain, along_u, grove, pitch, style = 0.1, 0.0, True, False, 7.0, 0.0
    vines, part_from, part_gain, worn_gain, rut, lonely = False, 0.0, 0.0, 0.0, 0.0, 0.0
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
    noise = np.zeros(widest, np.float32)
    garden = np.empty(3)
    textures = np.empty(width, np.float32)
    wiggles = np.empty(width, np.float32)
    fines = np.empty(width, np.float32)
    for i in range(height):
        y = y0 - (i + 0.5) * g
        textures[:] = 0.0
        wiggles[:] = 0.0
        fines[:] = 0.0
        for k in range(count):
            lv = y / info[k, 0] - info[k, 2]
            iv = int(lv)
            fv = lv - iv
            fv = fv * fv * (3.0 - 2.0 * fv)
            at = starts[k, 0] + iv * starts[k, 1]
            for c in range(starts[k, 1]):
                noise[c] = flat[at + c] + (flat[at + starts[k, 1] + c] - flat[at + c]) * fv
            gain, bend = np.float32(info[k, 3]), np.float32(info[k, 4])
            fine_gain = gain if info[k, 0] < 13.0 else np.float32(0.0)
            for j in range(width):
                left = cells[k, j]
                n = noise[left] + (noise[left + 1] - noise[left]) * shares[k, j]
                textures[j] += gain * n
                wiggles[j] += bend * n
                fines[j] += fine_gain * n
        fi = (i + 0.5) * per_coarse
        ri = int(fi)
        wi = fi - ri
        for f in range(8):
            for c in range(fields.shape[2]):
                line[f, c] = fields[f, ri, c] + (fields[f, ri + 1, c] - fields[f, ri, c]) * wi
        for j in range(width):
            if done[i, j]:
                continue
            x = x0 + (j + 0.5) * g
            fj = (j + 0.5) * per_coarse
            rj = int(fj)
            wj = fj - rj
            outline = line[7, rj] + (line[7, rj + 1] - line[7, rj]) * wj
            mottle = line[6, rj] + (line[6, rj + 1] - line[6, rj]) * wj
            texture, wiggle, fine = textures[j], wiggles[j], fines[j]
            lie = mottle + texture
            tone = 1.0 + 0.075 * contrast * mottle + 0.085 * texture
            inside = ramp(outline, per)
            r, gr, b, tall = 0.0, 0.0, 0.0, 0.0
            if inside < 1.0:
                bx = line[0, rj] + (line[0, rj + 1] - line[0, rj]) * wj
                by = line[1, rj] + (line[1, rj + 1] - line[1, rj]) * wj
                wood = line[2, rj] + (line[2, rj + 1] - line[2, rj]) * wj
                urban = line[3, rj] + (line[3, rj + 1] - line[3, rj]) * wj
                river = line[4, rj] + (line[4, rj + 1] - line[4, rj]) * wj
                lake = line[5, rj] + (line[5, rj + 1] - line[5, rj]) * wj
                wet = max(lake, min(16.0 - abs(river), -outline - 60.0)) + 0.5 * wiggle
                bank = ramp(wet + 7.0, wet_soft)
                wu, wv = x + bx * 3.0, y + by * 3.0
                di, dj = math.floor(wu * per_district), math.floor(wv * per_district)
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
                    # The parcel of the pixel above, else a new one.
                    at = above[j]
                    e = store[at]
                    if e[16] != di or e[17] != dj or u < e[0] or u >= e[1] or v < e[2] or v >= e[3]:
                        at = newest = (newest + 1) % STORE
                        e = store[at]
                        e[16], e[17] = di, dj
                        _parcel_record(
                            e, u, v, cell, splits, seed, crops, pasture, soil, patch, groves, scattered, g
                        )
                    current = at
                    u0, u1, v0, v1, key = e[0], e[1], e[2], e[3], int(e[4])
                    parcel_bias, urban_parcel = e[5], e[6]
                    crop_r, crop_g, crop_b = e[7], e[8], e[9]
                    row_per, row_gain, along_u = e[10], e[11], e[12] > 0.0
                    grove, pitch, style = e[13] > 0.0, e[14], e[15]
                    vines, part_from, part_gain = e[18] > 0.0, e[19], e[20]
                    worn_gain, rut, lonely = e[21], e[22], e[23]
                above[j] = current
                if bank < 1.0:
                    edge = min(min(u - u0, u1 - u), min(v - v0, v1 - v))
                    q = v if along_u else u
                    shade = 1.0 + part_gain * ramp(q - part_from, per)
                    if row_gain > 0.0:
                        q *= row_per
                        q = abs(q - math.floor(q) - 0.5)
                        shade *= 1.0 + row_gain * (0.6 + 0.5 * mottle) * (q * 4.0 - 1.0)
                        # Headlands are turned on, last and along the edge.
                        shade *= 1.0 - 0.05 * ramp(13.0 - edge, per)
                    r, gr, b = crop_r * shade, crop_g * shade, crop_b * shade
                    worn = worn_gain * min(max(0.9 * lie - 0.2, 0.0), 0.8)
                    if rut > 0.0:
                        worn = max(worn, rut * band(q / row_per - 1.0, 0.3, per))
                    r, gr, b = r + worn * (soil[0] - r), gr + worn * (soil[1] - gr), b + worn * (soil[2] - b)
                    if edge < 12.0 + g:
                        border = 0.5 * ramp(1.6 - edge, per) * faint
                        r, gr, b = (
                            r + border * (soil[0] - r),
                            gr + border * (soil[1] - gr),
                            b + border * (soil[2] - b),
                        )
                        if hedge > 0.0 and parcel_bias > -0.25:
                            # With gaps, and here and there as wide as a row of trees.
                            wide = hedge * (0.7 + 2.6 * lie) + 0.35 * wiggle
                            h = ramp(wide - edge, per) * min((parcel_bias + 0.25) * 40.0, 1.0)
                            leaf = 1.0 + 0.5 * fine
                            r, gr, b = (
                                r + h * (forest[0] * leaf - r),
                                gr + h * (forest[1] * leaf - gr),
                                b + h * (forest[2] * leaf - b),
                            )
                            tall = (2.5 + min(max(0.9 * (wide - hedge), 0.0), 8.0)) * h
                    if grove and edge > 4.0:
                        leafy = VINES_SHARE if vines else TREES_SHARE
                        if crowns > 0.0:
                            sharp = crowns * min(max(pitch * per - 2.0, 0.0), 1.0)
                            leafy += sharp * (
                                orchard(u - u0, v - v0, pitch, (key & 0xFFFFF) + seed, vines, per) - leafy
                            )
                        leafy *= 0.8 + 0.25 * parcel_bias
                        leaf = 1.0 + 0.5 * fine
                        r, gr, b = (
                            r + leafy * (forest[0] * leaf - r),
                            gr + leafy * (forest[1] * leaf - gr),
                            b + leafy * (forest[2] * leaf - b),
                        )
                        tall += leafy * (1.6 if vines else 4.0)
                    elif lonely > 0.02:
                        cover, size = lonely * (62.0 / (LONE_M * LONE_M)), 0.5
                        if crowns > 0.0:
                            drawn, size = lone(x, y, seed + 47, lonely, per)
                            cover += crowns * (drawn - cover)
                        leaf = 0.85 + 0.4 * size + 0.7 * fine
                        r, gr, b = (
                            r + cover * (forest[0] * leaf - r),
                            gr + cover * (forest[1] * leaf - gr),
                            b + cover * (forest[2] * leaf - b),
                        )
                        tall += cover * (3.0 + 7.0 * size)
                    # Lanes follow the cells of the parcel pattern and vanish under trees; main roads divide
                    # districts.
                    lane_u, lane_v = u * per_cell, v * per_cell
                    lane_u, lane_v = lane_u - math.floor(lane_u), lane_v - math.floor(lane_v)
                    lane = min(min(lane_u, 1.0 - lane_u), min(lane_v, 1.0 - lane_v)) * cell
                    if lane < 5.0 + g:
                        verge, tar = 0.6 * band(lane, 4.5, per), band(lane, 2.6, per)
                        r, gr, b = (
                            r + verge * (soil[0] - r),
                            gr + verge * (soil[1] - gr),
                            b + verge * (soil[2] - b),
                        )
                        r, gr, b = r + tar * (road[0] - r), gr + tar * (road[1] - gr), b + tar * (road[2] - b)
                        tall *= 1.0 - max(verge, tar)
                    eu, ev = wu - di * DISTRICT_M, wv - dj * DISTRICT_M
                    main = min(min(eu, DISTRICT_M - eu), min(ev, DISTRICT_M - ev))
                    town = (urban + 0.5 * urban_parcel - urban_bias) * 260.0 - 40.0
                    # Towns run out along main roads, and villages string along them.
                    if main < STRUNG_M and urban_parcel > -0.2:
                        town = max(town, min(town + 150.0, 0.5 * (STRUNG_M - main)))
                    thick = (wood + 0.9 * parcel_bias - forest_bias) * 160.0 + 45.0 * lie
                    thick += wiggle * 0.8 - max(town, 0.0)
                    # Aerodromes keep trees away from their fence.
                    limit = -outline - 110.0 - 50.0 * mottle + wiggle
                    if thick > limit:
                        mown = ramp(thick, per)
                        r, gr, b = (
                            r + mown * (pasture[0] - r),
                            gr + mown * (pasture[1] - gr),
                            b + mown * (pasture[2] - b),
                        )
                        tall *= 1.0 - mown
                        thick = limit
                    trees = ramp(thick, per)
                    if town > 0.0 and trees < 1.0:
                        # The land goes on between the outer houses, in deserts far into a town.
                        ours = min(town * (1.0 / 150.0 if patch < 0.5 else 1.0 / 50.0), 1.0)
                        garden[0] = r + ours * (lawn[0] - r)
                        garden[1] = gr + ours * (lawn[1] - gr)
                        garden[2] = b + ours * (lawn[2] - b)
                        r, gr, b, tall = lot(
                            u - u0,
                            v - v0,
                            key & 0xFFFFF,
                            seed,
                            style,
                            town,
                            per,
                            roofs,
                            garden,
                            road,
                            detail,
                            forest,
                        )
                    elif thick > -9.0:
                        # Ground beside trees sees less of the sky.
                        dim = 1.0 - 0.22 * (1.0 + thick * (1.0 / 9.0))
                        r, gr, b = r * dim, gr * dim, b * dim
                    if trees > 0.0:
                        stand = 1.0
                        top = canopy_m * (0.85 + 0.3 * parcel_bias)
                        canopy = 1.0 + 0.42 * fine + 0.26 * texture + 0.12 * mottle
                        mix = 0.5 + 0.35 * mottle + 0.6 * parcel_bias
                        if crowns > 0.0:
                            dome, own = crown(
                                x + 1.3 * wiggle, y - 1.1 * wiggle, 0.135, seed + 41, trees_near
                            )
                            # Leaves: a crown is rough, and roughest at its rim.
                            canopy += crowns * 0.15 * (1.3 - min(dome, 0.75)) * fine
                            canopy += crowns * (deep * min(dome, 0.75) + 0.16 * own - 0.11 * deep)
                            mix += crowns * 0.65 * own
                            top *= 1.0 + crowns * 0.4 * dome
                            stand = (dome + thick * (1.6 / FRAYED_M) - 0.35) * 4.0
                        if clumps > 0.0:
                            dome, own = crown(
                                0.8 * x - 0.6 * y, 0.6 * x + 0.8 * y, 0.041, seed + 43, stands_near
                            )
                            canopy += clumps * (0.17 * dome + 0.05 * own - 0.02)
                            top *= 1.0 + clumps * 0.25 * dome
                        if thick < FRAYED_M:
                            # Woods end tree by tree.
                            share = 0.3 + 0.7 / FRAYED_M * thick
                            trees *= share + crowns * (min(max(stand, 0.0), 1.0) - share)
                        mix = min(max(mix, 0.0), 1.0)
                        r += trees * ((forest[0] + mix * (second[0] - forest[0])) * canopy - r)
                        gr += trees * ((forest[1] + mix * (second[1] - forest[1])) * canopy - gr)
                        b += trees * ((forest[2] + mix * (second[2] - forest[2])) * canopy - b)
                        tall += trees * (top - tall)
                    if main < 10.0 + g:
                        verge, tar = band(main, 9.0, per), band(main, 5.0, per)
                        tall *= 1.0 - verge
                        verge *= 0.6
                        r, gr, b = (
                            r + verge * (soil[0] - r),
                            gr + verge * (soil[1] - gr),
                            b + verge * (soil[2] - b),
                        )
                        r, gr, b = r + tar * (road[0] - r), gr + tar * (road[1] - gr), b + tar * (road[2] - b)
                    r, gr, b = r * tone, gr * tone, b * tone
                if bank > 0.0:
                    tall *= 1.0 - bank
                    shore = 0.7 * bank
                    r, gr, b = (
                        r + shore * (soil[0] - r),
                        gr + shore * (soil[1] - gr),
                        b + shore * (soil[2] - b),
                    )
                    # Shallow water is lighter.
                    wave = (1.0 + 0.02 * texture + 0.03 * mottle) * (
                        1.0 + 0.35 * math.exp(-max(wet, 0.0) * (1.0 / 60.0))
                    )
                    cw = ramp(wet, per)
                    out = min(max((wet - 120.0) * (1.0 / 250.0), 0.0), 1.0)
                    r += cw * ((water[0] + out * (sea[0] - water[0])) * wave - r)
                    gr += cw * ((water[1] + out * (sea[1] - water[1])) * wave - gr)
                    b += cw * ((water[2] + out * (sea[2] - water[2])) * wave - b)
            if inside > 0.0:
                across, along = x * mow_c - y * mow_s, x * mow_s + y * mow_c
                ar, ag, ab = turf(
                    across,
                    along,
                    tone,
                    mottle,
                    texture,
                    fine,
                    wiggle,
                    mow_gain * grain,
                    grass,
                    soil,
                    seed,
                    per,
                )
                if outline < 12.0 + g:
                    track = band(outline - 9.0, 2.2, per)
                    ar, ag, ab = (
                        ar + track * (road[0] - ar),
                        ag + track * (road[1] - ag),
                        ab + track * (road[2] - ab),
                    )
                r, gr, b = r + inside * (ar - r), gr + inside * (ag - gr), b + inside * (ab - b)
                tall *= 1.0 - inside
            image[i, j, 0] = min(max(r + 0.5, 0.0), 255.0)
            image[i, j, 1] = min(max(gr + 0.5, 0.0), 255.0)
            image[i, j, 2] = min(max(b + 0.5, 0.0), 255.0)
            image[i, j, 3] = min(tall * (1.0 / HEIGHT_UNIT_M) + 0.5, 255.0)
