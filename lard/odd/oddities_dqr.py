"""The `dqr:` section of a spec against the registry of requirements."""

from __future__ import annotations

import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from lard.odd.spec import OddSpec
from lard.odd.yamlfile import Faults

_SEVERITIES = ("error", "warning")
_SHARES = ("share", "fraction", "clipped", "flat", "min_p", "confidence", "failure_rate", "quantile")
"""Parts of the names of thresholds that lie between 0 and 1."""


def check_dqr(spec: OddSpec, known: Mapping[str, Mapping[str, Any]], faults: Faults) -> None:
    """Note every unknown id, threshold, severity and impossible value of the `dqr:` section.

    known: by requirement id (DQR-C01) its thresholds with their defaults.
    """
    seen: dict[str, str] = {}
    for key, given in spec.dqr.items():
        upper = str(key).strip().upper()
        wanted = upper if upper.startswith("DQR-") else f"DQR-{upper}"
        if wanted not in known:
            near = get_close_matches(wanted, known, n=2, cutoff=0.8)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            faults.add(("dqr", key), f"unknown requirement{hint}; `lard dqr list` shows them")
            continue
        if wanted in seen:
            faults.add(("dqr", key), f"{wanted} has a section already, {seen[wanted]}; put them into one")
        seen.setdefault(wanted, str(key))
        if not given:
            faults.warn(("dqr", key), f"changes nothing of {wanted}; state a threshold, or remove it")
        for name, value in given.items():
            _check_threshold(("dqr", key, name), wanted, value, known[wanted], faults)


def _check_threshold(
    where: tuple[str, str, str], requirement: str, value: Any, known: Mapping[str, Any], faults: Faults
) -> None:
    name = where[2]
    if name == "severity":
        if value not in _SEVERITIES:
            faults.add(where, f"{value!r} is no severity; expected {' or '.join(_SEVERITIES)}")
    elif name not in known:
        near = get_close_matches(name, known, n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]}?" if near else ""
        text = f"unknown threshold of {requirement}{hint}; it has {', '.join(('severity', *known))}"
        faults.add(where, text)
    elif isinstance(known[name], str):
        if not isinstance(value, str):
            faults.add(where, f"{value!r} is not like its default {known[name]!r}")
    elif isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        faults.add(where, f"{value!r} is not like its default {known[name]!r}; expected a number")
    else:
        _check_number(where, requirement, value, known[name], faults)


def _check_number(
    where: tuple[str, str, str], requirement: str, value: float, default: float, faults: Faults
) -> None:
    what = f"{value:g} as {where[2]} of {requirement}"
    if value < 0:
        faults.add(where, f"{what} is below 0, where its default is {default:g}; no measure is")
    elif isinstance(default, int) and value != round(value):
        faults.add(where, f"{what} is no whole number, as its default {default} is; round it")
    elif value > 1 and default <= 1 and any(part in where[2] for part in _SHARES):
        faults.add(where, f"{what} is more than all; expected a share from 0 to 1 (default {default:g})")
