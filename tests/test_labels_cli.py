"""`lard label` and `lard scenario convert` from the command line, good input and bad."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from labels_support import database, frames_of
from PIL import Image

from lard.airports.lardjson import write_lard_json
from lard.cli import main
from lard.intake.lard_csv import read_lard_csv
from lard.scenario.formats import scenario_of_frames, write_scenario
from lard.tables import FRAMES, LABELS, read_table, write_table

SPEC = Path(__file__).parents[1] / "odd_specs" / "lard_v2.yaml"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A runway database, a frames table and a V2 scenario folder with footage."""
    db = database()
    write_lard_json(db, tmp_path / "db.json")
    frames = frames_of(db, 12, along_m=(400.0, 5000.0))
    write_table(frames, tmp_path / "frames.parquet", FRAMES)
    footage = tmp_path / "S" / "footage"
    footage.mkdir(parents=True)
    write_scenario(scenario_of_frames(frames, "S"), tmp_path / "S" / "S.yaml", "v2")
    for k in range(12):
        Image.new("RGB", (1024, 1024)).save(footage / f"S_{k:02d}.jpeg")
    return tmp_path


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result.output


def label(place: Path, source: str, out: str, *more: object, code: int = 0) -> str:
    given = ("--runways", place / "db.json", "--odd", SPEC)
    # a LARD scenario does not say how far one sees
    given += ("--assume", "visibility_m=20000") if source.endswith(".yaml") else ()
    return run("label", place / source, *given, "--out", place / out, *more, code=code)


@pytest.mark.parametrize("source", ["frames.parquet", "S/S.yaml"])
@pytest.mark.parametrize("convention", ["exact", "lard-v1", "lard-v2"])
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_every_convention_and_table(place: Path, source: str, convention: str, suffix: str) -> None:
    label(place, source, f"out.{suffix}", "--convention", convention)
    if suffix == "parquet":
        table = read_table(place / "out.parquet", LABELS)
        assert len(table) and table["frame_id"].n_unique() <= 12
    else:
        table = read_lard_csv(place / "out.csv")
        assert ("x_A" in table.columns) == (convention == "lard-v1")
    if source == "S/S.yaml":
        names = table["image"].unique().to_list()
        assert all((place / name).is_file() for name in names)


def test_the_label_table_can_be_looked_at(place: Path) -> None:
    label(place, "S/S.yaml", "S/labels.csv", "--convention", "lard-v2")
    run("inspect", place / "S", "--out", place / "sheet.png", "--n", 4, "--tile-px", 100)
    assert Image.open(place / "sheet.png").width == 400


def test_exact_labels_of_a_scenario_are_those_of_its_frames(place: Path) -> None:
    label(place, "frames.parquet", "a.parquet")
    label(place, "S/S.yaml", "b.parquet")
    a, b = (
        read_table(place / name, LABELS).sort("x_min_px", "runway") for name in ("a.parquet", "b.parquet")
    )
    for column in ("runway", "verdict", "is_target", "truncated"):
        assert a[column].equals(b[column])
    for column in ("x_tl_px", "y_br_px", "visible_fraction", "along_track_m"):
        assert (a[column] - b[column]).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("source", "out", "more", "expected"),
    [
        ("none.yaml", "o.csv", (), "none.yaml: no such file; expected a scenario file"),
        ("none.parquet", "o.parquet", (), "none.parquet: no such table"),
        ("S/S.yaml", "o.txt", (), "expected a name that ends in .parquet or .csv"),
        ("db.json", "o.csv", (), "no cameraFrames"),
        ("S/S.yaml", "o.csv", ("--timezone", "Mars/Base"), "time zone 'Mars/Base' is unknown"),
        ("S/S.yaml", "o.csv", ("--runways", "/none.json"), "/none.json"),
    ],
)
def test_bad_arguments(place: Path, source: str, out: str, more: tuple, expected: str) -> None:
    message = label(place, source, out, *more, code=2)
    assert expected in message and "Traceback" not in message
    assert not (place / out).exists()


def test_missing_footage_and_unknown_airports(place: Path) -> None:
    (place / "S" / "footage" / "S_07.jpeg").unlink()
    assert "11 pictures for 12 poses" in label(place, "S/S.yaml", "o.csv", code=2)
    (place / "S" / "footage" / "other.jpeg").touch()
    assert "no picture called S_07.jpeg" in label(place, "S/S.yaml", "o.csv", code=2)
    text = (place / "S" / "S.yaml").read_text().replace("airport: KXYZ", "airport: KXXZ", 1)
    (place / "T.yaml").write_text(text)
    assert "did you mean KXYZ" in label(place, "T.yaml", "o.csv", code=2)
    assert "KXXZ" in label(place, "T.yaml", "o.csv", "--convention", "lard-v1", code=2)
    # LARD V2 skips an airport it does not know: so does its convention, and says so
    output = label(place, "T.yaml", "o.csv", "--convention", "lard-v2")
    assert "1 poses left out: airport KXXZ is not in" in output


def test_all_faulty_frames_are_named_and_nothing_is_written(place: Path) -> None:
    frames = read_table(place / "frames.parquet", FRAMES).with_columns(
        alt_m=pl.when(pl.int_range(pl.len()) % 5 == 0).then(-20.0).otherwise("alt_m")
    )
    write_table(frames, place / "bad.parquet", FRAMES)
    message = label(place, "bad.parquet", "o.parquet", code=2)
    assert message.count("under ground") == 3
    assert not (place / "o.parquet").exists()


def test_convert_chain_keeps_the_poses(place: Path) -> None:
    runways = ("--runways", place / "db.json")
    run("scenario", "convert", place / "frames.parquet", place / "a.yaml")
    run("scenario", "convert", place / "a.yaml", place / "b.esp", "--timezone", "Europe/Paris")
    run("scenario", "convert", place / "b.esp", place / "c.yaml", "--to", "v1")
    run("scenario", "convert", place / "c.yaml", place / "d.parquet", *runways, "--odd", SPEC)
    a, d = (read_table(place / name, FRAMES) for name in ("frames.parquet", "d.parquet"))
    for column in ("lat_deg", "lon_deg", "alt_m", "pitch_deg", "roll_deg", "along_track_m", "fx_px"):
        assert (a[column] - d[column]).abs().max() < 1e-5, column
    assert a["runway"].equals(d["runway"])
    message = run("scenario", "convert", place / "a.yaml", place / "b.esp", "--to", "v1", code=2)
    assert "a scenario as v1 is called .yaml or .yml" in message


def test_a_label_table_that_is_a_link_is_refused(place: Path) -> None:
    """What it leads to stays, the link too, and dataset.json is not written without it."""
    dataset, kept = place / "linked", place / "kept.parquet"
    dataset.mkdir()
    write_table(read_table(place / "frames.parquet", FRAMES), dataset / "frames.parquet", FRAMES)
    given = (dataset, "--runways", place / "db.json", "--odd", SPEC)
    run("label", *given)
    (dataset / "labels.parquet").rename(kept)
    (dataset / "labels.parquet").symlink_to(kept)
    (dataset / "dataset.json").unlink()
    before = kept.read_bytes()
    said = run("label", *given, code=2)
    assert "labels.parquet: is a link to" in said and "remove the link" in said
    assert (dataset / "labels.parquet").is_symlink() and not (dataset / "dataset.json").exists()
    assert kept.read_bytes() == before


def test_a_dataset_folder_is_labelled_in_place(place: Path) -> None:
    """What `lard render` leaves is a folder: labels and dataset.json join it, and it can be looked at."""
    folder = place / "set"
    (folder / "images").mkdir(parents=True)
    frames = read_table(place / "frames.parquet", FRAMES)
    write_table(frames, folder / "frames.parquet", FRAMES)
    for name in frames["frame_id"]:
        Image.new("RGB", (1024, 1024)).save(folder / "images" / f"{name}.jpg")
    run("label", folder, "--runways", place / "db.json", "--odd", SPEC)
    assert len(read_table(folder / "labels.parquet", LABELS))
    run("inspect", folder, "--out", place / "sheet.png", "--n", 4, "--tile-px", 100)
    assert "--out is missing" in run("label", place / "S" / "S.yaml", code=2)
