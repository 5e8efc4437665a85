"""Labels of every runway in view of every frame, as one table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.airports import Airport, Runway, RunwayDatabase, normalise_ident
from lard.approach import approach_of, height_m, slant_m
from lard.camera import Camera, Poses, cam_from_ecef, camera_columns, camera_of, project, to_pixels, undistort
from lard.errors import AirportError, DataError
from lard.labels.clip import Counts, clip_halfspace, clip_to_image, padded, polygon_areas
from lard.labels.occlusion import Terrain, hidden_fraction
from lard.labels.verdict import label_verdicts, verdict_faults
from lard.odd import OddSpec
from lard.tables import LABELS

Array = NDArray[np.float64]

NEAR_PLANE_M = 1.0
"""What lies at a smaller depth counts as behind the camera: closer points project to astronomical pixels."""

CORNERS = ("tl", "tr", "br", "bl")

_NUMBERS = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")
BENDS = 64
"""Pieces of every edge of a polygon under a lens that bends lines."""


@dataclass(frozen=True, slots=True)
class View:
    """How one runway appears to n cameras."""

    corners_px: Array  # (n, 4, 2) TL, TR, BR, BL, unclipped, NaN behind the near plane
    polygons_px: Array  # (n, m, 2) clipped to the picture, padded with the first vertex
    counts: Counts  # (n,) vertices of each polygon, 0 = not in the picture
    visible_fraction: (
        Array  # (n,) share of the area projected from beyond the near plane that is in the picture
    )


def view_runway(corners_cam: Array, camera: Camera) -> View:
    """Project and clip a runway's corners (n, 4, 3), given in camera axes in metres."""
    n = len(corners_cam)
    depth = corners_cam[..., 2]
    behind = depth < NEAR_PLANE_M
    corners_px = np.where(behind[..., None], np.nan, project(corners_cam, camera))
    counts = np.full(n, 4)
    cut = np.flatnonzero(behind.any(axis=1))
    near, near_counts = clip_halfspace(corners_cam[cut], counts[cut], depth[cut] - NEAR_PLANE_M)
    # cuts lie on the near plane; keep rounding from putting them a hair behind it
    near = np.concatenate([near[..., :2], np.maximum(near[..., 2:], NEAR_PLANE_M)], axis=-1)
    if camera.distorted:
        outline = padded(corners_cam, near.shape[1])
        outline[cut] = padded(near, outline.shape[1])
        counts[cut] = near_counts
        polygons, counts, projected = _bent(outline[..., :2] / outline[..., 2:], counts, camera)
    else:
        polygons = padded(corners_px, near.shape[1])
        polygons[cut] = padded(project(near, camera), polygons.shape[1])
        counts[cut] = near_counts
        projected = polygon_areas(polygons)
    size = np.array([camera.width_px, camera.height_px], np.float64)
    crossing = np.flatnonzero((counts > 0) & ~((polygons >= 0) & (polygons <= size)).all(axis=(1, 2)))
    clipped, clipped_counts = clip_to_image(
        polygons[crossing], counts[crossing], camera.width_px, camera.height_px
    )
    polygons = padded(polygons, clipped.shape[1])
    polygons[crossing] = padded(clipped, polygons.shape[1])
    counts[crossing] = clipped_counts
    area = projected.copy()
    area[crossing] = polygon_areas(clipped)
    seen = (counts >= 3) & (area > 0)
    counts[~seen] = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = np.where(seen, np.minimum(area / projected, 1.0), 0.0)
    return View(corners_px, polygons, counts, fraction)


def _bent(plane: Array, counts: Counts, camera: Camera) -> tuple[Array, Counts, Array]:
    """Polygons in pixels with bent edges of straight ones (n, m, 2) at depth 1; their areas before any cut.

    What lies far outside the picture is cut off first, so that the pieces of an edge fall where it is seen.
    """
    projected = polygon_areas(to_pixels(_divided(plane), camera))
    size = np.array([camera.width_px, camera.height_px], np.float64)
    share = np.linspace(0, 1, 33)
    sides = [np.stack([share, np.full(33, end)], -1) for end in (0.0, 1.0)]
    border = np.concatenate([*sides, *(side[:, ::-1] for side in sides)]) * size
    drawn = (border - [camera.cx_px, camera.cy_px]) / [camera.fx_px, camera.fy_px]
    low, high = undistort(drawn, camera).min(axis=0), undistort(drawn, camera).max(axis=0)
    margin = 0.05 * (high - low)
    for axis in (0, 1):
        plane, counts = clip_halfspace(plane, counts, plane[..., axis] - (low - margin)[axis])
        plane, counts = clip_halfspace(plane, counts, (high + margin)[axis] - plane[..., axis])
    return to_pixels(_divided(plane), camera), counts * BENDS, projected


def _divided(polygons: Array) -> Array:
    """Padded polygons (n, m, 2) with every edge in BENDS pieces: (n, m BENDS, 2)."""
    n, m, _ = polygons.shape
    share = (np.arange(BENDS) / BENDS)[:, None]
    step = np.roll(polygons, -1, axis=1) - polygons
    return (polygons[:, :, None] + step[:, :, None] * share).reshape(n, m * BENDS, 2)


def label_frames(
    frames: pl.DataFrame, db: RunwayDatabase, spec: OddSpec, terrain: Terrain | None = None
) -> pl.DataFrame:
    """LABELS table of frames: one row per frame and runway strip with some part in front of the camera.

    Of each strip the landing direction that faces the camera is labelled: the one whose heading is nearer to
    the yaw. With a terrain a column hidden_fraction follows: the share of the runway behind land or horizon.
    Raises DataError that lists every frame that cannot be labelled.
    """
    check_frames(frames, db, spec)
    schema = dict(LABELS) if terrain is None else {**LABELS, "hidden_fraction": pl.Float64}
    parts = [
        _label_strip(group, db.airport(group["airport"][0]), strip, db, spec, terrain)
        for group in frames.partition_by(
            ["airport", "earth_model", *camera_columns(frames)], maintain_order=True
        )
        for strip in db.airport(group["airport"][0]).strips
    ]
    table = pl.concat([pl.DataFrame(schema=schema), *(part for part in parts if len(part))])
    return table.sort("frame_id", "runway")


def _label_strip(
    frames: pl.DataFrame,
    airport: Airport,
    strip: Runway,
    db: RunwayDatabase,
    spec: OddSpec,
    terrain: Terrain | None,
) -> pl.DataFrame:
    """Label rows of one strip in frames that share airport, camera and earth model."""
    poses, camera = Poses.from_frames(frames), camera_of(frames)
    ends = [
        end if end.earth == poses.earth else replace(end, earth=poses.earth)
        for end in (strip, airport.runway(strip.reciprocal))
    ]
    rotation, origin = cam_from_ecef(poses)
    facing = facing_end(poses.yaw_deg, ends[0].heading_deg, ends[1].heading_deg)
    parts = []
    for side, end in enumerate(ends):
        rows = np.flatnonzero(facing == side)
        # each end by its own corners: some sources give one corner two altitudes, one per direction
        offsets = end.corners_ecef() - origin[rows, None, :]
        corners_cam = np.einsum("nij,nkj->nki", rotation[rows], offsets)
        ahead = (corners_cam[..., 2] >= NEAR_PLANE_M).any(axis=1)
        rows = rows[ahead]
        if len(rows):
            view = view_runway(corners_cam[ahead], camera)
            part = _rows(frames[rows], end, poses[rows], view, db, spec)
            if terrain is not None:
                hidden = hidden_fraction(end, poses[rows], terrain)
                part = part.with_columns(pl.Series("hidden_fraction", hidden))
            parts.append(part)
    return pl.concat(parts) if parts else pl.DataFrame(schema=dict(LABELS))


def facing_end(yaw_deg: Array, heading_a_deg: float, heading_b_deg: float) -> NDArray[np.int64]:
    """Which of two opposite headings (0 or 1) each yaw (n,) is nearer to; the first when equally near."""
    toward_a = np.cos(np.radians(yaw_deg - heading_a_deg))
    toward_b = np.cos(np.radians(yaw_deg - heading_b_deg))
    return (toward_b > toward_a).astype(np.int64)


def _rows(
    frames: pl.DataFrame, end: Runway, poses: Poses, view: View, db: RunwayDatabase, spec: OddSpec
) -> pl.DataFrame:
    n = len(frames)
    approaches = approach_of(end, poses, spec.lateral_apex_m, spec.vertical_apex_m)
    visible = view.counts > 0
    behind = np.isnan(view.corners_px).any(axis=(1, 2))
    camera = camera_of(frames)
    size = np.array([camera.width_px, camera.height_px], np.float64)
    outside = ~((view.corners_px >= 0) & (view.corners_px <= size)).all(axis=(1, 2))
    box = np.concatenate([view.polygons_px.min(axis=1), view.polygons_px.max(axis=1)], axis=1)
    box[~visible] = np.nan
    columns: dict[str, Any] = {
        "frame_id": frames["frame_id"],
        "image": frames.select("images/" + pl.col("frame_id") + ".jpg").to_series(),
        "airport": frames["airport"],
        "runway": pl.repeat(end.ident, n, dtype=pl.String, eager=True),
        "is_target": frames["runway"].is_in(same_strip(frames["runway"], end)),
    }
    for k, corner in enumerate(CORNERS):
        columns[f"x_{corner}_px"] = view.corners_px[:, k, 0]
        columns[f"y_{corner}_px"] = view.corners_px[:, k, 1]
    columns["polygon"] = polygon_lists(view.polygons_px, view.counts)
    columns |= {name: box[:, k] for k, name in enumerate(("x_min_px", "y_min_px", "x_max_px", "y_max_px"))}
    columns |= {
        "visible_fraction": view.visible_fraction,
        "truncated": behind | outside,
        "behind": behind,
        "along_track_m": approaches.along_track_m,
        "lateral_deg": approaches.lateral_deg,
        "vertical_deg": approaches.vertical_deg,
        "yaw_offset_deg": approaches.yaw_offset_deg,
        "slant_m": slant_m(end, poses),
        "height_m": height_m(end, poses),
        "verdict": label_verdicts(frames, end, approaches, db, spec),
        "runway_db": pl.repeat(db.name, n, dtype=pl.String, eager=True),
        "runway_db_version": pl.repeat(db.version, n, dtype=pl.String, eager=True),
        "earth_model": frames["earth_model"],
    }
    nan_is_null = [f"{axis}_{corner}_px" for corner in CORNERS for axis in "xy"]
    nan_is_null += ["x_min_px", "y_min_px", "x_max_px", "y_max_px"]
    return pl.DataFrame(columns, schema=dict(LABELS)).with_columns(pl.col(nan_is_null).fill_nan(None))


def polygon_lists(polygons: Array, counts: Counts) -> pl.Series:
    """Polygons (n, m, 2) as lists x0, y0, x1, y1, ... of their true length."""
    flat = pl.Series(
        "polygon",
        polygons.reshape(len(polygons), -1),
        dtype=pl.Array(pl.Float64, int(np.prod(polygons.shape[1:]))),
    )
    frame = pl.DataFrame({"polygon": flat.arr.to_list(), "n": 2 * counts})
    return frame.select(pl.col("polygon").list.head(pl.col("n"))).to_series()


def same_strip(idents: pl.Series, end: Runway) -> list[str]:
    """The spellings among idents that name either direction of the runway's strip.

    Both, because LARD V2's published scenarios name the opposite direction of the one they approach.
    """
    return [
        ident for ident in idents.unique().to_list() if normalise_ident(ident) in (end.ident, end.reciprocal)
    ]


def check_frames(frames: pl.DataFrame, db: RunwayDatabase, spec: OddSpec) -> None:
    """Raise DataError with one line per frame that cannot be labelled: every fault of the table at once."""
    faults = verdict_faults(frames, spec)
    idents = frames["frame_id"]
    for frame_id in idents.filter(idents.is_duplicated()).unique(maintain_order=True):
        faults.append(f"frame {frame_id}: appears more than once; frame_id must be unique")
    for name in _NUMBERS:
        values = frames[name].to_numpy()
        for row in np.flatnonzero(~np.isfinite(values)):
            faults.append(
                f"row {row + 1}, frame {idents[int(row)]}: {name} is {values[row]}; expected a number"
            )
    finite = pl.col("lat_deg").is_finite() & pl.col("lon_deg").is_finite()
    poor = frames.filter(finite & ((pl.col("lat_deg").abs() > 90) | (pl.col("lon_deg").abs() > 360)))
    for name, lat, lon in poor.select("frame_id", "lat_deg", "lon_deg").iter_rows():
        faults.append(f"frame {name}: position {lat}, {lon} is not a latitude and longitude in degrees")
    if db.altitude_datum:
        for datum in frames["altitude_datum"].unique(maintain_order=True):
            if datum != db.altitude_datum:
                faults.append(
                    f"altitude datum of the frames is {datum!r}, of the runway database {db.name} "
                    f"{db.altitude_datum!r}; convert one of them, heights are never mixed"
                )
    for icao in frames["airport"].unique(maintain_order=True):
        rows = frames.filter(pl.col("airport") == icao)
        try:
            airport = db.airport(icao)
            for ident in rows["runway"].unique(maintain_order=True):
                airport.runway(ident)
        except AirportError as error:
            faults.append(f"frame {rows['frame_id'][0]} and {len(rows) - 1} more: {error}")
            continue
        if not airport.runways:
            faults.append(f"frame {rows['frame_id'][0]}: airport {icao} has no runways in {db.name}")
            continue
        floor_m = min(corner[2] for runway in airport.runways for corner in runway.corners)
        for name, alt in rows.filter(pl.col("alt_m") < floor_m).select("frame_id", "alt_m").iter_rows():
            faults.append(
                f"frame {name}: altitude {alt:.1f} m is under ground, the lowest runway corner of {icao} is "
                f"at {floor_m:.1f} m; check the unit and the altitude datum"
            )
    if faults:
        raise DataError("\n".join(faults))
