"""Draws frames that fill an ODD: low-discrepancy points, exact inversion of every marginal, real runways."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.airports.model import RunwayDatabase
from lard.approach import Approaches, pose_of
from lard.errors import SpecError
from lard.odd.laws import Law
from lard.odd.parameters import APPROACH, CONDITIONS
from lard.odd.rules import rule_excess
from lard.odd.spec import OddSpec, Rule, Zone
from lard.scenario import environment as env
from lard.scenario.coupling import Component, couple
from lard.scenario.designs import dealt, unit_points
from lard.scenario.methods import METHODS, design_of, laws_of
from lard.scenario.selection import Candidates, candidates, weights
from lard.scenario.splits import assign_splits
from lard.scenario.sun import time_utc
from lard.tables import FRAMES, ORIGIN, check_schema

Array = NDArray[np.float64]

DIMENSIONS = 1 + len(APPROACH) + env.DIMENSIONS  # the runway, the approach, the environment
_MAX_TRIES = 2**17


@dataclass(frozen=True, slots=True)
class Sample:
    """Frames; per zone the share of points that rules and the sun let pass; airports without a fit runway."""

    frames: pl.DataFrame
    acceptance: dict[str, float]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Points:
    """Drawn points of one zone, before they get a pose: runway index (n,), approaches, environment."""

    runway: NDArray[np.intp]
    approaches: Approaches
    environment: dict[str, NDArray[Any]]
    acceptance: float = 1.0

    def __getitem__(self, index: Any) -> Points:
        kept = {name: values[index] for name, values in self.environment.items()}
        return Points(self.runway[index], self.approaches[index], kept, self.acceptance)


def sample(
    spec: OddSpec,
    db: RunwayDatabase,
    airports: Iterable[str],
    n: int,
    seed: int = 0,
    *,
    method: str = "sobol",
    split: Mapping[str, Any] | None = None,
    shard: tuple[int, int] = (0, 1),
) -> pl.DataFrame:
    """n frames (FRAMES schema, sorted by frame_id) over the zones and runways; see draw."""
    return draw(spec, db, airports, n, seed, method=method, split=split, shard=shard).frames


def draw(
    spec: OddSpec,
    db: RunwayDatabase,
    airports: Iterable[str],
    n: int,
    seed: int = 0,
    *,
    method: str = "sobol",
    split: Mapping[str, Any] | None = None,
    shard: tuple[int, int] = (0, 1),
) -> Sample:
    """A sample with its acceptance rates.

    Frames are the same in any order of airports; shard (i, k) returns every k-th frame from the i-th, and
    the shards together are the whole. Methods: see lard.scenario.methods.
    """
    _check_arguments(n, seed, method, shard)
    codes = list(airports)
    chosen = candidates(spec, db, codes)
    splits = assign_splits(db, codes, split, seed)
    tables, acceptance = [], {}
    for zone, count in zip(spec.zones, shares(spec, n), strict=True):
        if count:
            points = zone_points(spec, zone, chosen, count, seed, method)
            acceptance[zone.name] = points.acceptance
            tables.append(frames_of(spec, db, zone.name, chosen, points, splits, seed))
    frames = pl.concat(tables).sort("frame_id")
    fit = {airport.icao for airport in chosen.airports}
    left_out = tuple(sorted(code for code in splits if code not in fit))
    return Sample(frames.gather_every(shard[1], shard[0]), acceptance, left_out)


def _check_arguments(n: int, seed: int, method: str, shard: tuple[int, int]) -> None:
    if n < 1:
        raise SpecError(f"{n} frames were asked for; expected at least 1")
    if not 0 <= seed < 1 << 63:
        raise SpecError(f"seed is {str(seed)[:25]}; expected a whole number from 0 to 2^63 - 1")
    if method not in METHODS:
        raise SpecError(f"unknown sampling method {method!r}; expected one of {', '.join(METHODS)}")
    if not 0 <= shard[0] < shard[1]:
        raise SpecError(f"shard {shard[0]} of {shard[1]} does not exist; expected 0 <= i < k")


def shares(spec: OddSpec, n: int) -> list[int]:
    """Frames per zone in the spec's proportions, by largest remainder, n in all."""
    wanted = np.array([zone.share for zone in spec.zones])
    wanted = n * wanted / wanted.sum()
    counts = np.floor(wanted).astype(int)
    counts[np.argsort(counts - wanted, kind="stable")[: n - counts.sum()]] += 1
    return counts.tolist()


def zone_points(
    spec: OddSpec, zone: Zone, chosen: Candidates, n: int, seed: int, method: str = "sobol"
) -> Points:
    """The first n points of a zone's design that satisfy every rule.

    One design spans runways, approach and environment, so each runway's points fill the zone as well. Where
    there are rules it is bent first, so that few points break them and the declared laws are kept.
    """
    laws, share = laws_of(zone, method), weights(chosen)
    components = _components(spec, laws, chosen, share)
    tries = n
    while True:
        u = _design(spec, design_of(method), tries, seed, f"{spec.name}/{zone.name}")
        for component in components:
            u = component.bend(u)
        points, possible = points_of(spec, laws, chosen, share, u)
        held = rules_held(spec, chosen, points)
        accepted = np.logical_and.reduce([possible, *held])
        if accepted.sum() >= n:
            break
        tries *= 2
        if tries > max(_MAX_TRIES, 64 * n):
            raise SpecError(_nothing_left(spec, zone, held, possible, n))
    index = np.flatnonzero(accepted)[:n]
    rate = n / (index[-1] + 1) if design_of(method) != "lhs" else accepted.sum() / tries
    return replace(points[index], acceptance=float(rate))


def _design(spec: OddSpec, design: str, n: int, seed: int, key: str) -> Array:
    """Unit points (n, DIMENSIONS), with the coordinates of the conditions where the spec declares some.

    Those are the later dimensions of a design of their own, so declaring one moves no other parameter.
    """
    u = unit_points(design, n, DIMENSIONS, seed, key)
    if env.declared_conditions(spec):
        more = unit_points(design, n, DIMENSIONS + len(CONDITIONS), seed, f"{key}/conditions")
        u = np.hstack([u, more[:, DIMENSIONS:]])
    if design == "sobol":
        # later dimensions of Sobol' fill some early ones badly: an airport would get only clear days
        u[:, 1 + len(APPROACH) :] = u[dealt(n, seed, key), 1 + len(APPROACH) :]
    return u


def _components(
    spec: OddSpec, laws: Mapping[str, Law], chosen: Candidates, share: Array
) -> tuple[Component, ...]:
    """What the rules of a spec tie together."""

    def allowed(u: Array, rules: Sequence[Rule]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        points, possible = points_of(spec, laws, chosen, share, u)
        return np.logical_and.reduce([np.ones(len(u), bool), *_held(rules, chosen, points)]), possible

    more = len(CONDITIONS) if env.declared_conditions(spec) else 0
    return couple(spec, laws, chosen, share, DIMENSIONS + more, allowed)


def points_of(
    spec: OddSpec, laws: Mapping[str, Law], chosen: Candidates, share: Array, u: Array
) -> tuple[Points, NDArray[np.bool_]]:
    """Points of unit coordinates (n, DIMENSIONS or more), and where the sun can stand as asked."""
    edges = np.cumsum(share)
    runway = np.minimum(np.searchsorted(edges / edges[-1], u[:, 0], side="right"), len(chosen) - 1)
    approaches = Approaches(*(laws[name].ppf(u[:, 1 + k]) for k, name in enumerate(APPROACH)))
    latitude = np.array([r.ltp[0] for r in chosen.runways])[runway]
    drawn, possible = env.draw_environment(spec, u[:, 1 + len(APPROACH) :], latitude)
    return Points(runway, approaches, drawn), possible


def rules_held(spec: OddSpec, chosen: Candidates, points: Points) -> list[NDArray[np.bool_]]:
    """For each rule of the spec, which points (n,) obey it."""
    return _held(spec.rules, chosen, points)


def _held(rules: Sequence[Rule], chosen: Candidates, points: Points) -> list[NDArray[np.bool_]]:
    runway = {name: values[points.runway] for name, values in chosen.attributes.items()}
    context = {**points.environment, **runway}
    return [rule_excess(rule, points.approaches, context, {})[0] <= 0 for rule in rules]


def _nothing_left(
    spec: OddSpec, zone: Zone, held: Sequence[NDArray[np.bool_]], possible: NDArray[np.bool_], n: int
) -> str:
    """Why too few points of a zone are feasible: the smallest set of rules found that leaves so few."""
    if possible.sum() < n:
        return (
            f"ODD {spec.name}, zone {zone.name}: the sun never stands as environment asks at these airports "
            f"({possible.sum()} of {len(possible)} points possible); widen environment or change the airports"
        )
    guilty = list(range(len(held)))
    for k in range(len(held)):
        rest = [held[other] for other in guilty if other != k]
        if np.logical_and.reduce([possible, *rest]).sum() < n:
            guilty.remove(k)
    shown = " and ".join(f"{spec.rules[k].name!r} (holds for {held[k].mean():.2%})" for k in guilty)
    verb = "conflict" if len(guilty) > 1 else "admits almost nothing"
    return (
        f"ODD {spec.name}, zone {zone.name}: rules {shown} {verb}: of {len(possible):,} "
        f"points too few satisfy them for {n} frames; widen one of them or the zone"
    )


def frames_of(
    spec: OddSpec,
    db: RunwayDatabase,
    zone: str,
    chosen: Candidates,
    points: Points,
    splits: Mapping[str, str],
    seed: int,
    first: Mapping[tuple[str, str], int] | None = None,
) -> pl.DataFrame:
    """Frames table of a zone's points: poses on the database's earth, identifiers, split, camera, time.

    Identifiers count from `first` per airport and runway, 0 where it does not say.
    """
    n = len(points.runway)
    pose = np.empty((n, 6))
    for k in np.unique(points.runway):
        rows = points.runway == k
        approaches = points.approaches[rows]
        p = pose_of(chosen.runways[k], approaches, spec.lateral_apex_m, spec.vertical_apex_m)
        pose[rows] = np.column_stack([p.lat_deg, p.lon_deg, p.alt_m, p.yaw_deg, p.pitch_deg, p.roll_deg])
    airports = [chosen.airports[k].icao for k in points.runway]
    runways = [chosen.runways[k].ident for k in points.runway]
    drawn = dict(points.environment)
    drawn["time_utc"] = np.array(time_utc(drawn["day_of_year"], drawn["local_time_h"], pose[:, 1]))
    identity = {
        "frame_id": _identifiers(airports, runways, zone, first or {}),
        "airport": airports,
        "runway": runways,
        "zone": [zone] * n,
        "split": [splits[code] for code in airports],
    }
    return assemble(spec, db, identity, pose, points.approaches, drawn, seed)


def assemble(
    spec: OddSpec,
    db: RunwayDatabase,
    identity: Mapping[str, list[str]],
    pose: Array,
    approaches: Approaches,
    environment: Mapping[str, NDArray[Any]],
    seed: int,
) -> pl.DataFrame:
    """A frames table of its parts; pose (n, 6) is latitude, longitude, altitude, yaw, pitch, roll."""
    n = len(pose)
    camera, names = spec.camera, ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")
    table = pl.DataFrame(
        {
            **identity,
            **{name: pose[:, k] for k, name in enumerate(names)},
            **{name: getattr(approaches, name) for name in APPROACH[:4]},
            "width_px": np.full(n, camera.width_px),
            "height_px": np.full(n, camera.height_px),
            **{name: np.full(n, getattr(camera, name)) for name in ("fx_px", "fy_px", "cx_px", "cy_px")},
            "earth_model": [db.earth] * n,
            "altitude_datum": [db.altitude_datum] * n,
            "seed": np.full(n, seed),
            **environment,
            **origin(spec, db, n),
        }
    )
    return check_schema(table, FRAMES, "frames")


def origin(spec: OddSpec | None, db: RunwayDatabase, n: int) -> dict[str, list[str | None]]:
    """ORIGIN columns of n frames; those of the spec are empty where none was used."""
    stated = (spec.name, spec.version, spec.sha256) if spec else (None, None, None)
    return {name: [value] * n for name, value in zip(ORIGIN, (*stated, db.name, db.version), strict=True)}


def _identifiers(
    airports: list[str], runways: list[str], zone: str, first: Mapping[tuple[str, str], int]
) -> list[str]:
    """AIRPORT_RUNWAY_zone_0000, counted per runway."""
    counts = dict(first)
    numbers = []
    for key in zip(airports, runways, strict=True):
        numbers.append(counts.get(key, 0))
        counts[key] = numbers[-1] + 1
    width = max(4, len(str(max(counts.values()) - 1)))
    return [f"{a}_{r}_{zone}_{k:0{width}d}" for a, r, k in zip(airports, runways, numbers, strict=True)]
