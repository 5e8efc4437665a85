"""What a run leaves behind for machines: findings.parquet, summary.json and junit.xml."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import polars as pl

from lard import __version__
from lard.parts import digest, is_table
from lard.quality.catalogue import all_checks
from lard.quality.model import FAIL, INCONCLUSIVE, NOT_APPLICABLE, PASS, WAIVED, Offence
from lard.quality.runner import Result, Run
from lard.tables import FINDINGS, atomic_paths, check_schema, json_text, write_parquet

SHOWN = 20


def verdict(run: Run) -> str:
    """NOT COMPLIANT (an error), INCONCLUSIVE (evidence for one is lacking, or nothing was judged), COMPLIANT
    WITH REMARKS (warnings fail or lack evidence, or waivers are needed) or COMPLIANT."""
    if run.failed(("error",)):
        return "NOT COMPLIANT"
    if run.undecided(("error",)) or not run.judged():
        return "INCONCLUSIVE"
    remarks = run.failed(("warning",)) or run.undecided(("warning",)) or run.count(WAIVED)
    return "COMPLIANT WITH REMARKS" if remarks else "COMPLIANT"


def scope(run: Run) -> str:
    """What the verdict does not speak about, as a sentence; "" when every requirement was run on an ODD."""
    total, ran = len(all_checks()), len(run.results)
    absent = {
        f"only {ran} of {total} requirements were run": ran < total,
        "no requirement found anything to judge": not run.judged(),
        "there are no pictures, so nothing is said about them": "images" not in run.dataset.parts,
        "no ODD spec was given, so nothing is said about coverage": run.dataset.odd is None,
    }
    limits = [text for text, so in absent.items() if so]
    return f"The verdict is partial: {'; '.join(limits)}." if limits else ""


def findings(run: Run) -> pl.DataFrame:
    """FINDINGS rows of all requirements that failed or lack evidence, in catalogue order, then by subject."""
    rows = [
        (r.id, r.severity, o.subject, finite(o.measured), r.outcome.threshold, _finding(r, o))
        for r in run.results
        if r.status in (FAIL, INCONCLUSIVE)
        for o in sorted(r.outcome.offences, key=lambda o: (o.subject, o.message))
    ]
    return pl.DataFrame(rows, schema=dict(FINDINGS), orient="row")


def _finding(result: Result, offence: Offence) -> str:
    return f"inconclusive: {offence.message}" if result.status == INCONCLUSIVE else offence.message


def summary(run: Run) -> dict[str, Any]:
    """Everything about a run but the single findings, JSON-ready."""
    data = run.dataset
    return {
        "verdict": verdict(run),
        "partial": scope(run) or None,
        "counts": {s: run.count(s) for s in (PASS, FAIL, INCONCLUSIVE, WAIVED, NOT_APPLICABLE)},
        "dataset": {
            "name": data.name,
            "kind": data.kind,
            "frames": len(data.frames) if data.frames is not None else 0,
            "labels": len(data.labels) if data.labels is not None else 0,
            "pictures": len(data.image_paths) if "images" in data.parts else 0,
            "parts": sorted(data.parts),
            "provenance": provenance(run),
        },
        "odd": (
            {"name": data.odd.name, "version": data.odd.version, "sha256": data.odd.sha256}
            if data.odd is not None
            else None
        ),
        "tool_version": __version__,
        "waivers_judged_on": run.judged_on or None,
        "waivers": [
            {
                "check": w.check,
                "subject": w.subject,
                "reason": w.reason,
                "author": w.author,
                "expires": w.expires.isoformat(),
            }
            for w in run.waivers
        ],
        "checks": [_check_summary(result) for result in run.results],
    }


def _check_summary(result: Result) -> dict[str, Any]:
    outcome = result.outcome
    subjects = sorted({offence.subject for offence in outcome.offences})
    return {
        "id": result.id,
        "title": result.check.title,
        "status": result.status,
        "severity": result.severity,
        "objective": result.check.objective,
        "measured": finite(outcome.measured),
        "threshold": finite(outcome.threshold),
        "thresholds": dict(result.thresholds),
        "checked": outcome.checked,
        "message": outcome.message,
        "remedy": outcome.remedy or None,
        "waiver": result.waiver or None,
        "offending": len(subjects),
        "first_offending": subjects[:SHOWN],
        "evidence": _jsonable(outcome.evidence),
    }


def provenance(run: Run) -> dict[str, Any]:
    """Hashes of the tables, versions and seeds: what one needs to make the dataset again."""
    data = run.dataset
    found: dict[str, Any] = {"files": {}}
    for name in ("frames.parquet", "labels.parquet", "manifest.parquet", "dataset.json"):
        if is_table(data.root / name):
            found["files"][name] = digest(data.root / name)
    columns = (
        "source",
        "source_version",
        "licence",
        "attribution",
        "runway_db",
        "runway_db_version",
        "tool_version",
    )
    if data.manifest is not None:
        for name in columns:
            found[name] = sorted(str(v) for v in data.manifest[name].unique().to_list() if v is not None)
    if data.frames is not None and "seed" in data.frames.columns:
        found["seeds"] = sorted(int(s) for s in data.frames["seed"].unique().to_list() if s is not None)
    if data.database is not None:
        found["checked_against_runway_db"] = f"{data.database.name} {data.database.version}"
    return found


def finite(value: float | None) -> float | None:
    """The value, or None when JSON has no word for it."""
    return None if value is None or not math.isfinite(value) else float(value)


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    return finite(value) if isinstance(value, float) else value


def junit(run: Run) -> str:
    """JUnit XML: one test case per requirement; without times, so that equal runs give equal bytes."""
    failed, skipped = run.count(FAIL), run.count(NOT_APPLICABLE) + run.count(WAIVED)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites><testsuite name={_attribute('lard dqr: ' + run.dataset.name)} "
        f'tests="{len(run.results)}" failures="{failed}" errors="{run.count(INCONCLUSIVE)}" '
        f'skipped="{skipped}">',
    ]
    for r in run.results:
        lines.append(
            f"<testcase classname={_attribute('dqr.' + r.check.objective)} "
            f"name={_attribute(f'{r.id} {r.check.title}')}>"
        )
        if r.status in (FAIL, INCONCLUSIVE):
            text = "\n".join(f"{o.subject}: {_finding(r, o)}" for o in r.outcome.offences[:SHOWN])
            tag = "failure" if r.status == FAIL else "error"
            lines.append(
                f"<{tag} type={_attribute(r.severity)} message={_attribute(r.outcome.message)}>"
                f"{escape(_printable(text))}</{tag}>"
            )
        elif r.status in (NOT_APPLICABLE, WAIVED):
            reason = r.waiver if r.status == WAIVED else r.outcome.message
            lines.append(f"<skipped message={_attribute(f'{r.status}: {reason}')}/>")
        lines.append("</testcase>")
    return "\n".join([*lines, "</testsuite></testsuites>", ""])


def _attribute(text: str) -> str:
    return quoteattr(_printable(text))


def _printable(text: str) -> str:
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd]", "?", text)


def write_outputs(run: Run, folder: str | Path, pages: Mapping[Path, str]) -> None:
    """Write findings.parquet, summary.json and junit.xml into a folder, and pages: all of them or none."""
    folder = Path(folder)
    path = folder / "findings.parquet"
    table, facts = check_schema(findings(run), FINDINGS, str(path)), json.loads(json.dumps(summary(run)))
    texts = {folder / "summary.json": json_text(facts), folder / "junit.xml": junit(run), **pages}
    with atomic_paths([path, *texts]) as (first, *others):
        write_parquet(table, first)  # measures of any size
        for file, text in zip(others, texts.values(), strict=True):
            file.write_text(text, encoding="utf-8")
