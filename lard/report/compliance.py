"""The ODD compliance report: one HTML file that leads from the verdict to each requirement's evidence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lard import __version__
from lard.odd.laws import Law
from lard.odd.spec import Condition, Profile
from lard.quality import Result, Run, verdict, write_outputs
from lard.quality.model import FAIL, INCONCLUSIVE, NOT_APPLICABLE, PASS, WAIVED
from lard.quality.odd import PARAMETERS, UNITS
from lard.quality.outputs import finite, provenance, scope
from lard.quality.registry import OBJECTIVES
from lard.report import plots
from lard.report.compliance_facts import dataset_facts, odd_rows, sample_size, split_rows, thresholds
from lard.report.glossary import threshold_meaning
from lard.report.page import figures_text, render_page
from lard.report.samples import samples_of

SHOWN_FINDINGS = 20
SECTIONS = {
    "DQR-C01": ("coverage", "plot of frames per bin"),
    "DQR-R04": ("coverage", "plot of runways per frame"),
    "DQR-I01": ("coverage", "plot of box sizes"),
    "DQR-I02": ("coverage", "plot of box shapes"),
    "DQR-S01": ("sets", "airports of each set and their map"),
    "DQR-S02": ("sets", "distributions of each set"),
    "DQR-N01": ("size", "what the numbers of samples show"),
    "DQR-T01": ("provenance", "hashes, versions and seeds"),
    "DQR-W01": ("waivers", "the waivers"),
}
STATUS_TEXT = {
    PASS: "pass",
    FAIL: "fail",
    INCONCLUSIVE: "inconclusive",
    WAIVED: "waived",
    NOT_APPLICABLE: "not applicable",
}


def write_compliance(run: Run, folder: str | Path, page: str | Path) -> None:
    """Write a run's findings, summary and JUnit file into a folder, and its report as a page."""
    write_outputs(run, folder, {Path(page): compliance_html(run)})


def compliance_html(run: Run) -> str:
    """The report of a run as one HTML page without outer references."""
    data = run.dataset
    rows = [_requirement(result) for result in run.results]
    return render_page(
        "compliance.html.j2",
        title=f"ODD compliance: {data.name}",
        verdict=verdict(run),
        scope=scope(run),
        verdict_tone={"COMPLIANT": "pass", "COMPLIANT WITH REMARKS": "warn"}.get(verdict(run), "fail"),
        errors=len(run.failed(("error",))),
        undecided=len(run.undecided()),
        warnings=len(run.failed(("warning",))),
        counts={text: run.count(status) for status, text in STATUS_TEXT.items()},
        requirements=rows,
        by_id={row["id"]: row for row in rows},
        parameters=_traceability(run),
        rules=_rules(run),
        objectives=[
            (name, text, [row for row in rows if row["objective"] == name])
            for name, text in OBJECTIVES.items()
            if any(row["objective"] == name for row in rows)
        ],
        dataset=dataset_facts(data),
        coverage=plots.coverage_svg(run),
        splits_plot=plots.splits_svg(data),
        map_plot=plots.map_svg(data),
        picture_plot=plots.picture_svg(run),
        splits=split_rows(data),
        samples=samples_of(run),
        sample_size=sample_size(run),
        odd=odd_rows(data),
        provenance=provenance(run),
        waivers=run.waivers,
        judged_on=run.judged_on,
        thresholds=thresholds(run),
        threshold_meaning=threshold_meaning,
        version=__version__,
    )


def _tone(result: Result) -> str:
    if result.status in (FAIL, INCONCLUSIVE):
        return "fail" if result.severity == "error" else "warn"
    return {PASS: "pass", WAIVED: "waived", NOT_APPLICABLE: "none"}[result.status]


def _requirement(result: Result) -> dict[str, Any]:
    outcome, check = result.outcome, result.check
    offences = sorted(outcome.offences, key=lambda o: (o.subject, o.message))
    return {
        "id": check.id,
        "title": check.title,
        "tone": _tone(result),
        "status": STATUS_TEXT[result.status],
        "severity": result.severity,
        "rationale": check.rationale,
        "objective": check.objective,
        "method": check.method,
        "parameters": check.parameters,
        "thresholds": dict(result.thresholds),
        "measured": finite(outcome.measured),
        "threshold": finite(outcome.threshold),
        "checked": outcome.checked,
        "message": outcome.message,
        "remedy": outcome.remedy,
        "waiver": result.waiver,
        "offending": len({offence.subject for offence in offences}),
        "findings": offences[:SHOWN_FINDINGS],
        "section": SECTIONS.get(check.id, ("", "")),
        "evidence": _evidence(outcome.evidence),
        "more": max(0, len(offences) - SHOWN_FINDINGS),
    }


def _traceability(run: Run) -> list[dict[str, Any]]:
    """One row per ODD parameter: its range in each zone and the requirements that give evidence for it."""
    odd = run.dataset.odd
    if odd is None:
        return []
    rows = []
    for name in PARAMETERS:
        ranges = [(zone.name, *zone.bounds[name]) for zone in odd.zones if name in zone.bounds]
        rows.append(
            {
                "name": name,
                "ranges": _ranges_text(ranges, UNITS[name]),
                "checks": [_own(r, name) for r in run.results if name in r.check.parameters],
            }
        )
    for name, declared in odd.environment.items():
        text = ", ".join(declared) if isinstance(declared, tuple) else f"{declared.lo:g} to {declared.hi:g}"
        if not isinstance(declared, tuple) and declared.law != "uniform":
            text += f" ({declared.law.replace('_', ' ')})"
        given = [_own(r, name) for r in run.results if r.id in ("DQR-C06", "DQR-R06")]
        rows.append({"name": name, "ranges": text, "checks": given})
    return [*rows, *_bounds(run)]


def _bounds(run: Run) -> list[dict[str, Any]]:
    """One row each for margins, reference points, the camera and the limits of runways of the spec."""
    odd = run.dataset.odd
    if odd is None or odd.spec is None:
        return []
    spec, found = odd.spec, []
    margins = "; ".join(
        f"{level}: {', '.join(f'{name} -{low:g} +{high:g}' for name, (low, high) in given.items())}"
        for level, given in spec.margins.items()
        if given
    )
    camera = spec.camera_spec
    field = f"{camera.width_px} x {camera.height_px} px, {camera.fov_x_deg:g} deg wide"
    apexes = (
        f"lateral angle from {spec.lateral_apex_m:g} m, vertical from {spec.vertical_apex_m:g} m behind the "
        "threshold"
    )
    limits = "; ".join(
        f"{name} {law.lo:g} to {law.hi:g}" if isinstance(law, Law) else f"{name} {', '.join(law.names)}"
        for name, law in spec.runways.items()
    )
    for name, text, ids in (
        ("margins", margins, ("DQR-C03",)),
        ("reference points", apexes, ("DQR-A03",)),
        ("camera", field, ("DQR-A01", "DQR-A02", "DQR-A04", "DQR-A07")),
        ("runway limits", limits, ("DQR-C03", "DQR-C07", "DQR-A05")),
    ):
        if text:
            checks = [_chip(r, STATUS_TEXT[r.status], _tone(r)) for r in run.results if r.id in ids]
            found.append({"name": name, "ranges": text, "checks": checks})
    return found


def _own(result: Result, name: str) -> dict[str, str]:
    """What a requirement says of one parameter: it fails if a finding names that one, or none at all."""
    if result.status in (FAIL, WAIVED):
        named = [set(re.findall(r"[a-z]\w+", offence.subject)) for offence in result.outcome.offences]
        of_any = any(words & {*PARAMETERS, name} for words in named)
        if of_any and not any(name in words for words in named):
            return _chip(result, STATUS_TEXT[PASS], "pass")
    return _chip(result, STATUS_TEXT[result.status], _tone(result))


def _chip(result: Result, status: str, tone: str) -> dict[str, str]:
    return {"id": result.id, "title": result.check.title, "status": status, "tone": tone}


def _rules(run: Run) -> list[dict[str, Any]]:
    """One row per conditional rule of the spec: what it says and the requirements that look after it."""
    odd = run.dataset.odd
    if odd is None or odd.spec is None:
        return []
    ids = {result.id for result in run.results}
    return [
        {
            "name": rule.name,
            "when": _conditions_text(rule.when) or "always",
            "require": _conditions_text(rule.require),
            "checks": [id for id in ("DQR-C01", "DQR-C02", "DQR-C03", "DQR-C04", "DQR-R01") if id in ids],
        }
        for rule in odd.spec.rules
    ]


def _conditions_text(conditions: Mapping[str, Condition]) -> str:
    texts = []
    for name, condition in conditions.items():
        if isinstance(condition, Profile):
            points = "; ".join(f"{lo:g} to {hi:g} at {x:g}" for x, lo, hi in condition.points)
            texts.append(f"{name} by {condition.by}: {points}")
        elif isinstance(condition[0], str):
            texts.append(f"{name}: {' or '.join(str(word) for word in condition)}")
        else:
            texts.append(f"{name}: {condition[0]:g} to {condition[1]:g}")
    return ", ".join(texts)


def _evidence(evidence: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The figures behind a result as names and texts, in the order the requirement gives them."""
    rows = []
    for group, values in evidence.items():
        for name, value in values.items() if isinstance(values, Mapping) else [(group, values)]:
            rows.append((f"{group} {name}" if len(evidence) > 1 else str(name), _figures(value)))
    return rows


def _figures(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name} {_figures(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_figures(item) for item in value)
    return figures_text(value)


def _ranges_text(ranges: list[tuple[str, float, float]], unit: str) -> str:
    if len({(low, high) for _, low, high in ranges}) == 1:
        return f"{ranges[0][1]:g} to {ranges[0][2]:g} {unit} in all zones"
    return "; ".join(f"{zone} {low:g} to {high:g} {unit}" for zone, low, high in ranges)
