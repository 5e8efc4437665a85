"""Versions of databases follow from content; labels name folders that are not there."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from lard.airports import RunwayDatabase, load_shipped
from lard.airports.content import versioned
from lard.airports.files import open_database, pick_airports
from lard.airports.provenance import is_named
from lard.airports.table import write_table_folder
from lard.cli import main
from lard.tables import FRAMES, MANIFEST, read_table, write_table

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


def held(folder: Path) -> RunwayDatabase:
    database = open_database(folder)
    assert database.version == version(folder), "nobody touched it"
    return database


INFOS = "icao,name,country,lat_deg,lon_deg,elevation_m\nXAAA,{},{},0.0,10.0,30\n"
OPTIONS = [
    ("--min-length", "2600"),
    ("--unpaved",),
    ("--fill-elevation",),
    ("--names", "fr.csv"),
    ("--names", "de.csv"),
    ("--airports", "XAAA"),
    ("--datum", "ellipsoidal"),
]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runways of which every option of an import changes something."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "runways.csv"
    grass = ROW.format(8215).replace("XAAA", "XBBB").replace(",ASP,", ",GRS,").replace("7,1", "8,2")
    bare = ROW.format(8215).replace("XAAA", "XCCC").replace(",100,270", ",,270").replace("7,1", "9,3")
    path.write_text(HEAD + ROW.format(8215) + grass + bare)
    for country in ("fr", "de"):
        (tmp_path / f"{country}.csv").write_text(INFOS.format("Aaa", country.upper()))
    return path


@pytest.mark.parametrize("stated", [(), ("--date", "2026-01-01"), ("--version", "9")])
def test_every_option_that_changes_a_table_changes_its_version(source: Path, stated: tuple) -> None:
    seen = {}
    for k, more in enumerate([(), *OPTIONS]):
        if more == ("--min-length", "2600"):
            run("airports", "import", str(source), *more, "--out", "none", code=2)  # keeps nothing
            continue
        run("airports", "import", str(source), *stated, *more, "--out", str(k))
        seen[held(Path(str(k))).version] = more
    # with all airports asked for, of which only one is kept, nothing changes
    assert len(seen) == len(OPTIONS) - 1, seen
    base = stated[-1] if stated else "sha256-"
    assert all(name.startswith(base) and len(name.partition("+")[2]) == 12 for name in seen)
    run("airports", "import", str(source), *stated, "--datum", "msl", "--out", "same")
    assert version(Path("same")) == version(Path("0"))
    assert open_database(source).version.partition("+")[2] == version(Path("0")).partition("+")[2]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("airports.csv", ",FR,", ",DE,"),
        ("airports.csv", ",30\n", ",31\n"),
        ("runways.csv", "0,10,30.48", "0,10.0001,30.48"),
        ("runways.csv", ",45.11,", ",45.2,"),
        ("runways.csv", ",asphalt,", ",concrete,"),
        ("runways.csv", ",precision,", ",basic,"),
        ("runways.csv", ",full,", ",none,"),
        ("database.json", '"msl"', '"ellipsoidal"'),
    ],
)
def test_a_table_edited_by_hand_is_another(source: Path, file: str, old: str, new: str) -> None:
    run("airports", "import", str(source), "--date", "2026-01-01", "--names", "fr.csv", "--out", "t")
    before = held(Path("t")).version
    path = Path("t") / file
    text = path.read_text()
    assert old in text, text
    path.write_text(text.replace(old, new, 1))
    after = open_database("t").version
    assert after != before and after.startswith("2026-01-01+")
    path.write_text(text.replace("Aaa", "Another name") if file == "airports.csv" else text)
    assert open_database("t").version == before, "a name changes no label"


def test_labels_tell_of_an_edited_table(source: Path) -> None:
    run("airports", "import", str(source), "--date", "2026-01-01", "--names", "fr.csv", "--out", "t")
    run("scenario", "sample", "--odd", "lard_v1_cone", "--runways", "t", "--airports", "XAAA", "--n", "3",
        "--seed", "1", "--out", "d/frames.parquet")  # fmt: skip
    first = version(Path("t"))
    asked = ("label", "d", "--runways", "t", "--odd", "lard_v1_cone")
    assert "note" not in run(*asked)
    table = Path("t/airports.csv")
    table.write_text(table.read_text().replace(",FR,", ",DE,"))
    said = run(*asked)
    assert (
        f"as asked; the frames were drawn on runways {first}" in said and "labelled by runways 2026" in said
    )
    # a table and frames of before versions told content
    head = json.loads(Path("t/database.json").read_text())
    del head["content"]
    Path("t/database.json").write_text(json.dumps({**head, "version": "2026-01-01"}))
    frames = read_table(Path("d/frames.parquet"), FRAMES)
    older = frames.with_columns(runway_db_version=pl.lit("2026-01-01"))
    write_table(older, Path("d/frames.parquet"), FRAMES)
    said = run(*asked)
    assert (
        "the frames name runways 2026-01-01, a version of before versions told content; labelled by" in said
    )
    check = ("dqr", "run", "d", "--runways", "t", "--only", "A03", "--odd", "lard_v1_cone", "--out", "q")
    assert "COMPLIANT" in run(*check)
    assert "drawn on other" not in Path("q/summary.json").read_text(), "older frames are judged as well"


@pytest.mark.parametrize("command", ["render", "calibrate"])
def test_pictures_of_other_runways_are_asked_for(source: Path, command: str) -> None:
    run("airports", "import", str(source), "--name", "mine", "--out", "t")
    run("scenario", "sample", "--odd", "lard_v1_cone", "--runways", "t", "--airports", "XAAA", "--n", "2",
        "--seed", "1", "--out", "d/frames.parquet")  # fmt: skip
    rows = {name: [None, None] for name in MANIFEST}
    names = read_table(Path("d/frames.parquet"), FRAMES)["frame_id"]
    write_table(
        pl.DataFrame({**rows, "frame_id": names, "image": "x.jpg"}), Path("d/manifest.parquet"), MANIFEST
    )
    what = "d/frames.parquet" if command == "render" else "d"
    said = run(command, what, "--out", "o", code=2)
    assert "frames were drawn on the runways mine sha256-" in said and "with --runways" in said
    said = run(command, what, "--out", "o", "--runways", "shipped", code=2)
    assert "lard 2026.11 as asked; the frames were drawn on mine" in said and not Path("o").exists()
    spec = ("--odd", "lard_v1_cone") if command == "calibrate" else ("--ground", "nowhere")
    assert "note: " not in run(command, what, "--out", "o", "--runways", "t", *spec, code=2)


def test_the_shipped_table_keeps_its_version_and_a_changed_copy_does_not(tmp_path: Path) -> None:
    shipped = load_shipped()
    assert shipped.version == "2026.11", "its content is the one that database.json records"
    run("airports", "export", str(tmp_path / "copy"), "--format", "table")
    assert held(tmp_path / "copy").version == shipped.version
    path = tmp_path / "copy/airports.csv"
    path.write_text(path.read_text().replace(",FR,", ",DE,", 1))
    edited = open_database(tmp_path / "copy")
    assert edited.version.startswith("2026.11+")
    assert is_named(shipped, "lard", "2026.11") and not is_named(edited, "lard", "2026.11")
    run("airports", "export", str(tmp_path / "part"), "--format", "table", "--airports", "LFPO")
    assert held(tmp_path / "part").version.startswith("2026.11+")


def test_a_table_in_another_datum_is_told_apart(tmp_path: Path) -> None:
    write_table_folder(pick_airports(load_shipped(), ["LFPO"]), tmp_path / "t")
    run("airports", "import", str(tmp_path / "t"), "--datum", "ellipsoidal", "--out", str(tmp_path / "u"))
    assert version(tmp_path / "u").startswith("2026.11+") != version(tmp_path / "t")


def test_what_a_table_cannot_hold_is_not_named_by_it(tmp_path: Path) -> None:
    database = pick_airports(load_shipped(), ["LFPO"])
    airport = database.airport("LFPO")
    first, *others = airport.runways
    up = tuple((lat, lon, alt + 5.0) for lat, lon, alt in first.corners[:2])
    bent = replace(first, corners=(up[0], up[1], *first.corners[2:]))  # the far end seen from here is higher
    odd = versioned(replace(database, airports={"LFPO": replace(airport, runways=(bent, *others))}))
    assert odd.version != database.version
    write_table_folder(odd, tmp_path / "t")
    assert held(tmp_path / "t").version == database.version


def test_a_missing_folder_is_named_as_missing(tmp_path: Path) -> None:
    for name in ("nothing", "nothing.parquet", "nothing.yaml"):
        said = run("label", str(tmp_path / name), code=2)
        assert f"{tmp_path / name}: no such file or folder; give" in said and "--out" not in said
    said = run("label", str(tmp_path / "nothing"), "--out", str(tmp_path / "l.parquet"), code=2)
    assert "nothing: no such file or folder" in said
