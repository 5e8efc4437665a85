"""The stages certify, attack and conform, and what the pages tell of them."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from detect_support import write_random_model, write_toy
from robust_support import SPEC, random_net
from ruamel.yaml import YAML

from lard.detect.checkpoint import save_detector
from lard.errors import DataError, SpecError
from lard.report import with_robustness
from lard.report.dressing import plain_text
from lard.report.entries import Entry
from lard.report.robustness_compliance import LINK, PLACE, with_detectors
from lard.tables import read_json
from pipelines import attack, certify, compliance, conform, report, score
from pipelines.benchmark import model_folder, results_file

PAGE = f"<nav>{LINK}</nav><main>{PLACE}</main>"
MODELS = ("lip", "plain")


def _boxes_beside(truth: Path, seed: int) -> list[dict[str, object]]:
    """Detections a few pixels beside every required runway, and a low false alarm in each picture."""
    rng, rows = np.random.default_rng(seed), []
    document = json.loads(truth.read_text())
    for note in document["annotations"]:
        x, y, w, h = np.array(note["bbox"]) + rng.uniform(-1, 1, 4)
        row = {"image_id": note["image_id"], "category_id": 1, "bbox": [x, y, w, h]}
        rows.append({**row, "score": round(float(rng.uniform(0.5, 0.9)), 5)})
    rows += [
        {"image_id": image["id"], "category_id": 1, "bbox": [2, 2, 9, 9], "score": 0.05}
        for image in document["images"]
    ]
    return rows


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder after the score stage: a plain and a Lipschitz model, results near the truth."""
    root = tmp_path_factory.mktemp("stages")
    toy = write_toy(root / "data" / "ortho", train=8, test=4)
    shutil.copy2(toy / "coco" / "train.json", toy / "coco" / "val.json")
    (toy / "coco" / "train.json").write_text((toy / "coco" / "val.json").read_text().replace("train_", "t_"))
    YAML().dump(
        {
            "benchmark": {"models": list(MODELS), "protocols": ["ortho"]},
            "protocols": {"ortho": {"train": ["ortho"], "test": ["ortho"]}},
            "predict": {"score_floor": 0.02},
            "score": {"false_alarms_per_image": 0.1},
            "robustness": {
                "certify": {"pictures": 3, "eps": [0.05, 0.5]},
                "attack": {"pictures": 2, "eps": [0.5], "steps": 2, "queries": 2, "shown": 1},
                "conform": {},
            },
        },
        root / "params.yaml",
    )
    (root / "models/ortho/lip").mkdir(parents=True)
    (root / "models/ortho/plain").mkdir(parents=True)
    net = random_net(3)
    with torch.no_grad():
        net.prior.fill_(1.0)  # most locations fire
    save_detector(net, "lip", SPEC, {}, root / "models/ortho/lip/checkpoint.pt")
    write_random_model(root / "models/ortho/plain/checkpoint.pt")
    with _inside(root), pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "cpu_count", lambda: 1)  # one process
        for model in MODELS:
            for split, suffix in (("test", ".json"), ("val", ".val.json")):
                path = results_file("ortho", model, suffix)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(_boxes_beside(toy / "coco" / f"{split}.json", len(suffix))))
            score.main(model, "ortho")
        for stage in (certify, attack, conform):
            stage.main("ortho")
    return root


class _inside:
    def __init__(self, root: Path) -> None:
        self.root = root

    def __enter__(self) -> None:
        self.before = Path.cwd()
        os.chdir(self.root)

    def __exit__(self, *_: object) -> None:
        os.chdir(self.before)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def test_each_stage_says_what_it_found_or_why_nothing(place: Path) -> None:
    found = place / "reports/robustness/ortho"
    document = read_json(found / "certify/lip/certificates.json")
    assert document["pictures"] == 3 and document["pictures_in_split"] == 4
    assert document["threshold"]["chosen_on"] == "validation" and set(document["by_eps"]) == {"0.05", "0.5"}
    assert "no Lipschitz constant" in read_json(found / "certify/not_computed.json")["plain"]
    assert not (found / "certify/plain").exists()
    attacked = read_json(found / "attack/attack.json")
    assert set(attacked["models"]) == set(MODELS) and attacked["pictures"] == 2
    assert read_json(found / "attack/not_computed.json") == {}
    for model in MODELS:
        stated = read_json(found / f"conform/{model}/conform.json")
        assert stated["alpha"] == pytest.approx(1 / 3), "two validation airports support no less"
        assert stated["score_chosen_on"] == "calibration pictures"
    assert not (place / "reports/.robustness/ortho/attack").exists(), "what was kept on the way is gone"


def test_a_stage_ends_with_the_same_bytes_and_leaves_nothing_old(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    copy = tmp_path / "copy"
    shutil.copytree(place, copy)
    with _inside(copy):
        for name, stage in (("certify", certify), ("attack", attack), ("conform", conform)):
            folder = copy / "reports/robustness/ortho" / name
            before = _files(folder)
            shutil.rmtree(folder)  # as dvc does before it runs a stage
            stage.main("ortho")
            assert _files(folder) == before, name


def test_without_validation_pictures_nothing_is_certified_nor_stated(place: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(place, copy)
    (copy / "data/ortho/coco/val.json").unlink()
    shutil.rmtree(copy / "reports")
    with _inside(copy):
        for model in MODELS:
            score.main(model, "ortho")
        certify.main("ortho")
        conform.main("ortho")
    found = copy / "reports/robustness/ortho"
    assert "chosen on the pictures" in read_json(found / "certify/not_computed.json")["lip"]
    assert set(read_json(found / "conform/not_computed.json")) == set(MODELS)
    assert not list(found.rglob("certificates.json")) + list(found.rglob("conform.json"))


def test_the_leaderboard_tells_of_them(place: Path) -> None:
    with _inside(place):
        report.main()
    rows = {row["model"]: row for row in csv.DictReader((place / "reports/leaderboard.csv").open())}
    document = read_json(place / "reports/robustness/ortho/certify/lip/certificates.json")
    for eps, told in document["by_eps"].items():
        held = float(rows["lip"][f"certified_firing_recall_eps_{eps}"])
        assert held == pytest.approx(told["certified_firing_recall"], abs=1e-6)
        assert rows["plain"][f"certified_firing_recall_eps_{eps}"] == "", "nothing is certified of it"
    attacked = read_json(place / "reports/robustness/ortho/attack/attack.json")["models"]
    for model in MODELS:
        curve = attacked[model]["goals"]["vanish"]["curve"]
        at = next(row for row in curve if row["eps"] == 0.5)
        assert float(rows[model]["recall_vanish_l2_0.5"]) == pytest.approx(at["recall"], abs=1e-6)
        assert float(rows[model]["conformal_alpha"]) == pytest.approx(1 / 3, abs=1e-6)
    models = read_json(place / "reports/leaderboard.json")["boards"][0]["models"]
    by_name = {model["model"]: model["robustness"] for model in models}
    assert by_name["lip"]["certificates"]["curves"]["score"] and "certificates" not in by_name["plain"]
    page = (place / "reports/leaderboard.html").read_text()
    assert 'id="robustness"' in page and "not certified" in page and "L2 norm over the whole picture" in page
    assert "plain, certificates: it has no Lipschitz constant" in plain_text(page)
    assert page.count("Scores under attack") == 1 and "160x160 px" in plain_text(page)


def test_a_board_without_them_is_as_before(place: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(place, copy, ignore=shutil.ignore_patterns("reports"))
    with _inside(copy):
        report.main()
    head = (copy / "reports/leaderboard.csv").read_text().splitlines()[0]
    assert "certified" not in head and "conformal" not in head
    assert "robustness" not in (copy / "reports/leaderboard.html").read_text()


def test_documents_of_others_are_refused(place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ortho"
    shutil.copytree(place / "reports/robustness/ortho", folder)
    other = Entry("lip", {"AP": 0.5}, {}, {}, {"provenance": {"truth_sha256": "0" * 64}})
    with pytest.raises(DataError, match=r"certificates\.json: truth_sha256: .* of other pictures"):
        with_robustness([other], folder)
    path = folder / "certify/lip/certificates.json"
    document = read_json(path)
    path.write_text(json.dumps({key: value for key, value in document.items() if key != "by_eps"}))
    with pytest.raises(DataError, match=r"certificates\.json: by_eps"):
        with_robustness([Entry("lip", {"AP": 0.5}, {})], folder)
    path.write_text(json.dumps(document | {"model": "another"}))
    with pytest.raises(DataError, match="model: 'another', expected 'lip'"):
        with_robustness([Entry("lip", {"AP": 0.5}, {})], folder)


def test_the_compliance_report_says_what_is_certified_and_what_is_not(place: Path, tmp_path: Path) -> None:
    page = with_detectors(PAGE, place / "reports/robustness")
    assert 'href="#detectors"' in page and PLACE not in page and LINK not in page
    assert "certified firing recall" in plain_text(page) and "<b>plain: not certified.</b>" in page
    assert page.index("certified box recall") < page.index("plain: not certified")
    assert "not certified</b></td><td" in page.replace("\n", ""), "boxes"
    assert with_detectors(PAGE, tmp_path / "nothing") == "<nav></nav><main></main>"
    led = with_detectors(PAGE, tmp_path / "nothing", accounts={"fcos-s": "assurance/fcos-s.html"})
    assert 'href="assurance/fcos-s.html"' in led and 'href="assurance.html"' in led
    with pytest.raises(DataError, match="no single place"):
        with_detectors("<main></main>", place / "reports/robustness")
    (place / "reports/dqr").mkdir(exist_ok=True)
    (place / "reports/dqr/compliance.html").write_text(PAGE)
    with _inside(place):
        compliance.main()
    assert (place / "reports/compliance.html").read_text() == page


def test_settings_at_fault_are_named(place: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(place, copy, ignore=shutil.ignore_patterns("reports"))
    yaml = YAML()
    params = yaml.load(copy / "params.yaml")
    params["robustness"]["certify"]["eps"] = [0.1, -1]
    params["robustness"]["conform"]["alpha"] = 2
    yaml.dump(params, copy / "params.yaml")
    with _inside(copy), pytest.raises(SpecError) as caught:
        certify.main("ortho")
    told = str(caught.value)
    assert "robustness: certify.eps.1" in told and "robustness: conform.alpha" in told


def test_folders_are_where_the_stages_of_dvc_say(place: Path) -> None:
    stages = YAML(typ="safe").load(Path(__file__).parents[1] / "dvc.yaml")["stages"]
    for name in ("certify", "attack", "conform"):
        assert stages[name]["outs"] == [f"reports/robustness/${{item.protocol}}/{name}"]
        assert (place / "reports/robustness/ortho" / name / "not_computed.json").is_file()
    with _inside(place):
        assert (model_folder("ortho", "lip") / "checkpoint.pt").is_file()
    table = pl.read_csv(place / "reports/robustness/ortho/certify/lip/runways.csv")
    assert {"firing_radius", "erasure_energy"} <= set(table.columns)
