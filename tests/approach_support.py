"""Ground truth of approaches with corners, poses and times, and detections made from it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.airports.model import Runway
from lard.airports.table import load_shipped
from lard.camera import Camera
from lard.export.coco import coco_dataset
from lard.labels import label_frames
from lard.odd import load_spec
from lard.scenario.sequences import Flight, sequence

Floats = NDArray[np.float64]
SIZE_PX = 1024
FOCAL_PX = 886.81


def runway(airport: str = "LFPO", ident: str = "24") -> Runway:
    return load_shipped().airport(airport).runway(ident)


@cache
def flown(airport: str, ident: str, frame_rate_hz: float, crosswind_m_s: float = 8.0, k1: float = 0.0) -> Any:
    """COCO ground truth of one landing from 5 km, every runway in view labelled."""
    spec = load_spec("odd_specs/lard_v2.yaml")
    database = load_shipped()
    flight = Flight(start_m=5000.0, frame_rate_hz=frame_rate_hz, crosswind_m_s=crosswind_m_s)
    frames = sequence(spec, database, airport, ident, flight, seed=3)
    if k1:
        import polars as pl

        frames = frames.with_columns(k1=pl.lit(k1), k2=pl.lit(0.0), k3=pl.lit(0.0))
    labels = label_frames(frames, database, spec)
    return coco_dataset(frames, labels, {"source": "flown"})


def detections(truth: Any, sigma_px: float = 0.0, seed: int = 0, score: float = 0.9) -> list[dict[str, Any]]:
    """Every runway found, its box the true one, its corners off by normal errors."""
    rng = np.random.default_rng(seed)
    rows = []
    for note in truth["annotations"]:
        points = np.array(note["keypoints"], np.float64).reshape(4, 3)
        points[:, :2] += rng.normal(0, sigma_px, (4, 2)) if sigma_px else 0.0
        rows.append(
            {
                "image_id": note["image_id"],
                "category_id": 1,
                "bbox": list(note["bbox"]),
                "score": score,
                "keypoints": points.ravel().tolist(),
            }
        )
    return rows


def seen_from(
    known: Runway, along_m: Floats, cross_m: Floats, up_m: Floats, attitude_deg: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Corners (n, 4, 3) forward, right, down; pixels (n, 4, 2) about the axis; position (n, 3); attitude.

    attitude_deg (n, 3): yaw off the runway's, pitch, roll. The frame is flat: no curvature, which the solver
    does not know of either.
    """
    from lard.camera import cam_from_ned

    half, length = known.width_m / 2, known.length_m
    flat = np.array([[length, -half, 0], [length, half, 0], [0, half, 0], [0, -half, 0]])
    position = np.stack([-along_m, cross_m, -up_m], -1)
    rotation = cam_from_ned(*attitude_deg.T)
    corners = np.broadcast_to(flat, (len(position), 4, 3)).copy()
    points = np.einsum("nij,nkj->nki", rotation, corners - position[:, None, :])
    return corners, FOCAL_PX * points[..., :2] / points[..., 2:], position, rotation


CAMERA = Camera(SIZE_PX, SIZE_PX, FOCAL_PX, FOCAL_PX, SIZE_PX / 2, SIZE_PX / 2)
