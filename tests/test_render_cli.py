"""`lard ground`, `lard preview` and `lard render`, from the table of runways to pictures."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from lard.cli import main
from lard.tables import FRAMES, MANIFEST, read_table, write_table

SPEC = Path(__file__).parents[1] / "odd_specs" / "lard_v2.yaml"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ground")
    result = invoke("ground", "BIRK", "--gsd", 8, "--out", folder, "--workers", 1)
    assert result.exit_code == 0, result.output
    return folder


def test_preview_draws_one_view(ground: Path, tmp_path: Path) -> None:
    out = tmp_path / "view.png"
    result = invoke("preview", "BIRK", "19", "--ground", ground, "--size", "96x64", "--out", out)
    assert result.exit_code == 0, result.output
    with Image.open(out) as image:
        assert image.size == (96, 64)


def test_preview_under_conditions(ground: Path, tmp_path: Path) -> None:
    """Options change the picture; the night is darker than the day."""
    means = {}
    options = {
        "day": (), "night": ("--night",), "evening": ("--date", "2024-03-20", "--time", "18:10"),
        "fog": ("--fog-top", 60, "--fog-visibility", 500), "rain": ("--rain", 5, "--cloud", 1),
        "blur": ("--shutter", 20, "--rates", "5,0,30", "--watermark", 8),
    }  # fmt: skip
    for name, more in options.items():
        out = tmp_path / f"{name}.png"
        result = invoke("preview", "BIRK", "19", "--ground", ground, "--size", "96x64", *more, "--out", out)
        assert result.exit_code == 0, result.output
        with Image.open(out) as image:
            means[name] = np.asarray(image).mean()
    assert means["night"] < 0.5 * means["evening"] < 0.5 * means["day"]
    assert len(set(means.values())) == len(means)


def test_preview_draws_a_sheet_of_conditions(ground: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    result = invoke(
        "preview", "BIRK", "19", "--ground", ground, "--size", "64x48", "--sheet", "conditions", "--out", out
    )
    assert result.exit_code == 0, result.output
    with Image.open(out) as image:
        assert image.width > 3 * 64 and image.height > 5 * 48


def test_render_writes_a_dataset_and_keeps_what_is_there(ground: Path, tmp_path: Path) -> None:
    drawn = tmp_path / "drawn.parquet"
    result = invoke("scenario", "sample", "--odd", SPEC, "--airports", "BIRK", "--n", 3, "--out", drawn)
    assert result.exit_code == 0, result.output
    small = read_table(drawn, FRAMES).with_columns(
        width_px=pl.lit(128, pl.Int32), height_px=pl.lit(128, pl.Int32),
        **{name: pl.col(name) / 8 for name in ("fx_px", "fy_px", "cx_px", "cy_px")},
    )  # fmt: skip
    frames = tmp_path / "frames.parquet"
    write_table(small, frames, FRAMES)
    command = ("render", frames, "--ground", ground, "--out", tmp_path / "set", "--workers", 1)
    assert invoke(*command).exit_code == 0
    manifest = read_table(tmp_path / "set" / "manifest.parquet", MANIFEST)
    assert manifest["frame_id"].to_list() == small["frame_id"].to_list()
    picture = tmp_path / "set" / manifest["image"][0]
    written = picture.stat().st_mtime_ns
    assert invoke(*command).exit_code == 0
    assert picture.stat().st_mtime_ns == written, "a finished picture is kept"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("preview", "BIRK", "19", "--size", "big", "--out", "v.png"), "--size 'big'"),
        (("preview", "BIRK", "19", "--out", "v.tiff"), "--out v.tiff: expected a name that ends in"),
        (("preview", "BIRK", "05", "--out", "v.png"), "has no runway '05'"),
        (("preview", "BIRK", "19", "--ground", "nowhere", "--out", "v.png"), "nowhere"),
        (("preview", "BIRK", "19", "--time", "25:00", "--out", "v.png"), "--time '25:00'"),
        (("preview", "BIRK", "19", "--date", "June", "--time", "12:00", "--out", "v.png"), "--date 'June'"),
        (("preview", "BIRK", "19", "--night", "--time", "12:00", "--out", "v.png"), "both place the sun"),
        (("preview", "BIRK", "19", "--sun-azimuth", "9", "--out", "v.png"), "needs --sun-elevation"),
        (("preview", "BIRK", "19", "--rates", "5", "--out", "v.png"), "--rates '5'"),
        (("preview", "BIRK", "19", "--rain", "900", "--out", "v.png"), "rain_mm_h is 900.0; expected from 0"),
        (("ground", "XXXX"), "'XXXX' is not in the runway database"),
        (("ground", "BIRK", "--gsd", "0"), "--gsd 0"),
        (("render", "none.parquet", "--out", "set"), "none.parquet: no such table"),
    ],
)
def test_bad_input_is_one_line(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert not list(tmp_path.iterdir()), "nothing is half-written"
