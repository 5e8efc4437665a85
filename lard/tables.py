"""Declared table schemas and the one way files are written: atomically, same bytes each time."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lard.documents import read_json as read_json
from lard.errors import DataError, LardError

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

NAME_LIMIT_BYTES = 200
_NO_NAME = r"^\s*$|^\.|[\x00-\x1f\x7f/\\]"
_STEM_CHARACTERS = 40  # of a temporary name, which must not outgrow what file systems allow


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
    checked = pl.DataFrame(columns + extra)
    _check_names(checked, schema, where)
    return checked


def _check_names(table: pl.DataFrame, schema: Schema, where: str) -> None:
    """DataError unless all that becomes a name of a file stays in its folder."""
    for name in ("frame_id", "airport", "image"):
        if name not in schema:
            continue
        column, text = table[name], pl.col(name)
        parts = text.str.split("/") if name == "image" else pl.concat_list(text)
        bad = parts.list.eval(
            pl.element().str.contains(_NO_NAME) | (pl.element().str.len_bytes() > NAME_LIMIT_BYTES)
        )
        # an annotated picture may be of no known airport, a label of a scenario of no picture yet
        odd = table.filter(bad.list.any() & ((text != "") | (name == "frame_id"))).get_column(name)
        if len(odd):
            fault = name_fault(odd[0]) or "leads out of its folder"
            raise DataError(
                f"{where}: {name} {odd[0][:80]!r} {fault}; expected a plain name ({len(odd)} such rows)"
            )
        if name == "frame_id" and column.null_count():
            raise DataError(f"{where}: frame_id is empty in {column.null_count()} rows; name every frame")


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
        write_parquet(table, temporary)


def write_parquet(table: pl.DataFrame, path: Path) -> None:
    """Write a table as parquet; a full disk is an OSError, as everywhere else."""
    try:
        table.write_parquet(path, compression="zstd", statistics=False)
    except pl.exceptions.PolarsError as error:
        code = re.search(r"\(os error (\d+)\)", str(error))
        if code is None:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1])), str(path)) from error


def name_fault(name: str) -> str:
    """Why a text cannot be the name of one file in a folder; empty when it can."""
    if not name.strip():
        return "is empty"
    if name.startswith("."):
        return "begins with a dot"
    if re.search(_NO_NAME, name):
        return "has a slash, a backslash or a control character"
    long = len(name.encode("utf-8", "surrogatepass")) > NAME_LIMIT_BYTES
    return f"is longer than {NAME_LIMIT_BYTES} bytes" if long else ""


def inside(name: str, where: str, error: type[Exception] = DataError) -> str:
    """A relative path as it stands; an error when it is absolute or leads out of its folder."""
    parts = name.split("/")
    if not name or ".." in parts or Path(name).is_absolute() or re.search(r"[\x00-\x1f\x7f\\]", name):
        raise error(f"{where}: {name[:80]!r} leads out of its folder; expected a relative path below it")
    return name


def below(root: str | Path, name: str, error: type[LardError] = DataError) -> Path:
    """Where a writer puts a name below a folder; an error when .., a root or a link leads out of it."""
    path = Path(root) / inside(name, str(root), error)
    real = os.path.realpath(root)
    folder = os.path.realpath(path.parent)
    if folder != real and not folder.startswith(real.rstrip("/") + "/"):
        raise error(
            f"{path.parent}: is a link to {folder}, outside {root}; nothing is written there: replace the "
            "link by a folder"
        )
    return path


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary sibling of path that replaces it on success and vanishes on failure.

    Folders made for it vanish with it.
    """
    with atomic_paths([path]) as (temporary,):
        yield temporary


@contextlib.contextmanager
def atomic_paths(paths: Sequence[str | Path]) -> Iterator[list[Path]]:
    """Yield a temporary sibling of each path; on success all replace their paths, on failure none does."""
    targets = [Path(path) for path in paths]
    temporaries: list[Path] = []
    with contextlib.ExitStack() as stack:
        try:
            for path in targets:
                stack.enter_context(folders_for(path.parent))
                if path.is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
                prefix, suffix = f".{path.stem[:_STEM_CHARACTERS]}.", f".tmp{path.suffix}"
                handle, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=path.parent)
                os.close(handle)
                temporaries.append(Path(name))
            yield temporaries
            for temporary in temporaries:
                temporary.chmod(0o644)
            for temporary, path in zip(temporaries, targets, strict=True):
                temporary.replace(path)
        except OSError as error:
            meant = {str(part): str(path) for part, path in zip(temporaries, targets, strict=False)}
            found = str(targets[0]) if error.filename is None else meant.get(str(error.filename))
            if error.errno is None or found is None:
                raise
            raise OSError(error.errno, os.strerror(error.errno), found) from error
        finally:
            for temporary in temporaries:
                temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def folders_for(folder: Path) -> Iterator[None]:
    """Make a folder and those above it; those made vanish again on failure where nothing lies in them."""
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for part in missing:
            with contextlib.suppress(OSError):  # another writer has put something there
                part.rmdir()
        raise


def write_text(text: str, path: str | Path) -> None:
    """Write text as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(value: Any, path: str | Path) -> None:
    """Write JSON with sorted keys, atomically; NaN is refused because JSON has none."""
    write_text(json_text(value), path)


def json_text(value: Any) -> str:
    """JSON with sorted keys; NaN is refused because JSON has none."""
    return json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n"


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
