"""Every requirement finds the defects it claims to find, and has no finding on clean data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
import quality_defects_files  # noqa: F401  (importing registers its defects)
import quality_defects_foreign  # noqa: F401
import quality_defects_labels  # noqa: F401
import quality_defects_meaning  # noqa: F401
import quality_defects_sets  # noqa: F401
import quality_picture_defects  # noqa: F401
from quality_defects import DEFECTS, Defect, planted
from quality_support import opened, weather_odd, write_clean, write_close_ups, write_places, write_weather

from lard.quality import Dataset, all_checks, run_checks
from lard.quality.model import FAIL

DOCS = Path(__file__).parents[1] / "docs" / "dqr.md"
# requirements that ask for the whole ODD, which a few close-ups cannot give
WHOLE_ODD = {
    "DQR-C01",
    "DQR-C02",
    "DQR-C04",
    "DQR-R01",
    "DQR-R03",
    "DQR-R06",
    "DQR-S03",
    "DQR-S04",
    "DQR-I02",
    "DQR-N01",
}
# what a dataset without pictures and manifest lacks
UNTRACED = {"DQR-T01", "DQR-T02"}
Bases = Callable[[Defect], Dataset]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("clean")
    write_clean(root)
    return opened(root)


@pytest.fixture(scope="module")
def close_ups(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("close")
    write_close_ups(root)
    return opened(root)


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("ruled")
    write_weather(root)
    data = opened(root)
    data.odd = weather_odd()
    return data


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("few")
    write_clean(root, n=120)
    return opened(root)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("places")
    write_places(root)
    return opened(root)


@pytest.fixture(scope="module")
def bases(clean: Dataset, close_ups: Dataset, ruled: Dataset, few: Dataset, places: Dataset) -> Bases:
    def base(item: Defect) -> Dataset:
        special = ((item.close, close_ups), (item.ruled, ruled), (item.few, few), (item.places, places))
        return next((data for wanted, data in special if wanted), clean)

    return base


def test_clean_data_have_no_finding(clean: Dataset) -> None:
    run = run_checks(clean)
    assert {r.id: r.outcome.offences[:3] for r in run.results if r.status == FAIL} == {}


def test_clean_close_ups_have_no_finding(close_ups: Dataset) -> None:
    run = run_checks(close_ups)
    failed = {r.id: r.outcome.message for r in run.results if r.status == FAIL}
    assert set(failed) <= WHOLE_ODD, failed
    applied = {r.id for r in run.results if r.outcome.passed}
    assert {"DQR-A02", "DQR-I05", "DQR-A04"} <= applied


def test_clean_pictures_of_one_ground_have_no_finding(places: Dataset) -> None:
    run = run_checks(places, ["DQR-A02", "DQR-I04", "DQR-I05"])
    assert {r.id: r.outcome.offences[:3] for r in run.results if r.status == FAIL} == {}
    compared = next(r for r in run.results if r.id == "DQR-A02").outcome.message
    assert "pictures compared with others of their 3 airports" in compared


def test_clean_data_of_a_spec_with_rules_have_no_finding(ruled: Dataset) -> None:
    run = run_checks(ruled)
    assert {
        r.id: r.outcome.offences[:3] for r in run.results if r.status == FAIL and r.id not in UNTRACED
    } == {}
    coverage = next(r for r in run.results if r.id == "DQR-C01").outcome.evidence["coverage"]
    # the rule leaves at most 15 degrees of bank near the ground; a zone's range alone would have holes there
    assert min(coverage["short_final/roll_deg"]["allowed"]) == 0.0
    assert min(coverage["long_final/pitch_deg"]["allowed"]) > 0.9  # a share of points


def test_every_requirement_has_a_defect() -> None:
    assert {item.owner for item in DEFECTS} == {item.id for item in all_checks()}


@pytest.mark.parametrize("item", DEFECTS, ids=lambda item: f"{item.owner}-{item.name.replace(' ', '_')}")
def test_owner_finds_its_defect(item: Defect, bases: Bases, tmp_path: Path) -> None:
    data = planted(item, tmp_path / "d", bases(item))
    only = [item.owner, "DQR-C01"] if item.waivers else [item.owner]
    run = run_checks(data, only, item.waivers)
    result = next(r for r in run.results if r.id == item.owner)
    assert result.status == FAIL, result.outcome.message
    assert result.outcome.offences
    assert "could not be evaluated" not in result.outcome.message


def matrix_text(bases: Bases, folder: Path) -> tuple[str, str]:
    """The matrix of defects and the requirements that find them, as two tables for the docs.

    Those of which only the owner is asked are planted in the test above, and only listed here.
    """
    rows = defaultdict(list)
    for k, item in enumerate(DEFECTS):
        if item.alone:
            rows["alone"].append(f"| {item.name} | {item.owner.removeprefix('DQR-')} |")
            continue
        data = planted(item, folder / str(k), bases(item))
        # fitting edges in pictures takes long and is left to the defects of pictures
        skipped = set() if item.close else {"DQR-A02", "DQR-I05"} - {item.owner}
        # so does comparing all pictures with all
        skipped |= set() if item.owner.startswith(("DQR-I", "DQR-U")) else {"DQR-U01"}
        asked = [c.id for c in all_checks() if c.id not in skipped]
        run = run_checks(data, asked, item.waivers)
        ignored = WHOLE_ODD if item.close or item.few else UNTRACED if item.ruled else set()
        found = [r.id for r in run.results if r.status == FAIL and r.id not in ignored]
        assert item.owner in found, item
        crashed = [r for r in run.results if "could not be evaluated" in r.outcome.message]
        assert not crashed, (item, crashed)
        others = ", ".join(id.removeprefix("DQR-") for id in found if id != item.owner)
        print(item.name, found, flush=True)
        rows[item.owner].append(f"| {item.name} | {item.owner.removeprefix('DQR-')} | {others or '–'} |")
    lines = ["| defect | found by its owner | also found by |", "|---|---|---|"]
    lines += [row for owner in rows if owner != "alone" for row in rows[owner]]
    # by owner and name: which module registers first depends on what else imports it
    by_owner = sorted(rows["alone"], key=lambda row: row.split("|")[:0:-1])
    alone = ["| defect of which only the owner was asked | found by its owner |", "|---|---|", *by_owner]
    return "\n".join(lines), "\n".join(alone)


@pytest.mark.e2e
def test_matrix_is_the_one_of_the_docs(bases: Bases, tmp_path: Path) -> None:
    for text in matrix_text(bases, tmp_path):
        print(f"\n{text}")
        assert text in DOCS.read_text(encoding="utf-8"), "paste the printed matrix into docs/dqr.md"
