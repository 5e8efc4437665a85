"""`lard init`: what it writes, that its stages are the repository's, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner, Result
from rasterio.transform import from_origin
from ruamel.yaml import YAML
from tiles_support import serving, slippy_answer

from lard.airports.files import export_database, open_database
from lard.cli import main
from lard.errors import SourceError, SpecError
from lard.ground.fetched.grid import local_crs
from lard.ground.fetched.plan import REACH_FACTORS
from lard.project.imagery import fit_rasters, make_grounds, parse_imagery

ROOT = Path(__file__).parent.parent
LFPO = open_database().airport("LFPO")


def _init(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["init", *map(str, arguments)])


def _read(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def _photo(path: Path, half_m: float, gsd_m: float = 8.0, east_m: float = 0.0) -> Path:
    """A grey photo around LFPO on the airport's own map."""
    side = round(2 * half_m / gsd_m)
    place = from_origin(east_m - half_m, half_m, gsd_m, gsd_m)
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8"}
    crs = local_crs(LFPO.lat_deg, LFPO.lon_deg)
    with rasterio.open(path, "w", **profile, crs=crs, transform=place) as out:
        out.write(np.random.default_rng(1).integers(100, 140, (3, side, side), np.uint8))
    return path


def test_the_stages_are_the_repositorys_without_the_code(tmp_path: Path) -> None:
    """One list of stages in two places: commands, parameters, data and products agree."""
    done = _init(tmp_path / "p", "--airport", "LFPO", "--airport", "KATL", "--benchmark")
    assert done.exit_code == 0, done.output
    stages, ours = (_read(folder / "dvc.yaml")["stages"] for folder in (tmp_path / "p", ROOT))
    assert set(stages) == set(ours) - {"flightgear", "sequences", "watch", "assurance", "explore"}
    code = ("lard/", "pipelines/", "reports/assurance")  # projects have no assurance stage to lead to
    for name, stage in stages.items():
        expected = dict(ours[name])
        data = [dep for dep in expected.pop("deps") if not dep.startswith(code)]
        if "params" in expected:
            expected["params"] = [one for one in expected["params"] if one != "assurance.models"]
        assert stage.pop("deps", []) == data, name
        assert stage == expected, name
    assert (tmp_path / "p/.dvc/config").read_text() == (ROOT / ".dvc/config").read_text()
    assert (tmp_path / "p/odd.yaml").read_bytes() == (ROOT / "odd_specs/lard_v2.yaml").read_bytes()
    params, shipped = _read(tmp_path / "p/params.yaml"), _read(ROOT / "params.yaml")
    for section in ("ground", "render", "protocols", "models", "train", "predict", "benchmark"):
        assert params[section] == shipped[section], section


def test_a_photo_is_stated_from_the_folder_and_reaches_as_far_as_it_can(tmp_path: Path) -> None:
    photo = _photo(tmp_path / "a [1].tif", 4000)
    database = tmp_path / "airports"
    export_database(open_database(), database, "table")
    asked = ["--ground", photo, "--runways", database, "--n", 9, "--beyond", "nothing"]
    done = _init(tmp_path / "deep/p", "--airport", "LFPO", *asked)
    assert done.exit_code == 0, done.output
    params, stages = (_read(tmp_path / "deep/p" / name) for name in ("params.yaml", "dvc.yaml"))
    assert params["runways"] == "../../airports" and params["sample"]["n"] == 9
    assert params["sample"]["split"] == {"test": ["LFPO"]}
    assert params["ground"]["source"] == "raster:../../a [[]1].tif"
    assert params["ground"]["gsd_m"] == 8.0 and 1700 < params["ground"]["reach_m"] < 2000
    assert params["ground"]["beyond"] == "nothing"
    stages = stages["stages"]
    assert stages["ground"]["deps"] == ["../../a [1].tif", "../../airports"]
    for name in ("sample", "render", "label", "check"):
        assert "../../airports" in stages[name]["deps"], name


@pytest.mark.parametrize("half_m", [3800.0, 9000.0])
def test_the_widest_level_ends_where_the_photo_does(tmp_path: Path, half_m: float) -> None:
    fit = fit_rasters(f"raster:{_photo(tmp_path / 'p.tif', half_m)}", [LFPO], None)
    assert 0.85 * half_m < REACH_FACTORS[fit.levels - 1] * fit.reach_m < half_m and fit.gsd_m == 8.0


def test_painted_ground_goes_on_to_the_horizon(tmp_path: Path) -> None:
    fit = fit_rasters(f"raster:{_photo(tmp_path / 'p.tif', 3800)}", [LFPO], None, "painted")
    assert REACH_FACTORS[fit.levels - 1] * fit.reach_m >= 40_000 and fit.reach_m == 3000


def test_tiles_in_a_folder_become_ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of a tile server, from the source as given to the stage that reads params.yaml."""
    (tmp_path / "tiles").mkdir()
    source = f"xyz:{tmp_path}/tiles/{{z}}/{{x}}/{{y}}.png#zooms=0-14"
    done = _init(tmp_path / "p", "--airport", "LFPO", "--ground", source, "--gsd", 8, "--licence", "A & B")
    assert done.exit_code == 0, done.output
    section = _read(tmp_path / "p/params.yaml")["ground"]
    assert section["source"] == "xyz:../tiles/{z}/{x}/{y}.png#zooms=0-14" and section["licence"] == "A & B"
    monkeypatch.chdir(tmp_path / "p")
    with pytest.raises(SourceError, match="LFPO"):  # every tile is missing: a runway is never made up
        make_grounds([LFPO], parse_imagery(section, "params.yaml"), tmp_path / "ground", open_database())


def test_a_tile_server_of_ones_own_network_becomes_ground(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(slippy_answer) as server:
        source = f"xyz:{server.url}/{{z}}/{{x}}/{{y}}.png#zooms=0-14"
        asked = ["--ground", source, "--gsd", 8, "--allow-host", f"127.0.0.1:{server.port}"]
        done = _init(tmp_path / "p", "--airport", "LFPO", *asked)
        assert done.exit_code == 0 and not server.asked, done.output
        section = _read(tmp_path / "p/params.yaml")["ground"]
        assert section["source"] == source and section["beyond"] == "nothing"
        monkeypatch.chdir(tmp_path / "p")
        smaller = parse_imagery(section | {"reach_m": 400, "levels": 1}, "params.yaml")
        make_grounds([LFPO], smaller, tmp_path / "ground", open_database())
        assert server.asked
    manifest = json.loads((tmp_path / "ground/LFPO/manifest.json").read_text())
    assert manifest["source"]["identity"] == source and not manifest["holes"]


def test_the_ground_of_a_photo_names_whose_it_is(tmp_path: Path) -> None:
    source = f"raster:{_photo(tmp_path / 'p.tif', 4000)}"
    fit = fit_rasters(source, [LFPO], None)
    section = {name: getattr(fit, name) for name in ("gsd_m", "reach_m", "levels")}
    section |= {"source": source, "attribution": "A & B"}
    make_grounds([LFPO], parse_imagery(section, "params.yaml"), tmp_path / "ground", open_database())
    manifest = json.loads((tmp_path / "ground/LFPO/manifest.json").read_text())
    assert manifest["attribution"] == "A & B" and not manifest.get("holes")


def test_faults_of_the_ground_section_are_lines() -> None:
    with pytest.raises(SpecError) as caught:
        parse_imagery({"source": "raster:p.tif", "gsd_m": "fine", "levels": 3, "reach": 9}, "params.yaml")
    lines = str(caught.value).splitlines()
    assert len(lines) == 3 and all(line.startswith("params.yaml: ground.") for line in lines)


def test_several_airports_are_split(tmp_path: Path) -> None:
    codes = ["LFPO", "KATL", "EHAM", "YSSY"]
    done = _init(tmp_path / "p", *(word for code in codes for word in ("--airport", code)))
    assert done.exit_code == 0, done.output
    split = _read(tmp_path / "p/params.yaml")["sample"]["split"]
    assert len(split["val"]) == len(split["test"]) == 1 and split["val"] != split["test"]


REFUSED = {
    "unknown airport": (["--airport", "XXXX"], "--runways"),
    "no airport": (["--airport", ","], "--airport"),
    "unknown spec": (["--odd", "nope"], "lard_v2"),
    "spec with errors": (["--odd", "bad.yaml"], "bad.yaml:13: camera.width_px"),
    "unreadable photo": (["--ground", "bad.tif"], "bad.tif: cannot be read"),
    "absent photo": (["--ground", "none.tif"], "none.tif: no such file"),
    "photo that breaks off": (["--ground", "cut.tif"], "cut.tif: cannot be read"),
    "photo elsewhere": (["--ground", "away.tif"], "has no imagery over or near runway"),
    "photo too small": (["--ground", "small.tif"], "has no imagery over or near runway"),
    "hosts of paint": (["--allow-host", "tiles.lan"], "--allow-host"),
    "painted beyond paint": (["--beyond", "painted"], "--beyond"),
    "photo too coarse": (["--ground", "photo.tif", "--gsd", "2"], "--gsd"),
    "unknown source": (["--ground", "foo:bar"], "no kind of source"),
    "bad template": (["--ground", "xyz:https://a.example/tiles.jpg"], "{z}"),
    "painted licence": (["--licence", "x"], "--licence"),
    "gsd of nothing": (["--gsd", "0"], "--gsd"),
    "absent runways": (["--runways", "none.csv"], "none.csv"),
    "split elsewhere": (["--split", "val=EHAM"], "EHAM"),
    "benchmark of one": (["--benchmark"], "--benchmark"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_leaves_nothing(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.tif").write_text("no raster")
    spec = (ROOT / "odd_specs/lard_v2.yaml").read_text()
    (tmp_path / "bad.yaml").write_text(spec.replace("width_px: 1024", "width_px: -3"))
    _photo(tmp_path / "photo.tif", 4000)
    _photo(tmp_path / "small.tif", 800)
    (tmp_path / "cut.tif").write_bytes((tmp_path / "photo.tif").read_bytes()[:20_000])
    _photo(tmp_path / "away.tif", 2000, east_m=50_000)
    before = sorted(tmp_path.iterdir())
    arguments, message = REFUSED[case]
    airport = [] if "--airport" in arguments else ["--airport", "LFPO"]
    done = _init("deep/p", *airport, *arguments)
    assert done.exit_code == 2 and done.output.startswith("lard: "), done.output
    assert message in done.output and done.output.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_in_use_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used/mine.txt").write_text("mine")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    for folder in ("../used", "../used/mine.txt", "."):
        done = _init(folder, "--airport", "LFPO")
        assert done.exit_code == 2 and "name a new" in done.output, done.output
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["empty", "used", "mine.txt"]
