"""Verdicts and margins, against a plain loop over the same limits."""

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lard.approach import Approaches
from lard.odd import judge, load_spec, verdicts, zone_of
from lard.odd.parameters import APPROACH
from lard.odd.reader import parse_spec
from lard.odd.spec import OddSpec
from lard.odd.yamlfile import Faults

SPEC = load_spec(Path(__file__).parent.parent / "odd_specs" / "lard_v2.yaml")


def one(**changed: float) -> Approaches:
    values = {
        "along_track_m": 3000.0, "lateral_deg": 0.0, "vertical_deg": 3.0, "yaw_offset_deg": 0.0,
        "pitch_deg": -3.0, "roll_deg": 0.0, **changed,
    }  # fmt: skip
    return Approaches(*(np.array([values[name]]) for name in APPROACH))


def plain_verdict(spec: OddSpec, values: list[float]) -> str:
    for level, verdict in (("in", "IN_ODD"), ("extended", "IN_EXTENDED_ODD")):
        for box in spec.limits(level):
            if all(lo <= x <= hi for x, (lo, hi) in zip(values, box, strict=True)):
                return verdict
    return "OUT_OF_ODD"


@settings(deadline=None)
@given(
    st.tuples(
        st.floats(-500, 9000), st.floats(-12, 12), st.floats(-12, 12), st.floats(-60, 60), st.floats(-40, 30),
        st.floats(-60, 60),
    )
)  # fmt: skip
def test_verdict_is_the_union_over_zones(values: tuple[float, ...]) -> None:
    approach = Approaches(*(np.array([x]) for x in values))
    assert verdicts(SPEC, approach)[0] == plain_verdict(SPEC, list(values))
    judged = judge(SPEC, approach)
    assert judged.verdict[0] == verdicts(SPEC, approach)[0]
    # the parameter named worst is outside exactly when the approach is in no zone
    assert (judged.worst_margin[0] >= 0) == (zone_of(SPEC, approach)[0] != "")
    assert judged.worst_margin[0] == judged.margins[judged.worst[0]][0]


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "IN_ODD"),
        ({"along_track_m": 6100}, "IN_ODD"),
        ({"along_track_m": 6100.1}, "IN_EXTENDED_ODD"),
        ({"along_track_m": 8000.1}, "OUT_OF_ODD"),
        ({"along_track_m": -20.1}, "OUT_OF_ODD"),
        ({"along_track_m": -3000}, "OUT_OF_ODD"),  # beyond the threshold is no approach
        ({"vertical_deg": 6.0}, "IN_ODD"),
        ({"vertical_deg": 6.1}, "OUT_OF_ODD"),
        ({"vertical_deg": 0.9}, "IN_EXTENDED_ODD"),
        ({"roll_deg": 16.5}, "IN_EXTENDED_ODD"),
        ({"roll_deg": float("nan")}, "OUT_OF_ODD"),
        ({"along_track_m": float("inf")}, "OUT_OF_ODD"),
    ],
)
def test_limits_are_lard_v2s_executed_windows(changed: dict[str, float], verdict: str) -> None:
    assert verdicts(SPEC, one(**changed))[0] == verdict


def test_judge_says_which_parameter_fails_and_by_how_much() -> None:
    judged = judge(SPEC, one(along_track_m=2000.0, roll_deg=-22.0))
    assert (judged.zone[0], judged.worst[0], judged.worst_margin[0]) == ("close", "roll_deg", -12.0)
    assert judged.margins["along_track_m"][0] == 500.0
    missing = judge(SPEC, one(pitch_deg=float("nan")))
    assert missing.worst[0] == "pitch_deg" and np.isnan(missing.worst_margin[0])


def ruled(rules: list[dict]) -> OddSpec:
    zone = {name: list(SPEC.zones[1].laws[name].range) for name in APPROACH}
    faults = Faults("x")
    data = {"name": "x", "version": "1", "zones": {"z": zone}, "rules": rules}
    spec = parse_spec(data, faults)
    faults.raise_if_any()
    assert spec is not None
    return spec


def test_rules_narrow_the_domain_where_they_apply() -> None:
    spec = ruled(
        [
            {"name": "late bank", "when": {"along_track_m": [2500, 3000]}, "require": {"roll_deg": [-5, 5]}},
            {
                "name": "funnel",
                "require": {"lateral_deg": {"by": "along_track_m", "points": [[2500, -1, 1], [4500, -3, 3]]}},
            },
            {"name": "lights", "when": {"light": ["night"]}, "require": {"lighted": [True]}},
        ]
    )
    cases = Approaches(
        *np.array([[2900, 0, 3, 0, -3, 6], [3100, 0, 3, 0, -3, 6], [3500, 2.1, 3, 0, -3, 0]], float).T
    )
    assert verdicts(spec, cases).tolist() == ["OUT_OF_ODD", "IN_ODD", "OUT_OF_ODD"]
    assert judge(spec, cases).rule.tolist() == ["late bank", "", "funnel"]
    dark = {"light": np.array(["night"] * 3), "lighted": np.array(["false", "true", "true"])}
    lit = {"light": np.array(["day", "night", "day"]), "lighted": np.array(["false", "false", "true"])}
    assert verdicts(spec, cases, dark).tolist() == ["OUT_OF_ODD", "IN_ODD", "OUT_OF_ODD"]
    assert judge(spec, cases, lit).rule.tolist() == ["late bank", "lights", "funnel"]


def test_a_million_approaches_take_about_a_second_of_one_core() -> None:
    rng = np.random.default_rng(0)
    approaches = Approaches(*rng.uniform(-1, 1, (6, 200_000)) * np.array([[8000, 9, 9, 40, 30, 40]]).T)
    start = time.process_time()
    judge(SPEC, approaches)
    # generous: the figure itself comes from benchmarks/odd_membership.py
    assert time.process_time() - start < 1.0
