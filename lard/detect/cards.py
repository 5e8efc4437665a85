"""Cards of the detectors that come with the package: what each is, what it learnt from and how it does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from lard.documents import checked, read_json
from lard.errors import ModelError
from lard.tables import write_json

ZOO = Path(__file__).parent / "zoo"
CORNERS = "corners"
"""Folder of corner models below that of detectors."""
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]

Way = tuple[tuple[float, ...], bool, bool]
"""How pictures are searched: scales, relative and blend of a PredictSpec."""
USUAL: Way = ((1.0,), False, False)


def told(way: Way) -> str:
    """What is unusual about a way to search pictures, with a comma before each; empty where nothing is."""
    scales, relative, blend = way
    several = "" if scales == USUAL[0] else f", scales {','.join(f'{one:g}' for one in scales)}"
    return several + (", blended" if blend else "") + (", relative scores" if relative else "")


class Measured(BaseModel):
    """Scores on one set of pictures; the threshold of the false alarms was chosen on validation airports.

    scales, relative and blend say how the pictures were searched, as in PredictSpec.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    on: str = Field(min_length=1, max_length=200)
    pictures: int = Field(ge=1)
    scales: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = Field(
        default=(1.0,), min_length=1
    )
    relative: bool = False
    blend: bool = False
    AP: _Share
    AP50: _Share
    by_zone: dict[str, _Share] = Field(default_factory=dict)  # AP50
    score_threshold: _Share | None = None
    recall: _Share | None = None  # at that threshold, as the false alarms are
    false_alarms_per_image: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    @property
    def way(self) -> Way:
        """How the pictures were searched."""
        return self.scales, self.relative, self.blend

    @property
    def what(self) -> str:
        """Which pictures, and how they were searched where that is not the usual way."""
        return self.on + told(self.way)


class CornersMeasured(BaseModel):
    """Errors of corners and poses on one set of pictures, of the right detections above a threshold."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    on: str = Field(min_length=1, max_length=200)
    boxes: str = Field(min_length=1, max_length=200)  # whose: of which detector, from which score on
    pictures: int = Field(ge=1)
    required: int = Field(ge=0)  # runways
    share: _Share  # of these, found with corners
    corner_px_median: float = Field(ge=0)
    corner_px_p95: float = Field(ge=0)
    by_zone_px: dict[str, float] = Field(default_factory=dict)  # median
    poses: int = Field(default=0, ge=0)
    pose_median: dict[str, float] = Field(default_factory=dict)  # size of the error, by name


class Card(BaseModel):
    """What every shipped model is, and what it learnt from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    licence: str = "MIT"
    family: str
    parameters: int = Field(ge=1)
    lipschitz_constant: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    made_by: str = Field(min_length=1, max_length=200)  # the command that makes it again
    trained_airports: tuple[str, ...]
    validation_airports: tuple[str, ...]
    training: dict[str, Any]


class CornerCard(Card):
    """What a shipped corner model is, what it learnt from and how it does."""

    scores: tuple[CornersMeasured, ...] = ()


class ModelCard(Card):
    """What a shipped detector is, what it learnt from and how it does."""

    scores: tuple[Measured, ...] = ()

    @property
    def score_threshold(self) -> float | None:
        """The operating point chosen on the validation airports, None where none is stated."""
        return self.threshold_of(USUAL)

    def threshold_of(self, way: Way) -> float | None:
        """The operating point of pictures searched that way, None where none is stated."""
        stated = (one.score_threshold for one in self.scores if one.way == way)
        return next((score for score in stated if score is not None), None)


def shipped() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(path.stem for path in ZOO.glob("*.pt"))


def shipped_corners() -> list[str]:
    """Names of the corner models that come with the package."""
    return sorted(path.stem for path in (ZOO / CORNERS).glob("*.pt"))


def corner_weights_of(name: str) -> Path:
    """The checkpoint of a shipped corner model; ModelError lists what there is."""
    if name not in shipped_corners():
        known = ", ".join(shipped_corners()) or "none"
        raise ModelError(f"no shipped corner model {name!r:.120}; there are: {known}")
    return ZOO / CORNERS / f"{name}.pt"


def corner_card_of(name: str) -> CornerCard:
    """The card of a shipped corner model."""
    path = corner_weights_of(name).with_suffix(".json")
    return checked(CornerCard, read_json(path, error=ModelError), path, error=ModelError)


def weights_of(name: str) -> Path:
    """The checkpoint of a shipped model; ModelError lists what there is."""
    if name not in shipped():
        raise ModelError(f"no shipped model {name!r:.120}; there are: {', '.join(shipped()) or 'none'}")
    return ZOO / f"{name}.pt"


def card_of(name: str) -> ModelCard:
    """The card of a shipped model."""
    path = weights_of(name).with_suffix(".json")
    return checked(ModelCard, read_json(path, error=ModelError), path, error=ModelError)


def appraised(name: str, scores: Sequence[Measured]) -> ModelCard:
    """Write scores into the card of a shipped model, in place of those of the same pictures and search."""
    card = card_of(name)
    new = {(one.on, one.way) for one in scores}
    kept = [one for one in card.scores if (one.on, one.way) not in new]
    card = card.model_copy(update={"scores": (*kept, *scores)})
    write_json(card.model_dump(mode="json"), weights_of(name).with_suffix(".json"))
    return card


def corners_appraised(name: str, scores: Sequence[CornersMeasured]) -> CornerCard:
    """The same of a corner model: in place of those on the same pictures and of the same boxes."""
    card, new = corner_card_of(name), {(one.on, one.boxes) for one in scores}
    kept = [one for one in card.scores if (one.on, one.boxes) not in new]
    card = card.model_copy(update={"scores": (*kept, *scores)})
    write_json(card.model_dump(mode="json"), corner_weights_of(name).with_suffix(".json"))
    return card
