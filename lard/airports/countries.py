"""Codes of countries that runway tables and specs may hold."""

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

EXPECTED = "a two-letter country code of ISO 3166, such as FR"
_KNOWN = frozenset(COUNTRIES)
_MISTAKEN = {"UK": "GB", "EL": "GR"}  # codes in use that ISO 3166 gives to none


def meant_country(word: str) -> list[str]:
    """The code that a word in other letters or a mistaken code means, if any."""
    code = word.strip().upper()
    code = _MISTAKEN.get(code, code)
    return [code] if code in _KNOWN else []


def country_expected(word: str) -> str | None:
    """What was expected of a table's cell instead of a word; None for a code and where no country is told."""
    if not word or word in _KNOWN:
        return None
    near = meant_country(word)
    return f"{EXPECTED}, or nothing" + (f"; did you mean {near[0]}?" if near else "")
