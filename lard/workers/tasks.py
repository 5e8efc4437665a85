"""Tasks handed to workers wherever these are: no more at once than there is room for, again when workers die.

A task is tried again when its worker was lost or what it reads and writes failed; one that fails each time is
told at the end, and the others go on (Failures), or ends the work (without).
"""

import concurrent.futures
import sys
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from typing import Any

from lard.errors import LardError, SourceError, StorageFull, Unfinished
from lard.workers.shares import Unseen

MOST_TRIES = 3
"""How often a task is tried whose reading or writing fails, or that takes its worker with it."""
MOST_LOSSES = 3
"""How often in a row workers may be lost: what killed each of these will kill the next as well."""
MOST_FAILED = 100
"""Failed tasks after which the rest is not tried: then it is no longer the tasks that are at fault."""


@dataclass(frozen=True, slots=True)
class Workers:
    """Where tasks run: how to start there, and how many may be waiting now.

    Remote ones are of other machines, or may be: what they write may arrive late, and a scheduler tells which
    task a lost one died of, where a pool only tells that it broke.
    """

    start: Callable[[], concurrent.futures.Executor]
    room: Callable[[], int]
    where: str
    remote: bool = False


class TaskLost(SourceError):
    """A task whose workers were lost, as often as its scheduler tries one."""


class Failures:
    """Tasks that failed for good while the others went on.

    `name` tells a task's name, `split` what parts it may be tried in when it fails as a whole.
    """

    def __init__(
        self, name: Callable[[Any], str], split: Callable[[Any], Sequence[Any]] = lambda task: [task]
    ) -> None:
        self.name, self.split = name, split
        self.told: list[str] = []

    def add(self, task: Any, error: BaseException) -> None:
        """Note a task that failed for good; Unfinished when too many have."""
        if not isinstance(error, LardError) and not self.told:
            traceback.print_exception(error, file=sys.stderr)  # a fault of the program, told once in full
        text = str(error) if isinstance(error, LardError) else f"{type(error).__name__}: {error}"
        name = self.name(task)
        self.told.append(text if name in text else f"{name}: {text}")
        if len(self.told) >= MOST_FAILED:
            self.check("; stopped there")

    def check(self, note: str = "") -> None:
        """Unfinished, naming every task that failed; nothing when none did."""
        if self.told:
            count = (
                f"{len(self.told)} failed{note}; all others that are finished are kept: mend and run again"
            )
            raise Unfinished("\n".join([*sorted(self.told), count]))


def run_tasks(
    workers: Workers, fn: Callable[[Any], Any], tasks: Iterable[Any], failures: Failures | None = None
) -> Iterator[Any]:
    """Yield fn(task) as the tasks finish, in any order, with no more of them waiting than there is room for.

    Tasks of workers that died are given to new ones; LardError when that does not help. With `failures`,
    tasks that fail are noted there and the others go on; without, the first one's error is raised.
    """
    queue = _Queue(iter(tasks), failures)
    most = MOST_LOSSES if failures is None else MOST_LOSSES + MOST_TRIES
    losses = 0
    while True:
        pending: dict[Any, Any] = {}
        executor = workers.start()
        try:
            while True:
                _submit(executor, fn, queue, pending, workers.room())
                if not pending:
                    return
                for future in _finished(pending):
                    try:
                        result = future.result()
                    except (BrokenExecutor, concurrent.futures.CancelledError):
                        raise
                    except Exception as error:
                        queue.failed(pending.pop(future), error)
                        losses = 0
                        continue
                    del pending[future]
                    losses = 0
                    yield result
        except (BrokenExecutor, concurrent.futures.CancelledError) as error:
            losses += 1
            if losses > most:
                raise LardError(
                    f"{workers.where}: workers were lost {losses} times in a row, killed from outside or out "
                    "of memory; what is finished is kept, run again with fewer --workers"
                ) from error
            if queue.lost(list(pending.values()), workers.remote):
                losses = 0
        finally:
            for future in pending:
                future.cancel()
            executor.shutdown()


_END = object()


class _Queue:
    """Tasks still to be done: those to do again first, suspects of having killed workers last and alone."""

    def __init__(self, source: Iterator[Any], failures: Failures | None) -> None:
        self._source, self._failures = source, failures
        self._again, self._suspects = deque[Any](), deque[Any]()
        self.alone = False  # the task last handed out is a suspect, beside which there must be no other
        self._tries: Counter[int] = Counter()  # by id: tasks need not be hashable
        self._tried: list[Any] = []  # so that no id is another task's

    def next(self, is_free: bool) -> Any:
        """A task to hand out, a suspect only when nothing else is out; _END when there is none."""
        task = self._again.popleft() if self._again else next(self._source, _END)
        self.alone = task is _END and bool(self._suspects) and is_free
        return self._suspects.popleft() if self.alone else task

    def back(self, task: Any) -> None:
        """A task that was not handed out after all."""
        (self._suspects if self.alone else self._again).appendleft(task)

    def lost(self, tasks: list[Any], remote: bool) -> bool:
        """Tasks that were out when all workers died, or their scheduler; whether one failed for good."""
        if self._failures is None or remote:
            self._again.extend(tasks)
        elif self.alone and tasks:
            return self._retry(tasks[0], SourceError(_KILLS), self._suspects, MOST_TRIES)
        else:
            self._suspects.extend(tasks)
        return False

    def failed(self, task: Any, error: Exception) -> None:
        """Try a failed task again where that may help; note it, or raise its error, when that is over."""
        if isinstance(error, StorageFull | Unseen):
            raise error  # so would others
        if isinstance(error, TaskLost):  # or one that waited at the worker beside the one that killed it
            self._retry(task, error, self._suspects, 1 if self.alone else MOST_TRIES)
        # what a disk or a network did to a task may not happen again; the rest would
        elif isinstance(error, SourceError | OSError | MemoryError):
            self._retry(task, error, self._again, MOST_TRIES)
        else:
            self._retry(task, error, self._again, 1)

    def _retry(self, task: Any, error: Exception, waiting: deque[Any], most: int) -> bool:
        """Queue a task again, in parts if it has any, or give it up when it was tried often enough."""
        parts = [task] if self._failures is None else self._failures.split(task)
        self._tries[id(task)] += 1
        self._tried.append(task)
        if len(parts) > 1:
            waiting.extend(parts)
        elif self._tries[id(task)] < most:
            waiting.append(task)
        elif self._failures is None:
            raise error
        else:
            self._failures.add(task, error)
            return True
        return False


_KILLS = "its worker was lost each time, out of memory, killed or past its time limit"


def _submit(
    executor: concurrent.futures.Executor,
    fn: Callable[[Any], Any],
    queue: _Queue,
    pending: dict[Any, Any],
    room: int,
) -> None:
    """Hand out tasks until no more may wait."""
    while len(pending) < room and not (pending and queue.alone):
        task = queue.next(not pending)
        if task is _END:
            return
        try:
            pending[executor.submit(fn, task)] = task
        except BrokenExecutor:
            queue.back(task)
            raise


def _finished(pending: Collection[Any]) -> list[Any]:
    """Futures that are done; none after a second without, because by then there may be room for more."""
    # polled, because a Dask future is none of concurrent.futures' own
    end = time.monotonic() + 1.0
    while True:
        done = [future for future in pending if future.done()]
        if done or time.monotonic() > end:
            return done
        time.sleep(0.01)
