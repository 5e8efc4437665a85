"""A network that learns on one process: its answers, its gradients shared with the others, and one step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import cv2
import torch
import torch.distributed as dist
from torch import Tensor, nn

from lard.detect.batches import Batch
from lard.detect.config import ModelSpec, TrainSpec
from lard.detect.crew import total
from lard.detect.fcos import Detector, Level, channels_last
from lard.detect.loss import TERMS, detection_loss, mask_loss
from lard.detect.ortho import retract_all
from lard.detect.precision import computed_in
from lard.detect.segmenter import network_of

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Learning(Generic[Net]):
    """A network, the running average of its weights, and the optimiser with the parameters it moves."""

    plan: TrainSpec
    device: torch.device
    net: Net
    average: Net
    optimiser: torch.optim.Optimizer
    parameters: list[nn.Parameter]


@dataclass(frozen=True, slots=True)
class Learner(Learning[Detector]):
    """A detector that learns."""

    spec: ModelSpec

    def answers(self, images: Tensor, frames: Tensor) -> list[Level]:
        """The network's answers in float32, computed in the precision of the plan."""
        with computed_in(self.plan.precision, self.device.type):
            levels = self.net(images, frames)
        return [
            Level(a.float(), b.float(), None if c is None else c.float()) for a, b, c in levels
        ]  # losses are summed in float32


def new_learner(spec: ModelSpec, plan: TrainSpec, device: torch.device) -> Learner:
    """The same untrained detector, known from the seed, on every process."""
    begun = learning(lambda: network_of(spec), spec.learning_rate, plan, device)
    return Learner(
        begun.plan, begun.device, begun.net, begun.average, begun.optimiser, begun.parameters, spec
    )


def learning(make: Callable[[], Net], rate: float, plan: TrainSpec, device: torch.device) -> Learning[Net]:
    """The same untrained network, known from the seed, on every process."""
    torch.set_num_threads(1)  # processes scale better than threads here, and bytes depend on the threads
    cv2.setNumThreads(1)
    torch.manual_seed(plan.seed)
    net = channels_last(make().to(device))
    average = channels_last(make().to(device))
    average.load_state_dict(net.state_dict())
    kernels = [parameter for parameter in net.parameters() if parameter.ndim == 4]
    others = [parameter for parameter in net.parameters() if parameter.ndim != 4]
    optimiser = torch.optim.AdamW(
        [{"params": kernels, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=rate,
    )
    return Learning(plan, device, net, average, optimiser, kernels + others)


def schedule(step: int, steps: int, warmup: float) -> float:
    """Share of the peak learning rate: linear warm-up, then a cosine down to 2 %."""
    rising = max(1, round(warmup * steps))
    if step < rising:
        return (step + 1) / rising
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def backward(learner: Learner, batch: Batch, progress: float = 1.0) -> Tensor:
    """Compute the gradients of this process's crops; returns TERMS of the loss, summed over all: (3,).

    progress: the share of the steps done, which margins that rise depend on.
    """
    learner.net.train()
    learner.optimiser.zero_grad(set_to_none=True)
    answers = learner.answers(batch.images, batch.frames)
    wanted, bags = batch.targets.objectness, batch.targets.bags
    if learner.spec.segments:
        counted = total((wanted >= 0).sum()[None].float())
        terms = mask_loss(answers, batch.targets, learner.spec, float(counted[0]))
    else:
        positives = total((wanted == 1).sum()[None].float())
        runways = total((bags.energies > 0).sum()[None].float()) if bags else positives
        terms = detection_loss(
            answers, batch.targets, learner.spec, float(positives[0]), float(runways[0]), progress
        )
    torch.stack(list(terms.values())).sum().backward()
    none = torch.zeros((), device=learner.device)
    return total(torch.stack([terms.get(name, none).detach() for name in TERMS])).cpu()


def share_gradients(learner: Learning[Any]) -> float:
    """Sum the gradients of all processes in one message and clip them; returns their norm before."""
    if dist.is_initialized():
        for parameter in learner.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = total(torch.cat([p.grad.flatten() for p in learner.parameters if p.grad is not None]))
        place = 0
        for parameter in learner.parameters:
            assert parameter.grad is not None
            parameter.grad.copy_(flat[place : place + parameter.numel()].view_as(parameter))
            place += parameter.numel()
    return float(nn.utils.clip_grad_norm_(learner.parameters, learner.plan.clip_norm))


def move(learner: Learning[Any], step: int, rate: float) -> None:
    """Move the weights along their gradients, orthogonal kernels back to orthogonal ones, and the average."""
    for group in learner.optimiser.param_groups:
        group["lr"] = rate
    learner.optimiser.step()
    retract_all(learner.net)
    _follow(learner, step)


@torch.no_grad()
def _follow(learner: Learning[Any], step: int) -> None:
    """Exponential average of weights and statistics, quicker in the first steps."""
    decay = min(learner.plan.ema, (1 + step) / (10 + step))
    averaged, current = learner.average.state_dict(), learner.net.state_dict()
    floats = [key for key, value in averaged.items() if value.is_floating_point()]
    torch._foreach_lerp_([averaged[key] for key in floats], [current[key] for key in floats], 1 - decay)
