"""Whether a runway database holds what a spec asks of runways."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.airports.model import Airport, Runway, RunwayDatabase
from lard.odd.laws import Law
from lard.odd.parameters import PARAMETERS
from lard.odd.reading import place_of
from lard.odd.spec import Categories, Condition, OddSpec, Profile
from lard.odd.vocabulary import nearest, word_fault
from lard.odd.yamlfile import Faults
from lard.scenario.selection import runway_attributes

_FEW = 0.05  # of all landing directions
_TROPIC_DEG = 23.44


def check_runways(spec: OddSpec, db: RunwayDatabase, faults: Faults) -> None:
    """Note limits that no runway of a database meets, alone or together, and warn of idle categories."""
    pairs = [(airport, runway) for airport in db.airports.values() for runway in airport.runways]
    asked = [*spec.runways, *(name for rule in spec.rules for name in rule.parameters)]
    names = sorted({name for name in asked if PARAMETERS[name].group == "runway"})
    attributes = runway_attributes(spec, pairs, names)
    fit, alone = np.ones(len(pairs), bool), True
    for name, law in spec.runways.items():
        if isinstance(law, Categories) and any(word_fault(name, word) for word in law.names):
            alone = False
            continue  # an unknown word has been reported
        where = place_of(faults, (("runways",),), name)
        values = attributes[name]
        good = law.slack(values) >= 0 if isinstance(law, Law) else _meets(values, law.names)
        if not good.any():
            alone = False
            there = _there(name, attributes[name], law)
            faults.add(where, f"no runway of {db.name} {db.version} has {_wanted(law)}; {there}")
        elif isinstance(law, Law) and good.mean() < _FEW:
            count = f"only {good.sum()} of {len(good)} landing directions of {db.name} {db.version}"
            unit = f"; if {_wanted(law)} is in another unit, write that" if PARAMETERS[name].unit else ""
            faults.warn(where, f"{count} have {_wanted(law)}; widen it, or leave it if it is meant{unit}")
        elif isinstance(law, Categories):
            idle = [word for word in law.names if word not in set(attributes[name].tolist())]
            if idle:
                faults.warn(where, f"no runway of {db.name} {db.version} has {', '.join(idle)}")
        fit &= good
    if spec.runways and alone and not fit.any():
        text = f"no runway of {db.name} {db.version} meets {' and '.join(spec.runways)} together; widen one"
        faults.add(("runways",), text)
    _check_rules(spec, attributes, fit, db, faults)
    _check_sun(spec, pairs, fit, faults)


def _check_sun(
    spec: OddSpec, pairs: list[tuple[Airport, Runway]], fit: NDArray[np.bool_], faults: Faults
) -> None:
    """A sun that stands as high as asked over no selected runway on any day, or over few."""
    law = spec.environment.get("sun_elevation_deg")
    if not isinstance(law, Law) or not fit.any():
        return
    lat = np.array([runway.ltp[0] for _, runway in pairs])[fit]
    highest = 90.0 - np.maximum(np.abs(lat) - _TROPIC_DEG, 0.0)
    share = float((highest >= law.lo).mean())
    where = place_of(faults, (("environment",),), "sun_elevation_deg")
    if share == 0:
        text = f"no selected runway sees the sun {law.lo:g} deg high; it stands at most {highest.max():.0f}"
        faults.add(where, f"{text}; lower it")
    elif share < 1:
        text = f"the sun stands {law.lo:g} deg high at {share:.0%} of the selected runways only, on some day"
        faults.warn(where, f"{text}; lower it, or select runways nearer the equator")


def _check_rules(
    spec: OddSpec,
    attributes: dict[str, NDArray[Any]],
    fit: NDArray[np.bool_],
    db: RunwayDatabase,
    faults: Faults,
) -> None:
    """Conditions of rules that no selected runway meets: idle in `when`, a ban in `require`."""
    if not fit.any():
        return
    for index, rule in enumerate(spec.rules):
        for part, conditions in (("when", rule.when), ("require", rule.require)):
            for name, condition in conditions.items():
                if name not in attributes or isinstance(condition, Profile):
                    continue
                if _meets(attributes[name][fit], condition).any():
                    continue
                where = ("rules", index, part, name)
                text = f"no selected runway of {db.name} {db.version} meets {name} of rule {rule.name!r}"
                if part == "when":
                    faults.warn(where, f"{text}: it never applies")
                elif rule.when:
                    faults.warn(where, f"{text}: it forbids all that it applies to")
                else:
                    faults.add(where, f"{text}, which always applies; widen it")


def _meets(values: NDArray[Any], condition: Condition) -> NDArray[np.bool_]:
    if isinstance(condition, Profile):
        return np.ones(len(values), bool)
    if isinstance(condition[0], str):
        return np.isin(values.astype(str), condition)
    return (values >= condition[0]) & (values <= condition[1])


def _wanted(law: Law | Categories) -> str:
    return " or ".join(law.names) if isinstance(law, Categories) else f"[{law.lo:g}, {law.hi:g}]"


def _there(name: str, values: NDArray[Any], law: Law | Categories) -> str:
    """What the database has instead."""
    if isinstance(law, Law):
        unit = f" {PARAMETERS[name].unit}".rstrip()
        return f"they have {values.min():g} to {values.max():g}{unit}" if len(values) else "it has no runways"
    known = sorted(set(values.tolist()))
    near = [word for wanted in law.names for word in nearest(wanted, known)]
    return f"did you mean {' or '.join(near)}?" if near else f"they have {', '.join(known[:12])}"
