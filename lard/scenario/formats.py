"""Scenario files of any layout to and from the project's frames table."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.airports import Runway, RunwayDatabase
from lard.approach import Approaches, approach_of
from lard.camera import Camera, Poses, camera_of, intrinsics
from lard.errors import DataError, naming
from lard.geodesy import wrap_deg
from lard.odd import OddSpec, zone_of
from lard.scenario.formats_camera import read_studio_camera, studio_scenario
from lard.scenario.formats_esp import read_esp, write_esp
from lard.scenario.formats_model import (
    CLOCK,
    Scenario,
    ScenarioImage,
    local_of,
    parse_utc,
    poses_table,
    utc_of,
)
from lard.scenario.formats_yaml import read_yaml_scenario
from lard.scenario.formats_yaml_out import write_yaml_scenario
from lard.scenario.sampler import origin
from lard.tables import FRAMES, POSE, check_schema, read_table

SPLITS = ("train", "val", "test")

_HELD = (
    "airport", "runway", "lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg", "width_px",
    "height_px", "fx_px", "fy_px", "cx_px", "cy_px", "time_utc",
)  # fmt: skip
_FOLLOWING = ("zone", "along_track_m", "lateral_deg", "vertical_deg", "yaw_offset_deg")
"""Columns of a frames table that LARD's layouts state, and those that are measured anew from them."""


def read_scenario(
    path: str | Path, *, airport: str = "", runway: str = "", timezone: str = "solar"
) -> Scenario:
    """Read a scenario: .yaml (V1, older V1, V2), .esp, .json (Earth Studio camera) or .parquet (frames).

    The airport and runway name the target where the file does not.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    with naming(path):  # what follows from what a file holds does not know its name
        if suffix in (".yaml", ".yml"):
            return read_yaml_scenario(path)
        if suffix == ".parquet":
            return scenario_of_frames(read_table(path, FRAMES, POSE), path.stem, timezone)
        if suffix not in (".esp", ".json"):
            raise DataError(f"{path}: unknown extension {suffix!r}; expected .yaml, .esp, .json or .parquet")
        if not path.is_file():
            raise DataError(f"{path}: no such scenario file")
        if suffix == ".esp":
            return _retarget(read_esp(path), airport, runway)
        return studio_scenario(read_studio_camera(path), path.stem, airport, runway)


def write_scenario(scenario: Scenario, path: str | Path, layout: str, timezone: str = "solar") -> None:
    """Write a scenario as LARD V1 or V2 YAML or as an Earth Studio project."""
    if layout == "esp":
        write_esp(scenario, path, timezone)
    elif layout in ("v1", "v2"):
        write_yaml_scenario(scenario, path, layout)
    else:
        raise DataError(f"scenario layout {layout!r} is unknown; expected v1, v2 or esp")


def _retarget(scenario: Scenario, airport: str, runway: str) -> Scenario:
    poses = scenario.poses.with_columns(
        pl.when(pl.col("airport") == "").then(pl.lit(airport)).otherwise("airport").alias("airport"),
        pl.when(pl.col("runway") == "").then(pl.lit(runway)).otherwise("runway").alias("runway"),
    )
    return replace(scenario, poses=poses)


def camera_of_image(image: ScenarioImage) -> Camera:
    """The camera of the rendered picture, watermark bands included."""
    inner = Camera.from_fov(image.width_px, image.height_px, image.fov_x_deg, image.fov_y_deg)
    height = image.rendered_height_px
    return Camera(image.width_px, height, inner.fx_px, inner.fy_px, inner.cx_px, height / 2)


def frames_of_scenario(
    scenario: Scenario,
    db: RunwayDatabase,
    *,
    spec: OddSpec | None = None,
    earth: str = "wgs84",
    timezone: str = "solar",
    split: str = "test",
) -> pl.DataFrame:
    """FRAMES table of a scenario, in pose order; runway and approach values are those of the end it faces."""
    if split not in SPLITS:
        raise DataError(f"split {split!r} is unknown; expected {', '.join(SPLITS)}")
    poses, camera = scenario.poses, camera_of_image(scenario.image)
    clocks = poses.select(*CLOCK).rows()
    utc = [utc_of(clock, lon, timezone) for clock, lon in zip(clocks, poses["lon_deg"], strict=True)]
    columns: dict[str, Any] = {
        "frame_id": scenario.frame_ids,
        "airport": poses["airport"],
        "runway": poses["runway"],
        "zone": "",
        "split": split,
        **{name: poses[name] for name in ("lat_deg", "lon_deg", "alt_m", "yaw_deg")},
        "pitch_deg": poses["tilt_deg"] - 90.0,
        "roll_deg": poses["roll_deg"],
        **dict.fromkeys(("along_track_m", "lateral_deg", "vertical_deg", "yaw_offset_deg")),
        **intrinsics(camera),
        "earth_model": earth,
        "altitude_datum": db.altitude_datum,
        "visibility_m": None,
        "time_utc": [moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in utc],
        "seed": 0,
        **{name: pl.Series(values, dtype=pl.String) for name, values in origin(None, db, len(poses)).items()},
    }
    frames = check_schema(pl.DataFrame(columns), FRAMES, scenario.name)
    keys = frames.select("airport", "runway").unique(maintain_order=True)
    parts = [_approached(frames.with_row_index("_row"), icao, ident, db, spec) for icao, ident in keys.rows()]
    return pl.concat(parts).sort("_row").drop("_row")


def _approached(
    frames: pl.DataFrame, icao: str, ident: str, db: RunwayDatabase, spec: OddSpec | None
) -> pl.DataFrame:
    """Frames of one target with approach values and zone filled in."""
    rows = frames.filter((pl.col("airport") == icao) & (pl.col("runway") == ident))
    airport = db.airport(icao)
    named = airport.runway(ident)
    poses = Poses.from_frames(rows)
    ends = [replace(end, earth=poses.earth) for end in (named, airport.runway(named.reciprocal))]
    away = faces_away(named, poses)
    apex = (spec.lateral_apex_m, spec.vertical_apex_m) if spec else (0.0, 305.0)
    values = [approach_of(end, poses, *apex) for end in ends]
    names = ("along_track_m", "lateral_deg", "vertical_deg", "yaw_offset_deg", "pitch_deg", "roll_deg")
    facing = Approaches(*(np.where(away, getattr(values[1], n), getattr(values[0], n)) for n in names))
    filled = rows.with_columns(
        runway=pl.Series(np.where(away, named.reciprocal, named.ident)),
        **{name: pl.Series(getattr(facing, name)) for name in names[:4]},
    )
    return filled.with_columns(zone=pl.Series(zone_of(spec, facing))) if spec else filled


def faces_away(named: Runway, poses: Poses) -> NDArray[np.bool_]:
    """Which poses (n,) look along the other direction of a runway, as LARD V2 often names it."""
    away: NDArray[np.bool_] = np.abs(wrap_deg(poses.yaw_deg - named.heading_deg)) > 90.0
    return away


def not_held(frames: pl.DataFrame) -> list[str]:
    """What of a frames table LARD's layouts cannot hold, a line for each column that says something."""
    lines = []
    for name in frames.columns:
        said = frames[name].drop_nulls()
        if name in (*_HELD, *_FOLLOWING) or not len(said):
            continue
        values = said.unique().sort()
        shown = f"{values[0]} to {values[-1]}"
        if len(values) == 1 or values.dtype == pl.String:
            shown = ", ".join(str(value) for value in values[:4]) + (", ..." if len(values) > 4 else "")
        lines.append(f"{name} ({shown})")
    return lines


def scenario_of_frames(frames: pl.DataFrame, name: str, timezone: str = "solar") -> Scenario:
    """A scenario of a frames table; pose ids follow from the frame ids, so that they stay the same."""
    if not len(frames):
        raise DataError(f"{name}: no frames; a scenario needs at least one pose")
    twice = frames["frame_id"].is_duplicated()
    if twice.any():
        again = frames["frame_id"].filter(twice)[0]
        rows_of = ", ".join(str(k + 1) for k in (frames["frame_id"] == again).arg_true()[:2])
        raise DataError(
            f"{name}: frame {again} appears more than once (rows {rows_of}); frame_id must be unique"
        )
    for column in (*_HELD[:8], "time_utc"):
        empty = frames[column].is_null()
        if empty.any():
            raise DataError(
                f"{name}: {column} is null in {empty.sum()} of {len(frames)} frames (first: "
                f"{frames['frame_id'][int(empty.arg_max() or 0)]}), as no pose of a scenario may be; fill it"
            )
    camera = camera_of(frames)
    if (camera.cx_px, camera.cy_px) != (camera.width_px / 2, camera.height_px / 2):
        raise DataError(
            f"{name}: principal point {camera.cx_px}, {camera.cy_px} px is not the picture's centre; "
            "LARD's formats cannot state that"
        )
    if camera.k1 or camera.k2 or camera.k3:
        raise DataError(
            f"{name}: the camera bends lines (k1 {camera.k1:g}, k2 {camera.k2:g}, k3 {camera.k3:g}); LARD's "
            "formats know none, and pictures made from them would not fit the labels"
        )
    fov_x, fov_y = camera.fov_deg
    rows = []
    for frame in frames.iter_rows(named=True):
        clock = local_of(parse_utc(frame["time_utc"]), frame["lon_deg"], timezone)
        rows.append(
            {
                "pose_id": str(uuid.uuid5(uuid.NAMESPACE_OID, frame["frame_id"])),
                **{
                    key: frame[key] for key in ("airport", "runway", "lon_deg", "lat_deg", "alt_m", "yaw_deg")
                },
                "tilt_deg": frame["pitch_deg"] + 90.0,
                "roll_deg": frame["roll_deg"],
                **dict(zip(CLOCK, clock, strict=True)),
            }
        )
    along = frames["along_track_m"].drop_nulls()
    trajectory: dict[str, Any] = {"sample_number": len(frames), "use_ODD": True}
    trajectory |= {f"{angle}_distrib": "uniform" for angle in ("alpha_h", "alpha_v", "yaw", "pitch", "roll")}
    if len(along):
        trajectory |= {"max_distance_m": along.max(), "min_distance_m": along.min()}
    image = ScenarioImage(camera.width_px, camera.height_px, fov_x, fov_y)
    return Scenario(name, "frames", image, poses_table(rows), trajectory=trajectory)
