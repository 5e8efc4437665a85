"""Hours, storage and memory of each stage for a dataset of any size, from measured rates."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from lard.errors import DataError
from lard.plan.rates import Rates
from lard.plan.simulate import Cluster
from lard.plan.stages import FRAMES_PER_TASK, MEASURED_KIB, STAGES, TABLES_OF, Stage


@dataclass(frozen=True, slots=True)
class Size:
    """What is planned; `tested` is the share of the frames that is predicted and certified."""

    frames: int
    airports: int
    workers: int
    tested: float = 1.0
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """What a stage takes; hours are by the clock, `process_mib` is the peak of one process."""

    stage: str
    units: int
    unit: str
    processes: int
    hours: float
    cpu_hours: float
    bytes: float
    files: float
    process_mib: float


def plan(rates: Rates, size: Size) -> list[Cost]:
    """The cost of every stage that rates tell of.

    A process pays a stage's fixed part once; those that share a stage pay it each. They share its airports
    as far as these go, and its frames then. Processors are taken to be free: hours are processor
    seconds, and what waits (a slow store, failures) is left to `simulate`.
    """
    faults = [
        f"{name} is {value}; expected at least {least}"
        for name, value, least in (
            ("frames", size.frames, 1), ("airports", size.airports, 1), ("workers", size.workers, 1),
            ("steps", size.steps, 0),
        )
        if value < least
    ]  # fmt: skip
    if not 0 <= size.tested <= 1:
        faults.append(f"tested is {size.tested}; expected a share from 0 to 1")
    if faults:
        raise DataError("\n".join(faults))
    return [_cost(rates, stage, size) for stage in STAGES if stage.name in rates.stages]


def _cost(rates: Rates, stage: Stage, size: Size) -> Cost:
    rate = rates.stages[stage.name]
    units = {"airport": size.airports, "frame": size.frames, "step": size.steps}[stage.unit]
    if stage.name in ("predict", "certify"):
        units = ceil(size.frames * size.tested)
    tasks = ceil(units / FRAMES_PER_TASK) if stage.unit == "frame" else units
    processes = max(min(size.workers, tasks), 1) if stage.spread else 1
    if units == 0:
        return Cost(stage.name, 0, stage.unit, 0, 0.0, 0.0, 0.0, 0.0, 0.0)
    airports = min(size.airports, units)
    return Cost(
        stage.name, units, stage.unit, processes,
        hours=rate.of("cpu_s", ceil(units / processes), 1, ceil(airports / processes)) / 3600,
        cpu_hours=rate.of("cpu_s", units, processes, airports) / 3600,
        bytes=rate.of("bytes", units, 1, airports), files=rate.of("files", units, 1, airports),
        process_mib=_process_mib(rates, stage, units, airports),
    )  # fmt: skip


def _process_mib(rates: Rates, stage: Stage, units: int, airports: int) -> float:
    """Peak of one process: it grows with the rows of a table, not with pictures that are finished with.

    A check holds all pictures of an airport, small, and of those elsewhere what it has measured.
    """
    rate = rates.stages[stage.name]
    tables = rates.stages.get(TABLES_OF.get(stage.name, ""), None if stage.pictures else rate)
    peaks = [rate.most_mib, *([tables.of("peak_mib", units)] if tables else [])]
    if stage.compares and tables:
        here = ceil(units / airports)
        rows = tables.of("peak_mib", units) - tables.of("peak_mib", here)
        peaks.append(rate.of("peak_mib", here) + rows + (units - here) * MEASURED_KIB / 1024)
    return max(peaks)


def cluster_of(
    rates: Rates,
    cost: Cost,
    mtbf_s: float,
    restart_s: float,
    scheduler_ms: float | None = None,
    store_mb_s: float | None = None,
    seed: int = 1,
) -> Cluster:
    """A cluster whose tasks are those of a stage; scheduler and store as measured where none is given.

    The lag of a task is that of one picture; an airport's is taken to be the same.
    """
    rate = rates.stages[cost.stage]
    per_task = FRAMES_PER_TASK if cost.unit == "frame" else 1
    return Cluster(
        tasks=ceil(cost.units / per_task),
        task_s=max(cost.cpu_hours * 3600 - rate.fixed.cpu_s * cost.processes, 0.0) / cost.units * per_task,
        start_s=rate.fixed.cpu_s,
        log_sd=rates.frame_log_sd,
        mtbf_s=mtbf_s,
        restart_s=restart_s,
        scheduler_s=(rates.scheduler_ms if scheduler_ms is None else scheduler_ms) / 1e3,
        task_bytes=rate.each.bytes * per_task,
        store_bytes_s=(rates.store_mb_s if store_mb_s is None else store_mb_s) * 1e6,
        seed=seed,
    )
