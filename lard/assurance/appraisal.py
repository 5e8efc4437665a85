"""What is measured of shipped models for the assurance pages: all that their accounts tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from lard.assurance.explained import DOCUMENT, campaign, subject_of
from lard.assurance.intervals import METHOD, mean_interval
from lard.assurance.methods import METHODS, USUAL, MapPlan
from lard.assurance.saliency import ExplainPlan
from lard.assurance.watching import WatchSpec, watch
from lard.detect.cards import card_of, weights_of
from lard.detect.checkpoint import load_detector
from lard.detect.config import PredictSpec
from lard.detect.data import Picture
from lard.errors import ModelError, SpecError
from lard.files import sha256_file, write_json
from lard.progress import track
from lard.robust.budget import hidden
from lard.robust.cells import read_cells
from lard.robust.certificates import checked_radii, document_of
from lard.robust.certify import bound_of_model, logit_threshold
from lard.robust.subject import Point, sizes_of
from lard.robust.subject import Subject as Certified
from lard.robust.unit import Target, opened
from lard.score.truth import coco_paths, read_truth, truth_sha256

LOOKS = ".looks"
RADII = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)


class AppraisalSpec(BaseModel):
    """What is asked for: models that ship, runways explained, pictures certified and watched, a seed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: tuple[str, ...] = Field(min_length=1)
    explained: Annotated[int, Field(ge=1)] = 9
    certified: Annotated[int, Field(ge=1)] = 30
    methods: tuple[str, ...] = USUAL
    monitors: WatchSpec = WatchSpec()
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0


@dataclass(frozen=True, slots=True)
class Appraised:
    """Documents by kind, and why a model has none of a kind: (model, kind): reason."""

    documents: dict[str, list[Path]]
    absent: dict[tuple[str, str], str]


def appraise(
    spec: AppraisalSpec,
    dataset: Path,
    split: str,
    others: Mapping[str, Path],
    out: Path,
    where: str,
    processes: str | int = 1,
) -> Appraised:
    """Write the documents below `out`; what is done of explanations and looks at pictures is kept there.

    `others` are datasets outside of the domain by name. Several `processes` share what is explained.
    """
    datasets = [dataset]
    odd = [name for name in spec.methods if name not in METHODS]
    if odd or not spec.methods:
        raise SpecError(f"{where}.methods: {odd or 'none'}; expected some of {', '.join(METHODS)}")
    targets = [_target(name, where) for name in spec.models]
    plan = ExplainPlan(spec.methods, MapPlan(), spec.seed)
    subject = subject_of(datasets, split, spec.explained, spec.seed)
    campaign(plan, targets, subject, out, spec.explained, processes)
    pictures = subject_of(datasets, split, spec.certified, spec.seed).pictures
    found: dict[str, list[Path]] = {"explain": [out / DOCUMENT], "certificates": []}
    absent: dict[tuple[str, str], str] = {}
    for target in targets:
        own = out / target.name
        if opened(target.file).bound is None:
            absent[target.name, "certificates"] = "It has no Lipschitz constant, so nothing can be certified"
        else:
            path = own / "certificates.json"
            write_json(certificates_of(target, pictures, datasets, split), path)
            found["certificates"].append(path)
        made, missing = watch(spec.monitors, target, dataset, split, others, own, out / LOOKS, spec.seed)
        for kind, path in made.items():
            found.setdefault(kind, []).append(path)
        absent |= {(target.name, kind): reason for kind, reason in missing.items()}
    return Appraised(found, absent)


def _target(name: str, where: str) -> Target:
    score = card_of(name).score_threshold
    if score is None:
        raise ModelError(f"{where}.models: {name} states no operating point on its card; name another model")
    return Target(name, weights_of(name), score)


def certificates_of(
    target: Target, pictures: list[Picture], datasets: list[Path], split: str
) -> dict[str, Any]:
    """The document of `lard certify` for some pictures of a split."""
    checkpoint, paths = load_detector(target.file), coco_paths(datasets, split)
    weights = sha256_file(target.file)
    cells = list(
        read_cells(
            checkpoint, track(pictures, f"certify {target.name}", unit="images"), PredictSpec(), weights
        )
    )
    subject = Certified(cells, pictures, read_truth(paths), checkpoint.net.spec.temperature)
    point = Point(target.score, "validation airports of the shipped model's card")
    radii = checked_radii(RADII, sizes_of(pictures))
    threshold = logit_threshold(point.score, subject.temperature)
    return {
        "model": target.name,
        "checkpoint_sha256": weights,
        "truth_sha256": truth_sha256(paths),
        "L": bound_of_model(checkpoint).constant,
        "split": split,
        "pictures": len(pictures),
        **document_of(subject, point, radii),
        "firing_recall_intervals": {f"{eps:g}": _interval(subject, threshold, eps) for eps in radii},
        "intervals": METHOD,
    }


def _interval(subject: Certified, threshold: float, eps: float) -> dict[str, Any]:
    """Certified firing recall at a norm with its interval over airports: `hidden` runways of each picture."""
    kept: list[bool] = []
    airports: list[str | None] = []
    for picture, one in zip(subject.pictures, subject.cells, strict=True):
        costs = one.costs(threshold)
        lost = hidden(costs, one.reach.budget(eps))
        kept += [False] * lost + [True] * (len(costs) - lost)
        airports += [picture.info.get("airport")] * len(costs)
    return mean_interval(kept, airports, 0)
