"""Labels drawn on images: single frames and contact sheets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image, ImageDraw, ImageFont

from lard.errors import DataError
from lard.pictures import upright_rgb

COLOURS = {
    "IN_ODD": (64, 224, 96),
    "IN_EXTENDED_ODD": (255, 200, 40),
    "OUT_OF_ODD": (255, 92, 80),
}
_OTHER = (120, 190, 255)
_INK, _PAPER = (240, 240, 240), (18, 20, 24)
_INSET_SHARE = 0.34  # of the picture's width
_CAPTION_PX = 20


def open_image(path: str | Path) -> Image.Image:
    """An image as RGB; DataError when it is missing or cannot be decoded."""
    if not Path(path).is_file():
        raise DataError(f"{path}: no such image; render the frames first")
    return Image.fromarray(upright_rgb(path).pixels)


def draw_labels(
    image: Image.Image, rows: Sequence[Mapping[str, Any]], *, scale: float = 1.0, inset: bool = False
) -> Image.Image:
    """A copy of the image at a scale with polygons, boxes, idents and verdicts of its labels rows.

    With `inset` the target runway (or the largest) is shown enlarged in a corner: far runways are a few
    pixels tall.
    """
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    drawn = image.copy() if size == image.size else image.resize(size, Image.Resampling.LANCZOS)
    pen = ImageDraw.Draw(drawn)
    font = _font(max(10, round(size[0] / 42)))
    visible = [row for row in rows if row["x_min_px"] is not None]
    for row in sorted(visible, key=lambda row: bool(row["is_target"])):
        _draw_row(pen, row, scale, font)
    target = _target(visible)
    if inset and target is not None:
        _paste_inset(drawn, image, target)
    return drawn


def _target(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The visible target row, else the one with the largest box."""

    def rank(row: Mapping[str, Any]) -> tuple[bool, float]:
        area = (row["x_max_px"] - row["x_min_px"]) * (row["y_max_px"] - row["y_min_px"])
        return bool(row["is_target"]), area

    return max(rows, key=rank, default=None)


def _draw_row(
    pen: ImageDraw.ImageDraw,
    row: Mapping[str, Any],
    scale: float,
    font: ImageFont.FreeTypeFont,
    text: bool = True,
) -> None:
    colour = COLOURS.get(row["verdict"], _OTHER)
    polygon = [value * scale for value in row["polygon"]]
    if len(polygon) >= 6:
        pen.line([*polygon, *polygon[:2]], fill=colour, width=1)
    x0, y0, x1, y1 = (row[name] * scale for name in ("x_min_px", "y_min_px", "x_max_px", "y_max_px"))
    # boxes of other runways are dimmed: a crossing runway's box covers half the picture
    outline = colour if row["is_target"] else tuple(value * 5 // 10 for value in colour)
    pen.rectangle((x0 - 2, y0 - 2, x1 + 1, y1 + 1), outline=outline, width=2 if row["is_target"] else 1)
    if not text:
        return
    caption = f"{row['runway']}{'*' if row['is_target'] else ''}"
    left, top, right, bottom = font.getbbox(caption)
    x = min(max(x0 - 2, 0), pen.im.size[0] - (right - left) - 2)
    y = y0 - (bottom - top) - 6
    if y < 0:
        y = min(y1 + 3, pen.im.size[1] - (bottom - top) - 4)
    pen.rectangle((x - 1, y - 1, x + right - left + 2, y + bottom - top + 3), fill=_PAPER)
    pen.text((x, y - top), caption, fill=colour, font=font)


def _paste_inset(drawn: Image.Image, image: Image.Image, row: Mapping[str, Any]) -> None:
    """Enlarged view of one label, in the lower corner away from it."""
    side = round(drawn.width * _INSET_SHARE)
    x0, y0, x1, y1 = (row[name] for name in ("x_min_px", "y_min_px", "x_max_px", "y_max_px"))
    reach = max(x1 - x0, y1 - y0, 24.0) * 0.7
    if 2 * reach * drawn.width / image.width > side:  # already as large as the inset
        return
    centre_x, centre_y = (x0 + x1) / 2, (y0 + y1) / 2
    region = (centre_x - reach, centre_y - reach, centre_x + reach, centre_y + reach)
    zoom = side / (2 * reach)
    crop = image.transform(
        (side, side), Image.Transform.EXTENT, region, resample=Image.Resampling.BICUBIC, fillcolor=_PAPER
    )
    shifted = dict(row)
    shifted["polygon"] = [
        value - (region[0] if k % 2 == 0 else region[1]) for k, value in enumerate(row["polygon"])
    ]
    for k, name in enumerate(("x_min_px", "y_min_px", "x_max_px", "y_max_px")):
        shifted[name] = row[name] - region[k % 2]
    _draw_row(ImageDraw.Draw(crop), shifted, zoom, _font(10), text=False)
    ImageDraw.Draw(crop).rectangle((0, 0, side - 1, side - 1), outline=_INK)
    left = 4 if centre_x > image.width / 2 else drawn.width - side - 4
    drawn.paste(crop, (left, drawn.height - side - 4))


def select_frames(frames: pl.DataFrame, count: int) -> pl.DataFrame:
    """About `count` frames that take zones and airports in turn; the same ones each time."""
    if len(frames) <= count:
        return frames.sort("frame_id")
    ranked = frames.sort("frame_id").with_columns(
        _turn=pl.int_range(pl.len()).over("zone", "airport"),
        _place=pl.col("airport").rank("dense") % pl.max_horizontal(pl.col("zone").n_unique(), pl.lit(1)),
        _zone=pl.col("zone").rank("dense"),
    )
    # an airport starts with a zone of its own, so that a short sheet still shows all zones
    ranked = ranked.with_columns(_order=(pl.col("_zone") + pl.col("_place")) % pl.col("_zone").max())
    chosen = ranked.sort("_turn", "_order", "airport", "frame_id").head(count)
    return chosen.drop("_turn", "_place", "_zone", "_order").sort("zone", "airport", "frame_id")


def contact_sheet(
    folder: str | Path, frames: pl.DataFrame, labels: pl.DataFrame, *, columns: int = 4, tile_px: int = 480
) -> Image.Image:
    """Sheet of frames of a dataset folder with their labels, an enlarged target and a caption each."""
    if not len(frames):
        raise DataError(f"{folder}: no frame to draw; widen the filters")
    by_frame = labels.filter(pl.col("frame_id").is_in(frames["frame_id"].to_list())).partition_by(
        "frame_id", as_dict=True
    )
    tiles = []
    for frame in frames.iter_rows(named=True):
        part = by_frame.get((frame["frame_id"],))
        rows = part.to_dicts() if part is not None else []
        name = rows[0]["image"] if rows else f"images/{frame['frame_id']}.jpg"
        image = open_image(Path(folder) / name)
        tile = draw_labels(image, rows, scale=tile_px / image.width, inset=True)
        tiles.append(_captioned(tile, frame, rows))
    columns = min(columns, len(tiles))
    height = max(tile.height for tile in tiles)
    sheet = Image.new("RGB", (columns * tile_px, int(np.ceil(len(tiles) / columns)) * height), _PAPER)
    for k, tile in enumerate(tiles):
        sheet.paste(tile, (k % columns * tile_px, k // columns * height))
    return sheet


def _captioned(tile: Image.Image, frame: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Image.Image:
    """A tile with a line of text above: frame, zone, verdict and distance of the target, runways in view."""
    target = next((row for row in rows if row["is_target"]), None)
    text = f"{frame['frame_id']}  {frame['zone']}"
    colour = _INK
    if target is not None:
        text += f"  {target['verdict']}"
        if target["along_track_m"] is not None:
            text += f"  {target['along_track_m'] / 1000:.2f} km"
        colour = COLOURS.get(target["verdict"], _OTHER)
    text += f"  {sum(row['x_min_px'] is not None for row in rows)} in view"
    framed = Image.new("RGB", (tile.width, tile.height + _CAPTION_PX), _PAPER)
    framed.paste(tile, (0, _CAPTION_PX))
    ImageDraw.Draw(framed).text((4, 3), text, fill=colour, font=_font(12))
    return framed


def _font(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own font: the same on every machine."""
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
