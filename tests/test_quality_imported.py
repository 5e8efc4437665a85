"""Sets of others, imported: what their layouts cannot state is neither a fault nor evidence, and said."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from PIL import Image
from quality_support import write_clean

from lard.airports import load_shipped
from lard.cli import main
from lard.labels.checks import UNSTATED
from lard.quality import load_dataset, run_checks
from lard.quality.land import REMEDY
from lard.quality.model import FAIL, INCONCLUSIVE, NOT_APPLICABLE, PASS
from lard.quality.runner import Result


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn dataset, and what is exported of it."""
    root = tmp_path_factory.mktemp("own")
    write_clean(root / "drawn", n=12)
    for kind in ("coco", "yolo", "cvat"):
        _run("export", kind, root / "drawn", "--out", root / kind)
    for version in ("v1", "v2"):
        _run("export", "lard", root / "drawn", "--version", version, "--out", root / version)
    (root / "coco/images").symlink_to(root / "drawn/images")
    return root


def _run(*arguments: object) -> None:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output


def _imported(own: Path, kind: str, out: Path) -> Path:
    if kind.startswith("lard-"):
        _run("import", kind, own / kind.removeprefix("lard-"), "--split", "test", "--out", out)
    elif kind == "annotated":
        _run("annotated", own / "v1/dataset.csv", "--out", out)
    elif kind == "voc":
        source = out.parent / "voc"
        (source / "Annotations").mkdir(parents=True)
        Image.new("RGB", (64, 48), (90, 120, 80)).save(source / "one.jpg")
        box = "<xmin>5</xmin><ymin>6</ymin><xmax>30</xmax><ymax>20</ymax>"
        (source / "Annotations/one.xml").write_text(
            f"<annotation><filename>one.jpg</filename><object><name>runway</name><bndbox>{box}</bndbox>"
            "</object></annotation>"
        )
        _run("import", kind, source, "--split", "test", "--out", out)
    else:
        _run("import", kind, own / kind, "--out", out)
    return out


def _judged(folder: Path, *only: str) -> dict[str, Result]:
    data = load_dataset(folder)
    data.database = load_shipped()
    return {r.id.removeprefix("DQR-"): r for r in run_checks(data, only or ("T02",)).results}


def _amend(folder: Path, change: dict[str, object]) -> None:
    info = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(info | change))


WORDS = {
    "coco": "no position, no attitude, no approach",
    "yolo": "no airport, no runway, no position",
    "cvat": "no position, no attitude",
    "voc": "of 1 frames it states no airport",
    "lard-v1": "no position, no yaw from the runway, no focal length",
    "lard-v2": "of 12 frames it states no yaw from the runway, no visibility, no time",
    "annotated": "no position, no attitude",
}


@pytest.mark.parametrize("kind", list(WORDS))
def test_what_a_layout_cannot_state_is_said_and_no_fault(own: Path, tmp_path: Path, kind: str) -> None:
    folder = _imported(own, kind, tmp_path / "set")
    found = _judged(folder, "T02", "T03", "A05", "A07", "S01")
    assert {name: r.status for name, r in found.items() if r.status == FAIL} == {}
    assert found["T02"].status == PASS and "imported, not checked: " in found["T02"].outcome.message
    assert WORDS[kind] in found["T02"].outcome.message
    if kind != "lard-v2":  # whose camera is known
        assert found["A07"].status == INCONCLUSIVE and "state the camera" in found["A07"].outcome.remedy
    if kind == "yolo":  # pictures of unknown airports are not those of one airport
        assert found["S01"].status == NOT_APPLICABLE and found["A05"].status == NOT_APPLICABLE


def test_a_coco_set_tells_which_runway_a_picture_approaches(own: Path, tmp_path: Path) -> None:
    folder = _imported(own, "coco", tmp_path / "set")
    keys = ["frame_id", "runway"]
    before = pl.read_parquet(own / "drawn/labels.parquet").filter(pl.col("visible_fraction") > 0)
    after = pl.read_parquet(folder / "labels.parquet").select(*keys, "is_target")
    both = before.select(*keys, "is_target").join(after, on=keys, suffix="_back", validate="1:1")
    assert len(both) == len(before) and (both["is_target"] == both["is_target_back"]).all()
    assert not both["is_target"].all()


FIRST = pl.col("frame_id") == pl.col("frame_id").min()


@pytest.mark.parametrize(
    ("column", "lost", "told"),
    [
        (
            "time_utc",
            pl.lit(None, pl.String),
            "12 frames do not state it, 5 did not when the set was imported: 7 lost it",
        ),
        ("altitude_datum", pl.lit("unknown"), "frames.altitude_datum is empty or not finite"),
        ("lat_deg", pl.when(~FIRST).then("lat_deg"), "frames.lat_deg is empty or not finite"),
        ("lat_deg", pl.lit(float("nan")), "is nan, expected -90 to 90"),
    ],
)
def test_what_an_import_knew_and_lost_is_a_fault(
    own: Path, tmp_path: Path, column: str, lost: pl.Expr, told: str
) -> None:
    folder = _imported(own, "lard-v2", tmp_path / "set")
    frames = pl.read_parquet(folder / "frames.parquet").with_columns(lost.alias(column))
    frames.write_parquet(folder / "frames.parquet")
    if column == "time_utc":
        _amend(folder, {UNSTATED: {column: 5, "visibility_m": 12, "yaw_offset_deg": 12, "zone": 12}})
    found = _judged(folder)["T02"]
    assert found.status == FAIL
    assert any(told in offence.message for offence in found.outcome.offences)


def test_labels_that_contradict_themselves_still_fail(own: Path, tmp_path: Path) -> None:
    folder = _imported(own, "coco", tmp_path / "set")
    labels = pl.read_parquet(folder / "labels.parquet")
    labels.vstack(labels[:1]).write_parquet(folder / "labels.parquet")
    found = _judged(folder)["T02"]
    assert found.status == FAIL and found.outcome.offences[0].message == "runway labelled twice in a frame"


def test_a_drawn_set_cannot_call_itself_imported(own: Path, tmp_path: Path) -> None:
    write_clean(tmp_path, n=4, pictures=False)
    frames = pl.read_parquet(tmp_path / "frames.parquet")
    frames.with_columns(lat_deg=pl.lit(None, pl.Float64)).write_parquet(tmp_path / "frames.parquet")
    _amend(tmp_path, {UNSTATED: {"lat_deg": 4}})
    found = _judged(tmp_path)["T02"]
    assert found.status == FAIL
    assert (
        sum(offence.message == "frames.lat_deg is empty or not finite" for offence in found.outcome.offences)
        == 4
    )
    _amend(tmp_path, {UNSTATED: "much"})
    subjects = {offence.subject for offence in _judged(tmp_path)["T02"].outcome.offences}
    assert f"dataset.json:{UNSTATED}" in subjects


def test_labels_without_terrain_over_hills_are_undecided(tmp_path: Path) -> None:
    write_clean(tmp_path, n=6)
    assert _judged(tmp_path)["T02"].status == PASS
    manifest, path = pl.read_parquet(tmp_path / "manifest.parquet"), tmp_path / "manifest.parquet"
    land = "shipped (relief 1, ETOPO5)"
    manifest.with_columns(source_version=pl.lit(f"renderer 1; painted; terrain {land}")).write_parquet(path)
    found = _judged(tmp_path)["T02"]
    assert found.status == INCONCLUSIVE and found.outcome.remedy == REMEDY
    assert f"6 pictures on the terrain {land}, the labels name no terrain" in found.outcome.message
    _amend(tmp_path, {"terrain": [{"name": land}]})
    assert _judged(tmp_path)["T02"].status == PASS
    manifest.with_columns(source_version=pl.lit("camera 7")).write_parquet(path)
    found = _judged(tmp_path)["T02"]
    assert found.status == PASS and "on what land 6 pictures that name none" in found.outcome.message


def test_labels_made_anew_with_terrain_keep_what_the_import_did_not_know(own: Path, tmp_path: Path) -> None:
    folder = _imported(own, "lard-v2", tmp_path / "set")
    assumed = ("visibility_m=20000", "local_time_h=12", "day_of_year=180")
    options = [word for value in assumed for word in ("--assume", value)]
    _run("label", folder, "--terrain", "shipped", *options)
    assert json.loads((folder / "dataset.json").read_text())[UNSTATED]["time_utc"] == 12
    found = _judged(folder, "T02", "A03")
    assert {r.status for r in found.values()} == {PASS}
    message = found["T02"].outcome.message
    assert "of 12 frames it states no yaw from the runway, no visibility, no time" in message
    assert "not checked: on what land 12 pictures that name none were taken" in message


def test_where_nothing_is_stated_nothing_is_said_to_hold(own: Path, tmp_path: Path) -> None:
    """Pictures and boxes alone: no set to compare, no time or place to contradict, no pose to occur twice."""
    found = _judged(_imported(own, "voc", tmp_path / "set"), "S03", "A08", "U01", "T01")
    assert found["S03"].status == NOT_APPLICABLE and "nothing to compare" in found["S03"].outcome.message
    assert found["A08"].status == NOT_APPLICABLE
    assert found["U01"].status == PASS and "no poses to compare" in found["U01"].outcome.message
    assert found["T01"].status == FAIL and "1 times: manifest lacks licence" in found["T01"].outcome.message
