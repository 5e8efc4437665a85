"""Single pictures by day in clear air that look unlike all others of their source and of their airport."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.quality.model import Offence

Array = NDArray[np.float64]

FEWEST = 24  # pictures of a source that tell what is usual
FEWEST_HERE = 5  # of an airport
SPREADS = 4.0  # standard deviations of a source, as its middle half tells them
RED_SKY = -40.0  # grey values: no clear day's sky is so much redder than the ground


@dataclass(frozen=True, slots=True)
class Stray:
    """A measure of single pictures: what more and less of it looks like, and which gap is too small to count.

    told: conditions that move it, so that where they vary it says nothing.
    below: where a value of too little has to lie.
    """

    name: str
    more: str
    less: str
    least_more: float
    least_less: float
    told: tuple[str, ...] = ()
    below: float = np.inf


MOVING = ("shutter_ms", "yaw_rate_deg_s", "pitch_rate_deg_s", "roll_rate_deg_s")
STRAYS = (
    Stray("blue_sky", "", "red and blue exchanged", np.inf, 60.0, below=0.0),
    Stray(
        "sky_tint", "other colours or levels, the sky is bluer", "other colours or a veil, the sky is paler",
        0.1, 0.22,
    ),
    Stray("sky", "another exposure, the sky is brighter", "another exposure, the sky is darker", 60.0, 50.0,
          ("exposure_ev", "vignette_fraction", "lens_drops")),
    Stray("detail", "noise or sharpening", "blurred, enlarged or compressed", 0.6, 0.45,
          ("defocus_px", "noise_grey", "jpeg_quality", "lens_drops", *MOVING)),
    Stray("blocks", "strongly compressed", "", 1.5, np.inf, ("jpeg_quality",)),
    Stray("repeats", "enlarged without smoothing", "", 0.35, np.inf),
    Stray(
        "sky_green", "other colours, the sky is greener", "other colours, the sky is less green", 0.1, 0.1
    ),
    Stray("noise", "noise", "smoothed or compressed", 1.2, 0.9, ("noise_grey", "jpeg_quality")),
)  # fmt: skip


def strays(values: pl.DataFrame, stated: pl.DataFrame) -> list[Offence]:
    """Pictures further from what is usual than their like; `stated`: conditions of the same rows (n,).

    What all pictures of an airport share is no stray's: groups are compared elsewhere.
    """
    found: dict[str, Offence] = {}
    sources = values["source"].to_numpy()
    for source in np.unique(sources):
        rows = np.flatnonzero(sources == source)
        part, told = values[rows.tolist()], stated[rows.tolist()]
        for stray in STRAYS:
            if len(part) >= FEWEST and not _varies(told, stray.told):
                for k, gap in _far(part[stray.name].to_numpy(), part["airport"].to_numpy(), stray):
                    word = stray.more if gap > 0 else stray.less
                    text = f"looks unlike the others: {word} ({stray.name} {gap:+.3g})"
                    name = str(part["frame_id"][k])
                    found.setdefault(name, Offence(name, abs(gap), text))
    if "visibility_m" in stated.columns:  # where nothing is stated it may be a sunset
        for name, blue in values.select("frame_id", "blue_sky").iter_rows():
            if blue < RED_SKY:
                text = f"red and blue look exchanged: the sky is redder than the ground by {-blue:.0f}"
                found.setdefault(str(name), Offence(str(name), -blue, text))
    return [found[name] for name in sorted(found)]


def _varies(stated: pl.DataFrame, names: tuple[str, ...]) -> bool:
    return any(name in stated.columns and stated[name].drop_nulls().n_unique() > 1 for name in names)


def _far(values: Array, airports: NDArray[Any], stray: Stray) -> list[tuple[int, float]]:
    """Rows that are far from the median of all and from that of their airport, and the gap to all."""
    usual = SPREADS * float(np.subtract(*np.quantile(values, [0.75, 0.25])) / 1.35)
    gap = values - float(np.median(values))
    here = np.zeros(len(values))
    for airport in np.unique(airports):
        rows = airports == airport
        middle = float(np.median(values[rows])) if rows.sum() >= FEWEST_HERE else float(np.median(values))
        here[rows] = values[rows] - middle
    nearer = np.where(np.sign(gap) == np.sign(here), np.minimum(np.abs(gap), np.abs(here)), 0.0)
    limit = np.where(gap > 0, max(stray.least_more, usual), max(stray.least_less, usual))
    far = (nearer > limit) & ((gap > 0) | (values < stray.below))
    return [(int(k), float(gap[k])) for k in np.flatnonzero(far)]
