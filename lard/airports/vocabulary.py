"""Words for the paint and the approach lights of a runway end, and the spellings that files use for them."""

from collections.abc import Mapping

MARKINGS = ("none", "basic", "nonprecision", "precision")
"""Runway markings by kind of approach, ICAO Annex 14 volume I, 5.2: "basic" is a visual runway's."""

APPROACH_LIGHTS = ("none", "simple", "full")
"""Approach lights: none; a simple system of some 420 m; one of 720 to 900 m (Annex 14 volume I, 5.3.4)."""

ASSUMABLE = ("marking", "approach_lights")
"""Values of a runway end that a source may be silent about; the table says where they are assumed."""

_MARKING_SPELLINGS = {
    "visual": "basic",
    "non-precision": "nonprecision",
    "non precision": "nonprecision",
    "non_precision": "nonprecision",
}
_LIGHTS_OF_MARKING = {"precision": "full", "nonprecision": "simple"}

APTDAT_MARKINGS = {
    0: "none", 1: "basic", 2: "nonprecision", 3: "precision",
    4: "nonprecision", 5: "precision", 6: "nonprecision", 7: "precision",
}  # fmt: skip
"""Marking codes of apt.dat 1000 to 1200; 4 and 5 are the UK's, 6 and 7 the EASA variants of 2 and 3."""

APTDAT_APPROACH_LIGHTS = {
    0: "none",
    **dict.fromkeys((1, 2, 3, 4, 5, 8), "full"),  # ALSF-I, ALSF-II, Calvert, Calvert ILS, SSALR, MALSR
    **dict.fromkeys((6, 7, 9, 10, 11, 12), "simple"),  # SSALF, SALS, MALSF, MALS, ODALS, RAIL
}
"""Approach light codes of apt.dat 1000 to 1200 by the length of the system."""


def marking_of(text: str) -> str | None:
    """The marking that a word means in any known spelling; None when it means none."""
    return _word(text, MARKINGS, _MARKING_SPELLINGS)


def approach_lights_of(text: str) -> str | None:
    """The approach lights that a word means; None when it means none."""
    return _word(text, APPROACH_LIGHTS, {})


def usual_approach_lights(marking: str) -> str:
    """The approach lights that go with a marking where nothing is stated."""
    return _LIGHTS_OF_MARKING.get(marking, "none")


def _word(text: str, known: tuple[str, ...], spellings: Mapping[str, str]) -> str | None:
    word = text.strip().lower()
    word = spellings.get(word, word)
    return word if word in known else None
