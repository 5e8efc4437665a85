"""Every requirement there is: importing this module imports all modules of checks."""

from __future__ import annotations

from lard.errors import SpecError
from lard.quality import waivers  # noqa: F401  (importing registers its requirement)
from lard.quality.checks import (  # noqa: F401  (importing registers their requirements)
    accuracy,
    boxes,
    camera,
    conditions,
    coverage,
    exported,
    horizon,
    imagery,
    images,
    integrity,
    meanings,
    on_pictures,
    outlines,
    places,
    repeats,
    represent,
    required,
    runways,
    sets,
    statistics,
    trace,
    variety,
)
from lard.quality.registry import Check, normalise_id, registered

ORDER = "CRAIUSTNW"  # of the letters of the ids


def all_checks() -> tuple[Check, ...]:
    """Every requirement, in the order of the catalogue."""
    return tuple(sorted(registered(), key=lambda c: (ORDER.index(c.id[4]), c.id)))


def find_check(text: str) -> Check:
    """The requirement of that id; a SpecError names the known ones."""
    known = {c.id: c for c in all_checks()}
    found = known.get(normalise_id(text))
    if found is None:
        raise SpecError(f"unknown requirement {text!r}; known: {', '.join(known)} (see `lard dqr list`)")
    return found
