"""Measures of one sequence: when a runway is found for good, and how steady detections are between frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.score.boxes import Floats, Ints, iou
from lard.score.evaluation import Evaluation
from lard.score.keypoints import corners_of
from lard.score.runs import Run


@dataclass(frozen=True, slots=True)
class Watching:
    """What counts as stable, as a jump and as lasting."""

    stable_hits: int = 4  # of the last stable_frames, to be found for good
    stable_frames: int = 5
    jump_diagonals: float = 1.0  # of the true box, by which the followed box leaves the true motion
    lasting_frames: int = 3  # that a false alarm is seen in a row
    link_iou: float = 0.3  # between the boxes of a false alarm in two frames


WATCHING = Watching()


@dataclass(frozen=True, slots=True)
class Frames:
    """One run with its detections from the score on and its runways, frame by frame."""

    run: Run
    detections: list[Ints]
    notes: list[Ints]  # places in the evaluation's runways


def frames_of(evaluation: Evaluation, run: Run, score: float) -> Frames:
    """The detections of a run from a score on, and its runways."""
    detections, notes = [], []
    for image_id in run.image_ids:
        places = evaluation.detections_of([image_id])
        detections.append(places[evaluation.scores[places] >= score])
        notes.append(evaluation.runways_of(image_id))
    return Frames(run, detections, notes)


def watched(
    evaluation: Evaluation, results: Sequence[Mapping[str, Any]], frames: Frames, watching: Watching
) -> tuple[dict[str, Any], Floats, Floats]:
    """The row of one run, and the flicker of boxes and corners between its frames in px."""
    target = _target(evaluation, frames)
    followed = _followed(evaluation, results, frames)
    jumps, pairs = _jumps(evaluation, frames, followed, target, watching)
    row = {
        "sequence": frames.run.name,
        "runway": target,
        "frames": len(frames.run.image_ids),
        "duration_s": float(frames.run.time_s[-1] - frames.run.time_s[0]),
        "required_frames": 0,
        "hits": 0,
        "first_stable": None,
        "longest_gap_s": None,
        "jumps": jumps,
        "followed_pairs": pairs,
        "identity_switches": _switches(evaluation, followed),
        "lasting_false_alarm_frames": _lasting(evaluation, frames, watching),
        "timeline": [],
    }
    row |= _finding(evaluation, frames, target, watching) if target else {}
    return row, *_flicker(evaluation, results, frames)


def name_of(evaluation: Evaluation, place: int) -> str:
    """Identity of a runway of the evaluation: its airport and ident as far as they are stated."""
    note = evaluation.truth["annotations"][evaluation.notes[place]]
    return " ".join(str(note[key]) for key in ("airport", "runway") if note.get(key)) or "runway"


def _target(evaluation: Evaluation, frames: Frames) -> str:
    """The runway that is followed: the required one flagged as target most often, else the most frequent."""
    counts: dict[str, tuple[int, int]] = {}
    for places in frames.notes:
        for place in places:
            if not evaluation.crowd[place]:
                note = evaluation.truth["annotations"][evaluation.notes[place]]
                name = name_of(evaluation, place)
                flagged, seen = counts.get(name, (0, 0))
                counts[name] = (flagged + bool(note.get("is_target", False)), seen + 1)
    return max(sorted(counts), key=lambda name: counts[name], default="")


def _finding(evaluation: Evaluation, frames: Frames, target: str, watching: Watching) -> dict[str, Any]:
    """First stable detection of the target among the frames that require it, and the longest gap after it."""
    found = evaluation.matches()
    times, hits, distances = [], [], []
    for k, (detections, notes) in enumerate(zip(frames.detections, frames.notes, strict=True)):
        own = [p for p in notes if not evaluation.crowd[p] and name_of(evaluation, p) == target]
        if not own:
            continue
        note = evaluation.truth["annotations"][evaluation.notes[own[0]]]
        times.append(float(frames.run.time_s[k]))
        distances.append(note.get("along_track_m", note.get("slant_m")))
        hits.append(bool((found.right[0][detections] & np.isin(found.taken[0][detections], own)).any()))
    first = first_stable(np.array(hits), watching.stable_hits, watching.stable_frames)
    steps = zip(times, distances, hits, strict=True)
    told: dict[str, Any] = {
        "required_frames": len(hits),
        "hits": sum(hits),
        "timeline": [{"time_s": t, "distance_m": d, "found": hit} for t, d, hit in steps],
    }
    if first is None:
        return told
    return told | {
        "first_stable": {
            "frame": first,
            "after_s": times[first] - times[0],
            "time_s": times[first],
            "distance_m": distances[first],
        },
        "longest_gap_s": longest_gap_s(np.array(hits), np.array(times), first),
    }


def first_stable(hits: NDArray[np.bool_], least: int, among: int) -> int | None:
    """The first frame at which `least` of the last `among` frames are hits; None if there is none."""
    total = np.concatenate([[0], np.cumsum(hits)])
    end = np.arange(1, len(hits) + 1)
    stable = np.flatnonzero(total[end] - total[np.maximum(end - among, 0)] >= least)
    return int(stable[0]) if len(stable) else None


def longest_gap_s(hits: NDArray[np.bool_], time_s: Floats, first: int) -> float:
    """Longest time from a hit to the next after a frame, 0 where no frame between is missed.

    Misses at the end count up to the last frame.
    """
    places = np.flatnonzero(hits)
    start = places[places <= first][-1]
    after = places[places >= start]
    ends = np.append(after[1:], len(hits) - 1)
    missed = np.append(np.diff(after) > 1, after[-1] < len(hits) - 1)
    return float(np.max((time_s[ends] - time_s[after]) * missed))


def _followed(
    evaluation: Evaluation, results: Sequence[Mapping[str, Any]], frames: Frames
) -> list[int | None]:
    """The detection of each frame that a user follows: of the same track while it lasts, else the best."""
    followed: list[int | None] = []
    number = None
    for places in frames.detections:
        if not len(places):
            followed.append(None)
            continue
        numbers = [results[evaluation.rows[place]].get("track_id") for place in places]
        at = numbers.index(number) if number is not None and number in numbers else 0
        number = numbers[at]
        followed.append(int(places[at]))
    return followed


def _jumps(
    evaluation: Evaluation, frames: Frames, followed: Sequence[int | None], target: str, watching: Watching
) -> tuple[int, int]:
    """How often the followed box leaves the target's motion from one frame to the next, and of how many."""
    jumps = pairs = 0
    true = [next((p for p in notes if name_of(evaluation, p) == target), None) for notes in frames.notes]
    for k in range(1, len(followed)):
        now, before, here, there = followed[k], followed[k - 1], true[k], true[k - 1]
        if now is None or before is None or here is None or there is None:
            continue
        moved = _centre(evaluation.boxes[now]) - _centre(evaluation.boxes[before])
        truly = _centre(evaluation.runways[here]) - _centre(evaluation.runways[there])
        diagonal = float(np.hypot(*evaluation.runways[here][2:]))
        pairs += 1
        jumps += int(np.hypot(*(moved - truly)) > watching.jump_diagonals * diagonal)
    return jumps, pairs


def _switches(evaluation: Evaluation, followed: Sequence[int | None]) -> int:
    """How often the followed detection goes over from one runway to another, required or not."""
    taken = evaluation.matches().taken[0]
    names = [
        name_of(evaluation, int(taken[place]))
        for place in followed
        if place is not None and taken[place] >= 0
    ]
    return sum(a != b for a, b in pairwise(names))


def _lasting(evaluation: Evaluation, frames: Frames, watching: Watching) -> int:
    """Frames with a false alarm that overlaps others in frames before and after, so many in a row."""
    found = evaluation.matches()
    wrong = [places[~found.right[0][places] & ~found.skipped[0][places]] for places in frames.detections]
    links = [iou(evaluation.boxes[a], evaluation.boxes[b]) >= watching.link_iou for a, b in pairwise(wrong)]
    past = [np.ones(len(places), np.int64) for places in wrong]
    for k, link in enumerate(links):
        past[k + 1] += np.max(link * past[k][:, None], axis=0, initial=0)
    ahead = [np.ones(len(places), np.int64) for places in wrong]
    for k in reversed(range(len(links))):
        ahead[k] += np.max(links[k] * ahead[k + 1][None, :], axis=1, initial=0)
    return sum(bool((a + b - 1 >= watching.lasting_frames).any()) for a, b in zip(past, ahead, strict=True))


def _flicker(
    evaluation: Evaluation, results: Sequence[Mapping[str, Any]], frames: Frames
) -> tuple[Floats, Floats]:
    """Changes of the errors of right detections of one runway between consecutive frames, px: boxes, corners.

    Each is the mean over the four corners, of the box or of those given in both frames.
    """
    found = evaluation.matches()
    boxes: list[float] = []
    points: list[float] = []
    before: dict[str, tuple[Floats, Floats]] = {}
    for places in frames.detections:
        now = {}
        for place in places[found.right[0][places]]:
            runway = int(found.taken[0][place])
            error = _box_corners(evaluation.boxes[place]) - _box_corners(evaluation.runways[runway])
            now[name_of(evaluation, runway)] = error, _corner_error(evaluation, results, place, runway)
        for name in sorted(set(now) & set(before)):
            box, corner = (a - b for a, b in zip(now[name], before[name], strict=True))
            boxes.append(float(np.linalg.norm(box, axis=1).mean()))
            given = np.asarray(np.isfinite(corner).all(axis=1))
            if given.any():
                points.append(float(np.linalg.norm(corner[given], axis=1).mean()))
        before = now
    return np.array(boxes), np.array(points)


def _corner_error(
    evaluation: Evaluation, results: Sequence[Mapping[str, Any]], place: int, runway: int
) -> Floats:
    """Errors (4, 2) of the corners given; NaN where not given or not known."""
    note = evaluation.truth["annotations"][evaluation.notes[runway]]
    points, v = corners_of([results[evaluation.rows[place]], note])
    known = (v[0] > 0) & (v[1] > 0)
    return np.where(known[:, None], points[0] - points[1], np.nan)


def _box_corners(box: Floats) -> Floats:
    x, y, width, height = box
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])


def _centre(box: Floats) -> Floats:
    return np.asarray(box[:2] + box[2:] / 2)
