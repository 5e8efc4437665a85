"""Training and prediction read tar shards where they are: the same bytes as from the folder of pictures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from labels_support import GREY_SIZE_PX, grey_dataset
from PIL import Image
from tars_support import Rows, cut, rewritten

from lard.cli import main
from lard.detect.data import load_image, read_pictures
from lard.errors import DataError
from lard.files import sha256_file
from lard.intake.tars import index, members
from lard.store.push import push
from lard.tables import MANIFEST, write_table

N = 12
PARAMS = """
models:
  m: {family: fcos, widths: [8, 16, 16], depths: [1, 1, 1], pyramid: 8, towers: 1, side_limits_px: [32]}
train: {steps: 4, batch: 4, crops_per_image: 2, crop_px: 64, processes: 1, save_every: 2, validate_every: 2,
  validate_frames: 2, parts: 2}
"""


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled dataset of all splits, and the parameters to learn from it."""
    root = tmp_path_factory.mktemp("shards")
    out = grey_dataset(root / "toy", N, (200.0, 5000.0), split=["train", "val", "test", "train"] * 3)
    shots = {}
    for number, path in enumerate(sorted((out / "images").iterdir())):
        noise = np.random.default_rng(number).integers(0, 256, (12, 16, 3), np.uint8)
        Image.fromarray(noise).resize(GREY_SIZE_PX).save(path)
        shots[path.stem] = sha256_file(path)
    manifest = pl.read_parquet(out / "manifest.parquet")
    manifest = manifest.with_columns(sha256=pl.col("frame_id").replace_strict(shots))
    write_table(manifest, out / "manifest.parquet", MANIFEST)
    run("export", "coco", out, "--out", out / "coco")
    (root / "params.yaml").write_text(PARAMS)
    return out


@pytest.fixture(scope="module")
def exported(folder: Path) -> Path:
    run("export", "webdataset", folder, "--shard-size", 4, "--out", folder.parent / "tars")
    assert len(list((folder.parent / "tars").glob("train-*.tar"))) > 1
    return folder.parent / "tars"


@pytest.fixture
def shards(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "tars"))


def learn(data: object, out: Path, params: Path, *more: object, code: int = 0) -> str:
    return run("train", "m", "--data", data, "--config", params, "--out", out, *more, code=code)


def test_a_detector_learns_the_same_bytes_from_shards(folder: Path, exported: Path, tmp_path: Path) -> None:
    """Of a folder and of its shards, by a loader; and finds the same."""
    params = folder.parent / "params.yaml"
    learn(folder, tmp_path / "a" / "m", params)
    learn(exported, tmp_path / "b" / "m", params, "--loaders", 1)
    made = [(tmp_path / name / "m" / "checkpoint.pt").read_bytes() for name in "ab"]
    assert made[0] == made[1]
    for data, name in ((folder, "a.json"), (exported, "b.json")):
        run("predict", tmp_path / "a/m/checkpoint.pt", "--data", data, "--config", params, "--score", 0.01,
            "--out", tmp_path / name)  # fmt: skip
    assert json.loads((tmp_path / "a.json").read_text())
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert not (exported / "images").exists()


def test_processes_that_share_the_steps_learn_the_same_bytes_from_shards(
    folder: Path, exported: Path, tmp_path: Path
) -> None:
    """Two processes, each with a loader, from tars: the checkpoint of one process from the folder."""
    params = folder.parent / "params.yaml"
    learn(folder, tmp_path / "a" / "m", params, "--processes", 1)
    learn(exported, tmp_path / "b" / "m", params, "--processes", 2, "--loaders", 1)
    made = [(tmp_path / name / "m" / "checkpoint.pt").read_bytes() for name in "ab"]
    assert made[0] == made[1]


def test_shards_at_a_url(
    folder: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the splits that are learnt from are fetched; those of the picture folder alike."""
    monkeypatch.setenv("LARD_STORE_CACHE", str(tmp_path / "cache"))
    params, made = folder.parent / "params.yaml", []
    for name, data in (("folder", folder), ("tars", exported)):
        url = f"file://{tmp_path}/store/{name}"
        push(data, url)
        learn(url, tmp_path / name / "m", params)
        made.append((tmp_path / name / "m" / "checkpoint.pt").read_bytes())
        held = {sha256_file(path) for path in (tmp_path / "cache" / "files").glob("??/*")}
        pattern = "test-*.tar" if name == "tars" else "images/*.jpg"
        unseen = {sha256_file(path) for path in data.glob(pattern)} - held
        assert unseen, "what is of the test split stays where it is"
    assert made[0] == made[1]
    run("predict", tmp_path / "tars/m/checkpoint.pt", "--data", url, "--config", params, "--score", 0.01,
        "--out", f"file://{tmp_path}/store/results/m.json")  # fmt: skip
    run("predict", tmp_path / "tars/m/checkpoint.pt", "--data", folder, "--config", params, "--score", 0.01,
        "--out", tmp_path / "m.json")  # fmt: skip
    assert (tmp_path / "store/results/m.json").read_bytes() == (tmp_path / "m.json").read_bytes()
    told = run("label", url, code=2)  # of whose shards only the tables are fetched
    assert f"{url}: its pictures lie in tars" in told and f"lard import webdataset {url} --out" in told


def test_pictures_lie_where_the_index_says(folder: Path, exported: Path) -> None:
    found = index(exported, "train")
    for key, (path, place) in found.items():
        content = path.read_bytes()[place.offset : place.offset + place.size]
        assert content == (folder / "images" / f"{key}.jpg").read_bytes()
    pictures = read_pictures([exported], "train", shards=True)
    assert {one.path.stem for one in pictures} == set(found)
    apart = read_pictures([folder], "train")
    assert all(
        (load_image(a) == load_image(b)).all() and a.path.name == b.path.name
        for a, b in zip(pictures, apart, strict=True)
    )


@pytest.mark.parametrize(
    ("harm", "text"),
    [
        (lambda path: cut(path, 700), "train-000000.tar: ends within"),
        (lambda path: cut(path, 100), "train-000000.tar: cannot be read as a tar"),
        (lambda path: path.unlink(), "of 6 pictures are in no shard, the first is"),
        (lambda path: rewritten(path, lambda rows: rows[2:]), "1 of 6 pictures are in no shard"),
        (lambda path: rewritten(path, lambda rows: [*rows, rows[0]]), "is in the shards twice"),
        (lambda path: shutil.copy(path, path.with_name("train-000009.tar")), "is in the shards twice"),
        (lambda path: rewritten(path, lambda rows: [(rows[0][0], b"")]), "is no plain picture"),
        (
            lambda path: rewritten(path, lambda rows: [(n, c + b"x") for n, c in rows]),
            "is another than the manifest states",
        ),
        (lambda path: path.write_bytes(b"PK" * 4096), "train-000000.tar: cannot be read as a tar"),
    ],
)
def test_bad_shards_are_named(
    folder: Path, shards: Path, tmp_path: Path, harm: Callable[[Path], object], text: str
) -> None:
    harm(shards / "train-000000.tar")
    said = learn(shards, tmp_path / "m", folder.parent / "params.yaml", code=2)
    assert text in said and "Traceback" not in said
    assert len(said.strip().splitlines()) == 1, said
    assert not (tmp_path / "m" / "checkpoint.pt").exists()


def test_shards_without_manifest_are_told(folder: Path, shards: Path, tmp_path: Path) -> None:
    """Nothing checks their pictures: a note where they are read, no import; a manifest with a gap is none."""
    path = shards / "tables/manifest.parquet"
    manifest = pl.read_parquet(path)
    key = next(iter(index(shards, "train")))
    write_table(manifest.filter(pl.col("frame_id") != key), path, MANIFEST)
    for told in (
        learn(shards, tmp_path / "m", folder.parent / "params.yaml", code=2),
        run("import", "webdataset", shards, "--out", tmp_path / "back", code=2),
    ):
        assert f"manifest.parquet: states no SHA-256 of picture '{key}'" in told
    path.unlink()
    params = folder.parent / "params.yaml"
    note = "manifest.parquet is not there or empty"
    assert learn(shards, tmp_path / "m", params).count(note) == 1
    said = run("predict", tmp_path / "m/checkpoint.pt", "--data", shards, "--config", params, "--score", 0.01,
        "--out", tmp_path / "m.json")  # fmt: skip
    assert said.count(note) == 1
    told = run("import", "webdataset", shards, "--out", tmp_path / "back", code=2)
    assert "manifest.parquet: no such file" in told and not (tmp_path / "back").exists()


@pytest.mark.parametrize("name", ["elsewhere.tar", "train-000000.tar.gz", "train-000000.tgz"])
def test_a_tar_of_another_name_is_told(folder: Path, shards: Path, tmp_path: Path, name: str) -> None:
    (shards / "train-000000.tar").rename(shards / name)
    with pytest.raises(DataError, match=f"pictures are in no shard.*not read.*: {name}$"):
        read_pictures([shards], "train", shards=True)
    if name != "elsewhere.tar":
        assert f": {name}" in run("import", "webdataset", shards, "--out", tmp_path / "back", code=2)


def test_a_tar_cut_while_it_is_read_is_named(shards: Path) -> None:
    pictures = read_pictures([shards], "train", shards=True)
    cut(pictures[0].file, 600)
    with pytest.raises(DataError, match=r"train-\d+\.tar: ends within"):
        load_image(pictures[0])


@pytest.mark.parametrize(
    "words",
    [
        ("label", "SHARDS"),
        ("label", "SHARDS/tables"),
        ("explore", "SHARDS/tables", "--out", "out"),
        ("dqr", "run", "SHARDS/tables", "--out", "out"),
        ("label", "SHARDS/frames.parquet", "--out", "out/labels.parquet"),
        ("partition", "SHARDS"),
        ("inspect", "SHARDS", "--out", "out/sheet.jpg"),
        ("explore", "SHARDS", "--out", "out"),
        ("view", "SHARDS", "--save", "out/view.rrd"),
        ("dqr", "run", "SHARDS", "--out", "out"),
        ("render", "SHARDS", "--out", "out"),
        ("calibrate", "SHARDS", "--out", "out"),
        ("odd", "coverage", "SHARDS", "--odd", "lard_v2"),
        *[
            ("export", name, "SHARDS", "--out", "out")
            for name in ("coco", "yolo", "huggingface", "lard", "cvat")
        ],
        ("export", "webdataset", "SHARDS", "--out", "out"),
        ("export", "card", "SHARDS", "--out", "out/card.md"),
        ("attack", "fcos-s", "--data", "SHARDS", "--out", "out"),
        ("certify", "lip-fcos-s", "--data", "SHARDS", "--out", "out"),
    ],
)
def test_what_reads_no_shards_says_what_would_make_a_folder_of_them(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """In one line, before anything is written; what it names works."""
    monkeypatch.chdir(tmp_path)
    before = sorted(path for path in exported.rglob("*"))
    said = run(*[word.replace("SHARDS", str(exported)) for word in words], code=2)
    assert len(said.strip().splitlines()) == 1, said
    assert said.count(str(exported)) >= 2 and f"lard import webdataset {exported} --out FOLDER" in said
    assert not list(tmp_path.iterdir()) and sorted(path for path in exported.rglob("*")) == before


def test_what_reads_no_shards_refuses_the_pictures_too(exported: Path) -> None:
    with pytest.raises(DataError, match=r"lie in tars, which only .* lard import webdataset"):
        read_pictures([exported], "test")


def _records(rows: Rows) -> Rows:
    return [row for row in rows if row[0].endswith(".json")]


def _pictures(rows: Rows) -> Rows:
    return [row for row in rows if row[0].endswith(".jpg")]


@pytest.mark.parametrize(
    ("harm", "text"),
    [
        (lambda rows: [*rows, _records(rows)[0]], ".json' is in the shards twice"),
        (
            lambda rows: [*_pictures(rows), *((n, b'{"frame_id": 1, ' + c[1:]) for n, c in _records(rows))],
            "key 'frame_id' stands twice",
        ),
        (lambda rows: [*_pictures(rows), *((n, b"[]") for n, _ in _records(rows))], "expected a JSON object"),
        (lambda rows: [*_pictures(rows), *((n, b"") for n, _ in _records(rows))], "is no plain record"),
    ],
)
def test_records_of_shards_are_whole_and_there_once(
    shards: Path, tmp_path: Path, harm: Callable[[Rows], Rows], text: str
) -> None:
    rewritten(shards / "train-000000.tar", harm)
    said = run("import", "webdataset", shards, "--out", tmp_path / "back", code=2)
    (told,) = (line for line in said.splitlines() if not line.startswith("pictures: "))
    assert text in told and not (tmp_path / "back").exists()


def test_headers_that_are_nested_or_lie_are_no_pictures(tmp_path: Path) -> None:
    """A chain of extended headers, a link, a size beyond the file: an error, no traceback, no other file."""
    import tarfile

    chain = tmp_path / "train-000000.tar"
    entry = tarfile.TarInfo("x")
    entry.type = tarfile.XHDTYPE
    chain.write_bytes(entry.tobuf(tarfile.USTAR_FORMAT) * 5000)
    with pytest.raises(DataError, match="cannot be read as a tar"):
        list(members(chain))
    link = tarfile.TarInfo("a.jpg")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    chain.write_bytes(link.tobuf(tarfile.USTAR_FORMAT) + bytes(1024))
    with pytest.raises(DataError, match=r"'a\.jpg' is no plain picture"):
        list(members(chain))
    far = tarfile.TarInfo("a.jpg")
    far.size = 100_000_000
    chain.write_bytes(far.tobuf(tarfile.USTAR_FORMAT) + bytes(1024))
    with pytest.raises(DataError, match=r"ends within 'a\.jpg'"):
        list(members(chain))


def test_several_datasets_of_both_kinds(folder: Path, exported: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    pictures = read_pictures([exported, other], "train", shards=True)
    assert [one.place is not None for one in pictures] == [True] * 6 + [False] * 6
    assert all(
        (load_image(a) == load_image(b)).all() for a, b in zip(pictures[:6], pictures[6:], strict=True)
    )
