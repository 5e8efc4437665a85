"""Google Earth Studio: .esp projects, written and read."""

from __future__ import annotations

import calendar
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from lard.documents import checked
from lard.errors import DataError
from lard.geodesy import wrap_deg
from lard.scenario.formats_model import (
    CLOCK,
    SAME_ANGLE_DEG,
    Scenario,
    ScenarioImage,
    check_poses,
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


_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Angle = Annotated[float, Field(gt=0, lt=180)]
_Side = Annotated[int, Field(ge=1, le=65536)]


class _Size(BaseModel):
    width: _Side
    height: _Side


class _Own(BaseModel):
    watermark_px: int = Field(default=0, ge=0)
    fov_x_deg: _Angle | None = None
    fov_y_deg: _Angle | None = None
    poses: list[tuple[str, str, str]] = []
    timezone: str = "solar"
    trajectory: dict[str, Any] = {}
    time_window: dict[str, Any] = {}
    runways_database: str = ""
    airports_runways: dict[str, list[str]] = {}


class _Settings(BaseModel):
    dimensions: _Size
    lard: _Own | None = None  # as _OWN


class _Scene(BaseModel):
    attributes: list[Any]


class _Project(BaseModel):
    """What is read of an Earth Studio project; the rest of it is passed over."""

    settings: _Settings
    scenes: list[_Scene] = Field(min_length=1)


class _Value(BaseModel):
    minValueRange: _Finite | None = None
    maxValueRange: _Finite | None = None
    relative: _Finite = 0.0


class _Keyframe(BaseModel):
    value: _Finite


class _Track(BaseModel):
    """An attribute that a pose is read from."""

    value: _Value | None = None
    keyframes: list[_Keyframe] | None = None


def write_esp(scenario: Scenario, path: str | Path, timezone: str = "solar") -> None:
    """Write an Earth Studio project: one keyframe per pose, world time in UTC, any number of poses."""
    poses, image = scenario.poses, scenario.image
    n, square_deg = len(poses), other_fov_deg(image.fov_y_deg, image.height_px, image.width_px)
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
                "fov_x_deg": _unrounded(image.fov_x_deg, square_deg),
                "fov_y_deg": image.fov_y_deg,
                "watermark_px": image.watermark_px,
                "timezone": timezone,
                "trajectory": dict(scenario.trajectory),
                "time_window": dict(scenario.time_window),
                "runways_database": scenario.runways_database,
                "airports_runways": dict(scenario.airports_runways),
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
    project = checked(_Project, read_json(path), path, remedy="expected an Earth Studio project")
    size, own = project.settings.dimensions, project.settings.lard or _Own()
    found: dict[str, Any] = {}
    _collect(project.scenes[0].attributes, found)
    tracks = {name: _values(found.get(name), name, path) for name in (*_RANGES, "worldTime")}
    n = max(len(values) for values in tracks.values())
    uneven = [name for name, values in tracks.items() if len(values) not in (1, n)]
    if uneven:
        raise DataError(f"{path}: {', '.join(uneven)} have other than {n} keyframes; expected one per pose")
    tracks = {name: np.broadcast_to(values, n) for name, values in tracks.items()}
    other = np.flatnonzero(np.abs(tracks["fov"] - tracks["fov"][0]) > 1e-9)
    if len(other):
        raise DataError(
            f"{path}: fov is {tracks['fov'][other[0]]:g} degrees at keyframe {other[0]}, at the first "
            f"{tracks['fov'][0]:g}; a scenario has one field of view, split the project where it changes"
        )
    fov, inner = float(tracks["fov"][0]), size.height - 2 * own.watermark_px
    if not 0 < fov < 180 or inner < 1:
        raise DataError(
            f"{path}: a field of view of {fov:g} degrees and {inner} rows between the watermarks; expected"
            " 0 to 180 degrees and at least one row"
        )
    fov_y = _unrounded(own.fov_y_deg, other_fov_deg(fov, size.height, inner))
    fov_x = _unrounded(own.fov_x_deg, other_fov_deg(fov_y, inner, size.width))
    labels = own.poses or [("", "", "")] * n
    if len(labels) != n:
        raise DataError(f"{path}: settings.{_OWN}.poses names {len(labels)} poses, the keyframes {n}")
    ids = [name for name, _, _ in labels if name]
    twice = [name for name, count in Counter(ids).items() if count > 1]
    if twice:
        raise DataError(
            f"{path}: settings.{_OWN}.poses: {twice[0]!r:.60} names two poses; each needs its own"
        )
    zone = timezone or own.timezone
    rows = []
    for k in range(n):
        utc = _moment(float(tracks["worldTime"][k]), path)
        numbers = {column: float(tracks[name][k]) for name, column in _COLUMNS.items()}
        numbers["roll_deg"] = float(wrap_deg(numbers["roll_deg"]))
        clock = local_of(utc, numbers["lon_deg"], zone)
        names = dict(zip(("pose_id", "airport", "runway"), labels[k], strict=True))
        rows.append({**names, **numbers, **dict(zip(CLOCK, clock, strict=True))})
    faults = check_poses(rows)
    if faults:
        raise DataError("\n".join(f"{path}: pose {k}: {name}: {told}" for k, name, told in faults[:8]))
    image = ScenarioImage(size.width, inner, fov_x, fov_y, own.watermark_px)
    return Scenario(
        path.stem,
        "esp",
        image,
        poses_table(rows),
        own.trajectory,
        own.time_window,
        own.runways_database,
        own.airports_runways,
    )


def _unrounded(own_deg: float | None, project_deg: float) -> float:
    """The project's angle; with the digits that we wrote beside it while they still say the same."""
    if own_deg is None or abs(own_deg - project_deg) > SAME_ANGLE_DEG:
        return project_deg
    return own_deg


def _moment(milliseconds: float, path: Path) -> datetime:
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=round(milliseconds / 1000))
    except OverflowError as error:
        raise DataError(f"{path}: worldTime {milliseconds:g} ms is no date of a calendar") from error


def _collect(attributes: Any, found: dict[str, Any]) -> None:
    """Every attribute of a tree by its type, wherever a version of the format nests it."""
    for attribute in attributes if isinstance(attributes, list) else ():
        if isinstance(attribute, Mapping):
            found.setdefault(str(attribute.get("type")), attribute)
            _collect(attribute.get("attributes"), found)


def _values(attribute: Any, name: str, path: Path) -> Array:
    """Absolute values of an attribute's keyframes, or its one constant value."""
    if attribute is None:
        raise DataError(f"{path}: attribute {name} is missing from the scene; expected a keyframed {name}")
    track = checked(_Track, attribute, f"{path}: attribute {name}")
    value = track.value or _Value()
    low, high = _RANGES.get(name, (0.0, 1.0))
    low = low if value.minValueRange is None else value.minValueRange
    high = high if value.maxValueRange is None else value.maxValueRange
    relative = np.array([keyframe.value for keyframe in track.keyframes or [_Keyframe(value=value.relative)]])
    return low + relative * (high - low)
