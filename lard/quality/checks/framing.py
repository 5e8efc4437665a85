"""What scalers, grabbers and compression leave in the pictures of a group: plain bars, blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import polars as pl

from lard.quality.dataset import Dataset
from lard.quality.groups import groups_of
from lard.quality.measures.bars import SIDES
from lard.quality.model import Offence

FEWEST = 5  # pictures of a group
BLOCKY = 3.4  # change across borders of blocks over that within: a quality below 20 of JPEG's 100
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


def compressed(data: Dataset, pictures: pl.DataFrame) -> list[Offence]:
    """Groups whose pictures show the blocks of a strong compression, whatever they were saved as since."""
    if data.frames is None:
        return []
    blocks = {
        data.frame_of.get(image, image): value
        for image, value in pictures.select("image", "blocks").drop_nulls().iter_rows()
    }
    offences = []
    for group, ids in groups_of(data).items():
        values = [blocks[name] for name in ids if name in blocks]
        if len(values) >= FEWEST and (middle := float(np.median(values))) > BLOCKY:
            text = (
                f"{len(values)} pictures show blocks of 8 px as of a strong compression: {middle:.1f} times "
                "as much change across their borders as within"
            )
            offences.append(Offence(group, middle, text))
    return offences
