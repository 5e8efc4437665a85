"""A database that is changed on import has a version of its own; labels name folders that are not there."""

import json
from pathlib import Path

from click.testing import CliRunner

from lard.airports import load_shipped
from lard.airports.files import pick_airports
from lard.airports.table import write_table_folder
from lard.cli import main

HEAD = (
    "id,airport_ref,airport_ident,length_ft,width_ft,surface,lighted,closed,le_ident,le_latitude_deg,"
    "le_longitude_deg,le_elevation_ft,le_heading_degT,le_displaced_threshold_ft,he_ident,he_latitude_deg,"
    "he_longitude_deg,he_elevation_ft,he_heading_degT,he_displaced_threshold_ft\n"
)
ROW = "7,1,XAAA,{},148,ASP,1,0,09,0.0,10.0,100,90,,27,0.0,10.0225,100,270,\n"
FIXES = "airport,ident,column,value,note\n"


def run(*args: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, list(args))
    assert result.exit_code == code, result.output
    return result.output


def version(folder: Path) -> str:
    return str(json.loads((folder / "database.json").read_text())["version"])


def test_another_datum_is_another_version(tmp_path: Path) -> None:
    source = tmp_path / "runways.csv"
    source.write_text(HEAD + ROW.format(8215))
    for name, more in (("a", ()), ("b", ("--datum", "ellipsoidal")), ("c", ("--datum", "msl"))):
        run("airports", "import", str(source), "--date", "2026-01-01", *more, "--out", str(tmp_path / name))
    plain, ellipsoidal, same = (version(tmp_path / name) for name in "abc")
    assert plain == same == "2026-01-01"
    assert ellipsoidal.startswith("2026-01-01+") and len(ellipsoidal) == len("2026-01-01+") + 12
    run(
        "airports",
        "import",
        str(source),
        "--datum",
        "ellipsoidal",
        "--version",
        "9",
        "--out",
        str(tmp_path / "d"),
    )
    assert version(tmp_path / "d") == "9", "a version that is stated stays"


def test_a_table_in_another_datum_is_told_apart(tmp_path: Path) -> None:
    write_table_folder(pick_airports(load_shipped(), ["LFPO"]), tmp_path / "t")
    run("airports", "import", str(tmp_path / "t"), "--datum", "ellipsoidal", "--out", str(tmp_path / "u"))
    assert version(tmp_path / "u").startswith("2026.11+") and version(tmp_path / "t") == "2026.11"


def test_a_missing_folder_is_named_as_missing(tmp_path: Path) -> None:
    for name in ("nothing", "nothing.parquet", "nothing.yaml"):
        said = run("label", str(tmp_path / name), code=2)
        assert f"{tmp_path / name}: no such file or folder; give" in said and "--out" not in said
    said = run("label", str(tmp_path / "nothing"), "--out", str(tmp_path / "l.parquet"), code=2)
    assert "nothing: no such file or folder" in said
