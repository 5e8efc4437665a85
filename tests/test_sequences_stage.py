"""Flights at test airports: what is flown and left out, what is refused, and how the board takes it over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from ruamel.yaml import YAML

from lard.airports import load_shipped
from lard.errors import SpecError
from lard.odd import load_spec
from lard.odd.spec import OUTSIDE
from lard.scenario.campaign import Campaign, fly_all
from lard.score.runs import LEAST_FRAMES, MOST_APART_S
from pipelines import sequences

ROOT = Path(__file__).parent.parent
SPEC = load_spec(ROOT / "odd_specs/lard_v2.yaml")
SHIPPED: dict[str, Any] = YAML(typ="safe").load(ROOT / "params.yaml")


def campaign(**changes: Any) -> Campaign:
    return Campaign.model_validate({**SHIPPED["sequences"], **changes})


def test_the_default_flights_are_sequences_that_cost_little() -> None:
    """Several per airport, one with a crosswind alone, one with gusts and guidance that wanders."""
    plan = campaign()
    flown = fly_all(SPEC, load_shipped(), plan, LEAST_FRAMES)
    assert len(flown.frames) <= plan.frames_at_most == 120
    assert set(plan.airports) <= set(SHIPPED["sample"]["split"]["test"]) and len(plan.flights) >= 2
    assert {(told["airport"], told["flight"]) for told in flown.flights} == {
        (airport, name) for airport in plan.airports for name in plan.flights
    }
    assert any(told["crosswind_m_s"] >= 10 for told in flown.flights)
    assert any(told["turbulence"] for told in flown.flights)
    assert flown.frames["frame_id"].is_sorted() and flown.frames["frame_id"].is_unique().all()
    for name, table in flown.frames.group_by("sequence"):
        assert len(table) >= LEAST_FRAMES and np.diff(table["time_s"].sort()).max() <= MOST_APART_S
        told = next(one for one in flown.flights if one["sequence"] == name[0])
        crab = np.degrees(np.arcsin(told["crosswind_m_s"] / plan.flights[told["flight"]].airspeed_m_s))
        assert table["yaw_offset_deg"].median() == pytest.approx(crab, abs=1.5)
    assert fly_all(SPEC, load_shipped(), plan, LEAST_FRAMES).frames.equals(flown.frames)


def test_what_is_left_out_is_told() -> None:
    """From beyond the domain to the ground: its frames are one piece, and nothing is lost unsaid."""
    flight = {"start_m": 8000.0, "frame_rate_hz": 1.0, "airspeed_m_s": 80.0, "headwind_m_s": 0.0}
    flown = fly_all(SPEC, load_shipped(), campaign(flights={"far": flight}, frames_at_most=200), LEAST_FRAMES)
    for told in flown.flights:
        table = flown.frames.filter(pl.col("sequence") == told["sequence"]).sort("time_s")
        assert told["left_out_before"] == 25 or told["left_out_before"] == 26  # 2000 m at 80 m/s
        assert told["left_out_after"] > 0
        assert told["left_out_before"] + told["kept"] + told["left_out_after"] == told["flown"]
        assert told["kept"] == len(table) and np.allclose(np.diff(table["time_s"]), 1.0)
        assert OUTSIDE not in (table["zone"][0], table["zone"][-1])
        assert told["outside_kept"] == (table["zone"] == OUTSIDE).sum()


def test_another_seed_is_another_flight() -> None:
    plan = campaign(airports=("EGLL",))
    first = fly_all(SPEC, load_shipped(), plan, LEAST_FRAMES).frames
    other = fly_all(SPEC, load_shipped(), campaign(airports=("EGLL",), seed=9), LEAST_FRAMES).frames
    assert set(first["frame_id"]) != set(other["frame_id"])


CROSSWIND = SHIPPED["sequences"]["flights"]["crosswind"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seed": -1}, r"params\.yaml: sequences: seed: .*\(found -1\)"),
        ({"airports": []}, r"params\.yaml: sequences: airports: "),
        ({"airports": ["EGLL", "EGLL"]}, "airports: one is named twice; name each once"),
        (
            {"airports": ["KATL"]},
            r"sequences\.airports: KATL is no test airport of sample; name some of EGLL",
        ),
        ({"airports": ["XXXX"]}, r"sequences\.airports: XXXX is no test airport"),
        ({"flights": {"a": {"windy": True}}}, r"flights\.a\.windy: .*"),
        ({"flights": {"a": {"kind": "circle"}}}, r"flights\.a: sequence: kind 'circle' is unknown"),
        ({"flights": {"a": {"crosswind_m_s": 90}}}, r"flights\.a: .*makes no headway"),
        ({"flights": {"a": {**CROSSWIND, "frame_rate_hz": 0.2}}}, r"flights\.a\.frame_rate_hz: 0\.2 leaves"),
        ({"flights": {"a": {**CROSSWIND, "start_m": 900}}}, r"flights\.a: \d+ of \d+ frames at EGLL"),
        ({"frames_at_most": 40}, r"sequences\.frames_at_most: the flights have \d+ frames, 40 are allowed"),
    ],
)
def test_wrong_parameters_name_the_field_and_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], told: str
) -> None:
    params = {**SHIPPED, "sequences": {**SHIPPED["sequences"], **changes}}
    params["sample"] = {**SHIPPED["sample"], "odd": str(ROOT / "odd_specs/lard_v2.yaml")}
    YAML(typ="safe").dump(params, tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError, match=told) as caught:
        sequences.main()
    assert ";" in str(caught.value) and not (tmp_path / "data").exists()
