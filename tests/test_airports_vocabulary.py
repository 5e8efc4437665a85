"""Markings, lights, surfaces and countries have one set of words, from every file to paint and verdicts."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from airports_support import database, strip

from lard.airports import load_shipped
from lard.airports.aptdat import read_aptdat
from lard.airports.surfaces import SURFACES, surface_of, surface_of_aptdat
from lard.airports.table import read_table_folder, write_table_folder
from lard.airports.vocabulary import (
    APPROACH_LIGHTS,
    APTDAT_APPROACH_LIGHTS,
    APTDAT_MARKINGS,
    ASSUMABLE,
    MARKINGS,
    marking_of,
    usual_approach_lights,
)
from lard.errors import AirportError
from lard.ground.painted.markings import RunwayEnd, strip_markings
from lard.render.lights import _approach

ROW = "100 45.00 1 0 0.25 1 3 1 09 10.0 20.0 0 0 {} {} 1 0 27 10.0 20.025 0 0 {} {} 0 1"


def _aptdat(path: Path, *codes: object) -> Path:
    text = f"I\n1100 Version\n\n1 328 1 0 XAAA Field\n{ROW.format(*codes)}\n99\n"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("code", APTDAT_MARKINGS)
def test_every_marking_code_is_a_word_that_the_painter_knows(tmp_path: Path, code: int) -> None:
    read, _ = read_aptdat(_aptdat(tmp_path / "apt.dat", code, 0, 3, 1))
    runway = read.airport("XAAA").runway("09")
    assert runway.marking in MARKINGS and runway.assumed == ()
    assert runway.approach_lights == "none", "stated as none, whatever the marking"
    end = RunwayEnd("09", runway.length_m, runway.width_m, runway.marking, False)
    bars = {"none": 0, "basic": 1, "nonprecision": 2, "precision": 3}
    painted = len(strip_markings(end, end))
    fewer = RunwayEnd(
        "09", runway.length_m, runway.width_m, MARKINGS[max(bars[runway.marking] - 1, 0)], False
    )
    assert painted >= len(strip_markings(fewer, fewer))
    assert (painted == 0) == (runway.marking == "none")


@pytest.mark.parametrize("code", APTDAT_APPROACH_LIGHTS)
def test_approach_lights_reach_as_far_as_their_system(tmp_path: Path, code: int) -> None:
    read, _ = read_aptdat(_aptdat(tmp_path / "apt.dat", 1, code, 3, 1))
    runway = read.airport("XAAA").runway("09")
    assert runway.approach_lights in APPROACH_LIGHTS
    reach_m = max((float(-np.min(row.s)) for row in _approach(runway)), default=0.0)
    low, high = {"none": (0, 0), "simple": (400, 440), "full": (700, 900)}[runway.approach_lights]
    assert low <= reach_m <= high


@pytest.mark.parametrize(
    ("codes", "name"),
    [((8, 0, 3, 1), "marking"), ((3, 13, 3, 1), "approach lights"), ((3, "x", 3, 1), "approach lights")],
)
def test_unknown_codes_are_named_with_their_line(
    tmp_path: Path, codes: tuple[object, ...], name: str
) -> None:
    with pytest.raises(AirportError, match=rf"apt\.dat:5: 09 {name}: found"):
        read_aptdat(_aptdat(tmp_path / "apt.dat", *codes))


@pytest.mark.parametrize("marking", MARKINGS)
def test_the_table_keeps_words_and_what_is_assumed(tmp_path: Path, marking: str) -> None:
    ends = replace(
        strip(), marking=(marking, "basic"), approach_lights=("simple", "none"), assumed=((), ("marking",))
    )
    write_table_folder(database(ends), tmp_path)
    (read,) = read_table_folder(tmp_path).airports.values()
    found = [(runway.marking, runway.approach_lights, runway.assumed) for runway in read.runways]
    assert found == [(marking, "simple", ()), ("basic", "none", ("marking",))]


def test_other_spellings_are_read_and_other_words_refused(tmp_path: Path) -> None:
    write_table_folder(database(strip()), tmp_path)
    table = tmp_path / "runways.csv"
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace(",precision,", ",Non-Precision,"), encoding="utf-8")
    ends = [r for airport in read_table_folder(tmp_path).airports.values() for r in airport.runways]
    assert {runway.marking for runway in ends} == {"nonprecision"}
    table.write_text(text.replace(",precision,", ",instrument,"), encoding="utf-8")
    with pytest.raises(AirportError, match=r"runways\.csv:2: marking: found 'instrument'"):
        read_table_folder(tmp_path)
    table.write_text(text.replace(",full,", ",bright,"), encoding="utf-8")
    with pytest.raises(AirportError, match=r"runways\.csv:2: approach_lights: found 'bright'"):
        read_table_folder(tmp_path)


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("asfalt", "; did you mean asphalt?"),
        ("Concrete", "; did you mean concrete?"),
        ("tarmac", "; did you mean asphalt?"),
        ("turf", "; did you mean grass?"),
        ("watr", "; did you mean water?"),
        ("", "; did you mean unknown?"),
        ("xyz", ""),
    ],
)
def test_words_that_are_no_surface_are_refused(tmp_path: Path, word: str, hint: str) -> None:
    write_table_folder(database(strip(), strip("XBBB")), tmp_path)
    table = tmp_path / "runways.csv"
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[2] = lines[2].replace(",asphalt,", f",{word},")
    table.write_text("".join(lines), encoding="utf-8")
    with pytest.raises(AirportError) as caught:
        read_table_folder(tmp_path)
    expected = f"{table}:3: surface: found {word!r}, expected one of {', '.join(SURFACES)}{hint}"
    assert str(caught.value) == expected


@pytest.mark.parametrize("surface", SURFACES)
def test_every_surface_that_an_importer_may_name_is_read_back(tmp_path: Path, surface: str) -> None:
    write_table_folder(database(replace(strip(), surface=surface)), tmp_path)
    (read,) = read_table_folder(tmp_path).airports.values()
    assert {runway.surface for runway in read.runways} == {surface}


def test_importers_name_known_surfaces_only() -> None:
    assert {surface_of_aptdat(code) for code in range(-1, 100)} <= set(SURFACES)
    texts = ("ASPH-G", "CONC", "PEM", "Grass", "GVL", "sand", "ice", "PSP", "WATER", "asfalt", "??", "")
    assert {surface_of(text) for text in texts} <= set(SURFACES)


@pytest.mark.parametrize(
    ("word", "hint"), [("fr", "; did you mean FR?"), ("UK", "; did you mean GB?"), ("Q", "")]
)
def test_words_that_are_no_country_are_refused(tmp_path: Path, word: str, hint: str) -> None:
    write_table_folder(database(strip(), strip("XBBB")), tmp_path)
    table = tmp_path / "airports.csv"
    text = table.read_text(encoding="utf-8")
    at = text.rindex(",FR,")
    table.write_text(f"{text[:at]},{word},{text[at + 4 :]}", encoding="utf-8")
    with pytest.raises(AirportError) as caught:
        read_table_folder(tmp_path)
    expected = "expected a two-letter country code of ISO 3166, such as FR, or nothing"
    assert str(caught.value) == f"{table}:3: country: found {word!r}, {expected}{hint}"
    table.write_text(text.replace(",FR,", ",,"), encoding="utf-8")
    assert {airport.country for airport in read_table_folder(tmp_path).airports.values()} == {""}


def test_tables_without_the_columns_assume_what_goes_with_the_marking(tmp_path: Path) -> None:
    write_table_folder(database(strip()), tmp_path)
    table = tmp_path / "runways.csv"
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    kept = [name for name in rows[0] if name not in ("approach_lights", "assumed")]
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, kept, extrasaction="ignore")
        writer.writeheader()
        writer.writerows({**row, "marking": "nonprecision"} for row in rows)
    for airport in read_table_folder(tmp_path).airports.values():
        for runway in airport.runways:
            assert runway.approach_lights == usual_approach_lights("nonprecision") == "simple"
            assert runway.assumed == ASSUMABLE


def test_shipped_markings_are_said_to_be_assumed() -> None:
    ends = [runway for airport in load_shipped().airports.values() for runway in airport.runways]
    assert len(ends) == 428 and all(runway.assumed == ASSUMABLE for runway in ends)


def test_spellings() -> None:
    assert marking_of(" Visual ") == "basic" and marking_of("non-precision") == "nonprecision"
    assert marking_of("") is None
