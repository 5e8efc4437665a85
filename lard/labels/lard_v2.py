"""LARD V2's labelling convention, reproduced exactly: a flat earth at each threshold, and its verdicts.

Positions are geodesic distances and azimuths from the landing threshold (WGS84), heights are altitude
differences; the camera's yaw counts from north at the threshold. Nothing is clipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.airports.lardjson import LardEntry
from lard.camera import cam_from_ned
from lard.geodesy import geodesic_inverse, wrap_deg

Array = NDArray[np.float64]

VERTICAL_APEX_M = 305.0
UNKNOWN = "UNKNOWN"
_ANGLES = ("alpha_h", "alpha_v", "yaw", "pitch", "roll")

# distance m, alpha_h, alpha_v, yaw, pitch, roll in degrees; alpha_v is negative above the runway
ODD_SETS = np.array(
    [
        [[4500, 6000], [-3, 3], [-5.2, -1.8], [-24, 24], [-15, 5], [-30, 30]],
        [[2500, 4500], [-3, 3], [-5.2, -1.8], [-24, 24], [-15, 5], [-15, 15]],
        [[280, 2500], [-3, 3], [-5.2, -1.8], [-18.5, 18.5], [-15, 5], [-10, 10]],
    ]
)
_MARGIN_IN = np.array([[100, 100], [1, 1], [0.8, 0.8], [1, 1], [1, 1], [1, 1]])
_MARGIN_EXTENDED = np.array([[300, 2000], [6, 6], [0.8, 10], [15, 15], [15, 15], [15, 15]])


@dataclass(frozen=True, slots=True)
class FlatFrame:
    """A runway in LARD V2's local frame: x from LTP to FPAP, y left, z up, metres, origin at the LTP."""

    ltp: Array  # latitude deg, longitude deg, altitude m
    azimuth_deg: float
    corners: Array  # (4, 3) A, B, C, D = TR, TL, BL, BR
    axes: Array  # (3, 3) rows x, y, z of the sloped runway plane; z is not normalised

    @classmethod
    def of(cls, entry: LardEntry) -> FlatFrame:
        """The frame of a runway direction by the coordinates of its corners."""
        ltp, fpap = entry.coordinate[2:].mean(axis=0), entry.coordinate[:2].mean(axis=0)
        azimuth = float(geodesic_inverse(ltp[0], ltp[1], fpap[0], fpap[1])[0])
        corners = _flat(entry.coordinate, ltp, azimuth)
        x = _flat(fpap[None], ltp, azimuth)[0]
        x /= np.linalg.norm(x)
        y = corners[2] / np.linalg.norm(corners[2])
        return cls(ltp, azimuth, corners, np.stack([x, y, np.cross(x, y)]))


def _flat(points: Array, ltp: Array, azimuth_deg: float) -> Array:
    """Points (n, 3) latitude, longitude, altitude in the frame of a threshold."""
    azimuth, _, distance = geodesic_inverse(ltp[0], ltp[1], points[:, 0], points[:, 1])
    relative = np.radians(azimuth - azimuth_deg)
    return np.column_stack([distance * np.cos(relative), -distance * np.sin(relative), points[:, 2] - ltp[2]])


def label_v2(
    poses: pl.DataFrame,
    entries: Sequence[LardEntry],
    *,
    width_px: int,
    height_px: int,
    fov_x_deg: float,
    fov_y_deg: float,
    trajectory: Mapping[str, Any],
    swap: bool = True,
) -> pl.DataFrame:
    """Rows (pose, runway) as LARD V2 writes them, by pose and then in the order of the runway database.

    `poses` has lat_deg, lon_deg, alt_m, yaw_deg, tilt_deg, roll_deg and airport. With `swap` the projection
    takes width for height, as LARD V2 does; without it, labels of oblong pictures are right.
    """
    size = (height_px, width_px) if swap else (width_px, height_px)
    indexed = poses.with_row_index("pose")
    parts = []
    for (airport,), group in indexed.partition_by("airport", as_dict=True, maintain_order=True).items():
        runways = [entry for entry in entries if entry.airport == airport]
        for order, entry in enumerate(runways):
            part = _label_runway(group, entry, size, (fov_x_deg, fov_y_deg), trajectory)
            parts.append(part.with_columns(order=pl.lit(order, pl.Int64)))
    if not parts:
        return pl.DataFrame(schema={**_SCHEMA, "order": pl.Int64})
    return pl.concat(parts).sort("pose", "order")


_SCHEMA: dict[str, Any] = {
    "pose": pl.UInt32,
    "runway": pl.String,
    **{name: pl.Int64 for corner in ("TR", "TL", "BL", "BR") for name in (f"x_{corner}", f"y_{corner}")},
    "slant_m": pl.Float64,
    "along_m": pl.Float64,
    "height_m": pl.Float64,
    "lateral_deg": pl.Float64,
    "vertical_deg": pl.Float64,
    "yaw_offset_deg": pl.Float64,
    "verdict": pl.String,
}


def _label_runway(
    poses: pl.DataFrame,
    entry: LardEntry,
    size: tuple[int, int],
    fov_deg: tuple[float, float],
    trajectory: Mapping[str, Any],
) -> pl.DataFrame:
    """Rows of one runway direction: those poses that face its number and have all corners in front."""
    number = int("".join(c for c in entry.ident if c.isdigit()))
    # by the painted number, not by the heading: at exactly 90 degrees neither direction is kept
    poses = poses.filter(pl.Series(np.abs(wrap_deg(poses["yaw_deg"].to_numpy() - 10.0 * number)) < 90.0))
    frame = FlatFrame.of(entry)
    columns = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "tilt_deg", "roll_deg")
    lat, lon, alt, yaw, tilt, roll = (poses[name].to_numpy() for name in columns)
    camera = _flat(np.column_stack([lat, lon, alt]), frame.ltp, frame.azimuth_deg)
    # the flat frame read as north, east, down: x, -y, -z
    offsets = (frame.corners - camera[:, None, :]) * (1.0, -1.0, -1.0)
    attitude = cam_from_ned(yaw - frame.azimuth_deg, tilt - 90.0, roll)
    right, down, forward = np.moveaxis(np.einsum("nij,nkj->nki", attitude, offsets), -1, 0)
    kept = (forward > 0).all(axis=1)
    tan_x, tan_y = (np.tan(np.radians(fov) / 2) for fov in fov_deg)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = size[0] * (0.5 + right / (2 * forward * tan_x))
        y = size[1] * (0.5 + down / (2 * forward * tan_y))
    corners = np.trunc(np.stack([x, y], axis=-1)[kept]).reshape(-1, 8).astype(np.int64)
    local = camera @ frame.axes.T  # coordinates along the sloped axes
    lateral = np.degrees(np.arctan2(np.abs(local[:, 1]), -local[:, 0]))
    lateral = np.where(local[:, 1] > 0, -lateral, lateral)
    # the axes are not square to each other: the apex has a share in each of them
    aimed = (camera - VERTICAL_APEX_M * frame.axes[0]) @ frame.axes.T
    vertical = np.degrees(np.arctan2(aimed[:, 2], np.hypot(aimed[:, 0], aimed[:, 1])))
    a, d = entry.coordinate[0], entry.coordinate[3]
    # the azimuth at A towards D, turned round: the meridians of A and D differ by some 0.01 degrees
    heading = float(geodesic_inverse(a[0], a[1], d[0], d[1])[0]) + 180.0
    values = {
        "slant_m": np.linalg.norm(camera, axis=1),
        "along_m": np.abs(local[:, 0]),
        "height_m": camera[:, 2],
        "lateral_deg": lateral,
        "vertical_deg": vertical,
        "yaw_offset_deg": wrap_deg(yaw - heading),
    }
    judged = verdicts_v2(np.stack([*(values[k] for k in _JUDGED), tilt - 90.0, roll], axis=1), trajectory)
    return pl.DataFrame(
        {
            "pose": poses["pose"].filter(pl.Series(kept)),
            "runway": [entry.ident] * int(kept.sum()),
            **{name: corners[:, k] for k, name in enumerate(tuple(_SCHEMA)[2:10])},
            **{name: value[kept] for name, value in values.items()},
            "verdict": judged[kept],
        },
        schema=_SCHEMA,
    )


_JUDGED = ("along_m", "lateral_deg", "vertical_deg", "yaw_offset_deg")


def verdicts_v2(values: Array, trajectory: Mapping[str, Any]) -> NDArray[np.str_]:
    """runway_in_cone (n,) of along-track m, lateral, vertical (+ above), yaw offset, pitch, roll (n, 6)."""
    signed = values * (1.0, 1.0, -1.0, 1.0, 1.0, 1.0)
    sets = _odd_sets(trajectory)
    if sets is None:
        return np.full(len(values), UNKNOWN)

    def inside(margin: Array) -> NDArray[np.bool_]:
        limits = sets + margin * (-1.0, 1.0)  # (sets, 6, 2)
        held = (signed[:, None] >= limits[..., 0]) & (signed[:, None] <= limits[..., 1])
        return np.asarray(held.all(axis=-1).any(axis=-1))

    extended = np.where(inside(_MARGIN_EXTENDED), "IN_EXTENDED_ODD", "OUT_OF_ODD")
    return np.where(inside(_MARGIN_IN), "IN_ODD", extended)


def _odd_sets(trajectory: Mapping[str, Any]) -> Array | None:
    """Limits (sets, 6, 2) to judge by, None where LARD V2 does not judge."""
    if trajectory.get("use_ODD"):
        return ODD_SETS
    if any(trajectory.get(f"{angle}_distrib", "normal") != "uniform" for angle in _ANGLES):
        return None
    pairs = [(trajectory.get("min_distance_m"), trajectory.get("max_distance_m"))]
    pairs += [(trajectory.get(f"{angle}_min"), trajectory.get(f"{angle}_max")) for angle in _ANGLES]
    if any(bound is None for pair in pairs for bound in pair):
        return None
    return np.array([pairs], float)
