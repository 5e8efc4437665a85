"""The way of an outside detector into the leaderboard, and what the page shows of it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lard.cli import main
from lard.errors import DataError
from lard.score.card import read_card
from lard.score.foreign import read_yolo
from lard.score.truth import read_truth
from lard.tables import sha256_file

EXAMPLE = Path(__file__).parent.parent / "examples" / "outside_detector"


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(EXAMPLE, tmp_path / "example")
    monkeypatch.chdir(tmp_path / "example")
    return tmp_path / "example"


def test_the_steps_of_the_example(copy: Path) -> None:
    """Every command of its README, in order, ends well; the page shows the entry and what its card says."""
    block = re.search(r"```sh\n(.*?)```", (copy / "README.md").read_text(), re.DOTALL)
    assert block is not None
    commands = block[1].strip().splitlines()
    assert [command.split()[1] for command in commands] == [
        "leaderboard",
        "score",
        "leaderboard",
        "leaderboard",
    ]
    for command in commands:
        shown = CliRunner().invoke(main, shlex.split(command)[1:])
        assert shown.exit_code == 0, f"{command}\n{shown.output}"
    report = json.loads((copy / "board/outside-yolo/score.json").read_text())
    assert 0.3 < report["overall"]["AP50"] < 1 and report["latency_ms"] == 12.5
    assert report["operating_point"]["score"] == report["calibration"]["score"] == 0.5
    assert report["confusion"]["images"] > 3 and report["localisation"]["bearing_deg"]["median"] < 1
    assert {"zone", "airport", "verdict", "in_view", "distance", "protocol"} <= set(report["slices"])
    page = (copy / "reports/leaderboard.html").read_text()
    for text in (
        "outside-yolo",
        "latency, ms",
        "12.5",
        "Calibration",
        "Runways mistaken",
        "any GPU, batch 1",
        "None of the 3 test airports (EGLL, LFPG, PHNL) is among those that trained outside-yolo",
    ):
        assert text in page, text
    table = json.loads((copy / "reports/leaderboard.json").read_text())
    assert table["boards"][0]["models"][0]["metrics"] == report["overall"]
    header = (copy / "reports/leaderboard.csv").read_text().splitlines()[0]
    assert (
        "AP50_low" in header
        and "point_recall" in header
        and "ECE" in header
        and "parameters" in header
        and "latency_ms" in header
    )


def test_the_card_belongs_to_the_example() -> None:
    card = read_card(EXAMPLE / "card.yaml")
    assert card.dataset_sha256 == sha256_file(EXAMPLE / "data/coco/test.json")


def picture(number: int, source: str = "ortho") -> dict[str, Any]:
    return {"id": number, "file_name": f"images/p{number}.jpg", "width": 200, "height": 100, "source": source}


def truth_of(*images: dict[str, Any]) -> dict[str, Any]:
    return {"images": list(images), "annotations": [], "categories": [{"id": 1, "name": "runway"}]}


def test_fractions_become_pixels(tmp_path: Path) -> None:
    (tmp_path / "p1.txt").write_text("0 0.5 0.5 0.1 0.2 0.25\n\n0 0.05 0.5 0.1 1.0 0.75\n")
    rows = read_yolo(tmp_path, truth_of(picture(1), picture(2)))
    assert [row["score"] for row in rows] == [0.75, 0.25], "best first"
    assert rows[1]["bbox"] == pytest.approx([90, 40, 20, 20]) and rows[0]["bbox"] == pytest.approx(
        [0, 0, 20, 100]
    )
    assert {row["image_id"] for row in rows} == {1}


def test_sources_have_folders_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "p1.txt").write_text("0 0.5 0.5 0.1 0.2 0.25\n")
    second = {**picture(1, "b"), "id": 7}
    assert read_yolo(tmp_path, truth_of(picture(1, "a"), second))[0]["image_id"] == 7
    with pytest.raises(DataError, match="two images of the ground truth have this name"):
        read_yolo(tmp_path, truth_of(picture(1), {**picture(1), "id": 2}))


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("p1", "0 0.5 0.5 0.1 0.2", "confidence is missing"),
        ("p1", "0 0.5 0.5", "3 numbers"),
        ("p1", "0 0.5 0.5 a 0.2 0.3", "expected six finite numbers"),
        ("p1", "0 nan 0.5 0.1 0.2 0.3", "finite"),
        ("p1", "4 0.5 0.5 0.1 0.2 0.3", "class 4, expected 0"),
        ("p1", "0 0.5 0.5 0.1 0.2 1.3", "confidence 1.3"),
        ("p1", "0 0.99 0.5 0.1 0.2 0.3", "in the picture"),
        ("p1", "0 512 300 40 20 0.3", "in fractions"),
        ("p1", "0 0.5 0.5 0 0.2 0.3", "in the picture"),
        ("p9", "0 0.5 0.5 0.1 0.2 0.3", "no image of the ground truth"),
    ],
)
def test_faults_name_file_and_line(tmp_path: Path, name: str, line: str, message: str) -> None:
    (tmp_path / f"{name}.txt").write_text(f"{line}\n")
    with pytest.raises(DataError, match=message) as caught:
        read_yolo(tmp_path, truth_of(picture(1)))
    assert f"{name}.txt" in str(caught.value)


def test_names_of_classes_beside_the_pictures_texts_are_no_detections(tmp_path: Path) -> None:
    """What labelling programs write beside; the texts may have a byte order mark."""
    (tmp_path / "classes.txt").write_text("runway\n")
    (tmp_path / "p1.txt").write_text("0 0.5 0.5 0.1 0.2 0.9\n", encoding="utf-8-sig")
    assert len(read_yolo(tmp_path, truth_of(picture(1)))) == 1


def test_all_faults_at_once_but_not_endlessly(tmp_path: Path) -> None:
    (tmp_path / "p1.txt").write_text("0 0.5 0.5\n" * 20)
    with pytest.raises(DataError, match="and 12 more faults"):
        read_yolo(tmp_path, truth_of(picture(1)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no label files"):
        read_yolo(tmp_path / "empty", truth_of(picture(1)))
    with pytest.raises(DataError, match="no such folder"):
        read_yolo(tmp_path / "none", truth_of(picture(1)))


def test_ground_truth_that_cannot_be_used(tmp_path: Path) -> None:
    def written(document: Any) -> Path:
        path = tmp_path / "truth.json"
        path.write_text(json.dumps(document))
        return path

    good = truth_of(picture(1))
    assert read_truth(written(good))["images"][0]["source"] == "ortho"
    with pytest.raises(DataError, match="2 categories"):
        read_truth(written({**good, "categories": [{"id": 1}, {"id": 2}]}))
    with pytest.raises(DataError, match="two images have the same id"):
        read_truth(written(truth_of(picture(1), picture(1))))
    with pytest.raises(DataError, match="image 5, which is not there"):
        read_truth(written({**good, "annotations": [{"image_id": 5, "bbox": [1, 1, 2, 2]}]}))
    with pytest.raises(DataError, match="a box of -2 x 2 px"):
        read_truth(written({**good, "annotations": [{"image_id": 1, "bbox": [1, 1, -2, 2]}]}))
    with pytest.raises(DataError, match="not a COCO detection file"):
        read_truth(written({**good, "annotations": [{"image_id": 1}]}))
