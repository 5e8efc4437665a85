"""Camera, poses and projection: the one place where attitude signs and pixel origin are decided.

Yaw is clockwise from true north, pitch nose up, roll right wing down, applied in that order (intrinsic).
Camera axes: x right, y down, z forward. Pixels: x right, y down, origin at the image's top-left corner,
pixel centres at +0.5, so the principal point of a symmetric camera is (width / 2, height / 2).
Radial distortion moves a point at radius r from the axis, at depth 1, to r (1 + k1 r^2 + k2 r^4 + k3 r^6).
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.errors import DataError
from lard.geodesy import ecef_from_geodetic, ned_from_ecef

Array = NDArray[np.float64]

DISTORTION = ("k1", "k2", "k3")
_STRONGEST = 1e15
"""Size of a coefficient beyond which its multiples may overflow; far beyond every lens."""


@dataclass(frozen=True, slots=True)
class Camera:
    """Intrinsics in pixels, and coefficients of radial distortion (Brown's, OpenCV's; 0 = ideal pinhole)."""

    width_px: int
    height_px: int
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    k1: float = 0.0
    k2: float = 0.0
    k3: float = 0.0

    def __post_init__(self) -> None:
        if self.width_px <= 0 or self.height_px <= 0:
            raise DataError(f"camera size is {self.width_px} x {self.height_px} px; both must be positive")
        if not (self.fx_px > 0 and self.fy_px > 0 and np.isfinite([self.cx_px, self.cy_px]).all()):
            raise DataError(f"camera focal lengths {self.fx_px}, {self.fy_px} px must be positive and finite")
        if not (np.abs([self.k1, self.k2, self.k3]) <= _STRONGEST).all():
            raise DataError(
                f"camera k1, k2, k3 are {self.k1}, {self.k2}, {self.k3}; "
                f"expected numbers from -{_STRONGEST:g} to {_STRONGEST:g}"
            )
        fold = self.fold_radius
        if np.isfinite(fold) and self.corner_radius >= distorted_radius(np.array(fold), self):
            raise DataError(
                f"camera k1, k2, k3 = {self.k1}, {self.k2}, {self.k3} fold the picture over itself within "
                f"{self.width_px} x {self.height_px} px; expected a distortion that grows up to the corners"
            )

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
    def distorted(self) -> bool:
        """Whether straight lines are drawn bent."""
        return bool(self.k1 or self.k2 or self.k3)

    @property
    def fold_radius(self) -> float:
        """Radius at depth 1 where the distortion stops growing; infinite when it never does."""
        slope = np.array([7 * self.k3, 5 * self.k2, 3 * self.k1, 1.0])
        roots = np.roots(np.where(np.abs(slope) < 1e-12, 0.0, slope))
        squares = roots.real[(np.abs(roots.imag) < 1e-12) & (roots.real > 0)]
        return float(np.sqrt(squares.min())) if len(squares) else np.inf

    @property
    def corner_radius(self) -> float:
        """Greatest radius of the picture's corners, as drawn, at depth 1."""
        x = max(self.cx_px, self.width_px - self.cx_px) / self.fx_px
        y = max(self.cy_px, self.height_px - self.cy_px) / self.fy_px
        return float(np.hypot(x, y))

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
    cameras = frames.select(camera_columns(frames)).unique()
    if len(cameras) != 1:
        raise DataError(f"frames hold {len(cameras)} different cameras; expected one, split the table first")
    return camera_of_row(cameras.row(0, named=True))


def camera_of_row(row: Mapping[str, Any]) -> Camera:
    """The camera of one row of a frames table; an empty or missing coefficient of the distortion is 0."""
    given = {f.name: row[f.name] for f in fields(Camera) if row.get(f.name) is not None}
    lacking = [f.name for f in fields(Camera) if f.default is MISSING and f.name not in given]
    if lacking:
        raise DataError(f"frames state no {', '.join(lacking)}; state the camera in full")
    return Camera(**given)


def intrinsics(camera: Camera) -> dict[str, Any]:
    """A camera as values of a frames table's columns; its distortion only where there is one."""
    names = [field.name for field in fields(Camera) if camera.distorted or field.name not in DISTORTION]
    return {name: getattr(camera, name) for name in names}


def camera_columns(frames: pl.DataFrame) -> list[str]:
    """Columns of a frames table that describe its camera; those of the distortion may be missing."""
    return [f.name for f in fields(Camera) if f.name not in DISTORTION or f.name in frames.columns]


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


def distorted_radius(radius: Array, camera: Camera) -> Array:
    """Radii at depth 1 as drawn, of true radii; beyond the fold they go on with the fold's magnification."""
    square = np.minimum(radius, camera.fold_radius) ** 2
    return radius * (1 + square * (camera.k1 + square * (camera.k2 + square * camera.k3)))


def true_radius(radius: Array, camera: Camera) -> Array:
    """The inverse of distorted_radius."""
    from lard.distortion import true_radii  # Numba is loaded for lenses that bend only

    flat = np.ascontiguousarray(radius, np.float64).reshape(-1)
    radii: Array = true_radii(flat, camera.k1, camera.k2, camera.k3, camera.fold_radius)
    return radii.reshape(np.shape(radius))


def distort(plane: Array, camera: Camera) -> Array:
    """Drawn places (..., 2) of true ones (..., 2), both at depth 1."""
    if not camera.distorted:
        return plane
    radius = np.hypot(plane[..., 0], plane[..., 1])
    with np.errstate(invalid="ignore"):
        ratio = distorted_radius(radius, camera) / np.where(radius > 0, radius, 1.0)
    return plane * np.where(radius > 0, ratio, 1.0)[..., None]


def undistort(plane: Array, camera: Camera) -> Array:
    """True places (..., 2) of drawn ones (..., 2), both at depth 1: the inverse of distort."""
    if not camera.distorted:
        return plane
    radius = np.hypot(plane[..., 0], plane[..., 1])
    ratio = true_radius(radius, camera) / np.where(radius > 0, radius, 1.0)
    return plane * np.where(radius > 0, ratio, 1.0)[..., None]


def to_pixels(plane: Array, camera: Camera) -> Array:
    """Pixels (..., 2) of true places (..., 2) at depth 1."""
    drawn = distort(plane, camera)
    return np.stack(
        [camera.cx_px + camera.fx_px * drawn[..., 0], camera.cy_px + camera.fy_px * drawn[..., 1]], -1
    )


def project(points_cam: Array, camera: Camera) -> Array:
    """Pixels (..., 2) of camera points (..., 3); NaN where the point is not in front of the camera."""
    depth = points_cam[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(depth > 0, 1.0 / depth, np.nan)
        return to_pixels(points_cam[..., :2] * scale[..., None], camera)


def ray_directions(camera: Camera, pixels: Array) -> Array:
    """Unit directions (..., 3) in camera axes of pixels (..., 2): the inverse of project."""
    x = (pixels[..., 0] - camera.cx_px) / camera.fx_px
    y = (pixels[..., 1] - camera.cy_px) / camera.fy_px
    plane = undistort(np.stack([x, y], axis=-1), camera)
    direction = np.concatenate([plane, np.ones_like(plane[..., :1])], axis=-1)
    return direction / np.linalg.norm(direction, axis=-1, keepdims=True)
