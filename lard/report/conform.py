"""Tables and figure of a conformal statement."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from lard.report.page import BLUE, GREY, LINE, ORANGE, RED, apart, figure, to_svg
from lard.tables import json_text, staged

if TYPE_CHECKING:
    from lard.robust.statement import Statement

DOCUMENT, RUNWAYS, PICTURES, AIRPORTS = "conform.json", "runways.csv", "pictures.csv", "airports.csv"
FIGURE = "coverage.svg"
FILES = (DOCUMENT, RUNWAYS, PICTURES, AIRPORTS, FIGURE)


def write_statement(statement: Statement, out: Path) -> None:
    """Write conform.json, a table of runways, of pictures and of airports, and coverage.svg into a folder."""
    airports = [
        {
            **{key: value for key, value in row.items() if not key.endswith("_interval")},
            **{
                f"{name}_{end}": (row[f"{name}_interval"] or (None, None))[place]
                for name in ("coverage", "lost")
                for place, end in enumerate(("low", "high"))
            },
        }
        for row in statement.report["airports"]
    ]
    with staged(out) as folder:
        (folder / DOCUMENT).write_text(json_text(statement.report), encoding="utf-8")
        tables = {
            RUNWAYS: runways_table(statement),
            PICTURES: pictures_table(statement),
            AIRPORTS: pl.DataFrame(airports, infer_schema_length=None),
        }
        for name, table in tables.items():
            (folder / name).write_text(table.write_csv(float_precision=4), encoding="utf-8")
        (folder / FIGURE).write_text(coverage_svg(statement.report), encoding="utf-8")


def runways_table(statement: Statement) -> pl.DataFrame:
    """A row per required runway of the test pictures: its detection, the grown box, whether that holds it."""
    found, checked, truth = statement.test.found, statement.checked, statement.test.truth
    pictures = {int(image["id"]): image for image in truth["images"]}
    ids = found.image_ids[found.pictures]
    never = found.scores < 0
    columns: dict[str, Any] = {
        "image_id": ids,
        "file_name": [str(pictures[int(image_id)]["file_name"]) for image_id in ids],
        "airport": found.runway_airports.tolist(),
        "runway": [truth["annotations"][note].get("runway") for note in found.notes],
        "group": statement.test.labelled.labels[found.pictures].tolist(),
        "score": np.where(never, np.nan, found.scores),
        "found": checked.found,
        "inside": checked.inside,
        "stretch": checked.stretch,
    }
    for name, boxes in (("true", found.wanted), ("found", found.predicted), ("grown", checked.outer)):
        columns |= {f"{name}_{end}_px": boxes[:, k] for k, end in enumerate(("x0", "y0", "x1", "y1"))}
    return pl.DataFrame(columns).fill_nan(None)


def pictures_table(statement: Statement) -> pl.DataFrame:
    """A row per test picture with a required runway: the score and growth it needs, whether it is lost."""
    found, checked = statement.test.found, statement.checked
    needs = checked.pictures
    lost = [bool(one) if judged else None for one, judged in zip(checked.lost, checked.judged, strict=True)]
    return pl.DataFrame(
        {
            "image_id": found.image_ids[needs.places],
            "airport": found.airports[needs.places].tolist(),
            "group": statement.test.labelled.labels[needs.places].tolist(),
            "score_that_finds_all": np.where(needs.scores < 0, np.nan, needs.scores),
            "growth_that_holds_all": np.where(np.isinf(needs.growth), np.nan, needs.growth),
            "lost": pl.Series(lost, dtype=pl.Boolean),
        }
    ).fill_nan(None)


def coverage_svg(report: dict[str, Any]) -> str:
    """Coverage of each test airport with its exact interval, and coverage against 1 - alpha."""
    rows = [row for row in report["airports"] if row["coverage"] is not None]
    rows.sort(key=lambda row: (-row["coverage"], row["airport"]))
    with figure(9.2, max(3.2, 1.2 + 0.24 * len(rows))) as fig:
        left, right = fig.subplots(1, 2, width_ratios=(1.25, 1))
        apart(fig)
        wanted = 1 - report["alpha"]
        for place, row in enumerate(rows):
            low, high = row["coverage_interval"]
            colour = RED if high < wanted else BLUE
            left.plot([low, high], [place, place], color=colour, lw=1.4)
            left.plot([row["coverage"]], [place], color=colour, marker="o", ms=5)
        left.axvline(wanted, color=ORANGE, lw=1.2)
        left.set_title(f"runways inside their grown box; orange: 1 - alpha = {wanted:.4g}")
        names = [f"{row['airport'] or 'unnamed'} ({row['inside']}/{row['found']})" for row in rows]
        left.set_yticks(range(len(names)), names)
        left.invert_yaxis()
        left.set_xlabel("coverage, 95 % interval of independent frames")
        left.grid(color=LINE, lw=0.6, axis="x")
        _reliability(right, report["reliability"])
        return to_svg(fig, "Coverage of grown boxes by airport, and against the stated chance")


def _reliability(ax: Any, rows: list[dict[str, Any]]) -> None:
    lows = [1 - row["alpha"] for row in rows]
    start = min(lows, default=0.5) - 0.02
    ax.plot([start, 1], [start, 1], color=GREY, lw=1, ls="--", label="as stated")
    for unit, colour in (("airport", BLUE), ("runway", ORANGE)):
        own = [row for row in rows if row["unit"] == unit and row["coverage"]["mean_of_airports"] is not None]
        if own:
            x = [1 - row["alpha"] for row in own]
            mean = [row["coverage"]["mean_of_airports"] for row in own]
            ax.plot(x, mean, color=colour, marker="o", ms=3.5, lw=1.4, label=f"calibrated by {unit}")
            ax.fill_between(
                x, [row["coverage"]["lowest_airport"] for row in own], mean, color=colour, alpha=0.12, lw=0
            )
    ax.set_xlim(start, 1)
    ax.set_title("mean of airports; shade: down to the lowest airport")
    ax.set_xlabel("1 - alpha")
    ax.set_ylabel("coverage found")
    ax.grid(color=LINE, lw=0.6)
    ax.legend(frameon=False, loc="lower right", fontsize=7.5)
