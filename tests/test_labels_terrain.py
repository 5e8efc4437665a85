"""What land hides counts: in the visible share, in verdicts and exports; and its datum is the runways'."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from labels_support import database, frames_of
from shapely.geometry import Polygon, box
from terrain_land import write_land
from test_terrain_dem import geoid_grid

from lard.airports.table import write_table_folder
from lard.camera import Camera, Poses, camera_of, project, to_camera
from lard.cli import main
from lard.export.coco import coco_dataset
from lard.geodesy import geodesic_inverse
from lard.labels import label_frames
from lard.labels.occlusion import MOST_HIDDEN, SURFACE_SHARES, hidden_in_picture, surface_points
from lard.odd import OddSpec, load_spec
from lard.quality import Odd, load_dataset
from lard.quality.checks.coverage import verdicts_true
from lard.quality.checks.outlines import visibility_true
from lard.tables import FRAMES, LABELS, read_table, write_table

DB = database()
END = DB.airport("KXYZ").runway("09L")


@pytest.fixture(scope="module")
def spec() -> OddSpec:
    return load_spec("lard_v2")


def far_half_hidden(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Land that stands on the airfield beyond 1500 m of the threshold of 09L: behind it all is hidden."""
    distance = geodesic_inverse(END.ltp[0], END.ltp[1], lat, lon)[2]
    return np.where((lon > END.ltp[1]) & (distance > 1500.0), 900.0, 200.0)


@pytest.mark.parametrize("along_m", [500.0, 3000.0])
def test_the_hidden_share_is_that_of_the_area_in_the_picture(along_m: float) -> None:
    frames = frames_of(DB, 10, runway="09L", along_m=(along_m, along_m + 1.0)).filter(
        pl.col("frame_id").str.contains("_09L_")
    )
    poses, camera = Poses.from_frames(frames), camera_of(frames)
    corners = to_camera(END.corners_ecef()[None], poses)
    tl, tr, br, bl = corners[0]
    rows = surface_points(np.array([[0.0, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]]))[:, 1]
    picture = box(0, 0, camera.width_px, camera.height_px)

    def area(a: float, b: float) -> float:
        quad = np.array([bl + a * (tl - bl), br + a * (tr - br), br + b * (tr - br), bl + b * (tl - bl)])
        return Polygon(project(quad, camera)).intersection(picture).area

    for least, most in ((0.0, 0.004), (0.0, 0.02), (0.0, 0.3), (0.5, 1.0)):
        share = hidden_in_picture(((rows > least) & (rows < most))[None], corners, camera)[0]
        assert share == pytest.approx(area(least, most) / area(0.0, 1.0), abs=0.04)


def test_surface_points_stand_for_the_quadrilateral() -> None:
    corners = np.array([[0.0, 10.0, 0.0], [2.0, 10.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    points = surface_points(corners)
    assert len(points) == len(SURFACE_SHARES) and SURFACE_SHARES.sum() == pytest.approx(1.0)
    assert np.allclose(SURFACE_SHARES @ points, [1, 5, 0], atol=0.01)
    assert np.allclose(surface_points(np.stack([corners, corners + 1]))[1], points + 1)


def test_no_point_in_the_picture_falls_back_to_the_whole() -> None:
    camera = Camera.from_fov(100, 100, 60.0)
    aside = np.array([[[500.0, 0, 100], [510, 0, 100], [510, 0, 50], [500, 0, 50]]])
    hidden = np.zeros((1, len(SURFACE_SHARES)), bool)
    hidden[0, :9] = True
    assert hidden_in_picture(hidden, aside, camera)[0] == pytest.approx(SURFACE_SHARES[:9].sum())


def test_hidden_parts_count_in_visible_fraction_verdict_and_coco(spec: OddSpec, tmp_path: Path) -> None:
    frames = frames_of(DB, 40, along_m=(500.0, 6000.0))
    plain = label_frames(frames, DB, spec)
    labels = label_frames(frames, DB, spec, far_half_hidden)
    share = labels["hidden_fraction"].to_numpy()
    assert ((share > 0) & (share < 1)).any() and (share > MOST_HIDDEN).any()
    expected = plain["visible_fraction"].to_numpy() * (1 - share)
    np.testing.assert_allclose(labels["visible_fraction"].to_numpy(), expected)
    mostly = labels.filter(pl.col("hidden_fraction") > MOST_HIDDEN)
    assert set(mostly["verdict"]) == {"OUT_OF_ODD"}
    assert (plain["verdict"] == labels["verdict"]).to_numpy()[share <= MOST_HIDDEN].all()
    assert (plain["verdict"] != labels["verdict"]).any()
    notes = {
        (n["airport"], n["image_id"], n["runway"]): n for n in coco_dataset(frames, labels, {})["annotations"]
    }
    assert len(notes) == (expected > 0).sum()
    ids = {name: k for k, name in enumerate(sorted(frames["frame_id"]), start=1)}
    for row in mostly.filter(pl.col("visible_fraction") > 0).iter_rows(named=True):
        assert notes[row["airport"], ids[row["frame_id"]], row["runway"]]["iscrowd"] == 1
    # the requirements judge what the land left
    write_table(frames, tmp_path / "frames.parquet", FRAMES)
    write_table(labels, tmp_path / "labels.parquet", LABELS)
    data = load_dataset(tmp_path)
    data.database, data.odd = DB, Odd.from_spec(spec, "lard_v2.yaml")
    assert visibility_true(data, {"tolerance": 0.01, "max_box_px": 0.1}).passed
    assert verdicts_true(data, {"slack": 1e-6}).passed
    wrong = labels.with_columns(hidden_fraction=pl.lit(0.0))
    write_table(wrong, tmp_path / "labels.parquet", LABELS)
    data = load_dataset(tmp_path)
    data.database, data.odd = DB, Odd.from_spec(spec, "lard_v2.yaml")
    assert not visibility_true(data, {"tolerance": 0.01, "max_box_px": 0.1}).passed
    assert not verdicts_true(data, {"slack": 1e-6}).passed


@pytest.fixture
def ellipsoidal(tmp_path: Path) -> Path:
    """Runways and frames above the ellipsoid, where the geoid is 40 m below it, and a land above the sea."""
    down = -40.0
    airport = DB.airport("KXYZ")
    runways = tuple(
        replace(r, corners=tuple((la, lo, al + down) for la, lo, al in r.corners)) for r in airport.runways
    )
    db = replace(DB, altitude_datum="ellipsoidal", airports={"KXYZ": replace(airport, runways=runways)})
    write_table_folder(db, tmp_path / "db")
    frames = frames_of(db, 10, along_m=(500.0, 3000.0), altitude_datum="ellipsoidal")
    write_table(frames, tmp_path / "frames.parquet", FRAMES)
    (tmp_path / "dem").mkdir()
    write_land(tmp_path / "dem/a.tif", lambda e, n: 290.0 + 0 * e + 0 * n, 33.6, -84.38)
    return tmp_path


def test_land_of_another_datum_is_refused_or_converted_as_by_the_terrain_report(ellipsoidal: Path) -> None:
    def lard(*arguments: object, code: int) -> str:
        result = CliRunner().invoke(main, [str(a) for a in arguments])
        assert result.exit_code == code, result.output
        return result.output

    out, dem = ellipsoidal / "l.parquet", ellipsoidal / "dem"
    label = ("label", ellipsoidal / "frames.parquet", "--runways", ellipsoidal / "db", "--odd", "lard_v2")
    label = (*label, "--terrain", dem, "--out", out)
    report = ("terrain", "report", "KXYZ", "--dem", dem, "--runways", ellipsoidal / "db")
    assert lard(*label, code=2).splitlines()[-1] == lard(*report, code=2).splitlines()[-1]
    assert "a geoid grid joins them" in lard(*label, code=2) and not out.exists()
    geoid_grid(ellipsoidal / "geoid.gtx", -40.0)
    (dem / "terrain.json").write_text(json.dumps({"vertical_datum": "EGM96", "geoid": "../geoid.gtx"}))
    from lard.ground.terrain.dem import load_dem

    load_dem.cache_clear()
    lard(*label, code=0)
    assert set(read_table(out, LABELS)["hidden_fraction"]) == {0.0}
    lard(*report, code=0)


def test_what_labels_rest_on_is_stated_and_land_that_is_missing_refused(tmp_path: Path) -> None:
    write_table_folder(DB, tmp_path / "db")
    frames = frames_of(DB, 10, along_m=(500.0, 3000.0))
    frames = frames.with_columns(visibility_m=pl.Series([None, 30_000.0] * 5, dtype=pl.Float64))
    write_table(frames, tmp_path / "ds/frames.parquet", FRAMES)
    here = write_land(tmp_path / "here.tif", lambda e, n: 290.0 + 0 * e + 0 * n, 33.6, -84.38)
    away = write_land(tmp_path / "away.tif", lambda e, n: 290.0 + 0 * e + 0 * n, 33.6, -84.0)

    def label(*more: object) -> str:
        arguments = ["label", tmp_path / "ds", "--runways", tmp_path / "db", "--odd", "lard_v2", *more]
        result = CliRunner().invoke(main, [str(a) for a in arguments])
        assert result.exit_code == (0 if (tmp_path / "ds/labels.parquet").exists() else 2), result.output
        return result.output

    far = ("--assume", "visibility_m=20000", "--terrain", away)
    assert "the terrain does not cover the land between the camera and the runways of KXYZ" in label(*far)
    label("--assume", "visibility_m=20000", "--terrain", here)
    stated = json.loads((tmp_path / "ds/dataset.json").read_text())
    assert stated["assumed"] == {"visibility_m": "20000"}
    (terrain,) = stated["terrain"]
    assert list(terrain["files"]) == ["here.tif"] and len(terrain["files"]["here.tif"]) == 64
    assert terrain["given_in"] == "msl" and str(tmp_path) not in json.dumps(terrain)
    # the requirements judge by what was assumed as well
    data = load_dataset(tmp_path / "ds")
    data.database, data.odd = DB, Odd.from_spec(load_spec("lard_v2"), "lard_v2")
    assert "IN_ODD" in set(data.labels["verdict"]) and verdicts_true(data, {"slack": 1e-6}).passed
