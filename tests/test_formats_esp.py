"""Earth Studio projects: what the project states decides, whatever was written beside it."""

import json
from pathlib import Path

import pytest
from test_formats_scenario import V1, V2, same_poses, written

from lard.scenario.formats import camera_of_image, read_scenario, write_scenario


def edited(path: Path, fov_deg: float, **settings_of: object) -> Path:
    """A project as a user changes it in Earth Studio, which knows nothing of settings.lard."""
    project = json.loads(path.read_text())
    project["settings"] |= settings_of
    lens = project["scenes"][0]["attributes"][0]["attributes"][2]["attributes"][0]
    for keyframe in lens["keyframes"]:
        keyframe["value"] = (fov_deg - 1) / 178  # a fraction of 1 to 179 degrees
    path.write_text(json.dumps(project))
    return path


def test_what_a_project_left_out_does_not_come_back(tmp_path: Path) -> None:
    scenario = read_scenario(written(tmp_path, V2.replace("fov_y: 60.0", "fov_y: 40.0")))
    write_scenario(scenario, tmp_path / "S.esp", "esp")
    assert json.loads((tmp_path / "S.esp").read_text())["settings"]["lard"]["fov_x_deg"] == pytest.approx(40)
    image = read_scenario(tmp_path / "S.esp").image
    assert (image.fov_x_deg, image.fov_y_deg) == pytest.approx((40.0, 40.0), abs=1e-9)
    project = json.loads((tmp_path / "S.esp").read_text())
    project["settings"]["lard"]["fov_x_deg"] = 60.0  # as an older file has it
    (tmp_path / "S.esp").write_text(json.dumps(project))
    assert read_scenario(tmp_path / "S.esp").image.fov_x_deg == pytest.approx(40.0, abs=1e-9)


@pytest.mark.parametrize("source", [V1, V2])
def test_a_project_that_was_edited_decides_and_its_pixels_are_square(tmp_path: Path, source: str) -> None:
    scenario = read_scenario(written(tmp_path, source))
    rows, before = scenario.image.rendered_height_px, scenario.image.rendered_fov_y_deg
    path = tmp_path / "S.esp"
    for size, fov_deg in (((2 * rows, rows), before), ((3000, 2000), before), ((3000, 2000), 30.0)):
        write_scenario(scenario, path, "esp")
        back = read_scenario(
            edited(path, fov_deg, dimensions=dict(zip(("width", "height"), size, strict=True)))
        )
        camera = camera_of_image(back.image)
        assert (camera.width_px, camera.height_px) == size
        assert camera.fx_px == pytest.approx(camera.fy_px, rel=1e-9)
        assert back.image.rendered_fov_y_deg == pytest.approx(fov_deg, abs=1e-9)
        same_poses(scenario.poses, back.poses, 2e-8)


@pytest.mark.parametrize("source", [V1, V2])
def test_square_pixels_keep_every_digit_through_a_project(tmp_path: Path, source: str) -> None:
    scenario = read_scenario(written(tmp_path, source))
    write_scenario(scenario, tmp_path / "S.esp", "esp")
    assert read_scenario(tmp_path / "S.esp").image == scenario.image
