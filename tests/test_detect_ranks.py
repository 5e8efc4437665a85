"""One run on any number of processes and machines: the same bytes, and what is said when one is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from detect_support import write_toy

from lard.detect.config import ModelSpec, TrainSpec
from lard.detect.train import train

SMALL = {"widths": (8, 16, 16), "depths": (1, 1, 1), "pyramid": 8, "towers": 1, "side_limits_px": (32,)}
PLAIN = ModelSpec(family="fcos", **SMALL)
LIP = ModelSpec(family="lip-fcos", **SMALL)
HINGE = ModelSpec(family="lip-fcos", loss="hinge", **SMALL)
PLAN = TrainSpec(steps=4, batch=8, crops_per_image=2, crop_px=64, processes=1, save_every=2)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "data")


def on(processes: int) -> TrainSpec:
    return TrainSpec.model_validate({**PLAN.model_dump(), "processes": processes})


@pytest.mark.parametrize(("spec", "counts"), [(PLAIN, (2, 4)), (HINGE, (2,))], ids=["plain", "hinge"])
def test_the_same_bytes_on_any_number_of_processes(
    spec: ModelSpec, counts: tuple[int, ...], toy: Path, tmp_path: Path
) -> None:
    """Batch statistics, gradients and losses that compare pictures, of a batch that is shared out."""
    whole = train("m", spec, on(1), toy, tmp_path / "1", tmp_path / "work")
    for count in counts:
        shared = train("m", spec, on(count), toy, tmp_path / str(count), tmp_path / "work")
        log = (shared.parent / "log.csv").read_text()
        assert log == (whole.parent / "log.csv").read_text()
        assert shared.read_bytes() == whole.read_bytes()
