"""What a detector makes of a picture, as monitors and failure predictors read it: one pass, kept on disk.

Pyramid features are pooled to their mean and deviation over the cells of a channel. Of a detection the
feature of the cell that it comes from is kept, and the norm of all logits that agree with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lard.assurance.domains import Shot
from lard.assurance.shrink import shrunk
from lard.detect.checkpoint import Checkpoint, load_detector
from lard.detect.config import PredictSpec
from lard.detect.decode import boxes_of, cells_of, select, to_input
from lard.detect.fcos import REGRESSION_GAIN, Detector, Level, LipschitzFcos, channels_last
from lard.errors import ModelError, naming
from lard.robust.kept import read_arrays, write_arrays
from lard.score.boxes import extents, iou

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FORMAT = "lard-look-1"
FLOOR = 0.1
"""Least score of a detection that is looked at."""
AGREEING_IOU = 0.5
"""Of the box of a cell and that of a detection, for the cell to agree with it."""


@dataclass(frozen=True, slots=True)
class Look:
    """One picture as a detector sees it; detections are those of lard predict from FLOOR on, best first.

    means and deviations are of the channels of each pyramid level, finest first; cells (levels,) are how many
    are pooled. peak is the largest logit, energy log(sum exp(T z)) / T over all cells, both in logits.
    support is the norm of the logits above FLOOR's at the cells whose clean box agrees with the detection: of
    a Lipschitz model, divided by L, a firing radius.
    """

    means: Floats  # (levels * channels,)
    deviations: Floats  # (levels * channels,)
    cells: Ints
    peak: float
    energy: float
    small: NDArray[np.float32]  # (3, 64, 64), of lard.assurance.shrink
    gain: float  # Lipschitz constant from pixels in [0, 1] to small
    boxes: Floats  # (n, 4) corner pairs in px
    scores: Floats  # (n,)
    features: NDArray[np.float32]  # (n, channels)
    levels: Ints  # (n,)
    support: Floats  # (n,)

    @property
    def pooled(self) -> Floats:
        """Means, then deviations: (2 * levels * channels,)."""
        return np.concatenate((self.means, self.deviations))

    @property
    def pooling(self) -> Floats:
        """Lipschitz constants of the entries of `pooled` in the features of their channel.

        Mean and deviation over n cells have orthogonal gradients of norm 1 / sqrt(n) at most: both together
        are 1 / sqrt(n)-Lipschitz, and channels share no feature.
        """
        channels = len(self.means) // len(self.cells)
        return np.tile(np.repeat(1 / np.sqrt(self.cells), channels), 2)


def open_model(path: Path) -> Checkpoint:
    """A checkpoint, which has features; ModelError for an ONNX file, which has none."""
    if path.suffix.lower() == ".onnx":
        raise ModelError(
            f"{path}: an ONNX file has boxes and scores only, no features; give the checkpoint it came from"
        )
    return load_detector(path)


def constant_of(checkpoint: Checkpoint) -> float | None:
    """L from pixels in [0, 1] to all logits, and to all pyramid features; None of a plain model."""
    return checkpoint.bound.constant if checkpoint.bound else None


@torch.inference_mode()
def look(checkpoint: Checkpoint, image: NDArray[np.uint8], where: object) -> Look:
    """Look at an RGB picture (h, w, 3), in float32; ModelError where an answer is not finite."""
    net = checkpoint.net
    strides, temperature = net.spec.strides_px, net.spec.temperature
    pixels = to_input(image, strides[-1]).contiguous(memory_format=torch.channels_last)
    levels, pyramid = _answers(net, pixels)
    logits = np.concatenate([level.logits.double().flatten().numpy() for level in levels])
    scores = torch.cat([net.scores(level).flatten(1) for level in levels], dim=1)[0].numpy()
    boxes = boxes_of(levels, strides)[0].numpy()
    means = np.concatenate([feature.mean(dim=(2, 3))[0].double().numpy() for feature in pyramid])
    spread = [feature.double().std(dim=(2, 3), correction=0)[0].numpy() for feature in pyramid]
    if not all(np.isfinite(part).all() for part in (logits, boxes, means, *spread)):
        raise ModelError(f"{checkpoint.name}: answers to {where} are not finite; train the model again")
    height, width = pixels.shape[2:]
    cells = cells_of(strides, height, width)
    plan = PredictSpec(score_floor=FLOOR)
    kept, score = select(boxes, scores, cells, (image.shape[1], image.shape[0]), plan)
    # of a certified model the logits themselves: float32 scores near 1 no longer tell them apart
    own = logits if checkpoint.bound else _logits_of(scores, temperature)
    above = np.maximum(own - np.log(FLOOR / (1 - FLOOR)) / temperature, 0.0)
    places, support = _traced(kept, score, boxes, scores, above, (image.shape[1], image.shape[0]))
    with naming(where):
        small, gain = shrunk(image)
    return Look(
        means,
        np.concatenate(spread),
        np.array(cells, np.int64),
        float(logits.max()),
        float(np.logaddexp.reduce(temperature * logits)) / temperature,
        small,
        gain,
        kept,
        score,
        _features_at(pyramid, places),
        np.searchsorted(np.cumsum(cells), places, side="right").astype(np.int64),
        support,
    )


def _answers(net: Detector, pixels: Tensor) -> tuple[list[Level], list[Tensor]]:
    """Answers and pyramid features (1, c, h, w): what the regression branch is given, of either family."""
    held: list[Tensor] = []

    def keep(_: nn.Module, given: tuple[Any, ...]) -> None:
        held.append(given[0])

    branch = net.get_submodule("regression")
    handle = branch.register_forward_pre_hook(keep)
    try:
        levels = net(pixels)
    finally:
        handle.remove()
    gain = REGRESSION_GAIN if isinstance(net, LipschitzFcos) else 1.0
    return levels, [feature / gain for feature in held]


def _logits_of(scores: NDArray[np.float32], temperature: float) -> Floats:
    """The logits that scores would be of without a centerness: (cells,)."""
    share = np.clip(scores.astype(np.float64), 1e-12, 1 - 1e-7)
    return np.asarray(np.log(share / (1 - share)) / temperature, np.float64)


def _traced(
    kept: Floats,
    score: Floats,
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    above: Floats,
    frame_px: tuple[int, int],
) -> tuple[Ints, Floats]:
    """The cell that each detection comes from (n,), and the norm of the logits of all that agree (n,)."""
    width, height = frame_px
    fired = np.flatnonzero(above > 0)
    own = boxes[fired].astype(np.float64).clip(0, (width, height, width, height))
    own_score = scores[fired].astype(np.float64)
    places, support = np.zeros(len(kept), np.int64), np.zeros(len(kept))
    for n, (box, value) in enumerate(zip(kept, score, strict=True)):
        same = (own_score == value) & (own == box).all(axis=1)
        if same.any():  # a score of exactly FLOOR has nothing above it
            places[n] = fired[int(same.argmax())]
    if len(kept) and len(own):
        agree = iou(extents(kept), extents(own)) >= AGREEING_IOU
        support = np.sqrt(agree @ above[fired] ** 2)
    return places, support


def _features_at(pyramid: list[Tensor], places: Ints) -> NDArray[np.float32]:
    """The features (n, c) of cells, levels concatenated finest first."""
    flat = torch.cat([feature.flatten(2) for feature in pyramid], dim=2)[0]
    return flat[:, torch.from_numpy(places)].T.contiguous().float().numpy()


def looks_of(
    checkpoint: Checkpoint, weights_sha256: str, shots: Iterable[Shot], folder: Path | None = None
) -> Iterator[Look]:
    """A look at each shot in turn: one that lies in the folder and still holds, else a new one put there."""
    torch.set_num_threads(1)  # the same sums on every machine with the same kernels
    channels_last(checkpoint.net)
    for shot in shots:
        image = shot.pixels()
        path = folder / f"{_key(image, weights_sha256)}.npz" if folder else None
        found = _kept(path) if path else None
        if found is None:
            found = look(checkpoint, image, shot.picture.path)
            if path:
                _keep(found, path)
        yield found


def refuse_learnt(checkpoint: Checkpoint, shots: Sequence[Shot]) -> None:
    """ModelError where a model learnt from airports that thresholds or heads are to be set on."""
    learnt = set((checkpoint.meta.get("airports") or {}).get("train", ()))
    if seen := sorted(learnt & {shot.airport for shot in shots}):
        raise ModelError(
            f"{checkpoint.name}: learnt from {', '.join(seen)}, airports of the val split; use others there"
        )


def _key(image: NDArray[np.uint8], weights_sha256: str) -> str:
    told = [FORMAT, FLOOR, AGREEING_IOU, weights_sha256, list(image.shape)]
    return hashlib.sha256(json.dumps(told).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()[:40]


def _keep(found: Look, path: Path) -> None:
    write_arrays({one.name: np.asarray(getattr(found, one.name)) for one in fields(Look)}, path)


def _kept(path: Path) -> Look | None:
    """The look of a file; None where there is none, or a damaged one, which is made again."""
    held: dict[str, Any] | None = read_arrays(path, [one.name for one in fields(Look)])
    if held is None:
        return None
    return Look(**held | {name: float(held[name]) for name in ("peak", "energy", "gain")})
