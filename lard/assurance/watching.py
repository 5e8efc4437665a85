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
from lard.errors import DataError, ModelError
from lard.files import sha256_file, write_json
from lard.robust.conform import Claim
from lard.robust.statement import read_side, state
from lard.robust.unit import Target
from lard.score.boxes import extents
from lard.score.truth import coco_paths, read_truth

RADII = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
CHANGED = ("no runway", "rotated", "dirt")
_Count = Annotated[int, Field(ge=1)]


KINDS = ("monitor", "failure", "conform")
"""Of the documents that are made."""


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


@dataclass(frozen=True, slots=True)
class Looked:
    """What a model made of the pictures of a dataset, by split, and of groups outside of its domain."""

    training: Seen
    validation: Sequence[Shot]
    set_on: Seen  # the validation pictures
    tested: Sequence[Shot]
    tried_on: Seen  # the tested pictures
    outside: Mapping[str, Seen]
    few: Mapping[str, int]  # pictures of groups too small to say anything, by name


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

    `others` are datasets outside of the domain by name. Sets too small for a statement are no error, nor
    is a model that learnt from the validation airports, on which nothing can be set then; a picture or
    dataset that cannot be read is one.
    """
    watched = Watched(open_model(target.file), sha256_file(target.file), target.score, keep)
    validation = domains.spread(domains.read_shots(dataset, "val"), spec.val)
    try:
        refuse_learnt(watched.checkpoint, validation)
    except ModelError as error:
        for kind in KINDS:
            (out / f"{kind}.json").unlink(missing_ok=True)  # of an earlier run
        return {}, dict.fromkeys(KINDS, str(error))
    seen = looked(watched, spec, dataset, validation, split, others)
    makers = {
        "monitor": lambda: monitored(watched, spec, seen, seed),
        "failure": lambda: foreseen(watched, seen, seed),
        "conform": lambda: conformal(watched, dataset, split, seen, out),
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


def looked(
    watched: Watched,
    spec: WatchSpec,
    dataset: Path,
    validation: Sequence[Shot],
    split: str,
    others: Mapping[str, Path],
) -> Looked:
    """Look at all pictures that the documents are about."""
    training = domains.spread(domains.inside(domains.read_shots(dataset, "train")), spec.train)
    tested = domains.spread(domains.read_shots(dataset, split), spec.test)
    within = domains.inside(tested)
    groups = {name: domains.limited(domains.changed(within, name), spec.outside) for name in CHANGED}
    for name, place in others.items():
        groups |= domains.by_verdict(name, domains.shots_of(place), spec.outside)
    few = {name: len(shots) for name, shots in groups.items() if len(shots) < domains.LEAST_OUTSIDE}
    return Looked(
        watched.seen(training, "training airports"),
        validation,
        watched.seen(validation, "validation airports"),
        tested,
        watched.seen(tested, f"{split} airports"),
        {name: watched.seen(shots, name) for name, shots in groups.items() if name not in few},
        few,
    )


def monitored(watched: Watched, spec: WatchSpec, seen: Looked, seed: int) -> dict[str, Any]:
    """The document of `lard monitor score` for a monitor fitted to training airports of the dataset."""
    fitted = fit(
        watched.checkpoint.name, watched.weights_sha256, constant_of(watched.checkpoint), seen.training,
        _inside(seen.set_on, seen.validation), spec.false_stops, spec.steps, seed,
    )  # fmt: skip
    beyond = [Group(name, own) for name, own in seen.outside.items()]
    document = tried(fitted, _inside(seen.tried_on, seen.tested), beyond, RADII, seed)
    return document | {"left_out": dict(seen.few)}


def _inside(seen: Seen, shots: Sequence[Shot]) -> Seen:
    """What was seen of the pictures inside the domain."""
    own = {id(shot) for shot in domains.inside(shots)}
    kept = [k for k, shot in enumerate(shots) if id(shot) in own]
    return Seen([seen.looks[k] for k in kept], [seen.airports[k] for k in kept])


def foreseen(watched: Watched, seen: Looked, seed: int) -> dict[str, Any]:
    """The document of `lard monitor failures`."""
    own = gathered(seen.set_on.looks, seen.validation), gathered(seen.tried_on.looks, seen.tested)
    document, _ = compared(*own, constant_of(watched.checkpoint), watched.score, seed)
    return document | {"model_sha256": watched.weights_sha256}


def conformal(watched: Watched, dataset: Path, split: str, seen: Looked, out: Path) -> dict[str, Any]:
    """The document of `lard conform` for the detections of the same pictures, which are kept beside it."""
    sides = []
    for name, shots, own in (("val", seen.validation, seen.set_on), (split, seen.tested, seen.tried_on)):
        truth, results = out / f"{name}.truth.json", out / f"{name}.results.json"
        write_json(_truth_of(dataset, name, shots), truth)
        write_json(rows_of(own.looks, shots), results)
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
