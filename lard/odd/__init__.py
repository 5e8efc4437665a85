"""Operational design domains: specs, membership, coverage."""

from lard.odd.membership import (
    IN_EXTENDED_ODD,
    IN_ODD,
    OUT_OF_ODD,
    VERDICTS,
    Judgement,
    judge,
    verdicts,
    zone_of,
)
from lard.odd.reader import load_spec
from lard.odd.spec import OddSpec, Zone

__all__ = [
    "IN_EXTENDED_ODD",
    "IN_ODD",
    "OUT_OF_ODD",
    "VERDICTS",
    "Judgement",
    "OddSpec",
    "Zone",
    "judge",
    "load_spec",
    "verdicts",
    "zone_of",
]
