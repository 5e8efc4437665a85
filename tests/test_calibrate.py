"""Calibration finds planted errors of runway, camera and datum in rendered pictures, or says it cannot."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from render_scene import make_airport, make_scene
from scipy.special import erf

from lard.airports.corrections import Correction, apply_corrections, read_corrections
from lard.airports.model import RunwayDatabase
from lard.approach import Approaches, pose_of
from lard.calibrate.measure import _of_sides
from lard.calibrate.outputs import corrected_frames, corrections_of, decided, write_outputs
from lard.calibrate.scene import project_points, scene_of
from lard.calibrate.solve import Calibration, calibrate
from lard.camera import Camera, Poses, project, to_camera
from lard.errors import DataError
from lard.quality.measures.edges import align, straight
from lard.quality.measures.paint import PAINTS, paint_of
from lard.quality.measures.profiles import STEP_PX, bars, ridge, step
from lard.render.renderer import Conditions, render_frame

N = 30
AIRPORT = make_airport(length_m=2500)
DATABASE = RunwayDatabase("t", "1", "wgs84", "msl", {"XTST": AIRPORT})


def fields_and_grass(x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
    value = 90 + 30 * np.sin(x_m / 19) * np.sin(y_m / 23) + np.random.default_rng(7).normal(0, 6, x_m.shape)
    return np.clip(np.stack([value, value * 1.1, value * 0.8], -1), 0, 255)


def painted(pixels: np.ndarray, level: object, strip: np.ndarray) -> None:
    """Side stripes of 0.9 m, bars 6 to 36 m behind the thresholds and a centreline, by exact coverage."""
    gsd = level.gsd_m  # type: ignore[attr-defined]
    x = level.x_min_m + (np.arange(pixels.shape[1]) + 0.5) * gsd - strip[0]  # type: ignore[attr-defined]
    y = level.y_max_m - (np.arange(pixels.shape[0]) + 0.5) * gsd - strip[1]  # type: ignore[attr-defined]
    x, y = np.meshgrid(x, y)
    near = np.abs(x * strip[2] + y * strip[3]) < strip[4] + 2 * gsd
    near &= np.abs(y * strip[2] - x * strip[3]) < strip[5] + 2 * gsd
    base, total = pixels[near].astype(np.float64), np.zeros((int(near.sum()), 3))
    parts = (np.arange(6) + 0.5) / 6 - 0.5
    for a in parts:
        for b in parts:
            qx, qy = x[near] + a * gsd, y[near] + b * gsd
            along, across = qx * strip[2] + qy * strip[3], qy * strip[2] - qx * strip[3]
            on = (np.abs(along) < strip[4]) & (np.abs(across) < strip[5])
            end = strip[4] - np.abs(along)
            white = (np.abs(across) < 0.45) & (along % 50 < 30)
            white |= (end > 6) & (end < 36) & (np.abs(across) > 2) & (np.abs(across) % 3.6 < 1.8)
            white |= strip[5] - np.abs(across) < 0.9
            total += np.where(on[:, None], np.where(white[:, None], 225.0, 70.0), base)
    pixels[near] = np.rint(total / 36)


@pytest.fixture(scope="module")
def flight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Poses]:
    """Pictures of N approaches from 300 m to 4 km, and the poses they were rendered from."""
    folder = tmp_path_factory.mktemp("flight")
    ground, surface = make_scene(folder / "ground", AIRPORT, (4096, 6144), 0.5, 7, fields_and_grass, painted)
    rng = np.random.default_rng(3)
    along = np.exp(rng.uniform(np.log(300), np.log(4000), N))
    draws = [rng.uniform(*limits, N) for limits in ((-2, 2), (2.5, 3.8), (-5, 5), (-6, 0), (-8, 8))]
    poses = pose_of(AIRPORT.runway("07"), Approaches(along, *draws))
    (folder / "images").mkdir()
    for i in range(N):
        picture = render_frame(ground, surface, poses[i], Camera.from_fov(1024, 1024, 60.0), Conditions(3e4))
        Image.fromarray(picture).save(folder / f"images/f{i:03d}.png")
    return folder, poses


def stated(poses: Poses, alt_m: float = 0.0, pitch_deg: float = 0.0, fov_deg: float = 0.0) -> pl.DataFrame:
    """The frames table as somebody wrote it who was wrong by so much."""
    camera = Camera.from_fov(1024, 1024, 60.0 + fov_deg)
    return pl.DataFrame(
        {
            "frame_id": [f"f{i:03d}" for i in range(len(poses))], "airport": "XTST", "runway": "07",
            "lat_deg": poses.lat_deg, "lon_deg": poses.lon_deg, "alt_m": poses.alt_m + alt_m,
            "yaw_deg": poses.yaw_deg, "pitch_deg": poses.pitch_deg + pitch_deg, "roll_deg": poses.roll_deg,
            "earth_model": "wgs84",
            **{field.name: getattr(camera, field.name) for field in fields(Camera)},
        }
    )  # fmt: skip


def sideways(right_m: float) -> RunwayDatabase:
    """The database with the strip moved to the right of the landing direction 07."""
    heading = np.radians(AIRPORT.runway("07").heading_deg)
    move = (float(np.cos(heading) * right_m), float(-np.sin(heading) * right_m), 0.0)
    return apply_corrections(DATABASE, [Correction("XTST", end, *move) for end in ("07", "25")])


def run(folder: Path, frames: pl.DataFrame, database: RunwayDatabase, groups: list[str]) -> Calibration:
    scene = scene_of(frames, database, groups, 8000.0)
    return calibrate(scene, lambda name: folder / f"images/{name}.png", 2)


GROUPS = ["fov", "pitch", "yaw", "roll", "altitude", "lateral", "profile"]


def test_planted_errors_come_back_to_a_tenth(flight: tuple[Path, Poses]) -> None:
    folder, poses = flight
    found = run(folder, stated(poses, 5.0, 0.2, 0.5), sideways(2.0), GROUPS)
    value = decided(found)
    assert value["altitude_m"] == pytest.approx(5.0, rel=0.1)
    assert value["camera.pitch_deg"] == pytest.approx(-0.2, rel=0.1)
    assert value["camera.fov_deg"] == pytest.approx(-0.5, rel=0.1)
    assert value["XTST.07.right_m"] == pytest.approx(-2.0, rel=0.1)
    assert value["XTST.25.right_m"] == pytest.approx(2.0, rel=0.1)
    assert abs(value["camera.yaw_deg"]) < 0.02 and abs(value["camera.roll_deg"]) < 0.1
    assert np.median(np.abs(found.after_px)) < 0.1 < np.median(np.abs(found.before_px))


def test_true_frames_need_no_correction(flight: tuple[Path, Poses]) -> None:
    folder, poses = flight
    found = run(folder, stated(poses), DATABASE, GROUPS)
    wanted = {"m": 0.3, "deg": 0.03}
    for name, value in decided(found).items():
        assert abs(value) < wanted[name.rsplit("_", 1)[-1]] * (4 if "roll" in name else 1), name
    assert np.median(np.abs(found.before_px)) < 0.1


def test_causes_that_move_the_picture_alike_are_named(flight: tuple[Path, Poses]) -> None:
    folder, poses = flight
    found = run(folder, stated(poses, 5.0), DATABASE, ["altitude", "airport-altitude", "lateral"])
    assert any({"altitude_m", "XTST.altitude_m"} <= set(causes) for causes in found.ambiguous)
    total = sum(v for n, v in zip(found.parameters, found.theta, strict=True) if n.endswith("altitude_m"))
    assert total == pytest.approx(5.0, rel=0.1)


def test_outputs_put_the_projection_onto_the_picture(flight: tuple[Path, Poses], tmp_path: Path) -> None:
    folder, poses = flight
    frames, database = stated(poses, 5.0, 0.2, 0.5), sideways(2.0)
    scene = scene_of(frames, database, GROUPS, 8000.0)
    found = calibrate(scene, lambda name: folder / f"images/{name}.png", 2)
    paths = write_outputs(found, scene, frames, database, "test", tmp_path)
    assert all(path.is_file() for path in paths)
    mended = apply_corrections(database, read_corrections(tmp_path / "corrections.csv"))
    written = pl.read_parquet(tmp_path / "frames.parquet")
    assert set(written["runway_db_version"]) == {mended.version} != {database.version}
    again = run(folder, corrected_frames(frames, found), mended, GROUPS)
    assert np.median(np.abs(again.before_px)) < 0.1


def test_what_does_not_fit_corrects_nothing(flight: tuple[Path, Poses], tmp_path: Path) -> None:
    folder, poses = flight
    wobble = np.random.default_rng(5).normal(0, 0.3, N)  # of every frame on its own: no one cause explains it
    frames = stated(poses).with_columns(pitch_deg=pl.Series(poses.pitch_deg + wobble))
    scene = scene_of(frames, DATABASE, ["fov"], 8000.0)
    found = calibrate(scene, lambda name: folder / f"images/{name}.png", 2)
    assert not found.fits
    names = {path.name for path in write_outputs(found, scene, frames, DATABASE, "test", tmp_path)}
    assert "calibration.json" in names and not names & {"corrections.csv", "frames.parquet"}


def test_bad_input_is_refused(flight: tuple[Path, Poses], tmp_path: Path) -> None:
    _, poses = flight
    frames = stated(poses)
    with pytest.raises(DataError, match="unknown; expected some of fov"):
        scene_of(frames, DATABASE, ["focal"], 8000.0)
    with pytest.raises(DataError, match="no runway lies within"):
        scene_of(frames, DATABASE, ["fov"], 10.0)
    scene = scene_of(frames, DATABASE, ["fov"], 8000.0)
    with pytest.raises(DataError, match="no picture that can be read"):
        calibrate(scene, lambda name: tmp_path / f"{name}.png", 1)
    Image.new("L", (64, 64)).save(tmp_path / "small.png")
    with pytest.raises(DataError, match="64x64 px, the frames table says 1024x1024"):
        calibrate(scene, lambda name: tmp_path / "small.png", 1)
    Image.new("L", (1024, 1024), 90).save(tmp_path / "blank.png")
    with pytest.raises(DataError, match="0 runway lines found"):
        calibrate(scene, lambda name: tmp_path / "blank.png", 1)


@pytest.mark.parametrize("outside", [30.0, 110.0, 150.0])
@pytest.mark.parametrize("shift_px", [-1.3, 0.0, 0.6])
def test_ridge_does_not_lean_towards_a_brighter_neighbour(outside: float, shift_px: float) -> None:
    x = np.arange(-8, 8.01, 0.25)
    fine = np.linspace(-12, 12, 9601)
    level = np.where(fine < shift_px - 0.4, outside, np.where(fine < shift_px + 0.4, 230.0, 70.0))
    kernel = np.exp(-0.5 * (np.arange(-1200, 1201) * (fine[1] - fine[0]) / 0.6) ** 2)
    blurred = np.interp(x, fine, np.convolve(level, kernel / kernel.sum(), "same"))
    found = ridge(blurred, 0.8)
    assert found is not None
    assert found * 0.25 - 8 == pytest.approx(shift_px, abs=0.05)


def test_step_follows_its_sign() -> None:
    profile = np.concatenate([np.full(30, 50.0), np.full(40, 150.0), np.full(30, 20.0)])
    assert step(profile, 1.0) == pytest.approx(29.5, abs=0.3)
    assert step(profile, -1.0) == pytest.approx(69.5, abs=0.3)
    assert step(np.full(100, 80.0)) is None


@pytest.mark.parametrize("name", sorted(PAINTS))
@pytest.mark.parametrize("per_m", [-1.2, 0.3, 0.6])
def test_bars_are_found_with_and_without_a_stripe_before_them(name: str, per_m: float) -> None:
    """Against profiles of known shape: the stripe at the threshold is as bright a step as the bars are."""
    paint, rng = PAINTS[name], np.random.default_rng(5)
    x = np.arange(-6.0, 6.01, STEP_PX)

    def painted_between(begin_m: float, end_m: float) -> np.ndarray:
        place = (np.array([begin_m, end_m]) - paint.bars_m[0]) * per_m + true
        return 0.5 * np.abs(np.subtract(*(erf((x - at) / 0.85) for at in place)))

    marks = (np.array(paint.marks_m) - paint.bars_m[0]) * per_m
    for stripe in (None, *paint.across_m):
        for true in (-2.4, 0.3, 2.9):
            profile = 70 + 80 * painted_between(*paint.bars_m) + rng.normal(0, 1.0, len(x))
            if stripe is not None:
                profile += 150 * painted_between(*stripe)
            found = bars(profile, marks)
            assert found is not None
            assert found * STEP_PX - 6.0 == pytest.approx(true, abs=0.1)
    assert bars(np.full(len(x), 80.0), marks) is None


def test_unknown_paint_is_named() -> None:
    with pytest.raises(DataError, match=r"paint 'gold': unknown; expected one of standard, flightgear"):
        paint_of("gold")


def test_lenses_that_bend_are_calibrated_and_checked(tmp_path: Path) -> None:
    """Pictures of a distorting camera: a planted pitch comes back, and labels lie on the paint."""
    lens = replace(Camera.from_fov(1024, 1024, 60.0), k1=-0.25, k2=0.05)
    ground, surface = make_scene(
        tmp_path / "ground", AIRPORT, (4096, 6144), 0.5, 7, fields_and_grass, painted
    )
    along = np.geomspace(250.0, 1600.0, 24)
    spread = np.linspace(-1.0, 1.0, 24)
    poses = pose_of(
        AIRPORT.runway("07"),
        Approaches(along, 1.5 * spread, 3 + 0.5 * spread[::-1], 12 * spread, -3, 6 * spread),
    )
    (tmp_path / "images").mkdir()
    grounds = AIRPORT.runway("07").corners_ecef("wgs84")
    distances = []
    for i in range(24):
        picture = render_frame(ground, surface, poses[i], lens, Conditions(3e4))
        Image.fromarray(picture).save(tmp_path / f"images/f{i:03d}.png")
        corners = project(to_camera(grounds, poses[i])[0], lens)
        camera = {field.name: np.array([float(getattr(lens, field.name))]) for field in fields(Camera)}
        grey, quad = straight(picture.mean(-1).astype(np.float32), camera, corners)
        found = align(grey, quad, 45.0, 2500.0)
        if found is not None:
            distances.append(found.distance_px)
    assert len(distances) >= 4
    assert np.median(distances) < 0.15
    frames = stated(poses, pitch_deg=0.2).with_columns(
        **{field.name: pl.lit(getattr(lens, field.name)) for field in fields(Camera)}
    )
    found = run(tmp_path, frames, DATABASE, ["pitch", "yaw", "roll"])
    assert decided(found)["camera.pitch_deg"] == pytest.approx(-0.2, abs=0.01)
    assert np.median(np.abs(found.after_px)) < 0.1
    unbent = run(tmp_path, frames.drop("k1", "k2", "k3"), DATABASE, ["pitch", "yaw", "roll"])
    assert np.median(np.abs(unbent.after_px)) > 0.3, "a bent picture is no turned one"


def test_a_runway_that_follows_the_land_is_found_out(flight: tuple[Path, Poses]) -> None:
    """The middle of a strip moves by the profile, its thresholds do not; straight runways have none."""
    folder, poses = flight
    found = run(folder, stated(poses), DATABASE, [*GROUPS])
    assert abs(decided(found)["XTST.07-25.sag_m"]) < 0.3
    scene = scene_of(stated(poses), DATABASE, ["profile"], 8000.0)
    views, half = np.arange(3), np.full(3, 0.5)
    moved, level = (project_points(scene, np.array([sag]), views, 0 * half, half) for sag in (2.0, 0.0))
    assert (moved[:, 1] < level[:, 1]).all(), "a middle that lies higher is drawn higher"
    for along in (np.zeros(3), np.ones(3)):
        ends = [project_points(scene, np.array([sag]), views, 0 * half, along) for sag in (2.0, 0.0)]
        np.testing.assert_array_equal(*ends)
    names = {correction.ident for correction in corrections_of(found, DATABASE, "t")}
    assert names <= {"07", "25"}


def test_edges_beside_a_stripe_seen_in_places_are_a_shoulders() -> None:
    def pieces(kind: int, offsets: tuple[float, ...]) -> list[tuple[float, ...]]:
        return [
            (0.0, side, k / 8, 1.0, 0.0, side * offset, float(kind))
            for side in (-1.0, 1.0)
            for k, offset in enumerate(offsets)
        ]

    steps = pieces(1, (1.0, 1.05, 1.1, 1.15))
    assert _of_sides([], steps) == steps, "no stripe is painted"
    assert _of_sides(pieces(0, (3.0,)), steps) == steps, "one that is chance"
    stripes = pieces(0, (0.1, 0.1, 0.12))
    assert _of_sides(stripes, steps) == stripes
    assert _of_sides(pieces(0, (0.1, 4.0, -2.0)), steps) == [], "a stripe, but no straight one"
