"""Attack reports on the leaderboard: curves of its own models, faults named in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lard.errors import DataError
from lard.report.attacked import read_attack
from lard.report.entries import Board, Entry
from lard.report.leaderboard import leaderboard_html


def report(**models: list[float]) -> dict[str, Any]:
    def size(eps: float, recall: float) -> dict[str, Any]:
        shares = dict.fromkeys(("AP50", "AP", "recall", "reached", "silent"), recall)
        return {"eps": eps, **shares, "false_alarms_per_image": 0.1}

    goals = {
        name: {"vanish": {"curve": [size(0.5 * k, recall) for k, recall in enumerate(recalls)]}}
        for name, recalls in models.items()
    }
    return {
        "format": "lard-attack-1",
        "norm": "L2 norm",
        "split": "test",
        "pictures": 4,
        "settings": {"norm": "l2"},
        "models": {name: {"goals": goal} for name, goal in goals.items()},
    }


def written(tmp_path: Path, document: Any) -> Path:
    path = tmp_path / "attack.json"
    path.write_text(json.dumps(document))
    return path


def test_curves_of_models_of_the_board_are_shown(tmp_path: Path) -> None:
    path = written(tmp_path, report(mine=[0.9, 0.4], other=[0.8, 0.1]))
    found = read_attack(path, ["mine", "unattacked"])
    assert list(found["models"]) == ["mine"]
    page = leaderboard_html([Board([Entry("mine", {"AP": 0.5}, {})], attacks=[found])])
    assert 'id="attacks"' in page and "runways vanish" in page and ">other<" not in page
    assert 'id="attacks"' not in leaderboard_html([Board([Entry("mine", {"AP": 0.5}, {})])])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": "x"}, "format"),
        ({"models": {}}, "models"),
        ({"models": {"mine": {"goals": {"vanish": {"curve": []}}}}}, r"models\.mine\.goals\.vanish\.curve"),
        ({"models": report(other=[0.1])["models"]}, "none of which is on the board"),
        ({"pictures": -1}, "pictures"),
    ],
)
def test_faults_are_named_in_one_line(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError, match=told) as found:
        read_attack(written(tmp_path, report(mine=[0.9]) | change), ["mine"])
    assert "\n" not in str(found.value) and "attack.json" in str(found.value)
