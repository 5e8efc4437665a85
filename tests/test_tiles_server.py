"""A server that misbehaves: nothing crashes, nothing wrong is kept, a stopped run goes on."""

import email.utils
import hashlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiles_support import Answer, Server, png, quick_http, serving, slippy_answer, slippy_tile

from lard.errors import SourceError
from lard.ground.fetched.address import Redactor, check_url, is_public
from lard.ground.fetched.cache import Entry, TileCache
from lard.ground.fetched.download import FetchReport, fetch_tiles
from lard.ground.fetched.http import Http, HttpSettings
from lard.ground.fetched.providers import open_source

TILES = [(17, 68448 + i, 46063 + j) for j in range(3) for i in range(3)]
FIRST = "/17/68448/46063.png"
PNG = {"Content-Type": "image/png"}


def fetch(
    server: Server, folder: Path, http: Http | None = None, options: str = "", retry_holes: bool = False
) -> tuple[FetchReport, TileCache]:
    http = http or quick_http(server)
    source, cache = open_source(f"xyz:{server.url}/{{z}}/{{x}}/{{y}}.png{options}", http, folder)
    return fetch_tiles(source, TILES, cache, http, retry_holes=retry_holes), cache


def first_time(other: Callable[[str], Answer | None]) -> Callable[[str], Answer | None]:
    """Misbehave on the first request of every tile only."""
    seen: set[str] = set()

    def answer(path: str) -> Answer | None:
        if path in seen:
            return slippy_answer(path)
        seen.add(path)
        return other(path)

    return answer


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(whole(folder))}


def whole(folder: Path) -> list[Path]:
    """Finished cache files; a killed run may leave a half-written one beside them."""
    return [path for path in folder.rglob("*.tile") if not path.name.startswith(".")]


def test_what_passes_is_retried(tmp_path: Path) -> None:
    body = slippy_tile(*TILES[0])
    for name, other in {
        "500": lambda path: (500, {}, b"oops"),
        "503": lambda path: (503, {"Retry-After": "0"}, b""),
        "html": lambda path: (200, {"Content-Type": "text/html"}, b"<html>busy</html>"),
        "cut": lambda path: (200, PNG, body[: len(body) // 2]),
        "empty": lambda path: (200, PNG, b""),
    }.items():
        with serving(first_time(other)) as server:
            report, cache = fetch(server, tmp_path / name)
        assert (report.fetched, report.retries) == (9, 9), name
        assert not report.holes and not report.failed
        entry = cache.read(TILES[0])
        assert entry is not None and entry.body == body


def test_a_body_shorter_than_stated_is_truncated(tmp_path: Path) -> None:
    with serving(slippy_answer) as server:
        server.truncate.add(FIRST)
        report, cache = fetch(server, tmp_path)
        assert "truncated" in report.failed[TILES[0]]
        assert server.asked[FIRST] == 3
        assert cache.read(TILES[0]) is None
        server.truncate.clear()
        again, cache = fetch(server, tmp_path)
    assert (again.fetched, again.kept) == (1, 8)


def test_retry_after_is_kept_to_by_everyone(tmp_path: Path) -> None:
    waits: list[float] = []
    limited = first_time(
        lambda path: (429, {"Retry-After": "7"}, b"") if path == FIRST else slippy_answer(path)
    )
    with serving(limited) as server:
        http = Http(quick_http(server).settings, wait=waits.append)
        report, _ = fetch(server, tmp_path, http)
        assert report.fetched == 9
        assert any(wait >= 7 for wait in waits)
        # a date, and a wait too long to sit through
        date = email.utils.formatdate(time.time() + 5000, usegmt=True)
        server.answer = lambda path: (429, {"Retry-After": date}, b"")
        report, _ = fetch(server, tmp_path / "b", quick_http(server))
    assert all("asks to wait" in reason and "run again later" in reason for reason in report.failed.values())


def test_backoff_grows_and_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    def waits_of(seed: int) -> list[float]:
        waits: list[float] = []
        with serving(lambda path: (500, {}, b"")) as server:
            settings = quick_http(server, attempts=5, backoff_s=1.0, threads=1, seed=seed).settings
            source, cache = open_source(
                "xyz:http://localhost:1/{z}/{x}/{y}.png", Http(settings), tmp_path / str(seed)
            )
            object.__setattr__(source, "url_of", lambda matrix, col, row: f"{server.url}/a")
            http = Http(settings, Redactor(), waits.append)
            fetch_tiles(source, TILES[:1], cache, http)
        return [wait for wait in waits if wait > 0.1]

    first = waits_of(1)
    assert len(first) == 4
    for attempt, wait in enumerate(first):
        assert 0.5 * 2**attempt <= wait <= 1.5 * 2**attempt
    assert waits_of(2) != first


def test_holes_are_remembered_with_their_reason(tmp_path: Path) -> None:
    grey = png(np.full((256, 256, 3), 200.0))
    bad = {
        FIRST: (404, {}, b""),
        "/17/68449/46063.png": (200, PNG, b"\x89PNG\r\n\x1a\n" + b"x" * 300),
        "/17/68450/46063.png": (200, PNG, grey),
        "/17/68448/46064.png": (204, {}, b""),
    }
    digest = hashlib.sha256(grey).hexdigest()
    with serving(lambda path: bad.get(path) or slippy_answer(path)) as server:
        report, _ = fetch(server, tmp_path, options=f"#placeholder={digest}")
        reasons = [report.holes[tile] for tile in sorted(report.holes)]
        assert [text.split(":")[0] for text in reasons] == [
            "HTTP 404", "HTTP 204", "undecodable", "placeholder picture",
        ]  # fmt: skip
        asked = dict(server.asked)
        again, _ = fetch(server, tmp_path, options=f"#placeholder={digest}")
        assert again.holes == report.holes and server.asked == asked
        bad.clear()
        mended, cache = fetch(server, tmp_path, options=f"#placeholder={digest}", retry_holes=True)
        assert mended.fetched == 4 and not mended.holes
        assert all(cache.read(tile) and not cache.read(tile).hole for tile in TILES)  # type: ignore[union-attr]


def test_html_and_wrong_types_are_failures_not_holes(tmp_path: Path) -> None:
    with serving(lambda path: (200, {"Content-Type": "text/html"}, b"<html>log in</html>")) as server:
        report, cache = fetch(server, tmp_path)
        assert "text/html, no picture" in report.failed[TILES[0]]
        assert not list(cache.folder.rglob("*.tile"))
        for k, stated in enumerate(({}, {"Content-Type": "text/plain"}, {"Content-Type": "text/html"})):
            server.answer = lambda path, head=stated: (200, head, slippy_answer(path)[2])  # type: ignore[misc]
            assert fetch(server, tmp_path / str(k))[0].fetched == 9, "a picture is one whatever it is called"


def test_keys_refused_and_statuses_named_missing(tmp_path: Path) -> None:
    with serving(lambda path: (403, {}, b"")) as server:
        with pytest.raises(SourceError, match=r"refused \(HTTP 403\).*#missing=403"):
            fetch(server, tmp_path)
        report, _ = fetch(server, tmp_path, options="#missing=403")
    assert set(report.holes.values()) == {"HTTP 403"}


def test_a_size_that_is_not_the_grids_stops_at_once(tmp_path: Path) -> None:
    with (
        serving(lambda path: (200, PNG, png(np.zeros((512, 512, 3))))) as server,
        pytest.raises(SourceError, match=r"512 x 512 px instead of 256 x 256; .*#tile=512"),
    ):
        fetch(server, tmp_path)


def test_huge_bodies_and_slow_drips_are_cut(tmp_path: Path) -> None:
    with serving(lambda path: (200, PNG, b"\x89PNG\r\n\x1a\n" + bytes(3 << 20))) as server:
        report, _ = fetch(server, tmp_path, quick_http(server, tile_limit_bytes=1 << 20))
        assert "more than 1048576" in report.failed[TILES[0]]
        assert server.asked[FIRST] == 1
        server.answer, server.drip_s = slippy_answer, 0.05
        report, _ = fetch(server, tmp_path, quick_http(server, deadline_s=0.3, attempts=1, threads=9))
        assert "took longer than 0.3 s" in report.failed[TILES[0]]
        server.drip_s = 0.0
        with pytest.raises(SourceError, match=r"more than .* GB of tiles; what is there is kept.*--max-gb"):
            fetch(server, tmp_path, quick_http(server, total_limit_bytes=60_000))
        assert list(tmp_path.rglob("*.tile"))


def test_no_data_and_no_server(tmp_path: Path) -> None:
    with serving(lambda path: time.sleep(1.0) or slippy_answer(path)) as server:  # type: ignore[func-returns-value]
        report, _ = fetch(server, tmp_path, quick_http(server, read_timeout_s=0.2, attempts=1, threads=9))
        assert set(report.failed.values()) == {"no data for 0.2 s"}
    report, _ = fetch(server, tmp_path, quick_http(server))
    assert all("refused" in reason for reason in report.failed.values())


def test_a_server_that_is_gone_ends_the_run_early(tmp_path: Path) -> None:
    with serving(lambda path: (500, {}, b"")) as server:
        http = quick_http(server, attempts=1)
        source, cache = open_source(f"xyz:{server.url}/{{z}}/{{x}}/{{y}}.png", http, tmp_path)
        many = [(17, x, y) for x in range(50) for y in range(10)]
        with pytest.raises(SourceError, match="20 tiles in a row failed, the last with: HTTP 500"):
            fetch_tiles(source, many, cache, http)
        assert sum(server.asked.values()) < 60


def test_the_rate_is_kept(tmp_path: Path) -> None:
    waits: list[float] = []
    with serving(slippy_answer) as server:
        http = Http(quick_http(server, rate_per_s=10.0).settings, wait=waits.append)
        fetch(server, tmp_path, http)
    # nobody sleeps in this test, so every turn was booked a tenth of a second after the one before
    assert len(waits) == 8 and max(waits) > 0.5


REDIRECTS = [
    "http://169.254.169.254/latest/meta-data/",
    "http://127.0.0.2/x.png",
    "http://[::1]/x.png",
    "file:///etc/passwd",
]


@pytest.mark.parametrize("target", REDIRECTS)
def test_redirects_to_private_addresses_are_refused(tmp_path: Path, target: str) -> None:
    with (
        serving(lambda path: (302, {"Location": target}, b"")) as server,
        pytest.raises(SourceError, match=r"redirects to .*(private address|http or https)"),
    ):
        fetch(server, tmp_path)


def test_redirects_to_allowed_hosts_are_followed_but_not_for_ever(tmp_path: Path) -> None:
    def moved(path: str) -> Answer | None:
        return (
            slippy_answer(path.removeprefix("/new"))
            if path.startswith("/new")
            else (301, {"Location": f"/new{path}"}, b"")
        )

    with serving(moved) as server:
        assert fetch(server, tmp_path)[0].fetched == 9
        server.answer = lambda path: (302, {"Location": path}, b"")
        report, _ = fetch(server, tmp_path / "b")
    assert set(report.failed.values()) == {"more than 5 redirects"}


def test_names_are_judged_by_what_they_resolve_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def resolves_to(*addresses: str) -> None:
        entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: entries)

    resolves_to("8.8.8.8")
    check_url("https://tiles.example.org/", (), Redactor())
    resolves_to("8.8.8.8", "10.1.2.3")
    with pytest.raises(SourceError, match=r"tiles.example.org is the private address 10.1.2.3.*--allow-host"):
        check_url("https://tiles.example.org/", (), Redactor())
    check_url("https://tiles.example.org/", ("tiles.example.org",), Redactor())
    check_url("https://tiles.example.org/", ("tiles.example.org:443",), Redactor())
    with pytest.raises(SourceError, match="private"):
        check_url("https://tiles.example.org/", ("tiles.example.org:8443",), Redactor())


def test_a_second_lookup_cannot_fool_the_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The name is public when asked about and private when connected to."""
    with serving(slippy_answer) as server:
        monkeypatch.setattr("lard.ground.fetched.http.check_url", lambda *_, **__: None)
        http = quick_http(server, allow_hosts=())
        with pytest.raises(SourceError, match=r"private address 127\.0\.0\.1"):
            fetch(server, tmp_path, http)
        assert not server.asked


PRIVATE = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "::1",
    "fe80::1%eth0",
    "fc00::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
]


def test_public_and_private_addresses() -> None:
    assert [address for address in PRIVATE if is_public(address)] == []
    assert all(is_public(address) for address in ("8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8"))


def test_secrets_are_struck_out() -> None:
    redact = Redactor()
    redact.learn("a/b+c")
    redact.learn_from("https://u:pass1@h/x?apikey=abc123&z=1")
    text = redact("https://u:pass1@h/x?apikey=abc123&z=1 abc123 pass1 a/b+c a%2Fb%2Bc ?access_token=q&sig=w")
    for secret in ("abc123", "pass1", "a/b+c", "a%2Fb%2Bc", "=q", "=w"):
        assert secret not in text
    assert "z=1" in text


@pytest.mark.parametrize("part", ["x", "?key", "key", "a://", "&a"])
def test_long_texts_are_looked_through_quickly(part: str) -> None:
    """Whole answers of servers are; a copyright of 100,000 letters took half a minute."""
    begun = time.process_time()
    Redactor()(f"?{part * 200_000}")
    assert time.process_time() - begun < 5


def test_keys_reach_the_server_and_nothing_else(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with serving(
        lambda path: slippy_answer(path) if path.endswith("?token=T0PSECRET") else (500, {}, b"")
    ) as server:
        template = f"xyz:{server.url}/{{z}}/{{x}}/{{y}}.png?token="
        for spec, key in ((template + "T0PSECRET", None), (template + "{key}", "T0PSECRET")):
            http = quick_http(server)
            source, cache = open_source(spec, http, tmp_path / "cache", key)
            assert fetch_tiles(source, TILES, cache, http).fetched == 9
            assert "T0PSECRET" not in source.identity + source.slug
        server.answer = lambda path: (302, {"Location": "http://10.0.0.1/?token=T0PSECRET"}, b"")
        with pytest.raises(SourceError) as refused:
            fetch_tiles(source, [(16, 1, 1)], cache, http)
    assert "T0PSECRET" not in str(refused.value)
    shown = capfd.readouterr()
    assert "T0PSECRET" not in shown.out + shown.err
    for path in tmp_path.rglob("*"):
        assert "T0PSECRET" not in str(path) and (path.is_dir() or b"T0PSECRET" not in path.read_bytes())


def test_damaged_cache_files_are_fetched_again(tmp_path: Path) -> None:
    with serving(slippy_answer) as server:
        _, cache = fetch(server, tmp_path)
        before = bytes_of(tmp_path)
        paths = [cache.path(tile) for tile in TILES[:4]]
        paths[0].write_bytes(paths[0].read_bytes()[:-10])
        flipped = bytearray(paths[1].read_bytes())
        flipped[-20] ^= 1
        paths[1].write_bytes(bytes(flipped))
        paths[2].write_bytes(b"")
        paths[3].unlink()
        report, _ = fetch(server, tmp_path)
    assert (report.fetched, report.kept) == (4, 5)
    assert bytes_of(tmp_path) == before


def test_offline_asks_nobody(tmp_path: Path) -> None:
    with serving(slippy_answer) as server:
        _, cache = fetch(server, tmp_path)
        cache.path(TILES[0]).unlink()
        asked = sum(server.asked.values())
        report, _ = fetch(server, tmp_path, quick_http(server, offline=True))
        assert sum(server.asked.values()) == asked
    assert report.holes == {TILES[0]: "offline, and not in the cache"} and report.kept == 8


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SourceError, match=r"No space left on device.*run again: what is there is kept"):
        TileCache(tmp_path, "s").write(TILES[0], Entry(b"x"))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopped_half_way_it_goes_on_with_the_same_bytes(tmp_path: Path, how: signal.Signals) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[3]); from test_tiles_server import *\n"
        "http = Http(HttpSettings(allow_hosts=('127.0.0.1',), rate_per_s=20.0))\n"
        "source, cache = open_source(f'xyz:{sys.argv[1]}/{{z}}/{{x}}/{{y}}.png', http, sys.argv[2])\n"
        "fetch_tiles(source, [(17, 68440 + i, 46060 + j) for i in range(8) for j in range(8)], cache, http)\n"
    )
    tiles = [(17, 68440 + i, 46060 + j) for i in range(8) for j in range(8)]
    with serving(slippy_answer) as server:
        command = [sys.executable, "-c", script, server.url, str(tmp_path / "a"), str(Path(__file__).parent)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        while len(whole(tmp_path)) < 5 and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(how)
        process.communicate(timeout=20)
        there = len(whole(tmp_path))
        assert 5 <= there < 64
        for folder in ("a", "b"):
            http = quick_http(server)
            source, cache = open_source(f"xyz:{server.url}/{{z}}/{{x}}/{{y}}.png", http, tmp_path / folder)
            assert cache.remove_leftovers() <= 4
            report = fetch_tiles(source, tiles, cache, http)
            assert report.kept == (there if folder == "a" else 0)
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    assert json.dumps(sorted(bytes_of(tmp_path / "a"))).count(".tile") == 64


def test_settings_are_checked() -> None:
    for bad in ({"rate_per_s": 0.0}, {"threads": 0}, {"attempts": 0}):
        with pytest.raises(SourceError):
            HttpSettings(**bad)  # type: ignore[arg-type]
