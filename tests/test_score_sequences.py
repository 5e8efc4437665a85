"""What a detector does over time, on sequences worked out by hand, and the baseline tracker."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from approach_support import detections, flown
from hypothesis import given
from hypothesis import strategies as st

from lard.score.approaches import approach_parts
from lard.score.evaluation import Evaluation
from lard.score.runs import find_runs
from lard.score.sequences import sequence_report
from lard.score.tracking import Tracking, track
from lard.score.watching import first_stable, longest_gap_s

STEP_S = 0.5
TARGET, PARALLEL = [100.0, 100.0, 40.0, 30.0], [300.0, 100.0, 40.0, 30.0]
ASIDE = [700.0, 700.0, 20.0, 20.0]


def scene(frames: int, **changes: Any) -> dict[str, Any]:
    """A target and its parallel, moving 2 px to the right per frame, 10 m nearer each time."""
    images, notes = [], []
    for k in range(frames):
        image = {"id": k + 1, "file_name": f"a_{k:03d}.jpg", "width": 1000, "height": 1000}
        images.append(image | {"sequence": "one", "time_s": k * STEP_S} | changes)
        for ident, box, target in (("09L", TARGET, True), ("09R", PARALLEL, False)):
            away_m = 1000.0 - 10 * k
            note = {"id": len(notes) + 1, "image_id": k + 1, "category_id": 1, "bbox": moved(box, k)}
            named = {"airport": "XXXX", "runway": ident, "is_target": target, "along_track_m": away_m}
            notes.append({**note, **named, "area": 1200.0, "iscrowd": int(not target)})
    return {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "runway"}]}


def moved(box: list[float], k: int) -> list[float]:
    return [box[0] + 2.0 * k, *box[1:]]


def found(*boxes: list[float] | None) -> list[dict[str, Any]]:
    """One detection per frame, None for none."""
    return [
        {"image_id": k + 1, "category_id": 1, "bbox": moved(box, k), "score": 0.9}
        for k, box in enumerate(boxes)
        if box is not None
    ]


def report(truth: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    told, reason = sequence_report(Evaluation(truth, rows), rows, 0.5)
    assert told is not None, reason
    return told


def test_found_for_good_and_the_longest_gap() -> None:
    """Hits at 1, 3, 4, 5, 6, 10, 11: of the last five frames four are hits at frame 5."""
    hits = [1, 3, 4, 5, 6, 10, 11]
    rows = found(*(TARGET if k in hits else None for k in range(12)))
    told = report(scene(12), rows)["detector"]
    run = told["runs"][0]
    assert run["runway"] == "XXXX 09L" and run["hits"] == 7 and run["required_frames"] == 12
    assert run["first_stable"] == {"frame": 5, "after_s": 2.5, "time_s": 2.5, "distance_m": 950.0}
    assert run["longest_gap_s"] == 2.0  # from frame 6 to frame 10
    assert told["found_stably"] == 1 and told["first_stable_m"]["median"] == 950.0


def test_never_found_has_no_distance() -> None:
    told = report(scene(12), found(*[TARGET, None, None] * 4))["detector"]
    assert told["found_stably"] == 0 and told["first_stable_m"] is None and told["longest_gap_s"] is None


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 5), st.integers(0, 4))
def test_first_stable_by_counting(hits: list[bool], least: int, more: int) -> None:
    among = least + more
    expected = next((k for k in range(len(hits)) if sum(hits[max(0, k - among + 1) : k + 1]) >= least), None)
    assert first_stable(np.array(hits), least, among) == expected
    if expected is not None:
        times = np.arange(len(hits)) * 1.0
        gap = longest_gap_s(np.array(hits), times, expected)
        after = [
            k for k in range(len(hits)) if hits[k] and k >= max(j for j in range(expected + 1) if hits[j])
        ]
        runs = [b - a for a, b in zip(after, [*after[1:], len(hits) - 1], strict=True)]
        missed = [r for a, r in zip(after, runs, strict=True) if a < len(hits) - 1 and not hits[a + 1]]
        assert gap == max(missed, default=0)


def test_jumps_and_identity_switches() -> None:
    """To the parallel and back: two jumps of eleven steps, two changes of identity; shaking is none."""
    told = report(scene(12), found(*[TARGET] * 4, *[PARALLEL] * 3, *[TARGET] * 5))["detector"]
    assert told["jumps"] == 2 and told["jump_rate"] == pytest.approx(2 / 11)
    assert told["identity_switches"] == 2
    shaken = [[TARGET[0] + (-1) ** k * 3, *TARGET[1:]] for k in range(12)]
    told = report(scene(12), found(*shaken))["detector"]
    assert told["jumps"] == 0 and told["identity_switches"] == 0
    assert told["box_flicker_px"]["median"] == pytest.approx(6.0)


def test_a_switch_through_a_gap_counts_once() -> None:
    told = report(scene(12), found(*[TARGET] * 4, None, ASIDE, *[PARALLEL] * 6))["detector"]
    assert told["identity_switches"] == 1


def test_a_steady_error_does_not_flicker() -> None:
    """A box 2 px too wide in all frames is an error, no flicker; corners likewise."""
    truth = flown("LFPO", "24", 2.0)
    rows = detections(truth)
    for row in rows:
        row["bbox"][2] += 2
        row["keypoints"] = np.add(np.reshape(row["keypoints"], (4, 3)), [1, 1, 0]).ravel().tolist()
    told = report(truth, rows)["detector"]
    assert told["box_flicker_px"]["greatest"] == pytest.approx(0, abs=1e-9)
    assert told["corner_flicker_px"]["greatest"] == pytest.approx(0, abs=1e-9)
    noisy = report(truth, detections(truth, 0.5))["detector"]["corner_flicker_px"]
    # the mean of four distances of pairs of normal errors: sqrt(2) sigma sqrt(pi / 2)
    assert noisy["median"] == pytest.approx(0.5 * np.sqrt(np.pi), rel=0.1)


def test_false_alarms_that_last() -> None:
    """At one place for four frames: lasting; for two: not; elsewhere each time: not."""
    truth = scene(12)
    still = (3, 4, 5, 6, 9, 10)
    rows = [{"image_id": k, "category_id": 1, "bbox": ASIDE, "score": 0.8} for k in still]
    rows += [
        {"image_id": k + 1, "category_id": 1, "bbox": [50.0 + 70 * k, 500.0, 20.0, 20.0], "score": 0.8}
        for k in range(12)
    ]
    told = report(truth, rows)["detector"]
    assert told["lasting_false_alarm_share"] == pytest.approx(4 / 12)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"time_s": None, "sequence": None}, "no picture states a time"),
        ({"time_s": 1.0}, "pictures of equal times"),
        ({"time_s": None, "time_utc": "noon"}, "no picture states a time"),
        ({"time_s": float("nan")}, "no picture states a time"),
    ],
)
def test_why_there_are_no_sequences(changes: dict[str, Any], told: str) -> None:
    truth = scene(12, **changes)
    runs, reason = find_runs(truth)
    assert runs == [] and told in reason
    rows = found(*[TARGET] * 12)
    parts = approach_parts(Evaluation(truth, rows), rows, 0.5)
    assert "sequences" not in parts and told in parts["not_computed"]["sequences"]


def test_sequences_that_require_nothing_and_thresholds_that_are_none() -> None:
    truth = scene(12)
    for note in truth["annotations"]:
        note["iscrowd"] = 1
    rows = found(*[TARGET] * 12)
    assert "no runway has to be found" in sequence_report(Evaluation(truth, rows), rows, 0.5)[1]
    missing = approach_parts(Evaluation(truth, rows), rows, None)["not_computed"]
    assert set(missing.values()) == {"there is no operating point"}


def test_runs_from_any_clock() -> None:
    """Landing times run backwards, UTC forwards; a pause of more than two seconds parts a run."""
    truth = scene(24)
    for k, image in enumerate(truth["images"]):
        del image["sequence"], image["time_s"]
        image["time_to_landing_s"] = 60 - k * STEP_S - (30 if k >= 12 else 0)
    runs, _ = find_runs(truth)
    assert [len(run.image_ids) for run in runs] == [12, 12]
    assert runs[0].image_ids == tuple(range(1, 13))
    for k, image in enumerate(truth["images"]):
        del image["time_to_landing_s"]
        image["time_utc"] = f"2026-05-01T10:00:{k:02d}Z"
    assert [run.image_ids for run in find_runs(truth)[0]] == [tuple(range(1, 25))]


def test_the_tracker_bridges_gaps_and_holds_its_runway() -> None:
    """Two frames missed are shown, a single false alarm is not, and the parallel does not take over."""
    rows = found(*[TARGET] * 5, None, None, *[TARGET] * 5)
    rows += [
        {"image_id": k, "category_id": 1, "bbox": moved(PARALLEL, k - 1), "score": 0.95} for k in (7, 8, 9)
    ]
    rows.append({"image_id": 9, "category_id": 1, "bbox": ASIDE, "score": 0.9})
    told = report(scene(12), rows)
    assert told["detector"]["runs"][0]["longest_gap_s"] == pytest.approx(3 * STEP_S)
    assert told["detector"]["identity_switches"] == 2
    tracked = told["baseline_tracker"]
    assert tracked["runs"][0]["longest_gap_s"] == 0.0
    assert tracked["identity_switches"] == 0 and tracked["lasting_false_alarm_share"] == 0.0
    assert 0.8 < tracked["identity_f1"] <= 1.0


def test_tracks_that_cross_keep_their_numbers() -> None:
    """Two boxes pass each other; the velocities tell them apart."""
    frames = [
        [
            {"bbox": [100.0 + 6 * k, 100, 20, 20], "score": 0.9, "category_id": 1},
            {"bbox": [220.0 - 6 * k, 106, 20, 20], "score": 0.8, "category_id": 1},
        ]
        for k in range(21)
    ]
    shown = track(frames, np.arange(21) * 0.2, list(range(21)), Tracking())
    ends = {row["track_id"]: row["bbox"][0] for row in shown if row["image_id"] == 20}
    starts = {row["track_id"]: row["bbox"][0] for row in shown if row["image_id"] == 3}
    assert len(ends) == 2 and set(ends) == set(starts)
    assert all((ends[n] > 150) == (starts[n] < 150) for n in ends)


@given(st.integers(0, 2**31), st.integers(0, 5))
def test_the_tracker_invents_nothing(seed: int, most: int) -> None:
    """Each hit of a track shows one box, and five more at most; no track twice in a picture."""
    rng = np.random.default_rng(seed)
    frames = [
        [
            {"bbox": [*rng.uniform(0, 60, 2), *rng.uniform(5, 30, 2)], "score": 0.9, "category_id": 1}
            for _ in range(rng.integers(0, most + 1))
        ]
        for _ in range(12)
    ]
    shown = track(frames, np.arange(12) * 0.2, list(range(12)), Tracking())
    assert len(shown) <= sum(map(len, frames)) * 6
    assert all(row["bbox"][2] > 0 and row["bbox"][3] > 0 for row in shown)
    assert len({(row["image_id"], row["track_id"]) for row in shown}) == len(shown)


def test_a_flight_of_the_scenario() -> None:
    """Found from 3 km on: that is the distance told, with two parallels in view and every frame timed."""
    truth = flown("LFPO", "24", 2.0)
    near = {note["image_id"] for note in truth["annotations"] if note["is_target"] and note["slant_m"] < 3000}
    rows = [row for row in detections(truth) if row["image_id"] in near]
    told = report(truth, rows)["detector"]
    assert told["sequences"] == 1 and told["runs"][0]["sequence"].endswith("LFPO_24_landing3")
    assert 2800 < told["first_stable_m"]["median"] < 3000
    assert told["jumps"] == 0 and told["runs"][0]["longest_gap_s"] == 0.0
