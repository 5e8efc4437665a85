"""Verdicts by environment, runway and every rule: ranges, margins, and what cannot be judged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lard.approach import Approaches
from lard.errors import DataError, SpecError
from lard.odd import OddSpec, judge, load_spec, verdicts
from lard.odd.context import needed_parameters
from lard.odd.reader import parse_spec
from lard.odd.show import describe
from lard.odd.yamlfile import Faults

BOX = {
    "along_track_m": [1000, 2000], "lateral_deg": [-2, 2], "vertical_deg": [2, 4], "yaw_offset_deg": [-5, 5],
    "pitch_deg": [-8, 0], "roll_deg": [-10, 10],
}  # fmt: skip
MIDDLE = [1500.0, 0.0, 3.0, 0.0, -4.0, 0.0]


def spec_of(**sections: Any) -> OddSpec:
    faults = Faults("x")
    spec = parse_spec({"name": "x", "version": "1", "zones": {"z": BOX}, **sections}, faults)
    faults.raise_if_any()
    assert spec is not None
    return spec


def middle(n: int) -> Approaches:
    return Approaches(*np.tile(MIDDLE, (n, 1)).T)


def test_environment_and_runway_limits_count_with_their_margins() -> None:
    spec = spec_of(
        environment={"visibility_m": [5000, 9000], "light": ["day"]},
        runways={"width_m": [40, 60]},
        margins={"in": {"visibility_m": 10}, "extended": {"visibility_m": [1000, 10], "width_m": 5}},
    )
    rows = [
        (7000, "day", 45, "IN_ODD"), (4990, "day", 45, "IN_ODD"), (4989, "day", 45, "IN_EXTENDED_ODD"),
        (3999, "day", 45, "OUT_OF_ODD"), (9011, "day", 45, "OUT_OF_ODD"), (7000, "night", 45, "OUT_OF_ODD"),
        (7000, "day", 39, "IN_EXTENDED_ODD"), (7000, "day", 34, "OUT_OF_ODD"), (200, "day", 45, "OUT_OF_ODD"),
    ]  # fmt: skip
    context = {
        "visibility_m": np.array([row[0] for row in rows], float),
        "light": np.array([row[1] for row in rows]),
        "width_m": np.array([row[2] for row in rows], float),
    }
    points = middle(len(rows))
    assert verdicts(spec, points, context).tolist() == [row[3] for row in rows]
    judged = judge(spec, points, context)
    assert judged.verdict.tolist() == [row[3] for row in rows]
    assert judged.margins["visibility_m"][:3].tolist() == [2000, -10, -11]
    assert judged.margins["light"].tolist() == [-1 if row[1] == "night" else 1 for row in rows]
    assert judged.worst.tolist()[3:9] == ["visibility_m"] * 2 + ["light"] + ["width_m"] * 2 + ["visibility_m"]
    assert judged.worst_margin[3] == -1001 and judged.worst_margin[6] == -1
    assert "5000..9000 (margins: in 10, extended -1000 +10)" in describe(spec)
    # without a context the approach alone is judged
    assert set(verdicts(spec, points)) == {"IN_ODD"}


RULES = [
    {"name": "home", "when": {"country": ["FR"]}, "require": {"roll_deg": [-5, 5]}},
    {"name": "many", "when": {"strips_in_view": [2, 9]}, "require": {"rain_mm_h": 0}},
    {"name": "lights", "when": {"light": ["night"]}, "require": {"lighted": [True]}},
]
FULL: dict[str, np.ndarray] = {
    "rain_mm_h": np.array([0.0, 2.0]), "country": np.array(["FR", "US"]),
    "strips_in_view": np.array([1.0, 2.0]), "light": np.array(["day", "night"]),
    "lighted": np.array([False, True]),
}  # fmt: skip


def test_every_rule_is_judged_and_each_gap_named_at_once() -> None:
    spec = spec_of(rules=RULES, environment={"rain_mm_h": [0, 5], "light": ["day", "night"]})
    assert set(needed_parameters(spec)) == set(FULL)
    tilted = Approaches(*np.array([[*MIDDLE[:5], 7.0], MIDDLE]).T)
    assert verdicts(spec, tilted, FULL).tolist() == ["OUT_OF_ODD", "OUT_OF_ODD"]
    assert judge(spec, tilted, FULL).rule.tolist() == ["home", "many"]
    with pytest.raises(DataError) as caught:
        verdicts(spec, tilted, {})
    lines = str(caught.value).splitlines()
    assert len(lines) == 5 and all("cannot be judged; fill the column" in line for line in lines)
    assert any("column country is missing, so that rule 'home' of ODD x 1" in line for line in lines)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(FULL)), st.integers(0, 1), st.booleans())
def test_a_null_switches_nothing_off(name: str, row: int, through_judge: bool) -> None:
    spec = spec_of(rules=RULES, environment={"rain_mm_h": [0, 5], "light": ["day", "night"]})
    values = FULL[name].astype(object)
    values[row] = None
    nulled = values.astype(float) if name in ("rain_mm_h", "strips_in_view") else values
    with pytest.raises(DataError, match=f"column {name} is null in 1 of 2 rows"):
        (judge if through_judge else verdicts)(spec, middle(2), {**FULL, name: nulled})


def test_columns_of_another_kind_or_length_are_refused() -> None:
    spec = spec_of(environment={"visibility_m": [1, 9]})
    with pytest.raises(DataError, match="holds str"):
        verdicts(spec, middle(2), {"visibility_m": np.array(["3", "4"])})
    with pytest.raises(DataError, match="has 3 values for 2 approaches"):
        verdicts(spec, middle(2), {"visibility_m": np.ones(3)})


def test_a_fixed_value_bears_the_rounding_of_a_calculation() -> None:
    spec = spec_of(environment={"sun_elevation_deg": 10})
    sun = np.array([10.0, 10 + 1e-12, 10 - 1e-12, 10.001])
    assert verdicts(spec, middle(4), {"sun_elevation_deg": sun}).tolist() == ["IN_ODD"] * 3 + ["OUT_OF_ODD"]


@pytest.mark.parametrize(
    ("margins", "message"),
    [
        ({"in": {"light": 1}}, "margins.in.light: has categories, which no margin widens"),
        ({"in": {"visibility_m": 5}}, "is wider than the extended margin"),
        ({"in": {"visibility_m": -5}}, "expected a width"),
    ],
)
def test_bad_margins_are_explained(margins: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        spec_of(margins=margins, environment={"visibility_m": [1000, 2000], "light": ["day"]})


def test_the_shipped_specs_ask_for_what_samples_have() -> None:
    spec = load_spec(Path(__file__).parent.parent / "odd_specs" / "lard_v2.yaml")
    assert set(needed_parameters(spec)) == {"visibility_m", "local_time_h", "day_of_year"}
