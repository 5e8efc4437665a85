"""What frames state of their environment: values that no frame can have, and clocks that disagree."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.labels.verdict import CLOCK, clock_values, stamp_faults
from lard.odd.context import unknown_word
from lard.odd.parameters import PARAMETERS, Parameter
from lard.scenario.sun import light_of, season_of

_CLOCKS = {"local_time_h": (24.0, 0.25), "day_of_year": (366.0, 1.5), "sun_elevation_deg": (360.0, 3.0)}
"""Of each number of the clock, what a turn is and what may differ."""
_NAMED = 3
_EQUATOR_DEG = 1.0


def condition_faults(frames: pl.DataFrame) -> list[str]:
    """One line per environment column with a value that is none, asked for by a domain or not."""
    stated = [p for p in PARAMETERS.values() if p.group == "environment" and p.name in frames.columns]
    faults = [fault for parameter in stated if (fault := _fault(frames, parameter))]
    if "time_utc" in frames.columns:
        faults += stamp_faults(frames.filter(pl.col("time_utc").is_not_null()))
    if {"fog_base_m", "fog_top_m"} <= set(frames.columns):
        upside = frames.filter((pl.col("fog_top_m") > 0) & (pl.col("fog_base_m") >= pl.col("fog_top_m")))
        if len(upside):
            name, base, top = upside.select("frame_id", "fog_base_m", "fog_top_m").row(0)
            faults.append(
                f"column fog_base_m: the fog of frame {name} begins at {base:g} m, above its top, "
                f"{top:g} m ({len(upside)} such frames)"
            )
    if "watermark_px" in frames.columns and frames["watermark_px"].dtype.is_numeric():
        hidden = frames.filter(2 * pl.col("watermark_px") >= pl.col("height_px"))
        if len(hidden):
            name, band, height = hidden.select("frame_id", "watermark_px", "height_px").row(0)
            faults.append(
                f"column watermark_px: two bands of {band:g} px leave nothing of the {height} rows of frame "
                f"{name} ({len(hidden)} such frames)"
            )
    return faults


def _fault(frames: pl.DataFrame, parameter: Parameter) -> str | None:
    name = parameter.name
    known = frames.filter(pl.col(name).is_not_null())
    if not len(known):
        return None
    if parameter.categories:
        fault = unknown_word(name, known[name].to_numpy())
        return f"column {name}: {fault}" if fault else None
    if not known[name].dtype.is_numeric():
        return f"column {name} holds {known[name].dtype} values; expected numbers"
    values = known[name].to_numpy().astype(np.float64)
    odd = (values < parameter.lo) | (values > parameter.hi)
    if parameter.whole:
        odd |= np.isfinite(values) & (values != np.round(values))
    if not odd.any():
        return None
    row = int(odd.argmax())
    kind = "a whole number" if parameter.whole else "a number"
    limits = f"{kind} from {parameter.lo:g} to {parameter.hi:g} {parameter.unit}".rstrip()
    frame = known["frame_id"][row]
    return (
        f"column {name}: {values[row]:g} of frame {frame}; expected {limits} ({int(odd.sum())} such frames)"
    )


def clock_notes(frames: pl.DataFrame) -> list[str]:
    """A line per column of the clock that tells another time than time_utc and longitude."""
    stated = [name for name in CLOCK if name in frames.columns]
    if not stated or "time_utc" not in frames.columns:
        return []
    both = frames.filter(pl.all_horizontal(pl.col("time_utc", *stated).is_not_null()))
    follows = clock_values(both, both["lat_deg"].to_numpy())
    return [note for name in stated if len(both) and (note := _clock_note(both, name, follows))]


def _clock_note(frames: pl.DataFrame, name: str, follows: dict[str, NDArray[Any]]) -> str:
    told = frames[name].to_numpy()
    if name in _CLOCKS:
        turn, allowed = _CLOCKS[name]
        apart = np.abs((told.astype(np.float64) - follows[name] + turn / 2) % turn - turn / 2) > allowed
    else:
        apart = np.ones(len(frames), bool)
        for near in _near(name, follows, frames["lat_deg"].to_numpy()):
            apart &= told != near
    rows = np.flatnonzero(apart)
    if not len(rows):
        return ""
    row = int(rows[0])
    stated, meant = (f"{v:.4g}" if name in _CLOCKS else str(v) for v in (told[row], follows[name][row]))
    return (
        f"{name} of {len(rows)} of {len(frames)} frames is not what time_utc and place tell (first: "
        f"{frames['frame_id'][row]}, {stated} against {meant} in mean solar time); verdicts take the column"
    )


def _near(name: str, follows: dict[str, NDArray[Any]], lat_deg: NDArray[np.float64]) -> list[NDArray[Any]]:
    """Words (n,) for light or season that a clock or a sun slightly off would have."""
    if name == "light":
        sun, room = follows["sun_elevation_deg"], _CLOCKS["sun_elevation_deg"][1]
        return [light_of(sun + off) for off in (-room, 0.0, room)]
    days = [(follows["day_of_year"] - 1 + off) % 366 + 1 for off in (-2, 0, 2)]
    across = np.where(np.abs(lat_deg) < _EQUATOR_DEG, -lat_deg, lat_deg)  # the runway may lie beyond it
    return [season_of(day, lat) for day in days for lat in (lat_deg, across)]


def unseen_note(frames: pl.DataFrame, labels: pl.DataFrame) -> str:
    """Which frames got no label at all, "" without any."""
    blind = frames.filter(~pl.col("frame_id").is_in(labels["frame_id"].unique().to_list()))
    if not len(blind):
        return ""
    named = ", ".join(blind["frame_id"].head(_NAMED))
    more = ", ..." if len(blind) > _NAMED else ""
    return f"{len(blind)} of {len(frames)} frames have no runway in front of the camera ({named}{more})"
