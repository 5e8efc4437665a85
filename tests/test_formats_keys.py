"""Scenario YAML: a key that its layout does not have is refused, in every block, with its line."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from test_formats_scenario import OLDER, V1, V2, written

from lard.cli import main
from lard.errors import DataError
from lard.scenario.formats import read_scenario

POSE = "  time: {second: 1, minute"
PLANTED = [
    (V2, POSE, "  visibility_m: 200\n" + POSE, ":8: poses.0.visibility_m: unknown key", "frames table"),
    (V2, POSE, "  roll_deg: 2\n" + POSE, ":8: poses.0.roll_deg: unknown key", "uuid: remove it"),
    (V2, "{second: 1,", "{zone: UTC, second: 1,", ":8: poses.0.time.zone: unknown key", "time of a pose"),
    (V2, "fov_x: 60.0", "k1: 0.1, fov_x: 60.0", ":2: image.k1: unknown key", "frames table"),
    (V2, "fov_x: 60.0", "fov: 40, fov_x: 60.0", ":2: image.fov: unknown key", "image of LARD V2 holds"),
    (V2, "watermark_height: 0", "watermark_heigth: 0", "image.watermark_heigth", "mean watermark_height?"),
    (V2, "trajectory:", "weather: rain\ntrajectory:", ":10: weather: unknown key", "remove it"),
    (V2, "trajectory:", "seed: 7\ntrajectory:", ":10: seed: unknown key", "frames table"),
    (V2, "trajectory:", "airport: KXYZ\ntrajectory:", ":10: airport: unknown key", "time: remove it"),
    (V1, "runways: [", "airports: []\nrunways: [", ":8: airports: unknown key", "LARD V1 holds airport"),
    (V1, "fov: 33", "fov_y: 33, fov: 33", ":2: image.fov_y: unknown key", "did you mean fov?"),
    (OLDER, "{height: 300}", "{height: 300, top: 2}", ":13: watermark.top", "holds height"),
    (OLDER, "camera: {", "camera: {k1: 1, ", ":4: camera.k1: unknown key", "holds fov"),
    (OLDER, "  runways: ['24']", "  runways: ['24']\n  icao: X", ":4: airports.0.icao", "code, runways"),
    (OLDER, "width: 2448}", "width: 2448, watermark_height: 9}", "image.watermark_height", "height, width"),
]


@pytest.mark.parametrize(("text", "old", "new", "place", "remedy"), PLANTED)
def test_unknown_keys_are_refused(
    tmp_path: Path, text: str, old: str, new: str, place: str, remedy: str
) -> None:
    assert text.count(old) == 1
    with pytest.raises(DataError) as caught:
        read_scenario(written(tmp_path, text.replace(old, new)))
    assert place in str(caught.value) and remedy in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_key_of_every_pose_is_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    head, pose = V2[: V2.index("- uuid")], V2[V2.index("- uuid") : V2.index("runways_database")]
    bad = (f"{pose.replace('0064', f'{k:04d}').rstrip()}\n  weather: rain\n" for k in range(1000, 1500))
    many = head + pose + "".join(bad) + V2[V2.index("runways_d") :]
    path = written(tmp_path, many)
    for command in (["scenario", "convert", str(path), "x.esp"], ["label", str(path), "--out", "x.parquet"]):
        target = tmp_path / command[-1]
        result = CliRunner().invoke(main, [*command[:-1], str(target)])
        assert result.exit_code == 2 and not target.exists()
        assert "poses.1.weather: unknown key (in 500 of 501 poses)" in result.output
        assert len(result.output.splitlines()) == 1


def test_blocks_of_the_generator_are_kept_whole(tmp_path: Path) -> None:
    text = V2.replace("{use_ODD: true}", "{use_ODD: true, param_distrib: 1.2, mine: [1, 2]}")
    assert read_scenario(written(tmp_path, text)).trajectory["mine"] == [1, 2]
    with pytest.raises(DataError, match=r":10: trajectory: found a set"):
        read_scenario(written(tmp_path, V2.replace("{use_ODD: true}", "{mine: !!set {a}}")))


def test_two_poses_of_one_uuid_are_refused(tmp_path: Path) -> None:
    pose = V2[V2.index("- uuid") : V2.index("runways_database")]
    other = pose.replace("0064", "0065")
    path = written(tmp_path, V2.replace(pose, pose + other + pose))
    for command in (["scenario", "convert", str(path), "x.esp"], ["label", str(path), "--out", "x.parquet"]):
        target = tmp_path / command[-1]
        result = CliRunner().invoke(main, [*command[:-1], str(target)])
        assert result.exit_code == 2 and not target.exists()
        (line,) = result.output.splitlines()
        assert f"{path}:14: poses.2.uuid: 00000000-0000-0000-0000-000000000064 is the uuid of poses.0" in line


def test_poses_without_a_uuid_are_no_doubles(tmp_path: Path) -> None:
    pose = V2[V2.index("- uuid") : V2.index("runways_database")]
    bare = "- airport" + pose.split("airport", 1)[1]
    assert len(read_scenario(written(tmp_path, V2.replace(pose, bare + bare))).poses) == 2
