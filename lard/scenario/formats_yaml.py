"""LARD scenario YAML: V1 in both its forms and V2, read with line numbers, written for LARD's own readers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lard.airports import normalise_ident
from lard.errors import AirportError, DataError, SpecError
from lard.scenario.formats_events import locate, read_document
from lard.scenario.formats_model import (
    CLOCK,
    POSE_NUMBERS,
    Scenario,
    ScenarioImage,
    check_poses,
    other_fov_deg,
    poses_table,
)
from lard.tables import write_text

DEFAULT_WATERMARK_PX = 300
"""What LARD takes when the key is missing."""

_ANGLES = ("alpha_h", "alpha_v", "yaw", "pitch", "roll")

Found = list[tuple[tuple[str | int, ...], str]]


def read_yaml_scenario(path: str | Path) -> Scenario:
    """Read a scenario in any of LARD's YAML layouts; DataError lists every fault as file:line."""
    path = Path(path)
    data = _load(path)
    found: Found = []
    layout = _layout(data)
    image = _image(data, layout, found)
    rows = _poses(data, found)
    blocks = {key: _block(data, key, found) for key in ("trajectory", "time")}
    targets = _targets(data, layout, found)
    if found or image is None:
        _raise(path, found)
    assert image is not None
    return Scenario(
        name=path.stem,
        layout=layout,
        image=image,
        poses=poses_table(rows),
        trajectory=blocks["trajectory"],
        time_window=blocks["time"],
        runways_database=str(data.get("runways_database") or ""),
        airports_runways=targets,
    )


def _block(data: Mapping[str, Any], key: str, found: Found) -> dict[str, Any]:
    """A mapping of plain values; whatever else becomes a fault."""
    block = data.get(key) or {}
    if not isinstance(block, Mapping):
        found.append(((key,), f"found {block!r:.60}, expected a mapping"))
        return {}
    return {str(name): value for name, value in block.items()}


def _load(path: Path) -> dict[str, Any]:
    try:
        data, _ = read_document(path)
    except SpecError as error:
        raise DataError(str(error)) from error
    if not isinstance(data, dict) or "poses" not in data:
        kind = f"the keys {', '.join(map(str, data))}" if isinstance(data, dict) else type(data).__name__
        raise DataError(f"{path}:1: found {kind}; expected a LARD scenario with image and poses")
    return data


def _raise(path: Path, found: Found) -> None:
    try:
        faults = locate(path)
        for where, message in found:
            faults.add(where, message)
        faults.raise_if_any()
    except SpecError as error:
        raise DataError(str(error)) from error


def _layout(data: Mapping[str, Any]) -> str:
    if "camera" in data:
        return "v1-older"
    image = data.get("image")
    return "v2" if isinstance(image, dict) and ("fov_x" in image or "airports_runways" in data) else "v1"


def _image(data: Mapping[str, Any], layout: str, found: Found) -> ScenarioImage | None:
    before = len(found)

    def number(where: tuple[str, ...], low: float, high: float, whole: bool = False) -> Any:
        value: Any = data
        for key in where:
            value = value.get(key) if isinstance(value, Mapping) else None
        kinds = int if whole else (int, float)
        if not isinstance(value, kinds) or isinstance(value, bool) or not low <= value <= high:
            kind = "a whole number" if whole else "a number"
            found.append((where, f"found {value!r}, expected {kind} from {low:g} to {high:g}"))
        return value

    width = number(("image", "width"), 1, 65536, whole=True)
    height = number(("image", "height"), 1, 65536, whole=True)
    band = ("watermark", "height") if layout == "v1-older" else ("image", "watermark_height")
    block = data.get(band[0])
    stated = isinstance(block, Mapping) and block.get(band[1]) is not None
    watermark = number(band, 0, 65536, whole=True) if stated else DEFAULT_WATERMARK_PX
    smallest, largest = 1e-3, 179.0
    if layout == "v2":
        fov_x: Any = number(("image", "fov_x"), smallest, largest)
        if (data.get("image") or {}).get("fov_y") is None and len(found) == before:
            fov_y: Any = fov_x * width / height  # what LARD's generator fills in
            if not fov_y <= largest:
                found.append(
                    (("image", "fov_y"), f"missing, and fov_x * width / height = {fov_y:g} is no angle")
                )
        else:
            fov_y = number(("image", "fov_y"), smallest, largest)
    else:
        fov_y = number(("camera", "fov") if layout == "v1-older" else ("image", "fov"), smallest, largest)
        fov_x = other_fov_deg(fov_y, height, width) if len(found) == before else None
    if len(found) > before:
        return None
    return ScenarioImage(width, height, float(fov_x), float(fov_y), watermark, stated)


def _poses(data: Mapping[str, Any], found: Found) -> list[dict[str, Any]]:
    poses = data["poses"]
    if not isinstance(poses, list) or not poses:
        found.append((("poses",), f"found {poses!r}, expected a list of at least one pose"))
        return []
    rows = []
    for k, pose in enumerate(poses):
        rows.append(_pose(pose, k, found))
    good = [(k, row) for k, row in enumerate(rows) if row is not None]
    for index, name, message in check_poses([row for _, row in good]):
        place = POSE_NUMBERS.index(name) if name in POSE_NUMBERS else None
        where: tuple[str | int, ...] = ("poses", good[index][0], "time")
        if place is not None:
            where, message = ("poses", good[index][0], "pose", place), f"{name}: {message}"
        found.append((where, message))
    return [row for _, row in good]


def _pose(pose: Any, k: int, found: Found) -> dict[str, Any] | None:
    where = ("poses", k)
    numbers = pose.get("pose") if isinstance(pose, Mapping) else None
    if not isinstance(numbers, list) or len(numbers) != 6:
        expected = "expected pose: [longitude, latitude, altitude, yaw, pitch, roll]"
        found.append((where, f"found {numbers!r}, {expected}"))
        return None
    clock = pose.get("time") if isinstance(pose.get("time"), Mapping) else {}
    runway = pose.get("runway")
    # a plain 09 is the number 9 to YAML 1.2, and a text to the YAML 1.1 that LARD writes
    ident = f"{runway:02d}" if isinstance(runway, int) else str(runway)
    try:
        normalise_ident(ident)
    except AirportError as error:
        found.append(((*where, "runway"), str(error)))
    if not isinstance(pose.get("airport"), str):
        found.append(((*where, "airport"), f"found {pose.get('airport')!r}, expected an ICAO code"))
    return {
        "pose_id": str(pose.get("uuid") or ""),
        "airport": str(pose.get("airport")),
        "runway": ident,
        **dict(zip(POSE_NUMBERS, numbers, strict=True)),
        **{name: clock.get(name) for name in CLOCK},
    }


def _targets(data: Mapping[str, Any], layout: str, found: Found) -> dict[str, list[str]]:
    """Runways asked for, by airport; sets, which LARD's page writes, become sorted lists."""
    if layout == "v2":
        key, given = "airports_runways", data.get("airports_runways") or {}
        pairs = list(given.items()) if isinstance(given, Mapping) else [(None, given)]
    elif layout == "v1-older":
        key, given = "airports", data.get("airports") or []
        items = given if isinstance(given, list) else [given]
        pairs = [(i.get("code"), i.get("runways")) if isinstance(i, Mapping) else (None, i) for i in items]
    else:
        key, pairs = "runways", [(str(data.get("airport")), data.get("runways"))]
    targets = {}
    for icao, idents in pairs:
        if not isinstance(icao, str) or not isinstance(idents or [], list | set):
            found.append(((key,), f"found {icao!r:.20}: {idents!r:.60}, expected runways by airport"))
            continue
        targets[icao] = sorted(map(str, idents)) if isinstance(idents, set) else [*map(str, idents or [])]
    return targets


def write_yaml_scenario(scenario: Scenario, path: str | Path, layout: str) -> None:
    """Write a scenario as LARD "v1" or "v2" YAML; V1 holds one airport and square pixels."""
    image = scenario.image
    targets = dict(scenario.airports_runways) or _targets_of(scenario)
    poses = [_pose_block(row, layout) for row in scenario.poses.iter_rows(named=True)]
    common = {"runways_database": scenario.runways_database}
    if layout == "v2":
        document: dict[str, Any] = {
            "airports_runways": targets,
            "image": {
                "height": image.height_px,
                "width": image.width_px,
                "fov_x": image.fov_x_deg,
                "fov_y": image.fov_y_deg,
                "watermark_height": image.watermark_px,
            },
            "poses": poses,
            **common,
            "trajectory": {**_V2_TRAJECTORY, **scenario.trajectory},
            "time": dict(scenario.time_window) or _window(scenario),
        }
    else:
        if len(targets) != 1:
            raise DataError(
                f"{scenario.name}: {len(targets)} airports ({', '.join(targets)}); LARD V1 scenarios hold "
                "one, write V2 or split them"
            )
        square = other_fov_deg(image.fov_y_deg, image.height_px, image.width_px)
        if abs(square - image.fov_x_deg) > 1e-6:
            raise DataError(
                f"{scenario.name}: fov {image.fov_x_deg:g} x {image.fov_y_deg:g} degrees at {image.width_px} "
                f"x {image.height_px} px has no square pixels; LARD V1 cannot state that, write V2"
            )
        ((airport, runways),) = targets.items()
        document = {
            "airport": airport,
            "image": {
                "fov": image.fov_y_deg,
                "height": image.height_px,
                "watermark_height": image.watermark_px,
                "width": image.width_px,
            },
            "poses": poses,
            "runways": runways,
            **common,
            "time": dict(sorted((scenario.time_window or _window(scenario)).items())),
            "trajectory": dict(sorted(scenario.trajectory.items())),
        }
    write_text("\n".join(_emit(document, 0)) + "\n", path)


_V2_TRAJECTORY: dict[str, Any] = {
    **{f"{angle}_distrib": "normal" for angle in _ANGLES},
    **{f"{angle}_{bound}": None for angle in _ANGLES for bound in ("min", "max")},
    "use_ODD": False,
}
"""What LARD V2's labeller looks for in a trajectory."""


def _targets_of(scenario: Scenario) -> dict[str, list[str]]:
    pairs = scenario.poses.select("airport", "runway").unique().sort("airport", "runway")
    targets: dict[str, list[str]] = {}
    for airport, runway in pairs.iter_rows():
        targets.setdefault(airport, []).append(runway)
    return targets


def _window(scenario: Scenario) -> dict[str, int]:
    bounds: dict[str, int] = {}
    for name in sorted(CLOCK):
        column = scenario.poses[name].to_list()
        bounds |= {f"{name}_max": max(column), f"{name}_min": min(column)}
    return bounds


def _pose_block(row: Mapping[str, Any], layout: str) -> dict[str, Any]:
    block = {
        "uuid": row["pose_id"],
        "airport": row["airport"],
        "pose": [row[name] for name in POSE_NUMBERS],
        "runway": row["runway"],
        "time": {name: row[name] for name in reversed(CLOCK)},
    }
    order = ("uuid", "airport", "runway", "pose", "time") if layout == "v2" else tuple(block)[1:]
    return {key: block[key] for key in order}


def _emit(value: Any, indent: int) -> list[str]:
    """Lines of a block of mappings, lists and scalars that YAML 1.1 and 1.2 read alike."""
    pad, lines = " " * indent, []
    if isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(item, Mapping | list) and item:
                inner = indent if isinstance(item, list) else indent + 2
                lines += [f"{pad}{_scalar(key)}:", *_emit(item, inner)]
            else:
                lines.append(f"{pad}{_scalar(key)}: {_scalar(item)}")
    else:
        for item in value:
            block = _emit(item, indent + 2) if isinstance(item, Mapping) else [f"{pad}  {_scalar(item)}"]
            lines += [f"{pad}- {block[0].lstrip()}", *block[1:]]
    return lines


def _scalar(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return "{}" if isinstance(value, Mapping) else "[]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise DataError(f"a scenario cannot hold the number {value}")
        text = repr(value)
        mantissa, exponent, power = text.partition("e")
        return text if not exponent or "." in mantissa else f"{mantissa}.0e{power}"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    plain = re.fullmatch(r"[A-Za-z_/][\w/.\-]*", text) and text.lower() not in _RESERVED
    return text if plain else "'" + text.replace("'", "''") + "'"


_RESERVED = {"yes", "no", "on", "off", "true", "false", "null", "y", "n"}
