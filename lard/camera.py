"""Pinhole camera, poses and projection: the one place where attitude signs and pixel origin are decided.

Yaw is clockwise from true north, pitch nose up, roll right wing down, applied in that order (intrinsic).
Camera axes: x right, y down, z forward. Pixels: x right, y down, origin at the image's top-left corner,
pixel centres at +0.5, so the principal point of a symmetric camera is (width / 2, height / 2).
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.errors import DataError
from lard.geodesy import ecef_from_geodetic, ned_from_ecef

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Camera:
    """Intrinsics of an ideal pinhole camera, in pixels."""

    width_px: int
    height_px: int
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float

    def __post_init__(self) -> None:
        if self.width_px <= 0 or self.height_px <= 0:
            raise DataError(f"camera size is {self.width_px} x {self.height_px} px; both must be positive")
        if not (self.fx_px > 0 and self.fy_px > 0 and np.isfinite([self.cx_px, self.cy_px]).all()):
            raise DataError(f"camera focal lengths {self.fx_px}, {self.fy_px} px must be positive and finite")

    @classmethod
    def from_fov(
        cls, width_px: int, height_px: int, fov_x_deg: float, fov_y_deg: float | None = None
    ) -> "Camera":
        """Camera of full horizontal (and vertical) field of view; square pixels when only one is given."""
        for name, fov_deg in (("fov_x_deg", fov_x_deg), ("fov_y_deg", fov_y_deg)):
            if fov_deg is not None and not 0 < fov_deg < 180:
                raise DataError(f"camera {name} is {fov_deg}; expected between 0 and 180 degrees")
        fx = width_px / 2 / np.tan(np.radians(fov_x_deg) / 2)
        fy = fx if fov_y_deg is None else height_px / 2 / np.tan(np.radians(fov_y_deg) / 2)
        return cls(width_px, height_px, float(fx), float(fy), width_px / 2, height_px / 2)

    @property
    def matrix(self) -> Array:
        """Intrinsic matrix (3, 3) in pixels."""
        return np.array([[self.fx_px, 0, self.cx_px], [0, self.fy_px, self.cy_px], [0, 0, 1.0]])

    @property
    def fov_deg(self) -> tuple[float, float]:
        """Full horizontal and vertical fields of view in degrees."""
        x = np.arctan(self.cx_px / self.fx_px) + np.arctan((self.width_px - self.cx_px) / self.fx_px)
        y = np.arctan(self.cy_px / self.fy_px) + np.arctan((self.height_px - self.cy_px) / self.fy_px)
        return float(np.degrees(x)), float(np.degrees(y))


@dataclass(frozen=True, slots=True)
class Poses:
    """Camera poses as arrays (n,): geodetic position in degrees and metres, attitude in degrees."""

    lat_deg: Array
    lon_deg: Array
    alt_m: Array
    yaw_deg: Array
    pitch_deg: Array
    roll_deg: Array
    earth: str = "wgs84"

    def __post_init__(self) -> None:
        names = [field.name for field in fields(self) if field.name != "earth"]
        arrays = np.broadcast_arrays(
            *(np.atleast_1d(np.asarray(getattr(self, n), np.float64)) for n in names)
        )
        for name, array in zip(names, arrays, strict=True):
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.lat_deg)

    def __getitem__(self, index: Any) -> "Poses":
        return Poses(
            np.atleast_1d(self.lat_deg[index]),
            np.atleast_1d(self.lon_deg[index]),
            np.atleast_1d(self.alt_m[index]),
            np.atleast_1d(self.yaw_deg[index]),
            np.atleast_1d(self.pitch_deg[index]),
            np.atleast_1d(self.roll_deg[index]),
            self.earth,
        )

    @classmethod
    def from_frames(cls, frames: pl.DataFrame) -> "Poses":
        """Poses of a frames table; all rows must name the same earth model."""
        models = frames["earth_model"].unique().to_list() if len(frames) else ["wgs84"]
        if len(models) != 1:
            raise DataError(f"frames mix the earth models {', '.join(sorted(models))}; split them first")
        lat, lon, alt = (frames[name].to_numpy() for name in ("lat_deg", "lon_deg", "alt_m"))
        yaw, pitch, roll = (frames[name].to_numpy() for name in ("yaw_deg", "pitch_deg", "roll_deg"))
        return cls(lat, lon, alt, yaw, pitch, roll, models[0])


def camera_of(frames: pl.DataFrame) -> Camera:
    """The one camera of a frames table; DataError when rows differ."""
    columns = [field.name for field in fields(Camera)]
    cameras = frames.select(columns).unique()
    if len(cameras) != 1:
        raise DataError(f"frames hold {len(cameras)} different cameras; expected one, split the table first")
    return Camera(**cameras.row(0, named=True))


def cam_from_ned(yaw_deg: Array, pitch_deg: Array, roll_deg: Array) -> Array:
    """Rotations (n, 3, 3) from north-east-down at the camera to camera axes."""
    yaw, pitch, roll = np.radians(yaw_deg), np.radians(pitch_deg), np.radians(roll_deg)
    sy, cy, sp, cp, sr, cr = (
        np.sin(yaw), np.cos(yaw), np.sin(pitch), np.cos(pitch), np.sin(roll), np.cos(roll),
    )  # fmt: skip
    forward = np.stack([cp * cy, cp * sy, -sp], axis=-1)
    right = np.stack([sr * sp * cy - cr * sy, sr * sp * sy + cr * cy, sr * cp], axis=-1)
    down = np.stack([cr * sp * cy + sr * sy, cr * sp * sy - sr * cy, cr * cp], axis=-1)
    return np.stack([right, down, forward], axis=-2)


def cam_from_ecef(poses: Poses) -> tuple[Array, Array]:
    """Rotations (n, 3, 3) from ECEF to camera axes, and camera positions (n, 3) in ECEF metres."""
    attitude = cam_from_ned(poses.yaw_deg, poses.pitch_deg, poses.roll_deg)
    rotation = attitude @ ned_from_ecef(poses.lat_deg, poses.lon_deg)
    return rotation, ecef_from_geodetic(poses.lat_deg, poses.lon_deg, poses.alt_m, poses.earth)


def to_camera(points_ecef: Array, poses: Poses) -> Array:
    """Camera coordinates (n, k, 3) in metres of ECEF points (k, 3) or (n, k, 3)."""
    rotation, origin = cam_from_ecef(poses)
    return np.einsum("nij,nkj->nki", rotation, np.asarray(points_ecef) - origin[:, None, :])


def project(points_cam: Array, camera: Camera) -> Array:
    """Pixels (..., 2) of camera points (..., 3); NaN where the point is not in front of the camera."""
    x, y, depth = points_cam[..., 0], points_cam[..., 1], points_cam[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(depth > 0, 1.0 / depth, np.nan)
    return np.stack([camera.cx_px + camera.fx_px * x * scale, camera.cy_px + camera.fy_px * y * scale], -1)


def ray_directions(camera: Camera, pixels: Array) -> Array:
    """Unit directions (..., 3) in camera axes of pixels (..., 2): the inverse of project."""
    x = (pixels[..., 0] - camera.cx_px) / camera.fx_px
    y = (pixels[..., 1] - camera.cy_px) / camera.fy_px
    direction = np.stack([x, y, np.ones_like(x)], axis=-1)
    return direction / np.linalg.norm(direction, axis=-1, keepdims=True)
