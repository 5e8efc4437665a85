"""Sea in painted ground: where the coastline says so, never under a runway; what approach lights stand on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely

from lard.airports import load_shipped
from lard.airports.layout import strips_around
from lard.ground.painted.airport import carriers, plane_corners, plane_strip, prepare
from lard.ground.painted.landcover import LandSetting, Outline, Shore, in_water
from lard.ground.painted.levels import Ground, paint_window
from lard.ground.painted.lights import light_quads, light_ways
from lard.ground.painted.scene import Scene
from lard.ground.painted.sea import DRY_M, REACH_M, TRUE_TO_M, clearing_of, coast_around, shore_of
from lard.ground.tiles import LevelGrid


def ground_of(icao: str, seed: int = 1) -> Ground:
    db = load_shipped()
    airport = db.airport(icao)
    return prepare(airport, seed, 0.25, neighbours=strips_around(db, airport, 109_000.0))


def wet(setting: LandSetting, *places: tuple[float, float]) -> list[bool]:
    return in_water(setting, np.array(places)).tolist()


@pytest.mark.parametrize(
    ("icao", "sea", "land"),
    [
        ("LEBL", (40e3, -40e3), (-40e3, 40e3)),  # the Mediterranean lies to the south-east
        ("YSSY", (50e3, 0.0), (-50e3, 0.0)),  # the Pacific to the east
        ("OMDB", (-40e3, 40e3), (40e3, -40e3)),  # the Gulf to the north-west
        ("EHAM", (-60e3, 0.0), (50e3, -30e3)),  # the North Sea to the west
    ],
)
def test_sea_lies_where_it_does(icao: str, sea: tuple[float, float], land: tuple[float, float]) -> None:
    coast = coast_around(load_shipped().airport(icao).lat_deg, load_shipped().airport(icao).lon_deg)
    out, inland = coast.depth_m(np.array([sea, land]))
    assert out > 5000.0 and inland < -5000.0
    setting = ground_of(icao).setting
    assert setting.shore is not None
    assert wet(setting, sea) == [True]
    depth = setting.shore.sample(*land, 10.0, (2, 2))
    assert depth.max() < -5000.0


def test_inland_there_is_none() -> None:
    assert ground_of("LFPO").setting.shore is None


@pytest.mark.parametrize("icao", ["PHNL", "NTAA", "YSSY", "RJTT", "RJBB", "OTHH", "PANC", "TNCM"])
def test_no_runway_lies_in_water(icao: str) -> None:
    """Neither the airport's own, nor any other that is painted, whatever the coastline says.

    Ends and 150 m to the sides included; at RJBB, RJTT and OTHH the coastline has sea under them.
    """
    db = load_shipped()
    airport = db.airport(icao)
    ground = ground_of(icao)
    around = [strip for _, strip in strips_around(db, airport, 70_000.0)]
    points = []
    for strip in [*airport.strips, *around]:
        a, b, c, d = plane_corners(strip, ground.lat0_deg, ground.lon0_deg)
        start, end = (a + b) / 2, (c + d) / 2
        aside = 150.0 * (b - a) / np.hypot(*(b - a))
        middle = [start + share * (end - start) for share in np.linspace(-0.05, 1.05, 9)]
        points += [point + side * aside for point in middle for side in (-1, 0, 1)]
    assert not in_water(ground.setting, np.array(points), rivers=True).any()


def test_an_island_is_made_where_the_coastline_has_none() -> None:
    """In mid-ocean: land under the airport and some way around it, sea beyond."""
    area = shapely.box(-1500.0, -300.0, 1500.0, 300.0)
    shore = shore_of(area, [], 3.0, -40.0, 100.0, 1000.0, True, 7)
    assert shore is not None
    assert shore.sample(-1500.0, 300.0, 300.0, (3, 11)).max() < -2000.0
    assert shore.sample(30e3, 0.0, 100.0, (2, 2)).min() > 10e3


def test_a_low_airport_by_the_coast_stands_at_the_water_on_its_side() -> None:
    """The world's coast moves by no more than it may be off, and only for airports near sea level."""
    area = shapely.box(-1500.0, -300.0, 1500.0, 300.0)
    lat, lon = -27.4, 153.1  # Brisbane, of which no finer coast ships
    coast = coast_around(lat, lon)
    given = coast.depth_m(np.zeros((1, 2)))[0]
    assert not coast.known and given > -TRUE_TO_M

    def depth(elevation_m: float, near: bool) -> float:
        shore = shore_of(area, [], elevation_m, lat, lon, 800.0, near, 3)
        assert shore is not None
        grid = shore.sample(-1500.0, 300.0, 100.0, (7, 31))
        return float(grid.max())

    assert depth(5.0, True) == pytest.approx(-800.0, abs=120.0)  # between nodes of 1 km
    assert depth(5.0, False) <= -700.0
    assert depth(200.0, True) == depth(5.0, False)


def test_a_known_coast_stays_where_it_is_but_for_land_about_the_fence() -> None:
    """Off the end of Kansai's island: land to a fifth of the gap, sea beyond it, the mainland untouched."""
    lat, lon = load_shipped().airport("RJBB").lat_deg, load_shipped().airport("RJBB").lon_deg
    coast = coast_around(lat, lon)
    assert coast.known
    place = np.array([[-9000.0, 3000.0]])  # out in the bay
    assert coast.depth_m(place)[0] > 1500.0
    area = shapely.box(-9500.0, 2500.0, -8500.0, 3500.0)
    shore = shore_of(area, [], 200.0, lat, lon, 1000.0, True, 7)
    assert shore is not None
    assert shore.sample(-9500.0, 3500.0, 100.0, (11, 11)).max() <= -200.0 + 1.0
    assert shore.sample(-8500.0 + 700.0, 3000.0, 1.0, (2, 2)).min() > 400.0
    ashore = np.array([[14e3, 0.0]])
    assert coast.depth_m(ashore)[0] == pytest.approx(shore.sample(14e3, 0.0, 1.0, (1, 1))[0, 0], abs=300.0)


@pytest.mark.parametrize(("icao", "share"), [("RJBB", 0.27), ("PHNL", 0.93), ("LFPO", 0.0), ("KSEA", 0.09)])
def test_the_grid_of_depths_is_the_coastline(icao: str, share: float) -> None:
    """Nodes have the sign and distance that polygons give, creeks included."""
    airport = load_shipped().airport(icao)
    coast = coast_around(airport.lat_deg, airport.lon_deg)
    grid = coast.depth_grid_m(250.0)
    assert (grid > 0).mean() == pytest.approx(share, abs=0.03)
    nodes = np.random.default_rng(0).integers(60, len(grid) - 60, (400, 2))  # not to shores beyond the grid
    exact = coast.depth_m(np.column_stack([nodes[:, 1], -nodes[:, 0]]) * 250.0 + [-REACH_M, REACH_M])
    found = grid[nodes[:, 0], nodes[:, 1]]
    near = np.abs(found) < 900.0
    assert np.allclose(found[near], exact[near], atol=0.1)
    assert (np.sign(found) == np.sign(exact)).all() and np.allclose(found, exact, atol=250.0)


def test_sea_off_the_shore_has_its_own_colour_and_lakes_keep_theirs() -> None:
    setting = ground_of("PHNL").setting
    assert setting.shore is not None
    away = np.full((2, 2), 9000.0, np.float32)
    grid = LevelGrid(8.0, -400.0, 400.0, 64, 64)

    def mean_colour(shore: Shore | None, lake_bias: float) -> np.ndarray:
        palette = replace(setting.palette, lake_bias=lake_bias)
        ground = replace(ground_of("PHNL"), rows=np.zeros((0, 27)))
        outline = Outline(-away, -1e5, 1e5, 2e5)  # no airport here
        land = replace(setting, shore=shore, palette=palette, outline=outline, clearing=None, rivers=False)
        return paint_window(replace(ground, setting=land), grid, (0, 0, 64, 64))[..., :3].mean(axis=(0, 1))

    sea = mean_colour(Shore(away, -1e5, 1e5, 2e5), 9.0)
    lake = mean_colour(None, -9.0)
    assert np.allclose(sea, setting.palette.sea, atol=6.0)
    assert np.allclose(lake, setting.palette.water, atol=6.0)
    assert sea[2] > sea[1] > sea[0]


def test_land_surrounds_others_runways() -> None:
    """A runway of another airport far out at sea: as much land around it as stated."""
    area = shapely.box(-1500.0, -300.0, 1500.0, 300.0)
    there = np.array([[40e3, 0.0], [40e3, 45.0], [43e3, 45.0], [43e3, 0.0]])
    shore = shore_of(area, [there], 3.0, -40.0, 100.0, 1000.0, True, 7)
    assert shore is not None
    near = shore.sample(40e3, 0.0, 500.0, (2, 7))
    assert near.max() < -DRY_M + 1000.0  # a cell of the grid
    clearing = clearing_of([there[[3, 2, 1, 0]]])
    assert clearing is not None
    assert clearing.sample(41e3, 100.0, 100.0, (2, 2)).min() > -400.0
    assert clearing.sample(41e3, 5000.0, 100.0, (2, 2)).max() < -4500.0
    assert clearing_of([]) is None


def test_approach_lights_stand_on_something() -> None:
    """At sea a pier under all of their bars, on land a lane clear of trees, within the fence nothing more."""
    db = load_shipped()
    airport = db.airport("BIKF")
    lat, lon = airport.lat_deg, airport.lon_deg
    strips = [
        plane_strip(r, airport.runway(r.reciprocal), lat, lon, False, 1)
        for r in airport.strips
        if r.approach_lights == "full"
    ]
    ground = ground_of("BIKF")
    ways = light_ways(strips, ground.setting.palette)
    assert ways
    for way in ways:
        assert [quad.height_m > 0.0 for quad in way.land] == [False, False, True]  # lane, track, mast
        assert all(quad.height_m > 0.0 for quad in way.pier)
        assert shapely.Polygon(way.land[0].corners).contains(shapely.Point(way.middle))
    for bar in (quad for quad in light_quads(strips) if quad.opacity < 1.0):  # PAPI are opaque
        carried = [
            shapely.Polygon(way.pier[1].corners).contains(shapely.Polygon(bar.corners)) for way in ways
        ]
        assert any(carried)
    flooded = Shore(np.full((2, 2), 5e4, np.float32), -1e4, 1e4, 2e4)
    area = shapely.Point(*ways[0].middle).buffer(1.0)
    scene = Scene([], ways, [], [], area)
    nowhere = Outline(-flooded.distance, -1e4, 1e4, 2e4)  # the fence keeps the sea away
    at_sea = replace(ground.setting, shore=flooded, clearing=None, outline=nowhere)
    assert [len(quads) for quads in carriers(scene, at_sea)] == [0, 2 * len(ways)]
    palette = replace(ground.setting.palette, lake_bias=9.0)
    dry = replace(ground.setting, shore=None, rivers=False, palette=palette)
    assert [len(quads) for quads in carriers(scene, dry)] == [3 * len(ways) - 3, 0]
