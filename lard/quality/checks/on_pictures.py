"""What pictures show against what labels say: coarsely over a wide reach, then to a part of a pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lard.quality.dataset import Dataset
from lard.quality.groups import WHOLE, groups_of
from lard.quality.labels import label_name
from lard.quality.measures.coarse import AS_IS, Peak, peak
from lard.quality.measures.edges import Alignment
from lard.quality.measures.shifts import BENT, LARGER, TALLER, TURNED, Common, common_shift
from lard.quality.model import Offence, Outcome, inconclusive
from lard.quality.near import Fit, fitted
from lard.quality.neighbours import Neighbours, displaced_groups, neighbours
from lard.quality.registry import check
from lard.quality.sighting import ASIDE, SURE, Sighting, shown, sighting

FEWEST = 4  # outlines of a group
NEAR_PX = 2.0  # an outline that lies so far off is where it should be
PLAIN, DOUBTFUL = 1.5, 2.5  # standard deviations of an outline that is not there, and of one that may not be
CLEAR = 2.5  # by how much it must be clearer elsewhere
MOST_DOUBTFUL = 0.02  # of the outlines
ROUGH_SCALE = 0.01
MOST_NAMED = 12  # pictures whose true frame is looked for
STORIES = {
    LARGER: "drawn {0:+.2%} larger than the stated focal length says",
    TALLER: "drawn {0:+.2%} taller at the same width: pixels have not the stated shape",
    TURNED: "turned by {1:+.2f} degrees clockwise against the stated roll",
    BENT: "bent by {0:+.2%} outwards at the farthest, as by a lens that is not stated",
}
REMEDY = "add pictures by day in which the labelled runways stand out, and see that each belongs to its frame"


@check(
    "DQR-A02",
    "Labels lie on the runways in the pictures",
    severity="error",
    rationale="A label may be projected without fault and still belong to another picture or field of view.",
    objective="accuracy",
    thresholds={
        "max_median_px": 1.0,
        "outlier_px": 3.0,
        "max_outlier_share": 0.1,
        "max_common_px": 0.3,
        "max_scale": 0.002,
        "min_sigmas": 4.5,
        "max_along_track_m": 2000.0,
        "min_width_px": 16.0,
        "max_samples": 300,
    },
    needs=("images", "corners", "pose", "camera", "runways"),
)
def labels_on_pictures(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Lay runways and horizon over the pictures of each group, displaced by up to a tenth, mirrored, rotated;
    then fit side stripes and threshold bars, sub-pixel; measured is the shift of the label. Every picture is
    compared with others of its airport, laid over it by their poses and the plane of the runways."""
    groups = groups_of(data)
    seen = sighting(data, groups, int(limits["max_samples"]))
    fits = fitted(data, groups, limits)
    exact = [(fit, fit.alignment) for fit in fits if fit.alignment is not None]
    common = {name: shift for name, ids in groups.items() if (shift := _common(fits, ids)) is not None}
    rough = {name: shift for name, ids in groups.items() if (shift := _rough(fits, ids)) is not None}
    offences = [Offence(name, value, text) for name, value, text in seen.findings]
    fine = _common_offences(common, limits)
    named = {offence.subject for offence in fine}
    coarse = {name: shift for name, shift in rough.items() if name not in named}
    offences += [*fine, *_warp_offences(coarse, ROUGH_SCALE, float(limits["min_sigmas"]))]
    offences += [*_outline_offences(fits, groups), *_misfits(data, fits)]
    beside = neighbours(data)
    offences += _strangers(data, beside, {offence.subject for offence in offences})
    distance = np.array([a.distance_px for _, a in exact])
    median = float(np.median(distance)) if len(distance) else None
    limit, beyond = float(limits["max_median_px"]), float(limits["outlier_px"])
    far = float(np.mean(distance > beyond)) if len(distance) else 0.0
    if len(exact) >= 5 and (float(median or 0) > limit or far > float(limits["max_outlier_share"])):
        offences += [
            Offence(
                label_name(data, fit.row),
                a.distance_px,
                f"paint lies ({a.shift_px[0]:+.1f}, {a.shift_px[1]:+.1f}) px from the label",
            )
            for fit, a in exact
            if a.distance_px > min(limit, beyond)
        ]
    message = _message(seen, fits, exact, common.get(WHOLE), limits) + _beside(beside)
    evidence = {"coarse": seen.evidence(), "common shift": {n: _figures(c) for n, c in common.items()}}
    if offences:
        # a median within its limit is not what fails: then the number of findings is
        off = median is not None and median > limit
        figures = (median, limit) if off else (float(len({o.subject for o in offences})), 0.0)
        return Outcome(False, message, *figures, tuple(offences), seen.pictures, evidence)
    if not seen.decided and len(exact) < 5 and WHOLE not in common:
        return inconclusive(f"{message}; {seen.why}", REMEDY, seen.pictures)
    return Outcome(True, message, median, limit, (), max(seen.pictures, len(fits)), evidence)


def _message(
    seen: Sighting,
    fits: list[Fit],
    exact: list[tuple[Fit, Alignment]],
    common: Common | None,
    limits: Mapping[str, Any],
) -> str:
    text = f"{seen.pictures} pictures searched within a tenth of their width"
    if seen.decided:
        text += f", labels are where they say with {seen.sigmas:.0f} standard deviations"
    if exact:
        distance = np.array([a.distance_px for _, a in exact])
        far = float(np.mean(distance > float(limits["outlier_px"])))
        text += (
            f"; {len(exact)} runways within {limits['max_along_track_m']:g} m: median distance "
            f"{np.median(distance):.2f} px, {far:.0%} beyond {limits['outlier_px']:g} px"
        )
    if common is not None:
        text += f"; common shift ({common.shift_px[0]:+.2f}, {common.shift_px[1]:+.2f}) px"
        text += f" of {common.edges} edges"
    if not exact and common is None:
        text += f"; none of {len(fits)} near runways shows its paint, so smaller shifts cannot be seen"
    return text


def _beside(beside: Neighbours) -> str:
    """How many pictures were compared with their neighbours, and how well those agree."""
    if not beside.judged:
        return "; of no airport do pictures show enough ground in common to compare them"
    middle = float(np.median(list(beside.judged.values())))
    text = f"; {len(beside.judged)} pictures compared with others of their {len(beside.offsets)} airports"
    text += f", correlation {middle:.2f} in the median"
    return text + (f"; not at {', '.join(beside.unlike)}, where few agree" if beside.unlike else "")


def _strangers(data: Dataset, beside: Neighbours, named: set[str]) -> list[Offence]:
    """Pictures, and zones of airports, that do not show the ground that their neighbours show there."""
    assert data.frames is not None
    known = {name.split(":")[0] for name in named}
    offences = [
        Offence(name, value, f"{text}, by the ground that its neighbours show")
        for name, value, text in beside.findings
        if name not in known
    ]
    widths = dict(data.frames.select("airport", "width_px").drop_nulls().unique("airport").iter_rows())
    return offences + [Offence(*one) for one in displaced_groups(beside, widths)]


def _figures(common: Common) -> dict[str, float]:
    return {
        "right_px": common.shift_px[0],
        "down_px": common.shift_px[1],
        "edges": float(common.edges),
        **{f"{name}_percent": 100 * share for name, (share, _) in common.warps.items()},
    }


def _outline_offences(fits: list[Fit], groups: Mapping[str, frozenset[str]]) -> list[Offence]:
    """Groups whose runways' outlines agree with the pictures best at a displacement of some pixels."""
    offences = []
    for name, ids in groups.items():
        maps = [fit.outline for fit in fits if fit.outline is not None and fit.frame_id in ids]
        if len(maps) < FEWEST:
            continue
        found = peak(AS_IS, maps, 1, 1.0)
        right, down = found.shift
        if (
            max(abs(right), abs(down)) > 1
            and found.sigmas > SURE + 1
            and found.sigmas > found.here + 2 * ASIDE
        ):
            text = (
                f"the pictures look shifted by ({right:+.0f}, {down:+.0f}) px against the labels "
                f"({len(maps)} near runways, {found.sigmas:.0f} standard deviations)"
            )
            offences.append(Offence(name, float(np.hypot(right, down)), text))
    return offences


def _rough(fits: list[Fit], ids: frozenset[str]) -> Common | None:
    """What the places where outlines agree best share: coarser than paint, but within a wider reach."""
    moves = []
    for fit in fits:
        if fit.outline is not None and fit.frame_id in ids:
            found = peak(AS_IS, [fit.outline], 1, NEAR_PX)
            if found.sigmas > SURE:
                moves.append((fit.place - fit.middle, found.shift))
    if not moves:
        return None
    places = np.repeat(np.array([place for place, _ in moves]), 2, axis=0)
    offsets = np.array([shift for _, shift in moves]).ravel()
    return common_shift(np.tile(np.eye(2), (len(moves), 1)), places, offsets, np.zeros(len(offsets)))


def _warp_offences(found: Mapping[str, Common], limit: float, least: float) -> list[Offence]:
    """Groups whose edges lie as another focal length, roll, pixel shape or lens would put them."""
    return [
        Offence(name, abs(share), f"runways are {STORIES[warp].format(share, np.degrees(share))}")
        for name, common in found.items()
        for warp, (share, error) in common.warps.items()
        if abs(share) > limit and abs(share) > least * error
    ]


def _misfits(data: Dataset, fits: list[Fit]) -> list[Offence]:
    """Single pictures in which a near runway's outline is not where its label says."""
    plain: list[tuple[Fit, Peak]] = []
    doubtful: list[tuple[Fit, Peak]] = []
    for fit in fits:
        if fit.outline is None:
            continue
        found = peak(AS_IS, [fit.outline], 1, NEAR_PX)
        if found.here < DOUBTFUL and found.sigmas > found.here + (CLEAR if found.here > PLAIN else 2 * ASIDE):
            (plain if found.here < PLAIN else doubtful).append((fit, found))
    if len(doubtful) > max(2.0, MOST_DOUBTFUL * len(fits)):
        plain += doubtful
    offences: list[Offence] = []
    for fit, found in sorted(plain, key=lambda item: item[0].row):
        right, down = found.shift
        text = "shows no such runway within reach of its label"
        if found.sigmas > SURE + ASIDE:
            text = f"looks shifted by ({right:+.0f}, {down:+.0f}) px against its label"
        other = shown(data, fit.frame_id, max(SURE, found.sigmas)) if len(offences) < MOST_NAMED else None
        if other is not None:
            text = f"shows another frame: {other}"
        offences.append(Offence(label_name(data, fit.row), float(np.hypot(right, down)), text))
    return offences


def _common_offences(common: Mapping[str, Common], limits: Mapping[str, Any]) -> list[Offence]:
    """Groups whose edges share a shift or scale, too large and too certain to be chance."""
    offences, least = [], float(limits["min_sigmas"])
    for name, found in common.items():
        if found.distance_px > float(limits["max_common_px"]) and found.sigmas > least:
            right, down = found.shift_px
            text = (
                f"the pictures look shifted by ({right:+.2f}, {down:+.2f}) px against the labels "
                f"({found.edges} edges, {found.sigmas:.0f} standard deviations)"
            )
            offences.append(Offence(name, found.distance_px, text))
    return [*offences, *_warp_offences(common, float(limits["max_scale"]), least)]


def _common(fits: list[Fit], ids: frozenset[str]) -> Common | None:
    inside = [(fit, edge) for fit in fits if fit.frame_id in ids for edge in fit.edges]
    if not inside:
        return None
    return common_shift(
        np.array([edge.normal for _, edge in inside]),
        np.array([edge.place - fit.middle for fit, edge in inside]),
        np.array([edge.offset_px for _, edge in inside]),
        np.array([edge.px_per_m for _, edge in inside]),
    )
