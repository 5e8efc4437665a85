"""A network that learns: the gradients of a batch, whatever processes compute its parts, and one step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import cv2
import torch
from torch import Tensor, nn

from lard.detect.bags import Bags
from lard.detect.batches import Batch
from lard.detect.config import ModelSpec, MuonSpec, TrainSpec
from lard.detect.crew import Place, gathered, largest, summed, total
from lard.detect.fcos import Detector, Level, channels_last
from lard.detect.lockstep import Lockstep
from lard.detect.loss import (
    TERMS,
    Targets,
    box_loss,
    compares_pictures,
    detection_loss,
    flatten,
    mask_loss,
    objectness_loss,
)
from lard.detect.muon import optimiser_of
from lard.detect.norm import in_parts
from lard.detect.ortho import OrthoConv2d, held_kernels, retract_all
from lard.detect.precision import computed_in
from lard.detect.segmenter import network_of

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Learning(Generic[Net]):
    """A network, the running average of its weights, and the optimiser with the parameters it moves.

    called is the network as training calls it, compiled where the plan asks for it.
    """

    plan: TrainSpec
    device: torch.device
    net: Net
    average: Net
    optimiser: torch.optim.Optimizer
    parameters: list[nn.Parameter]
    together: Lockstep
    called: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Learner(Learning[Detector]):
    """A detector that learns."""

    spec: ModelSpec

    def answers(self, images: Tensor, frames: Tensor) -> list[Level]:
        """The network's answers in float32, computed in the precision of the plan."""
        with computed_in(self.plan.precision, self.device.type):
            levels = self.called(images, frames)
        return [
            Level(a.float(), b.float(), None if c is None else c.float()) for a, b, c in levels
        ]  # losses are summed in float32


def new_learner(
    spec: ModelSpec, plan: TrainSpec, device: torch.device, place: Place | None = None
) -> Learner:
    """The same untrained detector, known from the seed, on every process."""
    muon = (spec.muon or MuonSpec()) if spec.optimiser == "muon" else None
    begun = learning(lambda: network_of(spec), spec.learning_rate, plan, device, place, muon)
    return Learner(
        begun.plan, begun.device, begun.net, begun.average, begun.optimiser, begun.parameters, begun.together,
        begun.called, spec,
    )  # fmt: skip


def learning(
    make: Callable[[], Net],
    rate: float,
    plan: TrainSpec,
    device: torch.device,
    place: Place | None = None,
    muon: MuonSpec | None = None,
) -> Learning[Net]:
    """The same untrained network, known from the seed, on every process; place: of this one."""
    torch.set_num_threads(1)  # processes scale better than threads here, and bytes depend on the threads
    cv2.setNumThreads(1)
    torch.manual_seed(plan.seed)
    together = Lockstep(plan.pieces, place or Place())
    net = make().to(device)
    net = channels_last(in_parts(net, together, plan.compile) if together.parts > 1 else net)
    average = channels_last(make().to(device))
    average.load_state_dict(net.state_dict())
    optimiser, parameters = optimiser_of(net, rate, plan.weight_decay, muon)
    called = torch.compile(net) if plan.compile else net
    return Learning(plan, device, net, average, optimiser, parameters, together, called)


def schedule(step: int, steps: int, warmup: float) -> float:
    """Share of the peak learning rate: linear warm-up, then a cosine down to 2 %."""
    rising = max(1, round(warmup * steps))
    if step < rising:
        return (step + 1) / rising
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def backward(learner: Learner, batch: Batch, progress: float = 1.0) -> Tensor:
    """Compute the gradients of a batch of which this process has its crops; returns TERMS of its loss: (3,).

    progress: the share of the steps done, which margins that rise depend on.
    """
    parts = batch.parts(learner.together.own)

    def answer(part: Batch) -> tuple[Tensor, ...]:
        levels = learner.answers(part.images, part.frames)
        return tuple(tensor for level in levels for tensor in level if tensor is not None)

    def losses(answers: Sequence[tuple[Tensor, ...]]) -> list[dict[str, Tensor]]:
        levels = [_levels(one, learner.spec) for one in answers]
        return _losses(learner, levels, [part.targets for part in parts], progress)

    return descend(learner, parts, answer, losses, TERMS)


def _levels(tensors: tuple[Tensor, ...], spec: ModelSpec) -> list[Level]:
    """The levels that answers list, of which plain detectors alone have centerness."""
    each = 3 if spec.family == "fcos" else 2
    places = range(0, len(tensors), each)
    return [Level(tensors[k], tensors[k + 1], tensors[k + 2] if each == 3 else None) for k in places]


def _losses(
    learner: Learner, levels: list[list[Level]], targets: list[Targets], progress: float
) -> list[dict[str, Tensor]]:
    """Terms of the loss of this process's parts, which together with those of all others add up to it."""
    spec = learner.spec
    wanted = torch.cat([one.objectness for one in targets])
    if spec.segments:
        known = float(total((wanted >= 0).sum()[None].float())[0])
        return [mask_loss(*pair, spec, known) for pair in zip(levels, targets, strict=True)]
    positives = runways = float(total((wanted == 1).sum()[None].float())[0])
    if spec.loss == "bag":
        held = torch.stack([(one.bags.energies > 0).sum() for one in targets if one.bags])
        runways = float(total(held.sum()[None].float())[0])
    if not compares_pictures(spec):
        return [
            detection_loss(*pair, spec, positives, runways, progress)
            for pair in zip(levels, targets, strict=True)
        ]
    terms = [box_loss(*pair, positives) for pair in zip(levels, targets, strict=True)]
    logits = torch.cat([flatten(one)[0] for one in levels])
    whole = objectness_loss(
        *_whole(logits, targets, learner.together.place), spec, positives, runways, progress
    )
    # every process computes it of all pictures, for the gradient of its own; it counts once
    if learner.together.place.rank:
        whole = whole - whole.detach()
    return [{"objectness": whole}, *terms]


def _whole(logits: Tensor, targets: list[Targets], place: Place) -> tuple[Tensor, Targets]:
    """Logits (b, n) and targets of a whole batch; the gradient reaches this process's logits (b', n)."""
    everyone = list(gathered(logits.detach()).chunk(place.world))
    everyone[place.rank] = logits
    bags, some = None, [one.bags for one in targets if one.bags is not None]
    if some:
        energies = torch.cat([one.energies for one in some])
        room = largest(energies.shape[1], energies.device) - energies.shape[1]
        energies = nn.functional.pad(energies, (0, room))
        bags = Bags(gathered(torch.cat([one.owners for one in some])), gathered(energies))
    wanted = Targets(
        gathered(torch.cat([one.objectness for one in targets])),
        logits.new_zeros(0),  # distances, which no loss of objectness asks for
        bags,
    )
    return torch.cat(everyone), wanted


Part = TypeVar("Part")


def descend(
    learner: Learning[Any],
    parts: Sequence[Part],
    answer: Callable[[Part], tuple[Tensor, ...]],
    losses: Callable[[Sequence[tuple[Tensor, ...]]], Sequence[dict[str, Tensor]]],
    terms: Sequence[str],
) -> Tensor:
    """Set the gradient of the loss of a batch on every parameter, added up part by part in their order.

    answer is what the network says of a part; losses, of the answers to all parts of this process, give
    terms that add up to the loss with those of the other processes. Returns the terms of the batch (t,).
    """
    learner.net.train()
    learner.optimiser.zero_grad(set_to_none=True)
    together = learner.together
    with held_kernels(learner.net) as (made, seen):
        raw = {
            id(matrix)
            for layer in learner.net.modules()
            if isinstance(layer, OrthoConv2d)
            for matrix in (layer.mix, layer.planes)
        }
        plain = [parameter for parameter in learner.parameters if id(parameter) not in raw]
        leaves = [*plain, *seen]
        answers = together.run(lambda index: answer(parts[index]))
        given = [tuple(tensor.detach().requires_grad_() for tensor in one) for one in answers]
        found = losses(given)
        torch.stack([value for one in found for value in one.values()]).sum().backward()

        def gradient(index: int) -> Tensor:
            pairs = [
                (tensor, leaf.grad)
                for tensor, leaf in zip(answers[index], given[index], strict=True)
                if leaf.grad is not None
            ]
            each = torch.autograd.grad(
                [tensor for tensor, _ in pairs], leaves, [pull for _, pull in pairs], allow_unused=True
            )
            return torch.cat(
                [
                    (torch.zeros_like(leaf) if one is None else one).flatten()
                    for leaf, one in zip(leaves, each, strict=True)
                ]
            )

        whole = summed(torch.stack(together.run(gradient)))
        shares = [
            share.view_as(leaf)
            for leaf, share in zip(leaves, whole.split([leaf.numel() for leaf in leaves]), strict=True)
        ]
    for parameter, share in zip(plain, shares, strict=False):
        parameter.grad = torch.empty_like(parameter).copy_(share)  # laid out as the kernel is
    if made:
        torch.autograd.backward(made, shares[len(plain) :])
    none = torch.zeros((), device=learner.device)
    table = torch.stack([torch.stack([one.get(name, none).detach() for name in terms]) for one in found])
    return summed(table).cpu()


def clip_gradients(learner: Learning[Any]) -> float:
    """Clip the gradients of a step together; returns their norm before."""
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
