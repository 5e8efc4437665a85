"""The data card: what a dataset holds and where it came from, filled from the data."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from lard.export.common import SPLITS, LabelledFolder, one_line
from lard.tables import write_text

_MARKUP = re.compile(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown reads as markup inside a line; an underscore within a word is none."""
_QUANTITIES = (
    ("along_track_m", "m before the landing threshold"),
    ("lateral_deg", "deg right of the centreline"),
    ("vertical_deg", "deg above the runway"),
    ("yaw_offset_deg", "deg from the runway heading"),
    ("pitch_deg", "deg nose up"),
    ("roll_deg", "deg right wing down"),
)


def write_card(dataset: LabelledFolder, out: str | Path) -> None:
    """Write the data card as Markdown."""
    write_text(card_text(dataset), out)


def card_text(dataset: LabelledFolder) -> str:
    """The data card as Markdown."""
    info, frames, labels = dataset.info, dataset.frames, dataset.labels
    seen = labels.filter(pl.col("visible_fraction") > 0)
    odd, camera = info.get("odd", {}), info.get("camera", {})
    parts = [
        f"# {_text(info.get('name', dataset.folder.name))}",
        f"{len(frames)} cockpit views of runways on approach at {frames['airport'].n_unique()} airports, "
        f"with {len(seen)} runways in view labelled: corners, clipped polygon, box, approach and verdict.",
        "## Contents",
        _table(("split", "frames", "airports", "runways in view", "required"), _splits(dataset, seen)),
        _split_rule(frames) + " A runway is *required* when its approach lies in the domain (IN_ODD); others "
        "are labelled and ignored in scoring.",
        _table(("zone", "frames"), frames.group_by("zone").len().sort("zone").rows()),
        _table(("verdict", "runways in view"), seen.group_by("verdict").len().sort("verdict").rows()),
        _table(
            ("airport", "split", "frames"),
            frames.group_by("airport", "split").len().sort("airport", "split").rows(),
        ),
        "## Approaches",
        _table(("quantity", "unit", "5 %", "median", "95 %"), _ranges(frames)),
        "## Camera and domain",
        f"- {_of(camera, 'width_px')} x {_of(camera, 'height_px')} px, field of view "
        f"{_of(camera, 'fov_x_deg')} x {_of(camera, 'fov_y_deg')} degrees, ideal pinhole.\n"
        f"- Domain {_of(odd, 'name')} {_of(odd, 'version')} (sha256 {_of(odd, 'sha256')}).\n"
        f"- Runways {_of(info, 'runway_db')} {_of(info, 'runway_db_version')}, earth model "
        f"{_of(info, 'earth_model')}, altitudes {_of(info, 'altitude_datum')}.\n"
        f"- Made with lard {_of(info, 'tool_version')}.",
        "## Where the pictures come from",
        _provenance(dataset),
        "## Conventions",
        "Pixels: x right, y down, origin at the picture's upper left corner, pixel centres at +0.5. Corners: "
        "top left, top right, bottom right, bottom left as the landing pilot sees the runway; the lower edge "
        "is the landing threshold. Boxes and polygons hold the part in the picture. Yaw is clockwise from "
        "true north, pitch nose up, roll right wing down.",
        "## Limits",
        "- Performance on rendered pictures is no evidence for real footage.\n"
        "- Labels do not tell what terrain, buildings or weather hide.\n"
        "- Runway corners are as good as the runway table, a few metres at some airports.",
    ]
    return "\n\n".join(parts) + "\n"


def _split_rule(frames: pl.DataFrame) -> str:
    splits = frames.group_by("airport").agg(pl.col("split").n_unique())
    shared = splits.filter(pl.col("split") > 1)["airport"].sort().fill_null("no airport").to_list()
    if not shared:
        return "Splits are by airport: no airport is in two of them."
    return f"Splits are not by airport: {_text(', '.join(shared))} are in more than one."


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    lines += [" | ".join(_text(cell) for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def _text(value: Any) -> str:
    """A value in Markdown: one line, and nothing of it is markup, HTML or the end of a table's cell."""
    return _MARKUP.sub(r"\\\g<0>", html.escape(one_line(value), quote=False))


def _of(stated: Mapping[str, Any], name: str) -> str:
    """A stated value as text; `unknown` where there is none."""
    return _text("unknown" if stated.get(name) is None else stated[name])


def _splits(dataset: LabelledFolder, seen: pl.DataFrame) -> list[tuple[Any, ...]]:
    rows = []
    for split in SPLITS:
        frames = dataset.frames.filter(pl.col("split") == split)
        labels = seen.filter(pl.col("frame_id").is_in(frames["frame_id"].to_list()))
        required = labels.filter(pl.col("verdict") == "IN_ODD")
        rows.append((split, len(frames), frames["airport"].n_unique(), len(labels), len(required)))
    return rows


def _ranges(frames: pl.DataFrame) -> list[tuple[Any, ...]]:
    rows = []
    for name, meaning in _QUANTITIES:
        column = frames[name].drop_nulls()
        numbers = [column.quantile(q, "linear") for q in (0.05, 0.5, 0.95)]
        rows.append((name, meaning, *("-" if n is None else f"{n:.2f}" for n in numbers)))
    return rows


def _provenance(dataset: LabelledFolder) -> str:
    if dataset.manifest is None:
        return "No manifest lies beside the images: source, licence and attribution are unknown."
    columns = ("source", "source_version", "licence", "attribution")
    rows = dataset.manifest.group_by(columns).len().sort(columns).rows()
    return _table((*columns, "images"), rows)
