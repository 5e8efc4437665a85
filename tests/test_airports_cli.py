"""`lard airports` from the command line."""

import json
from pathlib import Path

import pytest
from airports_support import database, row, strip, write_csv
from click.testing import CliRunner, Result

from lard.airports.corrections import Correction, write_corrections
from lard.airports.lardjson import write_lard_json
from lard.cli import main


def lard(*words: object) -> Result:
    return CliRunner().invoke(main, ["airports", *map(str, words)], prog_name="lard")


def test_list_and_show_the_shipped_table() -> None:
    result = lard("list", "--country", "fr", "--json")
    assert {airport["icao"] for airport in json.loads(result.stdout)} >= {"LFPG", "LFPO", "LFBO"}
    assert "Toulouse" in lard("list").stdout
    table = lard("show", "katl").stdout
    assert "08L" in table and "26R" in table
    shown = json.loads(lard("show", "KATL", "--json").stdout)
    assert len(shown["landing_directions"]) == 10
    assert list(shown["landing_directions"][0]["corners"]) == ["bl", "br", "tl", "tr"]


def test_crossing_and_parallel_filters_are_subsets() -> None:
    everything = {a["icao"] for a in json.loads(lard("list", "--json").stdout)}
    crossing = {a["icao"] for a in json.loads(lard("list", "--crossing", "--json").stdout)}
    assert "KATL" in everything - crossing and "KSFO" in crossing


def test_check_says_how_many_and_exits_with_1(tmp_path: Path) -> None:
    assert lard("check").exit_code == 0
    write_lard_json(database(strip(width_m=12.0)), tmp_path / "narrow.json")
    result = lard("check", tmp_path / "narrow.json")
    assert result.exit_code == 1 and "XAAA 09: width of the near end: found 12.00 m" in result.stdout
    assert len(json.loads(lard("check", tmp_path / "narrow.json", "--json").stdout)) == 4


def test_an_import_that_keeps_nothing_writes_nothing(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "runways.csv", row("XBBB", surface="TURF"), row("XCCC", closed=1))
    result = lard("import", source, "--out", tmp_path / "table")
    assert result.exit_code == 2 and "keeps none of its 2 rows" in result.output
    assert "1 closed" in result.output and "--unpaved" in result.output and not (tmp_path / "table").exists()


def test_import_export_diff_chain(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "runways.csv", row(), row("XBBB", surface="TURF"), row("XCCC", closed=1))
    result = lard("import", source, "--out", tmp_path / "table", "--date", "2026-01-01")
    assert result.exit_code == 0, result.output
    assert (
        "left out      1: closed (XCCC 09/27)" in result.stdout
        and "kept          1 of 3 rows" in result.stdout
    )
    assert lard("check", tmp_path / "table").exit_code == 0
    for fmt, name in (
        ("lard-v2", "a.json"),
        ("lard-v1", "b.json"),
        ("geojson", "c.geojson"),
        ("table", "again"),
    ):
        out = tmp_path / name
        assert lard("export", out, "--runways", tmp_path / "table", "--format", fmt).exit_code == 0
        assert out.exists()
    same = json.loads(lard("diff", tmp_path / "table", tmp_path / "a.json", "--json").stdout)
    assert len(same["pairs"]) == 2 and same["distance_m"]["max"] < 0.01
    assert "XAAA 09" in lard("diff", tmp_path / "table", tmp_path / "a.json").stdout


def test_import_report_as_json_and_reimport_is_identical(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "runways.csv", row(displaced_ft=(500, 0)))
    report = json.loads(lard("import", source, "--out", tmp_path / "a", "--json").stdout)
    assert report["kept"] == report["rows"] == 1
    lard("import", source, "--out", tmp_path / "b")
    assert (tmp_path / "a" / "runways.csv").read_bytes() == (tmp_path / "b" / "runways.csv").read_bytes()


def test_datums_are_named_and_never_mixed_silently(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "runways.csv", row())
    lard("import", source, "--out", tmp_path / "msl")
    lard("import", source, "--out", tmp_path / "hae", "--datum", "ellipsoidal")
    assert "altitudes ellipsoidal" in lard("list", "--runways", tmp_path / "hae").stdout
    assert "msl against ellipsoidal" in lard("diff", tmp_path / "msl", tmp_path / "hae").stdout
    assert "against" not in lard("diff", tmp_path / "msl", tmp_path / "msl").stdout


def test_corrections_from_diff_are_applied_on_export(tmp_path: Path) -> None:
    write_lard_json(database(strip()), tmp_path / "ours.json")
    write_lard_json(database(strip(first=(10.00003, 20.0, 31.0))), tmp_path / "theirs.json")
    lard("diff", tmp_path / "ours.json", tmp_path / "theirs.json", "--corrections", tmp_path / "c.csv")
    words = ("--runways", tmp_path / "ours.json", "--format", "lard-v2", "--corrections", tmp_path / "c.csv")
    assert lard("export", tmp_path / "moved.json", *words).exit_code == 0
    after = json.loads(lard("diff", tmp_path / "moved.json", tmp_path / "theirs.json", "--json").stdout)
    assert after["distance_m"]["max"] < 0.001
    write_corrections([Correction("XAAA", "05", 1.0)], tmp_path / "c.csv")
    assert lard("export", tmp_path / "moved.json", *words).exit_code == 2


def test_correcting_on_import_or_on_export_makes_one_version(tmp_path: Path) -> None:
    odd = database(strip(first=(10.000012345678, 20.000098765432, 31.00049)))
    write_lard_json(odd, tmp_path / "a.json")
    write_corrections([Correction("XAAA", "09", 1.00049, -2.00051, 0.30051)], tmp_path / "c.csv")
    words = ("--corrections", tmp_path / "c.csv")
    assert lard("import", tmp_path / "a.json", "--out", tmp_path / "now", *words).exit_code == 0
    lard("import", tmp_path / "a.json", "--out", tmp_path / "plain")
    later = ("export", tmp_path / "later", "--format", "table", "--runways", tmp_path / "plain", *words)
    assert lard(*later).exit_code == 0
    straight = (
        "export",
        tmp_path / "straight",
        "--format",
        "table",
        "--runways",
        tmp_path / "a.json",
        *words,
    )
    assert lard(*straight).exit_code == 0
    assert (tmp_path / "now/runways.csv").read_bytes() == (tmp_path / "straight/runways.csv").read_bytes()
    assert (tmp_path / "now/runways.csv").read_bytes() == (tmp_path / "later/runways.csv").read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("show", "KATX"), "other databases, those of `lard airports import` too, are given with --runways"),
        (("list", "--runways", "nowhere"), "nowhere: no such file or folder; expected a table folder"),
        (("check", "nowhere.json"), "nowhere.json: no such file"),
        (("import", "nowhere.csv", "--out", "x"), "nowhere.csv: no such file"),
        (("export", "x", "--format", "geojson", "--airports", "KATX"), "airport 'KATX'"),
        (("export", "x", "--format", "geojson", "--airports", "@nowhere"), "nowhere: no such file"),
        (("import", "x", "--only-named", "--out", "x"), "--only-named needs --names"),
    ],
)
def test_errors_are_one_clear_line_and_exit_2(
    words: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = lard(*words)
    assert result.exit_code == 2 and message in result.stderr and "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []  # no partial output


def test_a_failed_import_leaves_the_old_table(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "runways.csv", row())
    lard("import", source, "--out", tmp_path / "table")
    before = (tmp_path / "table" / "runways.csv").read_bytes()
    write_csv(source, row(width_ft="wide"))
    assert lard("import", source, "--out", tmp_path / "table").exit_code == 2
    assert (tmp_path / "table" / "runways.csv").read_bytes() == before


def test_every_command_has_examples() -> None:
    for words in ((), ("list",), ("show",), ("check",), ("import",), ("export",), ("diff",)):
        assert "Examples:" in lard(*words, "--help").stdout
