"""LARD's label tables, V1 and V2, written and read: same columns, order, separator and number formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.errors import DataError
from lard.labels.lard_v1 import reading_order
from lard.labels.pixels import labels_of_pixels, ordered_around
from lard.labels.table import CORNERS
from lard.scenario.formats_model import CLOCK, Scenario
from lard.tables import atomic_path

NM_M, FOOT_PER_M = 1852.0, 3.28084
SEPARATOR = ";"
V1_LATERAL_APEX_M = 3050.0

_HEAD = ("image", "height", "width", "type", "original_dataset", "scenario", "airport", "runway")
_TIMES = ("time_to_landing", "weather", "night", "time")
_METRICS = (
    "slant_distance", "along_track_distance", "height_above_runway",
    "lateral_path_angle", "vertical_path_angle",
)  # fmt: skip
_LETTERS = ("A", "B", "C", "D")
_SIDES = ("TR", "TL", "BL", "BR")


def _pixels(corners: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{axis}_{corner}" for corner in corners for axis in "xy")


V1_COLUMNS = (*_HEAD, *_TIMES, *_METRICS, "yaw", "pitch", "roll", "watermark_height", *_pixels(_LETTERS))
V2_COLUMNS = (
    "uuid", *_HEAD, *_TIMES, "lat_cam", "lon_cam", "alt_cam", "yaw", "pitch", "roll", *_METRICS,
    "watermark_height", "runway_in_cone", *_pixels(_SIDES),
)  # fmt: skip
_TEXTS = {
    "uuid", "image", "type", "original_dataset", "scenario", "airport", "runway", "weather", "night", "time",
    "runway_in_cone",
}  # fmt: skip
_SYNONYMS = {"lat": "lat_cam", "lon": "lon_cam", "alt": "alt_cam"}
# what published tables go without
_OPTIONAL = {
    *_TEXTS,
    *_TIMES,
    "lat_cam",
    "lon_cam",
    "alt_cam",
    "watermark_height",
    *_METRICS,
    "yaw",
    "pitch",
    "roll",
}
_OPTIONAL -= {"image", "airport", "runway"}
_MOST_FAULTS = 50


def lard_table(
    labels: pl.DataFrame,
    scenario: Scenario,
    size_px: tuple[int, int],
    version: str,
    *,
    frame_ids: Sequence[str] = (),
    image_type: str = "earth_studio",
    scenario_name: str = "",
    lateral_apex_m: float | None = None,
) -> tuple[pl.DataFrame, int]:
    """Labels in LARD's columns, in the labels' row order, and the number of rows that format cannot hold.

    V1 takes only target rows; neither holds a runway with a corner behind the camera. `lateral_apex_m` is the
    point the labels' lateral angles are seen from, to bring them to V1's; None when they are V1's already.
    Sub-pixel corners are cut off towards zero for V2 and rounded down for V1, as LARD does.
    """
    if version == "v1":
        labels = labels.filter("is_target")
    whole = labels.filter(~pl.col("behind") & pl.all_horizontal(pl.col(_corner_columns()).is_not_null()))
    ids = list(frame_ids) or scenario.frame_ids
    poses = scenario.poses.drop("airport", "runway").with_columns(frame_id=pl.Series(ids, dtype=pl.String))
    rows = whole.join(poses, on="frame_id", how="left", maintain_order="left")
    clock = [
        f"{y:04d}-{mo:02d}-{d:02d} {h:02d}:{mi:02d}:{s:02d}"
        for y, mo, d, h, mi, s in rows.select(CLOCK).rows()
    ]
    corners = rows.select(_corner_columns()).to_numpy().reshape(-1, 4, 2)
    corners = (np.trunc(corners) if version == "v2" else np.floor(corners)).astype(np.int64)
    columns: dict[str, Any] = {
        "uuid": rows["pose_id"],
        "image": rows["image"],
        "height": size_px[1],
        "width": size_px[0],
        "type": image_type,
        "original_dataset": None,
        "scenario": scenario_name or None,
        "airport": rows["airport"],
        "runway": rows["runway"],
        **dict.fromkeys(("time_to_landing", "weather", "night")),
        "time": pl.Series(clock, dtype=pl.String),
        "lat_cam": rows["lat_deg"],
        "lon_cam": rows["lon_deg"],
        "alt_cam": rows["alt_m"],
        "yaw": rows["yaw_deg"],
        "pitch": rows["tilt_deg"],
        "roll": rows["roll_deg"],
        "slant_distance": rows["slant_m"] / NM_M,
        "along_track_distance": rows["along_track_m"] / NM_M,
        "height_above_runway": rows["height_m"] * FOOT_PER_M,
        "lateral_path_angle": rows["lateral_deg"],
        "vertical_path_angle": rows["vertical_deg"],
        "watermark_height": scenario.image.watermark_px,
        "runway_in_cone": rows["verdict"],
    }
    if version == "v2":
        # LARD V2's distance along the track has no sign
        columns["along_track_distance"] = columns["along_track_distance"].abs()
        ordered = corners[:, [CORNERS.index(side.lower()) for side in _SIDES]]
        columns |= {name: ordered.reshape(-1, 8)[:, k] for k, name in enumerate(_pixels(_SIDES))}
        return pl.DataFrame(columns).select(V2_COLUMNS), len(labels) - len(whole)
    if lateral_apex_m is not None:
        columns["lateral_path_angle"] = _seen_from(rows, lateral_apex_m, V1_LATERAL_APEX_M)
    order = reading_order(corners, size_px[0])
    read = np.take_along_axis(corners, order[..., None], axis=1).reshape(-1, 8)
    columns |= {name: read[:, k] for k, name in enumerate(_pixels(_LETTERS))}
    table = pl.DataFrame(columns).select(V1_COLUMNS)
    return table.with_columns(pl.col(_METRICS).round(2)), len(labels) - len(whole)


def _corner_columns() -> list[str]:
    return [f"{axis}_{corner}_px" for corner in CORNERS for axis in "xy"]


def _seen_from(rows: pl.DataFrame, apex_m: float, other_m: float) -> NDArray[np.float64]:
    """Lateral angles (n,) as seen from another point of the axis."""
    along = rows["along_track_m"].to_numpy()
    across = (along + apex_m) * np.tan(np.radians(rows["lateral_deg"].to_numpy()))
    return np.degrees(np.arctan2(across, along + other_m))


def write_lard_csv(table: pl.DataFrame, path: str | Path) -> None:
    """Write a table of LARD's columns: semicolons, V2's floats with six decimals, V1's as short as can be."""
    decimals = 6 if "uuid" in table.columns else None
    texts = pl.col(pl.String)
    table = table.with_columns(pl.when(texts != "").then(texts))  # polars would write an empty text as ""
    with atomic_path(path) as temporary:
        table.write_csv(temporary, separator=SEPARATOR, float_precision=decimals)


def read_lard_csv(path: str | Path) -> pl.DataFrame:
    """Read a V1 or V2 label table; DataError lists unknown columns and every bad cell with row and column."""
    path = Path(path)
    header = _header(path)
    names = [_SYNONYMS.get(name, name) for name in header]
    columns = V1_COLUMNS if "x_A" in names else V2_COLUMNS
    faults = [
        f"{path}:1: unknown column {name!r}; expected LARD's columns {', '.join(columns)}"
        for name in names
        if name not in columns
    ]
    faults += [f"{path}:1: column {name!r} occurs twice" for name in set(names) if names.count(name) > 1]
    missing = [name for name in columns if name not in names and name not in _OPTIONAL]
    if missing:
        faults.append(f"{path}:1: columns {', '.join(missing)} are missing")
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    for number, line in enumerate(lines[1:], start=2):
        if '"' not in line and line.count(SEPARATOR) != len(header) - 1:
            faults.append(f"{path}:{number}: {line.count(SEPARATOR) + 1} fields, expected {len(header)}")
    if faults:
        raise DataError("\n".join(_shortened(faults)))
    raw = pl.read_csv(
        path, separator=SEPARATOR, infer_schema=False, has_header=False, skip_rows=1, new_columns=names
    ) if len(lines) > 1 else pl.DataFrame(schema=dict.fromkeys(names, pl.String))  # fmt: skip
    table, faults = _cast(raw, path)
    if faults:
        raise DataError("\n".join(_shortened(faults)))
    absent = [name for name in columns if name not in names]
    table = table.with_columns(
        pl.lit(None, pl.String if name in _TEXTS else pl.Float64).alias(name) for name in absent
    )
    return table.select(columns)


def _header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig") as stream:
            first = stream.readline().rstrip("\r\n")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such label table") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable UTF-8 text file ({error})") from error
    header = first.split(SEPARATOR)
    if len(header) == 1:
        found = next((name for mark, name in ((",", "commas"), ("\t", "tabs")) if mark in first), "none")
        raise DataError(
            f"{path}:1: no semicolon in the header (separator found: {found}); LARD's is {SEPARATOR!r}"
        )
    return [name.strip().strip('"') for name in header]


def _cast(raw: pl.DataFrame, path: Path) -> tuple[pl.DataFrame, list[str]]:
    """Numbers as numbers, with a fault for each cell that is none."""
    faults, columns = [], []
    needed = {*_pixels(_LETTERS), *_pixels(_SIDES), "height", "width"}
    for name in raw.columns:
        text = raw[name]
        if name in _TEXTS:
            columns.append(text.fill_null(""))
            continue
        number = text.str.strip_chars().cast(pl.Float64, strict=False)
        filled = text.is_not_null() & (text.str.strip_chars() != "")
        bad = filled & (number.is_null() | ~number.is_finite().fill_null(False))
        if name in needed:
            bad = bad | ~filled.fill_null(False)
        if name in ("height", "width"):
            bad = bad | (number <= 0).fill_null(False)
        for row in np.flatnonzero(bad.to_numpy()):
            faults.append(f"{path}:{row + 2}: column {name}: found {text[int(row)]!r}, expected a number")
        columns.append(number)
    return pl.DataFrame(columns), faults


def _shortened(faults: list[str]) -> list[str]:
    if len(faults) <= _MOST_FAULTS:
        return faults
    return [*faults[:_MOST_FAULTS], f"... and {len(faults) - _MOST_FAULTS} more"]


def labels_of_lard(table: pl.DataFrame) -> pl.DataFrame:
    """LABELS of a LARD table; V1's letters tell no side: its corners are ordered as they lie in a picture."""
    sides = _LETTERS if "x_A" in table.columns else tuple(corner.upper() for corner in CORNERS)
    corners = np.stack([table.select(f"x_{c}", f"y_{c}").to_numpy() for c in sides], axis=1).astype(float)
    v1 = sides is _LETTERS
    stems = [Path(name).stem if name else f"row_{k:06d}" for k, name in enumerate(table["image"].to_list())]
    columns: Mapping[str, Any] = {
        "frame_id": pl.Series(stems, dtype=pl.String),
        "image": table["image"],
        "airport": table["airport"],
        "runway": table["runway"],
        "is_target": v1,
        "along_track_m": table["along_track_distance"] * NM_M,
        "lateral_deg": table["lateral_path_angle"],
        "vertical_deg": table["vertical_path_angle"],
        "yaw_offset_deg": None,
        "slant_m": table["slant_distance"] * NM_M,
        "height_m": table["height_above_runway"] / FOOT_PER_M,
        "verdict": "UNKNOWN" if v1 else table["runway_in_cone"],
        "runway_db": "",
        "runway_db_version": "",
        "earth_model": "sphere6371010" if v1 else "lard-v2-flat",
    }
    size = table.select("width", "height").to_numpy().astype(np.int64)
    return labels_of_pixels(ordered_around(corners) if v1 else corners, size, columns)
