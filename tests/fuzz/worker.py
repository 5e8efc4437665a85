"""The process that runs damaged inputs, one after the other, and reports each to its parent."""

from __future__ import annotations

import os
import resource
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from fuzz.minimise import smallest
from fuzz.mutate import Rng, of_bytes
from fuzz.readers import Reader, cases, readers
from fuzz.run import HANG_S, Find, Place, prepare, run

GROWTH_BYTES = 2 << 30


class Handler(SimpleHTTPRequestHandler):
    """Answers every question about a folder below a case with that folder's one file."""

    def translate_path(self, path: str) -> str:
        folder = Path(self.directory) / path.strip("/").split("/")[0]
        return str(next((file for file in folder.glob("*") if file.is_file()), folder))

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A server of the case's files; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def work(to: Connection, seeds: Path, folder: Path, seed: int, first: int, only: str) -> None:
    """Run number `first` and all that follow until killed; a fault of the fuzzer itself is sent as a text."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["LARD_STORE_TRIES"] = "1"  # what is damaged here stays so
    native = os.open(folder / "native.txt", os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    os.dup2(native, 2)  # what decoders in C and Rust say
    try:
        _work(to, seeds, folder, seed, first, only)
    except Exception:
        to.send(("fault", traceback.format_exc()))


def _work(to: Connection, seeds: Path, folder: Path, seed: int, first: int, only: str) -> None:
    with serving(folder / "case") as server:
        place = Place(seeds, folder / "case", folder / "out", server)
        known, limited = list(readers()), False
        for number, index in cases(seed, first, only):
            reader = known[index]
            to.send(("start", number, index))
            raw = damaged(reader, (seeds / reader.seed).read_bytes(), np.random.default_rng([seed, number]))
            to.send(("damaged", number, raw))
            prepare(reader, raw, place)
            worked_s = time.process_time()
            finds = run(reader, place)
            worked_s = time.process_time() - worked_s
            if worked_s > HANG_S and not finds and worked_s > HANG_S + _seconds_of_valid(reader, place):
                finds = [Find("hang", reader.command, f"{worked_s:.0f} s of computing")]
            to.send(("end", number, finds, _peak_bytes()))
            if b"panicked" in (folder / "native.txt").read_bytes():
                return  # the table library survives a panic with threads lost: go on in a new process
            os.truncate(folder / "native.txt", 0)
            if number - first > 200 and not limited:
                limited = True
                _limit_memory()


def _seconds_of_valid(reader: Reader, place: Place) -> float:
    """Seconds of computing of a reader's valid input, which some commands need many of."""
    began = time.process_time()
    prepare(reader, (place.seeds / reader.seed).read_bytes(), place)
    run(reader, place)
    return time.process_time() - began


def damaged(reader: Reader, raw: bytes, rng: Rng) -> bytes:
    """An input damaged by one of its reader's ways, or in its bytes where that way writes nothing."""
    mutator = reader.mutators[int(rng.integers(len(reader.mutators)))]
    try:
        return mutator(raw, rng)
    except Exception:  # of whatever library writes the kind of file
        return of_bytes(raw, rng)


def shown_again(reader: Reader, place: Place, find: Find, raw: bytes) -> bool:
    """Whether an input shows the same fault."""
    prepare(reader, raw, place)
    return any((other.kind, other.key) == (find.kind, find.key) for other in run(reader, place))


def minimise(index: int, seeds: Path, folder: Path, find: Find, path: Path, limit_s: float) -> None:
    """Make a find's input smaller, in a process of its own: what is tried may end or fill it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    _limit_memory()
    with serving(folder / "case") as server:
        reader, place = list(readers())[index], Place(seeds, folder / "case", folder / "out", server)
        smaller = smallest(path.read_bytes(), partial(shown_again, reader, place, find), limit_s)
    beside = path.with_name(f".{path.name}.smaller")
    beside.write_bytes(smaller)
    beside.replace(path)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _limit_memory() -> None:
    """Let the process grow by GROWTH_BYTES and no more, once all modules are loaded."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + GROWTH_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
