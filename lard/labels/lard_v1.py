"""LARD V1's labelling convention, reproduced exactly: a spherical earth, one target runway, whole pixels.

Positions are earth-centred on the sphere Google Earth Studio uses; the field of view is vertical and that of
the picture with its watermark bands; pixels are rounded down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.airports.lardjson import LardEntry
from lard.camera import Poses, cam_from_ecef
from lard.errors import AirportError
from lard.geodesy import ecef_from_geodetic

Array = NDArray[np.float64]

LATERAL_APEX_M = 3050.0
VERTICAL_APEX_M = 305.0
_MOVED_BELOW_M, _MOVED_TO_M = 1.0, 10.0
_SPHERE = "sphere6371010"


@dataclass(frozen=True, slots=True)
class SphereCameras:
    """Cameras of n pictures on the sphere, as Earth Studio's JSON states them or as poses imply them."""

    position_ecef: Array  # (n, 3) metres
    cam_from_ecef: Array  # (n, 3, 3) rows: picture right, picture down, forward
    fov_y_deg: Array  # (n,) of the whole picture
    width_px: int
    height_px: int  # with watermark bands

    @classmethod
    def of_poses(cls, poses: pl.DataFrame, fov_y_deg: float, width_px: int, height_px: int) -> SphereCameras:
        """Cameras of poses with lat_deg, lon_deg, alt_m, yaw_deg, tilt_deg (90 = level) and roll_deg."""
        lat, lon, alt, yaw, tilt, roll = (
            poses[name].to_numpy()
            for name in ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "tilt_deg", "roll_deg")
        )
        rotation, position = cam_from_ecef(Poses(lat, lon, alt, yaw, tilt - 90.0, roll, _SPHERE))
        return cls(position, rotation, np.full(len(poses), fov_y_deg), width_px, height_px)


@dataclass(frozen=True, slots=True)
class RunwayPlane:
    """Best-fit plane of a runway's corners, with the centreline in it."""

    ltp: Array  # (3,)
    forward: Array  # (3,) unit, from the threshold to the far end
    side: Array  # (3,) unit, towards corner C
    normal: Array  # (3,) unit, sign arbitrary

    @classmethod
    def of(cls, corners: Array) -> RunwayPlane:
        """Plane of corners A, B, C, D (4, 3); C-D is the threshold."""
        centre = corners.mean(axis=0)
        normal = np.linalg.svd(corners - centre)[2][2]
        flat = corners - np.outer((corners - centre) @ normal, normal)
        ltp, fpap = flat[2:].mean(axis=0), flat[:2].mean(axis=0)
        forward = (fpap - ltp) / np.linalg.norm(fpap - ltp)
        side = flat[2] - ltp
        side = side - (side @ forward) * forward
        return cls(corners[2:].mean(axis=0), forward, side / np.linalg.norm(side), normal)

    def metrics(self, position: Array) -> dict[str, Array]:
        """Metres and degrees (n,) of camera positions (n, 3), by V1's reference points and signs."""
        offset = position - self.ltp
        along, height = -(offset @ self.forward), np.abs(offset @ self.normal)
        across = offset @ self.side
        return {
            "slant_m": np.linalg.norm(offset, axis=1),
            "along_m": along,
            "height_m": height,
            # positive on the side of corner C, which is left of the axis for about a third of V1's runways
            "lateral_deg": np.degrees(np.arctan2(across, along + LATERAL_APEX_M)),
            "vertical_deg": np.degrees(np.arctan2(height, along + VERTICAL_APEX_M)),
        }


def label_v1(poses: pl.DataFrame, cameras: SphereCameras, entries: Sequence[LardEntry]) -> pl.DataFrame:
    """One row per pose with the target's corners A, B, C, D (database letters) and V1's metrics.

    Corners with no depth even after V1's shift are null. `kept` tells which pictures LARD V1 keeps: with
    all corners in its picture polygon. AirportError lists the targets that the database does not hold.
    """
    by_key = {(entry.airport, entry.ident): entry for entry in entries}
    keys = poses.select("airport", "runway").with_row_index("pose")
    targets = keys.select("airport", "runway").unique(maintain_order=True).rows()
    missing = [key for key in targets if key not in by_key]
    if missing:
        named = ", ".join(f"{airport} {runway}" for airport, runway in missing)
        raise AirportError(f"the runway database has no {named}; LARD V1 goes by the spelling of the ident")
    parts = []
    for key, group in keys.partition_by("airport", "runway", as_dict=True, maintain_order=True).items():
        rows = group["pose"].to_numpy()
        parts.append(_label_target(rows, cameras, by_key[(str(key[0]), str(key[1]))]))
    return pl.concat(parts).sort("pose")


def _label_target(rows: NDArray[np.uint32], cameras: SphereCameras, entry: LardEntry) -> pl.DataFrame:
    corners = corner_positions(entry)
    position, rotation = cameras.position_ecef[rows], cameras.cam_from_ecef[rows]
    points = np.einsum("nij,nkj->nki", rotation, corners - position[:, None, :])
    points = pull_forward(points)
    focal = cameras.height_px / 2 / np.tan(np.radians(cameras.fov_y_deg[rows]) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = focal[:, None, None] * points[..., :2] / points[..., 2:]
    ahead = points[..., 2] > 0
    centre = np.array([cameras.width_px / 2, cameras.height_px / 2])
    floored = np.floor(scaled + centre)
    pixels = np.where(ahead[..., None], floored, 0.0).astype(np.int64)
    metrics = RunwayPlane.of(corners).metrics(position)
    return pl.DataFrame(
        {
            "pose": rows,
            **{
                f"{axis}_{corner}": pl.select(
                    pl.when(pl.Series(ahead[:, k])).then(pl.Series(pixels[:, k, i]))
                ).to_series()
                for k, corner in enumerate("ABCD")
                for i, axis in enumerate("xy")
            },
            **metrics,
            "kept": ahead.all(axis=1) & in_picture(pixels, cameras.width_px, cameras.height_px),
        }
    )


def corner_positions(entry: LardEntry) -> Array:
    """Corners A, B, C, D (4, 3) on the sphere: as the file states them, else from their coordinates."""
    if entry.position is not None:
        return entry.position
    lat, lon, alt = entry.coordinate.T
    return ecef_from_geodetic(lat, lon, alt, _SPHERE)


def pull_forward(points: Array) -> Array:
    """Camera points A, B, C, D (n, 4, 3), those nearer than 1 m moved along D-A or C-B to a depth of 10 m."""
    other = points[:, [3, 2, 1, 0]]
    depth, other_depth = points[..., 2], other[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (_MOVED_TO_M - depth) / (other_depth - depth)
    moved = points + share[..., None] * (other - points)
    move = (depth < _MOVED_BELOW_M) & (other_depth >= _MOVED_BELOW_M)
    return np.where(move[..., None], moved, points)


def in_picture(pixels: NDArray[np.int64], width_px: int, height_px: int) -> NDArray[np.bool_]:
    """Whether all corners (n, 4, 2) lie in V1's picture polygon, whose third vertex is (height, width)."""
    polygon = np.array([[0, 0], [width_px, 0], [height_px, width_px], [0, height_px]], float)
    edge = np.roll(polygon, -1, axis=0) - polygon
    offset = pixels[:, :, None, :] - polygon
    cross = edge[:, 0] * offset[..., 1] - edge[:, 1] * offset[..., 0]
    return (cross > 0).all(axis=(1, 2))


def reading_order(pixels: NDArray[np.int64], width_px: int) -> NDArray[np.int64]:
    """Order (n, 4) of corners (n, 4, 2) by y * width + x: the letters A to D of V1's published labels."""
    return np.argsort(pixels[..., 1] * width_px + pixels[..., 0], axis=1, kind="stable")
