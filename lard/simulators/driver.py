"""Drives simulators over a frames table into a dataset folder: several at once, resumable.

A run that ends early keeps all that is finished; one that made nothing leaves nothing.
"""

import hashlib
import json
import queue
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import lard
from lard.airports.model import RunwayDatabase
from lard.errors import DataError, SourceError
from lard.progress import Meter
from lard.render.journal import (
    JOURNAL,
    Journal,
    check_folder,
    image_name,
    journal_line,
    kept_pictures,
    part_of,
    remove_stale,
    unique_frames,
    write_tables,
)  # fmt: skip
from lard.simulators.core import Source
from lard.simulators.drawn import as_drawn, drawn_by
from lard.simulators.instance import Instance, Result
from lard.tables import MANIFEST, folder_lock, folders_for

_BATCH = 16  # frames of one airport that an instance takes at once: jumps between airports cost seconds
_POSE = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")
_CAMERA = ("width_px", "height_px", "fx_px", "fy_px", "cx_px", "cy_px")
INPUTS = (
    "frame_id",
    "airport",
    *_POSE,
    *_CAMERA,
    "earth_model",
    "altitude_datum",
    "visibility_m",
    "time_utc",
)
OPTIONAL_INPUTS = ("cloud_fraction", "rain_mm_h")


def render_source(
    frames: pl.DataFrame,
    out_dir: str | Path,
    workers: str | int,
    db: RunwayDatabase,
    source: Source,
    *,
    resume: bool = True,
    shard: tuple[int, int] = (0, 1),
    jpeg_quality: int = 92,
) -> pl.DataFrame:
    """Write images/<frame_id>.jpg of every frame, frames.parquet and manifest.parquet; return the manifest.

    With shard (i, n) only an n-th part of the frames is made and no table is written; a last call without one
    checks all pictures, makes what is missing and writes the tables. Frames that state what the source does
    not draw are refused (lard.simulators.drawn.as_drawn).
    """
    out_dir, instances = Path(out_dir), _instances(workers)
    frames = _checked(part_of(unique_frames(as_drawn(frames, source.name)), shard), source.name)
    check_folder(out_dir, frames["frame_id"].to_list())
    keys = _keys(frames, source, jpeg_quality)
    images = out_dir / "images"
    if shard[1] > 1:
        journal = out_dir / f"{JOURNAL}_{shard[0]}_{shard[1]}.jsonl"
        with folders_for(images):
            done = _make_missing(frames, keys, journal, out_dir, instances, source, resume, jpeg_quality)
        return _manifest(frames, done, source, db)
    with folder_lock(out_dir):
        journal = out_dir / f"{JOURNAL}.jsonl"
        with folders_for(images):
            done = _make_missing(frames, keys, journal, out_dir, instances, source, resume, jpeg_quality)
        remove_stale(out_dir, done)
        manifest = _manifest(frames, done, source, db)
        lines = "".join(journal_line(name, keys[name], done[name]) for name in sorted(done))
        write_tables(out_dir, frames, manifest, journal, lines)
        for part in out_dir.glob(f"{JOURNAL}_*.jsonl"):
            part.unlink()
    return manifest


def _instances(workers: str | int) -> int:
    text = str(workers).strip()
    if "://" in text:
        raise SourceError(
            f"workers {text!r}: simulators run on this machine only; give a number, and split the frames "
            "over machines with --shard i/n"
        )
    if not text.isdecimal() or int(text) < 1:
        raise SourceError(f"workers is {text!r}; expected a positive number of simulators")
    return int(text)


def _checked(frames: pl.DataFrame, source: str) -> pl.DataFrame:
    numbers = [*_POSE, *_CAMERA, *(["visibility_m"] if "visibility_m" in drawn_by(source) else [])]
    bad = frames.filter(
        ~pl.all_horizontal(pl.col(name).cast(pl.Float64).is_finite().fill_null(False) for name in numbers)
    )
    if len(bad):
        row = bad.row(0, named=True)
        name = next(n for n in numbers if row[n] is None or not np.isfinite(row[n]))
        raise DataError(
            f"frames: {name} of frame {row['frame_id']} is {row[name]}; expected a finite number "
            f"({len(bad)} such frames)"
        )
    return frames


def _inputs(frames: pl.DataFrame) -> list[str]:
    return [*INPUTS, *(name for name in OPTIONAL_INPUTS if name in frames.columns)]


def _keys(frames: pl.DataFrame, source: Source, jpeg_quality: int) -> dict[str, str]:
    """Per frame, the digest of everything its picture depends on."""
    common = [source.name, source.version, dict(source.settings), jpeg_quality]
    return {
        row["frame_id"]: hashlib.sha256(json.dumps([common, row], sort_keys=True).encode()).hexdigest()
        for row in frames.select(_inputs(frames)).iter_rows(named=True)
    }


def _batches(frames: pl.DataFrame) -> Iterator[list[dict[str, Any]]]:
    """Frames of one size and airport, a few at a time."""
    rows = frames.select(_inputs(frames))
    for _, group in rows.group_by("width_px", "height_px", "airport", maintain_order=True):
        for start in range(0, len(group), _BATCH):
            yield group[start : start + _BATCH].to_dicts()


def _make_missing(
    frames: pl.DataFrame, keys: Mapping[str, str], journal: Path, out_dir: Path, instances: int,
    source: Source, resume: bool, jpeg_quality: int,
) -> dict[str, str]:  # fmt: skip
    """SHA-256 of every frame's picture, after making those that are missing, damaged or out of date."""
    wanted = {name: keys[name] for name in frames["frame_id"]}
    done = kept_pictures(wanted, out_dir) if resume else {}
    todo = frames.filter(~pl.col("frame_id").is_in(list(done)))
    if len(todo) == 0:
        return done
    tasks: queue.SimpleQueue[list[dict[str, Any]]] = queue.SimpleQueue()
    batches = list(_batches(todo))
    for batch in batches:
        tasks.put(batch)
    results: queue.SimpleQueue[Result] = queue.SimpleQueue()
    ended = threading.Event()
    crew = [
        Instance(number, source, tasks, results, ended, out_dir, jpeg_quality)
        for number in range(min(instances, len(batches)))
    ]
    kept, running = len(done), len(crew)
    with Journal(journal) as entries, Meter(source.name, len(todo), "frames") as meter:
        failure: BaseException | None = None
        try:
            for instance in crew:
                instance.start()
            while running:
                try:
                    result = results.get(timeout=0.5)  # Ctrl-C may have reached another thread
                except queue.Empty:
                    continue
                if result.frame_id:
                    done[result.frame_id] = result.digest
                    entries.add([journal_line(result.frame_id, wanted[result.frame_id], result.digest)])
                    meter.advance(1, f"{kept} kept" if kept else "")
                else:
                    running -= 1
                    failure = failure or result.error
                    if result.error is not None:
                        ended.set()
        finally:
            ended.set()
            for instance in crew:
                instance.halt()
    if failure is not None:
        raise failure
    return done


def _manifest(
    frames: pl.DataFrame, done: Mapping[str, str], source: Source, db: RunwayDatabase
) -> pl.DataFrame:
    rows = [
        {
            "frame_id": row["frame_id"], "image": image_name(row["frame_id"]),
            "sha256": done[row["frame_id"]],
            "width_px": row["width_px"], "height_px": row["height_px"],
            "source": source.name, "source_version": source.version,
            "licence": source.licence, "attribution": source.attribution,
            "runway_db": db.name, "runway_db_version": db.version, "tool_version": lard.__version__,
            "seed": row["seed"],
        }
        for row in frames.iter_rows(named=True)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=dict(MANIFEST))
