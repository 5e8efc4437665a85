"""An ODD spec as plain text."""

from __future__ import annotations

from lard.odd.laws import Law
from lard.odd.parameters import APPROACH
from lard.odd.spec import Categories, Condition, OddSpec, Profile


def describe(spec: OddSpec) -> str:
    """The spec as text: parameters by zone, margins, environment, runways, rules."""
    camera = spec.camera
    fov = " x ".join(f"{angle:.4g}" for angle in camera.fov_deg)
    lines = [
        f"{spec.name} {spec.version}  sha256 {spec.sha256[:12]}",
        *([spec.description] if spec.description else []),
        f"camera: {camera.width_px} x {camera.height_px} px, field of view {fov} deg",
        f"angles seen from {spec.lateral_apex_m:g} m (lateral) and {spec.vertical_apex_m:g} m (vertical) "
        "beyond the landing threshold",
        "",
    ]
    header = ["parameter", *spec.zone_names, "margin in", "margin extended"]
    rows = [header, ["share", *(f"{zone.share:g}" for zone in spec.zones), "", ""]]
    for name in APPROACH:
        margins = [_margin(spec, level, name) for level in ("in", "extended")]
        rows.append([name, *(law_text(zone.laws[name]) for zone in spec.zones), *margins])
    lines += table(rows)
    for title, laws in (("environment", spec.environment), ("runways", spec.runways)):
        if laws:
            lines += ["", f"{title}:"]
            lines += [f"  {name} {law_text(law)}{_widths(spec, name)}" for name, law in laws.items()]
    if spec.rules:
        lines += ["", "rules:"]
    for rule in spec.rules:
        when = " and ".join(f"{name} {condition_text(c)}" for name, c in rule.when.items()) or "always"
        require = " and ".join(f"{name} {condition_text(c)}" for name, c in rule.require.items())
        lines.append(f"  {rule.name}: when {when}, require {require}")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def table(rows: list[list[str]]) -> list[str]:
    """Rows of cells as aligned lines."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]


def law_text(law: Law | Categories) -> str:
    """A law in a few characters: its range and, unless uniform, its name and parameters."""
    if isinstance(law, Categories):
        total = sum(law.weights.values())
        return ", ".join(f"{name} {law.weights[name] / total:.0%}" for name in law.names)
    if law.law == "discrete":
        values = law.values or {}
        total = sum(values.values())
        return ", ".join(f"{value:g} {weight / total:.0%}" for value, weight in sorted(values.items()))
    text = f"{law.lo:g}..{law.hi:g}" if law.lo < law.hi else f"{law.lo:g}"
    if law.law == "uniform" or law.lo == law.hi:
        return text
    numbers = [getattr(law, name) for name in ("mean", "sd", "a", "b", "exponent")]
    return f"{text} {law.law}({', '.join(f'{x:g}' for x in numbers if x is not None)})".replace("()", "")


def condition_text(condition: Condition) -> str:
    """A rule's condition in a few characters."""
    if isinstance(condition, Profile):
        points = ", ".join(f"{lo:g}..{hi:g} at {x:g}" for x, lo, hi in condition.points)
        return f"{points} of {condition.by}"
    if isinstance(condition[0], str):
        return " or ".join(str(name) for name in condition)
    return f"{condition[0]:g}..{condition[1]:g}"


def _widths(spec: OddSpec, name: str) -> str:
    """Margins of an environment or runway parameter as the end of its line."""
    stated = [level for level in ("in", "extended") if name in spec.margins.get(level, {})]
    texts = [f"{level} {_margin(spec, level, name)}" for level in stated]
    return f" (margins: {', '.join(texts)})" if texts else ""


def _margin(spec: OddSpec, level: str, name: str) -> str:
    below, above = spec.margins.get(level, {}).get(name, (0.0, 0.0))
    return f"{below:g}" if below == above else f"-{below:g} +{above:g}"
