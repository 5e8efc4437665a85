"""Whether pictures show the horizon where the pose says: every picture coarsely, a sample finely."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.quality.dataset import CAMERA, Dataset, posed
from lard.quality.frames import far_sighted, grey_of, horizons, parallel
from lard.quality.groups import WHOLE, groups_of, members, sampled
from lard.quality.measures.coarse import lines_along, read_small
from lard.quality.measures.horizon import (
    RESOLVED,
    Level,
    horizon_offset,
    horizon_tilt,
    level_profile,
    stacked_level,
)
from lard.quality.measures.pictures import COLOURS_PX
from lard.quality.measures.sketch import Sketches, sketches, sky_below
from lard.quality.model import Offence, Outcome, inconclusive
from lard.quality.registry import check
from lard.quality.skyline import behind_hills

Array = NDArray[np.float64]

PER_GROUP = 12
HAZY_M = 20_000.0
FEWEST = 8  # pictures of a group that is judged on its own
SURE = 5.0  # standard deviations of a stack of horizons that are seen
STRENGTH = 0.6  # the same of a single picture on average, below which any picture agrees
CLEARER, PLAINLY = 2.0, 1.25  # by how much, and how many times, they must be clearer elsewhere
HAZE = 0.02  # of the height: how far haze may draw the visible edge down
TILT_SIGMAS = 4.0
SKY_BELOW = 0.0  # grey levels; in clear air it is darker or less blue below a horizon, by 50 and more
REMEDY = "add pictures by day in clear air that show the horizon"


@check(
    "DQR-I05",
    "The horizon is where the pose says",
    severity="error",
    rationale="Attitude of another convention, or a picture of another pose, shows at the horizon at once.",
    objective="accuracy",
    thresholds={
        "max_median": 0.01,
        "outlier": 0.02,
        "max_outlier_share": 0.05,
        "max_tilt_deg": 0.4,
        "max_samples": 300,
        "min_visibility_m": 10_000.0,
    },
    needs=("images", "pose", "camera"),
)
def horizon_true(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Lay the horizons of all frames over all pictures, small, also mirrored and rotated; then, in a sample,
    find the sky's lower edge: its distance from the pose's horizon, over the picture's height. Under clouds,
    where that edge is not the first, the horizons of many pictures are searched together."""
    assert data.frames is not None
    frames = (
        data.frames.drop_nulls(list(CAMERA))
        .filter(posed() & pl.all_horizontal(pl.col(name) > 0 for name in CAMERA[:4]))
        .unique("frame_id", keep="first", maintain_order=True)
    )
    whole = len(frames)
    frames = frames.filter(far_sighted(data, frames, float(limits["min_visibility_m"])))
    hilly = behind_hills(data, frames)
    frames = frames.filter(~hilly)
    if not len(frames):
        if data.frames.filter(posed()).is_empty():
            return Outcome(None, "no frame has a pose and a camera")
        hills = f"; hills stand above the horizon of {len(hilly)}" if len(hilly) else ""
        return Outcome(None, f"none of {whole} frames is by day, in clear air and without rain{hills}")
    groups = groups_of(data)
    lines, ids = horizons(data, frames), frames["frame_id"].cast(pl.String).to_list()
    limit, beyond = float(limits["max_median"]), float(limits["outlier"])
    # clouds would be taken for the sky's lower edge
    plain = pl.col("cloud_fraction") <= 0 if "cloud_fraction" in frames.columns else pl.lit(True)
    clear = frames.with_columns(plain.fill_null(True).alias("clear"))["clear"].to_numpy()
    small = _sketches(data, ids, lines, frames, ~clear | _hazy(frames))
    offences = _turned(small, groups) or _strangers(data, small, lines, frames, beyond)
    named = {offence.subject for offence in offences}
    upside_down = _upside_down(data, lines[clear], frames.filter(clear))
    offences += [one for one in upside_down if one.subject not in named]
    seen, tilts = _fine(data, frames.filter(clear), lines[clear], groups, int(limits["max_samples"]))
    fine = _fine_offences(seen, groups, limit, beyond, float(limits["max_outlier_share"]))
    named = {offence.subject for offence in offences}
    offences += [offence for offence in fine if offence.subject not in named]
    named = {offence.subject for offence in offences}
    offences += [o for o in _tilted(tilts, groups, float(limits["max_tilt_deg"])) if o.subject not in named]
    profiles = _profiles(data, frames.filter(~clear), lines[~clear], groups, int(limits["max_samples"]))
    named = {offence.subject for offence in offences}
    offences += [o for o in _level_offences(profiles, groups, limit, beyond) if o.subject not in named]
    message = f"{len(small.ids)} of {whole} pictures are by day, in clear air and have a horizon to look for"
    if hilly.any():
        message += f" ({hilly.sum()} more have hills of the shipped relief above it)"
    median = float(np.median(np.abs(list(seen.values())))) if seen else None
    if seen:
        far = float(np.mean(np.abs(list(seen.values())) > beyond))
        message += (
            f"; found in {len(seen)} of a sample: median distance {median:.2%} of the height, "
            f"{far:.0%} beyond {beyond:.0%}"
        )
    if offences:
        # a median within its limit is not what fails: then the number of findings is
        off = median is not None and median > limit
        figures = (median, limit) if off else (float(len({o.subject for o in offences})), 0.0)
        return Outcome(False, message, *figures, tuple(offences), len(small.ids))
    if len(seen) < 5:
        level = stacked_level(list(profiles.values()), limit) if len(profiles) >= FEWEST else None
        if level is not None and _is_seen(level, len(profiles)) and abs(level.down) <= limit + RESOLVED:
            text = (
                f"{message}; under clouds {len(profiles)} together show theirs {level.down:+.1%} of the "
                f"height below its place, with {level.sigmas:.0f} standard deviations"
            )
            return Outcome(True, text, abs(level.down), limit + RESOLVED, (), len(small.ids))
        if not len(small.ids):
            return Outcome(None, f"the pose puts no horizon into any of {len(ids)} pictures")
        text = f"{message}; a horizon could be found in {len(seen)} of them only"
        if level is not None:
            text += f"; {len(profiles)} under clouds show theirs with {level.here:.1f} standard deviations"
        return inconclusive(text, REMEDY, len(ids))
    return Outcome(True, message, median, limit, (), len(small.ids))


def _sketches(
    data: Dataset, ids: list[str], lines: Array, frames: pl.DataFrame, veiled: NDArray[np.bool_]
) -> Sketches:
    drawn = dict(data.pictures.select("image", "sketch").iter_rows())
    sizes = frames.select("width_px", "height_px").to_numpy().astype(np.float64)
    return sketches(ids, [drawn.get(data.image_of.get(name, "")) for name in ids], lines, sizes, veiled)


def _hazy(frames: pl.DataFrame) -> NDArray[np.bool_]:
    """Frames (n) whose stated visibility may hide the horizon, though not the edges of fields before it."""
    if "visibility_m" not in frames.columns:
        return np.zeros(len(frames), np.bool_)
    return (frames["visibility_m"] < HAZY_M).fill_null(False).to_numpy()


def _turned(small: Sketches, groups: Mapping[str, frozenset[str]]) -> list[Offence]:
    """Groups that look mirrored or rotated."""
    offences = []
    for name, ids in groups.items():
        inside = members(small.ids, ids)
        view = small.view(inside) if inside.sum() >= (1 if name == WHOLE else FEWEST) else ""
        if view:
            text = f"the pictures look {view} ({int(inside.sum())} pictures)"
            offences.append(Offence(name, None, text))
    return offences


def _strangers(
    data: Dataset, small: Sketches, lines: Array, frames: pl.DataFrame, beyond: float
) -> list[Offence]:
    """Pictures that show a horizon far from their own, at a glance and when the sky's edge is looked for."""
    rows = {str(name): k for k, name in enumerate(frames["frame_id"].to_list())}
    heights = frames["height_px"].to_numpy()
    offences = []
    for name, value, text in small.strangers():
        grey = grey_of(data, name)
        offset = None if grey is None else horizon_offset(grey, lines[rows[name]])
        # a coast may stand out more than the horizon above it, which is where it should be all the same
        if offset is None or abs(offset) > beyond * float(heights[rows[name]]):
            offences.append(Offence(name, value, text))
    return offences


def _upside_down(data: Dataset, lines: Array, frames: pl.DataFrame) -> list[Offence]:
    """Pictures that show the sky below their horizon, where the air is stated to be clear, without clouds."""
    if "visibility_m" not in frames.columns:
        return []
    drawn = dict(data.pictures.select("image", "colours").drop_nulls().iter_rows())
    ids = frames["frame_id"].cast(pl.String).to_list()
    offences = []
    for name, line, size in zip(ids, lines, frames.select("width_px", "height_px").rows(), strict=True):
        raw = drawn.get(data.image_of.get(name, ""))
        if raw is None:
            continue
        value = sky_below(np.frombuffer(raw, np.uint8).reshape(COLOURS_PX, COLOURS_PX, 3), line, size)
        if value is not None and value > SKY_BELOW:
            text = f"looks upside down: below its horizon it is bluer and brighter by {value:.0f} grey levels"
            offences.append(Offence(name, value, text))
    return offences


def _fine(
    data: Dataset, frames: pl.DataFrame, lines: Array, groups: dict[str, frozenset[str]], most: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Distance of the sky's edge from the horizon where found in a sample, over the height, downwards, and
    its turn against it, degrees clockwise."""
    ids = frames["frame_id"].cast(pl.String).to_list()
    heights = frames["height_px"].to_numpy().astype(np.float64)
    rows = np.flatnonzero(members(ids, frozenset(sampled(ids, groups, most, PER_GROUP))))

    def fit(k: int) -> tuple[float | None, float | None]:
        grey = grey_of(data, ids[k])
        return (
            (None, None) if grey is None else (horizon_offset(grey, lines[k]), horizon_tilt(grey, lines[k]))
        )

    found = parallel(data, rows.tolist(), fit, "horizon against picture")
    every = list(zip([ids[k] for k in rows.tolist()], heights[rows], _hazy(frames)[rows], found, strict=True))
    # where haze swallows the horizon, the first edge is of fields well below it, and turned as they are
    every = [one for one in every if not (one[2] and one[3][0] is not None and one[3][0] > HAZE * one[1])]
    offsets = {name: float(down) / height for name, height, _, (down, _) in every if down is not None}
    return offsets, {name: tilt for name, _, _, (_, tilt) in every if tilt is not None}


def _tilted(tilts: Mapping[str, float], groups: Mapping[str, frozenset[str]], limit: float) -> list[Offence]:
    """Groups whose horizons are turned against the stated roll, by more than mountains explain."""
    offences = []
    for name, ids in groups.items():
        values = np.array([value for one, value in tilts.items() if one in ids])
        if len(values) < FEWEST:
            continue
        middle = float(np.median(values))
        error = 1.25 * 1.48 * float(np.median(np.abs(values - middle))) / np.sqrt(len(values))
        if abs(middle) > max(limit, TILT_SIGMAS * error):
            text = (
                f"the horizon is turned by {middle:+.2f} degrees clockwise against the stated roll, in the "
                f"median ({len(values)} pictures)"
            )
            offences.append(Offence(name, abs(middle), text))
    return offences


def _profiles(
    data: Dataset, frames: pl.DataFrame, lines: Array, groups: dict[str, frozenset[str]], most: int
) -> dict[str, Array]:
    """How well pictures of a sample agree with their horizon moved downwards, small (see `level_profile`)."""
    ids = frames["frame_id"].cast(pl.String).to_list()
    sizes = frames.select("width_px", "height_px").rows()
    rows = np.flatnonzero(members(ids, frozenset(sampled(ids, groups, most, PER_GROUP))))

    def look(k: int) -> Array | None:
        grey = read_small(data.root / data.image_of.get(ids[k], ""), sizes[k][0])
        return (
            None if grey is None else level_profile(grey, lines_along(lines[k][:-1], lines[k][1:], sizes[k]))
        )

    found = parallel(data, rows.tolist(), look, "horizon under clouds")
    return {ids[k]: one for k, one in zip(rows.tolist(), found, strict=True) if one is not None}


def _is_seen(level: Level, count: int) -> bool:
    return level.sigmas >= max(SURE, STRENGTH * np.sqrt(count))


def _level_offences(
    profiles: Mapping[str, Array], groups: Mapping[str, frozenset[str]], limit: float, beyond: float
) -> list[Offence]:
    """Groups under clouds whose horizons are seen plainly, and elsewhere."""
    offences = []
    for name, ids in groups.items():
        inside = [profile for one, profile in profiles.items() if one in ids]
        if len(inside) < FEWEST:
            continue
        # mountains round one airport raise its horizon
        level = stacked_level(inside, limit if name == WHOLE else beyond)
        hazy = 0 < level.down <= HAZE + RESOLVED
        clearer = level.sigmas > max(level.here + CLEARER, PLAINLY * level.here)
        if _is_seen(level, len(inside)) and clearer and not hazy:
            text = (
                f"under clouds the horizon looks {level.down:+.1%} of the height below where the pose puts "
                f"it ({len(inside)} pictures, {level.sigmas:.0f} standard deviations)"
            )
            offences.append(Offence(name, abs(level.down), text))
    return offences


def _fine_offences(
    seen: Mapping[str, float], groups: Mapping[str, frozenset[str]], limit: float, beyond: float, share: float
) -> list[Offence]:
    """Pictures of groups whose horizon is off in the median, or too far off in too many."""
    found: dict[str, Offence] = {}
    for name, ids in groups.items():
        values = {one: value for one, value in seen.items() if one in ids}
        if len(values) < (5 if name == WHOLE else FEWEST):
            continue
        sizes = np.abs(list(values.values()))
        median, far = float(np.median(sizes)), float(np.mean(sizes > beyond))
        # a few more in a small group may be chance
        allowed = share + (2.0 if name == WHOLE else 4.0) * np.sqrt(share / len(values))
        # mountains round one airport raise its horizon
        if median > (limit if name == WHOLE else beyond) or far > allowed:
            common = float(np.median(list(values.values())))
            text = f"the horizon lies {common:+.1%} of the height below where the pose puts it, in the median"
            if median <= limit:
                text = (
                    f"the horizon lies beyond {beyond:.0%} of the height from its place in {far:.0%} of them"
                )
            found[name] = Offence(name, abs(common), f"{text} ({len(values)} pictures)")
            for one, value in values.items():
                if abs(value) > min(limit, beyond):
                    text = f"horizon lies {value:+.1%} of the height below where the pose puts it"
                    found[one] = Offence(one, abs(value), text)
    return list(found.values())
