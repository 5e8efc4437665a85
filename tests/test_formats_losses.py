"""`lard scenario convert`: what a target does not hold is named, what it makes up is said."""

import json
import re
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from lard.airports import load_shipped
from lard.cli import main
from lard.odd import load_spec
from lard.scenario.formats import read_scenario
from lard.scenario.sampler import sample
from lard.tables import FRAMES, LABELS, read_table, write_table


def convert(*args: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["scenario", "convert", *args])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """One scenario in every layout that holds it, all from the same frames."""
    frames = sample(load_spec("lard_v2"), load_shipped(), ["LFPO"], 3, 1)
    write_table(frames.with_columns(split=pl.lit("train"), seed=7), tmp_path / "f.parquet", FRAMES)
    one = frames.filter(runway=frames["runway"][0])
    write_table(one, tmp_path / "one.parquet", FRAMES)
    for target, layout in (("v2.yaml", "v2"), ("e.esp", "esp")):
        convert(str(tmp_path / "f.parquet"), str(tmp_path / target), "--to", layout)
    convert(str(tmp_path / "one.parquet"), str(tmp_path / "v1.yaml"), "--to", "v1")
    return tmp_path


@pytest.mark.parametrize("target", ["x.yaml", "x.esp"])
def test_frames_lose_split_seed_weather_and_spec_by_name(files: Path, target: str) -> None:
    said = convert(str(files / "f.parquet"), str(files / target))
    for lost in ("split (train)", "seed (7)", "visibility_m (", "odd (lard_v2)", "frame_id ("):
        assert lost in said, said


def test_the_layouts_of_lard_say_what_the_next_one_lacks(files: Path) -> None:
    assert "LARD V1 holds no pose ids" in convert(str(files / "v2.yaml"), str(files / "x.yaml"), "--to", "v1")
    assert "holds no" not in convert(str(files / "v2.yaml"), str(files / "x.esp"))  # settings.lard holds it
    said = convert(str(files / "v2.yaml"), str(files / "x.parquet"))
    assert "a frames table holds no trajectory block (" in said and "no time window (" in said
    said = convert(str(files / "v1.yaml"), str(files / "x.parquet"))
    assert "a frames table holds no time window" in said and "every frame is put into test (--split)" in said
    said = convert(str(files / "e.esp"), str(files / "y.parquet"), "--split", "train")
    assert "--split)" not in said and "no earth model; the poses are put on sphere6371010 (--earth)" in said
    frames = read_table(files / "y.parquet", FRAMES)
    assert set(frames["split"]) == {"train"} and set(frames["earth_model"]) == {"sphere6371010"}


def test_pose_ids_that_are_lost_or_made_up_are_told(files: Path) -> None:
    first = read_scenario(files / "v2.yaml").poses["pose_id"][0]
    for source in ("v2.yaml", "e.esp"):
        said = convert(str(files / source), str(files / "x.parquet"))
        assert f"a frames table holds no pose ids ({first} ...); left out" in said
    made = "a frames table states no pose ids; new ones are made from its frame ids ("
    for target in ("x.yaml", "x.esp"):
        assert made + first in convert(str(files / "f.parquet"), str(files / target))
    said = convert(str(files / "one.parquet"), str(files / "x.yaml"), "--to", "v1")
    assert "pose ids (" not in said  # neither stated nor written
    assert "pose ids" not in convert(str(files / "v1.yaml"), str(files / "x.parquet"))
    assert "pose ids" not in convert(str(files / "v2.yaml"), str(files / "x.esp"))


def test_poses_without_ids_get_the_same_new_ones_and_it_is_told(files: Path) -> None:
    said = [convert(str(files / "v1.yaml"), str(files / name), "--to", "v2") for name in ("a.yaml", "b.yaml")]
    assert "poses state no uuid; new ones are made from the names of their pictures (" in said[0]
    first, again = (read_scenario(files / name).poses["pose_id"] for name in ("a.yaml", "b.yaml"))
    assert first.n_unique() == len(first) and (first != "").all() and first.equals(again)


def test_a_project_that_names_two_poses_alike_is_refused(files: Path) -> None:
    project = json.loads((files / "e.esp").read_text())
    poses = project["settings"]["lard"]["poses"]
    poses[2][0] = poses[0][0]
    (files / "e.esp").write_text(json.dumps(project))
    said = convert(str(files / "e.esp"), str(files / "x.yaml"), code=2)
    assert f"settings.lard.poses: '{poses[0][0]}' names two poses; each needs its own" in said


def test_oblong_pixels_and_watermarks_are_told(files: Path) -> None:
    text = re.sub(r"fov_y: [0-9.]+", "fov_y: 40.0", (files / "v2.yaml").read_text())
    (files / "o.yaml").write_text(text.replace("watermark_height: 0", "watermark_height: 20"))
    assert "no fov_x 60 (its pixels are square: pictures show 40" in convert(
        str(files / "o.yaml"), str(files / "o.esp")
    )
    assert "no square pixels" in convert(str(files / "o.yaml"), str(files / "p.yaml"), "--to", "v1", code=2)
    assert "no watermark bands (20 px each" in convert(str(files / "o.yaml"), str(files / "o.parquet"))


def test_a_table_is_not_turned_into_a_table(files: Path) -> None:
    said = convert(str(files / "f.parquet"), str(files / "g.parquet"), code=2)
    assert "is a frames table already; copy it" in said and not (files / "g.parquet").exists()


def test_a_frame_named_twice_is_no_scenario(files: Path) -> None:
    frames = read_table(files / "f.parquet", FRAMES)
    write_table(pl.concat([frames, frames[1:2]]), files / "d.parquet", FRAMES)
    for target in ("d.yaml", "d.esp"):
        said = convert(str(files / "d.parquet"), str(files / target), code=2)
        assert f"frame {frames['frame_id'][1]} appears more than once (rows 2, {len(frames) + 1})" in said
        assert str(files / "d.parquet") in said and len(said.splitlines()) == 1
        assert not (files / target).exists()


def track(fov_deg: tuple[float, ...]) -> str:
    point = dict.fromkeys("xyz", 0.0)
    frames = [
        {
            "position": {"x": 6371010.0 + 100, "y": 0.0, "z": 0.0},
            "rotation": point,
            "coordinate": {"latitude": 0.0, "longitude": 0.0, "altitude": 100.0},
            "fovVertical": fov,
        }
        for fov in fov_deg
    ]
    return json.dumps({"width": 64, "height": 64, "cameraFrames": frames})


def test_camera_tracks_have_one_lens_and_no_time(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(track((40.0, 40.0)))
    names = ("--airport", "LFPO", "--runway", "24")
    said = convert(str(path), str(tmp_path / "t.yaml"), *names)
    assert "a camera track states no time; 2020-06-01 12:00:00 local is put" in said
    path.write_text(track((40.0, 41.0)))
    said = convert(str(path), str(tmp_path / "u.yaml"), *names, code=2)
    assert f"{path}: t: cameraFrames[1].fovVertical is 41, of the first frame 40" in said


def test_fractions_of_seconds_are_told(files: Path) -> None:
    frames = read_table(files / "f.parquet", FRAMES)
    later = frames.with_columns(time_utc=pl.col("time_utc").str.replace("Z", ".250000Z"))
    write_table(later, files / "s.parquet", FRAMES)
    assert "fractions of seconds (" in convert(str(files / "s.parquet"), str(files / "s.yaml"))


@pytest.mark.parametrize("name", ["x.csv", "x.txt"])
def test_what_is_no_scenario_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a;b\n")
    assert "unknown extension" in convert(str(tmp_path / name), str(tmp_path / "y.yaml"), code=2)


def verdicts(path: Path, out: Path) -> list[str]:
    args = ["label", str(path), "--convention", "lard-v2", "--out", str(out), "--type", "real"]
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 0, result.output
    return read_table(out, LABELS)["verdict"].to_list()


@pytest.mark.parametrize("chain", [("esp", "v2"), ("esp", "v1", "esp", "v2"), ("v1", "v2")])
def test_verdicts_stay_through_any_chain_of_scenarios(files: Path, chain: tuple[str, ...]) -> None:
    table = files / "one.parquet"
    convert(str(table), str(files / "a.yaml"))
    first = verdicts(files / "a.yaml", files / "l.parquet")
    assert first == verdicts(table, files / "l.parquet") and {"IN_ODD"} <= set(first) != {"UNKNOWN"}
    before = read_scenario(files / "a.yaml")
    path = files / "a.yaml"
    for k, layout in enumerate(chain):
        target = files / str(k) / f"a.{'esp' if layout == 'esp' else 'yaml'}"
        target.parent.mkdir()
        assert "trajectory" not in convert(str(path), str(target), "--to", layout)
        path = target
    assert verdicts(path, files / "l.parquet") == first
    after = read_scenario(path)
    for name in ("trajectory", "time_window", "runways_database", "airports_runways"):
        assert getattr(after, name) == getattr(before, name), name


def test_made_up_blocks_are_told(files: Path) -> None:
    said = convert(str(files / "f.parquet"), str(files / "x.yaml"))
    assert "a frames table states no trajectory block; put as use_ODD true" in said
    assert "states no time window; the span of its poses' times is put" in said
    project = json.loads((files / "e.esp").read_text())
    del project["settings"]["lard"]  # as Earth Studio itself writes it
    (files / "own.esp").write_text(json.dumps(project))
    names = ("--airport", "LFPO", "--runway", "24")
    said = convert(str(files / "own.esp"), str(files / "y.yaml"), *names)
    assert "states no trajectory block; put as normal laws, null limits, use_ODD false, of which" in said
    assert "every verdict UNKNOWN" in said
    assert set(verdicts(files / "y.yaml", files / "l.parquet")) == {"UNKNOWN"}
    said = convert(str(files / "v1.yaml"), str(files / "z.yaml"), "--to", "v2")
    assert "its trajectory states no alpha_h_min, alpha_h_max, alpha_v_min, alpha_v_max ..." in said
    assert "put as null limits" in said and "UNKNOWN" not in said


def test_unstated_bands_and_angles_are_told(files: Path) -> None:
    text = (files / "v2.yaml").read_text()
    bare = re.sub(r"  (fov_y|watermark_height): .*\n", "", text)
    (files / "bare.yaml").write_text(bare)
    told = "states no watermark_height; bands of 300 px", "states no fov_y; 60 degrees"
    for target in ("bare.esp", "bare2.yaml", "bare.parquet"):
        said = convert(str(files / "bare.yaml"), str(files / target))
        assert all(text in said for text in told), said
    args = [
        "label",
        str(files / "bare.yaml"),
        "--assume",
        "visibility_m=20000",
        "--out",
        str(files / "l.csv"),
    ]
    said = CliRunner().invoke(main, args).output
    assert all(text in said for text in told), said


def test_a_project_whose_lens_changes_is_refused(files: Path) -> None:
    project = json.loads((files / "e.esp").read_text())
    lens = project["scenes"][0]["attributes"][0]["attributes"][2]["attributes"][0]
    lens["keyframes"][1]["value"] += 0.1
    (files / "zoom.esp").write_text(json.dumps(project))
    said = convert(str(files / "zoom.esp"), str(files / "x.yaml"), code=2)
    assert "degrees at keyframe 1, at the first 60; a scenario has one field of view" in said
