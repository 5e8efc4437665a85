"""Which runway strips of a database a camera can see at all, whatever airport they belong to.

A strip is within reach where the camera stands above the horizon plane of one of its corners, so that the
curved earth at the runway's own height does not hide it, and above the runway's surface there, so that it
shows its upper face. Lines of sight are straight: refraction, which lifts far objects a little, is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from lard.airports import Runway, RunwayDatabase
from lard.airports.layout import TWIN_M, is_twin
from lard.camera import Camera, Poses
from lard.errors import DataError
from lard.geodesy import ecef_from_geodetic
from lard.labels.view import NEAR_PLANE_M, picture_bounds

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

EARTH_RADIUS_M = 6.4e6
"""The largest radius of curvature of the earth, rounded up: what it says is in reach is never too little."""


def horizon_m(height_m: float) -> float:
    """Distance in metres to the horizon of a camera above the runway it looks at; 0 from below."""
    height = max(height_m, 0.0)
    return float(np.sqrt(height * (2 * EARTH_RADIUS_M + height)))


def reach_stated(frames: pl.DataFrame, labels: pl.DataFrame) -> dict[str, Any]:
    """What dataset.json says of the reach of labels: the limit, and what of other airports lies within it."""
    own = dict(frames.select("frame_id", "airport").iter_rows())
    at = labels["frame_id"].replace_strict(own, return_dtype=pl.String)
    others = labels.filter(labels["airport"] != at)
    height = labels["height_m"].max()
    unknown = others["hidden_fraction"].null_count() if "hidden_fraction" in others.columns else 0
    return {
        "rule": "other airports' strips that are in the picture, from above their plane and their horizon",
        "horizon_m": round(horizon_m(float(height)), 1) if isinstance(height, float) else 0.0,
        "labels_of_other_airports": len(others),
        "frames_with_other_airports": others["frame_id"].n_unique(),
        "farthest_m": round(float(others["slant_m"].to_numpy().max(initial=0.0)), 1),
        **({"behind_unknown_land": unknown} if "hidden_fraction" in others.columns else {}),
    }


@dataclass(frozen=True)
class StripIndex:
    """All s strips of a database on one earth, findable by place."""

    strips: tuple[Runway, ...]
    corners: Array  # (s, 4, 3) TL, TR, BR, BL in ECEF, metres
    up: Array  # (s, 4, 3) unit vectors up at the corners
    normal: Array  # (s, 4, 3) unit vectors out of the upper face at the corners, curved as the earth is
    half_m: float  # the largest distance of a corner from its strip's centre
    lowest_m: float
    tree: cKDTree
    twins: dict[int, list[int]]

    @classmethod
    def of(cls, db: RunwayDatabase, earth: str) -> StripIndex:
        """Index of a database's strips, by airport and ident."""
        strips = tuple(strip for icao in sorted(db.airports) for strip in db.airports[icao].strips)
        geodetic = np.array([strip.corners for strip in strips]).reshape(-1, 4, 3)
        lost = np.flatnonzero(~np.isfinite(geodetic).all(axis=(1, 2)))
        if len(lost):
            names = ", ".join(f"{strips[k].airport} {strips[k].ident}" for k in lost[:3])
            raise DataError(
                f"{db.name} {db.version}: {len(lost)} strips have no position or elevation (first: {names}); "
                "complete or remove them"
            )
        lat, lon, alt = np.moveaxis(geodetic, -1, 0)
        corners = ecef_from_geodetic(lat, lon, alt, earth)
        phi, lam = np.radians(lat), np.radians(lon)
        up = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)
        right = corners[:, 1] + corners[:, 2] - corners[:, 0] - corners[:, 3]
        ahead = corners[:, 0] + corners[:, 1] - corners[:, 2] - corners[:, 3]
        face = np.cross(right, ahead)
        face /= np.linalg.norm(face, axis=-1, keepdims=True)
        normal = face[:, None] + up - up.mean(axis=1, keepdims=True)
        centre = corners.mean(axis=1)
        half = np.linalg.norm(corners - centre[:, None], axis=-1)
        tree = cKDTree(centre) if len(strips) else cKDTree(np.empty((0, 3)))
        return cls(
            strips, corners, up, normal, float(half.max(initial=0.0)),
            float(alt.min(initial=np.inf)), tree, _twins(strips, tree),
        )  # fmt: skip


def _twins(strips: tuple[Runway, ...], tree: cKDTree) -> dict[int, list[int]]:
    """Strips that stand under two airports, each with its others."""
    twins: dict[int, list[int]] = {}
    for a, b in sorted(tree.query_pairs(TWIN_M)):
        if strips[a].airport != strips[b].airport and is_twin(strips[a], strips[b]):
            twins.setdefault(a, []).append(b)
            twins.setdefault(b, []).append(a)
    return twins


def strips_in_reach(
    index: StripIndex, own: str, poses: Poses, rotation: Array, origin: Array, camera: Camera
) -> Iterator[tuple[str, Runway, Rows]]:
    """Airport, strip and rows of the n cameras that may see it, of every strip of another airport than `own`.

    rotation (n, 3, 3) is cam_from_ecef, origin (n, 3) in ECEF metres. Rows may include a few whose picture
    the strip just misses. A strip listed under two airports comes once: never beside the own airport's.
    """
    if not len(origin):
        return
    middle = (origin.min(axis=0) + origin.max(axis=0)) / 2
    spread = float(np.linalg.norm(origin - middle, axis=1).max())
    reach = spread + horizon_m(float(poses.alt_m.max()) - index.lowest_m) + index.half_m
    low, high = picture_bounds(camera)
    near = sorted(index.tree.query_ball_point(middle, reach))
    for k in near:
        if index.strips[k].airport == own:
            continue
        if any(index.strips[other].airport == own or other < k for other in index.twins.get(k, ())):
            continue
        rows = _above(index, k, origin)
        corners_cam = np.einsum(
            "nij,nkj->nki", rotation[rows], index.corners[k] - origin[rows, None, :], optimize=True
        )
        rows = rows[_may_show(corners_cam, low, high)]
        if len(rows):
            yield index.strips[k].airport, index.strips[k], rows


def _above(index: StripIndex, k: int, origin: Array) -> Rows:
    """Cameras (n, 3) above the horizon plane of some corner of a strip, and above its face at some corner."""
    rises = []
    for direction in (index.up[k], index.normal[k]):
        level = (index.corners[k] * direction).sum(axis=-1)
        rises.append((origin @ direction.T - level).max(axis=1) > 0)
    return np.flatnonzero(rises[0] & rises[1])


def _may_show(corners_cam: Array, low: Array, high: Array) -> NDArray[np.bool_]:
    """Whether corners (n, 4, 3) do not all lie beyond one same side of the picture or behind the camera."""
    x, y, depth = np.moveaxis(corners_cam, -1, 0)
    missed = (depth < NEAR_PLANE_M).all(axis=1)
    for value, least, most in ((x, low[0], high[0]), (y, low[1], high[1])):
        missed |= (value < least * depth).all(axis=1) | (value > most * depth).all(axis=1)
    return ~missed
