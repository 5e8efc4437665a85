"""What a command prints: URLs in the place of folders here; its results once its outputs have been sent."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def spoken(names: Mapping[str, str], holding: Callable[[], bool]) -> Iterator[Callable[[], None]]:
    """Print URLs, not the places here that stand for them; yields what prints the output that was held.

    While `holding()` what is written to the standard output is kept: it tells of results that others cannot
    see yet. What is not printed when this ends is dropped.
    """
    before = sys.stdout, sys.stderr
    out = _Renaming(before[0], names, holding)
    sys.stdout, sys.stderr = out, _Renaming(before[1], names, lambda: False)  # type: ignore[assignment]
    try:
        yield out.release
    finally:
        sys.stdout, sys.stderr = before


def renamed(text: str, names: Mapping[str, str]) -> str:
    """A text in which places are called by other names."""
    for place, url in names.items():
        text = text.replace(place, url)
    return text


class _Renaming(io.TextIOBase):
    """A stream of text in which places are called by other names."""

    def __init__(self, stream: Any, names: Mapping[str, str], holding: Callable[[], bool]) -> None:
        self._stream, self._names, self._holding = stream, names, holding
        self._held: list[str] = []

    def write(self, text: str) -> int:
        """Write a text, or keep it; TypeError for bytes, by which click knows a stream of text."""
        if not isinstance(text, str):
            raise TypeError(f"expected text, not {type(text).__name__}")
        if self._holding():
            self._held.append(text)
        else:
            self._stream.write(renamed(text, self._names))
        return len(text)

    def release(self) -> None:
        """Write what was kept."""
        self._stream.write(renamed("".join(self._held), self._names))
        self._held.clear()

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return bool(self._stream.isatty())

    def fileno(self) -> int:
        """The stream's own."""
        return int(self._stream.fileno())
