"""What the pictures show of the ground: imagery, or what was put where it ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from lard.quality.dataset import Dataset
from lard.quality.model import Offence, Outcome
from lard.quality.registry import check

_KINDS = (
    ("beyond_imagery", "max_flat_share", "look beyond the imagery at one flat colour"),
    ("continued_imagery", "max_painted_share", "show painted ground that goes on beyond the imagery"),
)
"""Columns of the renderer's manifest, the threshold of each, and what it means."""


@check(
    "DQR-I07",
    "Pictures show imagery, not what lies beyond it",
    severity="error",
    rationale="Where the ground imagery ends, a picture shows a flat colour: no place looks like that, and a "
    "detector learns or is judged on it.",
    objective="integrity",
    thresholds={"max_flat_share": 0.1, "max_painted_share": 1.0, "max_frames": 0.0},
    needs=("manifest",),
)
def imagery_in_view(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Shares of each picture as the renderer stores them; measured is the share of pictures with too much."""
    assert data.manifest is not None
    table = data.manifest
    known = [kind for kind in _KINDS if kind[0] in table.columns and table[kind[0]].null_count() < len(table)]
    if not known:
        return Outcome(None, "the manifest does not state how much of its pictures is imagery")
    offences, parts, evidence = [], [], {}
    for name, threshold, meaning in known:
        rows = table.select("frame_id", pl.col(name).cast(pl.Float64)).drop_nulls()
        shares = rows[name].to_numpy()
        for k in np.flatnonzero(~(shares <= float(limits[threshold]))):  # what is no number is too much
            share = float(shares[k])
            offences.append(Offence(rows["frame_id"][int(k)], share, f"{share:.1%} of the picture {meaning}"))
        parts.append(
            f"{int((shares > 0).sum())} of {len(shares)} pictures {meaning}, {shares.max():.1%} at most"
        )
        evidence[name] = {f"{q:g}": float(np.quantile(shares, q)) for q in (0.5, 0.95, 1)}
    checked = len(table)
    bad = len({offence.subject for offence in offences}) / checked
    passed = bad <= float(limits["max_frames"])
    return Outcome(
        passed, "; ".join(parts), bad, float(limits["max_frames"]), () if passed else tuple(offences),
        checked, evidence,
    )  # fmt: skip
