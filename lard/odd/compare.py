"""Two ODD specs against each other: what differs, which contains which, how much they share."""

from __future__ import annotations

from lard.odd.algebra import Containment, contains, difference, region
from lard.odd.parameters import APPROACH, PARAMETERS
from lard.odd.show import law_text
from lard.odd.spec import OddSpec


def compare(a: OddSpec, b: OddSpec, level: str = "nominal") -> str:
    """The comparison as text."""
    lines = [f"{a.name} {a.version} against {b.name} {b.version} ({level} limits)"]
    lines += [f"  {line}" for line in changes(a, b)] or ["  no difference in zones, environment or runways"]
    if a.reference != b.reference:
        lines.append(
            "  the angles are seen from different points: equal numbers mean different places; what follows "
            "compares the numbers"
        )
    first, second = region(a, level), region(b, level)
    names = sorted({key for box in (*first.boxes, *second.boxes) for key in box})
    only_a, only_b = (difference(x.over(names), y.over(names)) for x, y in ((first, second), (second, first)))
    for name, inner, other, found in (
        (a.name, first, b.name, contains(second, first)),
        (b.name, second, a.name, contains(first, second)),
    ):
        lines.append(f"  {_containment(name, other, found)}")
        if inner.is_empty():
            lines.append(f"  {name} is empty")
    if {*a.environment, *a.runways} != {*b.environment, *b.runways}:
        lines.append("  volumes are not compared: the specs limit different parameters")
        return "\n".join(lines) + "\n"
    counted = (
        "" if first.exact and second.exact else " (counted on points: a limit follows another parameter)"
    )
    for name, whole, rest in ((a.name, first.over(names), only_a), (b.name, second.over(names), only_b)):
        total = whole.volume()
        share = min(rest.volume(whole.wide()) / total, 1.0) if total else 0.0
        lines.append(f"  volume of {name}: {total:.4g}, of it outside the other {share:.1%}{counted}")
    return "\n".join(lines) + "\n"


def changes(a: OddSpec, b: OddSpec) -> list[str]:
    """One line per parameter, margin or rule that differs."""
    lines = []
    for name in (*a.zone_names, *(z for z in b.zone_names if z not in a.zone_names)):
        if name not in a.zone_names or name not in b.zone_names:
            there = a if name in a.zone_names else b
            limits = ", ".join(f"{p} {law_text(there.zone(name).laws[p])}" for p in APPROACH)
            lines.append(f"zone {name}: only in {there.name}: {limits}")
            continue
        for p in APPROACH:
            one, other = a.zone(name).laws[p], b.zone(name).laws[p]
            if one != other:
                lines.append(f"zones.{name}.{p}: {law_text(one)} -> {law_text(other)}")
        if a.zone(name).share != b.zone(name).share:
            lines.append(f"zones.{name}.share: {a.zone(name).share:g} -> {b.zone(name).share:g}")
    for title, one_laws, other_laws in (
        ("environment", a.environment, b.environment),
        ("runways", a.runways, b.runways),
    ):
        for p in sorted({*one_laws, *other_laws}):
            if one_laws.get(p) != other_laws.get(p):
                texts = [law_text(laws[p]) if p in laws else "any" for laws in (one_laws, other_laws)]
                lines.append(f"{title}.{p}: {texts[0]} -> {texts[1]}")
    for level in ("in", "extended"):
        for p in (name for name in PARAMETERS if any(name in s.margins.get(level, {}) for s in (a, b))):
            margins = [spec.margins.get(level, {}).get(p, (0.0, 0.0)) for spec in (a, b)]
            if margins[0] != margins[1]:
                lines.append(f"margins.{level}.{p}: {_pair(margins[0])} -> {_pair(margins[1])}")
    for key in ("lateral_apex_m", "vertical_apex_m"):
        if getattr(a, key) != getattr(b, key):
            lines.append(f"reference.{key}: {getattr(a, key):g} -> {getattr(b, key):g}")
    if a.camera != b.camera:
        lines.append(f"camera: {_camera(a)} -> {_camera(b)}")
    for rule in (*a.rules, *b.rules):
        if (rule in a.rules) != (rule in b.rules):
            lines.append(f"rule {rule.name!r}: only in {a.name if rule in a.rules else b.name}")
    return lines


def _containment(inner: str, outer: str, found: Containment) -> str:
    if found.holds:
        proof = "proven on boxes" if found.exact else "no counter-example among the points tried"
        return f"{inner} lies inside {outer} ({proof})"
    point = found.witness or {}
    parts = (f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in point.items())
    return f"{inner} is not inside {outer}: witness {', '.join(parts)}"


def _pair(pair: tuple[float, float]) -> str:
    return f"[{pair[0]:g}, {pair[1]:g}]"


def _camera(spec: OddSpec) -> str:
    camera = spec.camera
    return f"{camera.width_px} x {camera.height_px} px {camera.fov_deg[0]:.4g} x {camera.fov_deg[1]:.4g} deg"
