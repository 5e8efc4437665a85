"""Certificates against attacks, and the leaderboard's door."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from detect_support import write_toy

from lard.cli.certify import certify as certify_command
from lard.detect.checkpoint import Checkpoint, exported, load_detector, save_detector
from lard.detect.config import ModelSpec
from lard.detect.data import Picture, load_image, read_pictures
from lard.detect.decode import to_input
from lard.detect.fcos import LipschitzFcos, build, frame_statistics
from lard.errors import DataError
from lard.robust.attack import project, vanish
from lard.robust.certify import Contrast, Firing, firing, logit_threshold
from lard.score.card import read_card
from lard.score.submission import add, rebuilt
from lard.tables import sha256_file

LIP = ModelSpec(
    family="lip-fcos",
    widths=(8, 16, 16),
    depths=(1, 1, 1),
    pyramid=8,
    towers=1,
    side_limits_px=(32,),
    temperature=4,
)
SCORE = 0.5


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "data")


@pytest.fixture(scope="module", params=[False, True], ids=["as-is", "normalised"])
def detector(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """An untrained Lipschitz detector whose prior is raised so that many locations fire."""
    torch.manual_seed(3)
    torch.set_num_threads(1)
    spec = LIP.model_copy(update={"normalise": request.param})
    net = exported(build(spec), spec)
    assert isinstance(net, LipschitzFcos)
    with torch.no_grad():
        net.prior.fill_(0.3)
    path = tmp_path_factory.mktemp("model") / "checkpoint.pt"
    save_detector(net, "lip", spec, {}, path)
    return load_detector(path)


def owned(detector: Checkpoint, pictures: list[Picture]) -> tuple[Picture, Firing]:
    for picture in pictures:
        found = firing(detector, picture, SCORE, least_iou=0.05)
        if (found.costs > 0).any():
            return picture, found
    raise AssertionError("no runway fires in the toy pictures")


def test_no_attack_beats_a_certificate(detector: Checkpoint, toy: Path) -> None:
    """An attack of a certified radius leaves a location of the runway above the threshold."""
    picture, found = owned(detector, read_pictures(toy, "test"))
    runway = int(found.costs.argmax())
    radius = float(found.radii()[runway])
    targets = found.owners == runway
    threshold = logit_threshold(SCORE, LIP.temperature)
    pixels = to_input(load_image(picture), 8)
    held = vanish(detector.net, pixels, torch.from_numpy(targets), threshold, 0.999 * radius)
    assert held.logits[targets].max() > threshold
    assert (
        float((held.pixels - pixels).norm()) <= radius and held.pixels.min() >= 0 and held.pixels.max() <= 1
    )
    silent = vanish(detector.net, pixels, torch.from_numpy(targets), threshold, 30 * radius, steps=40)
    assert silent.logits[targets].sum() < held.logits[targets].sum(), "a larger budget gets further"


def test_projection_keeps_norm_and_range() -> None:
    clean = torch.rand(1, 3, 8, 8)
    change = project(torch.randn_like(clean) * 5, clean, 0.7)
    assert float(change.norm()) <= 0.7 + 1e-5
    assert float((clean + change).min()) >= 0 and float((clean + change).max()) <= 1


def perfect(toy: Path, path: Path, split: str = "test") -> Path:
    truth = json.loads((toy / "coco" / f"{split}.json").read_text())
    rows = [
        {"image_id": note["image_id"], "category_id": 1, "bbox": note["bbox"], "score": 0.9}
        for note in truth["annotations"]
    ]
    path.write_text(json.dumps(rows))
    return path


def test_entering_the_leaderboard(toy: Path, tmp_path: Path) -> None:
    truth, board = toy / "coco" / "test.json", tmp_path / "board"
    results, card = perfect(toy, tmp_path / "p.json"), tmp_path / "card.yaml"
    card.write_text(
        f"name: perfect\nauthors: someone\nscore_threshold: 0.5\ndataset_sha256: {sha256_file(truth)}\n"
    )
    report = add(results, card, truth, board)
    assert report["overall"]["AP"] == pytest.approx(1) and report["authors"] == "someone"
    assert rebuilt(truth, board, None) == ([board / "perfect" / "score.json"], [])
    (board / "perfect" / "results.json").write_text("[]")
    with pytest.raises(DataError, match="not the file that was entered"):
        rebuilt(truth, board, None)
    with pytest.raises(DataError, match="no submissions"):
        rebuilt(truth, tmp_path / "empty", None)
    card.write_text("name: perfect\nauthors: someone\ndataset_sha256: " + "a" * 64)
    with pytest.raises(DataError, match="another dataset"):
        add(results, card, truth, board)
    card.write_text("name: ../x\nauthors: someone\n")
    with pytest.raises(DataError, match="name: expected a text of pattern"):
        read_card(card)
    card.write_text("name: x\nauthor: someone\n")
    with pytest.raises(DataError, match="authors: Field required"):
        read_card(card)


def test_commands(detector: Checkpoint, toy: Path, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_detector(detector.net, "lip", detector.net.spec, {}, path)
    shown = CliRunner().invoke(
        certify_command, [str(path), "--data", str(toy), "--eps", "0.1", "--limit", "2", "--score", "0.3"]
    )
    assert shown.exit_code == 0 and '"certified_firing_recall"' in shown.output
    without = CliRunner().invoke(certify_command, [str(path), "--data", str(toy)])
    assert without.exit_code == 2 and "--point" in without.output, "no threshold of its own"
    point = tmp_path / "s.score.json"
    point.write_text('{"operating_point": {"score": 0.25}}')
    options = ["--data", str(toy), "--limit", "1", "--point", str(point)]
    told = CliRunner().invoke(certify_command, [str(path), *options, "--eps", "0.1"])
    assert told.exit_code == 0 and '"score": 0.25' in told.output
    assert CliRunner().invoke(certify_command, [str(path), *options, "--eps", "a"]).exit_code == 2


def test_a_normaliser_moves_no_further_than_its_gain_says() -> None:
    """Random and worst perturbations of pictures of any contrast, flat ones included."""
    rng = np.random.default_rng(4)
    spec = LIP.model_copy(update={"normalise": True})
    net = build(spec)
    for contrast in (0.0, 0.01, 0.05, 0.3):
        x = torch.tensor(0.5 + contrast * rng.standard_normal((1, 3, 16, 16)))
        stats = frame_statistics(x)
        seen = Contrast(float(stats[0, 3]), x.numel())
        centred = x - stats[0, :3, None, None]
        for eps in (0.01, 0.3, 3.0, float((centred**2).sum().sqrt()) + 0.01):
            inwards = -centred / centred.norm().clamp(min=1e-9) * eps
            for change in (inwards, torch.tensor(rng.standard_normal(x.shape)), -inwards):
                change = change * eps / change.norm().clamp(min=1e-9)
                moved = float((net.centred(x + change, None) - net.centred(x, None)).norm())
                assert moved <= eps * seen.gain(eps) * (1 + 1e-9)
            radius = float(seen.radius(np.array([eps]))[0])
            assert radius * seen.gain(radius) == pytest.approx(eps), "the radius is where the gain reaches it"


def test_gain_and_offsets_change_nothing_a_normalised_model_says(toy: Path) -> None:
    torch.manual_seed(5)
    spec = LIP.model_copy(update={"normalise": True})
    net = build(spec).eval()
    x = to_input(load_image(read_pictures(toy, "test")[0]), 8)
    brighter = x * 0.6 + torch.tensor([0.1, 0.02, 0.2])[:, None, None]
    with torch.inference_mode():
        before, after = net(x), net(brighter)
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one.logits, other.logits, atol=2e-5, rtol=1e-4)
