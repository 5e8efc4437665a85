"""What the `dqr:` block of a spec makes of the requirements' severities and thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lard.errors import SpecError
from lard.quality.registry import SEVERITIES, Check, Value, normalise_id


def settings_of(
    checks: tuple[Check, ...], block: Mapping[str, Any], where: str
) -> dict[str, tuple[str, dict[str, Value]]]:
    """Severity and thresholds of every check: its defaults overridden by the spec's `dqr:` block.

    All faults of the block are reported in one SpecError; `where` names the spec.
    """
    known = {c.id: c for c in checks}
    settings = {c.id: (c.severity, dict(c.thresholds)) for c in checks}
    faults: list[str] = []
    for key, given in block.items():
        id = normalise_id(str(key))
        if id not in known:
            faults.append(f"{where}: dqr.{key}: unknown requirement; known: {', '.join(known)}")
            continue
        if not isinstance(given, Mapping):
            faults.append(f"{where}: dqr.{key}: expected a mapping of thresholds, found {given!r}")
            continue
        severity, values = settings[id]
        for name, value in given.items():
            if name == "severity":
                if value not in SEVERITIES:
                    faults.append(f"{where}: dqr.{key}.severity: {value!r} is not one of {SEVERITIES}")
                severity = str(value)
            elif name not in values:
                faults.append(
                    f"{where}: dqr.{key}.{name}: unknown threshold; known: severity, {', '.join(values)}"
                )
            elif isinstance(values[name], str) != isinstance(value, str) or not isinstance(
                value, (int, float, str)
            ):
                faults.append(
                    f"{where}: dqr.{key}.{name}: {value!r} is not like its default {values[name]!r}"
                )
            else:
                values[name] = value
        settings[id] = (severity, values)
    if faults:
        raise SpecError("\n".join(faults))
    return settings
