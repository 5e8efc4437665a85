"""What a detector costs on this machine: time per picture, memory and multiplications, when asked."""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lard.detect.checkpoint import multiplications, read_tensors
from lard.detect.config import ModelSpec, PredictSpec
from lard.detect.data import load_image, read_pictures
from lard.detect.predict import open_detector
from lard.errors import DataError
from lard.progress import track
from lard.score.truth import Paths

LEAST_PICTURES = 20
WARM_UP = 3


def measure_cost(model: Path, datasets: Paths, plan: PredictSpec, pictures: int = 100) -> dict[str, Any]:
    """Latency from decoded picture to boxes (median, 99th percentile), peak memory of the process, GMAC.

    One thread, one picture at a time, after a warm-up; pictures are spread over the split.
    """
    if pictures < LEAST_PICTURES:
        raise DataError(f"{pictures} pictures; expected {LEAST_PICTURES} at least for a 99th percentile")
    torch.set_num_threads(1)
    opened = open_detector(model, plan)
    listed = read_pictures(datasets, plan.split)
    chosen = [listed[k] for k in np.linspace(0, len(listed) - 1, min(pictures, len(listed))).astype(int)]
    taken_ms = []
    for place, picture in enumerate(
        track([*chosen[:WARM_UP], *chosen], f"measure {opened.name}", unit="images")
    ):
        pixels = load_image(picture)
        start = time.perf_counter()
        opened.locate(pixels)
        if place >= WARM_UP:
            taken_ms.append(1000 * (time.perf_counter() - start))
    size = load_image(chosen[0]).shape[:2]
    return {
        "machine": machine(),
        "threads": 1,
        "pictures": len(taken_ms),
        "picture_px": [int(size[1]), int(size[0])],
        "latency_ms_median": round(float(np.median(taken_ms)), 3),
        "latency_ms_p99": round(float(np.quantile(taken_ms, 0.99)), 3),
        "peak_memory_mib": round(_peak_mib(), 1),
        "gmac": None if model.suffix == ".onnx" else _gmac(model, size),
    }


def machine() -> str:
    """The processor of this machine, its number of cores and what runs on it."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = name or "unknown processor"
    return f"{name}, {os.cpu_count()} cores, {platform.system()}, torch {torch.__version__}"


def _peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _gmac(checkpoint: Path, size: tuple[int, ...]) -> float:
    """Multiplications of a picture (height, width), in thousands of millions."""
    spec = ModelSpec.model_validate(read_tensors(checkpoint)[1]["spec"])
    return round(multiplications(spec) * size[0] * size[1] / 1024**2 / 1e9, 3)
