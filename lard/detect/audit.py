"""Rigorous Lipschitz constants: every layer is measured, and a layer that cannot be is refused."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lard.detect.fcos import LEAST_DEVIATION
from lard.detect.ortho import HalfUpsample, MaxMin, OrthoConv2d
from lard.detect.wiring import Certified, check_wiring
from lard.errors import ModelError

MAX_TAPS = 8
GRID = 64
NEARLY_ORTHOGONAL = 1.001


@dataclass(frozen=True, slots=True)
class LipschitzBound:
    """L2 Lipschitz constant from pixels in [0, 1] to all logits together, and the factor of each layer.

    Box units of a model with certified boxes are among what is bounded, by the same constant.

    `network` is that of the layers alone: a normaliser of frames comes before them, whose gain at a picture
    is smaller than the largest it can have, which is part of `constant`.
    """

    constant: float
    layers: tuple[tuple[str, str, float], ...]
    network: float

    def to_json(self) -> dict[str, Any]:
        """The derivation as it is stored in a checkpoint."""
        return {
            "L": self.constant,
            "norm": "L2, pixels in [0, 1] to the concatenated logits of all levels",
            "rule": "product of max(1, layer bound); disjoint splits and concatenations count once",
            "layers": [{"name": name, "kind": kind, "bound": bound} for name, kind, bound in self.layers],
        }


def conv_bound(conv: nn.Conv2d) -> float:
    """Upper bound on the spectral norm of a zero-padded convolution, for pictures of any size.

    A strided kernel is rewritten as a stride-1 kernel on the pixel-unshuffled picture. Zero padding restricts
    the operator of the infinite grid, whose norm is the largest singular value of the transfer function K(w)
    over all frequencies; a torus of n + k - 1 cells samples K on its own frequencies only. Two bounds hold at
    every w and the smaller is taken, both in float64: the largest sample on a grid of frequencies times what
    a trigonometric polynomial can gain between samples, and the summed norms of the coefficients of
    K(w)* K(w), which for an orthogonal kernel are those of the identity and of rounding errors.
    """
    if conv.padding_mode != "zeros":
        raise ModelError(f"padding mode {conv.padding_mode!r} amplifies borders; use zeros")
    if conv.groups != 1 or conv.dilation != (1, 1) or conv.stride[0] != conv.stride[1]:
        raise ModelError("grouped, dilated or unevenly strided convolutions are not covered by the audit")
    kernel = polyphase(conv.weight.detach().double().cpu(), int(conv.stride[0]))
    taps = max(kernel.shape[2:])
    if taps > MAX_TAPS:
        raise ModelError(f"kernels of more than {MAX_TAPS} taps per side are not covered by the audit")
    if taps == 1:
        return float(torch.linalg.matrix_norm(kernel[:, :, 0, 0], ord=2))
    summed = float(torch.linalg.matrix_norm(autocorrelation(kernel), ord=2).sum())
    if summed <= NEARLY_ORTHOGONAL:
        return summed**0.5
    spectrum = torch.fft.fft2(kernel, s=(GRID, GRID)).permute(2, 3, 0, 1)
    sampled = float(torch.linalg.matrix_norm(spectrum, ord=2).max()) ** 2 * between_samples(taps)
    return min(sampled, summed) ** 0.5


def autocorrelation(kernel: Tensor) -> Tensor:
    """Coefficients of K(w)* K(w), or of K(w) K(w)* where that is smaller: (o, i, k, k) -> ((2k-1)², c, c)."""
    size = 2 * max(kernel.shape[2:]) - 1  # as many frequencies as coefficients: the transform is exact
    spectrum = torch.fft.fft2(kernel, s=(size, size)).permute(2, 3, 0, 1)
    gram = spectrum @ spectrum.mH if kernel.shape[0] <= kernel.shape[1] else spectrum.mH @ spectrum
    return torch.fft.ifft2(gram, dim=(0, 1)).flatten(0, 1)


def between_samples(taps: int) -> float:
    """How much |u* K(w) v|² can exceed its largest sample, for unit vectors u, v and a kernel of taps x taps.

    Per axis it is a real trigonometric polynomial of degree d = taps - 1, which stays below its largest of n
    equally spaced samples divided by cos(pi d / n).
    """
    return 1.0 / math.cos(math.pi * (taps - 1) / GRID) ** 2


def polyphase(kernel: Tensor, stride: int) -> Tensor:
    """The stride-1 kernel on pixel-unshuffled pictures of a strided one: (o, i, k, k) -> (o, i s s, m, m)."""
    if stride == 1:
        return kernel
    pad = -kernel.shape[-1] % stride
    kernel = F.pad(kernel, (0, pad, 0, pad))
    out, channels, rows, columns = kernel.shape
    kernel = kernel.reshape(out, channels, rows // stride, stride, columns // stride, stride)
    return kernel.permute(0, 1, 3, 5, 2, 4).reshape(
        out, channels * stride * stride, rows // stride, columns // stride
    )


_ISOMETRIC = (MaxMin, HalfUpsample, nn.PixelUnshuffle, nn.PixelShuffle, nn.ReLU, nn.Identity)
"""Layers that no distance grows through: permutations, isometries and a projection."""


def layer_bound(layer: nn.Module) -> float:
    """Lipschitz bound of one layer; raise ModelError for a kind that has none here."""
    if isinstance(layer, OrthoConv2d):
        return conv_bound(layer.to_plain())
    if isinstance(layer, nn.Conv2d):
        return conv_bound(layer)
    if isinstance(layer, _ISOMETRIC):
        return 1.0
    if isinstance(layer, nn.MaxPool2d):
        if layer.kernel_size != layer.stride or layer.padding != 0 or layer.dilation != 1:
            raise ModelError("overlapping max-pooling counts a pixel several times; use kernel size = stride")
        return 1.0
    if isinstance(layer, nn.Upsample):
        raise ModelError(
            f"{layer.mode} upsampling by {layer.scale_factor} is not 1-Lipschitz; use HalfUpsample"
        )
    raise ModelError(f"{type(layer).__name__} has no Lipschitz bound here; replace it by an audited layer")


def bound_of(layers: list[tuple[str, nn.Module]], allowed: float) -> LipschitzBound:
    """Product of the bounds of layers in sequence; raise ModelError naming every layer above `allowed`."""
    rows, faults, constant = [], [], 1.0
    for name, layer in layers:
        try:
            bound = layer_bound(layer)
        except ModelError as error:
            faults.append(f"{name}: {error}")
            continue
        if not bound <= allowed:
            faults.append(
                f"{name}: Lipschitz bound {bound:.6f}, expected at most {allowed}; retract its kernel"
            )
        rows.append((name, type(layer).__name__.replace("OrthoConv2d", "Conv2d"), bound))
        constant *= max(1.0, bound)
    if faults:
        raise ModelError("\n".join(faults))
    return LipschitzBound(constant, tuple(rows), constant)


CERTIFIED = ("stem", "stages", "merges", "up", "tower")
"""Parts of a Lipschitz detector between the pixels and the logits."""
FREE = ("regression",)
"""Parts that no logit depends on."""


def certified_layers(net: Certified) -> list[tuple[str, nn.Module]]:
    """Every layer between the pixels and the logits, by name; the regression branch is not among them."""
    strange = sorted(name for name, _ in net.named_children() if name not in (*CERTIFIED, *FREE))
    if strange:
        raise ModelError(f"{strange[0]}: a part that the audit does not know; audit it or leave it out")
    return [
        (f"{part}.{name}" if name else part, layer)
        for part in CERTIFIED
        for name, layer in getattr(net, part).named_modules()
        if not isinstance(layer, nn.Sequential | nn.ModuleList)
    ]


def audit(net: Certified, allowed: float = 1.001) -> LipschitzBound:
    """Lipschitz constant of all logits or heat maps in the pixels; ModelError when a layer spoils it.

    The product of the layers holds if each feature goes one way only, which is measured on the whole.
    """
    named = certified_layers(net)
    layers = bound_of(named, allowed)
    check_wiring(net, [name for name, _ in named], layers.network)
    if not net.spec.normalise:
        return layers
    gain = 1 / LEAST_DEVIATION
    row = ("centred", "Normaliser", gain)
    return LipschitzBound(layers.network * gain, (row, *layers.layers), layers.network)
