"""Words that the free-text parameters of a spec may hold."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from lard.airports import countries
from lard.airports.surfaces import SURFACES
from lard.airports.vocabulary import marking_of
from lard.odd.parameters import PARAMETERS

_WORDS = {"surface": SURFACES, "country": countries.COUNTRIES}
_CLOSED = ("surface", "country")


def known_words(name: str) -> tuple[str, ...]:
    """The known categories of a parameter; a free text may hold others."""
    categories = PARAMETERS[name].categories
    return _WORDS.get(name, ()) if categories == ("*",) else categories


def word_fault(name: str, word: str) -> str | None:
    """What is wrong with a category of a parameter, None when it may stand there."""
    known = known_words(name)
    free = PARAMETERS[name].categories == ("*",) and name not in _CLOSED
    if free or word in known:
        return None
    if name == "country":
        near, expected = countries.meant_country(word), countries.EXPECTED
    else:
        meant = marking_of(word) if name == "marking" else None
        near, expected = [meant] if meant else nearest(word, known), f"some of {', '.join(known)}"
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    return f"unknown {word!r}{hint}; expected {expected}"


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """Known words that look like a mistyped one, best first."""
    return difflib.get_close_matches(word.lower(), list(known), n=2, cutoff=0.6)
