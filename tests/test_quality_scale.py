"""What makes requirements fit into memory changes none of their results."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lard.airports import load_shipped
from lard.labels import label_frames
from lard.odd import load_spec
from lard.quality import Odd, find_check, sights
from lard.quality.checks import boxes, coverage, outlines, represent
from lard.quality.dataset import Dataset
from lard.quality.domain import words_of
from lard.quality.groups import grouped, groups_of, members, sampled
from lard.quality.lookup import Lookup
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


@pytest.mark.parametrize("id", ["A01", "A03", "A04", "C03", "C08", "I06"])
def test_labels_judged_in_pieces_are_judged_alike(
    data: Dataset, monkeypatch: pytest.MonkeyPatch, id: str
) -> None:
    """Piece by piece of 23 labels; with labels that are wrong, so that findings are compared too."""
    assert data.labels is not None
    moved = pl.int_range(pl.len()) % 13 == 2
    labels = data.labels.with_columns(
        x_tl_px=pl.when(moved).then(pl.col("x_tl_px") + 9).otherwise("x_tl_px"),
        along_track_m=pl.when(moved).then(pl.col("along_track_m") * 2).otherwise("along_track_m"),
        verdict=pl.when(moved).then(pl.lit("IN_ODD")).otherwise("verdict"),
        x_min_px=pl.when(moved).then(pl.col("x_min_px") - 40).otherwise("x_min_px"),
    )
    labels = labels.filter(pl.int_range(pl.len()) % 11 != 4)
    check = find_check(id)
    whole = check.function(replace(data, labels=labels), check.thresholds)
    for module in (sights, coverage, boxes):
        monkeypatch.setattr(module, "_ROWS_AT_ONCE", 23)
    assert check.function(replace(data, labels=labels), check.thresholds) == whole
    assert whole.offences or id == "A04"


def test_names_are_looked_up_as_in_a_dictionary() -> None:
    """The last value of a key counts, at the key's first place; what is not there is not."""
    pairs = [("b", "1"), ("é", "2"), ("a", "3"), ("b", "4"), ("c", None), ("z", "2")]
    known = {key: value for key, value in pairs if value is not None}
    found = Lookup(*(pl.Series(column, dtype=pl.String) for column in zip(*pairs, strict=True)))
    assert list(found.items()) == list(known.items()) and len(found) == 4
    assert dict(found.inverse()) == {value: key for key, value in known.items()}
    assert found.get("c") is None and "y" not in found and "zz" not in found and "" not in found
    assert not Lookup(pl.Series([], dtype=pl.String), pl.Series([], dtype=pl.String)).get("a")


def test_groups_of_some_frames_are_the_groups_of_all(data: Dataset) -> None:
    """Masks hold what sets of names hold, crossed with zones too, and samples are spread alike."""
    assert data.frames is not None
    frames = data.frames.with_columns(split=pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit("val")))
    asked = pl.concat([frames["frame_id"][::2], pl.Series(["nobody"]), frames["frame_id"][:5]])
    some = replace(data, frames=frames)
    sets, found = groups_of(some), grouped(some, asked)
    assert len(sets) == 1 + 2 + 3 and [name for name, _ in found.masks()] == list(sets)
    for name, mask in found.masks():
        assert mask.tolist() == members(asked.to_list(), sets[name]).tolist()
    crossed = dict(list(found.masks(crossed=True))[len(sets) :])
    assert len(crossed) == 2 * 3
    for name, mask in crossed.items():
        one, zone = name.split(", ")
        assert mask.tolist() == members(asked.to_list(), sets[one] & sets[zone]).tolist()
    ids = asked.to_list()[:30]
    for most, each in ((4, 3), (50, 1), (1, 9)):
        chosen = grouped(some, asked[:30]).sampled(np.arange(30), most, each)
        assert [ids[k] for k in chosen] == sampled(ids, sets, most, each)


def test_many_frames_of_one_airport_take_no_more_than_their_columns() -> None:
    """Directions of landing are compared with each other, not frames with frames: 5,000 pairs took 400 MB."""
    runways = pl.Series("runway", ["07L", "25R", "07R", None] * 1250)
    part = pl.DataFrame({"airport": ["LFPO"] * 5000, "runway": runways})
    tracemalloc.start()
    found = represent._one_way({"train": part, "test": part.head(8)})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [] and peak < 20e6
