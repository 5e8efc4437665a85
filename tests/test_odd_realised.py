"""Declared laws against what frames hold."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from lard.airports import load_shipped
from lard.cli import main
from lard.odd import load_spec
from lard.odd.realised import realised, realised_text
from lard.scenario import sample

SPECS = Path(__file__).parent.parent / "odd_specs"
SPEC = load_spec(SPECS / "lard_v2.yaml")


@pytest.fixture(scope="module")
def frames() -> pl.DataFrame:
    return sample(SPEC, load_shipped(), ["KATL", "LFPO"], 600, 1)


def test_a_lawful_sample_departs_nowhere(frames: pl.DataFrame) -> None:
    found = realised(SPEC, frames)
    assert {one.parameter for one in found} == {"zone", *SPEC.zones[0].laws, *SPEC.environment}
    assert len(found) == 1 + 3 * 6 + 3
    assert max(one.gap for one in found) < 0.02 and not any(one.departs for one in found)
    assert not any(line.startswith("!") for line in realised_text(found))


def test_a_shifted_parameter_and_a_short_zone_are_told(frames: pl.DataFrame) -> None:
    lean = pl.when(pl.col("zone") == "far").then(pl.col("roll_deg") / 2).otherwise("roll_deg")
    table = frames.with_columns(roll_deg=lean).filter(
        (pl.col("zone") != "close") | (pl.int_range(pl.len()) % 2 == 0)
    )
    departing = {(one.parameter, one.zone): one.gap for one in realised(SPEC, table) if one.departs}
    assert departing[("roll_deg", "far")] == pytest.approx(0.25, abs=0.02)
    assert ("zone", "") in departing and ("roll_deg", "close") not in departing
    text = "\n".join(realised_text(realised(SPEC, table)))
    assert "! roll_deg in zone far departs from its law by 0.2" in text and "no rule looks at it" in text


def test_gap_is_that_of_the_distribution_functions(frames: pl.DataFrame) -> None:
    from scipy import stats

    part = frames.filter(pl.col("zone") == "far")
    law = SPEC.zones[0].laws["pitch_deg"]
    row = next(one for one in realised(SPEC, frames) if (one.parameter, one.zone) == ("pitch_deg", "far"))
    assert row.gap == pytest.approx(stats.kstest(part["pitch_deg"].to_numpy(), law.cdf).statistic)


def test_missing_columns_nulls_and_no_frames_are_borne(frames: pl.DataFrame) -> None:
    holes = frames.with_columns(visibility_m=pl.lit(None, pl.Float64)).drop("local_time_h")
    found = {(one.parameter, one.zone): one for one in realised(SPEC, holes)}
    assert found[("visibility_m", "")].frames == 0 and ("local_time_h", "") not in found
    assert not any(one.departs for one in realised(SPEC, frames.clear()))
    assert np.isfinite([one.gap for one in realised(SPEC, frames.clear())]).all()


def test_sample_and_preview_print_it(tmp_path: Path) -> None:
    odd, out = str(SPECS / "all_weather.yaml"), str(tmp_path / "f.parquet")
    given = ["--odd", odd, "--airports", "KATL,LFPO", "--n", "900", "--out", out]
    result = CliRunner().invoke(main, ["scenario", "sample", *given])
    assert result.exit_code == 0, result.output
    assert "0 70%, 2 20%, 8 10%" in result.output and "drops come from rain" in result.output
    page = tmp_path / "p.html"
    made = CliRunner().invoke(
        main,
        [
            "odd",
            "preview",
            str(SPECS / "lard_v2.yaml"),
            "--n",
            "30",
            "--airports",
            "LFPO",
            "--out",
            str(page),
        ],
    )
    assert made.exit_code == 0 and "declared" in made.output
    assert "15000..60000 log_uniform" in page.read_text()
