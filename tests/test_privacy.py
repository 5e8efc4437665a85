"""Private training of a last layer: the bound holds, the accountant is right, no noise changes nothing."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner
from detect_support import write_random_model, write_toy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from lard.assurance.head import cells_of_frame, detections_with, see, unit_patches, width_of
from lard.assurance.privacy import (
    BOUND,
    Cells,
    Private,
    Recipe,
    noise_for,
    private_of,
    spent,
    train_layer,
    unit_gradients,
)
from lard.cli import main
from lard.detect.checkpoint import load_detector
from lard.detect.config import PredictSpec
from lard.detect.data import load_image, read_pictures
from lard.detect.decode import boxes_of, cells_of, select
from lard.detect.fcos import Level
from lard.errors import DataError, LardError

PLAN = PredictSpec()


def frames(count: int, cells: int, width: int, seed: int, gap: float = 0.0) -> list[Cells]:
    """Frames of random unit features; with a gap the first coordinate tells the answer."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        wanted = rng.integers(0, 2, cells).astype(np.float32)
        raw = rng.normal(size=(cells, width))
        raw[:, 0] += gap * (2 * wanted - 1)
        features = raw / np.linalg.norm(raw, axis=1, keepdims=True) * (1 - 1e-6)
        weights = rng.dirichlet(np.ones(cells))
        found.append(Cells(features.astype(np.float32), wanted, weights.astype(np.float32)))
    return found


def each(count: int) -> list[str]:
    return [f"{place:03d}" for place in range(count)]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 1.0, 30.0, 1e4]), st.booleans())
def test_no_gradient_of_a_unit_exceeds_the_bound(seed: int, size: float, grouped: bool) -> None:
    cells = frames(6, 5, 4, seed)
    data = private_of(cells, ["a", "b", "a", "a", "c", "b"] if grouped else each(6))
    layer = np.random.default_rng(seed + 1).normal(size=4) * size
    lengths = np.linalg.norm(unit_gradients(data, layer), axis=1)
    assert len(lengths) == (3 if grouped else 6) and lengths.max() <= BOUND


def test_the_bound_is_attained() -> None:
    """All locations alike and answered wrongly with certainty: no smaller bound would hold."""
    cell = Cells(
        np.array([[1.0, 0.0]] * 3, np.float32), np.ones(3, np.float32), np.full(3, 1 / 3, np.float32)
    )
    longest = np.linalg.norm(unit_gradients(private_of([cell], ["a"]), np.array([-1e3, 0.0])))
    assert BOUND - 1e-5 < longest <= BOUND


def test_a_gradient_is_that_of_the_stated_loss() -> None:
    data = private_of(frames(4, 6, 5, 3), ["a", "b", "b", "a"])
    layer = torch.linspace(-2, 3, 5, dtype=torch.float64, requires_grad=True)
    for unit, found in enumerate(unit_gradients(data, layer.detach().numpy())):
        rows = data.unit == unit
        logits = torch.from_numpy(data.features[rows].astype(np.float64)) @ layer
        entropy = F.binary_cross_entropy_with_logits(
            logits, torch.from_numpy(data.wanted[rows]).double(), reduction="none"
        )
        loss = (entropy * torch.from_numpy(data.weights[rows]).double()).sum()
        np.testing.assert_allclose(found, torch.autograd.grad(loss, layer)[0].numpy(), atol=1e-6)


def test_what_breaks_the_bound_is_refused() -> None:
    good = frames(1, 3, 4, 1)[0]
    for bad in (
        Cells(good.features * np.float32(1.01), good.wanted, good.weights),
        Cells(good.features, good.wanted, good.weights * np.float32(1.01)),
        Cells(good.features, good.wanted, -good.weights),
        Cells(good.features * np.float32(np.nan), good.wanted, good.weights),
    ):
        with pytest.raises(DataError, match="expected at most 1 each"):
            private_of([good, bad], each(2))
    with pytest.raises(DataError, match="no frame"):
        private_of([], [])


def test_no_noise_is_ordinary_training() -> None:
    """All units in every step: gradient descent on the mean loss, and the mean of its last half."""
    data = private_of(frames(20, 6, 5, 4), each(20))
    recipe = Recipe(steps=30, sample_rate=1.0, rate=4.0)
    features = torch.from_numpy(data.features).double()
    layer, late = torch.zeros(5, dtype=torch.float64, requires_grad=True), []
    for step in range(30):
        entropy = F.binary_cross_entropy_with_logits(
            features @ layer, torch.from_numpy(data.wanted).double(), reduction="none"
        )
        loss = (entropy * torch.from_numpy(data.weights).double()).sum(dim=1).mean()
        (gradient,) = torch.autograd.grad(loss, layer)
        layer = (layer - 4.0 * gradient).detach().requires_grad_()
        late += [layer.detach().numpy()] if step >= 15 else []
    np.testing.assert_allclose(train_layer(data, recipe, 0.0, 1), np.mean(late, axis=0), atol=1e-5)
    assert np.array_equal(train_layer(data, recipe, 0.5, 1), train_layer(data, recipe, 0.5, 1))
    assert not np.array_equal(train_layer(data, recipe, 0.5, 1), train_layer(data, recipe, 0.5, 2))


def precision(layer: NDArray[np.float64], data: Private) -> float:
    """Average precision of all locations, from counts."""
    order = np.argsort(-(data.features @ layer).ravel(), kind="stable")
    right = data.wanted.ravel()[order]
    return float((np.cumsum(right) / np.arange(1, len(right) + 1))[right == 1].mean())


def test_noise_costs_little_with_many_units_and_all_with_few() -> None:
    """A planted answer: what the noise of epsilon 1 does to 2,000 frames, and to 8 airports of 250 each."""
    cells, test = frames(2000, 4, 6, 5, gap=2.0), private_of(frames(200, 4, 6, 6, gap=2.0), each(200))
    many = private_of(cells, each(2000))
    few = private_of(cells, [str(place % 8) for place in range(2000)])
    best = precision(train_layer(many, Recipe(), 0.0, 1), test)
    assert best > 0.95
    assert precision(train_layer(many, Recipe(), 9.6, 1), test) > best - 0.02
    ruined = [precision(train_layer(few, Recipe(), 9.6, seed), test) for seed in range(6)]
    assert np.mean(ruined) < best - 0.15


def test_the_noise_of_a_step_is_what_it_should_be() -> None:
    """One step from zero without data weights: the layer is the noise, of deviation rate x noise / units."""
    cell = frames(1, 3, 400, 7)[0]
    idle = Cells(cell.features, cell.wanted, cell.weights * 0)
    data = private_of([idle] * 10, each(10))
    layer = train_layer(data, Recipe(steps=1, sample_rate=0.5, rate=3.0), 2.0, 1)
    assert layer.std() == pytest.approx(3.0 * 2.0 / (0.5 * 10), rel=0.12)


def gaussian_delta(epsilon: float, noise: float) -> float:
    """Exact delta of one Gaussian mechanism of sensitivity 1 (Balle and Wang, ICML 2018, theorem 8)."""
    return float(
        norm.cdf(0.5 / noise - epsilon * noise) - math.exp(epsilon) * norm.cdf(-0.5 / noise - epsilon * noise)
    )


def test_the_accountant_agrees_with_the_closed_form() -> None:
    """One Gaussian mechanism, and k of noise sigma, which are together one of noise sigma / sqrt(k)."""
    pytest.importorskip("opacus")

    def excess(epsilon: float, noise: float) -> float:
        return gaussian_delta(epsilon, noise) - 1e-5

    for noise, steps in ((1.0, 1), (4.0, 1), (20.0, 25)):
        exact = brentq(excess, 0, 50, args=(noise / math.sqrt(steps),))
        found = spent(noise, Recipe(delta=1e-5, steps=steps, sample_rate=1.0))
        assert exact <= found <= exact + 0.03
    once = Recipe(delta=1e-5, steps=1, sample_rate=1.0)
    exact = brentq(lambda s: gaussian_delta(1.0, s) - 1e-5, 0.5, 50)
    assert exact <= noise_for(1.0, once) <= 1.04 * exact
    assert noise_for(math.inf, once) == 0
    rare = Recipe(delta=1e-5, steps=1, sample_rate=0.01)
    assert spent(1.0, rare) < 0.5 * spent(1.0, once)  # sampling hides


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "data")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_model(tmp_path_factory.mktemp("model") / "m.pt")


@pytest.mark.parametrize("name", ["random", "lip-fcos-s"])
def test_cells_of_a_frame(name: str, toy: Path, model: Path) -> None:
    """Unit features, weights of sum 1 with runways half of it, the same for the same frame and seed alone."""
    from lard.detect.models import resolve

    net = load_detector(model if name == "random" else resolve(name)).net
    picture = read_pictures([toy], "train")[0]
    seen = see(net, load_image(picture), PLAN)
    cells = cells_of_frame(net, seen, picture, 20, 1)
    np.testing.assert_allclose(np.linalg.norm(cells.features, axis=1), 1, atol=1e-5)
    assert np.linalg.norm(cells.features.astype(np.float64), axis=1).max() <= 1
    assert cells.features.shape == (len(cells.wanted), width_of(net)) and (cells.wanted == 0).sum() == 20
    assert cells.weights.sum() == pytest.approx(1)
    assert cells.weights[cells.wanted == 1].sum() == pytest.approx(0.5)
    again = cells_of_frame(net, seen, picture, 20, 1)
    assert all(np.array_equal(getattr(cells, key), getattr(again, key)) for key in ("features", "weights"))
    other = cells_of_frame(net, seen, picture, 20, 2)
    assert not np.array_equal(cells.features, other.features)


def test_detections_with_another_layer(toy: Path, model: Path) -> None:
    """The same as from unit patches one by one, put through the scores and the choice of prediction."""
    net = load_detector(model).net
    seen = see(net, load_image(read_pictures([toy], "train")[0]), PLAN)
    heads = np.random.default_rng(1).normal(size=(2, width_of(net))) * 20
    for head, (boxes, scores) in zip(heads, detections_with(net, seen, heads, PLAN), strict=True):
        each_level, patches = [], width_of(net) - net.spec.levels
        for level, (answer, inputs) in enumerate(zip(seen.levels, seen.inputs, strict=True)):
            values = unit_patches(net, inputs).double().numpy() @ head[:patches] + head[patches + level]
            logits = torch.from_numpy(values / math.sqrt(2)).view_as(answer.logits).float()
            each_level.append(net.scores(Level(logits, *answer[1:])).detach().flatten().numpy())
        cells = cells_of(net.spec.strides_px, seen.inputs[0].shape[1] * 4, seen.inputs[0].shape[2] * 4)
        places = boxes_of(seen.levels, net.spec.strides_px)[0].numpy()
        wanted, chances = select(places, np.concatenate(each_level), cells, seen.frame_px, PLAN)
        assert len(wanted) == len(boxes)
        np.testing.assert_allclose(scores, chances, atol=1e-4)


def run(*arguments: object) -> tuple[int, str]:
    found = CliRunner().invoke(main, ["privacy", *map(str, arguments)])
    return found.exit_code, found.output


def test_the_command_writes_the_same_study_each_time(toy: Path, model: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        code, text = run(model, "--data", toy, "--epsilon", "inf", "--steps", 20, "--out", tmp_path / name)
        assert code == 0, text
    assert "nothing learnt" in text and "frame" in text and "airport" in text
    assert (tmp_path / "a" / "privacy.json").read_bytes() == (tmp_path / "b" / "privacy.json").read_bytes()
    assert (tmp_path / "a" / "privacy.svg").read_bytes() == (tmp_path / "b" / "privacy.svg").read_bytes()
    report = json.loads((tmp_path / "a" / "privacy.json").read_text())
    assert report["features_learnt_from"] is None and report["frames"] == {"private": 6, "tested": 4}
    assert [report["units"][unit]["units"] for unit in ("frame", "airport")] == [6, 2]
    for section in report["units"].values():
        assert 0 < section["longest_gradient"] <= report["bound"]
        assert [(row["epsilon"], row["noise"], row["spent"]) for row in section["rows"]] == [(None, 0, None)]


def test_the_noise_of_a_budget_stands_in_the_study(toy: Path, model: Path, tmp_path: Path) -> None:
    pytest.importorskip("opacus")
    options = ("--epsilon", "8", "--steps", 2, "--sample-rate", 1, "--unit", "frame", "--out", tmp_path / "o")
    code, text = run(model, "--data", toy, *options)
    assert code == 0, text
    (row,) = json.loads((tmp_path / "o" / "privacy.json").read_text())["units"]["frame"]["rows"]
    assert 7.9 < row["spent"] <= 8 and row["noise"] > 0 and row["share_of_gain"] is None


def test_bad_input_is_named_in_one_line(
    toy: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx, empty, nowhere = tmp_path / "m.onnx", tmp_path / "empty", tmp_path / "nowhere"
    onnx.write_bytes(b"x")
    (empty / "coco").mkdir(parents=True)
    document = json.loads((toy / "coco" / "train.json").read_text())
    (empty / "coco" / "test.json").write_text((toy / "coco" / "test.json").read_text())
    (empty / "images").symlink_to(toy / "images")
    (empty / "coco" / "train.json").write_text(json.dumps({**document, "images": [], "annotations": []}))
    for image in document["images"]:
        del image["airport"]
    bare = tmp_path / "bare"
    (bare / "coco").mkdir(parents=True)
    (bare / "images").symlink_to(toy / "images")
    for split in ("train", "test"):
        held = json.loads((toy / "coco" / f"{split}.json").read_text())
        (bare / "coco" / f"{split}.json").write_text(json.dumps({**held, "annotations": []}))
    (nowhere / "coco").mkdir(parents=True)
    (nowhere / "images").symlink_to(toy / "images")
    (nowhere / "coco" / "test.json").write_text((toy / "coco" / "test.json").read_text())
    (nowhere / "coco" / "train.json").write_text(json.dumps(document))
    out = tmp_path / "out"
    usual = ("--data", toy, "--out", out, "--epsilon", "inf")
    for arguments, told in (
        ((onnx, *usual), "an ONNX file shows no features"),
        ((model, *usual, "--delta", 1), "--delta 1: expected"),
        ((model, *usual, "--delta", 0), "--delta 0: expected"),
        ((model, *usual, "--delta", 0.2), "at or above 1 / 6 (frames)"),
        ((model, *usual, "--epsilon", "1,0"), "--epsilon 0: expected numbers above 0"),
        ((model, *usual, "--epsilon", "-1"), "--epsilon -1: expected numbers above 0"),
        ((model, *usual, "--epsilon", "nan"), "expected numbers separated by commas"),
        ((model, *usual, "--epsilon", "much"), "expected numbers separated by commas"),
        ((model, *usual, "--sample-rate", 0), "--sample-rate 0: expected a probability"),
        ((model, *usual, "--on", "train"), "is what the layers learn from"),
        ((model, *usual, "--split", "none"), "none.json"),
        ((model, "--data", empty, "--out", out, "--epsilon", "inf"), "no images; expected at least one"),
        ((model, "--data", nowhere, "--out", out, "--epsilon", "inf"), "--unit airport protects"),
        ((model, "--data", bare, "--out", out, "--epsilon", "inf"), "frames has a required runway"),
    ):
        code, text = run(*arguments)
        assert code == 2 and told in text.splitlines()[-1], text
        assert not out.exists()
    monkeypatch.setitem(sys.modules, "opacus.accountants", None)
    with pytest.raises(LardError, match=r"pip install 'lard\[privacy\]'"):
        spent(1.0, Recipe())
