"""Whether the pictures of each group show, coarsely, the runways and horizon that labels and pose say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.quality.dataset import CAMERA, Dataset, posed
from lard.quality.frames import above_ground, daylit, horizons, parallel
from lard.quality.groups import WHOLE, sampled
from lard.quality.labels import label_corners
from lard.quality.measures.coarse import (
    AS_IS,
    REACH,
    VIEWS,
    Lines,
    Peak,
    View,
    agreement,
    directions,
    lines_along,
    peak,
    read_small,
)

Array = NDArray[np.float64]

NEAR = 0.009  # of the width: a shift that is none, for haze draws the horizon down
SURE = 5.0  # standard deviations of a stack that shows something
CLEARER = 3.0  # by how many standard deviations another view must fit better
HAZE = 0.02  # of the width, at least; where the visibility is known, as far down as it may draw the horizon
BENDING = 1.96  # half of Koschmieder's 3.912: over height and visibility, where fading ground ends steepest
HAZY = 1.5  # times as clear as undisplaced
PLAINLY = 1.25  # the same of another small shift: pictures of one place share their roads and fields
ASIDE = 1.0  # and another place
LEAST_STRENGTH = 0.6  # standard deviations of a single picture, on average: less is any picture
MOST_VIEWED = 24  # pictures of a group that mirrors and scales are tried on
PER_GROUP = 24
FEWEST = 10
NEIGHBOURS = 40  # frames before and after in the table that a picture may have been exchanged with
LOOKED_AT = 6  # of them, closely


@dataclass(frozen=True, slots=True)
class Sight:
    """A picture reduced to edge directions, with the lines that should be in it."""

    frame_id: str
    field: NDArray[np.floating[Any]]
    runways: Lines
    horizon: Lines
    haze: float = HAZE  # how far down haze may draw the horizon, over the width

    def fit(self, view: View) -> Array | None:
        """Agreement at each displacement when the picture is seen so changed; None for too few lines."""
        height, width = self.field.shape[1:]
        reach, field = round(REACH * width), self.field.astype(np.float32)
        maps = [
            agreement(field, view.of(lines, height / width), reach) for lines in (self.runways, self.horizon)
        ]
        known = [one for one in maps if one is not None]
        return np.sum(known, axis=0) / np.sqrt(len(known)) if known else None


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the coarse search found: findings (group, measured, text), and whether the whole was decided."""

    pictures: int
    findings: tuple[tuple[str, float, str], ...]
    sigmas: float  # of the whole dataset's labels where they are
    decided: bool
    why: str
    peaks: Mapping[str, tuple[Peak, int]]

    def evidence(self) -> dict[str, Any]:
        """Significance in standard deviations and number of pictures of each group."""
        return {
            name: {"sigmas": found.here, "pictures": float(count)}
            for name, (found, count) in self.peaks.items()
        }


def sighting(data: Dataset, groups: dict[str, frozenset[str]], most: int) -> Sighting:
    """Search a sample of the pictures, `most` and some of each group."""
    sights = _sights(data, groups, most)
    maps = {sight.frame_id: fit for sight in sights if (fit := sight.fit(AS_IS)) is not None}
    by_id = {sight.frame_id: sight for sight in sights}
    findings: list[tuple[str, float, str]] = []
    peaks: dict[str, tuple[Peak, int]] = {}
    views: tuple[View, ...] = VIEWS
    for name, ids in groups.items():
        inside = [by_id[one] for one in maps if one in ids]
        if len(inside) < (1 if name == WHOLE else FEWEST):
            continue
        found = _best(inside, maps, views)
        peaks[name] = (found, len(inside))
        haze = float(np.median([sight.haze for sight in inside]))
        story = _story(found, len(inside), _width(data, inside[0]), haze)
        if story:
            findings.append((name, *story))
        if name == WHOLE and found.view.name:
            views = (found.view,)  # a group of it needs no other story
    whole, count = peaks.get(WHOLE, (None, 0))
    if whole is None:
        return Sighting(0, (), 0.0, False, "no picture has lines to look for", peaks)
    strong = whole.here >= SURE and whole.here >= LEAST_STRENGTH * np.sqrt(count)
    why = (
        f"the lines of {count} pictures agree with them by {whole.here:.1f} standard deviations only, at no "
        "displacement, mirror or rotation by more"
    )
    return Sighting(count, tuple(findings), whole.here, strong, why, peaks)


def _best(sights: list[Sight], maps: Mapping[str, Array], views: tuple[View, ...]) -> Peak:
    """The story that fits a group best: as it is, or another view if that fits much better."""
    width = sights[0].field.shape[2]
    same = [sight for sight in sights if maps[sight.frame_id].shape == maps[sights[0].frame_id].shape]
    best = peak(AS_IS, [maps[sight.frame_id] for sight in same], width, NEAR, ASIDE)
    if best.here >= max(SURE, 1.3 * LEAST_STRENGTH * np.sqrt(len(same))) and best.here > best.sigmas - ASIDE:
        return best
    some = same[:: max(1, len(same) // MOST_VIEWED)]
    plain = peak(AS_IS, [maps[sight.frame_id] for sight in some], width, NEAR)
    tried = [plain]
    for view in views:
        found = [fit for sight in some if (fit := sight.fit(view)) is not None]
        if len(found) >= max(1, len(some) // 2):
            tried.append(peak(view, found, width, NEAR))
    other = max(tried[1:], key=lambda p: p.here, default=plain)
    if other.here >= SURE and other.here > max(plain.here, plain.sigmas) + CLEARER:
        return other
    return best


def _story(found: Peak, count: int, width_px: int, haze: float) -> tuple[float, str] | None:
    """How far off and in what way, when that is far beyond chance; None when labels are where they say."""
    where = f"{count} pictures, {found.here:.0f} standard deviations"
    if found.view.name:
        return REACH * width_px, f"the pictures look {found.view.name} ({where})"
    right, down = (value * width_px for value in found.shift)
    # where labels agree as they are, another place has to be seen as plainly as displaced pictures show it
    strength = LEAST_STRENGTH * (2.0 if found.here >= SURE else 1.3)
    sure = found.sigmas >= max(1.3 * SURE, strength * np.sqrt(count))
    # haze draws the horizon down a little, and in a picture of few pixels a far runway's fields with it
    hazy = abs(found.least[0]) <= NEAR and 0 < found.least[1] < haze
    small = float(np.hypot(*found.shift)) < HAZE
    least = HAZY * found.here + CLEARER if hazy else found.here * (PLAINLY if small else 1.0) + ASIDE
    if sure and found.sigmas > least:
        text = (
            f"the pictures look shifted by ({right:+.0f}, {down:+.0f}) px against the labels ({count} "
            f"pictures, {found.sigmas:.0f} standard deviations against {found.here:.0f} without a shift)"
        )
        return float(np.hypot(right, down)), text
    return None


def _width(data: Dataset, sight: Sight) -> int:
    assert data.frames is not None
    row = data.frames.filter(pl.col("frame_id") == sight.frame_id)
    return int(row["width_px"][0])


def shown(data: Dataset, frame_id: str, least: float) -> str | None:
    """The frame, of the same airport or near in the table, whose lines a frame's picture shows clearly."""
    assert data.frames is not None
    frames = _judgeable(data)
    ids = frames["frame_id"].cast(pl.String).to_list()
    if frame_id not in ids:
        return None
    here = ids.index(frame_id)
    airports = frames["airport"].to_list()
    near = [k for k in range(len(ids)) if airports[k] == airports[here] or abs(k - here) <= NEIGHBOURS]
    grey = read_small(data.root / data.image_of.get(frame_id, ""), int(frames["width_px"][here]))
    if grey is None:
        return None
    field = directions(grey)
    part = frames[near]
    names, lines = part["frame_id"].cast(pl.String).to_list(), _lines(data, part)
    scores = np.array([_raw(field, *pair) for pair in lines])
    best: tuple[float, str] | None = None
    own = 0.0
    for k in sorted({*np.argsort(-scores)[:LOOKED_AT].tolist(), names.index(frame_id)}):
        fit = Sight(names[k], field, *lines[k]).fit(AS_IS)
        value = 0.0 if fit is None else peak(AS_IS, [fit], field.shape[2], NEAR).here
        if names[k] == frame_id:
            own = value
        elif best is None or value > best[0]:
            best = (value, names[k])
    return best[1] if best is not None and best[0] > max(least, own + ASIDE) else None


def _raw(field: NDArray[np.floating[Any]], runways: Lines, horizon: Lines) -> float:
    """Mean agreement of both kinds of lines with a field where they are expected."""
    height, width = field.shape[1:]
    total = []
    for lines in (runways, horizon):
        if len(lines.points):
            x, y = np.clip(np.floor(lines.points * width).astype(np.int64), 0, [width - 1, height - 1]).T
            total.append(float(np.mean(np.sum(field[:, y, x].T * lines.double, axis=1))))
    return sum(total)


def _judgeable(data: Dataset) -> pl.DataFrame:
    """Frames with pose and camera, once each."""
    assert data.frames is not None
    return (
        data.frames.drop_nulls(list(CAMERA))
        .filter(posed() & pl.all_horizontal(pl.col(name) > 0 for name in CAMERA[:4]))
        .unique("frame_id", keep="first", maintain_order=True)
    )


def _lines(data: Dataset, frames: pl.DataFrame) -> list[tuple[Lines, Lines]]:
    """Outlines of the labelled runways and the horizon of each frame."""
    ids = frames["frame_id"].cast(pl.String).to_list()
    sizes = frames.select("width_px", "height_px").rows()
    skies, quads = horizons(data, frames), _quads(data, set(ids))
    found = []
    for name, size, sky in zip(ids, sizes, skies, strict=True):
        corners = quads.get(name, np.zeros((0, 4, 2)))
        turned = np.roll(corners, -1, axis=1)
        runways = lines_along(corners.reshape(-1, 2), turned.reshape(-1, 2), size)
        found.append((runways, lines_along(sky[:-1], sky[1:], size)))
    return found


def _hazes(data: Dataset, frames: pl.DataFrame) -> list[float]:
    """How far down haze may draw the horizon of each frame (n), over the width; at least HAZE.

    Ground at depression t, height h and extinction b keeps exp(-b h / t) of its contrast, which falls off
    steepest at t = b h / 2.
    """
    if "visibility_m" not in frames.columns or data.database is None:
        return [HAZE] * len(frames)
    seen = frames["visibility_m"].cast(pl.Float64).fill_null(np.inf).to_numpy()
    down = BENDING * above_ground(data, frames, unknown_m=np.inf) / np.maximum(seen, 1.0)
    focal = (frames["fx_px"] / frames["width_px"]).cast(pl.Float64).to_numpy()
    return np.clip(focal * np.nan_to_num(down, nan=0.0, neginf=0.0, posinf=0.0), HAZE, REACH).tolist()


def _sights(data: Dataset, groups: dict[str, frozenset[str]], most: int) -> list[Sight]:
    """Sample of the pictures of frames with pose and camera, by day where there are enough of those."""
    frames = _judgeable(data)
    bright = frames.filter(daylit(data, frames))
    frames = bright if len(bright) >= 2 * FEWEST else frames
    ids = frames["frame_id"].cast(pl.String).to_list()
    chosen = sampled(ids, groups, most, PER_GROUP)
    frames = frames.filter(pl.col("frame_id").cast(pl.String).is_in(chosen))
    ids, widths = frames["frame_id"].cast(pl.String).to_list(), frames["width_px"].to_list()
    lines, haze = _lines(data, frames), _hazes(data, frames)

    def look(k: int) -> Sight | None:
        grey = read_small(data.root / data.image_of.get(ids[k], ""), widths[k])
        if grey is None:
            return None
        return Sight(ids[k], directions(grey).astype(np.float16), *lines[k], haze[k])

    found = parallel(data, list(range(len(ids))), look, "lines in pictures")
    return [sight for sight in found if sight is not None]


def _quads(data: Dataset, ids: set[str]) -> dict[str, Array]:
    """Corners (k, 4, 2) of the labels of each frame."""
    assert data.labels is not None
    corners = label_corners(data)
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(data.labels["frame_id"].cast(pl.String).to_list()):
        if name in ids:
            rows.setdefault(name, []).append(row)
    return {name: corners[found] for name, found in rows.items()}
