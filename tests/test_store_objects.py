"""What is read from a store is what was written, whatever happens on the way; faults are told in a line."""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_support import KEY, SECRET, Faults, planted, spoiled_store

from lard.errors import DataError, LardError, SourceError
from lard.store.contents import CONTENTS, Entry, begin, read_contents, write_contents
from lard.store.faults import Missing
from lard.store.objects import PIECE_BYTES, Store, digests
from lard.store.opening import _client, open_store
from lard.store.urls import checked_url, is_url, parent

SOME = b"a picture"
SHA = hashlib.sha256(SOME).hexdigest()


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, Faults]]:
    """The endpoint of a proxy before a store with the bucket bkt, and what it spoils."""
    with spoiled_store() as found:
        yield found


@pytest.fixture
def faults(served: tuple[str, Faults]) -> Iterator[Faults]:
    with planted(served[1]) as found:
        yield found


@pytest.fixture(params=["s3://bkt/{}", "file://{}", "memory://m/{}"])
def store(request: pytest.FixtureRequest, faults: Faults, tmp_path: Path) -> Store:
    """An empty place of each kind."""
    own = str(tmp_path) if request.param.startswith("file") else tmp_path.name
    return open_store(request.param.format(own))


def test_what_is_written_is_listed_and_read(store: Store, tmp_path: Path) -> None:
    assert store.listing() == {}
    told = {path: store.put(path, SOME) for path in ("a.txt", "images/b.jpg", "airport=LFPO/c d+e%.bin")}
    assert store.listing() == told
    assert all(stored.size == len(SOME) for stored in told.values())
    assert store.read("images/b.jpg") == SOME
    store.fetch("airport=LFPO/c d+e%.bin", tmp_path / "here", len(SOME), SHA)
    assert (tmp_path / "here").read_bytes() == SOME
    changed = store.put("a.txt", SOME[::-1])
    assert changed != told["a.txt"], "another content has another tag"
    store.delete(["a.txt", "never there"])
    assert "a.txt" not in store.listing()
    with pytest.raises(Missing, match=re.escape(f"{store.url}/a.txt")):
        store.read("a.txt")


def test_prefixes_that_begin_alike_are_others(store: Store) -> None:
    beside = open_store(f"{store.url}-2")
    beside.put("x", SOME)
    store.put("y", SOME)
    assert set(store.listing()) == {"y"}
    beside.delete(["x"])


def test_large_files_go_in_pieces_and_come_back(store: Store, tmp_path: Path) -> None:
    size = PIECE_BYTES + 12_345
    path = tmp_path / "large.bin"
    path.write_bytes(np.random.default_rng(1).bytes(size))
    known = digests(path, store.piece_bytes(size))
    assert known.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    stored = store.put_file("large.bin", path, known)
    assert store.listing()["large.bin"] == stored
    assert store.holds(stored, known) in (True, None)
    store.fetch("large.bin", tmp_path / "back.bin", size, known.sha256)
    assert digests(tmp_path / "back.bin").sha256 == known.sha256
    with path.open("r+b") as stream:
        stream.write(b"changed")
    with pytest.raises(DataError, match="changed while it was sent"):
        store.put_file("large.bin", path, known)


READ = ["cut within", "cut before", (503, "SlowDown"), (500, "InternalError"), "truncate", "flip"]
WRITTEN = ["cut after", "cut before", (503, "SlowDown"), (503, "ServiceUnavailable"), "wrong etag"]


@pytest.mark.parametrize("fault", READ, ids=str)
def test_faults_of_reading_are_tried_again(faults: Faults, tmp_path: Path, fault: Any) -> None:
    store = open_store("s3://bkt/read")
    store.put("x", SOME)
    faults.plan("GET", "/x", fault, 2)
    store.fetch("x", tmp_path / "x", len(SOME), SHA)
    assert (tmp_path / "x").read_bytes() == SOME
    assert not faults.planned, "all that was planted was met"


@pytest.mark.parametrize("fault", WRITTEN, ids=str)
def test_faults_of_writing_are_tried_again(faults: Faults, fault: Any) -> None:
    store = open_store("s3://bkt/write")
    faults.plan("PUT", "/x", fault, 2)
    stored = store.put("x", SOME)
    assert stored.tag == hashlib.md5(SOME).hexdigest()
    assert store.listing() == {"x": stored}
    assert not faults.planned


@pytest.mark.parametrize("fault", WRITTEN, ids=str)
def test_faults_of_one_part_send_that_part_again(faults: Faults, tmp_path: Path, fault: Any) -> None:
    store, path = open_store("s3://bkt/parts"), tmp_path / "x"
    path.write_bytes(np.random.default_rng(2).bytes(PIECE_BYTES + 5))
    known = digests(path, store.piece_bytes(path.stat().st_size))
    before = faults.seen["POST"]
    faults.plan("PUT", "partNumber=2", fault)
    assert store.holds(store.put_file("x", path, known), known)
    assert faults.seen["POST"] == before + 2, "begun and completed once"


def test_a_multipart_upload_that_fails_leaves_no_parts(
    faults: Faults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARD_STORE_TRIES", "2")
    store, path = open_store("s3://bkt/none"), tmp_path / "x"
    path.write_bytes(bytes(PIECE_BYTES + 5))
    faults.always.append(("PUT", "partNumber=2", (503, "SlowDown")))
    with pytest.raises(SourceError, match=r"s3://bkt/none/x: .* busy or fails after 2 tries .*SlowDown"):
        store.put_file("x", path, digests(path, PIECE_BYTES))
    assert store.listing() == {}
    assert store.abandoned(["x"]) == 0


TOLD = [
    ((403, "AccessDenied"), SourceError, "permission is denied"),
    ((403, "InvalidAccessKeyId"), SourceError, "does not accept the credentials; check AWS_ACCESS_KEY_ID"),
    ((403, "SignatureDoesNotMatch"), SourceError, "does not accept the credentials"),
    ((400, "ExpiredToken"), SourceError, "expired"),
    ((404, "NoSuchBucket"), DataError, "no such bucket"),
    ((503, "SlowDown"), SourceError, r"busy or fails after 2 tries"),
    ((418, "Teapot"), SourceError, "the store answers Teapot"),
]


@pytest.mark.parametrize(("fault", "kind", "text"), TOLD, ids=lambda one: str(one))
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_faults_that_stay_are_one_line_with_url_and_remedy(
    faults: Faults, monkeypatch: pytest.MonkeyPatch, method: str, fault: Any, kind: type[LardError], text: str
) -> None:
    monkeypatch.setenv("LARD_STORE_TRIES", "2")
    faults.always.append((method, "/y", fault))
    store = open_store("s3://bkt/told")
    with pytest.raises(kind, match=text) as told:
        store.put("y", SOME) if method == "PUT" else store.read("y")
    line = str(told.value)
    assert line.startswith("s3://bkt/told/y: ") and "\n" not in line
    assert SECRET not in line and KEY not in line


def test_stores_that_are_not_there(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    for do in (lambda s: s.listing(), lambda s: s.put("a", SOME), lambda s: s.read("a")):
        with pytest.raises(DataError, match=r"s3://nobody/.*no such bucket"):
            do(open_store("s3://nobody/x"))
    monkeypatch.setenv("LARD_STORE_TRIES", "2")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    _client.cache_clear()
    with pytest.raises(SourceError, match=r"s3://bkt/x: .*check the network and AWS_ENDPOINT_URL"):
        open_store("s3://bkt").read("x")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    _client.cache_clear()
    with pytest.raises(SourceError, match="no credentials were found; set AWS_ACCESS_KEY_ID"):
        open_store("s3://bkt").read("x")
    monkeypatch.undo()
    _client.cache_clear()


@pytest.mark.parametrize(
    "url",
    [
        f"s3://{KEY}:{SECRET}@bkt/x",
        f"s3://bkt/x?X-Amz-Signature={SECRET}",
        "s3://bkt/../c",
        "s3:///x",
        "file://other/x",
        "https://b/x",
        "s3://bkt/" + "n" * 1100,
        "data/ortho",
    ],
)
def test_urls_that_are_refused_without_their_secrets(url: str) -> None:
    with pytest.raises(DataError) as told:
        checked_url(url)
    assert SECRET not in str(told.value) and KEY not in str(told.value)


def test_urls() -> None:
    assert checked_url("S3://b/x/y/") == "s3://b/x/y"
    assert checked_url("file:///tmp/a%20b/") == "file:///tmp/a b"
    assert parent("s3://bkt/x/y.json") == "s3://bkt/x"
    assert not is_url("tcp://host:8786") and not is_url("data/s3://") and is_url("gs://b")
    with pytest.raises(DataError, match="whole bucket"):
        parent("s3://bkt")


def test_the_list_of_a_folder(store: Store) -> None:
    with pytest.raises(DataError, match=f"holds no {CONTENTS}"):
        read_contents(store)
    assert begin(store, store.listing()) == {}
    assert begin(store, store.listing()) == {}, "a killed run's place is its own"
    files = {f"images/{n}.jpg": Entry(n, SHA, f"tag {n}") for n in (3, 1)}
    write_contents(store, files)
    first = store.read(CONTENTS)
    assert dict(read_contents(store).files) == files == begin(store, store.listing())
    write_contents(store, dict(reversed(files.items())))
    assert store.read(CONTENTS) == first
    assert set(store.listing()) == {CONTENTS}, "no mark of an unfinished one is left"


@pytest.mark.parametrize(
    ("path", "entry"),
    [
        ("../x", Entry(1, SHA, "")),
        ("/etc/x", Entry(1, SHA, "")),
        ("x", Entry(-1, SHA, "")),
        ("x", Entry(1, "no", "")),
    ],
)
def test_lists_that_lead_astray_are_refused(faults: Faults, path: str, entry: Entry) -> None:
    store = open_store(f"memory://odd/{hashlib.sha256(repr((path, entry)).encode()).hexdigest()}")
    write_contents(store, {path: entry})
    with pytest.raises(DataError, match=CONTENTS):
        read_contents(store)
    store.put(CONTENTS, b"no table")
    with pytest.raises(DataError, match="is no list of files"):
        read_contents(store)


def test_places_of_others_are_not_written_into(store: Store) -> None:
    store.put("theirs.txt", SOME)
    with pytest.raises(DataError, match=r"theirs\.txt: lies there already"):
        begin(store, store.listing())
