"""A row for every runway, detector and method, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from lard.assurance.saliency import Explained

ABOUT = (
    "image_id", "frame_id", "airport", "zone", "width_px", "height_px", "fires", "serving", "score",
    "cut_off", "rests_on_field", "beyond_field",
)  # fmt: skip
TURNED = ("kind", "norm", "certificate", "ratio")
NUMBERS = (
    "hit", "inside", "area", "lift", "within", "deletion", "insertion", "stability", "attack_likeness",
    "attack_cosine", "gap",
)  # fmt: skip
"""What is told of every method; each is defined in docs/explain.md."""


def table(found: Mapping[str, Sequence[Explained]]) -> str:
    """The rows of all detectors (names as keys); what is not known is left empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["model", *ABOUT, *(f"counterfactual_{name}" for name in TURNED), "method", *NUMBERS])
    for model, rows in found.items():
        for one in rows:
            told = [model, *(_text(one.row[name]) for name in ABOUT)]
            told += [_text(one.row["counterfactual"][name]) for name in TURNED]
            for method, judged in one.row["methods"].items():
                writer.writerow([*told, method, *(_text(judged.get(name)) for name in NUMBERS)])
    return stream.getvalue()


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)
