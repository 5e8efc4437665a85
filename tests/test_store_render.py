"""Pictures rendered into a store are those of a folder; killed, spoilt and changed ones are made again."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from render_scene import make_scene
from store_support import KEY, READER, Faults, planted, spoiled_store
from test_render_driver import AIRPORT, DB, frames_table

from lard.errors import DataError, SourceError, Unfinished
from lard.render.driver import render_frames
from lard.render.stored import StoreGround, StorePlace, ground_manifests
from lard.store.contents import CONTENTS, read_contents
from lard.store.opening import _client, open_store
from lard.store.pull import pull
from lard.store.push import push

N = 6
RUN = """
import sys
from functools import partial
from test_render_driver import DB, frames_table
from lard.render.driver import render_frames
from lard.render.stored import StoreGround, StorePlace, ground_manifests
out, ground, workers = sys.argv[1:]
if __name__ == "__main__":
    with ground_manifests(ground, {"XTST"}) as folder:
        render_frames(frames_table(6), folder, StorePlace(out), workers, DB, ground_of=partial(StoreGround,
        ground))
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Faults]]:
    """A store behind a proxy that spoils, and a cache of these tests' own."""
    with spoiled_store() as found, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LARD_STORE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield found


@pytest.fixture
def faults(served: tuple[str, Faults]) -> Iterator[Faults]:
    with planted(served[1]) as found:
        yield found


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ground and dataset in folders, as every other way must give them."""
    root = tmp_path_factory.mktemp("local")
    make_scene(root / "ground" / "XTST", AIRPORT, size=(512, 512), gsd_m=8.0, levels=3)
    render_frames(frames_table(N), root / "ground", root / "ortho", 1, DB)
    return root


@pytest.fixture
def url(faults: Faults, tmp_path: Path) -> str:
    return f"s3://bkt/{tmp_path.name}/ortho"


def same(url: str, folder: Path, out: Path) -> bool:
    """Whether what is pulled of a URL has the bytes of a folder."""
    pull(url, out)
    names = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    found = {p.relative_to(out) for p in out.rglob("*") if p.is_file() and not p.name.startswith(".")}
    return names == found and all((out / n).read_bytes() == (folder / n).read_bytes() for n in names)


def sent(faults: Faults, before: int) -> int:
    return faults.seen["PUT"] - before


def test_the_bytes_of_a_folder_and_a_request_a_picture(
    local: Path, url: str, tmp_path: Path, faults: Faults
) -> None:
    before = faults.seen["PUT"]
    manifest = render_frames(frames_table(N), local / "ground", StorePlace(url), 1, DB)
    assert manifest.equals(pl.read_parquet(local / "ortho" / "manifest.parquet"))
    assert sent(faults, before) == N + 6, "mark, piece of the journal, two tables, journal, list"
    assert not [path for path in open_store(url).listing() if path.startswith("render_journal_")]
    assert same(url, local / "ortho", tmp_path / "back")
    before = faults.seen["PUT"]
    render_frames(frames_table(N), local / "ground", StorePlace(url), 1, DB)
    assert sent(faults, before) == 4, "no picture: tables, journal, list"
    assert same(url, local / "ortho", tmp_path / "back")


def test_processes_that_share_no_folder_and_are_killed(
    local: Path, url: str, tmp_path: Path, faults: Faults
) -> None:
    """Two workers in another folder, told nothing but URLs; the next run keeps what the store holds."""
    push(local / "ground", f"{url}-ground")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run.py").write_text(RUN)
    places = [str(Path(__file__).parent), *filter(None, sys.path)]
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "run.py"), url, f"{url}-ground", "2"],
        cwd=tmp_path / "elsewhere",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
    )
    faults.plan("PUT", "XTST_07_0005", lambda: os.kill(process.pid, signal.SIGKILL))
    assert process.wait(240) == -signal.SIGKILL
    store = open_store(url)
    listing = store.listing()
    assert CONTENTS not in listing and "images/XTST_07_0004.jpg" in listing
    noted = b"".join(store.read(path) for path in listing if path.startswith("render_journal")).count(b"tag")
    with ground_manifests(f"{url}-ground", {"XTST"}) as folder:
        assert not list(folder.rglob("*.tif")), "this process looks at no imagery"
        before = faults.seen["PUT"]
        ground_of = partial(StoreGround, f"{url}-ground")
        render_frames(frames_table(N), folder, StorePlace(url), 1, DB, ground_of=ground_of)
    assert sent(faults, before) == N - noted + 1 + 4, "its piece of the journal, tables, journal, list"
    assert same(url, local / "ortho", tmp_path / "back")


def test_a_run_that_ends_early_keeps_what_it_noted(
    local: Path, url: str, tmp_path: Path, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first task is noted, the second interrupted in its last picture."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run in the background
    faults.plan("PUT", "XTST_07_0005", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        render_frames(frames_table(N), local / "ground", StorePlace(url), 1, DB)
    before = faults.seen["PUT"]
    render_frames(frames_table(N), local / "ground", StorePlace(url), 1, DB)
    assert sent(faults, before) == 2 + 1 + 4, "two pictures that no journal knew"
    assert same(url, local / "ortho", tmp_path / "back")


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_spoilt_lost_and_changed_pictures_are_made_again(
    local: Path, url: str, tmp_path: Path, faults: Faults
) -> None:
    frames, place = frames_table(N), StorePlace(url)
    render_frames(frames, local / "ground", place, 1, DB)
    store = open_store(url)
    store.put("images/XTST_07_0001.jpg", b"changed in place")
    store.delete(["images/XTST_07_0002.jpg"])
    before = faults.seen["PUT"]
    render_frames(frames, local / "ground", place, 1, DB)
    assert sent(faults, before) == 2 + 1 + 4
    assert same(url, local / "ortho", tmp_path / "back")
    fewer = frames[:2]
    render_frames(fewer, local / "ground", place, 1, DB)
    assert sum(path.startswith("images/") for path in store.listing()) == 2, "of no frame any more"
    assert set(read_contents(store).files) >= {"images/XTST_07_0000.jpg", "frames.parquet"}


def test_shards_in_any_order_and_a_last_call(local: Path, url: str, tmp_path: Path, faults: Faults) -> None:
    frames, place = frames_table(N), StorePlace(url)
    for shard in (2, 0, 1):
        render_frames(frames, local / "ground", place, 1, DB, shard=(shard, 3))
    assert CONTENTS not in open_store(url).listing(), "no list before the last call"
    before = faults.seen["PUT"]
    render_frames(frames, local / "ground", place, 1, DB)
    assert sent(faults, before) == 4, "no picture is made twice"
    assert same(url, local / "ortho", tmp_path / "back")


def test_faults_of_the_store(
    local: Path, url: str, tmp_path: Path, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Busy, cutting and lying for a while: nothing is lost; no right to write: told, and nothing counts."""
    for fault in ((503, "SlowDown"), "cut before", "cut after", "wrong etag"):
        faults.plan("PUT", "images/", fault)
    render_frames(frames_table(N), local / "ground", StorePlace(url), 1, DB)
    assert not faults.planned and same(url, local / "ortho", tmp_path / "back")
    monkeypatch.setenv("LARD_STORE_TRIES", "2")
    faults.always.append(("PUT", "XTST_07_0003", (503, "SlowDown")))
    with pytest.raises(Unfinished, match=r"XTST_07_0003.*busy or fails after 2 tries"):
        render_frames(frames_table(N), local / "ground", StorePlace(f"{url}-2"), 1, DB)
    assert CONTENTS not in open_store(f"{url}-2").listing()
    faults.always.clear()
    before = faults.seen["PUT"]
    render_frames(frames_table(N), local / "ground", StorePlace(f"{url}-2"), 1, DB)
    assert sent(faults, before) == 1 + 1 + 4, "the others were kept"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", READER)
    _client.cache_clear()
    with pytest.raises(SourceError, match="permission is denied") as told:
        render_frames(frames_table(N), local / "ground", StorePlace(f"{url}-3"), 1, DB)
    assert KEY not in str(told.value)
    monkeypatch.undo()
    _client.cache_clear()


def test_places_of_others_and_grounds_that_are_not_there(local: Path, url: str) -> None:
    open_store(url).put("images/XTST_07_0000.jpg", b"theirs")
    with pytest.raises(DataError, match="lies there already"):
        render_frames(frames_table(N), local / "ground", StorePlace(url), 1, DB)
    with pytest.raises(DataError, match=f"holds no {CONTENTS}"), ground_manifests(f"{url}-none", {"XTST"}):
        pass


def test_a_picture_that_somebody_takes_away_does_not_count(
    local: Path, url: str, faults: Faults, tmp_path: Path
) -> None:
    """Between its sending and the end of the run: the list is not written."""
    other = open_store(url)
    faults.plan("PUT", "XTST_07_0005", lambda: other.delete(["images/XTST_07_0000.jpg"]))
    with pytest.raises(SourceError, match=r"XTST_07_0000\.jpg: is not in the store as it was sent \(1 of 6"):
        render_frames(frames_table(N), local / "ground", StorePlace(url), 1, DB)
    assert CONTENTS not in other.listing()
    render_frames(frames_table(N), local / "ground", StorePlace(url), 1, DB)
    assert same(url, local / "ortho", tmp_path / "back")
    digest = hashlib.sha256(other.read("images/XTST_07_0000.jpg")).hexdigest()
    assert read_contents(other).files["images/XTST_07_0000.jpg"].sha256 == digest
