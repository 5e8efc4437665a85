"""Sets that share no airport: not even one in the other's pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from labels_support import database, frames_of
from test_labels_reach import strip_at

from lard.labels import label_frames
from lard.odd import load_spec
from lard.quality.checks.sets import sets_disjoint
from lard.quality.dataset import Dataset

LIMITS = {"min_distance_km": 10.0, "max_shown_px2": 4.0}


@pytest.mark.parametrize(
    ("split", "distance_m", "fails"),
    [("train", 12_000.0, True), ("test", 12_000.0, False), ("train", 45_000.0, False)],
)
def test_pictures_that_show_an_airport_of_another_set_are_found(
    tmp_path: Path, split: str, distance_m: float, fails: bool
) -> None:
    db = database()
    db = replace(db, airports={**db.airports, "KNEB": strip_at("KNEB", 80.0, distance_m, 310.0, axis=80.0)})
    frames = frames_of(db, 40, along_m=(3000.0, 6000.0)).with_columns(split=pl.lit(split))
    other = frames.head(2).with_columns(
        frame_id=pl.concat_str(pl.lit("KNEB_"), "frame_id"), airport=pl.lit("KNEB"), runway=pl.lit("09L"),
        split=pl.lit("test"),
    )  # fmt: skip
    third = frames.head(1).with_columns(frame_id=pl.lit("A_0"), airport=pl.lit("KFAR"), split=pl.lit("val"))
    third = third.with_columns(pl.col("lat_deg") + 5.0)
    labels = label_frames(frames, db, load_spec("lard_v2"))
    data = Dataset(tmp_path, "lard", "x", pl.concat([frames, other, third]), labels)
    data.database = db
    found = sets_disjoint(data, LIMITS)
    shown = [offence for offence in found.offences if "shown in" in offence.message]
    assert bool(shown) == fails == (not found.passed)
    if fails:
        assert [offence.subject for offence in shown] == ["KNEB"] and shown[0].measured > 4
        assert (
            "of the set test, shown in" in shown[0].message and "train pictures of KXYZ" in shown[0].message
        )
    assert sets_disjoint(replace(data, labels=None), LIMITS).passed
