"""ground.dem of params.yaml: one terrain model for pictures and labels, or a line that says what is wrong."""

from pathlib import Path

import pytest

from lard.airports import load_shipped
from lard.errors import SpecError
from pipelines.terrain import terrain_model
from pipelines.terrain_labels import terrain_of_labels


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, ground: str, render: str = "jpeg_quality: 92") -> None:
    (folder / "params.yaml").write_text(f"ground: {{{ground}}}\nrender: {{{render}}}\n")


@pytest.mark.parametrize("ground", ["seed: 1", "seed: 1, dem: null", "dem: ~"])
def test_level_land_unless_named(folder: Path, ground: str) -> None:
    write(folder, ground)
    assert terrain_model() is None
    assert terrain_of_labels(load_shipped(), ["KSEA"]) == (None, {})


def test_stages_after_the_pictures_need_no_sections_of_theirs(folder: Path) -> None:
    (folder / "params.yaml").write_text("runways: shipped\n")
    assert terrain_model() is None


def test_shipped_relief_is_stated_with_the_labels(folder: Path) -> None:
    write(folder, "dem: shipped")
    land, stated = terrain_of_labels(load_shipped(), ["KSEA", "KSEA", "NZCH"])
    assert land is not None
    assert len(stated["terrain"]) == 1
    assert "shipped" in str(stated["terrain"][0])


@pytest.mark.parametrize("dem", ["true", "3", "no_such.tif", "[shipped]", "''", "Shipped"])
def test_faults_name_the_field_and_the_value(folder: Path, dem: str) -> None:
    write(folder, f"dem: {dem}")
    with pytest.raises(
        SpecError, match=r"params\.yaml: ground\.dem: .* is no terrain model; expected shipped"
    ):
        terrain_model()


def test_pictures_alone_get_none(folder: Path) -> None:
    write(folder, "seed: 1", "dem: shipped")
    with pytest.raises(SpecError, match=r"render\.dem: say ground\.dem"):
        terrain_model()
