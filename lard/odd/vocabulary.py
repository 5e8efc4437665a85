"""Words that the free-text parameters of a spec may hold."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from lard.airports.surfaces import PAVED, UNPAVED
from lard.airports.vocabulary import marking_of
from lard.odd.parameters import PARAMETERS

SURFACES = (*PAVED, *UNPAVED, "water", "transparent", "unknown")

_CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT
BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH
ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT
HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS
LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI
NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG
SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG
UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
"""
COUNTRIES = tuple(_CODES.split())
"""ISO 3166-1 alpha-2, and XK as airport tables write Kosovo."""

_WORDS = {"surface": SURFACES, "country": COUNTRIES}
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
        near = [word.upper()] if word.upper() in known else []
        expected = "a two-letter country code of ISO 3166, such as FR"
    else:
        meant = marking_of(word) if name == "marking" else None
        near, expected = [meant] if meant else nearest(word, known), f"some of {', '.join(known)}"
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    return f"unknown {word!r}{hint}; expected {expected}"


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """Known words that look like a mistyped one, best first."""
    return difflib.get_close_matches(word.lower(), list(known), n=2, cutoff=0.6)
