"""Every label that is due exists: the database projected anew into every frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from lard.quality.dataset import Dataset
from lard.quality.due import DUE, due_strips, strip_numbers
from lard.quality.model import Offence, Outcome
from lard.quality.registry import check

_JUDGED: dict[str, Any] = {"airport": pl.String, "slant_m": pl.Float64, "lost": pl.Boolean}
"""What is kept of every strip that is due."""
RANGES_M = (0.0, 1000.0, 2000.0, 4000.0, 8000.0, 16_000.0, 1e9)


@check(
    "DQR-C08",
    "Every runway in the picture is labelled",
    severity="error",
    rationale="A runway without a label is taught as background, and finding it counts as a false alarm.",
    objective="completeness",
    thresholds={"min_area_px2": 2.0, "at_width_px": 1024, "max_missing": 0},
    needs=("pose", "camera", "labels", "runways"),
)
def labels_complete(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Project every runway of the database into every frame along a second path; each in view needs a label.

    Of the two landing directions the one that faces the camera is to be named. LARD V2's tables hold the
    runways of the frame's own airport that are wholly before the camera.
    """
    assert data.labels is not None and data.frames is not None
    if data.kind == "lard_v1":
        return Outcome(None, "LARD V1 labels the runway that is approached only")
    strips, rows = strip_numbers(data), _rows_by_airport(data)
    parts = [
        _against_labels(data.labels[rows[airport]] if airport in rows else data.labels[:0], strips, due)
        for airport, due in _due(data, limits)
    ]
    parts = parts or [_against_labels(data.labels[:0], strips, pl.DataFrame(schema=DUE))]
    joined, missing, turned = (pl.concat(tables) for tables in zip(*parts, strict=True))
    order = ("frame_id", "airport", "runway")
    missing, turned = missing.sort(order), turned.sort(order)
    offences = [
        Offence(_name(row), row["area_px2"], f"in the picture with {row['area_px2']:.1f} px², not labelled")
        for row in missing.iter_rows(named=True)
    ]
    if data.kind == "lard":
        offences += _turned(turned)
    total = len(joined)
    if not total:
        return Outcome(None, "no runway of the database is in a picture whose pose and camera are known")
    message = f"{total - len(missing)} of {total} runways in view are labelled"
    if len(missing):
        message += f"; missing: {_where(joined, missing)}"
    share = len(missing) / total
    passed = len(offences) <= int(limits["max_missing"])
    return Outcome(passed, message, share, 0.0, tuple(offences), total, {"due": _by_range(joined)})


def _rows_by_airport(data: Dataset) -> dict[str | None, pl.Series]:
    """Rows of the labels of each airport's frames."""
    assert data.labels is not None
    own = data.once.select("frame_id", pl.col("airport").alias("own"))
    keys = data.labels.select("frame_id").with_row_index("row").join(own, on="frame_id", how="inner")
    groups = keys.select("row", "own").partition_by("own", as_dict=True, maintain_order=True)
    return {key[0]: rows["row"] for key, rows in groups.items()}


def _due(data: Dataset, limits: Mapping[str, Any]) -> Iterator[tuple[str | None, pl.DataFrame]]:
    """DUE rows that need a label, airport by airport; what is one strip under two airports comes once."""
    assert data.frames is not None and data.labels is not None
    width = data.once.select("frame_id", "width_px")
    scale = (pl.col("width_px") / float(limits["at_width_px"])).pow(2)
    for airport, part in due_strips(data):
        due = part.join(width, on="frame_id", how="left")
        due = due.filter(pl.col("area_px2") >= float(limits["min_area_px2"]) * scale)
        if data.kind != "lard":
            due = due.filter(pl.col("own") & pl.col("whole") & (pl.col("area_px2") >= 16.0))
        if "hidden_fraction" in data.labels.columns:  # land may hide what lies farther off
            due = due.filter(pl.col("own"))
        due = due.sort("own", "airport", descending=[True, False])
        yield airport, due.unique(["frame_id", "strip"], keep="first", maintain_order=True)


def _against_labels(
    labels: pl.DataFrame, strips: pl.DataFrame, due: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """_JUDGED of the strips that are due, those that are not labelled, and those labelled by the end that
    looks away."""
    keys = labels.select("frame_id", "airport", "runway")
    given = keys.join(strips, on=["airport", "runway"], how="inner")
    given = given.group_by("frame_id", "strip").agg(pl.col("ident").alias("idents"))
    joined = due.join(given, on=["frame_id", "strip"], how="left")
    joined = joined.with_columns(lost=pl.col("idents").is_null())
    away = joined.filter(
        ~pl.col("side_on")
        & pl.col("idents").is_not_null()
        & ~pl.col("idents").list.contains(pl.col("runway")).fill_null(True)
        & pl.col("idents").list.contains(pl.col("reciprocal")).fill_null(False)
    )
    return joined.select(list(_JUDGED)), joined.filter("lost").drop("idents"), away.drop("idents")


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['frame_id']}:{row['runway'] if row['own'] else row['airport'] + '/' + row['runway']}"


def _turned(away: pl.DataFrame) -> list[Offence]:
    """Labels that name the landing direction which looks away from the camera."""
    return [
        Offence(_name(row), None, f"labelled as {row['reciprocal']}, the end that looks away from the camera")
        for row in away.iter_rows(named=True)
    ]


def _where(joined: pl.DataFrame, missing: pl.DataFrame) -> str:
    """What the missing labels have in common, in words."""
    own = int(missing["own"].sum())
    words = [f"{own} of the frames' own airports, {len(missing) - own} of others"]
    airports = Counter(missing["airport"].to_list())
    if len(airports) == 1 and joined["airport"].n_unique() > 1:
        words.append(f"all at {next(iter(airports))}")
    near = float(missing["slant_m"].to_numpy().min())
    if near > 1500.0 and not len(joined.filter((pl.col("slant_m") >= near) & ~pl.col("lost"))):
        words.append(f"every one beyond {near:.0f} m")
    return ", ".join(words)


def _by_range(joined: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Runways in view and labels missing, by distance."""
    band = np.digitize(joined["slant_m"].to_numpy(), RANGES_M)
    lost = joined["lost"].to_numpy()
    names = [f"{low:g}..{high:g} m" for low, high in pairwise(RANGES_M)]
    return {
        name: {"due": int((band == k).sum()), "missing": int((lost & (band == k)).sum())}
        for k, name in enumerate(names, 1)
        if (band == k).any()
    }
