"""The two detectors: a plain FCOS and one whose logits are 1-Lipschitz in the pixels.

Both see pixels in [0, 1], work at strides 4, 8, 16 (and 32) and answer with one logit per location, the
distances to the four sides of the box and, in the plain model only, a centerness logit.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lard.detect.config import ModelSpec
from lard.detect.ortho import HalfUpsample, MaxMin, OrthoConv2d

PRIOR = 0.01
REGRESSION_GAIN = 4.0
LEAST_DEVIATION = 0.03
"""A frame of less contrast is not raised to more: the largest gain of the normaliser is its inverse."""


Net = TypeVar("Net", bound=nn.Module)


class Level(NamedTuple):
    """Answers of one pyramid level: logits (b, 1, h, w), distances in px (b, 4, h, w), centerness or None."""

    logits: Tensor
    distances_px: Tensor
    centerness: Tensor | None


def frame_statistics(images: Tensor) -> Tensor:
    """Mean of each channel and the deviation of all pixels from these means: (b, 3, h, w) -> (b, 4)."""
    mean = images.mean(dim=(2, 3))
    spread = (images - mean[:, :, None, None]).square().mean(dim=(1, 2, 3)).sqrt()
    return torch.cat((mean, spread[:, None]), dim=1)


def build(spec: ModelSpec, exported: bool = False) -> Detector:
    """The untrained network of a model; exported: orthogonal layers are ordinary convolutions."""
    return LipschitzFcos(spec, exported) if spec.family == "lip-fcos" else PlainFcos(spec)


class Detector(nn.Module):
    """What both families share: the regression branch and the scores."""

    spec: ModelSpec

    def forward(self, images: Tensor, frames: Tensor | None = None) -> list[Level]:
        """(b, 3, h, w) in [0, 1], h and w multiples of the coarsest stride -> one Level per stride.

        `frames` (b, 4) are the statistics of the whole frames when images are crops of them.
        """
        raise NotImplementedError

    def centred(self, images: Tensor, frames: Tensor | None) -> Tensor:
        """Pixels about their zero: mid grey or, in a model that normalises, the mean of their frame."""
        if not self.spec.normalise:
            return images - 0.5
        if frames is None:
            frames = frame_statistics(images)
        mean, deviation = frames[:, :3, None, None], frames[:, 3, None, None, None]
        return (images - mean) / deviation.clamp(min=LEAST_DEVIATION)

    def scores(self, level: Level) -> Tensor:
        """Detection scores in [0, 1] of one level: (b, 1, h, w)."""
        score = torch.sigmoid(level.logits * self.spec.temperature)
        return score if level.centerness is None else torch.sqrt(score * torch.sigmoid(level.centerness))


def conv_unit(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, batch normalisation, ReLU."""
    conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """Two 3x3 convolutions around an identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv_unit(channels, channels)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Same shape out as in."""
        return F.relu(x + self.second(self.first(x)))


class Regression(nn.Module):
    """Distances to the box sides, shared by the levels with a scale and normalisation each; not Lipschitz."""

    def __init__(self, channels: int, towers: int, strides_px: tuple[int, ...], centerness: bool) -> None:
        super().__init__()
        self.strides_px = strides_px
        self.tower = Tower(channels, towers, len(strides_px))
        self.box = nn.Conv2d(channels, 4, 3, 1, 1)
        self.centre = nn.Conv2d(channels, 1, 3, 1, 1) if centerness else None
        self.scales = nn.Parameter(torch.ones(len(strides_px)))

    def forward(self, feature: Tensor, level: int) -> tuple[Tensor, Tensor | None]:
        """(b, c, h, w) of one level -> distances in px (b, 4, h, w) and centerness logits."""
        feature = self.tower(feature, level)
        distances = F.softplus(self.box(feature).float() * self.scales[level]) * self.strides_px[level]
        return distances, None if self.centre is None else self.centre(feature)


class Tower(nn.Module):
    """3x3 convolutions shared by the levels; each level has its own batch normalisation."""

    def __init__(self, channels: int, depth: int, levels: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, 1, 1, bias=False) for _ in range(depth))
        self.norms = nn.ModuleList(
            nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(levels)) for _ in range(depth)
        )

    def forward(self, x: Tensor, level: int) -> Tensor:
        """Same shape out as in."""
        for conv, norms in zip(self.convs, self.norms, strict=True):
            assert isinstance(norms, nn.ModuleList)
            x = F.relu(norms[level](conv(x)))
        return x


def plain_trunk(spec: ModelSpec) -> tuple[nn.Sequential, nn.ModuleList]:
    """Stem and stages of the plain models."""
    widths = spec.widths
    stem = nn.Sequential(nn.PixelUnshuffle(2), conv_unit(12, widths[0]))
    stem.extend(Residual(widths[0]) for _ in range(spec.depths[0] - 1))
    stages = nn.ModuleList()
    for inputs, outputs, depth in zip(widths, widths[1:], spec.depths[1:], strict=False):
        blocks = [conv_unit(inputs, outputs, 2), *(Residual(outputs) for _ in range(depth))]
        stages.append(nn.Sequential(*blocks))
    return stem, stages


class PlainFcos(Detector):
    """Convolutions with batch normalisation and residual blocks, a summing pyramid, decoupled heads."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        strides = spec.strides_px
        self.stem, self.stages = plain_trunk(spec)
        self.laterals = nn.ModuleList(nn.Conv2d(width, spec.pyramid, 1) for width in spec.widths[1:])
        self.smooth = nn.ModuleList(conv_unit(spec.pyramid, spec.pyramid) for _ in strides)
        self.tower = Tower(spec.pyramid, spec.towers, len(strides))
        self.objectness = nn.Conv2d(spec.pyramid, 1, 3, 1, 1)
        self.regression = Regression(spec.pyramid, spec.towers, strides, centerness=True)
        nn.init.normal_(self.objectness.weight, std=0.01)
        nn.init.constant_(_bias(self.objectness), -math.log(1 / PRIOR - 1))

    def forward(self, images: Tensor, frames: Tensor | None = None) -> list[Level]:
        """See Detector."""
        x = self.stem(self.centred(images, frames) * (1.0 if self.spec.normalise else 4.0))
        answers = []
        for index, feature in enumerate(summed_pyramid(x, self.stages, self.laterals)):
            feature = self.smooth[index](feature)
            distances, centerness = self.regression(feature, index)
            answers.append(Level(self.objectness(self.tower(feature, index)), distances, centerness))
        return answers


def summed_pyramid(x: Tensor, stages: nn.ModuleList, laterals: nn.ModuleList) -> list[Tensor]:
    """Features of the stages after the stem's, finest first, each with what the coarser ones add to it."""
    features = []
    for stage in stages:
        x = stage(x)
        features.append(x)
    pyramid = [laterals[-1](features[-1])]
    for feature, lateral in zip(features[-2::-1], list(laterals)[-2::-1], strict=True):
        above = F.interpolate(pyramid[0], scale_factor=2, mode="nearest")
        pyramid.insert(0, lateral(feature) + above)
    return pyramid


class LipschitzTrunk(Detector):
    """Orthogonal convolutions and MaxMin from the pixels to the stages, without residuals or averages.

    Every feature goes one way only: half of a stage's channels to its pyramid level, half to the next stage.
    The map from pixels to all that leaves the trunk is therefore 1-Lipschitz as a whole.
    """

    def __init__(self, spec: ModelSpec, exported: bool = False) -> None:
        super().__init__()
        self.spec, self.exported = spec, exported
        widths = spec.widths
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), self.conv(12, widths[0]), MaxMin())
        self.stem.extend(self.units(widths[0], spec.depths[0] - 1))
        self.stages = nn.ModuleList()
        for index, (outputs, depth) in enumerate(zip(widths[1:], spec.depths[1:], strict=True)):
            inputs = widths[0] if index == 0 else widths[index] // 2
            down = (self.conv(inputs, outputs, 2, 2), MaxMin())
            self.stages.append(nn.Sequential(*down, *self.units(outputs, depth)))

    def conv(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Module:
        """An orthogonal convolution, or the ordinary one that an exported network has in its place."""
        if self.exported:
            padding = (kernel - 1) // 2 if stride == 1 else 0
            return nn.Conv2d(inputs, outputs, kernel, stride, padding)
        return OrthoConv2d(inputs, outputs, kernel, stride)

    def units(self, channels: int, depth: int) -> list[nn.Module]:
        """So many 3x3 convolutions, each followed by MaxMin."""
        return [layer for _ in range(depth) for layer in (self.conv(channels, channels), MaxMin())]

    def joint(self, images: Tensor, frames: Tensor | None = None) -> list[Tensor]:
        """All certified answers, (b, c, h, w) each; together 1-Lipschitz in the centred pixels."""
        raise NotImplementedError

    def parted(self, images: Tensor, frames: Tensor | None) -> tuple[list[Tensor], Tensor]:
        """Laterals of all stages but the last, finest first, and all of the last one."""
        x = self.stem(self.centred(images, frames))
        laterals = []
        for stage in self.stages[:-1]:
            lateral, x = stage(x).chunk(2, dim=1)
            laterals.append(lateral)
        return laterals, self.stages[-1](x)


class LipschitzFcos(LipschitzTrunk):
    """A trunk whose merged levels go on by halves: one to the level's head, one down to the finer level.

    The map from pixels to *all* logits is 1-Lipschitz as a whole, and not only level by level.
    """

    def __init__(self, spec: ModelSpec, exported: bool = False) -> None:
        super().__init__(spec, exported)
        widths, strides, pyramid = spec.widths, spec.strides_px, spec.pyramid
        merges = []
        for index, width in enumerate(widths[1:]):
            coarsest, finest = index == len(strides) - 1, index == 0
            inputs = width if coarsest else width // 2 + pyramid
            merges.append(nn.Sequential(self.conv(inputs, pyramid if finest else 2 * pyramid), MaxMin()))
        self.merges = nn.ModuleList(merges)
        self.up = HalfUpsample()
        outputs = 5 if spec.certified_boxes else 1  # a logit, and a unit for each side of the box
        self.tower = nn.Sequential(*self.units(pyramid, spec.towers), self.conv(pyramid, outputs, 1))
        self.prior = nn.Parameter(torch.full((len(strides),), -math.log(1 / PRIOR - 1) / spec.temperature))
        if spec.certified_boxes:
            self.sides = nn.Parameter(torch.zeros(len(strides)))
        else:
            self.regression = Regression(pyramid, spec.towers, strides, centerness=False)

    def forward(self, images: Tensor, frames: Tensor | None = None) -> list[Level]:
        """See Detector."""
        pyramid = self.features(images, frames)
        answers = []
        for index, feature in enumerate(pyramid):
            answer = self.tower(feature)
            if self.spec.certified_boxes:
                sides = answer[:, 1:].float() * self.spec.box_gain + self.sides[index]
                distances = F.softplus(sides) * self.spec.strides_px[index]
            else:
                distances, _ = self.regression(feature * REGRESSION_GAIN, index)
            answers.append(Level(answer[:, :1] + self.prior[index], distances, None))
        return answers

    def joint(self, images: Tensor, frames: Tensor | None = None) -> list[Tensor]:
        """Logits, and with certified boxes their units, of each level (b, 1 or 5, h, w).

        All of them together are 1-Lipschitz in the centred pixels.
        """
        answers = []
        for index, feature in enumerate(self.features(images, frames)):
            answer = self.tower(feature)
            answers.append(torch.cat((answer[:, :1] + self.prior[index], answer[:, 1:]), dim=1))
        return answers

    def features(self, images: Tensor, frames: Tensor | None = None) -> list[Tensor]:
        """Pyramid features, finest first; jointly 1-Lipschitz in the centred pixels."""
        laterals, last = self.parted(images, frames)
        keep, down = self.merges[-1](last).chunk(2, dim=1)
        pyramid = [keep]
        for index in range(len(laterals) - 1, -1, -1):
            merged = self.merges[index](torch.cat((laterals[index], self.up(down)), dim=1))
            if index:
                keep, down = merged.chunk(2, dim=1)
            else:
                keep = merged
            pyramid.insert(0, keep)
        return pyramid


def channels_last(net: Net) -> Net:
    """The same network with kernels stored channels last, in place; convolutions are quicker so."""
    for parameter in net.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return net


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None
    return conv.bias
