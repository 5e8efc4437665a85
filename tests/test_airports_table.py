"""The shipped runway table and the table format."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from airports_support import corner_gap_m, database, strip

from lard.airports import Runway, load_shipped
from lard.airports.check import check_database
from lard.airports.intake import reciprocal_ident
from lard.airports.layout import crossing_pairs, parallel_pairs
from lard.airports.surfaces import PAVED
from lard.airports.table import read_table_folder, write_table_folder
from lard.errors import AirportError

REQUIRED = [
    "KATL",
    "KDFW",
    "KORD",
    "LFPG",
    "LFPO",
    "EHAM",
    "EDDF",
    "EGLL",
    "OMDB",
    "RJTT",
    "YSSY",
    "FAOR",
    "SBGR",
    "PHNL",
    "PHTO",
    "BIRK",
    "BIKF",
    "LFBO",
]
CONTINENTS = {  # first letters of ICAO codes
    "North America": "KCPMT",
    "South America": "S",
    "Europe": "ELB",
    "Africa": "FGHD",
    "Asia": "OVWRZU",
    "Oceania": "YN",
}


def test_shipped_table_has_what_it_promises() -> None:
    airports = load_shipped().airports
    assert len(airports) >= 60
    assert set(REQUIRED) <= set(airports)
    for continent, letters in CONTINENTS.items():
        assert sum(icao[0] in letters for icao in airports) >= 5, continent
    assert sum(bool(parallel_pairs(airport)) for airport in airports.values()) >= 20
    assert sum(bool(crossing_pairs(airport)) for airport in airports.values()) >= 5
    assert all(airport.name and len(airport.country) == 2 for airport in airports.values())


def test_shipped_table_passes_its_own_check() -> None:
    assert check_database(load_shipped()) == []


def test_shipped_runways_are_paved_and_long() -> None:
    for airport in load_shipped().airports.values():
        for runway in airport.runways:
            other = airport.runway(runway.reciprocal)
            assert runway.surface in PAVED and runway.source and runway.date
            assert runway.length_m + runway.displaced_m + other.displaced_m >= 1200, runway


def test_shipped_reciprocals_share_their_corners() -> None:
    for airport in load_shipped().airports.values():
        for runway in airport.runways:
            tl, tr, br, bl = airport.runway(runway.reciprocal).corners
            assert runway.corners == (br, bl, tl, tr)
            assert reciprocal_ident(runway.ident) == runway.reciprocal


def test_known_facts_of_shipped_runways() -> None:
    shipped = load_shipped()
    # pavement less both displaced thresholds: 12,799 ft - 1,007 ft
    assert shipped.airport("EGLL").runway("09L").length_m == pytest.approx(11792 * 0.3048, abs=15)
    assert shipped.airport("PHNL").runway("08L").width_m == pytest.approx(45.72, abs=0.01)
    assert shipped.airport("PHNL").runway("8L").reciprocal == "26R"
    # landing lengths of the two parallel runways are 3600 m whatever their pavement
    assert [round(r.length_m, -1) for r in shipped.airport("OMDB").strips] == [3600, 3600]
    assert shipped.airport("YSSY").elevation_m < 15
    assert len(shipped.airport("KORD").strips) == 8


def test_folder_round_trip_gives_the_same_bytes(tmp_path: Path) -> None:
    write_table_folder(load_shipped(), tmp_path / "first")
    again = read_table_folder(tmp_path / "first")
    write_table_folder(again, tmp_path / "second")
    for name in ("airports.csv", "runways.csv", "database.json"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    for icao, airport in load_shipped().airports.items():
        assert corner_gap_m(airport, again.airports[icao]) < 0.005


def test_corners_that_are_not_square_survive_a_round_trip(tmp_path: Path) -> None:
    sample = strip()
    (right, left), far = sample.edges
    skewed = replace(sample, edges=(((right[0], right[1] + 5e-5, right[2]), left), far))
    plain = database(skewed, strip("XBBB"))
    write_table_folder(plain, tmp_path)
    with (tmp_path / "runways.csv").open(encoding="utf-8") as stream:
        rows = {(row["airport"], row["ident"]): row for row in csv.DictReader(stream)}
    assert rows["XAAA", "09"]["br_lon_deg"] and not rows["XAAA", "27"]["br_lon_deg"]
    again = read_table_folder(tmp_path)
    assert corner_gap_m(plain.airport("XAAA"), again.airport("XAAA")) < 0.01
    assert corner_gap_m(plain.airport("XBBB"), again.airport("XBBB")) < 0.01


def test_square_edges_are_those_of_from_thresholds() -> None:
    for heading in range(0, 360, 40):
        turn = np.radians(heading)
        ends = ((-33.0, 151.0, 5.0), (-33.0 + 0.02 * np.cos(turn), 151.0 + 0.02 * np.sin(turn), 25.0))
        built = database(strip("XAAA", ("09", "27"), *ends)).airport("XAAA").runway("09")
        single = Runway.from_thresholds("XAAA", "09", "27", *ends, 45.0)
        assert np.abs(built.corners_ecef() - single.corners_ecef()).max() < 1e-8


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_table_folder(database(strip(), strip("XBBB", ("18C", "36C"), second=(9.98, 20.0, 40.0))), tmp_path)
    return tmp_path


def _replace(folder: Path, old: str, new: str) -> None:
    path = folder / "runways.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_all_bad_cells_are_reported_at_once(folder: Path) -> None:
    _replace(folder, "XAAA,09,27,10,20,30", "XAAA,09,27,nan,20,")
    _replace(folder, "XBBB,18C", "XBBB,18X")
    with pytest.raises(AirportError) as caught:
        read_table_folder(folder)
    lines = str(caught.value).splitlines()
    assert any("runways.csv:2: lat_deg: found 'nan'" in line for line in lines)
    assert any("runways.csv:2: alt_m: found '', expected a number" in line for line in lines)
    assert any("ident: found '18X'" in line for line in lines)


def test_duplicate_and_unlinked_ends_are_refused(folder: Path) -> None:
    _replace(folder, "XAAA,27,09", "XAAA,09,27")
    with pytest.raises(AirportError, match=r"runways.csv:3: ident: found '09', expected an ident once"):
        read_table_folder(folder)


def test_wrong_separator_and_unknown_columns_are_named(folder: Path) -> None:
    text = (folder / "runways.csv").read_text(encoding="utf-8")
    (folder / "runways.csv").write_text(text.replace(",", ";"), encoding="utf-8")
    with pytest.raises(AirportError, match="separate columns with commas"):
        read_table_folder(folder)
    (folder / "runways.csv").write_text(text.replace("surface", "pavement"), encoding="utf-8")
    with pytest.raises(AirportError, match=r"column 'surface' is missing(.|\n)*column 'pavement' is unknown"):
        read_table_folder(folder)


def test_missing_files_and_bad_heads_are_named(folder: Path) -> None:
    (folder / "database.json").write_text('{"name": "x", "version": "1", "earth": "flat"}', encoding="utf-8")
    with pytest.raises(AirportError, match=r"earth: found 'flat'(.|\n)*altitude_datum: found None"):
        read_table_folder(folder)
    with pytest.raises(AirportError, match="no such file"):
        read_table_folder(folder / "elsewhere")


def test_a_file_of_others_is_not_replaced_by_a_table(tmp_path: Path) -> None:
    """Such as OurAirports' runways.csv, imported with --out . beside it."""
    (tmp_path / "runways.csv").write_text("mine")
    with pytest.raises(AirportError, match=r"runways\.csv: is there and of no table of ours"):
        write_table_folder(load_shipped(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["runways.csv"]
