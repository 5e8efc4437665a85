"""The log of a training run: rows for log.csv, a line on the terminal, event files."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor

from lard.detect.config import TrainSpec
from lard.detect.events import EventWriter, event_writer
from lard.detect.loss import TERMS
from lard.detect.validate import MEASURES, OF_MASKS
from lard.progress import Meter
from lard.tables import write_text

COLUMNS = ("step", "learning_rate", *TERMS, "gradient_norm", *MEASURES)
EVERY = 10

Row = dict[str, float]


class TrainingLog:
    """Keeps the rows of every tenth step, the last and those validated; shows all on a meter."""

    def __init__(
        self, plan: TrainSpec, rows: list[Row], meter: Meter | None, events: EventWriter | None
    ) -> None:
        self.plan, self.rows, self.meter, self.events = plan, rows, meter, events
        self.last: dict[str, float] = {}

    def add(self, step: int, rate: float, losses: Tensor, norm: float, measured: Mapping[str, float]) -> None:
        """Note a step: learning rate, TERMS of the loss (3,), norm of the gradient, answers of validation."""
        row = dict(zip(COLUMNS[: -len(MEASURES)], (float(step), rate, *losses.tolist(), norm), strict=True))
        row |= measured
        if step % EVERY == 0 or step == self.plan.steps - 1 or measured:
            self.rows.append(row)
            if self.events is not None:
                self.events.row(row)
        if self.meter is not None:
            loss = sum(row[term] for term in TERMS)
            self.last.update(measured)
            seen = "".join(f", {key.removeprefix('val_')} {value:.3f}" for key, value in self.last.items())
            self.meter.advance(self.plan.batch, f"loss {loss:.3f}, lr {rate:.2g}{seen}")

    def write(self, path: Path) -> None:
        """Write the rows as CSV."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        masks = any(OF_MASKS[0] in row for row in self.rows)
        columns = (*COLUMNS[: -len(MEASURES)], *OF_MASKS) if masks else COLUMNS
        writer.writerow(columns)
        for row in self.rows:
            cells = (f"{row[key]:.6g}" if key in row else "" for key in columns[1:])
            writer.writerow([int(row["step"]), *cells])
        write_text(text.getvalue(), path)


@contextlib.contextmanager
def training_log(
    name: str, plan: TrainSpec, start: int, rows: list[Row], events: Path | None, shown: bool
) -> Iterator[TrainingLog]:
    """The log of a run that begins at a step with the rows before it; only the first process shows it."""
    if not shown:
        yield TrainingLog(plan, rows, None, None)
        return
    meter = Meter(f"train {name}", (plan.steps - start) * plan.batch, "crops")
    with event_writer(events) as writer, meter:
        yield TrainingLog(plan, rows, meter, writer)
