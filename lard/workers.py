"""Where work runs: in this process, in processes of this machine, or on a Dask scheduler by address."""

import concurrent.futures
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
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


def executor_of(workers: str | int) -> tuple[concurrent.futures.Executor, int]:
    """The executor of a worker count ("8") or a scheduler address ("tcp://host:8786"), and its width."""
    text = str(workers).strip()
    if "://" in text:
        return _dask_executor(text)
    try:
        count = int(text)
    except ValueError:
        count = 0
    if count < 1:
        raise LardError(f"workers is {text!r}; expected a positive number or an address like tcp://host:8786")
    if count == 1:
        return InlineExecutor(), 1
    # spawn: GDAL handles and threads of the parent do not survive a fork
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(count, context, _end_with_parent, (os.getpid(),))
    return pool, count


def run_bounded(
    executor: concurrent.futures.Executor, width: int, fn: Callable[[Any], Any], tasks: Iterable[Any]
) -> Iterator[Any]:
    """Yield fn(task) as the tasks finish, in any order, with at most two per worker submitted at a time."""
    pending: set[concurrent.futures.Future[Any]] = set()
    try:
        for task in tasks:
            pending.add(executor.submit(fn, task))
            if len(pending) >= (2 * width if width > 1 else 1):
                done, pending = _finished(pending)
                yield from (future.result() for future in done)
        while pending:
            done, pending = _finished(pending)
            yield from (future.result() for future in done)
    finally:
        for future in pending:
            future.cancel()


def _finished(pending: set[Any]) -> tuple[list[Any], set[Any]]:
    # polled, because a Dask future is none of concurrent.futures' own
    while True:
        done = [future for future in pending if future.done()]
        if done:
            return done, pending.difference(done)
        time.sleep(0.01)


def _end_with_parent(parent: int) -> None:
    """End this worker when its parent has been killed, instead of waiting for work for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which winds up the pool

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _dask_executor(address: str) -> tuple[concurrent.futures.Executor, int]:
    try:
        from distributed import Client
    except ImportError as error:
        raise LardError(
            f"workers {address!r} is a Dask address, but Dask is not installed; pip install 'lard[dask]'"
        ) from error
    try:
        client = Client(address, timeout="10s")
    except (OSError, ValueError) as error:
        raise LardError(f"no Dask scheduler answers at {address} ({error}); start one or check it") from error
    return client.get_executor(pure=False), max(sum(client.nthreads().values()), 1)
