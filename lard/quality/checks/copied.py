"""Pictures that are another picture changed: brighter, cropped, mirrored, noisy, compressed anew."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.quality.dataset import POSE, Dataset, posed
from lard.quality.frames import parallel, subject_of
from lard.quality.measures import geometry
from lard.quality.measures.coarse import read_small
from lard.quality.measures.copies import SAME, likeness, look_alikes
from lard.quality.measures.pictures import SKETCH_PX

Array = NDArray[np.float64]
Copy = tuple[str, str, float, str]  # two pictures, how alike they are, and what is said of the second

ASIDE_DEG = (
    3.0  # poses that differ by more, in attitude or in their direction to each other, see other scenes
)
ASIDE_SHARE = 0.15  # of the distance to the runway
UNKNOWN_M, NEAREST_M = 500.0, 100.0  # distances to the runway: where it is not known, and at least


def copied(
    data: Dataset, pictures: pl.DataFrame, known: set[tuple[str, str]]
) -> tuple[list[Copy], list[Copy]]:
    """Pairs of pictures that are one picture: those that their poses forbid, and those of unknown poses.

    Where poses are all but the same, pictures are alike by right: another rule speaks of such poses.
    """
    drawn = pictures.drop_nulls("sketch")
    if len(drawn) < 2:
        return [], []
    names, widths = drawn["image"].to_list(), drawn["width_px"].to_list()
    sketches = np.stack([np.frombuffer(raw, np.uint8) for raw in drawn["sketch"]])
    found = look_alikes(sketches.reshape(-1, SKETCH_PX, SKETCH_PX))
    poses = _poses(data)
    told = [
        _apart(poses.get(subject_of(data, names[a])), poses.get(subject_of(data, names[b])))
        for a, b, _ in found
    ]
    rows = [
        k for k, (a, b, _) in enumerate(found) if told[k] is not False and (names[a], names[b]) not in known
    ]

    def look(k: int) -> float:
        a, b, view = found[k]
        first, second = (read_small(data.root / names[one], int(widths[one] or 0)) for one in (a, b))
        return 0.0 if first is None or second is None else likeness(first, second, view)

    sure: list[Copy] = []
    doubtful: list[Copy] = []
    for k, value in zip(rows, parallel(data, rows, look, "copies"), strict=True):
        a, b, view = found[k]
        if value > SAME:
            how = f" {view.partition(',')[0]}" if view else ""
            text = (
                f"{names[b]}: is a copy of {names[a]}{how}, with other brightness, noise or cut "
                f"({value:.0%} alike)"
            )
            text += ", though their poses differ" if told[k] else ""
            (sure if told[k] else doubtful).append((names[a], names[b], value, text))
    return sure, doubtful


def _poses(data: Dataset) -> dict[str, Array]:
    """Position (3) in metres, attitude (3) in degrees and distance to the runway of each frame."""
    if data.frames is None or "pose" not in data.parts:
        return {}
    frames = data.frames.filter(posed()).unique("frame_id", keep="first", maintain_order=True)
    pose = frames.select(POSE).to_numpy().astype(np.float64)
    reach = np.full(len(frames), np.nan)
    if "along_track_m" in frames.columns:
        reach = frames["along_track_m"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    values = np.column_stack([geometry.cart(pose[:, :3], "wgs84"), pose[:, 3:], np.abs(reach)])
    return dict(zip(map(str, frames["frame_id"].to_list()), values, strict=True))


def _apart(first: Array | None, second: Array | None) -> bool | None:
    """Whether two poses see different pictures; None where one is unknown."""
    if first is None or second is None:
        return None
    turn = float(np.abs((first[3:6] - second[3:6] + 180.0) % 360.0 - 180.0).max())
    gap = float(np.linalg.norm(first[:3] - second[:3]))
    reach = np.fmin(first[6], second[6])
    return bool(
        turn > ASIDE_DEG or not gap <= ASIDE_SHARE * (500.0 if np.isnan(reach) else max(reach, 100.0))
    )
