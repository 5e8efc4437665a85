"""Commands given URLs do what they do with folders, and leave nothing here; the cache keeps its limit."""

import json
import multiprocessing
from pathlib import Path

import polars as pl
import pytest
from labels_support import grey_dataset
from store_support import run

from lard.errors import DataError
from lard.files import sha256_file
from lard.store.cache import linked, make_room
from lard.store.contents import Entry, read_contents
from lard.store.mount import mounted, write_back
from lard.store.opening import open_store
from lard.store.push import push

N = 9


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LARD_STORE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    out = grey_dataset(tmp_path / "local" / "toy", N, (200.0, 5000.0), split=["train", "val", "test"] * 3)
    run("export", "coco", out, "--out", out / "coco")
    return out


@pytest.fixture
def url(folder: Path, tmp_path: Path) -> str:
    """The dataset in a store: a folder that is reached as a store is."""
    place = f"file://{tmp_path}/store/toy"
    push(folder, place)
    return place


def mounts(cache: Path) -> list[str]:
    return [path.name for path in cache.iterdir() if path.name.startswith(".mount")]


def test_labelling_a_dataset_in_a_store(folder: Path, url: str, cache: Path) -> None:
    """Labels and description change there as here; pictures are neither fetched nor sent."""
    store = open_store(url)
    before = store.listing()
    text = run("label", url, "--runways", _database(folder))
    run("label", folder, "--runways", _database(folder))
    assert f"{url}/labels.parquet" in text and str(cache) not in text
    assert store.read("labels.parquet") == (folder / "labels.parquet").read_bytes()
    assert store.read("dataset.json") == (folder / "dataset.json").read_bytes()
    after = store.listing()
    assert {path for path in after if after[path] != before[path]} <= {
        "labels.parquet", "dataset.json", "contents.parquet",
    }  # fmt: skip
    assert read_contents(store).files["labels.parquet"].sha256 == sha256_file(folder / "labels.parquet")
    assert mounts(cache) == []


def _database(folder: Path) -> Path:
    """The runways of the toy dataset, as a table folder."""
    from labels_support import database

    from lard.airports.table import write_table_folder

    out = folder.parent / "runways"
    if not out.exists():
        write_table_folder(database(), out)
    return out


def test_exports_go_to_stores(folder: Path, url: str, tmp_path: Path) -> None:
    there = f"file://{tmp_path}/store/coco"
    assert f"in {there}" in run("export", "coco", url, "--out", there)
    for name in ("train.json", "val.json", "test.json"):
        assert open_store(there).read(name) == (folder / "coco" / name).read_bytes()
    assert "is not an empty folder" in run("export", "coco", url, "--out", there, code=2)
    shards = f"file://{tmp_path}/store/shards"
    run("export", "webdataset", url, "--out", shards, "--shard-mb", 0.1)
    run("import", "webdataset", shards, "--out", tmp_path / "back")
    assert {p.name for p in (tmp_path / "back" / "images").iterdir()} == {
        p.name for p in (folder / "images").iterdir()
    }


def test_scores_of_results_in_a_store(folder: Path, url: str, tmp_path: Path) -> None:
    truth = json.loads((folder / "coco" / "test.json").read_text())
    rows = [
        {"image_id": one["image_id"], "category_id": 1, "bbox": one["bbox"], "score": 0.9}
        for one in truth["annotations"]
    ]
    (tmp_path / "x.json").write_text(json.dumps(rows))
    there = open_store(f"file://{tmp_path}/store/results")
    there.put("x.json", (tmp_path / "x.json").read_bytes())
    run("score", tmp_path / "x.json", "--data", folder, "--out", tmp_path / "x.score.json")
    assert "--out is needed" in run("score", f"{there.url}/x.json", "--data", url, code=2)
    run("score", f"{there.url}/x.json", "--data", url, "--out", f"{there.url}/x.score.json")
    assert set(there.listing()) == {"x.json", "x.score.json"}
    mine, theirs = (json.loads(text) for text in (
        (tmp_path / "x.score.json").read_bytes(), there.read("x.score.json")
    ))  # fmt: skip
    assert mine["overall"] == theirs["overall"]
    assert str(tmp_path / "cache") not in there.read("x.score.json").decode()
    there.put("theirs.json", b"[1]")
    args = ("score", f"{there.url}/x.json", "--data", url, "--out", f"{there.url}/theirs.json")
    assert "theirs.json: is not a score file" in run(*args, code=2)
    assert there.read("theirs.json") == b"[1]"
    assert "no such object" in run(
        "score", f"{there.url}/none.json", "--data", url, "--out", "o.json", code=2
    )


def test_what_a_command_does_not_take_is_told(url: str, tmp_path: Path) -> None:
    text = run("odd", "coverage", url, "--odd", "lard_v2", code=2)
    assert f"{url}: `lard odd coverage` takes no URL here; fetch it first: lard pull" in text
    assert "--copy-images is needed" in run("explore", url, "--out", tmp_path / "pages", code=2)
    assert "holds no contents.parquet" in run(
        "export", "coco", f"{url}-none", "--out", tmp_path / "o", code=2
    )
    text = run("render", "f.parquet", "--source", "flightgear", "--out", url, code=2)
    assert "--source flightgear writes into a folder; `lard push` it afterwards" in text


def test_a_run_that_finds_the_folder_changed_writes_nothing(folder: Path, url: str) -> None:
    with mounted(url, lambda mount: ["dataset.json"]) as mount:
        (mount.folder / "dataset.json").write_text("{}")
        (folder / "images" / "new.jpg").write_bytes(b"new")
        push(folder, url)  # another run, meanwhile
        with pytest.raises(DataError, match="was written by another run meanwhile"):
            write_back(mount)
    assert open_store(url).read("dataset.json") == (folder / "dataset.json").read_bytes()


def test_what_is_cached_is_checked_and_not_fetched_again(url: str, cache: Path, tmp_path: Path) -> None:
    path = next(path for path in read_contents(open_store(url)).files if path.startswith("images/"))
    with mounted(url, lambda mount: [path]) as mount:
        data = (mount.folder / path).read_bytes()
    (place,) = (cache / "files").glob("??/*")
    stamp = place.stat().st_ino
    with mounted(url, lambda mount: [path]):
        assert next((cache / "files").glob("??/*")).stat().st_ino == stamp, "found"
    place.write_bytes(b"x" * len(data))
    with mounted(url, lambda mount: [path]) as mount:
        assert (mount.folder / path).read_bytes() == data, "damaged: fetched again"
    assert mounts(cache) == []


def test_the_cache_keeps_its_limit(url: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(url)
    files = {path: one for path, one in read_contents(store).files.items() if path.startswith("images/")}
    size = sum(one.size for one in files.values())
    half = sorted(files)[: len(files) // 2]
    with mounted(url, lambda mount: list(files)):
        pass
    monkeypatch.setenv("LARD_STORE_CACHE_GB", repr(0.6 * size / 1e9))
    make_room(sum(files[path].size for path in half), url)
    assert sum(path.stat().st_size for path in (cache / "files").glob("??/*")) <= 0.6 * size
    with mounted(url, lambda mount: half) as mount:
        make_room(int(0.6 * size), url)  # another command: what is linked stays
        assert all((mount.folder / path).read_bytes() == store.read(path) for path in half)
    message = "are needed here and the cache .* may hold .* set LARD_STORE_CACHE_GB"
    with pytest.raises(DataError, match=message), mounted(url, lambda mount: list(files)):
        pass
    monkeypatch.setenv("LARD_STORE_CACHE_GB", "much")
    with pytest.raises(DataError, match="LARD_STORE_CACHE_GB is 'much'"):
        make_room(1, url)


def _link_all(url: str, entries: dict[str, Entry], folder: Path) -> int:
    store = open_store(url)
    folder.mkdir()
    for path, entry in entries.items():
        make_room(entry.size, url)
        linked(store, path, entry, folder / path.replace("/", "-"))
    return sum(sha256_file(folder / path.replace("/", "-")) == one.sha256 for path, one in entries.items())


def test_processes_share_the_cache(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three processes fetch the same files while there is room for few of them."""
    entries = dict(read_contents(open_store(url)).files)
    monkeypatch.setenv("LARD_STORE_CACHE_GB", repr(max(e.size for e in entries.values()) * 2.5 / 1e9))
    context = multiprocessing.get_context("fork")
    with context.Pool(3) as pool:
        found = pool.starmap(_link_all, [(url, entries, tmp_path / f"of{n}") for n in range(3)])
    assert found == [len(entries)] * 3


def test_tables_are_own_copies(url: str, cache: Path) -> None:
    """What a command writes in place must not change what others find in the cache."""
    with mounted(url, lambda mount: ["frames.parquet"]) as mount:
        with (mount.folder / "frames.parquet").open("ab") as stream:
            stream.write(b"more")
        assert list(mount.changed()) == ["frames.parquet"]
    with mounted(url, lambda mount: ["frames.parquet"]) as mount:
        assert len(pl.read_parquet(mount.folder / "frames.parquet")) == N
