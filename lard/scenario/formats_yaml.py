"""LARD scenario YAML: V1 in both its forms and V2, read with line numbers; a key of no layout is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lard.airports import normalise_ident
from lard.errors import AirportError, DataError, SpecError
from lard.scenario.formats_events import locate, read_document
from lard.scenario.formats_keys import unknown_keys
from lard.scenario.formats_model import (
    CLOCK,
    POSE_NUMBERS,
    Scenario,
    ScenarioImage,
    check_poses,
    other_fov_deg,
    poses_table,
)

DEFAULT_WATERMARK_PX = 300
"""What LARD takes when the key is missing."""

Found = list[tuple[tuple[str | int, ...], str]]


def read_yaml_scenario(path: str | Path) -> Scenario:
    """Read a scenario in any of LARD's YAML layouts; DataError lists every fault as file:line."""
    path = Path(path)
    data = _load(path)
    found: Found = []
    layout = _layout(data)
    found += unknown_keys(data, layout)
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
    if any(isinstance(value, set) for value in block.values()):
        found.append(((key,), "found a set, expected numbers, texts or mappings; write a list"))
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
    smallest, largest, fov_y_stated = 1e-3, 179.0, True
    if layout == "v2":
        fov_x: Any = number(("image", "fov_x"), smallest, largest)
        fov_y_stated = (data.get("image") or {}).get("fov_y") is not None
        if not fov_y_stated and len(found) == before:
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
    return ScenarioImage(width, height, float(fov_x), float(fov_y), watermark, stated, fov_y_stated)


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
    first: dict[str, int] = {}
    for k, row in good:
        name = row["pose_id"]
        if name and first.setdefault(name, k) != k:
            told = f"{name} is the uuid of poses.{first[name]} as well; give each pose its own"
            found.append((("poses", k, "uuid"), told))
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
