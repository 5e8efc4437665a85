"""The camera JSON that Google Earth Studio exports with its pictures, read; as a scenario."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.errors import DataError
from lard.geodesy import geodetic_from_ecef, ned_from_ecef
from lard.scenario.formats_model import CLOCK, Scenario, ScenarioImage, other_fov_deg, poses_table
from lard.tables import SIDE_LIMIT_PX, read_json

Array = NDArray[np.float64]

SPHERE = "sphere6371010"
SHOWN = 8


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
    for side, value in zip(("width", "height"), size, strict=True):
        if not 1 <= value <= SIDE_LIMIT_PX and not faults:
            faults.append(f"{path}: {side}: found {value:g}, expected 1 to {SIDE_LIMIT_PX} px")
    if faults:
        raise DataError("\n".join(faults[:SHOWN]))
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
