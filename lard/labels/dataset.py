"""A labelled dataset folder: what it holds, stated in dataset.json, and reading it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict

from lard import __version__
from lard.airports import RunwayDatabase
from lard.camera import camera_of
from lard.documents import checked
from lard.errors import DataError
from lard.labels.checks import UNSTATED, labelled_twice
from lard.labels.judging import named
from lard.labels.occlusion import Terrain, TerrainByAirport
from lard.labels.parted import write_label_parts
from lard.labels.reach import reach_stated
from lard.labels.spread import Labeller, labels_by_airport, labels_of
from lard.odd import OddSpec
from lard.parts import check_whole, is_parted, is_table, refuse_shards, replaced
from lard.tables import (
    FRAMES,
    LABELS,
    atomic_path,
    json_text,
    read_json,
    read_table,
    staged,
    write_json,
    write_table,
)

_BOX = ("x_min_px", "y_min_px", "x_max_px", "y_max_px")


def describe(
    source: str, frames: pl.DataFrame, db: RunwayDatabase, spec: OddSpec, spec_path: str
) -> dict[str, Any]:
    """Contents of dataset.json: what the images show, by which domain and runway data they are labelled."""
    camera = camera_of(frames)
    fov_x, fov_y = camera.fov_deg
    counts = frames.group_by("split").len().sort("split")
    drawn_on = [" ".join(base) for base in named(frames, ("runway_db", "runway_db_version"))]
    drawn_from = [sha for _, sha in named(frames, ("odd", "odd_sha256"))]
    return {
        "name": f"{spec.name} ({source})",
        "source": source,
        "odd": _domain(spec, spec_path),
        "camera": {**asdict(camera), "fov_x_deg": round(fov_x, 9), "fov_y_deg": round(fov_y, 9)},
        "earth_model": frames["earth_model"][0],
        "altitude_datum": frames["altitude_datum"][0],
        "runway_db": db.name,
        "runway_db_version": db.version,
        "drawn_on": drawn_on,
        "drawn_from_odd_sha256": drawn_from,
        "frames": len(frames),
        "splits": dict(counts.iter_rows()),
        "airports": sorted(frames["airport"].unique().to_list()),
        "tool_version": __version__,
    }


def _domain(spec: OddSpec, spec_path: str) -> dict[str, Any]:
    """What names the domain, and how it grades missed runways, which scores need."""
    named_by = {"name": spec.name, "version": spec.version, "sha256": spec.sha256, "file": spec_path}
    return named_by | ({"severity": spec.severity.model_dump(mode="json")} if spec.severity else {})


def write_labels(
    folder: Path,
    frames: pl.DataFrame,
    db: RunwayDatabase,
    spec: OddSpec,
    spec_path: str,
    terrain: Terrain | TerrainByAirport | None = None,
    stated: Mapping[str, Any] | None = None,
    workers: str | int = 1,
    reads: tuple[Path, ...] = (),
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Label the frames of a dataset folder: write labels.parquet and dataset.json, and return both.

    `stated` is what else the labels rest on: values assumed of the environment, the terrain. Where
    frames.parquet is a folder of parts, so is labels.parquet, and of labels only a few columns are returned.
    Workers take an airport each and never change the result; `reads` are files that the terrain is read from.
    """
    label = Labeller(db, spec, terrain)

    parted = is_parted(folder / "frames.parquet")
    if parted or is_parted(folder / "labels.parquet"):
        with atomic_path(folder / "dataset.json") as told, replaced(folder / "labels.parquet") as made:
            if parted:
                labels = write_label_parts(labels_by_airport(frames, label, workers, reads), made)
            else:
                labels = labels_of(frames, label, workers, reads)
                write_table(labels, made, LABELS)
            info = _stated(folder, frames, labels, db, spec, spec_path, stated)
            told.write_text(json_text(info), encoding="utf-8")
        return labels, info
    labels = labels_of(frames, label, workers, reads)
    info = _stated(folder, frames, labels, db, spec, spec_path, stated)
    with staged(folder) as made:
        write_table(labels, made / "labels.parquet", LABELS)
        write_json(info, made / "dataset.json")
    return labels, info


def _stated(
    folder: Path,
    frames: pl.DataFrame,
    labels: pl.DataFrame,
    db: RunwayDatabase,
    spec: OddSpec,
    spec_path: str,
    stated: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Contents of dataset.json of labelled frames."""
    info = describe(folder.resolve().name, frames, db, spec, spec_path) | dict(stated or {})
    info["reach"] = reach_stated(frames, labels)
    return info | _unstated_at_import(folder / "dataset.json")


def _unstated_at_import(path: Path) -> dict[str, Any]:
    """What the frames of an imported set do not state, which other labels do not make known.

    A dataset.json that cannot be read says nothing: it is written anew.
    """
    try:
        before = read_json(path) if path.is_file() else {}
    except DataError:
        return {}
    return {UNSTATED: before[UNSTATED]} if isinstance(before, Mapping) and UNSTATED in before else {}


def read_dataset(folder: str | Path) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    """Frames, labels and dataset.json of a folder; DataError lists every part that is missing.

    The tables beside tar shards are refused: their pictures lie elsewhere.
    """
    refuse_shards(Path(folder))
    return read_tables(folder)


def read_tables(folder: str | Path) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    """The same, wherever the pictures lie."""
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such dataset folder; expected frames.parquet, labels.parquet and images/"
        )
    parts = ("frames.parquet", "labels.parquet", "dataset.json")
    missing = [name for name in parts if not is_table(folder / name)]
    if missing:
        raise DataError(
            f"{folder}: {', '.join(missing)} missing; run the render and label stages, or `lard label`"
        )
    frames = read_table(folder / "frames.parquet", FRAMES)
    check_whole(folder / "labels.parquet", frames)
    labels = read_table(folder / "labels.parquet", LABELS)
    faults = label_faults(labels, folder)
    if faults:
        raise DataError("\n".join(faults))
    named = labels.select("frame_id").unique()
    stray = named.join(frames.select("frame_id"), on="frame_id", how="anti")["frame_id"].sort()
    if len(stray):
        raise DataError(
            f"{folder / 'labels.parquet'}: labels of {len(stray)} unknown frames ({stray[0]} ...); "
            "label the frames again"
        )
    return frames, labels, checked_info(read_json(folder / "dataset.json"), folder / "dataset.json")


class _Info(BaseModel):
    """What is taken from dataset.json; the rest is passed on as it is."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = "runways"
    odd: dict[str, Any] = {}
    camera: dict[str, Any] = {}


def checked_info(info: Any, path: Path) -> dict[str, Any]:
    """What a dataset.json holds; DataError names what cannot be taken from it."""
    checked(_Info, info, path, remedy="label again")
    return dict(info)


def label_faults(labels: pl.DataFrame, folder: Path) -> list[str]:
    """Runways of no picture or told twice, and those in view without a whole box and outline."""
    where = folder / "labels.parquet"
    outline = pl.col("polygon")
    whole = (
        pl.all_horizontal(pl.col(name).is_not_null() for name in _BOX)
        & (outline.list.len() >= 6)
        & (outline.list.len() % 2 == 0)
        & outline.list.eval(pl.element().is_finite().fill_null(False)).list.all()
    )
    filled = pl.sum_horizontal(pl.col(name).is_not_null() for name in _BOX)
    seen = (pl.col("visible_fraction") > 0).fill_null(False)
    bad = labels.filter((seen & ~whole.fill_null(False)) | ~filled.is_in([0, 4]))
    turned = labels.filter(
        (pl.col("x_max_px") < pl.col("x_min_px")) | (pl.col("y_max_px") < pl.col("y_min_px"))
    )
    empty = labels.filter(pl.col("image").is_null())
    return [
        f"{where}: runway {runway} of frame {name} {what}; label again"
        for rows, what in (
            (empty, "names no image"),
            (labelled_twice(labels), "is labelled twice"),
            (bad, "is in view without a whole box and outline"),
            (turned, "has a box whose end lies before its beginning"),
        )
        for name, runway in rows.select("frame_id", "runway").head(3).iter_rows()
    ]
