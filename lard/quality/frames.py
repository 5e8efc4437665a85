"""Frames as the checks choose and see them: by zone, by light, evenly spread; their pictures and horizons."""

from __future__ import annotations

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


def daylit(frames: pl.DataFrame) -> pl.Expr:
    """Whether a frame is stated to be by day without rain or fog; true where nothing is stated."""
    wanted = {"light": pl.col("light") == "day", "rain_mm_h": pl.col("rain_mm_h") <= 0}
    wanted["fog_top_m"] = pl.col("fog_top_m") <= 0
    stated = [test.fill_null(True) for name, test in wanted.items() if name in frames.columns]
    return pl.all_horizontal(pl.lit(True), *stated)


def far_sighted(frames: pl.DataFrame, clear_m: float) -> pl.Expr:
    """Whether the horizon can stand out in a frame: daylit, seen far, not under a closed cloud cover."""
    wanted = {
        "visibility_m": pl.col("visibility_m") >= clear_m,
        "cloud_fraction": pl.col("cloud_fraction") < 0.9,
    }
    stated = [test.fill_null(True) for name, test in wanted.items() if name in frames.columns]
    return pl.all_horizontal(daylit(frames), *stated)


def horizons(data: Dataset, frames: pl.DataFrame) -> Array:
    """Pixels (n, 81, 2) of the horizon in frames with pose and camera, NaN behind the camera."""
    pose = {name: frames[name].to_numpy().astype(np.float64) for name in POSE}
    frames = with_distortion(frames)
    camera = {name: frames[name].to_numpy().astype(np.float64) for name in (*CAMERA, *DISTORTION)}
    height = pose["alt_m"] - _ground_m(data, frames)
    return geometry.horizon_pixels(pose, camera, height, np.linspace(-40.0, 40.0, 81))


def _ground_m(data: Dataset, frames: pl.DataFrame) -> Array:
    """Altitude (n,) of the ground: that of the target's threshold where known, else sea level."""
    if data.database is None:
        return np.zeros(len(frames))
    known = data.runway_corners.select("airport", "runway", pl.col("corners").list.get(11).alias("ground_m"))
    joined = frames.join(known, on=["airport", "runway"], how="left", maintain_order="left")
    return joined["ground_m"].fill_null(0.0).to_numpy().astype(np.float64)


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
    with ThreadPoolExecutor(max(1, data.workers)) as pool:
        return list(track(pool.map(work, items), what, total=len(items), unit="img"))
