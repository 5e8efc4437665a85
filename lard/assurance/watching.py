"""Monitors, predicted failures and a conformal statement of a shipped model, on small sets of one dataset.

All are read from one look at each picture; what a look made of it is kept, so that a stopped run goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from lard.assurance import domains
from lard.assurance.domains import Shot
from lard.assurance.failure import gathered
from lard.assurance.failure_trial import compared
from lard.assurance.features import Look, constant_of, open_model, refuse_learnt
from lard.assurance.monitors import Seen, fit, look_at
from lard.assurance.trial import Group, tried
from lard.detect.checkpoint import Checkpoint
from lard.errors import DataError
from lard.files import sha256_file, write_json
from lard.robust.conform import Claim
from lard.robust.statement import read_side, state
from lard.robust.unit import Target
from lard.score.boxes import extents
from lard.score.truth import coco_paths, read_truth

RADII = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
CHANGED = ("no runway", "rotated", "dirt")
_Count = Annotated[int, Field(ge=1)]


class WatchSpec(BaseModel):
    """Pictures of each airport, by split, and of each group outside; the rate of false stops wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: _Count = 4
    val: _Count = 10
    test: _Count = 6
    outside: Annotated[int, Field(ge=domains.LEAST_OUTSIDE)] = 12
    false_stops: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    steps: _Count = 120  # of the learnt distance


@dataclass(frozen=True, slots=True)
class Watched:
    """A model before the pictures of a dataset; what it made of them is kept in a folder."""

    checkpoint: Checkpoint
    weights_sha256: str
    score: float
    keep: Path

    def seen(self, shots: Sequence[Shot], what: str) -> Seen:
        """Look at pictures, with progress."""
        title = f"{self.checkpoint.name}: {what}"
        return look_at(self.checkpoint, self.weights_sha256, shots, self.keep, title)


def watch(
    spec: WatchSpec,
    target: Target,
    dataset: Path,
    split: str,
    others: Mapping[str, Path],
    out: Path,
    keep: Path,
    seed: int,
) -> tuple[dict[str, Path], dict[str, str]]:
    """Write the documents of a model below `out`: their paths by kind, and why others could not be made.

    `others` are datasets outside of the domain by name. Sets too small for a statement are no error.
    """
    watched = Watched(open_model(target.file), sha256_file(target.file), target.score, keep)
    validation = domains.spread(domains.read_shots(dataset, "val"), spec.val)
    tested = domains.spread(domains.read_shots(dataset, split), spec.test)
    refuse_learnt(watched.checkpoint, validation)
    makers = {
        "monitor": lambda: monitored(watched, spec, dataset, validation, tested, others, seed),
        "failure": lambda: foreseen(watched, validation, tested, seed),
        "conform": lambda: conformal(watched, dataset, split, validation, tested, out),
    }
    found: dict[str, Path] = {}
    absent: dict[str, str] = {}
    for kind, make in makers.items():
        path = out / f"{kind}.json"
        try:
            document = make()
        except DataError as error:
            absent[kind] = str(error)
            path.unlink(missing_ok=True)  # of an earlier run
            continue
        write_json({**document, "model": target.name}, path)
        found[kind] = path
    return found, absent


def monitored(
    watched: Watched,
    spec: WatchSpec,
    dataset: Path,
    validation: Sequence[Shot],
    tested: Sequence[Shot],
    others: Mapping[str, Path],
    seed: int,
) -> dict[str, Any]:
    """The document of `lard monitor score` for a monitor fitted to training airports of the dataset."""
    training = domains.spread(domains.inside(domains.read_shots(dataset, "train")), spec.train)
    fitted = fit(
        watched.checkpoint.name, watched.weights_sha256, constant_of(watched.checkpoint),
        watched.seen(training, "training airports"),
        watched.seen(domains.inside(validation), "validation airports"),
        spec.false_stops, spec.steps, seed,
    )  # fmt: skip
    within = domains.inside(tested)
    groups = {name: domains.limited(domains.changed(within, name), spec.outside) for name in CHANGED}
    for name, place in others.items():
        groups |= domains.by_verdict(name, domains.read_domain(name, place), spec.outside)
    few = {name: len(shots) for name, shots in groups.items() if len(shots) < domains.LEAST_OUTSIDE}
    beyond = [Group(name, watched.seen(shots, name)) for name, shots in groups.items() if name not in few]
    return tried(fitted, watched.seen(within, "inside"), beyond, RADII, seed) | {"left_out": few}


def foreseen(
    watched: Watched, validation: Sequence[Shot], tested: Sequence[Shot], seed: int
) -> dict[str, Any]:
    """The document of `lard monitor failures`."""
    found = [
        gathered(watched.seen(shots, what).looks, shots)
        for what, shots in (("validation airports", validation), ("test airports", tested))
    ]
    document, _ = compared(found[0], found[1], constant_of(watched.checkpoint), watched.score, seed)
    return document | {"model_sha256": watched.weights_sha256}


def conformal(
    watched: Watched, dataset: Path, split: str, validation: Sequence[Shot], tested: Sequence[Shot], out: Path
) -> dict[str, Any]:
    """The document of `lard conform` for the detections of the same pictures, which are kept beside it."""
    sides = []
    for name, shots in (("val", validation), (split, tested)):
        looks = watched.seen(shots, f"{name} airports").looks
        truth, results = out / f"{name}.truth.json", out / f"{name}.results.json"
        write_json(_truth_of(dataset, name, shots), truth)
        write_json(rows_of(looks, shots), results)
        sides.append(read_side([truth], results))
    return dict(state(sides[0], sides[1], Claim(watched.score)).report)


def rows_of(looks: Sequence[Look], shots: Sequence[Shot]) -> list[dict[str, Any]]:
    """Detections of looked-at pictures as COCO results."""
    return [
        {
            "image_id": shot.picture.image_id,
            "category_id": 1,
            "bbox": box.tolist(),
            "score": round(float(score), 5),
        }
        for one, shot in zip(looks, shots, strict=True)
        for box, score in zip(extents(one.boxes).round(2), one.scores, strict=True)
    ]


def _truth_of(dataset: Path, split: str, shots: Sequence[Shot]) -> dict[str, Any]:
    """The truth of some pictures of a split."""
    truth, ids = read_truth(coco_paths(dataset, split)), {shot.picture.image_id for shot in shots}
    return {
        **truth,
        "images": [image for image in truth["images"] if int(image["id"]) in ids],
        "annotations": [note for note in truth["annotations"] if int(note["image_id"]) in ids],
    }
