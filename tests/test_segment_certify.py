"""No attack on a mask beats its certificate, and a constant a little too small is caught."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from robust_support import pictures
from segment_support import INNER, LIP, SIDE_PX, logits_of, moving, random_segmenter, tight_segmenter
from torch import Tensor

from lard.detect.audit import audit
from lard.detect.masks import ELSE, IGNORED, RUNWAY
from lard.detect.segmenter import LipschitzSegmenter, network_of
from lard.errors import ModelError
from lard.robust.certify import Reach, answered
from lard.segment.attack import MaskScene, attack_mask, counts_of
from lard.segment.knapsack import Margins, least_iou, margins_of, most_missed, most_wrong, trades

torch.set_num_threads(1)
Make = Callable[[int], LipschitzSegmenter]


def scene_of(net: LipschitzSegmenter, clean: Tensor, seed: int) -> tuple[MaskScene, Margins, Reach]:
    """A picture with a truth that the network gets mostly right, border pixels ignored, and its margins."""
    with torch.inference_mode():
        levels, reach = answered(net, clean, audit(net))
    logits = levels[0].logits[0, 0].numpy()
    rng = np.random.default_rng(seed)
    threshold = float(np.quantile(logits[INNER, INNER], 0.6))
    truth = np.full(logits.shape, IGNORED, np.int8)
    wrong = rng.random(logits.shape) < 0.1
    seen = (logits > threshold) ^ wrong
    truth[INNER, INNER] = np.where(seen, RUNWAY, ELSE)[INNER, INNER]
    scene = MaskScene(net, clean, torch.from_numpy(truth), threshold)
    return scene, margins_of(logits, truth, threshold), reach


@pytest.mark.parametrize("make", [random_segmenter, tight_segmenter])
@pytest.mark.parametrize("seed", range(2))
def test_no_attack_beats_a_certificate(make: Make, seed: int) -> None:
    """Descents of several sizes and starts: IoU, pixels missed and pixels wrong stay within the bounds."""
    net = make(seed)
    for place, clean in enumerate(pictures(6, seed, side=SIDE_PX)):
        scene, margins, reach = scene_of(net, clean[None], 10 * seed + place)
        before = None
        for eps in (0.05, 0.15, 0.4):
            rng = np.random.default_rng([seed, place])
            before = attack_mask(scene, eps, 5, rng, before, restarts=2)
            assert before.size <= eps * (1 + 1e-6)
            counts, budget = before.counts, reach.budget(before.size)
            assert counts.iou >= least_iou(margins, budget) - 1e-12
            assert counts.missed <= most_missed(margins, budget)
            assert counts.missed + counts.alarms <= most_wrong(margins, budget)


def iou_reached(scene: MaskScene, margins: Margins, eps: float) -> tuple[float, float]:
    """The IoU that the knapsack's own choice of pixels gives, moved exactly, and the norm that it takes."""
    hidden, made = trades(margins, (eps * 0.995) ** 2)
    shares = (len(margins.found) - hidden) / (margins.union + made)
    place = int(shares.argmin())
    with torch.no_grad():
        above = scene.logits(torch.zeros_like(scene.pixels))[0].double().numpy()
    truth = scene.truth.numpy()
    wanted = np.zeros_like(above)
    for kind, count, side in ((RUNWAY, int(hidden[place]), 1.0), (ELSE, int(made[place]), -1.0)):
        rows = np.flatnonzero(((truth == kind) & (side * above > (0 if side > 0 else -1e-300))).ravel())
        cheapest = rows[np.argsort(np.abs(above.ravel()[rows]), kind="stable")[:count]]
        wanted.ravel()[cheapest] = -above.ravel()[cheapest] - side * 3e-5
    change = moving(scene.net, scene.pixels, torch.from_numpy(wanted).float())
    with torch.no_grad():
        counts = counts_of(scene.logits(change)[0], scene.truth)
    return counts.iou, float(change.double().norm())


def test_certificates_of_a_tight_network_are_attained_and_a_smaller_constant_is_caught() -> None:
    """No bound could be better than these, and with 0.95 L they would claim what an attack undoes."""
    net, caught, tried = tight_segmenter(3), 0, 0
    for place, clean in enumerate(pictures(12, 3, side=SIDE_PX)):
        scene, margins, reach = scene_of(net, clean[None], place)
        assert reach.constant == pytest.approx(1.0, abs=1e-4)
        for eps in (0.1, 0.3):
            reached, norm = iou_reached(scene, margins, eps)
            assert norm == pytest.approx(eps, rel=0.05)  # the knapsack's last pixel leaves a little
            assert reached >= least_iou(margins, reach.budget(norm)) - 1e-12
            assert reached == pytest.approx(least_iou(margins, (norm * 0.99) ** 2), abs=0.02)
            bold = Reach(0.95 * reach.constant, rounding=reach.rounding)
            caught += reached < least_iou(margins, bold.budget(norm)) - 1e-12
            tried += 1
    assert caught > 0.9 * tried


def test_a_lipschitz_segmenter_is_1_lipschitz_as_a_whole_and_the_wiring_is_checked() -> None:
    net = network_of(LIP)
    assert isinstance(net, LipschitzSegmenter)
    assert audit(net).constant == pytest.approx(1.0, abs=1e-4)
    pair = pictures(2, 0, side=SIDE_PX)
    with torch.no_grad():
        moved = (logits_of(net, pair[:1]) - logits_of(net, pair[1:])).norm()
    assert float(moved) <= float((pair[0] - pair[1]).norm())

    class Twice(LipschitzSegmenter):
        def joint(self, images: Tensor, frames: Tensor | None = None) -> list[Tensor]:
            laterals, last = self.parted(images, frames)
            merged = self.merges[0](torch.cat((laterals[0], self.up(self.merges[-1](last))), dim=1))
            return [self.tower(merged + torch.roll(merged, 1, dims=1))]

    with pytest.raises(ModelError, match="amplifies by"):
        audit(Twice(LIP))


def test_the_network_of_a_detector_family_stays_a_detector() -> None:
    spec = LIP.model_copy(update={"family": "lip-fcos"})
    assert not isinstance(network_of(spec), LipschitzSegmenter)
