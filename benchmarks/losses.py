"""Average precision and calibration of several models' results side by side, the first being the reference.

    python benchmarks/losses.py data/ortho test focal.test.json ap.test.json

A line for each file: AP, AP50, AR100 and the detection calibration error, with 95 % intervals over airports,
and the paired difference in AP and AP50 from the reference within airports, with its exact sign-flip p.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from lard.documents import read_json
from lard.score.diagnosis import calibration
from lard.score.evaluation import Evaluation
from lard.score.inference import airport_intervals, jackknife_interval, paired_difference
from lard.score.truth import coco_paths, read_truth

SCORE = 0.3
"""Detections below do not count for calibration: the default threshold of an own model."""


def error_of(truth: dict[str, Any], rows: list[dict[str, Any]], images: set[int]) -> float:
    """Detection calibration error of some pictures: mean |precision - score| over ten bins of score.

    Bins weigh as many detections as they hold (Küppers et al., CVPR workshops 2020), at IoU 0.5.
    """
    part = {
        **truth,
        "images": [image for image in truth["images"] if image["id"] in images],
        "annotations": [note for note in truth["annotations"] if note["image_id"] in images],
    }
    found = calibration(Evaluation(part, [row for row in rows if row["image_id"] in images]), SCORE)
    gaps = [abs(b["precision"] - b["score"]) * b["detections"] for b in found["bins"] if b["detections"]]
    return float(sum(gaps) / found["detections"]) if found["detections"] else float("nan")


def measured(truth: dict[str, Any], path: Path) -> dict[str, Any]:
    """Scores of one file, whole and by airport, with intervals."""
    rows = read_json(path)
    airports: dict[str, list[int]] = {}
    for image in truth["images"]:
        airports.setdefault(str(image.get("airport")), []).append(int(image["id"]))
    evaluation = Evaluation(truth, rows)
    every = {image for images in airports.values() for image in images}
    without = np.array([error_of(truth, rows, every - set(images)) for images in airports.values()])
    whole = error_of(truth, rows, every)
    enough = len(airports) >= 6 and bool(np.isfinite(without).all())
    return {
        **evaluation.metrics(),
        "intervals": airport_intervals(evaluation, airports),
        "error": whole,
        "error_interval": jackknife_interval(whole, without) if enough else None,
        "by_airport": {name: evaluation.metrics(images) for name, images in airports.items()},
    }


def told(value: float, interval: list[float] | None) -> str:
    """A number with its interval, where it has one."""
    ends = "" if interval is None else f" [{interval[0]:.3f}, {interval[1]:.3f}]"
    return f"{value:.3f}{ends}"


def main(data: str, split: str, *files: str) -> None:
    """Print the lines."""
    truth = read_truth(coco_paths([data], split))
    reference: dict[str, Any] | None = None
    for file in files:
        found = measured(truth, Path(file))
        parts = [f"{name} {told(found[name], found['intervals'][name])}" for name in ("AP", "AP50")]
        parts += [f"AR100 {found['AR100']:.3f}", f"D-ECE {told(found['error'], found['error_interval'])}"]
        if reference is not None:
            for name in ("AP", "AP50"):
                gap = paired_difference(reference["by_airport"], found["by_airport"], name)
                parts.append(f"d{name} {told(gap['mean'], gap['interval'])} p {gap['p']:.3f}")
        reference = reference or found
        print(f"{Path(file).stem}: {', '.join(parts)}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
