"""JSON Schema of an ODD spec, for editors that complete and check YAML."""

from __future__ import annotations

from typing import Any

from lard.odd.laws import NEEDS, NUMBER_LIMIT
from lard.odd.parameters import PARAMETERS, UNITS, Parameter
from lard.odd.spec import FOV_DEG

_NUMBER = {"type": "number", "minimum": -1e3 * NUMBER_LIMIT, "maximum": 1e3 * NUMBER_LIMIT}
_WEIGHT = {"type": "number", "exclusiveMinimum": 0, "maximum": NUMBER_LIMIT}
_FOV_DEG = {"type": "number", "minimum": FOV_DEG[0], "maximum": FOV_DEG[1]}
_PAIR = {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2}


def json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12)."""
    zone = {**_group("approach", "law"), "share": _WEIGHT}
    condition_groups = {
        k: v for g in ("approach", "environment", "runway") for k, v in _group(g, "limit").items()
    }
    rule = {
        "name": {"type": "string"},
        "when": _object(condition_groups),
        "require": _object(condition_groups),
    }
    numeric = [p for p in PARAMETERS.values() if not p.categories]
    margins = _object({key: {"$ref": "#/$defs/margin"} for p in numeric for key in _spellings(p)})
    camera = {
        "width_px": {"type": "integer", "minimum": 16},
        "height_px": {"type": "integer", "minimum": 16},
        "fov_x_deg": _FOV_DEG,
        "fov_y_deg": _FOV_DEG,
    }
    text = {"type": "string", "minLength": 1}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lard operational design domain",
        **_object(
            {
                "name": text,
                "version": text,
                "description": {"type": "string"},
                "reference": _object({"lateral_apex_m": _NUMBER, "vertical_apex_m": _NUMBER}),
                "camera": {**_object(camera), "required": ["width_px", "height_px", "fov_x_deg"]},
                "margins": _object({"in": margins, "extended": margins}),
                "approach": _object(_group("approach", "law")),
                "zones": {"type": "object", "minProperties": 1, "additionalProperties": _object(zone)},
                "environment": _object(_group("environment", "law")),
                "runways": _object(_group("runway", "law")),
                "dqr": {"type": "object", "additionalProperties": {"type": "object"}},
                "severity": _severity(),
                "rules": {"type": "array", "items": {**_object(rule), "required": ["require"]}},
            }
        ),
        "required": ["name", "version", "zones"],
        "$defs": {
            "law": _law(),
            "limit": _limit(),
            "margin": {"oneOf": [{"type": "number", "minimum": 0}, _PAIR]},
        },
    }


def _severity() -> dict[str, Any]:
    points = {"type": "array", "items": _PAIR, "minItems": 1}
    found = _object({"by": {"const": "along_track_m"}, "points": points})
    return {**found, "required": ["points"]}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _group(group: str, kind: str) -> dict[str, Any]:
    """Properties of a group of parameters, in every unit they may be written in."""
    found: dict[str, Any] = {}
    for parameter in PARAMETERS.values():
        if parameter.group == group:
            for key in _spellings(parameter):
                found[key] = _categories(parameter) if parameter.categories else {"$ref": f"#/$defs/{kind}"}
    return found


def _spellings(parameter: Parameter) -> list[str]:
    return [f"{parameter.stem}_{unit}" for unit in UNITS[parameter.unit]] or [parameter.name]


def _categories(parameter: Parameter) -> dict[str, Any]:
    item: dict[str, Any] = {"type": ["string", "boolean"]}
    if parameter.categories != ("*",):
        item = {"enum": [*parameter.categories, *([True, False] if "true" in parameter.categories else [])]}
    weights = {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": _WEIGHT,
    }
    return {"oneOf": [item, {"type": "array", "items": item, "minItems": 1}, weights]}


def _law() -> dict[str, Any]:
    positive = {"type": "number", "exclusiveMinimum": 0, "maximum": 1e3 * NUMBER_LIMIT}
    fields = {
        "law": {"enum": list(NEEDS)},
        "range": _PAIR,
        "mean": _NUMBER,
        "sd": positive,
        "a": positive,
        "b": positive,
        "exponent": positive,
        "values": {
            "oneOf": [
                {"type": "array", "items": _NUMBER, "minItems": 1},
                {"type": "object", "minProperties": 1, "additionalProperties": _WEIGHT},
            ]
        },
    }
    return {"oneOf": [_NUMBER, _PAIR, _object(fields)]}


def _limit() -> dict[str, Any]:
    triple = {"type": "array", "items": _NUMBER, "minItems": 3, "maxItems": 3}
    profile = _object({"by": {"type": "string"}, "points": {"type": "array", "items": triple, "minItems": 2}})
    return {"oneOf": [_NUMBER, _PAIR, {**profile, "required": ["by", "points"]}]}
