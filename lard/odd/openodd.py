"""ASAM OpenODD-style YAML: ranges and categories as modules, ISO 34503 names where the taxonomy has one.

What the language has no words for (laws, margins, shares, camera, reference points, rules) stands under
EXTENSION, so that writing and reading back gives the same spec.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from lard.odd.laws import Law
from lard.odd.parameters import PARAMETERS
from lard.odd.spec import Categories, Condition, OddSpec, Profile, Severity
from lard.odd.yamlfile import Faults

_RANGE = re.compile(r"^\[\s*(\S+)\s*\.\.\s*(\S+)\s*\]\s*(\S*)$")
_VALUES = {
    "light": {"dusk": "low_ambient"},
    "surface": {"concrete": "cement_concrete"},
}
"""Categories that the taxonomy names differently."""

_UNITS = {"m": "m", "deg": "deg", "h": "h", "mm_h": "mm/h", "fraction": "okta", "": ""}
_OKTAS = 8.0  # a fraction of the sky is written in eighths
_TYPES = {
    "m": "float length",
    "deg": "float angle",
    "h": "float time",
    "mm_h": "float precipitation_rate",
    "fraction": "float cloud_coverage",
    "": "float count",
}


def to_openodd(spec: OddSpec) -> dict[str, Any]:
    """The spec as OpenODD's TAXONOMY (what ISO 34503 lacks), MODULES and EXTENSION."""
    zones = {f"zone_{zone.name}": {"INCLUDE_AND": _terms(zone.laws)} for zone in spec.zones}
    parts = {
        name: {"LABEL": label, "INCLUDE_AND": _terms(laws)}
        for name, label, laws in (
            ("environment", "environmental_conditions", spec.environment),
            ("runways", "drivable_area", spec.runways),
        )
        if laws
    }
    top: dict[str, Any] = {"TITLE": spec.name, "DESCRIPTION": spec.description}
    top["INCLUDE_OR"] = dict.fromkeys(zones, True)
    if parts:
        top["INCLUDE_AND"] = dict.fromkeys(parts, True)
    used = {*spec.environment, *spec.runways, *(name for zone in spec.zones for name in zone.laws)}
    own = [PARAMETERS[name] for name in PARAMETERS if name in used and not PARAMETERS[name].iso34503]
    taxonomy = {p.stem: ["any"] if p.categories else _TYPES[p.unit] for p in own}
    extension = {
        "version": spec.version,
        "reference": spec.reference.model_dump(),
        "camera": spec.camera_spec.model_dump(exclude_none=True),
        "margins": {
            level: {name: list(pair) for name, pair in margins.items()}
            for level, margins in spec.margins.items()
        },
        "shares": {zone.name: zone.share for zone in spec.zones},
        "laws": {
            **{zone.name: _shapes(zone.laws) for zone in spec.zones},
            "environment": _shapes(spec.environment),
            "runways": _shapes(spec.runways),
        },
        "rules": [
            {"name": rule.name, "when": _plain(rule.when), "require": _plain(rule.require)}
            for rule in spec.rules
        ],
        "dqr": spec.dqr,
        **({"severity": _graded(spec.severity)} if spec.severity is not None else {}),
    }
    return {
        "TAXONOMY": {"runway_approach": taxonomy},
        "MODULES": {"odd": top, **zones, **parts},
        "EXTENSION": {"lard": extension},
    }


def openodd_text(spec: OddSpec) -> str:
    """The spec as an OpenODD-style YAML document."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 110
    stream = io.StringIO()
    yaml.dump(to_openodd(spec), stream)
    return stream.getvalue()


def _terms(laws: Mapping[str, Law | Categories]) -> dict[str, Any]:
    terms: dict[str, Any] = {}
    for name, law in laws.items():
        parameter = PARAMETERS[name]
        key = parameter.iso34503 or parameter.stem
        if isinstance(law, Categories):
            renamed = _VALUES.get(name, {})
            terms[key] = [renamed.get(value, value) for value in law.names]
        else:
            scale = _OKTAS if parameter.unit == "fraction" else 1.0
            text = f"[{law.lo * scale!r} .. {law.hi * scale!r}] {_UNITS[parameter.unit]}"
            terms[key] = text.rstrip()
    return terms


def _shapes(laws: Mapping[str, Law | Categories]) -> dict[str, Any]:
    """What a range or a list of categories does not say of a law."""
    shapes: dict[str, Any] = {}
    for name, law in laws.items():
        if isinstance(law, Categories):
            if len(set(law.weights.values())) > 1 or 1.0 not in law.weights.values():
                shapes[name] = dict(law.weights)
        elif law.law != "uniform":
            shapes[name] = law.model_dump(exclude_none=True, exclude={"range"})
    return shapes


def _graded(severity: Severity) -> dict[str, Any]:
    return {"by": severity.by, "points": [list(point) for point in severity.points]}


def _plain(conditions: Mapping[str, Condition]) -> dict[str, Any]:
    return {
        name: {"by": c.by, "points": [list(point) for point in c.points]}
        if isinstance(c, Profile)
        else list(c)
        for name, c in conditions.items()
    }


def is_openodd(data: Mapping[str, Any]) -> bool:
    """Whether a mapping is laid out in modules."""
    return "MODULES" in data and "zones" not in data


def from_openodd(data: Mapping[str, Any], faults: Faults, name: str) -> dict[str, Any]:
    """The project's layout of an OpenODD-style document; the lines of faults follow the translation."""
    modules = _mapping(data["MODULES"])
    extension = _mapping(_mapping(data.get("EXTENSION")).get("lard"))
    laws, shares, top = (
        _mapping(part) for part in (extension.get("laws"), extension.get("shares"), modules.get("odd"))
    )
    zones = {}
    for key, module in modules.items():
        if str(key).startswith("zone_"):
            zone = str(key).removeprefix("zone_")
            given = _given(module, str(key), ("zones", zone), _mapping(laws.get(zone)), faults)
            zones[zone] = {**given, "share": shares.get(zone, 1.0)}
    result: dict[str, Any] = {
        "name": top.get("TITLE", name),
        "version": extension.get("version", "1"),
        "description": top.get("DESCRIPTION", ""),
        "zones": zones,
        **{
            key: extension[key]
            for key in ("reference", "camera", "margins", "rules", "dqr", "severity")
            if extension.get(key)
        },
    }
    for key in ("environment", "runways"):
        if key in modules:
            result[key] = _given(modules[key], key, (key,), _mapping(laws.get(key)), faults)
    return result


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _given(
    module: Any, key: str, where: tuple[str, ...], shapes: Mapping[str, Any], faults: Faults
) -> dict[str, Any]:
    """Laws of a module's terms in the project's words."""
    terms = module.get("INCLUDE_AND") if isinstance(module, dict) else None
    if not isinstance(terms, dict):
        faults.add(("MODULES", key), "expected INCLUDE_AND with a mapping of terms")
        return {}
    given: dict[str, Any] = {}
    names = {(p.iso34503 or p.stem): p for p in PARAMETERS.values()}
    for term, value in terms.items():
        place = ("MODULES", key, "INCLUDE_AND", str(term))
        parameter = names.get(str(term))
        if parameter is None:
            faults.add(place, f"unknown term; expected one of {', '.join(names)}")
            continue
        faults.lines[(*where, parameter.name)] = faults.lines.get(place, 1)
        if parameter.categories:
            back = {theirs: ours for ours, theirs in _VALUES.get(parameter.name, {}).items()}
            values = value if isinstance(value, list) else [value]
            given[parameter.name] = shapes.get(parameter.name) or [back.get(v, v) for v in values]
            continue
        bounds = _bounds(value, _UNITS[parameter.unit])
        if bounds is None:
            expected = f"[low .. high] {_UNITS[parameter.unit]}".rstrip()
            faults.add(place, f'expected a range "{expected}", found {value!r}')
            continue
        scale = 1 / _OKTAS if parameter.unit == "fraction" else 1.0
        span = [bound * scale for bound in bounds]
        shape = shapes.get(parameter.name)
        given[parameter.name] = {"range": span, **shape} if isinstance(shape, dict) else span
    return given


def _bounds(value: Any, unit: str) -> tuple[float, float] | None:
    match = _RANGE.match(value) if isinstance(value, str) else None
    if match is None or match.group(3) != unit:
        return None
    try:
        return float(match.group(1)), float(match.group(2))
    except ValueError:
        return None
