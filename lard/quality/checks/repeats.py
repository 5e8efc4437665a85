"""Independence: no picture, no pose and no set of boxes twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from lard.quality.checks.copied import copied
from lard.quality.dataset import BOX, POSE, Dataset, posed
from lard.quality.frames import subject_of
from lard.quality.measures import geometry
from lard.quality.measures.likeness import near_pairs, turned_pairs
from lard.quality.model import Offence, Outcome
from lard.quality.registry import check


@check(
    "DQR-U01",
    "No picture and no pose occurs twice",
    severity="error",
    rationale="Repeated samples count twice in every statistic and may sit on both sides of a split.",
    objective="independence",
    thresholds={"max_near_share": 0.005, "near_bits": 6, "position_m": 0.5, "attitude_deg": 0.05},
    needs=("frames",),
)
def unique(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Equal files, pictures that look alike (256-bit gradient hash; sketches, then block by block, whatever
    their exposure and crop), and poses that coincide."""
    assert data.frames is not None
    offences, near, pictures = [], [], 0
    pairs: list[tuple[str, str]] = []
    if "images" in data.parts:
        good = data.pictures.filter(pl.col("fault") == "").sort("image")
        pictures = len(good)
        first: dict[str, str] = {}
        for image, digest in good.select("image", "pixel_hash").iter_rows():
            if digest in first:
                text = f"same picture as {first[digest]}{_across(data, first[digest], image)}"
                offences.append(Offence(subject_of(data, image), None, f"{image}: {text}"))
            first.setdefault(digest, image)
        distinct = good.unique("pixel_hash", keep="first", maintain_order=True)
        most = int(limits["near_bits"])
        alike = [(a, b, f", {bits} of 256 bits differ") for a, b, bits in near_pairs(distinct, most)]
        alike += [(a, b, f" {turn}") for a, b, turn in turned_pairs(distinct, most)]
        pairs = [(a, b) for a, b, _ in alike]
        for a, b, how in alike:
            text = f"{b}: looks like {a}{how}{_across(data, a, b)}"
            near.append(Offence(subject_of(data, b), None, text))
        sure, doubtful = copied(data, distinct, set(pairs))
        for copies, kept in ((sure, offences), (doubtful, near)):
            kept += [
                Offence(subject_of(data, b), value, f"{text}{_across(data, a, b)}")
                for a, b, value, text in copies
            ]
        pairs += [(a, b) for a, b, _, _ in doubtful]
    else:
        offences += _repeated_boxes(data)
    offences += _in_two_sets(data.frames)
    offences += _repeated_poses(data, float(limits["position_m"]), float(limits["attitude_deg"]))
    sets = data.split_of
    across = [o for o, (a, b) in zip(near, pairs, strict=True) if sets.get(a) != sets.get(b)]
    share = len({offence.subject for offence in near}) / max(pictures, 1)
    allowed = float(limits["max_near_share"])
    offences += near if share > allowed else across
    exact = len({offence.subject for offence in offences}) if share <= allowed else None
    message = f"{share:.2%} of {pictures} pictures look like another; " + (
        f"{exact} exact repeats" if exact is not None else "too many near repeats"
    )
    message += "" if "pose" in data.parts else "; no poses to compare"
    return Outcome(
        not offences, message, float(len(offences)), 0.0, tuple(offences), max(pictures, len(data.frames))
    )


def _across(data: Dataset, a: str, b: str) -> str:
    """A note where two pictures are in different sets."""
    one, two = data.split_of.get(a), data.split_of.get(b)
    return f"; they are in the sets {one} and {two}" if one and two and one != two else ""


def _in_two_sets(frames: pl.DataFrame) -> list[Offence]:
    """Frames that are in more than one set under their own name."""
    sets = frames.select("frame_id", "split").drop_nulls().unique().sort("frame_id", "split")
    twice = sets.group_by("frame_id", maintain_order=True).agg("split").filter(pl.col("split").list.len() > 1)
    return [
        Offence(str(name), None, f"in the sets {' and '.join(splits)}") for name, splits in twice.iter_rows()
    ]


def _repeated_boxes(data: Dataset) -> list[Offence]:
    """Frames with the very boxes of another, in a dataset without pictures, poses and time."""
    if data.labels is None or "boxes" not in data.parts or "pose" in data.parts:
        return []
    frames = data.frames.select("frame_id", "width_px", "height_px").unique("frame_id", keep="first")  # type: ignore[union-attr]
    rows = (
        data.labels.select("frame_id", *BOX).drop_nulls().unique(maintain_order=True).sort("frame_id", *BOX)
    )
    boxes = rows.group_by("frame_id", maintain_order=True).agg(pl.concat_list(BOX).alias("boxes"))
    seen: dict[tuple[Any, ...], str] = {}
    offences = []
    for name, found, width, height in (
        boxes.join(frames, on="frame_id", how="inner").sort("frame_id").iter_rows()
    ):
        key = (width, height, *(round(v, 3) for box in found for v in box))
        if key in seen:
            one, two = data.split_of.get(seen[key]), data.split_of.get(name)
            where = f"; they are in the sets {one} and {two}" if one != two else ""
            offences.append(
                Offence(str(name), None, f"same boxes as {seen[key]}, to a thousandth of a pixel{where}")
            )
        seen.setdefault(key, str(name))
    return offences


def _repeated_poses(data: Dataset, position_m: float, attitude_deg: float) -> list[Offence]:
    """Frames of one source whose pose equals an earlier one's within the tolerances."""
    if "pose" not in data.parts:
        return []
    assert data.frames is not None
    frames = data.frames.filter(posed()).unique("frame_id", keep="first", maintain_order=True)
    if data.manifest is not None:
        source = data.manifest.select("frame_id", "source").unique("frame_id", keep="first")
        frames = frames.join(source, on="frame_id", how="left", maintain_order="left")
    else:
        frames = frames.with_columns(pl.lit("").alias("source"))
    pose = frames.select(POSE).to_numpy().astype(np.float64)
    points = geometry.cart(pose[:, :3], "wgs84")
    order = np.argsort(points[:, 0], kind="stable")
    ids, sources = frames["frame_id"].to_list(), frames["source"].to_list()
    offences = []
    for place, k in enumerate(order):
        for other in order[place + 1 :]:
            if points[other, 0] - points[k, 0] > position_m:
                break
            turn = np.abs((pose[other, 3:] - pose[k, 3:] + 180) % 360 - 180).max()
            near = np.linalg.norm(points[other] - points[k]) <= position_m and turn <= attitude_deg
            if near and sources[other] == sources[k]:
                a, b = sorted((ids[k], ids[other]))
                offences.append(Offence(b, None, f"same pose as {a}"))
    return sorted(offences, key=lambda offence: offence.subject)
