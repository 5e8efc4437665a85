"""The image-level ODD: sizes, shapes and places of runways in the picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.quality.dataset import Dataset
from lard.quality.labels import label_name, required_labels
from lard.quality.model import Offence, Outcome, inconclusive
from lard.quality.registry import check

Array = NDArray[np.float64]


def _sides(labels: pl.DataFrame) -> tuple[Array, Array]:
    width = (labels["x_max_px"] - labels["x_min_px"]).to_numpy().astype(np.float64)
    height = (labels["y_max_px"] - labels["y_min_px"]).to_numpy().astype(np.float64)
    return width, height


@check(
    "DQR-I01",
    "The smallest required runway is large enough to be seen",
    severity="warning",
    rationale="A runway of a few pixels cannot be told from a road; requiring it measures luck.",
    objective="accuracy",
    thresholds={"min_side_px": 8.0, "min_area_px2": 64.0, "at_width_px": 1024, "max_share": 0.0},
    needs=("boxes",),
)
def smallest_instances(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Sides and area of required boxes, on the scale of a picture `at_width_px` wide."""
    labels = required_labels(data)
    if not len(labels):
        return inconclusive("no required label is in a picture", "label the runways that the ODD requires")
    full = labels["width_px"].fill_null(int(limits["at_width_px"])).to_numpy().astype(np.float64)
    scale = float(limits["at_width_px"]) / full
    width, height = _sides(labels)
    side, area = np.minimum(width, height) * scale, width * height * scale**2
    small = ~((side >= float(limits["min_side_px"])) & (area >= float(limits["min_area_px2"])))
    rows = labels["row"].to_list()
    offences = [
        Offence(label_name(data, rows[k]), float(side[k]), f"box of {width[k]:.1f} x {height[k]:.1f} px")
        for k in np.flatnonzero(small)
    ]
    share, allowed = float(small.mean()), float(limits["max_share"])
    message = (
        f"{share:.1%} of {len(side)} required boxes are smaller than {limits['min_side_px']:g} px or "
        f"{limits['min_area_px2']:g} px²; the smallest side is {np.nanmin(side):.1f} px"
    )
    return Outcome(
        share <= allowed, message, share, allowed, tuple(offences) if share > allowed else (), len(side),
        {"sides": _quantiles(side), "areas": _quantiles(area)}, small_is_bad=True,
    )  # fmt: skip


def _quantiles(values: Array) -> dict[str, float]:
    values = values[np.isfinite(values)]
    if not len(values):
        return {}
    return {f"{q:g}": float(np.quantile(values, q)) for q in (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)}


@check(
    "DQR-I02",
    "Areas, shapes and places of boxes stay inside the image-level ODD",
    severity="warning",
    rationale="What the ODD says about poses has an image in the picture; a wrong camera shows there first.",
    objective="representativeness",
    thresholds={
        "min_area": 0.00005,
        "max_area": 0.4,
        "min_aspect": 0.2,
        "max_aspect": 6.0,
        "quantile": 0.01,
        "min_centre_cells": 0.5,
    },
    needs=("boxes", "camera"),
)
def image_level_odd(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Outer quantiles of relative area and aspect, and how much of the picture box centres reach."""
    labels = required_labels(data).drop_nulls(["width_px", "height_px"])
    if not len(labels):
        return inconclusive("no required label is in a picture", "label the runways that the ODD requires")
    width, height = _sides(labels)
    full_x, full_y = labels["width_px"].to_numpy(), labels["height_px"].to_numpy()
    area = width * height / (full_x * full_y)
    aspect = width / np.maximum(height, 1e-9)
    q = float(limits["quantile"])
    offences, evidence = [], {"area": _quantiles(area), "aspect": _quantiles(aspect)}
    for name, values in (("area", area), ("aspect", aspect)):
        low, high = float(limits[f"min_{name}"]), float(limits[f"max_{name}"])
        ends = float(np.quantile(values, q)), float(np.quantile(values, 1 - q))
        for value, bad in ((ends[0], ends[0] < low), (ends[1], ends[1] > high)):
            if bad:
                text = f"outer {q:.0%} quantile is {value:.4g}, expected {low:g} to {high:g}"
                offences.append(Offence(name, value, text))
    centre_x = (labels["x_min_px"] + labels["x_max_px"]).to_numpy() / 2 / full_x
    centre_y = (labels["y_min_px"] + labels["y_max_px"]).to_numpy() / 2 / full_y
    # centres along the horizon's belt only: the upper and lower quarter are sky and near ground
    cells = np.histogram2d(centre_y, centre_x, bins=(4, 6), range=((0.25, 0.75), (0, 1)))[0]
    reach, floor = float(np.mean(cells > 0)), float(limits["min_centre_cells"])
    if reach < floor:
        text = f"box centres reach {reach:.0%} of the middle belt's cells, {floor:.0%} needed"
        offences.append(Offence("centre", reach, text))
    message = (
        f"area {area.min():.2%} to {area.max():.1%} of the picture, aspect {aspect.min():.2f} to "
        f"{aspect.max():.2f}, centres in {reach:.0%} of the belt"
    )
    return Outcome(not offences, message, reach, floor, tuple(offences), len(labels), evidence)
