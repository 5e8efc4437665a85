"""`lard view`: the scene in metres against the geometry's own way, and a recording that reads back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from explorer_support import write_results, write_toy

from lard.airports import load_shipped
from lard.approach import runway_frame
from lard.camera import Poses, camera_of_row, project, to_camera
from lard.cli import main
from lard.errors import DataError
from lard.geodesy import from_enu, geodetic_from_ecef
from lard.report import live
from lard.report.scene import cameras, nominal_path, origin_of, runway_outline, zone_edges

APEXES = (0.0, 305.0)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("live") / "toy"
    write_toy(root, 12)
    return root


def test_runways_have_their_size_and_cameras_see_them_where_labels_are(toy: Path) -> None:
    """Pixels by the scene's rotation and position are those of the projection that labels come from."""
    frames = pl.read_parquet(toy / "frames.parquet")
    for (code,), own in frames.partition_by("airport", as_dict=True).items():
        airport = load_shipped().airport(str(code))
        origin, earth = origin_of(airport), own["earth_model"][0]
        positions, rotations = cameras(own, origin)
        for k, frame in enumerate(own.iter_rows(named=True)):
            runway = airport.runway(frame["runway"])
            outline = runway_outline(runway, origin, earth)
            assert np.linalg.norm(outline[0] - outline[1]) == pytest.approx(runway.width_m, rel=1e-3)
            camera = camera_of_row(frame)
            seen = (outline - positions[k]) @ rotations[k]
            direct = to_camera(runway.corners_ecef(earth), Poses.from_frames(own[k : k + 1]))
            assert seen == pytest.approx(direct[0], abs=1e-6)
            assert project(seen[None], camera) == pytest.approx(project(direct, camera), abs=1e-5)


def test_zones_and_paths_lie_at_their_distances_and_angles() -> None:
    runway = load_shipped().airport("LFPO").runway("24")
    bounds = {"along_track_m": (500.0, 4000.0), "lateral_deg": (-3.0, 3.0), "vertical_deg": (2.0, 5.0)}
    origin = runway.ltp
    edges = zone_edges(runway, bounds, APEXES, origin)
    assert len(edges) == 12
    points = np.concatenate(edges)
    lat, lon, alt = geodetic_from_ecef(from_enu(points, *origin, runway.earth), runway.earth)
    level = np.zeros(len(points))
    along, cross, up = runway_frame(runway, Poses(lat, lon, alt, level, level, level, runway.earth))
    assert (along.min(), along.max()) == pytest.approx((500, 4000), abs=0.01)
    assert np.degrees(np.arctan2(cross, along)).max() == pytest.approx(3.0, abs=1e-4)
    assert np.degrees(np.arctan2(up, np.hypot(along + 305, cross))).min() == pytest.approx(2.0, abs=1e-4)
    path = nominal_path(runway, 3.0, 6000.0, APEXES, origin)
    # 305 m beyond the threshold is where a path of 3 degrees meets the runway's plane
    assert path[-1, 2] == pytest.approx(305 * np.tan(np.radians(3.0)), abs=0.02)
    assert np.linalg.norm(path[0, :2]) == pytest.approx(6000, rel=1e-3)


def test_without_the_extra_one_line_names_it(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rerun", None)
    told = CliRunner().invoke(main, ["view", str(toy), "--save", "x.rrd"])
    assert told.exit_code == 2
    assert told.output.count("\n") == 1 and "lard[view]" in told.output


def test_recordings_have_their_ending(toy: Path) -> None:
    told = CliRunner().invoke(main, ["view", str(toy), "--save", "x.mp4"])
    assert told.exit_code == 2 and "recordings end in .rrd" in told.output


def rows_of(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Rows of a recording by entity, as the package itself reads them."""
    from rerun.chunk import RrdReader

    found: dict[str, list[dict[str, Any]]] = {}
    for chunk in RrdReader(path).stream():
        found.setdefault(chunk.entity_path, []).extend(chunk.to_record_batch().to_pylist())
    return found


def values(rows: list[dict[str, Any]], component: str) -> dict[int, Any]:
    """What an entity holds of a component, by frame."""
    return {
        row["frame"]: value
        for row in rows
        for name, value in row.items()
        if name.endswith(component) and value is not None and row.get("frame") is not None
    }


def test_a_recording_reads_back(toy: Path, tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    detections = write_results(toy, tmp_path / "mine.json")
    file = tmp_path / "toy.rrd"
    command = [
        "view",
        str(toy),
        "--results",
        str(tmp_path / "mine.json"),
        "--score",
        "0.3",
        "--save",
        str(file),
    ]
    told = CliRunner().invoke(main, command)
    assert told.exit_code == 0, told.output
    assert "12 frames of 4 airports" in told.output
    rows = rows_of(file)
    frames = pl.read_parquet(toy / "frames.parquet").sort("airport", "frame_id")
    labels = pl.read_parquet(toy / "labels.parquet").filter(pl.col("visible_fraction") > 0)
    pictures, polygons, boxes = 0, 0, 0
    places = {name: k for k, name in enumerate(frames["frame_id"].to_list())}
    for code in frames["airport"].unique().to_list():
        blobs = values(rows[f"/{code}/camera/picture"], "EncodedImage:blob")
        pictures += len(blobs)
        for k, blob in blobs.items():
            source = toy / "images" / f"{frames['frame_id'][k]}.jpg"
            assert bytes(blob[0]) == source.read_bytes()
        strips = values(rows[f"/{code}/camera/picture/labels"], "LineStrips2D:strips")
        polygons += sum(map(len, strips.values()))
        seen = rows.get(f"/{code}/camera/picture/detections/mine", [])
        boxes += sum(map(len, values(seen, "Boxes2D:half_sizes").values()))
        assert f"/{code}/runways" in {name.rsplit("/", 1)[0] for name in rows}
        assert any(name.startswith(f"/{code}/zones/") for name in rows), "the toy's spec has zones"
    assert pictures == len(places) == 12
    assert polygons == labels["polygon"].list.len().gt(0).sum()
    assert boxes == sum(row["score"] >= 0.3 for row in detections)


def test_sequences_play_one_after_the_other_at_their_pace() -> None:
    table = pl.DataFrame(
        {
            "frame_id": list("abcde"),
            "sequence": ["s", "s", "t", "t", None],
            "time_s": [10.0, 10.5, 0.0, 2.0, None],
        }
    )
    at = live.flight_times(table)
    assert at == {"a": 0.0, "b": 0.5, "c": 0.5 + live.PAUSE_S, "d": 2.5 + live.PAUSE_S, "e": None}
    assert live.flight_times(table.drop("sequence")) == dict.fromkeys("abcde")


def test_frames_of_unknown_airports_are_refused(toy: Path, tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    frames = pl.read_parquet(toy / "frames.parquet").with_columns(airport=pl.lit("ZZZZ"))
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("labels.parquet", "dataset.json"):
        (broken / name).write_bytes((toy / name).read_bytes())
    frames.write_parquet(broken / "frames.parquet")
    with pytest.raises(DataError, match="--runways"):
        live.view(broken, save=tmp_path / "x.rrd")
    assert not (tmp_path / "x.rrd").exists()


def test_damaged_pictures_are_told_and_left_out(toy: Path, tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    copy = Path(shutil.copytree(toy, tmp_path / "copy"))
    secret = tmp_path / "secret"
    secret.write_text("not for others")
    first, second, third, *_ = sorted((copy / "images").iterdir())
    first.unlink()
    first.symlink_to(secret)
    second.write_bytes(second.read_bytes()[:300])
    third.unlink()
    told = CliRunner().invoke(main, ["view", str(copy), "--save", str(tmp_path / "copy.rrd")])
    assert told.exit_code == 0, told.output
    assert "3 of 12 pictures cannot be shown (first: " in told.stderr
    assert b"not for others" not in (tmp_path / "copy.rrd").read_bytes()
    rows = rows_of(tmp_path / "copy.rrd")
    cameras = [name for name in rows if name.endswith("/camera/picture")]
    shown = sum(len(values(rows[name], "EncodedImage:blob")) for name in cameras)
    lenses = sum(len(values(rows[name], "Pinhole:resolution")) for name in cameras)
    assert (shown, lenses) == (9, 12)
