"""Datasets made by others: LARD V1 and V2 folders of CSV files and pictures, and COCO detection files.

They are brought into this project's tables and units once, here; what they do not say stays null.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl

from lard.documents import first_line, read_head
from lard.errors import DataError
from lard.intake.coco import Coco, category_faults, id_key, looks_like_coco, read_coco
from lard.intake.lard_csv import V1_LATERAL_APEX_M, BadCell, open_lard_csv
from lard.intake.lard_tables import V2_FOV_DEG, boxes_as_stated, frames_as_stated, rows_as_stated
from lard.tables import FRAMES, LABELS, read_json

_SPLIT = re.compile(r"(?:^|[_\-/])(train|val|test)(?:$|[_\-./])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be read, and of what."""

    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """A dataset of another's layout in FRAMES and LABELS; pictures are relative to the root."""

    root: Path
    kind: str
    name: str
    frames: pl.DataFrame
    labels: pl.DataFrame
    meta: Mapping[str, Any]
    problems: tuple[Problem, ...]


def find(root: Path) -> Foreign | None:
    """The dataset at a path, or None when it is of no known layout."""
    if root.is_file() and root.suffix.lower() == ".json":
        return from_coco([root], root.parent)
    if root.is_file() and root.suffix.lower() == ".csv":
        return from_lard([root], root.parent)
    if not root.is_dir():
        return None
    tables = sorted(path for path in root.rglob("*.csv") if _is_lard(path))
    if tables:
        return from_lard(tables, root)
    documents = [path for path in sorted(root.rglob("*.json")) if _is_coco(path)]
    return from_coco(documents, root) if documents else None


def _is_lard(path: Path) -> bool:
    head = first_line(path)
    return "slant_distance" in head and ";" in head and "x_" in head


def _is_coco(path: Path) -> bool:
    start = read_head(path)
    if '"images"' not in start and '"annotations"' not in start and '"categories"' not in start:
        return False
    try:
        return looks_like_coco(read_json(path))
    except DataError:
        return True  # one that cannot be read is a fault, no lost split


def from_lard(paths: Sequence[Path], root: Path) -> Foreign:
    """LARD V1 or V2 CSV files as one dataset; the set is taken from the file or folder name.

    V1 names corners in reading order and not by place, so V1 datasets have boxes but no corners.
    """
    problems: list[Problem] = []
    parts = [table for path in paths if (table := _lard_part(path, root, problems)) is not None]
    if not parts:
        raise DataError(
            "; ".join(f"{root.name}: {p.subject}: {p.message}" for p in problems) or f"{root}: no rows"
        )
    table = pl.concat(parts, how="diagonal")
    version = "v2" if "x_TR" in table.columns else "v1"
    rows = rows_as_stated(table)
    return Foreign(
        root=root,
        kind=f"lard_{version}",
        name=root.name,
        frames=_conform(frames_as_stated(rows, version), FRAMES, ("image", "source", "watermark_px")),
        labels=_conform(boxes_as_stated(rows), LABELS, ()).sort("frame_id", "runway"),
        meta={
            "camera": f"field of view of {V2_FOV_DEG:g} degrees assumed" if version == "v2" else "not stated",
            "lateral_apex_m": 0.0 if version == "v2" else V1_LATERAL_APEX_M,
        },
        problems=tuple(problems),
    )


def _lard_part(path: Path, root: Path, problems: list[Problem]) -> pl.DataFrame | None:
    """A label table with the set it is of, its pictures relative to the root; None when it cannot be used."""
    name = path.relative_to(root).as_posix()
    try:
        found = open_lard_csv(path)
    except DataError as error:
        problems.append(Problem(name, str(error).replace(f"{path}:", "").strip()))
        return None
    problems += [Problem(name, f"line {line}: {message}") for line, message in found.layout]
    if found.layout:
        return None
    problems += _bad_columns(name, found.cells)
    match = _SPLIT.search(name)
    folder = path.parent.relative_to(root).as_posix()
    prefix = "" if folder == "." else f"{folder}/"
    return found.table.with_columns(
        pl.lit(match.group(1).lower() if match else None, pl.String).alias("split"),
        (prefix + pl.col("image")).alias("image"),
    )


def _bad_columns(name: str, cells: Sequence[BadCell]) -> Iterator[Problem]:
    """One problem for each column with texts that are no numbers; empty cells say nothing and are none."""
    texts = (cell for cell in cells if cell.text is not None and cell.text.strip())
    for column, group in groupby(texts, key=lambda cell: cell.column):
        first, *others = group
        yield Problem(
            name,
            f"column {column}: {1 + len(others)} bad values, the first {first.text!r} in line {first.line}; "
            f"expected {first.expected}",
        )


def from_coco(paths: Sequence[Path], root: Path) -> Foreign:
    """COCO files as one dataset; the set is taken from the file name."""
    problems: list[Problem] = []
    frames: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    listed: dict[str, str] = {}
    for path in paths:
        coco = read_coco(path)
        listed[path.name] = _category_list(coco)
        match = _SPLIT.search(path.name)
        problems += [Problem(f"{path.name}#{fault.place}", fault.message) for fault in coco.faults]
        problems += [Problem(f"{path.name}#{place}", text) for place, text in category_faults(coco)]
        problems += [Problem(f"{path.name}#{place}", text) for place, text in _annotation_faults(coco)]
        frames += _coco_frames(coco, match.group(1).lower() if match else None)
        labels += _coco_labels(coco, path.name, problems)
    problems += _other_lists(listed)
    folder = root if root.is_dir() else root.parent
    return Foreign(
        root=_picture_root(folder, [str(frame["image"]) for frame in frames[:20]]),
        kind="coco",
        name=root.name,
        frames=_conform(pl.DataFrame(frames, infer_schema_length=None), FRAMES, ("image",)),
        labels=_conform(pl.DataFrame(labels, infer_schema_length=None), LABELS, ()),
        meta={},
        problems=tuple(problems),
    )


def _category_list(coco: Coco) -> str:
    """Ids and names of a file's categories, in the order of the ids."""
    known = [c for c in coco.document["categories"] if isinstance(c, dict) and "id" in c]
    return ", ".join(sorted(f"{category['id']} {category.get('name')}" for category in known)) or "none"


def _other_lists(listed: Mapping[str, str]) -> Iterator[Problem]:
    """Files that list other categories than most: what is a runway in one set is not in another."""
    if len(set(listed.values())) > 1:
        usual, _ = Counter(listed.values()).most_common(1)[0]
        for name, found in listed.items():
            if found != usual:
                text = f"the file lists the categories {found}, most files {usual}"
                yield Problem(f"{name}#categories", text)


def _annotation_faults(coco: Coco) -> Iterator[tuple[str, str]]:
    """Areas larger than their box, and annotation ids used twice."""
    ids: set[Any] = set()
    for k, note in coco.annotations:
        area, (_, _, width, height) = note.get("area"), note["bbox"]
        if isinstance(area, int | float) and area > 1.02 * width * height + 1.0:
            yield f"annotations[{k}]", f"area {area:g} is more than that of its box, {width * height:g}"
        key = id_key(note.get("id"))
        if "id" in note and key in ids:
            yield f"annotations[{k}]", f"two annotations have the same id, {note['id']}"
        ids.add(key)


def _picture_root(folder: Path, images: Sequence[str]) -> Path:
    """Where pictures lie: beside the annotations, or in or beside the folder above."""
    for base in (folder, folder / "images", folder.parent, folder.parent / "images"):
        if any((base / image).is_file() for image in images):
            return base
    return folder


def _frame_id(image: Mapping[str, Any]) -> str:
    return str(image.get("frame_id") or image["file_name"])


def _coco_frames(coco: Coco, split: str | None) -> Iterator[dict[str, Any]]:
    for image in coco.images:
        yield {
            "frame_id": _frame_id(image),
            "image": str(image["file_name"]),
            "split": split,
            "width_px": image.get("width"),
            "height_px": image.get("height"),
            **{
                name: str(image[name])
                for name in ("airport", "runway", "zone")
                if image.get(name) is not None
            },
        }


def _coco_labels(coco: Coco, where: str, problems: list[Problem]) -> Iterator[dict[str, Any]]:
    """Rows of boxes; one without area is a problem and no row."""
    names = {image["id"]: _frame_id(image) for image in coco.images}
    for k, note in coco.annotations:
        x, y, width, height = note["bbox"]
        if not (width > 0 and height > 0):
            problems.append(Problem(f"{where}#annotations[{k}]", f"bbox {note['bbox']!r} has no area"))
            continue
        yield {
            "frame_id": names[note["image_id"]],
            "runway": str(note["runway"]) if note.get("runway") is not None else None,
            "x_min_px": float(x),
            "y_min_px": float(y),
            "x_max_px": float(x + width),
            "y_max_px": float(y + height),
            "polygon": _outline(note.get("segmentation")),
            **({"verdict": str(note["verdict"])} if note.get("verdict") is not None else {}),
        }


def _outline(segmentation: object) -> list[float] | None:
    """All points of an annotation's polygons in one list x0, y0, ...; None for a mask or none."""
    if not isinstance(segmentation, list) or not all(isinstance(part, list) for part in segmentation):
        return None
    points = [value for part in segmentation for value in part]
    sound = points and len(points) % 2 == 0 and all(isinstance(value, int | float) for value in points)
    return [float(value) for value in points] if sound else None


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
