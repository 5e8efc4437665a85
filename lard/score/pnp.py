"""Camera poses from the four corners of runways, all of them at once.

Each starts from what the runway's width and length say, and is refined by Levenberg and Marquardt's method on
the distances in pixels. Of the minima that a flat figure may have the one with the camera upright above the
runway is wanted; where refinement ends elsewhere there is no pose.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.score.boxes import Floats

STEPS = 60
_DONE = 1e-8
_DAMPING = 1e-3


@dataclass(frozen=True, slots=True)
class Solved:
    """Poses of n cameras: attitude from the runway's axes, position in metres, and what is left in pixels.

    The derivatives are those of the drawn corners by a rotation in camera axes (radians) and the position.
    """

    cam_from_runway: Floats  # (n, 3, 3)
    camera_m: Floats  # (n, 3)
    residual_px: Floats  # (n, 8) x, y of each corner: seen minus drawn
    jacobian: Floats  # (n, 8, 6) px per radian, px per metre
    found: NDArray[np.bool_]  # (n,)

    def __getitem__(self, index: Any) -> Solved:
        return Solved(*(getattr(self, field.name)[index] for field in fields(self)))


def solve(corners_m: Floats, seen_px: Floats, focal_px: Floats) -> Solved:
    """Poses from corners (n, 4, 3) and where an ideal camera with its axis at 0 sees them (n, 4, 2)."""
    rotation, position, usable = first_guess(corners_m, seen_px / focal_px[:, None, :])
    usable &= np.isfinite(_cost(rotation, position, corners_m, seen_px, focal_px))
    rotation[~usable], position[~usable] = np.eye(3), 0.0
    rows = np.flatnonzero(usable)
    done = np.zeros(len(usable), bool)
    damping = np.full(len(usable), _DAMPING)
    for _ in range(STEPS):
        if not len(rows):
            break
        part = (corners_m[rows], seen_px[rows], focal_px[rows])
        residual, jacobian = drawn(rotation[rows], position[rows], *part)
        size = np.linalg.norm(jacobian, axis=1)
        scaled = jacobian / size[:, None, :]
        normal = np.swapaxes(scaled, 1, 2) @ scaled + damping[rows, None, None] * np.eye(6)
        step = np.linalg.solve(normal, np.swapaxes(scaled, 1, 2) @ residual[..., None])[..., 0] / size
        turned, moved = _turn(step[:, :3]) @ rotation[rows], position[rows] + step[:, 3:]
        before, after = (residual**2).sum(axis=1), _cost(turned, moved, *part)
        better = after <= before
        rotation[rows[better]], position[rows[better]] = turned[better], moved[better]
        damping[rows] = np.where(better, damping[rows] * 0.1, damping[rows] * 10).clip(1e-15, 1e12)
        # px by which the step would move the corners
        small = (np.abs(step) * size).max(axis=1) < _DONE * (1 + np.sqrt(before))
        done[rows[small]] = True
        rows = rows[~small]
    residual, jacobian = drawn(rotation, position, corners_m, seen_px, focal_px)
    upright = (position[:, 2] < 0) & (rotation[:, 1, 2] > 0)
    found = usable & upright & _settled(residual, jacobian, done)
    return Solved(rotation, position, residual, jacobian, found)


def _settled(residual: Floats, jacobian: Floats, done: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether (n,) nothing is left to gain: the residual stands square to every derivative."""
    size = np.linalg.norm(jacobian, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.abs(np.einsum("nij,ni->nj", jacobian, residual)) / size
    left = np.linalg.norm(residual, axis=1)
    return np.asarray(done | (np.isfinite(slope).all(axis=1) & (slope.max(axis=1) < 1e-5 * (1 + left))))


def drawn(
    rotation: Floats, position: Floats, corners_m: Floats, seen_px: Floats, focal_px: Floats
) -> tuple[Floats, Floats]:
    """Residuals (n, 8) seen minus drawn, and derivatives (n, 8, 6) of what is drawn, in pixels."""
    p = np.einsum("nij,nkj->nki", rotation, corners_m - position[:, None, :])
    x, y, z = p[..., 0], p[..., 1], p[..., 2]
    zero = np.zeros_like(x)
    turn = np.stack(
        [np.stack([zero, z, -y], -1), np.stack([-z, zero, x], -1), np.stack([y, -x, zero], -1)], -2
    )  # of a rotation vector on the point: minus its cross product matrix
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        plane = p[..., :2] / z[..., None]
        by_point = (
            np.stack([np.stack([1 / z, zero, -x / z**2], -1), np.stack([zero, 1 / z, -y / z**2], -1)], -2)
            * focal_px[:, None, :, None]
        )  # (n, 4, 2, 3)
        jacobian = np.concatenate([by_point @ turn, -by_point @ rotation[:, None]], axis=-1)
    residual = seen_px - plane * focal_px[:, None, :]
    n = len(p)
    return residual.reshape(n, 8), jacobian.reshape(n, 8, 6)


def _cost(rotation: Floats, position: Floats, corners_m: Floats, seen_px: Floats, focal_px: Floats) -> Floats:
    """Sum of squares (n,) of the residuals; infinite where a corner is not in front of the camera."""
    p = np.einsum("nij,nkj->nki", rotation, corners_m - position[:, None, :])
    front = (p[..., 2] > 0).all(axis=1)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        left = seen_px - p[..., :2] / p[..., 2:] * focal_px[:, None, :]
        cost = (left**2).sum(axis=(1, 2))
    return np.where(front & np.isfinite(cost), cost, np.inf)


def _turn(vector: Floats) -> Floats:
    """Rotations (n, 3, 3) of rotation vectors (n, 3) in radians (Rodrigues)."""
    angle = np.linalg.norm(vector, axis=1)
    axis = vector / np.where(angle > 0, angle, 1.0)[:, None]
    zero = np.zeros(len(vector))
    x, y, z = axis.T
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)
    sin, cos = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    return np.asarray(np.eye(3) + sin * cross + (1 - cos) * (cross @ cross))


def first_guess(corners_m: Floats, plane: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Attitude, position and whether there is one, from corners in metres and at depth 1 (n, 4, 2).

    The near edge's apparent width gives its distance; runway length and the angle between the rays to both
    ends then make a triangle, which gives the axis.
    """
    rays = np.concatenate([plane, np.ones_like(plane[..., :1])], axis=-1)
    rays = _unit(rays)
    near, far = corners_m[:, 2:].mean(axis=1), corners_m[:, :2].mean(axis=1)
    width = np.linalg.norm(corners_m[:, 2] - corners_m[:, 3], axis=1)
    length = np.linalg.norm(far - near, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = width / np.linalg.norm(rays[:, 2] - rays[:, 3], axis=1)
        to_near, to_far = _unit(rays[:, 2:].sum(axis=1)), _unit(rays[:, :2].sum(axis=1))
        cosine = (to_near * to_far).sum(axis=1)
        beside = distance * np.sqrt(np.maximum(1 - cosine**2, 0.0))
        reach = distance * cosine + np.sqrt(np.maximum(length**2 - beside**2, 0.0))
        at_near = distance[:, None] * to_near
        seen = _axes(reach[:, None] * to_far - at_near, rays[:, 2] - rays[:, 3])
        rotation = np.swapaxes(seen, 1, 2) @ _axes(far - near, corners_m[:, 2] - corners_m[:, 3])
        position = near - np.einsum("nji,nj->ni", rotation, at_near)
    usable = np.isfinite(rotation).all(axis=(1, 2)) & np.isfinite(position).all(axis=1)
    return rotation, position, usable


def _axes(along: Floats, across: Floats) -> Floats:
    """Unit vectors (n, 3, 3) along, across and square to both."""
    first = _unit(along)
    second = _unit(across - (across * first).sum(axis=1, keepdims=True) * first)
    return np.stack([first, second, np.cross(first, second)], axis=1)


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))
