"""Reading an ODD spec: the project's own layout, LARD's and OpenODD's, every error of the file at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from lard.errors import SpecError
from lard.odd.checks import check_spec
from lard.odd.feasible import check_feasible
from lard.odd.lard_layout import from_lard, is_lard
from lard.odd.laws import Law
from lard.odd.legal import check_legal
from lard.odd.openodd import from_openodd, is_openodd
from lard.odd.parameters import APPROACH, PARAMETERS, Parameter, resolve
from lard.odd.shipped import find_spec
from lard.odd.spec import (
    DEFAULT_CAMERA,
    CameraSpec,
    Categories,
    Condition,
    OddSpec,
    Profile,
    Reference,
    Rule,
    Severity,
    Zone,
)
from lard.odd.yamlfile import Faults, load_yaml
from lard.tables import sha256_file

Model = TypeVar("Model", bound=BaseModel)
Where = tuple[str | int, ...]

SECTIONS = (
    "name", "version", "description", "reference", "camera", "margins", "approach", "zones", "environment",
    "runways", "rules", "dqr", "severity",
)  # fmt: skip

GROUPS = ("approach", "environment", "runway")


def load_spec(path: str | Path) -> OddSpec:
    """Read and check an ODD spec, a file or a shipped one by name.

    SpecError with one line `file:line: field: fault` per fault.
    """
    spec, faults = inspect_spec(path)
    faults.raise_if_any()
    if spec is None:
        raise SpecError(f"{path}:1: not a usable ODD spec")
    return spec


def inspect_spec(path: str | Path) -> tuple[OddSpec | None, Faults]:
    """What can be read of a spec, faulty parts left out, with all faults of its file; see draft_spec."""
    path = find_spec(path)
    data, faults = load_yaml(path)
    if is_openodd(data):
        data = from_openodd(data, faults, Path(path).stem)
    elif is_lard(data):
        data = from_lard(data, faults, Path(path).stem)
    spec = draft_spec(data, faults)
    return spec and spec.model_copy(update={"file_sha256": sha256_file(path)}), faults


def parse_spec(data: Mapping[str, Any], faults: Faults) -> OddSpec | None:
    """The spec a mapping describes; faults are collected, and None returned when there are any."""
    spec = draft_spec(data, faults)
    return None if faults.found else spec


def draft_spec(data: Mapping[str, Any], faults: Faults) -> OddSpec | None:
    """A spec without its faulty parts, for checks that go on beside faults; None without any whole zone."""
    for key in data:
        if key not in SECTIONS:
            faults.add((key,), f"unknown field; expected one of {', '.join(SECTIONS)}")
    for key in ("name", "version", "zones"):
        if key not in data:
            faults.add((key,), "missing; add it")
    for key in ("name", "version"):
        if key in data and (not isinstance(data[key], str) or not data[key].strip()):
            faults.add((key,), f"expected text, found {data[key]!r}; put it in quotes")
    margins = _margins(_section(data, "margins", faults), faults)
    reference = _model(Reference, _section(data, "reference", faults), ("reference",), faults)
    camera = _model(CameraSpec, _section(data, "camera", faults) or DEFAULT_CAMERA, ("camera",), faults)
    zones = _zones(data, faults)
    environment = _laws(_section(data, "environment", faults), ("environment",), "environment", faults)
    runways = _laws(_section(data, "runways", faults), ("runways",), "runway", faults)
    rules = _rules(data.get("rules") or [], faults)
    dqr = _dqr(data, faults)
    graded = _section(data, "severity", faults)
    severity = _model(Severity, graded, ("severity",), faults) if graded else None
    check_spec(zones, margins, environment, runways, rules, faults)
    if not zones or reference is None or camera is None:
        return None
    spec = OddSpec(
        name=str(data.get("name") or "unnamed"),
        version=str(data.get("version") or "unknown"),
        description=str(data.get("description") or ""),
        reference=reference,
        camera_spec=camera,
        margins=margins,
        zones=tuple(zones),
        environment=environment,
        runways=runways,
        rules=tuple(rules),
        dqr=dqr,
        severity=severity,
    )
    if not faults.found:
        check_feasible(spec, faults)
    return spec


def _dqr(data: Mapping[str, Any], faults: Faults) -> dict[str, dict[str, Any]]:
    """Thresholds of the data quality requirements by requirement; lard.quality knows their names."""
    found = {}
    for key, given in _section(data, "dqr", faults).items():
        if not isinstance(given, dict):
            faults.add(("dqr", key), f"expected a mapping of thresholds, found {given!r}")
            continue
        found[key] = {str(name): value for name, value in given.items()}
    return found


def _section(data: Mapping[str, Any], key: str, faults: Faults) -> dict[str, Any]:
    section = data.get(key)
    if section is None:
        return {}
    if not isinstance(section, dict):
        faults.add((key,), f"expected a mapping of fields, found {section!r}")
        return {}
    return {str(name): value for name, value in section.items()}


def _model(kind: type[Model], given: Any, where: Where, faults: Faults) -> Model | None:
    """Validate a part of the file; note each fault with its place and return None when there is one."""
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        for item in error.errors():
            message = item["msg"].removeprefix("Value error, ")
            if item["type"] == "extra_forbidden":
                message = f"unknown field; expected one of {', '.join(kind.model_fields)}"
            elif item["type"] == "missing":
                message = "missing; add it"
            elif item["type"] != "value_error":
                message = f"{message[0].lower()}{message[1:]}, found {item['input']!r}"
            faults.add((*where, *item["loc"]), message)
        return None


def _laws(
    section: Mapping[str, Any], where: Where, group: str, faults: Faults
) -> dict[str, Law | Categories]:
    """Laws by canonical parameter name of a section whose keys may carry other units."""
    laws: dict[str, Law | Categories] = {}
    for key, given in section.items():
        parameter = _parameter(key, (*where, key), (group,), faults)
        if parameter is None:
            continue
        kind: type[Law] | type[Categories] = Categories if parameter[0].categories else Law
        law = _model(kind, given, (*where, key), faults)
        if law is None:
            continue
        if isinstance(law, Law):
            law = law.scaled(parameter[1])
        if parameter[0].name in laws:
            faults.add((*where, key), f"{parameter[0].name} is given twice, in different units; keep one")
        check_legal(parameter[0], law, (*where, key), faults)
        laws[parameter[0].name] = law
    return laws


def _parameter(
    key: str, where: Where, groups: Sequence[str], faults: Faults
) -> tuple[Parameter, float] | None:
    found = resolve(key)
    if isinstance(found, str):
        known = ", ".join(p.name for p in PARAMETERS.values() if p.group in groups)
        faults.add(where, found if found.startswith("unknown unit") else f"{found}; expected one of {known}")
        return None
    if found[0].group not in groups:
        faults.add(where, f"belongs to the section {found[0].group}, not here; move it")
        return None
    return found


def _zones(data: Mapping[str, Any], faults: Faults) -> list[Zone]:
    shared = _section(data, "approach", faults)
    common = _laws(shared, ("approach",), "approach", faults)
    sections = _section(data, "zones", faults)
    if "zones" in data and not sections:
        faults.add(("zones",), "expected at least one zone")
    zones = []
    for name, section in sections.items():
        where = ("zones", name)
        if not isinstance(section, dict):
            faults.add(where, f"expected a mapping of parameters, found {section!r}")
            continue
        given = {str(key): value for key, value in section.items()}
        share = given.pop("share", 1.0)
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < float("inf"):
            faults.add((*where, "share"), f"expected a positive number, found {share!r}")
            share = 1.0
        laws = {**common, **_laws(given, where, "approach", faults)}
        tried = {found[0].name for found in map(resolve, (*shared, *given)) if not isinstance(found, str)}
        missing = [p for p in APPROACH if p not in tried]
        if missing:
            faults.add(where, f"{', '.join(missing)} missing; add here or under approach (for all zones)")
        ordered = {p: law for p in APPROACH if isinstance(law := laws.get(p), Law)}
        if len(ordered) == len(APPROACH):
            zones.append(Zone(name=name, share=float(share), laws=ordered))
    return zones


def _margins(section: Mapping[str, Any], faults: Faults) -> dict[str, dict[str, tuple[float, float]]]:
    margins: dict[str, dict[str, tuple[float, float]]] = {"in": {}, "extended": {}}
    for level, given in section.items():
        where = ("margins", level)
        if level not in margins:
            faults.add(where, "unknown margin; expected in or extended")
        elif not isinstance(given, dict):
            faults.add(where, f"expected a mapping of parameters, found {given!r}")
        else:
            for key, value in given.items():
                found = _parameter(str(key), (*where, str(key)), GROUPS, faults)
                if found is not None and found[0].categories:
                    faults.add((*where, str(key)), "has categories, which no margin widens; remove it")
                    continue
                pair = value if isinstance(value, list) else [value, value]
                numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in pair)
                if len(pair) != 2 or not numbers or not all(0 <= x < float("inf") for x in pair):
                    text = f"expected a width >= 0 or [below, above], found {value!r}"
                    faults.add((*where, str(key)), text)
                elif found is not None:
                    below, above = (float(x) * found[1] for x in pair)
                    margins[level][found[0].name] = (below, above)
    return margins


def _rules(given: Any, faults: Faults) -> list[Rule]:
    if not isinstance(given, list):
        faults.add(("rules",), f"expected a list of rules, found {given!r}")
        return []
    rules = []
    for index, item in enumerate(given):
        where = ("rules", index)
        keys = set(item) if isinstance(item, dict) else {""}
        if not {"require"} <= keys <= {"name", "when", "require"}:
            faults.add(where, "expected a rule {name: ..., when: {...}, require: {...}}")
            continue
        when = _conditions(item.get("when") or {}, (*where, "when"), faults)
        require = _conditions(item["require"], (*where, "require"), faults)
        if require:
            name = str(item.get("name") or f"rule {index + 1}")
            rules.append(Rule(name=name, when=when, require=require))
    return rules


def _conditions(given: Any, where: Where, faults: Faults) -> dict[str, Condition]:
    if not isinstance(given, dict):
        faults.add(where, f"expected a mapping of parameters, found {given!r}")
        return {}
    conditions: dict[str, Condition] = {}
    for key, value in given.items():
        here = (*where, str(key))
        found = _parameter(str(key), here, GROUPS, faults)
        if found is None:
            continue
        parameter, factor = found
        if isinstance(value, dict) and "by" in value:
            profile = _model(Profile, value, here, faults)
            if profile is not None:
                points = tuple((x, lo * factor, hi * factor) for x, lo, hi in profile.points)
                conditions[parameter.name] = Profile(by=profile.by, points=points)
        elif parameter.categories:
            categories = _model(Categories, value, here, faults)
            if categories is not None:
                check_legal(parameter, categories, here, faults)
                conditions[parameter.name] = categories.names
        else:
            law = _model(Law, value, here, faults)
            if law is not None:
                conditions[parameter.name] = (law.lo * factor, law.hi * factor)
    return conditions
