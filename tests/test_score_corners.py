"""Corners at the door, in which order they come, and how far they are off."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from approach_support import detections, flown
from hypothesis import given, settings
from hypothesis import strategies as st

from lard.errors import DataError
from lard.score.corners import corner_errors, spread
from lard.score.evaluation import Evaluation
from lard.score.keypoints import NAMES, keypoint_fault, other_order
from lard.score.sightings import sightings
from lard.score.submitted import checked, read_results
from lard.tables import write_json

SIZE = (1024.0, 1024.0)
GOOD = [100.0, 100.0, 2, 130.0, 100.0, 1, 150.0, 200.0, 0.7, 90.0, 200.0, 0]


@pytest.mark.parametrize(
    ("points", "told"),
    [
        (GOOD, ""),
        ([0.0] * 12, ""),
        (GOOD[:9], "12 numbers"),
        ("corners", "12 numbers"),
        ([*GOOD[:11], None], "must be numbers"),
        ([*GOOD[:11], True], "must be numbers"),
        ([math.nan, *GOOD[1:]], "finite"),
        ([math.inf, *GOOD[1:]], "finite"),
        ([*GOOD[:2], 3, *GOOD[3:]], "score from 0 to 1"),
        ([*GOOD[:2], -0.1, *GOOD[3:]], "score from 0 to 1"),
        ([1e7, *GOOD[1:]], "within 1000 sides"),
        ([*GOOD[:9], 1e7, 1e7, 0], ""),  # not given, so anywhere
    ],
)
def test_what_is_refused_at_the_door(points: Any, told: str) -> None:
    fault = keypoint_fault(points, SIZE)
    assert (told in fault) if told else fault == ""


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=0, max_size=15))
def test_any_numbers_are_judged(points: list[float]) -> None:
    """Never an exception; what passes is finite and near the picture."""
    if keypoint_fault(points, SIZE) == "":
        values = np.array(points).reshape(4, 3)
        assert np.isfinite(values).all()
        assert (np.abs(values[values[:, 2] > 0, :2] - 512) <= 1000.5 * 1024).all()


def test_faults_and_corners_survive_the_door(tmp_path: Path) -> None:
    truth = flown("LFPO", "24", 0.25)
    rows = detections(truth)
    write_json(truth, tmp_path / "truth.json")
    write_json(rows, tmp_path / "good.json")
    assert [row["keypoints"] for row in read_results(tmp_path / "good.json", truth).rows] == [
        row["keypoints"] for row in rows
    ]
    rows[2] = rows[2] | {"keypoints": [1.0] * 11}
    rows[3] = rows[3] | {"keypoints": [1.0] * 10}
    write_json(rows, tmp_path / "bad.json")
    with pytest.raises(DataError, match=r"row 2: keypoints must be x, y, v of four corners.*2 such rows"):
        read_results(tmp_path / "bad.json", truth)


@pytest.mark.parametrize("order", [(3, 2, 1, 0), (1, 0, 3, 2), (2, 3, 0, 1), (3, 0, 1, 2), (0, 1, 3, 2)])
def test_another_order_is_named(order: tuple[int, ...]) -> None:
    """Place k of the file holds the true corner order[k]."""
    truth = flown("LFPO", "24", 0.25)
    rows = detections(truth, 0.3)
    for row in rows:
        row["keypoints"] = np.array(row["keypoints"]).reshape(4, 3)[list(order)].ravel().tolist()
    _, faults = checked(rows, truth)
    assert f"the keypoints come as {', '.join(NAMES[k] for k in order)}" in faults[0]
    assert checked(detections(truth, 0.3), truth)[1] == []


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.floats(0, 40))
def test_bad_corners_are_not_taken_for_another_order(seed: int, sigma_px: float) -> None:
    """Noise of any size in our order is an error to be measured, no fault of form."""
    rng = np.random.default_rng(seed)
    near = np.array([[0.0, 0], [20, 0], [60, 90], [-40, 90]]) + rng.uniform(0, 900, (12, 1, 2))
    assert other_order(near + rng.normal(0, sigma_px, near.shape), near) == ()


def test_errors_by_corner_and_distance() -> None:
    """Every corner 3 px right and 4 px down: 5 px everywhere; corners not given do not count."""
    truth = copy.deepcopy(flown("LFPO", "24", 0.25))
    rows = detections(truth)
    for row in rows:
        points = np.array(row["keypoints"]).reshape(4, 3)
        points[:, :2] += [3, 4]
        points[1] = [500, 500, 0]
        row["keypoints"] = points.ravel().tolist()
    evaluation = Evaluation(truth, rows)
    found = sightings(evaluation, rows, 0.5)
    told = corner_errors(found, truth, 99, 4 * len(found))
    assert told["matched"] == 99 and told["with_corners"] == len(found) > 5
    assert told["share"] == 0.25 and told["required"] == 4 * len(found)
    assert told["with_four_in_view"] == 0
    assert told["error_px"] == pytest.approx({"median": 5, "p95": 5})
    assert set(told["by_corner"]) == {"top_left", "bottom_right", "bottom_left"}
    shown = [np.array(truth["annotations"][k]["keypoints"]).reshape(4, 3)[:, 2] == 2 for k in found.note]
    assert told["corners"] == int(np.array(shown)[:, [0, 2, 3]].sum())
    assert sum(row["corners"] for row in told["by_distance"].values()) == told["corners"]
    assert told["by_airport"]["LFPO"]["corners"] == told["corners"]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_spread_is_that_of_sizes(values: list[float]) -> None:
    told = spread(np.array(values), signed=True)
    assert told["median"] == pytest.approx(float(np.percentile(np.abs(values), 50)))
    assert told["p95"] == pytest.approx(float(np.percentile(np.abs(values), 95)))
    assert told["bias"] == pytest.approx(float(np.median(values)))
