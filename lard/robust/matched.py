"""Required runways with the detections that found them, as average precision matches both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.score.boxes import Floats, Ints, corners
from lard.score.evaluation import Evaluation

NONE = -1.0
"""Score of a runway that no detection finds, whatever the threshold."""


@dataclass(frozen=True, slots=True)
class Matched:
    """Required runways, the detection of each at IoU 0.5, and the detections that are false alarms.

    Detections choose in the order of their scores, so that a threshold takes matches away and changes none.
    """

    wanted: Floats  # (runways, 4) corners, px
    predicted: Floats  # (runways, 4), NaN where never found
    scores: Floats  # (runways,), NONE where never found
    pictures: Ints  # (runways,) place of the picture
    notes: Ints  # (runways,) place among the annotations
    false_scores: Floats  # (false alarms,)
    false_pictures: Ints  # (false alarms,) place of the picture
    image_ids: Ints  # (pictures,)
    airports: NDArray[np.str_]  # (pictures,), "" where not named

    @property
    def runway_airports(self) -> NDArray[np.str_]:
        """The airport of each runway: (runways,)."""
        return self.airports[self.pictures]

    def found(self, score: float) -> NDArray[np.bool_]:
        """Whether a detection of that score or more finds each runway: (runways,)."""
        return self.scores >= max(score, 0.0)

    def false_alarms(self, score: float) -> float | None:
        """False alarms per picture from a score on; None without pictures."""
        count = int((self.false_scores >= score).sum())
        return count / len(self.image_ids) if len(self.image_ids) else None

    def of_pictures(self, chosen: NDArray[np.bool_]) -> Matched:
        """The same of some pictures (pictures,) alone."""
        place = np.cumsum(chosen) - 1
        own, wrong = chosen[self.pictures], chosen[self.false_pictures]
        return Matched(
            self.wanted[own], self.predicted[own], self.scores[own], place[self.pictures[own]],
            self.notes[own], self.false_scores[wrong], place[self.false_pictures[wrong]],
            self.image_ids[chosen], self.airports[chosen],
        )  # fmt: skip

    def of_runways(self, chosen: NDArray[np.bool_]) -> Matched:
        """The same with some runways (runways,) alone; pictures and false alarms stay."""
        return Matched(
            self.wanted[chosen], self.predicted[chosen], self.scores[chosen], self.pictures[chosen],
            self.notes[chosen], self.false_scores, self.false_pictures, self.image_ids, self.airports,
        )  # fmt: skip


def matched(truth: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Matched:
    """Match detections with the runways of their pictures, ignored runways left out of the account."""
    judged = Evaluation(truth, rows)
    found = judged.matches()
    scores = np.full(len(judged.runways), NONE)
    predicted = np.full((len(judged.runways), 4), np.nan)
    hits = np.flatnonzero(found.right[0])
    taken = found.taken[0][hits]
    scores[taken], predicted[taken] = judged.scores[hits], corners(judged.boxes[hits])
    required = np.flatnonzero(~judged.crowd)
    wrong = np.flatnonzero(~found.right[0] & ~found.skipped[0])
    names = [str(picture.get("airport") or "") for picture in judged.pictures]
    return Matched(
        wanted=corners(judged.runways[required]),
        predicted=predicted[required],
        scores=scores[required],
        pictures=judged.runway_image[required],
        notes=judged.notes[required],
        false_scores=judged.scores[wrong],
        false_pictures=judged.image[wrong],
        image_ids=judged.image_ids,
        airports=np.array(names, np.str_),
    )
