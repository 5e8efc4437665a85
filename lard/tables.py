"""Declared table schemas and the one way files are written: atomically, same bytes each time."""

import contextlib
import fcntl
import hashlib
import json
import os
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lard.errors import DataError

Schema = Mapping[str, Any]

FRAMES: Schema = {
    "frame_id": pl.String,
    "airport": pl.String,
    "runway": pl.String,
    "zone": pl.String,
    "split": pl.String,
    "lat_deg": pl.Float64,
    "lon_deg": pl.Float64,
    "alt_m": pl.Float64,
    "yaw_deg": pl.Float64,
    "pitch_deg": pl.Float64,
    "roll_deg": pl.Float64,
    "along_track_m": pl.Float64,
    "lateral_deg": pl.Float64,
    "vertical_deg": pl.Float64,
    "yaw_offset_deg": pl.Float64,
    "width_px": pl.Int32,
    "height_px": pl.Int32,
    "fx_px": pl.Float64,
    "fy_px": pl.Float64,
    "cx_px": pl.Float64,
    "cy_px": pl.Float64,
    "earth_model": pl.String,
    "altitude_datum": pl.String,
    "visibility_m": pl.Float64,
    "time_utc": pl.String,
    "seed": pl.Int64,
}
"""One row per frame; further environment columns may follow."""

ORIGIN: Schema = {
    "odd": pl.String,
    "odd_version": pl.String,
    "odd_sha256": pl.String,
    "runway_db": pl.String,
    "runway_db_version": pl.String,
}
"""Columns of frames that were drawn here: the spec, by its file's content, and the runways they approach."""

LABELS: Schema = {
    "frame_id": pl.String,
    "image": pl.String,
    "airport": pl.String,
    "runway": pl.String,
    "is_target": pl.Boolean,
    "x_tl_px": pl.Float64,
    "y_tl_px": pl.Float64,
    "x_tr_px": pl.Float64,
    "y_tr_px": pl.Float64,
    "x_br_px": pl.Float64,
    "y_br_px": pl.Float64,
    "x_bl_px": pl.Float64,
    "y_bl_px": pl.Float64,
    "polygon": pl.List(pl.Float64),
    "x_min_px": pl.Float64,
    "y_min_px": pl.Float64,
    "x_max_px": pl.Float64,
    "y_max_px": pl.Float64,
    "visible_fraction": pl.Float64,
    "truncated": pl.Boolean,
    "behind": pl.Boolean,
    "along_track_m": pl.Float64,
    "lateral_deg": pl.Float64,
    "vertical_deg": pl.Float64,
    "yaw_offset_deg": pl.Float64,
    "slant_m": pl.Float64,
    "height_m": pl.Float64,
    "verdict": pl.String,
    "runway_db": pl.String,
    "runway_db_version": pl.String,
    "earth_model": pl.String,
}
"""One row per frame and runway strip in front of the camera; corners null where behind the camera."""

MANIFEST: Schema = {
    "frame_id": pl.String,
    "image": pl.String,
    "sha256": pl.String,
    "width_px": pl.Int32,
    "height_px": pl.Int32,
    "source": pl.String,
    "source_version": pl.String,
    "licence": pl.String,
    "attribution": pl.String,
    "runway_db": pl.String,
    "runway_db_version": pl.String,
    "tool_version": pl.String,
    "seed": pl.Int64,
}
"""One row per image with what is needed to trace it."""

FINDINGS: Schema = {
    "check_id": pl.String,
    "severity": pl.String,
    "subject": pl.String,
    "measured": pl.Float64,
    "threshold": pl.Float64,
    "message": pl.String,
}
"""One row per offending subject of a data quality requirement."""


def check_schema(table: pl.DataFrame, schema: Schema, where: str) -> pl.DataFrame:
    """Return the table with the declared columns first and cast; raise DataError naming every bad column."""
    faults = [f"{where}: column {name} is missing" for name in schema if name not in table.columns]
    columns = []
    for name, dtype in schema.items():
        if name not in table.columns:
            continue
        try:
            columns.append(table[name].cast(dtype, strict=True))
        except pl.exceptions.PolarsError:
            faults.append(f"{where}: column {name} has type {table[name].dtype}, expected {dtype}")
    if faults:
        raise DataError("\n".join(faults))
    extra = [table[name] for name in table.columns if name not in schema]
    return pl.DataFrame(columns + extra)


def read_table(path: str | Path, schema: Schema) -> pl.DataFrame:
    """Read a parquet table and check it against its declared schema; raise DataError when it does not fit."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such table; run the stage or command that writes it first")
    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: not a readable parquet table ({error}); write it again") from error
    return check_schema(table, schema, str(path))


def write_table(table: pl.DataFrame, path: str | Path, schema: Schema) -> None:
    """Check a table and write it as parquet, atomically and with the same bytes for the same rows."""
    table = check_schema(table, schema, str(path))
    with atomic_path(path) as temporary:
        table.write_parquet(temporary, compression="zstd", statistics=False)


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary sibling of path that replaces it on success and vanishes on failure."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=f".tmp{path.suffix}", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(text: str, path: str | Path) -> None:
    """Write text as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(value: Any, path: str | Path) -> None:
    """Write JSON with sorted keys, atomically; NaN is refused because JSON has none."""
    write_text(json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n", path)


def read_json(path: str | Path) -> Any:
    """Read a JSON file; raise DataError that names the file and line."""
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; run the stage or command that writes it first") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        line = getattr(error, "lineno", 1)
        raise DataError(f"{path}:{line}: not valid JSON ({error}); expected UTF-8 JSON") from error


def stable_hash(text: str) -> int:
    """CRC-32 of the UTF-8 text: the same on every machine and Python, unlike hash()."""
    return zlib.crc32(text.encode("utf-8"))


def frame_rng(seed: int, key: str) -> np.random.Generator:
    """Return the generator of one frame or airport: independent of order, shard and worker."""
    return np.random.default_rng([seed, stable_hash(key)])


def sha256_file(path: str | Path) -> str:
    """Hex SHA-256 of a file."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def folder_lock(folder: str | Path) -> Iterator[None]:
    """Hold a folder for this process; wait, saying so, while another run still writes it.

    A run whose parent was killed may go on for a while; the lock is the kernel's and dies with its holder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # the lock lies beside the folder, so that the folder holds only outputs
    with (folder.parent / f".{folder.name}.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{folder}: another run is still writing here; waiting for it to end", file=sys.stderr)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
