"""What a score file must hold to be shown: its parts and their types, checked when it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lard.errors import DataError
from lard.tables import read_json

SHOWN = 8
Finite = Annotated[float, Field(allow_inf_nan=False)]
Value = Finite | None
Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="allow")


class Metrics(_Part):
    """AP and what goes with it, as fractions; None where nothing had to be found."""

    AP: Value
    AP50: Value = None
    AP75: Value = None
    AR100: Value = None
    images: Count | None = None
    boxes: Count | None = None


class Interval(_Part):
    """95 % intervals over airports."""

    airports: Count
    AP50: list[Finite] | None = Field(default=None, min_length=2, max_length=2)
    AP: list[Finite] | None = Field(default=None, min_length=2, max_length=2)


class Measured(_Part):
    """What holds above a threshold."""

    precision: Value
    recall: Value
    f1: Value
    false_alarms_per_image: Finite


class Point(Measured):
    """An operating point, and what it was chosen on."""

    rule: str
    chosen_on: str
    score: Finite
    budget: Value = None
    validation: Measured | None = None


class Bin(_Part):
    """Detections of one range of scores."""

    low: Finite
    high: Finite
    detections: Count
    score: Value = None
    precision: Value = None


class Calibration(_Part):
    """The reliability table and its error."""

    ECE: Value
    detections: Count
    bins: list[Bin]


class Best(_Part):
    """What the best detection of a picture is."""

    target: Count
    other: Count
    background: Count
    nothing: Count


class Target(_Part):
    """What became of the target."""

    found: Count
    other_instead: Count
    missed: Count


class Order(_Part):
    """Runways of one place in the order of distance."""

    runways: Annotated[int, Field(ge=1)]
    found: Count


class Confusion(_Part):
    """Runways taken for one another."""

    images: Count
    score: Finite
    best_detection: Best
    target: Target
    order: dict[str, Order]


class Found(_Part):
    """Required runways of one airport and distance, and those found."""

    runways: Count
    found: Count


class Spread(_Part):
    """Median and 95th percentile."""

    median: Finite
    p95: Finite


class Localisation(_Part):
    """Errors of boxes."""

    matched: Count
    corner_px: Spread | None = None
    centre_px: Spread | None = None
    bearing_deg: Spread | None = None
    offset_m: Spread | None = None


class Severity(_Part):
    """Scores weighted by the domain's table of severity."""

    points: list[list[Finite]]
    AP: Value
    AP50: Value
    recall: Value


class Corners(_Part):
    """Errors of the corners of the runway itself."""

    matched: Count
    with_corners: Count
    share: Value = None
    error_px: Spread | None = None


class Pose(_Part):
    """Errors of poses from four corners, by name."""

    detections: Count
    solved: Count
    errors: dict[str, Spread] = Field(default_factory=dict)
    within_dots: dict[str, Finite] = Field(default_factory=dict)


class Integrity(_Part):
    """The residual test, and levels that bound positions; None where a level is infinite."""

    corner_sigma_px: Finite
    false_alarm_rate: Finite
    risk: Finite
    alarm_rate: Finite
    fitted_sigma_px: Finite
    protection: dict[str, dict[str, Value]]


class Step(_Part):
    """One frame that requires the runway."""

    time_s: Finite
    distance_m: Value
    found: bool


class Watch(_Part):
    """One sequence."""

    sequence: str
    timeline: list[Step] = Field(default_factory=list)


class Watched(_Part):
    """What sequences tell of a detector, or of a tracker on its detections."""

    sequences: Count
    found_stably: Count
    jump_rate: Value
    identity_switches: Count
    lasting_false_alarm_share: Finite
    runs: list[Watch] = Field(default_factory=list)


class Flew(_Part):
    """An approach flown for the board, and how many of its frames were left out."""

    sequence: str
    flight: str
    airport: str
    runway: str
    crosswind_m_s: Finite
    headwind_m_s: Finite
    turbulence: bool
    flown: Count
    kept: Count
    left_out_before: Count
    left_out_after: Count


class Sequences(_Part):
    """Detector and baseline tracker over time."""

    detector: Watched
    baseline_tracker: Watched
    flights: list[Flew] = Field(default_factory=list)


class Airports(_Part):
    """Airports tested, trained and tuned on; None where not known."""

    test: list[str]
    train: list[str] | None = None
    validation: list[str] | None = None
    seen_in_training: list[str]
    seen_in_validation: list[str]
    images_without_airport: Count = 0


class Dataset(_Part):
    """A ground-truth file that was scored against."""

    source: str
    sha256: str
    images: Count
    runways: Count
    airports: list[str]


class Provenance(_Part):
    """What the scores were computed from."""

    lard: str
    truth_sha256: str
    datasets: list[Dataset]
    airports: Airports


class ScoreFile(_Part):
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


class Cost(_Part):
    """What a model cost on a machine where it was measured."""

    machine: str
    threads: Count
    pictures: Count
    latency_ms_median: Finite
    latency_ms_p99: Finite
    peak_memory_mib: Finite
    gmac: Value = None


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
