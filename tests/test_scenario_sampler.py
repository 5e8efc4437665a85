"""Samples fill the domain: laws, combinations, discrepancy, balance, same bytes however they are drawn."""

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lard.airports import RunwayDatabase, load_shipped
from lard.approach import Approaches, approach_of
from lard.camera import Poses
from lard.cli import main
from lard.errors import AirportError, SpecError
from lard.geodesy import wrap_deg
from lard.odd import OddSpec, load_spec, verdicts, zone_of
from lard.odd.coverage import coverage
from lard.odd.laws import Law
from lard.odd.parameters import APPROACH
from lard.odd.reader import parse_spec
from lard.odd.yamlfile import Faults
from lard.scenario import draw, sample
from lard.scenario.designs import dealt
from lard.scenario.methods import METHODS
from lard.scenario.sampler import zone_points
from lard.scenario.selection import candidates
from lard.scenario.sun import elevation_deg
from lard.tables import FRAMES

SPECS = Path(__file__).parent.parent / "odd_specs"
SPEC = load_spec(SPECS / "lard_v2.yaml")
AIRPORTS = ["KATL", "LFPO", "EHAM", "EDDF", "YSSY", "FAOR", "OMDB", "LFBO", "RJTT", "EGLL", "PHNL", "BIRK"]


@pytest.fixture(scope="module")
def db() -> RunwayDatabase:
    return load_shipped()


@pytest.fixture(scope="module")
def frames(db: RunwayDatabase) -> pl.DataFrame:
    return sample(SPEC, db, AIRPORTS, 9000, seed=3)


def spec_with(**changes: object) -> OddSpec:
    """LARD V2's medium zone as the only one, with changes at the top level."""
    zone = {name: list(SPEC.zones[1].laws[name].range) for name in APPROACH}
    faults = Faults("x")
    spec = parse_spec({"name": "x", "version": "1", "zones": {"z": zone}, **changes}, faults)
    faults.raise_if_any()
    assert spec is not None
    return spec


def test_every_marginal_follows_its_declared_law(frames: pl.DataFrame) -> None:
    for zone in SPEC.zones:
        table = frames.filter(pl.col("zone") == zone.name)
        assert len(table) == 3000
        for name, law in {**zone.laws, "visibility_m": SPEC.environment["visibility_m"]}.items():
            assert isinstance(law, Law)
            assert stats.kstest(table[name].to_numpy(), law.cdf).pvalue > 0.01, (zone.name, name)


def test_coverage_and_discrepancy(frames: pl.DataFrame) -> None:
    for zone in coverage(SPEC, frames, bins=5, strengths=(1, 2)):
        assert zone.outside == 0
        assert zone.ways[1].fraction() == 1 and zone.ways[2].fraction() == 1
        # scipy's figure is the square of the discrepancy: a third of Monte Carlo's is a ninth here
        assert zone.discrepancy <= zone.monte_carlo / 9


def test_airports_are_dealt_every_weather_and_every_approach(db: RunwayDatabase) -> None:
    """Per airport, Kolmogorov-Smirnov at 5 %: conditions fail as often as chance does, approaches never."""
    settings = yaml.safe_load((SPECS.parent / "params.yaml").read_text())["sample"]
    chosen = candidates(SPEC, db, settings["airports"])
    airports = np.array([airport.icao for airport in chosen.airports])
    zone, n = SPEC.zones[0], 512  # visibility was the same half of its range for 4 bits of the runway
    weather, approach = [], []
    for seed in range(20):
        points = zone_points(SPEC, zone, chosen, n, seed)
        for rows in (airports[points.runway] == name for name in np.unique(airports)):
            for name in ("visibility_m", "local_time_h"):
                law = SPEC.environment[name]
                assert isinstance(law, Law)
                weather.append(stats.kstest(points.environment[name][rows], law.cdf).pvalue)
            for name in APPROACH:
                values = getattr(points.approaches, name)[rows]
                approach.append(stats.kstest(values, zone.laws[name].cdf).pvalue)
    assert 0.03 < np.mean(np.array(weather) < 0.05) < 0.07
    assert np.mean(np.array(weather) < 0.001) < 0.005
    assert np.mean(np.array(approach) < 0.05) < 0.01


@given(n=st.integers(1, 400), more=st.integers(0, 200), seed=st.integers(0, 2**31))
def test_dealing_mixes_blocks_and_keeps_whole_ones_when_n_grows(n: int, more: int, seed: int) -> None:
    order = dealt(n, seed, "x/far")
    assert (np.sort(order) == np.arange(n)).all() and (order // 64 == np.arange(n) // 64).all()
    whole = n // 64 * 64
    assert (dealt(n + more, seed, "x/far")[:whole] == order[:whole]).all()


def test_no_sample_leaves_its_zone(frames: pl.DataFrame) -> None:
    approaches = Approaches.from_table(frames)
    assert (zone_of(SPEC, approaches) == frames["zone"].to_numpy()).all()
    assert (verdicts(SPEC, approaches) == "IN_ODD").all()


def test_poses_measured_back_give_the_drawn_approach(frames: pl.DataFrame, db: RunwayDatabase) -> None:
    for (airport, ident), table in frames.group_by("airport", "runway"):
        runway = db.airport(str(airport)).runway(str(ident))
        back = approach_of(runway, Poses.from_frames(table), SPEC.lateral_apex_m, SPEC.vertical_apex_m)
        for name in APPROACH:
            assert np.allclose(getattr(back, name), table[name], atol=1e-6), name
        offset = wrap_deg(table["yaw_deg"].to_numpy() - runway.heading_deg)
        assert np.allclose(offset, table["yaw_offset_deg"], atol=1e-9)


def as_bytes(table: pl.DataFrame) -> bytes:
    stream = io.BytesIO()
    table.write_parquet(stream, statistics=False)
    return stream.getvalue()


@pytest.mark.parametrize("method", METHODS)
def test_shards_and_the_order_of_airports_change_no_byte(db: RunwayDatabase, method: str) -> None:
    whole = as_bytes(sample(SPEC, db, AIRPORTS, 400, seed=5, method=method, split={"test": 0.3}))
    for k in (1, 2, 7) if method == "sobol" else (2,):
        parts = [
            sample(SPEC, db, AIRPORTS[::-1], 400, 5, method=method, split={"test": 0.3}, shard=(i, k))
            for i in reversed(range(k))
        ]
        assert as_bytes(pl.concat(parts).sort("frame_id")) == whole
    assert as_bytes(sample(SPEC, db, AIRPORTS, 400, seed=6, method=method, split={"test": 0.3})) != whole


def test_table_is_as_declared_and_sorted(frames: pl.DataFrame) -> None:
    assert dict(list(frames.schema.items())[: len(FRAMES)]) == dict(FRAMES)
    assert frames["frame_id"].is_sorted() and frames["frame_id"].is_unique().all()
    assert frames.null_count().sum_horizontal()[0] == 0
    assert frames["time_utc"].str.contains(r"^2024-\d\d-\d\dT\d\d:\d\d:\d\dZ$").all()


def test_airports_headings_and_views_are_balanced(frames: pl.DataFrame) -> None:
    per_airport = frames.group_by("airport").len()["len"]
    assert per_airport.max() - per_airport.min() <= 0.02 * per_airport.mean()
    ends = frames.group_by("airport", "runway").len()
    ratio = ends.group_by("airport").agg(pl.max("len") / pl.min("len"))["len"]
    assert ratio.max() < 5
    # every landing direction of each airport is flown in every zone
    assert frames.group_by("airport", "runway").agg(pl.col("zone").n_unique())["zone"].min() == 3


@pytest.mark.parametrize("n", [1, 2, 5, 100, 1001])
def test_n_is_the_number_of_frames_in_all(db: RunwayDatabase, n: int) -> None:
    counts = sample(SPEC, db, ["LFPO"], n)["zone"].value_counts()["count"]
    assert counts.sum() == n and counts.max() - counts.min() <= 1


def test_shares_of_zones_are_the_specs(db: RunwayDatabase) -> None:
    zones = tuple(z.model_copy(update={"share": s}) for z, s in zip(SPEC.zones, (1, 2, 7), strict=True))
    counts = sample(SPEC.model_copy(update={"zones": zones}), db, ["LFPO"], 100)["zone"].value_counts()
    assert dict(counts.iter_rows()) == {"far": 10, "medium": 20, "close": 70}


def test_rules_are_obeyed_and_the_acceptance_rate_is_told(db: RunwayDatabase) -> None:
    spec = spec_with(
        environment={"light": {"day": 1, "night": 1}, "visibility_m": 9000},
        rules=[
            {"name": "bank", "when": {"along_track_m": [2500, 3500]}, "require": {"roll_deg": [-5, 5]}},
            {
                "name": "funnel",
                "require": {"lateral_deg": {"by": "along_track_m", "points": [[2500, -1, 1], [4500, -3, 3]]}},
            },
            {"name": "lights", "when": {"light": ["night"]}, "require": {"lighted": [True]}},
        ],
    )
    drawn = draw(spec, db, AIRPORTS, 500)
    table = drawn.frames
    assert len(table) == 500
    near = table.filter(pl.col("along_track_m") <= 3500)
    assert near["roll_deg"].abs().max() <= 5
    reach = np.interp(table["along_track_m"], [2500, 4500], [1, 3])
    assert (table["lateral_deg"].abs().to_numpy() <= reach + 1e-12).all()
    # points are bent to obey: only what a moving limit cuts off narrow bins is drawn again
    assert 0.75 < drawn.acceptance["z"] <= 1
    assert {"day", "night"} == set(table["light"])


@pytest.mark.parametrize("light", ["day", "dusk", "night"])
def test_light_means_the_sun_stands_there(db: RunwayDatabase, light: str) -> None:
    table = sample(spec_with(environment={"light": [light]}), db, AIRPORTS, 300)
    assert set(table["light"]) == {light}
    lat = table["lat_deg"].to_numpy()
    sun = elevation_deg(table["day_of_year"].to_numpy(), table["local_time_h"].to_numpy(), lat)
    # the threshold's latitude decides; a camera 4 km off sees the sun within 0.04 degrees of that
    lo, hi = {"day": (0, 90), "dusk": (-6, 0), "night": (-90, -6)}[light]
    assert sun.min() > lo - 0.05 and sun.max() < hi + 0.05


def test_sun_elevation_and_season_are_met_in_both_hemispheres(db: RunwayDatabase) -> None:
    spec = spec_with(environment={"sun_elevation_deg": [5, 15], "season": ["winter"]})
    table = sample(spec, db, ["YSSY", "KATL"], 200)
    assert table["sun_elevation_deg"].is_between(5, 15).all() and set(table["season"]) == {"winter"}
    months = table.with_columns(pl.col("time_utc").str.slice(5, 2).cast(int).alias("month"))
    assert set(months.filter(pl.col("airport") == "KATL")["month"]) <= {12, 1, 2}
    assert set(months.filter(pl.col("airport") == "YSSY")["month"]) <= {5, 6, 7, 8}


def test_sun_over_known_places() -> None:
    # solstice noon at the tropic is overhead; equinox sunrise at six
    assert elevation_deg(np.array([172.0]), np.array([12.0]), np.array([23.44]))[0] > 89
    assert abs(elevation_deg(np.array([80.0]), np.array([6.0]), np.array([45.0]))[0]) < 2


def test_executed_lard_sample_leaves_most_of_the_domain_empty(db: RunwayDatabase) -> None:
    table = sample(SPEC, db, AIRPORTS, 3000, method="lard-v2-executed")
    zones = coverage(SPEC, table, bins=5, strengths=(2,))
    assert max(zone.ways[2].fraction() for zone in zones) < 0.95
    assert sum(zone.outside for zone in zones) > 0.1 * len(table)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runways": {"length_m": [6000, 7000]}}, r"runways\.length_m: \[6000, 7000\] admits 0 of"),
        ({"runways": {"surface": ["snow"]}}, r"runways\.surface: snow admits 0 of"),
        (
            {
                "environment": {"light": ["night"]},
                "rules": [
                    {"name": "dark", "when": {"light": ["night"]}, "require": {"lighted": [False]}},
                    {"name": "level", "require": {"roll_deg": [-5, 5]}},
                ],
            },
            r"rules 'dark' \(holds for 0\.00%\) admits almost nothing",
        ),
        ({"environment": {"sun_elevation_deg": [89.9, 90], "day_of_year": 1}}, "the sun never stands"),
    ],
)
def test_what_cannot_be_satisfied_is_explained(
    db: RunwayDatabase, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        sample(spec_with(**changes), db, ["KATL", "LFPO"], 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "0 frames were asked for; expected at least 1"),
        ({"n": 10, "seed": -1}, "seed is -1"),
        ({"n": 10, "method": "magic"}, "unknown sampling method 'magic'"),
        ({"n": 10, "shard": (7, 7)}, "shard 7 of 7 does not exist"),
        ({"n": 10, "split": {"train": 0.5}}, "unknown set train"),
        ({"n": 10, "split": {"test": 1.0}}, "must be at least 0 and leave some airports"),
        ({"n": 10, "split": {"test": 0.5}}, "too few"),
        ({"n": 10, "split": {"test": ["KATL"]}}, "KATL is not among the sampled airports"),
    ],
)
def test_bad_arguments_are_explained(db: RunwayDatabase, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        sample(SPEC, db, ["LFPO"], **arguments)  # type: ignore[arg-type]


def test_unknown_airports_and_none(db: RunwayDatabase) -> None:
    with pytest.raises(AirportError, match="LFPQ"):
        sample(SPEC, db, ["LFPQ"], 10)
    with pytest.raises(SpecError, match="no airport was named"):
        sample(SPEC, db, [], 10)


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ("day_of_year", "column day_of_year holds List(Float64); expected numbers"),
        ("odd", "column odd has type List("),
    ],
)
def test_filling_names_columns_that_hold_something_else(tmp_path: Path, column: str, told: str) -> None:
    run, table, out = CliRunner(), tmp_path / "f.parquet", tmp_path / "x.parquet"
    words = ["--odd", str(SPECS / "lard_v2.yaml"), "--airports", "LFPO", "--out"]
    assert run.invoke(main, ["scenario", "sample", *words, str(table), "--n", "6"]).exit_code == 0
    pl.read_parquet(table).with_columns(pl.concat_list(column).alias(column)).write_parquet(table)
    found = run.invoke(main, ["scenario", "fill", str(table), *words, str(out), "--t", "1"])
    assert found.exit_code == 2 and told in found.output, found.output
    assert "f.parquet: " in found.output and not out.exists()


def test_cli_samples_fills_and_covers(tmp_path: Path) -> None:
    run = CliRunner().invoke
    odd, frames, more = str(SPECS / "lard_v2.yaml"), str(tmp_path / "f.parquet"), str(tmp_path / "g.parquet")
    where = ["--odd", odd, "--airports", "LFPO, EHAM"]
    made = run(main, ["scenario", "sample", *where, "--n", "90", "--seed", "1", "--out", frames])
    assert made.exit_code == 0, made.output
    short = run(main, ["odd", "coverage", frames, "--odd", odd, "--t", "2", "--target", "1"])
    assert short.exit_code == 1 and "more frames fill the rest" in short.output
    filled = run(main, ["scenario", "fill", frames, *where, "--merge", "--out", more])
    assert filled.exit_code == 0, filled.output
    full = run(main, ["odd", "coverage", more, "--odd", odd, "--t", "2", "--target", "1"])
    assert full.exit_code == 0, full.output


@pytest.mark.parametrize(
    "options",
    [["--airports", "XXXX"], ["--n", "0"], ["--odd", "no.yaml"], ["--shard", "x"], ["--split", "val"]],
)
def test_cli_bad_input_is_one_message_and_writes_nothing(tmp_path: Path, options: list[str]) -> None:
    out = tmp_path / "f.parquet"
    given = {"--odd": str(SPECS / "lard_v2.yaml"), "--airports": "LFPO", "--n": "9", "--out": str(out)}
    given |= dict([options])
    result = CliRunner().invoke(main, ["scenario", "sample", *(x for pair in given.items() for x in pair)])
    assert result.exit_code == 2 and result.output.startswith("lard: ")
    assert not list(tmp_path.iterdir())


def test_airports_without_a_fit_runway_are_told(db: RunwayDatabase) -> None:
    drawn = draw(spec_with(runways={"length_m": [3000, 6000]}), db, ["KATL", "BIRK"], 10)
    assert drawn.left_out == ("BIRK",) and set(drawn.frames["airport"]) == {"KATL"}


def test_the_example_of_everything_can_be_sampled_and_covered(db: RunwayDatabase) -> None:
    spec = load_spec(SPECS / "all_weather.yaml")
    table = sample(spec, db, ["KATL", "YSSY"], 300, seed=2)
    assert dict(table["zone"].value_counts().iter_rows()) == {"long_final": 200, "short_final": 100}
    assert table.filter(pl.col("rain_mm_h") > 1)["cloud_fraction"].min() >= 0.5
    assert table.filter(pl.col("rain_mm_h") > 5)["visibility_m"].max() <= 10_000
    assert set(table["light"]) == {"day", "dusk", "night"} and table["season"].n_unique() == 4
    for zone in coverage(spec, table, bins=3, strengths=(1,)):
        assert zone.ways[1].fraction() == 1
