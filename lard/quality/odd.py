"""The ODD as the checks read it: plain bounds, margins and the `dqr:` block, with its own membership test.

The membership test here is written apart from the one that made the labels, so that a fault in one of
them shows as a disagreement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.odd import OddSpec
from lard.odd.laws import Law
from lard.odd.spec import Condition, Rule
from lard.quality.rules import breaks, hair, judged_rules

Array = NDArray[np.float64]
Bounds = Mapping[str, tuple[float, float]]

PARAMETERS = ("along_track_m", "lateral_deg", "vertical_deg", "yaw_offset_deg", "pitch_deg", "roll_deg")
VERDICTS = ("IN_ODD", "IN_EXTENDED_ODD", "OUT_OF_ODD")
UNITS = {name: "m" if name.endswith("_m") else "deg" for name in PARAMETERS}


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone: bounds of each parameter, and the same widened by the margins and extended margins."""

    name: str
    share: float
    bounds: Bounds
    in_bounds: Bounds
    extended_bounds: Bounds
    laws: Mapping[str, Law] = field(default_factory=dict)  # uniform where not given


@dataclass(frozen=True, slots=True)
class Odd:
    """An ODD reduced to numbers; angles in degrees, distances in metres."""

    name: str
    version: str
    sha256: str
    zones: tuple[Zone, ...]
    lateral_apex_m: float = 0.0
    vertical_apex_m: float = 305.0
    environment: Mapping[str, Law | tuple[str, ...]] = field(default_factory=dict)
    dqr: Mapping[str, Any] = field(default_factory=dict)
    where: str = "ODD spec"
    spec: OddSpec | None = None

    @classmethod
    def from_spec(cls, spec: OddSpec, where: str) -> Odd:
        """The numbers of a spec; `where` is how messages name its file."""
        total = sum(zone.share for zone in spec.zones)
        zones = tuple(
            Zone(
                zone.name,
                zone.share / total,
                {name: zone.laws[name].range for name in PARAMETERS if name in zone.laws},
                _widened(zone.laws, spec.margins.get("in", {})),
                _widened(zone.laws, spec.margins.get("extended", {})),
                zone.laws,
            )
            for zone in spec.zones
        )
        environment = {
            name: law if isinstance(law, Law) else law.names for name, law in spec.environment.items()
        }
        dqr: Mapping[str, Any] = getattr(spec, "dqr", None) or {}
        return cls(
            spec.name, spec.version, spec.sha256, zones, spec.lateral_apex_m, spec.vertical_apex_m,
            environment, dqr, where, spec,
        )  # fmt: skip

    def zone(self, name: str) -> Zone | None:
        """The zone of that name."""
        return next((zone for zone in self.zones if zone.name == name), None)

    def zone_names(self, values: Mapping[str, Array]) -> list[str]:
        """For each row the first zone whose along-track bounds, or else margins, hold it; "" if none."""
        along = np.asarray(values["along_track_m"], np.float64)
        names = np.full(len(along), "", dtype=object)
        for attribute in ("in_bounds", "bounds"):
            for zone in reversed(self.zones):
                low, high = getattr(zone, attribute)["along_track_m"]
                names[(along >= low) & (along <= high)] = zone.name
        return names.tolist()

    def verdicts(
        self,
        values: Mapping[str, Array],
        slack: float = 0.0,
        context: Mapping[str, NDArray[Any]] | None = None,
    ) -> NDArray[np.int64]:
        """Verdict index into VERDICTS (n,) of rows of PARAMETERS; `slack` widens every bound by a hair.

        NaN is outside every bound. `slack` is in the parameter's unit for angles and 100 times that for
        distances, so that one number serves for both. `context` holds environment and runway values (n,)
        by parameter; ranges of one it lacks, and rules that look at it, are not judged.
        """
        count = len(np.asarray(values["along_track_m"]))
        verdict = np.full(count, 2, np.int64)
        for index, attribute in ((1, "extended_bounds"), (0, "in_bounds")):
            inside = np.zeros(count, bool)
            for zone in self.zones:
                ok = np.ones(count, bool)
                for name, (low, high) in getattr(zone, attribute).items():
                    law = zone.laws.get(name)
                    point = (
                        law is not None and bool(law.values or law.lo == law.hi) and law.range == (low, high)
                    )
                    room = hair(name, abs(slack) if point else slack)
                    value = np.asarray(values[name], np.float64)
                    ok &= (value >= low - room) & (value <= high + room)
                    if law is not None and law.values:  # a few values, each with the margins of the range
                        below, above = law.lo - low + room, high - law.hi + room
                        ok &= np.any([(value >= v - below) & (value <= v + above) for v in law.values], 0)
                inside |= ok
            level, known = "extended" if index else "in", {**(context or {}), **values}
            inside &= ~self._broken(known, level, slack) & ~self._elsewhere(known, level, slack)
            verdict[inside] = index
        return verdict

    def _broken(self, values: Mapping[str, NDArray[Any]], level: str, slack: float) -> NDArray[np.bool_]:
        """Rows (n,) that break a conditional rule of the spec, its limits widened by a level's margins."""
        broken = np.zeros(len(values["along_track_m"]), bool)
        for rule in judged_rules(self.spec, values):
            assert self.spec is not None
            broken |= breaks(rule, values, self.spec.margins.get(level, {}), slack)
        return broken

    def _elsewhere(self, values: Mapping[str, NDArray[Any]], level: str, slack: float) -> NDArray[np.bool_]:
        """Rows (n,) whose environment or runway is not one of the spec's, ranges widened by the margins."""
        beyond = np.zeros(len(values["along_track_m"]), bool)
        limits = {**self.spec.environment, **self.spec.runways} if self.spec is not None else {}
        for name, law in limits.items():
            if name not in values:
                continue
            margins = self.spec.margins.get(level, {}) if self.spec else {}
            wanted: list[Condition]
            if isinstance(law, Law):
                wanted = [(value, value) for value in law.values or ()] or [law.range]
            else:
                wanted = [law.names]
            rules = [Rule(name=name, when={}, require={name: one}) for one in wanted]
            beyond |= np.all([breaks(rule, values, margins, slack) for rule in rules], axis=0)
        return beyond


def _widened(laws: Mapping[str, Law], margins: Mapping[str, tuple[float, float]]) -> Bounds:
    return {
        name: (law.lo - margins.get(name, (0.0, 0.0))[0], law.hi + margins.get(name, (0.0, 0.0))[1])
        for name, law in laws.items()
    }
