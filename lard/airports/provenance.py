"""Names and versions of databases that were changed, made from content: none passes for another."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from lard.airports.model import RunwayDatabase

CORRECTED = "-corrected"
_DIGITS = 12


def content_digest(database: RunwayDatabase) -> str:
    """SHA-256 of what a database says of every runway, whatever it calls itself; 0.1 mm counts as equal."""
    runways = [r for icao in sorted(database.airports) for r in database.airports[icao].runways]
    facts = [
        [
            r.airport,
            r.ident,
            r.reciprocal,
            f"{r.displaced_m:.4f}",
            r.surface,
            str(r.lighted),
            r.marking,
            r.approach_lights,
        ]
        for r in runways
    ]
    corners = np.array([r.corners for r in runways], np.float64).reshape(-1, 3)
    places = np.round(corners * (1e9, 1e9, 1e4)).astype(np.int64)
    digest = hashlib.sha256(repr([database.earth, database.altitude_datum, facts]).encode())
    digest.update(places.astype("<i8").tobytes())
    return digest.hexdigest()


def as_corrected(changed: RunwayDatabase, original: RunwayDatabase) -> RunwayDatabase:
    """A changed database under a name and version of its own: 2026.11 becomes 2026.11+<its content>.

    One that says the same as the original keeps the original's.
    """
    digest = content_digest(changed)
    if digest == content_digest(original):
        return replace(changed, name=original.name, version=original.version)
    return replace(as_changed(changed), name=original.name.removesuffix(CORRECTED) + CORRECTED)


def as_changed(database: RunwayDatabase) -> RunwayDatabase:
    """A database that says something else than its source under that source's version and its own content."""
    base = database.version.partition("+")[0]
    return replace(database, version=f"{base}+{content_digest(database)[:_DIGITS]}")
