"""What a score file must hold to be shown: metrics, slices and the tables beside them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Metrics(BaseModel):
    """Metrics as fractions; -1 or null where nothing was required."""

    model_config = ConfigDict(extra="allow")

    AP: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)] | None
    AP50: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)] | None = None
    boxes: Count | None = None
    images: Count | None = None


class _Bin(BaseModel):
    low: Share
    high: Share
    detections: Count
    score: Share | None = None
    precision: Share | None = None


class _Calibration(BaseModel):
    detections: Count
    ECE: Share | None = None
    bins: list[_Bin] = []


class _Best(BaseModel):
    target: Count
    other: Count
    background: Count
    nothing: Count


class _Target(BaseModel):
    found: Count
    other_instead: Count
    missed: Count


class _Order(BaseModel):
    found: Count
    runways: int = Field(ge=1)


class _Confusion(BaseModel):
    images: Count
    score: Share | None = None
    best_detection: _Best | None = None
    target: _Target | None = None
    order: dict[str, _Order] = {}


class _Errors(BaseModel):
    median: Number
    p95: Number


class _Localisation(BaseModel):
    matched: Count
    corner_px: _Errors | None = None
    centre_px: _Errors | None = None
    bearing_deg: _Errors | None = None
    offset_m: _Errors | None = None


class _Intervals(BaseModel):
    AP50: tuple[Number, Number] | None = None
    AP: tuple[Number, Number] | None = None


class ScoreFile(BaseModel):
    """A score file of this project or of `lard score`; what is told besides is text or a number."""

    model_config = ConfigDict(extra="allow")

    model: str | None = None
    metrics: Metrics | None = None
    overall: Metrics | None = None
    slices: dict[str, Metrics | dict[str, Metrics]] = {}
    calibration: _Calibration | None = None
    confusion: _Confusion | None = None
    localisation: _Localisation | None = None
    intervals: _Intervals | None = None
    operating_point: dict[str, Any] | None = None
