"""Workers of a Dask scheduler: tried before they work, their number read all the time."""

import concurrent.futures
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from lard.errors import LardError, SourceError
from lard.workers.guard import Guard, introduce
from lard.workers.shares import Probe, Shares, Unseen, check_answer, probing
from lard.workers.tasks import TaskLost, Workers

CONNECT_S, RECONNECT_S = 10.0, 120.0
"""How long a scheduler may take to answer: the first time, and after it was lost."""
_INTRODUCE_S = 30.0  # for what a worker is asked; one that is busy is asked again by its first task
_QUIET_S = 10.0  # without workers before that is told
_PER_WORKER, _SPARE = 16, 64
"""Tasks handed out per worker and beyond: an adaptive cluster asks for workers by the work that waits."""


class Scheduler:
    """A scheduler's workers as run_tasks needs them.

    `connect` yields a client, given how long to wait for one; without, `where` is the scheduler's address.
    """

    def __init__(
        self,
        where: str,
        shares: Shares,
        limit_s: float,
        connect: Callable[[float], AbstractContextManager[Any]] | None = None,
    ) -> None:
        self._where, self._shares, self._limit_s = where, shares, limit_s
        self._connect = connect or self._by_address
        self._client: Any = None
        self._wait_s = CONNECT_S
        self._width, self._asked, self._quiet_since, self._told = 0, 0.0, 0.0, False

    def workers(self) -> Workers:
        """Where tasks run."""
        return Workers(self.start, self.room, self._where, remote=True)

    def start(self) -> concurrent.futures.Executor:
        """Connect and try the workers that are there; SourceError when the scheduler or a worker fails."""
        with ExitStack() as stack:
            probe = stack.enter_context(probing(self._shares))
            self._client = stack.enter_context(self._connect(self._wait_s))
            self._wait_s = RECONNECT_S
            self._asked, self._quiet_since, self._told = 0.0, time.monotonic(), False
            self._introduce(probe)
            return _Executor(self._client, probe, self._limit_s, stack.pop_all())

    def room(self) -> int:
        """How many tasks may wait now: workers come, late ones too, and go."""
        now = time.monotonic()
        if now - self._asked >= 1.0:
            self._asked = now
            with contextlib.suppress(OSError):  # a scheduler that is gone is told by its futures
                self._width = len(self._client.nthreads())
            if self._width:
                self._quiet_since, self._told = now, False
            elif now - self._quiet_since > _QUIET_S and not self._told:
                self._told = True
                print(f"{self._where}: no workers yet; waiting for the first", file=sys.stderr)
        return _PER_WORKER * self._width + _SPARE

    def _introduce(self, probe: Probe) -> None:
        """Let each worker that is there look for what it must share; one error names all that do not."""
        threads = self._client.nthreads()
        asked = {
            worker: self._client.submit(
                introduce, probe, workers=[worker], allow_other_workers=False, pure=False, priority=1000
            )
            for worker in threads
        }
        end, faults = time.monotonic() + _INTRODUCE_S, []
        for worker, future in asked.items():
            while not future.done() and time.monotonic() < end:
                time.sleep(0.02)
            if future.status not in ("finished", "error"):
                continue
            try:
                check_answer(probe, future.result())
            except Unseen as error:
                faults.append(str(error))
            except ModuleNotFoundError as error:
                faults.append(f"worker {worker}: {error}; start it in an environment with lard")
        for future in asked.values():
            future.release()
        if faults:
            raise Unseen("\n".join(faults))
        idle = sum(count - 1 for count in threads.values())
        if idle:
            print(
                f"{self._where}: tasks of a worker run one at a time, and {idle} threads idle; start workers "
                "as processes (dask worker --nworkers N --nthreads 1)",
                file=sys.stderr,
            )

    @contextlib.contextmanager
    def _by_address(self, wait_s: float) -> Iterator[Any]:
        client_of = dask_client(f"workers {self._where!r} is a Dask address")
        end = time.monotonic() + wait_s
        while True:
            try:
                client = client_of(self._where, timeout=f"{CONNECT_S:g}s", set_as_default=False)
                break
            except (OSError, ValueError) as error:
                if isinstance(error, OSError) and time.monotonic() < end:
                    time.sleep(0.5)
                    continue
                raise SourceError(
                    f"no Dask scheduler answers at {self._where} ({' '.join(str(error).split())}); start one "
                    "or check it; what is finished is kept, run again then"
                ) from error
        with client:
            yield client


def dask_client(what: str) -> Any:
    """Dask's class of clients; LardError with what asks for it when Dask is not installed."""
    try:
        from distributed import Client
    except ImportError as error:
        raise LardError(f"{what}, but Dask is not installed; pip install 'lard[dask]'") from error
    return Client


class _Executor(concurrent.futures.Executor):
    """A client whose futures tell of lost workers as a pool's do."""

    def __init__(self, client: Any, probe: Probe, limit_s: float, held: ExitStack) -> None:
        self._client, self._probe, self._limit_s, self._held = client, probe, limit_s, held

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        guard = Guard(fn, self._probe, self._limit_s)
        try:
            return _Future(self._client.submit(guard, *args, pure=False, key=None, **kwargs))
        except (OSError, RuntimeError, ValueError) as error:
            if self._client.status == "running":
                raise
            raise BrokenExecutor(str(error)) from error  # the client was closed with its scheduler

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._held.close()


class _Future:
    """A task on a scheduler."""

    def __init__(self, future: Any) -> None:
        self._future = future

    def done(self) -> bool:
        return bool(self._future.done())

    def cancel(self) -> None:
        with contextlib.suppress(Exception):  # of a client that its scheduler has left
            self._future.cancel()

    def result(self) -> Any:
        """The task's result; TaskLost when workers died of it, BrokenExecutor when the scheduler is gone."""
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        try:
            return self._future.result()
        except KilledWorker as error:
            raise TaskLost(
                f"{error.allowed_failures + 1} workers were lost while it ran, the last "
                f"{error.last_worker.address}: killed, out of memory or past the time limit, see its log"
            ) from error
        except FutureCancelledError as error:
            raise BrokenExecutor(str(error)) from error
        except ModuleNotFoundError as error:
            raise Unseen(f"a worker that came late: {error}; start it in an environment with lard") from error
