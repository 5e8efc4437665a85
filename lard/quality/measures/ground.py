"""Pictures of one place laid over each other by the plane of its runways: do they show the same ground?

Two pictures of a plane differ by a homography, which their poses and cameras give (Hartley and Zisserman,
Multiple View Geometry, 13.1). What is compared is local structure, free of brightness and contrast. A picture
of another pose, a mirrored or a displaced one agrees with none of its neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from lard.quality.measures import geometry
from lard.quality.measures.reading import decoded

Array = NDArray[np.float64]
Single = NDArray[np.float32]

SMALL_PX = 128  # width of the pictures that are compared
AROUND_PX = 2.5  # over which brightness and contrast are taken off
NOISE = 4.0  # grey levels squared: contrast below it is none
FAR_M = 9_000.0  # depth beyond which air and relief leave little of a plane
GRID = 8  # points a side that tell how much of a picture another shows
CANDIDATES = 48  # of the nearest poses that are asked
NEAR_PX = 1  # a displacement that is none: relief moves the ground by as much
REACH_PX = 12  # a tenth of the width
LEAST_ENERGY = 0.25  # of structure, a pixel: a plain sky has hardly any, and agrees with anything
QUALITY = 95


@dataclass(frozen=True, slots=True)
class Views:
    """n pictures of one size and place: local structure, where they show the plane, and how it gets there."""

    structure: Single  # (n, h, w)
    ground: Single  # (n, h, w) 1 where the plane is seen, else 0
    from_plane: Array  # (n, 3, 3) homogeneous pixels, whose last is the depth in m, of (east, north, 1) in m
    from_level: Array  # (n, 3, 3) the same from a level plane
    overlap: Array  # (n, n) how much of picture i picture j shows at a like scale, 0 to 1


@dataclass(frozen=True, slots=True)
class Reference:
    """What neighbours say a picture shows: structure (h, w), and where they say anything."""

    structure: Single
    seen: Single


@dataclass(frozen=True, slots=True)
class Match:
    """Correlation of a picture with its reference where it is, and the best elsewhere, displaced."""

    here: float
    elsewhere: float
    right_px: float
    down_px: float
    sigmas: float  # of the best elsewhere, in spreads of all places


def packed(grey: NDArray[np.uint8]) -> bytes:
    """A picture (h, w) made SMALL_PX wide, as a JPEG file."""
    height, width = grey.shape
    size = (SMALL_PX, max(round(SMALL_PX * height / width), 8))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def unpacked(small: bytes, camera: Mapping[str, float]) -> NDArray[np.uint8] | None:
    """The picture (h, w) that `packed` made, straightened when its lens bends lines."""
    grey = decoded(small, cv2.IMREAD_GRAYSCALE)
    bends = [camera.get(name, 0.0) for name in ("k1", "k2", "k3")]
    if grey is None or not any(bends):
        return grey
    matrix = _intrinsics({name: np.array([value]) for name, value in camera.items()})[0]
    return np.asarray(cv2.undistort(grey, matrix, np.array([*bends[:2], 0.0, 0.0, bends[2]])), np.uint8)


def structure(grey: NDArray[np.uint8]) -> Single:
    """A picture (h, w) without its local brightness, over its local contrast."""
    values = grey.astype(np.float32)
    values -= cv2.GaussianBlur(values, (0, 0), AROUND_PX)
    spread = cv2.GaussianBlur(values * values, (0, 0), AROUND_PX)
    return np.asarray(values / np.sqrt(spread + NOISE), np.float32)


def _intrinsics(camera: Mapping[str, Array]) -> Array:
    """Camera matrices (n, 3, 3) of pictures made SMALL_PX wide, whose first pixel's centre is at 0."""
    scale = SMALL_PX / camera["width_px"]
    matrices = np.zeros((len(scale), 3, 3))
    matrices[:, 0, 0], matrices[:, 1, 1] = camera["fx_px"] * scale, camera["fy_px"] * scale
    matrices[:, 0, 2], matrices[:, 1, 2] = camera["cx_px"] * scale - 0.5, camera["cy_px"] * scale - 0.5
    matrices[:, 2, 2] = 1.0
    return matrices


def from_plane(
    corners: Array, pose: Mapping[str, Array], camera: Mapping[str, Array], earth: str, level: bool = False
) -> Array:
    """Maps (n, 3, 3) from the plane through runway corners (k, 3) geodetic to small pictures of n poses.

    level: from the level plane through their middle instead.
    """
    points = geometry.cart(corners, earth)
    middle = points.mean(axis=0)
    lat, lon = np.radians(corners[:, 0].mean()), np.radians(corners[:, 1].mean())
    up = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    east = np.array([-np.sin(lon), np.cos(lon), 0.0])
    axes = np.stack([east, np.cross(up, east), up])
    local = (points - middle) @ axes.T
    design = np.column_stack([local[:, :2], np.ones(len(local))])
    # one runway alone says hardly how the ground leans across it: the small singular value is left out
    slope_east, slope_north, height = np.linalg.lstsq(design, local[:, 2], rcond=0.02)[0]
    eye = geometry.cart(np.column_stack([pose["lat_deg"], pose["lon_deg"], pose["alt_m"]]), earth) - middle
    eye = eye @ axes.T
    attitude = geometry.body_in_ecef(
        pose["lat_deg"], pose["lon_deg"], pose["yaw_deg"], pose["pitch_deg"], pose["roll_deg"]
    )
    # right, down, forward of east, north, up
    turn = (attitude.inv().as_matrix() @ axes.T)[:, [1, 2, 0]]
    plane = np.broadcast_to(np.diag([1.0, 1.0, 0.0]), (len(eye), 3, 3)).copy()
    plane[:, 2] = [0.0, 0.0, height] if level else [slope_east, slope_north, height]
    plane[:, :, 2] -= eye
    return np.asarray(_intrinsics(camera) @ turn @ plane)


def views(greys: Sequence[NDArray[np.uint8]], maps: Array, level: Array) -> Views:
    """The pictures (h, w) of one size with the maps (n, 3, 3) of `from_plane`, leaning and level."""
    height, width = greys[0].shape
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    pixels = np.stack([x.ravel(), y.ravel(), np.ones(x.size)]).astype(np.float64)
    ground = np.stack([_depths(one, pixels) for one in maps]).reshape(-1, height, width)
    seen = ((ground > 0) & (ground < FAR_M)).astype(np.float32)
    overlap = _overlap(maps, width, height)
    return Views(np.stack([structure(grey) for grey in greys]), seen, maps, level, overlap)


def _depths(one: Array, pixels: Array) -> Array:
    """Depth (m,) in m of the plane at homogeneous pixels (3, m), negative above its horizon."""
    return np.asarray(1.0 / (np.linalg.inv(one) @ pixels)[2])


def _overlap(maps: Array, width: int, height: int) -> Array:
    """How much of each picture each other shows (n, n), less where at another scale; 0 with itself."""
    count = len(maps)
    x, y = np.meshgrid((np.arange(GRID) + 0.5) * width / GRID, (np.arange(GRID) + 0.5) * height / GRID)
    pixels = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    found = np.zeros((count, count))
    lower = np.stack([_place(one, np.array([width / 2, height * 0.9, 1.0])) for one in maps]) / 1000.0
    nearest = cKDTree(lower).query(lower, k=min(CANDIDATES + 1, count))[1].reshape(count, -1)
    for i in range(count):
        plane = np.linalg.inv(maps[i]) @ pixels
        plane = plane / plane[2]
        depth = (maps[i] @ plane)[2]
        near = nearest[i][nearest[i] != i]
        there = maps[near] @ plane  # (k, 3, m)
        behind = np.where(there[:, 2] > 0, there[:, 2], np.nan)
        place = there[:, :2] / behind[:, None]
        inside = (depth > 0) & (depth < FAR_M) & (behind < FAR_M)
        inside &= (place > 0).all(axis=1) & (place[:, 0] < width) & (place[:, 1] < height)
        scale = np.log(np.where(inside, depth / behind, 1.0))
        found[i, near] = np.where(inside, np.exp(-(scale**2)), 0.0).sum(axis=1) / pixels.shape[1]
    return found


def _place(one: Array, pixel: Array) -> Array:
    """East and north (2,) in m of a pixel on the plane, at most FAR_M away from where it is mapped."""
    plane = np.linalg.inv(one) @ pixel
    return np.asarray(np.clip(plane[:2] / (plane[2] if abs(plane[2]) > 1e-9 else 1e-9), -3e4, 3e4))


def reference(all_: Views, i: int, others: Sequence[int]) -> Reference:
    """What other pictures say that picture i shows: their structure, over the root of their number."""
    shape = all_.structure.shape[1:]
    total, count = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for j in others:
        warped, seen = laid_over(all_, i, j)
        total += warped
        count += seen
    total /= np.sqrt(np.maximum(count, 1.0)).astype(np.float32)
    return Reference(total, (count > 0).astype(np.float32))


def laid_over(all_: Views, i: int, j: int) -> tuple[Single, Single]:
    """Structure (h, w) of picture j as picture i would show it, 0 where it does not, and where it does."""
    size = (all_.structure.shape[2], all_.structure.shape[1])
    warp = all_.from_plane[i] @ np.linalg.inv(all_.from_plane[j])
    seen = cv2.warpPerspective(all_.ground[j], warp, size, flags=cv2.INTER_NEAREST) * all_.ground[i]
    return np.asarray(cv2.warpPerspective(all_.structure[j], warp, size) * seen, np.float32), seen


def correlation(values: Single, expected: Reference) -> float:
    """Best correlation of a picture's structure with a reference, within NEAR_PX."""
    best, room = -1.0, NEAR_PX
    height, width = values.shape
    inner = (slice(room, height - room), slice(room, width - room))
    wanted, seen = expected.structure[inner] * expected.seen[inner], expected.seen[inner]
    size = float((wanted * wanted).sum())
    for down in range(-room, room + 1):
        for right in range(-room, room + 1):
            part = values[room + down : height - room + down, room + right : width - room + right]
            mine = part * seen
            own = max(float((mine * mine).sum()), LEAST_ENERGY * float(seen.sum()))
            best = max(best, float((mine * wanted).sum()) / np.sqrt(own * size + 1e-3))
    return best


def match(values: Single, expected: Reference) -> Match:
    """Search a picture's structure for a reference within REACH_PX."""
    height, width = values.shape
    reach = min(REACH_PX, height // 4)
    size = tuple(scipy.fft.next_fast_len(side + reach, real=True) for side in (height, width))
    wanted = expected.structure * expected.seen
    mine, squares, theirs, seen = (
        scipy.fft.rfft2(part, size) for part in (values, values * values, wanted, expected.seen)
    )
    both = scipy.fft.irfft2(mine * np.conj(theirs), size)
    energy = scipy.fft.irfft2(squares * np.conj(seen), size)
    places = np.arange(-reach, reach + 1)
    grid = np.ix_(places, places)
    own = np.maximum(energy[grid], LEAST_ENERGY * float(expected.seen.sum()))
    found = both[grid] / np.sqrt(own * float((wanted * wanted).sum()) + 1e-3)
    inner = slice(reach - NEAR_PX, reach + NEAR_PX + 1)
    here = float(found[inner, inner].max())
    away = found.copy()
    room = 2 * NEAR_PX + 1
    away[reach - room : reach + room + 1, reach - room : reach + room + 1] = np.nan
    row, column = np.unravel_index(int(np.nanargmax(away)), away.shape)
    spread = float(np.nanstd(away)) + 1e-6
    best = float(away[row, column])
    return Match(here, best, float(column) - reach, float(row) - reach, best / spread)
