"""What land and curvature hide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from labels_support import database, frames_of

from lard.approach import Approaches, pose_of
from lard.errors import DataError
from lard.geodesy import geodesic_inverse
from lard.labels import label_frames
from lard.labels.occlusion import hidden_fraction, smooth_earth
from lard.labels.spread import check_land_known
from lard.odd import load_spec

DB = database()
END = DB.airport("KXYZ").runway("09L")


def approach(along_m: float, vertical_deg: float) -> object:
    return pose_of(END, Approaches(along_m, 0.0, vertical_deg, 0.0, -4.0, 0.0))


def test_a_flat_earth_hides_nothing_on_approach() -> None:
    for along_m in (300.0, 2000.0, 6000.0):
        assert hidden_fraction(END, approach(along_m, 3.0), smooth_earth(299.0))[0] == 0.0


@pytest.mark.parametrize(("height_m", "hidden"), [(300.0, 0.0), (420.0, 0.0), (530.0, 1.0)])
def test_a_ridge_hides_once_it_stands_above_the_line_of_sight(height_m: float, hidden: float) -> None:
    pose = approach(
        6000.0, 3.0
    )  # 2.5 km before it, sight of the threshold passes at 437 m, of the far end at 505 m

    def ridge(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        distance = geodesic_inverse(END.ltp[0], END.ltp[1], lat, lon)[2]
        east = lon < END.ltp[1]
        return np.where(east & (np.abs(distance - 2500.0) < 60.0), height_m, 250.0)

    assert hidden_fraction(END, pose, ridge)[0] == hidden


def test_curvature_hides_beyond_the_horizon() -> None:
    low, high = approach(80_000.0, 0.0), approach(80_000.0, 3.0)
    low = type(low)(low.lat_deg, low.lon_deg, np.array([340.0]), *(getattr(low, k) for k in
                    ("yaw_deg", "pitch_deg", "roll_deg")))  # fmt: skip
    assert hidden_fraction(END, low, smooth_earth(299.0))[0] == 1.0
    assert hidden_fraction(END, high, smooth_earth(299.0))[0] == 0.0


def test_unknown_land_is_unknown_and_labels_carry_the_share() -> None:
    spec = load_spec(Path(__file__).parents[1] / "odd_specs" / "lard_v2.yaml")
    frames = frames_of(DB, 10, along_m=(500.0, 4000.0))
    labels = label_frames(frames, DB, spec, lambda lat, lon: np.full(len(lat), np.nan))
    assert labels["hidden_fraction"].null_count() == len(labels)
    assert labels.drop("hidden_fraction").equals(label_frames(frames, DB, spec))
    with pytest.raises(DataError, match=r"does not cover the land .* in 10 of 10 frames .*; add tiles there"):
        check_land_known(frames, labels)

    def holed(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        return np.where((lat * 1e4 % 40 < 9) & (lon * 1e4 % 40 < 9), np.nan, 200.0)

    gaps = label_frames(frames, DB, spec, holed)
    assert set(gaps["hidden_fraction"]) == {0.0}  # small voids are no gap
    check_land_known(frames, gaps)
    wall = label_frames(frames, DB, spec, smooth_earth(5000.0))
    assert wall["hidden_fraction"].to_list() == [1.0] * len(labels)
    assert set(wall["visible_fraction"]) == {0.0} and set(wall["verdict"]) == {"OUT_OF_ODD"}
    same = [name for name in wall.columns if name not in ("hidden_fraction", "visible_fraction", "verdict")]
    assert wall.select(same).equals(label_frames(frames, DB, spec).select(same))
    clear = labels.drop("hidden_fraction")
    assert clear.equals(label_frames(frames, DB, spec))
