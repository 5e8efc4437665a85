"""How far detected corners lie from the true ones, whole and by slice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.score.boxes import Floats
from lard.score.keypoints import NAMES
from lard.score.sightings import Sightings
from lard.score.slices import distance_bin

KINDS = ("distance", "zone", "airport")


def spread(values: Floats, *, signed: bool = False) -> dict[str, float]:
    """Median and 95th percentile of sizes (n,); of signed errors the sizes count, and the bias is told."""
    sizes = np.abs(values)
    found = {"median": float(np.median(sizes)), "p95": float(np.quantile(sizes, 0.95))}
    return {"bias": float(np.median(values)), **found} if signed else found


def corner_errors(found: Sightings, truth: Mapping[str, Any], matched: int, required: int) -> dict[str, Any]:
    """Distances in px of the corners given from the true ones that are in the picture.

    matched is how many right detections there are, with corners or without, required how many runways: who
    gives corners of the easy ones alone is told by `share`.
    """
    distance = np.linalg.norm(found.found_px - found.true_px, axis=-1)
    counts = found.given & found.shown
    known: dict[str, Any] = {
        "matched": matched,
        "with_corners": len(found),
        "required": required,
        "share": len(found) / required if required else None,
        "with_four_in_view": int(found.whole.sum()),
        "corners": int(counts.sum()),
    }
    if not counts.any():
        return known
    known["error_px"] = spread(distance[counts])
    known["by_corner"] = {
        name: {"corners": int(counts[:, k].sum()), **spread(distance[counts[:, k], k])}
        for k, name in enumerate(NAMES)
        if counts[:, k].any()
    }
    for kind, name, rows in groups(found, truth):
        if counts[rows].any():
            value = {"corners": int(counts[rows].sum()), **spread(distance[rows][counts[rows]])}
            known.setdefault(f"by_{kind}", {})[name] = value
    return known


def groups(found: Sightings, truth: Mapping[str, Any]) -> Iterator[tuple[str, str, NDArray[np.int64]]]:
    """Kind, name and rows of sightings by distance of the runway, by zone and by airport, sorted by name."""
    images = {int(image["id"]): image for image in truth["images"]}
    names: dict[str, list[str | None]] = {kind: [] for kind in KINDS}
    for place in found.note:
        note = truth["annotations"][place]
        image = images[int(note["image_id"])]
        slant_m = note.get("slant_m")
        names["distance"].append(None if slant_m is None else distance_bin(float(slant_m)))
        names["zone"].append(image.get("zone"))
        names["airport"].append(image.get("airport"))
    for kind in KINDS:
        for name in sorted({str(name) for name in names[kind] if name is not None}):
            yield kind, name, np.array([k for k, own in enumerate(names[kind]) if own == name], np.int64)
