"""Labelling speed: 100,000 poses at a ten-ended airport, against a per-row loop that appends to a table.

    python benchmarks/labels.py [--n 100000] [--rows 500] [--runways runways.csv]

The poses come as a frames table, and as a LARD V2 scenario (YAML) that is read first; every strip of the
runway database within reach is labelled, so give a world-wide table to see what that costs.

The loop labels one runway of one pose at a time with scalars and appends its row to a table that grows:
pandas where it is installed (what LARD does), else polars; the same poses are read by PyYAML's own loader.
Ratios are of processor time, which a busy machine changes little.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import math
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from pyproj import Transformer
from shapely.geometry import Polygon, box

from lard.airports import Airport, Runway, RunwayDatabase
from lard.airports.files import open_database
from lard.approach import Approaches, pose_of
from lard.camera import Camera
from lard.labels import label_frames
from lard.labels.verdict import assume
from lard.odd import OddSpec, load_spec
from lard.scenario.formats import frames_of_scenario, read_scenario, scenario_of_frames, write_scenario
from lard.tables import FRAMES, check_schema

SPEC = "odd_specs/lard_v2.yaml"


def ten_ended(db: RunwayDatabase) -> Airport:
    """KATL, or another airport of the table with ten landing directions."""
    found = [airport for airport in db.airports.values() if len(airport.runways) == 10]
    return next((airport for airport in found if airport.icao == "KATL"), found[0])


def frames_at(airport: Airport, db: RunwayDatabase, n: int) -> pl.DataFrame:
    """n approaches spread over all landing directions, wider than the domain."""
    rng, camera, parts = np.random.default_rng(1), Camera.from_fov(1024, 1024, 60.0), []
    for k, end in enumerate(airport.runways):
        m = len(range(k, n, len(airport.runways)))
        a = Approaches(
            rng.uniform(-300, 7000, m), rng.uniform(-4, 4, m), rng.uniform(1.5, 5.5, m),
            rng.uniform(-25, 25, m), rng.uniform(-16, 6, m), rng.uniform(-30, 30, m),
        )  # fmt: skip
        poses = pose_of(end, a)
        parts.append(
            pl.DataFrame(
                {
                    "frame_id": [f"{airport.icao}_{end.ident}_{i:06d}" for i in range(m)],
                    "airport": airport.icao, "runway": end.ident, "zone": "far", "split": "train",
                    **{c: getattr(poses, c) for c in
                       ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")},
                    **{c: getattr(a, c) for c in
                       ("along_track_m", "lateral_deg", "vertical_deg", "yaw_offset_deg")},
                    **{c: getattr(camera, c) for c in Camera.__dataclass_fields__},
                    "earth_model": db.earth, "altitude_datum": db.altitude_datum, "visibility_m": 1e4,
                    "time_utc": "2024-06-01T12:00:00Z", "seed": 1,
                }
            )
        )  # fmt: skip
    frames = check_schema(pl.concat(parts), FRAMES, "benchmark").with_columns(
        pl.max_horizontal("alt_m", pl.lit(airport.elevation_m + 30.0)).alias("alt_m")
    )
    return frames.sort("frame_id")


def one_row(frame: dict[str, Any], runway: Runway, limits: list) -> dict[str, Any] | None:
    """The same label of one runway of one pose in plain Python; like LARD, geodesy is set up per call."""
    if math.cos(math.radians(frame["yaw_deg"] - runway.heading_deg)) < 0:
        return None
    to_ecef = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
    camera = to_ecef.transform(frame["lon_deg"], frame["lat_deg"], frame["alt_m"])
    yaw, pitch, roll = (math.radians(frame[k]) for k in ("yaw_deg", "pitch_deg", "roll_deg"))
    row = {k: frame[k] for k in ("frame_id", "airport")} | {
        "runway": runway.ident,
        "image": frame["frame_id"],
    }
    pixels, behind = [], False
    for name, corner in zip(("tl", "tr", "br", "bl"), runway.corners, strict=True):
        point = to_ecef.transform(corner[1], corner[0], corner[2])
        east, north, up = local(point, camera, frame["lat_deg"], frame["lon_deg"])
        ahead, right = (
            math.cos(yaw) * north + math.sin(yaw) * east,
            math.cos(yaw) * east - math.sin(yaw) * north,
        )
        z, y = math.cos(pitch) * ahead + math.sin(pitch) * up, math.sin(pitch) * ahead - math.cos(pitch) * up
        x, y = math.cos(roll) * right + math.sin(roll) * y, math.cos(roll) * y - math.sin(roll) * right
        behind |= z < 1
        pixel = (
            (512 + frame["fx_px"] * x / z, 512 + frame["fy_px"] * y / z) if z >= 1 else (math.nan, math.nan)
        )
        row |= {f"x_{name}_px": pixel[0], f"y_{name}_px": pixel[1]}
        pixels.append(pixel)
    part = box(0, 0, 0, 0) if behind else Polygon(pixels).intersection(box(0, 0, 1024, 1024))
    row |= dict(zip(("x_min_px", "y_min_px", "x_max_px", "y_max_px"), part.bounds, strict=True))
    row |= {"polygon": list(part.exterior.coords), "truncated": behind, "behind": behind}
    row["visible_fraction"] = 0.0 if behind else part.area / Polygon(pixels).area
    ltp = to_ecef.transform(runway.ltp[1], runway.ltp[0], runway.ltp[2])
    east, north, up = local(camera, ltp, runway.ltp[0], runway.ltp[1])
    heading = math.radians(runway.heading_deg)
    along = -(math.sin(heading) * east + math.cos(heading) * north)
    across = math.cos(heading) * east - math.sin(heading) * north
    values = (
        along, math.degrees(math.atan2(across, along)),
        math.degrees(math.atan2(up, math.hypot(along + 305, across))),
        (frame["yaw_deg"] - runway.heading_deg + 180) % 360 - 180, frame["pitch_deg"], frame["roll_deg"],
    )  # fmt: skip
    row |= dict(zip(("along_track_m", "lateral_deg", "vertical_deg", "yaw_offset_deg"), values, strict=False))
    row |= {"slant_m": math.dist(camera, ltp), "height_m": frame["alt_m"] - runway.ltp[2]}
    row["verdict"] = next(
        (word for word, zones in limits for zone in zones
         if all(lo <= value <= hi for value, (lo, hi) in zip(values, zone, strict=True))), "OUT_OF_ODD",
    )  # fmt: skip
    return row | {"runway_db": "lard", "runway_db_version": "1", "earth_model": "wgs84"}


def local(point: tuple, origin: tuple, lat_deg: float, lon_deg: float) -> tuple[float, float, float]:
    """East, north and up of a point seen from an origin."""
    dx, dy, dz = (p - q for p, q in zip(point, origin, strict=True))
    lat, lon = math.radians(lat_deg), math.radians(lon_deg)
    outward = math.cos(lon) * dx + math.sin(lon) * dy
    return (
        math.cos(lon) * dy - math.sin(lon) * dx,
        math.cos(lat) * dz - math.sin(lat) * outward,
        math.cos(lat) * outward + math.sin(lat) * dz,
    )


def loop(frames: pl.DataFrame, airport: Airport, spec: OddSpec) -> tuple[str, float]:
    """Processor seconds of the per-row loop over the frames, and the library whose table grew."""
    try:
        import pandas as pd
    except ImportError:
        pd = None
    limits = [
        (word, spec.limits(level).tolist())
        for word, level in (("IN_ODD", "in"), ("IN_EXTENDED_ODD", "extended"))
    ]
    start, table = time.process_time(), None
    for frame in frames.iter_rows(named=True):
        for runway in airport.runways:
            row = one_row(frame, runway, limits)
            if row is None:
                continue
            if pd is not None:
                part = pd.DataFrame([row])
                table = part if table is None else pd.concat([table, part], ignore_index=True)
            else:
                grown = pl.DataFrame([row])
                table = grown if table is None else pl.concat([table, grown], rechunk=True)
    return "pandas" if pd is not None else "polars", time.process_time() - start


def scenario(frames: pl.DataFrame, db: RunwayDatabase, spec: OddSpec) -> dict[str, Any]:
    """Processor seconds to read the frames' poses from a scenario file, and to label them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "S.yaml"
        write_scenario(scenario_of_frames(frames, "S"), path, "v2")
        start = time.process_time()
        read = read_scenario(path)
        middle = time.process_time()
        told = assume(frames_of_scenario(read, db, spec=spec), {"visibility_m": "20000"})
        labels = label_frames(told, db, spec)
        return {
            "poses": len(frames), "labels": len(labels), "read_s": round(middle - start, 2),
            "read_and_label_s": round(time.process_time() - start, 2),
        }  # fmt: skip


def peer_reading(frames: pl.DataFrame) -> float:
    """Processor milliseconds per pose of PyYAML's own loader on the same scenario."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "S.yaml"
        write_scenario(scenario_of_frames(frames, "S"), path, "v2")
        start = time.process_time()
        yaml.safe_load(path.read_text())
        return 1e3 * (time.process_time() - start) / len(frames)


def main() -> None:
    """Time all and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100_000, help="poses of the vectorised run")
    parser.add_argument("--rows", type=int, default=500, help="poses of the per-row loop")
    parser.add_argument("--runways", default="shipped", help="runway database, runways.csv of the world say")
    options = parser.parse_args()
    db, spec = open_database(options.runways), load_spec(SPEC)
    airport = ten_ended(db)
    ends = sum(len(place.runways) for place in db.airports.values())
    result: dict[str, Any] = {
        "airport": airport.icao, "ends": len(airport.runways), "database": f"{db.name}: {ends} ends",
    }  # fmt: skip
    for n in (options.n // 10, options.n):
        frames = frames_at(airport, db, n)
        wall, start = time.perf_counter(), time.process_time()
        labels = label_frames(frames, db, spec)
        seconds, wall = time.process_time() - start, time.perf_counter() - wall
        result[f"{n}_poses"] = {
            "wall_s": round(wall, 2), "cpu_s": round(seconds, 2), "labels": len(labels),
        }  # fmt: skip
        per_pose = seconds / n
    result["scenario"] = scenario(frames, db, spec)
    result["peak_GiB"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
    few = frames_at(airport, db, options.rows)
    library, seconds = loop(few, airport, spec)
    result["loop"] = {
        "poses": options.rows,
        "table": library,
        "ms_per_pose": round(1e3 * seconds / options.rows, 2),
        "yaml_ms_per_pose": round(peer_reading(few), 2),
    }
    result["us_per_pose"] = round(1e6 * per_pose, 2)
    result["ratio"] = round(seconds / options.rows / per_pose)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
