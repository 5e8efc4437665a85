"""Google Earth Studio: .esp projects, written and read, and the camera JSON it exports with its pictures."""

from __future__ import annotations

import calendar
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.errors import DataError
from lard.geodesy import geodetic_from_ecef, ned_from_ecef, wrap_deg
from lard.scenario.formats_model import (
    CLOCK,
    Scenario,
    ScenarioImage,
    local_of,
    other_fov_deg,
    poses_table,
    utc_of,
)
from lard.tables import read_json, write_json

Array = NDArray[np.float64]

SPHERE = "sphere6371010"
_RANGES = {
    "longitude": (-180.0, 180.0),
    "latitude": (-89.9999, 89.9999),
    "altitude": (1.0, 65117481.0),
    "rotationX": (-180.0, 180.0),
    "rotationY": (0.0, 180.0),
    "rotationZ": (0.0, 360.0),
    "fov": (1.0, 179.0),
}
_COLUMNS = {
    "longitude": "lon_deg",
    "latitude": "lat_deg",
    "altitude": "alt_m",
    "rotationX": "yaw_deg",
    "rotationY": "tilt_deg",
    "rotationZ": "roll_deg",
}
_OWN = "lard"  # our block in `settings`: what an .esp has no place for


@dataclass(frozen=True, slots=True)
class StudioCamera:
    """Camera track of Earth Studio's JSON, in its own numbers."""

    width_px: int
    height_px: int
    position_ecef: Array  # (n, 3) metres on the sphere
    ecef_from_cam: Array  # (n, 3, 3), columns: picture right, picture down, forward
    coordinate: Array  # (n, 3) latitude and longitude in degrees, altitude in metres
    fov_y_deg: Array  # (n,)

    def __len__(self) -> int:
        return len(self.position_ecef)


def write_esp(scenario: Scenario, path: str | Path, timezone: str = "solar") -> None:
    """Write an Earth Studio project: one keyframe per pose, world time in UTC, any number of poses."""
    poses, image = scenario.poses, scenario.image
    n = len(poses)
    tracks = {name: poses[column].to_numpy() for name, column in _COLUMNS.items()}
    tracks["longitude"], tracks["rotationX"] = wrap_deg(tracks["longitude"]), wrap_deg(tracks["rotationX"])
    tracks["rotationZ"] = tracks["rotationZ"] % 360.0
    tracks["fov"] = np.full(n, image.rendered_fov_y_deg)
    for name, values in tracks.items():
        low, high = _RANGES[name]
        for k in np.flatnonzero(~((values >= low) & (values <= high))):
            raise DataError(
                f"{scenario.name}: pose {k}: {name} {values[k]:g} is out of what Earth Studio holds, "
                f"{low:g} to {high:g}"
            )
    utc = [
        utc_of(clock, lon, timezone)
        for clock, lon in zip(poses.select(*CLOCK).rows(), poses["lon_deg"], strict=True)
    ]
    # one range for all poses, in UTC: a project has a single range, and no machine's zone may enter it
    start = _ms(datetime(min(utc).year, 1, 1, tzinfo=UTC))
    end = _ms(datetime(max(utc).year, 12, 31, 23, 59, 59, tzinfo=UTC))
    attribute = {name: _attribute(name, values, *_RANGES[name]) for name, values in tracks.items()}
    world_time = _attribute("worldTime", np.array([_ms(moment) for moment in utc], float), start, end)
    position = {
        "type": "position",
        "attributes": [attribute[k] for k in ("longitude", "latitude", "altitude")],
    }
    document = {
        "type": "quickstart",
        "modelVersion": 16,
        "settings": {
            "name": scenario.name,
            "frameRate": 25,
            "dimensions": {"width": image.width_px, "height": image.rendered_height_px},
            "duration": n - 1,
            "timeFormat": "frames",
            _OWN: {
                "poses": poses.select("pose_id", "airport", "runway").rows(),
                "fov_x_deg": image.fov_x_deg,
                "fov_y_deg": image.fov_y_deg,
                "watermark_px": image.watermark_px,
                "timezone": timezone,
            },
        },
        "scenes": [
            {
                "animationModel": {"roving": False, "logarithmic": False, "groupedPosition": True},
                "duration": n - 1,
                "attributes": [
                    _group(
                        "cameraGroup",
                        _group("cameraPositionGroup", position),
                        _group(
                            "cameraRotationGroup",
                            *(attribute[k] for k in ("rotationX", "rotationY", "rotationZ")),
                        ),
                        _group("cameraLensGroup", attribute["fov"]),
                    ),
                    _group(
                        "environmentGroup",
                        {"type": "planet", "value": {"world": "earth"}, "visible": True},
                        world_time,
                    ),
                ],
            }
        ],
        "playbackManager": {"range": {"start": 0, "end": n - 1}},
    }
    write_json(document, path)


def _group(name: str, *attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": name, "attributes": list(attributes), "visible": True}


def _attribute(name: str, values: Array, low: float, high: float) -> dict[str, Any]:
    relative = ((values - low) / (high - low)).tolist()
    times = np.linspace(0.0, 1.0, len(values)).tolist()  # one pose sits at time 0
    return {
        "type": name,
        "value": {"minValueRange": low, "maxValueRange": high, "relative": relative[0]},
        "keyframes": [{"time": t, "value": v} for t, v in zip(times, relative, strict=True)],
        "visible": True,
    }


def _ms(moment: datetime) -> float:
    return float(calendar.timegm(moment.timetuple())) * 1000.0


def read_esp(path: str | Path, timezone: str | None = None) -> Scenario:
    """Read the poses of an Earth Studio project, with local times in the zone stated or written with it."""
    path = Path(path)
    document = read_json(path)
    try:
        settings, scene = document["settings"], document["scenes"][0]
        width, height = (int(settings["dimensions"][side]) for side in ("width", "height"))
        own = settings.get(_OWN, {})
        found: dict[str, Mapping[str, Any]] = {}
        _collect(scene["attributes"], found)
        tracks = {name: _values(found.get(name), name, path) for name in (*_RANGES, "worldTime")}
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise DataError(
            f"{path}: not an Earth Studio project as LARD writes it: {error!r} missing"
        ) from error
    n = max(len(values) for values in tracks.values())
    uneven = [name for name, values in tracks.items() if len(values) not in (1, n)]
    if uneven:
        raise DataError(f"{path}: {', '.join(uneven)} have other than {n} keyframes; expected one per pose")
    tracks = {name: np.broadcast_to(values, n) for name, values in tracks.items()}
    fov, watermark = float(tracks["fov"][0]), int(own.get("watermark_px", 0))
    inner = height - 2 * watermark
    fov_y = float(own.get("fov_y_deg", other_fov_deg(fov, height, inner)))
    fov_x = float(own.get("fov_x_deg", other_fov_deg(fov_y, inner, width)))
    labels = own.get("poses") or [("", "", "")] * n
    if len(labels) != n:
        raise DataError(f"{path}: settings.{_OWN}.poses names {len(labels)} poses, the keyframes {n}")
    zone = timezone or str(own.get("timezone", "solar"))
    rows = []
    for k in range(n):
        utc = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
            seconds=round(float(tracks["worldTime"][k]) / 1000)
        )
        numbers = {column: float(tracks[name][k]) for name, column in _COLUMNS.items()}
        numbers["roll_deg"] = float(wrap_deg(numbers["roll_deg"]))
        clock = local_of(utc, numbers["lon_deg"], zone)
        names = dict(zip(("pose_id", "airport", "runway"), labels[k], strict=True))
        rows.append({**names, **numbers, **dict(zip(CLOCK, clock, strict=True))})
    image = ScenarioImage(width, inner, fov_x, fov_y, watermark)
    return Scenario(path.stem, "esp", image, poses_table(rows))


def _collect(attributes: Any, found: dict[str, Mapping[str, Any]]) -> None:
    """Every attribute of a tree by its type, wherever a version of the format nests it."""
    for attribute in attributes:
        found.setdefault(attribute["type"], attribute)
        _collect(attribute.get("attributes") or (), found)


def _values(attribute: Mapping[str, Any] | None, name: str, path: Path) -> Array:
    """Absolute values of an attribute's keyframes, or its one constant value."""
    if attribute is None:
        raise DataError(f"{path}: attribute {name} is missing from the scene; expected a keyframed {name}")
    value = attribute.get("value", {})
    low, high = _RANGES.get(name, (0.0, 1.0))
    low, high = float(value.get("minValueRange", low)), float(value.get("maxValueRange", high))
    keyframes = attribute.get("keyframes") or [{"value": value.get("relative", 0.0)}]
    relative = np.array([float(keyframe["value"]) for keyframe in keyframes])
    return low + relative * (high - low)


def read_studio_camera(path: str | Path) -> StudioCamera:
    """Read the camera JSON that Earth Studio exports, in global space; DataError names frame and field."""
    path = Path(path)
    document = read_json(path)
    faults: list[str] = []

    def numbers(item: Any, where: str, keys: str | tuple[str, ...]) -> list[float]:
        cells = item if isinstance(item, Mapping) else {}
        values = [cells.get(key) for key in keys]
        for key, value in zip(keys, values, strict=True):
            if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
                faults.append(f"{path}: {where}{key}: found {value!r}, expected a finite number")
        return [float(v) if isinstance(v, int | float) else math.nan for v in values]

    frames = document.get("cameraFrames") if isinstance(document, Mapping) else None
    if not isinstance(frames, list) or not frames:
        raise DataError(f"{path}: no cameraFrames; expected the 3D camera JSON of Earth Studio, global space")
    size = numbers(document, "", ("width", "height"))
    parts: dict[str, list[list[float]]] = {"position": [], "rotation": [], "coordinate": [], "fov": []}
    for k, frame in enumerate(frames):
        frame = frame if isinstance(frame, Mapping) else {}
        where = f"cameraFrames[{k}]."
        for name, keys in (("position", "xyz"), ("rotation", "xyz"), ("coordinate", _COORDINATE)):
            parts[name].append(numbers(frame.get(name), f"{where}{name}.", keys))
        parts["fov"].append(numbers(frame, where, ("fovVertical",)))
        if not 0 < parts["fov"][-1][0] < 180:
            faults.append(
                f"{path}: {where}fovVertical: found {parts['fov'][-1][0]}, expected 0 to 180 degrees"
            )
    if faults:
        raise DataError("\n".join(faults))
    rotation = _euler(np.radians(parts["rotation"]))
    position, coordinate = np.array(parts["position"]), np.array(parts["coordinate"])
    return StudioCamera(
        int(size[0]), int(size[1]), position, rotation, coordinate, np.array(parts["fov"])[:, 0]
    )


_COORDINATE = ("latitude", "longitude", "altitude")


def _euler(angles: Array) -> Array:
    """Rotations (n, 3, 3) = Rx(x) Ry(y) Rz(z) of angles (n, 3) in radians."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles).T, np.sin(angles).T
    rows = [
        [cy * cz, -cy * sz, sy],
        [cx * sz + sx * sy * cz, cx * cz - sx * sy * sz, -sx * cy],
        [sx * sz - cx * sy * cz, sx * cz + cx * sy * sz, cx * cy],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def studio_scenario(camera: StudioCamera, name: str, airport: str = "", runway: str = "") -> Scenario:
    """The camera track as a scenario: attitudes recovered from its rotations, no times of its own."""
    lat, lon, alt = geodetic_from_ecef(camera.position_ecef, SPHERE)
    ned_from_cam = ned_from_ecef(lat, lon) @ camera.ecef_from_cam  # columns right, down, forward in NED
    right, down, forward = (ned_from_cam[:, :, k] for k in range(3))
    yaw = np.degrees(np.arctan2(forward[:, 1], forward[:, 0]))
    tilt = 90.0 + np.degrees(np.arctan2(-forward[:, 2], np.hypot(forward[:, 0], forward[:, 1])))
    roll = np.degrees(np.arctan2(right[:, 2], down[:, 2]))
    fov_y = float(camera.fov_y_deg[0])
    other = np.flatnonzero(np.abs(camera.fov_y_deg - fov_y) > 1e-9)
    if len(other):
        raise DataError(
            f"{name}: cameraFrames[{other[0]}].fovVertical is {camera.fov_y_deg[other[0]]:g}, of the first "
            f"frame {fov_y:g}; a scenario has one field of view, split the track where it changes"
        )
    fov_x = other_fov_deg(fov_y, camera.height_px, camera.width_px)
    clock = dict(zip(CLOCK, (2020, 6, 1, 12, 0, 0), strict=True))
    rows = [
        {
            "pose_id": "", "airport": airport, "runway": runway,
            "lon_deg": lon[k], "lat_deg": lat[k], "alt_m": alt[k],
            "yaw_deg": yaw[k], "tilt_deg": tilt[k], "roll_deg": roll[k], **clock,
        }
        for k in range(len(camera))
    ]  # fmt: skip
    image = ScenarioImage(camera.width_px, camera.height_px, fov_x, fov_y)
    return Scenario(name, "ges", image, poses_table(rows))
