"""The card of a submission: what it says about itself, in text that reads as it is."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lard.documents import checked, read_yaml
from lard.score.approaches import INTEGRITY

_ALPHABETS = ("LATIN", "CYRILLIC", "GREEK")
"""Alphabets whose letters are taken for one another."""
_ALIKE = str.maketrans("1i0_.", "llo--")
"""Characters of names that are taken for others, after lower case."""
_JOINED = (("rn", "m"), ("vv", "w"))
"""Pairs of letters that are read as one."""


def _plain(text: str) -> str:
    """The text on one line in one form; ValueError names what is hidden or looks alike."""
    text = " ".join(unicodedata.normalize("NFKC", text).split())
    hidden = next((char for char in text if unicodedata.category(char).startswith("C")), None)
    if hidden is not None:
        raise ValueError(f"holds the invisible character U+{ord(hidden):04X}, write plain text")
    for word in text.split():
        found = {_alphabet(char) for char in word if char.isalpha()} & {*_ALPHABETS}
        if len(found) > 1:
            names = " and ".join(name.title() for name in sorted(found))
            raise ValueError(f"mixes {names} letters in {word!r}, write in one")
    return text


def _alphabet(char: str) -> str:
    return unicodedata.name(char, "").partition(" ")[0]


Line = Annotated[str, Field(max_length=1000), AfterValidator(_plain)]


def _told(text: str) -> str:
    if not text:
        raise ValueError("is blank, write who made it")
    return text


class Card(BaseModel):
    """What a submission says about itself; dataset_sha256 is that of the COCO file it was made for.

    latency_ms is the time of one frame on the hardware named, everything included. score_threshold is the
    score from which its detections count, where it has no validation results. corner_sigma_px is the standard
    deviation of its corners' coordinates, for the integrity test. trained_airports are the codes
    of all airports that its training has seen, in any imagery.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?$")
    authors: Annotated[Line, AfterValidator(_told)]
    description: Line = ""
    url: Line = ""
    licence: Line = ""
    dataset_sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    parameters: int | None = Field(default=None, ge=0, strict=True)
    latency_ms: float | None = Field(default=None, gt=0, allow_inf_nan=False, strict=True)
    hardware: Line = ""
    score_threshold: float | None = Field(default=None, ge=0, le=1, strict=True)
    corner_sigma_px: float = Field(default=INTEGRITY.corner_sigma_px, ge=1e-3, le=1e3, strict=True)
    trained_airports: tuple[Annotated[Line, Field(min_length=1, max_length=40)], ...] | None = None


def read_card(path: str | Path) -> Card:
    """Read a card (YAML); every fault in one error."""
    path = Path(path)
    return checked(Card, read_yaml(path, absent="write a card with at least name and authors"), path)


def same_to_the_eye(first: str, second: str) -> bool:
    """Whether two names are told apart by case, or by characters that look alike, at most."""
    return _drawn(first) == _drawn(second)


def _drawn(name: str) -> str:
    drawn = name.casefold().translate(_ALIKE)
    for pair, letter in _JOINED:
        drawn = drawn.replace(pair, letter)
    return drawn
