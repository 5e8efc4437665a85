"""Training: deterministic by seed, on one or several processes, resumable to the same bytes.

Here is the loop; what a step sees is in batches.py, how it changes the weights in learner.py.
"""

from __future__ import annotations

import contextlib
import math
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from lard.detect.batches import Share, Visits, batches
from lard.detect.checkpoint import exported, save_detector
from lard.detect.config import ModelSpec, TrainSpec, parse_plan
from lard.detect.corner_spec import CornerSpec
from lard.detect.crew import Lost, Place, crew, given_place, joined, strangers, told_by_all, told_by_first
from lard.detect.data import read_pictures
from lard.detect.kinds import keep_other_kinds
from lard.detect.learner import Learning, backward, clip_gradients, move, new_learner, schedule
from lard.detect.log import DETECTOR, SEGMENTER, Told, TrainingLog, training_log
from lard.detect.masks import check_outlines
from lard.detect.memory import told_what_fits
from lard.detect.precision import arithmetic
from lard.detect.start import Start, learnt_before, read_start, set_off
from lard.detect.state import (
    Fingerprint,
    Resumed,
    deciding_of,
    differences,
    fingerprint,
    kept,
    read_state,
    restored,
    save_state,
    why_anew,
)
from lard.detect.validate import validation
from lard.errors import ModelError
from lard.score.provenance import airports_in
from lard.score.truth import Paths, coco_paths, read_truth, several, truth_sha256
from lard.tables import folder_lock, staged

Spec = TypeVar("Spec", ModelSpec, CornerSpec)

CHECKPOINT = "checkpoint.pt"
"""What a run writes into its folder, with a log."""


@dataclass(frozen=True, slots=True)
class Run(Generic[Spec]):
    """What is trained, on what, and where it is written; loaders and events change no byte."""

    name: str
    spec: Spec
    plan: TrainSpec
    datasets: list[Path]
    folder: Path
    state: Path
    loaders: int
    events: Path | None
    start: Start | None = None
    save_minutes: float | None = None


def train(
    name: str,
    spec: ModelSpec,
    plan: TrainSpec,
    datasets: Paths,
    folder: str | Path,
    work: str | Path,
    *,
    loaders: int = 0,
    tensorboard: str | Path | None = None,
    start: str | Path | None = None,
    save_minutes: float | None = None,
) -> Path:
    """Train a model and write checkpoint.pt and log.csv into `folder`; `work` is for resuming.

    A model's own number of steps goes before the plan's, and precision `auto` becomes what the device is
    quickest at; the checkpoint tells both. Under torchrun its processes take the place of
    plan.processes. `loaders` processes cut the crops of the next steps while this one is computed; they,
    `tensorboard`, a folder for event files, and `save_minutes`, after which the state is saved however few
    steps were done, change no byte. `start` is a checkpoint whose weights the run begins with, with a new
    optimiser; its airports count as learnt from.
    """
    begun = None if start is None else read_start(start, spec)
    events = None if tensorboard is None else Path(tensorboard)
    state = Path(work) / f"{name}.resume.pt"
    return shared_out(
        _train,
        Run(name, spec, plan, several(datasets), Path(folder), state, loaders, events, begun, save_minutes),
    )


def shared_out(work: Callable[[Run[Spec], Place], Path], run: Run[Spec]) -> Path:
    """Do the work on the processes of torchrun, or else on those of the plan.

    The plan gets the model's own number of steps, where it has one, the precision of the device, and the
    number of parts that a batch is computed in. A checkpoint of another kind of model in the folder is kept,
    by a ModelError.
    """
    keep_other_kinds(run.folder / CHECKPOINT, run.spec)
    place, plan = given_place(), run.plan
    changes: dict[str, Any] = {"precision": arithmetic(plan.precision, plan.device)}
    if run.spec.steps is not None:
        changes["steps"] = run.spec.steps
    if place is not None:
        changes["processes"] = place.world
    plan = parse_plan({**plan.model_dump(), **changes})
    run = replace(run, plan=parse_plan({**plan.model_dump(), "parts": plan.pieces}))
    try:
        if place is not None:
            with joined(run.name, place, plan.device, None):
                return work(run, place)
        with crew(run.name, plan.processes, plan.device, partial(work, run)) as own:
            return work(run, own)
    except Lost as error:
        if place is not None and place.rank:
            raise
        raise ModelError(f"{error}; {kept(run.state)}, run again to go on from there") from error


def _train(run: Run[ModelSpec], place: Place) -> Path:
    """One process's part, from the first step to the checkpoint; only the first process writes."""
    first, plan = place.rank == 0, run.plan
    device = place.device(plan.device)
    with folder_lock(run.state.parent) if first else contextlib.nullcontext():
        pictures = read_pictures(run.datasets, "train", shards=True)
        if run.spec.segments:
            every = [path for split in ("train", "val") for path in coco_paths(run.datasets, split)]
            for path in filter(Path.is_file, every):
                check_outlines(read_truth(path), str(path))
        truth = truth_sha256(coco_paths(run.datasets, "train"))
        learner = new_learner(run.spec, plan, device, place)
        if run.start is not None:
            set_off(learner, run.start)
        own = fingerprint(run.spec, plan, run.datasets, run.start.sha256 if run.start else None)
        resumed = resumed_from(run.name, run.state, learner, own)
        watched = validation(run.datasets, plan.validate_frames) if plan.validate_every else None
        share = Share(pictures, run.spec, plan, place.rank, resumed.step)
        ahead = batches(share, device, run.loaders)

        log = all_steps(
            run, learner, own, resumed, first,
            SEGMENTER if run.spec.segments else DETECTOR,
            share,
            lambda step: backward(learner, next(ahead), step / plan.steps),
            lambda: watched.measure(learner.average, place) if watched else {},
            partial(told_what_fits, run.name, learner),
        )  # fmt: skip

        def save(trained: dict[str, Any], path: Path) -> None:
            extra = trained | {"airports": learnt_before(airports_of(run.datasets), run.start)}
            if run.start is not None:
                extra["start"] = {"name": run.start.name, "sha256": run.start.sha256}
            save_detector(exported(learner.average, run.spec), run.name, run.spec, extra, path)

        return written(run, log, truth, save, first)


def all_steps(
    run: Run[Spec],
    learner: Learning[Any],
    own: Fingerprint,
    resumed: Resumed,
    first: bool,
    told: Told,
    share: Visits,
    backward_at: Callable[[int], Tensor],
    measure: Callable[[], dict[str, float]],
    guarded: Callable[[int], contextlib.AbstractContextManager[None]] = lambda _: contextlib.nullcontext(),
) -> TrainingLog:
    """Take the steps that are left, validate and keep the state on the way; returns the log of all.

    backward_at computes the gradients of a step and returns the terms of its loss; guarded encloses it.
    """
    plan = run.plan
    with training_log(run.name, plan, resumed.step, resumed.rows, run.events, first, told) as log:
        saved_at = time.monotonic()
        for step in range(resumed.step, plan.steps):
            rate = run.spec.learning_rate * schedule(step, plan.steps, plan.warmup)
            with guarded(step):
                losses = backward_at(step)
                norm = clip_gradients(learner)
                check_finite(run.name, run.state, step, losses, norm, share.files(step))
                move(learner, step, rate)
            due = (step + 1) % max(plan.validate_every, 1) == 0 or step + 1 == plan.steps
            log.add(step, rate, losses, norm, measure() if due else {})
            last = step + 1 == plan.steps
            regular = (step + 1) % plan.save_every == 0
            if regular or last:
                check_alike(run.name, run.state, step, learner)
            late = run.save_minutes is not None and time.monotonic() - saved_at >= 60 * run.save_minutes
            if first and (regular or late) and not last:
                save_state(run.state, learner, step + 1, log.rows, own)
                saved_at = time.monotonic()
    return log


def written(
    run: Run[Spec],
    log: TrainingLog,
    truth: str,
    save: Callable[[dict[str, Any], Path], None],
    first: bool,
) -> Path:
    """The checkpoint of a finished run, which the first process writes with its log in place of the state."""
    checkpoint = run.folder / CHECKPOINT
    if first:
        with staged(run.folder) as made:
            log.write(made / "log.csv")
            trained = {"train": deciding_of(run.plan), "coco_train_sha256": truth}
            save(trained, made / checkpoint.name)
        run.state.unlink(missing_ok=True)
    return checkpoint


def airports_of(datasets: list[Path]) -> dict[str, list[str]]:
    """Airports that a model has learnt from, and those of the validation pictures, where there are any."""
    tuned = coco_paths(datasets, "val")
    return {
        "train": airports_in(coco_paths(datasets, "train")),
        "validation": airports_in(tuned) if all(path.is_file() for path in tuned) else [],
    }


def resumed_from(name: str, state: Path, learner: Learning[Any], own: Fingerprint) -> Resumed:
    """Go on from the state of an interrupted run of the same parameters, data and code, if there is one.

    Only the first process reads it; all others must hold the same data, code and versions as that one.
    """
    place = learner.together.place
    reference = told_by_first(own, place)
    found = [] if own == reference else differences(own, reference)
    for rank, (host, apart) in enumerate(told_by_all((socket.gethostname(), found))):
        if apart:
            raise ModelError(
                f"{name}: process {rank} on {host} has not what process 0 has: {'; '.join(apart[:3])};"
                " give all the same data and the same versions"
            )
    saved = told_by_first(read_state(state, own) if place.rank == 0 else None, place)
    resumed = restored(saved, learner)
    if place.rank == 0 and resumed.refused:
        print(why_anew(name, state, resumed.refused), file=sys.stderr)
    return resumed


def check_alike(name: str, state: Path, step: int, learner: Learning[Any]) -> None:
    """Refuse to go on where processes do not hold the same network any more, orthogonal factors included."""
    apart = strangers(learner.net)
    if apart:
        who = ", ".join(map(str, apart))
        raise ModelError(
            f"{name}: after step {step} the weights of process {who} differ from those of process 0;"
            f" {kept(state)}; train on machines of one kind"
        )


def check_finite(
    name: str, state: Path, step: int, losses: Tensor, norm: float, files: Sequence[str]
) -> None:
    """Refuse a step that would spoil the weights, and name its pictures."""
    if math.isfinite(norm) and bool(torch.isfinite(losses).all()):
        return
    raise ModelError(
        f"{name}: loss or gradient is not finite at step {step}"
        f" (loss {losses.tolist()}, gradient {norm}) on the batch {', '.join(files)};"
        f" {kept(state)}, lower models.*.learning_rate or look at these images"
    )
