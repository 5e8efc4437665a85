"""What was exported says what the tables say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lard.errors import DataError
from lard.quality.dataset import Dataset
from lard.quality.exports import compared, read_export
from lard.quality.model import Offence, Outcome
from lard.quality.registry import check


@check(
    "DQR-T03",
    "Exported files say what the tables say",
    severity="error",
    rationale="Detectors are trained on exported files: a fault there passes every check of the tables.",
    objective="integrity",
    needs=("frames", "labels"),
)
def exports_true(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Every frame, runway, shape, value and picture of each export against the tables."""
    if not data.exports:
        return Outcome(None, "the dataset has no coco folder, and no export is given (--export)")
    if data.kind != "lard" or "polygon" not in data.parts:
        return Outcome(None, "the dataset is itself an export: there are no tables to compare with")
    tables = replace(data, frames=data.stored[0], labels=data.stored[1]) if data.stored else data
    offences: list[Offence] = []
    unread: list[str] = []
    frames = objects = 0
    for path in data.exports:
        try:
            found = read_export(path)
        except DataError as error:
            offences.append(Offence(path.name, None, str(error)))
            continue
        offences += compared(tables, found)
        if found.unread:
            unread += [
                f"{one.subject} {one.message}" for one in found.problems if "cannot be read" in one.message
            ]
        frames += len(found.frames)
        objects += sum(map(len, found.objects.values()))
    message = (
        f"{frames} frames and {objects} runways in {len(data.exports)} exports, {len(offences)} differences"
    )
    message = "; ".join([message, *unread])
    return Outcome(not offences, message, float(len(offences)), 0.0, tuple(offences), objects)
