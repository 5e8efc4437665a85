"""What ways to train certify, side by side, each at equal false alarms per picture.

    python benchmarks/certified.py data/ortho val 60 /tmp/cells lip-fcos-s models/tuned/checkpoint.pt

A block for each model: AP50, and for each budget of false alarms the firing recall, that which no
perturbation of norm eps takes away, the share of pictures with a certified radius against invented locations,
and the median of radius over erasure energy by zone. Thresholds are chosen on these pictures, so give the
validation split: the block compares ways to train, and is no certificate of an operating point (lard certify
is). What is read of each picture stays in the folder, so that other eps cost no network.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from lard.detect.config import PredictSpec
from lard.detect.data import Picture
from lard.detect.models import resolve
from lard.progress import track
from lard.robust.certificates import certified_firing_recall, silence_radii
from lard.robust.certified import certified
from lard.robust.certify import logit_threshold
from lard.robust.subject import Point
from lard.score.points import by_budget
from lard.tables import sha256_file

EPS = (0.05, 0.1, 0.25, 0.5, 1.0)
BUDGETS = (0.1, 0.5, 1.0)
ZONES = ("far", "medium", "close")
_ANY = 0.5  # a point to read the cells with; the table chooses its own


def watched(pictures: Sequence[Picture]) -> Iterable[Picture]:
    """Pictures one by one, with progress."""
    return track(pictures, "certify", unit="images")


def block(model: str, data: str, split: str, most: int, cells: Path) -> list[str]:
    """Lines about one model."""
    file = resolve(model)
    found = certified(
        file,
        data,
        split,
        Point(_ANY, "stated"),
        EPS,
        PredictSpec(),
        limit=most,
        cells=cells / sha256_file(file)[:12],
        watch=watched,
    )
    subject = found.subject
    judged = subject.evaluation()
    zones = np.array([str(picture.info.get("zone")) for picture in subject.pictures])
    ap50 = [judged.metrics()["AP50"]]
    for zone in ZONES:
        own = [picture.image_id for picture in np.array(subject.pictures, object)[zones == zone]]
        ap50.append(judged.metrics(own)["AP50"])
    lines = [f"{model}: AP50 {_row(ap50)} (all / {' / '.join(ZONES)})"]
    for budget in BUDGETS:
        score = by_budget(judged, budget)
        if score is None or not 0 < score < 1:
            lines.append(f"  {budget:g} false alarms: no score keeps to it")
            continue
        threshold = logit_threshold(score, subject.temperature)
        costs = [one.costs(threshold) for one in subject.cells]
        fires = float(np.mean(np.concatenate(costs) > 0))
        certain = [certified_firing_recall(subject.cells, costs, eps) for eps in EPS]
        quiet = float((silence_radii(subject.cells, threshold) > 0).mean())
        ratios = [
            one.reach.radii(cost) / one.energies for one, cost in zip(subject.cells, costs, strict=True)
        ]
        shares = []
        for zone in ZONES:
            ours = [ratio for ratio, at in zip(ratios, zones, strict=True) if at == zone]
            shares.append(float(np.median(np.concatenate(ours))) if ours else None)
        lines.append(
            f"  {budget:g} false alarms: logit {threshold:+.3f}, fires {fires:.2f}, certified {_row(certain)}"
            f" at {' / '.join(f'{eps:g}' for eps in EPS)}, nothing invented {quiet:.2f}, r/E {_row(shares)}"
        )
    return lines


def _row(values: Sequence[float | None]) -> str:
    return " / ".join("-" if value is None else f"{value:.3f}" for value in values)


if __name__ == "__main__":
    data, split, most, cells = sys.argv[1:5]
    for model in sys.argv[5:]:
        print("\n".join(block(model, data, split, int(most), Path(cells))), flush=True)
