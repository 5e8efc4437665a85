"""What each source draws of the environment that a frames table states; the rest is refused or forgotten.

A dataset whose table says fog while its pictures are clear teaches and judges wrongly: nothing that a source
does not draw stays in the table it leaves.
"""

from collections.abc import Mapping

import polars as pl

from lard.errors import DataError
from lard.render.conditions import COLUMNS

_SUN = ("sun_elevation_deg", "sun_azimuth_deg")  # follow from time_utc, which every simulator is told
DRAWN: Mapping[str, tuple[str, ...]] = {
    "ortho": COLUMNS,
    "flightgear": ("visibility_m", "cloud_fraction", *_SUN),
    "xplane": ("visibility_m", "cloud_fraction", "rain_mm_h", *_SUN),
    "cesium": _SUN,
}
"""Columns of a frames table that change the pictures of a source, as docs/sources.md prints them."""

FORGOTTEN: Mapping[str, tuple[str, ...]] = {"cesium": ("visibility_m",)}
"""Columns that every frames table states and a source does not draw: always left out of the frames kept."""

POLICIES = ("refuse", "forget")

_WITHOUT_EFFECT = {  # a value that no picture shows, besides null
    "cloud_base_m": pl.col("cloud_fraction") == 0,
    "fog_base_m": pl.col("fog_top_m") == 0,
    "fog_visibility_m": pl.col("fog_top_m") == 0,
    "shutter_ms": (pl.col("yaw_rate_deg_s") == 0)
    & (pl.col("pitch_rate_deg_s") == 0)
    & (pl.col("roll_rate_deg_s") == 0),
}
_ALWAYS_SEEN = ("visibility_m", "lights_fraction", "jpeg_quality")  # here 0 is a value like any other


def as_drawn(frames: pl.DataFrame, source: str, undrawn: str = "refuse") -> pl.DataFrame:
    """Frames without what `source` does not draw of them: null where a stated value has no effect.

    Raises DataError naming column, frame and value when one would have had an effect; with undrawn "forget"
    such values become null as well.
    """
    if undrawn not in POLICIES:
        raise DataError(f"undrawn is {undrawn!r}; expected {' or '.join(POLICIES)}")
    stated = [name for name in COLUMNS if name in frames.columns and name not in drawn_by(source)]
    faults = [
        f"frames: {name} holds {frames.schema[name]} values, not numbers; write numbers, or drop the column"
        for name in COLUMNS
        if name in frames.columns and not (frames.schema[name].is_numeric() or frames.schema[name] == pl.Null)
    ]
    if faults:
        raise DataError("\n".join(faults))
    for name in stated if undrawn == "refuse" else ():
        if name in FORGOTTEN.get(source, ()):
            continue
        lost = frames.filter(_seen(name, frames.columns))
        if len(lost):
            frame_id, value = lost.select("frame_id", name).row(0)
            more = f" and {len(lost) - 1} more frames" if len(lost) > 1 else ""
            faults.append(f"frames: {name} of frame {frame_id} is {value:g}{more}; {source} does not draw it")
    if faults:
        remedy = "sample without it, or say --undrawn forget to leave it out of the frames that are kept"
        raise DataError("\n".join([*faults, f"{source}: {remedy}"]))
    return frames.with_columns(pl.lit(None, dtype=frames.schema[name]).alias(name) for name in stated)


def drawn_by(source: str) -> tuple[str, ...]:
    """The columns that a source draws; one that is not listed answers for itself."""
    return DRAWN.get(source, COLUMNS)


def _seen(name: str, columns: list[str]) -> pl.Expr:
    """Whether a value would show in a picture of a source that draws it."""
    seen = pl.col(name).is_not_null()
    if name not in _ALWAYS_SEEN:
        seen &= pl.col(name) != 0
    without = _WITHOUT_EFFECT.get(name)
    if without is not None and set(without.meta.root_names()) <= set(columns):
        seen &= ~without.fill_null(True)
    return seen.fill_null(False)


def _fate(name: str, source: str) -> str:
    if name in DRAWN[source]:
        return "drawn"
    return "left out" if name in FORGOTTEN.get(source, ()) else "refused"


def drawn_table() -> str:
    """DRAWN as a Markdown table: a row for each column, a cell for each source."""
    head = ["column", *DRAWN]
    rows = [[f"`{name}`", *(_fate(name, source) for source in DRAWN)] for name in COLUMNS]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
