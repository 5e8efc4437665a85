"""Corners, poses, integrity and sequences in the score file, in leaderboard.csv and json, and on the page."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from approach_support import detections, flown
from click.testing import CliRunner

from lard.cli import main
from lard.errors import DataError
from lard.report.approach_tables import COLUMNS, approach_values
from lard.report.entries import Board, Entry, read_entries, with_sequences
from lard.report.leaderboard import leaderboard_html, write_leaderboard
from lard.score.scores import score
from lard.score.submission import add
from lard.tables import read_json, write_json


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flight scored for a detector with corners and one without."""
    folder = tmp_path_factory.mktemp("scored")
    truth = flown("LFPO", "24", 2.0)
    write_json(truth, folder / "coco" / "test.json")
    rows = detections(truth, 0.4)
    write_json(rows, folder / "corners.json")
    write_json([{k: v for k, v in row.items() if k != "keypoints"} for row in rows], folder / "boxes.json")
    for name in ("corners", "boxes"):
        score(folder / "coco" / "test.json", folder / f"{name}.json", folder / f"{name}.score.json", name)
    return folder


def entries_of(scored: Path) -> list[Entry]:
    return read_entries([scored / "corners.score.json", scored / "boxes.score.json"])


def test_parts_and_reasons_in_the_score_file(scored: Path) -> None:
    full, boxes = (read_json(scored / f"{name}.score.json") for name in ("corners", "boxes"))
    assert {"corners", "pose", "integrity", "sequences"} <= set(full) and "not_computed" not in full
    assert set(boxes["not_computed"]) == {"corners", "pose", "integrity"}
    assert "sequences" in boxes and "corners" not in boxes
    assert "corner_flicker_px" not in boxes["sequences"]["detector"]


def test_columns_and_page(scored: Path, tmp_path: Path) -> None:
    entries = entries_of(scored)
    write_leaderboard(entries, tmp_path)
    rows = {row["model"]: row for row in csv.DictReader((tmp_path / "leaderboard.csv").open())}
    assert set(COLUMNS) <= set(rows["corners"])
    score_file = read_json(scored / "corners.score.json")
    told = rows["corners"]
    assert float(told["height_m_p95"]) == pytest.approx(score_file["pose"]["errors"]["height_m"]["p95"])
    assert float(told["first_stable_m"]) == pytest.approx(
        score_file["sequences"]["detector"]["first_stable_m"]["median"]
    )
    assert all(told[name] != "" for name in COLUMNS)
    assert rows["boxes"]["height_m_p95"] == "" and rows["boxes"]["jump_rate"] != ""
    models = {
        m["model"]: m for m in json.loads((tmp_path / "leaderboard.json").read_text())["boards"][0]["models"]
    }
    assert models["corners"]["pose"] == score_file["pose"]
    page = re.sub(r"\s+", " ", (tmp_path / "leaderboard.html").read_text())
    assert "Corners and pose</h2>" in page and "Sequences</h2>" in page and "corners, tracked" in page
    assert "boxes, not computed: corners: no detection carries corners (keypoints)" in page


FLOWN = {
    "sequence": "LFPO_24_landing3", "flight": "windy", "airport": "LFPO", "runway": "24", "crosswind_m_s": 8,
    "headwind_m_s": 5.0, "turbulence": True, "flown": 160, "kept": 140, "left_out_before": 3,
    "left_out_after": 17,
}  # fmt: skip


def test_flown_sequences_take_the_place_of_those_of_the_pictures(scored: Path, tmp_path: Path) -> None:
    """Flights and what they lost are on the page; a model without a file keeps its own."""
    told = read_json(scored / "boxes.score.json")
    told["sequences"]["flights"] = [FLOWN]
    told["sequences"]["detector"]["jump_rate"] = 0.125
    path = tmp_path / "boxes.sequences.score.json"
    write_json(told, path)
    corners, boxes = with_sequences(entries_of(scored), {"boxes": path})
    if corners.model == "boxes":
        corners, boxes = boxes, corners
    assert boxes.details["sequences"]["detector"]["jump_rate"] == 0.125
    assert "flights" not in corners.details["sequences"]
    page = re.sub(r"\s+", " ", leaderboard_html([Board([corners, boxes])]))
    assert "Flown for this board" in page and ">windy</td>" in page and ">17</td>" in page
    write_json({**told, "sequences": None, "not_computed": {"sequences": "no time"}}, path)
    gone = next(e for e in with_sequences(entries_of(scored), {"boxes": path}) if e.model == "boxes")
    assert "sequences" not in gone.details and gone.details["not_computed"]["sequences"] == "no time"
    write_json({**told, "sequences": {**told["sequences"], "flights": [{"sequence": "x"}]}}, path)
    with pytest.raises(DataError, match=r"boxes\.sequences\.score\.json: sequences\.flights\.0\.flight"):
        with_sequences(entries_of(scored), {"boxes": path})


FIGURES = ("Sequences over distance", "Corner and pose errors", "Integrity", "Runways found by airport")


def test_figures_are_there_where_there_is_something_to_show(scored: Path) -> None:
    entries = entries_of(scored)
    page = leaderboard_html([Board(entries)])
    assert all(f'aria-label="{name}' in page for name in FIGURES)
    boxes = [entry for entry in entries if entry.model == "boxes"]
    page = leaderboard_html([Board(boxes)])
    assert 'aria-label="Integrity' not in page and 'aria-label="Corner and pose' not in page
    bare = [Entry("x", {"AP": 0.5}, {})]
    page = leaderboard_html([Board(bare)])
    assert not any(f'aria-label="{name}' in page for name in (*FIGURES, "Weighted by severity", "Training"))


def test_the_timeline_is_the_hits(scored: Path) -> None:
    run = read_json(scored / "boxes.score.json")["sequences"]["detector"]["runs"][0]
    steps = run["timeline"]
    assert len(steps) == run["required_frames"] and sum(step["found"] for step in steps) == run["hits"]
    distances = [step["distance_m"] for step in steps]
    assert distances == sorted(distances, reverse=True)
    first = run["first_stable"]
    assert steps[first["frame"]]["distance_m"] == first["distance_m"]


def test_runways_found_by_airport_and_distance_by_counting(scored: Path) -> None:
    """Every required runway whose box a detection of the point repeats, counted in plain Python."""
    report = read_json(scored / "boxes.score.json")
    truth, rows = read_json(scored / "coco" / "test.json"), read_json(scored / "boxes.json")
    point = report["operating_point"]["score"]
    airport = {image["id"]: image["airport"] for image in truth["images"]}
    shown = {(row["image_id"], tuple(row["bbox"])) for row in rows if row["score"] >= point}
    counts: dict[str, list[int]] = {}
    for note in truth["annotations"]:
        if not note["iscrowd"]:
            low = int(note["slant_m"] // 1000)
            row = counts.setdefault("over 5 km" if low >= 5 else f"{low}-{low + 1} km", [0, 0])
            row[0] += 1
            row[1] += (note["image_id"], tuple(note["bbox"])) in shown
    assert set(airport.values()) == set(report["found_by_airport"]) == {"LFPO"}
    assert counts == {k: [v["runways"], v["found"]] for k, v in report["found_by_airport"]["LFPO"].items()}


def test_files_of_other_versions_leave_cells_empty() -> None:
    assert set(approach_values({})) == {None}
    assert set(
        approach_values({"pose": None, "corners": {"error_px": 3}, "sequences": {"detector": []}})
    ) == {None}


def test_the_command_and_its_options(scored: Path) -> None:
    """A stated deviation reaches the test; a table that does not fit leaves the reason."""
    arguments = ["score", str(scored / "corners.json"), "--data", str(scored), "--score", "0.5"]
    out = scored / "stated.json"
    done = CliRunner().invoke(main, [*arguments, "--corner-sigma-px", "0.4", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert read_json(out)["integrity"]["corner_sigma_px"] == 0.4
    assert CliRunner().invoke(main, [*arguments, "--corner-sigma-px", "0"]).exit_code == 2
    missing = CliRunner().invoke(main, [*arguments, "--runways", str(scored / "none.csv")])
    assert missing.exit_code != 0


def test_an_entry_states_the_deviation_of_its_corners(scored: Path) -> None:
    card = scored / "card.yaml"
    card.write_text("name: mine\nauthors: us\nscore_threshold: 0.5\ncorner_sigma_px: 0.4\n")
    report = add(scored / "corners.json", card, scored / "coco" / "test.json", scored / "board")
    assert report["integrity"]["corner_sigma_px"] == 0.4 and "corner_sigma_px" not in report
    card.write_text("name: other\nauthors: us\nscore_threshold: 0.5\ncorner_sigma_px: 0\n")
    with pytest.raises(DataError, match="corner_sigma_px"):
        add(scored / "corners.json", card, scored / "coco" / "test.json", scored / "board")
