"""Defects of labels: those that are missing, outlines and flags that are wrong, tables that disagree."""

from __future__ import annotations

from typing import Any

import polars as pl
from quality_defects import alone as defect

from lard.airports import load_shipped
from lard.quality import Dataset
from lard.tables import LABELS, write_table

CORNERS = ("tl", "tr", "br", "bl")
EVERYWHERE = pl.lit(True)
GROUPS = {
    "all": EVERYWHERE,
    "one airport": pl.col("frame_id").str.starts_with("EGLL"),
    "the far zone": pl.col("frame_id").str.contains("_far_"),
    "the test set": pl.col("frame_id").str.contains("^(EGLL|PHNL|LFPG|FAOR|RJTT)"),
}
"""Where a defect is planted: in everything or in one group."""


def one_in(n: int) -> pl.Expr:
    """Every n-th row."""
    return pl.int_range(pl.len()) % n == 0


def without(data: Dataset, lost: pl.Expr) -> None:
    """Delete labels."""
    assert data.labels is not None
    data.labels = data.labels.filter(~lost)


def edit(data: Dataset, where: pl.Expr, **columns: pl.Expr | Any) -> None:
    """Change columns of the labels that a condition picks."""
    assert data.labels is not None
    data.labels = data.labels.with_columns(
        pl.when(where).then(value).otherwise(pl.col(name)).alias(name) for name, value in columns.items()
    )


def edit_frames(data: Dataset, where: pl.Expr, **columns: pl.Expr | Any) -> None:
    """Change columns of the frames that a condition picks."""
    assert data.frames is not None
    data.frames = data.frames.with_columns(
        pl.when(where).then(value).otherwise(pl.col(name)).alias(name) for name, value in columns.items()
    )


other, seen = ~pl.col("is_target"), pl.col("visible_fraction") > 0
hidden = pl.col("behind") & seen

for _group, _where in GROUPS.items():

    @defect("C08", f"60 % of the other runways' labels deleted, {_group}")
    def _(data: Dataset, where: pl.Expr = _where) -> None:
        without(data, where & other & (pl.int_range(pl.len()) % 5 < 3))

    @defect("I03", f"polygons 0.2 px to the right, {_group}")
    def _(data: Dataset, where: pl.Expr = _where) -> None:
        edit(data, where, polygon=pl.col("polygon").list.eval(pl.element() + 0.2))

    @defect("C03", f"verdicts emptied, {_group}")
    def _(data: Dataset, where: pl.Expr = _where) -> None:
        edit(data, where & one_in(2), verdict=pl.lit(None, pl.String))

    @defect("T02", f"another runway marked as the target, {_group}")
    def _(data: Dataset, where: pl.Expr = _where) -> None:
        edit(data, where, is_target=pl.lit(True))


@defect("C08", "one label of another runway deleted")
def _(data: Dataset) -> None:
    assert data.labels is not None
    clear = data.labels.filter(
        other & seen & (pl.col("visible_fraction") == 1.0) & (pl.col("slant_m") < 3000)
    )
    row = clear.row(3, named=True)
    without(data, (pl.col("frame_id") == row["frame_id"]) & (pl.col("runway") == row["runway"]))


@defect("C08", "labels beyond 4 km deleted")
def _(data: Dataset) -> None:
    without(data, other & (pl.col("slant_m") > 4000))


@defect("C08", "runways partly behind the camera not labelled")
def _(data: Dataset) -> None:
    without(data, hidden)


@defect("C08", "runways cut by the picture's edge not labelled")
def _(data: Dataset) -> None:
    without(data, other & pl.col("truncated"))


@defect("C08", "labels named by the end that looks away")
def _(data: Dataset) -> None:
    db = load_shipped()
    names = {
        f"{airport}/{runway}": db.airport(airport).runway(runway).reciprocal
        for airport, runway in data.named_runways
    }
    turned = {
        f"{a}_{c}_px": pl.col(f"{a}_{d}_px")
        for a in "xy"
        for c, d in zip(CORNERS, ("br", "bl", "tl", "tr"), strict=True)
    }
    key = pl.col("airport") + "/" + pl.col("runway")
    edit(data, one_in(20), runway=key.replace_strict(names), **turned)


@defect("I03", "polygons 50 px too low")
def _(data: Dataset) -> None:
    edit(
        data,
        one_in(20),
        polygon=pl.col("polygon").list.eval(pl.element() + 50 * (pl.int_range(pl.len()) % 2)),
    )


@defect("I03", "polygons are the boxes")
def _(data: Dataset) -> None:
    sides = ("x_min", "y_min", "x_max", "y_min", "x_max", "y_max", "x_min", "y_max")
    edit(data, seen & one_in(3), polygon=pl.concat_list(f"{side}_px" for side in sides))


@defect("I03", "polygons are the corners, not cut by the picture")
def _(data: Dataset) -> None:
    whole = pl.concat_list(f"{a}_{c}_px" for c in CORNERS for a in "xy")
    edit(data, pl.col("truncated") & ~pl.col("behind") & seen, polygon=whole)


@defect("I03", "polygons cross themselves")
def _(data: Dataset) -> None:
    crossed = pl.concat_list(
        pl.col("polygon").list.gather([0, 1, 4, 5, 2, 3]), pl.col("polygon").list.slice(6)
    )
    edit(data, seen & (pl.col("polygon").list.len() == 8) & one_in(10), polygon=crossed)


@defect("I03", "polygons of two points")
def _(data: Dataset) -> None:
    edit(data, seen & one_in(40), polygon=pl.col("polygon").list.head(4))


@defect("I03", "polygons lost")
def _(data: Dataset) -> None:
    edit(data, seen & one_in(40), polygon=pl.lit([], pl.List(pl.Float64)))


@defect("I03", "x and y of polygons exchanged")
def _(data: Dataset) -> None:
    flat = pl.col("polygon")
    ys, xs = flat.list.gather_every(2, 1), flat.list.gather_every(2)
    swapped = pl.concat_list(*(part.list.get(k) for k in range(3) for part in (ys, xs)), flat.list.slice(6))
    edit(data, seen & (flat.list.len() == 8), polygon=swapped)


@defect("I03", "polygons normalised")
def _(data: Dataset) -> None:
    edit(data, EVERYWHERE, polygon=pl.col("polygon").list.eval(pl.element() / 256))


@defect("I03", "polygons mirrored")
def _(data: Dataset) -> None:
    mirrored = pl.when(pl.int_range(pl.len()) % 2 == 0).then(256 - pl.element()).otherwise(pl.element())
    edit(data, EVERYWHERE, polygon=pl.col("polygon").list.eval(mirrored))


@defect("I03", "runways partly behind the camera stated as whole")
def _(data: Dataset) -> None:
    edit(data, hidden, visible_fraction=pl.lit(1.0))


@defect("I03", "runways behind the camera with a box of the whole picture")
def _(data: Dataset) -> None:
    box = {"x_min_px": 0.0, "y_min_px": 0.0, "x_max_px": 256.0, "y_max_px": 256.0}
    edit(data, hidden, **{name: pl.lit(value) for name, value in box.items()})


@defect("I03", "behind not stated of runways that reach behind the camera")
def _(data: Dataset) -> None:
    edit(data, pl.col("behind"), behind=pl.lit(False))


@defect("I03", "visible fraction 0.02 too large")
def _(data: Dataset) -> None:
    edit(data, seen & (pl.col("visible_fraction") < 0.9), visible_fraction=pl.col("visible_fraction") + 0.02)


@defect("I03", "visible fraction is the hidden one")
def _(data: Dataset) -> None:
    edit(data, EVERYWHERE, visible_fraction=1 - pl.col("visible_fraction"))


@defect("I03", "visible fraction in per cent")
def _(data: Dataset) -> None:
    edit(data, EVERYWHERE, visible_fraction=100 * pl.col("visible_fraction"))


@defect("I03", "boxes of runways out of the picture")
def _(data: Dataset) -> None:
    edit(
        data,
        ~seen,
        x_min_px=pl.lit(10.0),
        y_min_px=pl.lit(10.0),
        x_max_px=pl.lit(30.0),
        y_max_px=pl.lit(20.0),
    )


@defect("I03", "boxes 0.2 px too wide")
def _(data: Dataset) -> None:
    edit(data, seen & ~pl.col("truncated") & one_in(30), x_max_px=pl.col("x_max_px") + 0.2)


@defect("C03", "verdicts unknown in drawn frames")
def _(data: Dataset) -> None:
    edit(data, one_in(50), verdict=pl.lit("UNKNOWN"))


@defect("T02", "target marks of one frame exchanged")
def _(data: Dataset) -> None:
    name = str(data.labels.filter(other)["frame_id"][0])  # type: ignore[index]
    edit(data, pl.col("frame_id") == name, is_target=other)


@defect("T02", "labels of another frame's picture")
def _(data: Dataset) -> None:
    edit(data, one_in(200), image=pl.col("image").shift(5))


@defect("T02", "labels of another runway database")
def _(data: Dataset) -> None:
    edit(data, GROUPS["one airport"], runway_db_version=pl.lit("2019.1"))


@defect("T02", "labels on another earth than their frames")
def _(data: Dataset) -> None:
    edit(data, GROUPS["one airport"], earth_model=pl.lit("sphere6371010"))


@defect("T02", "a column of approach values emptied")
def _(data: Dataset) -> None:
    edit(data, EVERYWHERE, lateral_deg=pl.lit(None, pl.Float64))


@defect("T02", "seed in the manifest not that of the frame")
def _(data: Dataset) -> None:
    assert data.manifest is not None
    data.manifest = data.manifest.with_columns(seed=pl.when(one_in(100)).then(pl.lit(7)).otherwise("seed"))


@defect("T02", "a tenth of the frames lost with all that belongs to them")
def _(data: Dataset) -> None:
    assert data.frames is not None and data.labels is not None and data.manifest is not None
    data.frames = data.frames.filter(~one_in(10))
    kept = data.frames.select("frame_id")
    data.labels = data.labels.join(kept, on="frame_id", how="semi")
    data.manifest = data.manifest.join(kept, on="frame_id", how="semi")


@defect("T02", "light stated of most frames only")
def _(data: Dataset) -> None:
    edit_frames(data, one_in(100), light=pl.lit(None, pl.String))


@defect("T02", "dataset.json states another camera")
def _(data: Dataset) -> None:
    data.meta = {**data.meta, "camera": {**data.meta["camera"], "fx_px": 200.0}}


@defect("T02", "dataset.json states other sets")
def _(data: Dataset) -> None:
    data.meta = {**data.meta, "splits": {"train": 720}}


@defect("T02", "labels table of another run", files=True)
def _(data: Dataset) -> None:
    path = data.root / "labels.parquet"
    path.unlink()
    assert data.labels is not None
    renamed = data.labels.with_columns(runway_db=pl.lit("mine"))
    write_table(renamed, path, LABELS)


@defect("T02", "pictures of one airport by an older renderer")
def _(data: Dataset) -> None:
    assert data.manifest is not None
    older = pl.when(pl.col("frame_id").str.starts_with("EGLL")).then(pl.lit("0"))
    data.manifest = data.manifest.with_columns(source_version=older.otherwise(pl.col("source_version")))


def of_one_airport(data: Dataset, **columns: str) -> None:
    """Change texts of one airport's rows in the manifest."""
    assert data.manifest is not None
    data.manifest = data.manifest.with_columns(
        pl.when(GROUPS["one airport"]).then(pl.lit(text)).otherwise(pl.col(name)).alias(name)
        for name, text in columns.items()
    )


for _owner, _text, _columns in (
    ("T02", "by an older version of the tool", {"tool_version": "0.0.1"}),
    ("T02", "made with an older runway database", {"runway_db_version": "2025.01"}),
    ("T02", "under another licence of the same author", {"licence": "CC-BY-NC-4.0"}),
    ("T01", "whose licence is n/a", {"licence": "n/a"}),
    ("T01", "whose author is unknown", {"attribution": " Unknown."}),
):

    @defect(_owner, f"pictures of one airport {_text}")
    def _(data: Dataset, columns: dict[str, str] = _columns) -> None:
        of_one_airport(data, **columns)


@defect("T02", "all pictures made with another runway database")
def _(data: Dataset) -> None:
    assert data.manifest is not None
    data.manifest = data.manifest.with_columns(runway_db=pl.lit("mine"))


for _group, _where in GROUPS.items():

    @defect("A01", f"labels half a pixel to the right and down, {_group}")
    def _(data: Dataset, where: pl.Expr = _where) -> None:
        moved = {f"{axis}_{c}_px": pl.col(f"{axis}_{c}_px") + 0.5 for axis in "xy" for c in CORNERS}
        edit(data, where, **moved)


@defect("A01", "corners cut down to whole pixels")
def _(data: Dataset) -> None:
    edit(
        data,
        EVERYWHERE,
        **{f"{axis}_{c}_px": pl.col(f"{axis}_{c}_px").floor() for axis in "xy" for c in CORNERS},
    )


def edit_manifest(data: Dataset, where: pl.Expr, **columns: pl.Expr | Any) -> None:
    """Change columns of the manifest that a condition picks."""
    assert data.manifest is not None
    data.manifest = data.manifest.with_columns(
        pl.when(where).then(value).otherwise(pl.col(name)).alias(name) for name, value in columns.items()
    )


HALF = one_in(2)
SPELLINGS: dict[str, tuple[str, Any, str, pl.Expr, pl.Expr]] = {
    "sources in capital and small letters": (
        "T02", edit_manifest, "source", HALF, pl.col("source").str.to_titlecase(),
    ),
    "sources with a blank behind, one airport": (
        "T02", edit_manifest, "source", GROUPS["one airport"], pl.col("source") + " ",
    ),
    "sources with a hard blank": ("T02", edit_manifest, "source", HALF, pl.col("source") + "\u00a0"),
    "authors in capital and small letters, one in fifty": (
        "T02", edit_manifest, "attribution", one_in(50), pl.col("attribution").str.to_uppercase(),
    ),
    "runways without their zero, one airport": (
        "T02", edit, "runway", GROUPS["one airport"], pl.col("runway").str.strip_chars_start("0"),
    ),
    "runways without their zero, frames": (
        "T02", edit_frames, "runway", EVERYWHERE, pl.col("runway").str.strip_chars_start("0"),
    ),
    "runways in small letters": ("T02", edit, "runway", HALF, pl.col("runway").str.to_lowercase()),
    "runways with a blank behind": ("T02", edit, "runway", one_in(40), pl.col("runway") + " "),
    "zones in capital and small letters": (
        "T02", edit_frames, "zone", HALF, pl.col("zone").str.to_titlecase(),
    ),
    "times with and without their zone": (
        "T02", edit_frames, "time_utc", HALF, pl.col("time_utc").str.strip_suffix("Z"),
    ),
    "airports of labels with a blank behind": (
        "U02", edit, "airport", GROUPS["one airport"], pl.col("airport") + " ",
    ),
    "airports with a look-alike letter": (
        "U02", edit_frames, "airport", GROUPS["one airport"] & HALF, pl.lit("\u0415GLL"),
    ),
    "headings beyond the circle": ("A08", edit_frames, "yaw_deg", HALF, pl.col("yaw_deg") + 360.0),
    "headings counted in two ways": (
        "A08", edit_frames, "yaw_deg", HALF & (pl.col("yaw_deg") > 180), pl.col("yaw_deg") - 360.0,
    ),
    "longitudes counted to 360 degrees, one airport": (
        "A08", edit_frames, "lon_deg", GROUPS["one airport"], pl.col("lon_deg") + 360.0,
    ),
    "day of the year one late, one airport": (
        "A08", edit_frames, "day_of_year", GROUPS["one airport"], pl.col("day_of_year") + 1,
    ),
}  # fmt: skip
for _name, (_owner, _edit, _column, _rows, _value) in SPELLINGS.items():

    @defect(_owner, _name)
    def _(
        data: Dataset,
        change: Any = _edit,
        rows: pl.Expr = _rows,
        column: str = _column,
        value: pl.Expr = _value,
    ) -> None:
        change(data, rows, **{column: value})


@defect("T02", "one runway labelled by both its ends")
def _(data: Dataset) -> None:
    assert data.labels is not None
    row = data.labels.filter("is_target")[5]
    other_end = load_shipped().airport(row["airport"][0]).runway(row["runway"][0]).reciprocal
    data.labels = pl.concat([data.labels, row.with_columns(runway=pl.lit(other_end))])


@defect("A01", "labels 1 px to the right, the far zone of one airport")
def _(data: Dataset) -> None:
    assert data.labels is not None
    moved = {name: pl.col(name) + 1.0 for name in data.labels.columns if name.startswith("x_")}
    edit(data, GROUPS["one airport"] & GROUPS["the far zone"], **moved)
