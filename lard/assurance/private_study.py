"""What private training of a detector's last layer costs: average precision against epsilon."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lard.assurance.head import Cells, cells_of_frame, detections_as_they_are, detections_with, see, width_of
from lard.assurance.privacy import BOUND, Private, Recipe, noise_for, private_of, spent, train_layer
from lard.assurance.privacy import unit_gradients as gradients_of
from lard.detect.checkpoint import Checkpoint, load_detector
from lard.detect.config import PredictSpec
from lard.detect.data import Picture, load_image, read_pictures
from lard.detect.decode import Detections
from lard.detect.fcos import Detector, channels_last
from lard.errors import DataError, LardError, ModelError
from lard.progress import track
from lard.score.evaluation import Evaluation
from lard.score.inference import airport_intervals
from lard.score.truth import coco_paths, read_truth

FORMAT = "lard-privacy-1"
UNITS = ("frame", "airport")
METRICS = ("AP50", "AP")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: epsilons (infinity: no noise), units of privacy, splits, frames at most, repetitions."""

    epsilons: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0, math.inf)
    units: tuple[str, ...] = UNITS
    split: str = "train"
    on: str = "test"
    frames: int = 800
    test_frames: int = 120
    negatives: int = 48
    repeats: int = 3
    seed: int = 1


def study(
    model: Path, datasets: Sequence[Path], question: Question, recipe: Recipe, plan: PredictSpec
) -> dict[str, Any]:
    """Train private last layers on frozen features of a detector and score whole frames with each.

    Noise for every epsilon is found first; features are computed once. Raises ModelError for files without
    features, DataError for splits that cannot answer.
    """
    _check(question, recipe)
    loaded = _opened(model)
    net = channels_last(loaded.net)
    private = _some(read_pictures(datasets, question.split), question.frames)
    tested = _some(read_pictures(datasets, question.on), question.test_frames)
    for split, pictures in ((question.split, private), (question.on, tested)):
        if all(picture.ignored.all() for picture in pictures):
            raise DataError(
                f"split {split}: none of its {len(pictures)} frames has a required runway to learn from or be"
                " scored on; take more frames, or label them"
            )
    names = {unit: [_unit_of(picture, unit) for picture in private] for unit in question.units}
    for unit, units in names.items():
        if not recipe.delta < 1 / len(set(units)):
            raise LardError(
                f"--delta {recipe.delta:g}: at or above 1 / {len(set(units))} ({unit}s) publishing one"
                " of them at random would pass as private; give a delta far below that"
            )
    noises = {epsilon: noise_for(epsilon, recipe) for epsilon in question.epsilons}
    torch.set_num_threads(1)
    cells = [
        _cells(net, picture, question, plan)
        for picture in track(private, f"features of {question.split}", len(private), "images")
    ]
    data = {unit: private_of(cells, units) for unit, units in names.items()}
    layers = {
        (unit, epsilon): [
            train_layer(data[unit], recipe, noise, question.seed + repeat)
            for repeat in range(question.repeats)
        ]
        for unit in question.units
        for epsilon, noise in noises.items()
    }
    stacked = np.stack([np.zeros(width_of(net)), *(layer for group in layers.values() for layer in group)])
    truth = _truth(datasets, question.on, tested)
    scored = _scored(net, tested, stacked, plan, truth)
    original, nothing, rest = scored[0], scored[1], scored[2:]
    sections = {}
    for unit in question.units:
        rows = []
        for epsilon, noise in noises.items():
            own, rest = rest[: question.repeats], rest[question.repeats :]
            rows.append(_row(epsilon, noise, recipe, own))
        sections[unit] = {
            "units": data[unit].units,
            "longest_gradient": _longest(data[unit], stacked),
            "rows": _with_gains(rows, nothing),
        }
    return {
        "format": FORMAT,
        "model": loaded.name,
        "bound": BOUND,
        "dimensions": width_of(net),
        "recipe": asdict(recipe),
        "question": {**asdict(question), "epsilons": [_finite(value) for value in question.epsilons]},
        "frames": {"private": len(private), "tested": len(tested)},
        "features_learnt_from": _seen_before(loaded, private),
        "detector_as_it_is": original,
        "nothing_learnt": nothing,
        "units": sections,
    }


def _check(question: Question, recipe: Recipe) -> None:
    """LardError for numbers without a meaning, in one line."""
    for epsilon in question.epsilons:
        if not epsilon > 0:
            raise LardError(f"--epsilon {epsilon:g}: expected numbers above 0, or inf for no noise")
    if not 0 < recipe.delta < 1:
        raise LardError(f"--delta {recipe.delta:g}: expected a number above 0 and far below 1 / units")
    if not 0 < recipe.sample_rate <= 1:
        raise LardError(f"--sample-rate {recipe.sample_rate:g}: expected a probability above 0")
    if question.split == question.on:
        raise DataError(f"--on {question.on}: is what the layers learn from; score on another split")


def _opened(model: Path) -> Checkpoint:
    if model.suffix == ".onnx":
        raise ModelError(f"{model}: an ONNX file shows no features to learn from; give its checkpoint")
    return load_detector(model)


def _some(pictures: list[Picture], most: int) -> list[Picture]:
    """At most so many pictures, evenly drawn from all."""
    rows = np.unique(np.linspace(0, len(pictures) - 1, min(most, len(pictures))).round().astype(int))
    return [pictures[row] for row in rows]


def _unit_of(picture: Picture, unit: str) -> str:
    """The unit of privacy that a picture belongs to."""
    if unit == "frame":
        return str(picture.image_id)
    airport = picture.info.get("airport")
    if airport is None:
        raise DataError(f"{picture.path}: has no airport, which --unit airport protects; use --unit frame")
    return str(airport)


def _cells(net: Detector, picture: Picture, question: Question, plan: PredictSpec) -> Cells:
    seen = see(net, load_image(picture), plan)
    return cells_of_frame(net, seen, picture, question.negatives, question.seed)


def _truth(datasets: Sequence[Path], split: str, pictures: Sequence[Picture]) -> dict[str, Any]:
    """The truth of some pictures of a split."""
    chosen = {picture.image_id for picture in pictures}
    truth = read_truth(coco_paths(datasets, split))
    return {
        **truth,
        "images": [image for image in truth["images"] if int(image["id"]) in chosen],
        "annotations": [note for note in truth["annotations"] if int(note["image_id"]) in chosen],
    }


def _scored(
    net: Detector,
    pictures: Sequence[Picture],
    layers: NDArray[np.float64],
    plan: PredictSpec,
    truth: dict[str, Any],
) -> list[dict[str, Any]]:
    """METRICS with intervals over airports: of the detector as it is, then with each layer (k, d)."""
    rows: list[list[dict[str, Any]]] = [[] for _ in range(len(layers) + 1)]
    for picture in track(pictures, "detections", len(pictures), "images"):
        seen = see(net, load_image(picture), plan)
        each = [detections_as_they_are(net, seen, plan), *detections_with(net, seen, layers, plan)]
        for place, found in enumerate(each):
            rows[place] += _rows(picture.image_id, found)
    airports: dict[str, list[int]] = {}
    for picture in pictures:
        airports.setdefault(str(picture.info.get("airport")), []).append(picture.image_id)
    return [_measured(Evaluation(truth, found), airports) for found in rows]


def _rows(image_id: int, found: Detections) -> list[dict[str, Any]]:
    boxes, scores = found
    return [
        {"image_id": image_id, "bbox": [x0, y0, x1 - x0, y1 - y0], "score": float(score)}
        for (x0, y0, x1, y1), score in zip(boxes.tolist(), scores, strict=True)
    ]


def _measured(evaluation: Evaluation, airports: dict[str, list[int]]) -> dict[str, Any]:
    metrics, intervals = evaluation.metrics(), airport_intervals(evaluation, airports)
    return {
        **{name: metrics[name] for name in METRICS},
        **{f"{name}_interval": intervals[name] for name in METRICS},
    }


def _row(epsilon: float, noise: float, recipe: Recipe, own: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One epsilon: the noise, what is spent by the accountant, and the scores of all repetitions."""
    row: dict[str, Any] = {
        "epsilon": _finite(epsilon),
        "noise": noise,
        "spent": None if noise == 0 else spent(noise, recipe),
    }
    for name in METRICS:
        values = [float(one[name] or 0) for one in own]
        row[name] = {"mean": float(np.mean(values)), "low": min(values), "high": max(values)}
    return row | {"of_first": own[0]}


def _with_gains(rows: list[dict[str, Any]], nothing: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows with the share that is kept of what learning without noise gains over learning nothing."""
    open_rows = [row for row in rows if row["epsilon"] is None]
    base = float(nothing["AP50"] or 0)
    gain = open_rows[0]["AP50"]["mean"] - base if open_rows else 0.0
    return [
        row | {"share_of_gain": (row["AP50"]["mean"] - base) / gain if gain > 0 else None} for row in rows
    ]


def _longest(data: Private, layers: NDArray[np.float64]) -> float:
    """The longest gradient of a unit at any of the layers: what the bound is held against."""
    return max(float(np.linalg.norm(gradients_of(data, layer), axis=1).max()) for layer in layers)


def _seen_before(loaded: Checkpoint, private: Sequence[Picture]) -> list[str] | None:
    """Private airports that the frozen features learnt from, for which epsilon is none of the whole model.

    None where the checkpoint does not say.
    """
    learnt = (loaded.meta.get("airports") or {}).get("train")
    if not learnt:
        return None
    return sorted(set(learnt) & {str(picture.info.get("airport")) for picture in private})


def _finite(epsilon: float) -> float | None:
    """As JSON knows it: None for infinity."""
    return None if math.isinf(epsilon) else epsilon
