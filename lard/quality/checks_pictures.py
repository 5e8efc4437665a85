"""What the pictures show against what the labels and the pose say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.progress import track
from lard.quality import geometry
from lard.quality.checks_accuracy import label_corners
from lard.quality.checks_coverage import label_name
from lard.quality.dataset import CAMERA, DISTORTION, POSE, Dataset, posed, sources_of, with_distortion
from lard.quality.edges import RESOLVED_PX, Alignment, align, bars_length_px, horizon_offset
from lard.quality.model import Offence, Outcome, check
from lard.quality.paint import PAINTS, Paint

Array = NDArray[np.float64]
Found = TypeVar("Found")


def subject_of(data: Dataset, image: str) -> str:
    """How findings name a picture: its frame where known."""
    return data.frame_of.get(image, image)


def horizons(data: Dataset, frames: pl.DataFrame) -> Array:
    """Pixels (n, 81, 2) of the horizon in frames with pose and camera, NaN behind the camera."""
    pose = {name: frames[name].to_numpy().astype(np.float64) for name in POSE}
    frames = with_distortion(frames)
    camera = {name: frames[name].to_numpy().astype(np.float64) for name in (*CAMERA, *DISTORTION)}
    height = pose["alt_m"] - _ground_m(data, frames)
    return geometry.horizon_pixels(pose, camera, height, np.linspace(-40.0, 40.0, 81))


def daylit(frames: pl.DataFrame) -> pl.Expr:
    """Whether a frame is stated to be by day without rain or fog; true where nothing is stated."""
    wanted = {"light": pl.col("light") == "day", "rain_mm_h": pl.col("rain_mm_h") <= 0}
    wanted["fog_top_m"] = pl.col("fog_top_m") <= 0
    stated = [test.fill_null(True) for name, test in wanted.items() if name in frames.columns]
    return pl.all_horizontal(pl.lit(True), *stated)


def far_sighted(frames: pl.DataFrame, clear_m: float) -> pl.Expr:
    """Whether the horizon can stand out in a frame: daylit, seen far, not under a closed cloud cover."""
    wanted = {
        "visibility_m": pl.col("visibility_m") >= clear_m,
        "cloud_fraction": pl.col("cloud_fraction") < 0.9,
    }
    stated = [test.fill_null(True) for name, test in wanted.items() if name in frames.columns]
    return pl.all_horizontal(daylit(frames), *stated)


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
            grey, quad = _straight(grey, lens, quad)
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


def _straight(
    grey: NDArray[np.float32], camera: Mapping[str, Array], corners: Array
) -> tuple[NDArray[np.float32], Array]:
    """A picture and corners (4, 2) as the same camera without distortion would have them."""
    fx, fy, cx, cy = (float(camera[name][0]) for name in ("fx_px", "fy_px", "cx_px", "cy_px"))
    k1, k2, k3 = (float(camera[name][0]) for name in DISTORTION)
    bends = np.array([k1, k2, 0.0, 0.0, k3])
    # OpenCV has the first pixel's centre at 0
    matrix = np.array([[fx, 0, cx - 0.5], [0, fy, cy - 0.5], [0, 0, 1.0]])
    straight = cv2.undistortPoints(corners.reshape(-1, 1, 2) - 0.5, matrix, bends, P=matrix)
    picture = np.asarray(cv2.undistort(grey, matrix, bends), np.float32)
    return picture, np.asarray(straight, np.float64).reshape(-1, 2) + 0.5


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


def _ground_m(data: Dataset, frames: pl.DataFrame) -> Array:
    """Altitude (n,) of the ground: that of the target's threshold where known, else sea level."""
    if data.database is None:
        return np.zeros(len(frames))
    known = data.runway_corners.select("airport", "runway", pl.col("corners").list.get(11).alias("ground_m"))
    joined = frames.join(known, on=["airport", "runway"], how="left", maintain_order="left")
    return joined["ground_m"].fill_null(0.0).to_numpy().astype(np.float64)


def every(indices: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of the indices, evenly spread: a sample that needs no draw."""
    if len(indices) <= most:
        return indices
    return indices[np.linspace(0, len(indices) - 1, most).round().astype(np.int64)]


def grey_of(data: Dataset, frame_id: str) -> NDArray[np.float32] | None:
    """Grey picture (h, w) of a frame, None where it cannot be read; DQR-I04 reports those."""
    path = data.root / data.image_of.get(frame_id, "")
    if not path.is_file():
        return None
    pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    return None if pixels is None else np.asarray(pixels, np.float32)


def parallel(data: Dataset, items: Sequence[int], work: Callable[[int], Found], what: str) -> list[Found]:
    """Results of work on each item, in their order, in the dataset's number of threads."""
    with ThreadPoolExecutor(max(1, data.workers)) as pool:
        return list(track(pool.map(work, items), what, total=len(items), unit="img"))
