"""An airport with parallel and crossing runways, and frames of approaches to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from lard.airports import Airport, Runway, RunwayDatabase
from lard.approach import Approaches, pose_of
from lard.camera import Camera
from lard.geodesy import geodesic_direct
from lard.labels import label_frames
from lard.labels.dataset import describe
from lard.odd import load_spec
from lard.tables import FRAMES, LABELS, MANIFEST, check_schema, sha256_file, write_json, write_table

SPEC = Path(__file__).parents[1] / "odd_specs" / "lard_v2.yaml"
GREY_SIZE_PX = (256, 192)

STRIPS = (  # ident, reciprocal, offset north m, true heading, length m
    ("09L", "27R", 0.0, 89.7, 3000.0),
    ("09C", "27C", -400.0, 89.7, 2500.0),
    ("09R", "27L", -1500.0, 89.7, 3500.0),
    ("06", "24", -700.0, 60.2, 2200.0),
    ("18", "36", 900.0, 178.9, 2800.0),
)


def database(lat_deg: float = 33.6, lon_deg: float = -84.4, earth: str = "wgs84") -> RunwayDatabase:
    """Ten landing directions, sloping up by 8 m."""
    runways: list[Runway] = []
    for k, (ident, reciprocal, north, heading, length) in enumerate(STRIPS):
        lat, lon, _ = geodesic_direct(lat_deg, lon_deg, 0.0, north)
        far_lat, far_lon, _ = geodesic_direct(lat, lon, heading, length)
        near = (float(lat), float(lon), 300.0 + k)
        far = (float(far_lat), float(far_lon), 308.0 + k)
        runways.append(Runway.from_thresholds("KXYZ", ident, reciprocal, near, far, 45.0, earth=earth))
        runways.append(Runway.from_thresholds("KXYZ", reciprocal, ident, far, near, 45.0, earth=earth))
    airport = Airport("KXYZ", "Example", "US", lat_deg, lon_deg, 300.0, tuple(runways))
    return RunwayDatabase("example", "1", earth, "msl", {"KXYZ": airport})


def frames_of(
    db: RunwayDatabase,
    n: int,
    seed: int = 0,
    camera: Camera | None = None,
    along_m: tuple[float, float] = (100.0, 6000.0),
    **changes: Any,
) -> pl.DataFrame:
    """A frames table of n approaches spread over the runway ends of KXYZ; `changes` replace columns."""
    camera = camera or Camera.from_fov(1024, 1024, 60.0)
    rng = np.random.default_rng(seed)
    ends = db.airport("KXYZ").runways
    parts = []
    for k, end in enumerate(ends):
        m = len(range(k, n, len(ends)))
        if m == 0:
            continue
        a = Approaches(
            rng.uniform(*along_m, m), rng.uniform(-3, 3, m), rng.uniform(1.8, 5.2, m),
            rng.uniform(-24, 24, m), rng.uniform(-15, 5, m), rng.uniform(-30, 30, m),
        )  # fmt: skip
        poses = pose_of(end, a)
        columns = {
            "frame_id": [f"KXYZ_{end.ident}_far_{i:04d}" for i in range(m)],
            "airport": "KXYZ", "runway": end.ident, "zone": ("far", "medium", "close")[k % 3],
            "split": ("train", "val", "test")[k % 3],
            **{name: getattr(poses, name) for name in
               ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")},
            **{name: getattr(a, name) for name in
               ("along_track_m", "lateral_deg", "vertical_deg", "yaw_offset_deg")},
            **{name: getattr(camera, name) for name in
               ("width_px", "height_px", "fx_px", "fy_px", "cx_px", "cy_px")},
            "earth_model": db.earth, "altitude_datum": "msl", "visibility_m": 20000.0,
            "time_utc": "2024-06-01T18:00:00Z", "seed": 1,
        }  # fmt: skip
        parts.append(pl.DataFrame(columns | changes))
    return check_schema(pl.concat(parts), FRAMES, "frames").sort("frame_id")


def grey_dataset(out: Path, n: int, along_m: tuple[float, float], **columns: Any) -> Path:
    """A dataset folder of n grey pictures with labels; `columns` replace those of its frames."""
    db, spec = database(), load_spec(SPEC)
    frames = frames_of(db, n, camera=Camera.from_fov(*GREY_SIZE_PX, 60), along_m=along_m)
    frames = frames.with_columns(**{name: pl.Series(values) for name, values in columns.items()})
    (out / "images").mkdir(parents=True)
    rows = []
    for name in frames["frame_id"]:
        path = out / "images" / f"{name}.jpg"
        Image.new("RGB", GREY_SIZE_PX, (90, 110, 90)).save(path)
        rows.append((name, f"images/{name}.jpg", sha256_file(path), *GREY_SIZE_PX, "toy", "1", "MIT",
                     "nobody", "example", "1", "0", 1))  # fmt: skip
    write_table(frames, out / "frames.parquet", FRAMES)
    write_table(label_frames(frames, db, spec), out / "labels.parquet", LABELS)
    write_table(pl.DataFrame(rows, schema=dict(MANIFEST), orient="row"), out / "manifest.parquet", MANIFEST)
    write_json(describe("toy", frames, db, spec, "odd_specs/lard_v2.yaml"), out / "dataset.json")
    return out
