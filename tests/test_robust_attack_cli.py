"""`lard attack`: numbers equal those of `lard score`, a stopped run ends with the same bytes, bad input."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from detect_support import write_random_model, write_toy
from PIL import Image

from lard.cli import main
from lard.detect.config import PredictSpec
from lard.detect.predict import predict
from lard.robust import unit as units
from lard.robust.tally import smallest_of
from lard.score.points import stated
from lard.score.scores import score_report
from lard.score.truth import coco_paths

SCORE = "0.5"
QUICK = ("--steps", "3", "--smallest-steps", "3", "--queries", "4", "--eps", "0.5,2", "--gallery", "1")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the checkpoint of an untrained model, and pictures whose runways are where it fires."""
    folder = tmp_path_factory.mktemp("attack")
    write_toy(folder / "data")
    write_random_model(folder / "random.pt")
    predict(folder / "random.pt", folder / "data", folder / "found.json", PredictSpec())
    found = json.loads((folder / "found.json").read_text())
    file = folder / "data" / "coco" / "test.json"
    truth = json.loads(file.read_text())
    best = [next(row for row in found if row["image_id"] == image["id"]) for image in truth["images"][:3]]
    assert all(row["score"] >= float(SCORE) for row in best)
    truth["annotations"] = [
        {**row, "id": place + 1, "area": row["bbox"][2] * row["bbox"][3], "iscrowd": 0}
        for place, row in enumerate(best)
    ]
    file.write_text(json.dumps(truth))
    return folder


def run(place: Path, out: Path, *options: str, points: tuple[str, ...] = ("--score", SCORE)) -> Result:
    base = ["attack", str(place / "random.pt"), "--data", str(place / "data"), "--out", str(out)]
    return CliRunner().invoke(main, [*base, *QUICK, *points, *options])


def content(out: Path) -> dict[str, bytes]:
    """Every file that a run leaves to read."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and ".journal" not in path.parts
    }


@pytest.fixture(scope="module")
def done(place: Path) -> Path:
    out = place / "done"
    told = run(place, out, "--goal", "vanish", "--goal", "fabricate", "--also", str(place / "random.pt"),
               points=("--score", f"{SCORE},0.45"))  # fmt: skip
    assert told.exit_code == 0, told.output
    assert "2 models x 2 goals x 4 pictures" in told.stderr and "160 x 160 px" in told.stdout
    return out


def report_of(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "attack.json").read_text())
    return found


def test_without_a_change_the_detections_are_those_of_predict(place: Path, done: Path) -> None:
    predict(place / "random.pt", place / "data", place / "clean.json", PredictSpec())
    clean = (place / "clean.json").read_bytes()
    assert clean == (done / "detections" / "random.vanish.l2-0.json").read_bytes()
    assert clean == (done / "detections" / "random-#2.fabricate.l2-0.json").read_bytes()
    assert clean != (done / "detections" / "random.fabricate.l2-2.json").read_bytes()


def test_numbers_equal_those_of_score(place: Path, done: Path) -> None:
    report = report_of(done)
    truth = coco_paths(place / "data", "test")
    for name, model in report["models"].items():
        for goal, found in model["goals"].items():
            for row in found["curve"]:
                results = done / "detections" / f"{name}.{goal}.l2-{row['eps']:g}.json"
                scored = score_report(truth, results, name, None, stated(model["score_threshold"]))
                for key in ("AP", "AP50"):
                    assert row[key] == scored["overall"][key]
                for key in ("recall", "false_alarms_per_image"):
                    assert row[key] == scored["operating_point"][key]


def test_the_report_names_norm_range_and_size(done: Path) -> None:
    report = report_of(done)
    assert report["norm"].startswith("L2 over all pixels") and report["pixels"].startswith("[0, 1]")
    assert report["picture_px"] == [[160, 160]] and report["settings"]["eps"] == [0.5, 2.0]
    assert list(report["models"]) == ["random", "random-#2"] and report["pictures"] == 4
    curve = report["models"]["random"]["goals"]["fabricate"]["curve"]
    assert [row["eps"] for row in curve] == [0.0, 0.5, 2.0]
    assert [row["reached"] for row in curve] == sorted(row["reached"] for row in curve)
    curve = report["models"]["random"]["goals"]["vanish"]["curve"]
    assert curve[0]["recall"] == 1.0 and curve[0]["AP50"] > 0 and curve[0]["silent"] == 0.0
    assert curve[-1]["eligible"] == 3 and curve[-1]["silent"] == curve[-1]["reached"]
    assert curve[-1]["AP"] != curve[0]["AP"]
    for found in report["models"]["random"]["goals"].values():
        assert {"median", "censored", "censored_share", "searched_to"} <= set(found["smallest"])
        assert len(found["checks"]) <= 1 and isinstance(found["warnings"], list)
    rows = list(csv.DictReader((done / "pictures.csv").open()))
    assert len(rows) == 2 * 2 * 4 * 3
    assert all(float(row["size"]) <= float(row["eps"]) for row in rows)
    for row in rows:
        if row["reached"] == "True" and row["smallest"] and float(row["eps"]):
            assert float(row["smallest"]) <= float(row["size"]) + 1e-6
    curves = (done / "curves.svg").read_text()
    assert "random-#2" in curves and "pixels in [0, 1]" in curves
    with Image.open(done / "gallery" / "random.fabricate.png") as sheet:
        assert sheet.width > 3 * 300 and sheet.height > 300


class Stopped(Exception):
    """Stands for a kill."""


def test_a_stopped_run_ends_with_the_same_bytes(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goals = ("--goal", "ap", "--goal", "fabricate-random", "--restarts", "2", "--limit", "2")
    assert run(place, tmp_path / "whole", *goals).exit_code == 0
    real, calls = units.attack, []

    def stopping(*given: Any) -> Any:
        calls.append(1)
        if len(calls) in (2, 5, 7):
            raise Stopped
        return real(*given)

    monkeypatch.setattr(units, "attack", stopping)
    ends = [run(place, tmp_path / "parts", *goals) for _ in range(4)]
    assert [isinstance(end.exception, Stopped) for end in ends] == [True, True, True, False]
    assert len(calls) == 3 * 2 + 3, "nothing that was done is done again; one picture has no runway"
    assert content(tmp_path / "parts") == content(tmp_path / "whole")
    monkeypatch.setattr(units, "attack", real)
    assert not list((tmp_path / "parts" / ".journal").rglob("change-*")), "changes are kept only on the way"
    before = content(tmp_path / "parts")
    assert run(place, tmp_path / "parts", *goals).exit_code == 0 and content(tmp_path / "parts") == before


def test_a_damaged_journal_is_made_again_and_a_link_is_not_followed(place: Path, tmp_path: Path) -> None:
    options = ("--limit", "1", "--restarts", "1")
    out = tmp_path / "out"
    assert run(place, out, *options).exit_code == 0
    before = content(out)
    for path in (out / ".journal").rglob("*.*"):
        path.write_bytes(path.read_bytes()[:30])
    assert run(place, out, *options).exit_code == 0 and content(out) == before
    shutil.move(out / ".journal", tmp_path / "away")
    (out / ".journal").symlink_to(tmp_path / "away")
    found = run(place, out, *options)
    assert found.exit_code == 2 and "is a link to" in found.stderr and content(out) == before


def test_other_pixels_under_the_same_name_are_attacked_anew(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "data", tmp_path / "data")
    shutil.copy(place / "random.pt", tmp_path)
    options = ("--limit", "1", "--checks", "0")
    assert run(tmp_path, tmp_path / "out", *options).exit_code == 0
    before = content(tmp_path / "out")
    picture = tmp_path / "data" / "images" / "test_0.jpg"
    Image.fromarray(255 - np.asarray(Image.open(picture))).save(picture)
    assert run(tmp_path, tmp_path / "out", *options).exit_code == 0
    assert content(tmp_path / "out") != before


def test_an_earlier_gallery_leaves_no_pictures(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "data", tmp_path / "data")
    shutil.copy(place / "random.pt", tmp_path)
    quick = ("--limit", "1", "--checks", "0", "--steps", "1", "--smallest-steps", "0", "--eps")
    assert run(tmp_path, tmp_path / "out", *quick, "0.5", "--goal", "ap", "--gallery", "1").exit_code == 0
    (tmp_path / "out" / "gallery" / "notes.txt").touch()
    assert run(tmp_path, tmp_path / "out", *quick, "0.7", "--gallery", "0").exit_code == 0
    left = {
        path.name for folder in ("gallery", "detections") for path in (tmp_path / "out" / folder).iterdir()
    }
    assert not [name for name in left if ".ap" in name or name.endswith(".png")], left
    assert "notes.txt" in left, "not ours"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--eps", "nan"), "expected up to 20 numbers above 0"),
        (("--eps", "0.5,-1"), "expected up to 20 numbers above 0"),
        (("--eps", "0"), "expected up to 20 numbers above 0"),
        (("--eps", "a"), "expected up to 20 numbers above 0"),
        (("--norm", "linf", "--eps", "2"), "at most 1 with commas"),
        (("--goal", "hide"), "'hide' is not one of"),
        (("--steps", "0"), "0 is not in the range"),
        (("--score", "nan"), "expected a number between 0 and 1"),
        (("--score", "0.4,0.5"), "2 operating points for 1 models"),
        (("--also", "fcos-xxl", "--score", "0.4,0.4"), "neither a file nor the name of a shipped model"),
        (("--split", "nowhere"), "nowhere.json"),
        (("--point", "s.json"), "--point and --score both"),
    ],
)
def test_bad_input_is_told_in_a_line(
    place: Path, tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    found = run(place, tmp_path / "out", *options)
    assert found.exit_code == 2 and told in found.stderr, found.output
    assert not (tmp_path / "out" / "attack.json").exists() and "Traceback" not in found.output


def test_what_cannot_be_attacked_is_told(place: Path, tmp_path: Path) -> None:
    found = run(place, tmp_path / "out", points=())
    assert found.exit_code == 2 and "give its operating point" in found.stderr
    (tmp_path / "net.onnx").write_bytes(b"")
    found = CliRunner().invoke(
        main, ["attack", str(tmp_path / "net.onnx"), "--data", str(place / "data"), "--out", "o"]
    )
    assert found.exit_code == 2 and "an ONNX file has no gradients" in found.stderr
    shutil.copytree(place / "data", tmp_path / "data")
    shutil.copy(place / "random.pt", tmp_path)
    empty = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "runway"}]}
    (tmp_path / "data" / "coco" / "test.json").write_text(json.dumps(empty))
    found = run(tmp_path, tmp_path / "out")
    assert found.exit_code == 2 and "no images" in found.stderr


def test_sizes_left_out_are_those_of_the_norm(place: Path, tmp_path: Path) -> None:
    base = ["attack", str(place / "random.pt"), "--data", str(place / "data"), "--out", str(tmp_path / "out")]
    quick = ("--steps", "1", "--smallest-steps", "0", "--limit", "1", "--checks", "0", "--gallery", "0")
    told = CliRunner().invoke(main, [*base, *quick, "--score", SCORE, "--norm", "linf"])
    assert told.exit_code == 0, told.output
    report = report_of(tmp_path / "out")
    assert report["settings"]["eps"] == [0.001, 0.002, 0.004, 0.008] and report["norm"].startswith("Linf")
    assert "smallest" not in report["models"]["random"]["goals"]["vanish"]
    assert not (tmp_path / "out" / "gallery").exists()


def test_changes_that_were_not_found_count_as_larger_than_all() -> None:
    rows = [{"smallest": {"size": size, "searched_to": 4.0}} for size in (0.5, 1.0, None)]
    found = smallest_of(rows)
    assert found["median"] == 1.0 and found["censored"] == 1
    assert found["median_held"] == 1.0 and found["quartiles"] == [1.0, None]
    assert found["censored_share"] == pytest.approx(1 / 3, abs=1e-6)
    assert smallest_of(rows[1:] + rows[2:])["median"] is None, "half and more were not found"
    assert smallest_of([])["median"] is None
