"""Datasets brought to the checks: read from a folder of ours or from a foreign layout, and completed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from lard.errors import AirportError, DataError
from lard.intake.foreign import Foreign, find
from lard.parts import refuse_shards
from lard.quality.dataset import Dataset
from lard.quality.exports.read import find_exports
from lard.quality.model import Offence
from lard.quality.untold import is_imported, without_fillers
from lard.tables import FRAMES, LABELS, MANIFEST, Schema, read_json, read_table


def load_dataset(root: str | Path) -> Dataset:
    """Read a dataset of any known layout; what cannot be read becomes a problem, not an exception.

    DataError only when the path holds nothing that could be a dataset.
    """
    root = Path(root)
    if not root.exists():
        raise DataError(
            f"{root}: no such dataset; expected a folder with frames.parquet, LARD *.csv, or COCO"
        )
    refuse_shards(root)  # beside tars lie COCO files that name pictures which are not there
    if root.is_dir() and any((root / name).exists() for name in ("frames.parquet", "labels.parquet")):
        return _load_own(root)
    found = find(root)
    if found is None:
        raise DataError(
            f"{root}: not a dataset; expected frames.parquet and labels.parquet, LARD V1/V2 *.csv files "
            "(separator ;), or COCO *.json files with images, annotations and categories"
        )
    return _of_foreign(found)


def _of_foreign(found: Foreign) -> Dataset:
    """The dataset as the checks see it; what could not be read becomes an offence."""
    return Dataset(
        root=found.root,
        kind=found.kind,
        name=found.name,
        frames=found.frames,
        labels=found.labels,
        meta=found.meta,
        problems=tuple(Offence(problem.subject, None, problem.message) for problem in found.problems),
    )


def _load_own(root: Path) -> Dataset:
    problems: list[Offence] = []
    tables: dict[str, pl.DataFrame | None] = {}
    schemas: dict[str, Schema] = {"frames": FRAMES, "labels": LABELS, "manifest": MANIFEST}
    for name, schema in schemas.items():
        try:
            tables[name] = read_table(root / f"{name}.parquet", schema)
        except DataError as error:
            tables[name] = None
            for line in str(error).splitlines():
                problems.append(Offence(f"{name}.parquet", None, line.replace(f"{root}/", "")))
    meta: dict[str, Any] = {}
    try:
        meta = dict(read_json(root / "dataset.json"))
    except (DataError, TypeError, ValueError) as error:
        problems.append(Offence("dataset.json", None, str(error).replace(f"{root}/", "")))
    found = Dataset(
        root=root,
        kind="lard",
        name=str(meta.get("name", root.name)),
        frames=tables["frames"],
        labels=tables["labels"],
        manifest=tables["manifest"],
        meta=meta,
        problems=tuple(problems),
        exports=find_exports(root),
    )
    if is_imported(found):
        if found.frames is not None and found.labels is not None:
            found.stored = found.frames, found.labels
        for name in ("frames", "labels"):
            if (table := tables[name]) is not None:
                setattr(found, name, without_fillers(table))
    return found


def with_yaw_offsets(data: Dataset) -> None:
    """Fill in the yaw offset of foreign frames, which LARD's tables leave out, once the runways are known."""
    if data.frames is None or data.database is None or not data.kind.startswith("lard_v"):
        return
    headings = []
    for airport, runway in data.named_runways:
        try:
            headings.append((airport, runway, data.database.airport(airport).runway(runway).heading_deg))
        except AirportError:
            continue  # DQR-A05 reports it
    schema = {"airport": pl.String, "runway": pl.String, "heading_deg": pl.Float64}
    table = pl.DataFrame(headings, schema=schema, orient="row")
    joined = data.frames.join(table, on=["airport", "runway"], how="left", maintain_order="left")
    offset = (pl.col("yaw_deg") - pl.col("heading_deg") + 180.0) % 360.0 - 180.0
    data.frames = joined.with_columns(yaw_offset_deg=offset).drop("heading_deg")


def with_lateral_of(data: Dataset) -> None:
    """Lateral angles of LARD tables as seen from the point the ODD sees them from."""
    given = data.meta.get("lateral_apex_m")
    if data.odd is None or not data.kind.startswith("lard_v") or given in (None, data.odd.lateral_apex_m):
        return
    across = pl.col("lateral_deg").radians().tan() * (pl.col("along_track_m") + float(given))
    angle = pl.arctan2(across, pl.col("along_track_m") + data.odd.lateral_apex_m).degrees()
    for name in ("frames", "labels"):
        table = getattr(data, name)
        if table is not None:
            setattr(data, name, table.with_columns(lateral_deg=angle))
    data.meta = {**data.meta, "lateral_apex_m": data.odd.lateral_apex_m}
