"""Runs commands in a folder and keeps a journal of what each took, so that a run that was cut goes on."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import log
from pathlib import Path
from types import FrameType
from typing import Any

from pydantic import BaseModel, ConfigDict

import lard
from lard.documents import checked
from lard.errors import DataError, LardError
from lard.plan.pace import paced
from lard.plan.rates import Run
from lard.plan.steps import Step

JOURNAL = "journal.jsonl"
_COMMAND = "import sys; from lard.cli import main; sys.argv[0] = 'lard'; main()"
_TAIL_CHARACTERS = 300
_TRUSTED = 0.05  # of all that is guessed: as if so much had been run and taken what was guessed


class Entry(BaseModel):
    """A line of the journal: a step that is done."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    step: str
    run: Run
    lags: list[float] = []
    """Logarithms of the seconds between one picture and the next."""


@dataclass
class Bench:
    """A folder with a journal; `identity` is what all its runs have in common."""

    folder: Path
    identity: Mapping[str, Any]
    tell: Callable[[str], None]
    done: dict[str, Entry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.done = {entry.step: entry for entry in self._read()}

    def _read(self) -> list[Entry]:
        """What is done already; DataError where it was begun as something else."""
        path = self.folder / JOURNAL
        head = json.dumps(self.identity, sort_keys=True)
        if not path.is_file():
            path.write_text(head + "\n", encoding="utf-8")
            return []
        text = path.read_text(encoding="utf-8", errors="replace")
        first, *lines = text.split("\n")[:-1] or [""]  # what a killed run was writing has no end
        if first != head:
            raise DataError(
                f"{path}: was begun with {first[:300]}, this is {head}; remove the folder to begin anew"
            )
        path.write_text("".join(f"{line}\n" for line in (first, *lines)), encoding="utf-8")
        try:
            documents = [json.loads(line) for line in lines]
        except ValueError as error:
            raise DataError(f"{path}: not a journal of lard plan; remove the folder to begin anew") from error
        return [checked(Entry, one, path, remedy="remove the folder to begin anew") for one in documents]

    def run(self, steps: Sequence[Step]) -> dict[str, list[Run]]:
        """Run the steps that are not done yet; by stage the runs of all of them."""
        for number, step in enumerate(steps):
            if step.name not in self.done:
                self.tell(
                    f"{number + 1}/{len(steps)} lard {' '.join(step.arguments)} "
                    f"({self._left_s(steps) / 60:.0f} min left)"
                )
                self._note(self._timed(step))
        runs: dict[str, list[Run]] = {}
        for step in steps:
            if step.stage:
                runs.setdefault(step.stage, []).append(self.done[step.name].run)
        return runs

    def lags(self, steps: Sequence[Step]) -> list[float]:
        """Logarithms of the seconds between pictures of all rendering runs among the steps."""
        return [lag for step in steps for lag in self.done[step.name].lags if step.stage == "render"]

    def _left_s(self, steps: Sequence[Step]) -> float:
        """Seconds that the rest of the steps may take: as guessed, times what guesses were off by so far.

        Of this the first few steps tell little, and those that warm up nothing.
        """
        before = [step for step in steps if step.name in self.done and not step.warms]
        took = sum(self.done[step.name].run.wall_s for step in before)
        guessed = sum(step.about_s for step in before)
        trusted = _TRUSTED * sum(step.about_s for step in steps)
        left = sum(step.about_s for step in steps if step.name not in self.done)
        return left * (took + trusted) / max(guessed + trusted, 1e-9)

    def _note(self, entry: Entry) -> None:
        with (self.folder / JOURNAL).open("a", encoding="utf-8") as stream:
            stream.write(entry.model_dump_json() + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        self.done[entry.step] = entry

    def _timed(self, step: Step) -> Entry:
        """Run a step, after what a killed run of it left is gone, and tell what it took."""
        for name in step.made if not step.keep else ():
            _remove(self.folder / name)
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        if step.prepare is not None:
            step.prepare(self.folder)
        with paced() as pace:
            cpu_s, wall_s, peak_mib = self._spent(step)
            pace_ms = pace()
        found = [
            path for name in step.made if not name.startswith(".") for path in _files(self.folder / name)
        ]
        found = found if step.weighed else []
        run = Run(
            units=step.units,
            pace_ms=pace_ms,
            cpu_s=cpu_s,
            wall_s=wall_s,
            peak_mib=peak_mib,
            bytes=sum(path.stat().st_size for path in found),
            files=len(found),
        )
        lags = []
        if step.stage == "render":
            images = (self.folder / step.made[0] / "images").iterdir()
            written = sorted(path.stat().st_mtime_ns for path in images)
            lags = [log((later - one) / 1e9) for one, later in pairwise(written) if later > one]
        return Entry(step=step.name, run=run, lags=lags)

    def _spent(self, step: Step) -> tuple[float, float, float]:
        """Processor and clock seconds, and peak MiB, of the command of a step."""
        path = os.pathsep.join(
            [str(Path(lard.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "LARD_WORKERS": "1"}
        log_path, start = self.folder / "log.txt", time.perf_counter()
        setpriv = shutil.which("setpriv")  # lets the kernel end it where this process is killed (-9)
        bound = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
        with log_path.open("wb") as stream, _told_to_end() as begun:
            process = subprocess.Popen(
                [*bound, sys.executable, "-c", _COMMAND, *step.arguments], cwd=self.folder, env=environment,
                stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, process_group=0,
            )  # fmt: skip
            try:
                begun(process.pid)
                _, status, usage = os.wait4(process.pid, 0)
            except BaseException:
                _kill_group(process.pid)
                process.wait()
                raise
        wall_s = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in step.codes:
            text = " ".join(log_path.read_text(errors="replace").split())
            raise LardError(
                f"lard {' '.join(step.arguments)}: ended with {process.returncode} while measuring: "
                f"{text[-_TAIL_CHARACTERS:]}"
            )
        return usage.ru_utime + usage.ru_stime, wall_s, usage.ru_maxrss / 1024  # Linux counts in KiB


@contextlib.contextmanager
def _told_to_end() -> Iterator[Callable[[int], None]]:
    """While a command runs, a signal that ends this process ends the command's group first.

    Yields what takes the number of its process. This process then ends by the signal, as without a command;
    a signal that came between the start and that call counts at once.
    """
    groups: list[int] = []
    waiting: list[int] = []

    def end(number: int, _: FrameType | None) -> None:
        if not groups:
            waiting.append(number)
            return
        _kill_group(groups[0])
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def begun(group: int) -> None:
        groups.append(group)
        for number in waiting:
            end(number, None)

    own = threading.current_thread() is threading.main_thread()  # others may not handle signals
    # Ctrl-C too: what polars puts before Python's handler lets the wait for the command go on
    ending = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT) if own else ()
    before = {number: signal.getsignal(number) for number in ending}
    usual = (signal.SIG_DFL, signal.default_int_handler)  # nohup and background jobs ignore some
    taken = [number for number, handler in before.items() if handler in usual]
    for number in taken:
        signal.signal(number, end)
    try:
        yield begun
    finally:
        for number in taken:
            signal.signal(number, before[number])


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _files(path: Path) -> list[Path]:
    return [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
