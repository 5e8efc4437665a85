"""The pictures themselves: decodable, sane, where the pose says they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from lard.quality.dataset import Dataset
from lard.quality.model import Offence, Outcome, check


def subject_of(data: Dataset, image: str) -> str:
    """How findings name a picture: its frame where known."""
    return data.frame_of.get(image, image)


@check(
    "DQR-I04",
    "Pictures decode, have their size, and are neither blank, frozen nor badly exposed",
    severity="error",
    rationale="Simulators freeze, tiles fail to load and transfers break off; training goes on regardless.",
    objective="integrity",
    thresholds={
        "min_entropy_bit": 3.0,
        "min_mean": 15.0,
        "max_mean": 240.0,
        "max_clipped": 0.5,
        "max_flat": 0.5,
        "min_sharpness": 1.0,
    },
    needs=("images",),
)
def pictures_sane(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """One pass over all pictures; repeats are frames whose pixels equal those of the frame before."""
    pictures = data.pictures.sort("image")
    stated: dict[str, tuple[int, int]] = {}
    if data.frames is not None and "camera" in data.parts:
        rows = data.frames.select("frame_id", "width_px", "height_px").iter_rows()
        stated = {data.image_of.get(str(f), ""): (w, h) for f, w, h in rows}
    offences: list[Offence] = []
    before = None
    for row in pictures.iter_rows(named=True):
        subject = subject_of(data, row["image"])
        if row["fault"]:
            offences.append(Offence(subject, None, f"{row['image']}: {row['fault']}"))
            before = None
            continue
        offences += [Offence(subject, value, text) for value, text in _faults(row, stated, limits)]
        if before is not None and before["pixel_hash"] == row["pixel_hash"]:
            text = f"same pixels as the frame before ({before['image']}): the source was frozen"
            offences.append(Offence(subject, None, text))
        before = row
    good = pictures.filter(pl.col("fault") == "")
    bad = len({offence.subject for offence in offences})
    message = f"{len(pictures) - bad} of {len(pictures)} pictures are sane"
    if len(good):
        message += (
            f"; entropy from {good['entropy_bit'].min():.1f} bit, mean grey from {good['mean'].min():.0f}"
        )
    share = bad / max(len(pictures), 1)
    return Outcome(not offences, message, share, 0.0, tuple(offences), len(pictures))


def _faults(
    row: Mapping[str, Any], stated: Mapping[str, tuple[int, int]], limits: Mapping[str, Any]
) -> list[tuple[float, str]]:
    faults: list[tuple[float, str]] = []
    size = (row["width_px"], row["height_px"])
    wanted = stated.get(row["image"])
    if wanted is not None and None not in wanted and size != wanted:
        faults.append((float(size[0]), f"{size[0]}x{size[1]} px, the camera says {wanted[0]}x{wanted[1]}"))
    if row["entropy_bit"] < limits["min_entropy_bit"]:
        faults.append((row["entropy_bit"], f"grey-level entropy {row['entropy_bit']:.2f} bit: blank"))
    if not limits["min_mean"] <= row["mean"] <= limits["max_mean"]:
        faults.append((row["mean"], f"mean grey level {row['mean']:.0f}: badly exposed"))
    if row["clipped_share"] > limits["max_clipped"]:
        faults.append((row["clipped_share"], f"{row['clipped_share']:.0%} of the pixels are black or white"))
    if row["flat_share"] > limits["max_flat"]:
        text = f"{row['flat_share']:.0%} of the lower third has no structure: ground not loaded"
        faults.append((row["flat_share"], text))
    if row["sharpness"] < limits["min_sharpness"]:
        faults.append((row["sharpness"], f"Laplacian variance {row['sharpness']:.2f}: out of focus"))
    return faults
