"""What workers of other machines must share with this process, tried out by files before they are trusted.

A mark with a secret word is written into the folder that results go to. A worker must read the word there,
and leave an answer that this process reads; files that it is to read must have the bytes that they have here;
and its programs must be those of this process, because results depend on them.
"""

import contextlib
import hashlib
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import lard
from lard.errors import SourceError, fault_line
from lard.files import sha256_file

ARRIVAL_S = 70.0
"""How long a network file system may go on telling that a file is not there (NFS by default: 60 s)."""
_MARK = ".lard-seen-"
_DECIDING = ("numpy", "scipy", "numba", "opencv-python-headless", "pillow", "polars", "rasterio", "torch")


class Unseen(SourceError):
    """A worker does not see what it must share, or runs other programs."""


@dataclass(frozen=True, slots=True)
class Shares:
    """The folder that workers write into, and some of the files that they read; both may be absent."""

    writes: Path | None = None
    reads: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """What a worker compares with what it finds: the mark with its word, digests of files, of programs."""

    word: str
    mark: Path | None
    files: Mapping[str, str]
    programs: Mapping[str, str] = field(default_factory=dict)

    def answer_of(self, worker: str) -> Path | None:
        """Where a worker leaves its answer."""
        if self.mark is None:
            return None
        return self.mark.with_name(f"{self.mark.name}-{hashlib.sha256(worker.encode()).hexdigest()[:12]}")

    def check(self, worker: str) -> None:
        """Called on a worker: Unseen unless all is as where the probe was made; leaves the answer."""
        who = f"worker {worker} on {socket.gethostname()}"
        own = programs()
        for name, wanted in self.programs.items():
            if own.get(name) != wanted:
                raise Unseen(
                    f"{who}: {name} is {own.get(name) or 'absent'} there and {wanted} here, so that results "
                    "would differ; start workers from the same environment"
                )
        if self.mark is not None:
            folder = self.mark.parent
            try:
                word = self.mark.read_text(encoding="utf-8")
            except OSError:
                word = ""
            if word != self.word:
                raise Unseen(
                    f"{who} does not see the {folder} of this run: nothing that it writes would arrive; "
                    "mount the same folder at the same path there, or name one that all share"
                )
            try:
                answer = self.answer_of(worker)
                assert answer is not None
                answer.write_text(self.word, encoding="utf-8")
            except OSError as error:
                raise Unseen(f"{who} cannot write into {folder}: {fault_line(error)}") from error
        for name, digest in self.files.items():
            try:
                found = sha256_file(name)
            except OSError as error:
                raise Unseen(
                    f"{who} cannot read {name} ({os.strerror(error.errno or 0)}); mount its folder at the "
                    "same path there, or name one that all share"
                ) from error
            if found != digest:
                raise Unseen(
                    f"{who}: {name} is another file there than here; mount the same folder, or copy it anew"
                )


@contextlib.contextmanager
def probing(shares: Shares) -> Iterator[Probe]:
    """Yield a probe whose mark lies in the shared folder; mark and answers vanish afterwards."""
    word = secrets.token_hex(16)
    folder = shares.writes.absolute() if shares.writes is not None else None
    mark = None if folder is None else folder / f"{_MARK}{word[:8]}"
    files = {str(path.absolute()): sha256_file(path) for path in shares.reads}
    try:
        if mark is not None:
            mark.write_text(word, encoding="utf-8")
        yield Probe(word, mark, files, programs())
    finally:
        for path in mark.parent.glob(f"{mark.name}*") if mark is not None else ():
            path.unlink(missing_ok=True)


def check_answer(probe: Probe, worker: str) -> None:
    """Unseen unless the answer that a worker says it left is here."""
    answer = probe.answer_of(worker)
    if answer is not None and not arrived(lambda: answer.read_text(encoding="utf-8") == probe.word):
        raise Unseen(
            f"worker {worker} writes into another {answer.parent} than that of this process; mount the same "
            "folder at the same path there"
        )


def arrived(is_here: Callable[[], bool], wait_s: float = ARRIVAL_S) -> bool:
    """Whether something is here, or comes to be while one waits; files that are not there count as no."""
    end = time.monotonic() + wait_s
    while True:
        with contextlib.suppress(OSError):
            if is_here():
                return True
        if time.monotonic() >= end:
            return False
        time.sleep(min(1.0, wait_s))


@cache
def programs() -> Mapping[str, str]:
    """Versions of what decides results: Python, packages, and a digest of lard's own modules."""
    found = {"Python": ".".join(map(str, sys.version_info[:2]))}
    for name in _DECIDING:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    digest, root = hashlib.sha256(), Path(lard.__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return {"lard": f"{lard.__version__} ({digest.hexdigest()[:12]})", **found}
