"""A cluster simulated: tasks through one scheduler, workers that lag or die, one store for results."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf, isfinite

import numpy as np

from lard.errors import DataError

WIDTHS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
BUSY = 0.9
"""Share of the time at work from which a scheduler or store is what limits."""
_CHUNK = 4096
_ASKS, _DONE, _LOST = range(3)


@dataclass(frozen=True, slots=True)
class Cluster:
    """What is simulated. Times in seconds, `store_bytes_s` shared by all, `mtbf_s` of one worker.

    A task takes exp(log_sd z) times its median on a lagging worker, `task_s` on average (z normal); a lost
    worker loses its task and is back after `restart_s`.
    """

    tasks: int
    task_s: float
    start_s: float = 0.0
    log_sd: float = 0.0
    mtbf_s: float = inf
    restart_s: float = 60.0
    scheduler_s: float = 0.0
    task_bytes: float = 0.0
    store_bytes_s: float = inf
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """One width: seconds until the last result is stored, and the share of it that each part was at work."""

    workers: int
    makespan_s: float
    efficiency: float  # work done by the seconds of all workers
    scheduler_busy: float
    store_busy: float
    tail: float  # share of the time in which no task was left to give out
    lost_tasks: int
    lost_share: float  # of the seconds of all workers: lost work and restarts
    limit: str


def simulate(cluster: Cluster, workers: int) -> Outcome:
    """Event by event: a free worker asks, the scheduler serves one at a time, the store takes one at a time.

    Same cluster and width, same outcome. A store that shares its bandwidth among writers ends when one that
    serves them in turn does.
    """
    _check(cluster, workers)
    rng = np.random.default_rng([cluster.seed, workers])
    durations = _stream(rng, cluster)
    todo, lost, stored = deque(range(cluster.tasks)), 0, 0
    scheduler_free = store_free = waste_s = emptied_s = makespan_s = 0.0
    fails = [inf] * workers
    if isfinite(cluster.mtbf_s):
        fails = rng.exponential(cluster.mtbf_s, workers).tolist()
    write_s = cluster.task_bytes / cluster.store_bytes_s
    idle: list[int] = []
    # (time, order, worker, what, task, start); order makes equal times fall out the same each time
    events = [(cluster.start_s, k, k, _ASKS, -1, 0.0) for k in range(workers)]
    heapq.heapify(events)
    order = workers
    while stored < cluster.tasks:
        now, _, worker, what, task, start = heapq.heappop(events)
        if what == _ASKS:
            if not todo:
                idle.append(worker)
                continue
            begin = max(now, scheduler_free)
            if fails[worker] <= begin:  # it died waiting
                back = max(fails[worker], now) + cluster.restart_s
                waste_s += cluster.restart_s
                fails[worker] = back + rng.exponential(cluster.mtbf_s)
                event = (back, order, worker, _ASKS, -1, 0.0)
            else:
                scheduler_free = emptied_s = begin + cluster.scheduler_s
                task, end = todo.popleft(), scheduler_free + next(durations)
                what = _DONE if end < fails[worker] else _LOST
                event = (min(end, fails[worker]), order, worker, what, task, scheduler_free)
        elif what == _DONE and (end := max(now, store_free) + write_s) < fails[worker]:
            store_free = makespan_s = end
            stored += 1
            event = (end, order, worker, _ASKS, -1, 0.0)
        elif what == _DONE:  # dies while it writes
            event = (fails[worker], order, worker, _LOST, task, start)
        else:  # what it held is given to another
            lost += 1
            waste_s += now - start + cluster.restart_s
            todo.append(task)
            back = now + cluster.restart_s
            fails[worker] = back + rng.exponential(cluster.mtbf_s)
            event = (back, order, worker, _ASKS, -1, 0.0)
            if idle:
                order += 1
                heapq.heappush(events, (now, order, idle.pop(), _ASKS, -1, 0.0))
        heapq.heappush(events, event)
        order += 1
    spent_s = makespan_s * workers
    outcome = Outcome(
        workers, makespan_s,
        efficiency=cluster.tasks * cluster.task_s / spent_s,
        scheduler_busy=(cluster.tasks + lost) * cluster.scheduler_s / makespan_s,
        store_busy=cluster.tasks * write_s / makespan_s,
        tail=max(1.0 - emptied_s / makespan_s, 0.0),
        lost_tasks=lost, lost_share=waste_s / spent_s, limit="",
    )  # fmt: skip
    return replace(outcome, limit=_limit(cluster, outcome))


def _stream(rng: np.random.Generator, cluster: Cluster) -> Iterator[float]:
    """Durations of tasks without end."""
    while True:
        z = rng.standard_normal(_CHUNK) * cluster.log_sd
        yield from (cluster.task_s * np.exp(z - cluster.log_sd**2 / 2)).tolist()


def _limit(cluster: Cluster, outcome: Outcome) -> str:
    """What more workers would not help, else the workers."""
    shares = {"scheduler": outcome.scheduler_busy, "store": outcome.store_busy}
    most = max(shares, key=lambda name: shares[name])
    if shares[most] >= BUSY:
        return most
    if outcome.workers >= cluster.tasks:
        return "tasks"
    if outcome.lost_share >= 0.25:
        return "failures"
    return "last tasks" if outcome.tail >= 0.25 else "workers"


def _check(cluster: Cluster, workers: int) -> None:
    """DataError unless every number is one that can be simulated."""
    bounds = (
        ("workers", workers, 1, 1e6), ("tasks", cluster.tasks, 1, 1e8), ("task_s", cluster.task_s, 1e-9, 1e9),
        ("start_s", cluster.start_s, 0, 1e9), ("log_sd", cluster.log_sd, 0, 5),
        ("restart_s", cluster.restart_s, 0, 1e9), ("scheduler_s", cluster.scheduler_s, 0, 1e6),
        ("task_bytes", cluster.task_bytes, 0, 1e15), ("mtbf_s", cluster.mtbf_s, 1e-6, inf),
        ("store_bytes_s", cluster.store_bytes_s, 1e-3, inf),
    )  # fmt: skip
    for name, value, low, high in bounds:
        if not low <= value <= high:
            raise DataError(f"{name} is {value:g}; expected {low:g} to {high:g}")
    if cluster.task_s > 5 * cluster.mtbf_s:
        raise DataError(
            f"a task takes {cluster.task_s:g} s, a worker lives {cluster.mtbf_s:g} s: hardly one would end; "
            "give smaller tasks or a longer life"
        )


def knees(cluster: Cluster) -> dict[str, float]:
    """Workers from which the scheduler and the store are busy all the time: task time by time of each."""
    write_s = cluster.task_bytes / cluster.store_bytes_s
    cycle_s = cluster.task_s + cluster.scheduler_s + write_s
    return {
        name: cycle_s / part if part else inf
        for name, part in (("scheduler", cluster.scheduler_s), ("store", write_s))
    }
