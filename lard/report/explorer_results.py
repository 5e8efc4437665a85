"""Detections beside the labels: which runways each model found, whatever score one counts from.

Matching takes the best scored first, so whether a detection is right does not depend on those scored lower:
a page can move the threshold and stay exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lard.errors import DataError
from lard.intake.coco import read_coco
from lard.score.evaluation import Evaluation
from lard.score.points import FALSE_ALARMS_PER_IMAGE, by_budget
from lard.score.submitted import read_results
from lard.score.truth import read_truth, truth_sha256
from lard.tables import read_json, sha256_file

FALSE_ALARM, FOUND, LEFT_OUT = 0, 1, 2
MOST_FALSE_ALARMS = 20
"""False alarms of a picture that are written, the best scored; of other detections all are."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A results file on one split: the score it counts from, and per frame what it found."""

    name: str
    split: str
    score: float
    chosen: str
    images: int
    required: Mapping[str, list[float]]
    """Per frame of the split the score by which each required runway was found, -1 where none was."""
    alarms: Mapping[str, float]
    """Per frame the highest score of a false alarm."""
    detections: Mapping[str, list[list[Any]]]
    """Per frame x, y, width, height (px), score, kind and the runway found, the best scored first."""

    def summary(self, names: Sequence[str]) -> dict[str, Any]:
        """What the page filters by: per frame the worst score of a required runway and the best false alarm.

        `judged` frames are those of the split; worst is None where no runway is required.
        """
        worst = [min(self.required[name], default=None) if name in self.required else None for name in names]
        return {
            "name": self.name,
            "split": self.split,
            "score": self.score,
            "chosen": self.chosen,
            "images": self.images,
            "judged": [name in self.required for name in names],
            "worst": worst,
            "alarm": [self.alarms.get(name, -1.0) for name in names],
        }


def judge_results(
    folder: Path, names: Sequence[str], paths: Sequence[str | Path], score: float | None
) -> list[Judged]:
    """Judge results files on the dataset's COCO files; DataError for results of another dataset."""
    files = [Path(path) for path in paths]
    stems = [path.stem for path in files]
    doubled = sorted({stem for stem in stems if stems.count(stem) > 1})
    if doubled:
        raise DataError(
            f"--results: two files are named {doubled[0]}; rename one, models are told by file names"
        )
    splits = sorted((folder / "coco").glob("*.json"))
    if files and not splits:
        raise DataError(
            f"{folder}: no coco/*.json, by whose image ids results name pictures; write them with "
            "lard export coco"
        )
    return [_judge(path, splits, names, score) for path in files]


def _judge(path: Path, splits: Sequence[Path], names: Sequence[str], score: float | None) -> Judged:
    report = _score_file(path)
    split = _split_of(path, splits, report)
    truth = read_truth(split)
    strange = sorted({str(image.get("frame_id")) for image in truth["images"]} - set(names))
    if strange:
        raise DataError(
            f"{split}: picture {strange[0]!r} is no frame of this dataset; export its COCO files again"
        )
    read = read_results(path, truth)
    read.tell()
    judged = Evaluation(truth, read.rows)
    point, chosen = _point(judged, report, score)
    return _collected(path.stem, split.stem, judged, point, chosen)


def _score_file(path: Path) -> dict[str, Any]:
    """The score file beside results, {} without one; DataError when it is of other results."""
    beside = path.with_suffix(".score.json")
    if not beside.is_file():
        return {}
    report = read_json(beside)
    if not isinstance(report, dict):
        raise DataError(f"{beside}: expected an object; score {path} again")
    stated = report.get("results_sha256")
    if stated and stated != sha256_file(path):
        raise DataError(f"{beside}: results_sha256: of other results than {path}; score them again")
    return report


def _split_of(path: Path, splits: Sequence[Path], report: Mapping[str, Any]) -> Path:
    """The COCO file that results are for: the one they were scored on, else that with all their ids."""
    scored_on = report.get("truth_sha256")
    if scored_on:
        found = [split for split in splits if truth_sha256(split) == scored_on]
        if not found:
            raise DataError(f"{path}: was scored on another dataset (truth_sha256 {str(scored_on)[:12]}); "
                            "predict on this one")  # fmt: skip
        return found[0]
    rows = read_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path}: expected a list of detections with image_id, category_id, bbox and score")
    stated = [row.get("image_id") for row in rows]
    ids = {value if isinstance(value, int) else repr(value) for value in stated}  # what is no id fits nowhere
    held = {split: {image["id"] for image in read_coco(split).images} for split in splits}
    fitting = [split for split in splits if held[split] and ids <= held[split]]
    if not fitting:
        known = set().union(*held.values())
        strange = next((f"{v!r:.60}" for v in stated if not isinstance(v, int) or v not in known), "")
        fault = f"image_id {strange} is of" if strange else "its image ids are together of"
        raise DataError(f"{path}: {fault} no split of {splits[0].parent}; predict one split of this dataset")
    if len(fitting) > 1:
        told = ", ".join(split.stem for split in fitting)
        raise DataError(
            f"{path}: could be results on {told}; say which by scoring them with lard score --split"
        )
    return fitting[0]


def _point(judged: Evaluation, report: Mapping[str, Any], score: float | None) -> tuple[float, str]:
    """The score that detections count from, and what chose it."""
    if score is not None:
        return score, "stated"
    point = report.get("operating_point")
    if isinstance(point, dict) and isinstance(point.get("score"), int | float):
        return float(point["score"]), f"operating point, chosen on {point.get('chosen_on', 'unknown')}"
    found = by_budget(judged, FALSE_ALARMS_PER_IMAGE)
    text = f"{FALSE_ALARMS_PER_IMAGE:g} false alarms per picture, chosen on these pictures"
    return (1.0, f"no score keeps {text}") if found is None else (found, text)


def _collected(name: str, split: str, judged: Evaluation, point: float, chosen: str) -> Judged:
    found = judged.matches()
    taken, right, skipped = found.taken[0], found.right[0], found.skipped[0]
    frame = [str(picture["frame_id"]) for picture in judged.pictures]
    notes = judged.truth["annotations"]
    hit = np.full(len(judged.runways), -1.0)
    hit[taken[right]] = judged.scores[right]
    required: dict[str, list[float]] = {name: [] for name in frame}
    for row in np.flatnonzero(~judged.crowd).tolist():
        required[frame[judged.runway_image[row]]].append(round(float(hit[row]), 6))
    alarms: dict[str, float] = {}
    shown: dict[str, list[list[Any]]] = {name: [] for name in frame}
    wrong = dict.fromkeys(frame, 0)
    for row in range(len(judged.scores)):  # image by image, best first
        of = frame[judged.image[row]]
        kind = FOUND if right[row] else LEFT_OUT if skipped[row] else FALSE_ALARM
        score = round(float(judged.scores[row]), 6)
        if kind == FALSE_ALARM:
            alarms.setdefault(of, score)
            wrong[of] += 1
            if wrong[of] > MOST_FALSE_ALARMS:
                continue
        runway = str(notes[judged.notes[taken[row]]].get("runway", "")) if taken[row] >= 0 else ""
        shown[of].append([*(round(float(v), 2) for v in judged.boxes[row]), score, kind, runway])
    return Judged(name, split, point, chosen, len(frame), required, alarms, shown)
