"""Light and air of a frame: what columns say, what follows from them, no seam at the horizon."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lard.errors import DataError
from lard.render.atmosphere import (
    LAYER_BETA,
    Layer,
    air_vector,
    ground_through_air,
    horizon_colours,
    layer_shares,
    sky_colours,
    sky_palette,
    sky_through_layer,
)
from lard.render.conditions import Conditions, check_conditions, remarks
from lard.render.daylight import (
    atmosphere_of,
    direct_share,
    illuminant,
    layer_of,
    sky_of,
    sun_vector,
    white_cd_m2,
)
from lard.scenario import sun

ROW = {"frame_id": "XTST_07_0001", "seed": 3, "lat_deg": 47.0, "visibility_m": 15000.0}


def test_a_frame_without_columns_is_a_clear_noon() -> None:
    conditions = Conditions.of_frame(ROW)
    assert (conditions.visibility_m, conditions.sun_elevation_deg, conditions.cover) == (15000.0, 60.0, 0.0)
    assert illuminant(conditions) == (1.0, 1.0, 1.0)
    assert conditions == Conditions.of_frame(ROW), "drawn from the frame's own generator"
    assert 0.8 <= conditions.gain <= 1.2 and 0.6 <= conditions.noise_sigma <= 2.2
    assert layer_of(conditions, 100.0, 150.0) is None
    np.testing.assert_allclose(sky_of(conditions, np.array([0, 0, 1.0]))[:2], sky_palette(15000.0)[:2])


def test_columns_are_read_and_the_suns_azimuth_follows_from_the_time() -> None:
    row = {**ROW, "exposure_ev": 1.1, "noise_grey": 4.0, "jpeg_quality": 71, "day_of_year": 80.0,
           "local_time_h": 18.0, "sun_elevation_deg": 3.0, "fog_top_m": None}  # fmt: skip
    conditions = Conditions.of_frame(row)
    assert conditions.exposure == pytest.approx(2 ** (1.1 / 2.2)) and conditions.noise_sigma == 4.0
    assert conditions.jpeg_quality == 71 and conditions.fog_top_m == 0.0
    assert 260 < conditions.sun_azimuth_deg < 280, "an equinox sun sets in the west"
    east, north, up = sun_vector(conditions, 47.0)
    assert east < -0.9 and abs(north) < 0.2 and up == pytest.approx(math.sin(math.radians(3.0)))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 366), st.floats(0, 24), st.floats(-80, 80))
def test_azimuth_and_elevation_are_those_of_one_direction(day: int, hour: float, lat: float) -> None:
    """Against the rotation of the sun's direction from the equator's frame into the horizon's."""
    where = np.array([float(day)]), np.array([hour]), np.array([lat])
    azimuth, elevation = np.radians(sun.azimuth_deg(*where)[0]), np.radians(sun.elevation_deg(*where)[0])
    horizontal = np.array(
        [np.sin(azimuth) * np.cos(elevation), np.cos(azimuth) * np.cos(elevation), np.sin(elevation)]
    )
    turn = np.radians((hour + sun.equation_of_time_h(where[0])[0] - 12) * 15)
    dec, phi = np.radians(sun.declination_deg(where[0])[0]), np.radians(lat)
    equatorial = np.array([np.cos(dec) * np.cos(turn), -np.cos(dec) * np.sin(turn), np.sin(dec)])
    expected = (
        np.array([[0, 1, 0], [-np.sin(phi), 0, np.cos(phi)], [np.cos(phi), 0, np.sin(phi)]]) @ equatorial
    )
    np.testing.assert_allclose(horizontal, expected, atol=1e-9)


@settings(max_examples=80, deadline=None)
@given(st.floats(-40, 80), st.floats(0.1, 10), st.floats(0, 1))
def test_a_lower_sun_and_more_cloud_never_give_more_light(sun_deg: float, less: float, cloud: float) -> None:
    high, low = (Conditions(sun_elevation_deg=e, cloud_fraction=cloud) for e in (sun_deg, sun_deg - less))
    assert np.all(np.array(illuminant(low)) <= np.array(illuminant(high)) + 0.01)
    assert direct_share(low) <= direct_share(high) + 1e-12
    assert white_cd_m2(low) <= white_cd_m2(high) + 1e-9
    overcast = Conditions(sun_elevation_deg=sun_deg, cloud_fraction=1.0)
    assert direct_share(overcast) == 0.0
    assert direct_share(Conditions(sun_elevation_deg=min(sun_deg, 0.0))) == 0.0


@pytest.mark.parametrize("camera_m", [30.0, 100.0, 600.0], ids=["below", "inside", "above"])
@pytest.mark.parametrize("elevation", [50.0, 2.0, -4.0, -20.0])
def test_there_is_no_seam_at_the_horizon(camera_m: float, elevation: float) -> None:
    """Ground at the horizon has the colour of the sky just above it, with fog, cloud and a low sun."""
    conditions = Conditions(
        sun_elevation_deg=elevation,
        sun_azimuth_deg=80.0,
        fog_base_m=60.0,
        fog_top_m=140.0,
        fog_visibility_m=300.0,
    )
    atmosphere = atmosphere_of(conditions, 0.0, camera_m, 47.0)
    horizon_m = math.sqrt(2 * 6.371e6 * camera_m)
    direction = np.array([[math.sin(a), math.cos(a), 0.0] for a in np.linspace(0, 6, 7)])
    haze = horizon_colours(direction, atmosphere.sky)
    ground = ground_through_air(
        np.full((7, 3), 50.0), np.full(7, horizon_m), np.zeros(7), haze, atmosphere.air, horizon_m
    )
    above = sky_through_layer(
        sky_colours(np.full(7, 1e-9), atmosphere.sky, direction), np.full(7, 1e-9), atmosphere.air
    )
    np.testing.assert_allclose(ground, above, atol=0.5)


@settings(max_examples=60, deadline=None)
@given(st.floats(5, 2000), st.floats(0, 500), st.floats(1, 500), st.floats(-20, 4))
def test_a_ray_through_a_layer_is_the_sum_of_its_parts(
    camera_m: float, bottom_m: float, deep_m: float, ground_m: float
) -> None:
    """Against many short pieces, each with its own extinction and light, from the ground up."""
    air = air_vector(8000.0, camera_m, Layer(bottom_m, bottom_m + deep_m, 0.004, (90.0, 95.0, 100.0)))
    distance, count = 1500.0, 4000
    colour, haze = np.array([30.0, 80.0, 20.0]), np.array([200.0, 205.0, 210.0])
    heights = ground_m + (np.arange(count) + 0.5) / count * (camera_m - ground_m)
    inside = (heights > bottom_m) & (heights < bottom_m + deep_m)
    expected = colour.copy()
    for within in inside:
        extra = air[LAYER_BETA] * within
        light = (air[0] * haze + extra * np.array([90.0, 95.0, 100.0])) / (air[0] + extra)
        expected = light + (expected - light) * math.exp(-(air[0] + extra) * distance / count)
    got = ground_through_air(colour[None], np.array([distance]), np.array([ground_m]), haze[None], air, 1e9)[
        0
    ]
    np.testing.assert_allclose(got, expected, atol=0.4)
    assert sum(share[0] for share in layer_shares(np.array([ground_m]), air)) == pytest.approx(1.0)


def test_contradictions_are_refused_and_oddities_told() -> None:
    with pytest.raises(DataError, match="light is 'night', but sun_elevation_deg is 30"):
        Conditions.of_frame({**ROW, "light": "night", "sun_elevation_deg": 30.0})
    with pytest.raises(DataError, match=r"fog_top_m is 50, not above fog_base_m, 80"):
        Conditions(fog_base_m=80.0, fog_top_m=50.0)
    with pytest.raises(DataError, match=r"defocus_px is -1.5; expected from 0 to 30 px"):
        Conditions(defocus_px=-1.5)
    table = pl.DataFrame(
        {"frame_id": ["a", "b"], "light": ["day", "night"], "sun_elevation_deg": [20.0, 20.0],
         "rain_mm_h": [4.0, 0.0], "cloud_fraction": [0.0, float("nan")]}
    )  # fmt: skip
    faults = "\n".join(check_conditions(table))
    assert "cloud_fraction of frame b is nan; expected from 0 to 1" in faults
    faults = "\n".join(check_conditions(table.with_columns(cloud_fraction=0.0)))
    assert "sun_elevation_deg of frame b is 20.0; expected from -90 to -6, as its light is 'night'" in faults
    assert remarks(table.with_columns(cloud_fraction=0.0))[0].startswith("1 frames have rain")
    assert check_conditions(table.select("frame_id")) == [] == remarks(table.select("frame_id"))
