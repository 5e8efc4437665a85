"""Many requests at once, by threads: they wait for the store most of their time."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from lard.errors import LardError

S = TypeVar("S")
T = TypeVar("T")
_THREADS = 16


def threads() -> int:
    """LARD_STORE_THREADS of the environment: how many requests are out at once."""
    text = os.environ.get("LARD_STORE_THREADS", str(_THREADS))
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 256):
        raise LardError(f"LARD_STORE_THREADS is {text!r}; expected a number from 1 to 256")
    return int(text)


def each(do: Callable[[S], T], items: Iterable[S], count: int | None = None) -> Iterator[T]:
    """do(item) of every item in their order, a few at a time; the first error ends it and what waits.

    No more than four items for each thread wait, however many there are.
    """
    count = count or threads()
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(count) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(do, item))
                if len(waiting) >= 4 * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
