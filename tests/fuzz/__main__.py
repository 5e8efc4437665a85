"""`make fuzz`: damage inputs of every reader; keep what is not refused in a line."""

from __future__ import annotations

import argparse
import collections
import hashlib
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from fuzz.readers import Reader, readers
from fuzz.run import HANG_S, WAIT_S, Clock, Find
from fuzz.seeds import make
from fuzz.worker import minimise, work

GATE_RUNS, GATE_SECONDS = 1500, 1800.0
"""What CI judges, and the time after which it gives up, some ten times what it takes."""
COUNTED = ("traceback", "hang", "crash", "left-over", "no number", "long message", "nameless message")
WORDING = ("long message", "nameless message")
"""Kinds that are told and kept, but end no run with status 1: the input was refused soundly."""
GRACE_S = 25  # beyond the alarm: code in C that no signal ends
SHRUNK, SHRINK_S = 10, 5.0


class Fault(Exception):
    """The fuzzer itself cannot go on."""


@dataclass(slots=True)
class Session:
    """What a run of the fuzzer has seen so far."""

    keep: Path
    seed: int
    runs: int = 0
    peak_bytes: int = 0
    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    seen: dict[tuple[str, str], tuple[Path, int]] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    mark: str = ""

    def saw(self, number: int, reader: Reader, raw: bytes) -> None:
        """Count a case; the mark is that of all cases so far, damaged bytes included."""
        self.numbers.append(number)
        told = f"{self.mark} {number} {reader.seed} {reader.command} {hashlib.sha256(raw).hexdigest()}"
        self.mark = hashlib.sha256(told.encode()).hexdigest()


def main() -> int:
    """Fuzz as long as asked; 1 when there are finds other than of wording, or cases not come to in time."""
    asked = _asked()
    session = Session(asked.keep.resolve(), asked.seed)
    broken = ""
    with tempfile.TemporaryDirectory(prefix="lard_fuzz_") as name:
        scratch = Path(name)
        seeds = make((asked.seeds or scratch / "seeds").resolve())
        try:
            fuzz(session, seeds, scratch, asked)
        except KeyboardInterrupt:
            broken = "interrupted"
        except Fault as fault:
            broken = f"the fuzzer itself failed, after case {max(session.numbers, default=-1)}: {fault}"
        _report(session, asked)
        _shrink(session, seeds, scratch)
    if not broken and asked.runs is not None and session.runs < asked.runs:
        broken = f"ended by --seconds {asked.seconds:g}: {asked.runs - session.runs} cases were not judged"
    if broken:
        print(broken, file=sys.stderr)
    return 1 if broken or any(kind not in WORDING for kind, _ in session.seen) else 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, help=f"cases to judge; {GATE_RUNS} without --seconds")
    parser.add_argument("--seconds", type=float, help="end after so long, whatever was judged")
    parser.add_argument("--seed", type=int, default=0, help="other cases")
    parser.add_argument("--first", type=int, default=0, help="begin with the case of this number")
    parser.add_argument("--only", default="", help="readers whose seed and command hold this text")
    parser.add_argument("--keep", type=Path, default=Path("fuzz_finds"), help="folder of the finds")
    parser.add_argument("--seeds", type=Path, help="folder of the valid inputs, made when absent")
    asked = parser.parse_args()
    if asked.runs is None and asked.seconds is None:
        asked.runs, asked.seconds = GATE_RUNS, GATE_SECONDS
    if not any(asked.only in f"{reader.seed} {reader.command}" for reader in readers()):
        parser.error(f"--only {asked.only}: no reader's seed and command hold it")
    return asked


def fuzz(
    session: Session,
    seeds: Path,
    scratch: Path,
    asked: argparse.Namespace,
    target: Callable[..., None] = work,
) -> None:
    """Start workers one after the other: a new one, at the next case, wherever the last was lost."""
    end = time.monotonic() + (float("inf") if asked.seconds is None else asked.seconds)
    runs = float("inf") if asked.runs is None else asked.runs
    context = multiprocessing.get_context("spawn")
    following = asked.first
    while time.monotonic() < end and session.runs < runs:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(
            target=target, args=(theirs, seeds, scratch / "work", asked.seed, following, asked.only),
            daemon=True,
        )  # fmt: skip
        process.start()
        theirs.close()
        try:
            while session.runs < runs and time.monotonic() < end:
                number, going_on = _case(session, ours, process)
                following = following if number is None else number + 1
                if not going_on:
                    break
        finally:
            process.kill()
            process.join()


def _case(
    session: Session, ours: Connection, process: multiprocessing.process.BaseProcess
) -> tuple[int | None, bool]:
    """Take what the worker says of one case: its number, None where it ended before, and if it goes on."""
    event = _event(ours, process)
    if event is None:
        if process.is_alive():
            raise Fault("the worker does nothing between two cases")
        process.join()
        if process.exitcode:
            raise Fault(f"the worker ended between two cases with {process.exitcode}")
        return None, False
    _, number, index = event
    reader = list(readers())[index]
    event = _event(ours, process)
    if event is None:
        raise Fault(f"damage of case {number}, {reader.seed}, ended or held up its process")
    raw = event[2]
    session.saw(number, reader, raw)
    session.runs += 1
    event = _event(ours, process)
    if event is not None:
        session.peak_bytes = max(session.peak_bytes, event[3])
        finds = event[2]
    else:
        kind = "hang" if process.is_alive() else "crash"
        process.kill()
        process.join()
        finds = [Find(kind, reader.command, f"exit {process.exitcode}")]
    for find in finds:
        session.counts[find.kind] += 1
        if (find.kind, find.key) not in session.seen:
            _keep(session, number, index, find, raw)
    return number, event is not None


def _event(ours: Connection, process: multiprocessing.process.BaseProcess) -> tuple | None:  # type: ignore[type-arg]
    """What the worker reports next; None where it computes or waits too long, or is no more."""
    clock = None
    try:
        while not ours.poll(5.0):
            if not process.is_alive() and not ours.poll(0):  # a child of it may hold the pipe open
                return None
            clock = clock or Clock(str(process.pid))
            ran_s, waited_s = clock.spent_s()
            if ran_s > 6 * HANG_S + GRACE_S or waited_s > WAIT_S + GRACE_S:
                return None
        found: tuple = ours.recv()  # type: ignore[type-arg]
    except (EOFError, ConnectionError, FileNotFoundError):  # it has ended
        process.join()
        return None
    if found[0] == "fault":
        raise Fault(found[1])
    return found


def _keep(session: Session, number: int, index: int, find: Find, raw: bytes) -> None:
    """Store the damaged file, the command and what happened below the folder of finds, named by the case."""
    reader = list(readers())[index]
    target = session.keep / f"{find.kind.replace(' ', '-')}-{session.seed}-{number}"
    path = target / "CASE" / reader.seed
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    again = f"--seed {session.seed} --first {number} --runs 1"
    text = f"lard {reader.command}\ndamaged: {reader.seed}\nagain: make fuzz FUZZ='{again}'\n\n"
    text += f"{find.kind}: {find.key}\n\n{find.text}\n"
    (target / "find.txt").write_text(text, errors="backslashreplace")
    session.seen[find.kind, find.key] = target, index
    print(f"{number:6d} {find.kind}: {reader.seed}: lard {reader.command}: {find.key}", flush=True)


def _shrink(session: Session, seeds: Path, scratch: Path) -> None:
    """Make kept inputs of text smaller, a few seconds each; those that end their process stay as they are."""
    context = multiprocessing.get_context("spawn")
    for (kind, key), (target, index) in list(session.seen.items())[:SHRUNK]:
        reader = list(readers())[index]
        path = target / "CASE" / reader.seed
        if kind not in ("traceback", "no number") or path.suffix in (".parquet", ".pt", ".onnx", ".mbtiles"):
            continue
        given = (index, seeds, scratch / "shrink", Find(kind, key, ""), path, SHRINK_S)
        process = context.Process(target=minimise, args=given, daemon=True)
        process.start()
        process.join(SHRINK_S + WAIT_S)
        process.kill()
        process.join()


def _report(session: Session, asked: argparse.Namespace) -> None:
    count = sum(asked.only in f"{reader.seed} {reader.command}" for reader in readers())
    print(
        f"{session.runs} runs of {count} readers, peak {session.peak_bytes / 2**30:.1f} GiB, "
        f"cases {session.mark[:16]}"
    )
    for kind in COUNTED:
        kinds = sum(1 for found, _ in session.seen if found == kind)
        print(f"{kind:>18}: {session.counts[kind]} in {kinds} places")
    if session.seen:
        print(f"finds, each with its command: {session.keep}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
