"""Frames and runways as arrays, and their projection under a vector of calibration parameters.

A view is one runway strip seen in one frame, by the landing direction nearer to the camera's heading. Runway
ends are numbered in their own landing direction: right, along (forwards) and up at the end's threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.airports.model import Runway, RunwayDatabase
from lard.camera import DISTORTION, Camera, Poses, cam_from_ecef
from lard.errors import DataError
from lard.geodesy import ecef_from_geodetic, enu_from_ecef, wrap_deg
from lard.labels.table import facing_end
from lard.quality.dataset import with_distortion

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

GROUPS = {
    "fov": ("camera.fov_deg",),
    "pitch": ("camera.pitch_deg",),
    "yaw": ("camera.yaw_deg",),
    "roll": ("camera.roll_deg",),
    "lever": ("camera.forward_m", "camera.right_m", "camera.down_m"),
    "altitude": ("altitude_m",),
    "airport-altitude": ("{airport}.altitude_m",),
    "lateral": ("{airport}.{end}.right_m",),
    "ends": ("{airport}.{end}.right_m", "{airport}.{end}.along_m", "{airport}.{end}.up_m"),
    "width": ("{airport}.{end}.width_m",),
    "profile": ("{airport}.{strip}.sag_m",),
}
"""What `--estimate` may name, and the parameters each group adds."""

PRIOR_SD = {
    "fov_deg": 1.5, "pitch_deg": 1.0, "yaw_deg": 1.0, "roll_deg": 1.0,
    "forward_m": 3.0, "right_m": 5.0, "down_m": 3.0, "along_m": 10.0, "up_m": 1.0, "width_m": 3.0,
    "altitude_m": 20.0, "sag_m": 3.0,
}  # fmt: skip
"""Standard deviation expected before any picture is looked at, by the last part of a parameter's name."""

AIRPORT_ALTITUDE_SD_M = 5.0
MOST_ACROSS_DEG = 40.0
"""Runways that run more across the view are left out: their sides lie too flat in the picture."""
_CAMERA = ("width_px", "height_px", "fx_px", "fy_px", "cx_px", "cy_px")
_BENT = (*DISTORTION, "fold")


@dataclass(frozen=True, slots=True)
class Scene:
    """Views (m) with their cameras, poses and runway ends; ECEF in metres, angles in degrees."""

    frame_ids: tuple[str, ...]  # frames (f), in order
    frame: Ints  # (m,) frame of each view
    poses: Poses  # (m,)
    camera: dict[str, Array]  # (m,) each of width_px ... cy_px, k1 ... k3, and the fold's radius
    corners: Array  # (m, 4, 3) TL, TR, BR, BL in ECEF
    axes: Array  # (m, 2, 3, 3) near and far end: rows right, along, up of that end's landing direction
    width_m: Array  # (m,)
    length_m: Array  # (m,)
    slant_m: Array  # (m,) camera to the middle of the near threshold
    displaced: NDArray[np.bool_]  # (m, 2) near and far threshold
    parameters: tuple[str, ...]
    column: Array  # (m, k) int: parameter index of each of the view's k quantities, -1 where not estimated

    @property
    def prior_sd(self) -> Array:
        """Standard deviations (p,) of the parameters before the data."""
        return np.array([prior_sd(name) for name in self.parameters])


QUANTITIES = (
    "fov_deg", "pitch_deg", "yaw_deg", "roll_deg", "forward_m", "right_m", "down_m", "altitude_m",
    "airport_altitude_m", "sag_m",
    "near.right_m", "near.along_m", "near.up_m", "near.width_m",
    "far.right_m", "far.along_m", "far.up_m", "far.width_m",
)  # fmt: skip
"""What moves a view: the order of Scene.column's second axis."""


def strip_name(one: str, other: str) -> str:
    """A strip by both its designators, such as 01-19."""
    return "-".join(sorted((one, other)))


def prior_sd(name: str) -> float:
    """Standard deviation of a parameter before the data, in its own unit."""
    if name.count(".") == 1 and name.endswith(".altitude_m"):
        return AIRPORT_ALTITUDE_SD_M
    return PRIOR_SD[name.rsplit(".", 1)[-1]]


def scene_of(frames: pl.DataFrame, database: RunwayDatabase, groups: Sequence[str], reach_m: float) -> Scene:
    """Views of all strips within reach of the cameras of a frames table; DataError when there is none."""
    unknown = [name for name in groups if name not in GROUPS]
    if unknown:
        raise DataError(f"estimate {', '.join(unknown)}: unknown; expected some of {', '.join(GROUPS)}")
    earths = frames["earth_model"].unique().sort().to_list()
    if len(earths) > 1:
        raise DataError(f"frames mix the earth models {', '.join(earths)}; calibrate each part by itself")
    frames = _with_lens(frames.sort("frame_id"))
    ids = tuple(frames["frame_id"].to_list())
    place = {frame_id: i for i, frame_id in enumerate(ids)}
    parts: list[dict[str, Array]] = []
    names: list[tuple[str, str, str]] = []
    for (icao,), group in frames.group_by(["airport"], maintain_order=True):
        airport = database.airport(str(icao))
        poses = Poses.from_frames(group)
        rows = np.array([place[name] for name in group["frame_id"]])
        for strip in airport.strips:
            other = airport.runway(strip.reciprocal)
            facing = facing_end(poses.yaw_deg, strip.heading_deg, other.heading_deg)
            for side, end in enumerate((strip, other)):
                chosen = np.flatnonzero(facing == side)
                if not len(chosen):
                    continue
                # each direction keeps its own corners: some databases give an end two altitudes
                part = _views(end, airport.runway(end.reciprocal), poses[chosen], earths[0])
                part |= {
                    name: group[name].to_numpy()[chosen].astype(np.float64) for name in (*_CAMERA, *_BENT)
                }
                part["frame"] = rows[chosen].astype(np.float64)
                near = (part["slant_m"] < reach_m) & (part["slant_m"] > 30.0)
                near &= np.abs(wrap_deg(poses.yaw_deg[chosen] - end.heading_deg)) < MOST_ACROSS_DEG
                part = {key: value[near] for key, value in part.items()}
                parts.append(part)
                names += [(airport.icao, end.ident, end.reciprocal)] * int(near.sum())
    if not names:
        raise DataError(f"no runway lies within {reach_m:g} m of any frame's camera; raise --reach")
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    parameters = _parameters(groups, names)
    poses = Poses(**{name: joined[name] for name in _POSE}, earth=earths[0])
    return Scene(
        ids, joined["frame"].astype(np.int64), poses, {name: joined[name] for name in (*_CAMERA, *_BENT)},
        joined["corners"], joined["axes"], joined["width_m"], joined["length_m"], joined["slant_m"],
        joined["displaced"] > 0, parameters, _columns(parameters, names),
    )  # fmt: skip


def _with_lens(frames: pl.DataFrame) -> pl.DataFrame:
    """Frames with k1 to k3, 0 where not stated, and the radius from which the distortion folds back."""
    frames = with_distortion(frames)
    columns = [field.name for field in fields(Camera)]
    cameras = frames.select(columns).unique()
    fold = pl.Series("fold", [Camera(*row).fold_radius for row in cameras.iter_rows()], pl.Float64)
    return frames.join(
        cameras.with_columns(fold), on=columns, how="left", maintain_order="left", nulls_equal=True
    )


_POSE = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")


def _views(end: Runway, reciprocal: Runway, poses: Poses, earth: str) -> dict[str, Array]:
    n = len(poses)
    corners = end.corners_ecef(earth)
    origin = ecef_from_geodetic(poses.lat_deg, poses.lon_deg, poses.alt_m, earth)
    axes = np.stack([_axes(end, earth), _axes(reciprocal, earth)])
    width = float(np.linalg.norm(corners[2] - corners[3]))
    length = float(np.linalg.norm((corners[0] + corners[1] - corners[2] - corners[3]) / 2))
    return {
        **{name: np.asarray(getattr(poses, name)) for name in _POSE},
        "corners": np.broadcast_to(corners, (n, 4, 3)),
        "axes": np.broadcast_to(axes, (n, 2, 3, 3)),
        "width_m": np.full(n, width),
        "length_m": np.full(n, length),
        "slant_m": np.linalg.norm(origin - (corners[2] + corners[3]) / 2, axis=1),
        "displaced": np.broadcast_to([end.displaced_m, reciprocal.displaced_m], (n, 2)).astype(np.float64),
    }


def _axes(end: Runway, earth: str) -> Array:
    """Right, along and up (rows) at a landing threshold, unit vectors in ECEF."""
    corners = end.corners_ecef(earth)
    along = (corners[0] + corners[1] - corners[2] - corners[3]) / 2
    up = enu_from_ecef(end.ltp[0], end.ltp[1])[2]
    along = along - (along @ up) * up
    along /= np.linalg.norm(along)
    return np.stack([np.cross(along, up), along, up])


def _parameters(groups: Sequence[str], names: Sequence[tuple[str, str, str]]) -> tuple[str, ...]:
    ends = sorted({(airport, ident) for airport, *idents in names for ident in idents})
    airports = sorted({airport for airport, _ in ends})
    found: dict[str, None] = {}
    for group in groups:
        for pattern in GROUPS[group]:
            if "{strip}" in pattern:
                strips = sorted({(airport, strip_name(*idents)) for airport, *idents in names})
                found |= {pattern.format(airport=a, strip=s): None for a, s in strips}
            elif "{end}" in pattern:
                found |= {pattern.format(airport=a, end=e): None for a, e in ends}
            elif "{airport}" in pattern:
                found |= {pattern.format(airport=a): None for a in airports}
            else:
                found[pattern] = None
    return tuple(found)


def _columns(parameters: tuple[str, ...], names: Sequence[tuple[str, str, str]]) -> Array:
    index = {name: i for i, name in enumerate(parameters)}
    rows: dict[tuple[str, str, str], list[int]] = {}
    for key in dict.fromkeys(names):
        airport, near, far = key
        keys = [f"camera.{name}" for name in QUANTITIES[:7]] + ["altitude_m", f"{airport}.altitude_m"]
        keys.append(f"{airport}.{strip_name(near, far)}.sag_m")
        for end in (near, far):
            keys += [f"{airport}.{end}.{name}" for name in ("right_m", "along_m", "up_m", "width_m")]
        rows[key] = [index.get(name, -1) for name in keys]
    return np.array([rows[key] for key in names])


def project_points(scene: Scene, theta: Array, view: Ints, across: Array, along: Array) -> Array:
    """Pixels (n, 2) of points on the runways of views (n,) under the parameters; NaN behind the camera.

    across (n,): share of the half width, right positive; along (n,): share of the length from the near
    threshold. Points beyond 0 and 1 lie on the runway's plane.
    """
    value = np.append(theta, 0.0)[scene.column[view].astype(np.int64)]  # (n, k); -1 takes the 0 at the end
    q = {name: value[:, i] for i, name in enumerate(QUANTITIES)}
    tl, tr, br, bl = np.moveaxis(scene.corners[view], 1, 0)
    near_axes, far_axes = scene.axes[view, 0], scene.axes[view, 1]
    lift = (q["altitude_m"] + q["airport_altitude_m"])[:, None]
    ends = []
    for name, right, left, axes in (("near", br, bl, near_axes), ("far", tr, tl, far_axes)):
        middle, half = (right + left) / 2, (right - left) / 2
        half = half * (1 + q[f"{name}.width_m"] / scene.width_m[view])[:, None]
        move = np.stack([q[f"{name}.right_m"], q[f"{name}.along_m"], q[f"{name}.up_m"]], -1)
        middle = middle + np.einsum("nk,nki->ni", move, axes) + lift * axes[:, 2]
        ends.append(middle + across[:, None] * half)
    points = ends[0] + along[:, None] * (ends[1] - ends[0])
    # runways follow the land: a parabola between the thresholds, sag_m high in the middle
    share = np.clip(along, 0.0, 1.0)
    points = points + (4 * share * (1 - share) * q["sag_m"])[:, None] * near_axes[:, 2]
    poses = Poses(
        scene.poses.lat_deg[view],
        scene.poses.lon_deg[view],
        scene.poses.alt_m[view],
        yaw_deg=scene.poses.yaw_deg[view] + q["yaw_deg"],
        pitch_deg=scene.poses.pitch_deg[view] + q["pitch_deg"],
        roll_deg=scene.poses.roll_deg[view] + q["roll_deg"],
        earth=scene.poses.earth,
    )
    rotation, origin = cam_from_ecef(poses)
    lever = np.stack([q["right_m"], q["down_m"], q["forward_m"]], -1)
    cam = np.einsum("nij,nj->ni", rotation, points - origin) - lever
    camera = {name: values[view] for name, values in scene.camera.items()}
    half_fov = np.arctan(camera["width_px"] / 2 / camera["fx_px"])
    zoom = np.tan(half_fov) / np.tan(half_fov + np.radians(q["fov_deg"]) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        plane = cam[:, :2] / np.where(cam[:, 2] > 1.0, cam[:, 2], np.nan)[:, None]
        square = np.minimum(np.hypot(*plane.T), camera["fold"]) ** 2
    bend = 1 + square * (camera["k1"] + square * (camera["k2"] + square * camera["k3"]))
    plane = plane * (zoom * bend)[:, None]
    return np.stack(
        [camera["cx_px"] + camera["fx_px"] * plane[:, 0], camera["cy_px"] + camera["fy_px"] * plane[:, 1]],
        -1,
    )
