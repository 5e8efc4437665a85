"""What a score file must hold to be shown, checked when it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from lard.errors import DataError
from lard.report.approach_parts import Corners, Integrity, Pose, Sequences
from lard.report.score_parts import (
    Calibration,
    Confusion,
    Count,
    Found,
    Interval,
    Localisation,
    Metrics,
    NotBelow0,
    Part,
    Point,
    Provenance,
    Severity,
)
from lard.tables import read_json

SHOWN = 8


class ScoreFile(Part):
    """A score file; what else stands at its top are facts about the model."""

    model: str = Field(min_length=1)
    overall: Metrics
    slices: dict[str, dict[str, Metrics]] = Field(default_factory=dict)
    intervals: Interval | None = None
    operating_point: Point | None = None
    operating_points: dict[str, Point | None] | None = None
    calibration: Calibration | None = None
    confusion: Confusion | None = None
    localisation: Localisation | None = None
    found_by_airport: dict[str, dict[str, Found]] | None = None
    severity: Severity | None = None
    corners: Corners | None = None
    pose: Pose | None = None
    integrity: Integrity | None = None
    sequences: Sequences | None = None
    not_computed: dict[str, str] | None = None
    provenance: Provenance | None = None
    truth_sha256: str | None = None


class Cost(Part):
    """What a model cost on a machine where it was measured."""

    machine: str
    threads: Count
    pictures: Count
    latency_ms_median: NotBelow0
    latency_ms_p99: NotBelow0
    peak_memory_mib: NotBelow0
    gmac: NotBelow0 | None = None


PARTS = tuple(ScoreFile.model_fields)


def read_score(path: Path) -> dict[str, Any]:
    """A score file's document, checked; DataError names every part that cannot be shown."""
    return _checked(path, ScoreFile, "score the results again")


def read_cost(score_path: Path) -> dict[str, Any] | None:
    """What was measured of a model, from the file beside its score file; None where there is none."""
    path = score_path.with_name(score_path.name.removesuffix("score.json") + "cost.json")
    return _checked(path, Cost, "measure it again") if path.is_file() else None


def _checked(path: Path, kind: type[BaseModel], remedy: str) -> dict[str, Any]:
    document = read_json(path)
    try:
        kind.model_validate(document)
    except ValidationError as error:
        found = error.errors()
        lines = [
            f"{path}: {'.'.join(map(str, fault['loc'])) or 'document'}: {fault['msg']}"
            f" (found {str(fault['input'])[:60]!r}); {remedy}"
            for fault in found[:SHOWN]
        ]
        more = [f"and {len(found) - SHOWN} more faults"] if len(found) > SHOWN else []
        raise DataError("\n".join(lines + more)) from error
    return dict(document)
