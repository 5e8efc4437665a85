"""Datasets made by others: LARD V1 and V2 folders of CSV files and pictures, and COCO detection files.

They are brought into this project's tables and units once, here; what they do not say stays null.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lard.errors import AirportError, DataError
from lard.quality.dataset import Dataset
from lard.quality.model import Offence
from lard.tables import FRAMES, LABELS, read_json

NAUTICAL_MILE_M, FOOT_M = 1852.0, 0.3048
LARD_V2_FOV_DEG = 60.0  # of the published dataset; the CSV does not state it
LARD_V1_LATERAL_APEX_M = 3050.0  # V1 sees the lateral angle from so far beyond the threshold
CORNER_COLUMNS = {"TL": "tl", "TR": "tr", "BR": "br", "BL": "bl"}
_SPLIT = re.compile(r"(?:^|[_\-/])(train|val|test)(?:$|[_\-./])", re.IGNORECASE)


def find(root: Path) -> Dataset | None:
    """The dataset at a path, or None when it is of no known layout."""
    if root.is_file() and root.suffix.lower() == ".json":
        return read_coco([root], root.parent)
    if root.is_file() and root.suffix.lower() == ".csv":
        return read_lard_csv([root], root.parent)
    if not root.is_dir():
        return None
    tables = sorted(path for path in root.rglob("*.csv") if _is_lard(path))
    if tables:
        return read_lard_csv(tables, root)
    documents = [path for path in sorted(root.rglob("*.json")) if _is_coco(path)]
    return read_coco(documents, root) if documents else None


def _is_lard(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as stream:
        head = stream.readline()
    return "slant_distance" in head and ";" in head and "x_" in head


def _is_coco(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as stream:
        start = stream.read(65536)
    if '"images"' not in start and '"annotations"' not in start and '"categories"' not in start:
        return False
    try:
        document = read_json(path)
    except DataError:
        return False
    return isinstance(document, dict) and {"images", "annotations", "categories"} <= set(document)


def read_lard_csv(paths: list[Path], root: Path) -> Dataset:
    """LARD V1 or V2 CSV files as one dataset; the set is taken from the file or folder name.

    V1 names corners in reading order and not by place, so V1 datasets have boxes but no corners.
    """
    problems: list[Offence] = []
    parts = []
    for path in paths:
        table = _read_csv(path, root, problems)
        if table is not None:
            parts.append(table)
    if not parts:
        raise DataError(
            "; ".join(f"{root.name}: {p.subject}: {p.message}" for p in problems) or f"{root}: no rows"
        )
    table = pl.concat(parts, how="diagonal")
    second = "x_TR" in table.columns
    n = len(table)
    number = lambda name, factor=1.0: _number(table, name, factor, problems)  # noqa: E731
    lat, lon, alt = (
        _either(table, a, b, problems)
        for a, b in (("lat_cam", "lat"), ("lon_cam", "lon"), ("alt_cam", "alt"))
    )
    columns: dict[str, Any] = {
        "frame_id": _frame_ids(table),
        "image": table["image"].fill_null("") if "image" in table.columns else pl.Series([""] * n),
        "airport": _text(table, "airport"),
        "runway": _text(table, "runway"),
        "split": table["split"],
        "source": _text(table, "type"),
        "lat_deg": lat,
        "lon_deg": lon,
        "alt_m": alt,
        "yaw_deg": number("yaw"),
        "pitch_deg": number("pitch") - 90.0,  # 90 is the horizon in LARD
        "roll_deg": number("roll"),
        "along_track_m": number("along_track_distance", NAUTICAL_MILE_M),
        "lateral_deg": number("lateral_path_angle"),
        "vertical_deg": number("vertical_path_angle"),
        "slant_m": number("slant_distance", NAUTICAL_MILE_M),
        "height_m": number("height_above_runway", FOOT_M),
        "verdict": _text(table, "runway_in_cone"),
        "width_px": number("width"),
        "height_px": number("height"),
        "watermark_px": number("watermark_height"),
        "time": _text(table, "time"),
    }
    rows = pl.DataFrame(columns).with_columns(_corner_columns(table, second, problems))
    return Dataset(
        root=root,
        kind="lard_v2" if second else "lard_v1",
        name=root.name,
        frames=_lard_frames(rows, second),
        labels=_lard_labels(rows),
        meta={
            "camera": f"field of view of {LARD_V2_FOV_DEG:g} degrees assumed" if second else "not stated",
            "lateral_apex_m": 0.0 if second else LARD_V1_LATERAL_APEX_M,
        },
        problems=tuple(problems),
    )


def _read_csv(path: Path, root: Path, problems: list[Offence]) -> pl.DataFrame | None:
    name = path.relative_to(root).as_posix()
    try:
        table = pl.read_csv(path, separator=";", infer_schema_length=0, truncate_ragged_lines=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        problems.append(Offence(name, None, f"not a readable CSV table: {str(error).splitlines()[0]}"))
        return None
    needed = {"image", "height", "width", "airport", "runway"}
    missing = sorted(needed - set(table.columns))
    if missing:
        problems.append(Offence(name, None, f"columns {', '.join(missing)} are missing"))
        return None
    match = _SPLIT.search(name)
    folder = path.parent.relative_to(root).as_posix()
    prefix = "" if folder == "." else f"{folder}/"
    return table.with_columns(
        pl.lit(match.group(1).lower() if match else None, pl.String).alias("split"),
        (prefix + pl.col("image")).alias("image"),
    )


def _number(table: pl.DataFrame, name: str, factor: float, problems: list[Offence]) -> pl.Series:
    """A column as numbers; texts that are none become null and a problem."""
    if name not in table.columns:
        return pl.Series(name, [None] * len(table), dtype=pl.Float64)
    text = table[name].cast(pl.String)
    values = text.cast(pl.Float64, strict=False)
    bad = text.is_not_null() & (text.str.strip_chars() != "") & values.is_null()
    if bad.any():
        row = int(bad.arg_true()[0])
        problems.append(
            Offence(
                f"{name}",
                None,
                f"{int(bad.sum())} values are no numbers, first {text[row]!r} in row {row + 2}",
            )
        )
    return values * factor


def _either(table: pl.DataFrame, first: str, second: str, problems: list[Offence]) -> pl.Series:
    return _number(table, first if first in table.columns else second, 1.0, problems)


def _text(table: pl.DataFrame, name: str) -> pl.Series:
    if name not in table.columns:
        return pl.Series(name, [None] * len(table), dtype=pl.String)
    return table[name].cast(pl.String)


def _frame_ids(table: pl.DataFrame) -> pl.Series:
    """The picture's stem where there are pictures, else the pose's uuid: rows of one frame share it."""
    image = table["image"].fill_null("")
    stem = image.str.replace(r"\.[A-Za-z]+$", "")
    if "uuid" in table.columns:
        return pl.select(pl.when(image == "").then(table["uuid"]).otherwise(stem)).to_series()
    return stem


def _corner_columns(table: pl.DataFrame, second: bool, problems: list[Offence]) -> list[pl.Series]:
    """Corner pixels; LARD cuts off towards zero, so half a pixel is the best guess of what was lost."""
    letters = CORNER_COLUMNS if second else {"A": "a", "B": "b", "C": "c", "D": "d"}
    found = []
    for letter, name in letters.items():
        for axis in "xy":
            values = _number(table, f"{axis}_{letter}", 1.0, problems)
            whole = bool((values.drop_nulls() % 1 == 0).all())
            lost = pl.select(pl.when(values < 0).then(-0.5).otherwise(0.5)).to_series() if whole else 0.0
            found.append((values + lost).alias(f"{axis}_{name}_px"))
    return found


def _lard_frames(rows: pl.DataFrame, second: bool) -> pl.DataFrame:
    """One row per picture: of several runways, one IN_ODD whose centreline is nearest is approached."""
    ranked = rows.with_columns(
        away=(pl.col("verdict") != "IN_ODD").fill_null(True), order=pl.col("lateral_deg").abs().fill_null(1e9)
    )
    first = ranked.sort("frame_id", "away", "order", "runway").unique("frame_id", keep="first")
    first = first.sort("frame_id")
    focal = (
        pl.col("width_px") / 2 / np.tan(np.radians(LARD_V2_FOV_DEG) / 2)
        if second
        else pl.lit(None, pl.Float64)
    )
    return _conform(
        first.with_columns(
            yaw_offset_deg=pl.lit(None, pl.Float64),
            fx_px=focal,
            fy_px=focal,
            cx_px=pl.col("width_px") / 2,
            cy_px=pl.col("height_px") / 2,
            # V2 measures with WGS 84 geodesics, V1 on the sphere of Earth Studio
            earth_model=pl.lit("wgs84" if second else "sphere6371010"),
            altitude_datum=pl.lit("msl"),
            time_utc=pl.lit(None, pl.String),  # LARD's time is local civil time
        ),
        FRAMES,
        ("image", "source", "watermark_px"),
    )


def _lard_labels(rows: pl.DataFrame) -> pl.DataFrame:
    xs = [name for name in rows.columns if re.fullmatch(r"x_[a-z]+_px", name)]
    ys = [name.replace("x_", "y_", 1) for name in xs]
    width, height = pl.col("width_px"), pl.col("height_px")
    labels = rows.with_columns(
        x_min_px=pl.min_horizontal(xs).clip(0, width),
        x_max_px=pl.max_horizontal(xs).clip(0, width),
        y_min_px=pl.min_horizontal(ys).clip(0, height),
        y_max_px=pl.max_horizontal(ys).clip(0, height),
    )
    hidden = (pl.col("x_max_px") <= pl.col("x_min_px")) | (pl.col("y_max_px") <= pl.col("y_min_px"))
    box = ("x_min_px", "y_min_px", "x_max_px", "y_max_px")
    labels = labels.with_columns(
        pl.when(hidden).then(None).otherwise(pl.col(name)).alias(name) for name in box
    )
    return _conform(labels, LABELS, ()).sort("frame_id", "runway")


def read_coco(paths: list[Path], root: Path) -> Dataset:
    """COCO files as one dataset; the set is taken from the file name."""
    problems: list[Offence] = []
    frames: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    for path in paths:
        document = read_json(path)
        if not isinstance(document, dict) or not {"images", "annotations"} <= set(document):
            raise DataError(f"{path}: not a COCO file; expected images, annotations and categories")
        match = _SPLIT.search(path.name)
        _coco_rows(document, match.group(1).lower() if match else None, path.name, frames, labels, problems)
    frame_table = _conform(pl.DataFrame(frames, infer_schema_length=None), FRAMES, ("image",))
    label_table = _conform(pl.DataFrame(labels, infer_schema_length=None), LABELS, ())
    folder = root if root.is_dir() else root.parent
    if frames and not any((folder / str(f["image"])).is_file() for f in frames[:20]):
        # pictures usually lie beside or above the annotations
        for base in (folder / "images", folder.parent, folder.parent / "images"):
            if any((base / str(f["image"])).is_file() for f in frames[:20]):
                folder = base
                break
    return Dataset(
        root=folder,
        kind="coco",
        name=root.name,
        frames=frame_table,
        labels=label_table,
        problems=tuple(problems),
    )


def _coco_rows(
    document: Mapping[str, Any],
    split: str | None,
    where: str,
    frames: list[dict[str, Any]],
    labels: list[dict[str, Any]],
    problems: list[Offence],
) -> None:
    names: dict[Any, str] = {}
    for k, image in enumerate(document["images"]):
        if not isinstance(image, dict) or "id" not in image or "file_name" not in image:
            problems.append(Offence(f"{where}#images[{k}]", None, "an image needs id and file_name"))
            continue
        if image["id"] in names:
            problems.append(Offence(str(image["id"]), None, f"{where}: image id used more than once"))
        frame_id = str(image.get("frame_id") or image["file_name"])
        names[image["id"]] = frame_id
        known = ("airport", "runway", "zone")
        frames.append(
            {
                "frame_id": frame_id,
                "image": str(image["file_name"]),
                "split": split,
                "width_px": image.get("width"),
                "height_px": image.get("height"),
                **{name: str(image[name]) for name in known if image.get(name) is not None},
            }
        )
    for k, note in enumerate(document["annotations"]):
        if not isinstance(note, dict) or note.get("image_id") not in names:
            problems.append(
                Offence(f"{where}#annotations[{k}]", None, "annotation of an image that is not listed")
            )
            continue
        box: Any = note.get("bbox")
        if not _is_box(box):
            problems.append(
                Offence(f"{where}#annotations[{k}]", None, f"bbox {box!r} is not x, y, width, height")
            )
            continue
        row = {
            "frame_id": names[note["image_id"]],
            "runway": str(note["runway"]) if note.get("runway") is not None else None,
            "x_min_px": float(box[0]),
            "y_min_px": float(box[1]),
            "x_max_px": float(box[0] + box[2]),
            "y_max_px": float(box[1] + box[3]),
        }
        if note.get("verdict") is not None:
            row["verdict"] = str(note["verdict"])
        labels.append(row)


def _is_box(box: Any) -> bool:
    numbers = isinstance(box, list) and len(box) == 4 and all(isinstance(v, int | float) for v in box)
    return bool(numbers and box[2] > 0 and box[3] > 0)


def _conform(table: pl.DataFrame, schema: Mapping[str, Any], extra: tuple[str, ...]) -> pl.DataFrame:
    """The table with exactly the schema's columns, null where it has none, and the extra ones it has."""
    columns = []
    for name, dtype in schema.items():
        if name in table.columns:
            columns.append(pl.col(name).cast(dtype, strict=False))
        else:
            columns.append(pl.lit(None, dtype).alias(name))
    columns += [pl.col(name) for name in extra if name in table.columns and name not in schema]
    return table.select(columns) if len(table.columns) else pl.DataFrame(schema=dict(schema))


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
