"""What a terrain model offers, whether of rasters or shipped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lard.airports import Airport

Array = NDArray[np.float64]

FAR_REACH_M = 40_000.0
"""How far from an airport the land of rasters is drawn."""
FAR_STEP_M = 100.0
"""Post spacing of their land away from the airport: a multiple of the near land's, so that rims coincide."""


class TerrainModel(Protocol):
    """Heights of the land in metres, in the datum they were asked for in."""

    @property
    def path(self) -> str:
        """What it was opened by."""

    @property
    def far_reach_m(self) -> float:
        """How far from an airport its land is drawn."""

    @property
    def far_step_m(self) -> float:
        """Post spacing of the land drawn away from the airport, a multiple of the near land's."""

    def levelled_by(self, airports: tuple[Airport, ...]) -> Self:
        """The model for these airports' runways, where it is brought to runways (shipped.in_use)."""

    def heights(self, lat_deg: Array, lon_deg: Array, step_m: float = 0.0) -> Array:
        """Heights of latitudes and longitudes of any shape; NaN where none are known.

        step_m: spacing of the points asked for.
        """

    def told(self, lat_deg: Array, lon_deg: Array) -> Array:
        """Heights as its source tells them, to compare runways with; NaN where none are known."""

    def check_covers(self, icao: str, lat_deg: float, lon_deg: float) -> None:
        """DataError for an airport at a place that it is not made for."""

    def stated(self, places: Iterable[tuple[float, float]], reach_m: float) -> dict[str, Any]:
        """Which files (by SHA-256) tell the land near places (latitude, longitude), and in what datum."""

    def digest(self, lat_deg: float, lon_deg: float, reach_m: float) -> str:
        """What decides the land within a square of half side reach_m, as one text."""

    def name(self) -> str:
        """What a manifest calls it."""

    def summary(self) -> str:
        """One line: what it is, and in what datum."""
