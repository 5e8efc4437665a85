"""Laws that draw next to nothing of their range, or say something else than their unit lets expect."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lard.odd.laws import Law
from lard.odd.parameters import APPROACH, PARAMETERS
from lard.odd.reading import place_of
from lard.odd.spec import Categories, OddSpec
from lard.odd.yamlfile import Faults

Where = tuple[str, ...]

_NARROW = 1e-3  # of a range: where 99 % of what a law draws lies within it, one value would do
_RARE = 1e-4  # of all frames: no sample shows it
_SMALL_DEG = {
    "lateral_deg": 0.2,
    "vertical_deg": 0.2,
    "yaw_offset_deg": 0.6,
    "pitch_deg": 0.6,
    "roll_deg": 0.6,
}
"""Ranges of no approach beyond the last metre, and usual ones in radians."""


def warn_of_laws(spec: OddSpec, faults: Faults) -> None:
    """Warn of laws of zones, environment and runways that look like a slip of number or unit."""
    seen = set()
    for name, law, where in _laws(spec, faults):
        if where in seen:
            continue  # shared by the zones
        seen.add(where)
        if isinstance(law, Law):
            _warn_of_shape(law, where, faults)
            _warn_of_unit(name, law, where, faults)
            _warn_of_weights(law.values or {}, where, faults)
        else:
            _warn_of_weights(law.weights, where, faults)
    _warn_of_weights({zone.name: zone.share for zone in spec.zones}, ("zones",), faults)
    for name in APPROACH:
        sections = [place_of(faults, (("zones", zone.name),), name) for zone in spec.zones]
        if (
            spec.zones
            and place_of(faults, (("approach",),), name) in faults.lines
            and all(where in faults.lines for where in sections)
        ):
            where = place_of(faults, (("approach",),), name)
            faults.warn(where, "every zone has a law of its own, so this one says nothing; remove it")


def _laws(spec: OddSpec, faults: Faults) -> Iterator[tuple[str, Law | Categories, Where]]:
    for zone in spec.zones:
        for name, law in zone.laws.items():
            yield name, law, place_of(faults, (("zones", zone.name), ("approach",)), name)
    for section, laws in (("environment", spec.environment), ("runways", spec.runways)):
        for name, other in laws.items():
            yield name, other, place_of(faults, ((section,),), name)


def _warn_of_shape(law: Law, where: Where, faults: Faults) -> None:
    width = law.hi - law.lo
    if width == 0 and law.law not in ("uniform", "discrete"):
        faults.warn(
            where, f"law {law.law} has one value, {law.lo:g}, to draw from; widen the range, or state it"
        )
        return
    if law.law in ("uniform", "discrete", "log_uniform") or width == 0:
        return
    lo, hi = law.ppf(np.array([0.005, 0.995])).tolist()
    if not hi - lo >= _NARROW * width:
        faults.warn(
            where, f"99 % of what law {law.law} draws is {lo:.6g}, of [{law.lo:g}, {law.hi:g}]; mend it"
        )
    if law.law == "normal" and law.mean is not None and law.sd is not None:
        if not law.lo <= law.mean <= law.hi:
            text = f"mean {law.mean:g} lies outside the range [{law.lo:g}, {law.hi:g}]: one tail is drawn"
            faults.warn(where, f"{text}; move one of them")
        elif law.sd > 10 * width:
            text = f"sd {law.sd:g} is wider than the range [{law.lo:g}, {law.hi:g}] tenfold"
            faults.warn(where, f"{text}: what is left is uniform; write that, or mend sd")


def _warn_of_unit(name: str, law: Law, where: Where, faults: Faults) -> None:
    """Ranges that are usual in another unit than the stated one."""
    limits = f"[{law.lo:g}, {law.hi:g}]"
    reach, key = max(abs(law.lo), abs(law.hi)), where[-1]
    stem = PARAMETERS[name].stem
    if 0 < reach < _SMALL_DEG.get(name, 0.0) and law.lo < law.hi:
        faults.warn(where, f"{limits} deg is next to nothing; if these are radians, write {stem}_rad")
    elif name == "sun_elevation_deg" and 0 < law.lo < law.hi < 1.6:
        faults.warn(where, f"{limits} deg is a sun on the horizon; if these are radians, write {stem}_rad")
    elif key.endswith("_min") and 0 < law.hi <= 24:
        faults.warn(where, f"{limits} h is just after midnight; if these are hours, write {stem}_h")
    elif key.endswith("_percent") and 0 < law.hi <= 0.01:
        faults.warn(where, f"at most {100 * law.hi:g} percent; if these are fractions, write {stem}_fraction")
    elif name == "shutter_ms" and 0 < law.hi < 0.05:
        faults.warn(where, f"{limits} ms is no shutter's time; if these are seconds, write {stem}_s")
    elif name == "visibility_m" and law.hi <= 100:
        faults.warn(where, f"at most {law.hi:g} m can be seen; if these are kilometres, write {stem}_km")


def _warn_of_weights(weights: dict[str, float] | dict[float, float], where: Where, faults: Faults) -> None:
    whole = sum(weights.values())
    for name, weight in weights.items():
        if weight < _RARE * whole:
            text = f"{name} has {weight / whole:.1g} of the weight, so that no sample shows it"
            faults.warn((*where, str(name)), f"{text}; raise it, or leave it out")
