"""What is measured of shipped models for the assurance page: explanations, and certificates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from lard.assurance.explained import DOCUMENT, campaign, subject_of
from lard.assurance.methods import METHODS, MapPlan
from lard.assurance.saliency import ExplainPlan
from lard.detect.cards import card_of, weights_of
from lard.detect.checkpoint import load_detector
from lard.detect.config import PredictSpec
from lard.detect.data import Picture
from lard.errors import ModelError, SpecError
from lard.files import sha256_file, write_json
from lard.progress import track
from lard.robust.cells import read_cells
from lard.robust.certificates import checked_radii, document_of
from lard.robust.certify import bound_of_model
from lard.robust.subject import Point, sizes_of
from lard.robust.subject import Subject as Certified
from lard.robust.unit import Target, opened
from lard.score.truth import coco_paths, read_truth, truth_sha256

RADII = (0.05, 0.1, 0.25, 0.5, 1.0)


class AppraisalSpec(BaseModel):
    """What is asked for: models that ship, runways explained and pictures certified, methods, a seed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: tuple[str, ...] = Field(min_length=1)
    explained: Annotated[int, Field(ge=1)] = 9
    certified: Annotated[int, Field(ge=1)] = 30
    methods: tuple[str, ...] = tuple(METHODS)
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0


def appraise(
    spec: AppraisalSpec, datasets: list[Path], split: str, out: Path, where: str
) -> dict[str, list[Path]]:
    """Write the documents below `out` and return them by kind; what is done of explanations is kept."""
    odd = [name for name in spec.methods if name not in METHODS]
    if odd or not spec.methods:
        raise SpecError(f"{where}.methods: {odd or 'none'}; expected some of {', '.join(METHODS)}")
    targets = [_target(name, where) for name in spec.models]
    plan = ExplainPlan(spec.methods, MapPlan(), spec.seed)
    subject = subject_of(datasets, split, spec.explained, spec.seed)
    campaign(plan, targets, subject, out, spec.explained)
    pictures = subject_of(datasets, split, spec.certified, spec.seed).pictures
    found = {"explain": [out / DOCUMENT], "certificates": []}
    for target in targets:
        if opened(target.file).bound is not None:
            path = out / f"{target.name}.certificates.json"
            write_json(certificates_of(target, pictures, datasets, split), path)
            found["certificates"].append(path)
    return found


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
    return {
        "model": target.name,
        "checkpoint_sha256": weights,
        "truth_sha256": truth_sha256(paths),
        "L": bound_of_model(checkpoint).constant,
        "split": split,
        "pictures": len(pictures),
        **document_of(subject, point, radii),
    }
