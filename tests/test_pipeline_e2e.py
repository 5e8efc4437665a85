"""The pipeline in a small copy of the repository: products, repetition, interruption, a gate that shuts."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from pipeline_support import STATISTICS_OF_A_FEW_FRAMES
from ruamel.yaml import YAML

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parent.parent
SHIPPED = (
    "lard", "pipelines", "odd_specs", ".dvc/config", ".dvcignore", "dvc.yaml", "params.yaml",
)  # fmt: skip
PRODUCTS = (
    "data/frames.parquet",
    "data/ortho/labels.parquet",
    "data/ortho/manifest.parquet",
    "data/ortho/coco/test.json",
    "results/ortho/fcos-s.json",
    "results/ortho/lip-fcos-s.json",
    "data/sequences/coco/test.json",
    "results/ortho/fcos-s.sequences.score.json",
    "reports/assurance.html",
    "reports/assurance/fcos-s.html",
    "reports/assurance/lip-fcos-s.html",
    "reports/compliance.html",
    "reports/robustness/ortho/certify/not_computed.json",
    "reports/robustness/ortho/attack/not_computed.json",
    "reports/robustness/ortho/conform/not_computed.json",
    "reports/contact_sheet.jpg",
    "reports/leaderboard.csv",
    "reports/leaderboard.html",
)


def _small(folder: Path) -> Path:
    """A copy of what ships, with a few frames, a small camera and a few training steps."""
    for name in SHIPPED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)  # compiled kernels too: their cache goes by content
        else:
            shutil.copy2(source, target)
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    params["ground"]["gsd_m"] = 4.0
    params["sample"].update(
        n=24, airports=["BIRK", "PHTO", "LFRS"], split={"val": ["PHTO"], "test": ["BIRK"]}
    )
    params["sequences"].update(airports=["BIRK"], frames_at_most=60)
    params["assurance"].update(explained=2, certified=2)
    params["assurance"]["monitors"].update(train=2, val=3, test=3, steps=2)
    params["flightgear"]["enabled"] = False  # tests/test_flightgear_live.py runs it
    params["models"]["lip-fcos-s"].pop("steps")
    params["robustness"]["certify"]["pictures"] = 4
    params["robustness"]["attack"].update(pictures=2, steps=2, queries=2)
    params["train"].update(steps=4, save_every=2, batch=4, crops_per_image=2, processes=2, crop_px=64)
    yaml.dump(params, folder / "params.yaml")
    spec = yaml.load(folder / "odd_specs/lard_v2.yaml")
    spec["camera"].update(width_px=320, height_px=320)
    spec["dqr"] = STATISTICS_OF_A_FEW_FRAMES
    yaml.dump(spec, folder / "odd_specs/lard_v2.yaml")
    return folder


def _start(folder: Path) -> subprocess.Popen[str]:
    environment = dict(os.environ, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    environment["PYTHONPATH"] = str(folder)
    return subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def _repro(folder: Path) -> tuple[int, str]:
    process = _start(folder)
    output, _ = process.communicate(timeout=1800)
    return process.returncode, output


def _digests(folder: Path) -> dict[str, str]:
    files = [folder / name for name in PRODUCTS]
    files += sorted((folder / "data/ortho/images").iterdir()) + sorted(
        (folder / "data/ground").rglob("*.tif")
    )
    files += [folder / f"models/ortho/{model}/checkpoint.pt" for model in ("fcos-s", "lip-fcos-s")]
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = _small(tmp_path_factory.mktemp("checkout"))
    code, output = _repro(folder)
    assert code == 0, output[-6000:]
    return folder


def test_every_product_is_there(finished: Path) -> None:
    for name in PRODUCTS:
        assert (finished / name).stat().st_size > 0, name
    board = pl.read_csv(finished / "reports/leaderboard.csv")
    assert set(board["model"]) == {"fcos-s", "lip-fcos-s"}
    assert {"AP", "AP50", "AP75", "AR100"} <= set(board.columns)
    for name in ("compliance.html", "leaderboard.html"):
        text = (finished / "reports" / name).read_text()
        assert "http://" not in text.replace("http://www.w3.org", "") and 'src="https:' not in text, name


def test_a_second_run_does_nothing(finished: Path) -> None:
    code, output = _repro(finished)
    assert code == 0 and "up to date" in output
    assert "Running stage" not in output


def test_no_output_names_the_machine(finished: Path) -> None:
    for name in PRODUCTS:
        assert str(finished).encode() not in (finished / name).read_bytes(), name


def test_a_killed_run_ends_with_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    """Killed four times at different moments, children included, then left to finish."""
    folder = _small(tmp_path / "killed")
    for seconds in (7, 12, 17, 9):
        process = _start(folder)
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    code, output = _repro(folder)
    assert code == 0, output[-6000:]
    assert _digests(folder) == _digests(finished)


def test_the_gate_shuts_on_a_broken_dataset(finished: Path, tmp_path: Path) -> None:
    """A shifted label and a lost picture are reported, and the stage ends with an error."""
    folder = tmp_path / "broken"
    for name in ("lard", "pipelines", "odd_specs", "data/ortho"):
        shutil.copytree(finished / name, folder / name)
    shutil.copy2(finished / "params.yaml", folder / "params.yaml")
    labels = pl.read_parquet(folder / "data/ortho/labels.parquet")
    shift = pl.when(pl.int_range(pl.len()) == 0).then(3.0).otherwise(0.0)
    labels.with_columns(pl.col("x_bl_px") + shift).write_parquet(folder / "data/ortho/labels.parquet")
    lost = sorted((folder / "data/ortho/images").iterdir())[0]
    lost.unlink()
    result = subprocess.run(
        [sys.executable, "-m", "pipelines.check"], cwd=folder, capture_output=True, text=True,
        env=dict(os.environ, PYTHONPATH=str(folder)),
    )  # fmt: skip
    assert result.returncode == 1, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert "DQR-A01 fails (error)" in result.stdout and "DQR-I04 fails (error)" in result.stdout
    findings = pl.read_parquet(folder / "reports/dqr/findings.parquet")
    assert lost.stem in " ".join(findings["subject"].to_list() + findings["message"].to_list())
    assert "NOT COMPLIANT" in (folder / "reports/compliance.html").read_text()  # not of an earlier run


def test_one_bound_of_the_odd_reruns_only_what_depends_on_it(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bound"
    shutil.copytree(finished, folder, symlinks=True)
    spec = folder / "odd_specs/lard_v2.yaml"
    spec.write_text(spec.read_text().replace("in:\n    along_track_m: 100", "in:\n    along_track_m: 90"))
    code, output = _repro(folder)
    assert code == 0, output[-6000:]
    ran = {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}
    assert {"sample", "label", "check"} <= ran
    assert "ground" not in ran
    # frames name their spec by content, so that the stage looks at them again, and keeps every picture
    journal = "data/ortho/render_journal.jsonl"
    assert (folder / journal).read_bytes() == (finished / journal).read_bytes(), "margins change no picture"
    names = [path.name for path in sorted((finished / "data/ortho/images").iterdir())]
    assert names and all(
        (folder / "data/ortho/images" / name).read_bytes()
        == (finished / "data/ortho/images" / name).read_bytes()
        for name in names
    )
