"""Progress with rate and time left: a bar on a terminal, a plain line every ten seconds elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")

_PLAIN_INTERVAL_S = 10.0


def track(items: Iterable[T], description: str, total: int | None = None, unit: str = "it") -> Iterator[T]:
    """Yield the items and show on stderr how many are done, the rate and the time left."""
    count = total if total is not None else len(items) if isinstance(items, Sized) else None
    meter = Meter(description, count, unit)
    with meter:
        for item in items:
            yield item
            meter.advance()


class Meter:
    """Counts finished work and reports it; a context manager for loops that finish out of order."""

    def __init__(self, description: str, total: int | None, unit: str = "it") -> None:
        self.description, self.total, self.unit = description, total, unit
        self.done, self.note = 0, ""
        self._start = self._last = time.monotonic()
        self._width = 0

    def __enter__(self) -> "Meter":
        self._start = time.monotonic()
        self._last = self._start
        return self

    def __exit__(self, *_: object) -> None:
        if self.done:
            self._show(final=True)

    def advance(self, count: int = 1, note: str = "") -> None:
        """Add finished items; the note (a loss, a file) is shown behind the rate."""
        self.done += count
        self.note = note or self.note
        interval_s = 0.2 if sys.stderr.isatty() else _PLAIN_INTERVAL_S
        if time.monotonic() - self._last >= interval_s:
            self._show(final=False)

    def line(self) -> str:
        """The line shown: done, rate, time left, note."""
        elapsed_s = max(time.monotonic() - self._start, 1e-9)
        rate = self.done / elapsed_s
        text = f"{self.description}: {self.done}"
        if self.total is not None:
            text += f"/{self.total}"
        text += f" {self.unit}, {rate:.3g} {self.unit}/s"
        if self.total is not None and self.done < self.total and rate > 0:
            text += f", {_clock((self.total - self.done) / rate)} left"
        else:
            text += f", {_clock(elapsed_s)} in all"
        return f"{text}  {self.note}" if self.note else text

    def _show(self, final: bool) -> None:
        self._last = time.monotonic()
        text = self.line()
        if sys.stderr.isatty():
            padding = " " * max(0, self._width - len(text))
            self._width = len(text)
            print(f"\r{text}{padding}", end="\n" if final else "", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
