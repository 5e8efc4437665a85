"""What frames state of their environment: values that no frame can have, and clocks that disagree."""

from __future__ import annotations

import numpy as np
import polars as pl

from lard.labels.verdict import clock_values, stamp_faults
from lard.odd.context import unknown_word
from lard.odd.parameters import PARAMETERS, Parameter

_CLOCKS = {"local_time_h": (24.0, 0.25), "day_of_year": (366.0, 1.5)}  # what a turn is, what may differ
_NAMED = 3


def condition_faults(frames: pl.DataFrame) -> list[str]:
    """One line per environment column with a value that is none, asked for by a domain or not."""
    stated = [p for p in PARAMETERS.values() if p.group == "environment" and p.name in frames.columns]
    faults = [fault for parameter in stated if (fault := _fault(frames, parameter))]
    if "time_utc" in frames.columns:
        faults += stamp_faults(frames.filter(pl.col("time_utc").is_not_null()))
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
    stated = [name for name in _CLOCKS if name in frames.columns and frames[name].dtype.is_numeric()]
    if not stated or "time_utc" not in frames.columns:
        return []
    both = frames.filter(pl.all_horizontal(pl.col("time_utc", *stated).is_not_null()))
    return [note for name in stated if len(both) and (note := _clock_note(both, name))]


def _clock_note(frames: pl.DataFrame, name: str) -> str:
    turn, allowed = _CLOCKS[name]
    told = frames[name].to_numpy().astype(np.float64)
    follows = clock_values(frames, 0.0)[name]
    apart = np.abs((told - follows + turn / 2) % turn - turn / 2)
    rows = np.flatnonzero(apart > allowed)
    if not len(rows):
        return ""
    row = int(rows[0])
    return (
        f"{name} of {len(rows)} of {len(frames)} frames is not what time_utc and longitude tell (first: "
        f"{frames['frame_id'][row]}, {told[row]:g} against {follows[row]:.4g} in mean solar time); verdicts "
        f"take the column"
    )


def unseen_note(frames: pl.DataFrame, labels: pl.DataFrame) -> str:
    """Which frames got no label at all, "" without any."""
    blind = frames.filter(~pl.col("frame_id").is_in(labels["frame_id"].unique().to_list()))
    if not len(blind):
        return ""
    named = ", ".join(blind["frame_id"].head(_NAMED))
    more = ", ..." if len(blind) > _NAMED else ""
    return f"{len(blind)} of {len(frames)} frames have no runway in front of the camera ({named}{more})"
