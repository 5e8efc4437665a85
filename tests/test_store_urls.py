"""Commands given s3:// URLs of a real store: results are those of folders, sent before success is told."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from detect_support import write_toy
from labels_support import database, grey_dataset
from store_support import Faults, planted, run, spoiled_store

from lard.airports.table import write_table_folder
from lard.detect.config import ModelSpec
from lard.store.contents import read_contents
from lard.store.opening import open_store
from lard.store.pull import pull
from lard.store.push import push

N = 6


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    with spoiled_store() as found, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LARD_STORE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("LARD_STORE_TRIES", "2")
        yield found[1]


@pytest.fixture
def faults(served: Faults) -> Iterator[Faults]:
    with planted(served) as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("local")
    out = grey_dataset(root / "toy", N, (200.0, 5000.0), split=["train", "val", "test"] * 2)
    run("export", "coco", out, "--out", out / "coco")
    write_table_folder(database(), root / "runways")
    return out


@pytest.fixture
def url(folder: Path, faults: Faults, tmp_path: Path) -> str:
    """The dataset in the store, called as the folder is."""
    place = f"s3://bkt/{tmp_path.name}/toy"
    push(folder, place)
    return place


def pulled(url: str, out: Path) -> dict[str, bytes]:
    pull(url, out)
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*")
            if p.is_file() and not p.name.startswith(".")}  # fmt: skip


def test_predictions_and_their_scores(folder: Path, url: str, tmp_path: Path) -> None:
    """Of a checkpoint, a dataset and results in the store, back to it; the score file beside is found."""
    from lard.detect.checkpoint import exported, save_detector
    from lard.detect.fcos import build

    spec = ModelSpec(
        family="fcos", widths=(8, 16, 16), depths=(1, 1, 1), pyramid=8, towers=1, side_limits_px=(32,)
    )
    save_detector(exported(build(spec).eval(), spec), "m", spec, {"airports": {}}, tmp_path / "m.pt")
    results = f"{url.removesuffix('/toy')}/results"
    open_store(results).put("m.pt", (tmp_path / "m.pt").read_bytes())
    run("predict", tmp_path / "m.pt", "--data", folder, "--score", 0.001, "--out", tmp_path / "m.json")
    text = run("predict", f"{results}/m.pt", "--data", url, "--score", 0.001, "--out", f"{results}/m.json")
    assert f"boxes in {results}/m.json" in text
    store = open_store(results)
    assert store.read("m.json") == (tmp_path / "m.json").read_bytes()
    run("score", tmp_path / "m.json", "--data", folder)
    run("score", f"{results}/m.json", "--data", url, "--out", f"{results}/m.score.json")
    told = {}
    for name, data, rows, out in (
        ("here", folder, tmp_path / "m.json", tmp_path / "pages"),
        ("there", url, f"{results}/m.json", f"{results}/pages"),
    ):
        run("explore", data, "--results", rows, "--copy-images", "--out", out)
        told[name] = out
    here = {p.relative_to(tmp_path / "pages").as_posix(): p.read_bytes()
            for p in (tmp_path / "pages").rglob("*") if p.is_file()}  # fmt: skip
    assert pulled(f"{results}/pages", tmp_path / "back") == here


def test_quality_is_judged_alike(folder: Path, url: str, tmp_path: Path) -> None:
    judged = ("--odd", "lard_v2", "--runways", folder.parent / "runways", "--only", "S01", "--only", "I04")
    run("dqr", "run", folder, *judged, "--out", tmp_path / "dqr", code=1)
    reports = f"{url.removesuffix('/toy')}/dqr"
    assert f"{reports}/compliance.html" in run("dqr", "run", url, *judged, "--out", reports, code=1)
    found = pulled(reports, tmp_path / "back")
    assert found["findings.parquet"] == (tmp_path / "dqr" / "findings.parquet").read_bytes()
    assert found["summary.json"] == (tmp_path / "dqr" / "summary.json").read_bytes()
    assert set(found) == {p.name for p in (tmp_path / "dqr").iterdir() if not p.name.startswith(".")}
    said = run("dqr", "run", url, "--odd", "lard_v2", "--out", url, code=2)
    assert f"--out {url} is {url}, which is read" in " ".join(said.split())


@pytest.mark.parametrize("named", ["dataset", "frames table"])
def test_labels_say_the_same_name(folder: Path, url: str, tmp_path: Path, named: str) -> None:
    """dataset.json is that of a folder of the same name, and the list tells of what was written."""
    own = Path(shutil.copytree(folder, tmp_path / "toy"))
    for place in (own, url):
        files = (
            [place] if named == "dataset" else [f"{place}/frames.parquet", "--out", f"{place}/labels.parquet"]
        )
        run("label", *files, "--runways", folder.parent / "runways")
    store = open_store(url)
    for name in ("dataset.json", "labels.parquet"):
        assert store.read(name) == (own / name).read_bytes() != b""
        assert read_contents(store).files[name].size == (own / name).stat().st_size
    assert store.read("dataset.json") != (folder / "dataset.json").read_bytes()
    assert pulled(url, tmp_path / "back")["images/" + next((own / "images").iterdir()).name]


def test_success_is_told_when_all_has_been_sent(folder: Path, url: str, faults: Faults) -> None:
    faults.always.append(("PUT", r"dataset\.json", (503, "SlowDown")))
    said = run("label", url, "--runways", folder.parent / "runways", code=2)
    assert "labels of" not in said and f"{url}/dataset.json" in said
    faults.always.clear()
    assert "labels of" in run("label", url, "--runways", folder.parent / "runways")


def test_a_refusal_sends_nothing(url: str, tmp_path: Path) -> None:
    results = f"{url.removesuffix('/toy')}/results"
    open_store(results).put("theirs.json", json.dumps({"mine": 1}).encode())
    said = run("predict", "fcos-s", "--data", url, "--out", f"{results}/theirs.json", code=2)
    assert f"{results}/theirs.json: is not a COCO results file" in said
    assert open_store(results).read("theirs.json") == b'{"mine": 1}'
    assert "no such object" in run("predict", f"{results}/none.pt", "--data", url, "--out", "o.json", code=2)


def test_training_from_a_store(url: str, tmp_path: Path) -> None:
    """Folder and shards, both in the store: the bytes of the folder here."""
    toy = write_toy(tmp_path / "data")
    (tmp_path / "p.yaml").write_text(
        "models: {m: {family: fcos, widths: [8, 16, 16], depths: [1, 1, 1], pyramid: 8, towers: 1,\n"
        " side_limits_px: [32]}}\n"
        "train: {steps: 1, batch: 2, crops_per_image: 2, crop_px: 64, processes: 1, parts: 1}\n"
    )
    there = url.removesuffix("/toy") + "/data"
    push(toy, there)
    for data, name in ((toy, "a"), (there, "b")):
        run("train", "m", "--data", data, "--config", tmp_path / "p.yaml", "--out", tmp_path / name)
    made = [(tmp_path / name / "checkpoint.pt").read_bytes() for name in "ab"]
    assert made[0] == made[1]
    assert "takes no URL here" in run("train", "m", "--data", there, "--out", f"{there}-m", code=2)
