"""Violations, layout, comparison, corrections and GeoJSON."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from airports_support import LARD_V1, LARD_V2, OURAIRPORTS, corner_gap_m, database, strip

from lard.airports import Airport, RunwayDatabase, load_shipped
from lard.airports.build import opposite
from lard.airports.check import Limits, check_airport, check_database, corners_cross, raise_violations
from lard.airports.corrections import (
    Correction,
    apply_corrections,
    corrections_between,
    read_corrections,
    write_corrections,
)
from lard.airports.diff import diff_databases
from lard.airports.geojson import write_geojson
from lard.airports.intake import reciprocal_ident
from lard.airports.lardjson import read_lard_json
from lard.airports.layout import crossing_pairs, parallel_pairs
from lard.airports.ourairports import read_ourairports
from lard.errors import AirportError
from lard.geodesy import to_enu


@pytest.fixture
def plain() -> RunwayDatabase:
    return database(
        strip(),
        strip(idents=("10", "28"), first=(10.01, 20.0, 30.0), second=(10.0095, 20.025, 30.0)),
        strip(idents=("18", "36"), first=(10.015, 20.012, 30.0), second=(9.99, 20.012, 30.0)),
    )


def _with(database: RunwayDatabase, name: str, /, **changes: object) -> Airport:
    airport = database.airport("XAAA")
    changed = tuple(replace(r, **changes) if r.ident == name else r for r in airport.runways)
    return replace(airport, runways=changed)


def rules(airport: Airport) -> set[tuple[str, str]]:
    return {(violation.runway, violation.rule) for violation in check_airport(airport)}


def test_a_plausible_airport_has_no_violations(plain: RunwayDatabase) -> None:
    assert check_database(plain) == []
    raise_violations(plain)


def test_crossed_and_mirrored_corners_are_found(plain: RunwayDatabase) -> None:
    tl, tr, br, bl = plain.airport("XAAA").runway("09").corners
    for corners in ((tr, tl, br, bl), (tl, tr, bl, br), (tr, tl, bl, br)):
        airport = _with(plain, "09", corners=corners)
        assert corners_cross(airport.runway("09"))
        assert ("09", "corner order") in rules(airport)


def test_nan_is_reported_with_its_corner(plain: RunwayDatabase) -> None:
    corners = plain.airport("XAAA").runway("09").corners
    airport = _with(plain, "09", corners=((float("nan"), *corners[0][1:]), *corners[1:]))
    assert [str(v) for v in check_airport(airport)] == [
        "XAAA 09: TL latitude: found nan, expected a number from -90 to 90"
    ]


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        (strip(width_m=12.0), "width of the near end"),
        (strip(width_m=95.0), "width of the far end"),
        (strip(second=(10.0, 20.003, 30.0)), "landing length"),
        (strip(second=(10.0, 20.06, 30.0)), "landing length"),
        (strip(second=(10.0, 20.025, 130.0)), "slope"),
        (strip(idents=("13", "31")), "heading"),
        (strip(idents=("27", "09")), "heading"),
    ],
)
def test_values_out_of_bounds_are_found(changed: object, rule: str) -> None:
    airport = database(changed).airport("XAAA")  # type: ignore[arg-type]
    assert rule in {name for _, name in rules(airport)}


def test_an_ident_unlike_the_others_of_its_airport_is_found(plain: RunwayDatabase) -> None:
    # 23 degrees off alone could be magnetic variation, beside runways that are not off it is a mistake
    odd = strip(idents=("07", "25"), first=(10.03, 20.0, 30.0), second=(10.0303, 20.025, 30.0))
    odd_airport = database(odd).airport("XAAA")
    assert check_airport(odd_airport) == []
    mixed = replace(plain.airport("XAAA"), runways=plain.airport("XAAA").runways + odd_airport.runways)
    assert rules(mixed) == {("07", "heading"), ("25", "heading")}


def test_reciprocals_must_share_corners_and_exist(plain: RunwayDatabase) -> None:
    runway = plain.airport("XAAA").runway("27")
    lifted = tuple((lat, lon, alt + 1) for lat, lon, alt in runway.corners)
    assert rules(_with(plain, "27", corners=lifted)) == {("09", "corners against 27")}
    assert ("09", "reciprocal") in rules(_with(plain, "27", ident="26"))
    assert reciprocal_ident(runway.ident) == opposite(runway).ident


def test_duplicates_by_name_and_by_place_are_found(plain: RunwayDatabase) -> None:
    airport = plain.airport("XAAA")
    twice = replace(airport, runways=(*airport.runways, airport.runway("09")))
    assert ("09", "ident") in rules(twice)
    copies = tuple(
        replace(airport.runway(old), ident=new, reciprocal=reciprocal_ident(new))
        for old, new in (("09", "09L"), ("27", "27R"))
    )
    doubled = replace(airport, runways=airport.runways + copies)
    assert ("09", "duplicate") in rules(doubled)


def test_limits_can_be_set_and_all_violations_are_raised_together() -> None:
    wide = database(strip(width_m=95.0), strip("XBBB", width_m=12.0))
    assert check_database(wide, Limits(min_width_m=10, max_width_m=100)) == []
    with pytest.raises(AirportError, match=r"XAAA 09(.|\n)*XBBB 27"):
        raise_violations(wide)


def test_layout(plain: RunwayDatabase) -> None:
    airport = plain.airport("XAAA")
    assert [(a.ident, b.ident) for a, b in parallel_pairs(airport)] == [("09", "10")]
    assert [(a.ident, b.ident) for a, b in crossing_pairs(airport)] == [("09", "18"), ("10", "18")]


def test_diff_with_itself_is_zero(plain: RunwayDatabase) -> None:
    difference = diff_databases(load_shipped(), load_shipped())
    assert difference.quantiles()["max"] == pytest.approx(0, abs=1e-9)
    assert all(pair.first == pair.second and pair.airport == pair.second_airport for pair in difference.pairs)
    assert not difference.only_first and not difference.only_second


def test_diff_matches_by_geometry_whatever_the_names(plain: RunwayDatabase) -> None:
    moved = database(
        strip("ZZZZ", ("08L", "26R"), first=(10.0, 20.0005, 33.0), second=(10.0, 20.0255, 43.0)),
        strip("ZZZZ", ("08R", "26L"), first=(10.01, 20.0, 30.0), second=(10.0095, 20.025, 30.0)),
        strip("ZFAR", first=(50.0, 20.0, 0.0), second=(50.0, 20.03, 0.0)),
    )
    difference = diff_databases(plain, moved)
    pairs = {pair.first: pair for pair in difference.pairs}
    assert {name: pair.second for name, pair in pairs.items()} == {
        "09": "08L", "27": "26R", "10": "08R", "28": "26L",
    }  # fmt: skip
    assert pairs["09"].along_m == pytest.approx(54.8, abs=0.2)
    assert pairs["27"].along_m == pytest.approx(-54.8, abs=0.2)
    assert pairs["09"].across_m == pytest.approx(0, abs=0.01)
    assert pairs["09"].up_m == pytest.approx(3)
    assert difference.only_first == ("XAAA 18", "XAAA 36")
    assert difference.airports_only_second == ("ZFAR",)


def test_diff_sign_of_across_is_right_of_the_landing_direction(plain: RunwayDatabase) -> None:
    south = database(strip(first=(9.9999, 20.0, 30.0), second=(9.9999, 20.025, 40.0)))
    pairs = {pair.first: pair for pair in diff_databases(plain, south).pairs}
    assert pairs["09"].across_m == pytest.approx(11.06, abs=0.05)
    assert pairs["27"].across_m == pytest.approx(-11.06, abs=0.05)


def test_diff_of_nothing(plain: RunwayDatabase) -> None:
    empty = replace(plain, airports={})
    assert diff_databases(plain, empty).quantiles() == {}
    assert diff_databases(empty, plain).airports_only_second == ("XAAA",)


def test_offset_correction_moves_one_end_of_both_directions(plain: RunwayDatabase) -> None:
    corrected = apply_corrections(plain, [Correction("XAAA", "09", 3.0, -2.0, 1.5, source="fg")])
    before, after = plain.airport("XAAA"), corrected.airport("XAAA")
    lat, lon, alt = before.runway("09").ltp
    moved = to_enu(after.runway("09").corners_ecef(), lat, lon, alt)
    still = to_enu(before.runway("09").corners_ecef(), lat, lon, alt)
    assert moved[2:] - still[2:] == pytest.approx(np.array([[3.0, -2.0, 1.5]] * 2), abs=1e-4)
    assert np.abs(moved[:2] - still[:2]).max() == 0
    tl, tr, br, bl = after.runway("27").corners
    assert after.runway("09").corners == (br, bl, tl, tr)
    assert after.runway("09").source == "test; fg"
    assert check_database(corrected) == []
    assert plain.airport("XAAA").runway("09").corners == before.runway("09").corners


def test_width_correction_keeps_the_threshold(plain: RunwayDatabase) -> None:
    corrected = apply_corrections(plain, [Correction("XAAA", "27", width_m=40.0)]).airport("XAAA")
    assert corrected.runway("27").width_m == pytest.approx(40, abs=1e-6)
    assert corrected.runway("09").width_m == pytest.approx(45, abs=1e-6)
    assert corrected.runway("27").ltp == pytest.approx(plain.airport("XAAA").runway("27").ltp, abs=1e-9)


def test_corrections_carry_one_source_onto_another(plain: RunwayDatabase, tmp_path: Path) -> None:
    shown = database(strip(first=(10.00002, 20.00001, 33.0), second=(10.00001, 20.02501, 43.0), width_m=43.0))
    found = corrections_between(plain, shown, "simulator")
    write_corrections(found, tmp_path / "simulator.csv")
    again = read_corrections(tmp_path / "simulator.csv")
    corrected = apply_corrections(plain, again).airport("XAAA")
    for ident in ("09", "27"):
        gap = corrected.runway(ident).corners_ecef() - shown.airport("XAAA").runway(ident).corners_ecef()
        assert np.abs(gap).max() < 2e-4  # digits of the table
    assert corrected.runway("18") == plain.airport("XAAA").runway("18")


def test_corrections_table_round_trip_and_faults(tmp_path: Path) -> None:
    table = (Correction("XAAA", "09", 1.25, -0.5, 0.0, 44.0, source="fg"), Correction("XAAA", "27", up_m=2.0))
    write_corrections(table, tmp_path / "c.csv")
    assert read_corrections(tmp_path / "c.csv") == table
    assert (
        (tmp_path / "c.csv")
        .read_text(encoding="utf-8")
        .startswith("airport,ident,source,east_m,north_m,up_m,width_m")
    )
    text = "airport,ident,east_m,br_lat_deg\nXAAA,9,x,\nXAAA,09,2000,\nXAAA,27,1,10\nXAAA,Q,,\n"
    (tmp_path / "c.csv").write_text(text, encoding="utf-8")
    with pytest.raises(AirportError) as caught:
        read_corrections(tmp_path / "c.csv")
    message = str(caught.value)
    for part in (
        "c.csv:2: east_m: found 'x'",
        "c.csv:3: ident: found '09', expected one row per runway end",
        "c.csv:3: east_m: found '2000', expected a number from -1000 to 1000",
        "c.csv:4: br_lat_deg: found 10.0, expected all six corner cells",
        "c.csv:5: ident: found 'Q'",
    ):
        assert part in message, part


def test_corrections_for_unknown_runways(plain: RunwayDatabase) -> None:
    stray = [Correction("XAAA", "05", 1.0), Correction("XZZZ", "09", 1.0)]
    with pytest.raises(AirportError, match=r"XAAA 05: no such end(.|\n)*XZZZ 09: no such end"):
        apply_corrections(plain, stray)
    assert apply_corrections(plain, stray, missing="skip").airports == plain.airports


def test_geojson_polygons_are_closed_and_counterclockwise(plain: RunwayDatabase, tmp_path: Path) -> None:
    write_geojson(plain, tmp_path / "runways.geojson")
    document = json.loads((tmp_path / "runways.geojson").read_text(encoding="utf-8"))
    polygons = [f for f in document["features"] if f["geometry"]["type"] == "Polygon"]
    points = [f for f in document["features"] if f["geometry"]["type"] == "Point"]
    assert (len(polygons), len(points)) == (3, 6)
    for feature in polygons:
        ring = np.array(feature["geometry"]["coordinates"][0])
        assert ring[0].tolist() == ring[-1].tolist()
        x, y = ring[:, 0], ring[:, 1]
        assert np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) > 0
        assert 19 < x[0] < 21 and 9 < y[0] < 11


both = pytest.mark.skipif(
    not (OURAIRPORTS.exists() and LARD_V1.exists()), reason="no OurAirports and LARD V1 beside the checkout"
)


@both
def test_lard_v1_thresholds_lie_5_m_from_ourairports() -> None:
    v1, _ = read_lard_json(LARD_V1)
    world, _ = read_ourairports(OURAIRPORTS)
    difference = diff_databases(v1, world)
    quantiles = difference.quantiles()
    assert len(difference.pairs) >= 110
    assert 4 < quantiles["median"] < 6
    assert quantiles["max"] == pytest.approx(734, abs=1)  # VRMM has been rebuilt
    renamed = {
        (pair.airport, pair.first, pair.second) for pair in difference.pairs if pair.first != pair.second
    }
    assert {("VHHH", "07L", "07C"), ("LPPT", "03", "02"), ("YBBN", "01", "01R")} <= renamed
    assert difference.medians()["width_m"] == pytest.approx(
        0.95, abs=0.2
    )  # LARD: inner edge of the side stripes


@both
def test_shipped_table_agrees_with_lard_v1_and_v2() -> None:
    v1, _ = read_lard_json(LARD_V1)
    quantiles = diff_databases(load_shipped(), v1).quantiles()
    assert quantiles["median"] < 4 and quantiles["max"] < 25
    v2, _ = read_lard_json(LARD_V2)
    difference = diff_databases(load_shipped(), v2)
    assert len(difference.pairs) == 10 and difference.quantiles()["max"] < 6
    assert corner_gap_m(load_shipped().airport("KATL"), v2.airport("KATL")) < 12
