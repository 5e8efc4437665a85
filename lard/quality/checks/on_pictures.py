"""What the pictures show against what the labels and the pose say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.camera import DISTORTION
from lard.quality.dataset import CAMERA, Dataset, posed, sources_of
from lard.quality.frames import daylit, every, far_sighted, grey_of, horizons, parallel
from lard.quality.labels import label_corners, label_name
from lard.quality.measures import geometry
from lard.quality.measures.edges import Alignment, align, bars_length_px, straight
from lard.quality.measures.horizon import horizon_offset
from lard.quality.measures.paint import PAINTS, Paint
from lard.quality.measures.profiles import RESOLVED_PX
from lard.quality.model import Offence, Outcome
from lard.quality.registry import check

Array = NDArray[np.float64]


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
        "max_along_track_m": 2000.0,
        "min_width_px": 16.0,
        "max_samples": 300,
    },
    needs=("images", "corners", "pose", "camera", "runways"),
)
def labels_on_pictures(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Fit side stripes and threshold bars in the picture, sub-pixel; measured is the shift of the label."""
    assert data.labels is not None
    found = data.label_geometry
    corners = label_corners(data)[found.rows]
    along = data.labels["along_track_m"].fill_null(np.nan).to_numpy()[found.rows]
    target = data.labels["is_target"].fill_null(False).to_numpy()[found.rows]
    near_px = np.linalg.norm(corners[:, 2] - corners[:, 3], axis=1)
    size = np.column_stack([found.camera["width_px"], found.camera["height_px"]])
    threshold_in = ((corners[:, 2:] > 0) & (corners[:, 2:] < size[:, None, :])).all(axis=(1, 2))
    usable = np.isfinite(corners).all(axis=(1, 2)) & threshold_in & (near_px >= float(limits["min_width_px"]))
    usable &= (along > 0) & (along <= float(limits["max_along_track_m"]))
    usable &= target | (data.kind != "lard")
    if data.frames is not None:
        dim = set(data.frames.filter(~daylit(data.frames))["frame_id"].to_list())
        usable &= ~data.labels["frame_id"].is_in(list(dim)).to_numpy()[found.rows]
    sources = sources_of(data)

    def strip(k: int) -> tuple[float, float, Paint]:
        points = geometry.cart(found.corners[k], str(found.earth[k]))
        width = float(np.linalg.norm(points[2] - points[3]))
        length = float(np.linalg.norm((points[0] + points[1] - points[2] - points[3]) / 2))
        source = sources.get(str(data.labels["frame_id"][int(found.rows[k])]), "")  # type: ignore[index]
        return width, length, PAINTS.get(source, PAINTS["standard"])

    close = [
        k for k in np.flatnonzero(usable).tolist() if bars_length_px(corners[k], *strip(k)) >= RESOLVED_PX
    ]
    rows = every(np.array(close, np.int64), int(limits["max_samples"]))

    def fit(k: int) -> Alignment | None:
        grey = grey_of(data, str(data.labels["frame_id"][int(found.rows[k])]))  # type: ignore[index]
        if grey is None:
            return None
        lens = {name: values[k : k + 1] for name, values in found.camera.items()}
        quad = corners[k]
        if any(lens[name][0] for name in DISTORTION):
            grey, quad = straight(grey, lens, quad)
        return align(grey, quad, *strip(k))

    fits = parallel(data, rows.tolist(), fit, "label against picture")
    seen = [(int(k), a) for k, a in zip(rows, fits, strict=True) if a is not None]
    if len(seen) < 5:
        return Outcome(None, f"runway edges could be found in {len(seen)} of {len(rows)} close pictures only")
    distance = np.array([a.distance_px for _, a in seen])
    shift = np.median(np.array([a.shift_px for _, a in seen]), axis=0)
    median, limit = float(np.median(distance)), float(limits["max_median_px"])
    far = distance > float(limits["outlier_px"])
    passed = median <= limit and float(far.mean()) <= float(limits["max_outlier_share"])
    offences = [] if passed else [
        Offence(
            label_name(data, int(found.rows[k])),
            a.distance_px,
            f"paint lies ({a.shift_px[0]:+.1f}, {a.shift_px[1]:+.1f}) px from the label",
        )
        for k, a in seen
        if a.distance_px > min(limit, float(limits["outlier_px"]))
    ]  # fmt: skip
    message = (
        f"{len(seen)} runways within {limits['max_along_track_m']:g} m: median distance {median:.2f} px, "
        f"{far.mean():.0%} beyond {limits['outlier_px']:g} px, "
        f"common shift ({shift[0]:+.2f}, {shift[1]:+.2f}) px"
    )
    return Outcome(passed, message, median, limit, tuple(offences), len(seen))


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
        "max_samples": 300,
        "min_visibility_m": 10_000.0,
    },
    needs=("images", "pose", "camera"),
)
def horizon_true(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Distance of the sky's lower edge from the horizon the pose gives, over the picture's height."""
    assert data.frames is not None
    frames = (
        data.frames.drop_nulls(list(CAMERA))
        .filter(posed())
        .unique("frame_id", keep="first", maintain_order=True)
    )
    whole = len(frames)
    frames = frames.filter(far_sighted(frames, float(limits["min_visibility_m"])))
    if len(frames) == 0:
        return Outcome(None, f"none of {whole} frames is by day, in clear air and without rain")
    frames = frames[every(np.arange(len(frames)), int(limits["max_samples"])).tolist()]
    lines, heights = horizons(data, frames), frames["height_px"].to_numpy().astype(np.float64)
    ids = frames["frame_id"].to_list()

    def fit(k: int) -> float | None:
        grey = grey_of(data, str(ids[k]))
        return None if grey is None else horizon_offset(grey, lines[k])

    offsets = parallel(data, list(range(len(ids))), fit, "horizon against picture")
    seen = [(k, float(o) / heights[k]) for k, o in enumerate(offsets) if o is not None]
    if len(seen) < max(5, len(ids) // 10):
        return Outcome(None, f"a horizon could be found in {len(seen)} of {len(ids)} pictures only")
    values = np.abs([value for _, value in seen])
    median, far = float(np.median(values)), values > float(limits["outlier"])
    limit = float(limits["max_median"])
    passed = median <= limit and float(far.mean()) <= float(limits["max_outlier_share"])
    offences = [] if passed else [
        Offence(str(ids[k]), abs(v), f"horizon lies {v:+.1%} of the height below where the pose puts it")
        for k, v in seen
        if abs(v) > min(limit, float(limits["outlier"]))
    ]  # fmt: skip
    message = (
        f"{len(seen)} of {len(ids)} pictures by day and in clear air show a horizon: median distance "
        f"{median:.2%} of the height, {far.mean():.0%} beyond {limits['outlier']:.0%}"
    )
    return Outcome(passed, message, median, limit, tuple(offences), len(seen))
