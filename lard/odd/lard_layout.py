"""LARD's own ODD layouts, read unchanged: the V2 file of ODD sets and a V1 or V2 trajectory block."""

from __future__ import annotations

from typing import Any

from lard.odd.reading import unknown_field
from lard.odd.yamlfile import Faults

LARD_V2_MARGINS = {
    "in": {
        "along_track_m": [100.0, 100.0],
        "lateral_deg": [1.0, 1.0],
        "vertical_deg": [0.8, 0.8],
        "yaw_offset_deg": [1.0, 1.0],
        "pitch_deg": [1.0, 1.0],
        "roll_deg": [1.0, 1.0],
    },
    "extended": {
        "along_track_m": [300.0, 2000.0],
        "lateral_deg": [6.0, 6.0],
        "vertical_deg": [10.0, 0.8],
        "yaw_offset_deg": [15.0, 15.0],
        "pitch_deg": [15.0, 15.0],
        "roll_deg": [15.0, 15.0],
    },
}
"""The margins LARD V2's labeller executes; below and above in this project's signs."""

_KEYS = {
    "along_track_m": ("min_distance_m", "max_distance_m", 1),
    "lateral_deg": ("alpha_h_min", "alpha_h_max", -1),
    "vertical_deg": ("alpha_v_min", "alpha_v_max", -1),
    "yaw_offset_deg": ("yaw_min", "yaw_max", 1),
    "pitch_deg": ("pitch_min", "pitch_max", 1),
    "roll_deg": ("roll_min", "roll_max", 1),
}
_CONE = {
    "lateral_deg": ("alpha_h_deg", "std_alpha_h_deg", -1),
    "vertical_deg": ("alpha_v_deg", "std_alpha_v_deg", -1),
    "yaw_offset_deg": ("yaw_deg", "std_yaw_deg", 1),
    "pitch_deg": ("pitch_deg", "std_pitch_deg", 1),
    "roll_deg": ("roll_deg", "std_roll_deg", 1),
}
_LIMITS = (*_KEYS["along_track_m"][:2],)
_DISTRIBUTIONS = ("exp", "uniform", "linear", "normal")
_KNOWN = (
    *(key for lo, hi, _ in _KEYS.values() for key in (lo, hi)),
    *(key for mean, sd, _ in _CONE.values() for key in (mean, sd)),
    *(f"{stem}_distrib" for stem in ("alpha_h", "alpha_v", "yaw", "pitch", "roll")),
    "sample_number", "dist_ap_m", "distribution", "distrib_param", "use_ODD",
)  # fmt: skip
"""Fields of a trajectory block in both versions."""


def is_lard(data: dict[str, Any]) -> bool:
    """Whether a mapping is LARD's: ODD sets at the top, or a trajectory block (alone or in a scenario)."""
    if "zones" in data:
        return False
    sets = any(str(key).startswith("ODD_") for key in data)
    return sets or "trajectory" in data or all(key in data for key in _LIMITS)


def from_lard(data: dict[str, Any], faults: Faults, name: str) -> dict[str, Any]:
    """The project's layout of a LARD file; the lines of faults follow the translation."""
    if any(str(key).startswith("ODD_") for key in data):
        zones, version = _sets(data, faults), "2"
        reference = {"lateral_apex_m": 0.0, "vertical_apex_m": 305.0}
    else:
        block = data.get("trajectory", data)
        where: tuple[str, ...] = ("trajectory",) if "trajectory" in data else ()
        if not isinstance(block, dict):
            faults.add(where, f"expected a mapping of trajectory fields, found {block!r}")
            block = {}
        for key in block if "trajectory" in data else ():
            if key not in _KNOWN:
                faults.warn((*where, str(key)), f"{unknown_field(str(key), _KNOWN)}; it is passed over")
        v2 = "use_ODD" in block or "alpha_h_distrib" in block
        # LARD V1 draws distance and both angles from its aiming point
        aim = _numbers({"dist_ap_m": 300.0, **block}, ("dist_ap_m",), where, faults)
        apex = 305.0 if v2 or aim is None else aim[0]
        reference = {"lateral_apex_m": 0.0 if v2 else apex, "vertical_apex_m": apex}
        zones, version = {"cone": _cone(block, where, 0.0 if v2 else apex, faults)}, "2" if v2 else "1"
    return {
        "name": name,
        "version": version,
        "description": f"Read from LARD V{version}'s own layout",
        "reference": reference,
        "margins": LARD_V2_MARGINS,
        "zones": zones,
    }


def _sets(data: dict[str, Any], faults: Faults) -> dict[str, Any]:
    known = {key for lo, hi, _ in _KEYS.values() for key in (lo, hi)}
    zones: dict[str, Any] = {}
    for key, block in data.items():
        zone = str(key).removeprefix("ODD_").lower()
        if not str(key).startswith("ODD_") or not isinstance(block, dict):
            faults.add((str(key),), "expected only ODD_<zone> mappings in LARD's layout; remove it")
            continue
        for field in block:
            if field not in known:
                faults.add((str(key), field), f"unknown field; expected one of {', '.join(sorted(known))}")
        zones[zone] = {}
        for name, (lo, hi, sign) in _KEYS.items():
            pair = _numbers(block, (lo, hi), (str(key),), faults)
            if pair is not None:
                zones[zone][name] = _signed(pair, sign, (str(key), hi), faults)
                faults.lines[("zones", zone, name)] = faults.lines.get((str(key), hi), 1)
    return zones


def _cone(block: dict[str, Any], where: tuple[str, ...], apex_m: float, faults: Faults) -> dict[str, Any]:
    """A trajectory block: truncated at two standard deviations, as LARD documents its V1 cone."""
    zone: dict[str, Any] = {}
    distance = _numbers(block, _LIMITS, where, faults)
    if distance is not None:
        span = _signed([distance[0] - apex_m, distance[1] - apex_m], 1, (*where, _LIMITS[1]), faults)
        exponent = block.get("distrib_param", 1.41)
        named = block.get("distribution", "exp")
        if named not in _DISTRIBUTIONS:
            text = f"unknown {named!r}; expected one of {', '.join(_DISTRIBUTIONS)}"
            faults.add((*where, "distribution"), text)
        power = named == "exp"
        zone["along_track_m"] = {"range": span, "law": "power", "exponent": exponent} if power else span
    for name, (mean_key, sd_key, sign) in _CONE.items():
        limits = [x for x in (block.get(key) for key in _KEYS[name][:2]) if isinstance(x, int | float)]
        if len(limits) == 2:
            zone[name] = _signed(limits, sign, (*where, _KEYS[name][1]), faults)
            continue
        pair = _numbers({mean_key: 0.0, **block}, (mean_key, sd_key), where, faults)
        if pair is not None:
            mean, sd = sign * pair[0] + 0.0, pair[1]
            zone[name] = {"range": [mean - 2 * sd, mean + 2 * sd], "law": "normal", "mean": mean, "sd": sd}
    return zone


def _numbers(
    block: dict[str, Any], keys: tuple[str, ...], where: tuple[str, ...], faults: Faults
) -> list[float] | None:
    values = []
    for key in keys:
        value = block.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            found = "missing; add it" if key not in block else f"expected a number, found {value!r}"
            faults.add((*where, key), found)
        else:
            values.append(float(value))
    return values if len(values) == len(keys) else None


def _signed(pair: list[float], sign: int, where: tuple[str, ...], faults: Faults) -> list[float]:
    """The pair in this project's sign; LARD's angles alpha point the other way."""
    if pair[1] < pair[0]:
        faults.add(where, f"upper bound {pair[1]:g} is below lower bound {pair[0]:g}")
        pair = pair[::-1]
    return [-pair[1] + 0.0, -pair[0] + 0.0] if sign < 0 else [pair[0], pair[1]]
