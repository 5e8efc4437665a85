"""Defects of sets, places and approaches."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import polars as pl
from quality_defects import _keep, _rewrite
from quality_defects import alone as defect
from quality_defects_labels import edit, edit_frames, one_in

from lard.airports import Airport, load_shipped
from lard.quality import Dataset

IN_TEST, IN_VAL, IN_TRAIN = (pl.col("split") == name for name in ("test", "val", "train"))


@defect("S03", "test set without the far zone")
def _(data: Dataset) -> None:
    _keep(data, ~IN_TEST | (pl.col("zone") != "far"))


@defect("S03", "validation set without the close zone")
def _(data: Dataset) -> None:
    _keep(data, ~IN_VAL | (pl.col("zone") != "close"))


@defect("S03", "test set with a tenth of its far frames")
def _(data: Dataset) -> None:
    _keep(data, ~IN_TEST | (pl.col("zone") != "far") | one_in(10))


@defect("S03", "test set with good visibility only")
def _(data: Dataset) -> None:
    _keep(data, ~IN_TEST | (pl.col("visibility_m") > 25_000))


@defect("S03", "training set without haze")
def _(data: Dataset) -> None:
    edit_frames(data, IN_TRAIN & (pl.col("visibility_m") < 22_000), visibility_m=pl.lit(40_000.0))


@defect("S03", "test set without visibility below 20 km, which the others have")
def _(data: Dataset) -> None:
    _keep(data, ~IN_TEST | (pl.col("visibility_m") > 20_000))


@defect("S03", "training set without visibility below 19 km, which the others have")
def _(data: Dataset) -> None:
    _keep(data, ~IN_TRAIN | (pl.col("visibility_m") > 19_000))


@defect("S03", "validation set without the weeks around midsummer")
def _(data: Dataset) -> None:
    _keep(data, ~IN_VAL | ~pl.col("day_of_year").is_between(140, 175))


@defect("S03", "test set never near the centreline in the close zone")
def _(data: Dataset) -> None:
    _keep(data, ~IN_TEST | (pl.col("zone") != "close") | (pl.col("lateral_deg").abs() > 0.7))


@defect("S03", "test set of 40 frames without the close zone")
def _(data: Dataset) -> None:
    _keep(data, ~IN_TEST | (pl.col("zone") != "close"))
    _keep(data, ~IN_TEST | (IN_TEST.cum_sum() % 4 == 0))


@defect("S03", "test set without rain", ruled=True)
def _(data: Dataset) -> None:
    _keep(data, ~IN_TEST | (pl.col("rain_mm_h") == 0))


@defect("S03", "test set without fog", ruled=True)
def _(data: Dataset) -> None:
    _keep(data, ~IN_TEST | (pl.col("fog_top_m") == 0))


@defect("S03", "validation set without winter", ruled=True)
def _(data: Dataset) -> None:
    _keep(data, ~IN_VAL | (pl.col("season") != "winter"))


@defect("S03", "test set never turned to the left faster than 1 degree per second", ruled=True)
def _(data: Dataset) -> None:
    _keep(data, ~IN_TEST | (pl.col("yaw_rate_deg_s") > -1.0))


@defect("S03", "test set by noon only")
def _(data: Dataset) -> None:
    _keep(data, ~IN_TEST | pl.col("local_time_h").is_between(12, 14))


@defect("S03", "test set without night", ruled=True)
def _(data: Dataset) -> None:
    _keep(data, ~IN_TEST | (pl.col("light") != "night"))


@defect("S03", "test set of one airport but for a few frames")
def _(data: Dataset) -> None:
    _keep(data, ~IN_TEST | (pl.col("airport") == "EGLL") | one_in(12))


@defect("S03", "test set flown in one direction only")
def _(data: Dataset) -> None:
    assert data.frames is not None
    first = data.frames.sort("frame_id").group_by("airport").agg(pl.col("yaw_deg").first().alias("first"))
    turned = (pl.col("yaw_deg") - pl.col("first")).radians().cos() < 0
    lost = data.frames.join(first, on="airport").filter(IN_TEST & turned)["frame_id"].to_list()
    _keep(data, ~pl.col("frame_id").is_in(lost))


def _first(data: Dataset, of: pl.Expr, n: int) -> None:
    """Only so many frames of a set, spread over it."""
    assert data.frames is not None
    place = data.frames.filter(of)["frame_id"].to_list()
    kept = [place[k] for k in np.linspace(0, len(place) - 1, n).round().astype(int)]
    _keep(data, ~of | pl.col("frame_id").is_in(kept))


for count in (1, 3, 9, 28):

    @defect("S04", f"validation set of {count} frames")
    def _(data: Dataset, count: int = count) -> None:
        _first(data, IN_VAL, count)


@defect("S04", "test set of 12 frames")
def _(data: Dataset) -> None:
    _first(data, IN_TEST, 12)


@defect("S04", "training set of one airport")
def _(data: Dataset) -> None:
    edit_frames(data, IN_TRAIN & (pl.col("airport") != "KATL"), split=pl.lit("test"))


@defect("S04", "no validation set")
def _(data: Dataset) -> None:
    _keep(data, ~IN_VAL)


@defect("S04", "validation frames moved into training")
def _(data: Dataset) -> None:
    edit_frames(data, IN_VAL, split=pl.lit("train"))


@defect("S04", "no test set")
def _(data: Dataset) -> None:
    _keep(data, ~IN_TEST)


@defect("S04", "validation set under another name")
def _(data: Dataset) -> None:
    edit_frames(data, IN_VAL, split=pl.lit("valid"))


@defect("S04", "three frames in a set of their own")
def _(data: Dataset) -> None:
    edit_frames(data, one_in(250), split=pl.lit("holdout"))


@defect("S02", "validation set flown higher than the training set")
def _(data: Dataset) -> None:
    _keep(data, ~IN_VAL | (pl.col("vertical_deg") > 3.8))


@defect("S02", "test set flown left of the centreline")
def _(data: Dataset) -> None:
    _keep(data, ~IN_TEST | (pl.col("lateral_deg") < 0))


@defect("S02", "validation set in half the range of visibility")
def _(data: Dataset) -> None:
    _keep(data, ~IN_VAL | (pl.col("visibility_m") > 30_000))


@defect("S02", "test set in thinner weather than the others", ruled=True)
def _(data: Dataset) -> None:
    _keep(data, ~IN_TEST | (pl.col("visibility_m") > 12_000))


def _renamed(data: Dataset, where: pl.Expr, name: str) -> None:
    edit(data, where, airport=pl.lit(name))
    edit_frames(data, where, airport=pl.lit(name))


HALF = pl.col("frame_id").str.contains("^EGLL.*[02468]$")


@defect("U02", "half of an airport's frames under another ident")
def _(data: Dataset) -> None:
    _renamed(data, HALF, "XXXX")


@defect("U02", "an airport under the idents of two databases")
def _(data: Dataset) -> None:
    db = load_shipped()
    p = db.airport("EGLL")
    runways = tuple(replace(r, airport="EGLX") for r in p.runways)
    twin = Airport("EGLX", p.name, p.country, p.lat_deg, p.lon_deg, p.elevation_m, runways)
    data.database = replace(db, airports={**db.airports, "EGLX": twin})
    _renamed(data, HALF, "EGLX")


@defect("U02", "an airport in small letters")
def _(data: Dataset) -> None:
    _renamed(data, HALF, "egll")


def _same(data: Dataset, names: tuple[str, ...]) -> None:
    """Each runway gets the values of the first frames of its zone."""
    assert data.frames is not None
    first = data.frames.with_columns(k=pl.int_range(pl.len()).over("airport", "runway", "zone"))
    values = first.unique(["zone", "k"], keep="first", maintain_order=True).select("zone", "k", *names)
    data.frames = (
        first.drop(names)
        .join(values, on=["zone", "k"], how="left", maintain_order="left")
        .select(data.frames.columns)
    )


@defect("U02", "the same approaches at every airport")
def _(data: Dataset) -> None:
    _same(data, ("along_track_m", "lateral_deg", "vertical_deg", "yaw_offset_deg", "pitch_deg", "roll_deg"))


@defect("U02", "the same attitudes at every airport")
def _(data: Dataset) -> None:
    _same(data, ("yaw_offset_deg", "pitch_deg", "roll_deg"))


@defect("U02", "the same positions at every airport")
def _(data: Dataset) -> None:
    _same(data, ("along_track_m", "lateral_deg", "vertical_deg"))


@defect("U02", "the approaches of one airport flown at another")
def _(data: Dataset) -> None:
    assert data.frames is not None
    names = ("along_track_m", "lateral_deg", "vertical_deg", "yaw_offset_deg", "pitch_deg", "roll_deg")
    to = data.frames.with_row_index("row").filter(pl.col("airport") == "FAOR")["row"].to_numpy()
    source = data.frames.filter(pl.col("airport") == "KATL")[: len(to)]
    columns = {name: data.frames[name].to_numpy().copy() for name in names}
    for name in names:
        columns[name][to[: len(source)]] = source[name].to_numpy()
    data.frames = data.frames.with_columns(**{name: pl.Series(v) for name, v in columns.items()})


@defect("U01", "one training picture in the test set, written anew", files=True)
def _(data: Dataset) -> None:
    names = data.image_paths
    train = next(n for n in names if "KATL" in n)
    test = next(n for n in names if "EGLL" in n)
    pixels = cv2.imread(str(data.root / train))
    assert pixels is not None
    content = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 60])[1].tobytes()
    _rewrite(data.root / test, np.asarray(bytearray(content)).tobytes())


@defect("U01", "a frame in two sets")
def _(data: Dataset) -> None:
    assert data.frames is not None
    again = data.frames.filter(IN_TRAIN).head(1).with_columns(split=pl.lit("test"))
    data.frames = pl.concat([data.frames, again])


@defect("R01", "one airport seen in a bank to the left only")
def _(data: Dataset) -> None:
    _keep(data, ~((pl.col("airport") == "EGLL") & (pl.col("roll_deg") > 0)))


@defect("R01", "one airport approached from above only")
def _(data: Dataset) -> None:
    below = (pl.col("airport") == "KATL") & (pl.col("vertical_deg") < 3.5)
    above = pl.when(below).then(7.0 - pl.col("vertical_deg")).otherwise(pl.col("vertical_deg"))
    assert data.frames is not None
    data.frames = data.frames.with_columns(vertical_deg=above)
