"""One-class signed distance to the domain, learnt by a 1-Lipschitz network on shrunk pictures.

After OCSDF (Bethune, Novello, Boissin, Coiffier, Serrurier, Vincenot, Troya-Galvis, ICML 2023): the hinge
Kantorovich-Rubinstein loss sets pictures of the domain (score above the margin) against pictures that
Newton-Raphson steps have brought from random ones to the current boundary, so that the boundary closes in on
the domain. A network of constant L moves its score by at most L * eps, which certifies rankings by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lard.assurance.shrink import SCALE, SIDE
from lard.detect.audit import bound_of
from lard.detect.ortho import MaxMin, OrthoConv2d, retract_all
from lard.errors import DataError, ModelError
from lard.progress import track

Smalls = NDArray[np.float32]
Floats = NDArray[np.float64]

MARGIN = 10.0
"""Least score wanted of pictures of the domain, and least depth of others: L2 of a picture of 1024 x 1024."""
HINGE = 100.0
"""Weight of the hinge against the mean scores."""
NEWTON_STEPS, NEWTON_PACE = 2, 0.8
BATCH, LEARNING_RATE = 24, 2e-3
WIDTH = 32
LEAST_PICTURES = 20
ALLOWED = 1.001


def network(width: int, exported: bool) -> nn.Sequential:
    """A map (n, 3, 64, 64) -> (n, 1, 1, 1) of constant 1: orthogonal convolutions and MaxMin only."""

    def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Module:
        if exported:
            return nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2 if stride == 1 else 0)
        return OrthoConv2d(inputs, outputs, kernel, stride)

    return nn.Sequential(
        nn.PixelUnshuffle(4),
        conv(48, width, 1), MaxMin(),
        conv(width, width, 3), MaxMin(),
        conv(width, 2 * width, 2, 2), MaxMin(),
        conv(2 * width, 2 * width, 3), MaxMin(),
        conv(2 * width, 2 * width, 2, 2), MaxMin(),
        conv(2 * width, 4 * width, 4, 4), MaxMin(),
        conv(4 * width, 1, 1),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Distance:
    """A learnt signed distance, positive inside, with the audited constant from shrunk pictures to it."""

    net: nn.Sequential
    width: int
    constant: float

    @torch.inference_mode()
    def scores(self, smalls: Smalls) -> Floats:
        """Signed distances of shrunk pictures (n, 3, 64, 64): (n,), in norms of those."""
        parts = [self.net(part).flatten() for part in torch.from_numpy(smalls).split(64)]
        return np.asarray(torch.cat(parts).double().numpy(), np.float64)


def restored(state: dict[str, Tensor], width: int, where: object) -> Distance:
    """A distance from the kernels of its exported network; ModelError where they fit none or amplify."""
    net = network(width, exported=True)
    wanted = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    if {name: tuple(value.shape) for name, value in state.items()} != wanted:
        raise ModelError(f"{where}: kernels do not fit the distance it describes; fit the monitor again")
    net.load_state_dict(state)
    return _audited(net.eval(), width)


def _audited(net: nn.Sequential, width: int) -> Distance:
    layers = [(name, layer) for name, layer in net.named_children()]
    return Distance(net, width, bound_of(layers, ALLOWED).constant)


def learn(smalls: Smalls, steps: int, seed: int, width: int = WIDTH, quiet: bool = False) -> Distance:
    """Learn the distance to pictures (n, 3, 64, 64); nothing outside of the domain is shown to it.

    The same arguments give the same weights on one machine. DataError for too few pictures.
    """
    if len(smalls) < LEAST_PICTURES:
        raise DataError(f"{len(smalls)} pictures to learn a domain from; give at least {LEAST_PICTURES}")
    torch.set_num_threads(1)
    rng = np.random.default_rng([seed, len(smalls)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = network(width, exported=False)
    data = torch.from_numpy(smalls)
    optimiser = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=max(steps, 2))
    rounds = range(steps)
    for _ in rounds if quiet else track(rounds, "learn the domain", unit="steps"):
        own = data[torch.from_numpy(rng.integers(0, len(data), BATCH))]
        if rng.random() < 0.5:
            own = own.flip(3)
        others = to_boundary(net, strangers(rng, BATCH))
        inside, outside = net(own).flatten(), net(others).flatten()
        hinge = (MARGIN - inside).relu().mean() + (MARGIN + outside).relu().mean()
        loss = HINGE * hinge - inside.mean() + outside.mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        retract_all(net)
    plain = network(width, exported=True)
    for place, layer in enumerate(net):
        if isinstance(layer, OrthoConv2d):
            plain[place] = layer.to_plain()
    return _audited(plain.eval(), width)


def strangers(rng: np.random.Generator, count: int) -> Tensor:
    """Pictures of nothing: colour noise from white to smooth, of any mean and contrast, (n, 3, 64, 64)."""
    rows = np.fft.fftfreq(SIDE)[:, None]
    columns = np.fft.rfftfreq(SIDE)[None, :]
    radius = np.maximum(np.hypot(rows, columns), 1 / SIDE)
    slope = rng.uniform(0, 2.5, (count, 1, 1, 1))
    noise = np.fft.rfft2(rng.standard_normal((count, 3, SIDE, SIDE))) * radius ** (-slope)
    waves = np.fft.irfft2(noise, s=(SIDE, SIDE))
    waves -= waves.mean(axis=(2, 3), keepdims=True)
    waves /= waves.std(axis=(1, 2, 3), keepdims=True)
    level = rng.uniform(0, 1, (count, 3, 1, 1))
    grey = rng.uniform(0, 1, (count, 1, 1, 1))
    colour = grey + (level - grey) * rng.uniform(0, 1, (count, 1, 1, 1))
    pictures = np.clip(colour + rng.uniform(0, 0.35, (count, 1, 1, 1)) * waves, 0, 1)
    return torch.from_numpy((SCALE * (pictures - 0.5)).astype(np.float32))


def to_boundary(net: nn.Module, pictures: Tensor) -> Tensor:
    """Strangers brought to where the score is 0 by Newton-Raphson steps, within what pictures can be."""
    limit = SCALE / 2
    for _ in range(NEWTON_STEPS):
        moved = pictures.detach().requires_grad_()
        score = net(moved).flatten()
        (gradient,) = torch.autograd.grad(score.sum(), moved)
        with torch.no_grad():
            square = gradient.square().sum(dim=(1, 2, 3)).clamp(min=1e-4)
            pace = NEWTON_PACE * (-score).relu() / square
            pictures = (moved + pace[:, None, None, None] * gradient).clamp(-limit, limit)
    return pictures.detach()
