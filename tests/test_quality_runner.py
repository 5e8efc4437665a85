"""Registry, thresholds, waivers, outputs and the command line."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from quality_support import SPEC, opened, write_clean

from lard.cli import main
from lard.errors import DataError, SpecError
from lard.ground.terrain.land import terrain_heights
from lard.quality import Dataset, all_checks, load_dataset, read_waivers, run_checks, verdict, write_outputs
from lard.quality.catalogue import find_check
from lard.quality.checks.accuracy import metadata_true
from lard.quality.measures.pictures import measure_all
from lard.quality.model import FAIL, INCONCLUSIVE, NOT_APPLICABLE, PASS, WAIVED, Outcome
from lard.quality.outputs import scope
from lard.quality.registry import OBJECTIVES
from lard.quality.settings import settings_of
from lard.tables import FINDINGS, read_table

SRTM = Path(__file__).parents[2] / "shared" / "data" / "dem" / "mcmillan_elevation.tif"

CATALOGUE = (
    *(f"C0{k}" for k in range(1, 10)), *(f"R0{k}" for k in range(1, 7)), *(f"A0{k}" for k in range(1, 9)),
    *(f"I0{k}" for k in range(1, 8)), "U01", "U02", *(f"S0{k}" for k in range(1, 5)), "T01", "T03", "N01",
)  # fmt: skip


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("tables")
    write_clean(root, n=300, pictures=False)
    return opened(root)


def test_catalogue_is_complete() -> None:
    ids = [item.id.removeprefix("DQR-") for item in all_checks()]
    assert set(CATALOGUE) <= set(ids)
    assert set(ids) - set(CATALOGUE) == {"T02", "W01"}
    for item in all_checks():
        assert item.title and item.rationale and item.function.__doc__
        assert item.objective in OBJECTIVES


def test_catalogue_of_the_docs() -> None:
    text = (Path(__file__).parents[1] / "docs" / "dqr.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.count("|") == 6}
    for item in all_checks():
        row = rows[item.id.removeprefix("DQR-")]
        assert f"| {item.title} | {item.severity} | {item.objective} |" in row
        stated = [part.split() for part in row.split("|")[5].split(",") if part.strip() != "–"]
        assert dict(stated) == {
            name: value if isinstance(value, str) else f"{value:g}" for name, value in item.thresholds.items()
        }


def test_what_is_left_out_of_a_verdict_is_said(clean: Dataset) -> None:
    assert scope(run_checks(clean)) == (
        "The verdict is partial: there are no pictures, so nothing is said about them."
    )
    assert "2 of 41" in scope(run_checks(clean, ["C01", "W01"]))
    bare = opened(clean.root)
    bare.odd = None
    assert "no ODD spec" in scope(run_checks(bare))


def test_thresholds_come_from_the_spec() -> None:
    found = settings_of(all_checks(), {"c01": {"min_per_bin": 3, "severity": "warning"}}, "x.yaml")
    severity, values = found["DQR-C01"]
    assert severity == "warning"
    assert values["min_per_bin"] == 3
    assert values["bins"] == 10


def test_faults_of_the_block_are_all_named() -> None:
    block = {"C99": {}, "C01": {"minimum": 3, "bins": "many", "severity": "fatal"}, "C02": 5}
    with pytest.raises(SpecError) as caught:
        settings_of(all_checks(), block, "x.yaml")
    text = str(caught.value)
    for part in ("dqr.C99", "dqr.C01.minimum", "dqr.C01.bins", "dqr.C01.severity", "dqr.C02"):
        assert part in text


def test_a_defect_nobody_foresaw_is_a_finding(clean: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    import lard.quality.checks.accuracy as module

    def explode(*_: object) -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(module, "_frame_metadata", explode)
    assert metadata_true is not None
    result = run_checks(clean, ["A03"]).results[0]
    assert result.status == FAIL
    assert "boom" in result.outcome.message


def waivers_file(path: Path, **changes: object) -> Path:
    entry = {
        "check": "N01",
        "subject": "*",
        "reason": "small on purpose",
        "author": "A. Tester",
        "expires": "2030-01-01",
    }
    lines = [f"    {key}: {value!r}" for key, value in (entry | changes).items() if value is not None]
    path.write_text("waivers:\n  -\n" + "\n".join(lines) + "\n")
    return path


def test_waivers(clean: Dataset, tmp_path: Path) -> None:
    given = read_waivers(waivers_file(tmp_path / "w.yaml"))
    clean.odd.dqr["N01"]["failure_rate"] = 0.001  # type: ignore[index,union-attr]
    run = run_checks(clean, ["N01", "W01"], given, date(2029, 1, 1))
    assert {r.id: r.status for r in run.results} == {"DQR-N01": WAIVED, "DQR-W01": PASS}
    assert "A. Tester" in run.results[0].waiver
    assert verdict(run) == "COMPLIANT WITH REMARKS"
    late = run_checks(clean, ["N01", "W01"], given, date(2031, 1, 1))
    assert {r.id: r.status for r in late.results} == {"DQR-N01": FAIL, "DQR-W01": FAIL}
    clean.odd.dqr["N01"]["failure_rate"] = 0.5  # type: ignore[index,union-attr]
    unused = run_checks(clean, ["N01", "W01"], given, date(2029, 1, 1))
    assert {r.id: r.status for r in unused.results} == {"DQR-N01": PASS, "DQR-W01": FAIL}


def test_a_waiver_of_some_subjects_leaves_the_others(clean: Dataset, tmp_path: Path) -> None:
    given = read_waivers(waivers_file(tmp_path / "w.yaml", check="C01", subject="far/*"))
    run = run_checks(clean, ["C01"], given, date(2029, 1, 1))  # 300 frames are too few for its bins
    subjects = {o.subject.split("/")[0] for o in run.results[0].outcome.offences}
    assert run.results[0].status in (FAIL, PASS, WAIVED)
    assert "far" not in subjects or run.results[0].status == WAIVED


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"reason": None}, "reason"),
        ({"author": ""}, "author"),
        ({"expires": "soon"}, "expires"),
        ({"check": "C99"}, "C99"),
        ({"until": "x"}, "until"),
        ({"subject": [1]}, "subject"),
    ],
)
def test_bad_waivers_are_refused(tmp_path: Path, changes: dict[str, object], fault: str) -> None:
    with pytest.raises(SpecError, match=fault):
        read_waivers(waivers_file(tmp_path / "w.yaml", **changes))


def test_a_waiver_may_expire_at_an_hour_of_its_day(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(
        "waivers:\n  - {check: N01, reason: a, author: b, expires: 2099-01-01T10:00:00}\n"
    )
    assert [waiver.expires for waiver in read_waivers(tmp_path / "w.yaml")] == [date(2099, 1, 1)]


@pytest.mark.parametrize("text", ["", "waivers: 5", "- x", "waivers: [", "waivers: [5]"])
def test_malformed_waivers(tmp_path: Path, text: str) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(text)
    with pytest.raises(SpecError, match=r"w\.yaml"):
        read_waivers(path)


def test_outputs_are_the_same_each_time(clean: Dataset, tmp_path: Path) -> None:
    run = run_checks(clean)
    write_outputs(run, tmp_path / "a", {})
    write_outputs(run_checks(opened(clean.root)), tmp_path / "b", {})
    for name in ("findings.parquet", "summary.json", "junit.xml"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    findings = read_table(tmp_path / "a" / "findings.parquet", FINDINGS)
    failed = {r.id for r in run.results if r.status == FAIL}
    assert set(findings["check_id"]) == failed | {r.id for r in run.undecided()}
    suite = ET.parse(tmp_path / "a" / "junit.xml").getroot()[0]
    assert len(suite) == len(all_checks())
    assert int(suite.attrib["failures"]) == len(failed)
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert {c["id"] for c in summary["checks"]} == {c.id for c in all_checks()}
    assert str(clean.root) not in json.dumps(summary)


def test_no_evidence_is_no_compliance(
    clean: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A requirement that applies but cannot be decided counts against the verdict, with its remedy."""
    from lard.quality import runner

    monkeypatch.setattr(
        runner, "_evaluate", lambda *_: Outcome(None, "too dark", remedy="add pictures by day")
    )
    run = run_checks(clean, ["A02", "N01"])
    assert [r.status for r in run.results] == [INCONCLUSIVE, INCONCLUSIVE]
    assert verdict(run) == "INCONCLUSIVE"
    assert not run.accepted()
    assert verdict(run_checks(clean, ["N01"])) == "INCONCLUSIVE"  # nothing else was judged
    write_outputs(run, tmp_path, {})
    suite = ET.parse(tmp_path / "junit.xml").getroot()[0]
    assert (suite.attrib["errors"], suite.attrib["failures"]) == ("2", "0")
    assert "add pictures by day" in read_table(tmp_path / "findings.parquet", FINDINGS)["message"][0]
    assert json.loads((tmp_path / "summary.json").read_text())["checks"][0]["remedy"] == "add pictures by day"
    given = read_waivers(waivers_file(tmp_path / "w.yaml"))
    assert run_checks(clean, ["N01"], given, date(2029, 1, 1)).results[0].status == WAIVED


def test_nothing_to_judge_is_not_compliant(clean: Dataset, tmp_path: Path) -> None:
    run = run_checks(clean, ["A06", "W01"])
    assert {r.status for r in run.results} == {NOT_APPLICABLE}
    assert verdict(run) == "INCONCLUSIVE"
    assert not run.accepted(("error",))
    bare = opened(clean.root)
    bare.labels = None
    assert {r.status for r in run_checks(bare, ["A01", "I01", "R05"]).results} == {INCONCLUSIVE}
    assert invoke("run", clean.root, "--only", "A06", "--out", tmp_path / "out")[0] == 1


def test_all_outputs_or_none(clean: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lard.report import compliance

    def explode(_: object) -> str:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(compliance, "compliance_html", explode)
    result = CliRunner().invoke(main, ["dqr", "run", str(clean.root), "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, ZeroDivisionError)
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    (tmp_path / "out" / "junit.xml").mkdir(parents=True)
    code, told = invoke("run", clean.root, "--out", tmp_path / "out")
    assert code == 2 and "junit.xml" in told
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["junit.xml"]


def test_no_pictures_no_picture_checks(clean: Dataset) -> None:
    status = {r.id: r.status for r in run_checks(clean).results}
    assert {status[f"DQR-{id}"] for id in ("I04", "I05", "A02")} == {NOT_APPLICABLE}
    assert status["DQR-T01"] == FAIL  # no manifest: nothing can be traced


def test_interrupted_pictures_go_on(tmp_path: Path) -> None:
    write_clean(tmp_path / "d", n=12)
    names = opened(tmp_path / "d").image_paths
    cache = tmp_path / "cache"
    whole = measure_all(tmp_path / "d", names, 2, None)
    cache.mkdir()
    (cache / "half-written.parquet").write_bytes(b"PAR1")
    assert measure_all(tmp_path / "d", names, 1, cache).equals(whole)
    assert not cache.exists()
    assert measure_all(tmp_path / "d", names, "1", cache).equals(whole), "by workers instead of threads"
    with pytest.raises(DataError, match="takes a folder to keep them"):
        measure_all(tmp_path / "d", names, "tcp://host:1", None)


@pytest.mark.parametrize("kind", ["missing", "empty", "text"])
def test_nothing_that_could_be_a_dataset(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "d"
    if kind != "missing":
        path.mkdir()
    if kind == "text":
        (path / "notes.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="d"):
        load_dataset(path)


def test_empty_tables_are_findings(tmp_path: Path) -> None:
    write_clean(tmp_path, n=30, pictures=False)
    for name in ("frames", "labels"):
        table = pl.read_parquet(tmp_path / f"{name}.parquet")
        table.head(0).write_parquet(tmp_path / f"{name}.parquet")
    run = run_checks(opened(tmp_path))
    assert "DQR-T02" in {r.id for r in run.failed(("error",))}
    assert not [r for r in run.results if "could not be evaluated" in r.outcome.message]


def invoke(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["dqr", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_command_line(clean: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, text = invoke("run", clean.root, "--odd", SPEC, "--only", "a01", "--only", "A03", "--out", out)
    assert code == 0, text
    assert "COMPLIANT" in text
    assert {p.name for p in out.iterdir()} == {
        "findings.parquet",
        "summary.json",
        "junit.xml",
        "compliance.html",
    }
    code, text = invoke("run", clean.root, "--odd", SPEC, "--only", "T01", "--out", out)
    assert code == 1
    assert "DQR-T01" in text
    code, text = invoke("run", clean.root, "--odd", SPEC, "--only", "N01", "--out", out, "--fail-on", "error")
    assert code == 0
    code, text = invoke("run", tmp_path / "nothing", "--out", out)
    assert code == 2
    assert "nothing" in text
    assert invoke("run", clean.root, "--only", "Z9", "--out", out)[0] == 2
    (tmp_path / "file").write_text("")
    for bad in (["--out", tmp_path / "file"], ["--out", out, "--reference", tmp_path / "no.csv"]):
        assert invoke("run", clean.root, "--only", "T02", *bad)[0] == 2


def test_list_and_explain() -> None:
    code, text = invoke("list")
    assert code == 0
    assert all(f"DQR-{id}" in text for id in CATALOGUE)
    for id in CATALOGUE:
        code, text = invoke("explain", id)
        assert code == 0
        assert find_check(id).rationale in text
    assert invoke("explain", "X99")[0] == 2


def test_terrain_of_a_geotiff(tmp_path: Path) -> None:
    from PIL import Image
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    path = tmp_path / "t.tif"
    rows, columns = np.mgrid[0:11, 0:11]
    tags = ImageFileDirectory_v2()
    tags[33550] = (0.1, 0.1, 0.0)
    tags.tagtype[33550] = 12
    tags[33922] = (0.0, 0.0, 0.0, 8.0, 50.0, 0.0)
    tags.tagtype[33922] = 12
    tags[34735] = (1, 1, 0, 2, 1024, 0, 1, 2, 1025, 0, 1, 2)
    tags.tagtype[34735] = 3
    Image.fromarray((100 + 10 * rows + columns).astype(np.float32)).save(path, tiffinfo=tags)
    heights = terrain_heights([path], np.array([50.0, 49.95, 60.0]), np.array([8.0, 8.05, 8.0]), "msl")
    assert heights[:2].tolist() == pytest.approx([100.0, 105.5])
    assert np.isnan(heights[2])
    (tmp_path / "bad.tif").write_bytes(b"II*\0")
    with pytest.raises(DataError, match=r"bad\.tif"):
        terrain_heights([tmp_path / "bad.tif"], np.array([50.0]), np.array([8.0]), "msl")


@pytest.mark.skipif(not SRTM.is_file(), reason="the SRTM tile does not ship")
def test_a_real_airfield_lies_on_its_terrain() -> None:
    """CA62 10/28, ends and elevations (904 and 876 ft) as OurAirports states them, on an SRTM tile."""
    heights = terrain_heights([SRTM], np.array([35.7214, 35.7169]), np.array([-120.7730, -120.7630]), "msl")
    np.testing.assert_allclose(heights, np.array([904, 876]) * 0.3048, atol=10.0)
    assert heights[0] - heights[1] == pytest.approx((904 - 876) * 0.3048, abs=5.0)
