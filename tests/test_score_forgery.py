"""What a rival would try on a board, and slips that would let a board contradict itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from detect_support import write_toy_to_tune

from lard.cli import main
from lard.errors import DataError
from lard.report.entries import read_entries
from lard.report.leaderboard import Evidence, write_leaderboard
from lard.report.leaderboard_tables import statement
from lard.score.card import same_to_the_eye
from lard.score.points import point_of
from lard.score.submission import add, rebuilt
from lard.score.truth import read_truth

STATED = "score_threshold: 0.5"


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return write_toy_to_tune(tmp_path / "data", test=6)


def rows_of(truth_path: Path) -> list[dict[str, Any]]:
    notes = read_truth(truth_path)["annotations"]
    return [
        {"image_id": note["image_id"], "category_id": 1, "bbox": note["bbox"], "score": 0.9 - 0.01 * k}
        for k, note in enumerate(notes)
    ]


def enter(toy: Path, name: str, authors: str, rows: Any, more: str = STATED, **options: Any) -> Any:
    folder = toy.parent
    (folder / "r.json").write_text(json.dumps(rows))
    (folder / "card.yaml").write_text(f"name: {name}\nauthors: {authors}\n{more}\n")
    return add(folder / "r.json", folder / "card.yaml", toy / "coco/test.json", folder / "board", **options)


def lard(*words: object) -> tuple[int, str]:
    shown = CliRunner().invoke(main, [str(word) for word in words])
    assert shown.exception is None or isinstance(shown.exception, SystemExit), shown.exception
    return shown.exit_code, shown.output


def test_a_copy_in_another_order_or_form_is_a_copy(toy: Path) -> None:
    rows = rows_of(toy / "coco/test.json")
    enter(toy, "first", "a", rows)
    disguised = [
        {**row, "bbox": [int(v) if v == int(v) else v for v in row["bbox"]], "id": k}
        for k, row in enumerate(reversed(rows))
    ]
    for copy in (rows, rows[::-1], disguised):
        with pytest.raises(DataError, match="those of first, by other authors"):
            enter(toy, "second", "b", copy)
    enter(toy, "second", "b", rows[:-1])
    assert not (toy.parent / "board/third").exists()
    enter(toy, "none", "c", [])
    enter(toy, "nothing", "d", [])  # who finds nothing copies nobody
    assert len(rebuilt(toy / "coco/test.json", toy.parent / "board", None)[0]) == 4


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [("modern", "modem", True), ("vvave", "wave", True), ("MODERN", "m0dern", True), ("fcos", "fcas", False)],
)
def test_names_that_are_read_as_one(first: str, second: str, same: bool) -> None:
    assert same_to_the_eye(first, second) == same


def test_a_folder_put_on_the_board_by_hand_takes_no_name(toy: Path) -> None:
    """What `add` refuses, `build` refuses as well."""
    rows = rows_of(toy / "coco/test.json")
    enter(toy, "mile", "a", rows)
    enter(toy, "other", "b", rows[:-1])
    board = toy.parent / "board"
    (board / "other").rename(board / "mi1e")
    path = board / "mi1e/entry.json"
    path.write_text(path.read_text().replace('"name": "other"', '"name": "mi1e"'))
    code, told = lard("leaderboard", "build", "--data", toy, "--board", board, "--out", toy.parent / "out")
    assert code == 2 and "looks the same as" in told and not (toy.parent / "out").exists()


def test_validation_on_the_pictures_that_are_scored(toy: Path) -> None:
    """A board refuses it, a score file says what it is."""
    results = toy.parent / "v.json"
    results.write_text(json.dumps(rows_of(toy / "coco/val.json")))
    same = ("--data", toy, "--split", "val", "--val", results)
    out = toy.parent / "v.score.json"
    code, told = lard("score", results, *same, "--out", out)
    assert code == 0 and "operating point, scored pictures" in told
    report = json.loads(out.read_text())
    assert "validation" not in report and report["operating_point"]["chosen_on"] == "scored pictures"
    (toy.parent / "card.yaml").write_text("name: m\nauthors: a\n")
    board = toy.parent / "board"
    code, told = lard(
        "leaderboard", "add", results, "--card", toy.parent / "card.yaml", *same, "--board", board
    )
    assert code == 2 and "validation pictures are those that are scored" in told
    assert not (board / "m").exists()


def test_an_edited_entry_is_told_as_one(toy: Path) -> None:
    enter(toy, "mine", "a", rows_of(toy / "coco/test.json"))
    path = toy.parent / "board/mine/entry.json"
    path.write_text(path.read_text().replace('"trained_airports": null', '"trained_airports": []'))
    _, lines = rebuilt(toy / "coco/test.json", toy.parent / "board", None)
    assert len(lines) == 1 and "entry.json is not the one that was scored" in lines[0]


def test_what_a_card_alone_tells_is_told_as_such(toy: Path, tmp_path: Path) -> None:
    rows = rows_of(toy / "coco/test.json")
    enter(toy, "told", "a", rows, f"{STATED}\ntrained_airports: [CDG]")
    paths, _ = rebuilt(toy / "coco/test.json", toy.parent / "board", None)
    assert statement(read_entries(paths))["stated"] == {"told": ["CDG"]}
    write_leaderboard(read_entries(paths), tmp_path / "out")
    assert "trained told is as its card states: CDG" in (tmp_path / "out/leaderboard.html").read_text()


def test_a_page_does_not_tell_what_its_detections_refute(toy: Path, tmp_path: Path) -> None:
    truth = toy / "coco/test.json"
    rows = rows_of(truth)
    enter(toy, "mine", "a", rows[: len(rows) // 2])
    path = toy.parent / "board/mine/score.json"
    evidence = Evidence(read_truth(truth), {"mine": rows[: len(rows) // 2]}, toy)
    write_leaderboard(read_entries([path]), tmp_path / "out", evidence)
    edited = json.loads(path.read_text())
    edited["overall"]["AP50"] = 0.999
    path.write_text(json.dumps(edited))
    with pytest.raises(DataError, match=r"overall\.AP50: 0\.999 in its score file, its detections give"):
        write_leaderboard(read_entries([path]), tmp_path / "other", evidence)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("place", "value"),
    [(("overall", "AP50"), 1.5), (("overall", "AP"), -0.1), (("operating_point", "recall"), 2.0)],
)
def test_scores_that_cannot_be(toy: Path, place: tuple[str, str], value: float) -> None:
    enter(toy, "mine", "a", rows_of(toy / "coco/test.json"))
    path = toy.parent / "board/mine/score.json"
    edited = json.loads(path.read_text())
    edited[place[0]][place[1]] = value
    path.write_text(json.dumps(edited))
    with pytest.raises(DataError, match=r"\.".join(place)):
        read_entries([path])


@pytest.mark.parametrize("option", ["--score", "--false-alarms", "--corner-sigma-px"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_options_are_finite_numbers(toy: Path, option: str, value: str) -> None:
    results = toy.parent / "r.json"
    results.write_text(json.dumps(rows_of(toy / "coco/test.json")))
    code, told = lard("score", results, "--data", toy, option, value)
    assert code == 2 and option in told
    assert not results.with_suffix(".score.json").exists()


def test_no_command_writes_over_what_it_reads(toy: Path) -> None:
    results, truth = toy.parent / "r.json", toy / "coco/test.json"
    results.write_text(json.dumps(rows_of(truth)))
    before = results.read_bytes(), truth.read_bytes()
    for out in (results, truth, toy / "coco/../coco/test.json"):
        code, told = lard("score", results, "--data", toy, "--score", 0.5, "--out", out)
        assert code == 2 and "which is read" in told
    (toy.parent / "labels").mkdir()
    code, told = lard("leaderboard", "convert", toy.parent / "labels", "--data", toy, "--out", truth)
    assert code == 2 and "which is read" in told
    assert before == (results.read_bytes(), truth.read_bytes())


@pytest.mark.parametrize("score", [1e-7, 1 / 3, 0.25])
def test_the_point_told_is_the_point_used(toy: Path, score: float) -> None:
    """Files hold six decimals: whoever reads the point from one counts the same detections."""
    rows = rows_of(toy / "coco/test.json")
    rows[0]["score"] = 0.3333331
    report = enter(toy, "mine", "a", rows, f"score_threshold: {score!r}")
    told = point_of(toy.parent / "board/mine/score.json")
    assert score <= told <= score + 1e-6
    notes = read_truth(toy / "coco/test.json")["annotations"]
    counted = [row for row, note in zip(rows, notes, strict=True) if not note["iscrowd"]]
    assert report["operating_point"]["found"] == sum(row["score"] >= told for row in counted)
