"""Certificates of pictures: knapsacks, erasure energy, the report, its command, and what is refused."""

from __future__ import annotations

import itertools
import json
import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from click.testing import CliRunner
from detect_support import write_random_model, write_toy
from hypothesis import given, settings
from hypothesis import strategies as st

from lard.cli import main
from lard.detect.checkpoint import Checkpoint, exported, load_detector, save_detector
from lard.detect.config import ModelSpec, PredictSpec
from lard.detect.data import Picture, read_pictures
from lard.detect.fcos import LipschitzFcos, build
from lard.detect.predict import predict
from lard.errors import DataError, LardError, ModelError
from lard.report import certificates as figures
from lard.report.certificates import certificates_svg
from lard.robust import cells as cells_module
from lard.robust.budget import fabricated, hidden, trades, worst_precision
from lard.robust.cells import Cells, cells_of_picture, off_runways, read_cells
from lard.robust.certificates import certified_firing_recall, checked_radii, document_of
from lard.robust.certify import Reach, bound_of_model, firing, logit_threshold
from lard.robust.erasure import erasure_energy
from lard.robust.subject import Point, Subject, runways_table
from lard.score.truth import read_truth

SPEC = ModelSpec(
    family="lip-fcos", widths=(8, 16, 16), depths=(1, 1, 1), pyramid=8, towers=1, side_limits_px=(32,),
    temperature=4,
)  # fmt: skip
RADII = [0.02, 0.1, 0.5, 2.0]
COSTS = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0, 3.0]), max_size=5).map(np.array)
BUDGETS = st.sampled_from([0.0, 0.1, 0.3, 0.74, 1.1, 10.0])
torch.set_num_threads(1)


def subsets(costs: np.ndarray) -> list[tuple[int, float]]:
    """Size and cost of every subset."""
    return [
        (count, float(sum(chosen)))
        for count in range(len(costs) + 1)
        for chosen in itertools.combinations(costs.tolist(), count)
    ]


@given(COSTS, BUDGETS)
def test_the_knapsack_buys_as_many_as_any_choice(costs: np.ndarray, budget: float) -> None:
    most = max(count for count, cost in subsets(costs) if cost <= budget + 1e-12)
    assert hidden(costs, budget + 1e-12) == most
    assert fabricated(costs, 100, np.array([budget + 1e-12])) == [most if most < len(costs) else 100]
    assert hidden(costs, budget) <= hidden(costs, 2 * budget)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(COSTS, COSTS), min_size=1, max_size=2), BUDGETS)
def test_the_worst_precision_is_that_of_the_worst_choice(
    pictures: list[tuple[np.ndarray, np.ndarray]], budget: float
) -> None:
    """Every way to spend the budget of each picture, all together; free locations beyond those held."""
    budget += 1e-12
    fired = [int((hiding > 0).sum()) for hiding, _ in pictures]
    options = [
        [
            (count - gone, made)
            for gone, spent in subsets(hiding[hiding > 0])
            for made, paid in subsets(making)
            if spent + paid <= budget
        ]
        for (hiding, making), count in zip(pictures, fired, strict=True)
    ]
    shares = [
        right / (right + wrong)
        for chosen in itertools.product(*options)
        for right, wrong in [(sum(r for r, _ in chosen), sum(w for _, w in chosen))]
        if right + wrong
    ]
    # one location more than the attacker can ever pay for, so that none is counted unseen
    dear = [np.append(making, 1e6) for _, making in pictures]
    choices = [
        trades(hiding, making, len(making), budget)
        for (hiding, _), making in zip(pictures, dear, strict=True)
    ]
    found = worst_precision(fired, choices)
    assert found == pytest.approx(min(shares)) if shares else math.isnan(found)


def test_the_erasure_energy_of_a_plain_square() -> None:
    """Contrast times the root of the values; half of it at half the resolution; nothing where nothing is."""
    for grey, side in ((200, 32), (120, 32), (200, 16)):
        image = np.full((128, 160, 3), 100, np.uint8)
        image[40 : 40 + side, 60 : 60 + side] = grey
        square = np.array([[60, 40], [60 + side, 40], [60 + side, 40 + side], [60, 40 + side]], np.float64)
        wanted = (grey - 100) / 255 * math.sqrt(3) * side
        assert erasure_energy(image, square) == pytest.approx(wanted, rel=5e-3), "up to rounding"
        assert erasure_energy(image, square + np.array([0, 200])) == 0, "outside of the picture"
    flat = np.full((64, 64, 3), 90, np.uint8)
    assert erasure_energy(flat, square - 30) == pytest.approx(0, abs=1e-9), "a flat picture"
    filled = np.array([[-50, -50], [200, -50], [200, 200], [-50, 200]], np.float64)
    assert erasure_energy(np.zeros((64, 64, 3), np.uint8), filled) == math.inf, "nothing is around it"
    assert 0 <= erasure_energy(image, square - np.array([70, 50])) < math.inf, "cut by the border"


def test_off_the_runways_is_a_stride_outside_of_every_box() -> None:
    boxes = np.array([[16.0, 16.0, 32.0, 32.0]])
    fine = off_runways(boxes, (4,), 64, 64).reshape(16, 16)
    assert not fine[3:9, 3:9].any() and fine.sum() == 256 - 36
    assert off_runways(np.empty((0, 4)), (4, 8), 64, 64).sum() == 256 + 64


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "data", test=6)


@pytest.fixture(scope="module", params=[False, True], ids=["as-is", "normalised"])
def weights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained Lipschitz detector whose prior is raised so that some locations fire."""
    torch.manual_seed(3)
    spec = SPEC.model_copy(update={"normalise": request.param})
    net = exported(build(spec), spec)
    assert isinstance(net, LipschitzFcos)
    with torch.no_grad():
        net.prior.fill_(0.05)
    path = tmp_path_factory.mktemp("model") / "checkpoint.pt"
    save_detector(net, "lip", spec, {}, path)
    return path


@pytest.fixture(scope="module")
def subject(weights: Path, toy: Path) -> Subject:
    """Where boxes as bad as those of an untrained model serve a runway too."""
    checkpoint, pictures = load_detector(weights), read_pictures(toy, "test")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells_module, "owners_of", lambda boxes, wanted: owners(boxes, wanted, 0.05))
        found = list(read_cells(checkpoint, pictures, PredictSpec(), "weights"))
    return Subject(found, pictures, read_truth(toy / "coco/test.json"), SPEC.temperature)


def owners(boxes: np.ndarray, wanted: np.ndarray, least_iou: float) -> np.ndarray:
    from lard.robust.certify import owners_of

    return owners_of(boxes, wanted, least_iou)


def test_the_ladder_of_claims(subject: Subject) -> None:
    """Each rung holds those below it, each figure falls with eps, none exceeds what the picture holds."""
    document = document_of(subject, Point(0.5, "stated"), RADII)
    clean, rows = document["clean"], [document["by_eps"][f"{eps:g}"] for eps in RADII]
    assert clean["firing_recall"] >= clean["overlap_recall"] >= clean["box_recall"]
    falling = [clean["firing_recall"], *(row["certified_firing_recall"] for row in rows)]
    assert falling[0] > 0 and falling == sorted(falling, reverse=True) and falling[-1] == 0
    for name in ("quiet_pictures", "never_silent_pictures", "ceiling", "ceiling_balanced"):
        values = [row[name] for row in rows]
        assert values == sorted(values, reverse=True), f"{name} falls"
    made = [row["fabricated_locations_per_picture"] for row in rows]
    assert made == sorted(made) and made[0] >= clean["locations_off_runways_per_picture"]
    worst = [1.0 if row["worst_precision"] is None else row["worst_precision"] for row in rows]
    assert worst == sorted(worst, reverse=True)
    for row in rows:
        assert row["certified_overlap_recall"] is None and row["certified_box_recall"] is None
        assert row["ceiling"] >= row["ceiling_balanced"]
    assert "carry no certificate" in document["claims"]["certified_box_recall"]
    assert document["picture_sizes_px"] == {"160x160": 6}
    assert document["eps_in_grey_levels"]["160x160"]["0.1"] == pytest.approx(25.5 / (160 * 3**0.5), abs=1e-5)
    zones = document["erasure"]["by_zone"]
    assert sum(zone["runways"] for zone in zones.values()) == document["erasure"]["all"]["runways"] > 0
    assert document["erasure"]["all"]["certified_firing_recall"]["0.1"] == rows[1]["certified_firing_recall"]
    json.dumps(document, allow_nan=False)


def test_radii_stay_below_the_energy_unless_it_fires_without_the_runway(subject: Subject) -> None:
    table = runways_table(subject, Point(0.5, "stated"))
    assert len(table) == sum(len(one.own) for one in subject.cells)
    above = table.filter(pl.col("firing_radius") > pl.col("erasure_energy"))
    document = document_of(subject, Point(0.5, "stated"), RADII)
    assert document["radii"]["above_erasure_energy"] == len(above)
    within = table.filter(pl.col("radius_to_energy") <= 1)
    for eps in RADII:
        certified = document["by_eps"][f"{eps:g}"]["certified_firing_recall"] * len(table)
        limit = (within["erasure_energy"] >= eps).sum() + len(above)
        assert certified <= limit + 1e-9, "a radius above the energy is that of what fires all the same"
    assert (table["fires"] == (table["firing_radius"] > 0)).all() or table["fires"].sum() > 0


@pytest.mark.parametrize("weights", [False], indirect=True)
def test_curves_run_from_silence_to_everything(subject: Subject) -> None:
    """Their points at the operating score are those of the report."""
    document = document_of(subject, Point(0.5, "stated"), RADII)
    curves = document["curves"]
    assert curves["score"] == sorted(curves["score"], reverse=True)
    for name in ("false_alarms_per_picture", "firing_recall"):
        assert curves[name] == sorted(curves[name]), "a lower threshold lets more through"
    place = curves["score"].index(0.5)
    for eps, row in document["by_eps"].items():
        at = curves["certified_firing_recall"][eps]
        assert at[place] == row["certified_firing_recall"]
        assert all(one <= other + 1e-9 for one, other in zip(at, curves["firing_recall"], strict=True))
    alarms = document["clean"]["as_scored"]["false_alarms_per_image"]
    assert curves["false_alarms_per_picture"][place] == pytest.approx(alarms)
    svg = certificates_svg(document, runways_table(subject, Point(0.5, "stated")), "lip")
    assert svg == certificates_svg(document, runways_table(subject, Point(0.5, "stated")), "lip")
    assert "Certificates of lip" in ElementTree.fromstring(svg).attrib["aria-label"]


def test_it_agrees_with_what_single_pictures_certify(weights: Path, toy: Path) -> None:
    """Cells at a threshold are the firing of that threshold, and without slack the plain formula."""
    checkpoint = load_detector(weights)
    bound = bound_of_model(checkpoint)
    threshold = logit_threshold(0.45, SPEC.temperature)
    for picture in read_pictures(toy, "test")[:3]:
        one = cells_of_picture(checkpoint, picture, PredictSpec())
        alone = firing(checkpoint, picture, 0.45)
        np.testing.assert_allclose(one.costs(threshold), alone.costs, rtol=1e-4, atol=1e-9)
        assert one.silence(threshold) >= one.costs(threshold).sum() - 1e-12
        bare = Reach(bound.network, one.reach.contrast)
        for eps in RADII:
            moved = eps if bare.contrast is None else eps * bare.contrast.gain(eps)
            plain = (bound.network * moved * (1 + 1e-4)) ** 2
            assert bare.budget(eps) == pytest.approx(plain) and plain <= one.reach.budget(eps)
            kept = certified_firing_recall([one], [alone.costs], eps)
            costs = np.sort(alone.costs)
            lost = int(((np.cumsum(costs) <= one.reach.budget(eps)) | (costs == 0)).sum())
            assert kept == (1 - lost / len(costs) if len(costs) else None)


def test_the_known_example() -> None:
    """Two runways that cost 4 and 1 and a missed one: the attacker hides the cheap one first."""
    bare = Reach(1 / 1.0001)
    cells = [held([], reach=bare), held([], reach=bare)]
    costs = [np.array([4.0, 1.0]), np.array([0.0])]
    wanted = {0.99: 2 / 3, 1.0: 1 / 3, 2.2: 1 / 3, 2.3: 0.0}
    for eps, recall in wanted.items():
        assert certified_firing_recall(cells, costs, eps) == pytest.approx(recall)
    assert certified_firing_recall([], [], 1.0) is None


def held(off: list[float], count: int | None = None, reach: Reach | None = None) -> Cells:
    logits = np.sort(np.array(off, np.float64))[::-1]
    kept = np.empty((0, 4)), np.empty(0)
    total = len(off) if count is None else count
    return Cells((), logits, total, np.empty(0), np.empty(0), kept, reach or Reach(1.0))


def test_locations_that_are_not_held_count_when_all_held_ones_can_fire() -> None:
    from lard.robust.certificates import fabricated_per_picture, silence_radii

    some, all_of_them = held([0.0, -0.1, -0.2], 500), held([0.0, -0.1, -2.0], 500)
    assert fabricated_per_picture([some], 0.1, [1.0]).tolist() == [[500]]
    assert fabricated_per_picture([all_of_them], 0.1, [1.0]).tolist() == [[2]]
    assert silence_radii([held([0.3, 0.0])], 0.1).tolist() == [0.0], "one fires already"
    assert silence_radii([held([])], 0.1).tolist() == [math.inf], "no location is off the runways"
    assert silence_radii([held([0.0])], 0.1)[0] == pytest.approx(0.1, rel=1e-3)


def run(*options: str | Path) -> Any:
    return CliRunner().invoke(main, ["certify", *map(str, options)])


@pytest.mark.parametrize("weights", [False], indirect=True)
def test_a_killed_run_ends_with_the_same_bytes(
    weights: Path, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "certificates_svg", lambda *_: "drawn")  # as it is drawn, is tested above
    options = [weights, "--data", toy, "--score", "0.5", "--eps", "0.1,0.5"]
    assert run(*options, "--out", tmp_path / "whole").exit_code == 0
    real, calls = cells_module.cells_of_picture, []

    def dies(*given: Any) -> Cells:
        calls.append(given)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(cells_module, "cells_of_picture", dies)
    assert run(*options, "--out", tmp_path / "killed").exit_code != 0
    stopped = sorted(path.name for path in (tmp_path / "killed/cells").iterdir())
    assert len(stopped) == 3 and not (tmp_path / "killed/certificates.json").exists()
    (tmp_path / "killed/cells" / stopped[0]).write_bytes(b"PK damaged")
    assert run(*options, "--out", tmp_path / "killed").exit_code == 0
    assert len(calls) == 4 + 6 - 2, "only what was missing or damaged is computed"
    whole = {path.relative_to(tmp_path / "whole"): path for path in (tmp_path / "whole").rglob("*.*")}
    assert {str(name) for name in whole} >= {"certificates.json", "runways.csv", "certificates.svg"}
    for name, path in whole.items():
        assert path.read_bytes() == (tmp_path / "killed" / name).read_bytes(), name
    other = run(*options[:-1], "0.2", "--out", tmp_path / "killed")
    assert other.exit_code == 0 and len(calls) == 8, "another eps needs no picture again"


def test_shipped_models_go_by_name(toy: Path, tmp_path: Path) -> None:
    shown = run("lip-fcos-s", "--data", toy, "--limit", "1", "--eps", "0.05", "--out", tmp_path / "out")
    assert shown.exit_code == 0, shown.output
    document = json.loads((tmp_path / "out/certificates.json").read_text())
    assert document["threshold"]["chosen_on"].startswith("validation airports")
    assert document["model"] == "lip-fcos-s" and document["pictures"] == 1 and "curves" in document
    assert '"curves"' not in shown.output and len(pl.read_csv(tmp_path / "out/runways.csv")) == 1
    plain = run("fcos-s", "--data", toy, "--limit", "1")
    assert plain.exit_code == 2 and "no Lipschitz constant" in plain.output


@pytest.mark.parametrize("weights", [False], indirect=True)
@pytest.mark.parametrize("eps", ["nan", "inf", "-0.1", "0", "1e9", "0.1,", "a", ""])
def test_radii_without_sense_are_refused_before_the_work(eps: str, weights: Path, toy: Path) -> None:
    shown = run(weights, "--data", toy, "--score", "0.5", f"--eps={eps}")
    assert shown.exit_code == 2 and "eps" in shown.output and "images/s" not in shown.output


@pytest.mark.parametrize("weights", [False], indirect=True)
def test_thresholds_come_from_elsewhere(weights: Path, toy: Path, tmp_path: Path) -> None:
    options = [weights, "--data", toy, "--eps", "0.1", "--limit", "1"]
    point = tmp_path / "s.score.json"
    for chosen_on, split, code in (
        ("scored pictures", "test", 2), ("validation", "test", 0), ("validation", "val", 2),
        ("stated", "test", 0),
    ):  # fmt: skip
        point.write_text(json.dumps({"operating_point": {"score": 0.25, "chosen_on": chosen_on}}))
        shown = run(*options, "--split", split, "--point", point)
        assert shown.exit_code == code, f"{chosen_on} {split}: {shown.output}"
    (toy / "coco" / "val.json").write_text((toy / "coco" / "train.json").read_text())
    truth = json.loads((toy / "coco" / "val.json").read_text())
    found = [
        {"image_id": note["image_id"], "category_id": 1, "bbox": note["bbox"], "score": 0.6}
        for note in truth["annotations"]
    ]
    (tmp_path / "val.json").write_text(json.dumps(found))
    foreign = run(*options, "--val", tmp_path / "val.json", "--false-alarms", "0.5")
    assert foreign.exit_code == 2 and "val.json: results of another model: lip finds" in foreign.output
    predict(weights, toy, tmp_path / "own.json", PredictSpec(split="val", score_floor=0.0))
    shown = run(*options, "--val", tmp_path / "own.json", "--false-alarms", "100")
    assert shown.exit_code == 0, shown.output
    assert "validation (own.json), at most 100 false alarms per picture" in shown.output
    point.write_text(json.dumps({"model": "b", "operating_point": {"score": 0.25, "chosen_on": "stated"}}))
    other = run(*options, "--point", point)
    assert other.exit_code == 2 and "operating point of another model than 'lip'" in other.output
    for wrong in (
        ["--val", tmp_path / "val.json", "--split", "val"], ["--score", "0.5", "--point", point], [],
        ["--score", "1.5"], ["--score", "nan"],
    ):  # fmt: skip
        assert run(*options, *wrong).exit_code == 2, wrong


@pytest.mark.parametrize("weights", [False], indirect=True)
def test_what_cannot_be_certified_is_refused(weights: Path, toy: Path, tmp_path: Path) -> None:
    plain = write_random_model(tmp_path / "plain.pt")
    shown = run(plain, "--data", toy, "--score", "0.5")
    assert shown.exit_code == 2 and "no Lipschitz constant" in shown.output
    (tmp_path / "coco").mkdir()
    empty = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "runway"}]}
    (tmp_path / "coco/test.json").write_text(json.dumps(empty))
    shown = run(weights, "--data", tmp_path, "--score", "0.5")
    assert shown.exit_code == 2 and "no images" in shown.output
    loaded = load_detector(weights)
    with torch.no_grad():
        loaded.net.get_parameter("prior").fill_(math.inf)
    with pytest.raises(ModelError, match="are not finite"):
        cells_of_picture(loaded, read_pictures(toy, "test")[0], PredictSpec())
    with pytest.raises(ModelError, match="no Lipschitz constant"):
        firing(Checkpoint(loaded.net, "plain", {}, None), read_pictures(toy, "test")[0], 0.5)
    with pytest.raises(ModelError, match="between 0 and 1"):
        logit_threshold(1.0, 1.0)
    with pytest.raises(DataError, match="turns black into white"):
        checked_radii([500.0], {"160x160": 1})
    assert checked_radii([0.5, 0.1, 0.5], {"160x160": 1}) == [0.1, 0.5]
    assert issubclass(DataError, LardError)


@pytest.mark.parametrize("weights", [False], indirect=True)
def test_pictures_without_runways_have_no_recall(weights: Path, toy: Path) -> None:
    checkpoint = load_detector(weights)
    pictures = [picture for picture in read_pictures(toy, "test") if not len(picture.boxes)]
    assert pictures and isinstance(pictures[0], Picture)
    found = list(read_cells(checkpoint, pictures, PredictSpec(), "weights"))
    subject = Subject(found, pictures, read_truth(toy / "coco/test.json"), SPEC.temperature)
    document = document_of(subject, Point(0.5, "stated"), [0.1])
    row = document["by_eps"]["0.1"]
    assert document["runways"] == 0 and row["certified_firing_recall"] is None and row["ceiling"] is None
    assert row["quiet_pictures"] is not None and row["never_silent_pictures"] is None
    assert certificates_svg(document, runways_table(subject, Point(0.5, "stated")), "lip")
    json.dumps(document, allow_nan=False)
