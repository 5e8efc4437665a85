"""Labels of every runway in view of every frame, as one table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.airports import Airport, Runway, RunwayDatabase, normalise_ident
from lard.approach import approach_of, height_m, slant_m
from lard.camera import Poses, cam_from_ecef, camera_columns, camera_of
from lard.labels.checks import check_frames
from lard.labels.clip import Counts
from lard.labels.occlusion import (
    MOST_HIDDEN,
    Terrain,
    TerrainByAirport,
    hidden_in_picture,
    judged_share,
    sight_lines,
)
from lard.labels.reach import StripIndex, strips_in_reach
from lard.labels.verdict import label_verdicts
from lard.labels.view import NEAR_PLANE_M, View, view_runway
from lard.odd import OUT_OF_ODD, OddSpec
from lard.tables import LABELS

Array = NDArray[np.float64]

CORNERS = ("tl", "tr", "br", "bl")


def label_frames(
    frames: pl.DataFrame,
    db: RunwayDatabase,
    spec: OddSpec,
    terrain: Terrain | TerrainByAirport | None = None,
) -> pl.DataFrame:
    """LABELS table of frames: one row per frame and runway strip that the camera can see.

    Of a frame's own airport that is every strip with some part in front of the camera, of the others what
    is in the picture and within reach of sight (lard.labels.reach). Of each strip the landing direction that
    faces the camera is labelled: the one whose heading is nearer to the yaw.
    With a terrain a column hidden_fraction follows, the share of what the picture would show of the runway
    that lies behind land or horizon: it comes off visible_fraction, and what is mostly hidden is OUT_OF_ODD.
    It is null where the terrain does not know the land in between.
    Raises DataError that lists every frame that cannot be labelled.
    """
    check_frames(frames, db, spec)
    schema = dict(LABELS) if terrain is None else {**LABELS, "hidden_fraction": pl.Float64}
    parts, indices = [pl.DataFrame(schema=schema)], {}
    for group in frames.partition_by(
        ["airport", "earth_model", *camera_columns(frames)], maintain_order=True
    ):
        cameras = Cameras.of(group)
        airport, earth = db.airport(group["airport"][0]), cameras.poses.earth
        if earth not in indices:
            indices[earth] = StripIndex.of(db, earth)
        land = terrain.about(airport) if isinstance(terrain, TerrainByAirport) else terrain
        everyone = np.arange(len(group))
        seen = [(airport.icao, strip, everyone) for strip in airport.strips]
        seen += strips_in_reach(
            indices[earth], airport.icao, cameras.poses, cameras.rotation, cameras.origin, camera_of(group)
        )
        for icao, strip, rows in seen:
            part = _label_strip(group, cameras, db.airport(icao), strip, rows, db, spec, land)
            own = icao == airport.icao
            parts.append(part if own else part.filter(pl.col("visible_fraction") > 0))
    return pl.concat([part for part in parts if len(part)] or parts[:1]).sort("frame_id", "airport", "runway")


@dataclass(frozen=True, slots=True)
class Cameras:
    """Poses of frames that share airport, camera and earth model, with where they stand and look."""

    poses: Poses
    rotation: Array  # (n, 3, 3) cam_from_ecef
    origin: Array  # (n, 3) ECEF, metres

    @classmethod
    def of(cls, frames: pl.DataFrame) -> Cameras:
        """Cameras of a group of frames."""
        poses = Poses.from_frames(frames)
        return cls(poses, *cam_from_ecef(poses))


def _label_strip(
    frames: pl.DataFrame,
    cameras: Cameras,
    airport: Airport,
    strip: Runway,
    chosen: NDArray[np.int64],
    db: RunwayDatabase,
    spec: OddSpec,
    terrain: Terrain | None,
) -> pl.DataFrame:
    """Label rows of one strip in the chosen frames of a group."""
    poses, camera = cameras.poses, camera_of(frames)
    ends = [
        end if end.earth == poses.earth else replace(end, earth=poses.earth)
        for end in (strip, airport.runway(strip.reciprocal))
    ]
    facing = facing_end(poses.yaw_deg[chosen], ends[0].heading_deg, ends[1].heading_deg)
    parts = []
    for side, end in enumerate(ends):
        rows = chosen[facing == side]
        # each end by its own corners: some sources give one corner two altitudes, one per direction
        offsets = end.corners_ecef() - cameras.origin[rows, None, :]
        corners_cam = np.einsum("nij,nkj->nki", cameras.rotation[rows], offsets)
        ahead = (corners_cam[..., 2] >= NEAR_PLANE_M).any(axis=1)
        rows = rows[ahead]
        if len(rows):
            view = view_runway(corners_cam[ahead], camera)
            part = _rows(frames[rows], end, poses[rows], view, db, spec)
            if terrain is not None:
                shares = (
                    hidden_in_picture(points, corners_cam[ahead], camera)
                    for points in sight_lines(end, poses[rows], terrain)
                )
                part = _behind_land(part, judged_share(*shares))
            parts.append(part)
    return pl.concat(parts) if parts else pl.DataFrame(schema=dict(LABELS))


def _behind_land(labels: pl.DataFrame, hidden: Array) -> pl.DataFrame:
    """Labels of which land hides a share (n,), NaN where it is not known."""
    share = pl.Series("hidden_fraction", hidden, dtype=pl.Float64).fill_nan(None)
    mostly = share.fill_null(0.0) > MOST_HIDDEN
    return labels.with_columns(
        share,
        visible_fraction=labels["visible_fraction"] * (1.0 - share.fill_null(0.0)),
        verdict=pl.when(mostly).then(pl.lit(OUT_OF_ODD)).otherwise(pl.col("verdict")),
    )


def facing_end(yaw_deg: Array, heading_a_deg: float, heading_b_deg: float) -> NDArray[np.int64]:
    """Which of two opposite headings (0 or 1) each yaw (n,) is nearer to; the first when equally near."""
    toward_a = np.cos(np.radians(yaw_deg - heading_a_deg))
    toward_b = np.cos(np.radians(yaw_deg - heading_b_deg))
    return (toward_b > toward_a).astype(np.int64)


def _rows(
    frames: pl.DataFrame, end: Runway, poses: Poses, view: View, db: RunwayDatabase, spec: OddSpec
) -> pl.DataFrame:
    n = len(frames)
    # frames may spell their airport in their own way
    own = frames["airport"].str.strip_chars().str.to_uppercase() == end.airport
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
        "airport": pl.select(pl.when(own).then(frames["airport"]).otherwise(pl.lit(end.airport))).to_series(),
        "runway": pl.repeat(end.ident, n, dtype=pl.String, eager=True),
        "is_target": own & frames["runway"].is_in(same_strip(frames["runway"], end)),
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
