"""Muon for orthogonal matrices: each step turns them along the polar factor of their momentum.

For a gradient G of a matrix W with orthonormal columns, a rate r and a share m of the momentum M kept:

    G <- P(G)                       the part along the manifold at W
    M <- m P(M) + G                 the momentum, carried from the last tangent space to this one
    D  = P(polar(G + m M))          Nesterov's look ahead, all singular values brought to 1
    W <- retraction of W - r D      one Newton-Schulz step (ortho.retract_all)

That is Muon (Jordan et al. 2024) in the tangent spaces of Edelman, Arias and Smith (SIAM J. Matrix Anal.
Appl. 20, 1998). Of a square matrix D is the steepest step in the spectral norm (Bernstein, Modula docs,
2025); of a `mix` that is not square the polar factor leaves the tangent space and is projected again. A
kernel knows a matrix of `planes` by its range alone, so these move on the Grassmannian, where the polar
factor of a tangent is a tangent. `polar` scales columns first and needs four iterations instead of five
(Turbo-Muon, Boissin et al., arXiv 2512.04632). All other parameters are AdamW's. Everything is in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lard.detect.config import MuonSpec
from lard.detect.ortho import OrthoConv2d

QUINTICS = (
    (3.9505, -6.3029, 2.6377),
    (3.7418, -5.5913, 2.3037),
    (2.8769, -3.1427, 1.2046),
    (2.8366, -3.0525, 1.2012),
)
"""a, b, c of a s + b s³ + c s⁵, one after the other: singular values from 0.03 to 1 come within 0.03 of 1."""
_TINY = 1e-30


def along_stiefel(point: Tensor, step: Tensor) -> Tensor:
    """The part of a step that leaves the columns orthonormal to first order: (..., n, m), (..., n, m)."""
    product = point.mT @ step
    return step - point @ (0.5 * (product + product.mT))


def along_grassmann(point: Tensor, step: Tensor) -> Tensor:
    """The part of a step that moves the range of the columns: (..., n, m), (..., n, m)."""
    return step - point @ (point.mT @ step)


def polar(matrix: Tensor) -> Tensor:
    """Nearly orthonormal columns along those of (..., n, m <= n): singular values near 1, zeros stay zero.

    Column j is first divided by the root of the sum of |column j . column k| over k, after which the spectral
    norm is at most 1 (Prach and Lampert, ECCV 2022, theorem 1).
    """
    gram = matrix.mT @ matrix
    scale = gram.abs().sum(dim=-1).clamp(min=_TINY).rsqrt()
    x = matrix * scale[..., None, :]
    for a, b, c in QUINTICS:
        gram = x.mT @ x
        x = a * x + x @ (b * gram + c * (gram @ gram))
    return x


class Muon(torch.optim.AdamW):
    """AdamW whose groups with a `turn` hold orthogonal matrices, (n, m) or (k, n, m), and move as above.

    Their rate is `turn` times the group's `lr`; `along` says which of the two projections is theirs.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step of all groups that have gradients; the caller retracts."""
        turned = []
        for group in self.param_groups:
            if "turn" in group:
                held = [raw for raw in group["params"] if raw.grad is not None]
                turned.append((group, held, [raw.grad for raw in held]))
                for raw in held:
                    raw.grad = None  # AdamW leaves alone what has no gradient
        loss = super().step(closure)
        for group, held, pulls in turned:
            for raw, pull in zip(held, pulls, strict=True):
                raw.grad = pull
            self._turn(group, held)
        return loss

    def _turn(self, group: dict[str, Any], raws: Sequence[Tensor]) -> None:
        """Move the matrices of a group, those of one shape by one batched product."""
        shapes: dict[torch.Size, list[Tensor]] = {}
        for raw in raws:
            shapes.setdefault(raw.shape[-2:], []).append(raw)
        along: Callable[[Tensor, Tensor], Tensor] = group["along"]
        kept, rate = group["momentum"], group["turn"] * group["lr"]
        for alike in shapes.values():
            point = _stacked(alike)
            pull = along(point, _stacked([raw.grad for raw in alike]))
            before = _stacked([self.state[raw].get("momentum", torch.zeros_like(raw)) for raw in alike])
            momentum = kept * along(point, before) + pull
            moved = point - rate * along(point, polar(pull + kept * momentum))
            counts = [raw.shape[0] if raw.ndim == 3 else 1 for raw in alike]
            for raw, new, held in zip(alike, moved.split(counts), momentum.split(counts), strict=True):
                raw.copy_(new.view_as(raw))
                state = self.state[raw]
                state["momentum"] = held.reshape(raw.shape).clone()
                state["step"] = state.get("step", torch.zeros(())) + 1  # AdamW loads no state without one


def _stacked(matrices: Iterable[Tensor | None]) -> Tensor:
    """All matrices (n, m) and stacks of them (k, n, m) on one axis."""
    return torch.cat([one.view(-1, *one.shape[-2:]) for one in matrices if one is not None])


def optimiser_of(
    net: nn.Module, rate: float, weight_decay: float, muon: MuonSpec | None
) -> tuple[torch.optim.AdamW, list[nn.Parameter]]:
    """AdamW, or with numbers for it Muon, of all parameters, and these in their order.

    Kernels alone decay; orthogonal matrices do not.
    """
    layers = [layer for layer in net.modules() if isinstance(layer, OrthoConv2d)] if muon else []
    mixes, planes = [layer.mix for layer in layers], [layer.planes for layer in layers]
    apart = {id(raw) for raw in (*mixes, *planes)}
    rest = [parameter for parameter in net.parameters() if id(parameter) not in apart]
    kernels = [parameter for parameter in rest if parameter.ndim == 4]
    others = [parameter for parameter in rest if parameter.ndim != 4]
    groups: list[dict[str, Any]] = [
        {"params": kernels, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if muon is None:
        return torch.optim.AdamW(groups, lr=rate), kernels + others
    for raws, along in ((mixes, along_stiefel), (planes, along_grassmann)):
        turning = {"turn": muon.turn / rate, "momentum": muon.momentum, "along": along}
        groups.append({"params": raws, "weight_decay": 0.0, **turning})
    return Muon(groups, lr=rate), kernels + others + mixes + planes
