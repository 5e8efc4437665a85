"""Clean dataset folders drawn from the shipped spec and airports, with quickly drawn pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import polars as pl
from scipy.ndimage import map_coordinates

from lard.airports import load_shipped
from lard.camera import cam_from_ned, camera_of_row, ray_directions
from lard.geodesy import ecef_from_geodetic, to_enu
from lard.labels import label_frames
from lard.labels.dataset import describe
from lard.odd import OddSpec, load_spec
from lard.quality import Dataset, Odd, load_dataset
from lard.scenario import draw
from lard.tables import FRAMES, LABELS, MANIFEST, frame_rng, sha256_file, write_json, write_table

SPECS = Path(__file__).parents[1] / "odd_specs"
SPEC = SPECS / "lard_v2.yaml"
AIRPORTS = (
    "KATL", "LFPO", "EHAM", "EDDF", "YSSY", "FAOR", "OMDB", "BIKF",
    "PHTO", "LFBO", "SBGR", "RJTT", "EGLL", "PHNL", "LFPG", "BIRK",
)  # fmt: skip
SPLIT = {"val": ["BIRK", "SBGR"], "test": ["EGLL", "PHNL", "LFPG", "FAOR", "RJTT"]}
SIZE_PX = 256


def small_spec() -> OddSpec:
    """The shipped spec with a camera of few pixels."""
    spec = load_spec(SPEC)
    camera = spec.camera_spec.model_copy(update={"width_px": SIZE_PX, "height_px": SIZE_PX})
    return spec.model_copy(update={"camera_spec": camera})


# thresholds that suit a small clean dataset of 16 airports
SMALL_DQR = {
    "C01": {"min_per_bin": 10},
    "C07": {"min_width_classes": 2},
    "R03": {"max_airport_share": 0.1},
    "I01": {"min_side_px": 2.0, "min_area_px2": 20.0},
    "I02": {"min_area": 0.00002},
    "N01": {"failure_rate": 0.05, "min_test_airports": 5},
    "A02": {"max_samples": 20},
    "A04": {"max_samples": 200},
    "I05": {"max_samples": 40},
}


def odd() -> Odd:
    """The small spec as the checks see it."""
    spec = small_spec().model_copy(update={"dqr": SMALL_DQR})
    return Odd.from_spec(spec, "lard_v2.yaml")


def write_clean(root: Path, n: int = 720, pictures: bool = True) -> None:
    """Write a dataset folder without any defect."""
    spec, db = small_spec(), load_shipped()
    frames = draw(spec, db, AIRPORTS, n, 1, split=SPLIT).frames
    write_table(frames, root / "frames.parquet", FRAMES)
    labels = label_frames(frames, db, spec)
    write_table(labels, root / "labels.parquet", LABELS)
    write_json(describe("drawn", frames, db, spec, "odd_specs/lard_v2.yaml"), root / "dataset.json")
    if pictures:
        targets = dict(labels.filter(pl.col("is_target")).select("frame_id", "polygon").iter_rows())
        for row in frames.iter_rows(named=True):
            draw_picture(root / "images" / f"{row['frame_id']}.jpg", row, targets.get(row["frame_id"]))
        write_manifest(root)


def draw_picture(path: Path, frame: dict[str, object], polygon: list[float] | None) -> None:
    """Textured ground, a sky above the horizon of the frame's attitude, and its runway in light grey."""
    rng = frame_rng(7, str(frame["frame_id"]))
    coarse = rng.integers(60, 130, (16, 16, 3)).astype(np.uint8)
    picture = cv2.resize(coarse, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_CUBIC)
    fine = rng.integers(0, 24, (SIZE_PX, SIZE_PX, 1)).astype(np.uint8)
    picture = cv2.add(picture, np.repeat(fine, 3, axis=2))
    half = SIZE_PX / 2
    roll = np.radians(float(frame["roll_deg"]))  # type: ignore[arg-type]
    pitch = np.radians(float(frame["pitch_deg"]))  # type: ignore[arg-type]
    focal = float(frame["fx_px"])  # type: ignore[arg-type]
    x, y = np.meshgrid(np.arange(SIZE_PX) + 0.5 - half, np.arange(SIZE_PX) + 0.5 - half)
    above = y * np.cos(roll) + x * np.sin(roll) < focal * np.tan(pitch)
    shade = (np.linspace(200, 235, SIZE_PX)[:, None, None] * np.array([1.0, 0.95, 0.8])).astype(np.uint8)
    picture = np.where(above[..., None], np.broadcast_to(shade, picture.shape), picture)
    if polygon:
        points = np.array(polygon).reshape(-1, 2) - 0.5
        shifted = np.round(points * 16).astype(np.int32)
        picture = np.ascontiguousarray(picture)
        cv2.fillPoly(picture, [shifted], (190, 190, 190), lineType=cv2.LINE_AA, shift=4)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])


PLACES = ("EHAM", "EGLL", "LFBO")


def write_places(root: Path, n: int = 108) -> None:
    """Write a clean dataset whose pictures show one ground at each airport, from wherever it is seen."""
    spec, db = small_spec(), load_shipped()
    frames = draw(spec, db, PLACES, n, 4, split={"val": ["LFBO"], "test": ["EGLL"]}).frames
    write_table(frames, root / "frames.parquet", FRAMES)
    labels = label_frames(frames, db, spec)
    write_table(labels, root / "labels.parquet", LABELS)
    write_json(describe("drawn", frames, db, spec, "odd_specs/lard_v2.yaml"), root / "dataset.json")
    targets = dict(labels.filter(pl.col("is_target")).select("frame_id", "polygon").iter_rows())
    origins = {
        name: np.concatenate([np.array(runway.corners) for runway in db.airport(name).runways]).mean(axis=0)
        for name in PLACES
    }
    for row in frames.iter_rows(named=True):
        path = root / "images" / f"{row['frame_id']}.jpg"
        draw_ground(path, row, origins[str(row["airport"])], targets.get(row["frame_id"]))
    write_manifest(root)


def draw_ground(
    path: Path, frame: dict[str, object], origin: np.ndarray, polygon: list[float] | None
) -> None:
    """Fields of many sizes on a plane, as the frame's camera sees them, below a plain sky, and its runway."""
    camera = camera_of_row(frame)
    grid = np.stack(np.meshgrid(np.arange(SIZE_PX) + 0.5, np.arange(SIZE_PX) + 0.5), axis=-1).reshape(-1, 2)
    yaw, pitch, roll = (np.array([float(frame[name])]) for name in ("yaw_deg", "pitch_deg", "roll_deg"))  # type: ignore[arg-type]
    ned = ray_directions(camera, grid) @ cam_from_ned(yaw, pitch, roll)[0]
    place = np.array([float(frame[name]) for name in ("lat_deg", "lon_deg", "alt_m")])  # type: ignore[arg-type]
    east, north, up = to_enu(ecef_from_geodetic(*place), *origin).ravel()
    far = np.where(ned[:, 2] > 1e-3, up / np.maximum(ned[:, 2], 1e-3), np.inf)
    seen = far < 30_000.0
    metres = np.stack([east + far[seen] * ned[seen, 1], north + far[seen] * ned[seen, 0]])
    rng = np.random.default_rng(frame_rng(9, str(frame["airport"])).integers(2**31))
    ground = np.full(seen.sum(), 95.0)
    for field_m in (6.0, 20.0, 60.0, 200.0):
        texture = rng.normal(0, 14, (256, 256)).astype(np.float32)
        size_m = far[seen] / float(frame["fx_px"])  # type: ignore[arg-type]
        value = map_coordinates(texture, metres / field_m, order=1, mode="grid-wrap")
        # fields smaller than a pixel fade away
        ground += value * np.minimum(field_m / (3 * size_m), 1.0)
    picture = np.full((SIZE_PX * SIZE_PX, 3), (225.0, 215.0, 185.0))
    picture[seen] = ground[:, None] * np.array([0.8, 1.0, 0.95])
    picture = np.clip(picture, 0, 255).astype(np.uint8).reshape(SIZE_PX, SIZE_PX, 3)
    if polygon:
        shifted = np.round((np.array(polygon).reshape(-1, 2) - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(picture, [shifted], (190, 190, 190), lineType=cv2.LINE_AA, shift=4)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])


def write_manifest(root: Path) -> None:
    """Write the manifest that fits the pictures as they now are."""
    frames = pl.read_parquet(root / "frames.parquet")
    db = load_shipped()
    images = [f"images/{frame_id}.jpg" for frame_id in frames["frame_id"]]
    table = pl.DataFrame(
        {
            "frame_id": frames["frame_id"],
            "image": images,
            "sha256": [sha256_file(root / image) for image in images],
            "width_px": frames["width_px"],
            "height_px": frames["height_px"],
            "source": "drawn",
            "source_version": "1",
            "licence": "MIT",
            "attribution": "drawn by the tests",
            "runway_db": db.name,
            "runway_db_version": db.version,
            "tool_version": "0",
            "seed": frames["seed"],
        }
    )
    write_table(table, root / "manifest.parquet", MANIFEST)


def write_close_ups(root: Path, n: int = 600) -> None:
    """Write a clean dataset of a few sharp pictures of near runways, with side stripes and threshold bars."""
    spec, db = load_spec(SPEC), load_shipped()
    zones = tuple(zone for zone in spec.zones if zone.name == "close")
    frames = draw(spec.model_copy(update={"zones": zones}), db, AIRPORTS, n, 3, split=SPLIT).frames
    frames = frames.filter(pl.col("along_track_m").is_between(280, 500) & (pl.col("lateral_deg").abs() < 2))
    write_table(frames, root / "frames.parquet", FRAMES)
    labels = label_frames(frames, db, spec)
    write_table(labels, root / "labels.parquet", LABELS)
    write_json(describe("drawn", frames, db, spec, "odd_specs/lard_v2.yaml"), root / "dataset.json")
    targets = {row["frame_id"]: row for row in labels.filter("is_target").iter_rows(named=True)}
    for row in frames.iter_rows(named=True):
        label = targets[row["frame_id"]]
        runway = db.airport(row["airport"]).runway(label["runway"])
        corners = np.array(
            [[label[f"{axis}_{c}_px"] or np.nan for axis in "xy"] for c in ("tl", "tr", "br", "bl")]
        )
        path = root / "images" / f"{row['frame_id']}.jpg"
        draw_close_up(path, row, corners, runway.width_m, runway.length_m)
    write_manifest(root)


def draw_close_up(
    path: Path, frame: dict[str, object], corners: np.ndarray, width_m: float, length_m: float
) -> None:
    """A runway with its paint, drawn too large and shrunk, so that edges are true to a fraction."""
    large, size = 2, 1024
    rng = frame_rng(8, str(frame["frame_id"]))
    picture = np.full((size * large, size * large), 95, np.uint8)
    half = width_m / 2
    ground = np.array([[-half, length_m], [half, length_m], [half, 0], [-half, 0]], np.float32)
    if np.isfinite(corners).all():
        to_px = cv2.getPerspectiveTransform(ground, (corners * large).astype(np.float32))
        paint(picture, to_px, (-half - 8, half + 8, -60, length_m), 80)
        for side in (-1, 1):
            edge = side * half
            paint(
                picture, to_px, (min(edge, edge - side * 0.9), max(edge, edge - side * 0.9), 0, length_m), 220
            )
        for k in range(-5, 6):
            if k:
                paint(picture, to_px, (k * 3.6 - 0.9, k * 3.6 + 0.9, 6, 36), 220)
    roll, pitch = (np.radians(float(frame[name])) for name in ("roll_deg", "pitch_deg"))  # type: ignore[arg-type]
    focal, centre = float(frame["fx_px"]) * large, size * large / 2  # type: ignore[arg-type]
    grid = np.arange(size * large) + 0.5 - centre
    above = grid[:, None] * np.cos(roll) + grid[None, :] * np.sin(roll) < focal * np.tan(pitch)
    picture[above] = 210
    picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    noise = rng.normal(0, 3, picture.shape)
    picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])


def paint(picture: np.ndarray, to_px: np.ndarray, box: tuple[float, float, float, float], grey: int) -> None:
    """Fill a rectangle (left, right, near, far) of the ground, as far as it lies before the camera."""
    left, right, near, far = box
    corners = np.array([[left, near, 1], [right, near, 1], [right, far, 1], [left, far, 1]]) @ to_px.T
    if (corners[:, 2] * corners[0, 2] <= 0).any():
        return
    points = corners[:, :2] / corners[:, 2:] - 0.5
    if np.abs(points).max() < 30_000:
        cv2.fillPoly(picture, [np.round(points * 16).astype(np.int32)], grey, lineType=cv2.LINE_AA, shift=4)


def opened(root: Path) -> Dataset:
    """The dataset at root with the small spec and the shipped runways."""
    data = load_dataset(root)
    data.odd = odd()
    data.database = load_shipped()
    return data


def weather_spec() -> OddSpec:
    """The shipped spec with conditional rules, with a camera of few pixels."""
    spec = load_spec(SPECS / "all_weather.yaml")
    camera = spec.camera_spec.model_copy(update={"width_px": SIZE_PX, "height_px": SIZE_PX})
    # bands over the labels of so small a picture are a finding of their own
    weather = {name: law for name, law in spec.environment.items() if name != "watermark_px"}
    return spec.model_copy(update={"camera_spec": camera, "environment": weather})


def weather_odd(spec: OddSpec | None = None) -> Odd:
    """The spec with conditional rules as the checks see it."""
    dqr = SMALL_DQR | {"C01": {"min_per_bin": 3}, "C06": {"min_share": 0.01}}
    return Odd.from_spec((spec or weather_spec()).model_copy(update={"dqr": dqr}), "all_weather.yaml")


def write_weather(root: Path, n: int = 3000, drawn_by: OddSpec | None = None) -> None:
    """Write a dataset of the spec with rules, without pictures; `drawn_by` when another spec drew it."""
    spec, db = weather_spec(), load_shipped()
    frames = draw(drawn_by or spec, db, AIRPORTS, n, 5, split=SPLIT).frames
    write_table(frames, root / "frames.parquet", FRAMES)
    write_table(label_frames(frames, db, spec), root / "labels.parquet", LABELS)
    write_json(describe("drawn", frames, db, spec, "odd_specs/all_weather.yaml"), root / "dataset.json")
