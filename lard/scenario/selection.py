"""Which runways a spec admits, and how often each is drawn: airports, headings and views balanced."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.airports.model import Airport, Runway, RunwayDatabase
from lard.approach import Approaches, pose_of
from lard.camera import to_camera
from lard.errors import SpecError
from lard.odd.context import is_null, needed_parameters
from lard.odd.laws import Law
from lard.odd.parameters import PARAMETERS
from lard.odd.spec import OddSpec

Array = NDArray[np.float64]

RUNWAY_PARAMETERS = tuple(name for name, p in PARAMETERS.items() if p.group == "runway")

SECTORS = 12
_VIEW_FROM_M = 3000.0
_MAX_RATIO = 4.0


@dataclass(frozen=True, slots=True)
class Candidates:
    """The landing directions of a sample, sorted, with what specs may ask of them; arrays (k,)."""

    airports: tuple[Airport, ...]
    runways: tuple[Runway, ...]
    attributes: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.runways)


def candidates(spec: OddSpec, db: RunwayDatabase, airports: Iterable[str]) -> Candidates:
    """The landing directions of the named airports that the spec's runway selection admits."""
    codes = sorted({db.airport(code).icao for code in airports})
    if not codes:
        raise SpecError("no airport was named; give at least one ICAO code, for example LFPO")
    pairs = [(db.airport(code), runway) for code in codes for runway in db.airport(code).runways]
    pairs.sort(key=lambda pair: (pair[0].icao, pair[1].ident))
    attributes = runway_attributes(spec, pairs)
    _check_known(spec, db, pairs, attributes)
    keep = np.ones(len(pairs), bool)
    refused: list[str] = []
    for name, law in spec.runways.items():
        values = attributes[name]
        if isinstance(law, Law):
            good = law.slack(values) >= 0
            wanted = " or ".join(f"{value:g}" for value in law.values or ()) or f"[{law.lo:g}, {law.hi:g}]"
            there = f"{values.min():g} to {values.max():g}" if len(values) else "none"
        else:
            good = np.isin(values, law.names)
            wanted, there = ", ".join(law.names), ", ".join(sorted(set(values.tolist())))
        refused.append(f"runways.{name}: {wanted} admits {good.sum()} of {len(values)} (there: {there})")
        keep &= good
    if not keep.any():
        text = "\n".join(f"  {line}" for line in refused) or "  the airports have no runways"
        raise SpecError(
            f"ODD {spec.name}: no runway of {', '.join(codes)} satisfies the runway selection; "
            f"widen it or name other airports\n{text}"
        )
    kept = [pair for pair, good in zip(pairs, keep, strict=True) if good]
    chosen = {name: values[keep] for name, values in attributes.items()}
    return Candidates(tuple(a for a, _ in kept), tuple(r for _, r in kept), chosen)


def _check_known(
    spec: OddSpec,
    db: RunwayDatabase,
    pairs: Sequence[tuple[Airport, Runway]],
    attributes: dict[str, NDArray[Any]],
) -> None:
    """SpecError with a line per runway parameter that the spec asks about and the database leaves empty."""
    faults = []
    for name, asker in needed_parameters(spec).items():
        empty = is_null(attributes[name]) if name in attributes else np.zeros(0, bool)
        if empty.any():
            airport, runway = pairs[int(empty.argmax())]
            faults.append(
                f"{db.name} {db.version} tells no {name} of {empty.sum()} of {len(pairs)} runways (first: "
                f"{airport.icao} {runway.ident}), which {asker} of ODD {spec.name} asks for; complete it"
            )
    if faults:
        raise SpecError("\n".join(faults))


def runway_attributes(
    spec: OddSpec, pairs: Sequence[tuple[Airport, Runway]], names: Iterable[str] = RUNWAY_PARAMETERS
) -> dict[str, NDArray[Any]]:
    """Values (k,) of the runway parameters an ODD may limit."""
    values: dict[str, Callable[[], NDArray[Any]]] = {
        "length_m": lambda: np.array([runway.length_m for _, runway in pairs]),
        "width_m": lambda: np.array([runway.width_m for _, runway in pairs]),
        "elevation_m": lambda: np.array([runway.ltp[2] for _, runway in pairs]),
        "strips_in_view": lambda: np.array([strips_in_view(spec, *pair) for pair in pairs], float),
        "surface": lambda: np.array([runway.surface for _, runway in pairs], dtype=str),
        "marking": lambda: np.array([runway.marking for _, runway in pairs], dtype=str),
        "country": lambda: np.array([airport.country for airport, _ in pairs], dtype=str),
        "lighted": lambda: np.array(
            ["true" if runway.lighted else "false" for _, runway in pairs], dtype=str
        ),
    }
    return {name: values[name]() for name in names}


def strips_in_view(spec: OddSpec, airport: Airport, runway: Runway) -> int:
    """Strips with some corner inside the camera's horizontal field, 3 km out on the centreline."""
    one = Approaches(*([value] for value in (_VIEW_FROM_M, 0.0, 3.0, 0.0, -3.0, 0.0)))  # type: ignore[arg-type]
    pose = pose_of(runway, one, spec.lateral_apex_m, spec.vertical_apex_m)
    half_deg = spec.camera.fov_deg[0] / 2
    count = 0
    for strip in airport.strips:
        corners = to_camera(strip.corners_ecef(), pose)[0]
        bearing = np.degrees(np.arctan2(corners[:, 0], corners[:, 2]))
        count += bool((np.abs(bearing) < half_deg).any())
    return count


def weights(chosen: Candidates) -> Array:
    """Probabilities (k,) of the landing directions.

    Raked so that airports are equal and, within what their runways allow, so are heading sectors of
    30 degrees and views with one, two or more strips; no runway is more than four times as frequent as
    another of its airport.
    """
    airport = np.unique([a.icao for a in chosen.airports], return_inverse=True)[1]
    heading = np.array([runway.heading_deg for runway in chosen.runways])
    sector = np.unique((heading // (360 / SECTORS)).astype(int), return_inverse=True)[1]
    view = np.unique(np.clip(chosen.attributes["strips_in_view"], 1, 3), return_inverse=True)[1]
    weight = np.ones(len(chosen)) / len(chosen)
    for _ in range(30):
        for group in (view, sector):
            weight = weight / _sums(weight, group)
            weight /= weight.sum()
        weight = np.maximum(weight, _largest(weight, airport) / _MAX_RATIO)
        weight = weight / _sums(weight, airport)
        weight /= weight.sum()
    return weight


def _sums(weight: Array, group: NDArray[np.intp]) -> Array:
    return np.bincount(group, weight).astype(np.float64)[group]


def _largest(weight: Array, group: NDArray[np.intp]) -> Array:
    largest = np.zeros(group.max() + 1)
    np.maximum.at(largest, group, weight)
    return largest[group]
