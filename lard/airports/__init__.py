"""Runway databases."""

from lard.airports.model import Airport, Runway, RunwayDatabase, normalise_ident
from lard.airports.table import load_shipped

__all__ = ["Airport", "Runway", "RunwayDatabase", "load_shipped", "normalise_ident"]
