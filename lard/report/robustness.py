"""What stages found out about robustness, joined to the entries of a leaderboard, and its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from lard.documents import checked
from lard.errors import DataError
from lard.report.entries import Entry
from lard.report.robustness_columns import LADDER
from lard.report.robustness_plots import attacks_svg, certified_svg
from lard.tables import read_json

REMEDY = "run dvc repro, or lard certify, attack and conform again"
STAGES = {"certify": "certificates", "attack": "attack", "conform": "conformal"}
"""Folders of the stages, and what their findings are called in leaderboard.json."""
_Numbers = dict[str, float | int | None]


class _Document(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Threshold(_Document):
    score: float
    chosen_on: str


class CertificatesFile(_Document):
    """What must stand in certificates.json."""

    model: str
    L: float = Field(gt=0)
    norm: str
    pictures: int
    truth_sha256: str
    picture_sizes_px: dict[str, int]
    threshold: _Threshold
    clean: dict[str, Any]
    by_eps: dict[str, _Numbers]
    erasure: dict[str, Any]
    radii: _Numbers
    curves: dict[str, Any]


class _Goal(_Document):
    curve: list[dict[str, float | int | None]]
    warnings: list[str]


class _Attacked(_Document):
    score_threshold: float
    goals: dict[str, _Goal]


class AttackFile(_Document):
    """What must stand in attack.json."""

    norm: str
    pictures: int
    truth_sha256: str
    picture_px: list[tuple[int, int]]
    models: dict[str, _Attacked]


class ConformFile(_Document):
    """What must stand in conform.json."""

    alpha: float
    unit: str
    method: str
    says: dict[str, str]
    coverage: dict[str, Any]
    groups: dict[str, Any]
    airports_in_both: list[str]


def with_robustness(entries: Sequence[Entry], folder: Path) -> list[Entry]:
    """Entries with what the folders certify, attack and conform below `folder` say of them.

    A folder that is not there says nothing; DataError for a file that lacks something, or that is of other
    pictures than the entry's scores.
    """
    return [_with(entry, folder) for entry in entries]


def _with(entry: Entry, folder: Path) -> Entry:
    found: dict[str, Any] = {}
    certificates = folder / "certify" / entry.model / "certificates.json"
    if certificates.is_file():
        found["certificates"] = _read(certificates, CertificatesFile, entry)
    attack = folder / "attack" / "attack.json"
    if attack.is_file():
        told = _read(attack, AttackFile, entry)
        if entry.model in told["models"]:
            found["attack"] = {
                **{key: told[key] for key in ("norm", "pictures", "picture_px", "settings") if key in told},
                **told["models"][entry.model],
            }
    conform = folder / "conform" / entry.model / "conform.json"
    if conform.is_file():
        found["conformal"] = _read(conform, ConformFile, entry)
    missing = {}
    for stage, part in STAGES.items():
        path = folder / stage / "not_computed.json"
        reason = read_json(path).get(entry.model) if path.is_file() else None
        if reason is not None and part not in found:
            missing[part] = str(reason)
    found |= {"not_computed": missing} if missing else {}
    return replace(entry, details={**entry.details, "robustness": found}) if found else entry


def _read(path: Path, kind: type[BaseModel], entry: Entry) -> dict[str, Any]:
    """A document as declared, of the pictures that the entry was scored on."""
    document = read_json(path)
    checked(kind, document, path, remedy=REMEDY)
    named = document.get("model", entry.model)
    if named != entry.model:
        raise DataError(f"{path}: model: {named!r}, expected {entry.model!r}; {REMEDY}")
    scored = (entry.details.get("provenance") or {}).get("truth_sha256") or entry.facts.get("truth_sha256")
    truth = document.get("truth_sha256") or (document.get("test") or {}).get("truth_sha256")
    if None not in (scored, truth) and scored != truth:
        raise DataError(f"{path}: truth_sha256: {truth}: of other pictures than the scores; {REMEDY}")
    return dict(document)


def robustness_parts(entries: Sequence[Entry], of: str = "") -> dict[str, Any] | None:
    """What the page shows: ladder, limits, attacks and conformal statements; None where nothing is told."""
    told = {e.model: e.details["robustness"] for e in entries if e.details.get("robustness")}
    if not told:
        return None
    certificates = {model: found["certificates"] for model, found in told.items() if "certificates" in found}
    attacks = {model: found["attack"] for model, found in told.items() if "attack" in found}
    conformal = {model: found["conformal"] for model, found in told.items() if "conformal" in found}
    return {
        "ladder": [_ladder(model, found) for model, found in certificates.items()],
        "certified_plot": certified_svg(certificates, of),
        "attacks": _attack_rows(attacks),
        "attacks_plot": attacks_svg(attacks, certificates, of),
        "attacked_on": next(iter(attacks.values()), None),
        "warnings": [
            f"{model}, {goal}: {line}"
            for model, found in attacks.items()
            for goal, one in found["goals"].items()
            for line in one["warnings"]
        ],
        "conformal": [_conformal_row(model, found) for model, found in conformal.items()],
        "missing": [
            f"{model}, {part}: {reason}"
            for model, found in told.items()
            for part, reason in found.get("not_computed", {}).items()
        ],
    }


def _ladder(model: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """A model's rungs, a column for the clean pictures and one for each eps; and its limits."""
    by_eps = found["by_eps"]
    rows = []
    for clean, key, text in LADDER:
        shares = [found["clean"].get(clean)] if clean else [None]
        rows.append({"text": text, "cells": shares + [row.get(key) for row in by_eps.values()]})
    limits = [
        {"text": text, "cells": [None, *(row.get(key) for row in by_eps.values())]}
        for key, text in (
            ("ceiling", "physical limit: erasure energy at least eps"),
            ("ceiling_balanced", "the same with half of the energy"),
        )
    ]
    return {
        "model": model,
        "eps": list(by_eps),
        "rows": rows,
        "limits": limits,
        "found": found,
        "sizes": ", ".join(f"{size} px" for size in found["picture_sizes_px"]),
        "zones": [(zone, row) for zone, row in found["erasure"].get("by_zone", {}).items()],
    }


def _attack_rows(attacks: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"model": model, "goal": goal, **row}
        for model, found in attacks.items()
        for goal, one in found["goals"].items()
        for row in one["curve"]
    ]


def _conformal_row(model: str, found: Mapping[str, Any]) -> dict[str, Any]:
    whole: Mapping[str, Any] = next(iter(found["groups"].values()), {})
    return {
        "model": model,
        "found": found,
        "boxes": whole.get("boxes"),
        "pictures": whole.get("pictures"),
        "firing": whole.get("firing"),
        "not_possible": whole.get("not_possible") or {},
    }
