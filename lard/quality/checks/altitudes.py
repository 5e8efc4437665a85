"""Altitudes of cameras against the approaches they were drawn from: units and datums."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.quality.dataset import Dataset, posed
from lard.quality.labels import recomputed_approach
from lard.quality.model import Offence
from lard.quality.odd import PARAMETERS

Array = NDArray[np.float64]

FEWEST = 5  # frames of an airport
NEAR_M = 2.0  # a gap that is none
ALIKE_M = 0.5  # spread of gaps that are one and the same
FOOT_M, NEAR_SHARE = 0.3048, 0.01


def altitude_stories(data: Dataset, frames: pl.DataFrame) -> list[Offence]:
    """Airports whose altitudes differ from what distance and vertical angle say as a unit or datum would."""
    if data.kind != "lard" or not {"approach", "pose", "runways"} <= data.parts:
        return []
    known = frames.filter(posed()).drop_nulls(list(PARAMETERS))
    view = Dataset(
        root=data.root, kind=data.kind, name=data.name, frames=known, labels=known, odd=data.odd,
        database=data.database,
    )  # fmt: skip
    rows, anew = recomputed_approach(view)
    apex = data.odd.vertical_apex_m if data.odd is not None else 305.0
    true, stated = (np.radians(v) for v in (anew["vertical_deg"], known["vertical_deg"].to_numpy()[rows]))
    gap = (np.tan(true) - np.tan(stated)) * (anew["along_track_m"] + apex)
    altitude = known["alt_m"].to_numpy()[rows]
    ground = altitude - anew["height_m"]
    airports = known["airport"].to_numpy()[rows]
    offences = []
    for airport in sorted(set(airports.tolist())):
        here = airports == airport
        story = _story(gap[here], altitude[here], ground[here]) if here.sum() >= FEWEST else ""
        if story:
            middle = float(np.median(gap[here]))
            text = f"altitudes are {middle:+.1f} m off what distance and vertical angle say: {story}"
            offences.append(Offence(f"airport {airport}", abs(middle), text))
    return offences


def _story(gap: Array, altitude: Array, ground: Array) -> str:
    """What gaps (n,) of stated altitudes look like; "" for none, or for what no single story tells."""
    if not np.median(np.abs(gap)) > NEAR_M:
        return ""
    true = altitude - gap
    if np.median(np.abs(altitude * FOOT_M / true - 1.0)) < NEAR_SHARE:
        return "they look like feet"
    if np.median(np.abs(altitude / FOOT_M / true - 1.0)) < NEAR_SHARE:
        return "they look converted from feet once too often"
    if np.median(np.abs(gap + ground)) < NEAR_M:
        return "they look like heights above the runway"
    return "they look like those of another datum" if gap.std() < ALIKE_M else ""
