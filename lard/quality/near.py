"""Near runways as pictures show them: side stripes, threshold bars and outlines of a sample of labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.camera import DISTORTION
from lard.quality.dataset import Dataset, sources_of
from lard.quality.frames import daylit, grey_of, parallel
from lard.quality.groups import members, sampled
from lard.quality.labels import frame_ids, label_corners
from lard.quality.measures import geometry
from lard.quality.measures.coarse import around
from lard.quality.measures.edges import Alignment, Edge, aligned, bars_length_px, side_edges, straight
from lard.quality.measures.paint import PAINTS, Paint
from lard.quality.measures.profiles import RESOLVED_PX

Array = NDArray[np.float64]

OUTLINE_PX = 40  # paint is looked for within 6 px, outlines within these
PER_GROUP = 24  # runways of a group to be looked at, where there are so many


@dataclass(frozen=True, slots=True)
class Fit:
    """What was found of one label's runway in its picture; row is that of the label."""

    row: int
    frame_id: str
    edges: tuple[Edge, ...]
    place: Array  # (2,) the middle of the label's corners
    middle: Array  # (2,) the camera's principal point
    alignment: Alignment | None
    outline: Array | None  # agreement of its outline with the picture within OUTLINE_PX


def fitted(data: Dataset, groups: dict[str, frozenset[str]], limits: Mapping[str, Any]) -> list[Fit]:
    """Side stripes and bars of near runways, of a sample that has runways of every group."""
    assert data.labels is not None
    whole = data.label_geometry
    found = whole.at(np.flatnonzero(_usable(data, limits)))
    ids = frame_ids(data, found.rows).to_list()
    kept = set(sampled(list(dict.fromkeys(ids)), groups, int(limits["max_samples"]), PER_GROUP))
    found = found.at(np.flatnonzero(members(ids, frozenset(kept))))
    names, corners = [name for name in ids if name in kept], label_corners(data, found.rows)
    sources = sources_of(data)

    def fit(k: int) -> Fit | None:
        one, row = found.at(slice(k, k + 1)), int(found.rows[k])
        grey = grey_of(data, names[k])
        if grey is None:
            return None
        lens, quad = one.camera, corners[k]
        if any(lens[name][0] for name in DISTORTION):
            grey, quad = straight(grey, lens, quad)
        strip = _strip(one.corners[0], str(one.earth[0]), sources.get(names[k], ""))
        edges = side_edges(grey, quad, *strip)
        resolved = bars_length_px(quad, *strip) >= RESOLVED_PX
        middle = np.array([lens["cx_px"][0], lens["cy_px"][0]])
        alignment = aligned(grey, quad, edges, *strip) if resolved else None
        return Fit(row, names[k], edges, quad.mean(axis=0), middle, alignment, around(grey, quad, OUTLINE_PX))

    return [f for f in parallel(data, list(range(len(names))), fit, "label against picture") if f is not None]


def _usable(data: Dataset, limits: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Rows of `label_geometry` whose runway is near, broad and by day, with its threshold in the picture."""
    assert data.labels is not None
    found = data.label_geometry
    quads, camera = label_corners(data, found.rows), found.camera
    along = data.labels["along_track_m"].fill_null(np.nan).to_numpy()[found.rows]
    target = _targets(data)[found.rows]
    size = np.column_stack([camera["width_px"], camera["height_px"]])[:, None, :]
    usable = np.isfinite(quads).all(axis=(1, 2))
    usable &= ((quads[:, 2:] > 0) & (quads[:, 2:] < size)).all(axis=(1, 2))
    usable &= np.linalg.norm(quads[:, 2] - quads[:, 3], axis=1) >= float(limits["min_width_px"])
    usable &= (along > 0) & (along <= float(limits["max_along_track_m"]))
    usable &= target
    if data.frames is not None:
        dim = set(data.frames.filter(~daylit(data, data.frames))["frame_id"].to_list())
        usable &= ~data.labels["frame_id"].is_in(list(dim)).to_numpy()[found.rows]
    return np.asarray(usable)


def _targets(data: Dataset) -> NDArray[np.bool_]:
    """Labels (n,) of the runway that their frame approaches; where no target is marked, by its name.

    Others are seen at a glance, or from behind: their outlines are too flat to be sure of single ones.
    """
    assert data.labels is not None
    marked = data.labels["is_target"]
    if data.kind == "lard" or data.frames is None or not marked.is_null().any():
        return marked.fill_null(False).to_numpy()
    approached = data.frames.select("frame_id", "airport", pl.col("runway").alias("approached"))
    joined = data.labels.select("frame_id", "airport", "runway").join(
        approached.unique("frame_id", keep="first"),
        on=["frame_id", "airport"],
        how="left",
        maintain_order="left",
    )
    return marked.fill_null(joined["runway"] == joined["approached"]).fill_null(False).to_numpy()


def _strip(corners: Array, earth: str, source: str) -> tuple[float, float, Paint]:
    """Width and length in metres, and paint, of a runway by its geodetic corners (4, 3)."""
    points = geometry.cart(corners, earth)
    width = float(np.linalg.norm(points[2] - points[3]))
    length = float(np.linalg.norm((points[0] + points[1] - points[2] - points[3]) / 2))
    return width, length, PAINTS.get(source, PAINTS["standard"])
