"""What is odd in a spec and yet can be meant: everything that `lard odd check` warns of."""

from __future__ import annotations

from lard.odd.oddities_laws import warn_of_laws
from lard.odd.oddities_rules import warn_of_rules
from lard.odd.oddities_severity import warn_of_severity
from lard.odd.oddities_weather import warn_of_weather
from lard.odd.oddities_zones import warn_of_zones
from lard.odd.spec import OddSpec
from lard.odd.yamlfile import Faults


def warn_of_oddities(spec: OddSpec, faults: Faults) -> None:
    """Note everything about a spec that looks like a slip."""
    warn_of_zones(spec, faults)
    warn_of_laws(spec, faults)
    warn_of_weather(spec, faults)
    warn_of_rules(spec, faults)
    warn_of_severity(spec, faults)
