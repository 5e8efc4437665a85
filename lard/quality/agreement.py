"""Where tables and statements about one dataset contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from lard.airports.provenance import is_named
from lard.odd.parameters import PARAMETERS as KNOWN
from lard.quality.agreement_labels import both_ends, is_drawn, label_gaps, labels_of_frames, targets
from lard.quality.dataset import BOX, CAMERA, Dataset
from lard.quality.land import other_land
from lard.quality.model import Offence
from lard.quality.untold import is_of_no_database
from lard.scenario.restate import PICTURES_ON

SAME_BOX = 0.9  # overlap of two boxes of one frame, as a share of their union, that makes them one object


def contradictions(data: Dataset) -> Iterator[Offence]:
    """Everything that two tables, or a table and dataset.json, state differently."""
    if data.frames is None:
        return
    if data.kind == "lard":
        yield from _pictures(data)
        yield from _manifest(data)
        yield from _statements(data)
        yield from _drawn(data)
        yield from other_land(data)
        yield from _conditions(data.frames)
    if data.labels is not None and data.kind == "lard":
        yield from labels_of_frames(data)
        yield from targets(data)
        yield from both_ends(data)
        yield from label_gaps(data)
        yield from _database(data)
    if data.labels is not None and data.kind == "coco":
        yield from _twice(data.labels)


def _pictures(data: Dataset) -> Iterator[Offence]:
    """One picture for each frame, and one frame for each picture."""
    named = [
        table.select("frame_id", "image").drop_nulls().filter(pl.col("image") != "")
        for table in (data.manifest, data.labels)
        if table is not None and "image" in table.columns
    ]
    if not named:
        return
    pairs = pl.concat(named).unique().sort("frame_id", "image")
    several = pairs.filter(pl.col("frame_id").is_duplicated())
    for name, images in several.group_by("frame_id", maintain_order=True).agg("image").iter_rows():
        yield Offence(str(name), None, f"has several pictures: {', '.join(images[:3])}")
    shared = pairs.filter(pl.col("image").is_duplicated())
    for image, names in shared.group_by("image", maintain_order=True).agg("frame_id").iter_rows():
        yield Offence(str(image), None, f"is the picture of several frames: {', '.join(names[:3])}")


def _manifest(data: Dataset) -> Iterator[Offence]:
    """Size and seed of frames as the manifest has them."""
    if data.manifest is None or data.frames is None:
        return
    columns = ("width_px", "height_px", "seed")
    both = (
        data.frames.select("frame_id", *columns)
        .unique("frame_id")
        .join(data.manifest.select("frame_id", *columns).unique("frame_id"), on="frame_id", suffix="_listed")
    )
    for name in columns:
        other = both.filter(pl.col(name) != pl.col(f"{name}_listed")).sort("frame_id")
        for frame_id, ours, theirs in other.select("frame_id", name, f"{name}_listed").iter_rows():
            yield Offence(str(frame_id), None, f"{name} is {ours} in the frames, {theirs} in the manifest")
    yield from _versions(data.manifest)


def _versions(manifest: pl.DataFrame) -> Iterator[Offence]:
    """Sources whose pictures were made by several versions of them, of this tool or of the runways, or have
    several licences of one author; what follows a `;` is the ground's, which may differ among airports."""
    renderer = pl.col("source_version").str.split(";").list.first().str.strip_chars()
    runways = pl.concat_str("runway_db", "runway_db_version", separator=" ")
    for what, value, of in (
        ("version", renderer, ["source"]),
        ("tool version", pl.col("tool_version"), ["source"]),
        ("runway database", runways, ["source"]),
        ("licence", pl.col("licence"), ["source", "attribution"]),
    ):
        count = manifest.group_by(*of, value.alias("value")).len().drop_nulls().sort(*of, "len", "value")
        for part in count.partition_by(of, maintain_order=True):
            for source, value_, n in part[:-1].select("source", "value", "len").iter_rows():
                text = f"{n} pictures are of {what} {value_}, most are of {part['value'][-1]}"
                yield Offence(f"manifest:{source}", float(n), text)


def _conditions(frames: pl.DataFrame) -> Iterator[Offence]:
    """Conditions that are stated of some drawn frames only."""
    drawn = frames.select(is_drawn()).to_series()
    count = int(drawn.sum())
    for name in frames.columns:
        if name not in KNOWN or KNOWN[name].group != "environment":
            continue
        column = frames[name]
        empty = column.is_null() | (column.is_nan().fill_null(True) if column.dtype.is_float() else False)
        empty &= drawn
        if 0 < int(empty.sum()) < count:
            for frame_id in frames["frame_id"].filter(empty).to_list():
                yield Offence(str(frame_id), None, f"frames.{name} is empty, other frames state it")


def _statements(data: Dataset) -> Iterator[Offence]:
    """What dataset.json says of the frames against the frames."""
    frames, meta = data.frames, data.meta
    assert frames is not None
    splits = {str(name): n for name, n in frames.group_by("split").len().iter_rows()}
    airports = sorted(str(name) for name in frames["airport"].drop_nulls().unique().to_list())
    found: dict[str, Any] = {"frames": len(frames), "splits": splits, "airports": airports}
    for name in ("earth_model", "altitude_datum"):
        values = frames[name].drop_nulls().unique().sort().to_list()
        if values:
            found[name] = values[0] if len(values) == 1 else values
    for name, ours in found.items():
        stated = meta.get(name)
        if stated is not None and stated != ours:
            yield Offence(
                f"dataset.json:{name}", None, f"states {_short(stated)}, the frames are {_short(ours)}"
            )
    yield from _camera(frames, meta.get("camera"))


def _drawn(data: Dataset) -> Iterator[Offence]:
    """The specs and runway databases frames were drawn from against those that dataset.json names."""
    frames, meta = data.frames, data.meta
    assert frames is not None
    sources = (("odd_sha256", ("odd_sha256",), "drawn_from_odd_sha256"),
               ("runway_db", ("runway_db", "runway_db_version"), "drawn_on"))  # fmt: skip
    for name, columns, key in sources:
        known = meta.get(key)
        if not isinstance(known, list) or not set(columns) <= set(frames.columns):
            continue
        count = frames.select(columns).drop_nulls().group_by(columns).len().sort(columns)
        for *values, n in count.iter_rows():
            if (text := " ".join(map(str, values))) not in known:
                yield Offence(f"frames.{name}", float(n), f"{n} frames were drawn from {text:.40}, not named")
    if {"odd", "odd_version", "odd_sha256"} <= set(frames.columns):
        names = frames.select("odd_sha256", "odd", "odd_version").drop_nulls().unique()
        for sha, part in sorted(names.group_by("odd_sha256"), key=lambda item: str(item[0][0])):
            if len(part) > 1:
                shown = ", ".join(
                    sorted(" ".join(row) for row in part.select("odd", "odd_version").iter_rows())
                )
                yield Offence(
                    "frames.odd", float(len(part)), f"the spec {sha[0]:.12} has several names: {shown}"
                )


def _camera(frames: pl.DataFrame, stated: Any) -> Iterator[Offence]:
    if not isinstance(stated, Mapping):
        return
    for name in CAMERA:
        given, values = stated.get(name), frames[name].drop_nulls()
        if isinstance(given, (int, float)) and len(values):
            numbers = values.to_numpy().astype(np.float64)
            far = float(np.abs(numbers - float(given)).max())
            if far > 1e-6 * max(1.0, abs(float(given))):
                text = f"states {given:g}, frames have {numbers.min():g} to {numbers.max():g}"
                yield Offence(f"dataset.json:camera.{name}", far, text)


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _database(data: Dataset) -> Iterator[Offence]:
    """Which runway database labels name, dataset.json names, and the judgement uses."""
    assert data.labels is not None
    columns = ("runway_db", "runway_db_version")
    told = data.labels.filter(~is_of_no_database(data))
    count = told.select(columns).drop_nulls().group_by(columns).len().sort("len", descending=True)
    if len(count) > 1:
        for name, version, n in count[1:].iter_rows():
            yield Offence(
                f"labels:{name} {version}", float(n), f"{n} labels were made with another runway database"
            )
    for name in columns:
        stated, values = data.meta.get(name), data.labels[name].drop_nulls().unique().to_list()
        if stated is not None and values and [stated] != values:
            yield Offence(
                f"dataset.json:{name}", None, f"states {stated}, the labels {', '.join(sorted(values))}"
            )
    known = {row[:2] for row in count.iter_rows()} | _drawn_on(data)
    if data.manifest is not None and known:
        made = data.manifest.select(columns).drop_nulls().filter(pl.all_horizontal(pl.col(columns) != ""))
        for *pair, n in made.group_by(columns).len().sort(columns).iter_rows():
            if tuple(pair) not in known:
                text = f"{n} pictures were made with {' '.join(pair)}, neither labelled nor drawn with it"
                yield Offence("manifest:runway_db", float(n), text)
    if data.database is not None and len(count):
        ours, theirs = (data.database.name, data.database.version), count.row(0)[:2]
        if not is_named(data.database, *theirs):
            text = f"made with the runways {' '.join(theirs)}, judged by {' '.join(ours)}"
            yield Offence("labels:runway_db", None, text)


def _drawn_on(data: Dataset) -> set[tuple[str, ...]]:
    """Name and version of the runway databases that frames were drawn on, or their pictures made with."""
    found: set[tuple[str, ...]] = set()
    for columns in (tuple(PICTURES_ON.values()), tuple(PICTURES_ON)):
        if data.frames is not None and set(columns) <= set(data.frames.columns):
            found |= set(data.frames.select(columns).drop_nulls().unique().iter_rows())
    return found


def _twice(labels: pl.DataFrame) -> Iterator[Offence]:
    """Annotations of one picture whose boxes are all but the same."""
    rows = labels.select("frame_id", *BOX).drop_nulls()
    for part in rows.filter(pl.len().over("frame_id") > 1).partition_by("frame_id", maintain_order=True):
        boxes = part.select(BOX).to_numpy().astype(np.float64)
        low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
        high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
        common = np.prod(np.maximum(high - low, 0.0), axis=-1)
        area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1)
        union = area[:, None] + area[None, :] - common
        alike = np.triu(common / np.maximum(union, 1e-12) > SAME_BOX, 1)
        if alike.any():
            text = f"{int(alike.any(axis=0).sum())} of its boxes are annotated twice"
            yield Offence(str(part["frame_id"][0]), float(alike.sum()), text)
