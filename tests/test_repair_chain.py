"""The repair of docs/calibration.md as it is written, and LARD V2 folders that name the opposite end."""

import csv
import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from PIL import Image
from render_scene import make_airport, make_scene
from test_calibrate import fields_and_grass, painted

from lard.airports.corrections import Correction, apply_corrections
from lard.airports.model import RunwayDatabase
from lard.airports.table import read_table_folder, write_table_folder
from lard.camera import Poses, camera_of
from lard.cli import main
from lard.odd import load_spec
from lard.render.renderer import Conditions, render_frame
from lard.scenario.sampler import sample
from lard.tables import FRAMES, MANIFEST, read_table, sha256_file, write_table

SPEC = """\
name: near
version: "1"
approach:
  lateral_deg: [-2, 2]
  vertical_deg: [2.5, 4]
  pitch_deg: [-6, 0]
  yaw_offset_deg: [-5, 5]
  roll_deg: [-8, 8]
zones: {near: {along_track_m: [300, 1500]}}
environment: {visibility_m: 30000}
"""
MOVED_M = (2.0, -1.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset drawn for a database, of pictures whose runway lies elsewhere."""
    base = tmp_path_factory.mktemp("chain")
    database = RunwayDatabase("sim", "7", "wgs84", "msl", {"XTST": make_airport(length_m=2500)})
    write_table_folder(database, base / "sim_runways")
    database = read_table_folder(base / "sim_runways")
    truth = apply_corrections(database, [Correction("XTST", end, *MOVED_M) for end in ("07", "25")])
    ground, surface = make_scene(
        base / "ground", truth.airport("XTST"), (4096, 6144), 0.5, 7, fields_and_grass, painted
    )
    (base / "near.yaml").write_text(SPEC)
    frames = sample(load_spec(base / "near.yaml"), database, ["XTST"], 14, 1)
    (base / "data/images").mkdir(parents=True)
    write_table(frames, base / "data/frames.parquet", FRAMES)
    poses, rows = Poses.from_frames(frames), []
    for k, name in enumerate(frames["frame_id"]):
        path = base / f"data/images/{name}.jpg"
        Image.fromarray(render_frame(ground, surface, poses[k], camera_of(frames), Conditions(3e4))).save(
            path
        )
        rows.append(
            {"frame_id": name, "image": f"images/{name}.jpg", "sha256": sha256_file(path),
             "width_px": 1024, "height_px": 1024,
             "source": "sim", "source_version": "1", "licence": "CC0-1.0",
             "attribution": "by the simulator", "runway_db": "sim", "runway_db_version": "7",
             "tool_version": "0", "seed": 1}
        )  # fmt: skip
    write_table(pl.DataFrame(rows), base / "data/manifest.parquet", MANIFEST)
    return base


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(folder)

    def invoke(*args: str, code: int | None = 0) -> str:
        result = CliRunner().invoke(main, list(args))
        assert code is None or result.exit_code == code, result.output
        return result.output

    return invoke


def test_the_repair_as_documented_ends_without_a_finding(folder: Path, run) -> None:  # type: ignore[no-untyped-def]
    run("label", "data", "--runways", "sim_runways", "--odd", "near.yaml")
    run("calibrate", "data", "--runways", "sim_runways", "--odd", "near.yaml", "--out", "calibration")
    export = ("airports", "export", "mended", "--runways", "sim_runways", "--format", "table")
    run(*export, "--corrections", "calibration/corrections.csv")
    mended, base = read_table_folder(folder / "mended"), read_table_folder(folder / "sim_runways")
    assert mended.name == "sim-corrected" and mended.version.startswith("7+") != base.version
    assert "sim" in mended.airport("XTST").runway("07").source
    shutil.copy("calibration/frames.parquet", "data/frames.parquet")
    frames = read_table("data/frames.parquet", FRAMES)
    assert set(frames["runway_db_version"]) == {mended.version}
    assert "drawn on the runways sim-corrected" in run("label", "data", "--odd", "near.yaml", code=2)
    assert "note" not in run("label", "data", "--runways", "mended", "--odd", "near.yaml")
    # the spec of the dataset is found where dataset.json says
    check = ("dqr", "run", "data", "--runways", "mended", "--only", "A03", "--out", "dqr")
    assert "COMPLIANT" in run(*check)
    assert set(frames["pictures_db"]) == {"sim"} and set(frames["pictures_db_version"]) == {"7"}
    assert "COMPLIANT" in run(*check[:6], "T02", "--out", "dqr1")
    unsaid = run("dqr", "run", "data", "--only", "I04", "--out", "dqr0", code=None)
    assert f"labels were computed from the runways sim-corrected {mended.version}" in unsaid
    summary = json.loads((folder / "dqr/summary.json").read_text())
    assert "no ODD" not in str(summary["partial"])
    assert set(read_table("data/manifest.parquet", MANIFEST)["attribution"]) == {"by the simulator"}


def test_a_spec_that_changed_or_is_gone_is_asked_for(folder: Path, run) -> None:  # type: ignore[no-untyped-def]
    shutil.copytree("data", "other", dirs_exist_ok=True)
    run("label", "other", "--runways", "sim_runways", "--odd", "near.yaml")
    Path("near.yaml").write_text(SPEC + "# another\n")
    check = ("dqr", "run", "other", "--runways", "sim_runways", "--out", "dqr2")
    said = run(*check, code=2)
    assert "the dataset's spec is near 1 (sha256" in said and "give its file with --odd" in said
    assert not Path("dqr2").exists()
    run(*check, "--only", "A03")  # asks for no domain
    Path("near.yaml").write_text(SPEC)


def test_labels_of_lard_v2_are_judged_by_the_end_they_face(folder: Path, run) -> None:  # type: ignore[no-untyped-def]
    shutil.copytree("data", "v2_source", dirs_exist_ok=True)
    runways = str(read_table("v2_source/frames.parquet", FRAMES)["runway_db"][0])
    database = "mended" if runways == "sim-corrected" else "sim_runways"
    run("label", "v2_source", "--runways", database, "--odd", "near.yaml")
    run("export", "lard", "v2_source", "--version", "v2", "--out", "v2")
    path = folder / "v2/dataset.csv"
    check = ("dqr", "run", "v2", "--runways", database, "--only", "A03", "--out", "dqr3")
    assert "note" not in run(*check)
    rows = list(csv.reader(path.open(), delimiter=";"))
    place = rows[0].index("runway")
    for row in rows[1:]:
        row[place] = {"07": "25", "25": "07"}[row[place]]
    with path.open("w", newline="") as stream:
        csv.writer(stream, delimiter=";", lineterminator="\n").writerows(rows)
    said = run(*check)
    assert "COMPLIANT" in said and "named after the opposite direction" in said
    # a wrong distance is still found
    along = rows[0].index("along_track_distance")
    for row in rows[1:]:
        row[along] = str(float(row[along]) + 0.1)
    with path.open("w", newline="") as stream:
        csv.writer(stream, delimiter=";", lineterminator="\n").writerows(rows)
    assert "DQR-A03 FAIL" in run(*check, code=1)
