"""`make fuzz SECONDS=120`: damage inputs of every reader for a while; keep what is not refused in a line."""

from __future__ import annotations

import argparse
import collections
import hashlib
import multiprocessing
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from fuzz.readers import Reader, readers
from fuzz.run import HANG_S, WAIT_S, Clock, Find
from fuzz.seeds import make
from fuzz.worker import minimised, work

COUNTED = ("traceback", "hang", "crash", "left-over", "no number", "long message", "nameless message")
WORDING = ("long message", "nameless message")
"""Kinds that are told and kept, but end no run with status 1: the input was refused soundly."""
GRACE_S = 25  # beyond the alarm: code in C that no signal ends


@dataclass(slots=True)
class Session:
    """What a run of the fuzzer has seen so far."""

    readers: list[Reader]
    keep: Path
    runs: int = 0
    peak_bytes: int = 0
    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    seen: dict[tuple[str, str], Path] = field(default_factory=dict)


def main() -> int:
    """Fuzz for the time asked for; 1 when there are finds other than of wording."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--runs", type=int, default=1 << 40, help="end after so many runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="readers whose seed and command hold this text")
    parser.add_argument("--keep", type=Path, default=Path("fuzz_finds"), help="folder of the finds")
    parser.add_argument("--seeds", type=Path, help="folder of the valid inputs, made when absent")
    asked = parser.parse_args()
    chosen = [reader for reader in readers() if asked.only in f"{reader.seed} {reader.command}"]
    session = Session(chosen, asked.keep)
    with tempfile.TemporaryDirectory(prefix="lard_fuzz_") as scratch:
        seeds = make((asked.seeds or Path(scratch) / "seeds").resolve())
        _fuzz(session, seeds, Path(scratch), asked)
        _shrink(session, seeds, Path(scratch))
    _report(session)
    return 1 if any(kind not in WORDING for kind, _ in session.seen) else 0


def _fuzz(session: Session, seeds: Path, scratch: Path, asked: argparse.Namespace) -> None:
    """Start workers one after the other: a new one wherever the last was lost."""
    end = time.monotonic() + asked.seconds
    context = multiprocessing.get_context("spawn")
    spent = [0.0] * len(session.readers)
    number = 0
    while time.monotonic() < end and session.runs < asked.runs:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(
            target=work, args=(theirs, seeds, scratch / "work", asked.seed, number, asked.only, spent),
            daemon=True,
        )  # fmt: skip
        process.start()
        theirs.close()
        running = None
        while session.runs < asked.runs and (time.monotonic() < end or running is not None):
            try:
                event = _event(ours, process)
            except EOFError:  # it has ended
                process.join()
                event = None
            if event is None and running is None and not process.is_alive():
                break
            if event is None:
                _lost(session, scratch / "work", process, running)
                break
            if event[0] == "fault":
                raise SystemExit(event[1])
            if event[0] == "start":
                running = event[1:]
            else:
                running = None
                _took(session, event)
            number = event[1] + 1
        process.kill()
        process.join()


def _event(ours: Connection, process: multiprocessing.process.BaseProcess) -> tuple | None:  # type: ignore[type-arg]
    """What the worker reports next; None where it computes or waits too long, or is no more."""
    clock = Clock(str(process.pid))
    while not ours.poll(5.0):
        if not process.is_alive():
            return None
        ran_s, waited_s = clock.spent_s()
        if ran_s > 6 * HANG_S + GRACE_S or waited_s > WAIT_S + GRACE_S:
            return None
    found: tuple = ours.recv()  # type: ignore[type-arg]
    return found


def _took(session: Session, event: tuple) -> None:  # type: ignore[type-arg]
    _, _, index, finds, peak, raw = event
    session.runs += 1
    session.peak_bytes = max(session.peak_bytes, peak)
    for find in finds:
        session.counts[find.kind] += 1
        if (find.kind, find.key) not in session.seen:
            _keep(session, session.readers[index], find, raw)


def _lost(session: Session, folder: Path, process: multiprocessing.Process, running: tuple | None) -> None:  # type: ignore[type-arg]
    """The worker died or hangs where no signal reaches it."""
    kind = "hang" if process.is_alive() else "crash"
    process.kill()
    process.join()
    if running is None:
        raise SystemExit(f"the worker ended by itself with {process.exitcode}")
    reader = session.readers[running[1]]
    session.counts[kind] += 1
    session.runs += 1
    raw = (folder / "case" / reader.seed).read_bytes()
    _keep(session, reader, Find(kind, reader.command, f"exit {process.exitcode}"), raw)


def _keep(session: Session, reader: Reader, find: Find, raw: bytes) -> None:
    """Store the damaged file, the command and what happened below the folder of finds."""
    mark = hashlib.sha256(f"{find.kind} {find.key}".encode()).hexdigest()[:8]
    target = session.keep / f"{find.kind.replace(' ', '-')}-{mark}"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    (target / "CASE" / reader.seed).parent.mkdir(parents=True)
    (target / "CASE" / reader.seed).write_bytes(raw)
    (target / "find.txt").write_text(
        f"lard {reader.command}\ndamaged: {reader.seed}\n\n{find.kind}: {find.key}\n\n{find.text}\n"
    )
    session.seen[find.kind, find.key] = target
    print(f"{session.runs:6d} {find.kind}: {reader.seed}: lard {reader.command}: {find.key}", flush=True)


def _shrink(session: Session, seeds: Path, scratch: Path) -> None:
    """Make the kept inputs of text smaller, a few seconds each."""
    for (kind, key), target in list(session.seen.items())[:40]:
        lines = (target / "find.txt").read_text().splitlines()
        command, seed = lines[0].removeprefix("lard "), lines[1].removeprefix("damaged: ")
        path = target / "CASE" / seed
        if kind not in ("traceback", "no number") or path.suffix in (".parquet", ".pt", ".onnx", ".mbtiles"):
            continue
        [reader] = [one for one in session.readers if (one.seed, one.command) == (seed, command)]
        raw = path.read_bytes()
        path.write_bytes(minimised(reader, seeds, scratch / "shrink", Find(kind, key, ""), raw, 5.0))


def _report(session: Session) -> None:
    print(f"{session.runs} runs of {len(session.readers)} readers, peak {session.peak_bytes / 2**30:.1f} GiB")
    for kind in COUNTED:
        kinds = sum(1 for found, _ in session.seen if found == kind)
        print(f"{kind:>18}: {session.counts[kind]} in {kinds} places")
    if session.seen:
        print(f"finds, each with its command: {session.keep}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
