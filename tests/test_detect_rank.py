"""The loss of ranks bounds the exact average precision; training may begin with another model's weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from detect_support import refused_in_one_line, write_random_model, write_toy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lard.cli import main
from lard.detect.checkpoint import description_of, load_detector, read_tensors
from lard.detect.config import ModelSpec, RankSpec, TrainSpec
from lard.detect.loss import TERMS
from lard.detect.rank import precision_errors, rank_loss, step_bound
from lard.detect.start import LAYERS
from lard.detect.train import train
from lard.errors import ModelError

SPEC = RankSpec()
SOFT = RankSpec(tau=0.1, delta=0.2, slope=4.0, calibration=0.4)
PLAIN = ModelSpec(
    family="fcos", widths=(8, 16, 16), depths=(1, 1, 1), pyramid=8, towers=1, side_limits_px=(32,)
)
PLAN = TrainSpec(steps=3, batch=4, crops_per_image=2, crop_px=64, processes=1, save_every=2)

SCORES = st.lists(st.integers(0, 40).map(lambda k: k / 40), min_size=1, max_size=12)


def exact_ap(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    """Area under the steps of precision over recall, one step for each distinct score, from counts."""
    area, before = 0.0, 0.0
    for threshold in sorted({*positive.tolist(), *negative.tolist()}, reverse=True):
        right = sum(score >= threshold for score in positive.tolist())
        found = right + sum(score >= threshold for score in negative.tolist())
        area += (right / len(positive) - before) * right / found
        before = right / len(positive)
    return area


@settings(max_examples=120, deadline=None)
@given(SCORES, SCORES, st.sampled_from([SPEC, SOFT, RankSpec(delta=0.0), RankSpec(tau=1.0, slope=0.5)]))
def test_the_surrogate_is_above_the_error_of_the_exact_precision(
    positive: list[float], negative: list[float], spec: RankSpec
) -> None:
    p, n = np.array(positive), np.array(negative)
    bound = float(precision_errors(torch.from_numpy(p), torch.from_numpy(n), spec).mean())
    assert 1 - exact_ap(p, n) <= bound + 1e-12 and bound < 1


def test_known_rankings() -> None:
    """One negative far above one of two positives: precision 1 and 2/3, hence AP 5/6."""
    p, n = torch.tensor([0.9, 0.3], dtype=torch.float64), torch.tensor([0.5], dtype=torch.float64)
    assert exact_ap(p.numpy(), n.numpy()) == pytest.approx(5 / 6)
    wrong = 100 * (0.2 - 0.05) + 1 / (1 + np.exp(-5)) + 0.5
    np.testing.assert_allclose(precision_errors(p, n, SPEC), [0, wrong / (2 + wrong)], atol=1e-12)
    assert float(step_bound(torch.zeros(1), SPEC)) == 1
    beside = step_bound(torch.tensor([0.05 - 1e-6, 0.05 + 1e-6]), SPEC)
    assert float(beside.diff().abs()) < 1e-3  # the line begins where the sigmoid ends


def test_a_separated_ranking_costs_nothing() -> None:
    scores = torch.tensor([[0.95, 0.99, 0.2, 0.1, 0.99]], dtype=torch.float64)
    wanted = torch.tensor([[1, 1, 0, 0, -1]])
    for share in (0.0, 0.5):
        assert float(rank_loss(scores, wanted, RankSpec(calibration=share))) < 1e-12
    missed = torch.tensor([[0.85, 0.99, 0.7, 0.1, 0.99]], dtype=torch.float64)
    # positives 0.05 short of their margin, negatives 0.1 beyond theirs in the mean of two, for two positives
    expected = 0.5 * (0.05 + 2 * 0.1 / 2)
    assert float(rank_loss(missed, wanted, RankSpec(calibration=0.5))) == pytest.approx(expected, abs=1e-6)


def test_the_order_of_locations_changes_nothing_and_ignored_ones_neither() -> None:
    rng = np.random.default_rng(1)
    scores, wanted = torch.from_numpy(rng.random((2, 60))), torch.from_numpy(rng.integers(-1, 2, (2, 60)))
    whole = float(rank_loss(scores, wanted, SOFT))
    place = torch.from_numpy(rng.permutation(120))
    mixed = rank_loss(scores.flatten()[place][None], wanted.flatten()[place][None], SOFT)
    assert float(mixed) == pytest.approx(whole, rel=1e-12)
    other = torch.where(wanted == -1, torch.rand_like(scores), scores)
    assert float(rank_loss(other, wanted, SOFT)) == pytest.approx(whole, rel=1e-12)


def test_the_gradient_is_that_of_finite_differences() -> None:
    """Away from ties: ranks among positives are constants there, as the gradient takes them."""
    rng = np.random.default_rng(3)
    scores = torch.from_numpy(rng.permutation(np.linspace(0.03, 0.97, 24))[None]).requires_grad_()
    wanted = torch.from_numpy(rng.integers(0, 2, (1, 24)))
    assert torch.autograd.gradcheck(lambda s: rank_loss(s, wanted, SOFT), (scores,), eps=1e-7)
    few = SOFT.model_copy(update={"negatives": 4})
    (gradient,) = torch.autograd.grad(rank_loss(scores, wanted, few), scores)
    negatives = gradient[wanted == 0]
    assert int((negatives > 0).sum()) == 4 and bool((negatives >= 0).all())  # only the hardest move
    assert bool((gradient[wanted == 1] <= 0).all())


def test_batches_without_positives_or_background() -> None:
    scores = torch.tensor([[0.8, 0.7]], dtype=torch.float64, requires_grad=True)
    empty = rank_loss(scores, torch.zeros(1, 2), SOFT)
    assert empty.item() == pytest.approx(0.4 * (0.2 + 0.1) / 2)
    assert rank_loss(scores, torch.zeros(1, 2), SPEC).item() == 0
    assert rank_loss(scores, torch.ones(1, 2), SPEC).item() == 0
    assert bool(torch.isfinite(torch.autograd.grad(empty, scores)[0]).all())


def test_descent_on_the_loss_mends_a_ranking() -> None:
    """From a ranking that is wrong throughout, on logits as in training."""
    logits = torch.linspace(-3, 3, 30, dtype=torch.float64)[None].requires_grad_()
    wanted = (torch.arange(30) < 6)[None].long()
    optimiser = torch.optim.Adam([logits], lr=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        rank_loss(torch.sigmoid(logits), wanted, RankSpec(calibration=0.5)).backward()
        optimiser.step()
    found = logits.detach().numpy()
    assert exact_ap(found[wanted == 1], found[wanted == 0]) == 1


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ({"base": "fcos-s", "rank": {}}, "rank belongs to loss: ap, found loss: focal"),
        ({"base": "lip-fcos-s-robust", "loss": "ap"}, "set offset: 0"),
        ({"base": "fcos-s", "loss": "ap", "rank": {"tau": 0}}, "rank.tau"),
        ({"base": "fcos-s", "loss": "ap", "rank": {"negatives": 0}}, "rank.negatives"),
        ({"base": "fcos-s", "loss": "ap", "rank": {"calibration": 1}}, "rank.calibration"),
        ({"base": "fcos-s", "loss": "ap", "rank": {"positive_margin": 0.5}}, "must be below positive_margin"),
        ({"base": "fcos-s", "loss": "ap", "temperature": 2.0}, "temperature"),
        ({"base": "fcos-s", "loss": "AP"}, "loss"),
    ],
)
def test_bad_parameters_are_refused_in_one_line(model: dict[str, object], told: str) -> None:
    refused_in_one_line(model, told)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "data")


@pytest.mark.parametrize("family", ["fcos", "lip-fcos"])
def test_both_families_train_with_it(family: str, toy: Path, tmp_path: Path) -> None:
    rank = {"calibration": 0.5, "negatives": 20}
    spec = ModelSpec.model_validate({**PLAIN.model_dump(), "family": family, "loss": "ap", "rank": rank})
    path = train("m", spec, PLAN, toy, tmp_path / "m", tmp_path / "work")
    assert load_detector(path).net.spec.rank == RankSpec(calibration=0.5, negatives=20)
    rows = (tmp_path / "m" / "log.csv").read_text().splitlines()
    at = rows[0].split(",").index(TERMS[0])
    assert all(0 < float(row.split(",")[at]) < 1 for row in rows[1:])


def test_training_starts_from_a_checkpoint(toy: Path, tmp_path: Path) -> None:
    """At a rate of nearly nothing the weights stay those of the start; its airports stay on the record."""
    start = write_random_model(tmp_path / "start.pt")
    still = PLAIN.model_copy(update={"learning_rate": 1e-12})
    plan = PLAN.model_copy(update={"ema": 0.0})
    path = train("m", still, plan, toy, tmp_path / "m", tmp_path / "work", start=start)
    before, after = read_tensors(start)[0], read_tensors(path)[0]
    for key in before:
        if "running" not in key and "batches" not in key:  # statistics follow the pictures
            torch.testing.assert_close(after[key], before[key], rtol=0, atol=1e-6)
    meta = read_tensors(path)[1]
    assert meta["start"]["name"] == "random" and len(meta["start"]["sha256"]) == 64
    # the start does not say what it learnt from: neither does the result
    assert description_of(path).airports.train == ()  # type: ignore[union-attr]


def test_airports_of_the_start_count_as_learnt_from(toy: Path, tmp_path: Path) -> None:
    first = train("a", PLAIN, PLAN, toy, tmp_path / "a", tmp_path / "work")
    document = json.loads((toy / "coco" / "train.json").read_text())
    for image in document["images"]:
        image["airport"] = "EDDF"
    (tmp_path / "other" / "coco").mkdir(parents=True)
    (tmp_path / "other" / "images").symlink_to(toy / "images")
    (tmp_path / "other" / "coco" / "train.json").write_text(json.dumps(document))
    second = train("b", PLAIN, PLAN, tmp_path / "other", tmp_path / "b", tmp_path / "work", start=first)
    assert description_of(second).airports.train == ("EDDF", "KATL", "LFPO")  # type: ignore[union-attr]
    alone = train("b", PLAIN, PLAN, tmp_path / "other", tmp_path / "c", tmp_path / "work")
    assert read_tensors(alone)[0]["objectness.weight"].ne(read_tensors(second)[0]["objectness.weight"]).any()
    assert "start" not in read_tensors(alone)[1]


def test_starts_that_do_not_fit_are_refused(toy: Path, tmp_path: Path) -> None:
    start = write_random_model(tmp_path / "start.pt")
    wider = PLAIN.model_copy(update={"pyramid": 16})
    with pytest.raises(ModelError, match="--start: pyramid is 8, the model to train has 16"):
        train("m", wider, PLAN, toy, tmp_path / "m", tmp_path / "work", start=start)
    assert set(LAYERS) < set(ModelSpec.model_fields) and not (tmp_path / "m").exists()
    command = ["train", "fcos-s", "--data", str(toy), "--out", str(tmp_path / "m"), "--start"]
    for model, told in (
        ("lip-fcos-s", "--start: family is lip-fcos, the model to train has fcos"),
        (str(tmp_path / "none.pt"), "neither a file nor the name of a shipped model"),
        (str(toy / "coco" / "train.json"), "refused: not a checkpoint"),
    ):
        found = CliRunner().invoke(main, [*command, model])
        assert found.exit_code == 2 and told in found.output and found.output.count("\n") == 1
        assert not (tmp_path / "m").exists()
