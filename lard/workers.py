"""Where work runs: in this process, in processes of this machine, or on a Dask scheduler by address."""

import concurrent.futures
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from typing import Any

from lard.errors import LardError


class InlineExecutor(concurrent.futures.Executor):
    """Runs each call at once in this process."""

    def submit(  # type: ignore[override]
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[Any]:
        """Run the call and return its finished future."""
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # the future carries it to whoever asks for the result
            future.set_exception(error)
        return future


def default_workers() -> str:
    """LARD_WORKERS of the environment, else the number of processors."""
    return os.environ.get("LARD_WORKERS") or str(os.cpu_count() or 1)


MOST_LOSSES = 3
"""How often in a row workers may be lost: what killed each of these will kill the next as well."""
_SPARE = 8  # tasks beyond two per worker that a scheduler is given, so that an adaptive cluster grows


@dataclass(frozen=True, slots=True)
class Workers:
    """Where tasks run: how to start there, and how many may be waiting now."""

    start: Callable[[], concurrent.futures.Executor]
    room: Callable[[], int]
    where: str


def workers_of(workers: str | int) -> Workers:
    """Workers by their count ("8"), or by a scheduler's address ("tcp://host:8786")."""
    text = str(workers).strip()
    if "://" in text:
        return _dask_workers(text)
    try:
        count = int(text)
    except ValueError:
        count = 0
    if count < 1:
        raise LardError(f"workers is {text!r}; expected a positive number or an address like tcp://host:8786")
    if count == 1:
        return Workers(InlineExecutor, lambda: 1, "this process")

    def pool() -> concurrent.futures.Executor:
        # spawn: GDAL handles and threads of the parent do not survive a fork
        context = multiprocessing.get_context("spawn")
        return concurrent.futures.ProcessPoolExecutor(count, context, _end_with_parent, (os.getpid(),))

    return Workers(pool, lambda: 2 * count, f"{count} processes")


def run_tasks(workers: Workers, fn: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
    """Yield fn(task) as the tasks finish, in any order, with no more of them waiting than there is room for.

    Tasks of workers that died are given to new ones; LardError when that does not help.
    """
    source, again = iter(tasks), deque[Any]()
    losses = 0
    while True:
        pending: dict[Any, Any] = {}
        executor = workers.start()
        try:
            while True:
                _submit(executor, fn, source, again, pending, workers.room())
                if not pending:
                    return
                for future in _finished(pending):
                    result = future.result()
                    del pending[future]
                    losses = 0
                    yield result
        except (BrokenExecutor, concurrent.futures.CancelledError) as error:
            losses += 1
            if losses > MOST_LOSSES:
                raise LardError(
                    f"{workers.where}: workers were lost {losses} times in a row, killed from outside or out "
                    "of memory; what is finished is kept, run again with fewer --workers"
                ) from error
            again.extend(pending.values())
        finally:
            for future in pending:
                future.cancel()
            executor.shutdown()


_END = object()


def _submit(
    executor: concurrent.futures.Executor,
    fn: Callable[[Any], Any],
    source: Iterator[Any],
    again: deque[Any],
    pending: dict[Any, Any],
    room: int,
) -> None:
    """Hand out tasks, those of lost workers first, until no more may wait."""
    while len(pending) < room:
        task = again.popleft() if again else next(source, _END)
        if task is _END:
            return
        try:
            pending[executor.submit(fn, task)] = task
        except BrokenExecutor:
            again.append(task)
            raise


def _finished(pending: Collection[Any]) -> list[Any]:
    # polled, because a Dask future is none of concurrent.futures' own
    while True:
        done = [future for future in pending if future.done()]
        if done:
            return done
        time.sleep(0.01)


def _end_with_parent(parent: int) -> None:
    """End this worker when its parent has been killed, instead of waiting for work for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which winds up the pool

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _dask_workers(address: str) -> Workers:
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise LardError(
            f"workers {address!r} is a Dask address, but Dask is not installed; pip install 'lard[dask]'"
        ) from error
    clients: list[Any] = []

    class Scheduler(concurrent.futures.Executor):
        """A client's executor whose futures tell of lost workers as a pool's do."""

        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            return _DaskFuture(clients[-1].submit(fn, *args, pure=False, **kwargs), KilledWorker)

        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            clients.pop().close()

    def start() -> concurrent.futures.Executor:
        try:
            clients.append(Client(address, timeout="10s", set_as_default=False))
        except (OSError, ValueError) as error:
            raise LardError(
                f"no Dask scheduler answers at {address} ({error}); start one or check it"
            ) from error
        return Scheduler()

    # read each time: the workers of an adaptive cluster come and go
    return Workers(start, lambda: 2 * sum(clients[-1].nthreads().values()) + _SPARE, address)


class _DaskFuture:
    """A task on a scheduler."""

    def __init__(self, future: Any, killed: type[Exception]) -> None:
        self._future, self._killed = future, killed

    def done(self) -> bool:
        return bool(self._future.done())

    def cancel(self) -> None:
        self._future.cancel()

    def result(self) -> Any:
        """The task's result; BrokenExecutor when workers died of it, or the scheduler is gone."""
        try:
            return self._future.result()
        except self._killed as error:
            raise BrokenExecutor(str(error)) from error
