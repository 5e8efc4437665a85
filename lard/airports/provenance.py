"""Whether a database is the one that a table names: versions follow from content."""

from __future__ import annotations

from dataclasses import replace

from lard.airports.content import content_digest, versioned
from lard.airports.model import RunwayDatabase
from lard.airports.table import load_shipped

CORRECTED = "-corrected"


def as_corrected(changed: RunwayDatabase, original: RunwayDatabase) -> RunwayDatabase:
    """A changed database under a name and version of its own: 2026.11 becomes 2026.11+<its content>.

    One that says the same as the original keeps the original's.
    """
    if content_digest(changed) == content_digest(original):
        return replace(changed, name=original.name, version=original.version)
    return replace(versioned(changed), name=original.name.removesuffix(CORRECTED) + CORRECTED)


def as_part(part: RunwayDatabase, original: RunwayDatabase) -> RunwayDatabase:
    """Some airports of a database, under a version of their own unless they are all of it."""
    return part if part.airports == original.airports else versioned(part)


def is_named(database: RunwayDatabase, name: str, version: str) -> bool:
    """Whether a table that names its runways so was made with this database, as far as the name tells."""
    return (name, version) == (database.name, database.version) or is_older_name(database, name, version)


def is_older_name(database: RunwayDatabase, name: str, version: str) -> bool:
    """Whether a version without content, as older tables name it, is that of this database otherwise.

    The shipped tables' versions have always stood for one content.
    """
    shipped = load_shipped()
    if "+" in version or (name, version) == (shipped.name, shipped.version):
        return False
    base, plus, _ = database.version.partition("+")
    return bool(plus) and (name, version) == (database.name, base)
