"""`make demo`: its parameters agree with what ships, and its stages end with what they promise."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pipeline_support import STATISTICS_OF_A_FEW_FRAMES
from ruamel.yaml import YAML

from lard.detect.cards import card_of
from lard.documents import read_json
from lard.errors import DataError
from lard.odd import load_spec

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "demo"
FRAMES = 9


def _params() -> dict[str, object]:
    found = YAML(typ="safe").load(DEMO / "params.yaml")
    assert isinstance(found, dict)
    return found


def test_detections_count_from_the_operating_points_of_the_cards() -> None:
    detectors = _params()["detectors"]
    assert isinstance(detectors, dict)
    for name, score in detectors.items():
        assert score == card_of(name).scores[0].score_threshold


def test_no_shipped_detector_has_seen_the_airports() -> None:
    detectors = _params()["detectors"]
    airports = set(str(_params()["airports"]).split(","))
    assert isinstance(detectors, dict) and len(airports) == 2
    for name in detectors:
        card = card_of(name)
        assert not airports & {*card.trained_airports, *card.validation_airports}


def test_the_domain_is_lard_v2_asked_of_a_few_frames() -> None:
    demo, whole = load_spec(DEMO / "odd.yaml"), load_spec(ROOT / "odd_specs/lard_v2.yaml")
    for part in ("camera_spec", "reference", "zones", "margins", "environment"):
        assert getattr(demo, part) == getattr(whole, part)


def test_show_names_what_is_missing() -> None:
    spec = importlib.util.spec_from_file_location("show", DEMO / "show.py")
    assert spec is not None and spec.loader is not None
    show = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(show)
    with pytest.raises(DataError, match=r"summary.json.*run `make demo`"):
        show.summary(DEMO / "nowhere")


@pytest.mark.e2e
def test_the_demo_with_fewer_and_smaller_frames(tmp_path: Path) -> None:
    """Every stage, its summary, and a second run that has nothing to do."""
    shutil.copytree(DEMO, tmp_path / "demo", ignore=shutil.ignore_patterns("out", "dvc.lock", "__pycache__"))
    shutil.copytree(ROOT / ".dvc", tmp_path / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache"))
    shutil.copy2(ROOT / ".dvcignore", tmp_path)
    yaml = YAML()
    params = yaml.load(tmp_path / "demo/params.yaml") | {"frames": FRAMES, "gsd_m": 4.0}
    yaml.dump(params, tmp_path / "demo/params.yaml")
    spec = yaml.load(tmp_path / "demo/odd.yaml")
    spec["camera"].update(width_px=256, height_px=256)
    spec["dqr"] = STATISTICS_OF_A_FEW_FRAMES
    yaml.dump(spec, tmp_path / "demo/odd.yaml")
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
    }

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, text=True, timeout=900,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    run("-m", "dvc", "repro", "demo/dvc.yaml")
    out = tmp_path / "demo/out"
    assert len(list((out / "dataset/images").iterdir())) == FRAMES
    assert len(read_json(out / "dataset/coco/test.json")["images"]) == FRAMES
    assert (out / "explorer/index.html").stat().st_size > 0
    told = run("demo/show.py")
    assert "COMPLIANT WITH REMARKS" in told and "NOT COMPLIANT" not in told
    for name in params["detectors"]:
        assert f"{name}: AP50" in told
    pages = [line.split("  (")[0].strip() for line in told.splitlines() if "  (" in line]
    assert len(pages) == 3 and all(Path(page).is_file() for page in pages)
    assert "Running stage" not in run("-m", "dvc", "repro", "demo/dvc.yaml")
