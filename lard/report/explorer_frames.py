"""What one opened frame shows: labels, horizon, provenance, neighbours in approach space."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from lard.camera import Poses, camera_columns, camera_of_row
from lard.labels.lines import horizon_line
from lard.tables import POSE

NEIGHBOURS = 6
HORIZON_POINTS = 17
APPROACH = ("along_track_m", "lateral_deg", "vertical_deg", "yaw_offset_deg", "pitch_deg", "roll_deg")
"""The axes of approach space; each counts by its standard deviation over the dataset."""
_CORNERS = [f"{axis}_{corner}_px" for corner in ("tl", "tr", "br", "bl") for axis in "xy"]
_BOX = ["x_min_px", "y_min_px", "x_max_px", "y_max_px"]
_LABEL = [
    "airport", "runway", "is_target", "verdict", "along_track_m", "lateral_deg", "vertical_deg",
    "yaw_offset_deg", "slant_m", "height_m", "visible_fraction", "hidden_fraction", "truncated", "behind",
    "runway_db", "runway_db_version", "earth_model", "polygon", *_BOX, *_CORNERS,
]  # fmt: skip


def label_columns(labels: pl.DataFrame) -> list[str]:
    """Columns of a label as opened frames list them."""
    return [name for name in _LABEL if name in labels.columns]


def shown_columns(frames: pl.DataFrame) -> list[str]:
    """Columns of a frame's row as opened frames list them."""
    return [name for name in frames.columns if name != "frame_id"]


def frame_rows(
    frames: pl.DataFrame, labels: pl.DataFrame, manifest: pl.DataFrame | None, images: Sequence[str]
) -> list[dict[str, Any]]:
    """Per frame, in their order: image, row, labels, horizon, manifest, neighbours."""
    columns = label_columns(labels)
    by_frame: dict[str, list[list[Any]]] = {}
    for name, *cells in labels.select("frame_id", *columns).iter_rows():
        by_frame.setdefault(name, []).append(cells)
    stated = {row["frame_id"]: row for row in manifest.iter_rows(named=True)} if manifest is not None else {}
    shown = frames.select(shown_columns(frames))
    horizons, near = horizons_of(frames), neighbours(frames)
    rows = []
    for place, name in enumerate(frames["frame_id"]):
        source = {
            key: value for key, value in stated.get(name, {}).items() if key not in ("frame_id", "image")
        }
        rows.append(
            {
                "image": quote(images[place]),
                "row": shown.row(place),
                "labels": sorted(
                    by_frame.get(name, []), key=lambda cells: not cells[columns.index("is_target")]
                ),
                "horizon": horizons[place],
                "manifest": source or None,
                "near": near[place],
            }
        )
    return rows


def horizons_of(frames: pl.DataFrame) -> list[list[float]]:
    """The visible horizon of each frame as x0, y0, x1, y1, ... (px); empty without a pose or out of sight."""
    found: list[list[float]] = [[] for _ in range(len(frames))]
    needed = [name for name in POSE if name not in ("airport", "runway", "altitude_datum")]
    posed = frames.with_row_index("place").drop_nulls(needed)
    keys = [*camera_columns(frames), "earth_model"]
    for group in posed.partition_by(keys, maintain_order=True):
        camera = camera_of_row(group.row(0, named=True))
        lines = horizon_line(Poses.from_frames(group), camera, points=HORIZON_POINTS)
        for place, line in zip(group["place"], lines, strict=True):
            seen = line[np.isfinite(line).all(axis=1)]
            found[place] = [round(float(value), 1) for value in seen.reshape(-1)]
    return found


def neighbours(frames: pl.DataFrame) -> list[list[list[float]]]:
    """The nearest other frames of each by their drawn approaches: place and distance, the nearest first.

    An axis counts by its standard deviation, the distance by that of its logarithm; frames without a whole
    approach have none and are nobody's.
    """
    axes = frames.with_row_index("place").select("place", *APPROACH).drop_nulls()
    found: list[list[list[float]]] = [[] for _ in range(len(frames))]
    if len(axes) < 2:
        return found
    values = axes.select(APPROACH).to_numpy().astype(np.float64)
    values[:, 0] = np.log1p(np.maximum(values[:, 0], 0.0))
    spread = values.std(axis=0)
    scaled: NDArray[np.float64] = values[:, spread > 0] / spread[spread > 0]
    if scaled.shape[1] == 0:
        return found
    places = axes["place"].to_list()
    asked = min(NEIGHBOURS + 1, len(axes))
    distances, rows = cKDTree(scaled).query(scaled, k=asked)
    for own, (far, row) in enumerate(zip(distances, rows, strict=True)):
        others = sorted((round(float(d), 3), places[k]) for d, k in zip(far, row, strict=True) if k != own)
        found[places[own]] = [[place, distance] for distance, place in others[:NEIGHBOURS]]
    return found


def plain(value: Any) -> Any:
    """A value as JSON holds it: floats to eight figures, no NaN, dates as text."""
    if isinstance(value, float):
        return float(f"{value:.8g}") if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value)
