"""No attack beats a certificate, and a certificate a little too bold is beaten."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from robust_support import INNER, SPEC, descend, logits_of, pictures, random_net, tight_net
from torch import Tensor

from lard.detect.audit import audit
from lard.detect.cards import weights_of
from lard.detect.checkpoint import load_detector
from lard.detect.fcos import LipschitzFcos
from lard.robust.attack import vanish
from lard.robust.budget import fabricated
from lard.robust.certify import UNIT_ROUNDOFF, Reach, answered, rounding_norm

BATCH = 48
torch.set_num_threads(1)


def reaches(net: LipschitzFcos, clean: Tensor) -> list[Reach]:
    bound = audit(net)
    with torch.inference_mode():
        return [answered(net, one[None], bound)[1] for one in clean]


def tasks(net: LipschitzFcos, clean: Tensor, up: bool, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Random sets of 1 to 9 inner cells, thresholds that all of them are beyond, and their distance to it."""
    rng = np.random.default_rng(seed)
    with torch.inference_mode():
        logits = logits_of(net, clean)
    targets = torch.zeros_like(logits)
    for row in targets:
        row[rng.choice(INNER, rng.integers(1, 10), replace=False).tolist()] = 1.0
    if up:
        thresholds = torch.where(targets > 0, logits, -torch.inf).max(dim=1).values
        thresholds = thresholds + torch.tensor(rng.uniform(0.02, 0.15, len(clean)), dtype=torch.float32)
    else:
        thresholds = torch.where(targets > 0, logits, torch.inf).min(dim=1).values
        thresholds = thresholds - torch.tensor(rng.uniform(0.02, 0.15, len(clean)), dtype=torch.float32)
    beyond = ((logits - thresholds[:, None]) * targets).double().square().sum(dim=1)
    return targets, thresholds, beyond


def beaten(net: LipschitzFcos, clean: Tensor, up: bool, seed: int, share: float, bold: float = 1.0) -> float:
    """Share of certificates that an attack of `share` of their radius undoes; bold: of the constant used."""
    targets, thresholds, costs = tasks(net, clean, up, seed)
    radii = [
        Reach(reach.constant * bold, rounding=reach.rounding).radii(np.array([cost]))[0]
        for reach, cost in zip(reaches(net, clean), costs.tolist(), strict=True)
    ]
    eps = torch.tensor(np.array(radii) * share, dtype=torch.float32)
    found = descend(net, clean, targets, thresholds, eps, up)
    moved = (found - clean).flatten(1).norm(dim=1)
    assert bool((moved <= eps * (1 + 1e-5)).all()) and 0 <= float(found.min()) <= float(found.max()) <= 1
    with torch.inference_mode():
        after = logits_of(net, found)
    beyond = (after > thresholds[:, None]) if up else (after <= thresholds[:, None])
    return float((beyond | (targets == 0)).all(dim=1).float().mean())


@pytest.mark.parametrize("up", [False, True], ids=["vanish", "fabricate"])
@pytest.mark.parametrize("make", [random_net, tight_net])
@pytest.mark.parametrize("seed", range(2))
def test_no_attack_beats_a_certificate(make: type, seed: int, up: bool) -> None:
    """At the radius and just below it: what fired goes on firing somewhere, what was silent stays so."""
    net, clean = make(seed), pictures(BATCH, seed)
    for share in (0.99, 1.0):
        assert beaten(net, clean, up, seed, share) == 0


@pytest.mark.parametrize("up", [False, True], ids=["vanish", "fabricate"])
def test_no_attack_beats_a_certificate_of_a_trained_network(up: bool) -> None:
    net = load_detector(weights_of("lip-fcos-s")).net
    assert isinstance(net, LipschitzFcos)
    assert beaten(net, pictures(16, 5, side=64), up, 5, 1.0) == 0


@pytest.mark.parametrize("up", [False, True], ids=["vanish", "fabricate"])
@pytest.mark.parametrize("seed", range(2))
def test_a_constant_five_per_cent_too_small_is_caught(seed: int, up: bool) -> None:
    """The tests above could not pass by being blind: on tight nets the attack comes within a per cent."""
    net, clean = tight_net(seed), pictures(BATCH, seed)
    assert beaten(net, clean, up, seed, 1.0, bold=0.95) > 0.9
    assert beaten(net, clean, up, seed, 1.01) > 0.9, "a hundredth beyond the radius it is over"


def test_no_more_fires_than_is_counted() -> None:
    """Whatever is attacked within a ball, no more silent cells fire than the knapsack says."""
    for make, seed in ((random_net, 7), (tight_net, 8)):
        net, clean = make(seed), pictures(BATCH, seed)
        with torch.inference_mode():
            logits = logits_of(net, clean)
        threshold = float(logits.max()) + 0.01
        costs = np.sort((threshold - logits.double().numpy()) ** 2, axis=1)
        eps = torch.full((BATCH,), 0.25)
        bounds = [
            int(fabricated(cost, len(cost), np.array([reach.budget(0.25)]))[0])
            for cost, reach in zip(costs, reaches(net, clean), strict=True)
        ]
        assert min(bounds) >= 1
        for beyond in (0, 1):
            order = logits.argsort(dim=1, descending=True)
            targets = torch.zeros_like(logits)
            for row, chosen, bound in zip(targets, order, bounds, strict=True):
                row[chosen[: bound + beyond]] = 1.0
            found = descend(net, clean, targets, torch.full((BATCH,), threshold), eps, up=True)
            with torch.inference_mode():
                fires = (logits_of(net, found) > threshold).sum(dim=1).numpy()
            assert (fires <= np.array(bounds)).all()


def test_the_projects_own_attack_beats_no_certificate() -> None:
    for make, seed in ((random_net, 1), (tight_net, 2)):
        net, clean = make(seed), pictures(2, seed)
        targets, thresholds, costs = tasks(net, clean, False, seed)
        for k, reach in enumerate(reaches(net, clean)):
            radius = float(reach.radii(np.array([float(costs[k])]))[0])
            held = vanish(net, clean[[k]], targets[k] > 0, float(thresholds[k]), radius)
            assert held.logits[(targets[k] > 0).numpy()].max() > float(thresholds[k])
            gone = vanish(net, clean[[k]], targets[k] > 0, float(thresholds[k]), 40 * radius)
            assert gone.logits[(targets[k] > 0).numpy()].max() < held.logits[(targets[k] > 0).numpy()].max()


@pytest.mark.e2e
@pytest.mark.parametrize("seed", range(10, 30))
def test_thousands_of_attacks_beat_no_certificate(seed: int) -> None:
    for make in (random_net, tight_net):
        net, clean = make(seed), pictures(4 * BATCH, seed)
        for up in (False, True):
            for share in (0.99, 1.0):
                assert beaten(net, clean, up, seed, share) == 0


@pytest.mark.parametrize("make", [random_net, tight_net])
@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_rounding_stays_below_what_is_set_aside(make: type, kind: str) -> None:
    """Against float64, over all logits together; large biases, which pictures know nothing of, included."""
    for seed in range(3):
        net, clean = make(seed), pictures(4, seed)
        bound, exact = audit(net), copy.deepcopy(net).double()
        for one in clean:
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=kind == "bfloat16"):
                found = logits_of(net, one[None]).double()
            with torch.inference_mode():
                error = float((found - logits_of(exact, one[None].double())).norm())
                reach = answered(net, one[None], bound)[1]
            size = reach.rounding / 2 / rounding_norm(1.0, len(bound.layers))
            assert error <= rounding_norm(size, len(bound.layers), UNIT_ROUNDOFF[kind])


def test_tight_nets_are_tight() -> None:
    """Rows of the Jacobian of inner logits are orthonormal: the constant 1 is reached."""
    net, clean = tight_net(0), pictures(1, 0)
    jacobian = torch.autograd.functional.jacobian(lambda x: logits_of(net, x)[0, INNER], clean).flatten(1)
    gram = jacobian @ jacobian.T
    torch.testing.assert_close(gram, torch.eye(len(INNER)), atol=1e-4, rtol=0)
    assert SPEC.strides_px == (4, 8)
