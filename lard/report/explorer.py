"""A dataset to walk through: one folder of pages that opens from a disk, without network or server."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from lard import __version__
from lard.airports.files import SHIPPED
from lard.errors import DataError
from lard.files import forget_staged
from lard.labels.dataset import read_dataset
from lard.parts import is_table
from lard.progress import track
from lard.report.explorer_columns import facets, ranges, target_boxes
from lard.report.explorer_frames import frame_rows, label_columns, plain, shown_columns
from lard.report.explorer_join import Findings, Joined, read_findings, read_joined
from lard.report.explorer_map import map_of
from lard.report.explorer_results import Judged, judge_results
from lard.report.explorer_saliency import Looks, copy_panels, models_by_frame, read_explained
from lard.report.explorer_thumbs import size_of, write_thumbs
from lard.report.page import render
from lard.tables import MANIFEST, read_table, staged

_STATIC = Path(__file__).parent / "templates" / "explorer"
SCRIPTS = ("core.js", "filters.js", "grid.js", "frame.js", "map.js", "marks.js", "start.js")
MARKER = "lard explorer"
PART_FRAMES = 100
"""Frames whose labels and detections lie in one file, read when one of them is opened."""


@dataclass(frozen=True, slots=True)
class Explored:
    """What was written, and what a user should know about it."""

    frames: int
    files: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Material:
    """All that the pages are made of; tables are sorted, lists in the order of frames."""

    folder: Path
    info: Mapping[str, Any]
    frames: pl.DataFrame
    labels: pl.DataFrame
    manifest: pl.DataFrame | None
    images: list[str]
    judged: list[Judged]
    found: Findings | None
    joined: list[Joined]
    explained: list[Looks]
    chart: dict[str, Any]

    @property
    def names(self) -> list[str]:
        """Ids of the frames."""
        return self.frames["frame_id"].to_list()


def write_explorer(
    folder: str | Path,
    out: str | Path,
    *,
    results: Sequence[str | Path] = (),
    findings: str | Path | None = None,
    tables: Sequence[str | Path] = (),
    explained: Sequence[str | Path] = (),
    score: float | None = None,
    runways: str = SHIPPED,
    copy_images: bool = False,
    workers: int = 1,
) -> Explored:
    """Write the explorer of a labelled dataset folder; DataError for what does not belong to it."""
    folder, out = Path(folder), Path(out)
    frames, labels, info = read_dataset(folder)
    if frames.is_empty():
        raise DataError(f"{folder}: frames.parquet has no rows; sample and render frames first")
    check_place(folder, out)
    doubled = frames.filter(pl.col("frame_id").is_duplicated())["frame_id"]
    if len(doubled):
        raise DataError(
            f"{folder}: frame_id {doubled[0]!r} stands in several rows; frames need names of their own"
        )
    frames, labels = frames.sort("frame_id"), labels.sort("frame_id", "airport", "runway")
    names, manifest = frames["frame_id"].to_list(), _manifest(folder)
    images = image_names(names, labels, manifest)
    judged = judge_results(folder, names, results, score)
    found = read_findings(findings, frames) if findings else None
    joined = [read_joined(path, names) for path in tables]
    looks = [read_explained(Path(path), folder, names) for path in explained]
    chart, notes = map_of(frames, info, runways)
    notes += [note for part in joined for note in part.notes]
    material = _Material(folder, info, frames, labels, manifest, images, judged, found, joined, looks, chart)
    with staged(out) as staging:
        broken = write_thumbs([folder / image for image in images], staging / "thumbs", workers)
        if broken:
            reason = broken[min(broken)]
            notes.append(f"{len(broken)} of {len(names)} pictures cannot be shown (first: {reason})")
        notes += _other_sizes(material, set(broken))
        if copy_images:
            _copy(folder, images, staging, set(broken))
        meta = _meta(material, "" if copy_images else _way(out, folder), set(broken))
        _write_data(staging, meta, material)
        _write_pages(staging, meta)
        files = sum(path.is_file() for path in staging.rglob("*"))
    return Explored(len(names), files, tuple(notes))


def _meta(material: _Material, way: str, broken: set[int]) -> dict[str, Any]:
    """What all views need; `way` leads from the pages to the pictures, `broken` are places without one."""
    frames, labels, found, joined = material.frames, material.labels, material.found, material.joined
    names = material.names
    return {
        "name": str(material.info.get("name", material.folder.resolve().name)),
        "id": content_id(names, labels),
        "about": {key: value for key, value in material.info.items() if key != "airports"},
        "images": way,
        "part_frames": PART_FRAMES,
        "frame_id": names,
        "thumb": [place not in broken for place in range(len(names))],
        "size": _sizes(material),
        "box": target_boxes(names, labels),
        "facets": facets(
            frames, labels, material.manifest, found, joined, models_by_frame(material.explained)
        ),
        "ranges": ranges(frames, labels, joined),
        "findings": found.rows if found else None,
        "checks": found.titles if found else {},
        "models": [model.summary(names) for model in material.judged],
        "map": material.chart,
        "label_columns": label_columns(labels),
        "frame_columns": shown_columns(frames),
        "tables": [{"name": part.name, "columns": part.columns} for part in joined],
    }


def _sizes(material: _Material) -> list[tuple[int, int]]:
    """Width and height of each picture (px): as the frames say, else as the file says, a dot without one."""
    stated = material.frames.select("width_px", "height_px").rows()
    return [
        size_of(material.folder / image) if None in size else size
        for size, image in zip(stated, material.images, strict=True)
    ]


def _other_sizes(material: _Material, broken: set[int]) -> list[str]:
    """A note on pictures of another size than frames state: they are shown stretched under their labels."""
    other: list[str] = []
    stated = material.frames.select("width_px", "height_px").rows()
    for place, (size, image) in enumerate(zip(stated, material.images, strict=True)):
        if place in broken or None in size:
            continue
        real = size_of(material.folder / image)
        if real != size:
            other.append(f"{image} is {real[0]}x{real[1]}, its frame {size[0]}x{size[1]}")
    told = (
        f"{len(other)} of {len(stated)} pictures have not the size that frames state and are shown stretched"
    )
    return [f"{told} (first: {other[0]}); run lard dqr run"] if other else []


def check_place(folder: Path, out: Path) -> None:
    """DataError unless the explorer can be written there without touching files of others."""
    if out.exists() and not out.is_dir():
        raise DataError(f"--out {out}: is a file; name a folder")
    if os.path.realpath(out) == os.path.realpath(folder):
        raise DataError(f"--out {out}: is the dataset; name a folder beside it")
    forget_staged(out)
    page = out / "index.html"
    ours = page.is_file() and f'content="{MARKER}"' in page.read_text(encoding="utf-8", errors="replace")
    if out.is_dir() and not ours and any(out.iterdir()):
        raise DataError(f"--out {out}: holds other files; name a new or empty folder, or an older explorer")


def image_names(names: Sequence[str], labels: pl.DataFrame, manifest: pl.DataFrame | None) -> list[str]:
    """Path of each frame's picture below the dataset folder."""
    known: dict[str, str] = {}
    for table in (labels, manifest):
        if table is not None:
            stated = table.filter(pl.col("image") != "").select("frame_id", "image")
            known |= dict(stated.unique("frame_id", keep="first", maintain_order=True).iter_rows())
    return [known.get(name, f"images/{name}.jpg") for name in names]


def content_id(names: Sequence[str], labels: pl.DataFrame) -> str:
    """What marks in a browser are kept under: the frames and verdicts of a dataset, whatever its name."""
    digest = hashlib.sha256("\n".join(names).encode())
    for row in labels.select("frame_id", "airport", "runway", "verdict").iter_rows():
        digest.update(repr(row).encode())
    return digest.hexdigest()[:16]


def as_script(head: str, value: Any, tail: str = ";") -> str:
    """A value as a plain script: ASCII, so that no text in it ends a line or a string."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return f"{head}{text}{tail}\n"


def _manifest(folder: Path) -> pl.DataFrame | None:
    path = folder / "manifest.parquet"
    return read_table(path, MANIFEST) if is_table(path) else None


def _way(out: Path, folder: Path) -> str:
    """The way from the pages to the dataset as the start of an address, with / at its end."""
    way = os.path.relpath(folder.resolve(), out.resolve())
    return quote(Path(way).as_posix()) + "/"


def _copy(folder: Path, images: Sequence[str], staging: Path, broken: set[int]) -> None:
    for place, image in enumerate(track(images, "copy pictures", unit="pictures")):
        if place not in broken:
            target = staging / image
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / image, target)


def _write_data(staging: Path, meta: dict[str, Any], material: _Material) -> None:
    """data/frames.js, what all views need, data/part_0000.js ..., what one frame shows, and heat maps."""
    place = staging / "data"
    place.mkdir(parents=True)
    looks = copy_panels(material.explained, meta["frame_id"], staging)
    (place / "frames.js").write_text(as_script("var LARD_DATA=", plain(meta)), encoding="ascii")
    rows = frame_rows(material.frames, material.labels, material.manifest, material.images)
    for row, name in zip(rows, meta["frame_id"], strict=True):
        row["detections"] = [model.detections.get(name) for model in material.judged]
        row["tables"] = [part.rows.get(name, []) for part in material.joined]
        row["explained"] = looks.get(name, [])
    for first in range(0, len(rows), PART_FRAMES):
        part = first // PART_FRAMES
        text = as_script(f"LARD_PART({part},", plain(rows[first : first + PART_FRAMES]), ");")
        (place / f"part_{part:04d}.js").write_text(text, encoding="ascii")


def _write_pages(staging: Path, meta: dict[str, Any]) -> None:
    (staging / "js").mkdir()
    for name in SCRIPTS:
        shutil.copyfile(_STATIC / name, staging / "js" / name)
    style = (_STATIC / "explorer.css").read_text(encoding="utf-8")
    page = render(
        "explorer.html.j2",
        title=f"{meta['name']}: explorer",
        name=meta["name"],
        frames=len(meta["frame_id"]),
        version=__version__,
        marker=MARKER,
        own_style=re.sub(r"\s*\n\s*", "\n", style),
        scripts=SCRIPTS,
        models=meta["models"],
    )
    (staging / "index.html").write_text(page, encoding="utf-8")
