"""A labelled dataset folder: what it holds, stated in dataset.json, and reading it back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from lard import __version__
from lard.airports import RunwayDatabase
from lard.camera import camera_of
from lard.errors import DataError
from lard.labels.judging import named
from lard.labels.occlusion import Terrain
from lard.labels.reach import reach_stated
from lard.labels.table import label_frames
from lard.odd import OddSpec
from lard.tables import FRAMES, LABELS, read_json, read_table, write_json, write_table


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
    terrain: Terrain | None = None,
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Label the frames of a dataset folder: write labels.parquet and dataset.json, and return both."""
    labels = label_frames(frames, db, spec, terrain)
    info = describe(folder.resolve().name, frames, db, spec, spec_path)
    info["reach"] = reach_stated(frames, labels)
    write_table(labels, folder / "labels.parquet", LABELS)
    write_json(info, folder / "dataset.json")
    return labels, info


def read_dataset(folder: str | Path) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    """Frames, labels and dataset.json of a folder; DataError lists every part that is missing."""
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such dataset folder; expected frames.parquet, labels.parquet and images/"
        )
    parts = ("frames.parquet", "labels.parquet", "dataset.json")
    missing = [name for name in parts if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{folder}: {', '.join(missing)} missing; run the render and label stages, or `lard label`"
        )
    frames = read_table(folder / "frames.parquet", FRAMES)
    labels = read_table(folder / "labels.parquet", LABELS)
    stray = sorted(set(labels["frame_id"].unique()) - set(frames["frame_id"]))
    if stray:
        raise DataError(
            f"{folder / 'labels.parquet'}: labels of {len(stray)} unknown frames ({stray[0]} ...); "
            "label the frames again"
        )
    return frames, labels, read_json(folder / "dataset.json")
