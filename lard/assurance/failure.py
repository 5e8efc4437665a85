"""A head that predicts how well each detection overlaps a runway, from features of a detector left as it is.

After ConfidNet (Corbiere et al., NeurIPS 2019), whose head predicts the probability of the true class: here
it is the IoU of a box with the best required runway, 0 where there is none. It is trained on validation
airports, where a detector errs as it does elsewhere; on its training pictures it hardly errs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lard.assurance.domains import Shot
from lard.assurance.features import Look
from lard.detect.data import Picture
from lard.errors import DataError
from lard.score.boxes import extents, iou

Floats = NDArray[np.float64]
Names = NDArray[np.str_]

RIGHT_IOU = 0.5
"""Of a detection and a runway, for the detection to be right."""
LEAST_DETECTIONS, LEAST_EACH = 30, 5
HIDDEN, RATE, DECAY = 48, 5e-3, 1e-2
ROUNDS, EVERY = 200, 20
BEST = 5
"""Detections of a picture that are judged, the best: a Lipschitz model has dozens of low scores in each."""
SMALLEST = 1e-6


@dataclass(frozen=True, slots=True)
class Found:
    """Detections of pictures: what a head reads of each, and what is true of it; all (n,) but inputs (n, d).

    support is the norm of the agreeing logits; those that overlap a runway which need not be found, and no
    required one, are neither right nor wrong and not among them.
    """

    inputs: Floats
    overlap: Floats
    scores: Floats
    support: Floats
    airports: Names
    images: NDArray[np.int64]
    boxes: Floats  # (n, 4) corner pairs in px

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Whether each lies on no required runway."""
        return np.asarray(self.overlap < RIGHT_IOU, bool)

    def __len__(self) -> int:
        return len(self.scores)

    def part(self, chosen: NDArray[np.bool_]) -> Found:
        """Some of the detections."""
        return Found(
            self.inputs[chosen], self.overlap[chosen], self.scores[chosen], self.support[chosen],
            self.airports[chosen], self.images[chosen], self.boxes[chosen],
        )  # fmt: skip


def gathered(looks: Sequence[Look], shots: Sequence[Shot]) -> Found:
    """The best detections of looked-at pictures with their truth."""
    rows = [_judged(one, shot.picture) for one, shot in zip(looks, shots, strict=True)]
    levels = len(looks[0].cells) if looks else 1
    inputs = [_inputs(one, levels)[keep] for one, (_, keep) in zip(looks, rows, strict=True)]
    counts = [int(keep.sum()) for _, keep in rows]
    return Found(
        np.concatenate(inputs) if inputs else np.zeros((0, 1)),
        np.concatenate([overlap[keep] for overlap, keep in rows]),
        np.concatenate([one.scores[keep] for one, (_, keep) in zip(looks, rows, strict=True)]),
        np.concatenate([one.support[keep] for one, (_, keep) in zip(looks, rows, strict=True)]),
        np.repeat(np.array([shot.airport for shot in shots]), counts),
        np.repeat(np.array([shot.picture.image_id for shot in shots], np.int64), counts),
        np.concatenate([one.boxes[keep] for one, (_, keep) in zip(looks, rows, strict=True)]),
    )


def _judged(one: Look, picture: Picture) -> tuple[Floats, NDArray[np.bool_]]:
    """IoU of each detection with its best required runway, and whether it counts at all: (n,) each."""
    boxes = extents(one.boxes)
    required, others = picture.boxes[~picture.ignored], picture.boxes[picture.ignored]
    overlap = iou(boxes, extents(required)).max(axis=1, initial=0.0)
    elsewhere = iou(boxes, extents(others)).max(axis=1, initial=0.0)
    counts = (overlap >= RIGHT_IOU) | (elsewhere < RIGHT_IOU)
    return overlap, counts & (np.arange(len(counts)) < BEST)


def _inputs(one: Look, levels: int) -> Floats:
    """What a head reads: the cell's feature, its level, the box's size, score and support as logarithms."""
    sides = np.maximum(one.boxes[:, 2:] - one.boxes[:, :2], 1.0)
    score = np.clip(one.scores, SMALLEST, 1 - SMALLEST)
    told = [
        one.features.astype(np.float64),
        np.eye(levels)[one.levels],
        np.log(sides),
        np.log(score / (1 - score))[:, None],
        np.log(one.support + SMALLEST)[:, None],
    ]
    return np.concatenate(told, axis=1)


@dataclass(frozen=True, slots=True)
class Head:
    """A trained head with the scaling of its inputs."""

    net: nn.Sequential
    centre: Floats
    width: Floats

    @torch.inference_mode()
    def predict(self, found: Found) -> Floats:
        """The IoU expected of each detection: (n,) in [0, 1]."""
        return np.asarray(self.net(self._scaled(found)).flatten().double().numpy(), np.float64)

    def _scaled(self, found: Found) -> Tensor:
        return torch.from_numpy(((found.inputs - self.centre) / self.width).astype(np.float32))


def train_head(
    found: Found, rounds: int, seed: int, watched: Found | None = None
) -> tuple[Head, list[float]]:
    """Train on all detections for so many rounds; errors on watched ones every EVERY rounds.

    Squared error of the IoU, right and wrong ones weighing the same. The same arguments give the same head.
    """
    torch.set_num_threads(1)
    centre, width = found.inputs.mean(axis=0), found.inputs.std(axis=0)
    width = np.where(width > SMALLEST, width, 1.0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = nn.Sequential(
            nn.Linear(found.inputs.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(),
            nn.Linear(HIDDEN, 1), nn.Sigmoid(),
        )  # fmt: skip
    head = Head(net, centre, width)
    inputs, wanted = head._scaled(found), torch.from_numpy(found.overlap.astype(np.float32))
    weight = torch.from_numpy(balanced(found.wrong).astype(np.float32))
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    errors = []
    for step in range(1, rounds + 1):
        loss = (weight * (net(inputs).flatten() - wanted).square()).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if watched is not None and step % EVERY == 0:
            off = (head.predict(watched) - watched.overlap) ** 2
            errors.append(float((balanced(watched.wrong) * off).sum()))
    net.eval()
    return head, errors


def balanced(wrong: NDArray[np.bool_]) -> Floats:
    """Weights (n,) that sum to 1, half of it on wrong ones where there are both kinds."""
    kinds = np.array([(~wrong).sum(), wrong.sum()])
    return np.asarray(1 / (kinds[wrong.astype(int)] * (kinds > 0).sum()), np.float64)


@dataclass(frozen=True, slots=True)
class CrossFitted:
    """A head of all airports, how long it learnt, and predictions (n,) of heads not shown the airport."""

    head: Head
    rounds: int
    held_out: Floats


def cross_fit(found: Found, seed: int) -> CrossFitted:
    """Leave out one airport at a time to choose how long to learn; then learn from all that long.

    DataError for fewer than two airports, too few detections or hardly any right or wrong ones.
    """
    names = np.unique(found.airports)
    check_enough(found, "validation")
    if len(names) < 2:
        raise DataError(f"detections of {len(names)} validation airport; cross-fitting needs two at least")
    errors = np.zeros(ROUNDS // EVERY)
    for name in names:
        own = found.airports == name
        errors += train_head(found.part(~own), ROUNDS, seed, found.part(own))[1]
    rounds = EVERY * (int(errors.argmin()) + 1)
    held_out = np.zeros(len(found))
    for name in names:
        own = found.airports == name
        held_out[own] = train_head(found.part(~own), rounds, seed)[0].predict(found.part(own))
    return CrossFitted(train_head(found, rounds, seed)[0], rounds, held_out)


def check_enough(found: Found, where: str) -> None:
    """DataError for detections that are too few, nearly all right or nearly all wrong."""
    wrong = int(found.wrong.sum())
    if len(found) < LEAST_DETECTIONS or min(wrong, len(found) - wrong) < LEAST_EACH:
        raise DataError(
            f"{where} pictures: {len(found)} detections, {wrong} of them wrong; failure prediction needs"
            f" {LEAST_DETECTIONS} with {LEAST_EACH} right and {LEAST_EACH} wrong ones; take more pictures"
        )
