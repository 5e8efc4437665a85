"""Seasons of the land: how crops, grass, leaves and snow change a palette through the local year."""

from dataclasses import replace

import numpy as np

from lard.ground.painted.palette import Colour, Palette

SEASONS = ("summer", "autumn", "winter", "spring")
"""Local seasons: winter is July in Sydney."""
SNOW: Colour = (217.0, 221.0, 228.0)
ICE: Colour = (196.0, 206.0, 214.0)
SNOW_FROM_DEG = {
    "bocage": 49.0,
    "polder": 50.0,
    "prairie": 41.0,
    "paddy": 39.0,
    "boreal": 52.0,
    "tundra": 54.0,
    "mediterranean": 46.0,
}
"""Latitude at which winters begin to be white at sea level, by region; it snows nowhere else."""
DECIDUOUS = {"bocage": 0.8, "polder": 0.9, "prairie": 0.8, "paddy": 0.5, "boreal": 0.3, "mediterranean": 0.25}
"""Share of trees that lose their leaves, by region."""


BIRCHES = {"boreal": 0.9, "tundra": 0.9}
"""Share of leaves that the other kind of tree loses where it is a broadleaf among conifers, by region."""


def mix(colour: Colour, target: Colour, share: float) -> Colour:
    """Return a colour moved towards another by a share of the way."""
    a, b = np.array(colour), np.array(target)
    r, g, blue = a + share * (b - a)
    return float(r), float(g), float(blue)


def snow_cover(region: str, lat_deg: float, elevation_m: float, lean: float) -> float:
    """Share of open ground under snow in winter; 150 m of height count as a degree of latitude.

    lean in -1..1 makes a year or a place milder or harder.
    """
    if region not in SNOW_FROM_DEG:
        return 0.0
    degrees = abs(lat_deg) + elevation_m / 150.0 - SNOW_FROM_DEG[region] + 3.0 * lean
    return float(np.clip(degrees / 7.0, 0.0, 1.0))


def in_season(
    palette: Palette, season: str, lat_deg: float, elevation_m: float, rng: np.random.Generator
) -> Palette:
    """Return a palette as it looks in a season; tropics turn from wet to dry, deserts hardly change."""
    lean = float(rng.uniform(-1, 1))
    region = palette.region
    if season == "summer" or region == "desert":
        return palette
    if region in ("tropical", "savanna"):
        # Wet in spring and autumn, dry in winter.
        dry = {"spring": 0.0, "autumn": -0.12, "winter": 0.3}[season] + 0.05 * lean
        target: Colour = (164.0, 142.0, 98.0) if dry > 0 else (84.0, 122.0, 58.0)
        return _tinted(palette, target, abs(dry) + 0.04, 0.4)
    leaves = DECIDUOUS.get(region, 0.0)
    birches = BIRCHES.get(region, leaves)
    if season == "spring":
        fresh = _tinted(palette, (100.0, 128.0, 70.0), 0.4, 0.25)
        crops = list(fresh.crops)
        if region in ("bocage", "prairie", "polder"):
            crops[0] = mix(crops[0], (198.0, 186.0, 58.0), 0.75)  # rape in flower
        if region == "paddy":
            crops = [mix(crop, (118.0, 130.0, 132.0), 0.6 if k % 2 else 0.1) for k, crop in enumerate(crops)]
        second = mix(fresh.second, (112.0, 138.0, 62.0), 0.6 * leaves)
        return replace(fresh, crops=tuple(crops), second=second)
    if season == "autumn":
        dull = _tinted(palette, (140.0, 120.0, 84.0), 0.3, 0.15)
        crops = [
            mix(crop, ((156.0, 136.0, 96.0), (106.0, 88.0, 70.0), (98.0, 118.0, 62.0))[k % 3], 0.6)
            for k, crop in enumerate(dull.crops)
        ]
        return replace(
            dull,
            crops=tuple(crops),
            forest=mix(dull.forest, (126.0, 98.0, 48.0), 0.55 * leaves),
            second=mix(dull.second, (172.0, 112.0, 48.0), 0.9 * birches),
        )
    bare = _tinted(palette, (124.0, 114.0, 88.0), 0.4, 0.1)
    crops = [
        mix(crop, (104.0, 88.0, 72.0) if k % 2 else (96.0, 108.0, 66.0), 0.65)
        for k, crop in enumerate(bare.crops)
    ]
    twigs: Colour = (98.0, 88.0, 78.0)
    bare = replace(
        bare,
        crops=tuple(crops),
        forest=mix(bare.forest, twigs, 0.5 * leaves),
        second=mix(bare.second, twigs, birches),
    )
    return _snowed(bare, snow_cover(region, lat_deg, elevation_m, lean))


def _tinted(palette: Palette, target: Colour, share: float, woods: float) -> Palette:
    """Open land moved towards a colour by a share, woods by a share of that."""

    def move(colour: Colour) -> Colour:
        return mix(colour, target, share)

    return replace(
        palette,
        crops=tuple(move(crop) for crop in palette.crops),
        grass=move(palette.grass),
        pasture=move(palette.pasture),
        lawn=move(palette.lawn),
        forest=mix(palette.forest, target, share * woods),
    )


def _snowed(palette: Palette, cover: float) -> Palette:
    """Return a palette under snow: fields and roofs white, woods dusted, lakes frozen when it lies deep."""
    if cover <= 0.0:
        return palette
    most = 0.93 * cover
    return replace(
        palette,
        # Stubble and furrows show through to different degrees.
        crops=tuple(mix(crop, SNOW, most * (1.0 - 0.09 * (k % 3))) for k, crop in enumerate(palette.crops)),
        grass=mix(palette.grass, SNOW, 0.96 * most),
        pasture=mix(palette.pasture, SNOW, most),
        lawn=mix(palette.lawn, SNOW, 0.9 * most),
        soil=mix(palette.soil, SNOW, 0.85 * most),
        forest=mix(palette.forest, SNOW, 0.10 * cover),
        second=mix(palette.second, SNOW, 0.28 * cover),
        roofs=tuple(mix(roof, SNOW, 0.8 * most) for roof in palette.roofs),
        water=mix(palette.water, ICE, max(0.0, 1.6 * cover - 0.8)),
        mow=palette.mow * (1.0 - 0.7 * cover),
    )
