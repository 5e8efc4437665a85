"""Coverage counts, holes, cost, and what sample sizes allow one to say."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lard.airports import load_shipped
from lard.errors import DataError, SpecError
from lard.odd import load_spec
from lard.odd.axes import Axis, axes_of, axis_of
from lard.odd.cells import cells_of
from lard.odd.coverage import (
    centred_discrepancy,
    coverage,
    emptiest,
    monte_carlo_discrepancy,
    obeying,
)
from lard.odd.coverage_text import summary, text
from lard.odd.drawing import quantiles
from lard.odd.filling import fill_plan
from lard.odd.laws import Law
from lard.odd.parameters import APPROACH
from lard.odd.reader import parse_spec
from lard.odd.schema import json_schema
from lard.odd.spec import OddSpec
from lard.odd.statistics import clopper_pearson, failure_bound, samples_needed
from lard.odd.yamlfile import Faults
from lard.scenario import fill, sample

SPEC = load_spec(Path(__file__).parent.parent / "odd_specs" / "lard_v2.yaml")


def plain_spec(**sections: Any) -> OddSpec:
    zone = {name: list(SPEC.zones[1].laws[name].range) for name in APPROACH}
    faults = Faults("x")
    spec = parse_spec({"name": "x", "version": "1", "zones": {"z": zone}, **sections}, faults)
    assert spec is not None, faults.found
    return spec


def table_of(spec: OddSpec, n: int, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    zone = spec.zones[0]
    columns = {name: rng.uniform(*zone.laws[name].range, n) for name in APPROACH}
    return pl.DataFrame({"zone": [zone.name] * n, "airport": [f"A{k % 3}" for k in range(n)], **columns})


def test_counts_are_those_of_a_plain_loop() -> None:
    spec = plain_spec()
    table = table_of(spec, 57)
    zone = coverage(spec, table, bins=3, strengths=(1, 2, 3))[0]
    for ways in zone.ways.values():
        for combo, counts in zip(ways.combos, ways.counts, strict=True):
            expected = np.zeros_like(counts)
            for row in table.iter_rows(named=True):
                cell = []
                for k in combo:
                    lo, hi = spec.zones[0].laws[APPROACH[k]].range
                    cell.append(min(int((row[APPROACH[k]] - lo) / (hi - lo) * 3), 2))
                expected[tuple(cell)] += 1
            assert np.array_equal(counts, expected)
    assert zone.ways[2].total == 15 * 9 and zone.ways[3].total == 20 * 27


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=20))
def test_bins_hold_their_values(values: list[float]) -> None:
    axis = Axis("x", edges=np.linspace(-2, 3, 6))
    for value, index in zip(values, axis.indices(np.array(values, float)), strict=True):
        if -2 <= value <= 3:
            assert axis.edges is not None
            assert axis.edges[index] <= value <= axis.edges[index + 1]
        else:
            assert index == -1


def test_environment_categories_and_values_are_axes() -> None:
    spec = plain_spec(environment={"light": ["day", "night"], "rain_mm_h": {"values": [0, 5, 20]}})
    table = sample(spec, load_shipped(), ["KATL"], 200)
    zone = coverage(spec, table, bins=4, strengths=(2,))[0]
    sizes = {axis.name: axis.size for axis in zone.axes}
    assert sizes == {**dict.fromkeys(APPROACH, 4), "light": 2, "rain_mm_h": 3}
    assert zone.ways[2].fraction() == 1


def test_rules_take_cells_out_of_the_count_and_witnesses_obey_them() -> None:
    rule = {"name": "bank", "when": {"along_track_m": [2500, 3500]}, "require": {"roll_deg": [-3, 3]}}
    spec = plain_spec(rules=[rule])
    table = sample(spec, load_shipped(), ["KATL"], 40)
    zone = coverage(spec, table, bins=5, strengths=(2,))[0]
    # distances are cut at 2500, 2900, 3300, 3700 ...: two bins keep one roll bin of five
    assert zone.ways[2].total == 15 * 25 - 2 * 4
    for cell in emptiest(spec, zone, 2, 30):
        assert cell.witness is not None
        point = {name: np.array([value]) for name, value in cell.witness.items()}
        assert obeying(spec, point)[0]


def test_cost_is_what_filling_takes() -> None:
    spec = plain_spec()
    empty = table_of(spec, 0)
    zone = coverage(spec, empty, bins=4, strengths=(1, 2, 3))[0]
    assert len(fill_plan(zone, 1)) == 4
    # 16 is the least there can be for pairs of 4 bins, 64 for triples
    assert 16 <= len(fill_plan(zone, 2)) <= 32 and 64 <= len(fill_plan(zone, 3)) <= 160
    assert len(fill_plan(zone, 2, target=0.5)) <= 10
    assert len(fill_plan(zone, 1, at_least=3)) == 12


@pytest.mark.parametrize("strength", [1, 2, 3])
def test_filling_meets_the_target_and_keeps_to_rules_and_laws(strength: int) -> None:
    spec = plain_spec(
        environment={
            "light": {"day": 1, "night": 1},
            "visibility_m": {"range": [800, 20_000], "law": "log_uniform"},
            "season": ["winter", "summer"],
        },
        rules=[{"name": "bank", "when": {"along_track_m": [2500, 3500]}, "require": {"roll_deg": [-3, 3]}}],
    )
    db, airports = load_shipped(), ["KATL", "YSSY", "LFPO"]
    table = sample(spec, db, airports, 30, split={"test": ["YSSY"]})
    found = fill(spec, db, airports, table, t=strength, bins=4, seed=1)
    both = pl.concat([table, found.frames])
    assert found.impossible == {"z": 0} and both["frame_id"].is_unique().all()
    zone = coverage(spec, both, bins=4, strengths=(strength,))[0]
    assert zone.ways[strength].fraction() == 1 and zone.outside == 0
    near = both.filter(pl.col("along_track_m") <= 3500)
    assert near["roll_deg"].abs().max() <= 3
    assert set(both.filter(pl.col("airport") == "YSSY")["split"]) == {"test"}
    assert fill(spec, db, airports, both, t=strength, bins=4).frames.is_empty()


def test_discrepancy_of_independent_points_is_as_predicted() -> None:
    rng = np.random.default_rng(0)
    found = np.mean([centred_discrepancy(rng.random((200, 4))) for _ in range(60)])
    assert found == pytest.approx(monte_carlo_discrepancy(200, 4), rel=0.1)


def test_summary_is_readable_and_names_holes() -> None:
    table = sample(SPEC, load_shipped(), ["KATL", "LFPO"], 60)
    found = summary(SPEC, coverage(SPEC, table), limit=2)
    words = text(found)
    assert "far: 20 frames of 2 airports" in words and "hole (2-way)" in words
    assert found["far"]["ways"]["2"]["fraction"] < 1 and len(found["far"]["emptiest"]["2"]) == 2


@pytest.mark.parametrize("rows", [1, 30])
def test_what_frames_do_not_tell_lies_outside_and_leaves_every_number_finite(rows: int) -> None:
    frames = sample(SPEC, load_shipped(), ["LFPO"], 30, 1)
    hidden = pl.int_range(pl.len()) < rows
    frames = frames.with_columns(yaw_offset_deg=pl.when(hidden).then(None).otherwise("yaw_offset_deg"))
    found = summary(SPEC, coverage(SPEC, frames, 3, (1,)))
    assert sum(zone["outside"] for zone in found.values()) == rows
    json.dumps(found, allow_nan=False)


def test_wrong_tables_are_explained() -> None:
    with pytest.raises(DataError, match="lacks zone, airport, along_track_m"):
        coverage(SPEC, pl.DataFrame({"x": [1]}))
    with pytest.raises(DataError, match=r"has the zones z, ODD lard_v2 has far, medium, close"):
        coverage(SPEC, table_of(plain_spec(), 3))
    with pytest.raises(SpecError, match="0 bins"):
        coverage(SPEC, table_of(plain_spec(), 3), bins=0)


@pytest.mark.parametrize("target", [0, 1.5, float("nan")])
def test_impossible_targets_are_explained(target: float) -> None:
    with pytest.raises(SpecError, match="target coverage is"):
        fill(plain_spec(), load_shipped(), ["KATL"], table_of(plain_spec(), 3), target=target)


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(1, 300), st.floats(0.5, 0.999))
def test_clopper_pearson_is_the_exact_interval(failures: int, samples: int, confidence: float) -> None:
    failures = min(failures, samples)
    ours = clopper_pearson(failures, samples, confidence)
    theirs = stats.binomtest(failures, samples).proportion_ci(confidence, "exact")
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_rule_of_three() -> None:
    assert samples_needed(0.01) == 299
    assert failure_bound(299) < 0.01 < failure_bound(298)
    assert failure_bound(1000) == pytest.approx(3 / 1000, rel=0.01)
    assert failure_bound(0) == 1 and clopper_pearson(0, 0) == (0, 1)
    for call in (lambda: samples_needed(0), lambda: failure_bound(5, 1.0), lambda: clopper_pearson(3, 2)):
        with pytest.raises(DataError):
            call()


def test_schema_knows_every_section_and_unit() -> None:
    schema = json_schema()
    zone = schema["properties"]["zones"]["additionalProperties"]["properties"]
    assert {"along_track_m", "along_track_nm", "roll_deg", "share"} <= set(zone)
    assert schema["properties"]["environment"]["properties"]["light"]["oneOf"][0] == {
        "enum": ["day", "dusk", "night"]
    }


def cells_and_points(rules: list[dict[str, Any]], bins: int) -> tuple[OddSpec, Any, dict[str, Any]]:
    """A spec, its cells, and 200,000 random points of its laws that obey its rules."""
    spec = plain_spec(
        environment={
            "rain_mm_h": {"values": {0: 7, 2: 2, 8: 1}},
            "visibility_m": [1000, 20_000],
            "light": ["day", "night"],
            "lens_drops": [0, 3],
        },
        rules=rules,
    )
    rng = np.random.default_rng(0)
    laws = {**spec.zones[0].laws, **spec.environment}
    points = {name: quantiles(name, law, rng.random(200_000)) for name, law in laws.items()}
    good = obeying(spec, points)
    columns = [*points]
    cells = cells_of(spec, spec.zones[0], axes_of(spec, spec.zones[0], bins, columns))
    return spec, cells, {name: values[good] for name, values in points.items()}


RULES = {
    "ranges": [{"name": "r", "when": {"rain_mm_h": [1, 9]}, "require": {"visibility_m": [1000, 3000]}}],
    "a thin sliver": [
        {
            "name": "r",
            "when": {"rain_mm_h": [5, 9], "light": ["night"]},
            "require": {"visibility_m": [1000, 1200]},
        },
        {"name": "s", "when": {"visibility_m": [1000, 1100]}, "require": {"roll_deg": [-1, 0]}},
    ],
    "a limit that moves": [
        {
            "name": "f",
            "require": {"roll_deg": {"by": "along_track_m", "points": [[2500, -0.5, 0.5], [4500, -15, 15]]}},
        },
        {"name": "r", "when": {"rain_mm_h": 0}, "require": {"lens_drops": 0}},
    ],
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("t", [1, 2, 3])
def test_no_cell_that_points_reach_is_struck_out(name: str, t: int) -> None:
    spec, cells, points = cells_and_points(RULES[name], 5)
    indices = np.column_stack([axis.indices(points[axis.name]) for axis in cells.axes])
    struck, unreached = 0, []
    for combo in combinations(range(len(cells.axes)), t):
        allowed = cells.allowed(combo)
        counts = np.zeros(allowed.shape, int)
        np.add.at(counts, tuple(indices[:, combo].T), 1)
        struck += int(((counts > 0) & ~allowed).sum())
        unreached += [(combo, where) for where in np.argwhere((counts == 0) & allowed)]
    assert struck == 0
    if name == "a limit that moves":
        dry, drops = (k for k, axis in enumerate(cells.axes) if axis.name in ("rain_mm_h", "lens_drops"))
        assert cells.allowed((dry, drops))[0].tolist() == [True, False, False, False]
    # what no random point reaches has a witness of its own
    for combo, where in unreached[:60]:
        point = cells.witness(combo, where)
        assert point is not None
        assert obeying(spec, {key: np.array([value]) for key, value in point.items()})[0]
        for k, b in zip(combo, where, strict=True):
            assert cells.axes[k].indices(np.array([point[cells.axes[k].name]]))[0] == b


def test_forbidden_bins_are_not_the_fewest() -> None:
    rules = [{"name": "flat", "require": {"roll_deg": [-3, 3]}}]
    spec = plain_spec(rules=rules, environment={"lens_drops": [0, 3]})
    table = sample(spec, load_shipped(), ["KATL"], 200)
    zone = coverage(spec, table, bins=5, strengths=(1,))
    found = summary(spec, zone)["z"]["bins"]
    # of -15..-9, -9..-3, -3..3 ... the rule leaves the middle one
    assert found["roll_deg"]["allowed"] == [False, False, True, False, False]
    row = next(line for line in text(summary(spec, zone)).splitlines() if line.startswith("  roll_deg"))
    assert row.split() == ["roll_deg", "1", "of", "5", "200", "200.0", "1"]
    # four whole numbers are four bins, not five with an empty one
    assert found["lens_drops"]["labels"] == ["0", "1", "2", "3"] and zone[0].ways[1].fraction() == 1


def test_bins_of_whole_numbers_lie_between_them() -> None:
    axis = axis_of("jpeg_quality", Law(range=(70, 98)), 5)
    numbers = np.arange(70, 99)
    index = axis.indices(numbers.astype(float))
    assert index.min() == 0 and index.max() == 4 and (np.bincount(index) >= 5).all()
    assert axis.label(0) == "70..75" and axis.indices(np.array([69.0, 99.0])).tolist() == [-1, -1]


def test_a_witness_under_a_limit_that_moves_has_values_of_its_laws() -> None:
    rule = {
        "name": "f", "require": {"roll_deg": {"by": "along_track_m", "points": [[280, -1, 1], [6000, -9, 9]]}}
    }  # fmt: skip
    faults = Faults("x")
    zone = {
        **{name: list(SPEC.zones[1].laws[name].range) for name in APPROACH},
        "roll_deg": {"values": [-8, 0, 8]},
    }
    spec = parse_spec({"name": "x", "version": "1", "zones": {"z": zone}, "rules": [rule]}, faults)
    assert spec is not None
    (found,) = coverage(spec, table_of(spec, 0), bins=5, strengths=(2,))
    cells = emptiest(spec, found, 2, limit=200)
    assert len(cells) > 100
    for cell in cells:
        assert cell.witness is not None and cell.witness["roll_deg"] in (-8, 0, 8)
        assert obeying(spec, {name: np.array([value]) for name, value in cell.witness.items()}).all()
    # at 8 degrees of bank nothing is left below some 5000 m
    near = [c for c in cells if c.bins.get("roll_deg") in ("8", "-8") and "along_track_m" in c.bins]
    assert all(float(c.bins["along_track_m"].split("..")[1]) > 5000 for c in near)
