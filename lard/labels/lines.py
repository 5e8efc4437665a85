"""Lines of a runway and of the earth in the picture: threshold, far end, edges, centreline, horizon."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lard.airports import Runway
from lard.camera import Camera, Poses, cam_from_ecef, project, to_camera
from lard.geodesy import curvature_radii, ned_from_ecef
from lard.labels.view import NEAR_PLANE_M

Array = NDArray[np.float64]

RUNWAY_LINES = ("threshold", "far_end", "left_edge", "right_edge", "centreline")
_CORNERS = {"threshold": (3, 2), "far_end": (0, 1), "left_edge": (3, 0), "right_edge": (2, 1)}


def runway_lines(runway: Runway, poses: Poses, camera: Camera) -> dict[str, Array]:
    """Segments (n, 2, 2) in pixels by name, clipped to the picture, NaN where not in it.

    They run left to right and from the threshold to the far end.
    """
    points = to_camera(runway.corners_ecef(poses.earth), poses)
    ends = {name: points[:, list(pair)] for name, pair in _CORNERS.items()}
    middle = [(points[:, 3] + points[:, 2]) / 2, (points[:, 0] + points[:, 1]) / 2]
    ends["centreline"] = np.stack(middle, axis=1)
    return {name: clip_segments(project(_in_front(ends[name]), camera), camera) for name in RUNWAY_LINES}


def _in_front(segments: Array) -> Array:
    """Part of camera-axes segments (n, 2, 3) beyond the near plane, NaN where there is none."""
    depth = segments[..., 2] - NEAR_PLANE_M
    other = segments[:, ::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        cut = segments + (depth / (depth - depth[:, ::-1]))[..., None] * (other - segments)
    moved = np.where((depth < 0)[..., None], cut, segments)
    moved[..., 2] = np.maximum(moved[..., 2], NEAR_PLANE_M)
    nowhere = np.asarray((depth < 0).all(axis=1))
    return np.where(nowhere[:, None, None], np.nan, moved)


def clip_segments(segments: Array, camera: Camera) -> Array:
    """Part of segments (n, 2, 2) within the picture (Liang-Barsky), NaN where there is none."""
    start, step = segments[:, 0], segments[:, 1] - segments[:, 0]
    size = np.array([camera.width_px, camera.height_px], np.float64)
    enter, leave = np.zeros(len(segments)), np.ones(len(segments))
    with np.errstate(divide="ignore", invalid="ignore"):
        for axis in (0, 1):
            a, b = -start[:, axis] / step[:, axis], (size[axis] - start[:, axis]) / step[:, axis]
            still = step[:, axis] == 0
            outside = (start[:, axis] < 0) | (start[:, axis] > size[axis])
            low = np.where(still, np.where(outside, np.inf, -np.inf), np.minimum(a, b))
            high = np.where(still, np.where(outside, -np.inf, np.inf), np.maximum(a, b))
            enter, leave = np.maximum(enter, low), np.minimum(leave, high)
        clipped = start[:, None] + np.stack([enter, leave], axis=1)[..., None] * step[:, None]
    return np.where((enter < leave)[:, None, None], np.clip(clipped, 0.0, size), np.nan)


def horizon_line(poses: Poses, camera: Camera, *, dip: bool = True, points: int = 33) -> Array:
    """Horizon as lines through (n, points, 2) pixels from left to right, to a little beyond the picture.

    With `dip` the visible horizon of a smooth earth at sea level, a cone that shows as a slight curve;
    else the plane level with the camera, a straight line. NaN where the camera looks away from a point.
    """
    rotation, _ = cam_from_ecef(poses)
    down = np.einsum("nij,nj->ni", rotation, ned_from_ecef(poses.lat_deg, poses.lon_deg)[:, 2])
    ahead = np.array([0.0, 0.0, 1.0]) - down * down[:, 2:]
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    right = np.cross(down, ahead)
    below = np.radians(horizon_dip_deg(poses) if dip else np.zeros(len(poses)))[:, None, None]
    half_diagonal = np.hypot(*(np.radians(camera.fov_deg)) / 2)
    turn = np.linspace(-1.0, 1.0, points)[:, None] * min(1.05 * half_diagonal, 1.4)
    level = np.cos(turn) * ahead[:, None] + np.sin(turn) * right[:, None]  # (n, points, 3)
    return project(np.cos(below) * level + np.sin(below) * down[:, None], camera)


def horizon_dip_deg(poses: Poses) -> Array:
    """Angle (n,) between level and the visible horizon of a smooth earth at sea level, without refraction."""
    prime, meridian = curvature_radii(poses.lat_deg, poses.earth)
    radius = np.sqrt(prime * meridian)
    return np.degrees(np.arccos(radius / (radius + np.maximum(poses.alt_m, 0.0))))
