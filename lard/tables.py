"""Declared table schemas, what their columns must hold, and tables read and written by them."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import polars as pl

from lard.documents import read_json as read_json
from lard.errors import DataError
from lard.files import NAME_LIMIT_BYTES, NO_NAME
from lard.files import atomic_path as atomic_path
from lard.files import atomic_paths as atomic_paths
from lard.files import below as below
from lard.files import folder_lock as folder_lock
from lard.files import folders_for as folders_for
from lard.files import frame_rng as frame_rng
from lard.files import inside as inside
from lard.files import json_text as json_text
from lard.files import name_fault as name_fault
from lard.files import sha256_file as sha256_file
from lard.files import stable_hash as stable_hash
from lard.files import staged as staged
from lard.files import write_json as write_json
from lard.files import write_text as write_text
from lard.parts import is_table, read_columns, read_parts, refuse_shards, scan

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

POSE = (
    "airport", "runway", "lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg", "width_px",
    "height_px", "fx_px", "fy_px", "cx_px", "cy_px", "earth_model", "altitude_datum",
)  # fmt: skip
"""Columns of frames that tell where a camera is and what it sees; null where nobody knows."""

SIDE_LIMIT_PX = 65_500
"""Longest side of a picture, that of JPEG."""
NUMBER_LIMIT = 1e15
"""Largest number of a table: whole pixels are exact up to it, and no change of unit makes it infinite."""
_ANGLE = (-360.0, 360.0)
_RANGES = {
    "lat_deg": (-90.0, 90.0), "lon_deg": (-180.0, 180.0), "alt_m": (-1e5, 1e6), "yaw_deg": _ANGLE,
    "pitch_deg": _ANGLE, "roll_deg": _ANGLE, "width_px": (1, SIDE_LIMIT_PX), "height_px": (1, SIDE_LIMIT_PX),
    "fx_px": (1e-3, 1e9), "fy_px": (1e-3, 1e9), "visible_fraction": (0.0, 1.0 + 1e-6),
    "lateral_deg": _ANGLE, "vertical_deg": _ANGLE, "yaw_offset_deg": _ANGLE,
}  # fmt: skip
"""What values of columns lie within, whatever the dataset; a requirement may ask for more."""


def check_schema(table: pl.DataFrame, schema: Schema, where: str) -> pl.DataFrame:
    """Return the table with the declared columns first and cast; raise DataError naming every bad column.

    Frames may have those of ORIGIN, which are cast where they stand.
    """
    faults = [f"{where}: column {name} is missing" for name in schema if name not in table.columns]
    optional = ORIGIN if schema is FRAMES else {}
    columns = []
    for name in (*schema, *(name for name in table.columns if name not in schema)):
        dtype = schema.get(name, optional.get(name))
        if name not in table.columns:
            continue
        try:
            if dtype == pl.String and table[name].dtype.is_float():  # inf would become a word
                raise pl.exceptions.InvalidOperationError
            kind = _native(table.schema[name]) if dtype is None else dtype
            column = table[name].cast(kind, strict=True)
            if dtype is not None and column.dtype != dtype:  # a structure stays one, whatever it is cast to
                raise pl.exceptions.InvalidOperationError
            columns.append(column)
        except pl.exceptions.PolarsError:
            faults.append(f"{where}: column {name} has type {table[name].dtype}, expected {dtype}")
    if faults:
        raise DataError("\n".join(faults))
    checked = pl.DataFrame(columns)
    _check_names(checked, schema, where)
    return checked


def _native(kind: pl.DataType) -> pl.DataType:
    """The type that arrays have for a column's own: numpy knows no decimals and no integers of 128 bits."""
    if isinstance(kind, pl.List):
        return pl.List(_native(cast(pl.DataType, kind.inner)))
    if isinstance(kind, pl.Array):
        return pl.Array(_native(cast(pl.DataType, kind.inner)), kind.shape[0])
    return pl.Float64() if kind.is_decimal() or str(kind) in ("Int128", "UInt128") else kind


def _check_names(table: pl.DataFrame, schema: Schema, where: str) -> None:
    """DataError unless all that becomes a name of a file stays in its folder."""
    for name in ("frame_id", "airport", "image"):
        if name not in schema:
            continue
        column, text = table[name], pl.col(name)
        parts = text.str.split("/") if name == "image" else pl.concat_list(text)
        bad = parts.list.eval(
            pl.element().str.contains(NO_NAME) | (pl.element().str.len_bytes() > NAME_LIMIT_BYTES)
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


def stacked(tables: Sequence[pl.DataFrame], where: str) -> pl.DataFrame:
    """The rows of all tables, null where one lacks a column; DataError names columns of two types."""
    try:
        return pl.concat(tables, how="diagonal_relaxed")
    except pl.exceptions.PolarsError as error:
        kinds = [(name, str(kind)) for table in tables for name, kind in table.schema.items()]
        found = {name: sorted({kind for other, kind in kinds if other == name}) for name, _ in kinds}
        odd = [f"{name} ({' and '.join(both)})" for name, both in found.items() if len(both) > 1]
        raise DataError(f"{where}: {', '.join(odd[:5])}: expected values of one type in a column") from error


def read_table(
    path: str | Path, schema: Schema, filled: Sequence[str] = (), finite: bool = True
) -> pl.DataFrame:
    """Read a parquet table, or a folder of parts of one, and check it; raise DataError when it does not fit.

    Columns `filled` hold no null; unless `finite` is off, all numbers are finite and in their range.
    """
    path = Path(path)
    if not is_table(path):
        refuse_shards(path)
        refuse_shards(path.parent)
        raise DataError(f"{path}: no such table; run the stage or command that writes it first")
    try:
        table = read_parts(path, schema) if path.is_dir() else read_columns(scan(path))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: not a readable parquet table ({reason}); write it again") from error
    table = check_schema(table, schema, str(path))
    faults = [*_nulls(table, filled), *(_numbers(table, schema) if finite else ())]
    if faults:
        raise DataError("\n".join(f"{path}: {fault}" for fault in faults))
    return table


def _nulls(table: pl.DataFrame, names: Sequence[str]) -> list[str]:
    counts = {name: table[name].null_count() for name in names}
    return [f"{name} is empty in {n} of {len(table)} rows; fill it" for name, n in counts.items() if n]


def _numbers(table: pl.DataFrame, schema: Schema) -> list[str]:
    """A fault for each column of numbers with one that is not finite or out of its range, in lists too."""
    faults = []
    for name, kind in table.schema.items():
        number = kind.inner if isinstance(kind, pl.List | pl.Array) else kind
        limits = _RANGES.get(name) if name in schema else None
        if not number.is_float() and not (number.is_numeric() and limits):
            continue
        low, high = limits or (-NUMBER_LIMIT, NUMBER_LIMIT)
        values = table.select(pl.int_range(pl.len()).alias("row"), value=name)
        values = values.explode("value") if number is not kind else values
        odd = values.filter(~pl.col("value").is_between(low, high))
        if len(odd):
            expected = (
                f"{low:g} to {high:g}"
                if limits
                else f"a finite number of at most {NUMBER_LIMIT:g} either way"
            )
            of = f" of {table['frame_id'][odd['row'][0]]}" if "frame_id" in table.columns else ""
            rows = odd["row"].n_unique()
            faults.append(f"{name}{of} is {odd['value'][0]}, expected {expected} ({rows} such rows)")
    return faults


def check_numbers(table: pl.DataFrame, where: str, schema: Schema | None = None) -> pl.DataFrame:
    """Return a table that is to be written; DataError when one of its numbers is not finite."""
    faults = _numbers(table, schema or {})
    if faults:
        raise DataError("\n".join(f"{where}: {fault}" for fault in faults))
    return table


def write_table(table: pl.DataFrame, path: str | Path, schema: Schema, finite: bool = True) -> None:
    """Check a table and write it as parquet, atomically and with the same bytes for the same rows."""
    table = check_schema(table, schema, str(path))
    if finite:
        check_numbers(table, str(path), schema)
    with atomic_path(path) as temporary:
        write_parquet(table, temporary)


def write_parquet(table: pl.DataFrame, path: Path) -> None:
    """Write a table as parquet, by way of memory: polars tells of a full disk in many ways."""
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd", statistics=False)
    path.write_bytes(buffer.getbuffer())
