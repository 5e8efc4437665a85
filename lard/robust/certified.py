"""Certificates of a checkpoint on pictures of a dataset, from files to a document."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lard.detect.checkpoint import load_detector
from lard.detect.config import PredictSpec
from lard.detect.data import Picture, read_pictures
from lard.progress import track
from lard.robust.cells import put_cells, read_cells
from lard.robust.certificates import checked_radii, document_of
from lard.robust.certify import bound_of_model, logit_threshold
from lard.robust.exact_erasure import bare_pictures
from lard.robust.subject import Point, Subject, evenly, sizes_of
from lard.score.truth import Paths, coco_paths, read_truth, truth_sha256
from lard.tables import sha256_file

Watch = Callable[[Sequence[Picture]], Iterable[Picture]]
"""Hands on pictures one by one, telling how far it is."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """The document of a model's certificates, and what its table of runways is made of."""

    document: dict[str, Any]
    subject: Subject
    name: str


def certified(
    file: Path,
    datasets: Paths,
    split: str,
    point: Point,
    radii: Sequence[float],
    plan: PredictSpec,
    *,
    limit: int | None = None,
    cells: Path | None = None,
    without: Paths | None = None,
    watch: Watch = list,
    workers: str | int = 1,
) -> Certificates:
    """Certify a Lipschitz checkpoint on at most `limit` pictures of a split, evenly drawn.

    The folder `cells` keeps what is read of each picture, where other `workers` than this process put it.
    `without`: datasets of the same frames without
    runways, from which erasure energies are exact. ModelError for a model without a constant, DataError for
    radii that no perturbation has.
    """
    checkpoint = load_detector(file)
    bound = bound_of_model(checkpoint)
    temperature = checkpoint.net.spec.temperature
    logit_threshold(point.score, temperature)  # what can be refused is refused before the work
    paths = coco_paths(datasets, split)
    truth = read_truth(paths)
    every = read_pictures(datasets, split, truth)
    pictures = evenly(every, limit)
    radii = checked_radii(radii, sizes_of(pictures))
    weights = sha256_file(file)
    bare = {} if without is None else bare_pictures(datasets, without, pictures)
    if cells is not None and str(workers) != "1":
        put = put_cells(file, pictures, plan, weights, cells, bare, workers)
        deque(track(put, "certify", len(pictures), "images"), maxlen=0)
        watch = list  # they are all there
    found = list(read_cells(checkpoint, watch(pictures), plan, weights, cells, bare))
    subject = Subject(found, pictures, truth, temperature, plan)
    about = {
        "model": checkpoint.name,
        "checkpoint_sha256": weights,
        "truth_sha256": truth_sha256(paths),
        "L": bound.constant,
        "L_layers": bound.network,
        "split": split,
        "pictures": len(pictures),
        "pictures_in_split": len(every),
    }
    return Certificates(about | document_of(subject, point, radii), subject, checkpoint.name)
