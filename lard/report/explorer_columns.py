"""What frames are filtered by: facets with named values, and ranges of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from lard.report.explorer_join import Findings, Joined

MOST_VALUES = 60
"""A text column with more values is no facet; frames are found by their names."""
TOLD = ("airport", "zone", "split", "verdict", "finding")
"""Facets that captions, marks and tables tell, of however many values they are."""
NONE = "(none)"
_BOX = ("x_min_px", "y_min_px", "x_max_px", "y_max_px")
_TITLES = {"airport": "Airport", "zone": "Zone", "split": "Split", "light": "Light", "season": "Season"}
_NO_FACETS = {
    "frame_id", "runway", "time_utc", "earth_model", "altitude_datum", "odd", "odd_version", "odd_sha256",
    "runway_db", "runway_db_version",
}  # fmt: skip
# column of frames: title, unit, logarithmic, shown at once
_RANGES: Mapping[str, tuple[str, str, bool, bool]] = {
    "along_track_m": ("Distance before the threshold", "m", False, True),
    "visibility_m": ("Visibility", "m", False, True),
    "lateral_deg": ("Lateral angle", "°", False, False),
    "vertical_deg": ("Vertical angle", "°", False, False),
    "yaw_offset_deg": ("Yaw off the runway", "°", False, False),
    "pitch_deg": ("Pitch", "°", False, False),
    "roll_deg": ("Roll", "°", False, False),
    "sun_elevation_deg": ("Sun elevation", "°", False, False),
    "local_time_h": ("Local time", "h", False, False),
    "cloud_fraction": ("Clouds", "share", False, False),
    "rain_mm_h": ("Rain", "mm/h", False, False),
}


def facets(
    frames: pl.DataFrame,
    labels: pl.DataFrame,
    manifest: pl.DataFrame | None,
    findings: Findings | None,
    joined: Sequence[Joined],
    looked: Mapping[str, set[str]],
) -> list[dict[str, Any]]:
    """Facets as key, title, values and for each frame (in the order of frames) its values' places.

    `looked` are the models whose heat maps are there of a frame.
    """
    names = frames["frame_id"].to_list()
    found = [_facet(key, _TITLES[key], frames[key].to_list()) for key in ("airport", "zone", "split")]
    targets = target_rows(labels)
    verdicts = [targets[name]["verdict"] if name in targets else None for name in names]
    found.append(_facet("verdict", "Verdict of the runway approached", verdicts))
    of_frame: dict[str, set[str]] = {}
    for name, verdict in labels.select("frame_id", "verdict").unique().iter_rows():
        of_frame.setdefault(name, set()).add(verdict or NONE)
    found.append(_facet("any_verdict", "Verdict of any runway", [of_frame.get(name, ()) for name in names]))
    rest = [name for name in frames.columns if name not in (*_NO_FACETS, "airport", "zone", "split")]
    texts = [name for name in rest if frames.schema[name] in (pl.String, pl.Boolean)]
    found += [_facet(name, _TITLES.get(name, name), frames[name].to_list()) for name in texts]
    if manifest is not None:
        source = dict(manifest.select("frame_id", "source").iter_rows())
        found.append(_facet("source", "Source of the picture", [source.get(name) for name in names]))
    if findings is not None:
        found.append(_facet("finding", "Data quality finding", [findings.checks.get(n, ()) for n in names]))
    if looked:
        found.append(_facet("explained", "Heat maps of", [looked.get(name, ()) for name in names]))
    for part in joined:
        for column, values in part.facets.items():
            cells = [values.get(name, ()) for name in names]
            found.append(_facet(f"{part.name}:{column}", f"{column} ({part.name})", cells))
    return [facet for facet in found if facet["key"] in TOLD or 2 <= len(facet["values"]) <= MOST_VALUES]


def _facet(key: str, title: str, cells: Sequence[Any]) -> dict[str, Any]:
    """A facet of one value, or of a collection of values, per frame."""
    sets = [
        {str(value) for value in cell} or {NONE}
        if isinstance(cell, (set, tuple, list))
        else {NONE if cell is None or cell == "" else str(cell)}
        for cell in cells
    ]
    values = sorted({value for cell in sets for value in cell}, key=lambda value: (value == NONE, value))
    place = {value: k for k, value in enumerate(values)}
    return {
        "key": key,
        "title": title,
        "values": values,
        "codes": [sorted(place[value] for value in cell) for cell in sets],
    }


def ranges(frames: pl.DataFrame, labels: pl.DataFrame, joined: Sequence[Joined]) -> list[dict[str, Any]]:
    """Ranges as key, title, unit and a number or None per frame; columns without two values are left out."""
    names = frames["frame_id"].to_list()
    sides = []
    for box in target_boxes(names, labels):
        sides.append(None if box is None else ((box[2] - box[0]) * (box[3] - box[1])) ** 0.5)
    title = "Box of the runway approached, side of the square of its area"
    found = []
    for key, (text, unit, log, first) in _RANGES.items():
        if key in frames.columns and frames.schema[key].is_numeric():
            found.append(_range(key, text, unit, frames[key].to_list(), log, first))
    found.append(_range("box_side_px", title, "px", sides, log=True, first=True))
    for part in joined:
        for column, values in part.ranges.items():
            title = f"{column}, lowest of the frame ({part.name})"
            cells = [values.get(name) for name in names]
            found.append(_range(f"{part.name}:{column}", title, "", cells, False, True))
    return [item for item in found if len({value for value in item["values"] if value is not None}) > 1]


def _range(key: str, title: str, unit: str, cells: Sequence[Any], log: bool, first: bool) -> dict[str, Any]:
    values = [None if value is None else float(f"{float(value):.6g}") for value in cells]
    return {"key": key, "title": title, "unit": unit, "values": values, "log": log, "first": first}


def target_rows(labels: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """The label of the runway that each frame approaches, where it is labelled."""
    rows = labels.filter("is_target").unique("frame_id", keep="first", maintain_order=True)
    return {row["frame_id"]: row for row in rows.iter_rows(named=True)}


def target_boxes(names: Sequence[str], labels: pl.DataFrame) -> list[list[float] | None]:
    """Box x0, y0, x1, y1 (px) of the runway approached of each frame; None where it is out of the picture."""
    targets = target_rows(labels)
    boxes: list[list[float] | None] = []
    for name in names:
        row = targets.get(name)
        whole = row is not None and all(row[side] is not None for side in _BOX)
        boxes.append([round(float(row[side]), 2) for side in _BOX] if row and whole else None)
    return boxes
