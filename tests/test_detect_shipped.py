"""Shipped detectors: half-precision weights that answer as before, cards that say what they are worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from detect_support import write_random_model

import lard.detect
from lard.detect.cards import Measured, appraised, card_of, shipped
from lard.detect.checkpoint import description_of, read_tensors, trained_airports, write_tensors
from lard.detect.config import PredictSpec, parse_params
from lard.detect.models import SCORE
from lard.detect.shipped import adopt, ship
from lard.errors import ModelError, SpecError
from lard.report.entries import Board, Entry
from lard.report.leaderboard import leaderboard_html, write_boards
from lard.tables import read_json, write_json


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped models with one random one, which learnt at two airports."""
    folder = tmp_path / "zoo"
    monkeypatch.setattr("lard.detect.cards.ZOO", folder)
    tensors, meta = read_tensors(write_random_model(tmp_path / "own.pt"))
    told = {"airports": {"train": ["KATL", "LFPO"], "validation": ["BIRK"]}, "train": {"steps": 7, "seed": 1}}
    write_tensors(tensors, {**meta, **told}, tmp_path / "own.pt")
    ship(tmp_path / "own.pt", "make it", folder)
    return folder


def test_half_precision_answers_as_the_checkpoint_does(zoo: Path, tmp_path: Path) -> None:
    assert (zoo / "random.pt").stat().st_size < 0.75 * (tmp_path / "own.pt").stat().st_size
    picture = np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    whole = lard.detect.load(tmp_path / "own.pt", score=0.0).detect(picture)
    halved = lard.detect.load("random", score=0.0).detect(picture)
    assert len(whole) == len(halved) > 0
    np.testing.assert_allclose(halved.scores, whole.scores, atol=2e-3)


def test_a_card_says_what_the_weights_learnt_from(zoo: Path) -> None:
    card = card_of("random")
    assert (card.trained_airports, card.validation_airports) == (("KATL", "LFPO"), ("BIRK",))
    assert card.training == {"train": {"steps": 7, "seed": 1}} and card.licence == "MIT"
    assert card.lipschitz_constant is None and not card.scores


def test_scores_on_the_same_pictures_are_replaced_and_others_kept(zoo: Path) -> None:
    first = Measured(on="a", pictures=2, AP=0.1, AP50=0.2)
    second = Measured(on="b", pictures=3, AP=0.2, AP50=0.3, recall=0.5, false_alarms_per_image=0.1)
    appraised("random", [first, second])
    better = first.model_copy(update={"AP": 0.4})
    appraised("random", [better])
    assert card_of("random").scores == (second, better)


def test_each_way_to_search_has_its_operating_point(zoo: Path) -> None:
    """A card's threshold is that of pictures searched alike; several scales fall back on the one of one."""
    usual = Measured(on="a", pictures=2, AP=0.1, AP50=0.2, score_threshold=0.6)
    scaled = usual.model_copy(update={"scales": (1.0, 2.0), "score_threshold": 0.5})
    relative = usual.model_copy(update={"relative": True, "score_threshold": 0.9})
    appraised("random", [scaled, relative])
    with pytest.raises(ModelError, match="this search, scales 1,2, relative scores; give a score"):
        lard.detect.load("random", plan=PredictSpec(scales=(1, 2), relative=True))
    assert lard.detect.load("random").plan.score_floor == SCORE, "none is stated for a single scale"
    with pytest.raises(ModelError, match="scales 1,2, blended; give a score"):
        lard.detect.load("random", plan=PredictSpec(scales=(1, 2), blend=True))
    appraised("random", [usual])
    assert len(card_of("random").scores) == 3, "the same pictures, searched in three ways"
    plans = {0.6: PredictSpec(), 0.5: PredictSpec(scales=(1, 2)), 0.9: PredictSpec(relative=True)}
    for threshold, plan in (*plans.items(), (0.6, PredictSpec(scales=(1, 3)))):
        assert lard.detect.load("random", plan=plan).plan.score_floor == threshold
    assert lard.detect.load("random", score=0.1, plan=plans[0.9]).plan.score_floor == 0.1
    assert "a, scales 1,2" in (page := leaderboard_html([])) and "a, relative scores" in page


def test_a_card_at_fault_names_the_field(zoo: Path) -> None:
    card = read_json(zoo / "random.json")
    write_json({**card, "scores": [{"on": "a", "pictures": 2, "AP": 1.5, "AP50": 0.2}]}, zoo / "random.json")
    with pytest.raises(ModelError, match=r"random\.json.*scores.*AP.*1\.5"):
        card_of("random")


def test_a_shipped_model_takes_part_under_another_name(zoo: Path, tmp_path: Path) -> None:
    adopt("random", "fcos-ready", tmp_path / "m" / "checkpoint.pt")
    assert lard.detect.load(tmp_path / "m" / "checkpoint.pt").name == "fcos-ready"
    assert trained_airports(description_of(tmp_path / "m" / "checkpoint.pt")) == ("KATL", "LFPO")
    with pytest.raises(ModelError, match="no shipped model 'fcos-xl'; there are: random"):
        adopt("fcos-xl", "x", tmp_path / "x.pt")


def test_parameters_tell_shipped_models_from_those_to_train() -> None:
    params = parse_params({"models": {"ready": {"shipped": "fcos-s"}, "own": {"base": "fcos-s"}}}, "p")
    assert set(params.models) == {"own"} and params.shipped_models["ready"].shipped == "fcos-s"
    with pytest.raises(SpecError, match=r"ready.*temperature"):
        parse_params({"models": {"ready": {"shipped": "fcos-s", "temperature": 4}}}, "p")


def test_the_leaderboard_shows_what_cards_state(zoo: Path) -> None:
    appraised("random", [Measured(on="cockpit video", pictures=77, AP=0.3125, AP50=0.625)])
    page = leaderboard_html([])
    assert "cockpit video" in page and "0.625" in page and "not computed here" in page
    assert "assurance" not in page, "no account, no link"


def test_the_leaderboard_leads_to_accounts_of_shipped_models(zoo: Path, tmp_path: Path) -> None:
    appraised("random", [Measured(on="cockpit video", pictures=77, AP=0.3125, AP50=0.625)])
    entries = [Entry("random", {"AP": 0.5}, {}), Entry("other", {"AP": 0.4}, {})]
    write_boards([Board(entries)], tmp_path, {"random": "assurance/random.html"})
    page = (tmp_path / "leaderboard.html").read_text()
    assert page.count('href="assurance/random.html"') == 2, "of its row, and of the shipped weights"
    assert 'href="assurance.html"' in page and "assurance/other.html" not in page


def test_every_shipped_model_loads_and_has_its_card() -> None:
    assert shipped() == ["fcos-m", "fcos-s", "lip-fcos-m", "lip-fcos-m-robust", "lip-fcos-s"]
    for name in shipped():
        model, card = lard.detect.load(name), card_of(name)
        assert model.name == card.name == name
        assert model.plan.score_floor == card.score_threshold, "found at the operating point of its card"
        assert card.trained_airports and card.scores, f"{name}: a card without airports or scores"
        assert not {*card.trained_airports} & {*card.validation_airports}
        assert (card.lipschitz_constant is None) == (card.family == "fcos"), name
        assert card.lipschitz_constant is None or card.lipschitz_constant < 1 + 1e-5
