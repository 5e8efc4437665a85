"""Labels judged by the whole spec: what the sampler obeys, the verdicts obey."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from lard.airports import RunwayDatabase, load_shipped
from lard.cli import main
from lard.errors import DataError, SpecError
from lard.labels import label_frames
from lard.labels.verdict import assume, clock_values
from lard.odd import OddSpec, load_spec
from lard.odd.reader import parse_spec
from lard.odd.yamlfile import Faults
from lard.scenario import sample
from lard.tables import FRAMES, LABELS, read_table, write_table

SPECS = Path(__file__).parents[1] / "odd_specs"
V2 = load_spec(SPECS / "lard_v2.yaml")


@pytest.fixture(scope="module")
def db() -> RunwayDatabase:
    return load_shipped()


@pytest.fixture(scope="module")
def frames(db: RunwayDatabase) -> pl.DataFrame:
    return sample(V2, db, ["KATL", "LFPO", "YSSY"], 60, 1)


def changed(**sections: Any) -> OddSpec:
    faults = Faults("x")
    zones = {z.name: {name: list(law.range) for name, law in z.laws.items()} for z in V2.zones}
    margins = {level: {name: list(pair) for name, pair in m.items()} for level, m in V2.margins.items()}
    spec = parse_spec({"name": "x", "version": "1", "zones": zones, "margins": margins, **sections}, faults)
    faults.raise_if_any()
    assert spec is not None
    return spec


def targets(frames: pl.DataFrame, db: RunwayDatabase, spec: OddSpec) -> pl.DataFrame:
    return label_frames(frames, db, spec).filter("is_target")


@pytest.mark.parametrize("name", ["lard_v2", "all_weather", "lard_v1_cone"])
def test_what_a_spec_draws_is_in_its_domain(db: RunwayDatabase, name: str) -> None:
    spec = load_spec(SPECS / f"{name}.yaml")
    drawn = sample(spec, db, ["KATL", "LFPO", "YSSY"], 90, 2)
    assert set(targets(drawn, db, spec)["verdict"]) == {"IN_ODD"}


def test_runways_and_weather_out_of_range_are_out(frames: pl.DataFrame, db: RunwayDatabase) -> None:
    widths = {(a.icao, r.ident): r.width_m for a in db.airports.values() for r in a.runways}
    found = targets(frames, db, changed(runways={"width_m": [50, 70]}))
    wide = [widths[key] >= 50 for key in found.select("airport", "runway").iter_rows()]
    assert (found["verdict"] == "IN_ODD").to_list() == wide and any(wide) and not all(wide)
    foggy = frames.with_columns(visibility_m=pl.lit(200.0))
    assert set(label_frames(foggy, db, V2)["verdict"]) == {"OUT_OF_ODD"}


@pytest.mark.parametrize(
    "when", [{"country": ["FR"]}, {"strips_in_view": [2, 9]}, {"length_m": [3000, 5000]}, {"lighted": [True]}]
)
def test_rules_on_runways_are_judged_as_the_sampler_obeys_them(
    frames: pl.DataFrame, db: RunwayDatabase, when: dict[str, Any]
) -> None:
    rule = {"name": "r", "when": when, "require": {"roll_deg": [-2, 2]}}
    spec = changed(rules=[rule])
    assert set(targets(sample(spec, db, ["KATL", "LFPO", "YSSY"], 60, 1), db, spec)["verdict"]) == {"IN_ODD"}
    free = targets(frames, db, changed())["verdict"]
    ruled = targets(frames, db, spec)["verdict"]
    assert (ruled != free).sum() > 5


def test_what_cannot_be_judged_is_an_error_that_names_the_column(
    frames: pl.DataFrame, db: RunwayDatabase
) -> None:
    spec = load_spec(SPECS / "all_weather.yaml")
    holes = frames.with_columns(visibility_m=pl.lit(None, pl.Float64))
    with pytest.raises(DataError) as caught:
        label_frames(holes, db, spec)
    text = str(caught.value)
    assert f"column visibility_m is null in 60 of 60 frames (first: {frames['frame_id'][0]})" in text
    assert (
        "column wetness_fraction is missing, so that environment.wetness_fraction of ODD all_weather" in text
    )
    assert len(text.splitlines()) == 1 + len([n for n in spec.environment if n not in frames.columns])
    one = frames.with_columns(
        visibility_m=pl.when(pl.int_range(pl.len()) == 7).then(None).otherwise("visibility_m")
    )
    with pytest.raises(DataError, match=f"null in 1 of 60 frames \\(first: {frames['frame_id'][7]}\\)"):
        label_frames(one, db, V2)


def test_time_and_place_tell_the_clock_where_columns_do_not(frames: pl.DataFrame, db: RunwayDatabase) -> None:
    for (icao,), part in frames.group_by("airport"):
        clock = clock_values(part, db.airport(str(icao)).runways[0].ltp[0])
        assert np.abs(clock["local_time_h"] - part["local_time_h"].to_numpy()).max() < 1 / 3600
        assert np.array_equal(clock["day_of_year"], part["day_of_year"].to_numpy())
        assert clock["light"].tolist() == part["light"].to_list()
    bare = frames.drop("local_time_h", "day_of_year", "light", "season", "sun_elevation_deg")
    assert label_frames(bare, db, V2).equals(label_frames(frames, db, V2))
    for text in ("noon", "2024-08-30T25:00:00Z", "2024-08-30", "2024-08-30T12:00:00+02:00"):
        with pytest.raises(DataError, match=f"'{re.escape(text)}' of frame .* is no time in UTC such as"):
            label_frames(bare.with_columns(time_utc=pl.lit(text)), db, V2)


@given(st.datetimes(datetime(1980, 1, 1), datetime(2099, 12, 31)), st.floats(-180, 180))
def test_days_are_those_of_a_leap_year(time: datetime, lon_deg: float) -> None:
    """The same month and day is the same day in every year."""
    frames = pl.DataFrame(
        {"frame_id": ["a"], "time_utc": [f"{time:%Y-%m-%dT%H:%M:%SZ}"], "lon_deg": [lon_deg]}
    )
    local = time.replace(microsecond=0) + timedelta(hours=lon_deg / 15)
    assume_near = abs(local.hour * 3600 + local.minute * 60 + local.second - 43200) < 43190
    if assume_near:  # within ten seconds of midnight rounding decides
        assert clock_values(frames, 40.0)["day_of_year"][0] == int(f"{local.replace(year=2024):%j}")


def test_stated_values_fill_what_is_not_told(frames: pl.DataFrame, tmp_path: Path) -> None:
    part = frames.with_columns(
        visibility_m=pl.when(pl.int_range(pl.len()) < 3).then(None).otherwise("visibility_m")
    )
    filled = assume(part, {"visibility_m": "20000", "light": "day", "lens_drops": "0"})
    assert filled["visibility_m"].to_list() == [20000.0] * 3 + frames["visibility_m"].to_list()[3:]
    assert filled["light"].to_list() == frames["light"].to_list() and set(filled["lens_drops"]) == {0.0}
    write_table(part, tmp_path / "f.parquet", FRAMES)

    def label(*more: str) -> Any:
        out = str(tmp_path / "l.parquet")
        odd = str(SPECS / "lard_v2.yaml")
        return CliRunner().invoke(
            main, ["label", str(tmp_path / "f.parquet"), "--odd", odd, "--out", out, *more]
        )

    refused = label()
    assert (
        refused.exit_code == 2
        and "state one value for all with --assume visibility_m=VALUE" in refused.output
    )
    assert not (tmp_path / "l.parquet").exists()
    assert label("--assume", "visibility_m=20000").exit_code == 0
    assert len(read_table(tmp_path / "l.parquet", LABELS))
    for text, message in (
        ("visibility_m", "expected NAME=VALUE"), ("visibility_m=far", "expected a number of m"),
        ("visibility_m=-1", "outside the possible"), ("light=noon", "expected one of day, dusk, night"),
        ("country=FR", "no parameter of the environment"), ("lens_drops=1.5", "expected a whole number"),
        ("visibility_m=nan", "outside the possible"), ("light=day", "every frame states its own light"),
    ):  # fmt: skip
        bad = label("--assume", text)
        assert bad.exit_code == 2 and message in bad.output, bad.output
    twice = label("--assume", "visibility_m=20000", "--assume", "visibility_m=9000")
    assert twice.exit_code == 2 and "a name is given twice" in twice.output
    # what time and place tell is not assumed to be otherwise
    bare = frames.drop("light", "local_time_h", "day_of_year", "season", "sun_elevation_deg")
    with pytest.raises(DataError, match="light=night: the frames' time_utc tells it"):
        assume(bare, {"light": "night"})
    dark = assume(bare.with_columns(time_utc=pl.lit(None, pl.String)), {"light": "night"})
    assert set(dark["light"]) == {"night"}


def test_words_that_are_none_and_runways_of_no_known_country_are_refused(
    frames: pl.DataFrame, db: RunwayDatabase
) -> None:
    spec = changed(environment={"light": ["day"]})
    odd = frames.with_columns(light=pl.lit("Day"))
    with pytest.raises(DataError, match=r"column light: unknown 'Day'.*expected some of day, dusk, night"):
        label_frames(odd, db, spec)
    rule = {"name": "home", "when": {"country": ["FR"]}, "require": {"roll_deg": [-2, 2]}}
    nameless = replace(db, airports={i: replace(a, country="") for i, a in db.airports.items()})
    with pytest.raises(
        DataError, match=r"tells no country of (KATL|LFPO|YSSY) .* rule 'home' .* cannot be judged"
    ):
        label_frames(frames, nameless, changed(rules=[rule]))
    with pytest.raises(SpecError, match=r"tells no country of .* which rule 'home' of ODD x asks for"):
        sample(changed(rules=[rule]), nameless, ["KATL"], 10, 1)
    odd_code = replace(db, airports={i: replace(a, country="fr") for i, a in db.airports.items()})
    message = r"^\S+ \S+: country of \w+ \w+: unknown 'fr' \(did you mean FR\?\).*; correct the database$"
    with pytest.raises(DataError, match=message):
        label_frames(frames, odd_code, changed(rules=[rule]))
    # of neighbours, which no approach leads to, it need not be known
    others = {i: a if i == "LFPO" else replace(a, country="") for i, a in db.airports.items()}
    part = frames.filter(pl.col("airport") == "LFPO")
    with_neighbours = label_frames(part, replace(db, airports=others), changed(rules=[rule]))
    assert with_neighbours.equals(label_frames(part, db, changed(rules=[rule])))


def test_a_few_values_are_no_range(frames: pl.DataFrame, db: RunwayDatabase) -> None:
    sections = {"environment": {"rain_mm_h": {"values": [0, 4]}, "cloud_fraction": [0.5, 1]}}
    wet = frames.with_columns(
        rain_mm_h=pl.Series([0.0, 2.0, 3.0, 3.5, 4.0, 4.1] * 10), cloud_fraction=pl.lit(0.7)
    )
    free = targets(frames, db, changed())["verdict"].to_list()
    margins = {level: {name: list(pair) for name, pair in m.items()} for level, m in V2.margins.items()}
    margins["in"]["rain_mm_h"], margins["extended"]["rain_mm_h"] = [0.5, 0.5], [1, 1]
    found = targets(wet, db, changed(**sections, margins=margins)).join(
        wet, on="frame_id", maintain_order="left"
    )
    expected = {
        0.0: "IN_ODD",
        2.0: "OUT_OF_ODD",
        3.0: "IN_EXTENDED_ODD",
        3.5: "IN_ODD",
        4.0: "IN_ODD",
        4.1: "IN_ODD",
    }
    good = np.array(free) == "IN_ODD"
    assert (found["verdict"] == found["rain_mm_h"].replace_strict(expected)).to_numpy()[
        good
    ].all() and good.all()
    from lard.quality.odd import Odd

    odd = Odd.from_spec(changed(**sections, margins=margins), "x")
    values = {
        name: np.zeros(5) + mid for name, mid in zip(odd.zones[0].bounds, (4000, 0, 3, 0, -5, 0), strict=True)
    }
    context = {"rain_mm_h": np.array([0.0, 2, 3, 3.5, 4]), "cloud_fraction": np.full(5, 0.7)}
    assert odd.verdicts(values, 1e-6, context).tolist() == [0, 2, 1, 0, 0]
