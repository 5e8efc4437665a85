"""The part of a compliance report about detectors: what is certified of them, and what is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lard.documents import checked
from lard.errors import DataError
from lard.report.page import render_page
from lard.report.robustness import REMEDY, AttackFile, CertificatesFile
from lard.tables import read_json

PLACE, LINK = "<!-- detectors -->", "<!-- link to detectors -->"
"""Where a compliance report has room for the part, and for the link to it."""


def with_detectors(
    page: str,
    folder: Path | None,
    protocols: Sequence[str] | None = None,
    accounts: Mapping[str, str] | None = None,
) -> str:
    """A compliance report with what the stages say of detectors, one folder below `folder` per protocol.

    `accounts` are links to the assurance pages of shipped models by their names.

    The page as it is where they say nothing, or no folder is given; DataError for a page that has no room,
    or a damaged document.
    """
    if page.count(PLACE) != 1 or page.count(LINK) != 1:
        raise DataError(
            "compliance report: has no single place for detectors; run lard dqr or dvc repro again"
        )
    found = detectors(folder, protocols) if folder else []
    said = bool(found or accounts)
    text = (
        render_page("robustness_compliance.html.j2", protocols=found, accounts=accounts or {}) if said else ""
    )
    link = '<a href="#detectors">Detectors</a>' if said else ""
    return page.replace(PLACE, text).replace(LINK, link)


def detectors(folder: Path, protocols: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """By protocol: the claims of each certified model, why others have none, and what was attacked."""
    found = []
    for protocol in sorted(path for path in folder.glob("*") if path.is_dir()):
        if protocols is not None and protocol.name not in protocols:
            continue  # of an earlier list of protocols
        certified = [
            _read(path, CertificatesFile) for path in sorted(protocol.glob("certify/*/certificates.json"))
        ]
        path = protocol / "attack" / "attack.json"
        absent = protocol / "certify" / "not_computed.json"
        part = {
            "name": protocol.name,
            "models": [_model(one) for one in certified],
            "absent": dict(read_json(absent)) if absent.is_file() else {},
            "attack": _read(path, AttackFile) if path.is_file() else None,
        }
        if part["models"] or part["absent"] or part["attack"]:
            found.append(part)
    return found


def _read(path: Path, kind: Any) -> dict[str, Any]:
    document = read_json(path)
    checked(kind, document, path, remedy=REMEDY)
    return dict(document)


def _model(found: Mapping[str, Any]) -> dict[str, Any]:
    rows = []
    for key, text in (found.get("claims") or {}).items():
        cells = [row.get(key) for row in found["by_eps"].values()]
        rows.append(
            {
                "name": key.replace("_", " "),
                "text": text,
                "cells": cells,
                "certified": any(v is not None for v in cells),
            }
        )
    sizes = ", ".join(f"{size} px" for size in found["picture_sizes_px"])
    return {"found": found, "eps": list(found["by_eps"]), "rows": rows, "sizes": sizes}
