"""`lard explain` and `lard assurance`: what they write, that a stopped run goes on, and what they refuse."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from detect_support import write_random_model, write_toy
from robust_support import SPEC, random_net

from lard.assurance import saliency
from lard.cli import main
from lard.detect.checkpoint import save_detector

QUICK = ("--methods", "gradient,integrated,occlusion,radius", "--steps", "2", "--grid", "3", "--n", "3",
         "--gallery", "1")  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, a plain model and a Lipschitz one, both untrained."""
    folder = tmp_path_factory.mktemp("explain")
    write_toy(folder / "data")
    write_random_model(folder / "plain.pt")
    torch.manual_seed(0)
    save_detector(random_net(0), "lip", SPEC, {}, folder / "lip.pt")
    return folder


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def explained(place: Path, out: Path, *options: str, score: str = "0.01,0.5") -> Result:
    base = ("explain", place / "lip.pt", "--also", place / "plain.pt", "--data", place / "data")
    return run(*base, *QUICK, "--score", score, *options, "--out", out)


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
    told = explained(place, out)
    assert told.exit_code == 0, told.output
    assert "3 runways" in told.stdout and "times the certificate" in told.stdout
    return out


def test_document_table_and_gallery_agree(done: Path) -> None:
    document: dict[str, Any] = json.loads((done / "explain.json").read_text())
    rows = list(csv.DictReader((done / "explain.csv").open()))
    drawn = {f"gallery/{name}/{rows[1]['image_id']}.png" for name in ("lip", "random")}
    files = set(content(done))
    assert files >= {"explain.json", "explain.csv"} and len(files) == 4
    assert {Path(name).parts[:2] for name in files if "gallery" in name} == {
        Path(one).parts[:2] for one in drawn
    }
    assert document["models"]["lip"]["L"] == pytest.approx(1, abs=1e-3)
    assert document["models"]["random"]["L"] is None
    assert "radius" not in document["models"]["random"]["methods"], "a plain model has none"
    for name, model in document["models"].items():
        for method, found in model["methods"].items():
            own = [row for row in rows if (row["model"], row["method"]) == (name, method)]
            assert len(own) == document["pictures"] == 3
            inside = [float(row["inside"]) for row in own if row["inside"]]
            assert found["inside"]["n"] == len(inside)
            assert found["inside"]["value"] == pytest.approx(sum(inside) / len(inside), abs=1e-5)
            assert found["inside"]["interval"] is None, "two airports say nothing of others"
        turned = model["counterfactuals"]
        assert turned["silence"]["runways"] + turned["appear"]["runways"] == 3
    (pair,) = document["pairs"]
    assert (pair["first"], pair["second"]) == ("lip", "random")
    assert set(pair["methods"]) == {"gradient", "integrated", "occlusion"}
    ratios = [float(row["counterfactual_ratio"]) for row in rows if row["counterfactual_ratio"]]
    assert ratios and min(ratios) >= 1
    assert set(document["models"]["lip"]["methods"]["radius"]["masks"]["sufficient"]) > {"0"}
    assert set(document["models"]["random"]["methods"]["gradient"]["masks"]["sufficient"]) == {"0"}


def test_a_stopped_run_goes_on_to_the_same_bytes(
    place: Path, done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = place / "again"
    shutil.copytree(done, out)
    for name in ("explain.json", "explain.csv"):
        (out / name).unlink()
    shutil.rmtree(out / "gallery")
    lost = sorted((out / ".journal").glob("*/maps.npz"))[1]
    lost.write_bytes(lost.read_bytes()[:100])  # half a file
    made: list[int] = []
    real = saliency._explained

    def counted(unit: saliency.Unit, drawn: Path) -> Any:
        made.append(unit.picture.image_id)
        return real(unit, drawn)

    monkeypatch.setattr(saliency, "_explained", counted)
    assert explained(place, out).exit_code == 0
    assert len(made) == 1
    assert content(out) == content(done)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--methods", "gradient,gradcam"), "'gradient,gradcam': expected some of gradient"),
        (("--split", "dev"), "coco/dev.json"),
        (("--score", "0.5"), "1 operating points for 2 models"),
        (("--score", "1.5,0.2"), "expected a number between 0 and 1"),
        (("--n", "0"), "--n"),
    ],
)
def test_bad_options_are_one_line(place: Path, tmp_path: Path, options: tuple[str, ...], line: str) -> None:
    told = explained(place, tmp_path / "out", *options)
    assert told.exit_code == 2 and line in told.stderr and "Traceback" not in told.stderr
    assert not (tmp_path / "out").exists()


def test_models_that_cannot_be_explained_are_refused(place: Path, tmp_path: Path) -> None:
    (tmp_path / "some.onnx").write_bytes(b"onnx")
    base = ("--data", place / "data", "--score", "0.5", "--out", tmp_path / "out")
    told = run("explain", tmp_path / "some.onnx", *base)
    assert told.exit_code == 2 and "an ONNX file has no gradients" in told.stderr
    told = run("explain", place / "plain.pt", "--methods", "radius", *base)
    assert told.exit_code == 2 and "no Lipschitz constant, which method radius needs" in told.stderr
    told = run("explain", place / "plain.pt", *base[:2], *base[4:])
    assert told.exit_code == 2 and "give its operating point" in told.stderr
    assert not (tmp_path / "out").exists()


def test_a_split_without_a_required_runway_is_refused(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "data", tmp_path / "data")
    file = tmp_path / "data/coco/test.json"
    truth = json.loads(file.read_text())
    truth["annotations"] = [{**note, "iscrowd": 1} for note in truth["annotations"]]
    file.write_text(json.dumps(truth))
    told = run("explain", place / "plain.pt", "--data", tmp_path / "data", "--score", "0.5", "--out",
               tmp_path / "out")  # fmt: skip
    assert told.exit_code == 2 and "test.json: none of its 4 pictures has a required runway" in told.stderr


def test_files_of_others_are_kept(place: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/explain.csv").write_text("mine")
    told = explained(place, tmp_path / "out")
    assert told.exit_code == 2 and "would be written over" in told.stderr
    assert (tmp_path / "out/explain.csv").read_text() == "mine"


STATED = {
    "format": "lard-monitor",
    "tables": [
        {"title": "AUROC", "columns": ["condition", "value", "n"], "rows": [["fog", 0.9312, 40]],
         "note": "of <b>two</b> airports"}
    ],
    "pictures": [{"title": "curve", "file": "curve.svg", "note": ""}],
}  # fmt: skip


def test_the_page_shows_what_is_there_and_says_what_is_not(done: Path, tmp_path: Path) -> None:
    (tmp_path / "monitor.json").write_text(json.dumps(STATED))
    (tmp_path / "curve.svg").write_text("<?xml?><svg id='planted'></svg>")
    out = tmp_path / "page.html"
    told = run("assurance", "--explain", done / "explain.json", "--monitor", tmp_path / "monitor.json",
               "--link", "Leaderboard=leaderboard.html", "--out", out)  # fmt: skip
    assert told.exit_code == 0, told.output
    page = out.read_text()
    assert ">fog</td>" in page and "0.9312" in page and "<svg id='planted'>" in page, "it names no model"
    assert "of &lt;b&gt;two&lt;/b&gt; airports" in page, "notes are text"
    assert 'href="leaderboard.html"' in page and 'href="page/lip.html#looks"' in page
    document = json.loads((done / "explain.json").read_text())
    for model, other in (("lip", "random"), ("random", "lip")):
        account = (tmp_path / "page" / f"{model}.html").read_text()
        assert account.count("Not measured.") == 5, "no document but one speaks of it"
        assert account.count("data:image/jpeg;base64") == 1
        assert 'href="../leaderboard.html"' in account and 'href="../page.html"' in account
        own, others = (document["models"][name]["methods"]["gradient"]["inside"] for name in (model, other))
        assert f"{own['value']:.4g}" in account and f"{others['value']:.4g}" not in account
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "curve.svg",
        "monitor.json",
        "page",
        "page.html",
    ]


def test_a_monitor_answers_two_questions_of_its_model(tmp_path: Path) -> None:
    """Its rankings say what the model does not know, its stops what it refuses; each with its interval."""
    row = {"AUROC": 0.75, "AUROC_interval": [0.6, 0.9], "stopped": 0.25, "stopped_interval": [0.1, 0.4]}
    inside = {"false_stops": 0.125, "false_stops_interval": [0.0, 0.3]}
    stops = {
        "title": "Stops",
        "section": "refuses",
        "columns": ["a"],
        "rows": [["stopped: planted"]],
        "note": "",
    }
    document = {
        **STATED, "model": "lip", "false_stop_rate": 0.05, "pictures": [],
        "tables": [*STATED["tables"], stops],
        "inside": {"alarms": {"energy": inside}}, "outside": {"fog": {"alarms": {"energy": row}}},
    }  # fmt: skip
    (tmp_path / "m.json").write_text(json.dumps(document))
    told = run("assurance", "--monitor", tmp_path / "m.json", "--out", tmp_path / "page.html")
    assert told.exit_code == 0, told.output
    account = (tmp_path / "page/lip.html").read_text()
    knows = account[account.index('<h2 id="knows"') : account.index('<h2 id="refuses"')]
    refuses = account[account.index('<h2 id="refuses"') : account.index('<h2 id="certified"')]
    assert "0.75 (0.6 to 0.9)" in knows and ">fog</td>" in knows and "planted" not in knows
    assert "0.125 (0 to 0.3)" in refuses and "0.25 (0.1 to 0.4)" in refuses and "planted" in refuses
    index = (tmp_path / "page.html").read_text()
    assert "0.75 (0.6 to 0.9)" in index and 'href="page/lip.html#knows"' in index


def test_what_is_measured_is_not_shown_as_passed(done: Path, tmp_path: Path) -> None:
    out = tmp_path / "assurance.html"
    assert run("assurance", "--explain", str(done / "explain.json"), "--out", str(out)).exit_code == 0
    for page in (out, *(tmp_path / "assurance").iterdir()):
        text = page.read_text()
        assert 'class="tile' in text and 'class="tile edge-pass' not in text, page


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "x" * 101])
def test_a_model_whose_name_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "curve.svg").write_text("<svg></svg>")
    (tmp_path / "m.json").write_text(json.dumps({**STATED, "model": name}))
    told = run("assurance", "--monitor", tmp_path / "m.json", "--out", tmp_path / "page.html")
    assert told.exit_code == 2 and "cannot name a page" in told.stderr, told.output
    assert not (tmp_path / "page.html").exists()


def test_an_account_of_others_is_kept(tmp_path: Path) -> None:
    (tmp_path / "curve.svg").write_text("<svg></svg>")
    (tmp_path / "m.json").write_text(json.dumps({**STATED, "model": "lip"}))
    (tmp_path / "page").mkdir()
    (tmp_path / "page/lip.html").write_text("mine")
    told = run("assurance", "--monitor", tmp_path / "m.json", "--out", tmp_path / "page.html")
    assert told.exit_code == 2 and "is not a page that lard wrote" in told.stderr, told.output
    assert (tmp_path / "page/lip.html").read_text() == "mine" and not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"format": "lard-explain-1"}, "format 'lard-explain-1'"),
        ({"tables": [{"title": "a", "columns": ["x"], "rows": [[1, 2]]}]}, "rows of other lengths"),
        ({"tables": [{"title": "a", "columns": ["x"], "rows": [[{}]]}]}, "cell {}"),
        ({"tables": [{"title": "a", "columns": [], "rows": [], "section": "z"}]}, "section 'z'"),
        ({"tables": 3}, "not as lard monitor score writes it"),
        ({"pictures": [{"title": "a", "file": "../b.svg"}]}, "b.svg"),
    ],
)
def test_documents_of_another_form_are_refused(tmp_path: Path, change: dict[str, Any], line: str) -> None:
    (tmp_path / "m.json").write_text(json.dumps({**STATED, "pictures": [], **change}))
    told = run("assurance", "--monitor", tmp_path / "m.json", "--out", tmp_path / "page.html")
    assert told.exit_code == 2 and line in told.stderr, told.output
    assert "m.json" in told.stderr or "b.svg" in told.stderr
    assert not (tmp_path / "page.html").exists()


def test_a_page_of_nothing_is_refused(tmp_path: Path) -> None:
    told = run("assurance", "--out", tmp_path / "page.html")
    assert told.exit_code == 2 and "give a document" in told.stderr
