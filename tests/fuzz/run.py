"""One damaged input given to one command in this process: what came of it, and whether that is sound."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import shutil
import signal
import time
import traceback
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import polars as pl
from click.testing import CliRunner, Result

from fuzz.readers import Reader
from lard.cli import main
from lard.ground.terrain.dem import load_dem
from lard.intake.sets.sizes import upright_size

HANG_S, WAIT_S = 20, 120
LINES = 20
_NO_NUMBER = re.compile(rb"(?<![\w./#\"-])(?:-?nan|-?inf|NaN|-?Infinity)(?![\w./\"-])")
_TEXTS = (".json", ".jsonl", ".html", ".csv", ".md", ".yaml", ".esp", ".geojson", ".txt", ".xml", ".svg")


class Hang(BaseException):
    """A command computed three times HANG_S, or took WAIT_S."""


@dataclass(frozen=True, slots=True)
class Find:
    """Something unsound: its kind, what tells it from others, and the whole of it."""

    kind: str
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run happens: the valid seeds, the damaged copy, the empty output folder, and a server."""

    seeds: Path
    case: Path
    out: Path
    server: str = ""


def prepare(reader: Reader, raw: bytes, place: Place) -> None:
    """Copy what the reader needs and put the damaged file into it."""
    for kept in (load_dem, upright_size):  # by path, and all cases lie at the same
        kept.cache_clear()
    for folder in (place.case, place.out):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    top = reader.seed.split("/")[0]
    shutil.copytree(place.seeds / top, place.case / top)
    (place.case / reader.seed).write_bytes(raw)


def arguments(reader: Reader, place: Place) -> list[str]:
    """The words of the command."""
    host = place.server.removeprefix("http://")
    named = {"CASE": place.case, "SEEDS": place.seeds, "OUT": place.out, "SERVER": place.server, "HOST": host}
    words = reader.command.split()
    return [re.sub("|".join(named), lambda found: str(named[found[0]]), word) for word in words]


def run(reader: Reader, place: Place) -> list[Find]:
    """Run the command on what lies there; the working folder is the output folder."""
    before = _files(place.case)
    os.chdir(place.out)
    timers = ((signal.ITIMER_PROF, signal.SIGPROF, 3 * HANG_S), (signal.ITIMER_REAL, signal.SIGALRM, WAIT_S))
    alarm = Alarm()
    for timer, number, seconds in timers:
        signal.signal(number, alarm)
        signal.setitimer(timer, seconds)
    try:
        result = CliRunner().invoke(main, arguments(reader, place))
        if alarm.rang:  # code in C made another error of it
            raise Hang
    except Hang:
        where = traceback.format_exc()
        return [Find("hang", _innermost(where), where)]
    finally:
        for timer, _, _ in timers:
            signal.setitimer(timer, 0)
        os.chdir(place.seeds)
    return judged(reader, place, result, before)


class Clock:
    """What a process has done since now: computed, waited for a processor, waited for something else."""

    def __init__(self, process: str = "self") -> None:
        self._of, self._begun_s = Path("/proc", process), time.monotonic()
        self._ran_s, self._held_s = self._now()

    def _now(self) -> tuple[float, float]:
        """Seconds that the process computed, and that its first thread computed or waited for a processor."""
        fields = (self._of / "stat").read_text().rpartition(")")[2].split()
        ran_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return ran_s, sum(map(int, (self._of / "schedstat").read_text().split()[:2])) / 1e9

    def spent_s(self) -> tuple[float, float]:
        """Seconds of computing, and of waiting for anything but a processor on a busy machine."""
        ran_s, held_s = self._now()
        return ran_s - self._ran_s, time.monotonic() - self._begun_s - (held_s - self._held_s)


class Alarm:
    """Raises Hang, unless the time that passed was spent by other processes."""

    def __init__(self) -> None:
        self.clock, self.rang = Clock(), False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        rest_s = WAIT_S - self.clock.spent_s()[1]
        if number == signal.SIGALRM and rest_s > 0:
            signal.setitimer(signal.ITIMER_REAL, rest_s + 1)
            return
        self.rang = True
        raise Hang


def judged(reader: Reader, place: Place, result: Result, before: set[Path]) -> list[Find]:
    finds = []
    error = result.exception
    if error is not None and not isinstance(error, SystemExit):
        text = "".join(traceback.format_exception(error))
        finds.append(Find("traceback", f"{type(error).__name__} {_innermost(text)}", text))
    # requirements that fail exit with 1 and have written their report
    whole = result.exit_code in (0, 1) or (reader.keeps and result.exit_code == 2)
    left = set() if whole and not finds else _files(place.out)
    left |= _files(place.case) - before
    if left:
        names = "\n".join(sorted(str(path) for path in left))
        text = f"exit {result.exit_code} {error!r}\n{names}\n{result.output}"
        finds.append(Find("left-over", reader.command, text))
    if result.exit_code == 2 and not finds:
        finds += _message(reader, place, result.output)
    if result.exit_code == 0:
        finds += _no_numbers(reader, place, result.output)
    return finds


def _message(reader: Reader, place: Place, text: str) -> list[Find]:
    """A refusal is short and names a file or folder that was given."""
    lines = text.rstrip("\n").split("\n")
    if len(lines) >= LINES or len(text) > 6000:
        return [Find("long message", reader.command, text)]
    top = reader.seed.split("/")[0]
    given = (str(place.case), str(place.out), str(place.seeds), place.server or "\0")
    named = (Path(reader.seed).name, f"{top}/", *given)
    if not any(part in text for part in named):
        return [Find("nameless message", f"{reader.seed} {lines[-1][:60]}", text)]
    return []


def _no_numbers(reader: Reader, place: Place, output: str) -> list[Find]:
    """NaN and infinity reach neither the terminal nor a text or table that was written."""
    written = _files(place.out)
    texts = {path: path.read_bytes() for path in written if path.suffix in _TEXTS}
    for path, raw in {**texts, Path("output"): output.encode("utf-8", "replace")}.items():
        found = _NO_NUMBER.search(raw)
        # names and other texts may be "NaN"
        if found and found[0] not in _words(place.case / reader.seed):
            about = raw[max(found.start() - 200, 0) : found.end() + 100].decode("utf-8", "replace")
            return [Find("no number", f"{reader.command} {path.name}", about)]
    for path in written:
        odd = _odd_columns(path) if path.suffix == ".parquet" else []
        if odd:
            return [Find("no number", f"{reader.command} {path.name}", ", ".join(odd))]
    return []


def _words(path: Path) -> bytes:
    """What a damaged input says, of a compressed one what is in it."""
    raw = path.read_bytes()
    if path.suffix == ".parquet":
        with contextlib.suppress(pl.exceptions.PolarsError, pl.exceptions.PanicException):
            texts = pl.read_parquet(path).select(pl.col(pl.String))
            words = (str(value) for row in texts.iter_rows() for value in row)
            return "\n".join(words).encode("utf-8", "replace")
    with contextlib.suppress(OSError, EOFError, zlib.error):
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    return raw + raw.replace(b"\0", b"")  # in whatever encoding


def _odd_columns(path: Path) -> list[str]:
    """Columns of a table, and of lists in it, that hold NaN or infinity."""
    columns = [s.explode() if isinstance(s.dtype, pl.List) else s for s in pl.read_parquet(path)]
    return [s.name for s in columns if s.dtype.is_float() and not s.drop_nulls().is_finite().all()]


def _files(folder: Path) -> set[Path]:
    """Files below a folder, and folders in it that are empty; locks of folders are no outputs."""
    found = {path for path in folder.rglob("*") if path.is_file() or path.is_symlink()}
    return {path for path in found if not (path.name.startswith(".") and path.name.endswith(".lock"))}


def _innermost(trace: str) -> str:
    """File and function of the last line of ours in a traceback."""
    ours = re.findall(r'File "[^"]*?((?:lard|pipelines)/[\w/]+\.py)", line \d+, in (\S+)', trace)
    return ":".join(ours[-1]) if ours else "outside"
