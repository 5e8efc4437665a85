"""Regional looks of the ground: the palette of a place by latitude, longitude and seed."""

from dataclasses import replace

import numpy as np

from lard.ground.painted.palette import Colour, Palette

_GREY_ROOFS: tuple[Colour, ...] = (
    (150, 148, 146),
    (118, 112, 108),
    (178, 172, 165),
    (132, 104, 92),
    (96, 94, 98),
)
_RED_ROOFS: tuple[Colour, ...] = (
    (158, 98, 76),
    (142, 88, 72),
    (172, 122, 96),
    (124, 112, 106),
    (150, 108, 88),
)
_PALE_ROOFS: tuple[Colour, ...] = (
    (196, 188, 172),
    (178, 168, 150),
    (208, 202, 192),
    (164, 140, 118),
    (150, 150, 150),
)

REGIONS: dict[str, Palette] = {
    "prairie": Palette(
        "prairie",
        ((92, 116, 62), (118, 128, 74), (158, 148, 104), (134, 116, 86), (78, 104, 58), (146, 138, 92)),
        (122, 124, 84),
        (108, 120, 74),
        (50, 66, 42),
        (58, 72, 78),
        (150, 134, 108),
        (94, 110, 68),
        _GREY_ROOFS,
        1609.0,
        4,
        6.0,
        0.55,
        0.50,
        1.25,
        0.0,
        0.8,
    ),
    "bocage": Palette(
        "bocage",
        (
            (86, 112, 56),
            (112, 128, 66),
            (168, 156, 104),
            (140, 122, 92),
            (74, 100, 52),
            (96, 118, 60),
            (176, 166, 112),
        ),
        (112, 124, 76),
        (94, 118, 62),
        (42, 60, 36),
        (52, 66, 70),
        (146, 132, 106),
        (86, 106, 62),
        _RED_ROOFS,
        620.0,
        4,
        70.0,
        0.42,
        0.55,
        1.2,
        3.5,
        0.8,
    ),
    "mediterranean": Palette(
        "mediterranean",
        ((128, 122, 78), (160, 142, 102), (104, 112, 66), (178, 160, 122), (92, 102, 60), (146, 120, 92)),
        (142, 134, 94),
        (134, 126, 84),
        (64, 76, 48),
        (46, 78, 96),
        (176, 156, 124),
        (110, 112, 72),
        _RED_ROOFS,
        520.0,
        5,
        55.0,
        0.50,
        0.42,
        1.4,
        2.0,
        1.0,
    ),
    "desert": Palette(
        "desert",
        ((178, 154, 118), (186, 164, 130), (168, 146, 112), (110, 116, 70), (182, 158, 122), (174, 150, 116)),
        (172, 152, 118),
        (176, 154, 120),
        (112, 106, 78),
        (58, 92, 104),
        (190, 168, 134),
        (146, 134, 98),
        _PALE_ROOFS,
        1300.0,
        4,
        60.0,
        0.95,
        0.50,
        1.9,
        0.0,
        1.7,
        0.18,
    ),
    "tropical": Palette(
        "tropical",
        ((82, 116, 56), (104, 130, 62), (136, 128, 78), (70, 106, 56), (148, 116, 82), (94, 124, 70)),
        (102, 124, 66),
        (92, 120, 60),
        (34, 58, 32),
        (72, 88, 74),
        (158, 118, 86),
        (80, 108, 58),
        _PALE_ROOFS,
        480.0,
        4,
        60.0,
        0.25,
        0.50,
        1.1,
        2.0,
        0.9,
    ),
    "paddy": Palette(
        "paddy",
        ((96, 118, 66), (112, 126, 76), (126, 124, 88), (86, 104, 64), (104, 112, 84), (138, 132, 98)),
        (120, 126, 80),
        (98, 114, 68),
        (44, 62, 42),
        (66, 78, 80),
        (148, 134, 110),
        (92, 104, 68),
        _GREY_ROOFS,
        400.0,
        6,
        25.0,
        0.45,
        0.32,
        1.2,
        0.0,
        0.6,
    ),
    "boreal": Palette(
        "boreal",
        ((102, 110, 72), (124, 120, 84), (88, 98, 64), (112, 108, 78)),
        (118, 118, 84),
        (108, 110, 72),
        (40, 54, 40),
        (34, 48, 56),
        (140, 130, 112),
        (94, 100, 66),
        _GREY_ROOFS,
        700.0,
        3,
        60.0,
        -0.05,
        0.75,
        0.75,
        0.0,
        1.2,
        0.7,
    ),
    "savanna": Palette(
        "savanna",
        ((150, 132, 88), (128, 122, 76), (162, 138, 98), (110, 114, 68), (144, 118, 84)),
        (140, 132, 88),
        (136, 126, 82),
        (74, 82, 50),
        (78, 88, 80),
        (168, 124, 90),
        (112, 112, 70),
        _PALE_ROOFS,
        700.0,
        3,
        70.0,
        0.60,
        0.50,
        1.5,
        1.5,
        1.2,
    ),
}

REGIONS["tundra"] = replace(
    REGIONS["boreal"],
    region="tundra",
    crops=((86, 82, 74), (104, 100, 78), (74, 70, 66), (98, 104, 70), (112, 106, 88)),
    grass=(112, 112, 80),
    pasture=(96, 100, 70),
    forest=(70, 78, 56),
    soil=(92, 86, 78),
    bend_m=120.0,
    forest_bias=0.95,
    urban_bias=0.7,
    lake_bias=1.1,
    contrast=1.9,
    patch=0.45,
    canopy_m=4.0,
)
REGIONS["polder"] = replace(
    REGIONS["bocage"],
    region="polder",
    crops=((92, 126, 62), (104, 134, 70), (150, 144, 96), (120, 108, 84), (86, 116, 58)),
    pasture=(96, 130, 66),
    soil=(104, 112, 92),
    cell_m=760.0,
    bend_m=7.0,
    forest_bias=0.85,
    lake_bias=1.0,
    hedge_m=0.0,
)
GROVES = {
    "mediterranean": 0.3,
    "tropical": 0.16,
    "savanna": 0.08,
    "desert": 0.05,
    "paddy": 0.06,
    "bocage": 0.03,
}
"""Share of parcels planted with trees in rows, by region."""
SCATTERED = {
    "savanna": 0.9,
    "tropical": 0.7,
    "mediterranean": 0.6,
    "bocage": 0.4,
    "boreal": 0.4,
    "polder": 0.15,
    "paddy": 0.12,
    "prairie": 0.15,
    "desert": 0.12,
    "tundra": 0.0,
}
"""How thickly trees stand alone in pastures and fields, by region."""
SEA: dict[str, Colour] = {
    "tropical": (38, 78, 100),
    "desert": (44, 88, 104),
    "savanna": (42, 76, 96),
    "mediterranean": (36, 66, 92),
    "paddy": (46, 68, 84),
    "polder": (62, 76, 84),
    "boreal": (32, 48, 60),
    "tundra": (34, 52, 66),
}
"""Colour of the sea off the shore where it is not that of the temperate oceans, by region."""
OCEAN: Colour = (42, 62, 80)
CANOPY_M = {"tropical": 22.0, "savanna": 7.0, "desert": 6.0, "mediterranean": 9.0, "boreal": 13.0}
"""Height of full-grown trees where it is not 16 m, by region."""


def region_of(lat_deg: float, lon_deg: float) -> str:
    """Return the name of the regional look at a position; a coarse map of the world's climates."""
    lat = abs(lat_deg)
    europe = -12 <= lon_deg <= 40 and lat_deg > 0
    dry = (
        (12 <= lat_deg <= 33 and -17 <= lon_deg <= 62)
        or (23 <= lat_deg <= 37.5 and -120 <= lon_deg <= -102)
        or (36 <= lat_deg <= 48 and 50 <= lon_deg <= 110)
        or (-30 <= lat_deg <= -20 and 115 <= lon_deg <= 140)
        or (-30 <= lat_deg <= -5 and -82 <= lon_deg <= -68)
    )
    if lat >= 67.0 or (lat_deg >= 60.0 and -55.0 <= lon_deg <= -10.0):
        return "tundra"
    if lat >= 57.5:
        return "boreal"
    if 51.3 <= lat_deg <= 53.7 and 3.0 <= lon_deg <= 7.3:
        return "polder"
    if dry:
        return "desert"
    if europe:
        return "mediterranean" if lat < 44.6 else "bocage"
    if 20 <= lat_deg <= 46 and 100 < lon_deg <= 146:
        return "paddy"
    if (6 <= lat_deg <= 30 and 62 < lon_deg <= 90) or (
        -35 <= lat_deg <= 12 and 10 <= lon_deg <= 50 and lat > 6
    ):
        return "savanna"
    if lat <= 23.5:
        return "tropical"
    if lat_deg > 0 and lon_deg < -50:
        return "bocage" if lon_deg > -82 or lat > 49 or lon_deg < -116 else "prairie"
    return "mediterranean" if lat < 38 else "bocage"


def palette_for(lat_deg: float, lon_deg: float, rng: np.random.Generator) -> Palette:
    """Return the region's palette with the airport's own shift of hue, season, parcel size and land use."""
    base = REGIONS[region_of(lat_deg, lon_deg)]
    tint = rng.normal(0.0, [0.022, 0.010, 0.022]) + rng.normal(0.0, 0.04)

    def shift(colour: Colour, spread: float = 0.03) -> Colour:
        # Brightness varies more than hue, and everything is a little greyer than paint: haze and mixed
        # pixels.
        factor = 1.0 + tint + rng.normal(0.0, spread) + rng.normal(0.0, 0.012, 3)
        rgb = np.array(colour) * factor
        r, g, b = np.clip(rgb + 0.2 * (rgb.mean() - rgb), 0, 255)
        return float(r), float(g), float(b)

    crops = [shift(colour, 0.07) for colour in base.crops]
    rng.shuffle(crops)
    forest = shift(base.forest)
    return replace(
        base,
        crops=tuple(crops),
        grass=shift(base.grass),
        pasture=shift(base.pasture),
        forest=forest,
        second=shift((1.35 * forest[0] + 8, 1.3 * forest[1] + 8, 1.15 * forest[2] + 4), 0.08),
        mow=float(rng.uniform(0.0, 0.035)),
        scattered=SCATTERED[base.region],
        groves=GROVES.get(base.region, 0.0) * float(rng.uniform(0.5, 1.5)),
        canopy_m=(base.canopy_m if base.region == "tundra" else CANOPY_M.get(base.region, 16.0))
        * float(rng.uniform(0.85, 1.2)),
        water=shift(base.water),
        sea=SEA.get(base.region, OCEAN),
        soil=shift(base.soil),
        lawn=shift(base.lawn),
        roofs=tuple(shift(colour) for colour in base.roofs),
        cell_m=float(base.cell_m * rng.uniform(0.8, 1.3)),
        bend_m=float(base.bend_m * rng.uniform(0.6, 1.4)),
        forest_bias=float(base.forest_bias + rng.normal(0, 0.15)),
        urban_bias=float(base.urban_bias + rng.normal(0, 0.15)),
    )
