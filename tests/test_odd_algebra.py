"""Containment, intersection and difference of domains, against membership of tried points."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lard.approach import Approaches
from lard.cli import main
from lard.odd import load_spec, verdicts
from lard.odd.algebra import contains, difference, intersection, region
from lard.odd.membership import zone_of
from lard.odd.openodd import openodd_text
from lard.odd.parameters import APPROACH
from lard.odd.reader import parse_spec
from lard.odd.spec import OddSpec
from lard.odd.yamlfile import Faults

SPECS = Path(__file__).parent.parent / "odd_specs"
V2 = load_spec(SPECS / "lard_v2.yaml")
BOX = {
    "along_track_m": [1000, 2000], "lateral_deg": [-2, 2], "vertical_deg": [2, 4], "yaw_offset_deg": [-5, 5],
    "pitch_deg": [-8, 0], "roll_deg": [-10, 10],
}  # fmt: skip


def spec_of(zones: dict[str, dict[str, Any]], **sections: Any) -> OddSpec:
    faults = Faults("x")
    given_zones = {name: {**BOX, **changes} for name, changes in zones.items()}
    spec = parse_spec({"name": "x", "version": "1", "zones": given_zones, **sections}, faults)
    faults.raise_if_any()
    assert spec is not None
    return spec


span = st.tuples(st.integers(0, 6), st.integers(1, 4)).map(lambda p: [p[0] * 500, (p[0] + p[1]) * 500])
tilt = st.tuples(st.integers(-4, 2), st.integers(1, 4)).map(lambda p: [p[0] * 5, (p[0] + p[1]) * 5])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(span, tilt), min_size=1, max_size=3), st.lists(st.tuples(span, tilt), max_size=3))
def test_operations_agree_with_membership_of_points(first: list[Any], second: list[Any]) -> None:
    def spec(parts: list[Any]) -> OddSpec:
        # overlapping zones may not contradict each other: keep those that are apart
        zones: dict[str, Any] = {}
        for along, roll in parts:
            if all(
                along[1] <= z["along_track_m"][0] or along[0] >= z["along_track_m"][1] for z in zones.values()
            ):
                zones[f"z{len(zones)}"] = {"along_track_m": along, "roll_deg": roll}
        return spec_of(zones)

    a, b = spec(first), spec(second or first[:1])
    rng = np.random.default_rng(0)
    values = {name: rng.uniform(*BOX[name], 4000) for name in APPROACH}
    values["along_track_m"], values["roll_deg"] = rng.uniform(0, 6000, 4000), rng.uniform(-25, 30, 4000)
    points = Approaches(*(values[name] for name in APPROACH))
    in_a, in_b = zone_of(a, points) != "", zone_of(b, points) != ""
    whole = 6000 * 55 * np.prod([hi - lo for lo, hi in list(BOX.values())[1:5]])

    def share(part: Any) -> float:
        return part.volume() / whole

    regions = region(a), region(b)
    assert share(intersection(*regions)) == pytest.approx((in_a & in_b).mean(), abs=0.03)
    assert share(difference(*regions)) == pytest.approx((in_a & ~in_b).mean(), abs=0.03)
    assert share(regions[0]) == pytest.approx(share(intersection(*regions)) + share(difference(*regions)))
    found = contains(regions[1], regions[0])
    assert found.holds == (share(difference(*regions)) < 1e-12)
    if found.witness is not None:
        witness = Approaches(*(np.array([found.witness[name]]) for name in APPROACH))
        assert zone_of(a, witness)[0] != "" and zone_of(b, witness)[0] == ""


def test_margins_nest() -> None:
    nominal, inner, extended = (region(V2, level) for level in ("nominal", "in", "extended"))
    for small, large in ((nominal, inner), (inner, extended), (nominal, nominal)):
        found = contains(large, small)
        assert found.holds and found.exact and found.witness is None
    assert not contains(nominal, inner).holds


def test_neighbouring_zones_cover_what_spans_them() -> None:
    split = spec_of({"a": {"along_track_m": [1000, 1500]}, "b": {"along_track_m": [1500, 2000]}})
    assert contains(region(split), region(spec_of({"z": {}}))).holds


def test_environment_and_runways_count() -> None:
    clear = spec_of({"z": {}}, environment={"visibility_m": [10_000, 20_000], "light": ["day"]})
    any_light = spec_of({"z": {}}, environment={"visibility_m": [5_000, 20_000]})
    assert contains(region(any_light), region(clear)).holds
    found = contains(region(clear), region(any_light))
    assert not found.holds and found.witness is not None
    assert found.witness["visibility_m"] < 10_000 or found.witness["light"] != "day"
    paved = spec_of({"z": {}}, runways={"surface": ["asphalt", "concrete"]})
    assert contains(region(spec_of({"z": {}})), region(paved)).holds
    assert not contains(region(paved), region(spec_of({"z": {}}))).holds


def test_rules_of_ranges_cut_exactly() -> None:
    rule = {"name": "bank", "when": {"along_track_m": [1000, 1400]}, "require": {"roll_deg": [-5, 5]}}
    ruled, free = spec_of({"z": {}}, rules=[rule]), spec_of({"z": {}})
    assert region(ruled).volume() == pytest.approx(region(free).volume() * (0.6 + 0.4 * 0.5))
    found = contains(region(ruled), region(free))
    assert not found.holds and found.witness is not None
    assert found.witness["along_track_m"] < 1400 and abs(float(found.witness["roll_deg"])) > 5
    assert contains(region(free), region(ruled)).holds


def test_moving_limits_are_tried_on_points_and_said_so() -> None:
    funnel = {
        "name": "f",
        "require": {"roll_deg": {"by": "along_track_m", "points": [[1000, 0, 0], [2000, -10, 10]]}},
    }
    ruled, free = spec_of({"z": {}}, rules=[funnel]), spec_of({"z": {}})
    assert region(ruled).volume() == pytest.approx(region(free).volume() / 2, rel=0.02)
    inside = contains(region(free), region(ruled))
    assert inside.holds and inside.exact  # the box alone proves it
    wide = {
        **funnel,
        "require": {"roll_deg": {"by": "along_track_m", "points": [[1000, -2, 2], [2000, -10, 10]]}},
    }
    tried = contains(region(spec_of({"z": {}}, rules=[wide])), region(ruled))
    assert tried.holds and not tried.exact
    outside = contains(region(ruled), region(free))
    assert not outside.holds and outside.exact


def test_rules_that_conflict_leave_nothing() -> None:
    rules = [
        {"name": "l", "require": {"lateral_deg": [-2, -1]}},
        {"name": "r", "require": {"lateral_deg": [1, 2]}},
    ]
    free = spec_of({"z": {}})
    both = free.model_copy(update={"rules": spec_of({"z": {}}, rules=rules[:1]).rules})
    assert not region(both).is_empty()
    second = spec_of({"z": {}}, rules=rules[1:]).rules
    assert region(both.model_copy(update={"rules": (*both.rules, *second)})).is_empty()


def test_diff_tells_changes_and_witness(tmp_path: Path) -> None:
    narrow = tmp_path / "narrow.yaml"
    narrow.write_text((SPECS / "lard_v2.yaml").read_text().replace("[-30, 30]", "[-20, 20]"))
    result = CliRunner().invoke(main, ["odd", "diff", str(narrow), str(SPECS / "lard_v2.yaml")])
    assert result.exit_code == 0
    assert "zones.far.roll_deg: -20..20 -> -30..30" in result.output
    assert "is not inside lard_v2: witness along_track_m=5250" in result.output
    assert "lies inside lard_v2 (proven on boxes)" in result.output


FULL = {
    "environment": {
        "visibility_m": {"range": [800, 20_000], "law": "log_uniform"},
        "light": {"day": 3, "dusk": 1},
        "season": ["winter", "summer"],
        "cloud_okta": [0, 4],
        "rain_mm_h": {"values": {0: 3, 5: 1}},
    },
    "runways": {"surface": ["asphalt", "concrete"], "length_m": [1500, 4000], "lighted": [True]},
    "rules": [
        {"name": "bank", "when": {"light": ["dusk"]}, "require": {"roll_deg": [-5, 5]}},
        {
            "name": "f",
            "require": {"roll_deg": {"by": "along_track_m", "points": [[1000, 0, 0], [2000, -9, 9]]}},
        },
    ],
    "margins": {"in": {"roll_deg": 1}, "extended": {"roll_deg": [2, 5]}},
}


@pytest.mark.parametrize("name", ["lard_v2", "lard_v1_cone", "full"])
def test_openodd_round_trip(tmp_path: Path, name: str) -> None:
    law = {"range": [-4, 4], "law": "normal", "mean": 0, "sd": 2}
    spec = (
        spec_of({"z": {"lateral_deg": law}}, **FULL) if name == "full" else load_spec(SPECS / f"{name}.yaml")
    )
    path = tmp_path / "o.yaml"
    path.write_text(openodd_text(spec))
    back = load_spec(path)
    drop = {"file_sha256"}
    assert back.model_dump(exclude=drop) == spec.model_dump(exclude=drop)
    text = path.read_text()
    if name == "full":
        for word in (
            "natural_illuminance",
            "low_ambient",
            "cloudiness_rate",
            "cement_concrete",
            "rainfall_rate",
        ):
            assert word in text


def test_openodd_faults_name_the_line(tmp_path: Path) -> None:
    path = tmp_path / "o.yaml"
    path.write_text(openodd_text(V2).replace("[-30.0 .. 30.0] deg", "[30.0 .. -30.0] deg"))
    result = CliRunner().invoke(main, ["odd", "check", str(path)])
    assert result.exit_code == 2
    line = next(k for k, text in enumerate(path.read_text().splitlines(), 1) if ".. -30.0]" in text)
    assert f"o.yaml:{line}: zones.far.roll_deg: upper bound -30 is below lower bound 30" in result.output


def moving(points: list[list[float]], by: str = "along_track_m", **when: Any) -> dict[str, Any]:
    return {"name": "m", "when": when, "require": {"roll_deg": {"by": by, "points": points}}}


def test_volume_outside_a_moving_limit_is_what_it_cuts_off(tmp_path: Path) -> None:
    """Three fifths of the banks are left on average: 40 % is outside, and nothing the other way."""
    rule = moving([[1000, -2, 2], [2000, -10, 10]])
    free, ruled = spec_of({"z": {}}), spec_of({"z": {}}, rules=[rule])
    rest = difference(region(free), region(ruled))
    assert rest.volume() / region(free).volume() == pytest.approx(0.4, abs=0.005)
    assert difference(region(ruled), region(free)).volume() == 0
    found = contains(region(ruled), region(free))
    assert not found.holds and found.witness is not None
    paths = []
    for name, spec in (("free", free), ("ruled", ruled)):
        paths.append(tmp_path / f"{name}.yaml")
        paths[-1].write_text(openodd_text(spec.model_copy(update={"name": name})))
    text = CliRunner().invoke(main, ["odd", "diff", *map(str, paths)]).output
    assert "of it outside the other 40." in text or "of it outside the other 39." in text
    assert "of it outside the other 0.0% (counted on points" in text


wide = {"roll_deg": [-10, 10], "lateral_deg": [-2, 2], "visibility_m": [1000, 9000]}
limits = st.tuples(st.integers(0, 6), st.integers(2, 10)).map(lambda p: (p[0] / 10, min(sum(p), 10) / 10))


@st.composite
def any_rules(draw: st.DrawFn) -> list[dict[str, Any]]:
    def scaled(name: str, part: tuple[float, float]) -> list[float]:
        lo, hi = wide[name]
        return [lo + (hi - lo) * part[0], lo + (hi - lo) * part[1]]

    found = []
    for k in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from(sorted(wide)))
        when = draw(st.sampled_from([{}, {"light": ["night"]}, {"along_track_m": [1000, 1400]}]))
        by = "along_track_m" if "along_track_m" not in when else "pitch_deg"
        ends = BOX[by]
        condition: Any = scaled(name, draw(limits))
        if draw(st.booleans()):
            points = [[x, *scaled(name, draw(limits))] for x in (ends[0], sum(ends) / 2, ends[1])]
            condition = {"by": by, "points": points}
        found.append({"name": f"r{k}", "when": when, "require": {name: condition}})
    return found


@settings(max_examples=40, deadline=None)
@given(any_rules(), any_rules(), limits, limits)
def test_volumes_agree_with_counted_points(first: Any, second: Any, roll: Any, seen: Any) -> None:
    """Differential: boxes and moving limits against verdicts of independent points."""

    def spec(rules: Any, level: tuple[float, float]) -> OddSpec | None:
        environment = {"visibility_m": wide["visibility_m"], "light": ["day", "night"]}
        zone = {**BOX, "roll_deg": [-10 + 20 * level[0], -10 + 20 * level[1]]}
        faults = Faults("x")
        data = {"name": "x", "version": "1", "zones": {"z": zone}, "environment": environment, "rules": rules}
        return parse_spec(data, faults)

    a, b = spec(first, roll), spec(second, seen)
    if a is None or b is None:
        return
    rng = np.random.default_rng(1)
    n = 20_000
    values = {name: rng.uniform(*BOX[name], n) for name in APPROACH}
    context = {"visibility_m": rng.uniform(1000, 9000, n), "light": rng.choice(["day", "night"], n)}
    points = Approaches(*(values[name] for name in APPROACH))
    in_a, in_b = (verdicts(s, points, context) == "IN_ODD" for s in (a, b))
    whole = np.prod([hi - lo for lo, hi in BOX.values()]) * 8000 * 2
    regions = region(a), region(b)
    assert regions[0].volume() / whole == pytest.approx(in_a.mean(), abs=0.015)
    assert intersection(*regions).volume() / whole == pytest.approx((in_a & in_b).mean(), abs=0.015)
    assert difference(*regions).volume() / whole == pytest.approx((in_a & ~in_b).mean(), abs=0.015)
    found = contains(regions[1], regions[0])
    if found.witness is not None:
        there = Approaches(*(np.array([found.witness[name]]) for name in APPROACH))
        seen_there = {name: np.array([found.witness[name]]) for name in context}
        assert verdicts(a, there, seen_there)[0] == "IN_ODD"
        assert verdicts(b, there, seen_there)[0] != "IN_ODD"
    else:
        assert (in_a & ~in_b).mean() < 0.002


def test_margins_of_rules_and_environment_widen_the_region() -> None:
    spec = spec_of(
        {"z": {}},
        environment={"visibility_m": [5000, 9000]},
        rules=[moving([[1000, -2, 2], [2000, -2, 2]])],
        margins={
            "in": {"roll_deg": 1, "visibility_m": 100},
            "extended": {"roll_deg": 3, "visibility_m": 1000},
        },
    )
    plain, extended = region(spec), region(spec, "extended")
    assert plain.volume() == pytest.approx(1000 * 4 * 2 * 10 * 8 * 4 * 4000, rel=0.01)
    assert extended.volume() == pytest.approx(1000 * 4 * 2 * 10 * 8 * 10 * 6000, rel=0.01)


def test_what_is_not_named_holds_the_other_words() -> None:
    rule = {"name": "g", "when": {"surface": ["grass"]}, "require": {"roll_deg": [-1, 1]}}
    free, paved = spec_of({"z": {}}, rules=[rule]), spec_of({"z": {}}, runways={"surface": ["asphalt"]})
    assert contains(region(free), region(paved)).holds
    assert not contains(region(paved), region(free)).holds
    grass = spec_of({"z": {}}, runways={"surface": ["grass"]})
    assert not contains(region(free), region(grass)).holds


RAIN = st.one_of(
    st.lists(st.sampled_from([0, 1, 2, 4, 8]), min_size=1, max_size=4, unique=True).map(
        lambda values: {"values": values}
    ),
    st.sampled_from([[0, 8], [1, 4], [2, 2], [0, 2]]),
)
DROPS = st.one_of(
    st.sampled_from([[0, 3], [1, 2], [0.5, 2.4], [2, 2]]),
    st.sampled_from([{"values": [0, 1]}, {"values": [2]}]),
)
MARGINS = st.sampled_from([{}, {"rain_mm_h": 0.5}, {"rain_mm_h": 1, "lens_drops": 1}])
RULE_A = [{"name": "a", "when": {"rain_mm_h": [1, 300]}, "require": {"lens_drops": [1, 3]}}]
RULE_B = [{"name": "b", "when": {"lens_drops": 0}, "require": {"rain_mm_h": [0, 2]}}]
RULES = st.sampled_from(
    [
        [],
        RULE_A,
        RULE_B,
        [{"name": "c", "when": {"lens_drops": [0.2, 0.8]}, "require": {"rain_mm_h": 0}}],
    ]
)


@settings(max_examples=60, deadline=None)
@given(*([RAIN, DROPS, MARGINS, RULES] * 2))
@example(
    {"values": [4]}, [0, 3], {}, RULE_A, {"values": [4]}, [0, 3], {}, RULE_B
)  # fmt: skip
def test_separate_values_and_whole_numbers_are_compared_as_verdicts_judge_them(
    rain_a: Any, drops_a: Any, margins_a: Any, rules_a: Any, rain_b: Any, drops_b: Any, margins_b: Any,
    rules_b: Any,
) -> None:  # fmt: skip
    def spec(rain: Any, drops: Any, margins: Any, rules: Any) -> OddSpec | None:
        faults = Faults("x")
        environment = {"rain_mm_h": rain, "lens_drops": drops, "cloud_fraction": [0.5, 1]}
        zones = {"z": {**BOX, "roll_deg": {"values": [-5, 5]}}}
        data = {"name": "x", "version": "1", "zones": zones, "environment": environment, "rules": rules}
        return parse_spec({**data, "margins": {"in": margins, "extended": margins}}, faults)

    a, b = spec(rain_a, drops_a, margins_a, rules_a), spec(rain_b, drops_b, margins_b, rules_b)
    if a is None or b is None:
        return
    rain, drops, roll = (v.ravel() for v in np.meshgrid(np.arange(0, 9.3, 0.25), np.arange(5), [-5.0, 0, 5]))
    middle = {name: np.full(rain.shape, np.mean(BOX[name])) for name in APPROACH}
    points = Approaches(*({**middle, "roll_deg": roll}[name] for name in APPROACH))
    context = {
        "rain_mm_h": rain,
        "lens_drops": drops.astype(float),
        "cloud_fraction": np.full(rain.shape, 0.7),
    }
    in_a, in_b = (verdicts(one, points, context) == "IN_ODD" for one in (a, b))
    first, second = region(a, "in"), region(b, "in")
    found = contains(second, first)
    assert found.exact
    if found.holds:
        assert not (in_a & ~in_b).any()
    else:
        w = found.witness
        assert w is not None
        at = Approaches(*(np.array([w[name]]) for name in APPROACH))
        there = {name: np.array([w[name]]) for name in context}
        assert verdicts(a, at, there)[0] == "IN_ODD" and verdicts(b, at, there)[0] == "OUT_OF_ODD"
    names = sorted({key for box in (*first.boxes, *second.boxes) for key in box})
    whole, rest = first.over(names), difference(first.over(names), second.over(names))
    parts = intersection(first, second).over(names)
    thick = whole.wide()
    assert rest.volume(thick) + parts.volume(thick) == pytest.approx(whole.volume())


def test_diff_tells_separate_values_from_the_range_they_span(tmp_path: Path) -> None:
    zone = "\n".join(f"    {name}: {bounds}" for name, bounds in BOX.items())
    for name, law in (("a", "{values: [0, 2, 8]}"), ("b", "[0, 8]"), ("c", "{values: {0: 5, 8: 1}}")):
        text = f"name: {name}\nversion: '1'\nzones:\n  z:\n{zone}\nenvironment:\n  rain_mm_h: {law}\n"
        (tmp_path / f"{name}.yaml").write_text(text)

    def diff(first: str, second: str) -> str:
        result = CliRunner().invoke(
            main, ["odd", "diff", *(str(tmp_path / f"{n}.yaml") for n in (first, second))]
        )
        assert result.exit_code == 0, result.output
        return result.output

    text = diff("a", "b")
    assert "a lies inside b (proven on boxes)" in text and "b is not inside a" in text
    assert "outside the other 0.0%" in text and "outside the other 100.0%" in text
    text = diff("a", "c")
    assert "c lies inside a (proven on boxes)" in text and "rain_mm_h=2" in text
    assert "outside the other 33.3%" in text
