"""Matching of detections with runways and average precision, to the last digit as pycocotools defines them.

All images are matched at once in compiled loops; the metrics of any subset of images, one image listed
several times included, are then sums over the matches, which makes slices and resampling cheap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.score.averaging import precision_and_hits
from lard.score.boxes import Floats, Ints, match_images
from lard.score.truth import ABSENT, REQUIRED, roles_as_marked

MAX_DETECTIONS = (1, 10, 100)
IOUS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
EVERYTHING_PX2 = 1e10
AREAS_PX2 = {
    "all": (0.0, EVERYTHING_PX2),
    "under 16 px": (0.0, 16.0**2),
    "16-32 px": (16.0**2, 32.0**2),
    "32-64 px": (32.0**2, 64.0**2),
    "over 64 px": (64.0**2, EVERYTHING_PX2),
}
"""Box areas, named by the side of the square of that area; runways on approach are small."""


@dataclass(frozen=True, slots=True)
class Matches:
    """Matches within one range of areas: detections right, and left out of the account, per IoU."""

    taken: NDArray[np.int32]  # (ious, detections): row of the runway, -1 for none
    right: NDArray[np.bool_]  # (ious, detections)
    skipped: NDArray[np.bool_]  # (ious, detections)
    required: NDArray[np.int64]  # (images,) number of runways to be found


class Evaluation:
    """A submission matched with the ground truth; metrics of any subset of images follow cheaply."""

    def __init__(
        self,
        truth: Mapping[str, Any],
        results: Sequence[Mapping[str, Any]],
        roles: NDArray[np.int8] | None = None,
    ) -> None:
        self.truth = truth
        self.pictures = sorted(truth["images"], key=lambda image: int(image["id"]))
        self.image_ids = np.array([int(image["id"]) for image in self.pictures], np.int64)
        self._place = {int(image_id): place for place, image_id in enumerate(self.image_ids)}
        self._read_detections(results)
        self._read_runways()
        self._take_roles(roles_as_marked(truth) if roles is None else roles)

    def _read_detections(self, results: Sequence[Mapping[str, Any]]) -> None:
        image = np.array([self._place[int(row["image_id"])] for row in results], np.int64)
        boxes = np.array([row["bbox"] for row in results], np.float64).reshape(-1, 4)
        scores = np.array([row["score"] for row in results], np.float64)
        order = np.lexsort((np.arange(len(image)), -scores, image))
        rank = np.arange(len(order)) - np.searchsorted(image[order], image[order])
        order, self.rank = order[rank < MAX_DETECTIONS[-1]], rank[rank < MAX_DETECTIONS[-1]]
        self.image, self.boxes, self.scores = image[order], boxes[order], scores[order]
        self._order = np.argsort(-self.scores, kind="stable").astype(np.int64)
        self.rows: Ints = order  # places in `results` of the detections kept, image by image, best first
        self._first = np.searchsorted(self.image, np.arange(len(self.image_ids) + 1)).astype(np.int64)

    def _read_runways(self) -> None:
        notes = self.truth["annotations"]
        image = np.array([self._place[int(note["image_id"])] for note in notes], np.int64)
        boxes = np.array([note["bbox"] for note in notes], np.float64).reshape(-1, 4)
        own = (boxes[:, 2] * boxes[:, 3]).tolist()
        areas = np.array([note.get("area", own[k]) for k, note in enumerate(notes)], np.float64)
        self._stated = image, boxes, areas  # of all annotations, in their order

    def _take_roles(self, roles: NDArray[np.int8]) -> None:
        image, boxes, areas = self._stated
        order = np.argsort(image, kind="stable")
        order = order[roles[order] != ABSENT]
        self.notes: Ints = order  # places in the annotations of the runways, image by image
        self.runway_image, self.runways, self.areas = image[order], boxes[order], areas[order]
        self.crowd = roles[order] != REQUIRED
        self._first_runway = np.searchsorted(self.runway_image, np.arange(len(self.image_ids) + 1))
        self._matches: dict[str, Matches] = {}

    def with_roles(self, roles: NDArray[np.int8]) -> Evaluation:
        """The same detections where the runways (annotations,) count for something else."""
        other = object.__new__(Evaluation)
        other.__dict__ |= self.__dict__
        other._take_roles(roles)
        return other

    @property
    def images(self) -> list[int]:
        """Ids of all images, in order."""
        return [int(image_id) for image_id in self.image_ids]

    def matches(self, area: str = "all") -> Matches:
        """Matches within one range of areas, computed when first asked for."""
        if area not in self._matches:
            low, high = AREAS_PX2[area]
            ignored = self.crowd | (self.areas < low) | (self.areas > high)
            taken = match_images(
                self.boxes, self._first, self.runways, self._first_runway.astype(np.int64),
                self.crowd, ignored, IOUS,
            )  # fmt: skip
            free = taken < 0
            own = self.boxes[:, 2] * self.boxes[:, 3]
            skipped = free & ((own < low) | (own > high))[None, :]
            if len(ignored):
                skipped |= ~free & ignored[taken]
            required = np.bincount(self.runway_image[~ignored], minlength=len(self.image_ids))
            self._matches[area] = Matches(taken, ~free & ~skipped, skipped, required)
        return self._matches[area]

    def metrics(self, images: Sequence[int] | None = None, area: str = "all") -> dict[str, Any]:
        """AP, AP50, AP75, AR at 1, 10, 100 detections; None where no box is required.

        An image may be listed more than once, as resampling does.
        """
        chosen = self.image_ids if images is None else np.sort(np.array(images, np.int64))
        places = np.searchsorted(self.image_ids, chosen)
        precision, recall = self._curves_at(places, area)
        return {
            "AP": _mean(precision),
            "AP50": _mean(precision[0]),
            "AP75": _mean(precision[5]),
            **{f"AR{count}": _mean(recall[:, place]) for place, count in enumerate(MAX_DETECTIONS)},
            "images": len(chosen),
            "boxes": int(self.matches(area).required[places].sum()),
        }

    def detections_of(self, images: Sequence[int]) -> Ints:
        """Places of the detections of images, in the order of the images; best first within each."""
        return self._detections_at(np.searchsorted(self.image_ids, images))

    def _detections_at(self, places: Ints) -> Ints:
        start, count = self._first[places], np.diff(self._first)[places]
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        return np.asarray(np.repeat(start, count) + within)

    def runways_of(self, image_id: int) -> Ints:
        """Places of the runways of an image, those that need not be found included."""
        place = self._place[image_id]
        return np.arange(self._first_runway[place], self._first_runway[place + 1])

    def curves(self, images: Sequence[int], area: str = "all") -> tuple[Floats, Floats]:
        """Precision (10 IoUs, 101 recalls) at 100 detections and recall (10 IoUs, 3 limits) of a subset.

        -1 where nothing is required, as pycocotools writes it.
        """
        return self._curves_at(np.searchsorted(self.image_ids, images), area)

    def _curves_at(self, places: Ints, area: str) -> tuple[Floats, Floats]:
        found = self.matches(area)
        required = int(found.required[places].sum())
        if required == 0:
            return np.full((len(IOUS), len(RECALLS)), -1.0), np.full((len(IOUS), len(MAX_DETECTIONS)), -1.0)
        chosen = self._best_first(places)
        limits = np.array(MAX_DETECTIONS, np.int64)
        precision, hits = precision_and_hits(
            found.right, found.skipped, chosen, self.rank, RECALLS, limits, required
        )
        return precision, hits / required

    def _best_first(self, places: Ints) -> Ints:
        """Places of the detections of images at places, the best first; equal scores in their order."""
        times = np.bincount(places, minlength=len(self.image_ids))
        if times.max(initial=0) <= 1 and (np.diff(places) > 0).all():
            return self._order[times[self.image[self._order]] > 0]
        chosen = self._detections_at(places)
        return chosen[np.argsort(-self.scores[chosen], kind="stable")]


def _mean(values: Floats) -> float | None:
    """Mean of the defined values."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else None
