"""Approach parameters of a camera relative to a runway, and back: exact inverses on arrays.

Everything is measured in the east-north-up frame tangent at the landing threshold point (LTP), so neither
the earth's curvature nor the convergence of meridians is neglected. The horizontal axis points from the LTP
towards the FPAP. The lateral angle is seen from a point `lateral_apex_m` beyond the LTP, the vertical angle
(elevation above the horizontal plane of the LTP) from a point `vertical_apex_m` beyond it: 0 m and 305 m in
LARD V2, 3050 m and 305 m in LARD V1.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.airports.model import Runway
from lard.camera import Poses
from lard.geodesy import ecef_from_geodetic, from_enu, geodetic_from_ecef, to_enu, wrap_deg

Array = NDArray[np.float64]

LATERAL_APEX_M = 0.0
VERTICAL_APEX_M = 305.0


@dataclass(frozen=True, slots=True)
class Approaches:
    """Approach parameters as arrays (n,), relative to one runway.

    along_track_m is positive before the threshold, lateral_deg positive right of the centreline as the
    landing pilot sees it, vertical_deg positive above; yaw_offset_deg is yaw minus the runway's true heading.
    """

    along_track_m: Array
    lateral_deg: Array
    vertical_deg: Array
    yaw_offset_deg: Array
    pitch_deg: Array
    roll_deg: Array

    def __post_init__(self) -> None:
        names = [field.name for field in fields(self)]
        arrays = np.broadcast_arrays(
            *(np.atleast_1d(np.asarray(getattr(self, n), np.float64)) for n in names)
        )
        for name, array in zip(names, arrays, strict=True):
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.along_track_m)

    def __getitem__(self, index: Any) -> "Approaches":
        return Approaches(*(np.atleast_1d(getattr(self, field.name)[index]) for field in fields(self)))

    @classmethod
    def from_table(cls, table: pl.DataFrame) -> "Approaches":
        """Approaches of a table that has a column of each name."""
        return cls(*(table[field.name].to_numpy() for field in fields(cls)))


def approach_of(
    runway: Runway,
    poses: Poses,
    lateral_apex_m: float = LATERAL_APEX_M,
    vertical_apex_m: float = VERTICAL_APEX_M,
) -> Approaches:
    """Approach parameters (n,) of camera poses relative to a runway."""
    along, cross, up = runway_frame(runway, poses)
    return Approaches(
        along_track_m=along,
        lateral_deg=np.degrees(np.arctan2(cross, along + lateral_apex_m)),
        vertical_deg=np.degrees(np.arctan2(up, np.hypot(along + vertical_apex_m, cross))),
        yaw_offset_deg=wrap_deg(poses.yaw_deg - runway.heading_deg),
        pitch_deg=poses.pitch_deg,
        roll_deg=poses.roll_deg,
    )


def pose_of(
    runway: Runway,
    approaches: Approaches,
    lateral_apex_m: float = LATERAL_APEX_M,
    vertical_apex_m: float = VERTICAL_APEX_M,
) -> Poses:
    """Camera poses (n,) of approach parameters relative to a runway, on the runway's earth model.

    A lateral angle cannot say where on the line through its apex across the axis a camera is, so
    along_track_m = -lateral_apex_m has no inverse there; a vertical angle of +-90 degrees likewise.
    """
    along = approaches.along_track_m
    cross = (along + lateral_apex_m) * np.tan(np.radians(approaches.lateral_deg))
    up = np.hypot(along + vertical_apex_m, cross) * np.tan(np.radians(approaches.vertical_deg))
    forward, right = _horizontal_axes(runway)
    horizontal = -along[:, None] * forward + cross[:, None] * right
    position = from_enu(np.column_stack([horizontal, up]), *runway.ltp, runway.earth)
    lat, lon, alt = geodetic_from_ecef(position, runway.earth)
    yaw = (runway.heading_deg + approaches.yaw_offset_deg) % 360.0
    return Poses(lat, lon, alt, yaw, approaches.pitch_deg, approaches.roll_deg, earth=runway.earth)


def runway_frame(runway: Runway, poses: Poses) -> tuple[Array, Array, Array]:
    """Distance before the LTP, right of the centreline and above the LTP's horizontal plane, metres (n,)."""
    position = to_enu(
        ecef_from_geodetic(poses.lat_deg, poses.lon_deg, poses.alt_m, poses.earth), *runway.ltp, runway.earth
    )
    forward, right = _horizontal_axes(runway)
    return -(position[:, :2] @ forward), position[:, :2] @ right, position[:, 2]


def slant_m(runway: Runway, poses: Poses) -> Array:
    """Straight-line distance (n,) from the camera to the LTP in metres."""
    return np.linalg.norm(np.stack(runway_frame(runway, poses)), axis=0)


def height_m(runway: Runway, poses: Poses) -> Array:
    """Camera altitude minus LTP altitude (n,) in metres: what an altimeter set to the field shows."""
    return poses.alt_m - runway.ltp[2]


def _horizontal_axes(runway: Runway) -> tuple[Array, Array]:
    """Unit vectors (2,) east-north along the landing direction and to its right."""
    forward = runway.axis_enu[:2] / np.hypot(*runway.axis_enu[:2])
    return forward, np.array([forward[1], -forward[0]])
