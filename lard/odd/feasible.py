"""Whether the rules of a spec leave anything of each zone, and which of them conflict if not."""

from __future__ import annotations

from lard.odd.cells import cells_of
from lard.odd.spec import OddSpec, Rule, Zone
from lard.odd.yamlfile import Faults


def check_feasible(spec: OddSpec, faults: Faults) -> None:
    """Note each zone of which the rules leave nothing, with a smallest set of rules that does so."""
    for zone in spec.zones if spec.rules else ():
        guilty = conflicting(spec, zone)
        if guilty:
            names = " and ".join(repr(rule.name) for rule in guilty)
            verb = "conflict" if len(guilty) > 1 else "contradicts the zone"
            faults.add(
                ("rules", spec.rules.index(guilty[0])),
                f"rules {names} {verb}: nothing of zone {zone.name} satisfies them; widen one or the zone",
            )


def conflicting(spec: OddSpec, zone: Zone) -> tuple[Rule, ...]:
    """A smallest set of rules that together leave nothing of a zone; empty when something is left."""

    def leaves_nothing(rules: tuple[Rule, ...]) -> bool:
        return not cells_of(spec.model_copy(update={"rules": rules}), zone, ()).allowed(()).any()

    guilty = spec.rules
    if not leaves_nothing(guilty):
        return ()
    for rule in spec.rules:
        rest = tuple(other for other in guilty if other is not rule)
        if leaves_nothing(rest):
            guilty = rest
    return guilty
