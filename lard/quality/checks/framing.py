"""What lenses, scalers, grabbers and compression leave in the pictures of a group: bars, blocks, spots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import polars as pl

from lard.quality.dataset import Dataset
from lard.quality.groups import groups_of
from lard.quality.measures.bars import SIDES
from lard.quality.measures.overlay import MIN_PICTURES
from lard.quality.measures.pictures import SKETCH_PX
from lard.quality.measures.spots import spot
from lard.quality.model import Offence

FEWEST = 5  # pictures of a group
CODED = (  # measure of pictures, most of it in the median of a group, what is said
    (  # a quality below 20 of JPEG's 100
        "blocks", 3.4,
        "show blocks of 8 px as of a strong compression: {:.1f} times as much change across their borders as "
        "within",
    ),
    ("repeats", 1.45, "repeat pixels, as enlarged without smoothing: {:.1f} times the change at whole steps"),
)  # fmt: skip
SPOT = 0.33  # octaves of brightness at one place in some 30 pictures; half of it comes from scenes
SPOT_SIGMAS = 20.0  # of the other places
MOST_SPOTTED = 60  # pictures of a group
SHARE = 0.5  # of its pictures that have the bar: a wall or a coast lies at an edge by chance


def framed(data: Dataset, pictures: pl.DataFrame, bands: Mapping[str, int]) -> list[Offence]:
    """Groups whose pictures have a bar of one thickness at an edge, other than a declared watermark band."""
    if data.frames is None:
        return []
    thick: dict[tuple[str, str], int] = {}
    for image, sides in pictures.select("image", "bars_px").drop_nulls().iter_rows():
        name = data.frame_of.get(image, image)
        for side, px in zip(SIDES, sides, strict=True):
            declared = bands.get(name, 0) if side in ("upper", "lower") else 0
            if px > (declared + 2 if declared else 0):
                thick[name, side] = px
    offences = []
    for group, ids in groups_of(data).items() if thick else ():
        for side in SIDES:
            found = Counter(thick[name, side] for name in ids if (name, side) in thick)
            px, _ = found.most_common(1)[0] if found else (0, 0)
            alike = sum(n for other, n in found.items() if abs(other - px) <= 1)
            if len(ids) >= FEWEST and alike > SHARE * len(ids):
                text = f"{alike} of {len(ids)} pictures have a plain bar of {px} px at the {side} edge"
                offences.append(Offence(group, float(px), text))
    return offences


def single_bars(data: Dataset, pictures: pl.DataFrame, bands: Mapping[str, int]) -> list[Offence]:
    """Single pictures with a bar of one level at an edge that no scene has, other than a declared band."""
    offences = []
    for image, sides in pictures.select("image", "clear_bars_px").drop_nulls().iter_rows():
        name = data.frame_of.get(image, image)
        for side, px in zip(SIDES, sides, strict=True):
            declared = bands.get(name, 0) if side in ("upper", "lower") else 0
            if px > (declared + 2 if declared else 0):
                text = f"{image}: a bar of one level of {px} px at the {side} edge: draw it anew without"
                offences.append(Offence(name, float(px), text))
    return offences


def single_lines(data: Dataset, pictures: pl.DataFrame) -> list[Offence]:
    """Single pictures with a thin line from edge to edge that is none of the scene's."""
    offences = []
    for image, lines in pictures.select("image", "lines").drop_nulls().iter_rows():
        for place, thick in zip(lines[::2], lines[1::2], strict=True):
            where = f"row {place}" if place >= 0 else f"column {-1 - place}"
            text = f"{image}: a line of {thick} px across the whole picture at {where}, as of dead cells"
            offences.append(Offence(data.frame_of.get(image, image), float(thick), text))
    return offences


def coded(data: Dataset, pictures: pl.DataFrame) -> list[Offence]:
    """Groups whose pictures show what was done to them, whatever they were saved as since: the blocks of a
    strong compression, pixels that repeat."""
    if data.frames is None:
        return []
    offences = []
    groups = groups_of(data)
    for column, limit, story in CODED:
        known = {
            data.frame_of.get(image, image): value
            for image, value in pictures.select("image", column).drop_nulls().iter_rows()
        }
        for group, ids in groups.items():
            values = [known[name] for name in ids if name in known]
            if len(values) >= FEWEST and (middle := float(np.median(values))) > limit:
                text = f"{len(values)} pictures {story.format(middle)}"
                offences.append(Offence(group, middle, text))
    return offences


def spotted(data: Dataset, pictures: pl.DataFrame) -> list[Offence]:
    """Groups whose pictures are all darker or brighter at one place, as of dust on a lens."""
    if data.frames is None:
        return []
    sketches = {
        data.frame_of.get(image, image): np.frombuffer(raw, np.uint8).reshape(SKETCH_PX, SKETCH_PX)
        for image, raw in pictures.select("image", "sketch").drop_nulls().iter_rows()
    }
    offences = []
    for group, ids in groups_of(data).items():
        inside = [sketches[name] for name in sorted(ids) if name in sketches]
        if len(inside) < MIN_PICTURES:
            continue
        step = max(1, len(inside) // MOST_SPOTTED)
        x, y, gap, sigmas = spot(np.stack(inside[::step]))
        if abs(gap) > SPOT * max(1.0, np.sqrt(30 * step / len(inside))) and sigmas > SPOT_SIGMAS:
            word = "brighter" if gap > 0 else "darker"
            text = (
                f"{len(inside)} pictures are all {word} at one place, {x:.0%} of the width from the left and "
                f"{y:.0%} of the height from above, by a factor of {2 ** abs(gap):.2f}"
            )
            offences.append(Offence(group, abs(gap), text))
    return offences
