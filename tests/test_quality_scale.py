"""What makes requirements fit into memory changes none of their results."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lard.airports import load_shipped
from lard.labels import label_frames
from lard.odd import load_spec
from lard.quality import Odd, find_check
from lard.quality.checks import outlines
from lard.quality.dataset import Dataset
from lard.quality.domain import words_of
from lard.scenario import sample


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Sixty frames; of some labels box, outline or flag is wrong."""
    spec, db = load_spec("lard_v2"), load_shipped()
    frames = sample(spec, db, ["KATL", "LFPO"], 60, 4)
    labels = label_frames(frames, db, spec)
    wrong = pl.int_range(pl.len()) % 17 == 3
    labels = labels.with_columns(
        x_max_px=pl.when(wrong).then(pl.col("x_max_px") + 5).otherwise("x_max_px"),
        truncated=pl.when(pl.int_range(pl.len()) % 19 == 5).then(~pl.col("truncated")).otherwise("truncated"),
        visible_fraction=pl.when(pl.int_range(pl.len()) == 40).then(0.123).otherwise("visible_fraction"),
    )
    return Dataset(Path("nowhere"), "lard", "x", frames, labels, odd=Odd.from_spec(spec, "x"), database=db)


def test_outlines_judged_in_pieces_are_judged_alike(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    check = find_check("I03")
    whole = check.function(data, check.thresholds)
    monkeypatch.setattr(outlines, "_ROWS_AT_ONCE", 23)
    assert check.function(data, check.thresholds) == whole
    assert len(whole.offences) == 29 and data.labels is not None and whole.checked == len(data.labels) > 46


def test_words_are_shared_and_keep_their_place() -> None:
    words = ["asphalt", None, "concrete", "asphalt"] * 3
    found = words_of(pl.Series(words, dtype=pl.String))
    assert found.tolist() == words and found[0] is found[3]
    assert words_of(pl.Series([], dtype=pl.String)).shape == (0,)
    assert words_of(pl.Series([None, None], dtype=pl.String)).tolist() == [None, None]
    np.testing.assert_array_equal(words_of(pl.Series([1.5, 2.0])), [1.5, 2.0])
