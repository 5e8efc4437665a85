"""Both reports: complete, offline, the same bytes each time, and honest about what they lack."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from quality_support import opened, write_clean

from lard.errors import DataError
from lard.quality import Dataset, all_checks, load_dataset, run_checks
from lard.report import Board, Entry, Evidence, compliance_html, read_entries, write_leaderboard
from lard.report.failures import judge
from lard.report.leaderboard import leaderboard_csv, leaderboard_html
from lard.report.page import figures_text
from lard.report.training import training_svg
from lard.score.evaluation import Evaluation
from lard.score.points import measured_at


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("report")
    write_clean(root, n=60)
    return opened(root)


class Page(HTMLParser):
    """Collects ids, links and unclosed elements."""

    VOID = ("meta", "img", "br", "link", "input", "hr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [values["id"] or ""] if "id" in values else []
        self.links += [str(values[k]) for k in ("href", "src", "xlink:href") if k in values]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag


def check_page(text: str) -> Page:
    page = Page(text)
    assert not page.open
    assert len(page.ids) == len(set(page.ids)), "an id is used twice"
    for link in page.links:
        assert link.startswith(("#", "data:image/jpeg;base64,")), f"the page refers to {link[:60]}"
        assert not link.startswith("#") or link[1:] in page.ids, f"{link} leads nowhere"
    without_names = re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    assert "http://" not in without_names
    assert "https://" not in without_names
    return page


def test_compliance_report(data: Dataset) -> None:
    text = compliance_html(run_checks(data))
    page = check_page(text)
    assert {item.id for item in all_checks()} <= set(page.ids)
    assert str(data.root) not in text
    for part in (
        "Traceability",
        "Coverage of the ODD",
        "Sample size",
        "SHA-256",
        "roll_deg",
        "NOT COMPLIANT",
    ):
        assert part in text
    assert compliance_html(run_checks(opened(data.root))) == text


@pytest.mark.parametrize("side", [[20.0], [20.0, 20.0], [20.0, float("nan")], [float("inf"), 9.0]])
def test_boxes_of_one_size_or_none_have_a_page(side: list[float], tmp_path: Path) -> None:
    images = [{"id": k, "file_name": f"{k}.jpg", "width": 640, "height": 480} for k in range(len(side))]
    notes = [{"id": k, "image_id": k, "category_id": 1, "bbox": [9, 9, 20, 20]} for k in range(len(side))]
    document = {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "runway"}]}
    (tmp_path / "train.json").write_text(json.dumps(document))
    data = load_dataset(tmp_path / "train.json")
    assert data.labels is not None
    data.labels = data.labels.with_columns(x_max_px=9.0 + pl.Series(side))
    check_page(compliance_html(run_checks(data)))


@pytest.mark.parametrize("polygon", [[1.0, None, 3.0, 4.0, 5.0, 6.0], [1.0, 2.0, 3.0, 4.0, 5.0], [], None])
def test_outlines_with_holes_have_a_page(data: Dataset, polygon: list[float | None] | None) -> None:
    fresh = opened(data.root)
    assert fresh.labels is not None
    odd = pl.Series([polygon] * len(fresh.labels), dtype=pl.List(pl.Float64))
    fresh.labels = fresh.labels.with_columns(polygon=odd)
    check_page(compliance_html(run_checks(fresh, ["I03", "A01", "C08"])))


def test_report_escapes_what_data_say(data: Dataset) -> None:
    fresh = opened(data.root)
    fresh.name = "<script>alert(1)</script>"
    text = compliance_html(run_checks(fresh, ["C04"]))
    assert "<script>alert" not in text
    check_page(text)


def test_report_without_spec_pictures_and_labels(tmp_path: Path) -> None:
    write_clean(tmp_path, n=20, pictures=False)
    (tmp_path / "labels.parquet").unlink()
    bare = opened(tmp_path)
    bare.odd = bare.database = None
    check_page(compliance_html(run_checks(bare)))


def score_of(model: str, ap: float, **more: object) -> dict[str, object]:
    zones = {z: {"AP": ap - k / 10, "AP50": ap, "boxes": 3} for k, z in enumerate(("close", "far", "medium"))}
    return {
        "model": model,
        "overall": {"AP": ap, "AP50": ap + 0.1, "AP75": ap, "AR100": None, "images": 2},
        "slices": {"zone": zones, "airport": {"EGLL": {"AP": ap, "AP50": ap}}},
        **more,
    }


def written(folder: Path, *scores: dict[str, object]) -> list[Path]:
    paths = []
    for k, score in enumerate(scores):
        path = folder / f"m{k}.score.json"
        path.write_text(json.dumps(score))
        paths.append(path)
    return paths


def evidence(root: Path) -> Evidence:
    images = [{"id": k, "file_name": f"images/{k}.jpg", "width": 100, "height": 100} for k in (1, 2)]
    notes = [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 30, 30], "area": 900, "iscrowd": 0},
        {"id": 2, "image_id": 2, "category_id": 1, "bbox": [50, 50, 20, 20], "area": 400, "iscrowd": 1},
    ]
    truth = {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "runway"}]}
    rows = [
        {"image_id": 1, "category_id": 1, "bbox": [11.0, 10.0, 30.0, 30.0], "score": 0.9},
        {"image_id": 2, "category_id": 1, "bbox": [5.0, 5.0, 10.0, 10.0], "score": 0.8},
    ]
    return Evidence(truth, {"good": rows, "poor": []}, root)


def test_leaderboard(tmp_path: Path) -> None:
    point = {
        "rule": "stated",
        "chosen_on": "stated",
        "score": 0.5,
        "precision": 1.0,
        "recall": 1.0,
        "f1": 1.0,
    }
    poor = score_of("poor", 0.2, operating_point=point | {"false_alarms_per_image": 0.0})
    good = score_of("good", 0.6, params=12345, lipschitz_constant=1.000002)
    shown = evidence(tmp_path)
    for score in (good, poor):  # the page holds them against the detections
        metrics = Evaluation(shown.truth, shown.results[str(score["model"])]).metrics()
        score["overall"] = {"images": 2, **{key: metrics[key] for key in ("AP", "AP50", "AP75", "AR100")}}
    paths = written(tmp_path, poor, good)
    entries = read_entries(paths)
    assert [entry.model for entry in entries] == ["good", "poor"]
    rows = list(csv.reader(io.StringIO(leaderboard_csv([Board(entries)]))))
    assert rows[0][:8] == ["model", "AP", "AP50", "AP75", "AR100", "AP50_far", "AP50_medium", "AP50_close"]
    assert rows[1][:5] == ["good", "0.900000", "1.000000", "1.000000", "0.900000"]
    text = leaderboard_html([Board(entries, shown)])
    check_page(text)
    assert "12345" in text
    assert "1.000002" in text, "L has the digits that tell it from 1"
    assert "no model has seen" not in text and "nothing is claimed" in text
    assert "1 missed" in text
    write_leaderboard(entries, tmp_path / "a", evidence(tmp_path))
    write_leaderboard(entries, tmp_path / "b", evidence(tmp_path))
    for name in ("leaderboard.html", "leaderboard.csv", "leaderboard.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("score", [{}, {"model": "m"}, {"overall": {"AP50": 1}}, [1]])
def test_files_that_are_no_scores(tmp_path: Path, score: object) -> None:
    path = tmp_path / "m.score.json"
    path.write_text(json.dumps(score))
    with pytest.raises(DataError, match=r"m\.score\.json"):
        read_entries([path])


def test_two_scores_of_a_model_and_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two score files"):
        read_entries(written(tmp_path, score_of("m", 0.5), score_of("m", 0.4)))
    with pytest.raises(DataError, match="no score files"):
        write_leaderboard([], tmp_path)


def test_failures_are_counted_as_scores_are() -> None:
    """Missed runways and false alarms of the page are those of the operating point, for any threshold."""
    known = evidence(Path())
    rows = [
        *known.results["good"],
        {"image_id": 2, "category_id": 1, "bbox": [52.0, 52.0, 10.0, 10.0], "score": 0.9},
        {"image_id": 1, "category_id": 1, "bbox": [10.0, 11.0, 30.0, 30.0], "score": 0.6},
    ]
    judged = Evaluation(known.truth, rows)
    for point, alarms in ((0.5, 2), (0.7, 1), (0.95, 0)):
        missed, wrong = judge(judged, point)
        at = measured_at(judged, point)
        assert len(wrong) == at["false_alarms"] == alarms, "what lies in an ignorable runway is no alarm"
        assert len(missed) == at["required"] - at["found"] == (point == 0.95)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (3.0, "3"), (0.12346, "0.1235"), (1e-9, "1e-09"), ("x", "x"), (True, "True")],
)
def test_numbers_are_readable(value: object, text: str) -> None:
    assert figures_text(value) == text


def test_names_of_the_table_are_those_of_the_docs(tmp_path: Path) -> None:
    """Every fixed column stands in docs/leaderboard.md: names stay."""
    text = (Path(__file__).parent.parent / "docs/leaderboard.md").read_text()
    rows = list(csv.reader(io.StringIO(leaderboard_csv([Board([Entry("x", {"AP": 0.5}, {})])]))))
    assert [name for name in rows[0] if f"`{name}`" not in text] == []


def test_a_log_of_another_kind_is_named(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("step,objectness,box,centre\n0,1,1,1\n")
    with pytest.raises(DataError, match=r"log\.csv: no column val_ap50, val_ap; train the model again"):
        training_svg(log, "x")
    log.write_text("step,objectness,box,centre,val_ap50,val_ap\n0,1,1,1,,\n9,0.5,0.4,0.3,0.8,0.4\n")
    page = leaderboard_html([Board([Entry("x", {"AP": 0.5}, {})], logs={"x": log})])
    assert "Training</h2>" in page and 'aria-label="Training of x' in page
