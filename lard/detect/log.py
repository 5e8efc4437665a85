"""The log of a training run: rows for log.csv, a line on the terminal, event files."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from lard.detect.config import TrainSpec
from lard.detect.events import EventWriter, event_writer
from lard.detect.loss import TERMS
from lard.detect.validate import MEASURES, OF_MASKS
from lard.progress import Meter
from lard.tables import write_text

EVERY = 10

Row = dict[str, float]


@dataclass(frozen=True, slots=True)
class Told:
    """What the rows of a log tell: terms of the loss, and what is measured on validation pictures."""

    terms: tuple[str, ...]
    measures: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of log.csv."""
        return ("step", "learning_rate", *self.terms, "gradient_norm", *self.measures)


DETECTOR = Told(TERMS, MEASURES)
SEGMENTER = Told(TERMS, OF_MASKS)


class TrainingLog:
    """Keeps the rows of every tenth step, the last and those validated; shows all on a meter."""

    def __init__(
        self,
        plan: TrainSpec,
        rows: list[Row],
        meter: Meter | None,
        events: EventWriter | None,
        told: Told = DETECTOR,
    ) -> None:
        self.plan, self.rows, self.meter, self.events, self.told = plan, rows, meter, events, told
        self.last: dict[str, float] = {}

    def add(self, step: int, rate: float, losses: Tensor, norm: float, measured: Mapping[str, float]) -> None:
        """Note a step: learning rate, terms of the loss (n,), norm of the gradient, answers of validation."""
        row = {"step": float(step), "learning_rate": rate}
        row |= dict(zip(self.told.terms, losses.tolist(), strict=True)) | {"gradient_norm": norm}
        row |= measured
        if step % EVERY == 0 or step == self.plan.steps - 1 or measured:
            self.rows.append(row)
            if self.events is not None:
                self.events.row(row)
        if self.meter is not None:
            loss = sum(row[term] for term in self.told.terms)
            self.last.update(measured)
            seen = "".join(f", {key.removeprefix('val_')} {value:.3f}" for key, value in self.last.items())
            self.meter.advance(self.plan.batch, f"loss {loss:.3f}, lr {rate:.2g}{seen}")

    def write(self, path: Path) -> None:
        """Write the rows as CSV."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        columns = self.told.columns
        writer.writerow(columns)
        for row in self.rows:
            cells = (f"{row[key]:.6g}" if key in row else "" for key in columns[1:])
            writer.writerow([int(row["step"]), *cells])
        write_text(text.getvalue(), path)


@contextlib.contextmanager
def training_log(
    name: str,
    plan: TrainSpec,
    start: int,
    rows: list[Row],
    events: Path | None,
    shown: bool,
    told: Told = DETECTOR,
) -> Iterator[TrainingLog]:
    """The log of a run that begins at a step with the rows before it; only the first process shows it."""
    if not shown:
        yield TrainingLog(plan, rows, None, None, told)
        return
    meter = Meter(f"train {name}", (plan.steps - start) * plan.batch, "crops")
    with event_writer(events) as writer, meter:
        yield TrainingLog(plan, rows, meter, writer, told)
