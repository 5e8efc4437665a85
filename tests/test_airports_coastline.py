"""The shipped coast: small, closed, and land where there is land."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import shapely
from shapely.geometry import Point, Polygon

from lard.airports import load_shipped
from lard.airports.coastline import FILE, NEAR_FILE, coast_path, coast_rings, rings_near


def is_land(lat_deg: float, lon_deg: float) -> bool:
    return any(Polygon(ring).contains(Point(lon_deg, lat_deg)) for ring in coast_rings())


@pytest.mark.parametrize(("file", "most_kb"), [(FILE, 64), (NEAR_FILE, 128)])
def test_it_is_small_and_says_whose_it_is(file: Path, most_kb: int) -> None:
    text = file.read_text()
    assert len(text) <= most_kb * 1024
    assert "Natural Earth" in text and "public domain" in text


def test_rings_are_closed_outlines_on_the_globe() -> None:
    for ring in coast_rings():
        assert len(ring) >= 4 and (ring[0] == ring[-1]).all()
        assert (np.abs(ring) <= (180, 90)).all()
        assert Polygon(ring).is_valid


@pytest.mark.parametrize(
    ("lat_deg", "lon_deg", "land"),
    [
        (48.9, 2.4, True),
        (-1.3, 36.8, True),
        (33.6, -84.4, True),
        (30, -40, False),
        (-40, 100, False),
        (0, 0, False),
    ],
)
def test_land_and_sea(lat_deg: float, lon_deg: float, land: bool) -> None:
    assert is_land(lat_deg, lon_deg) is land


def test_land_covers_its_share_of_the_globe() -> None:
    # weighted by latitude: 29 % of a globe is land
    lat, lon = np.meshgrid(np.arange(-89.5, 90, 2.0), np.arange(-179, 180, 4.0))
    on_land = np.zeros(lat.shape, bool)
    for ring in coast_rings():
        on_land |= shapely.contains_xy(Polygon(ring), lon, lat)
    weight = np.cos(np.radians(lat))
    assert (weight * on_land).sum() / weight.sum() == pytest.approx(0.29, abs=0.02)


def test_shipped_airports_lie_on_or_near_land() -> None:
    shapes = [Polygon(ring) for ring in coast_rings()]
    far = [
        airport.icao
        for airport in load_shipped().airports.values()
        if min(shape.distance(Point(airport.lon_deg, airport.lat_deg)) for shape in shapes) > 1.0
    ]
    assert len(far) <= 6, "islands too small for this scale alone"


def test_the_path_of_the_page_is_the_rings() -> None:
    path = coast_path()
    assert path.count("M") == path.count("Z") == len(coast_rings())
    first = [float(v) for v in re.findall(r"-?[\d.]+", path)[:2]]
    assert first == [coast_rings()[0][0, 0], -coast_rings()[0][0, 1]]


def wanted_deg(lat_deg: float, reach_m: float = 80_000.0) -> np.ndarray:
    tall = reach_m / 111_195.0
    return np.array([tall / np.cos(np.radians(lat_deg)), tall])


def test_every_shipped_airport_has_its_own_coast() -> None:
    """To 80 km around, also 10 km off; a table with other airports asks for the file to be made anew."""
    for airport in load_shipped().airports.values():
        for shift in (-0.09, 0.09):
            at = airport.lat_deg + shift
            assert rings_near(at, airport.lon_deg, wanted_deg(at)) is not None, airport.icao
    assert rings_near(-27.4, 153.0, wanted_deg(-27.4)) is None
    assert rings_near(airport.lat_deg, airport.lon_deg, wanted_deg(airport.lat_deg, 2e5)) is None


def test_both_coastlines_agree_as_far_as_the_coarser_is_true() -> None:
    """Land of the finer one 20 km from its shore is land of the coarser, and sea is sea."""
    world = [Polygon(ring) for ring in coast_rings()]
    wrong = seen = 0
    for icao in ("EHAM", "YSSY", "RJBB", "KMIA", "LEBL"):
        airport = load_shipped().airport(icao)
        rings = rings_near(airport.lat_deg, airport.lon_deg, wanted_deg(airport.lat_deg))
        assert rings is not None
        land = Polygon()
        for ring in rings:
            assert (ring[0] == ring[-1]).all()
            land = land.symmetric_difference(shapely.make_valid(Polygon(ring)))
        tall = np.linspace(-0.7, 0.7, 15)
        lon, lat = (
            v.ravel() for v in np.meshgrid(airport.lon_deg + tall, airport.lat_deg + tall)
        )  # within the window
        far = shapely.distance(land.boundary, shapely.points(lon, lat)) > 0.2
        fine = shapely.contains_xy(land, lon, lat)
        coarse = np.any([shapely.contains_xy(shape, lon, lat) for shape in world], axis=0)
        wrong += (fine != coarse)[far].sum()
        seen += far.sum()
    assert seen > 100 and wrong <= 0.02 * seen
