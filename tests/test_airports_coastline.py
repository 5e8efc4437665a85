"""The shipped coast: small, closed, and land where there is land."""

from __future__ import annotations

import re

import numpy as np
import pytest
import shapely
from shapely.geometry import Point, Polygon

from lard.airports import load_shipped
from lard.airports.coastline import FILE, coast_path, coast_rings


def is_land(lat_deg: float, lon_deg: float) -> bool:
    return any(Polygon(ring).contains(Point(lon_deg, lat_deg)) for ring in coast_rings())


def test_it_is_small_and_says_whose_it_is() -> None:
    text = FILE.read_text()
    assert len(text) <= 64 * 1024
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
