"""Attacked pictures to look at: clean, attacked, and the change alone, amplified by a factor that is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from lard.detect.draw import draw_found
from lard.detect.models import Found
from lard.robust.balls import Norm
from lard.robust.descent import Outcome
from lard.robust.goals import Goal
from lard.robust.layout import Layout
from lard.robust.scene import Scene

SIDE_PX = 360  # of each of the three parts
LEAST_PX = 96.0  # side of what is cut out
CAPTION_PX = 22
GAP_PX = 6
_PAPER, _INK = (255, 255, 255), (28, 36, 48)


def panel(scene: Scene, layout: Layout, goal: Goal, outcome: Outcome, norm: Norm, title: str) -> Image.Image:
    """Three parts side by side, cut out where the goal is decided, with detections of the operating point."""
    with torch.no_grad():
        clean = scene.detections(scene.answers(torch.zeros_like(scene.pixels)))
    window = _window(scene, layout, outcome, goal.regions)
    change = outcome.change[0].permute(1, 2, 0).cpu().numpy()
    factor = amplification(change)
    before = scene.pixels[0].permute(1, 2, 0).cpu().numpy()
    parts = [
        _part(_bytes(before), Found(*scene.at_point(clean), *scene.frame_px), window),
        _part(_bytes(before + change), Found(*scene.at_point(outcome.found), *scene.frame_px), window),
        _part(_bytes(0.5 + factor * change), None, window),
    ]
    verdict = "goal reached" if outcome.reached else "goal not reached"
    attacked = f"attacked, {norm} {outcome.size:.3g}: {verdict}"
    if outcome.size == 0:
        attacked = "no change needed" if goal.eligible else "nothing here for this goal"
    captions = (
        f"{title}: clean",
        attacked,
        f"change x {factor:g}, grey is none",
    )
    return _beside(parts, captions)


def amplification(change: NDArray[np.float32]) -> float:
    """The factor, of two figures, that brings the 99.9 % quantile of a change's values to half the range."""
    largest = float(np.quantile(np.abs(change[change != 0]), 0.999)) if (change != 0).any() else 0.0
    return float(f"{0.5 / largest:.2g}") if largest > 0 else 1.0


def stacked(panels: Sequence[Image.Image]) -> Image.Image:
    """Panels below one another."""
    width, height = max(one.width for one in panels), sum(one.height for one in panels)
    sheet = Image.new("RGB", (width, height), _PAPER)
    top = 0
    for one in panels:
        sheet.paste(one, (0, top))
        top += one.height
    return sheet


def _window(
    scene: Scene, layout: Layout, outcome: Outcome, regions: NDArray[np.float64]
) -> tuple[int, int, int, int]:
    """A square about what the goal is about; for one that may be anywhere, about what was reached there."""
    width, height = scene.frame_px
    box = regions[0] if len(regions) else np.array([0.0, 0.0, width, height])
    if (box == (0.0, 0.0, width, height)).all() and outcome.size > 0:
        boxes, _ = scene.at_point(outcome.found)
        clear = boxes[layout.clear(boxes)]
        box = clear[0] if len(clear) else strongest(outcome.change)
    side = min(max(LEAST_PX, 2.5 * float((box[2:] - box[:2]).max())), width, height)
    centre = (box[:2] + box[2:]) / 2
    low = np.round((centre - side / 2).clip(0, (width - side, height - side))).astype(int)
    return int(low[0]), int(low[1]), int(low[0]) + int(side), int(low[1]) + int(side)


def strongest(change: Tensor) -> NDArray[np.float64]:
    """The square of LEAST_PX / 3 where a change (1, 3, h, w) has the most energy, as corner pairs in px."""
    side = int(LEAST_PX / 3)
    energy = F.avg_pool2d(change.square().sum(dim=1), min(side, *change.shape[2:]), stride=4)
    _, row, column = np.unravel_index(int(energy.argmax()), energy.shape)
    x, y = 4.0 * float(column), 4.0 * float(row)
    return np.array([x, y, x + side, y + side])


def _part(pixels: NDArray[np.uint8], found: Found | None, window: tuple[int, int, int, int]) -> Image.Image:
    """A cut of a picture, enlarged, with the detections drawn at its own scale."""
    x0, y0, x1, y1 = window
    scale = SIDE_PX / (x1 - x0)
    cut = Image.fromarray(np.ascontiguousarray(pixels[y0:y1, x0:x1])).resize(
        (SIDE_PX, SIDE_PX), Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX
    )
    if found is None:
        return cut
    boxes = (found.boxes_px - (x0, y0, x0, y0)) * scale
    here = (boxes[:, :2] < SIDE_PX).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
    return draw_found(np.asarray(cut), Found(boxes[here], found.scores[here], SIDE_PX, SIDE_PX))


def _beside(parts: Sequence[Image.Image], captions: Sequence[str]) -> Image.Image:
    sheet = Image.new("RGB", (len(parts) * (SIDE_PX + GAP_PX), SIDE_PX + CAPTION_PX + GAP_PX), _PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for place, (part, caption) in enumerate(zip(parts, captions, strict=True)):
        sheet.paste(part, (place * (SIDE_PX + GAP_PX), CAPTION_PX))
        pen.text((place * (SIDE_PX + GAP_PX) + 2, 4), caption, fill=_INK, font=font)
    return sheet


def _bytes(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    return np.asarray(np.round(values.clip(0, 1) * 255), np.uint8)
