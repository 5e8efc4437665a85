"""Pictures of each airport against its others: whether all show the same ground where poses put it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.camera import DISTORTION
from lard.progress import track
from lard.quality.dataset import CAMERA, POSE, Dataset, posed, with_distortion
from lard.quality.frames import daylit
from lard.quality.measures.ground import (
    SMALL_PX,
    Match,
    Reference,
    Views,
    correlation,
    from_plane,
    match,
    reference,
    unpacked,
    views,
)
from lard.quality.measures.offsets import Offset, offsets, shared
from lard.quality.measures.rolled import Rolled, rolled

Array = NDArray[np.float64]

NEIGHBOURS, LEAST_OVERLAP = 6, 0.05
LEAST_SEEN = 0.1  # of a picture, by its neighbours together
FEWEST = 12  # pictures of an airport
AGREEING = 0.2  # median correlation of an airport's pictures that show the same ground: strangers have 0.05
# correlations of 1,476 clean pictures: a mirrored one is never better by 0.03, a displaced one by 0.15, that
# of another frame by 0.12
MIRRORED, DISPLACED, EXCHANGED = 0.12, 0.2, 0.2
SIGMAS, SHOWN = 3.5, 0.25
LEAST_PX, LEAST_SIGMAS = 0.75, 6.0  # of a zone: 0.6 % of the width; clean ones have 0.5 px at most, by relief
STRANGE = 0.12  # correlation of a picture that may be of another frame


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What pictures show beside their neighbours. judged: correlation of each frame; findings: frame, value,
    what it looks like; rolled: runs of rows aside; offsets: displacements of pairs, by airport."""

    judged: Mapping[str, float]
    findings: tuple[tuple[str, float, str], ...]
    rolled: Mapping[str, Rolled]
    offsets: Mapping[str, tuple[Offset, ...]]
    unlike: tuple[str, ...]  # airports whose pictures do not show the same ground


def neighbours(data: Dataset) -> Neighbours:
    """Compare the pictures of every airport that has FEWEST of them by day; worked out once for a dataset."""
    if "neighbours" not in data.shared:
        data.shared["neighbours"] = _compared(data)
    found = data.shared["neighbours"]
    assert isinstance(found, Neighbours)
    return found


def _compared(data: Dataset) -> Neighbours:
    judged: dict[str, float] = {}
    findings: list[tuple[str, float, str]] = []
    aside: dict[str, Rolled] = {}
    pairs: dict[str, tuple[Offset, ...]] = {}
    unlike = []
    places = _places(data)
    for place, frames in track(places, "pictures beside their neighbours", unit="airports"):
        ids, zones, all_ = _views(data, frames)
        if all_ is None or len(ids) < FEWEST:
            continue
        near = [_nearest(all_, i) for i in range(len(ids))]
        expected = {i: one for i in range(len(ids)) if (one := _expected(all_, i, near[i])) is not None}
        matches = {i: match(all_.structure[i], one) for i, one in expected.items()}
        values = [one.here for one in matches.values()]
        if len(values) < FEWEST or float(np.median(values)) < AGREEING:
            unlike += [place] if len(values) >= FEWEST else []
            continue
        judged |= {ids[i]: one.here for i, one in matches.items()}
        named = _named(all_, near, expected, matches, ids, int(frames["width_px"][0]))
        findings += [(ids[i], matches[i].here, text) for i, text in named.items()]
        runs = {ids[i]: rolled(all_.structure[i], one) for i, one in expected.items() if i not in named}
        aside |= {name: run for name, run in runs.items() if run is not None}
        pairs[place] = offsets(all_, zones)
    return Neighbours(judged, tuple(findings), aside, pairs, tuple(unlike))


def _places(data: Dataset) -> list[tuple[str, pl.DataFrame]]:
    """Frames of each airport and size of pictures, by day, with pose, camera and a runway that is known."""
    if data.frames is None or not {"pose", "camera", "runways", "images", "airports"} <= data.parts:
        return []
    frames = (
        with_distortion(data.frames.drop_nulls([*CAMERA, "airport", "earth_model"]))
        .filter(posed() & pl.all_horizontal(pl.col(name) > 0 for name in CAMERA[:4]))
        .unique("frame_id", keep="first", maintain_order=True)
    )
    frames = frames.filter(daylit(data, frames))
    drawn = data.pictures.filter(pl.col("fault") == "").select("image", "small").drop_nulls()
    pictured = dict(drawn.iter_rows())
    ids = frames["frame_id"].cast(pl.String).to_list()
    frames = frames.with_columns(
        pl.Series("small", [pictured.get(data.image_of.get(name, "")) for name in ids], dtype=pl.Binary)
    ).drop_nulls("small")
    known = data.runway_corners["airport"].unique().to_list()
    groups = frames.filter(pl.col("airport").is_in(known)).partition_by(
        "airport", "earth_model", "width_px", "height_px", maintain_order=True
    )
    return [(str(part["airport"][0]), part) for part in groups if len(part) >= FEWEST]


def _views(data: Dataset, frames: pl.DataFrame) -> tuple[list[str], list[str], Views | None]:
    """Frame ids and zones of the pictures that can be compared, and the pictures."""
    corners = data.runway_corners.filter(pl.col("airport") == frames["airport"][0])["corners"].to_list()
    pose = {name: frames[name].to_numpy().astype(np.float64) for name in POSE}
    camera = {name: frames[name].to_numpy().astype(np.float64) for name in (*CAMERA, *DISTORTION)}
    greys = [
        unpacked(small, {name: float(values[k]) for name, values in camera.items()})
        for k, small in enumerate(frames["small"].to_list())
    ]
    # a picture of another shape than stated is DQR-I04's
    shape = next((grey.shape for grey in greys if grey is not None and grey.shape[1] == SMALL_PX), None)
    kept = [k for k, grey in enumerate(greys) if grey is not None and grey.shape == shape]
    if len(kept) < FEWEST:
        return [], [], None
    points = np.array(corners, np.float64).reshape(-1, 3)
    earth = str(frames["earth_model"][0])
    maps, level = (from_plane(points, pose, camera, earth, flat) for flat in (False, True))
    names = frames["frame_id"].cast(pl.String).to_list()
    zones = frames["zone"].fill_null("").to_list() if "zone" in frames.columns else [""] * len(names)
    return (
        [names[k] for k in kept],
        [str(zones[k]) for k in kept],
        views([g for k in kept if (g := greys[k]) is not None], maps[kept], level[kept]),
    )


def _named(
    all_: Views,
    near: list[list[int]],
    expected: Mapping[int, Reference],
    matches: Mapping[int, Match],
    ids: list[str],
    width: int,
) -> dict[int, str]:
    """What the pictures that disagree with their neighbours look like, but those whose neighbours do."""

    def text(i: int, one: Reference, found: Match) -> str:
        said = _mirrored(all_, i, one, found) or _displaced(found, width)
        return said or _exchanged(all_, i, found, near, expected, ids)

    first = {i: said for i, found in matches.items() if (said := text(i, expected[i], found))}
    kept: dict[int, str] = {}
    for i in first:
        others = [j for j in near[i] if j not in first]
        one = expected[i] if len(others) == len(near[i]) else _expected(all_, i, others)
        if one is None:
            continue
        said = text(i, one, match(all_.structure[i], one))
        kept |= {i: said} if said else {}
    return kept


def _nearest(all_: Views, i: int) -> list[int]:
    order = np.argsort(-all_.overlap[i], kind="stable")[:NEIGHBOURS]
    return [int(j) for j in order if all_.overlap[i, j] > LEAST_OVERLAP]


def _expected(all_: Views, i: int, others: list[int]) -> Reference | None:
    if not others:
        return None
    found = reference(all_, i, others)
    return found if float(found.seen.mean()) >= LEAST_SEEN else None


def _mirrored(all_: Views, i: int, expected: Reference, found: Match) -> str:
    """Said of a picture that fits its neighbours far better mirrored; DQR-I05 sees those upside down."""
    if found.here > AGREEING:
        return ""
    score = correlation(np.ascontiguousarray(all_.structure[i][:, ::-1]), expected)
    return "looks mirrored left-right" if score > max(found.here, 0.0) + MIRRORED else ""


def _displaced(found: Match, width: int) -> str:
    if found.elsewhere < found.here + DISPLACED or found.sigmas < SIGMAS:
        return ""
    right, down = (px * width / SMALL_PX for px in (found.right_px, found.down_px))
    return f"looks shifted by about ({right:+.0f}, {down:+.0f}) px"


def _exchanged(
    all_: Views,
    i: int,
    found: Match,
    near: list[list[int]],
    expected: Mapping[int, Reference],
    ids: list[str],
) -> str:
    """The frame of the same airport whose neighbours a picture agrees with, not with its own."""
    if found.here > STRANGE:
        return ""
    best, other = 0.0, -1
    for k, usual in expected.items():
        if k == i:
            continue
        # the picture says nothing about itself
        one = _expected(all_, k, [j for j in near[k] if j != i]) if i in near[k] else usual
        value = correlation(all_.structure[i], one) if one is not None else 0.0
        if value > best:
            best, other = value, k
    if best < SHOWN or best < found.here + EXCHANGED:
        return ""
    return f"shows another frame: {ids[other]}"


def displaced_groups(found: Neighbours, width_of: Mapping[str, int]) -> list[tuple[str, float, str]]:
    """Airports' zones whose pictures are displaced against those of other zones and directions: group, pixels
    and what is said. width_of: of the pictures of each airport."""
    findings = []
    for place, pairs in found.offsets.items():
        scale = width_of.get(place, SMALL_PX) / SMALL_PX
        for zone, one in shared(pairs).items():
            size = float(np.hypot(*one.px))
            error = float(np.hypot(*(one.px / max(size, 1e-9) * one.error)))
            if size > LEAST_PX + one.level_px and size > LEAST_SIGMAS * error:
                right, down = one.px * scale
                text = (
                    f"the pictures look shifted by about ({right:+.0f}, {down:+.0f}) px against those of "
                    f"other zones and directions ({one.pairs} pairs, {size / max(error, 1e-9):.0f} "
                    "standard deviations)"
                )
                name = f"airport {place}, zone {zone}" if zone else f"airport {place}"
                findings.append((name, size * scale, text))
    return findings
