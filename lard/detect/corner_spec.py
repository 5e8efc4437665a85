"""Parameters of the corner models: a second stage that finds four corners in a window about a box."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lard.detect.presets import from_preset

_Channels = Annotated[int, Field(ge=8, le=1024, multiple_of=8)]
_Depth = Annotated[int, Field(ge=0, le=16)]

FAMILIES = ("corners", "lip-corners")

CORNER_PRESETS: dict[str, dict[str, Any]] = {
    "corners-s": {"family": "corners", "widths": (24, 48, 64), "merge": 32, "learning_rate": 3e-3},
    "lip-corners-s": {
        "family": "lip-corners",
        "widths": (32, 64, 64),
        "merge": 32,
        "sharpness": 3.0,
        "learning_rate": 3e-3,
    },
}
"""Parameters of each named corner model, as they stand in the models section of params.yaml."""


class CornerSpec(BaseModel):
    """Architecture, window and training noise of one corner model; widths are channels at strides 2, 4, 8.

    A window is the box grown by `margin` of its sides and by `pad_px` on every side, resampled to a square
    of `input_px`. In training the box is moved and resized as a detector's boxes are: normal errors of
    `jitter` of its sides and `jitter_px`, a share `coarse` of them three times as large.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    family: Literal["corners", "lip-corners"]
    widths: tuple[_Channels, _Channels, _Channels] = (24, 48, 64)
    depths: tuple[_Depth, _Depth, _Depth] = (0, 1, 2)
    merge: _Channels = 32
    input_px: int = Field(default=96, ge=32, le=512, multiple_of=8)
    margin: float = Field(default=0.25, ge=0, le=2)
    pad_px: float = Field(default=3.0, ge=0.5, le=64)
    least_aspect: float = Field(default=0.25, gt=0, le=1)  # of a window's shorter side to its longer one
    passes: int = Field(default=1, ge=1, le=4)  # at work: windows about the corners of the pass before
    sharpness: float = Field(default=2.0, gt=0, le=100)  # at work: of the softmax, times the trained gain
    least_presence: float = Field(default=0.5, gt=0, lt=1)  # corners less surely in the picture are not given
    jitter: float = Field(default=0.03, ge=0, le=0.5)
    jitter_px: float = Field(default=0.6, ge=0, le=16)
    coarse: float = Field(default=0.2, ge=0, le=1)
    empty: float = Field(default=0.1, ge=0, lt=1)  # share of training windows without a runway of their own
    learning_rate: float = Field(default=3e-3, gt=0)
    steps: int | None = Field(default=None, ge=1)  # instead of the training section's

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, given: Any) -> Any:
        return from_preset(given, CORNER_PRESETS)

    @property
    def strides_px(self) -> tuple[int, ...]:
        """Strides of the stages; heat maps have the first."""
        return (2, 4, 8)

    @property
    def normalise(self) -> bool:
        """Corner models see windows as they are."""
        return False


def speaks_of_corners(given: Any) -> bool:
    """Whether an entry of the models section is of a corner model."""
    return isinstance(given, Mapping) and (
        given.get("family") in FAMILIES
        or (isinstance(given.get("base"), str) and given["base"] in CORNER_PRESETS)
    )
