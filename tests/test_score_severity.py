"""Weights by severity: equal ones change nothing, whole ones count a picture several times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detect_support import runway_note
from hypothesis import given, settings
from hypothesis import strategies as st
from test_detect_slices import scene

from lard.errors import SpecError
from lard.odd import load_spec
from lard.odd.openodd import openodd_text
from lard.score.evaluation import Evaluation
from lard.score.scores import scores
from lard.score.severity import severity_scores, severity_table, weighted_precision

SPEC = Path(__file__).parents[1] / "odd_specs" / "lard_v2.yaml"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_equal_weights_give_the_plain_precision(seed: int) -> None:
    truth, rows = scene(seed)
    judged = Evaluation(truth, rows)
    found = weighted_precision(judged, np.full(len(judged.runways), 3.0), np.full(len(judged.image_ids), 3.0))
    if found is None:
        assert judged.metrics()["AP"] is None
    else:
        assert np.abs(found - judged.curves(judged.images)[0]).max() < 1e-9


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_whole_weights_count_pictures_so_often(seed: int) -> None:
    """A picture of weight n scores as n copies of it, matched and averaged as ever (pycocotools' numbers)."""
    truth, rows = scene(seed)
    rng = np.random.default_rng(seed)
    # among equal scores the copies of a picture would come in turn
    rows = [{**row, "score": score} for row, score in zip(rows, rng.permutation(len(rows)) / 99, strict=True)]
    judged = Evaluation(truth, rows)
    times = rng.integers(1, 5, len(judged.image_ids))
    found = weighted_precision(judged, times[judged.runway_image].astype(float), times.astype(float))
    copies = [image for image, count in zip(judged.images, times, strict=True) for _ in range(count)]
    plain = judged.metrics(copies)
    assert (found is None) == (plain["AP"] is None)
    if found is not None:
        # recalls that are met exactly may fall to either side in the last bit
        assert found.mean() == pytest.approx(plain["AP"], abs=0.011)
        assert np.median(np.abs(found - judged.curves(copies)[0])) < 1e-9


def two_runways(severity: dict[str, Any] | None, found_near: bool) -> dict[str, Any]:
    """A picture at 300 m and one at 6 km, of which one is found."""
    box = [100.0, 100.0, 40.0, 40.0]
    images = [{"id": k, "file_name": f"{k}.jpg", "width": 1000, "height": 1000} for k in (1, 2)]
    notes = [
        {**runway_note(k, box, True, along), "id": k, "along_track_m": along}
        for k, along in ((1, 300.0), (2, 6000.0))
    ]
    truth = {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "runway"}]}
    truth["info"] = {"odd": {"severity": severity}} if severity else {}  # type: ignore[assignment]
    rows = [{"image_id": 1 if found_near else 2, "category_id": 1, "bbox": box, "score": 0.9}]
    return scores(truth, rows)


def test_a_miss_at_300_m_weighs_more() -> None:
    table = {"by": "along_track_m", "points": [[300, 20], [6000, 1]]}
    near, far = two_runways(table, True), two_runways(table, False)
    assert near["overall"]["AP50"] == far["overall"]["AP50"]
    assert near["severity"]["recall"] == pytest.approx(20 / 21)
    assert far["severity"]["recall"] == pytest.approx(1 / 21)
    assert near["severity"]["AP50"] == pytest.approx(96 / 101) and far["severity"]["AP50"] == pytest.approx(
        5 / 101
    )
    assert "severity" not in two_runways(None, True)


@pytest.mark.parametrize("points", [None, [], [[1, 2, 3]], [[5, 1], [2, 1]], [[1, 0]]])
def test_tables_that_cannot_be_used_give_no_weights(points: Any) -> None:
    assert severity_table({"info": {"odd": {"severity": {"by": "along_track_m", "points": points}}}}) is None
    assert severity_table({"info": "x"}) is None


def test_runways_without_a_distance_give_none() -> None:
    images = [{"id": 1, "file_name": "1.jpg", "width": 99, "height": 99}]
    note = {**runway_note(1, [1.0, 1.0, 9.0, 9.0], True, 900.0), "id": 1}
    info = {"odd": {"severity": {"by": "along_track_m", "points": [[0, 1]]}}}
    truth = {"info": info, "images": images, "annotations": [note], "categories": [{"id": 1}]}
    assert severity_scores(Evaluation(truth, []), None) is None


def test_the_spec_states_the_table(tmp_path: Path) -> None:
    spec = load_spec(SPEC)
    assert spec.severity is not None and spec.severity.points[0] == (300, 20)
    (tmp_path / "o.yaml").write_text(openodd_text(spec))
    assert load_spec(tmp_path / "o.yaml").severity == spec.severity
    text = SPEC.read_text()
    for good, bad, message in (
        ("[300, 20], [1000, 6]", "[300, 20], [300, 6]", "increasing"),
        ("[300, 20]", "[300, 0]", "positive"),
        ("by: along_track_m", "by: slant_m", "along_track_m"),
    ):
        (tmp_path / "s.yaml").write_text(text.replace(good, bad))
        with pytest.raises(SpecError, match=message):
            load_spec(tmp_path / "s.yaml")
