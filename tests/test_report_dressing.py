"""Pages for paper and narrow windows: cells know their headings, terms are explained and listed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from test_report_pages import check_page

from lard.quality import all_checks
from lard.report.dressing import GLOSSARY, dressed
from lard.report.entries import Board, Entry
from lard.report.glossary import SYMBOLS, TERMS, THRESHOLDS, explained
from lard.report.leaderboard import leaderboard_html
from lard.report.leaderboard_plots import (
    airports_svg,
    curves_svg,
    distances_svg,
    dots_svg,
    recall_over_airports,
)
from lard.report.training import training_svg
from lard.score.inference import jackknife_interval

TABLE = "<table><tr><th>model</th><th>AP50 <br>far</th></tr><tr><td>m</td><td>0.5</td></tr></table>"


def test_every_threshold_of_the_catalogue_has_a_meaning() -> None:
    used = {name for check in all_checks() for name in check.thresholds}
    assert used - set(THRESHOLDS) == set()
    assert set(THRESHOLDS) - used == set(), "explained, but no requirement has it"


def test_cells_name_their_columns_and_spanning_cells_none() -> None:
    page = dressed(TABLE)
    assert '<td data-head="model">m</td>' in page
    assert 'data-head="AP50 far"' in page, "no tag of the heading comes into the attribute"
    assert page.startswith('<table class="stack">')
    spanning = "<table><tr><th>a</th><th>b</th></tr><tr><td colspan='2'>none</td></tr></table>"
    assert "data-head" not in dressed(spanning)
    headless = "<table><tr><th>name</th><td>x</td></tr></table>"
    assert dressed(headless) == headless


def test_hostile_headings_stay_text() -> None:
    page = dressed(
        "<table><tr><th>&quot;&gt;&lt;b&gt;</th><th>x</th></tr><tr><td>1</td><td>2</td></tr></table>"
    )
    assert 'data-head="&quot;&gt;&lt;b&gt;"' in page


@pytest.mark.parametrize(("columns", "wide"), [(5, False), (40, True)])
def test_tables_too_wide_for_paper_are_told(columns: int, wide: bool) -> None:
    head = "".join(f"<th>LF{k:02d}</th>" for k in range(columns))
    row = "".join("<td class='number'>0.123</td>" for _ in range(columns))
    page = dressed(f"<table class='x'><tr>{head}</tr><tr>{row}</tr></table>".replace("'", '"'))
    assert ("wide" in page[: page.index(">")]) is wide
    assert page[: page.index(">")].count("class=") == 1


def test_terms_are_explained_where_they_first_stand_and_only_as_words() -> None:
    page = dressed(f"<p>AP and AP, AP50; MAP, AP-x, IN_ODD</p><p>AP</p>{GLOSSARY}")
    assert page.count('">AP</abbr>') == 2, "once in each block"
    assert 'class="glossary"' in page
    listed = re.findall(r"<tr><td>(.*?)</td>", page)
    assert listed == ["AP", "AP50", "IN_ODD"], "what is used, no more, in order"
    assert f'<abbr title="{TERMS["AP50"]}">AP50</abbr>' in page


def test_scripts_styles_and_attributes_stay_while_figures_are_accounted_for() -> None:
    untouched = "<script>if (AP < IoU) {}</script><style>.ODD { }</style><svg><text>recall</text></svg>"
    page = dressed(f'{untouched}<p title="ECE">x</p>{GLOSSARY}')
    assert page.startswith(untouched) and '<p title="ECE">' in page
    assert re.findall(r"<tr><td>(.*?)</td>", page) == ["recall"]


def test_symbols_and_terms_do_not_meet() -> None:
    assert not set(TERMS) & set(SYMBOLS)
    assert explained(["p", "AP"]) == [("AP", TERMS["AP"]), ("p", SYMBOLS["p"])]


def table_of(counts: list[tuple[int, int]]) -> dict[str, dict[str, dict[str, int]]]:
    return {f"A{k}": {"0-1 km": {"found": f, "runways": n}} for k, (f, n) in enumerate(counts)}


def test_recall_by_distance_and_its_band_by_hand() -> None:
    counts = [(3, 4), (4, 4), (1, 5), (2, 2), (0, 3), (5, 6)]
    share, band = recall_over_airports(table_of(counts), "0-1 km")
    found, runways = 15, 24
    assert share == found / runways
    without = np.array([(found - f) / (runways - n) for f, n in counts])
    assert band == jackknife_interval(found / runways, without)
    assert band is not None and band[0] < found / runways < band[1]
    assert recall_over_airports(table_of(counts[:5]), "0-1 km")[1] is None, "five airports have no interval"
    assert recall_over_airports(table_of(counts), "1-2 km") == (None, None)


def test_nothing_to_draw_draws_nothing() -> None:
    assert curves_svg({}, {}) == airports_svg({"m": {"LFPO": {"AP50": None}}}, {"m": {}}) == ""
    assert dots_svg([("m", [None])], ["far"]) == dots_svg([], []) == ""
    assert distances_svg({"m": {"found_by_airport": table_of([(1, 2)])}}) == "", "one distance is no curve"


def test_a_training_without_validation_has_one_panel(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("step,objectness,box,centre,val_ap50,val_ap\n0,1,1,1,,\n9,0.5,0.4,0.3,,\n")
    assert "validation" not in training_svg(log, "x") and "loss" in training_svg(log, "x")


def test_the_page_has_its_glossary_and_headings(tmp_path: Path) -> None:
    details = {
        "found_by_airport": {
            f"A{k}": {n: {"found": k, "runways": 9} for n in ("0-1 km", "1-2 km")} for k in range(7)
        }
    }
    page = leaderboard_html([Board([Entry("m", {"AP": 0.5}, {}, {}, details)])])
    check_page(page)
    assert "Runways found over distance" in page
    glossary = page[page.index('id="glossary"') :]
    assert "<td>AP75</td>" in glossary.replace(' data-head="term"', "") and GLOSSARY not in page
