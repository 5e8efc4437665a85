"""The check and report stages: the report is written whatever the verdict, the exit code says the verdict."""

from __future__ import annotations

import json
import os
from pathlib import Path

import polars as pl
import pytest
from quality_support import SPEC, write_clean

from lard.quality import all_checks
from pipelines import check

DOCS = Path(__file__).parents[1] / "docs" / "dqr.md"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("stage")
    write_clean(root / "data" / "ortho", n=60)
    text = SPEC.read_text(encoding="utf-8")
    start = text.index("\ndqr:")
    # sixty frames cannot fill the bins of the shipped spec
    soft = "".join(f"  {k}: {{severity: warning}}\n" for k in ("C01", "C02", "S02", "A04", "A02", "T02"))
    (root / "spec.yaml").write_text(f"{text[:start]}\ndqr:\n{soft}")
    (root / "params.yaml").write_text("runways: shipped\nsample: {odd: spec.yaml}\n")
    return root


def run_stage(root: Path) -> int:
    before = Path.cwd()
    os.chdir(root)
    try:
        return check.main()
    finally:
        os.chdir(before)


def test_stage_passes_with_remarks(dataset: Path) -> None:
    assert run_stage(dataset) == 0
    first = {p.name: p.read_bytes() for p in (dataset / "reports").rglob("*") if p.is_file()}
    assert set(first) == {"compliance.html", "findings.parquet", "summary.json", "junit.xml"}
    assert run_stage(dataset) == 0
    assert {p.name: p.read_bytes() for p in (dataset / "reports").rglob("*") if p.is_file()} == first


def test_stage_fails_and_says_so(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = dataset / "data" / "ortho"
    name = pl.read_parquet(folder / "frames.parquet")["frame_id"][0]
    image = folder / "images" / f"{name}.jpg"
    content = image.read_bytes()
    image.unlink()
    try:
        assert run_stage(dataset) == 1
    finally:
        image.write_bytes(content)
    summary = json.loads((dataset / "reports" / "dqr" / "summary.json").read_text())
    assert summary["verdict"] == "NOT COMPLIANT"
    assert name in (dataset / "reports" / "dqr" / "compliance.html").read_text()
    assert "DQR-I04" in capsys.readouterr().err


def test_docs_list_every_requirement() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for item in all_checks():
        assert f"| {item.id.removeprefix('DQR-')} | {item.title} | {item.severity} |" in text
