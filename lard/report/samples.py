"""The pictures a compliance report shows: those that offend, then the hardest, with the labels drawn."""

from __future__ import annotations

import numpy as np
import polars as pl

from lard.quality import Dataset, Offence, Run
from lard.quality.checks.coverage import label_name
from lard.quality.dataset import BOX
from lard.quality.model import FAIL
from lard.quality.outputs import finite
from lard.report.thumbs import thumbnail

SHOWN_SAMPLES = 10
RED_BGR, GREEN_BGR = (38, 38, 214), (90, 200, 60)


def samples_of(run: Run) -> list[dict[str, str]]:
    """Offending pictures first; when there are none, the hardest ones, so that there is always a look."""
    data = run.dataset
    if "images" not in data.parts:
        return []
    chosen: list[tuple[str, str, Offence | None]] = []
    for result in run.results:
        if result.status == FAIL:
            sign = 1.0 if result.outcome.small_is_bad else -1.0
            worst = sorted(
                result.outcome.offences, key=lambda o: (sign * (finite(o.measured) or 0.0), o.subject)
            )
            known = [o for o in worst if o.subject.split(":")[0] in data.image_of]
            chosen += [(o.subject, result.id, o) for o in known[:4]]
    chosen = chosen[:SHOWN_SAMPLES]
    taken = {subject.split(":")[0] for subject, _, _ in chosen}
    for subject, why in _hardest(data):
        if len(chosen) >= SHOWN_SAMPLES:
            break
        if subject.split(":")[0] not in taken:
            chosen.append((subject, why, None))
            taken.add(subject.split(":")[0])
    return [_sample(data, *item) for item in chosen]


def _hardest(data: Dataset) -> list[tuple[str, str]]:
    if data.labels is None or "boxes" not in data.parts:
        return []
    from lard.quality.labels import required_labels

    labels = required_labels(data)
    side = pl.min_horizontal(pl.col("x_max_px") - pl.col("x_min_px"), pl.col("y_max_px") - pl.col("y_min_px"))
    found, order = [], ("frame_id", "airport", "runway")
    for row in labels.with_columns(side=side).sort("side", *order).head(4).iter_rows(named=True):
        found.append((label_name(data, row["row"]), f"among the smallest, {row['side']:.1f} px"))
    if "polygon" in data.parts:
        cut = labels.filter(pl.col("visible_fraction") < 1).sort("visible_fraction", *order)
        for row in cut.head(3).iter_rows(named=True):
            found.append(
                (label_name(data, row["row"]), f"most cut off, {row['visible_fraction']:.0%} visible")
            )
    if data.frames is not None and "pose" in data.parts:
        for column, what in (("roll_deg", "roll"), ("pitch_deg", "pitch")):
            rows = data.frames.drop_nulls([column]).sort(
                pl.col(column).abs(), "frame_id", descending=[True, False]
            )
            for row in rows.head(2).iter_rows(named=True):
                found.append((row["frame_id"], f"largest {what}, {row[column]:+.1f}°"))
        if data.frames["visibility_m"].null_count() < len(data.frames):
            for row in data.frames.sort("visibility_m", "frame_id").head(2).iter_rows(named=True):
                found.append((row["frame_id"], f"lowest visibility, {row['visibility_m'] / 1000:.1f} km"))
    return found


def _sample(data: Dataset, subject: str, why: str, offence: Offence | None) -> dict[str, str]:
    frame_id, _, runway = subject.partition(":")
    outlines: list[tuple[np.ndarray, tuple[int, int, int]]] = []
    focus: tuple[float, float, float, float] | None = None
    if data.labels is not None:
        rows = data.labels.with_row_index("row").filter(pl.col("frame_id") == frame_id)
        for row in rows.iter_rows(named=True):
            is_it = bool(runway) and subject == label_name(data, int(row["row"]))
            named = is_it or (not runway and bool(row["is_target"]))
            polygon = [finite(value) for value in row["polygon"] or ()]
            box = [finite(row[name]) for name in BOX]
            if len(polygon) >= 6 and len(polygon) % 2 == 0 and None not in polygon:
                points = np.array(polygon, np.float64).reshape(-1, 2)
            elif None not in box:
                points = np.array([[box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]]])
            else:
                continue
            outlines.append((points, RED_BGR if named else GREEN_BGR))
            sides = [side for side in box if side is not None]
            if named and runway and len(sides) == 4:
                focus = (sides[0], sides[1], sides[2], sides[3])
    return {
        "image": thumbnail(data.root / data.image_of.get(frame_id, ""), outlines, focus),
        "subject": subject,
        "why": why,
        "check": why if offence is not None else "",
        "message": offence.message if offence is not None else "",
    }
