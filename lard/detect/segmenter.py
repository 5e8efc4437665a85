"""The twins of the detectors that answer with one logit for each pixel: of a runway, or of something else.

Both see pixels in [0, 1] and compute at the stride of the finest pyramid level, 4; each cell there answers
with 16 logits, which a pixel shuffle puts at the cell's own pixels. That is a permutation of values, so what
holds jointly for the cells holds jointly for the pixels.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lard.detect.config import ModelSpec
from lard.detect.decode import to_input
from lard.detect.fcos import (
    PRIOR,
    Detector,
    Level,
    LipschitzTrunk,
    build,
    conv_unit,
    plain_trunk,
    summed_pyramid,
)
from lard.detect.ortho import HalfUpsample, MaxMin
from lard.detect.precision import Precision, computed_in
from lard.errors import ModelError

CELL_PX = 4
"""Side of a cell of the finest level."""


def network_of(spec: ModelSpec, exported: bool = False) -> Detector:
    """The untrained network of a model of any family; exported: as ordinary convolutions."""
    if not spec.segments:
        return build(spec, exported)
    return LipschitzSegmenter(spec, exported) if spec.lipschitz else PlainSegmenter(spec)


class PlainSegmenter(Detector):
    """The plain trunk, a summing pyramid down to its finest level, and a logit for each pixel."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.stem, self.stages = plain_trunk(spec)
        self.laterals = nn.ModuleList(nn.Conv2d(width, spec.pyramid, 1) for width in spec.widths[1:])
        self.tower = nn.Sequential(*(conv_unit(spec.pyramid, spec.pyramid) for _ in range(spec.towers + 1)))
        last = nn.Conv2d(spec.pyramid, CELL_PX * CELL_PX, 1)
        nn.init.normal_(last.weight, std=0.01)
        nn.init.constant_(_bias(last), _rare(1.0))
        self.pixels = nn.Sequential(last, nn.PixelShuffle(CELL_PX))

    def forward(self, images: Tensor, frames: Tensor | None = None) -> list[Level]:
        """(b, 3, h, w) in [0, 1] -> one level of logits (b, 1, h, w), which has no boxes."""
        x = self.stem(self.centred(images, frames) * (1.0 if self.spec.normalise else 4.0))
        finest = summed_pyramid(x, self.stages, self.laterals)[0]
        return [_alone(self.pixels(self.tower(finest)))]


class LipschitzSegmenter(LipschitzTrunk):
    """A Lipschitz trunk whose merged levels go down whole, and a logit for each pixel.

    The finest level alone answers, so that nothing is kept back for others; the map from pixels to all
    logits is 1-Lipschitz as a whole.
    """

    def __init__(self, spec: ModelSpec, exported: bool = False) -> None:
        super().__init__(spec, exported)
        widths, pyramid = spec.widths, spec.pyramid
        self.merges = nn.ModuleList()
        for index, width in enumerate(widths[1:]):
            inputs = width if index == len(widths) - 2 else width // 2 + pyramid
            self.merges.append(nn.Sequential(self.conv(inputs, pyramid), MaxMin()))
        self.up = HalfUpsample()
        last = self.conv(pyramid, CELL_PX * CELL_PX, 1)
        nn.init.constant_(_bias(last), _rare(spec.temperature))
        self.tower = nn.Sequential(*self.units(pyramid, spec.towers), last, nn.PixelShuffle(CELL_PX))

    def forward(self, images: Tensor, frames: Tensor | None = None) -> list[Level]:
        """(b, 3, h, w) in [0, 1] -> one level of logits (b, 1, h, w), which has no boxes."""
        return [_alone(self.joint(images, frames)[0])]

    def joint(self, images: Tensor, frames: Tensor | None = None) -> list[Tensor]:
        """The logits (b, 1, h, w) of all pixels; together 1-Lipschitz in the centred pixels."""
        laterals, last = self.parted(images, frames)
        merged = self.merges[-1](last)
        for index in range(len(laterals) - 1, -1, -1):
            merged = self.merges[index](torch.cat((laterals[index], self.up(merged)), dim=1))
        return [self.tower(merged)]


@torch.inference_mode()
def segment(net: Detector, image: NDArray[np.uint8], precision: Precision = "float32") -> NDArray[np.float32]:
    """Logits (h, w) of the pixels of one RGB picture (h, w, 3); ModelError where one is not finite."""
    device = next(net.parameters()).device
    pixels = to_input(image, net.spec.strides_px[-1]).to(device, memory_format=torch.channels_last)
    with computed_in(precision, device.type):
        levels = net(pixels)
    return logits_in(levels, image.shape[:2])


def logits_in(levels: list[Level], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A segmenter's logits of one picture, those of the pixels that fill it up to whole cells left out."""
    logits = levels[0].logits[0, 0, : shape[0], : shape[1]].float().cpu().numpy()
    if not np.isfinite(logits).all():
        raise ModelError("answers with numbers that are not finite; train the model again")
    return np.ascontiguousarray(logits)


def _alone(logits: Tensor) -> Level:
    """A level of logits without boxes."""
    return Level(logits, logits.new_zeros(len(logits), 4, 0, 0), None)


def _rare(temperature: float) -> float:
    """The logit of a pixel of which nothing is known."""
    return -math.log(1 / PRIOR - 1) / temperature


def _bias(conv: nn.Module) -> Tensor:
    bias = conv.bias
    assert isinstance(bias, Tensor)
    return bias
