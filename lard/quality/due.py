"""Which runway strips a picture must show: every strip of the database projected anew into every frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import shapely
from numpy.typing import NDArray

from lard.airports import Runway, RunwayDatabase
from lard.camera import DISTORTION
from lard.errors import AirportError
from lard.quality.columns import CAMERA, POSE, once, posed, with_distortion
from lard.quality.dataset import Dataset
from lard.quality.measures import geometry
from lard.quality.measures.outline import in_picture, outlines

Array = NDArray[np.float64]

CLEAR_M = 1.0  # above the horizon plane and the face of a runway, to be seen beyond doubt
SAME_PLACE_M = 100.0  # strips of two airports whose centres are this near are one strip, listed twice
EARTH_RADIUS_M = 6.4e6
DUE: dict[str, Any] = {
    "frame_id": pl.String,
    "airport": pl.String,  # as the database spells it
    "runway": pl.String,  # the end that faces the camera
    "reciprocal": pl.String,
    "own": pl.Boolean,  # whether it is of the frame's own airport
    "strip": pl.Int64,  # equal for what is one strip under two airports
    "side_on": pl.Boolean,  # whether both ends face the camera nearly alike
    "whole": pl.Boolean,  # whether all corners are before the camera
    "area_px2": pl.Float64,
    "slant_m": pl.Float64,
}


@dataclass(frozen=True)
class Strips:
    """All s strips of a database on one earth."""

    ends: tuple[tuple[Runway, Runway], ...]
    corners: Array  # (s, 4, 3) earth-centred
    up: Array  # (s, 4, 3) unit vectors
    face: Array  # (s, 4, 3) unit vectors out of the upper face, curved as the earth is
    heading_deg: Array  # (s,) of the first end
    number: NDArray[np.int64]  # (s,) equal for twins

    @classmethod
    def of(cls, db: RunwayDatabase, earth: str) -> Strips:
        """The strips of a database, each by its first end."""
        ends = tuple(
            (strip, airport.runway(strip.reciprocal))
            for _, airport in sorted(db.airports.items())
            for strip in airport.strips
        )
        places = np.array([end.corners for end, _ in ends], np.float64).reshape(-1, 4, 3)
        corners = geometry.cart(places, earth)
        lat, lon = np.radians(places[..., 0]), np.radians(places[..., 1])
        up = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)
        across = corners[:, 1] + corners[:, 2] - corners[:, 0] - corners[:, 3]
        ahead = corners[:, 0] + corners[:, 1] - corners[:, 2] - corners[:, 3]
        normal = np.cross(across, ahead)
        normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
        face = normal[:, None] + up - up.mean(axis=1, keepdims=True)
        east = np.stack([-np.sin(lon), np.cos(lon), np.zeros_like(lon)], axis=-1).mean(axis=1)
        north = np.cross(up.mean(axis=1), east)
        heading = np.degrees(np.arctan2((ahead * east).sum(axis=1), (ahead * north).sum(axis=1)))
        return cls(ends, corners, up, face, heading, _numbers(corners))


def _numbers(corners: Array) -> NDArray[np.int64]:
    """A number for each strip (s, 4, 3), the same for those that lie at one place."""
    centre, number = corners.mean(axis=1), np.arange(len(corners))
    for k in range(len(corners)):
        near = np.flatnonzero(np.linalg.norm(centre[:k] - centre[k], axis=1) <= SAME_PLACE_M)
        number[k] = number[near[0]] if len(near) else k
    return number


def due_strips(data: Dataset) -> Iterator[tuple[str | None, pl.DataFrame]]:
    """DUE: every strip in the picture of every frame whose pose and camera are known, airport by airport.

    Of other airports only what stands clear of its own plane and of the horizon of the curved earth. A frame
    is in one of the tables; with each comes the airport that its frames name.
    """
    assert data.frames is not None and data.database is not None
    told = [pl.col(name).is_not_null() for name in (*CAMERA, "earth_model")]
    keys = data.frames.lazy().select("frame_id", "airport", "earth_model", *CAMERA, *POSE)
    keys = (
        keys.with_row_index("row").filter(*told, posed()).select("row", "frame_id", "airport", "earth_model")
    )
    rows = once(keys.collect())
    for earth in rows["earth_model"].unique().sort().to_list():
        strips = Strips.of(data.database, earth)
        group = rows.filter(pl.col("earth_model") == earth)
        for part in group.select("row", "airport").partition_by("airport", maintain_order=True):
            yield part["airport"][0], _due_at(strips, with_distortion(data.frames[part["row"]]), earth)


def _due_at(strips: Strips, frames: pl.DataFrame, earth: str) -> pl.DataFrame:
    """DUE rows of frames (n,) that approach one airport."""
    pose = {name: frames[name].to_numpy().astype(np.float64) for name in POSE}
    camera = {name: frames[name].to_numpy().astype(np.float64) for name in (*CAMERA, *DISTORTION)}
    eye = geometry.cart(np.column_stack([pose["lat_deg"], pose["lon_deg"], pose["alt_m"]]), earth)
    code = str(frames["airport"][0] or "").strip().upper()
    mine = np.array([end.airport == code for end, _ in strips.ends], bool)
    reach = np.sqrt(max(float(pose["alt_m"].max()) + 500.0, 0.0) * 2 * EARTH_RADIUS_M) + 10_000.0
    centre = strips.corners.mean(axis=1)
    spread = np.linalg.norm(eye - eye.mean(axis=0), axis=1).max()
    near = np.linalg.norm(centre - eye.mean(axis=0), axis=1) <= reach + spread
    parts = [pl.DataFrame(schema=DUE)]
    for k in np.flatnonzero(mine | near).tolist():
        rows = np.arange(len(frames)) if mine[k] else _clear(strips, k, eye)
        if len(rows):
            parts.append(_due_of(strips, k, frames, rows, pose, camera, earth, bool(mine[k])))
    return pl.concat(parts)


def _clear(strips: Strips, k: int, eye: Array) -> NDArray[np.int64]:
    """Cameras (n, 3) that stand clear above a strip's plane and above the horizon at all its corners."""
    rise = [
        (eye @ normal.T - (strips.corners[k] * normal).sum(axis=-1)).min(axis=1)
        for normal in (strips.up[k], strips.face[k])
    ]
    return np.flatnonzero((rise[0] > CLEAR_M) & (rise[1] > CLEAR_M))


def _due_of(
    strips: Strips,
    k: int,
    frames: pl.DataFrame,
    rows: NDArray[np.int64],
    pose: dict[str, Array],
    camera: dict[str, Array],
    earth: str,
    own: bool,
) -> pl.DataFrame:
    """DUE rows of one strip in those rows of frames that show it."""
    here = {name: values[rows] for name, values in pose.items()}
    corners = np.broadcast_to(strips.corners[k], (len(rows), 4, 3))
    body = geometry.body_coordinates(corners, here, earth)
    ahead = np.flatnonzero((body[..., 0] > 1.0).any(axis=1))
    rows, body = rows[ahead], body[ahead]
    lens = {name: values[rows] for name, values in camera.items()}
    shapes = outlines(body, lens)
    parts, _ = in_picture(shapes, lens["width_px"], lens["height_px"])
    seen = np.flatnonzero([part is not None for part in parts])
    rows, body, parts = rows[seen], body[seen], parts[seen]
    first, second = strips.ends[k]
    toward = np.cos(np.radians(pose["yaw_deg"][rows] - strips.heading_deg[k]))
    n = len(rows)
    return pl.DataFrame(
        {
            "frame_id": frames["frame_id"].gather(rows),
            "airport": [first.airport] * n,
            "runway": np.where(toward >= 0, first.ident, second.ident).tolist(),
            "reciprocal": np.where(toward >= 0, second.ident, first.ident).tolist(),
            "own": [own] * n,
            "strip": [int(strips.number[k])] * n,
            "side_on": np.abs(toward) < 0.01,
            "whole": (body[..., 0] > 1.0).all(axis=1),
            "area_px2": shapely.area(parts),
            "slant_m": np.linalg.norm(body.mean(axis=1), axis=1),
        },
        schema=DUE,
    )


def strip_numbers(data: Dataset) -> pl.DataFrame:
    """airport and runway as the dataset spells them, the ident of that end, and its strip number."""
    assert data.database is not None
    strips = Strips.of(data.database, data.database.earth)
    known = {
        (end.airport, end.ident): int(number)
        for pair, number in zip(strips.ends, strips.number, strict=True)
        for end in pair
    }
    rows = []
    for airport, runway in data.named_runways:
        try:
            end = data.database.airport(airport).runway(runway)
        except AirportError:
            continue  # DQR-A05 reports runways that the database does not know
        rows.append((airport, runway, end.ident, known[end.airport, end.ident]))
    schema = {"airport": pl.String, "runway": pl.String, "ident": pl.String, "strip": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")
