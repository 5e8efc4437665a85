"""What a score file must hold to be shown: metrics, slices and the tables beside them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Interval = Annotated[list[Number], Field(min_length=2, max_length=2)]


class _Strict(BaseModel):
    """Numbers are numbers: the document is shown as it stands."""

    model_config = ConfigDict(extra="allow", strict=True)


class Metrics(_Strict):
    """Metrics as fractions; -1 or null where nothing was required."""

    AP: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)] | None
    AP50: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)] | None = None
    boxes: Count | None = None
    images: Count | None = None


class _Bin(_Strict):
    low: Share
    high: Share
    detections: Count
    score: Share | None = None
    precision: Share | None = None


class _Calibration(_Strict):
    detections: Count
    ECE: Share | None = None
    bins: list[_Bin] = []


class _Best(_Strict):
    target: Count
    other: Count
    background: Count
    nothing: Count


class _Target(_Strict):
    found: Count
    other_instead: Count
    missed: Count


class _Order(_Strict):
    found: Count
    runways: int = Field(ge=1)


class _Confusion(_Strict):
    images: Count
    score: Share | None = None
    best_detection: _Best | None = None
    target: _Target | None = None
    order: dict[str, _Order] = {}


class _Errors(_Strict):
    median: Number
    p95: Number


class _Localisation(_Strict):
    matched: Count
    corner_px: _Errors | None = None
    centre_px: _Errors | None = None
    bearing_deg: _Errors | None = None
    offset_m: _Errors | None = None


class _Intervals(_Strict):
    AP50: Interval | None = None
    AP: Interval | None = None


class ScoreFile(_Strict):
    """A score file of this project or of `lard score`; what is told besides is text or a number."""

    model: str | None = None
    metrics: Metrics | None = None
    overall: Metrics | None = None
    slices: dict[str, Metrics | dict[str, Metrics]] = {}
    calibration: _Calibration | None = None
    confusion: _Confusion | None = None
    localisation: _Localisation | None = None
    intervals: _Intervals | None = None
    operating_point: dict[str, Any] | None = None
