"""Pictures of two moments: torn at a row or a column, where nothing in the scene explains it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import polars as pl

from lard.quality.dataset import CAMERA, Dataset, posed
from lard.quality.frames import horizons, subject_of
from lard.quality.measures.ground import SMALL_PX
from lard.quality.measures.tearing import unpacked
from lard.quality.model import Offence
from lard.quality.neighbours import neighbours

HORIZON_ROOM = 0.02  # of the height: how far a level horizon may lie from where the pose puts it
ONE_SIGN = 0.95  # mean sign of a jump along the row, of an edge of the scene that lies across
PLAIN_SKY = 1.5  # grey levels from row to row
ACROSS = 0.12  # of the height: of what lies across the picture
ACROSS_SIGN = 0.6  # mean sign of its sides
CLEAR_JUMP, NEARLY = 2.0, 0.92  # a jump so many times as clear may be a little less wide
COMMON_ROW = 0.5  # share of a source's pictures with a jump at the same row: a band, not a tear
# what is left of a jump further up or down, where edges of scenes leave 0.4 and more, and the rows that jump
MISFIT, LAG_SHARE = 0.1, 0.2
BLURRED = (
    0.15  # of a jump in the rows beside it: an edge of the world; of tears hardly one in twenty has 0.05
)
# rows of small pictures that agree with their neighbours aside and not where they are, and correlations: of
# 1,469 clean pictures none has such a run; of 40 others one had nine rows
LONG_RUN, PLAIN_RUN, STILL = 12, 0.4, 0.15
ROW_MISFIT = 0.4  # of the fine structure of rows, where scenes leave more


def torn(
    data: Dataset, pictures: pl.DataFrame, bands: Mapping[str, int], limits: Mapping[str, Any]
) -> list[Offence]:
    """Pictures that jump at a row across their whole width where no horizon and no band explains it."""
    found: list[tuple[str, int, dict[str, float]]] = []
    others: dict[str, list[dict[str, float]]] = {}
    rows = pictures.select("image", "height_px", "row_jumps").drop_nulls()
    for image, height, jumps in rows.iter_rows():
        others[image] = unpacked(jumps)
        sharp = (jump for jump in others[image] if jump["blur"] < BLURRED)
        wide = (jump for jump in sharp if _is_wide(jump, limits) or _lags(jump, ROW_MISFIT))
        found += [(image, height, jump) for jump in wide]
    common = Counter(int(jump["row"]) for _, _, jump in found)
    lines = _horizon_rows(data, sorted({image for image, _, _ in found}))
    offences = []
    for image, height, jump in found:
        subject, row = subject_of(data, image), int(jump["row"])
        band = bands.get(subject, 0)
        if band and min(abs(row - band), abs(row - (height - band))) <= 2:
            continue
        if common[row] >= max(5, COMMON_ROW * len(rows)):
            continue  # the edge of a band in most pictures: `undeclared` reports it once
        # one sign all along is an edge of the scene: a level horizon, or a road or runway that lies across;
        # below a plain sky it is a tear all the same where the pose puts no horizon
        sky, sign = jump["above"] < PLAIN_SKY, abs(jump["sign"])
        near = sky
        if image in lines:
            top, bottom = lines[image]
            near = top - HORIZON_ROOM * height <= row <= bottom + HORIZON_ROOM * height
        across = any(_opposite(jump, other, height) for other in others[image])
        explained = near if sky and image in lines else across or sign > ONE_SIGN or (near and sign > 0.5)
        lags = _lags(jump, ROW_MISFIT)
        if lags or not explained:
            how = _aside(jump, "to the side") if lags else _extent("columns", "rows", jump)
            text = f"{image}: torn at row {row}: {how}"
            offences.append(Offence(subject, jump["share"], text))
    return offences


def rolled_rows(data: Dataset, pictures: pl.DataFrame) -> list[Offence]:
    """Pictures with a long run of rows aside of the ground that others of their airport show there."""
    sizes = {image: (w, h) for image, w, h in pictures.select("image", "width_px", "height_px").iter_rows()}
    offences = []
    for name, run in neighbours(data).rolled.items():
        image = data.image_of.get(name, "")
        if image not in sizes:
            continue
        scale = sizes[image][0] / SMALL_PX
        ends = (run.first * scale, run.last * scale)
        # a short run may agree by chance where one field is like the next
        if run.last - run.first >= LONG_RUN and run.aside > PLAIN_RUN and run.here < STILL:
            text = (
                f"{image}: rows {ends[0]:.0f} to {ends[1]:.0f} lie {run.right_px * scale:+.0f} px to the "
                "right of the ground that other pictures of the airport show there"
            )
            offences.append(Offence(subject_of(data, image), run.aside, text))
    return offences


def torn_columns(data: Dataset, pictures: pl.DataFrame, limits: Mapping[str, Any]) -> list[Offence]:
    """Pictures that jump at a column from top to bottom, or whose scene goes on further up or down there."""
    found = []
    rows = pictures.select("image", "width_px", "column_jumps").drop_nulls()
    for image, width, jumps in rows.iter_rows():
        every = unpacked(jumps)
        for jump in (one for one in every if one["blur"] < BLURRED):
            across = any(_opposite(jump, other, width) for other in every)
            edge = across or abs(jump["sign"]) > ONE_SIGN
            if _lags(jump) or (_is_wide(jump, limits) and not edge):
                found.append((image, jump))
    common = Counter(int(jump["row"]) for _, jump in found)
    return [
        Offence(
            subject_of(data, image),
            jump["share"],
            f"{image}: torn at column {int(jump['row'])}: "
            + (_aside(jump, "up or down") if _lags(jump) else _extent("rows", "columns", jump)),
        )
        for image, jump in found
        if common[int(jump["row"])] < max(5, COMMON_ROW * len(rows))
    ]


def _lags(jump: Mapping[str, float], misfit: float = MISFIT) -> bool:
    """Whether the scene goes on aside: less is left of the jump then than any edge of a scene leaves."""
    return jump["misfit"] < misfit and jump["share"] > LAG_SHARE


def _aside(jump: Mapping[str, float], way: str) -> str:
    return f"what is behind it fits {abs(jump['lag']):.0f} px further {way}"


def _extent(lines: str, near: str, jump: Mapping[str, float]) -> str:
    share, ratio = jump["share"], jump["ratio"]
    return f"{share:.0%} of the {lines} jump there, {ratio:.0f} times as much as in the {near} around"


def _opposite(jump: Mapping[str, float], other: Mapping[str, float], height: int) -> bool:
    """Whether two jumps are the sides of one thing that lies across: a road, a canal, a runway's end."""
    apart = abs(jump["row"] - other["row"])
    alike = other["share"] > 0.5 * jump["share"] and jump["sign"] * other["sign"] < -(ACROSS_SIGN**2)
    return alike and 0 < apart <= ACROSS * height


def _is_wide(jump: Mapping[str, float], limits: Mapping[str, Any]) -> bool:
    share, ratio = float(limits["max_jump_share"]), float(limits["max_jump_ratio"])
    if jump["ratio"] > CLEAR_JUMP * ratio:
        share *= NEARLY
    return jump["share"] > share and jump["ratio"] > ratio


def _horizon_rows(data: Dataset, images: list[str]) -> dict[str, tuple[float, float]]:
    """Uppermost and lowest row of the horizon in those pictures whose pose is known."""
    if data.frames is None or not {"pose", "camera"} <= data.parts or not images:
        return {}
    frames = data.frames.drop_nulls(list(CAMERA)).filter(posed())
    frames = frames.filter(pl.col("frame_id").is_in([subject_of(data, image) for image in images]))
    frames = frames.unique("frame_id", keep="first", maintain_order=True)
    found = {}
    for name, width, line in zip(frames["frame_id"], frames["width_px"], horizons(data, frames), strict=True):
        inside = line[(line[:, 0] > -0.05 * width) & (line[:, 0] < 1.05 * width)]
        known = data.image_of.get(str(name), "")
        found[known] = (float(inside[:, 1].min()), float(inside[:, 1].max())) if len(inside) else (-1e9, -1e9)
    return found
