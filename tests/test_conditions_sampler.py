"""Conditions in a spec: sampled in their ranges, moving nothing else."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lard.airports.files import open_database
from lard.airports.model import RunwayDatabase
from lard.errors import SpecError
from lard.odd.parameters import CONDITIONS, PARAMETERS, resolve
from lard.odd.reader import load_spec
from lard.odd.spec import OddSpec
from lard.scenario.holes import fill
from lard.scenario.sampler import sample
from lard.tables import ORIGIN

SPECS = Path(__file__).parents[1] / "odd_specs"
AIRPORTS = ("LFPO", "EHAM")
DECLARED = """  fog_top_m: [0, 100]
  exposure_ev: [-1, 1]
  roll_rate_rad_s: [-0.1, 0.1]
  jpeg_quality: [60, 95]
"""


@pytest.fixture(scope="module")
def db() -> RunwayDatabase:
    return open_database("shipped")


def spec_with(tmp_path: Path, more: str) -> OddSpec:
    """The spec of LARD V2 with more lines in its environment."""
    path = tmp_path / "spec.yaml"
    text = (SPECS / "lard_v2.yaml").read_text()
    assert text.count("\nenvironment:\n") == 1
    path.write_text(text.replace("\nenvironment:\n", f"\nenvironment:\n{more}"))
    return load_spec(path)


@pytest.mark.parametrize("method", ["sobol", "lhs", "mc"])
def test_declaring_conditions_moves_no_other_column(db: RunwayDatabase, tmp_path: Path, method: str) -> None:
    plain = sample(load_spec(SPECS / "lard_v2.yaml"), db, AIRPORTS, 60, 5, method=method)
    more = sample(spec_with(tmp_path, DECLARED), db, AIRPORTS, 60, 5, method=method)
    drawn = [name for name in plain.columns if name not in ORIGIN]  # the two specs differ, and are named
    assert more.select(drawn).equals(plain.select(drawn))
    assert set(more.columns) - set(plain.columns) == {
        "fog_top_m", "exposure_ev", "roll_rate_deg_s", "jpeg_quality",
    }  # fmt: skip
    assert more["jpeg_quality"].dtype == pl.Int64 and more["jpeg_quality"].is_between(60, 95).all()
    assert more["roll_rate_deg_s"].abs().max() < np.degrees(0.1) + 1e-9
    assert more["fog_top_m"].n_unique() == 60


def test_conditions_fill_their_range_together_with_the_approach(db: RunwayDatabase, tmp_path: Path) -> None:
    frames = sample(spec_with(tmp_path, DECLARED), db, AIRPORTS, 600, 2)
    frames = frames.filter(pl.col("zone") == frames["zone"][0])
    fog = np.minimum((frames["fog_top_m"].to_numpy() / 20).astype(int), 4)
    for name in ("vertical_deg", "along_track_m"):
        values = frames[name].to_numpy()
        bins = np.searchsorted(np.quantile(values, [0.2, 0.4, 0.6, 0.8]), values)
        counts = np.bincount(fog * 5 + bins, minlength=25)
        assert counts.min() > 0.3 * len(frames) / 25, name


def test_holes_are_filled_with_conditions(db: RunwayDatabase, tmp_path: Path) -> None:
    spec = spec_with(tmp_path, DECLARED)
    few = sample(spec, db, AIRPORTS, 12, 1)
    added = fill(spec, db, AIRPORTS, few, t=1, bins=4, seed=1).frames
    assert len(added) and added["fog_top_m"].is_between(0, 100).all()


def test_the_example_of_everything_declares_every_condition() -> None:
    spec = load_spec(SPECS / "all_weather.yaml")
    assert set(CONDITIONS) <= set(spec.environment)


def test_every_spelling_of_a_condition_is_its_own() -> None:
    for name in CONDITIONS:
        assert resolve(name) == (PARAMETERS[name], 1.0)
    for key, name, factor in (
        ("cloud_base_ft", "cloud_base_m", 0.3048), ("shutter_s", "shutter_ms", 1000.0),
        ("roll_rate_rad_s", "roll_rate_deg_s", 57.29577951308232),
        ("lights_percent", "lights_fraction", 0.01),
    ):  # fmt: skip
        assert resolve(key) == (PARAMETERS[name], factor)
    assert "unknown unit" in str(resolve("cloud_base_nmi"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("  rain_mm_h: [1, 5]\n", "it always rains, but cloud_fraction is never above 0"),
        ("  fog_base_m: 20\n", "a fog needs fog_top_m as well"),
        ("  fog_base_m: [90, 95]\n  fog_top_m: [10, 80]\n", "never below its top"),
        ("  exposure_ev: [-9, 1]\n", r"\[-9, 1\] leaves the possible \[-6, 6\] ev"),
        ("  light: night\n  sun_elevation_deg: [10, 20]\n", "place is given twice"),
        ("rules:\n  - {require: {fog_top_m: 0}}\nenvironment:\n", "the environment does not declare"),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, more: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        spec_with(tmp_path, more)
