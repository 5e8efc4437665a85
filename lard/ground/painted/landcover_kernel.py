"""The fused per-pixel kernel that paints land cover and how high it stands."""

import math

import numpy as np
from numpy.typing import NDArray

from lard.compiled import compiled
from lard.ground.painted.landcover_growth import LONE_M, TREES_SHARE, VINES_SHARE, crown, lone, orchard, turf
from lard.ground.painted.landcover_parts import RECORD, band, blend, parcel_record, ramp
from lard.ground.painted.landcover_town import lot
from lard.ground.painted.noise import column_places, row_noise, unit
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

STORE = 8192
"""Parcels remembered while a tile is painted, so that the next row need not split again."""


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
    canopy_m, groves, mow_gain, scattered = biases[8], biases[9], biases[10] * grain, biases[11]
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
    cells, shares = column_places(x0, g, width, info, count)
    noise = np.zeros(starts[:, 1].max() + 1, np.float32)
    garden = np.empty(3)
    textures = np.empty(width, np.float32)
    wiggles = np.empty(width, np.float32)
    fines = np.empty(width, np.float32)
    for i in range(height):
        y = y0 - (i + 0.5) * g
        row_noise(y, flat, starts, info, count, cells, shares, noise, textures, wiggles, fines)
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
                        parcel_record(
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
                    r, gr, b = blend(r, gr, b, worn, soil)
                    if edge < 12.0 + g:
                        border = 0.5 * ramp(1.6 - edge, per) * faint
                        r, gr, b = blend(r, gr, b, border, soil)
                        if hedge > 0.0 and parcel_bias > -0.25:
                            # With gaps, and here and there as wide as a row of trees.
                            wide = hedge * (0.7 + 2.6 * lie) + 0.35 * wiggle
                            h = ramp(wide - edge, per) * min((parcel_bias + 0.25) * 40.0, 1.0)
                            leaf = 1.0 + 0.5 * fine
                            r, gr, b = blend(r, gr, b, h, forest, leaf)
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
                        r, gr, b = blend(r, gr, b, leafy, forest, leaf)
                        tall += leafy * (1.6 if vines else 4.0)
                    elif lonely > 0.02:
                        cover, size = lonely * (62.0 / (LONE_M * LONE_M)), 0.5
                        if crowns > 0.0:
                            drawn, size = lone(x, y, seed + 47, lonely, per)
                            cover += crowns * (drawn - cover)
                        leaf = 0.85 + 0.4 * size + 0.7 * fine
                        r, gr, b = blend(r, gr, b, cover, forest, leaf)
                        tall += cover * (3.0 + 7.0 * size)
                    # Lanes follow the cells of the parcel pattern and vanish under trees; main roads divide
                    # districts.
                    lane_u, lane_v = u * per_cell, v * per_cell
                    lane_u, lane_v = lane_u - math.floor(lane_u), lane_v - math.floor(lane_v)
                    lane = min(min(lane_u, 1.0 - lane_u), min(lane_v, 1.0 - lane_v)) * cell
                    if lane < 5.0 + g:
                        verge, tar = 0.6 * band(lane, 4.5, per), band(lane, 2.6, per)
                        r, gr, b = blend(r, gr, b, verge, soil)
                        r, gr, b = blend(r, gr, b, tar, road)
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
                        r, gr, b = blend(r, gr, b, mown, pasture)
                        tall *= 1.0 - mown
                        thick = limit
                    trees = ramp(thick, per)
                    if town > 0.0 and trees < 1.0:
                        # The land goes on between the outer houses, in deserts far into a town.
                        ours = min(town * (1.0 / 150.0 if patch < 0.5 else 1.0 / 50.0), 1.0)
                        garden[0], garden[1], garden[2] = blend(r, gr, b, ours, lawn)
                        quarter = key & 0xFFFFF
                        r, gr, b, tall = lot(
                            u - u0,
                            v - v0,
                            quarter,
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
                        r, gr, b = blend(r, gr, b, verge, soil)
                        r, gr, b = blend(r, gr, b, tar, road)
                    r, gr, b = r * tone, gr * tone, b * tone
                if bank > 0.0:
                    tall *= 1.0 - bank
                    r, gr, b = blend(r, gr, b, 0.7 * bank, soil)
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
                    across, along, tone, mottle, texture, fine, wiggle, mow_gain, grass, soil, seed, per
                )
                if outline < 12.0 + g:
                    track = band(outline - 9.0, 2.2, per)
                    ar, ag, ab = blend(ar, ag, ab, track, road)
                r, gr, b = r + inside * (ar - r), gr + inside * (ag - gr), b + inside * (ab - b)
                tall *= 1.0 - inside
            image[i, j, 0] = min(max(r + 0.5, 0.0), 255.0)
            image[i, j, 1] = min(max(gr + 0.5, 0.0), 255.0)
            image[i, j, 2] = min(max(b + 0.5, 0.0), 255.0)
            image[i, j, 3] = min(tall * (1.0 / HEIGHT_UNIT_M) + 0.5, 255.0)
