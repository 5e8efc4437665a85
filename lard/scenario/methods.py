"""Sampling methods: which point set is drawn, and under which laws."""

from __future__ import annotations

from lard.odd.laws import Law
from lard.odd.parameters import APPROACH
from lard.odd.spec import Zone
from lard.scenario.designs import DESIGNS

METHODS = (*DESIGNS, "normal", "lard-v1", "lard-v2", "lard-v2-executed")
"""sobol, lhs and mc draw the spec's laws. normal: normals truncated to the ranges, two standard deviations to
each bound. lard-v1: V1's normals within its cone and denser near the runway; lard-v2: uniform, as LARD V2
documents; lard-v2-executed: the narrow normals, cut nowhere, that its published poses follow."""

_EXECUTED = {
    "lateral_deg": (0.0, 2.0),
    "vertical_deg": (3.0, 0.4),
    "yaw_offset_deg": (0.0, 5.0),
    "pitch_deg": (-4.0, 2.0),
    "roll_deg": (0.0, 5.0),
}
_DISTANCE_EXPONENT = 1.41


def design_of(method: str) -> str:
    """The point set of a method; LARD's are plain Monte Carlo."""
    return method if method in DESIGNS else "sobol" if method == "normal" else "mc"


def laws_of(zone: Zone, method: str) -> dict[str, Law]:
    """The law of each approach parameter of a zone under a method."""
    if method in DESIGNS:
        return dict(zone.laws)
    if method == "normal":
        return {name: _normal(zone.laws[name].range) for name in APPROACH}
    lo, hi = zone.laws["along_track_m"].range
    distance = Law(law="power", range=(lo, hi), exponent=_DISTANCE_EXPONENT)
    if method == "lard-v2":
        return {name: Law(range=zone.laws[name].range) for name in APPROACH}
    wide = {}
    for name, (mean, sd) in _EXECUTED.items():
        # V1 documents its ranges as two standard deviations; what V2 executes is not cut at all
        bounds = zone.laws[name].range if method == "lard-v1" else (mean - 6 * sd, mean + 6 * sd)
        wide[name] = Law(law="normal", range=bounds, mean=mean, sd=sd)
    return {"along_track_m": distance, **wide}


def _normal(bounds: tuple[float, float]) -> Law:
    lo, hi = bounds
    if lo == hi:
        return Law(range=bounds)
    return Law(law="normal", range=bounds, mean=(lo + hi) / 2, sd=(hi - lo) / 4)
