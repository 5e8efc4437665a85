"""How far around a location a network looks, by its structure alone."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn

from lard.detect.fcos import Detector

FIRST_SIDE_PX, LARGEST_SIDE_PX = 128, 8192


def receptive_margins(net: Detector) -> tuple[int, ...]:
    """For each level, px from a location's centre beyond which no pixel can move its score: an upper bound.

    A copy of the network whose kernels are all positive hands on every connection there is: where the
    gradient of its middle location is zero, the structure has none. In float64, since far ones are tiny.
    """
    probe = copy.deepcopy(net).double().eval()
    with torch.no_grad():
        for layer in probe.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.fill_(1 / layer.weight[0].numel())
                if layer.bias is not None:
                    layer.bias.zero_()
            elif isinstance(layer, nn.BatchNorm2d):
                nn.init.ones_(layer.weight)
                nn.init.zeros_(layer.bias)
                if layer.running_mean is not None and layer.running_var is not None:
                    layer.running_mean.zero_()
                    layer.running_var.fill_(1)
    side = FIRST_SIDE_PX
    while True:
        found = _margins(probe, side)
        if max(found) < side / 2 or side >= LARGEST_SIDE_PX:
            return found
        side *= 2


def _margins(probe: Detector, side_px: int) -> tuple[int, ...]:
    """Those that a picture of a size shows: cut off where it is too small."""
    pixels = torch.full((1, 3, side_px, side_px), 1.5, dtype=torch.float64, requires_grad=True)
    # the mean of a frame would tie every pixel to every score; it is held apart from what a kernel sees
    frames = torch.tensor([[0.0, 0.0, 0.0, 1.0]], dtype=torch.float64)
    found = []
    for stride, level in zip(probe.spec.strides_px, probe(pixels, frames), strict=True):
        middle = side_px // stride // 2
        told = level.logits[0, 0, middle, middle]
        if level.centerness is not None:
            told = told + level.centerness[0, 0, middle, middle]
        (slope,) = torch.autograd.grad(told, pixels, retain_graph=True)
        seen = torch.nonzero(slope[0].abs().sum(dim=0))  # (n, 2) rows and columns
        centre = (middle + 0.5) * stride
        low, high = seen.min(dim=0).values, seen.max(dim=0).values + 1
        seen_px = max(float((centre - low).max()), float((high - centre).max()))
        # others lie otherwise in the coarser cells that feed them: by less than one of the coarsest
        found.append(math.ceil(seen_px) + probe.spec.strides_px[-1])
    return tuple(found)
