"""How fast the processor is while a command is measured: a fixed piece of work, timed now and then beside it.

A processor second is not always the same work: others share caches and memory and, unseen by a virtual
machine, the cores themselves. What commands take follows in proportion.
"""

from __future__ import annotations

import contextlib
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache

import cv2
import numpy as np

_EVERY_S = 1.0
_SIDE, _TIMES = 512, 3


@contextlib.contextmanager
def paced() -> Iterator[Callable[[], float]]:
    """Time the piece of work every second while the context lasts; yields what gives the median, in ms."""
    found = [sample_ms()]
    ended = threading.Event()

    def watch() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for who waits
        while not ended.wait(_EVERY_S):
            found.append(sample_ms())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lambda: statistics.median(found)
    finally:
        ended.set()
        thread.join()


def sample_ms() -> float:
    """Milliseconds of this thread's processor time that the piece of work takes."""
    work = _work()
    start = time.thread_time()
    work()
    return 1e3 * (time.thread_time() - start)


@cache
def _work() -> Callable[[], None]:
    """Pictures drawn from another, blurred and transformed, and some Python: what takes the stages' time."""
    rng = np.random.default_rng(1)
    texels = rng.integers(0, 256, (_SIDE, _SIDE, 3), np.uint8)
    to_x, to_y = (
        (0.5 * (axis + axis[::-1, ::-1].T) + rng.uniform(-20, 20, axis.shape)).astype(np.float32)
        for axis in np.meshgrid(np.arange(_SIDE), np.arange(_SIDE))
    )
    plain = rng.normal(size=(_SIDE // 2, _SIDE // 2)).astype(np.float32)
    cv2.setNumThreads(1)

    def work() -> None:
        for _ in range(_TIMES):
            drawn = cv2.remap(texels, to_x, to_y, cv2.INTER_LINEAR)
            cv2.GaussianBlur(drawn, (0, 0), 2.0)
            np.fft.irfft2(np.fft.rfft2(plain))
            sum(k * k for k in range(20_000))

    work()  # what the first time prepares
    return work
