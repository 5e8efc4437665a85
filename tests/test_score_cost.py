"""Operating cost is measured when asked, and never mixed with what entries state."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from detect_support import write_random_model, write_toy

from lard.cli import main
from lard.detect.config import PredictSpec
from lard.detect.cost import measure_cost
from lard.errors import DataError
from lard.report import read_entries, write_leaderboard
from lard.report.scorefile import read_cost


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("cost") / "data", test=20)


def test_cost_of_a_checkpoint(toy: Path, tmp_path: Path) -> None:
    model, out = write_random_model(tmp_path / "m.pt"), tmp_path / "m.cost.json"
    shown = CliRunner().invoke(
        main, ["leaderboard", "cost", str(model), "--data", str(toy), "--pictures", "20", "--out", str(out)]
    )
    assert shown.exit_code == 0, shown.output
    found = json.loads(out.read_text())
    assert 0 < found["latency_ms_median"] <= found["latency_ms_p99"] and found["pictures"] == 20
    assert found["peak_memory_mib"] > 50 and found["picture_px"] == [160, 160] and found["gmac"] > 0
    assert "cores" in found["machine"] and found["threads"] == 1
    with pytest.raises(DataError, match="20 at least"):
        measure_cost(model, toy, PredictSpec(), 5)


def test_the_page_keeps_measured_and_stated_apart(tmp_path: Path) -> None:
    measured = {
        "machine": "a machine, 2 cores", "threads": 1, "pictures": 20, "latency_ms_median": 31.25,
        "latency_ms_p99": 47.5, "peak_memory_mib": 512.0, "gmac": 10.5,
    }  # fmt: skip
    metrics = {"AP": 0.5, "AP50": 0.7, "AP75": 0.5, "AR100": 0.6}
    for model, told in (("ours", {}), ("theirs", {"latency_ms": 7.125, "hardware": "a fast one"})):
        (tmp_path / f"{model}.score.json").write_text(
            json.dumps({"model": model, "overall": metrics, **told})
        )
    (tmp_path / "ours.cost.json").write_text(json.dumps(measured))
    write_leaderboard(read_entries(sorted(tmp_path.glob("*.score.json"))), tmp_path)
    page = (tmp_path / "leaderboard.html").read_text()
    for text in (
        "Operating cost",
        "a machine, 2 cores, 1 thread",
        "31.25",
        "47.5",
        "not measured",
        "a fast one",
    ):
        assert text in page, text
    rows = {row["model"]: row for row in csv.DictReader((tmp_path / "leaderboard.csv").open())}
    assert rows["ours"]["measured_latency_ms_median"] == "31.250000" and rows["ours"]["latency_ms"] == ""
    assert rows["theirs"]["measured_latency_ms_median"] == "" and rows["theirs"]["latency_ms"] == "7.125"
    (tmp_path / "ours.cost.json").write_text(json.dumps(measured | {"latency_ms_p99": "fast"}))
    with pytest.raises(DataError, match=r"ours\.cost\.json: latency_ms_p99"):
        read_cost(tmp_path / "ours.score.json")
