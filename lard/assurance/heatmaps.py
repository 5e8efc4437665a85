"""Heat maps and counterfactuals to look at: a runway's field, each map on it, the change that turns it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lard.assurance.counterfactual import Counterfactual
from lard.assurance.methods import Heat
from lard.assurance.view import View
from lard.robust.gallery import amplification

SIDE_PX, CAPTION_PX, GAP_PX = 232, 20, 6
COLUMNS = 5  # of a panel: it is to be read on paper
TOP = 0.995  # quantile of a map that is drawn in full
_PAPER, _INK, _EDGE = (255, 255, 255), (28, 36, 48), (90, 220, 120)
Pixels = NDArray[np.uint8]


def panel(view: View, heats: Mapping[str, Heat], turned: Counterfactual, title: str) -> Image.Image:
    """The field with the runway outlined, every map, the counterfactual picture and its amplified change."""
    field = view.field
    picture = _rgb(view.field.cut(view.pixels)[0].permute(1, 2, 0).cpu().numpy())
    parts, captions = [_outlined(picture, field.runway)], [title]
    for name, heat in heats.items():
        parts.append(_outlined(overlaid(picture, heat.values), field.runway))
        captions.append(name)
    if turned.change is not None:
        change = view.field.cut(turned.change)[0].permute(1, 2, 0).cpu().numpy()
        factor = amplification(change)
        clean = view.field.cut(view.pixels)[0].permute(1, 2, 0).cpu().numpy()
        parts += [_enlarged(_rgb(clean + change)), _enlarged(_rgb(0.5 + factor * change))]
        what = "silent" if turned.fired else "fires"
        told = f"{what}: norm {turned.norm:.3g}"
        captions.append(told if turned.ratio is None else f"{told}, {turned.ratio:.3g} x certified")
        captions.append(f"its change x {factor:g}")
    return _beside(parts, captions)


def overlaid(picture: Pixels, values: NDArray[np.float64]) -> Pixels:
    """A map in colours over its picture in grey; the more a value, the less grey is left."""
    top = float(np.quantile(values, TOP)) or float(values.max())
    shown = np.clip(values / top, 0, 1) if top > 0 else np.zeros_like(values)
    colours = cv2.applyColorMap((shown * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[:, :, ::-1]
    grey = picture.mean(axis=2, keepdims=True).repeat(3, axis=2)
    share = 0.35 + 0.6 * shown[:, :, None]
    return np.asarray((grey * (1 - share) + colours * share).round(), np.uint8)


def _outlined(picture: Pixels, runway: NDArray[np.bool_]) -> Image.Image:
    """The picture enlarged, with a line around the runway."""
    large = np.asarray(_enlarged(picture)).copy()
    mask = cv2.resize(runway.astype(np.uint8), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_NEAREST)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(large, outlines, -1, _EDGE, 1)
    return Image.fromarray(large)


def _enlarged(picture: Pixels) -> Image.Image:
    smaller = picture.shape[0] < SIDE_PX
    way = Image.Resampling.NEAREST if smaller else Image.Resampling.BOX
    return Image.fromarray(picture).resize((SIDE_PX, SIDE_PX), way)


def _rgb(values: NDArray[np.floating]) -> Pixels:
    return np.asarray(np.round(values.clip(0, 1) * 255), np.uint8)


def _beside(parts: Sequence[Image.Image], captions: Sequence[str]) -> Image.Image:
    across, down = SIDE_PX + GAP_PX, SIDE_PX + CAPTION_PX + GAP_PX
    rows = -(-len(parts) // COLUMNS)
    sheet = Image.new("RGB", (min(len(parts), COLUMNS) * across, rows * down), _PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for place, (part, caption) in enumerate(zip(parts, captions, strict=True)):
        y, x = down * (place // COLUMNS), across * (place % COLUMNS)
        sheet.paste(part, (x, y + CAPTION_PX))
        pen.text((x + 2, y + 3), caption, fill=_INK, font=font)
    return sheet
