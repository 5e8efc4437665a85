"""Orthogonal convolutions: block-convolution kernels kept orthogonal by a retraction after each step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class OrthoConv2d(nn.Module):
    """A zero-padded convolution of spectral norm at most 1 in L2.

    kernel == stride reshapes the image into patches (a semi-orthogonal matrix per patch, exact); stride 1
    composes kernel - 1 pairs of vertical and horizontal two-tap projector filters with a 1x1 matrix (BCOP).
    The raw matrices are used as they are; `retract` pulls them back to the orthogonal ones.
    """

    held: Tensor | None = None
    """The kernel of all passes of a step, composed once (held_kernels); None: composed in each."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        if stride not in (1, kernel):
            raise ValueError(
                f"stride {stride} of an orthogonal convolution must be 1 or the kernel size {kernel}"
            )
        self.in_channels, self.out_channels, self.kernel, self.stride = (
            in_channels,
            out_channels,
            kernel,
            stride,
        )
        taps = kernel if stride == 1 else 1
        rows, columns = out_channels, in_channels * (stride * stride)
        wide, narrow = max(rows, columns), min(rows, columns)
        self.mix = nn.Parameter(orthonormal(torch.randn(wide, narrow)))
        planes = torch.randn(2 * (taps - 1), wide, wide // 2)
        self.planes = nn.Parameter(orthonormal(planes) if taps > 1 else planes)
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.padding = (kernel - 1) // 2 if stride == 1 else 0

    def weight(self) -> Tensor:
        """The realised kernel (out, in, k, k)."""
        kernel = self.mix[:, :, None, None]
        for index, plane in enumerate(self.planes):
            flat = kernel.flatten(1)
            onto = (plane @ (plane.T @ flat)).view_as(kernel)
            vertical = index % 2 == 0
            late, early = ((0, 0, 0, 1), (0, 0, 1, 0)) if vertical else ((0, 1, 0, 0), (1, 0, 0, 0))
            kernel = F.pad(onto, late) + F.pad(kernel - onto, early)
        columns = self.in_channels * self.stride * self.stride
        if self.out_channels < columns:  # the transpose of an isometry shrinks, and is 1-Lipschitz as well
            kernel = kernel.transpose(0, 1)
        if self.stride > 1:
            kernel = kernel.reshape(self.out_channels, self.in_channels, self.stride, self.stride)
        return kernel

    def forward(self, x: Tensor) -> Tensor:
        """(b, in, h, w) -> (b, out, h / stride, w / stride)."""
        weight = self.held
        if weight is None:
            with torch.autocast(x.device.type, enabled=False):  # half precision would spoil orthogonality
                weight = self.weight()
        if x.is_contiguous(memory_format=torch.channels_last):
            weight = weight.contiguous(memory_format=torch.channels_last)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)

    @torch.no_grad()
    def retract(self) -> None:
        """One Newton-Schulz step of every raw matrix towards its nearest orthonormal one."""
        for raw in (self.mix, self.planes):
            if raw.numel():
                raw.copy_(newton_schulz(raw))

    @torch.no_grad()
    def to_plain(self) -> nn.Conv2d:
        """The same layer as an ordinary convolution, its kernel orthogonalised in float64."""
        exact = OrthoConv2d(self.in_channels, self.out_channels, self.kernel, self.stride).double()
        exact.mix.copy_(orthonormal(self.mix.double()))
        if self.planes.numel():
            exact.planes.copy_(orthonormal(self.planes.double()))
        plain = nn.Conv2d(self.in_channels, self.out_channels, self.kernel, self.stride, self.padding)
        plain.weight.copy_(exact.weight())
        assert plain.bias is not None
        plain.bias.copy_(self.bias)
        return plain


@contextlib.contextmanager
def held_kernels(net: nn.Module) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
    """Compose each orthogonal kernel once for all passes within.

    Yields the kernels as the raw matrices give them, and as the passes see them: leaves of their own, whose
    gradients are then to be taken back through the former.
    """
    layers = [module for module in net.modules() if isinstance(module, OrthoConv2d)]
    made = [layer.weight() for layer in layers]
    seen = [kernel.detach().requires_grad_() for kernel in made]
    try:
        for layer, kernel in zip(layers, seen, strict=True):
            layer.held = kernel
        yield made, seen
    finally:
        for layer in layers:
            layer.held = None


@torch.no_grad()
def factors(layer: OrthoConv2d, kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Raw matrices `mix` and `planes`, in float64, of an orthogonal layer with this kernel (out, in, k, k).

    Undoes the composition from its last two-tap filter on: P x on one tap and (x - P x) on the next, so that
    the first and last taps of the kernel lie in the ranges of P and of its complement. Where the kernel
    leaves directions open any choice gives the same kernel; a kernel of no such layer gives another one.
    """
    rest = kernel.double()
    if layer.stride > 1:
        rest = rest.reshape(layer.out_channels, -1, 1, 1)
    if layer.out_channels < layer.in_channels * layer.stride * layer.stride:
        rest = rest.transpose(0, 1)
    planes = torch.empty_like(layer.planes, dtype=torch.float64)
    for index in reversed(range(len(planes))):
        axis = 2 if index % 2 == 0 else 3
        taps = rest.shape[axis]
        first, last = rest.select(axis, 0).flatten(1), rest.select(axis, taps - 1).flatten(1)
        plane = torch.linalg.eigh(first @ first.mT - last @ last.mT).eigenvectors[:, -planes.shape[2] :]
        onto = (plane @ (plane.mT @ rest.flatten(1))).view_as(rest)
        rest = onto.narrow(axis, 0, taps - 1) + (rest - onto).narrow(axis, 1, taps - 1)
        planes[index] = plane
    return orthonormal(rest[:, :, 0, 0]), planes


def newton_schulz(raw: Tensor) -> Tensor:
    """1.5 W - 0.5 W Wᵀ W on the last two axes: pulls singular values in (0, sqrt 3) towards 1."""
    return 1.5 * raw - 0.5 * raw @ (raw.mT @ raw)


@torch.no_grad()
def orthonormal(raw: Tensor) -> Tensor:
    """The nearest matrices with orthonormal columns (polar factor), by SVD: (..., n, m <= n)."""
    left, _, right = torch.linalg.svd(raw, full_matrices=False)
    return left @ right


@torch.no_grad()
def retract_all(net: nn.Module) -> None:
    """Retract every orthogonal convolution; raw matrices of one shape go through one batched product."""
    groups: dict[torch.Size, list[Tensor]] = {}
    for module in net.modules():
        if isinstance(module, OrthoConv2d):
            for raw in (module.mix, *module.planes):
                groups.setdefault(raw.shape, []).append(raw)
    for raws in groups.values():
        for raw, pulled in zip(raws, newton_schulz(torch.stack(raws)), strict=True):
            raw.copy_(pulled)


class MaxMin(nn.Module):
    """Sorts channel pairs within each half, so that a split keeps both kinds; an isometry."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c, h, w), c a multiple of 4."""
        a, b, c, d = x.chunk(4, dim=1)
        first, second = F.relu(a - b), F.relu(c - d)  # cheaper backward than max and min
        return torch.cat((b + first, a - first, d + second, c - second), dim=1)


class HalfUpsample(nn.Module):
    """Nearest-neighbour upsampling by 2, halved: an exact isometry."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c, 2 h, 2 w)."""
        return 0.5 * F.interpolate(x, scale_factor=2, mode="nearest")
