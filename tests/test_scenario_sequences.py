"""Sequences move smoothly, repeat, and their random parts have the statistics they claim."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from lard.airports import RunwayDatabase, load_shipped
from lard.cli import main
from lard.errors import SpecError
from lard.odd import load_spec
from lard.scenario.sequences import KINDS, Flight, fly, sequence
from lard.scenario.turbulence import dryden_gusts, dryden_scales, smooth_error
from lard.tables import FRAMES, check_schema

ODD = Path(__file__).parent.parent / "odd_specs" / "lard_v2.yaml"
SPEC = load_spec(ODD)


@pytest.fixture(scope="module")
def db() -> RunwayDatabase:
    return load_shipped()


@pytest.mark.parametrize("kind", KINDS)
def test_motion_is_smooth_and_the_table_valid(db: RunwayDatabase, kind: str) -> None:
    table = sequence(SPEC, db, "LFPO", "24", Flight(kind=kind, frame_rate_hz=20), seed=2)
    check_schema(table, FRAMES, kind)
    assert table["frame_id"].is_sorted() and table["frame_id"].is_unique().all()
    attitude = table.select("yaw_offset_deg", "pitch_deg", "roll_deg").to_numpy()
    # degrees per second
    assert np.abs(np.diff(attitude, axis=0)).max() * 20 < 25
    assert (np.diff(table["along_track_m"]) < 0).all()
    assert np.ptp(np.diff(table["along_track_m"])) < 1e-3  # constant ground speed
    climb = np.diff(table["alt_m"]) * 20
    assert np.abs(np.diff(climb)).max() < 0.25  # 5 m/s2 at most, at 20 Hz


def test_landing_ends_on_the_runway_at_eye_height(db: RunwayDatabase) -> None:
    flight = Flight(local_time_h=14)
    table = sequence(SPEC, db, "EHAM", "06", flight)
    runway = db.airport("EHAM").runway("06")
    assert -900 < table["along_track_m"][-1] < -100
    assert table["alt_m"][-1] == pytest.approx(runway.ltp[2] + flight.eye_m, abs=0.2)
    assert table["phase"].to_list()[-1] == "flare" and table["pitch_deg"][-1] > -2.5
    assert set(table["zone"]) <= {*SPEC.zone_names, "outside"}


def test_go_around_climbs_from_the_decision_height(db: RunwayDatabase) -> None:
    table = sequence(SPEC, db, "LFPO", "24", Flight(kind="go-around"))
    height = table["alt_m"].to_numpy() - db.airport("LFPO").runway("24").ltp[2]
    assert 40 < height.min() < 60 and height[-1] > 120


def test_offset_approach_is_never_on_the_centreline(db: RunwayDatabase) -> None:
    table = sequence(SPEC, db, "LFPO", "24", Flight(kind="offset"))
    assert table["lateral_deg"].min() > 4
    assert "far" not in set(table["zone"])


def test_crab_points_into_the_wind(db: RunwayDatabase) -> None:
    calm = Flight(turbulence=False, localizer_deg=0, glideslope_deg=0, headwind_m_s=0, crosswind_m_s=0)
    track = fly(db.airport("LFPO").runway("24"), calm, 305, 0)
    approach = track.phase == "approach"
    assert np.abs(track.yaw_offset_deg).max() == 0 and np.abs(track.cross_m).max() == 0
    glide = np.degrees(np.arctan2(track.up_m, track.along_m + 305))
    assert np.allclose(glide[approach], 3.0)
    right = fly(db.airport("LFPO").runway("24"), replace(calm, crosswind_m_s=7), 305, 0)
    assert right.yaw_offset_deg[0] == pytest.approx(np.degrees(np.arcsin(0.1)))
    assert abs(right.yaw_offset_deg[-1]) < 0.2  # aligned when the wheels touch


def test_frame_rates_show_the_same_flight(db: RunwayDatabase) -> None:
    slow, fast = (sequence(SPEC, db, "LFPO", "24", Flight(frame_rate_hz=rate), seed=4) for rate in (2, 10))
    names = ("lat_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg", "time_s")
    every = fast[::5].select(names)[: len(slow)].to_numpy()
    assert np.allclose(slow.select(names).to_numpy()[: len(every)], every, atol=1e-6)


def test_seed_decides(db: RunwayDatabase) -> None:
    tables = [sequence(SPEC, db, "LFPO", "24", seed=seed).drop("frame_id", "sequence") for seed in (1, 1, 2)]
    assert tables[0].equals(tables[1])
    assert not tables[0].select("roll_deg").equals(tables[2].select("roll_deg"))


def test_dryden_gusts_have_the_declared_strength_and_length() -> None:
    n, step, speed, wind = 60_000, 0.05, 70.0, 10.0
    height = np.full(n, 100.0)
    length, length_up, sd, sd_up = (x[0] for x in dryden_scales(height, wind))
    # at 100 m the standard's formulas, by hand
    shape = 0.177 + 0.000823 * 100 / 0.3048
    assert sd_up == pytest.approx(1.0) and sd == pytest.approx(shape**-0.4)
    assert length_up == pytest.approx(100) and length == pytest.approx(100 / shape**1.2)
    along, across, up = dryden_gusts(height, speed, wind, step, np.random.default_rng(0))
    for gust, expected in ((along, sd), (across, sd), (up, sd_up)):
        assert gust.std() == pytest.approx(expected, rel=0.12)
    lag = round(length / speed / step)
    correlation = np.corrcoef(along[:-lag], along[lag:])[0, 1]
    assert correlation == pytest.approx(np.exp(-lag * step * speed / length), abs=0.1)


def test_smooth_error_has_unit_variance_whatever_the_step() -> None:
    for step in (0.02, 0.2):
        x = smooth_error(int(20_000 / step), step, 10.0, np.random.default_rng(1))
        assert x.std() == pytest.approx(1, rel=0.06)
        assert np.abs(np.diff(x)).max() < step


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "loop"}, "kind 'loop' is unknown"),
        ({"airspeed_m_s": 0}, "airspeed_m_s is 0; expected a positive"),
        ({"headwind_m_s": 80}, "makes no headway"),
        ({"frame_rate_hz": 100}, "frame_rate_hz is 100; at most 50"),
        ({"start_m": 10}, "start_m is 10; expected 500"),
        ({"localizer_deg": -1}, "must not be negative"),
        ({"airspeed_m_s": float("nan")}, "airspeed_m_s is nan"),
    ],
)
def test_what_cannot_be_flown_is_explained(
    db: RunwayDatabase, change: dict[str, object], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        sequence(SPEC, db, "LFPO", "24", Flight(**change))  # type: ignore[arg-type]


def test_cli_sequence(tmp_path: Path) -> None:
    out = tmp_path / "s.parquet"
    given = ["scenario", "sequence", "--odd", str(ODD), "--airport", "LFPO", "--out", str(out)]
    result = CliRunner().invoke(main, [*given, "--runway", "24", "--crosswind-m-s", "-6"])
    assert result.exit_code == 0, result.output
    assert pl.read_parquet(out)["yaw_offset_deg"].mean() < -2
    bad = CliRunner().invoke(main, [*given, "--runway", "99"])
    assert bad.exit_code == 2 and bad.output.startswith("lard: ")
