"""Parts of a score file that the page shows, and what each must hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Finite = Annotated[float, Field(allow_inf_nan=False)]
Value = Finite | None
NotBelow0 = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
"""A fraction of the whole."""
Count = Annotated[int, Field(ge=0)]


class Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="allow")


class Metrics(Part):
    """AP and what goes with it, as fractions; None where nothing had to be found."""

    AP: Share | None
    AP50: Share | None = None
    AP75: Share | None = None
    AR100: Share | None = None
    images: Count | None = None
    boxes: Count | None = None


class Interval(Part):
    """95 % intervals over airports."""

    airports: Count
    AP50: list[Share] | None = Field(default=None, min_length=2, max_length=2)
    AP: list[Share] | None = Field(default=None, min_length=2, max_length=2)


class Measured(Part):
    """What holds above a threshold."""

    precision: Share | None
    recall: Share | None
    f1: Share | None
    false_alarms_per_image: NotBelow0


class Point(Measured):
    """An operating point, and what it was chosen on."""

    rule: str
    chosen_on: str
    score: Finite
    budget: Value = None
    validation: Measured | None = None


class Bin(Part):
    """Detections of one range of scores."""

    low: Finite
    high: Finite
    detections: Count
    score: Value = None
    precision: Share | None = None


class Calibration(Part):
    """The reliability table and its error."""

    ECE: Value
    detections: Count
    bins: list[Bin]


class Best(Part):
    """What the best detection of a picture is."""

    target: Count
    other: Count
    background: Count
    nothing: Count


class Target(Part):
    """What became of the target."""

    found: Count
    other_instead: Count
    missed: Count


class Order(Part):
    """Runways of one place in the order of distance."""

    runways: Annotated[int, Field(ge=1)]
    found: Count


class Confusion(Part):
    """Runways taken for one another."""

    images: Count
    score: Finite
    best_detection: Best
    target: Target
    order: dict[str, Order]


class Found(Part):
    """Required runways of one airport and distance, and those found."""

    runways: Count
    found: Count


class Spread(Part):
    """Median and 95th percentile."""

    median: Finite
    p95: Finite


class Localisation(Part):
    """Errors of boxes."""

    matched: Count
    corner_px: Spread | None = None
    centre_px: Spread | None = None
    bearing_deg: Spread | None = None
    offset_m: Spread | None = None


class Severity(Part):
    """Scores weighted by the domain's table of severity."""

    points: list[list[Finite]]
    AP: Share | None
    AP50: Share | None
    recall: Share | None


class Airports(Part):
    """Airports tested, trained and tuned on; None where not known."""

    test: list[str]
    train: list[str] | None = None
    validation: list[str] | None = None
    train_told_by: str | None = None
    seen_in_training: list[str]
    seen_in_validation: list[str]
    images_without_airport: Count = 0


class Dataset(Part):
    """A ground-truth file that was scored against."""

    source: str
    sha256: str
    images: Count
    runways: Count
    airports: list[str]


class Provenance(Part):
    """What the scores were computed from."""

    lard: str
    truth_sha256: str
    datasets: list[Dataset]
    airports: Airports
