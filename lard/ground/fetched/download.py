"""Fetches tiles into the cache: several at a time, checked, resumable, holes named."""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from lard.errors import SourceError
from lard.ground.fetched.cache import Entry, TileCache
from lard.ground.fetched.grid import Tile, TileMatrix
from lard.ground.fetched.http import Http, RefusedError, Reply, TransientError
from lard.ground.fetched.pictures import UndecodableError, decode, media_of
from lard.ground.fetched.source import TileSource
from lard.progress import Meter

FAILURES_IN_A_ROW = 20
OFFLINE_MISS = "offline, and not in the cache"
_GENERIC = ("", "application/octet-stream", "binary/octet-stream", "application/x-octet-stream")


@dataclass(slots=True)
class FetchReport:
    """What became of the tiles asked for."""

    wanted: int = 0
    kept: int = 0
    fetched: int = 0
    held_bytes: int = 0
    fetched_bytes: int = 0
    retries: int = 0
    holes: dict[Tile, str] = field(default_factory=dict)  # there is no such tile, and why
    failed: dict[Tile, str] = field(default_factory=dict)  # it could not be got this time
    digests: dict[Tile, str] = field(default_factory=dict)  # SHA-256 of the tiles there are
    new: set[Tile] = field(default_factory=set)  # those that were not there before

    def add(self, other: "FetchReport") -> None:
        """Take up another report."""
        for name in ("wanted", "kept", "fetched", "held_bytes", "fetched_bytes", "retries"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.holes |= other.holes
        self.failed |= other.failed
        self.digests |= other.digests
        self.new |= other.new


def fetch_tiles(
    source: TileSource, tiles: Iterable[Tile], cache: TileCache, http: Http, label: str = "tiles",
    *, held_bytes: int = 0, retry_holes: bool = False,
) -> FetchReport:  # fmt: skip
    """Bring tiles into the cache; what is there and whole is kept, so that a stopped run goes on.

    Holes the server states are remembered and not asked for again unless retry_holes. held_bytes counts for
    the total size limit beside what these tiles take.
    """
    todo, report = [], FetchReport()
    for tile in tiles:
        report.wanted += 1
        entry = cache.read(tile)
        if entry is not None and entry.hole and not retry_holes:
            report.holes[tile] = entry.hole
        elif entry is not None and not entry.hole:
            report.kept += 1
            report.digests[tile] = entry.sha256
            report.held_bytes += len(entry.body)
        elif http.settings.offline:
            report.holes[tile] = OFFLINE_MISS
        else:
            todo.append(tile)
    before = http.retries
    if todo:
        _fetch_all(source, todo, cache, http, label, report, held_bytes + report.held_bytes)
    report.retries = http.retries - before
    return report


def _fetch_all(
    source: TileSource,
    todo: list[Tile],
    cache: TileCache,
    http: Http,
    label: str,
    report: FetchReport,
    held_bytes: int,
) -> None:
    pool = ThreadPoolExecutor(http.settings.threads, thread_name_prefix="tiles")
    queue, pending, in_a_row = iter(todo), dict[Future[Entry], Tile](), 0
    try:
        with Meter(label, len(todo), "tiles") as meter:
            while True:
                for tile in _next(queue, 4 * http.settings.threads - len(pending)):
                    pending[pool.submit(_fetch_one, source, tile, cache, http)] = tile
                if not pending:
                    return
                done, _ = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    tile = pending.pop(future)
                    try:
                        entry = future.result()
                    except (TransientError, RefusedError) as error:
                        report.failed[tile] = http.redact(error)
                        in_a_row += 1
                        if in_a_row >= FAILURES_IN_A_ROW:
                            raise SourceError(
                                f"{source.identity}: {in_a_row} tiles in a row failed, the last with: "
                                f"{http.redact(error)}; what is there is kept, run again to go on"
                            ) from None
                    else:
                        in_a_row = 0
                        report.fetched_bytes += len(entry.body)
                        if entry.hole:
                            report.holes[tile] = entry.hole
                        else:
                            report.fetched += 1
                            report.new.add(tile)
                            report.digests[tile] = entry.sha256
                    meter.advance(1, _note(report))
                if held_bytes + report.fetched_bytes > http.settings.total_limit_bytes:
                    raise SourceError(
                        f"{source.identity}: more than {http.settings.total_limit_bytes / 1e9:.3g} GB of "
                        "tiles; what is there is kept. Ask for less (--reach, --gsd) or allow more (--max-gb)"
                    )
    finally:
        if pending:  # an error, or Ctrl-C: let nobody wait for the rest
            http.stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _next(queue: Iterator[Tile], count: int) -> Iterator[Tile]:
    for _ in range(count):
        tile = next(queue, None)
        if tile is None:
            return
        yield tile


def _note(report: FetchReport) -> str:
    parts = [f"{report.fetched_bytes / 1e6:.1f} MB"]
    if report.holes:
        parts.append(f"{len(report.holes)} holes")
    if report.failed:
        parts.append(f"{len(report.failed)} failed")
    return ", ".join(parts)


def _fetch_one(source: TileSource, tile: Tile, cache: TileCache, http: Http) -> Entry:
    """Fetch, check and store one tile."""
    zoom, col, row = tile
    matrix = source.matrix(zoom)
    assert source.url_of is not None, "a local source is read, not fetched"
    url = source.url_of(matrix, col, row)
    undecodable: list[Reply] = []

    def accept(reply: Reply) -> None:
        if reply.status != 200:
            return
        if not no_tile(reply):
            _check_picture(reply, matrix, source, undecodable)

    try:
        reply = http.get(url, http.settings.tile_limit_bytes, accept)
    except TransientError as error:
        if len(undecodable) < http.settings.attempts:
            raise
        # every attempt brought a whole answer that is no picture: that is what the server has
        entry = Entry(b"", hole=f"undecodable: {error}")
        cache.write(tile, entry)
        return entry
    entry = _entry_of(reply, source, http.redact(url), http)
    cache.write(tile, entry)
    return entry


def _check_picture(reply: Reply, matrix: TileMatrix, source: TileSource, undecodable: list[Reply]) -> None:
    media, stated = media_of(reply.body), reply.media_type
    if not media:
        if stated in _GENERIC or stated.startswith("image/"):
            undecodable.append(reply)
        raise TransientError(f"{len(reply.body)} bytes of {stated or 'no stated type'}, no picture")
    if hashlib.sha256(reply.body).hexdigest() in source.placeholders:
        return
    try:
        decode(reply.body, matrix)
    except UndecodableError as error:
        if " px instead of " in str(error):
            raise SourceError(
                f"{source.identity}: a tile is {error}; name the true size, for example #tile=512"
            ) from None
        undecodable.append(reply)
        raise TransientError(str(error)) from None


def no_tile(reply: Reply) -> bool:
    """Whether a picture is only there to say that there is none: how Bing's servers mark their grey tiles."""
    return "no-tile" in reply.headers.get("X-VE-Tile-Info", "")


def _entry_of(reply: Reply, source: TileSource, shown: str, http: Http) -> Entry:
    if reply.status in source.missing:
        return Entry(b"", hole=f"HTTP {reply.status}")
    if reply.status in (401, 403):
        raise SourceError(
            f"{shown}: refused (HTTP {reply.status}); check the key and the terms of use, or, where the "
            f"server means that there is no tile, say #missing={reply.status}"
        )
    if reply.status != 200:
        raise RefusedError(f"HTTP {reply.status}")
    if no_tile(reply):
        return Entry(b"", hole="no imagery (X-VE-Tile-Info: no-tile)")
    if hashlib.sha256(reply.body).hexdigest() in source.placeholders:
        return Entry(b"", hole="placeholder picture")
    return Entry(reply.body, media_of(reply.body))
