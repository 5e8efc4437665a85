"""Training of corner models: the loop, processes, states and log are those of detectors."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lard.detect.batches import Visits, cuts
from lard.detect.config import TrainSpec
from lard.detect.corner_crops import Cornered, jittered, read_cornered, samples_of
from lard.detect.corner_files import save_corners
from lard.detect.corner_loss import TERMS, CornerTargets, corner_loss
from lard.detect.corner_net import CornerNet, Reading, build_corners
from lard.detect.corner_spec import CornerSpec
from lard.detect.corners import find_corners
from lard.detect.crew import Place, total
from lard.detect.data import Picture, load_image
from lard.detect.decode import as_images
from lard.detect.learner import Learning, descend, learning
from lard.detect.log import Told
from lard.detect.precision import computed_in
from lard.detect.state import CORNERS_DECIDING, fingerprint
from lard.detect.train import Run, airports_of, all_steps, resumed_from, shared_out, written
from lard.score.truth import Paths, coco_paths, holds_images, several, truth_sha256
from lard.tables import folder_lock

MEASURES = ("val_corner_px", "val_corner_p95_px", "val_share")
"""On validation pictures, boxes moved as in training: median and 95th percentile of the distance of corners
given, and the share of corners that are."""
_SEED = 4


@dataclass(frozen=True, slots=True)
class CornerShare(Visits):
    """The windows of a corner model."""

    pictures: list[Picture]
    spec: CornerSpec
    plan: TrainSpec
    rank: int
    first: int
    cornered: list[Cornered] = field(repr=False)

    def cut(self, step: int) -> tuple[Tensor, ...]:
        """Windows (b, s, s, 3) of bytes, corners (b, 4, 2) in their px, presence (b, 4) as 0 or 1."""
        samples = [
            sample
            for serial, index in self.own(step)
            for sample in samples_of(self.cornered[index], serial, self.plan, self.spec)
        ]
        return (
            torch.from_numpy(np.stack([sample.pixels for sample in samples])),
            torch.from_numpy(np.stack([sample.corners_px for sample in samples])).float(),
            torch.from_numpy(np.stack([sample.present for sample in samples])).float(),
        )


def train_corners(
    name: str,
    spec: CornerSpec,
    plan: TrainSpec,
    datasets: Paths,
    folder: str | Path,
    work: str | Path,
    *,
    loaders: int = 0,
    tensorboard: str | Path | None = None,
    save_minutes: float | None = None,
) -> Path:
    """Train a corner model and write checkpoint.pt and log.csv into `folder`; `work` is for resuming.

    As `lard.detect.train.train`; of the plan the numbers about detectors' crops say nothing here. Raises
    DataError where the training annotations have no keypoints.
    """
    events = None if tensorboard is None else Path(tensorboard)
    state = Path(work) / f"{name}.resume.pt"
    run = Run(name, spec, plan, several(datasets), Path(folder), state, loaders, events, None, save_minutes)
    return shared_out(_train, run)


def _train(run: Run[CornerSpec], place: Place) -> Path:
    """One process's part, from the first step to the checkpoint; only the first process writes."""
    first, plan = place.rank == 0, run.plan
    device = place.device(plan.device)
    with folder_lock(run.state.parent) if first else contextlib.nullcontext():
        cornered = read_cornered(run.datasets, "train")
        truth = truth_sha256(coco_paths(run.datasets, "train"))
        learner = learning(lambda: build_corners(run.spec), run.spec.learning_rate, plan, device, place)
        own = fingerprint(run.spec, plan, run.datasets, deciding=CORNERS_DECIDING)
        resumed = resumed_from(run.name, run.state, learner, own)
        watched = _watched(run.datasets, plan.validate_frames) if plan.validate_every else []
        pictures = [one.picture for one in cornered]
        share = CornerShare(pictures, run.spec, plan, place.rank, resumed.step, cornered)
        ahead = cuts(share, device, run.loaders)
        log = all_steps(
            run, learner, own, resumed, first,
            Told(TERMS, MEASURES),
            share,
            lambda _: backward(learner, next(ahead)),
            lambda: measure(learner.average, watched) if watched and first else {},
        )  # fmt: skip

        def save(trained: dict[str, Any], path: Path) -> None:
            extra = trained | {"airports": airports_of(run.datasets)}
            save_corners(learner.average, run.name, extra, path)

        return written(run, log, truth, save, first)


def backward(learner: Learning[CornerNet], cut: Sequence[Tensor]) -> Tensor:
    """Compute the gradients of a batch of which this process has its windows; TERMS of its loss: (3,)."""
    parts = list(zip(*(tensor.chunk(learner.together.own) for tensor in cut), strict=True))
    present = cut[2]
    counts = total(torch.stack((present.sum(), torch.ones_like(present).sum()))).tolist()
    stride_px = learner.net.spec.strides_px[0]

    def answer(part: Sequence[Tensor]) -> tuple[Tensor, ...]:
        with computed_in(learner.plan.precision, learner.device.type):
            maps = learner.called(as_images(part[0]))
        return learner.net.read(maps.float())

    def losses(answers: Sequence[tuple[Tensor, ...]]) -> list[dict[str, Tensor]]:
        found = []
        for one, (_, corners, seen) in zip(answers, parts, strict=True):
            terms = corner_loss(Reading(*one), CornerTargets(corners, seen), stride_px, *counts)
            found.append(dict(zip(TERMS, terms, strict=True)))
        return found

    return descend(learner, parts, answer, losses, TERMS)


def _watched(datasets: Sequence[Path], most: int) -> list[Cornered]:
    """Pictures of the validation split, evenly drawn, of the datasets that have some."""
    held = [data for data in datasets if all(holds_images(path) for path in coco_paths([data], "val"))]
    if not held:
        return []
    every = read_cornered(held, "val")
    rows = np.unique(np.linspace(0, len(every) - 1, min(most, len(every))).round().astype(int))
    return [every[row] for row in rows]


def measure(net: CornerNet, watched: Sequence[Cornered]) -> dict[str, float]:
    """MEASURES of a network on the required runways of pictures; errors are {} where none is given."""
    learning_ = net.training
    net.eval()
    errors, seen = [], 0
    rng = np.random.default_rng(_SEED)
    for one in watched:
        rows = np.flatnonzero(~one.picture.ignored)
        boxes = np.array([jittered(one.picture.boxes[row], rng, net.spec) for row in rows]).reshape(-1, 4)
        corners, presence = find_corners(net, load_image(one.picture), boxes)
        counts = one.seen[rows] & (presence > 0)
        seen += int(one.seen[rows].sum())
        errors.append(np.linalg.norm(corners - one.corners_px[rows], axis=-1)[counts])
    net.train(learning_)
    distance = np.concatenate([*errors, np.zeros(0)])
    found: dict[str, float] = {"val_share": len(distance) / seen} if seen else {}
    if len(distance):
        found["val_corner_px"] = float(np.median(distance))
        found["val_corner_p95_px"] = float(np.quantile(distance, 0.95))
    return found
