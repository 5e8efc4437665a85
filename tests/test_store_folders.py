"""Folders sent to a store and fetched again: the same bytes, what changed only, never half."""

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from labels_support import grey_dataset
from store_support import KEY, READER, SECRET, Faults, lard_process, planted, spoiled_store

from lard.cli import main
from lard.labels.dataset import read_dataset
from lard.store.contents import CONTENTS, LISTS, MARK
from lard.store.objects import PIECE_BYTES
from lard.store.opening import _client, open_store

N = 12
AIRPORTS = ["KXYZ", "KAAA", "KBBB"]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, Faults]]:
    """The endpoint of a proxy before a store with the bucket bkt, and what it spoils."""
    with spoiled_store() as found:
        yield found


@pytest.fixture
def faults(served: tuple[str, Faults]) -> Iterator[Faults]:
    with planted(served[1]) as found:
        yield found


@pytest.fixture
def url(faults: Faults, tmp_path: Path) -> str:
    return f"s3://bkt/{tmp_path.name}/toy"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset of three airports and splits."""
    columns = {
        "airport": [AIRPORTS[n % 3] for n in range(N)],
        "split": [("train", "val", "test")[n % 3] for n in range(N)],
    }
    out = grey_dataset(tmp_path / "toy", N, (200.0, 5000.0))
    frames = pl.read_parquet(out / "frames.parquet")
    frames.with_columns(**{k: pl.Series(v) for k, v in columns.items()}).write_parquet(out / "frames.parquet")
    (out / "coco").mkdir()
    (out / "coco" / "test.json").write_text("{}")
    (out / ".hidden").write_text("stays here")
    return out


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    assert SECRET not in result.output
    return result.output


def held(folder: Path) -> dict[str, bytes]:
    """Bytes of the files that count."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_pushed_and_pulled_again(folder: Path, url: str, tmp_path: Path, faults: Faults) -> None:
    before = faults.seen["PUT"]
    assert f"{N + 5} files sent" in run("push", folder, url)
    assert faults.seen["PUT"] - before == N + 5 + 2, "a request a file; the mark and the list"
    before = faults.seen["GET"]
    assert f"{N + 5} files fetched" in run("pull", url, tmp_path / "back")
    assert faults.seen["GET"] - before == N + 5 + 1, "a request a file; the list"
    assert held(tmp_path / "back") == held(folder)
    assert stat.S_IMODE((tmp_path / "back" / "frames.parquet").stat().st_mode) == 0o644
    before = faults.seen.copy()
    assert f"0 files sent (0.0 MB), {N + 5} kept" in run("push", folder, url)
    assert f"0 files fetched (0.0 MB), {N + 5} kept" in run("pull", url, tmp_path / "back")
    assert faults.seen["PUT"] == before["PUT"] and faults.seen["GET"] <= before["GET"] + 4


@pytest.mark.parametrize("kind", ["s3", "file", "memory"])
def test_only_what_changed_goes(folder: Path, url: str, tmp_path: Path, kind: str) -> None:
    place = {"s3": url, "file": f"file://{tmp_path}/elsewhere", "memory": f"memory://m{url[4:]}"}[kind]
    run("push", folder, place)
    run("pull", place, tmp_path / "back")
    (folder / "labels.parquet").write_bytes(b"others")
    gone = sorted((folder / "images").iterdir())[0]
    gone.unlink()
    assert "1 files sent (0.0 MB)" in (text := run("push", folder, place))
    assert "1 no longer listed but still there (--delete)" in text
    text = run("pull", place, tmp_path / "back")
    assert "1 files fetched" in text and "1 of an earlier pull removed" in text
    assert held(tmp_path / "back") == held(folder)
    (folder / "coco" / "test.json").unlink()
    assert "1 removed" in run("push", folder, place, "--delete")
    assert "coco/test.json" not in open_store(place).listing()


def test_what_was_changed_here_is_not_written_over(folder: Path, url: str, tmp_path: Path) -> None:
    run("push", folder, url)
    run("pull", url, tmp_path / "back")
    mine = tmp_path / "back" / "labels.parquet"
    mine.write_bytes(b"mine")
    assert f"{mine}: was changed here" in run("pull", url, tmp_path / "back", code=2)
    assert mine.read_bytes() == b"mine"
    run("pull", url, tmp_path / "back", "--overwrite")
    assert held(tmp_path / "back") == held(folder)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "x").write_text("x")
    assert "is of no earlier `lard pull`" in run("pull", url, tmp_path / "theirs", code=2)
    run("push", folder, f"{url}-other")
    assert f"was fetched from {url}, not from" in run("pull", f"{url}-other", tmp_path / "back", code=2)


def test_frames_of_some_airports_and_splits(folder: Path, url: str, tmp_path: Path) -> None:
    run("push", folder, url)
    text = run("pull", url, tmp_path / "some", "--airports", "KAAA,KBBB", "--split", "test")
    assert "left out, because they tell of all frames: coco/test.json" in text
    frames, labels, info = read_dataset(tmp_path / "some")
    whole = pl.read_parquet(folder / "frames.parquet")
    assert frames.equals(whole.filter(pl.col("airport") == "KBBB"))
    assert set(labels["frame_id"]) <= set(frames["frame_id"])
    assert info["frames"] == N / 3 and info["splits"] == {"test": N / 3} and info["airports"] == ["KBBB"]
    names = {path.stem for path in (tmp_path / "some" / "images").iterdir()}
    assert names == set(frames["frame_id"])
    run("pull", url, tmp_path / "some", "--split", "val")
    names = {path.stem for path in (tmp_path / "some" / "images").iterdir()}
    assert names == set(whole.filter(pl.col("split") == "val")["frame_id"]), "those of before are gone"
    run("pull", url, tmp_path / "tables", "--only", "tables")
    assert set(held(tmp_path / "tables")) == {name for name in held(folder) if not name.startswith("images/")}
    text = run("pull", url, tmp_path / "none", "--airports", "LFPO", code=2)
    assert "no frame of these; there are airports KAAA, KBBB, KXYZ" in text
    assert not (tmp_path / "none").exists()


def test_tables_in_parts_come_by_airport(folder: Path, url: str, tmp_path: Path, faults: Faults) -> None:
    run("partition", folder)
    run("push", folder, url)
    before = faults.seen["GET"]
    run("pull", url, tmp_path / "one", "--airports", "KAAA")
    assert {path.name for path in (tmp_path / "one" / "frames.parquet").iterdir()} == {"airport=KAAA"}
    assert set(read_dataset(tmp_path / "one")[0]["airport"]) == {"KAAA"}
    assert faults.seen["GET"] - before < N, "parts of others are not fetched"


def test_a_command_that_puts_files_in_the_place_of_others(
    folder: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts in the place of tables: the tables of before are gone from list and store."""
    monkeypatch.setenv("LARD_STORE_CACHE", str(tmp_path / "cache"))
    run("push", folder, url)
    run("partition", url)
    run("partition", folder)
    assert "frames.parquet" not in open_store(url).listing()
    run("pull", url, tmp_path / "back")
    assert held(tmp_path / "back") == held(folder)


def test_a_push_that_is_killed_counts_for_nothing_and_is_gone_on_with(
    folder: Path, url: str, tmp_path: Path, served: tuple[str, Faults]
) -> None:
    """Killed in the midst of a file in parts: no list, no such object, and its parts go with the next run."""
    front, faults = served
    (folder / "images" / "large.bin").write_bytes(np.random.default_rng(3).bytes(2 * PIECE_BYTES + 7))
    process = lard_process(front, "push", str(folder), url)
    faults.plan("PUT", "partNumber=3", lambda: os.kill(process.pid, signal.SIGKILL))
    assert process.wait(60) == -signal.SIGKILL
    store = open_store(url)
    listing = store.listing()
    assert CONTENTS not in listing and "images/large.bin" not in listing
    assert "holds no contents.parquet" in run("pull", url, tmp_path / "back", code=2)
    assert not (tmp_path / "back").exists()
    text = run("push", folder, url)
    assert "1 unfinished uploads of killed runs ended" in text
    there = len([name for name in listing if name not in LISTS])
    assert f"{N + 6 - there} files sent" in text and f"{there} kept" in text
    run("pull", url, tmp_path / "back")
    assert held(tmp_path / "back") == held(folder)
    assert store.abandoned(["images/large.bin"]) == 0


def test_a_pull_that_is_killed_leaves_no_half_dataset(
    folder: Path, url: str, tmp_path: Path, served: tuple[str, Faults]
) -> None:
    front, faults = served
    run("push", folder, url)
    last = sorted((folder / "images").iterdir())[-1].name
    process = lard_process(front, "pull", url, str(tmp_path / "back"))
    faults.plan("GET", last, lambda: os.kill(process.pid, signal.SIGKILL))
    assert process.wait(60) == -signal.SIGKILL
    there = held(tmp_path / "back")
    assert "frames.parquet" not in there, "tables come last"
    assert all(held(folder)[name] == data for name, data in there.items()), "none is half"
    text = run("pull", url, tmp_path / "back")
    assert f"{len(there)} kept" in text and there
    assert held(tmp_path / "back") == held(folder)


def test_what_is_being_written_anew_is_not_read_mixed(
    folder: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARD_STORE_TRIES", "2")
    run("push", folder, url)
    open_store(url).put("labels.parquet", b"of a push that is not finished")
    text = run("pull", url, tmp_path / "back", code=2)
    assert f"{url}/labels.parquet: " in text and "it is being written, or damaged; run again later" in text
    assert "1 files sent" in run("push", folder, url), "the store tells that its object is another"
    run("pull", url, tmp_path / "back")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"AWS_ACCESS_KEY_ID": READER}, "permission is denied"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "does not accept the credentials"),
        ({"AWS_ACCESS_KEY_ID": "AKIANOBODY"}, "does not accept the credentials"),
    ],
)
def test_no_right_to_write_is_told_in_a_line(
    folder: Path, url: str, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], text: str
) -> None:
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    _client.cache_clear()
    told = run("push", folder, url, code=2).splitlines()[-1]
    monkeypatch.undo()
    _client.cache_clear()
    assert told.startswith(f"lard: {url}") and text in told
    assert KEY not in told
    assert open_store(url).listing() == {}


def test_what_cannot_be_pushed_or_pulled(folder: Path, url: str, tmp_path: Path) -> None:
    assert "no such bucket" in run("push", folder, "s3://nobody/x", code=2)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no files" in run("push", empty, url, code=2)
    os.mkfifo(empty / "pipe")
    assert "is no plain file" in run("push", empty, url, code=2)
    text = run("push", folder, f"s3://{KEY}:{SECRET}@bkt/x", code=2)
    assert "credentials" in text and KEY not in text
    assert "no URL of a store" in run("pull", "bkt/x", tmp_path / "x", code=2)
    open_store(f"{url}-theirs").put("notes.txt", b"theirs")
    assert "notes.txt: lies there already" in run("push", folder, f"{url}-theirs", code=2)


def test_lists_hold_no_secrets(folder: Path, url: str, tmp_path: Path) -> None:
    run("push", folder, url)
    run("pull", url, tmp_path / "back")
    kept = [
        open_store(url).read(CONTENTS),
        *(path.read_bytes() for path in (tmp_path / "back").glob(".lard*")),
    ]
    assert len(kept) == 3
    assert not any(secret.encode() in data for data in kept for secret in (KEY, SECRET, "127.0.0.1"))


@pytest.mark.parametrize("kind", ["s3", "file", "memory"])
def test_what_an_unfinished_push_sent_is_kept_when_it_is_proven(
    folder: Path, url: str, tmp_path: Path, kind: str
) -> None:
    """Without a list as after a kill: same bytes stay, other bytes of the same size are sent again."""
    place = {"s3": url, "file": f"file://{tmp_path}/elsewhere", "memory": f"memory://k{url[4:]}"}[kind]
    run("push", folder, place)
    store = open_store(place)
    store.delete([CONTENTS])
    store.put(MARK, b"{}")
    odd = sorted((folder / "images").iterdir())[0]
    data = odd.read_bytes()
    store.put(f"images/{odd.name}", data[:-1] + bytes([data[-1] ^ 1]))
    assert f"1 files sent ({len(data) / 1e6:.1f} MB), {N + 4} kept" in run("push", folder, place)
    assert MARK not in store.listing()
    run("pull", place, tmp_path / "back")
    assert held(tmp_path / "back") == held(folder)
    assert f"0 files sent (0.0 MB), {N + 5} kept" in run("push", folder, place)


def test_a_damaged_list_is_written_anew_by_a_push(folder: Path, tmp_path: Path) -> None:
    place = f"file://{tmp_path}/elsewhere"
    run("push", folder, place)
    store = open_store(place)
    whole = store.read(CONTENTS)
    for damaged in (b"", whole[: len(whole) // 2], b"no table"):
        store.put(CONTENTS, damaged)
        assert "push the folder again" in run("pull", place, tmp_path / "back", code=2)
        assert f"0 files sent (0.0 MB), {N + 5} kept" in run("push", folder, place)
    run("pull", place, tmp_path / "back")
    assert held(tmp_path / "back") == held(folder)
    store.put(CONTENTS, b"no table")
    store.put("theirs.txt", b"x")
    text = run("push", folder, place, code=2)
    assert "theirs.txt is not (1 such objects): remove these" in text and "again" not in text
    assert store.read(CONTENTS) == b"no table"
    store.delete(["theirs.txt"])
    run("push", folder, place)
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "elsewhere" / CONTENTS)
    text = run("push", folder, place, code=2)
    assert "is a table without path, size, sha256, tag and no list that lard wrote" in text


def test_a_pull_that_fails_at_a_picture_brings_no_table_and_keeps_changes(
    folder: Path, tmp_path: Path
) -> None:
    """Edits made after it are not written over; what it left of an older version is."""
    place, back = f"file://{tmp_path}/elsewhere", tmp_path / "back"
    run("push", folder, place)
    names = sorted(path.name for path in (folder / "images").iterdir())
    lost = tmp_path / "elsewhere" / "images" / names[-1]
    lost.rename(tmp_path / "lost")
    assert names[-1] in run("pull", place, back, code=2)
    assert held(back).keys() <= {f"images/{name}" for name in names[:-1]}, "no tables, no coco"
    mine = back / "images" / names[0]
    assert mine.is_file()
    mine.write_bytes(b"mine")
    (tmp_path / "lost").rename(lost)
    assert f"{mine}: was changed here" in run("pull", place, back, code=2)
    assert mine.read_bytes() == b"mine"
    (folder / "images" / names[1]).write_bytes(b"of a later push")
    run("push", folder, place)
    mine.unlink()
    run("pull", place, back)  # the older version of names[1], noted by the pull that failed, is written over
    assert held(back) == held(folder)
    mine.write_bytes(b"mine")
    run("pull", place, back, "--overwrite")
    assert held(back) == held(folder)
