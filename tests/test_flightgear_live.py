"""FlightGear itself: starts, renders a few frames, and its runways lie where the labels say.

Needs `flightgear flightgear-data-all xvfb dbus` (Debian 12); skipped with the reason otherwise.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lard.calibrate.measure import KINDS
from lard.calibrate.measure import measure as lines_of
from lard.calibrate.scene import scene_of
from lard.errors import SourceError
from lard.quality.measures.paint import PAINTS
from lard.simulators.flightgear.install import airport_meshes, find_installation
from lard.simulators.flightgear.runways import flightgear_runways
from lard.simulators.flightgear.settings import FlightGearSettings
from lard.simulators.flightgear.source import render_flightgear

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

try:
    INSTALLATION, REASON = find_installation(), ""
except SourceError as error:
    INSTALLATION, REASON = None, str(error).replace("\n", "; ")

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(INSTALLATION is None, reason=REASON)]


def test_pictures_fit_their_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import flightgear as bench
    import polars as pl

    from lard.simulators.flightgear.mesh import read_mesh

    monkeypatch.setenv("LARD_CACHE", str(tmp_path / "cache"))
    assert INSTALLATION is not None
    db, _ = flightgear_runways(INSTALLATION, ["PHTO"])
    frames = bench.frames_of(db, 4, (612, 512)).filter(pl.col("runway").is_in(["03", "21"])).head(6)
    manifest = render_flightgear(frames, tmp_path / "out", 1, db, FlightGearSettings(vegetation=False))
    assert len(manifest) == 6
    mesh, paint = read_mesh(airport_meshes(INSTALLATION.scenery)["PHTO"]), bench.threshold_paint(INSTALLATION)
    shares, offsets = bench.shoulder_shares(INSTALLATION, "PHTO"), []
    for row in frames.iter_rows(named=True):
        picture = np.asarray(Image.open(tmp_path / "out" / "images" / f"{row['frame_id']}.jpg"))
        assert picture.shape == (512, 612, 3)
        drawn = bench.outline(db.airports["PHTO"].runway(row["runway"]), mesh, shares)
        found = bench.measure(picture.astype(float), frames.filter(frame_id=row["frame_id"]), drawn, paint)
        offsets += [abs(value) for name, value in found.items() if "corner" not in name]
    assert len(offsets) >= 6
    assert np.median(offsets) < 0.5
    # its paint is known, so that calibration finds the threshold bars where the labels put them
    scene = scene_of(frames, db, ["pitch"], 3000.0)
    images, views = tmp_path / "out" / "images", np.arange(len(scene.frame))
    painted = lines_of(
        scene, np.zeros(1), views, lambda name: images / f"{name}.jpg", 8.0, 1, PAINTS["flightgear"]
    )
    bars = painted.offset_px[painted.kind == KINDS.index("bars")]
    assert len(bars)
    assert np.median(np.abs(bars)) < 0.3
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "images").iterdir()}
    render_flightgear(frames, tmp_path / "out", 1, db, FlightGearSettings(vegetation=False))
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_runways_of_the_scenery() -> None:
    assert INSTALLATION is not None
    db, report = flightgear_runways(INSTALLATION, ["PHNL", "BIRK"])
    honolulu = db.airports["PHNL"]
    assert [runway.ident for runway in honolulu.runways] == [
        "04L",
        "04R",
        "08L",
        "08R",
        "22L",
        "22R",
        "26L",
        "26R",
    ]
    # apt.dat declares no displaced threshold there, 46 m of arrows are drawn
    assert report.ends[("PHNL", "22R")].displaced_m == pytest.approx(46.0, abs=0.1)
    assert report.ends[("PHNL", "04R")].shoulder_left_m == pytest.approx(11.0, abs=0.1)
    heights = [corner[2] for runway in honolulu.runways for corner in runway.corners]
    assert 1.0 < min(heights) < max(heights) < 7.0
    for runway in db.airports["BIRK"].runways:
        assert runway.width_m == pytest.approx(45.11, abs=0.02)
