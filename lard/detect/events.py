"""TensorBoard event files of a training run, for those who have tensorboard installed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lard.errors import ModelError


class EventWriter:
    """Writes the rows of the training log as scalars."""

    def __init__(self, writer: Any) -> None:
        self.writer = writer

    def row(self, row: Mapping[str, float]) -> None:
        """Write one log row at its step."""
        for key, value in row.items():
            if key != "step":
                self.writer.add_scalar(key, value, int(row["step"]))


@contextlib.contextmanager
def event_writer(folder: Path | None) -> Iterator[EventWriter | None]:
    """A writer into a folder, closed at the end; None for no folder."""
    if folder is None:
        yield None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ModelError(
            f"event files need tensorboard ({error}); pip install 'lard[tensorboard]'"
        ) from error
    with SummaryWriter(str(folder)) as writer:
        yield EventWriter(writer)
