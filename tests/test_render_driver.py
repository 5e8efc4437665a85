"""The render driver: resumes, repairs, removes what is stale, same bytes whatever the workers."""

import errno
import hashlib
import json
import os
import signal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import rasterio
from PIL import Image
from render_scene import make_airport, make_scene

from lard.airports.model import RunwayDatabase
from lard.approach import Approaches, pose_of
from lard.camera import Camera
from lard.errors import DataError, LardError, SourceError, Unfinished
from lard.render.driver import RenderSettings, render_frames
from lard.render.journal import journal_line
from lard.tables import FRAMES, MANIFEST, read_table
from lard.workers import run_tasks, workers_of

AIRPORT = make_airport()
DB = RunwayDatabase("test", "1", "wgs84", "ellipsoidal", {"XTST": AIRPORT})


def frames_table(n: int = 6) -> pl.DataFrame:
    camera = Camera.from_fov(96, 64, 60)
    along = np.linspace(300, 3000, n)
    approach = Approaches(along, 0.5, 3.0, 0.2, -3.0, 5.0)
    poses = pose_of(AIRPORT.runway("07"), approach)
    names = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")
    columns = {name: getattr(poses, name) for name in names}
    fixed = {
        "airport": "XTST", "runway": "07", "zone": "near", "split": "train", "earth_model": "wgs84",
        "altitude_datum": "ellipsoidal", "visibility_m": 15000.0, "time_utc": "2024-06-01T12:00:00Z",
        "seed": 3,
        "vertical_deg": 3.0, "lateral_deg": 0.5, "yaw_offset_deg": 0.2,
        **{name: getattr(camera, name) for name in Camera.__dataclass_fields__},
    }  # fmt: skip
    table = pl.DataFrame(
        {"frame_id": [f"XTST_07_{i:04d}" for i in range(n)], "along_track_m": along, **columns}
    )
    return table.with_columns(**{name: pl.lit(value) for name, value in fixed.items()})


@pytest.fixture(scope="module")
def ground_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ground")
    make_scene(root / "XTST", AIRPORT, size=(512, 512), gsd_m=8.0, levels=3)
    return root


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_writes_the_dataset_and_keeps_it(tmp_path: Path, ground_root: Path) -> None:
    frames, out = frames_table(), tmp_path / "ortho"
    manifest = render_frames(frames, ground_root, out, 1, DB)
    assert manifest["frame_id"].to_list() == sorted(frames["frame_id"])
    assert read_table(out / "manifest.parquet", MANIFEST).equals(manifest)
    assert len(read_table(out / "frames.parquet", FRAMES)) == 6
    before = {path: path.stat().st_mtime_ns for path in (out / "images").iterdir()}
    first = hashes(out)
    render_frames(frames, ground_root, out, 1, DB)
    assert {path: path.stat().st_mtime_ns for path in (out / "images").iterdir()} == before
    assert hashes(out) == first


def test_linked_folders_are_read(tmp_path: Path, ground_root: Path) -> None:
    """Data on scratch: ground, one airport of it and finished images/ may be links; nothing is drawn again.

    A picture that is to be written is not put through a link that leads out of the dataset.
    """
    frames, out, scratch = frames_table(2), tmp_path / "ortho", tmp_path / "scratch"
    first = render_frames(frames, ground_root, out, 1, DB)
    linked = tmp_path / "ground"
    linked.mkdir()
    (linked / "XTST").symlink_to(ground_root / "XTST")
    (out / "images").rename(scratch)
    (out / "images").symlink_to(scratch)
    before = {path: path.stat().st_mtime_ns for path in scratch.iterdir()}
    assert render_frames(frames, linked, out, 1, DB).equals(first)
    assert {path: path.stat().st_mtime_ns for path in scratch.iterdir()} == before
    (tmp_path / "all").symlink_to(linked)
    assert render_frames(frames, tmp_path / "all", tmp_path / "other", 1, DB).equals(first)
    min(scratch.iterdir()).unlink()
    with pytest.raises(Unfinished, match=r"images: is a link to .*scratch, outside"):
        render_frames(frames, linked, out, 1, DB)
    assert len(list(scratch.iterdir())) == 1
    outward = frames.with_columns(airport=pl.lit("../ground/XTST"))
    with pytest.raises(LardError):
        render_frames(outward, linked, tmp_path / "outward", 1, DB)


def test_repairs_what_a_killed_run_left(tmp_path: Path, ground_root: Path) -> None:
    frames, out = frames_table(), tmp_path / "ortho"
    render_frames(frames, ground_root, out, 1, DB)
    first = hashes(out)
    images = sorted((out / "images").iterdir())
    images[0].write_bytes(images[0].read_bytes()[:500])
    images[1].unlink()
    (out / "images" / ".XTST_07_0002.abc.tmp.jpg").write_bytes(b"half")
    (out / "images" / "OLD_01_0000.jpg").write_bytes(b"stale")
    journal = out / "render_journal.jsonl"
    stale = journal_line("OLD_01_0000", "key", hashlib.sha256(b"stale").hexdigest())
    journal.write_text(stale + journal.read_text()[:-40])
    (out / "manifest.parquet").unlink()
    render_frames(frames, ground_root, out, 1, DB)
    assert hashes(out) == first


def test_changed_inputs_are_rendered_again(tmp_path: Path, ground_root: Path) -> None:
    frames, out = frames_table(), tmp_path / "ortho"
    first = render_frames(frames, ground_root, out, 1, DB)
    changed = frames.with_columns(
        visibility_m=pl.when(pl.col("frame_id") == "XTST_07_0003").then(4000.0).otherwise("visibility_m")
    )
    second = render_frames(changed, ground_root, out, 1, DB)
    assert (first["sha256"] != second["sha256"]).arg_true().to_list() == [3]
    fewer = render_frames(frames[:2], ground_root, out, 1, DB)
    assert len(list((out / "images").iterdir())) == len(fewer) == 2


def test_same_bytes_for_processes_and_shards(tmp_path: Path, ground_root: Path) -> None:
    frames = frames_table()
    render_frames(frames, ground_root, tmp_path / "one", 1, DB)
    render_frames(frames, ground_root, tmp_path / "two", "2", DB)
    for shard in range(3):
        render_frames(frames, ground_root, tmp_path / "shards", 1, DB, shard=(shard, 3))
    images = {path: path.stat().st_mtime_ns for path in (tmp_path / "shards" / "images").iterdir()}
    assert len(images) == 6
    render_frames(frames, ground_root, tmp_path / "shards", 1, DB)
    assert {path: path.stat().st_mtime_ns for path in images} == images
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two") == hashes(tmp_path / "shards")


def test_bad_input_is_named(tmp_path: Path, ground_root: Path) -> None:
    frames, out = frames_table(), tmp_path / "out"
    with pytest.raises(SourceError, match=r"XTST.manifest.json: no ground imagery for XTST"):
        render_frames(frames, tmp_path, out, 1, DB)
    with pytest.raises(DataError, match="empty"):
        render_frames(frames[:0], ground_root, out, 1, DB)
    with pytest.raises(DataError, match="XTST_07_0000 occurs more than once"):
        render_frames(pl.concat([frames, frames[:1]]), ground_root, out, 1, DB)
    with pytest.raises(DataError, match="pitch_deg of frame XTST_07_0000 is nan"):
        render_frames(frames.with_columns(pitch_deg=float("nan")), ground_root, out, 1, DB)
    with pytest.raises(Unfinished, match=r"frame XTST_07_0000: the camera lies .* below the ground"):
        render_frames(frames.with_columns(alt_m=-50.0), ground_root, out, 1, DB)
    with pytest.raises(DataError, match=r"render\.jpeg_qualty: unknown"):
        RenderSettings.of_params({"jpeg_qualty": 90})
    assert not (out / "manifest.parquet").exists()


def test_conditions_are_part_of_a_frames_picture_and_key(tmp_path: Path, ground_root: Path) -> None:
    frames, out = frames_table(), tmp_path / "ortho"
    first = render_frames(frames, ground_root, out, 1, DB)
    third = pl.col("frame_id") == "XTST_07_0003"
    values = {
        "sun_elevation_deg": -20.0, "rain_mm_h": 4.0, "fog_top_m": 50.0, "shutter_ms": 20.0,
        "watermark_px": 8,
        "jpeg_quality": 40, "exposure_ev": 1.0, "noise_grey": 6.0, "cloud_fraction": 0.9, "defocus_px": 1.5,
    }  # fmt: skip
    for name, value in values.items():
        only = pl.when(third).then(value).otherwise(None)
        changed = frames.with_columns(only.alias(name))
        if name == "shutter_ms":
            changed = changed.with_columns(roll_rate_deg_s=pl.lit(40.0))
        got = render_frames(changed, ground_root, out, 1, DB)
        assert (first["sha256"] != got["sha256"]).arg_true().to_list() == [3], name
    means = []
    for stops in (0.0, -1.0):
        render_frames(frames.with_columns(exposure_ev=pl.lit(stops)), ground_root, out, 1, DB)
        with Image.open(out / "images" / "XTST_07_0003.jpg") as image:
            means.append(np.asarray(image).mean())
    assert means[1] / means[0] == pytest.approx(2 ** (-1 / 2.2), rel=0.02)
    night = frames.with_columns(sun_elevation_deg=pl.lit(-20.0), light=pl.lit("night"))
    render_frames(night, ground_root, out, 1, DB)
    with Image.open(out / "images" / "XTST_07_0003.jpg") as dark:
        assert np.asarray(dark).mean() < 30
    again = {path.name: path.stat().st_mtime_ns for path in (out / "images").iterdir()}
    render_frames(night, ground_root, out, 1, DB)
    assert again == {path.name: path.stat().st_mtime_ns for path in (out / "images").iterdir()}


def test_a_full_disk_is_told_and_nothing_half_written_counts(
    tmp_path: Path, ground_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames, out = frames_table(), tmp_path / "ortho"
    whole, written = Path.write_bytes, []

    def write_until_full(path: Path, data: bytes) -> int:
        if len(written) == 5:
            whole(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        written.append(path)
        return whole(path, data)

    monkeypatch.setattr(Path, "write_bytes", write_until_full)
    with pytest.raises(SourceError, match=r"images.XTST_07_0005.jpg: cannot be written \(the disk is full\)"):
        render_frames(frames, ground_root, out, 1, DB)
    monkeypatch.undo()
    assert not (out / "manifest.parquet").exists()
    assert len(list((out / "images").glob("*.jpg"))) == 5, "the picture cut short is gone"
    kept = {path: path.stat().st_mtime_ns for path in sorted((out / "images").iterdir())[:4]}
    manifest = render_frames(frames, ground_root, out, 1, DB)
    assert len(manifest) == 6
    assert kept == {path: path.stat().st_mtime_ns for path in kept}


def test_contradictory_frames_are_refused_before_the_work(tmp_path: Path, ground_root: Path) -> None:
    frames, out = frames_table(), tmp_path / "out"
    wrong = frames.with_columns(light=pl.lit("night"), sun_elevation_deg=pl.lit(40.0))
    with pytest.raises(
        DataError, match=r"sun_elevation_deg of frame XTST_07_0000 is 40.0; .* its light is 'night'"
    ):
        render_frames(wrong, ground_root, out, 1, DB)
    with pytest.raises(DataError, match="jpeg_quality of frame XTST_07_0000 is 0; expected from 1 to 100"):
        render_frames(frames.with_columns(jpeg_quality=pl.lit(0)), ground_root, out, 1, DB)
    with pytest.raises(DataError, match="fog_top_m of frame XTST_07_0000 is nan"):
        render_frames(frames.with_columns(fog_top_m=pl.lit(float("nan"))), ground_root, out, 1, DB)


def test_an_empty_coefficient_is_a_lens_that_does_not_bend(tmp_path: Path, ground_root: Path) -> None:
    """Frames of an ideal and of a bending lens in one table, the ideal one's cells left empty."""
    frames = frames_table(2)
    plain = render_frames(frames, ground_root, tmp_path / "plain", 1, DB)
    lenses = [pl.Series(name, [None, value]) for name, value in (("k1", -0.1), ("k2", 0.02), ("k3", 0.0))]
    mixed = render_frames(frames.with_columns(lenses), ground_root, tmp_path / "mixed", 1, DB)
    same = [a == b for a, b in zip(plain["sha256"], mixed["sha256"], strict=True)]
    assert same == [True, False]


def test_far_too_coarse_ground_is_refused_unless_allowed(tmp_path: Path) -> None:
    make_scene(tmp_path / "XTST", AIRPORT, size=(256, 256), gsd_m=64.0, levels=2)
    frames = frames_table(2)
    with pytest.raises(SourceError, match="XTST: ground imagery of 64 m per pixel"):
        render_frames(frames, tmp_path, tmp_path / "out", 1, DB)
    assert len(render_frames(frames, tmp_path, tmp_path / "out", 1, DB, coarse=True)) == 2


def test_a_terrain_model_changes_pictures_and_their_keys(tmp_path: Path, ground_root: Path) -> None:
    frames, out = frames_table(3), tmp_path / "ortho"
    db = RunwayDatabase("test", "1", "wgs84", "msl", {"XTST": AIRPORT})
    seen = {tuple(render_frames(frames, ground_root, out, 1, db)["sha256"])}
    lon, lat = np.meshgrid(np.linspace(7.0, 9.0, 241), np.linspace(48.0, 46.0, 241))
    profile = {
        "driver": "GTiff", "width": 241, "height": 241, "count": 1, "dtype": "float32", "crs": "EPSG:4326",
        "transform": rasterio.Affine(2 / 241, 0, 7, 0, -2 / 241, 48),
    }  # fmt: skip
    for height_m in (60.0, 90.0):
        dem = tmp_path / f"hills_{height_m:.0f}.tif"
        with rasterio.open(dem, "w", **profile) as raster:
            raster.write((height_m * np.sin(lat * 300) * np.sin(lon * 200)).astype(np.float32), 1)
        seen.add(tuple(render_frames(frames, ground_root, out, 1, db, dem=dem)["sha256"]))
        kept = {path: path.stat().st_mtime_ns for path in (out / "images").iterdir()}
        render_frames(frames, ground_root, out, 1, db, dem=dem)
        assert kept == {path: path.stat().st_mtime_ns for path in kept}
    assert len(seen) == 3


def test_damaged_ground_is_named(tmp_path: Path) -> None:
    make_scene(tmp_path / "XTST", AIRPORT, size=(256, 256), gsd_m=8.0, levels=2)
    tile = tmp_path / "XTST" / "level0_000_000.tif"
    tile.write_bytes(tile.read_bytes()[:-9])
    with pytest.raises(Unfinished, match=r"frame XTST_07_0000: .*level0_000_000.tif: damaged"):
        render_frames(frames_table(1), tmp_path, tmp_path / "out", 1, DB)
    manifest = tmp_path / "XTST" / "manifest.json"
    broken = json.loads(manifest.read_text())
    del broken["levels"][0]["gsd_m"]
    manifest.write_text(json.dumps(broken))
    with pytest.raises(SourceError, match="level 0: lacks gsd_m"):
        render_frames(frames_table(1), tmp_path, tmp_path / "out", 1, DB)


def test_workers_are_bounded_and_checked() -> None:
    with pytest.raises(LardError, match="workers is 'many'"):
        workers_of("many")
    assert sorted(run_tasks(workers_of(1), abs, range(-5, 0))) == [1, 2, 3, 4, 5]
    with pytest.raises(TypeError):
        list(run_tasks(workers_of(1), abs, ["text"]))


def die_once(task: tuple[str, int]) -> int:
    """The number of a task, after the process that is first to take number 3 has been killed."""
    mark, number = Path(task[0]), task[1]
    if number == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die(_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_tasks_of_a_killed_worker_are_done_by_another(tmp_path: Path) -> None:
    tasks = [(str(tmp_path / "killed"), number) for number in range(9)]
    assert sorted(set(run_tasks(workers_of(2), die_once, tasks))) == list(range(9))
    assert (tmp_path / "killed").exists()


def test_what_kills_every_worker_ends_in_a_sentence() -> None:
    with pytest.raises(LardError, match="2 processes: workers were lost 4 times in a row, killed from out"):
        list(run_tasks(workers_of(2), die, range(3)))


def test_pictures_that_a_worker_wrote_elsewhere_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_scene(tmp_path / "XTST", AIRPORT, size=(256, 256), gsd_m=8.0, levels=2)
    monkeypatch.setattr(
        "lard.render.driver.render_task", lambda task: [(task.frames[0]["frame_id"], "0" * 64, "")]
    )
    with pytest.raises(SourceError, match=r"rendered by a worker \(this process\) and not here"):
        render_frames(frames_table(1), tmp_path, tmp_path / "out", 1, DB)
    assert not (tmp_path / "out/manifest.parquet").exists()
