"""Pictures made elsewhere: matched without guessing, fitted to the camera, refused with the reason."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from labels_support import database, frames_of
from PIL import Image

from lard.camera import Camera, camera_of, project
from lard.cli import main
from lard.errors import SourceError
from lard.intake.footage.collect import Origin, collect, disagreements, inspect, plan
from lard.intake.footage.fit import Fit, fitted, fitted_camera
from lard.intake.footage.match import match, pictures_in
from lard.tables import FRAMES, MANIFEST, read_table, sha256_file, write_table


def poses(n: int, width: int = 96, height: int = 64) -> pl.DataFrame:
    camera = Camera.from_fov(width, height, 60.0)
    return frames_of(database(), n, camera=camera).sort("frame_id")


def draw(path: Path, seed: int, width: int = 96, height: int = 64) -> None:
    pixels = np.random.default_rng(seed).integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.kron(pixels, np.ones((8, 8, 1), np.uint8))).save(path)


@given(st.integers(1, 40), st.sampled_from([0, 1]), st.integers(1, 4), st.data())
def test_numbers_count_frames_and_a_gap_shifts_nothing(
    n: int, base: int, digits: int, data: st.DataObject
) -> None:
    ids = [f"f{i}" for i in range(n)]
    kept = data.draw(st.sets(st.integers(0, n - 1)))
    kept |= {n - 1} if base else {0}  # what tells where counting began
    pictures = [Path(f"shot_{i + base:0{digits}d}.png") for i in sorted(kept)]
    pairs = match(ids, pictures, "index")
    assert pairs.paths == {f"f{i}": Path(f"shot_{i + base:0{digits}d}.png") for i in kept}
    assert set(pairs.frames_without) == {f"f{i}" for i in range(n) if i not in kept}
    assert pairs.pictures_without == ()


def test_names_match_whatever_their_padding() -> None:
    pictures = [Path(f"KATL_{i:03d}.png") for i in range(3)] + [Path("other_7.png")]
    pairs = match(["KATL_0", "KATL_1", "KATL_2", "KATL_3"], pictures, "auto")
    assert pairs.how == "name"
    assert pairs.paths["KATL_2"] == Path("KATL_002.png")
    assert pairs.frames_without == ("KATL_3",) and pairs.pictures_without == (Path("other_7.png"),)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["a_3.png", "a_4.png"], "neither counted from 0 nor from 1"),
        (["cat.png", "dog.png"], "no number in its name"),
        (["a_01.png", "b_1.png"], "carry the same number"),
        (["a_01.png", "a_1.png"], "two pictures of one name"),
    ],
)
def test_what_cannot_be_told_is_refused(names: list[str], text: str) -> None:
    with pytest.raises(SourceError, match=text):
        match([f"f{i}" for i in range(10)], [Path(name) for name in names], "index")


def test_trim_window_and_crop_give_the_camera_that_sees_the_picture() -> None:
    """A known scene seen through a window, stretched and framed by a replay tool, comes back in place."""
    window = Camera.from_fov(384, 212, 73.0)
    rng = np.random.default_rng(1)
    points = np.column_stack([rng.uniform(-0.6, 0.6, 40), rng.uniform(-0.3, 0.3, 40), np.ones(40)])
    stretched = Image.new("RGB", (256, 256))
    pixels = np.zeros((212, 384, 3), np.uint8)
    at = project(points, window)
    for x, y in at:
        pixels[int(y), int(x)] = 255
    stretched = Image.fromarray(pixels).resize((256, 256), Image.Resampling.BOX)
    framed = np.zeros((256 + 38, 256, 3), np.uint8)
    framed[38:] = np.asarray(stretched)
    stated = Camera.from_fov(256, 256, 60.0)
    fit = Fit((38, 0, 0, 0), (384, 212), 73.0, (10, 0, 10, 0))
    camera = fitted_camera(stated, fit)
    picture = fitted(framed, stated, fit, "shot")
    assert picture.shape == (camera.height_px, camera.width_px, 3)
    assert camera.fov_deg[0] == pytest.approx(73.0)
    inside = project(points, camera)
    inside = inside[(inside[:, 1] > 2) & (inside[:, 1] < camera.height_px - 2)]
    grey = picture.max(axis=-1)
    for x, y in inside:
        near = grey[max(int(y) - 1, 0) : int(y) + 2, max(int(x) - 1, 0) : int(x) + 2]
        assert near.max() > 20, (x, y)


def test_a_stretch_needs_size_and_field_of_view() -> None:
    with pytest.raises(SourceError, match="both the window's size and its horizontal field of view"):
        Fit(window_px=(1920, 1080))
    with pytest.raises(SourceError, match="leaves nothing"):
        fitted_camera(Camera.from_fov(64, 64, 60), Fit(crop=(40, 0, 40, 0)))


def test_inspection_names_every_fault(tmp_path: Path) -> None:
    frames = poses(5)
    ids = frames["frame_id"].to_list()
    for i, name in enumerate(ids):
        draw(tmp_path / f"{name}.png", min(i, 1))  # the last four show the same
    Image.new("RGB", (96, 64), (9, 9, 9)).save(tmp_path / f"{ids[2]}.png")
    draw(tmp_path / f"{ids[3]}.png", 9, 128, 64)
    (tmp_path / f"{ids[4]}.png").write_bytes(b"not a picture")
    found = inspect(frames, plan(frames, tmp_path, "auto"), Fit(), 2)
    assert [len(part) for part in (found.unreadable, found.misfits, found.blank, found.repeated)] == [
        1,
        1,
        1,
        0,
    ]
    draw(tmp_path / f"{ids[3]}.png", 1)
    assert "a frozen view" in inspect(frames, plan(frames, tmp_path, "auto"), Fit(), 2).repeated[0]


def test_untouched_jpeg_keeps_its_bytes_and_bands_move_the_camera(tmp_path: Path) -> None:
    frames, db = poses(3), database()
    for i, name in enumerate(frames["frame_id"]):
        draw(tmp_path / f"shots/{name}.jpg", i)
    pairs = plan(frames, tmp_path / "shots", "auto")
    origin = Origin("globe", "1", "CC0", "somebody")
    manifest = collect(frames, pairs, Fit(), origin, db, tmp_path / "a", 2, watermark_px=8)
    for row in manifest.iter_rows(named=True):
        assert row["sha256"] == sha256_file(pairs.paths[row["frame_id"]])
        assert row["source"] == "globe" and row["attribution"] == "somebody"
    assert read_table(tmp_path / "a/frames.parquet", FRAMES)["watermark_px"].to_list() == [8, 8, 8]
    collect(frames, pairs, Fit(crop=(8, 0, 8, 0)), origin, db, tmp_path / "b", 2)
    camera = camera_of(read_table(tmp_path / "b/frames.parquet", FRAMES))
    assert (camera.height_px, camera.cy_px) == (48, 24.0)
    assert camera.fx_px == camera_of(frames).fx_px


def test_command_shows_pairs_refuses_misfits_and_writes(tmp_path: Path) -> None:
    frames = poses(4)
    write_table(frames, tmp_path / "frames.parquet", FRAMES)
    for i in range(4):
        draw(tmp_path / f"shots/shot_{i:03d}.png", i)
    base = ["footage", str(tmp_path / "shots"), "--poses", str(tmp_path / "frames.parquet")]
    dry = CliRunner().invoke(main, [*base, "--dry-run"])
    assert dry.exit_code == 0, dry.output
    assert "shot_002.png" in dry.output and "all fits" in dry.output
    done = CliRunner().invoke(main, [*base, "--out", str(tmp_path / "data")])
    assert done.exit_code == 0, done.output
    assert len(read_table(tmp_path / "data/manifest.parquet", MANIFEST)) == 4
    (tmp_path / "shots/shot_002.png").unlink()
    missing = CliRunner().invoke(main, [*base, "--out", str(tmp_path / "data2")])
    assert missing.exit_code == 2 and "1 frames without a picture" in missing.output
    assert not (tmp_path / "data2").exists()
    left = CliRunner().invoke(main, [*base, "--out", str(tmp_path / "data2"), "--allow-missing"])
    assert left.exit_code == 0, left.output
    assert len(read_table(tmp_path / "data2/frames.parquet", FRAMES)) == 3
    for option in (["--window", "12"], ["--trim", "1,2"]):
        assert CliRunner().invoke(main, [*base, "--dry-run", *option]).exit_code == 2


def test_poses_are_compared_with_what_was_asked_for() -> None:
    asked = poses(4)
    assert disagreements(asked, asked) == []
    for change, text in (
        ({"alt_m": pl.col("alt_m") + 3}, "position of 4 frames .* by 3 m"),
        ({"yaw_deg": pl.col("yaw_deg") + 360.5}, "yaw of 4 frames .* by 0.5 degrees"),
        ({"fx_px": pl.col("fx_px") * 1.05}, "field of view of 4 frames"),
    ):
        (fault,) = disagreements(asked.with_columns(**change), asked)
        assert re.search(text, fault)
    assert "3 poses, 4 were asked for" in disagreements(asked[:3], asked)[0]


def test_folder_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such folder"):
        pictures_in(tmp_path / "none")
    with pytest.raises(SourceError, match="no picture"):
        pictures_in(tmp_path)
