"""Batch normalisation over a whole batch whose parts are computed apart, on any number of processes.

Each part brings its mean and variance, equally weighted as all parts are of one size; in the backward pass
the two sums that the gradient of mean and variance needs. Ioffe and Szegedy, "Batch normalization" (ICML
2015); what it does to shares of a batch, and why they are joined: Peng et al., "MegDet" (CVPR 2018).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lard.detect.crew import in_order
from lard.detect.fcos import Net
from lard.detect.lockstep import Lockstep


class PartedNorm(nn.BatchNorm2d):
    """The batch normalisation of a network whose parts of a batch run in step; else an ordinary one."""

    def __init__(self, norm: nn.BatchNorm2d, together: Lockstep) -> None:
        super().__init__(
            norm.num_features, norm.eps, norm.momentum, device=norm.weight.device, dtype=norm.weight.dtype
        )
        self.load_state_dict(norm.state_dict())
        self.together = together

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) of one part -> the same, by the statistics of the whole batch."""
        if not (self.training and self.together.running):
            return super().forward(x)
        count = x.numel() // x.shape[1]
        brought = torch.stack(_statistics(x.detach()))
        mean, variance = self.together.meet(brought, lambda table: self._followed(table, count))
        normalised: Tensor = _Normalised.apply(x, self.weight, self.bias, mean, variance, self)
        return normalised

    @torch.no_grad()
    def _followed(self, table: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Mean and variance (c,) of a batch, which the running ones follow, from its parts' (p, 2, c).

        count: values of each channel of a part.
        """
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        means, variances = table.unbind(dim=1)
        parts = len(table)
        mean = in_order(means) / parts
        variance = in_order(variances + (means - mean).square()) / parts
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (parts * count / max(1, parts * count - 1)), self.momentum)
        self.num_batches_tracked += 1
        return mean, variance


class _Normalised(torch.autograd.Function):
    """Weight and bias on values of zero mean and unit variance, with the gradient of these two."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, norm: PartedNorm
    ) -> Tensor:
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.norm = norm
        return torch.batch_norm(x, weight, bias, mean, variance, False, 0.0, norm.eps, False)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, variance = ctx.saved_tensors
        norm: PartedNorm = ctx.norm
        inverse = torch.rsqrt(variance + norm.eps)
        straight, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, mean, variance, mean, inverse, False, norm.eps, [True, True, True]
        )  # as if mean and variance were constants
        count = x.numel() // x.shape[1]
        along, level = norm.together.meet(
            torch.stack((of_weight, of_bias)),
            lambda table: (in_order(table) * (-weight * inverse / (len(table) * count))).unbind(),
        )
        # level + along * normalised, by the kernel that computes in float32 whatever x is of
        straight += torch.batch_norm(x, along, level, mean, variance, False, 0.0, norm.eps, False)
        return straight, of_weight, of_bias, None, None, None


def _statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance (c,) in at least float32 of the channels of (b, c, h, w)."""
    kind = torch.promote_types(x.dtype, torch.float32)
    if x.device.type != "cpu":
        variance, mean = torch.var_mean(x.to(kind), dim=(0, 2, 3), correction=0)
        return mean, variance
    unused = x.new_zeros(2, x.shape[1], dtype=kind)  # the answers have their type
    mean, variance = torch.ops.aten.batch_norm_update_stats(x, unused[0], unused[1], 0.1)
    return mean, variance


def in_parts(net: Net, together: Lockstep, compiled: bool = False) -> Net:
    """The network with its batch normalisations joined over all parts of a batch, in place.

    compiled: it is to be compiled around them, since no compiler sees what other processes bring.
    """
    for module in list(net.modules()):
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm2d:
                norm = PartedNorm(child, together)
                setattr(module, name, torch.compiler.disable(norm) if compiled else norm)
    return net
