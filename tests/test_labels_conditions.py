"""Frames' environments: values that cannot be are refused, clocks that disagree are said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from lard.airports import load_shipped
from lard.cli import main
from lard.labels.conditions import clock_notes, condition_faults, unseen_note
from lard.odd import load_spec
from lard.scenario.sampler import sample
from lard.scenario.sequences import Flight, sequence
from lard.tables import FRAMES, write_table


@pytest.fixture(scope="module")
def frames() -> pl.DataFrame:
    return sample(load_spec("all_weather"), load_shipped(), ["LFPO"], 12, 5)


def spoilt(frames: pl.DataFrame, name: str, value: Any) -> pl.DataFrame:
    """The frames with another value in their fourth row."""
    return frames.with_columns(
        pl.when(pl.int_range(pl.len()) == 3).then(pl.lit(value)).otherwise(name).alias(name)
    )


def label(frames: pl.DataFrame, folder: Path, code: int = 0, spec: str = "all_weather") -> str:
    write_table(frames, folder / "f.parquet", FRAMES)
    words = ("label", folder / "f.parquet", "--out", folder / "labels.parquet", "--odd", spec)
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    assert (folder / "labels.parquet").exists() == (code == 0)
    return result.output


def test_drawn_frames_have_no_fault_and_nothing_to_say(frames: pl.DataFrame, tmp_path: Path) -> None:
    assert condition_faults(frames) == [] and clock_notes(frames) == []
    assert "note" not in label(frames, tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("visibility_m", -5.0, "column visibility_m: -5 of frame "),
        ("watermark_px", 600, "column watermark_px: two bands of 600 px leave nothing of the 1024 rows"),
        ("cloud_fraction", 4.0, "column cloud_fraction: 4 of frame "),
        ("jpeg_quality", 71.5, "expected a whole number from 1 to 100"),
        ("light", "noon", "column light: unknown 'noon'; expected some of day"),
        ("time_utc", "2024-13-01T12:00:00Z", "is no time in UTC"),
        ("time_utc", "yesterday", "is no time in UTC"),
        ("fog_base_m", 500.0, "column fog_base_m: the fog of frame "),
    ],
)
@pytest.mark.parametrize("spec", ["all_weather", "lard_v2"])  # whether the domain asks for it or not
def test_a_value_that_cannot_be_is_refused_with_column_and_frame(
    frames: pl.DataFrame, tmp_path: Path, name: str, value: Any, said: str, spec: str
) -> None:
    whole = frames.with_columns(watermark_px=pl.lit(0), fog_top_m=pl.lit(60.0))
    text = label(spoilt(whole, name, value), tmp_path, 2, spec)
    assert said in text and "Traceback" not in text
    assert frames["frame_id"][3] in text or name == "light"


@pytest.mark.parametrize(("name", "shift", "turn"), [("local_time_h", 3.0, 24.0), ("day_of_year", 40, 366)])
def test_a_clock_that_disagrees_with_the_time_is_told(
    frames: pl.DataFrame, tmp_path: Path, name: str, shift: float, turn: float
) -> None:
    least = 1 if name == "day_of_year" else 0
    moved = frames.with_columns(((pl.col(name) - least + shift) % turn + least).alias(name))
    text = label(moved, tmp_path)
    assert f"note: {name} of 12 of 12 frames is not what time_utc and place tell" in text


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("light", "night", "night against day"), ("season", "winter", "winter against summer"),
     ("sun_elevation_deg", -40.0, "-40 against ")],
)  # fmt: skip
def test_light_season_and_sun_that_the_clock_belies_are_told(
    tmp_path: Path, name: str, value: Any, told: str
) -> None:
    noon = sample(load_spec("lard_v2"), load_shipped(), ["LFPO"], 5, 5)
    noon = noon.with_columns(time_utc=pl.lit("2024-07-10T12:00:00Z"))
    text = label(noon.with_columns(pl.lit(value).alias(name)), tmp_path, spec="lard_v2")
    assert f"{name} of 5 of 5 frames is not what time_utc and place tell" in text and told in text


def test_a_frame_that_sees_no_runway_is_counted_and_named(frames: pl.DataFrame, tmp_path: Path) -> None:
    away = spoilt(frames, "yaw_deg", (frames["yaw_deg"][3] + 180) % 360)
    text = label(away, tmp_path)
    assert f"1 of 12 frames have no runway in front of the camera ({frames['frame_id'][3]})" in text
    assert unseen_note(frames, pl.DataFrame({"frame_id": frames["frame_id"]})) == ""


def test_a_name_that_is_not_that_of_the_content_is_told(frames: pl.DataFrame, tmp_path: Path) -> None:
    write_table(frames.with_columns(odd=pl.lit("all_wether")), tmp_path / "f.parquet", FRAMES)
    words = ["label", str(tmp_path / "f.parquet"), "--out", str(tmp_path / "l.parquet")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0
    assert "the frames call it all_wether 1" in result.output and "it is all_weather 1" in result.output


def test_a_flight_past_midnight_keeps_its_clock(tmp_path: Path) -> None:
    flight = Flight(local_time_h=23.99, day_of_year=366)
    table = sequence(load_spec("lard_v2"), load_shipped(), "LFPO", "24", flight, 1)
    assert table["local_time_h"].is_between(0, 24).all() and set(table["day_of_year"]) == {1.0, 366.0}
    assert condition_faults(table) == [] and clock_notes(table) == []
