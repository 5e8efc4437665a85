"""Frames remember the spec and the runways they were drawn from; labels follow, or say that they do not."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from lard.airports import load_shipped
from lard.airports.content import content_digest
from lard.airports.corrections import Correction, apply_corrections, write_corrections
from lard.airports.files import pick_airports
from lard.airports.table import read_table_folder, write_table_folder
from lard.cli import main
from lard.errors import SpecError
from lard.odd import load_spec
from lard.odd.shipped import FOLDER, find_spec, shipped_by_content, shipped_specs
from lard.scenario import sample
from lard.scenario.restate import restated
from lard.tables import FRAMES, LABELS, ORIGIN, read_table, write_table

DB = load_shipped()
MOVED = (Correction("LFPO", "06", 3.0, -2.0, 4.0, source="sim"), Correction("LFPO", "24", up_m=4.0))


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder outside the checkout, with a copy of a spec that is nobody's."""
    monkeypatch.chdir(tmp_path)
    text = (FOLDER / "lard_v2.yaml").read_text().replace("[-30, 30]", "[-20, 20]")
    (tmp_path / "mine.yaml").write_text(text)
    return tmp_path


def drawn(spec: str, path: Path, n: int = 12) -> pl.DataFrame:
    frames = sample(load_spec(spec), DB, ["LFPO"], n, 1)
    write_table(frames, path, FRAMES)
    return frames


def test_shipped_specs_are_found_by_name_anywhere(elsewhere: Path) -> None:
    assert {"lard_v2", "lard_v1_cone", "all_weather"} <= set(shipped_specs())
    assert find_spec("lard_v2") == find_spec("lard_v2.yaml") == FOLDER / "lard_v2.yaml"
    assert "lard_v2" in run("odd", "check", "lard_v2")
    with pytest.raises(SpecError, match=r"no shipped spec of that name; in .* are all_weather"):
        load_spec("odd_specs/lard_v2.yaml")
    assert "no such file" in run("odd", "check", "lard_v3", code=2)
    (elsewhere / "lard_v2").mkdir()  # a folder is no spec
    assert load_spec("lard_v2").name == load_spec(FOLDER / "lard_v2.yaml").name
    for path in shipped_specs().values():
        assert shipped_by_content(load_spec(path).sha256) == path


def test_frames_name_their_spec_and_their_runways() -> None:
    spec = load_spec("lard_v1_cone")
    frames = sample(spec, DB, ["LFPO"], 6, 1)
    assert frames.select(*ORIGIN).unique().rows() == [
        (spec.name, spec.version, spec.sha256, DB.name, DB.version)
    ]


@pytest.mark.parametrize("spec", ["lard_v2", "lard_v1_cone"])
def test_labels_are_judged_by_the_spec_of_the_frames(elsewhere: Path, spec: str) -> None:
    drawn(spec, elsewhere / "data" / "frames.parquet")
    assert "note" not in run("label", "data")
    target = read_table(elsewhere / "data/labels.parquet", LABELS).filter("is_target")
    assert set(target["verdict"]) == {"IN_ODD"}
    info = json.loads((elsewhere / "data/dataset.json").read_text())
    assert info["odd"]["sha256"] == load_spec(spec).sha256 == info["drawn_from_odd_sha256"][0]
    assert info["drawn_on"] == [f"{DB.name} {DB.version}"]


def test_another_spec_must_be_asked_for(elsewhere: Path) -> None:
    frames = drawn("mine.yaml", elsewhere / "frames.parquet")
    message = run("label", "frames.parquet", "--out", "l.parquet", code=2)
    assert "not shipped; give its file with --odd" in message and not (elsewhere / "l.parquet").exists()
    assert "note" not in run("label", "frames.parquet", "--odd", "mine.yaml", "--out", "l.parquet")
    assert "as asked; the frames were drawn from" in run(
        "label", "frames.parquet", "--odd", "lard_v2", "--out", "l.parquet"
    )
    both = pl.concat([frames, sample(load_spec("lard_v2"), DB, ["EHAM"], 4, 1)], how="diagonal_relaxed")
    write_table(both, elsewhere / "both.parquet", FRAMES)
    assert "drawn from 2 specs" in run("label", "both.parquet", "--out", "l.parquet", code=2)
    write_table(frames.drop(ORIGIN), elsewhere / "old.parquet", FRAMES)
    assert "name no spec; judged by lard_v2" in run("label", "old.parquet", "--out", "l.parquet")


def test_other_runways_must_be_asked_for(elsewhere: Path) -> None:
    moved = apply_corrections(pick_airports(DB, ["LFPO"]), MOVED)
    write_table_folder(moved, elsewhere / "moved")
    frames = sample(load_spec("lard_v2"), moved, ["LFPO"], 4, 1)
    write_table(frames, elsewhere / "frames.parquet", FRAMES)
    message = run("label", "frames.parquet", "--out", "l.parquet", code=2)
    assert f"drawn on the runways {moved.name} {moved.version}" in message
    assert "note" not in run("label", "frames.parquet", "--runways", "moved", "--out", "l.parquet")
    assert "as asked" in run("label", "frames.parquet", "--runways", "shipped", "--out", "l.parquet")


def test_a_corrected_database_has_a_name_and_version_from_its_content(tmp_path: Path) -> None:
    moved = apply_corrections(DB, MOVED)
    assert (moved.name, moved.version.partition("+")[0]) == ("lard-corrected", DB.version)
    assert moved.version == apply_corrections(DB, MOVED[::-1]).version != DB.version
    less = apply_corrections(DB, MOVED[:1])
    assert less.version not in (moved.version, DB.version)
    assert apply_corrections(less, MOVED[1:]).version == moved.version  # the way there does not matter
    still = apply_corrections(DB, [Correction("LFPO", "06")])
    assert (still.name, still.version) == (DB.name, DB.version)
    write_table_folder(moved, tmp_path)
    assert (read_table_folder(tmp_path).name, read_table_folder(tmp_path).version) == (
        moved.name, moved.version,
    )  # fmt: skip
    assert content_digest(replace(DB, name="x", version="y")) == content_digest(DB)


def test_the_documented_repair_ends_with_true_metadata(elsewhere: Path) -> None:
    """Export with corrections, label, check: drawn values of older runways are not held against the new."""
    folder = elsewhere / "data"
    frames = drawn("lard_v2", folder / "frames.parquet", 60)
    write_corrections([Correction("LFPO", "06", 9.0, 9.0, 9.0), *MOVED[1:]], elsewhere / "c.csv")
    run("airports", "export", "moved", "--format", "table", "--corrections", "c.csv")
    run("label", "data", "--runways", "moved")
    check = ("dqr", "run", "data", "--runways", "moved", "--only", "A03", "--out", "dqr", "--odd", "lard_v2")
    assert "COMPLIANT" in run(*check)
    summary = json.dumps(json.loads((elsewhere / "dqr/summary.json").read_text()))
    assert "60 frames were drawn on other runways" in summary
    # what calibration writes: the frames stated anew, which are then judged as well
    moved = read_table_folder(elsewhere / "moved")
    again = restated(frames, moved, 0.0, 305.0)
    assert again["frame_id"].equals(frames["frame_id"])
    write_table(again, folder / "frames.parquet", FRAMES)
    assert "note" not in run("label", "data", "--runways", "moved")
    shutil.rmtree(elsewhere / "dqr")
    assert "COMPLIANT" in run(*check)
    assert "drawn on other" not in (elsewhere / "dqr/summary.json").read_text()
    # and frames that claim the new runways with the values of the old ones still fail
    claimed = again.with_columns(frames["along_track_m"], frames["vertical_deg"])
    write_table(claimed, folder / "frames.parquet", FRAMES)
    assert "DQR-A03 FAIL" in run(*check, code=1)
