"""Measures the rates of the stages, and how well they foretell: commands run in a folder that is kept until
all is done."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import lard
from lard.files import folder_lock
from lard.plan.bench import Bench
from lard.plan.rates import Rates, Run, fitted, foretold, this_machine
from lard.plan.stages import FIRST_OF, UNITS
from lard.plan.steps import MODELS, TIMED, measuring, verifying
from lard.workers import run_tasks, workers_of

_NO_WORK_TASKS = 2000
_STORE_FILES, _STORE_BYTES = 64, 256 * 1024


def measure(
    folder: Path,
    airports: Sequence[str],
    repeats: int,
    train: str = "",
    tell: Callable[[str], None] = lambda _: None,
) -> Rates:
    """Rates of every stage on this machine: medians of `repeats` runs of each size, one process each.

    `train` names a model to measure training of; `tell` hears each command before it runs. What is done is
    kept in the folder, which vanishes at the end: a call after one that was cut goes on there.
    """
    with folder_lock(folder):
        bench = Bench(folder, _identity(airports, measure="rates"), tell)
        steps = measuring(airports, repeats, train)
        runs = bench.run(steps)
        tell("tasks of no work, and files of a picture's size")
        store = store_mb_s(folder)
        shutil.rmtree(folder)
    return Rates(
        lard_version=lard.__version__,
        machine=this_machine(),
        airports=list(airports),
        models={**MODELS, **({"train": train} if train else {})},
        stages={
            name: fitted(UNITS[name], some, len(airports), FIRST_OF[name])  # type: ignore[arg-type]
            for name, some in runs.items()
        },
        frame_log_sd=statistics.stdev(bench.lags(steps)),
        scheduler_ms=scheduler_ms("2"),
        scheduler="2 processes of this machine",
        store_mb_s=store,
    )


def verify(
    folder: Path,
    rates: Rates,
    frames: int,
    airports: Sequence[str],
    stages: Collection[str],
    tell: Callable[[str], None],
) -> dict[str, tuple[Run, Run]]:
    """Run the stages once with so many frames; by stage what the rates foretold, at the pace of the processor
    then, and what it took.

    What is done is kept in the folder, for a call after one that was cut or one with other stages; it
    vanishes when all of TIMED have been run.
    """
    with folder_lock(folder):
        bench = Bench(folder, _identity(airports, verify=frames), tell)
        runs = bench.run(verifying(airports, frames, stages))
        if all(step.name in bench.done for step in verifying(airports, frames, TIMED)):
            shutil.rmtree(folder)
    return {
        stage: (foretold(rates.stages[stage], some[0], len(airports)), some[0])
        for stage, some in runs.items()
        if stage in stages
    }


def _identity(airports: Sequence[str], **what: Any) -> dict[str, Any]:
    """What all runs in a folder have in common."""
    machine = this_machine().model_dump(mode="json")
    return {"lard_version": lard.__version__, "machine": machine, "airports": list(airports), **what}


def no_work(number: int) -> int:
    """A task that takes no time."""
    return number


def scheduler_ms(workers: str) -> float:
    """Milliseconds per task of no work that one giving process needs, its workers started."""
    results = run_tasks(workers_of(workers), no_work, range(_NO_WORK_TASKS + 1))
    next(results)  # workers have started
    start = time.perf_counter()
    count = sum(1 for _ in results)
    return 1e3 * (time.perf_counter() - start) / count


def store_mb_s(folder: Path) -> float:
    """Megabytes per second of files as large as pictures, written until they are on the disk."""
    block = os.urandom(_STORE_BYTES)
    start = time.perf_counter()
    for number in range(_STORE_FILES):
        with (folder / f"store{number}").open("wb") as stream:
            stream.write(block)
            stream.flush()
            os.fsync(stream.fileno())
    return _STORE_FILES * _STORE_BYTES / 1e6 / (time.perf_counter() - start)
