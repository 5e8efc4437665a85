"""Curves of a training run, from its log."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lard.errors import DataError
from lard.report.page import BLUE, GREEN, GREY, LINE, ORANGE, figure, to_svg
from lard.tables import write_text


@dataclass(frozen=True, slots=True)
class _Kind:
    """Terms of the loss and validation measures of a kind of model, with their colours."""

    losses: tuple[tuple[str, str], ...]
    measured: tuple[tuple[str, str, str], ...]
    shares: bool = True  # the measures go from 0 to 1

    @property
    def columns(self) -> tuple[str, ...]:
        return ("step", *(term for term, _ in self.losses), *(key for key, _, _ in self.measured))


DETECTOR = _Kind(
    (("objectness", BLUE), ("box", ORANGE), ("centre", GREEN)),
    (("val_ap50", "AP50", BLUE), ("val_ap", "AP50:95", GREY)),
)
SEGMENTER = _Kind(DETECTOR.losses, (("val_iou", "IoU", BLUE),))
CORNERS = _Kind(
    (("position", BLUE), ("heat", ORANGE), ("presence", GREEN)),
    (
        ("val_corner_px", "corner error in px, median", BLUE),
        ("val_corner_p95_px", "95th percentile", GREY),
    ),
    shares=False,
)
SMOOTH = 0.9  # what each logged step keeps of the curve before it


def write_curves(folder: str | Path, name: str) -> Path:
    """Draw log.csv of a trained model's folder as log.svg beside it."""
    out = Path(folder) / "log.svg"
    write_text(training_svg(Path(folder) / "log.csv", name), out)
    return out


def training_svg(log: Path, name: str) -> str:
    """Terms of the loss, smoothed, and what is measured on validation frames, over the steps."""
    with log.open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    named = reader.fieldnames or ()
    kind = CORNERS if "position" in named else SEGMENTER if "val_iou" in named else DETECTOR
    if lacking := [name for name in kind.columns if name not in (reader.fieldnames or ())]:
        raise DataError(f"{log}: no column {', '.join(lacking)}; train the model again")
    if not rows:
        raise DataError(f"{log}: no step in it; train the model first")
    measured = [row for row in rows if all(row[key] for key, _, _ in kind.measured)]
    with figure(8.4, 2.8) as fig:
        panels = fig.subplots(1, 2 if measured else 1, squeeze=False)[0]
        left = panels[0]
        for term, colour in kind.losses:
            values = [float(row[term]) for row in rows]
            if any(values):
                left.plot(
                    [int(row["step"]) for row in rows], _smoothed(values), color=colour, lw=1.3, label=term
                )
        left.set_yscale("log")
        left.set_title("loss")
        left.legend(frameon=False)
        if measured:
            _validation(panels[1], measured, kind)
        for ax in panels:
            ax.set_xlabel("step")
            ax.set_xlim(0, int(rows[-1]["step"]) + 1)
            ax.grid(color=LINE, lw=0.6)
        return to_svg(fig, f"Training of {name}")


def _validation(ax: Any, measured: list[dict[str, str]], kind: _Kind) -> None:
    for key, label, colour in kind.measured:
        points = [(int(row["step"]) + 1, float(row[key])) for row in measured]
        ax.plot(*zip(*points, strict=True), color=colour, lw=1.3, marker="o", ms=3, label=label)
    if kind.shares:
        ax.set_ylim(0, 1.02)
    else:
        ax.set_yscale("log")
    ax.set_title("validation airports")
    ax.legend(frameon=False, loc="lower right" if kind.shares else "upper right")


def _smoothed(values: list[float]) -> list[float]:
    """A running mean that forgets: the first value is itself."""
    kept, smooth = values[0], []
    for value in values:
        kept = SMOOTH * kept + (1 - SMOOTH) * value
        smooth.append(kept)
    return smooth
