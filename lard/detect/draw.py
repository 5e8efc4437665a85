"""Detections drawn on pictures: a frame around each box, its score, and its sides where corners are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lard.detect.models import Found

_COLOUR, _HALO, _PAPER, _SIDES = (255, 221, 0), (0, 0, 0), (18, 20, 24), (0, 229, 255)


def draw_found(pixels: NDArray[np.uint8], found: Found) -> Image.Image:
    """A picture (h, w, 3) with its detections; frames lie around the boxes, so that far runways stay seen."""
    drawn = Image.fromarray(pixels)
    pen = ImageDraw.Draw(drawn)
    line = max(1, round(min(drawn.size) / 500))
    font = ImageFont.load_default(max(10, round(max(drawn.size) / 60)))
    # the best ones last: their captions are covered by no other's
    for row in range(len(found) - 1, -1, -1):
        box, score = found.boxes_px[row], found.scores[row]
        x0, y0, x1, y1 = (float(value) for value in box)
        for grow, width, colour in ((line + 2, line + 2, _HALO), (line + 1, line, _COLOUR)):
            pen.rectangle((x0 - grow, y0 - grow, x1 + grow - 1, y1 + grow - 1), outline=colour, width=width)
        if found.corners_px is not None and found.corner_scores is not None:
            _outline(pen, found.corners_px[row], found.corner_scores[row] > 0)
        _caption(pen, f"{score:.2f}", (x0 - line - 2, y0 - line - 4, y1 + line + 4), font, drawn.size)
    return drawn


def _outline(pen: ImageDraw.ImageDraw, corners: NDArray[np.float64], given: NDArray[np.bool_]) -> None:
    """Thin sides of a runway between corners (4, 2) that are given."""
    places = [(float(x) - 0.5, float(y) - 0.5) for x, y in corners]  # Pillow counts from centres of pixels
    for k in range(4):
        if given[k] and given[(k + 1) % 4]:
            pen.line((*places[k], *places[(k + 1) % 4]), fill=_SIDES, width=1)


def _caption(
    pen: ImageDraw.ImageDraw,
    text: str,
    place: tuple[float, float, float],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    size_px: tuple[int, int],
) -> None:
    """Write above a box, or below it at the picture's upper edge: place is left, above, below in px."""
    left, top, right, bottom = font.getbbox(text)
    width, height = right - left + 4, bottom - top + 4
    if width > size_px[0] or height > size_px[1] / 3:
        return  # on a tiny picture it would hide all
    x = min(max(place[0], 0), size_px[0] - width)
    y = place[1] - height if place[1] >= height else min(place[2], size_px[1] - height)
    pen.rectangle((x, y, x + width - 1, y + height - 1), fill=_PAPER)
    pen.text((x + 2 - left, y + 2 - top), text, fill=_COLOUR, font=font)
