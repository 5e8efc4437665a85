"""Doors of the commands about robustness: files of others stay, damaged journals are made again, names."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from detect_support import write_random_model, write_toy
from PIL import Image

from lard.cli import main
from lard.cli.options import check_kept
from lard.errors import DataError
from lard.files import folder_lock, keep_others
from lard.report.explorer import check_place
from lard.robust.descent import Outcome
from lard.robust.unit import _read_outcome, _write_outcome, kept_json, whole
from lard.score.points import origin_of, point_of
from lard.score.truth import coco_paths, read_truth


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_files_without_a_mark_beside_them_are_of_others(tmp_path: Path) -> None:
    names, marks = ("a.json", "a.csv"), (".journal", "a.json")
    keep_others(tmp_path / "new", names, *marks)
    (tmp_path / "notes.txt").touch()
    keep_others(tmp_path, names, *marks)
    (tmp_path / "a.csv").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"a\.csv: is of no earlier run .* name a new or empty folder"):
        keep_others(tmp_path, names, *marks)
    (tmp_path / "a.json").write_text('{"mine": 1}')  # of the user, whatever it is called
    with pytest.raises(DataError, match="is of no earlier run"):
        keep_others(tmp_path, names, *marks)
    (tmp_path / "a.json").write_text('{"format": "lard-attack-1"}')
    keep_others(tmp_path, names, *marks)


@pytest.mark.parametrize(
    ("taken", "words"),
    [
        ("airports.csv", ("conform", "val.json", "test.json", "--data", "d")),
        ("runways.csv", ("conform", "val.json", "test.json", "--data", "d")),
        ("runways.csv", ("certify", "m.pt", "--data", "d", "--score", "0.5")),
        ("pictures.csv", ("attack", "m.pt", "--data", "d", "--score", "0.5")),
        ("detections", ("attack", "m.pt", "--data", "d", "--score", "0.5")),
    ],
)
def test_tables_of_others_are_not_written_over(tmp_path: Path, taken: str, words: tuple[str, ...]) -> None:
    file = tmp_path / "mine" / taken
    file.parent.mkdir()
    file.write_text("mine")
    found = run(*words, "--out", tmp_path / "mine")
    assert found.exit_code == 2 and len(found.stderr.splitlines()) == 1, found.output
    assert f"{file}: is of no earlier run" in found.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", taken] and file.read_text() == "mine"


def test_a_file_of_others_with_a_locks_name_stays(tmp_path: Path) -> None:
    mine, lock = tmp_path / "mine", tmp_path / ".out.lock"
    mine.write_text("mine")
    lock.symlink_to(mine)
    with pytest.raises(OSError, match=r"\.out\.lock"), folder_lock(tmp_path / "out"):
        pass
    lock.unlink()
    mine.rename(lock)
    with pytest.raises(DataError, match="is no lock of ours"), folder_lock(tmp_path / "out"):
        pass
    assert lock.read_text() == "mine" and not (tmp_path / "out").exists()
    lock.write_text("")  # as a killed run leaves it
    with folder_lock(tmp_path / "out"):
        assert lock.exists()
    assert not lock.exists()


def test_a_folder_beside_which_nothing_can_be_written_is_locked_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = tmp_path / "disc" / "board"
    board.mkdir(parents=True)
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    real = os.open

    def read_only(path: str, *given: int) -> int:
        if Path(path).parent == board.parent:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return real(path, *given)

    monkeypatch.setattr(os, "open", read_only)
    with folder_lock(board):
        assert len(list(elsewhere.iterdir())) == 1
        assert list(board.parent.iterdir()) == [board]
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("damaged", [b"", b"[]", b"{}", b'{"eps": 1', b'{"eps": NaN}', b"\xff"])
def test_a_damaged_object_of_a_journal_is_none(tmp_path: Path, damaged: bytes) -> None:
    path = tmp_path / "done.json"
    assert kept_json(path, "eps") is None
    path.write_bytes(damaged)
    assert kept_json(path, "eps") is None
    path.write_text('{"eps": 1}')
    assert kept_json(path, "eps") == {"eps": 1}


def test_damaged_changes_and_panels_are_none(tmp_path: Path) -> None:
    change, panel = tmp_path / "change.npz", tmp_path / "panel.png"
    outcome = Outcome(torch.ones(1, 3, 4, 4), 2.0, -1.0, True, (np.zeros((0, 4)), np.zeros(0)))
    _write_outcome(outcome, change)
    read = _read_outcome(change)
    assert read is not None and bool((read.change == 1).all()) and (read.size, read.reached) == (2.0, True)
    Image.new("RGB", (40, 40), "red").save(panel)
    assert whole(panel)
    for path in (change, panel):
        good = path.read_bytes()
        for bad in (b"", good[: len(good) // 2], b"text", good[:40] + b"\0" * 40):
            path.write_bytes(bad)
            assert _read_outcome(change) is None if path is change else not whole(panel), bad[:10]
        path.unlink()
        assert _read_outcome(change) is None if path is change else not whole(panel)


@pytest.mark.parametrize("split", ["../x", "a/b", "", "/etc/passwd", "a\0b", "x" * 300, ".."])
def test_a_split_names_a_file_of_its_dataset(split: str) -> None:
    with pytest.raises(DataError, match="expected the name of a file in coco/"):
        coco_paths("data", split)


def test_a_dataset_is_named_once(tmp_path: Path) -> None:
    data = write_toy(tmp_path / "data")
    with pytest.raises(DataError, match=r"test\.json: given twice; name each dataset once"):
        read_truth(coco_paths([data, tmp_path / "data" / ".." / "data"], "test"))


@pytest.mark.parametrize(
    ("point", "told"),
    [
        ({"score": True}, "operating_point.score: True, expected a number from 0 to 1"),
        ({"score": 5}, "operating_point.score: 5, expected"),
        ({"score": 0.5, "chosen_on": ["x"]}, r"chosen_on: \['x'\], expected one of validation, stated"),
        ({"score": 0.5, "chosen_on": "\x1b[31m"}, "chosen_on: "),
    ],
)
def test_operating_points_of_score_files_are_declared(tmp_path: Path, point: object, told: str) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps({"operating_point": point}))
    with pytest.raises(DataError, match=told):
        point_of(path)
        origin_of(path)
    path.write_text('{"operating_point": {"score": 0.5}}')
    assert (point_of(path), origin_of(path)) == (0.5, "unknown")


def test_results_and_costs_are_not_written_over_the_truth(tmp_path: Path) -> None:
    data = write_toy(tmp_path / "data")
    truth = data / "coco" / "test.json"
    before = truth.read_bytes()
    for words in (("leaderboard", "cost", "m.pt"), ("predict", "m.pt")):
        found = run(*words, "--data", data, "--split", "test", "--out", truth)
        assert found.exit_code == 2 and "which is read; name another file" in found.stderr
        assert truth.read_bytes() == before
    model = write_random_model(tmp_path / "m.pt")
    for out in (data / "images" / "test_0.jpg", model):
        before = out.read_bytes()
        found = run("predict", model, "--data", data, "--split", "test", "--out", out)
        assert found.exit_code == 2 and "name another file" in found.stderr, found.output
        assert out.read_bytes() == before
    found = run("predict", model, data / "images", "--out", model)
    assert found.exit_code == 2 and "which is read" in found.stderr and model.read_bytes() == before


def test_documents_of_another_kind_are_not_written_over(tmp_path: Path) -> None:
    data, notes = write_toy(tmp_path / "data"), tmp_path / "notes.json"
    model = write_random_model(tmp_path / "m.pt")
    rows = tmp_path / "r.json"
    rows.write_text("[]")
    for text in ('{"mine": 1}', "not JSON at all", "7"):
        notes.write_text(text)
        for words in (
            ("predict", model, "--data", data, "--split", "test"),
            ("predict", model, data / "images"),
            ("leaderboard", "cost", model, "--data", data),
            ("score", rows, "--data", data),
        ):
            found = run(*words, "--out", notes)
            assert found.exit_code == 2 and "would be written over" in found.stderr, found.output
            assert notes.read_text() == text
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/leaderboard.csv").write_text("mine")
    found = run("leaderboard", "build", "--data", data, "--out", tmp_path / "reports")
    assert found.exit_code == 2 and "would be written over" in found.stderr


def test_drawings_replace_no_pictures_of_others(tmp_path: Path) -> None:
    data = write_toy(tmp_path / "data")
    model, backup = write_random_model(tmp_path / "m.pt"), tmp_path / "backup"
    shutil.copytree(data / "images", backup)
    before = {path.name: path.read_bytes() for path in backup.iterdir()}
    for more in ((), ("--out", tmp_path / "found.json")):
        found = run("predict", model, data / "images", "--draw", backup, *more)
        assert found.exit_code == 2 and "would be written over" in found.stderr, found.output
        assert {path.name: path.read_bytes() for path in backup.iterdir()} == before
        for _ in range(2):  # its own drawings it makes again
            assert run("predict", model, data / "images", "--draw", tmp_path / "drawn", *more).exit_code == 0
    stranger = tmp_path / "drawn" / "detections.json"
    stranger.write_text("{}")
    assert run("predict", model, data / "images", "--draw", tmp_path / "drawn").exit_code == 2


def test_links_in_a_circle_are_told(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    found = run("predict", tmp_path, "--draw", tmp_path / "loop", tmp_path / "a.jpg")
    assert found.exit_code == 2 and isinstance(found.exception, SystemExit)
    with pytest.raises(DataError, match="is the dataset"):
        check_place(tmp_path / "loop", tmp_path / "loop")
    check_kept(tmp_path / "loop", tmp_path)


def test_an_entry_is_not_written_through_a_link(tmp_path: Path) -> None:
    data = write_toy(tmp_path / "data")
    (tmp_path / "r.json").write_text("[]")
    (tmp_path / "card.yaml").write_text("name: mine\nauthors: me\nscore_threshold: 0.5\n")
    (tmp_path / "board").mkdir()
    (tmp_path / "away").mkdir()
    (tmp_path / "board" / "mine").symlink_to(tmp_path / "away")
    words = ("leaderboard", "add", tmp_path / "r.json", "--card", tmp_path / "card.yaml", "--data", data)
    found = run(*words, "--board", tmp_path / "board")
    assert found.exit_code == 2 and "is a link to" in found.stderr, found.output
    assert not list((tmp_path / "away").iterdir())
