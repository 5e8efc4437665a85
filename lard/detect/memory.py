"""What to do when a training step has no room in memory: the largest batch that fits is tried and told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from lard.detect.learner import Learner
from lard.errors import ModelError


@contextlib.contextmanager
def told_what_fits(name: str, learner: Learner, step: int) -> Iterator[None]:
    """A step whose lack of memory is told with a batch that fits."""
    try:
        yield
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
        fits = fitting_batch(learner)
        remedy = f"set train.batch to {fits}, which fits" if fits else "lower train.crop_px"
        raise ModelError(
            f"{name}: out of memory at step {step}, batch {learner.plan.batch} of {learner.plan.crop_px} px;"
            f" {remedy}"
        ) from error


def fitting_batch(learner: Learner) -> int:
    """The largest halving of the batch whose forward and backward pass has room here; 0 for none."""
    unit = learner.plan.crops_per_image * learner.plan.processes
    batch = learner.plan.batch // 2 // unit * unit
    while batch:
        learner.optimiser.zero_grad(set_to_none=True)
        if learner.device.type == "cuda":
            torch.cuda.empty_cache()
        try:
            _trial(learner, batch // learner.plan.processes)
            return batch
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
        batch = batch // 2 // unit * unit
    return 0


def _trial(learner: Learner, crops: int) -> None:
    """A forward and backward pass on empty crops."""
    side = learner.plan.crop_px
    empty = torch.zeros(crops, 3, side, side, device=learner.device)
    levels = learner.answers(empty, torch.ones(crops, 4, device=learner.device))
    torch.stack([(level.logits.sum() + level.distances_px.sum()) for level in levels]).sum().backward()


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error of torch tells of a lack of memory, on a GPU or in its CPU allocator."""
    return isinstance(error, torch.OutOfMemoryError) or "allocate" in str(error)
