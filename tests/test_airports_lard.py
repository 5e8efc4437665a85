"""LARD runway JSON: geometry decides what a corner, a side and an ident are."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from airports_support import LARD_V1, LARD_V2, corner_gap_m, database, lard_document, strip, write_json

from lard.airports import Runway, RunwayDatabase
from lard.airports.check import check_database
from lard.airports.lardjson import (
    SPHERE,
    lard_ident,
    left_of_axis,
    read_lard_entries,
    read_lard_json,
    write_lard_json,
)
from lard.errors import AirportError
from lard.geodesy import ecef_from_geodetic


@pytest.fixture
def sample() -> RunwayDatabase:
    parallel = strip(idents=("10L", "28R"), first=(10.02, 20.0, 30.0), second=(10.018, 20.025, 30.0))
    return database(strip(), parallel, strip("XBBB", ("18C", "36C"), second=(9.98, 20.0, 40.0)))


def _pair(sample: RunwayDatabase) -> dict[str, Runway]:
    airport = sample.airport("XAAA")
    return {"9": airport.runway("09"), "27": airport.runway("27")}


def test_round_trip_keeps_every_digit(sample: RunwayDatabase, tmp_path: Path) -> None:
    write_lard_json(sample, tmp_path / "runways.json")
    again, report = read_lard_json(tmp_path / "runways.json")
    assert report.notes == [] and report.kept == report.rows == 6
    for icao, airport in sample.airports.items():
        assert [r.corners for r in again.airports[icao].runways] == [r.corners for r in airport.runways]
        assert [r.reciprocal for r in again.airports[icao].runways] == [r.reciprocal for r in airport.runways]
    write_lard_json(again, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "runways.json").read_bytes()


def test_written_layout_is_the_peers(sample: RunwayDatabase, tmp_path: Path) -> None:
    write_lard_json(sample, tmp_path / "runways.json", padded=False)
    document = json.loads((tmp_path / "runways.json").read_text(encoding="utf-8"))
    assert list(document["XAAA"]) == ["9", "10L", "27", "28R"]
    corners = document["XAAA"]["9"]
    runway = sample.airport("XAAA").runway("09")
    tl, tr, br, bl = runway.corners
    assert list(corners) == ["A", "B", "C", "D"]
    assert list(corners["A"]["coordinate"]) == [
        "latitude",
        "longitude",
        "altitude",
    ]  # its readers unpack in order
    for letter, point in zip("ABCD", (tr, tl, bl, br), strict=True):
        assert tuple(corners[letter]["coordinate"].values()) == point
        on_sphere = ecef_from_geodetic(*point, SPHERE)
        assert list(corners[letter]["position"].values()) == pytest.approx(on_sphere.tolist(), abs=1e-9)
        assert np.linalg.norm(on_sphere) == pytest.approx(6371010.0 + point[2], abs=1e-6)


def test_crossed_corners_are_ordered_by_geometry(sample: RunwayDatabase, tmp_path: Path) -> None:
    pair = _pair(sample)
    document = lard_document(pair)
    corners = document["XAAA"]["9"]
    corners["A"], corners["B"] = corners["B"], corners["A"]
    both = document["XAAA"]["27"]
    both["A"], both["B"], both["C"], both["D"] = both["B"], both["A"], both["D"], both["C"]
    again, report = read_lard_json(write_json(tmp_path / "v1.json", document))
    crossed = [note for note in report.notes if "cross" in note]
    assert crossed == ["XAAA 9: corners A-B-C-D cross; ordered by geometry"]
    assert again.airport("XAAA").runway("09").corners == pair["9"].corners
    assert again.airport("XAAA").runway("27").corners == pair["27"].corners
    assert check_database(again) == []


def test_corner_keys_may_come_in_any_order(sample: RunwayDatabase, tmp_path: Path) -> None:
    document = lard_document(_pair(sample))
    document["XAAA"] = {
        ident: {
            letter: {"coordinate": dict(reversed(list(corners[letter]["coordinate"].items())))}
            for letter in "CDAB"
        }
        for ident, corners in document["XAAA"].items()
    }
    again, _ = read_lard_json(write_json(tmp_path / "v2.json", document))
    assert again.airport("XAAA").runway("09").corners == sample.airport("XAAA").runway("09").corners


def test_inverted_idents_are_detected_and_exchanged(sample: RunwayDatabase, tmp_path: Path) -> None:
    pair = _pair(sample)
    document = lard_document({"27": pair["9"], "9": pair["27"]})
    again, report = read_lard_json(write_json(tmp_path / "inverted.json", document))
    assert again.airport("XAAA").runway("09").heading_deg == pytest.approx(90, abs=0.01)
    assert "XAAA 9: named after the opposite direction; read as 27" in report.notes
    assert check_database(again) == []


def test_lards_zero_is_north() -> None:
    assert [lard_ident(ident) for ident in ("00C", "0", "8R", "36L")] == ["36C", "36", "08R", "36L"]
    with pytest.raises(AirportError):
        lard_ident("000")


def test_a_lone_end_gets_its_reciprocal(sample: RunwayDatabase, tmp_path: Path) -> None:
    document = lard_document({"09": _pair(sample)["9"]})
    again, report = read_lard_json(write_json(tmp_path / "lone.json", document))
    assert again.airport("XAAA").runway("27").corners == sample.airport("XAAA").runway("27").corners
    assert "XAAA 09: reciprocal 27 added" in report.notes


def test_reciprocals_are_linked_by_place_not_by_name(sample: RunwayDatabase, tmp_path: Path) -> None:
    pair = _pair(sample)
    document = lard_document({"09": pair["9"], "28": pair["27"]})
    again, _ = read_lard_json(write_json(tmp_path / "odd.json", document))
    assert again.airport("XAAA").runway("09").reciprocal == "28"
    assert [str(v) for v in check_database(again)] == [
        "XAAA 09: reciprocal: found 28, expected 27",
        "XAAA 28: reciprocal: found 09, expected 10",
    ]


def test_altitudes_per_direction_are_kept_and_reported(sample: RunwayDatabase, tmp_path: Path) -> None:
    document = lard_document(_pair(sample))
    document["XAAA"]["27"]["A"]["coordinate"]["altitude"] += 1.5
    again, report = read_lard_json(write_json(tmp_path / "uneven.json", document))
    assert "XAAA 09: corners up to 1.50 m from those stated for 27" in report.notes
    violations = check_database(again)
    assert [(v.runway, v.rule, v.found) for v in violations] == [
        ("09", "corners against 27", "1.500 m apart")
    ]


def test_stale_positions_are_reported(sample: RunwayDatabase, tmp_path: Path) -> None:
    write_lard_json(sample, tmp_path / "runways.json")
    document = json.loads((tmp_path / "runways.json").read_text(encoding="utf-8"))
    document["XAAA"]["09"]["A"]["position"]["x"] += 7.8
    _, report = read_lard_json(write_json(tmp_path / "stale.json", document))
    assert report.notes == ["XAAA 09: position and coordinate differ by 7.80 m; coordinate used"]


def _break(document: dict[str, Any], letter: str, name: str, value: Any) -> None:
    document["XAAA"]["9"][letter]["coordinate"][name] = value


def test_every_fault_of_a_file_is_listed(sample: RunwayDatabase, tmp_path: Path) -> None:
    document = lard_document(_pair(sample), **{"99": {}, "N": {"A": {}}})
    _break(document, "A", "latitude", None)
    _break(document, "B", "longitude", 200.0)
    _break(document, "C", "altitude", "high")
    del document["XAAA"]["27"]["D"]
    document["XBBB"] = []
    with pytest.raises(AirportError) as caught:
        read_lard_entries(write_json(tmp_path / "bad.json", document))
    message = str(caught.value)
    for part in (
        "XAAA 9: A.coordinate.latitude: found None, expected a finite number",
        "XAAA 9: B.coordinate.longitude: found 200.0, expected -180 to 180",
        "XAAA 9: C.coordinate.altitude: found 'high'",
        "XAAA 27: corner D is missing",
        "runway ident '99'",
        "runway ident 'N'",
        "XBBB: found list, expected runways by ident",
    ):
        assert part in message, part


def test_duplicates_and_broken_json_are_refused(sample: RunwayDatabase, tmp_path: Path) -> None:
    text = json.dumps(lard_document(_pair(sample)))
    path = tmp_path / "bad.json"
    path.write_text(text.replace('"27"', '"9"'), encoding="utf-8")
    with pytest.raises(AirportError, match="key '9' occurs twice"):
        read_lard_json(path)
    twice = lard_document({"9": _pair(sample)["9"], "09": _pair(sample)["9"], "27": _pair(sample)["27"]})
    with pytest.raises(AirportError, match="XAAA: runway 09 occurs 2 times"):
        read_lard_json(write_json(path, twice))
    path.write_text(text[:-5], encoding="utf-8")
    with pytest.raises(AirportError, match=r"bad.json:1: not valid JSON"):
        read_lard_json(path)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(AirportError, match="expected an object of airports"):
        read_lard_json(path)
    with pytest.raises(AirportError, match="no such file"):
        read_lard_json(tmp_path / "absent.json")


def test_corners_on_one_side_of_the_axis_are_refused(sample: RunwayDatabase, tmp_path: Path) -> None:
    document = lard_document(_pair(sample))
    document["XAAA"]["9"]["A"] = document["XAAA"]["9"]["B"]
    with pytest.raises(AirportError, match="XAAA 9: corners A, B or C, D lie on one side of the axis"):
        read_lard_json(write_json(tmp_path / "sides.json", document))


def test_letters_turned_by_one_corner_fail_the_check(sample: RunwayDatabase, tmp_path: Path) -> None:
    document = lard_document({"09": _pair(sample)["9"]})
    corners = document["XAAA"]["09"]
    turned = {letter: corners[other] for letter, other in zip("ABCD", "BCDA", strict=True)}
    again, _ = read_lard_json(write_json(tmp_path / "turned.json", {"XAAA": {"36": turned}}))
    assert {"width of the near end", "landing length"} <= {v.rule for v in check_database(again)}


shared_v1 = pytest.mark.skipif(not LARD_V1.exists(), reason="no LARD V1 database beside the checkout")
shared_v2 = pytest.mark.skipif(not LARD_V2.exists(), reason="no LARD V2 excerpt beside the checkout")


@shared_v1
def test_lard_v1_has_23_crossed_runways_and_comes_out_clean(tmp_path: Path) -> None:
    v1, report = read_lard_json(LARD_V1)
    assert report.rows == 115 and len(v1.airports) == 53
    assert sum("cross" in note for note in report.notes) == 23
    assert sum("added" in note for note in report.notes) == 7
    # C lies left of the axis on 41 of 115 ends only
    assert sum(bool(left_of_axis(entry.coordinate)[2]) for entry in read_lard_entries(LARD_V1)) == 41
    assert [(v.airport, v.runway, v.found) for v in check_database(v1)] == [("LICJ", "02", "10.000 m apart")]
    write_lard_json(v1, tmp_path / "v1.json")
    again, report = read_lard_json(tmp_path / "v1.json")
    assert not [note for note in report.notes if "LICJ" not in note]
    assert max(corner_gap_m(airport, again.airports[icao]) for icao, airport in v1.airports.items()) == 0


@shared_v2
def test_lard_v2_round_trip_is_exact(tmp_path: Path) -> None:
    v2, _ = read_lard_json(LARD_V2)
    write_lard_json(v2, tmp_path / "v2.json")
    original = {(e.airport, e.ident): e for e in read_lard_entries(LARD_V2)}
    written = {(e.airport, e.ident): e for e in read_lard_entries(tmp_path / "v2.json")}
    for key, entry in original.items():
        assert np.array_equal(entry.coordinate, written[key].coordinate)
        assert entry.position is not None and written[key].position is not None
        assert np.abs(entry.position - written[key].position).max() < 1e-6
