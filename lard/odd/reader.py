"""Reading an ODD spec: the project's own layout, LARD's and OpenODD's, every error of the file at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lard.files import name_fault
from lard.odd.checks import check_frame, check_spec
from lard.odd.feasible import check_feasible
from lard.odd.lard_layout import from_lard, is_lard
from lard.odd.laws import NUMBER_LIMIT, Law
from lard.odd.legal import check_legal, check_size
from lard.odd.openodd import from_openodd, is_openodd
from lard.odd.parameters import APPROACH, resolve
from lard.odd.reader_rules import read_margins, read_rules
from lard.odd.reading import Where, model_of, parameter_of, section_of, unknown_field
from lard.odd.shipped import find_spec
from lard.odd.spec import (
    DEFAULT_CAMERA,
    OUTSIDE,
    CameraSpec,
    Categories,
    OddSpec,
    Reference,
    Severity,
    Zone,
)
from lard.odd.yamlfile import Faults, load_yaml
from lard.tables import sha256_file

SECTIONS = (
    "name", "version", "description", "reference", "camera", "margins", "approach", "zones", "environment",
    "runways", "rules", "dqr", "severity",
)  # fmt: skip
_TITLE_CHARACTERS, _ZONE_CHARACTERS = 200, 60


def load_spec(path: str | Path) -> OddSpec:
    """Read and check an ODD spec, a file or a shipped one by name.

    SpecError with one line `file:line: field: fault` per fault.
    """
    spec, faults = inspect_spec(path)
    faults.raise_if_any()
    return spec


def inspect_spec(path: str | Path) -> tuple[OddSpec, Faults]:
    """What can be read of a spec, faulty parts left out, with all faults of its file; see draft_spec."""
    path = find_spec(path)
    data, faults = load_yaml(path)
    if is_openodd(data):
        data = from_openodd(data, faults, Path(path).stem)
    elif is_lard(data):
        data = from_lard(data, faults, Path(path).stem)
    spec = draft_spec(data, faults)
    return spec.model_copy(update={"file_sha256": sha256_file(path)}), faults


def parse_spec(data: Mapping[str, Any], faults: Faults) -> OddSpec | None:
    """The spec a mapping describes; faults are collected, and None returned when there are any."""
    spec = draft_spec(data, faults)
    return None if faults.found else spec


def draft_spec(data: Mapping[str, Any], faults: Faults) -> OddSpec:
    """A spec without its faulty parts, for checks that go on beside faults; no zones if none is whole."""
    for key in data:
        if key not in SECTIONS:
            faults.add((str(key),), unknown_field(str(key), SECTIONS))
    for key in ("name", "version", "zones"):
        if key not in data:
            faults.add((key,), "missing; add it")
    for key in ("name", "version"):
        text = data.get(key, "given")
        if not isinstance(text, str) or not text.strip():
            faults.add((key,), f"expected text, found {text!r}; put it in quotes")
        elif not text.isprintable() or len(text) > _TITLE_CHARACTERS:
            expected = f"expected one line of at most {_TITLE_CHARACTERS} characters"
            faults.add((key,), f"{expected}, found {len(text):,}: {text[:40]!r}")
    if not isinstance(data.get("description") or "", str):
        faults.add(("description",), f"expected text, found {data['description']!r}; put it in quotes")
    margins = read_margins(section_of(data, "margins", faults), faults)
    reference = model_of(Reference, section_of(data, "reference", faults), ("reference",), faults)
    camera = model_of(CameraSpec, section_of(data, "camera", faults) or DEFAULT_CAMERA, ("camera",), faults)
    zones = _zones(data, faults)
    environment = _laws(section_of(data, "environment", faults), ("environment",), "environment", faults)
    runways = _laws(section_of(data, "runways", faults), ("runways",), "runway", faults)
    rules = read_rules(data.get("rules"), faults)
    dqr = _dqr(data, faults)
    graded = section_of(data, "severity", faults)
    empty = "severity" in data and not graded and data["severity"] in (None, {})
    severity = model_of(Severity, graded, ("severity",), faults) if graded or empty else None
    check_spec(zones, margins, environment, runways, rules, faults)
    check_frame(zones, reference, camera, environment, faults)
    spec = OddSpec(
        name=str(data.get("name") or "unnamed"),
        version=str(data.get("version") or "unknown"),
        description=str(data.get("description") or ""),
        reference=reference or Reference(),
        camera_spec=camera or CameraSpec.model_validate(DEFAULT_CAMERA),
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
    for key, given in section_of(data, "dqr", faults).items():
        if not isinstance(given, dict):
            faults.add(("dqr", key), f"expected a mapping of thresholds, found {given!r}")
            continue
        for name, value in given.items():
            if isinstance(value, float) and not abs(value) <= NUMBER_LIMIT:
                faults.add(("dqr", key, str(name)), f"expected at most {NUMBER_LIMIT:g}, found {value!r}")
        found[key] = {str(name): value for name, value in given.items()}
    return found


def _laws(
    section: Mapping[str, Any], where: Where, group: str, faults: Faults
) -> dict[str, Law | Categories]:
    """Laws by canonical parameter name of a section whose keys may carry other units."""
    laws: dict[str, Law | Categories] = {}
    for key, given in section.items():
        parameter = parameter_of(key, (*where, key), (group,), faults)
        if parameter is None:
            continue
        kind: type[Law] | type[Categories] = Categories if parameter[0].categories else Law
        law = model_of(kind, given, (*where, key), faults)
        if law is None:
            continue
        if isinstance(law, Law):
            law = law.scaled(parameter[1])
            if not check_size(parameter[0], law.numbers, (*where, key), faults):
                continue
        if parameter[0].name in laws:
            faults.add((*where, key), f"{parameter[0].name} is given twice, in different units; keep one")
        check_legal(parameter[0], law, (*where, key), faults)
        if group == "runway":
            _check_selection(law, (*where, key), faults)
        laws[parameter[0].name] = law
    return laws


def _check_selection(law: Law | Categories, where: Where, faults: Faults) -> None:
    """Runways are chosen, not drawn: how often one would be drawn says nothing about them."""
    weights = law.weights if isinstance(law, Categories) else law.values or {}
    if isinstance(law, Law) and law.law not in ("uniform", "discrete"):
        faults.add(where, f"is a law ({law.law}), but runways are selected; write a range [low, high]")
    elif len(set(weights.values())) > 1:
        faults.add(where, "has weights, but runways are selected; write a list")


def _zones(data: Mapping[str, Any], faults: Faults) -> list[Zone]:
    shared = section_of(data, "approach", faults)
    common = _laws(shared, ("approach",), "approach", faults)
    sections = section_of(data, "zones", faults)
    if "zones" in data and not sections:
        faults.add(("zones",), "expected at least one zone")
    zones = []
    for name, section in sections.items():
        where = ("zones", name)
        if name == OUTSIDE:
            faults.add(where, f"{name!r} is what frames beyond all zones are called; choose another name")
        wrong = name_fault(str(name)) or ("is too long" if len(str(name)) > _ZONE_CHARACTERS else "")
        if wrong:
            faults.add(where, f"{str(name)[:40]!r} {wrong}; frames and their pictures are named after it")
        if not isinstance(section, dict):
            faults.add(where, f"expected a mapping of parameters, found {section!r}")
            continue
        given = {str(key): value for key, value in section.items()}
        share = given.pop("share", 1.0)
        number = isinstance(share, int | float) and not isinstance(share, bool)
        if not number or not 0 < share <= NUMBER_LIMIT:
            faults.add(
                (*where, "share"), f"expected a positive number, {NUMBER_LIMIT:g} at most, found {share!r}"
            )
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
