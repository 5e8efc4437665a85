"""Workers by what --workers says: a number, a scheduler's address, a profile of Slurm jobs."""

import concurrent.futures
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from lard.errors import LardError
from lard.workers.guard import Guard
from lard.workers.scheduler import Scheduler
from lard.workers.shares import Shares
from lard.workers.slurm import slurm_scheduler
from lard.workers.tasks import Workers

EXPECTED = "a positive number, an address like tcp://host:8786 or slurm:PROFILE.yaml"
_SLURM = "slurm:"


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


class _Processes(concurrent.futures.ProcessPoolExecutor):
    """Processes of this machine that end with their parent, and with a task that takes too long."""

    def __init__(self, count: int, limit_s: float) -> None:
        # spawn: GDAL handles and threads of the parent do not survive a fork
        super().__init__(count, multiprocessing.get_context("spawn"), _end_with_parent, (os.getpid(),))
        self._limit_s = limit_s

    def submit(  # type: ignore[override]
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[Any]:
        """Hand out a call."""
        return super().submit(Guard(fn, None, self._limit_s) if self._limit_s else fn, *args, **kwargs)


def default_workers() -> str:
    """LARD_WORKERS of the environment, else the number of processors."""
    return os.environ.get("LARD_WORKERS") or str(os.cpu_count() or 1)


def workers_of(workers: str | int, shares: Shares | None = None) -> Workers:
    """Workers by their count ("8"), a scheduler's address ("tcp://host:8786") or "slurm:PROFILE.yaml".

    `shares` is what workers of other machines must find as it is here. A task that runs longer than
    LARD_TASK_LIMIT_S seconds, or a Slurm profile's task_limit_s, ends with its worker, except where the only
    worker is this process. LardError for what names no workers.
    """
    text, shares = str(workers).strip(), shares or Shares()
    if text.startswith(_SLURM):
        return slurm_scheduler(text.removeprefix(_SLURM), shares, task_limit_s()).workers()
    if "://" in text:
        return Scheduler(text, shares, task_limit_s()).workers()
    count = int(text) if text.isdecimal() and text.isascii() and len(text) < 7 else 0
    if count < 1:
        raise LardError(f"workers is {text!r}; expected {EXPECTED}")
    if count == 1:
        return Workers(InlineExecutor, lambda: 1, "this process")
    return Workers(partial(_Processes, count, task_limit_s()), lambda: 2 * count, f"{count} processes")


def task_limit_s() -> float:
    """LARD_TASK_LIMIT_S of the environment, 0 for no limit; LardError when it is no number of seconds."""
    text = os.environ.get("LARD_TASK_LIMIT_S") or "0"
    try:
        limit_s = float(text)
    except ValueError:
        limit_s = -1.0
    if not 0 <= limit_s < 1e7:
        raise LardError(f"LARD_TASK_LIMIT_S is {text!r}; expected seconds from 0 (no limit) to 1e7")
    return limit_s


def _end_with_parent(parent: int) -> None:
    """End this worker when its parent has been killed, instead of waiting for work for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which winds up the pool

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
