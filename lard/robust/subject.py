"""What is certified: a model's cells of pictures beside what is known of these, and a row per runway."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.detect.config import PredictSpec
from lard.detect.data import Picture
from lard.robust.cells import Cells
from lard.robust.certify import LEAST_IOU, Floats, logit_threshold
from lard.robust.kept_boxes import Boxed
from lard.score.boxes import extents, iou, share_inside
from lard.score.evaluation import Evaluation


@dataclass(frozen=True, slots=True)
class Point:
    """The score from which a runway fires, and what it was chosen on."""

    score: float
    chosen_on: str


def evenly(pictures: Sequence[Picture], most: int | None) -> list[Picture]:
    """At most so many pictures, evenly drawn from all of them in their order; all where `most` is None."""
    if most is None or most >= len(pictures):
        return list(pictures)
    return [pictures[place] for place in np.linspace(0, len(pictures) - 1, most).round().astype(int)]


def zone_of(picture: Picture) -> str:
    """The zone of the approach that a picture was taken in."""
    return str(picture.info.get("zone") or "unknown")


def sizes_of(pictures: Sequence[Picture]) -> dict[str, int]:
    """How many pictures there are of each size, as WIDTHxHEIGHT in px."""
    names = [f"{picture.width_px}x{picture.height_px}" for picture in pictures]
    return {name: names.count(name) for name in sorted(set(names))}


@dataclass(frozen=True, slots=True)
class Subject:
    """A model's cells of pictures, and what is known of these; all in the same order."""

    cells: Sequence[Cells]
    pictures: Sequence[Picture]
    truth: Mapping[str, Any]
    temperature: float
    plan: PredictSpec = field(default_factory=PredictSpec)

    def evaluation(self) -> Evaluation:
        """What lard predict finds in these pictures, matched as lard score does."""
        ids = {picture.image_id for picture in self.pictures}
        truth = {
            **self.truth,
            "images": [image for image in self.truth["images"] if int(image["id"]) in ids],
            "annotations": [note for note in self.truth["annotations"] if int(note["image_id"]) in ids],
        }
        rows = [
            {"image_id": picture.image_id, "bbox": box.tolist(), "score": round(float(score), 5)}
            for picture, one in zip(self.pictures, self.cells, strict=True)
            for box, score in zip(extents(one.kept[0]).round(2), one.kept[1], strict=True)
        ]
        return Evaluation(truth, rows)


def boxed(subject: Subject, eps: float) -> list[Boxed] | None:
    """The pictures as certificates of boxes see them, against a norm; None where boxes are not certified."""
    found = []
    for picture, one in zip(subject.pictures, subject.cells, strict=True):
        if one.field is None:
            return None
        wanted, others = picture.boxes[~picture.ignored], picture.boxes[picture.ignored]
        labelled = np.concatenate((wanted, others))
        found.append(Boxed(one.field, wanted, labelled, math.sqrt(one.reach.budget(eps))))
    return found


def runways_table(subject: Subject, point: Point) -> pl.DataFrame:
    """One row per required runway: where it is, whether it fires, its radius and its erasure energy."""
    threshold = logit_threshold(point.score, subject.temperature)
    notes: dict[int, list[Mapping[str, Any]]] = {picture.image_id: [] for picture in subject.pictures}
    for note in subject.truth["annotations"]:
        if int(note["image_id"]) in notes:
            notes[int(note["image_id"])].append(note)
    rows = []
    for picture, one in zip(subject.pictures, subject.cells, strict=True):
        costs = one.costs(threshold)
        radii, wanted = one.reach.radii(costs), picture.boxes[~picture.ignored]
        overlap, box = _kept_rungs(one, wanted, point.score)
        required = [note for note in notes[picture.image_id] if not note.get("iscrowd", 0)]
        for k, note in enumerate(required):
            energy, fires = float(one.energies[k]), bool(costs[k] > 0)
            known = 0 < energy < math.inf
            rows.append(
                {
                    "image_id": picture.image_id,
                    "frame_id": str(picture.info.get("frame_id") or picture.path.stem),
                    "airport": picture.info.get("airport"),
                    "zone": zone_of(picture),
                    "runway": note.get("runway"),
                    "slant_m": note.get("slant_m"),
                    "width_px": wanted[k, 2] - wanted[k, 0],
                    "height_px": wanted[k, 3] - wanted[k, 1],
                    "fires": fires,
                    "kept_overlaps": fires and bool(overlap[k]),
                    "kept_iou50": fires and bool(box[k]),
                    "firing_radius": float(radii[k]),
                    "erasure_energy": energy,
                    "erasure_method": "exact" if one.exact else "estimate",
                    "radius_to_energy": float(radii[k]) / energy if known else None,
                }
            )
    return pl.DataFrame(rows, schema=TABLE)


TABLE: dict[str, Any] = {
    "image_id": pl.Int64, "frame_id": pl.String, "airport": pl.String, "zone": pl.String,
    "runway": pl.String, "slant_m": pl.Float64, "width_px": pl.Float64, "height_px": pl.Float64,
    "fires": pl.Boolean, "kept_overlaps": pl.Boolean, "kept_iou50": pl.Boolean,
    "firing_radius": pl.Float64, "erasure_energy": pl.Float64, "erasure_method": pl.String,
    "radius_to_energy": pl.Float64,
}  # fmt: skip
"""Columns of the table of runways; radii and energies are L2 norms of pixels in [0, 1]."""


def _kept_rungs(cells: Cells, wanted: Floats, score: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether a kept box of that score holds half of each runway, and whether one has IoU 0.5 with it."""
    boxes = extents(cells.kept[0][cells.kept[1] >= score])
    inside, overlap = share_inside(extents(wanted), boxes), iou(extents(wanted), boxes)
    return (
        np.asarray((inside >= LEAST_IOU).any(axis=1), bool),
        np.asarray((overlap >= LEAST_IOU).any(axis=1), bool),
    )
