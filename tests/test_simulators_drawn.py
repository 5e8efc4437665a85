"""A frames table never states what its pictures do not show."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lard.errors import DataError
from lard.render.conditions import COLUMNS
from lard.simulators.drawn import DRAWN, as_drawn, drawn_table

FORMS = ("flightgear", "xplane", "cesium")


def _frames(**values: float | None) -> pl.DataFrame:
    return pl.DataFrame({"frame_id": ["a", "b"], **{name: [value, value] for name, value in values.items()}})


@pytest.mark.parametrize("source", FORMS)
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("exposure_ev", -1.0),
        ("lens_drops", 15.0),
        ("defocus_px", 0.5),
        ("wetness_fraction", 1.0),
        ("noise_grey", 2.0),
    ],
)
def test_what_is_not_drawn_is_refused_by_name(source: str, column: str, value: float) -> None:
    with pytest.raises(
        DataError, match=rf"{column} of frame a is {value:g} and 1 more frames; {source} does not"
    ):
        as_drawn(_frames(**{column: value}), source)


@pytest.mark.parametrize("source", (*FORMS, "ortho"))
def test_texts_are_refused_by_column(source: str) -> None:
    frames = _frames(rain_mm_h=None).with_columns(fog_top_m=pl.lit("25"), exposure_ev=pl.lit(True))
    with pytest.raises(DataError) as caught:
        as_drawn(frames, source)
    assert str(caught.value).splitlines() == [
        f"frames: {name} holds {kind} values, not numbers; write numbers, or drop the column"
        for name, kind in (("fog_top_m", "String"), ("exposure_ev", "Boolean"))
    ]


def test_fog_that_is_none_and_a_still_camera_pass() -> None:
    frames = _frames(
        fog_base_m=0.0, fog_top_m=0.0, fog_visibility_m=900.0, cloud_fraction=0.0, cloud_base_m=500.0,
        shutter_ms=8.0, yaw_rate_deg_s=0.0, pitch_rate_deg_s=0.0, roll_rate_deg_s=0.0,
    )  # fmt: skip
    kept = as_drawn(frames, "flightgear")
    assert kept["fog_visibility_m"].null_count() == 2 and kept["cloud_fraction"].to_list() == [0.0, 0.0]
    with pytest.raises(DataError, match="fog_visibility_m"):
        as_drawn(frames.with_columns(fog_top_m=pl.lit(60.0)), "flightgear")
    with pytest.raises(DataError, match="shutter_ms"):
        as_drawn(frames.with_columns(roll_rate_deg_s=pl.lit(2.0)), "flightgear")


def test_a_shutter_without_rates_is_refused_as_it_cannot_be_judged() -> None:
    with pytest.raises(DataError, match="shutter_ms"):
        as_drawn(_frames(shutter_ms=8.0), "xplane")


@settings(deadline=None)
@given(
    source=st.sampled_from(FORMS),
    values=st.dictionaries(st.sampled_from(COLUMNS), st.one_of(st.none(), st.floats(0, 50)), max_size=8),
)
def test_frames_that_are_kept_state_only_what_is_drawn(source: str, values: dict[str, float | None]) -> None:
    frames = _frames(**values).cast(dict.fromkeys(values, pl.Float64))
    kept = as_drawn(frames, source, "forget")
    assert kept.schema == frames.schema
    for name in values:
        if name in DRAWN[source]:
            assert kept[name].equals(frames[name])
        else:
            assert kept[name].null_count() == 2
    assert as_drawn(kept, source).equals(kept), "what was forgotten is not refused again"


def test_the_own_renderer_draws_every_column() -> None:
    assert DRAWN["ortho"] == COLUMNS
    with pytest.raises(DataError, match="undrawn is 'drop'"):
        as_drawn(_frames(), "ortho", "drop")


def test_the_documented_table_is_this_one() -> None:
    page = (Path(__file__).parent.parent / "docs" / "sources.md").read_text(encoding="utf-8")
    assert drawn_table() in page
