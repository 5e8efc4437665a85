"""A board nobody can forge: scores come from results, entries have owners, slips are told from faults."""

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
from lard.report.leaderboard_tables import statement
from lard.score.card import read_card
from lard.score.provenance import provenance, seen_airports
from lard.score.submission import add, rebuilt
from lard.score.submitted import checked, read_results
from lard.score.truth import read_truth

GOOD = {"image_id": 1, "category_id": 1, "bbox": [60.0, 60.0, 50.0, 30.0], "score": 0.5}


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return write_toy_to_tune(tmp_path / "data", test=6)


def rows_of(truth_path: Path) -> list[dict[str, Any]]:
    return [
        {"image_id": note["image_id"], "category_id": 1, "bbox": note["bbox"], "score": 0.9}
        for note in read_truth(truth_path)["annotations"]
    ]


def enter(
    toy: Path, name: str, authors: str, share: float = 1.0, more: str = "score_threshold: 0.5", **options: Any
) -> dict[str, Any]:
    folder = toy.parent
    rows = rows_of(toy / "coco/test.json")
    (folder / "r.json").write_text(json.dumps(rows[: round(share * len(rows))]))
    (folder / "card.yaml").write_text(f"name: {name}\nauthors: {authors}\n{more}\n")
    return add(folder / "r.json", folder / "card.yaml", toy / "coco/test.json", folder / "board", **options)


def build(toy: Path) -> Any:
    board, out = str(toy.parent / "board"), str(toy.parent / "out")
    command = ["leaderboard", "build", "--data", str(toy), "--board", board, "--out", out]
    return CliRunner().invoke(main, command)


def test_an_edited_score_is_found_and_made_again(toy: Path) -> None:
    enter(toy, "half", "someone", 0.5)
    path = toy.parent / "board/half/score.json"
    honest = path.read_bytes()
    edited = json.loads(honest)
    edited["overall"]["AP50"] = 0.999
    path.write_text(json.dumps(edited))
    shown = build(toy)
    assert shown.exit_code == 0 and "AP50 0.999, computed" in shown.output, shown.output
    assert path.read_bytes() == honest
    assert "0.999" not in (toy.parent / "out/leaderboard.html").read_text()
    assert "made again" not in build(toy).output
    for text in ("", "[]", '{"overall": 7}', '{"overall": {"AP": "high"}}'):
        path.write_text(text)
        assert build(toy).exit_code == 0 and path.read_bytes() == honest
    path.unlink()
    assert build(toy).exit_code == 0 and path.read_bytes() == honest


def test_changed_results_are_refused(toy: Path) -> None:
    enter(toy, "half", "someone", 0.5)
    folder = toy.parent / "board/half"
    results = folder / "results.json"
    results.write_text(json.dumps(rows_of(toy / "coco/test.json")))
    shown = build(toy)
    assert shown.exit_code == 2 and "not the file that was entered" in shown.output
    enter(toy, "half", "someone", 0.5, replace=True)
    entry = json.loads((folder / "entry.json").read_text())
    for change in ({"card": {**entry["card"], "latency_ms": -1}}, {"results_sha256": "x"}, {"more": 1}):
        (folder / "entry.json").write_text(json.dumps(entry | change))
        assert build(toy).exit_code == 2
    (folder / "entry.json").write_text(json.dumps(entry | {"card": {**entry["card"], "name": "other"}}))
    assert "the folder is half" in build(toy).output
    (folder / "entry.json").unlink()
    assert "add the submission again" in build(toy).output


def test_entries_have_owners(toy: Path) -> None:
    enter(toy, "mine", "A. Uthor", 0.5)
    with pytest.raises(DataError, match="take another name, or --replace your own"):
        enter(toy, "mine", "A. Uthor")
    with pytest.raises(DataError, match=r"belongs to 'A\. Uthor', not 'Someone Else'"):
        enter(toy, "mine", "Someone Else", replace=True)
    assert enter(toy, "mine", "A. Uthor", replace=True)["overall"]["AP"] == pytest.approx(1)
    enter(toy, "theirs", "Someone Else", 0.5)
    assert len(rebuilt(toy / "coco/test.json", toy.parent / "board", None)[0]) == 2


@pytest.mark.parametrize(
    ("name", "authors", "taken"),
    [("Mile", "a", True), ("mi1e", "b", True), ("mi1e", "a", False), ("m.ile", "b", False)],
)
def test_no_name_is_taken_for_anothers(toy: Path, name: str, authors: str, taken: bool) -> None:
    """Case alone tells no names apart (some file systems), look-alikes not those of different authors."""
    enter(toy, "mile", "a", 0.5)
    if taken:
        with pytest.raises(DataError, match="'mile' is on the board and looks the same"):
            enter(toy, name, authors)
    else:
        enter(toy, name, authors)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ("name: m.", "name: "),
        ('authors: "  "', "is blank"),
        ('authors: "m\\u200be"', r"invisible character U\+200B"),
        ('authors: "m\\u202ee"', r"invisible character U\+202E"),
        ('description: "one\\a"', r"invisible character U\+0007"),
        ('authors: "m\\u0435"', "mixes Cyrillic and Latin letters"),
        ("score_threshold: true", "score_threshold"),
        ("corner_sigma_px: 1.0e-300", "corner_sigma_px"),
    ],
)
def test_text_of_cards_reads_as_it_is(tmp_path: Path, card: str, message: str) -> None:
    lines = {"name": "name: m", "authors": "authors: a"} | {card.partition(":")[0]: card}
    (tmp_path / "card.yaml").write_text("\n".join(lines.values()), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_card(tmp_path / "card.yaml")
    (tmp_path / "card.yaml").write_text('name: m\nauthors: " Мария\\nﬁrst "\n', encoding="utf-8")
    assert read_card(tmp_path / "card.yaml").authors == "Мария first"


def test_detections_of_others_and_other_budgets_are_refused(toy: Path) -> None:
    enter(toy, "first", "a")
    with pytest.raises(DataError, match="the detections are those of first, by other authors"):
        enter(toy, "second", "b")
    enter(toy, "second", "a")
    (toy.parent / "v.json").write_text(json.dumps(rows_of(toy / "coco/val.json")))
    tuned = (toy / "coco/val.json", toy.parent / "v.json")
    enter(toy, "third", "a", more="", validation=tuned)
    with pytest.raises(DataError, match="one board has one budget"):
        enter(toy, "fourth", "a", more="", validation=tuned, budget=5)
    path = toy.parent / "board/second/entry.json"
    path.write_text(path.read_text().replace('"authors": "a"', '"authors": "b"'))
    assert "by other authors" in build(toy).output


def test_what_cannot_be_scored_leaves_the_board_as_it_was(toy: Path, capsys: Any) -> None:
    """A first entry leaves nothing, a replacement the former one; its measured cost goes with its results."""
    (toy.parent / "v.json").write_text("[]")
    lost = (toy.parent / "none.json", toy.parent / "v.json")
    for name, share in (("new", 1.0), ("old", 0.5)):
        if name == "old":
            enter(toy, name, "a", share)
        with pytest.raises(DataError, match=r"none\.json"):
            enter(toy, name, "a", more="", validation=lost, replace=True)
    board = toy.parent / "board"
    assert not (board / "new").exists() and build(toy).exit_code == 0
    (board / "old/cost.json").write_text("{}")
    enter(toy, "old", "a", 0.5, replace=True)
    assert (board / "old/cost.json").is_file()
    enter(toy, "old", "a", replace=True)
    assert not (board / "old/cost.json").exists() and "measure it again" in capsys.readouterr().err


def test_a_card_edited_on_the_board_shows(toy: Path) -> None:
    before = enter(toy, "mine", "a")["entry_sha256"]
    path = toy.parent / "board/mine/entry.json"
    path.write_text(path.read_text().replace('"score_threshold": 0.5', '"score_threshold": 0.6'))
    assert "made again" in build(toy).output
    after = json.loads((toy.parent / "board/mine/score.json").read_text())["entry_sha256"]
    assert after != before and after[:12] in (toy.parent / "out/leaderboard.html").read_text()


def test_adding_tells_what_it_mends(toy: Path, capsys: Any) -> None:
    folder = toy.parent
    (folder / "r.json").write_text(json.dumps([{**GOOD, "score": 1.0000001}]))
    (folder / "card.yaml").write_text("name: m\nauthors: a\nscore_threshold: 0.5\n")
    add(folder / "r.json", folder / "card.yaml", toy / "coco/test.json", folder / "board")
    assert capsys.readouterr().err.count("mended") == 1


def test_the_point_of_an_entry_is_stated_or_validated(toy: Path) -> None:
    with pytest.raises(DataError, match="score_threshold is missing"):
        enter(toy, "m", "a", more="")
    (toy.parent / "v.json").write_text(json.dumps(rows_of(toy / "coco/val.json")))
    tuned = (toy / "coco/val.json", toy.parent / "v.json")
    with pytest.raises(DataError, match="keep one"):
        enter(toy, "m", "a", validation=tuned)
    report = enter(toy, "m", "a", more="", validation=tuned)
    assert report["operating_point"]["chosen_on"] == "validation" and report["validation"]["images"] == 6
    assert build(toy).exit_code == 0
    page = (toy.parent / "out/leaderboard.html").read_text()
    assert "validation" in page and "budget of false alarms of 0.1" in page
    (toy / "coco/val.json").write_text((toy / "coco/test.json").read_text())
    assert "another validation set" in build(toy).output


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("score_threshold: 2", "score_threshold"),
        ("score_threshold: .nan", "score_threshold|number"),
        ("latency_ms: 0", "latency_ms"),
        ("parameters: -1", "parameters"),
        ("dataset_sha256: abc", "dataset_sha256"),
        ("trained_airports: KATL", "trained_airports"),
        ("extra: 1", "extra"),
    ],
)
def test_cards_are_checked(toy: Path, more: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        enter(toy, "m", "a", more=more)
    assert "card.yaml" in str(caught.value)


def one(toy: Path, **change: Any) -> tuple[dict[str, Any] | None, list[str], list[str]]:
    """What becomes of one row in a picture of 160 x 160 px: the row, warnings, faults."""
    found, faults = checked([{**GOOD, **change}], read_truth(toy / "coco/test.json"))
    return next(iter(found.rows), None), found.warnings, faults


@pytest.mark.parametrize(
    ("change", "key", "mended"),
    [
        ({"score": 1.0000001}, "score", 1.0),
        ({"score": -1e-7}, "score", 0.0),
        ({"bbox": [-0.6, 20.0, 40.0, 30.0]}, "bbox", [0.0, 20.0, 39.4, 30.0]),
        ({"bbox": [130.0, 20.0, 31.0, 30.0]}, "bbox", [130.0, 20.0, 30.0, 30.0]),
    ],
)
def test_slips_are_mended_with_a_warning(toy: Path, change: dict[str, Any], key: str, mended: Any) -> None:
    row, warnings, faults = one(toy, **change)
    assert row is not None and not faults and row[key] == pytest.approx(mended)
    assert len(warnings) == 1 and "mended" in warnings[0]


def test_rounding_to_a_hundredth_is_no_slip(toy: Path) -> None:
    row, warnings, faults = one(toy, bbox=[130.0, 20.0, 30.01, 30.0])
    assert row is not None and row["bbox"][2] == 30.01 and not warnings and not faults


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": 1.001}, "score must be in"),
        ({"score": "0.5"}, "score must be in"),
        ({"score": True}, "score must be in"),
        ({"bbox": [-1.5, 20.0, 40.0, 30.0]}, "must lie in the 160x160 picture"),
        ({"bbox": [160.2, 20.0, 0.5, 30.0]}, "must lie in the 160x160 picture"),
        ({"bbox": [20.0, 20.0, 40.0, 0.0]}, "positive width and height"),
        ({"bbox": [20.0, 20.0, 40.0, float("inf")]}, "four finite numbers"),
        ({"bbox": {"x": 1}}, "four finite numbers"),
        ({"bbox": [0.2, 0.2, 0.4, 0.3]}, "unit square"),
        ({"image_id": [1]}, "image_id is not an image"),
        ({"image_id": True}, "image_id is not an image"),
        ({"image_id": "1"}, "image_id is not an image"),
        ({"category_id": None}, "category_id must be one of"),
        ({"keypoints": [1, 2, 3]}, "four corners"),
    ],
)
def test_faults_are_refused(toy: Path, change: dict[str, Any], message: str) -> None:
    row, _, faults = one(toy, **change)
    assert row is None or "unit square" in message
    assert any(message in fault for fault in faults), faults


@pytest.mark.parametrize("shift", [0.0, 60.0])
def test_corner_pairs_are_recognised_and_named(toy: Path, shift: float) -> None:
    """Whether or not a box leaves the picture when it is read as x, y, width, height."""
    truth = read_truth(toy / "coco/test.json")
    image = truth["images"][0]
    truth["images"] = [{**image, "id": k, "width": 400, "height": 400} for k in range(1, 5)]
    boxes = [[10.0 + shift * k, 12.0 + shift * k, 70.0, 60.0] for k in range(4)]
    truth["annotations"] = [
        {"id": k + 1, "image_id": k + 1, "category_id": 1, "bbox": box, "iscrowd": 0}
        for k, box in enumerate(boxes)
    ]
    rows = [{**GOOD, "image_id": k + 1, "bbox": [x, y, x + w, y + h]} for k, (x, y, w, h) in enumerate(boxes)]
    faults = checked(rows, truth)[1]
    assert "the boxes are x_min, y_min, x_max, y_max" in faults[0]
    plain = [{**GOOD, "image_id": k + 1, "bbox": box} for k, box in enumerate(boxes)]
    assert checked(plain, truth)[1] == []


def test_crowded_pictures_are_told(toy: Path, tmp_path: Path) -> None:
    (tmp_path / "many.json").write_text(json.dumps([GOOD] * 101))
    read = read_results(tmp_path / "many.json", read_truth(toy / "coco/test.json"))
    assert "1 pictures have more than 100 detections" in read.warnings[0]


def test_what_the_page_claims_is_computed(toy: Path, tmp_path: Path) -> None:
    """Same airports in training and test, other ones, and training that nobody states."""
    test, train = toy / "coco/test.json", toy / "coco/train.json"
    assert provenance(test, train)["airports"]["seen_in_training"] == ["KATL", "LFPO"]
    assert seen_airports(["A", "B"], ["C"], None)["seen_in_training"] == []
    assert provenance(test)["airports"]["train"] is None
    enter(toy, "told", "a", more="score_threshold: 0.5\ntrained_airports: [EGLL]")
    enter(toy, "leaking", "a", more="score_threshold: 0.5\ntrained_airports: [katl, EGLL]")
    enter(toy, "silent", "a")
    board = toy.parent / "board"
    found = statement(read_entries(sorted(board.glob("*/score.json"))))
    assert found["unseen"] == ["told"] and found["trained"] == {"leaking": ["KATL"]}
    assert found["unknown"] == ["silent"] and found["test"] == ["KATL", "LFPO"]
    assert build(toy).exit_code == 0
    page = (toy.parent / "out/leaderboard.html").read_text()
    assert "leaking was trained on KATL, which is a test airport" in page
    assert "trained silent is not stated" in page and found["truth_sha256"][:12] in page


def test_scores_of_two_datasets_do_not_share_a_page(toy: Path, tmp_path: Path) -> None:
    enter(toy, "one", "a")
    first = toy.parent / "board/one/score.json"
    other = json.loads(first.read_text())
    other["model"], other["provenance"]["truth_sha256"] = "two", "0" * 64
    (tmp_path / "two.json").write_text(json.dumps(other))
    with pytest.raises(DataError, match="2 different ground truths"):
        read_entries([first, tmp_path / "two.json"])
