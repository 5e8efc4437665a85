"""FlightGear as a source, measured: python benchmarks/flightgear.py accuracy|speed|compare.

accuracy  renders approaches to PHNL, PHTO, BIKF and BIRK (kept in --out: stop and repeat it at will) and
          measures how far labels lie from what is drawn: thresholds where the runway's texture ends, sides
          where pavement meets grass, at the place where the mesh says so (declared edge plus shoulder).
speed     start time, seconds and CPU seconds per picture, memory, at several sizes.
compare   CPU seconds per picture of FlightGear and of the own renderer at 1024 x 1024, in one run.
"""

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import qmc, theilslopes

from lard.airports.model import Runway, RunwayDatabase
from lard.approach import Approaches, pose_of
from lard.camera import Camera, Poses, camera_of, project, to_camera
from lard.geodesy import from_enu, to_enu
from lard.scenario.sun import time_utc
from lard.simulators.flightgear.install import Installation, airport_meshes, find_installation
from lard.simulators.flightgear.mesh import Mesh, read_mesh
from lard.simulators.flightgear.runways import cuts, flightgear_runways
from lard.simulators.flightgear.settings import FlightGearSettings
from lard.simulators.flightgear.simulator import FlightGear
from lard.simulators.flightgear.source import render_flightgear, threshold_points

Array = NDArray[np.float64]

AIRPORTS = ("BIKF", "BIRK", "PHNL", "PHTO")
POSE = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")
SIDE_M = np.linspace(2.0, 150.0, 75)
AXIS_M = np.arange(60.0)
REACH_PX = 6.0
STEP_PX = 0.25


def frames_of(db: RunwayDatabase, per_end: int, size: tuple[int, int], fov_deg: float = 60.0) -> pl.DataFrame:
    """Approaches to every landing direction, 250 m to 2 km out, on a low-discrepancy sequence."""
    camera = Camera.from_fov(*size, fov_deg)
    low = np.array([np.log(250.0), -3.0, 2.2, -6.0, -7.0, -12.0])
    high = np.array([np.log(2000.0), 3.0, 4.5, 6.0, 0.0, 12.0])
    tables = []
    ends = [runway for icao in sorted(db.airports) for runway in db.airports[icao].runways]
    for number, runway in enumerate(ends):
        unit = qmc.Halton(6, scramble=True, rng=number * per_end).random(per_end)
        along, lateral, vertical, yaw, pitch, roll = (low + unit * (high - low)).T
        poses = pose_of(runway, Approaches(np.exp(along), lateral, vertical, yaw, pitch, roll))
        fixed = {
            "airport": runway.airport, "runway": runway.ident, "zone": "near", "split": "train", "seed": 1,
            "earth_model": "wgs84", "altitude_datum": "msl", "visibility_m": 40_000.0,
            "time_utc": time_utc(np.array([172.0]), np.array([12.0]), poses.lon_deg[:1])[0],
            "width_px": size[0], "height_px": size[1], "fx_px": camera.fx_px, "fy_px": camera.fy_px,
            "cx_px": camera.cx_px, "cy_px": camera.cy_px,
        }  # fmt: skip
        table = pl.DataFrame(
            {
                "frame_id": [f"{runway.airport}_{runway.ident}_{k:02d}" for k in range(per_end)],
                "along_track_m": np.exp(along),
                "lateral_deg": lateral,
                "vertical_deg": vertical,
                "yaw_offset_deg": yaw,
                **{name: getattr(poses, name) for name in POSE},
            }
        )
        tables.append(table.with_columns(**{name: pl.lit(value) for name, value in fixed.items()}))
    return pl.concat(tables)


@dataclass(frozen=True, slots=True)
class Outline:
    """What is drawn at a runway end, ECEF metres."""

    threshold: Array
    """Left and right corner (2, 3)."""
    axis: Array
    """Points (60, 3) on the runway every metre from the threshold on."""
    sides: dict[str, Array]
    """left, right: points (75, 3) where pavement meets grass; nan where it does not within 15 m."""
    grass_before: bool
    """Whether grass begins at the threshold, so that the paved edge lies there too."""


def outline(runway: Runway, mesh: Mesh, shares: dict[str, float]) -> Outline:
    """Paved edges at a runway end, from the mesh: the end of gapless pavement with 4 m of grass beyond.

    Shoulder textures turn to grass within the strip: `shares` says after which share of it.
    """
    enu = to_enu(mesh.vertices_ecef, *runway.ltp)
    forward = runway.axis_enu[:2] / np.hypot(*runway.axis_enu[:2])
    right = np.array([forward[1], -forward[0]])
    flat = np.column_stack([enu[:, :2] @ right, enu[:, :2] @ forward, enu[:, 2]])  # across, along, up
    all_triangles = np.concatenate([t for name, t in mesh.triangles.items() if not name.startswith("lf_")])
    layers = {name: t for name, t in mesh.triangles.items() if name.startswith(("pa_", "pc_"))}
    paved = np.concatenate(list(layers.values()))

    def ecef(across_m: float, along_m: float) -> Array:
        up = surface_m(flat, all_triangles, across_m * 0.999, along_m)
        return from_enu(np.append(along_m * forward + across_m * right, up), *runway.ltp)

    half = runway.width_m / 2
    sides = {}
    for name, sign in (("left", -1.0), ("right", 1.0)):
        beyond = sign * flat[:, 0] - half
        sides[name] = np.full((len(SIDE_M), 3), np.nan)
        for k, station in enumerate(SIDE_M):
            spans = sorted(
                (low, high, name)
                for name, triangles in layers.items()
                for low, high in cuts(flat[triangles, 1] - station, beyond[triangles])
                if low < 20 and high > -1
            )
            reach, begin, last = 0.0, 0.0, ""
            for low, high, layer in spans:
                if low <= reach + 0.1 and high > reach:
                    begin = begin if layer == last else max(low, 0.0)
                    reach, last = high, layer
            if reach < 15.0 and not any(reach < low < reach + 4.0 for low, _, _ in spans):
                seen_m = begin + shares.get(last, 1.0) * (reach - begin)
                sides[name][k] = ecef(sign * (half + seen_m), station)
    before = [
        any(high > 0.3 and low < 4.0 for low, high in cuts(flat[paved, 0] - at, -flat[paved, 1]))
        for at in np.linspace(-0.9, 0.9, 7) * half
    ]
    return Outline(
        runway.corners_ecef()[[3, 2]], np.stack([ecef(0.3, s) for s in AXIS_M]), sides, not any(before)
    )


def surface_m(flat: Array, triangles: NDArray[np.int64], across_m: float, along_m: float) -> float:
    """Height of the mesh at a place, in the threshold's frame."""
    near = np.abs(flat[triangles].mean(1)[:, :2] - [across_m, along_m]).max(1) < 400
    triangles = triangles[near]
    x, y = flat[triangles, 0] - across_m, flat[triangles, 1] - along_m
    area = np.stack([x[:, i] * y[:, j] - x[:, j] * y[:, i] for i, j in ((1, 2), (2, 0), (0, 1))], 1)
    inside = ((area >= 0).all(1) | (area <= 0).all(1)) & (np.abs(area.sum(1)) > 1e-6)
    if not inside.any():
        return float("nan")
    weights = area[inside][0] / area[inside][0].sum()
    return float(weights @ flat[triangles[inside][0], 2])


@dataclass(frozen=True, slots=True)
class Edge:
    """A drawn edge against the expected one: offset in px at its start, outwards positive, and its normal."""

    offset_px: float
    normal: Array


def measure(picture: Array, row: pl.DataFrame, drawn: Outline, paint: Array) -> dict[str, float]:
    """Distances in px of a runway end's drawn edges and corners from where its label says they are.

    `paint` is the brightness (60,) of the runway's texture every metre from the threshold on.
    """
    poses, camera = Poses.from_frames(row), camera_of(row)
    left, right = pixels(drawn.threshold, poses, camera)
    axis = pixels(drawn.axis, poses, camera)
    if not (np.isfinite([left, right]).all() and np.isfinite(axis).all()):
        return {}
    grey, green = picture.mean(-1), picture @ np.array([-1.0, 2.0, -1.0])
    line = left + np.linspace(0.04, 0.96, 93)[:, None] * (right - left)
    away = {"left": left - right, "right": right - left}
    edges = {
        "threshold": drawn_edge(green if drawn.grass_before else -grey, line, axis[0] - axis[-1], True),
        **{
            name: drawn_edge(green, pixels(points, poses, camera), away[name], False)
            for name, points in drawn.sides.items()
        },
    }
    threshold = edges["threshold"]
    if threshold is not None and not drawn.grass_before:
        bias_px = steepest_fall_px((axis - axis[0]) @ threshold.normal, paint)
        threshold = edges["threshold"] = Edge(threshold.offset_px - bias_px, threshold.normal)
    found = {name: edge.offset_px for name, edge in edges.items() if edge is not None}
    for name in ("left", "right"):
        side = edges[name]
        if side is None or threshold is None:
            continue
        normals = np.stack([side.normal, threshold.normal])
        if np.linalg.cond(normals) < 8.0:
            offsets = np.array([side.offset_px, threshold.offset_px])
            found[f"{name} corner"] = float(np.linalg.norm(np.linalg.solve(normals, offsets)))
    return found


def steepest_fall_px(offset_px: Array, paint: Array) -> float:
    """Where brightness falls most at a threshold whose paint lies at these offsets (60,), outwards positive.

    The transverse stripe at the threshold is thinner than a pixel from afar: the fall then lies outside it.
    """
    fine = np.arange(-REACH_PX - 8, REACH_PX + 8, STEP_PX / 5)
    bright = np.interp(fine, offset_px[::-1], paint[::-1], left=paint[-1], right=paint[0])
    bright[fine > 0] = 0.0
    kernel = np.convolve(np.ones(20) / 20, np.ones(20) / 20)  # pixel and interpolation, both 1 px wide
    slope = np.gradient(cv2.GaussianBlur(np.convolve(bright, kernel, "same")[None], (0, 0), 2.0 * 5)[0])
    middle = np.abs(fine) < REACH_PX
    return float(fine[middle][slope[middle].argmin()])


def pixels(points_ecef: Array, poses: Poses, camera: Camera) -> Array:
    """Pixels (k, 2) of ECEF points (k, 3)."""
    return project(to_camera(points_ecef, poses)[0], camera)


def drawn_edge(feature: Array, line: Array, away: Array, whole: bool) -> Edge | None:
    """Where a feature rises most across an expected line (k, 2), `away` pointing outwards.

    A whole line is averaged along its length; of another one the offset at its start is told, from a straight
    line fitted to the offsets along it, so that the runway's slope does not matter.
    """
    height, width = feature.shape
    with np.errstate(invalid="ignore"):
        inside = ((line > REACH_PX + 2) & (line < np.array([width, height]) - REACH_PX - 2)).all(1)
    if inside.sum() < 12 or (whole and not inside.all()):
        return None
    line = line[inside]
    span = line[-1] - line[0]
    if np.linalg.norm(span) < 12.0:
        return None
    direction = span / np.linalg.norm(span)
    normal = np.array([-direction[1], direction[0]])
    normal = normal if normal @ away > 0 else -normal
    where = line[:, None] + np.arange(-REACH_PX, REACH_PX + 0.1, STEP_PX)[None, :, None] * normal - 0.5
    profile = cv2.remap(
        feature.astype(np.float32), where[..., 0].astype(np.float32), where[..., 1].astype(np.float32),
        cv2.INTER_LINEAR,
    )  # fmt: skip
    profile = profile.mean(0, keepdims=True) if whole else cv2.blur(profile, (1, 5))
    slope = cv2.GaussianBlur(np.gradient(profile, axis=1).astype(np.float32), (0, 0), sigmaX=2.0, sigmaY=1e-3)
    peak = slope[:, 4:-4].argmax(1) + 4
    k = np.arange(len(peak))
    a, b, c = slope[k, peak - 1], slope[k, peak], slope[k, peak + 1]
    bend = np.where(a - 2 * b + c < 0, a - 2 * b + c, -np.inf)
    offset = (peak + 0.5 * (a - c) / bend) * STEP_PX - REACH_PX
    good = b > (0.8 if whole else 1.5)
    if whole:
        return Edge(float(offset[0]), normal) if good[0] else None
    if good.sum() < 12:
        return None
    along = np.linalg.norm(line - line[0], axis=1)
    rise, start, _, _ = theilslopes(offset[good], along[good])
    close = good & (np.abs(offset - start - rise * along) < 0.75)
    if close.sum() < max(12, 0.5 * good.sum()) or np.ptp(along[close]) < 15.0:
        return None
    return Edge(float(np.polyfit(along[close], offset[close], 1)[1]), normal)


def shoulder_shares(installation: Installation, icao: str) -> dict[str, float]:
    """Share of a shoulder's width, from the runway on, that its texture shows as pavement, by material.

    Iceland has the global textures, which turn to grass; in Hawaii shoulders are paved throughout.
    """
    shares: dict[str, float] = {}
    if not icao.startswith("BI"):
        return shares
    for name in ("pa_shoulder", "pa_shoulder_f", "pc_shoulder", "pc_shoulder_f"):
        texture = cv2.imread(str(installation.root / "Textures" / "Runway" / f"{name}.png"))
        if texture is None:
            raise SystemExit(f"no Textures/Runway/{name}.png in FlightGear's data")
        green = texture.astype(float).mean(0) @ np.array([-1.0, 2.0, -1.0])
        level = (green[: len(green) // 4].mean() + green[-len(green) // 16 :].mean()) / 2
        shares[name] = float(np.argmax(green > level)) / len(green)
    return shares


def threshold_paint(installation: Installation) -> Array:
    """Brightness above asphalt (60,) of FlightGear's threshold texture every metre from the threshold on."""
    texture = cv2.imread(str(installation.root / "Textures" / "Runway" / "pa_threshold.png"))
    if texture is None:
        raise SystemExit("no Textures/Runway/pa_threshold.png in FlightGear's data")
    rows = texture[::-1, 64:-64].mean((1, 2))  # without the side stripes
    return np.interp(AXIS_M + 0.5, (np.arange(len(rows)) + 0.5) * 61.57 / len(rows), rows) - rows.min()


@dataclass(slots=True)
class Usage:
    """CPU seconds and peak memory of a running FlightGear with its screen."""

    simulator: FlightGear

    def cpu_s(self) -> float:
        total = 0.0
        for child in (self.simulator.program, self.simulator.screen.server):
            fields = Path(f"/proc/{child.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return total

    def peak_gb(self) -> float:
        status = Path(f"/proc/{self.simulator.program.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9


def timed(
    installation: Installation, db: RunwayDatabase, frames: pl.DataFrame, settings: FlightGearSettings
) -> dict[str, float]:
    """Start, first picture and the mean of the others: seconds, CPU seconds; peak memory in GB."""
    points = {icao: threshold_points(db, icao) for icao in db.airports}
    size = (int(frames["width_px"][0]), int(frames["height_px"][0]))
    simulator = FlightGear(installation, settings, points, 0, size)
    begin = time.monotonic()
    try:
        simulator.start()
        found, usage, marks = {"start_s": time.monotonic() - begin}, Usage(simulator), []
        for frame in frames.iter_rows(named=True):
            marks.append((time.monotonic(), usage.cpu_s()))
            simulator.show(frame)
            simulator.capture()
        marks.append((time.monotonic(), usage.cpu_s()))
        walls, cpus = np.diff(np.array(marks), axis=0).T
        found |= {"first_s": walls[0], "picture_s": walls[1:].mean(), "picture_cpu_s": cpus[1:].mean()}
        return found | {"peak_gb": usage.peak_gb()}
    finally:
        simulator.stop()


def accuracy(installation: Installation, out: Path, per_end: int, workers: str, supersample: int) -> None:
    """Render what is missing and print the distances."""
    db, _ = flightgear_runways(installation, AIRPORTS)
    frames = frames_of(db, per_end, (1224, 1024))
    render_flightgear(frames, out, workers, db, FlightGearSettings(supersample, vegetation=False))
    paint = threshold_paint(installation)
    meshes = {icao: read_mesh(airport_meshes(installation.scenery)[icao]) for icao in AIRPORTS}
    rows: list[dict[str, Any]] = []
    for (icao, ident), group in frames.group_by("airport", "runway", maintain_order=True):
        drawn = outline(
            db.airports[str(icao)].runway(str(ident)),
            meshes[str(icao)],
            shoulder_shares(installation, str(icao)),
        )
        for frame_id in group["frame_id"]:
            picture = np.asarray(Image.open(out / "images" / f"{frame_id}.jpg")).astype(float)
            found = measure(picture, group.filter(pl.col("frame_id") == frame_id), drawn, paint)
            rows += [
                {"airport": icao, "frame": frame_id, "what": what, "px": px} for what, px in found.items()
            ]
    table = pl.DataFrame(rows)
    print(f"{len(frames)} frames at 1224 x 1024, {table['frame'].n_unique()} measured")
    kind = pl.col("what").str.replace("left|right", "side").str.replace("side corner", "corner")
    distance = pl.col("px").abs()
    pl.Config.set_tbl_rows(20)
    for names in (["airport"], []):
        print(
            table.with_columns(edge=kind)
            .group_by(*names, "edge").agg(
                n=pl.len(), median=distance.median(), p90=distance.quantile(0.9), max=distance.max(),
                mean_signed=pl.col("px").mean(),
            ).sort(*names, "edge")
        )  # fmt: skip


def speed(installation: Installation) -> None:
    """Print a line per size."""
    db, _ = flightgear_runways(installation, ["PHTO"])
    for width, height, supersample in ((640, 480, 1), (1024, 1024, 1), (1024, 1024, 2), (1224, 1024, 2)):
        frames = frames_of(db, 3, (width, height))
        found = timed(installation, db, frames, FlightGearSettings(supersample))
        numbers = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
        print(f"{width} x {height}, {supersample}x: {numbers}", flush=True)


def compare(installation: Installation) -> None:
    """Print CPU seconds per picture of both renderers, of the same frames."""
    from lard.ground.painted.build import build_grounds
    from lard.render.driver import render_frames

    db, _ = flightgear_runways(installation, ["PHTO"])
    frames = frames_of(db, 3, (1024, 1024)).with_columns(visibility_m=pl.lit(20_000.0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_grounds([db.airports["PHTO"]], folder / "ground", 1, 0.25, "summer", 1, db)
        render_frames(frames, folder / "ground", folder / "warm", 1, db)  # compiles, reads the ground
        begin = time.process_time()
        render_frames(frames, folder / "ground", folder / "own", 1, db)
        own_s = (time.process_time() - begin) / len(frames)
    print(f"own renderer, JPEG included: {own_s:.3f} CPU s per picture", flush=True)
    for supersample in (2, 1):
        found = timed(installation, db, frames, FlightGearSettings(supersample))
        cpu_s = found["picture_cpu_s"]
        print(
            f"FlightGear, {supersample}x: {cpu_s:.2f} CPU s per picture, {cpu_s / own_s:.1f} times",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["accuracy", "speed", "compare"])
    parser.add_argument("--out", type=Path, default=Path("data/bench_flightgear"))
    parser.add_argument("--per-end", type=int, default=5)
    parser.add_argument("--workers", default="1")
    parser.add_argument("--supersample", type=int, default=1)
    arguments = parser.parse_args()
    installation = find_installation()
    if arguments.what == "accuracy":
        accuracy(installation, arguments.out, arguments.per_end, arguments.workers, arguments.supersample)
    elif arguments.what == "speed":
        speed(installation)
    else:
        compare(installation)


if __name__ == "__main__":
    main()
