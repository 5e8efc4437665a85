"""Training of corner models: the loop, processes, states and log are those of detectors."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lard.detect.batches import Visits, cuts
from lard.detect.config import TrainSpec, parse_plan
from lard.detect.corner_crops import Cornered, jittered, read_cornered, samples_of
from lard.detect.corner_files import save_corners
from lard.detect.corner_loss import TERMS, CornerTargets, corner_loss
from lard.detect.corner_net import CornerNet, build_corners
from lard.detect.corner_spec import CornerSpec
from lard.detect.corners import find_corners
from lard.detect.crew import Place, crew, joined, torchrun_place, total
from lard.detect.data import Picture, load_image
from lard.detect.decode import as_images
from lard.detect.learner import Learning, learning, move, schedule, share_gradients
from lard.detect.log import Told, training_log
from lard.detect.precision import arithmetic, computed_in
from lard.detect.state import CORNERS_DECIDING, fingerprint, save_state
from lard.detect.train import airports_of, check_finite, resumed_from
from lard.score.truth import Paths, coco_paths, holds_images, several, truth_sha256
from lard.tables import folder_lock, staged

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


@dataclass(frozen=True, slots=True)
class _Run:
    name: str
    spec: CornerSpec
    plan: TrainSpec
    datasets: list[Path]
    folder: Path
    state: Path
    loaders: int
    events: Path | None


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
) -> Path:
    """Train a corner model and write checkpoint.pt and log.csv into `folder`; `work` is for resuming.

    As `lard.detect.train.train`; of the plan the numbers about detectors' crops say nothing here. Raises
    DataError where the training annotations have no keypoints.
    """
    changes = {"precision": arithmetic(plan.precision, plan.device), "steps": spec.steps or plan.steps}
    place = torchrun_place()
    if place is not None:
        changes["processes"] = place.world
    plan = parse_plan({**plan.model_dump(), **changes})
    events = None if tensorboard is None else Path(tensorboard)
    state = Path(work) / f"{name}.resume.pt"
    work_of = partial(_train, _Run(name, spec, plan, several(datasets), Path(folder), state, loaders, events))
    if place is not None:
        with joined(name, place, plan.device, None):
            return work_of(place)
    with crew(name, plan.processes, plan.device, work_of) as place:
        return work_of(place)


def _train(run: _Run, place: Place) -> Path:
    """One process's part, from the first step to the checkpoint; only the first process writes."""
    first, plan = place.rank == 0, run.plan
    device = place.device(plan.device)
    with folder_lock(run.state.parent) if first else contextlib.nullcontext():
        cornered = read_cornered(run.datasets, "train")
        truth = truth_sha256(coco_paths(run.datasets, "train"))
        learner = learning(lambda: build_corners(run.spec), run.spec.learning_rate, plan, device)
        own = fingerprint(run.spec, plan, run.datasets, deciding=CORNERS_DECIDING)
        resumed = resumed_from(run.name, run.state, learner, own, first)
        watched = _watched(run.datasets, plan.validate_frames) if plan.validate_every else []
        pictures = [one.picture for one in cornered]
        share = CornerShare(pictures, run.spec, plan, place.rank, resumed.step, cornered)
        ahead = cuts(share, device, run.loaders)
        told = Told(TERMS, MEASURES)
        with training_log(run.name, plan, resumed.step, resumed.rows, run.events, first, told) as log:
            for step in range(resumed.step, plan.steps):
                rate = run.spec.learning_rate * schedule(step, plan.steps, plan.warmup)
                losses = backward(learner, next(ahead))
                norm = share_gradients(learner)
                check_finite(run.name, run.state, step, losses, norm, share.files(step))
                move(learner, step, rate)
                due = (step + 1) % max(plan.validate_every, 1) == 0 or step + 1 == plan.steps
                measured = measure(learner.average, watched) if watched and due and first else {}
                log.add(step, rate, losses, norm, measured)
                if first and (step + 1) % plan.save_every == 0 and step + 1 < plan.steps:
                    save_state(run.state, learner, step + 1, log.rows, own)

        checkpoint = run.folder / "checkpoint.pt"
        if first:
            extra = {
                "train": plan.model_dump(mode="json"),
                "coco_train_sha256": truth,
                "airports": airports_of(run.datasets),
            }
            with staged(run.folder) as made:
                log.write(made / "log.csv")
                save_corners(learner.average, run.name, extra, made / checkpoint.name)
            run.state.unlink(missing_ok=True)
        return checkpoint


def backward(learner: Learning[CornerNet], cut: Sequence[Tensor]) -> Tensor:
    """Compute the gradients of this process's windows; returns TERMS of the loss, summed over all: (3,)."""
    learner.net.train()
    learner.optimiser.zero_grad(set_to_none=True)
    pixels, corners, present = cut
    counts = total(torch.stack((present.sum(), torch.ones_like(present).sum()))).tolist()
    with computed_in(learner.plan.precision, learner.device.type):
        maps = learner.net(as_images(pixels))
    terms = corner_loss(learner.net, maps.float(), CornerTargets(corners, present), *counts)
    terms.sum().backward()
    return total(terms.detach().clone()).cpu()


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
