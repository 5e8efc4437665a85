"""What stands still in the pictures of a source or a group and is not declared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import partial

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.quality.dataset import Dataset, posed, sources_of
from lard.quality.frames import every, parallel, subject_of
from lard.quality.groups import WHOLE, groups_of
from lard.quality.measures.overlay import MIN_PICTURES, Still, still_parts
from lard.quality.measures.reading import read_plain
from lard.quality.measures.steady import steady_parts
from lard.quality.model import Offence

PER_GROUP = 14  # pictures of a group that are looked at
TURNED_DEG = 1.0  # spread of pitch and yaw in a group; where it is less, the scene itself stands still


def undeclared(
    data: Dataset, pictures: pl.DataFrame, bands: Mapping[str, int], most: int
) -> tuple[list[Offence], str]:
    """Overlays and bands that stand still in the pictures of a source and are not declared.

    A sample of each source is looked at, evenly spread; returns what was looked at as well.
    """
    groups: dict[tuple[str, int, int], list[str]] = defaultdict(list)
    sources = sources_of(data)
    for image, width, height in (
        pictures.filter(pl.col("fault") == "").select("image", "width_px", "height_px").iter_rows()
    ):
        groups[sources.get(subject_of(data, image), ""), width, height].append(image)
    offences: list[Offence] = []
    looked_at = []
    for (source, width, height), images in sorted(groups.items()):
        chosen = [images[k] for k in every(np.arange(len(images)), most).tolist()]
        read = parallel(data, range(len(chosen)), partial(_read, data, chosen), "watermarks")
        seen = [grey for grey in read if grey is not None]
        still = still_parts(seen)
        if still is None:
            continue
        name = source or "pictures"
        looked_at.append(f"{still.pictures} of {name}")
        band = min((bands.get(subject_of(data, image), 0) for image in chosen), default=0)
        offences += [
            Offence(name, size, f"{text} in all {still.pictures} of its {width}x{height} pictures looked at: "
                    "mask it, or declare watermark_px in dataset.json or the spec")
            for size, text in (_marks(still, band, height) or _steady_marks(seen, band))
        ]  # fmt: skip
    return offences, ", ".join(looked_at)


def _marks(still: Still, band: int, height: int) -> list[tuple[float, str]]:
    """Size and description of everything still beyond a declared band, whose own edge is no mark."""
    marks = []
    for px, edge in ((still.top_px, "upper"), (still.bottom_px, "lower")):
        if px > max(band + 2, 3):
            marks.append((float(px), f"the same {px} rows at the {edge} edge"))
    for o in still.overlays:
        in_declared = band and (o.y1 <= band + 3 or o.y0 >= height - band - 3)
        in_still = o.y1 <= still.top_px + 3 or o.y0 >= height - still.bottom_px - 3
        if not in_declared and not in_still:
            text = f"the same overlay at columns {o.x0} to {o.x1}, rows {o.y0} to {o.y1}"
            marks.append((float(o.y1 - o.y0), text))
    return marks


def _steady_marks(pictures: list[NDArray[np.uint8]], band: int) -> list[tuple[float, str]]:
    """Size and description of lines, text and dots that keep their level, beyond a declared band."""
    parts, single = steady_parts(pictures)
    room, height = (band + 3 if band else 0), len(pictures[0]) if pictures else 0
    marks = [
        (
            float(o.y1 - o.y0),
            f"a line or mark of one level at columns {o.x0} to {o.x1}, rows {o.y0} to {o.y1}",
        )
        for o in parts
        if not band or (o.y1 > room and o.y0 < height - room)
    ]
    if single:
        marks.append((float(single), f"{single} single pixels of one level, as of dead cells,"))
    return marks


def _read(data: Dataset, images: list[str], k: int) -> NDArray[np.uint8] | None:
    return read_plain(data.root / images[k], cv2.IMREAD_GRAYSCALE)


def group_marks(
    data: Dataset, pictures: pl.DataFrame, bands: Mapping[str, int], known: list[Offence]
) -> list[Offence]:
    """The same of each airport, set, zone and camera, in small; not where a whole source has its own."""
    if data.frames is None or known or not {"pose"} <= data.parts:
        return []
    frames = data.frames.filter(posed()).unique("frame_id", keep="first", maintain_order=True)
    good = pictures.filter(pl.col("fault") == "").select("image", "width_px", "height_px")
    size = {image: (width, height) for image, width, height in good.iter_rows()}
    chosen: list[tuple[str, list[str]]] = []
    for group, ids in groups_of(data).items():
        here = frames.filter(pl.col("frame_id").cast(pl.String).is_in(list(ids)))
        named = [data.image_of.get(str(name), "") for name in here["frame_id"].to_list()]
        images = [image for image in named if image in size]
        whole = group == WHOLE or group.startswith("source ")
        if not whole and len(images) >= MIN_PICTURES and len({size[i] for i in images}) == 1 and _turns(here):
            chosen.append((group, [images[k] for k in every(np.arange(len(images)), PER_GROUP).tolist()]))

    def look(k: int) -> tuple[Still | None, list[tuple[float, str]]]:
        read = [_read(data, chosen[k][1], one) for one in range(len(chosen[k][1]))]
        seen = [grey for grey in read if grey is not None]
        band = max(bands.get(subject_of(data, image), 0) for image in chosen[k][1])
        still = still_parts(_half(grey) for grey in seen)
        return still, _steady_marks(seen, band) if still is not None and not still.overlays else []

    offences = []
    found = parallel(data, range(len(chosen)), look, "marks of groups")
    for (group, images), (still, steady) in zip(chosen, found, strict=True):
        for size_px, text in steady:
            text = f"{text} in all {len(images)} of its pictures looked at"
            offences.append(Offence(group, size_px, text))
        band = max(bands.get(subject_of(data, image), 0) for image in images)
        for o in still.overlays if still is not None else ():
            if not band or (2 * o.y0 >= band and 2 * o.y1 <= size[images[0]][1] - band):
                text = (
                    f"the same overlay at columns {2 * o.x0} to {2 * o.x1}, rows {2 * o.y0} to {2 * o.y1} in "
                    f"{len(images)} of its pictures looked at"
                )
                offences.append(Offence(group, float(2 * (o.y1 - o.y0)), text))
    return offences


def _turns(frames: pl.DataFrame) -> bool:
    """Whether the camera looks into different directions in a group's frames."""
    pitch = frames["pitch_deg"].to_numpy().astype(np.float64)
    yaw = np.radians(frames["yaw_deg"].to_numpy().astype(np.float64))
    turned = np.degrees(np.abs(np.angle(np.exp(1j * (yaw - yaw[0])))))
    return bool(pitch.std() > TURNED_DEG and turned.std() > TURNED_DEG)


def _half(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    size = (max(grey.shape[1] // 2, 1), max(grey.shape[0] // 2, 1))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
