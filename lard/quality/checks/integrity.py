"""Whether pictures are what their source was meant to produce: whole, lively and free of foreign marks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from lard.quality.checks.appearance import CLEAR_M, looks
from lard.quality.checks.framing import coded, framed, single_bars, single_lines, spotted
from lard.quality.checks.marks import group_marks, undeclared
from lard.quality.checks.tears import rolled_rows, torn, torn_columns
from lard.quality.dataset import Dataset
from lard.quality.frames import daylit, subject_of
from lard.quality.labels import label_name
from lard.quality.measures.pictures import COLOURS_PX
from lard.quality.model import Offence, Outcome, inconclusive
from lard.quality.registry import check

WATER_BLUE = 15.0  # grey levels of blue over red


@check(
    "DQR-I04",
    "Pictures decode, have their size, and are not blank, frozen, torn, badly exposed or watermarked",
    severity="error",
    rationale="Simulators freeze, tiles fail to load and transfers break off; training goes on regardless.",
    objective="integrity",
    thresholds={
        "min_entropy_bit": 3.0,
        "min_dim_entropy_bit": 0.5,
        "min_mean": 15.0,
        "max_mean": 240.0,
        "max_clipped": 0.5,
        "max_flat": 0.6,
        "min_sharpness": 1.0,
        "max_jump_ratio": 3.0,
        "max_jump_share": 0.65,
        "watermark_px": 0,
        "overlay_samples": 48,
    },
)
def pictures_sane(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """One pass over all pictures; rows that jump; and what stands still in all pictures of a source."""
    bands, offences = declared_bands(data, limits)
    offences += labels_in_bands(data, bands)
    if "images" not in data.parts:
        if not offences and not any(bands.values()):
            if data.manifest is None:
                return Outcome(None, "the dataset has no pictures")
            remedy = "put the pictures that the manifest lists below the dataset's folder"
            return inconclusive("none of the pictures that the manifest lists is there", remedy)
        text = f"no pictures; {len(offences)} labels reach into the declared watermark bands"
        return Outcome(not offences, text, float(len(offences)), 0.0, tuple(offences), len(bands))
    pictures = data.pictures.sort("image")
    stated: dict[str, tuple[int, int]] = {}
    if data.frames is not None:
        rows = data.frames.select("frame_id", "width_px", "height_px").iter_rows()
        stated = {data.image_of.get(str(f), ""): (w, h) for f, w, h in rows}
    dim: set[str] = set()
    hazy: set[str] = set()
    if data.frames is not None:
        dim = set(data.frames.filter(~daylit(data, data.frames))["frame_id"].to_list())
        if "visibility_m" in data.frames.columns:
            hazy = set(data.frames.filter(pl.col("visibility_m") < CLEAR_M)["frame_id"].to_list())
    before = None
    for row in pictures.iter_rows(named=True):
        subject = subject_of(data, row["image"])
        if row["fault"]:
            offences.append(Offence(subject, None, f"{row['image']}: {row['fault']}"))
            before = None
            continue
        offences += [
            Offence(subject, value, text)
            for value, text in _faults(row, stated, limits, subject in dim, subject in hazy)
        ]
        if before is not None and before["pixel_hash"] == row["pixel_hash"]:
            text = f"same pixels as the frame before ({before['image']}): the source was frozen"
            offences.append(Offence(subject, None, text))
        before = row
    tears = [*torn(data, pictures, bands, limits), *torn_columns(data, pictures, limits)]
    named = {offence.subject for offence in tears}
    offences += tears + [one for one in rolled_rows(data, pictures) if one.subject not in named]
    offences += [*single_bars(data, pictures, bands), *single_lines(data, pictures)]
    still, looked_at = undeclared(data, pictures, bands, int(limits["overlay_samples"]))
    still += group_marks(data, pictures, bands, still)
    odd = [*looks(data, pictures), *framed(data, pictures, bands), *coded(data, pictures)]
    odd += spotted(data, pictures)
    offences += [*still, *odd]
    good = pictures.filter(pl.col("fault") == "")
    bad = len({offence.subject for offence in offences} & set(map(str, data.frame_of.values())))
    message = f"{len(pictures) - bad} of {len(pictures)} pictures are sane"
    if len(good):
        entropy, mean = (float(np.min(good[name].to_numpy())) for name in ("entropy_bit", "mean"))
        message += f"; entropy from {entropy:.1f} bit, mean grey from {mean:.0f}"
    message += f"; watermarks looked for in {looked_at}" if looked_at else "; too few to look for watermarks"
    share = max(bad / max(len(pictures), 1), float(bool(still or odd)))
    return Outcome(not offences, message, share, 0.0, tuple(offences), len(pictures))


def _faults(
    row: Mapping[str, Any],
    stated: Mapping[str, tuple[int, int]],
    limits: Mapping[str, Any],
    dim: bool,
    hazy: bool = False,
) -> list[tuple[float, str]]:
    """Faults of one picture; a night, fog or rain excuses darkness, softness and lack of structure, thick air
    the softness."""
    faults: list[tuple[float, str]] = []
    size = (row["width_px"], row["height_px"])
    wanted = stated.get(row["image"])
    if wanted is not None and None not in wanted and size != wanted:
        faults.append((float(size[0]), f"{size[0]}x{size[1]} px, stated are {wanted[0]}x{wanted[1]}"))
    if row["coding"]:
        faults.append((1.0, f"{row['coding']}: save it again as upright 8-bit RGB"))
    if row["plain_box"]:
        x, y, width, height = row["plain_box"]
        text = f"a plain box of {width}x{height} px at column {x}, row {y}: a part of it was lost"
        faults.append((float(width * height), text))
    if dim:
        if row["entropy_bit"] < limits["min_dim_entropy_bit"]:
            faults.append((row["entropy_bit"], f"grey-level entropy {row['entropy_bit']:.2f} bit: blank"))
        return faults
    if row["entropy_bit"] < limits["min_entropy_bit"]:
        faults.append((row["entropy_bit"], f"grey-level entropy {row['entropy_bit']:.2f} bit: blank"))
    if not limits["min_mean"] <= row["mean"] <= limits["max_mean"]:
        faults.append((row["mean"], f"mean grey level {row['mean']:.0f}: badly exposed"))
    if row["clipped_share"] > limits["max_clipped"]:
        faults.append((row["clipped_share"], f"{row['clipped_share']:.0%} of the pixels are black or white"))
    if row["flat_share"] > limits["max_flat"] and not _is_water(row["colours"]):
        text = f"{row['flat_share']:.0%} of the lower third has no structure: ground not loaded"
        faults.append((row["flat_share"], text))
    if row["sharpness"] < limits["min_sharpness"] and not hazy:
        faults.append((row["sharpness"], f"Laplacian variance {row['sharpness']:.2f}: out of focus"))
    return faults


def _is_water(colours: bytes) -> bool:
    """Whether the lower third is blue: calm water is as plain as ground that is not loaded, which is grey."""
    lower = np.frombuffer(colours, np.uint8).reshape(COLOURS_PX, COLOURS_PX, 3)[-COLOURS_PX // 3 :]
    blue, _, red = lower.reshape(-1, 3).mean(axis=0)
    return bool(blue - red > WATER_BLUE)


def declared_bands(data: Dataset, limits: Mapping[str, Any]) -> tuple[dict[str, int], list[Offence]]:
    """Height of the watermark bands, above and below, that is declared of each frame, pixels.

    Declared by the spec (`dqr: I04: watermark_px`), by `watermark_px` in dataset.json, or row by row in
    LARD's `watermark_height`; the largest of them counts.
    """
    if data.frames is None:
        return {}, []
    offences, least = [], int(limits["watermark_px"])
    given = data.meta.get("watermark_px", 0)
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        least = max(least, given)
    else:
        text = f"watermark_px is {given!r}; expected the height of the bands in whole pixels"
        offences.append(Offence("dataset.json", None, text))
    ids = [str(name) for name in data.frames["frame_id"].to_list()]
    if "watermark_px" not in data.frames.columns:
        return dict.fromkeys(ids, least), offences
    rows = data.frames["watermark_px"].cast(pl.Float64, strict=False).fill_null(0.0).fill_nan(0.0).to_list()
    return {name: max(least, int(px)) for name, px in zip(ids, rows, strict=True)}, offences


def labels_in_bands(data: Dataset, bands: Mapping[str, int]) -> list[Offence]:
    """Labels whose box reaches into a declared watermark band, where the picture shows something else."""
    if data.frames is None or data.labels is None or "boxes" not in data.parts or not any(bands.values()):
        return []
    sizes = data.frames.select("frame_id", "height_px").unique("frame_id", keep="first")
    boxes = data.labels.select("frame_id", "y_min_px", "y_max_px").with_row_index("row")
    offences = []
    for row in boxes.join(sizes, on="frame_id", how="inner").drop_nulls().sort("row").iter_rows(named=True):
        band = bands.get(str(row["frame_id"]), 0)
        depth = max(band - row["y_min_px"], row["y_max_px"] - (row["height_px"] - band))
        if band and depth > 0.5:
            text = f"box reaches {depth:.1f} px into the watermark band of {band} px"
            offences.append(Offence(label_name(data, int(row["row"])), float(depth), text))
    return offences
