"""Parts of a score file about final approach, and what each must hold."""

from __future__ import annotations

from pydantic import Field

from lard.report.score_parts import Count, Finite, Part, Share, Spread, Value


class Corners(Part):
    """Errors of the corners of the runway itself."""

    matched: Count
    with_corners: Count
    share: Share | None = None
    error_px: Spread | None = None


class Pose(Part):
    """Errors of poses from four corners, by name."""

    detections: Count
    solved: Count
    errors: dict[str, Spread] = Field(default_factory=dict)
    within_dots: dict[str, Share] = Field(default_factory=dict)


class Integrity(Part):
    """The residual test, and levels that bound positions; None where a level is infinite."""

    corner_sigma_px: Finite
    false_alarm_rate: Finite
    risk: Finite
    alarm_rate: Share
    fitted_sigma_px: Finite
    protection: dict[str, dict[str, Value]]


class Step(Part):
    """One frame that requires the runway."""

    time_s: Finite
    distance_m: Value
    found: bool


class Watch(Part):
    """One sequence."""

    sequence: str
    timeline: list[Step] = Field(default_factory=list)


class Watched(Part):
    """What sequences tell of a detector, or of a tracker on its detections."""

    sequences: Count
    found_stably: Count
    jump_rate: Share | None
    identity_switches: Count
    lasting_false_alarm_share: Share
    runs: list[Watch] = Field(default_factory=list)


class Flew(Part):
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


class Sequences(Part):
    """Detector and baseline tracker over time."""

    detector: Watched
    baseline_tracker: Watched
    flights: list[Flew] = Field(default_factory=list)
