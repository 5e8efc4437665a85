"""The alarm from which a monitor stops: by pictures, by airports, or by what most airports show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lard.assurance.ranks import Floats, threshold_of
from lard.errors import DataError

Rule = Literal["pictures", "airports", "median"]
PICTURES: Rule = "pictures"
SAYS: dict[Rule, str] = {
    "pictures": "split conformal rank over all pictures, as if a new airport's were exchangeable with them",
    "airports": "hierarchical conformal rank: holds for a new airport drawn as these were",
    "median": "median over airports of each one's own quantile: no guarantee, and no airport decides alone",
}


def threshold_by(
    rule: Rule, values: Floats, airports: Sequence[str] | NDArray[Any], false_stops: float
) -> float:
    """The alarm above which a new picture of the domain is stopped; alarms (n,) of pictures, airports (n,).

    DataError where the pictures or airports are too few for the rate.
    """
    names = np.asarray(airports)
    if rule == "median":
        quantiles = [np.quantile(values[names == name], 1 - false_stops) for name in np.unique(names)]
        return float(np.median(quantiles))
    found = (
        threshold_of(values, false_stops) if rule == PICTURES else _by_airports(values, names, false_stops)
    )
    if found is None:
        least = int(np.ceil(1 / false_stops - 1e-9)) - 1
        count, unit = (len(values), "pictures") if rule == PICTURES else (len(np.unique(names)), "airports")
        raise DataError(
            f"{count} validation {unit} cannot set a false-stop rate of {false_stops:g};"
            f" give at least {least}, or accept a larger rate"
        )
    return found


def _by_airports(values: Floats, names: NDArray[Any], false_stops: float) -> float | None:
    """Hierarchical conformal prediction (Lee, Barber and Willett, 2023), for one picture of a new airport.

    Each of K airports has the weight 1 / (K + 1), its pictures alike, and the new one the rest at infinity;
    None where that rest alone is more than the rate.
    """
    order = np.argsort(values, kind="stable")
    _, place, counts = np.unique(names, return_inverse=True, return_counts=True)
    weights = 1 / ((len(counts) + 1) * counts[place])
    reached = np.cumsum(weights[order]) >= 1 - false_stops - 1e-9
    return float(values[order][int(reached.argmax())]) if reached.any() else None
