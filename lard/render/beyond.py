"""How much of every picture looks beyond the imagery: at a flat colour, or at painted ground that goes on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.airports.model import RunwayDatabase
from lard.camera import Poses, cam_from_ecef, camera_columns, camera_of_row, ray_directions
from lard.geodesy import ellipsoid, geodetic_from_ecef
from lard.ground.cover import CONTINUED, NOTHING, shown_at
from lard.ground.terrain.map import map_from_geodetic

Array = NDArray[np.float64]

FLAT_SHARE, PAINTED_SHARE = "beyond_imagery", "continued_imagery"
"""Columns of the manifest: shares (0 to 1) of a picture that show a flat colour, or what is painted on."""
COLUMNS, ROWS = 48, 36
"""Places of a picture that are looked at."""
_FRAMES_PER_CHUNK = 128


def beyond_shares(
    frames: pl.DataFrame, grounds: Mapping[str, tuple[Path, Mapping[str, Any]]], db: RunwayDatabase
) -> pl.DataFrame:
    """frame_id, FLAT_SHARE and PAINTED_SHARE of every frame.

    grounds: folder and manifest of each airport's ground. The ground is taken to be level, at the airport's
    elevation. What is farther than the visibility is not seen, and counts as neither, nor does the sky.
    """
    found: list[pl.DataFrame] = []
    keys = ["airport", "earth_model", *camera_columns(frames)]
    for _, group in frames.group_by(keys, maintain_order=True):
        icao = group["airport"][0]
        elevation_m = db.airport(icao).elevation_m
        for start in range(0, len(group), _FRAMES_PER_CHUNK):
            part = group[start : start + _FRAMES_PER_CHUNK]
            shown = _shown(part, *grounds[icao], elevation_m)
            shares = {
                name: (shown == kind).mean(axis=1)
                for name, kind in ((FLAT_SHARE, NOTHING), (PAINTED_SHARE, CONTINUED))
            }
            found.append(pl.DataFrame({"frame_id": part["frame_id"], **shares}))
    return pl.concat(found)


def beyond_remarks(manifest: pl.DataFrame) -> list[str]:
    """What to tell of pictures that look beyond the imagery; empty where none does."""
    remarks = []
    for name, shown in ((FLAT_SHARE, "one flat colour"), (PAINTED_SHARE, "painted ground")):
        beyond = manifest.filter(pl.col(name) > 0).sort(name, "frame_id", descending=[True, False])
        if len(beyond):
            shares = beyond[name].to_numpy()
            remarks.append(
                f"{len(beyond)} of {len(manifest)} pictures look beyond the imagery, at {shown}: "
                f"{np.mean(shares):.1%} of them on average, {shares[0]:.1%} of {beyond['frame_id'][0]}"
            )
    return remarks


def _shown(
    frames: pl.DataFrame, folder: Path, manifest: Mapping[str, Any], elevation_m: float
) -> NDArray[np.int16]:
    """What each frame shows at its places (frames, places): a kind of lard.ground.cover, -1 = no ground."""
    camera, poses = camera_of_row(frames.row(0, named=True)), Poses.from_frames(frames)
    x_px = (np.arange(COLUMNS) + 0.5) / COLUMNS * camera.width_px
    y_px = (np.arange(ROWS) + 0.5) / ROWS * camera.height_px
    rays = ray_directions(camera, np.stack(np.meshgrid(x_px, y_px), axis=-1).reshape(-1, 2))
    rotation, origin = cam_from_ecef(poses)
    directions = np.einsum("nij,kj->nki", rotation.transpose(0, 2, 1), rays)
    seen_m = frames["visibility_m"].to_numpy()[:, None]
    range_m = _range_m(origin, directions, elevation_m, poses.earth)
    near = np.isfinite(range_m) & (range_m <= seen_m)
    shown = np.full(near.shape, -1, np.int16)
    points = (origin[:, None, :] + np.where(near, range_m, 0.0)[..., None] * directions)[near]
    lat, lon, _ = geodetic_from_ecef(points, poses.earth)
    x, y = map_from_geodetic(lat, lon, manifest["lat0_deg"], manifest["lon0_deg"])
    shown[near] = shown_at(folder, manifest, x, y)
    return shown


def _range_m(origin: Array, directions: Array, elevation_m: float, earth: str) -> Array:
    """Range (n, k) to an ellipsoid raised by the elevation; infinite where a ray misses it."""
    a, f = ellipsoid(earth)
    scale = 1.0 / (np.array([a, a, a * (1 - f)]) + elevation_m)
    o, d = (origin * scale)[:, None, :], directions * scale
    dd, od, oo = (d * d).sum(-1), (o * d).sum(-1), (o * o).sum(-1) - 1.0
    below = od * od - dd * oo
    with np.errstate(invalid="ignore", divide="ignore"):
        range_m = (-od - np.sqrt(below)) / dd
    return np.where((below >= 0) & (range_m > 0), range_m, np.inf)
