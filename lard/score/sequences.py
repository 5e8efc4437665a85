"""What a detector does over time, and what a baseline tracker makes of its detections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from lard.score.evaluation import Evaluation
from lard.score.runs import LEAST_FRAMES, MOST_APART_S, Run, find_runs
from lard.score.tracking import Tracking, track
from lard.score.watching import WATCHING, Watching, frames_of, name_of, watched

TRACKING = Tracking()


def sequence_report(
    evaluation: Evaluation,
    results: Sequence[Mapping[str, Any]],
    score: float,
    watching: Watching = WATCHING,
    tracking: Tracking = TRACKING,
) -> tuple[dict[str, Any] | None, str]:
    """Metrics of the detector and of the baseline tracker on its detections; None and why if no sequences."""
    runs, reason = find_runs(evaluation.truth)
    if not runs:
        return None, reason
    found = _summary(evaluation, results, runs, score, watching)
    if not any(run["runway"] for run in found["runs"]):
        return None, "no runway has to be found in the sequences"
    told = {
        "score": score,
        "settings": asdict(watching) | {"most_apart_s": MOST_APART_S, "least_frames": LEAST_FRAMES},
        "detector": found,
    }
    tracked = _tracked(evaluation, results, runs, score, tracking)
    # a track's last score may be any from the threshold on: all of its boxes count
    ours = Evaluation(evaluation.truth, tracked)
    baseline = _summary(ours, tracked, runs, 0.0, watching)
    baseline |= {"settings": asdict(tracking), "identity_f1": _identity_f1(ours, tracked, runs)}
    return told | {"baseline_tracker": baseline}, ""


def _tracked(
    evaluation: Evaluation,
    results: Sequence[Mapping[str, Any]],
    runs: Sequence[Run],
    score: float,
    tracking: Tracking,
) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = []
    for run in runs:
        frames = [
            [results[k] for k in evaluation.rows[places]]
            for places in frames_of(evaluation, run, score).detections
        ]
        number = max((row["track_id"] for row in shown), default=0) + 1
        shown += track(frames, run.time_s, run.image_ids, tracking, number)
    return shown


def _summary(
    evaluation: Evaluation,
    results: Sequence[Mapping[str, Any]],
    runs: Sequence[Run],
    score: float,
    watching: Watching,
) -> dict[str, Any]:
    """Each run by itself, and all of them together."""
    rows, flickers, corner_flickers = [], [], []
    for run in runs:
        frames = frames_of(evaluation, run, score)
        row, boxes, corners = watched(evaluation, results, frames, watching)
        rows.append(row)
        flickers.append(boxes)
        corner_flickers.append(corners)
    followed = [row for row in rows if row["runway"]]
    stable = [row for row in followed if row["first_stable"] is not None]
    frames_in_all, pairs = sum(row["frames"] for row in rows), sum(row["followed_pairs"] for row in rows)
    told: dict[str, Any] = {
        "sequences": len(rows),
        "with_runway": len(followed),
        "frames": frames_in_all,
        "found_stably": len(stable),
        "first_stable_m": _middle([row["first_stable"]["distance_m"] for row in stable]),
        "first_stable_s": _middle([row["first_stable"]["after_s"] for row in stable]),
        "longest_gap_s": _middle([row["longest_gap_s"] for row in stable]),
        "jumps": sum(row["jumps"] for row in rows),
        "jump_rate": sum(row["jumps"] for row in rows) / pairs if pairs else None,
        "identity_switches": sum(row["identity_switches"] for row in rows),
        "box_flicker_px": _middle(np.concatenate(flickers).tolist()),
        "lasting_false_alarm_share": sum(row["lasting_false_alarm_frames"] for row in rows) / frames_in_all,
        "runs": rows,
    }
    corner_values = np.concatenate(corner_flickers).tolist()
    return told | ({"corner_flicker_px": _middle(corner_values)} if corner_values else {})


def _middle(values: Sequence[float | None]) -> dict[str, float] | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    found = np.array(known)
    return {
        "median": float(np.median(found)), "p95": float(np.quantile(found, 0.95)),
        "least": float(found.min()), "greatest": float(found.max()),
    }  # fmt: skip


def _identity_f1(
    evaluation: Evaluation, tracked: Sequence[Mapping[str, Any]], runs: Sequence[Run]
) -> float | None:
    """Share of required runways and tracks' boxes that agree when each runway is given one track (IDF1)."""
    found = evaluation.matches()
    agreed = true = shown = 0
    for run in runs:
        frames = frames_of(evaluation, run, 0.0)
        places = np.concatenate(frames.detections)
        places = places[~found.skipped[0][places]]
        shown += len(places)
        true += sum(int((~evaluation.crowd[notes]).sum()) for notes in frames.notes)
        pairs = [
            (name_of(evaluation, int(found.taken[0][k])), tracked[evaluation.rows[k]]["track_id"])
            for k in places[found.right[0][places]]
        ]
        names, tracks = (sorted({pair[side] for pair in pairs}) for side in (0, 1))
        table = np.zeros((len(names), len(tracks)))
        for name, number in pairs:
            table[names.index(name), tracks.index(number)] += 1
        agreed += int(table[linear_sum_assignment(-table)].sum())
    return 2 * agreed / (true + shown) if true + shown else None
