"""Two corner networks, plain and 1-Lipschitz: a window about a runway to one heat map per corner.

Corners are read from the maps by integral regression (Sun et al., ECCV 2018): the mean place under the
softmax of a map, which is finer than its cells.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lard.detect.corner_spec import CornerSpec
from lard.detect.fcos import Residual, conv_unit
from lard.detect.ortho import HalfUpsample, MaxMin, OrthoConv2d

CORNERS = 4
FIRST_GAIN = {"corners": 1.0, "lip-corners": 40.0}
"""Of maps before the softmax; what training makes of it is in the checkpoint."""


class Reading(NamedTuple):
    """Corners (b, 4, 2) in px of the window, logits (b, 4) that they are in it, log-shares (b, 4, cells)."""

    corners_px: Tensor
    presence: Tensor
    log_shares: Tensor


def build_corners(spec: CornerSpec, exported: bool = False) -> CornerNet:
    """The untrained network of a corner model; exported: orthogonal layers are ordinary convolutions."""
    return LipschitzCorners(spec, exported) if spec.family == "lip-corners" else PlainCorners(spec)


class CornerNet(nn.Module):
    """What both families share: how corners are read from heat maps."""

    def __init__(self, spec: CornerSpec) -> None:
        super().__init__()
        self.spec = spec
        self.log_gain = nn.Parameter(torch.tensor(math.log(FIRST_GAIN[spec.family])))
        self.prior = nn.Parameter(torch.zeros(CORNERS))

    def forward(self, windows: Tensor) -> Tensor:
        """(b, 3, s, s) in [0, 1], s a multiple of 8 -> heat maps (b, 4, s / 2, s / 2) before the gain."""
        raise NotImplementedError

    def read(self, maps: Tensor, sharpness: float = 1.0) -> Reading:
        """Corners and presence from heat maps (b, 4, rows, columns).

        Presence is the log-sum-exp of a map, which is as Lipschitz as the map: a corner that is not there
        leaves all of it low. A sharpness above 1 weakens the pull of faint places far from the peak.
        """
        flat = maps.float().flatten(2) * self.log_gain.exp()
        rows, columns = maps.shape[2:]
        stride = self.spec.strides_px[0]
        y = (torch.arange(rows, device=flat.device, dtype=flat.dtype) + 0.5) * stride
        x = (torch.arange(columns, device=flat.device, dtype=flat.dtype) + 0.5) * stride
        level = torch.logsumexp(flat, dim=2)
        log_shares = flat - level[..., None]
        shares = torch.softmax(flat * sharpness, dim=2).view(*maps.shape)
        corners = torch.stack(((shares.sum(2) * x).sum(2), (shares.sum(3) * y).sum(2)), dim=2)
        return Reading(corners, level - math.log(rows * columns) + self.prior, log_shares)


class PlainCorners(CornerNet):
    """Convolutions with batch normalisation and residual blocks, finer features added on the way up."""

    def __init__(self, spec: CornerSpec) -> None:
        super().__init__(spec)
        first, widths, depths = spec.widths[0], spec.widths, spec.depths
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), conv_unit(12, first))
        self.stem.extend(Residual(first) for _ in range(depths[0]))
        self.stages = nn.ModuleList(
            nn.Sequential(conv_unit(inputs, outputs, 2), *(Residual(outputs) for _ in range(depth)))
            for inputs, outputs, depth in zip(widths, widths[1:], depths[1:], strict=False)
        )
        self.laterals = nn.ModuleList(nn.Conv2d(width, spec.merge, 1) for width in widths)
        self.smooth = nn.ModuleList(conv_unit(spec.merge, spec.merge) for _ in widths)
        self.head = nn.Conv2d(spec.merge, CORNERS, 3, 1, 1)

    def forward(self, windows: Tensor) -> Tensor:
        """See CornerNet."""
        features = [self.stem((windows - 0.5) * 4.0)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        merged = self.smooth[-1](self.laterals[-1](features[-1]))
        for index in (1, 0):
            finer = self.laterals[index](features[index])
            merged = self.smooth[index](finer + F.interpolate(merged, scale_factor=2, mode="nearest"))
        heat: Tensor = self.head(merged)
        return heat


class LipschitzCorners(CornerNet):
    """Orthogonal convolutions and MaxMin from the pixels of the window to all four maps.

    Half of a stage's channels goes on, half up to the maps: each feature goes one way only, so that the map
    from pixels to all heat maps together is 1-Lipschitz. Gain, presence and corners follow in closed form.
    """

    def __init__(self, spec: CornerSpec, exported: bool = False) -> None:
        super().__init__(spec)
        first, second, third = spec.widths
        merge = spec.merge

        def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Module:
            if exported:
                padding = (kernel - 1) // 2 if stride == 1 else 0
                return nn.Conv2d(inputs, outputs, kernel, stride, padding)
            return OrthoConv2d(inputs, outputs, kernel, stride)

        def units(channels: int, depth: int) -> list[nn.Module]:
            return [layer for _ in range(depth) for layer in (conv(channels, channels), MaxMin())]

        self.stem = nn.Sequential(
            nn.PixelUnshuffle(2), conv(12, first), MaxMin(), *units(first, spec.depths[0])
        )
        self.stages = nn.ModuleList(
            nn.Sequential(conv(inputs // 2, outputs, 2, 2), MaxMin(), *units(outputs, depth))
            for inputs, outputs, depth in zip((first, second), (second, third), spec.depths[1:], strict=True)
        )
        self.merges = nn.ModuleList(
            nn.Sequential(conv(inputs, outputs), MaxMin())
            for inputs, outputs in ((first // 2 + 2 * merge, merge), (second // 2 + third, 2 * merge))
        )
        self.up = HalfUpsample()
        self.tower = nn.Sequential(*units(merge, 1), conv(merge, CORNERS, 1))

    def forward(self, windows: Tensor) -> Tensor:
        """See CornerNet."""
        lateral, x = self.stem(windows - 0.5).chunk(2, dim=1)
        laterals = [lateral]
        lateral, x = self.stages[0](x).chunk(2, dim=1)
        laterals.append(lateral)
        x = self.stages[1](x)
        for index in (1, 0):
            x = self.merges[index](torch.cat((laterals[index], self.up(x)), dim=1))
        heat: Tensor = self.tower(x)
        return heat

    def joint(self, windows: Tensor, frames: Tensor | None = None) -> list[Tensor]:
        """All that is certified, as audits ask for it; windows are not normalised, `frames` says nothing."""
        return [self(windows)]


def corner_gain_px(net: CornerNet, input_px: int) -> float:
    """How far a coordinate of a corner moves at most, in px of the window, per unit of L2 of the heat maps.

    The mean place m = sum s_i x_i under a softmax s of gain t, the trained one times the sharpness, has
    dm/dz_i = t s_i (x_i - m). With d = x - m, the parts above and below the mean weigh E|d| / 2 each, and
    E|d| <= r / 2 for places within a range r, so sum (s_i d_i)^2 <= max(s_i |d_i|) * E|d| <= r / 4 * r / 2:
    at most t r / sqrt(8).
    """
    reach = input_px - net.spec.strides_px[0]  # between the centres of the outermost cells
    return float(net.log_gain.detach().exp()) * net.spec.sharpness * reach / math.sqrt(8)
