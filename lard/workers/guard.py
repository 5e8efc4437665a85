"""What stands between a worker and a task: what it must share, one task at a time, and a limit of time."""

import faulthandler
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lard.workers.shares import Probe

_one = threading.Lock()
_passed: set[str] = set()


@dataclass(frozen=True, slots=True)
class Guard:
    """A task's function as workers call it; limit_s is 0 for none.

    Tasks of one process run one after another, whatever its threads: what they keep (a scene, a network) is
    the process's own. One that exceeds the limit ends the process, even where it never returns to Python, and
    leaves on stderr where it was.
    """

    fn: Callable[[Any], Any]
    probe: Probe | None
    limit_s: float = 0.0

    def __call__(self, task: Any) -> Any:
        with _one:
            if self.probe is not None and self.probe.word not in _passed:  # it came late
                self.probe.check(own_name())
                _passed.add(self.probe.word)
            if self.limit_s:
                faulthandler.dump_traceback_later(self.limit_s, exit=True)
            try:
                return self.fn(task)
            finally:
                if self.limit_s:
                    faulthandler.cancel_dump_traceback_later()


def introduce(probe: Probe) -> str:
    """Called on a worker before there is work for it: its name, after what it must share was found."""
    with _one:
        probe.check(own_name())
        _passed.add(probe.word)
    return own_name()


def own_name() -> str:
    """The address of the Dask worker that this is."""
    from distributed import get_worker

    return str(get_worker().address)
