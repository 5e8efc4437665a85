"""Conditional rules: the checks' own reading against the engine's, and coverage of what rules leave."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quality_support import SPECS

from lard.approach import Approaches
from lard.odd import OddSpec, load_spec
from lard.odd.membership import VERDICTS, verdicts
from lard.odd.parameters import APPROACH, PARAMETERS
from lard.odd.rules import rule_excess
from lard.odd.spec import Profile, Rule
from lard.quality import Odd
from lard.quality.rules import breaks, judged_rules

NUMERIC = (*APPROACH, "visibility_m", "rain_mm_h", "width_m")
WORDS = ("light", "lighted", "surface")
CHOICES = {"light": ("day", "dusk", "night"), "lighted": ("true", "false"), "surface": ("asphalt", "grass")}
# coarse numbers, so that values fall on limits often
coarse = st.integers(-6, 6).map(lambda k: k / 2)


MARGINS = st.dictionaries(st.sampled_from(NUMERIC), st.tuples(coarse.map(abs), coarse.map(abs)))


@st.composite
def conditions(draw: st.DrawFn) -> tuple[str, Any]:
    name = draw(st.sampled_from((*NUMERIC, *WORDS)))
    if name in WORDS:
        return name, tuple(draw(st.lists(st.sampled_from(CHOICES[name]), min_size=1, unique=True)))
    if draw(st.booleans()):
        return name, tuple(sorted((draw(coarse), draw(coarse))))
    xs = sorted(draw(st.lists(coarse, min_size=2, max_size=4, unique=True)))
    points = tuple((x, *sorted((draw(coarse), draw(coarse)))) for x in xs)
    return name, Profile(by=draw(st.sampled_from(NUMERIC)), points=points)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    when = dict(draw(st.lists(conditions(), max_size=2)))
    return Rule(name="r", when=when, require=dict(draw(st.lists(conditions(), min_size=1, max_size=2))))


def rows(seed: int, n: int = 200) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    values: dict[str, Any] = {name: rng.integers(-7, 8, n) / 2 for name in NUMERIC}
    values["roll_deg"] = np.where(rng.random(n) < 0.1, np.nan, values["roll_deg"])
    return values | {name: rng.choice(CHOICES[name], n) for name in WORDS}


@settings(deadline=None, max_examples=200)
@given(
    rules(),
    st.integers(0, 10**6),
    st.dictionaries(st.sampled_from(NUMERIC), st.tuples(coarse.map(abs), coarse.map(abs))),
)
def test_rules_mean_the_same_to_engine_and_checks(rule: Rule, seed: int, margins: Any) -> None:
    values = rows(seed)
    approaches = Approaches(*(values[name] for name in APPROACH))
    excess, _ = rule_excess(rule, approaches, values, margins)
    ours = breaks(rule, values, margins)
    # rounding of the broken line may decide a value that lies on it: both sides must then be possible
    unsure = breaks(rule, values, margins, 1e-9) != breaks(rule, values, margins, -1e-9)
    assert ((excess > 0) == ours)[~unsure].all()


@pytest.mark.parametrize("name", ["all_weather.yaml", "lard_v2.yaml", "lard_v1_cone.yaml"])
def test_verdicts_of_the_shipped_specs(name: str) -> None:
    spec = load_spec(SPECS / name)
    rng = np.random.default_rng(3)
    limits = spec.limits("extended")
    low, high = limits[..., 0].min(axis=0), limits[..., 1].max(axis=0)
    x = rng.uniform(low * 1.02 - 1, high * 1.02 + 1, (20_000, 6))
    context = {
        "light": rng.choice(["day", "night"], len(x)), "lighted": rng.choice(["true", "false"], len(x)),
        "rain_mm_h": rng.choice([0.0, 2.0, 8.0], len(x)), "cloud_fraction": rng.integers(0, 5, len(x)) / 4,
        "visibility_m": rng.uniform(2000, 50_000, len(x)),
    }  # fmt: skip
    for parameter, law in {**spec.environment, **spec.runways}.items():
        if parameter not in context:
            context[parameter] = np.asarray(law.ppf(rng.random(len(x))))
    values = dict(zip(APPROACH, x.T, strict=True))
    ours = Odd.from_spec(spec, name).verdicts(values, 0.0, context)
    theirs = verdicts(spec, Approaches(*x.T), context)
    assert (np.array(VERDICTS)[ours] == theirs).all()
    assert {"IN_ODD", "OUT_OF_ODD"} <= set(theirs)


def test_rules_about_unknown_parameters_are_left_out() -> None:
    spec: OddSpec = load_spec(SPECS / "all_weather.yaml")
    known = {name: np.zeros(3) for name in APPROACH}
    assert [rule.name for rule in judged_rules(spec, known)] == ["bank narrows towards the ground"]
    everything = {name: np.zeros(3) for name in PARAMETERS}
    assert judged_rules(spec, everything) == list(spec.rules)
    assert judged_rules(None, everything) == []


def test_single_values_leave_no_verdict_open() -> None:
    """A value that a law can only have exactly is in with any slack; the next one out."""
    spec = load_spec(SPECS / "all_weather.yaml")
    odd = Odd.from_spec(spec, "x")
    zone = spec.zones[1]
    values = {name: np.full(2, np.mean(law.range)) for name, law in zone.laws.items()}
    context = {
        name: np.repeat(np.asarray(law.ppf(np.array([0.3]))), 2)
        for name, law in {**spec.environment, **spec.runways}.items()
    }
    dry = {
        "rain_mm_h": 0.0,
        "lens_drops": 0.0,
        "wetness_fraction": 0.0,
        "fog_top_m": 0.0,
        "visibility_m": 9000.0,
    }
    context |= {name: np.full(2, value) for name, value in dry.items()}
    context |= {"light": np.full(2, "day"), "lighted": np.full(2, "true"), "fog_base_m": np.array([0.0, 1.0])}
    for slack in (1e-6, 0.0, -1e-6):
        assert odd.verdicts(values, slack, context).tolist() == [0, 2], slack
