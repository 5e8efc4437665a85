"""Frames as the checks choose and see them: by zone, by light, evenly spread; their pictures and horizons."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.camera import DISTORTION
from lard.progress import track
from lard.quality.dataset import CAMERA, POSE, Dataset, with_distortion
from lard.quality.measures import geometry
from lard.quality.measures.reading import read_plain
from lard.quality.odd import Zone

Array = NDArray[np.float64]
Found = TypeVar("Found")

TRAINING, VALIDATION, TESTING = "train", "val", "test"
SETS = (TRAINING, VALIDATION, TESTING)


def subject_of(data: Dataset, image: str) -> str:
    """How findings name a picture: its frame where known."""
    return data.frame_of.get(image, image)


def zone_rows(data: Dataset) -> Iterator[tuple[Zone, pl.DataFrame]]:
    """Each zone of the ODD with the frames drawn for it."""
    assert data.odd is not None
    for zone in data.odd.zones:
        yield zone, data.targets.filter(pl.col("zone") == zone.name)


def kept_rows(data: Dataset) -> Iterator[tuple[Zone, pl.DataFrame]]:
    """Each zone with those of its frames that break none of the spec's rules: others cover nothing."""
    assert data.odd is not None
    lost = [mask for name, mask in data.frame_faults.items() if name.startswith("rule: ")]
    kept = ~np.any(lost, axis=0) if lost else np.ones(len(data.targets), bool)
    for zone in data.odd.zones:
        yield zone, data.targets.filter(pl.Series(kept) & (pl.col("zone") == zone.name))


def daylit(data: Dataset, frames: pl.DataFrame) -> pl.Series:
    """Whether frames (n) are stated to be by day without rain or fog, below clouds; true where nothing is."""
    wanted = {"light": pl.col("light") == "day", "rain_mm_h": pl.col("rain_mm_h") <= 0}
    wanted["fog_top_m"] = pl.col("fog_top_m") <= 0
    return _stated(frames, wanted) & ~_in_clouds(data, frames)


def far_sighted(data: Dataset, frames: pl.DataFrame, clear_m: float) -> pl.Series:
    """Whether the horizon can stand out in frames (n): daylit, seen far, not under a closed cloud cover."""
    wanted = {
        "visibility_m": pl.col("visibility_m") >= clear_m,
        "cloud_fraction": pl.col("cloud_fraction") < 0.9,
    }
    return daylit(data, frames) & _stated(frames, wanted)


def _stated(frames: pl.DataFrame, wanted: dict[str, pl.Expr]) -> pl.Series:
    tests = [test.fill_null(True) for name, test in wanted.items() if name in frames.columns]
    every_row = pl.repeat(True, len(frames), dtype=pl.Boolean)
    return frames.select(pl.all_horizontal(every_row, *tests).alias("stated"))["stated"]


def _in_clouds(data: Dataset, frames: pl.DataFrame) -> pl.Series:
    """Whether frames (n) are stated to be higher above their runway than clouds begin: all is fog there."""
    needed = {"alt_m", "airport", "runway", "cloud_fraction", "cloud_base_m"}
    if data.database is None or not needed <= set(frames.columns):
        return pl.repeat(False, len(frames), dtype=pl.Boolean, eager=True)
    above = pl.Series(above_ground(data, frames, unknown_m=np.inf))
    return ((above > frames["cloud_base_m"]) & (frames["cloud_fraction"] > 0)).fill_null(False)


def horizons(data: Dataset, frames: pl.DataFrame) -> Array:
    """Pixels (n, 81, 2) of the horizon in frames with pose and camera, NaN behind the camera."""
    pose = {name: frames[name].to_numpy().astype(np.float64) for name in POSE}
    frames = with_distortion(frames)
    camera = {name: frames[name].to_numpy().astype(np.float64) for name in (*CAMERA, *DISTORTION)}
    return geometry.horizon_pixels(pose, camera, above_ground(data, frames), np.linspace(-40.0, 40.0, 81))


def above_ground(data: Dataset, frames: pl.DataFrame, unknown_m: float = 0.0) -> Array:
    """Height (n,) in m of frames above their target's threshold, or above `unknown_m` where not known."""
    return frames["alt_m"].cast(pl.Float64).to_numpy() - _ground_m(data, frames, unknown_m)


def _ground_m(data: Dataset, frames: pl.DataFrame, unknown_m: float = 0.0) -> Array:
    """Altitude (n,) of the ground: that of the target's threshold where known, else sea level or as given."""
    if data.database is None:
        return np.full(len(frames), unknown_m)
    known = data.runway_corners.select("airport", "runway", pl.col("corners").list.get(11).alias("ground_m"))
    joined = frames.join(known, on=["airport", "runway"], how="left", maintain_order="left")
    return joined["ground_m"].fill_null(unknown_m).to_numpy().astype(np.float64)


def every(indices: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of the indices, evenly spread: a sample that needs no draw."""
    if len(indices) <= most:
        return indices
    return indices[np.linspace(0, len(indices) - 1, most).round().astype(np.int64)]


def grey_of(data: Dataset, frame_id: str) -> NDArray[np.float32] | None:
    """Grey picture (h, w) of a frame, None where it cannot be read; DQR-I04 reports those."""
    path = data.root / data.image_of.get(frame_id, "")
    pixels = read_plain(path, cv2.IMREAD_GRAYSCALE)
    return None if pixels is None else np.asarray(pixels, np.float32)


def parallel(data: Dataset, items: Sequence[int], work: Callable[[int], Found], what: str) -> list[Found]:
    """Results of work on each item, in their order, in the dataset's number of threads."""
    threads = data.workers if isinstance(data.workers, int) else os.cpu_count() or 1
    with ThreadPoolExecutor(max(1, threads)) as pool:
        return list(track(pool.map(work, items), what, total=len(items), unit="img"))
