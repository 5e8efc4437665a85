"""The rendered surface of an airport: its runway planes exactly, blended into the land around.

Map coordinates are those of terrain_map.

Labels are projected corners joined by straight lines, so every runway is a true plane in space here (its
height above the curved ellipsoid bulges by a few decimetres), not a surface that follows the curvature.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lard.airports.model import Airport, Runway
from lard.geodesy import curvature_radii, to_enu
from lard.ground.terrain.blend import cut_and_fill, extend, fill_voids, known_share, ramp, refuse_gaps
from lard.ground.terrain.map import (
    drop_m,
    enu_from_map,
    geodetic_from_map,
    map_from_geodetic,
    map_polynomial,
    quadric,
)
from lard.ground.terrain.model import TerrainModel

__all__ = [
    "Surface", "drop_m", "enu_from_map", "geodetic_from_map", "map_from_geodetic", "map_polynomial",
    "points_on", "quadric", "surface_of",
]  # fmt: skip

Array = NDArray[np.float64]

STEP_M = 20.0
"""Post spacing: below EXACT_MARGIN_M / sqrt(2), so that a cell at a runway edge holds only its plane."""
EXACT_MARGIN_M = 30.0
CROSSING_BLEND_M = 150.0
REACH_M = 4000.0
FAR_SCALE_M = 1500.0
_GROUND_MAX_GAP_M = 2 * EXACT_MARGIN_M
RIM_M = 1000.0
FAR_RIM_M = 5000.0
MAX_OFFSET_M = 100.0
"""A runway further from a terrain model than this is taken for another unit or datum, and refused."""


@dataclass(frozen=True, slots=True)
class Surface:
    """Height field over map coordinates around an airport; its far grid, then z_far_m, outside its grid."""

    lat0_deg: float
    lon0_deg: float
    earth: str
    z_far_m: float
    x_min_m: float
    y_min_m: float
    step_m: float
    height_m: Array  # (rows northwards, columns eastwards), posts at x_min + i step
    strips: Array  # (k, 6): centre x, y, unit axis x, y, half length, half width, metres on the map
    far_height_m: Array = field(default_factory=lambda: np.empty((0, 0)))  # as height_m; (0, 0): no far grid
    far_x_min_m: float = 0.0
    far_y_min_m: float = 0.0
    far_step_m: float = 0.0

    @property
    def radii_m(self) -> tuple[float, float]:
        """Prime-vertical and meridian radii at the origin."""
        prime, meridian = curvature_radii(self.lat0_deg, self.earth)
        return float(prime), float(meridian)

    def heights(self, x_m: Array, y_m: Array) -> Array:
        """Heights in metres at map coordinates, bilinear between posts."""
        value = _bilinear(self.height_m, self.x_min_m, self.y_min_m, self.step_m, x_m, y_m, self.z_far_m)
        if self.far_height_m.size == 0:
            return value
        rows, columns = self.height_m.shape
        gx, gy = (
            (np.asarray(x_m) - self.x_min_m) / self.step_m,
            (np.asarray(y_m) - self.y_min_m) / self.step_m,
        )
        inside = (gx >= 0) & (gy >= 0) & (gx < columns - 1) & (gy < rows - 1)
        far = _bilinear(
            self.far_height_m, self.far_x_min_m, self.far_y_min_m, self.far_step_m, x_m, y_m, self.z_far_m
        )
        return np.where(inside, value, far)


def _bilinear(
    h: Array, x_min_m: float, y_min_m: float, step_m: float, x_m: Array, y_m: Array, outside_m: float
) -> Array:
    rows, columns = h.shape
    gx, gy = (np.asarray(x_m) - x_min_m) / step_m, (np.asarray(y_m) - y_min_m) / step_m
    inside = (gx >= 0) & (gy >= 0) & (gx < columns - 1) & (gy < rows - 1)
    i, j = np.where(inside, gx, 0).astype(np.int64), np.where(inside, gy, 0).astype(np.int64)
    fx, fy = gx - i, gy - j
    value = (h[j, i] * (1 - fx) + h[j, i + 1] * fx) * (1 - fy) + (
        h[j + 1, i] * (1 - fx) + h[j + 1, i + 1] * fx
    ) * fy
    return np.where(inside, value, outside_m)


def surface_of(
    airport: Airport,
    lat0_deg: float | None = None,
    lon0_deg: float | None = None,
    earth: str | None = None,
    step_m: float = STEP_M,
    dem: TerrainModel | None = None,
) -> Surface:
    """The surface of an airport in the map frame at (lat0, lon0), the airport's own position by default.

    Around the runway planes lies the terrain model's land, cut and filled up to them, out to FAR_REACH_M;
    without a model, land that blends the planes into the mean altitude of the thresholds.
    """
    lat0 = airport.lat_deg if lat0_deg is None else lat0_deg
    lon0 = airport.lon_deg if lon0_deg is None else lon0_deg
    strips = airport.strips or airport.runways
    earth = earth or (strips[0].earth if strips else "wgs84")
    altitudes = [corner[2] for strip in strips for corner in strip.corners] or [airport.elevation_m]
    z_far = float(np.mean(altitudes))
    rectangles = np.array([_rectangle(strip, lat0, lon0) for strip in strips]).reshape(-1, 6)
    reach = REACH_M + (np.hypot(rectangles[:, 0], rectangles[:, 1]) + rectangles[:, 4]).max(initial=0.0)
    count = int(np.ceil(reach / step_m))
    axis = np.arange(-count, count + 1) * step_m
    x, y = np.meshgrid(axis, axis)
    if dem is not None:
        return _on_terrain(
            airport.icao, strips, rectangles, x, y, lat0, lon0, earth, step_m, min(altitudes), dem
        )
    planes = _planes(strips, x, y, lat0, lon0, earth)
    height = _blend(planes, rectangles, x, y, z_far)
    edge = np.clip((count * step_m - np.maximum(np.abs(x), np.abs(y))) / RIM_M, 0, 1)  # z_far at the rim
    height = z_far + (height - z_far) * edge * edge * (3 - 2 * edge)
    return Surface(lat0, lon0, earth, z_far, float(axis[0]), float(axis[0]), step_m, height, rectangles)


def _planes(strips: tuple[Runway, ...], x: Array, y: Array, lat0: float, lon0: float, earth: str) -> Array:
    """Heights (k, ...) of every strip's plane at map coordinates."""
    planes = np.array([_plane_height(strip, x, y, lat0, lon0, earth) for strip in strips])
    return planes.reshape(len(strips), *x.shape)


def _on_terrain(
    icao: str, strips: tuple[Runway, ...], rectangles: Array, x: Array, y: Array,
    lat0: float, lon0: float, earth: str, step_m: float, lowest_m: float, dem: TerrainModel,
) -> Surface:  # fmt: skip
    """Surface of runways on a terrain model: a far grid first, then the near one, equal to it at its rim.

    Beyond the model, and at the far rim, the land falls to z_far: the median of the model's land or the
    lowest runway corner, whichever is lower, so that a camera above the runways is above it.
    """
    dem.check_covers(icao, lat0, lon0)
    for strip, rectangle in zip(strips, rectangles, strict=True):
        px, py = points_on(rectangle)
        refuse_gaps(
            f"runway {icao} {strip.ident}", dem.path, dem.heights(*geodetic_from_map(px, py, lat0, lon0)),
            _plane_height(strip, px, py, lat0, lon0, earth), MAX_OFFSET_M,
        )  # fmt: skip
    rim = -float(x[0, 0])
    far_step = step_m * max(round(dem.far_step_m / step_m), 1)
    count = int(np.ceil(max(dem.far_reach_m, rim + FAR_RIM_M) / far_step))
    far_axis = np.arange(-count, count + 1) * far_step
    fx, fy = np.meshgrid(far_axis, far_axis)

    def land(x: Array, y: Array, step_m: float) -> Array:
        return fill_voids(dem.heights(*geodetic_from_map(x, y, lat0, lon0), step_m), step_m)

    def built(natural: Array, x: Array, y: Array) -> Array:
        if len(strips) == 0:
            return natural
        plane, distance = _mean_plane(_planes(strips, x, y, lat0, lon0, earth), rectangles, x, y)
        return cut_and_fill(natural, plane, distance)

    far = land(fx, fy, far_step)
    z_far = float(min(lowest_m, np.nanmedian(far)))
    far = extend(far, far_step, z_far)
    inner = np.abs(far_axis) <= 2 * rim + FAR_RIM_M  # further away no runway reaches
    window = np.ix_(inner, inner)
    far[window] = built(far[window], fx[window], fy[window])
    far = z_far + (far - z_far) * ramp((count * far_step - np.maximum(np.abs(fx), np.abs(fy))) / FAR_RIM_M)
    coarse = _bilinear(far, -count * far_step, -count * far_step, far_step, x, y, z_far)
    near = land(x, y, step_m)
    known = np.isfinite(near)
    near = np.where(
        known, coarse + (np.where(known, near, 0) - coarse) * known_share(known, step_m, RIM_M / 2), coarse
    )
    near = coarse + (built(near, x, y) - coarse) * ramp((rim - np.maximum(np.abs(x), np.abs(y))) / RIM_M)
    return Surface(
        lat0, lon0, earth, z_far, -rim, -rim, step_m, near, rectangles,
        far, -count * far_step, -count * far_step, far_step,
    )  # fmt: skip


def points_on(rectangle: Array, spacing_m: float = 25.0) -> tuple[Array, Array]:
    """Map coordinates (n,) of points along the centreline and both edges of a strip, ends included."""
    cx, cy, ux, uy, half_length, half_width = rectangle
    along = np.linspace(-half_length, half_length, 1 + int(np.ceil(2 * half_length / spacing_m)))
    side = np.array([[-half_width], [0.0], [half_width]])
    return (cx + along * ux - side * uy).ravel(), (cy + along * uy + side * ux).ravel()


def _rectangle(strip: Runway, lat0_deg: float, lon0_deg: float) -> Array:
    """Centre, unit axis, half length and half width (6,) of a strip on the map."""
    lat, lon, _ = np.array(strip.corners).T
    tl, tr, br, bl = np.stack(map_from_geodetic(lat, lon, lat0_deg, lon0_deg), -1)
    along = (tl + tr - br - bl) / 2
    length = np.hypot(*along)
    width = (np.hypot(*(tr - tl)) + np.hypot(*(br - bl))) / 2
    return np.array([*((tl + tr + br + bl) / 4), *(along / length), length / 2, width / 2])


def _plane_height(
    strip: Runway, x_m: Array, y_m: Array, lat0_deg: float, lon0_deg: float, earth: str
) -> Array:
    """Height above the ellipsoid, at map coordinates, of the plane through a strip's corners."""
    corners = to_enu(strip.corners_ecef(earth), lat0_deg, lon0_deg, 0.0, earth)
    design = np.column_stack([np.ones(4), corners[:, :2]])
    plane = np.linalg.lstsq(design, corners[:, 2], rcond=None)[0]
    prime, meridian = (float(r) for r in curvature_radii(lat0_deg, earth))
    e0, n0 = enu_from_map(x_m, y_m, map_polynomial(lat0_deg, lon0_deg, earth))
    base = drop_m(e0, n0, lat0_deg, lon0_deg, earth)
    tilt = 1 - ((e0 / prime) ** 2 + (n0 / meridian) ** 2) / 2
    height = np.full_like(x_m, np.mean(corners[:, 2]))
    for _ in range(3):
        level = plane[0] + plane[1] * e0 * (1 + height / prime) + plane[2] * n0 * (1 + height / meridian)
        height = (level - base) / tilt
    return height


def _blend(planes: Array, rectangles: Array, x: Array, y: Array, z_far_m: float) -> Array:
    """Inverse-distance mean of the runway planes (k, ...) and the far height; exact on every runway."""
    if len(planes) == 0:
        return np.full_like(x, z_far_m)
    total, norm = np.full_like(x, z_far_m / FAR_SCALE_M**2), np.full_like(x, 1 / FAR_SCALE_M**2)
    _add_planes(total, norm, planes, rectangles, x, y)
    return total / norm


def _mean_plane(planes: Array, rectangles: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """Inverse-distance mean of the runway planes (k, ...) and a smooth distance to the nearest, metres."""
    total, norm = np.zeros_like(x), np.zeros_like(x)
    _add_planes(total, norm, planes, rectangles, x, y)
    return total / norm, norm**-0.5


def _add_planes(total: Array, norm: Array, planes: Array, rectangles: Array, x: Array, y: Array) -> None:
    """Add every runway's height times its weight, and its weight, to total and norm, in place.

    Where runways cross, both follow one mean weighted by the distance to their own ends, so that every end
    keeps its plane; the mean fades out along each runway over CROSSING_BLEND_M.
    """
    outside, ends = zip(*(_distances(rectangle, x, y) for rectangle in rectangles), strict=True)
    end_weight = [1 / (distance**2 + 1e-6) for distance in ends]
    for i in range(len(planes)):
        mean, weight = planes[i] * end_weight[i], end_weight[i].copy()
        for j in range(len(planes)):
            if j == i or not _cross(rectangles[i], rectangles[j]):
                continue
            near = np.clip(1 - outside[j] / CROSSING_BLEND_M, 0, 1)
            share = end_weight[j] * near * near * (3 - 2 * near)
            mean += planes[j] * share
            weight += share
        closeness = 1 / (np.maximum(outside[i] - EXACT_MARGIN_M, 0) ** 2 + 1e-6)
        total += mean / weight * closeness
        norm += closeness


def _distances(rectangle: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """Distance outside a rectangle (0 within) and to the nearer of its end edges, metres."""
    cx, cy, ux, uy, half_length, half_width = rectangle
    along = np.abs((x - cx) * ux + (y - cy) * uy)
    across = np.maximum(np.abs((y - cy) * ux - (x - cx) * uy) - half_width, 0)
    return np.hypot(np.maximum(along - half_length, 0), across), np.hypot(along - half_length, across)


def _cross(first: Array, second: Array) -> bool:
    """Whether two rectangles come closer than their exact margins allow."""
    for a, b in ((first, second), (second, first)):
        cx, cy, ux, uy, half_length, half_width = a
        along = np.linspace(-half_length, half_length, 1 + int(half_length / 5))
        for side in (-half_width, 0.0, half_width):
            outside, _ = _distances(b, cx + along * ux - side * uy, cy + along * uy + side * ux)
            if outside.min() < _GROUND_MAX_GAP_M:
                return True
    return False
