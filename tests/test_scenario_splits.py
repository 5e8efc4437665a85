"""Splits by airport: neighbours together, lists and fractions, seeded and independent of order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lard.airports import Airport, Runway, RunwayDatabase
from lard.errors import AirportError, SpecError
from lard.scenario import assign_splits, neighbour_groups


def database(places: dict[str, tuple[float, float]]) -> RunwayDatabase:
    airports = {}
    for code, (lat, lon) in places.items():
        ends = ((lat, lon, 0.0), (lat + 0.02, lon, 0.0))
        runways = (
            Runway.from_thresholds(code, "36", "18", *ends, 45.0),
            Runway.from_thresholds(code, "18", "36", *ends[::-1], 45.0),
        )
        airports[code] = Airport(code, code, "FR", lat, lon, 0.0, runways)
    return RunwayDatabase("test", "1", "wgs84", "msl", airports)


# A, B and C in a chain of 8 km steps (A and C 16 km apart), D on its own, E and F across the date line
PLACES = {
    "AAAA": (48.0, 2.0), "BBBB": (48.072, 2.0), "CCCC": (48.144, 2.0), "DDDD": (45.0, 5.0),
    "EEEE": (0.0, 179.98), "FFFF": (0.0, -179.98), **{f"G{k:03d}": (10.0 + k, 20.0) for k in range(10)},
}  # fmt: skip
DB = database(PLACES)


def test_neighbours_are_grouped_through_others_and_over_the_date_line() -> None:
    groups = neighbour_groups(DB, PLACES)
    assert ("AAAA", "BBBB", "CCCC") in groups and ("EEEE", "FFFF") in groups and ("DDDD",) in groups
    assert ("AAAA",) in neighbour_groups(DB, ["AAAA", "CCCC"])


@settings(deadline=None, max_examples=30)
@given(st.permutations(sorted(PLACES)), st.integers(0, 5))
def test_order_does_not_matter_and_groups_stay_together(order: list[str], seed: int) -> None:
    split = {"val": 0.2, "test": 0.3}
    assigned = assign_splits(DB, order, split, seed)
    assert assigned == assign_splits(DB, sorted(PLACES), split, seed)
    for group in neighbour_groups(DB, order):
        assert len({assigned[code] for code in group}) == 1
    sizes = {name: list(assigned.values()).count(name) for name in ("train", "val", "test")}
    assert 2 <= sizes["val"] <= 5 and 4 <= sizes["test"] <= 7 and sizes["train"] >= 4


def test_lists_and_fractions_mix_and_the_rest_is_train() -> None:
    assigned = assign_splits(DB, PLACES, {"val": ["DDDD"], "test": 0.2})
    assert assigned["DDDD"] == "val" and list(assigned.values()).count("test") in (3, 4)
    assert set(assign_splits(DB, PLACES).values()) == {"train"}


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"test": ["AAAA"]}, r"AAAA lies within 10 km of BBBB, CCCC; put them in the same set"),
        ({"val": ["DDDD"], "test": ["DDDD"]}, "DDDD is in val as well; keep one"),
        ({"dev": 0.1}, "unknown set dev"),
        ({"val": 0.6, "test": 0.5}, "must be at least 0 and leave some airports"),
        ({"val": -0.1}, "must be at least 0"),
        ({"val": "DDDD"}, "expected a list of airports or a fraction, found 'DDDD'"),
    ],
)
def test_contradictions_are_explained(split: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        assign_splits(DB, PLACES, split)


def test_unknown_airport() -> None:
    with pytest.raises(AirportError):
        assign_splits(DB, ["ZZZZ"])
