"""Where labels contradict their frames or each other."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from lard.errors import AirportError
from lard.quality.dataset import Dataset
from lard.quality.model import Offence
from lard.quality.odd import PARAMETERS
from lard.quality.untold import FLAT, is_foreign, is_imported

STATED = (
    "airport", "runway", "is_target", "visible_fraction", "truncated", "behind", "along_track_m",
    "lateral_deg", "vertical_deg", "yaw_offset_deg", "slant_m", "height_m", "earth_model", "runway_db",
    "runway_db_version",
)  # fmt: skip
_MARKED = {
    "airport": pl.String, "runway": pl.String, "is_target": pl.Boolean, "to_airport": pl.String,
    "to_runway": pl.String,
}  # fmt: skip


def is_drawn() -> pl.Expr:
    """Whether a frame was drawn for a zone: it has one, and all of its approach."""
    return pl.all_horizontal(pl.col(name).is_not_null() for name in ("zone", *PARAMETERS))


def labels_of_frames(data: Dataset) -> Iterator[Offence]:
    """Earth model of labels against that of their frames."""
    assert data.labels is not None and data.frames is not None
    both = data.labels.select("frame_id", "runway", "earth_model").join(
        data.frames.select(
            "frame_id", pl.col("earth_model").alias("of_frame"), is_foreign().alias("foreign")
        ).unique("frame_id"),
        on="frame_id",
    )
    if is_imported(data):  # labels of LARD V2 are measured so, whatever earth their pictures show
        both = both.filter(~(pl.col("foreign") & (pl.col("earth_model") == FLAT)).fill_null(False))
    differ = both.filter(pl.col("earth_model") != pl.col("of_frame")).drop("foreign")
    for name, runway, ours, theirs in differ.iter_rows():
        yield Offence(f"{name}:{runway}", None, f"labelled on the earth {ours}, the frame is on {theirs}")


def targets(data: Dataset) -> Iterator[Offence]:
    """is_target against the runway that the frame approaches."""
    assert data.labels is not None and data.frames is not None
    approached = data.frames.select(
        "frame_id", pl.col("airport").alias("to_airport"), pl.col("runway").alias("to_runway")
    ).unique("frame_id")
    rows = data.labels.select("frame_id", "airport", "runway", "is_target").join(approached, on="frame_id")
    rows = rows.drop_nulls(["airport", "runway", "is_target", "to_airport", "to_runway"])
    strip = {pair: _strip(data, *pair) for pair in data.named_runways}
    # each way of marking a runway of frames that approach another is judged once
    judged = [
        (*key, strip.get(key[3:]) is not None and key[2] != (strip.get(key[:2]) == strip.get(key[3:])))
        for key in rows.select(list(_MARKED)).unique().iter_rows()
    ]
    wrong = pl.DataFrame(judged, schema=_MARKED | {"wrong": pl.Boolean}, orient="row")
    rows = rows.join(wrong.filter("wrong"), on=list(_MARKED), how="semi", maintain_order="left")
    for name, airport, runway, _, to_airport, to_runway in rows.iter_rows():
        text = f"marked as the target, the frame approaches {to_airport}/{to_runway}"
        if strip.get((airport, runway)) == strip.get((to_airport, to_runway)):
            text = f"not marked as the target, though the frame approaches {to_airport}/{to_runway}"
        yield Offence(f"{name}:{runway}", None, text)


def both_ends(data: Dataset) -> Iterator[Offence]:
    """Strips of asphalt that are labelled twice in one frame, once by each end."""
    assert data.labels is not None
    strip = {pair: "/".join(_strip(data, *pair) or pair) for pair in data.named_runways}
    strips = pl.DataFrame(
        [(*pair, name) for pair, name in strip.items()],
        schema={"airport": pl.String, "runway": pl.String, "strip": pl.String},
        orient="row",
    )
    rows = data.labels.select("frame_id", "airport", "runway").drop_nulls().unique(maintain_order=True)
    rows = rows.join(strips, on=["airport", "runway"], how="left", maintain_order="left")
    twice = rows.filter(pl.struct("frame_id", "strip").is_duplicated())
    for (name, _), part in twice.group_by("frame_id", "strip", maintain_order=True):
        both = " and ".join(part["runway"].to_list())
        yield Offence(f"{name}:{part['runway'][0]}", None, f"one runway is labelled twice, as {both}")


def _strip(data: Dataset, airport: str, runway: str) -> tuple[str, str] | None:
    """One name for both landing directions of a strip; None for one that the database does not know."""
    try:
        end = data.database.airport(airport).runway(runway) if data.database is not None else None
    except AirportError:
        return None  # DQR-A05 reports it
    return (end.airport, min(end.ident, end.reciprocal)) if end is not None else None


def label_gaps(data: Dataset) -> Iterator[Offence]:
    """Values that labels of drawn frames lack."""
    assert data.labels is not None and data.frames is not None
    drawn = data.frames["frame_id"].filter(data.frames.select(is_drawn()).to_series())
    of_drawn = data.labels["frame_id"].is_in(drawn.implode())
    for name in STATED:
        column = data.labels[name]
        empty = column.is_null() | (~column.is_finite() if column.dtype.is_float() else False)
        rows = data.labels.select("frame_id", "runway").filter(empty.fill_null(True) & of_drawn)
        for frame_id, runway in rows.iter_rows():
            yield Offence(f"{frame_id}:{runway}", None, f"labels.{name} is empty or not finite")
