"""The rendered surface of an airport: its runway planes exactly, blended into the land around.

Map coordinates (x, y) are those of the ellipsoidal orthographic projection at (lat0, lon0): the east and
north components, in the local frame at height 0, of the WGS84 ellipsoid's point there.
A point at height h above it has ENU E = x (1 + h / N0), N = y (1 + h / M0), U = drop(x, y) + h cos(tilt).

Labels are projected corners joined by straight lines, so every runway is a true plane in space here (its
height above the curved ellipsoid bulges by a few decimetres), not a surface that follows the curvature.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lard.airports.model import Airport, Runway
from lard.geodesy import curvature_radii, ecef_from_geodetic, ellipsoid, enu_from_ecef, to_enu

Array = NDArray[np.float64]

STEP_M = 20.0
"""Post spacing: below EXACT_MARGIN_M / sqrt(2), so that a cell at a runway edge holds only its plane."""
EXACT_MARGIN_M = 30.0
CROSSING_BLEND_M = 150.0
REACH_M = 4000.0
FAR_SCALE_M = 1500.0
_GROUND_MAX_GAP_M = 2 * EXACT_MARGIN_M


@dataclass(frozen=True, slots=True)
class Surface:
    """Height field over map coordinates around an airport; z_far_m everywhere outside its grid."""

    lat0_deg: float
    lon0_deg: float
    earth: str
    z_far_m: float
    x_min_m: float
    y_min_m: float
    step_m: float
    height_m: Array  # (rows northwards, columns eastwards), posts at x_min + i step
    strips: Array  # (k, 6): centre x, y, unit axis x, y, half length, half width, metres on the map

    @property
    def radii_m(self) -> tuple[float, float]:
        """Prime-vertical and meridian radii at the origin."""
        prime, meridian = curvature_radii(self.lat0_deg, self.earth)
        return float(prime), float(meridian)

    def heights(self, x_m: Array, y_m: Array) -> Array:
        """Heights in metres at map coordinates, bilinear between posts."""
        rows, columns = self.height_m.shape
        gx, gy = (
            (np.asarray(x_m) - self.x_min_m) / self.step_m,
            (np.asarray(y_m) - self.y_min_m) / self.step_m,
        )
        inside = (gx >= 0) & (gy >= 0) & (gx < columns - 1) & (gy < rows - 1)
        i, j = np.where(inside, gx, 0).astype(np.int64), np.where(inside, gy, 0).astype(np.int64)
        fx, fy = gx - i, gy - j
        h = self.height_m
        value = (h[j, i] * (1 - fx) + h[j, i + 1] * fx) * (1 - fy) + (
            h[j + 1, i] * (1 - fx) + h[j + 1, i + 1] * fx
        ) * fy
        return np.where(inside, value, self.z_far_m)


def quadric(lat0_deg: float, lon0_deg: float, height_m: float, earth: str) -> tuple[Array, Array, float]:
    """A (3, 3), b (3,), c with P A P + 2 b P + c = 0 for the ENU points P at that height."""
    a, f = ellipsoid(earth)
    rotation = enu_from_ecef(lat0_deg, lon0_deg)
    inverse = np.array([1 / (a + height_m) ** 2, 1 / (a + height_m) ** 2, 1 / (a * (1 - f) + height_m) ** 2])
    origin = ecef_from_geodetic(lat0_deg, lon0_deg, 0.0, earth)
    matrix = rotation * inverse @ rotation.T
    return matrix, rotation @ (inverse * origin), float(origin @ (inverse * origin) - 1)


def drop_m(x_m: Array, y_m: Array, lat0_deg: float, lon0_deg: float, earth: str) -> Array:
    """U (at most 0) of the ellipsoid above ENU east and north coordinates in metres."""
    matrix, b, _ = quadric(lat0_deg, lon0_deg, 0.0, earth)
    c = matrix[0, 0] * x_m**2 + matrix[1, 1] * y_m**2
    half = b[2] + matrix[1, 2] * y_m
    return -c / (half + np.sqrt(half**2 - matrix[2, 2] * c))


def map_polynomial(lat0_deg: float, lon0_deg: float, earth: str) -> Array:
    """Coefficients (7,) from height-0 ENU (E, N) of an earth model to WGS84 map coordinates.

    x = E (p0 + p1 N + p2 N^2), y = p3 N + p4 N^2 + p5 E^2 + p6 N E^2; the identity on WGS84. On the sphere
    it is fitted over 60 km; the residual stays below 5 cm within 30 km.
    """
    if earth == "wgs84":
        return np.array([1.0, 0, 0, 1.0, 0, 0, 0])
    span = np.linspace(-0.27, 0.27, 13)
    lat, lon = np.meshgrid(lat0_deg + span, lon0_deg + span / max(np.cos(np.radians(lat0_deg)), 0.05))
    e, n, _ = (
        to_enu(ecef_from_geodetic(lat, lon, 0.0, earth), lat0_deg, lon0_deg, 0.0, earth).reshape(-1, 3).T
    )
    x, y, _ = to_enu(ecef_from_geodetic(lat, lon, 0.0), lat0_deg, lon0_deg, 0.0).reshape(-1, 3).T
    px = np.linalg.lstsq(np.stack([e, e * n, e * n * n], -1), x, rcond=None)[0]
    py = np.linalg.lstsq(np.stack([n, n * n, e * e, n * e * e], -1), y, rcond=None)[0]
    return np.concatenate([px, py])


def map_from_geodetic(
    lat_deg: Array, lon_deg: Array, lat0_deg: float, lon0_deg: float
) -> tuple[Array, Array]:
    """Map coordinates in metres of WGS84 latitudes and longitudes in degrees."""
    enu = to_enu(ecef_from_geodetic(lat_deg, lon_deg, 0.0), lat0_deg, lon0_deg, 0.0)
    return enu[..., 0], enu[..., 1]


def surface_of(
    airport: Airport,
    lat0_deg: float | None = None,
    lon0_deg: float | None = None,
    earth: str | None = None,
    step_m: float = STEP_M,
) -> Surface:
    """The surface of an airport in the map frame at (lat0, lon0), the airport's own position by default."""
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
    planes = np.array([_plane_height(strip, x, y, lat0, lon0, earth) for strip in strips])
    height = _blend(planes.reshape(len(strips), *x.shape), rectangles, x, y, z_far)
    edge = np.clip((count * step_m - np.maximum(np.abs(x), np.abs(y))) / 1000.0, 0, 1)  # z_far at the rim
    height = z_far + (height - z_far) * edge * edge * (3 - 2 * edge)
    return Surface(lat0, lon0, earth, z_far, float(axis[0]), float(axis[0]), step_m, height, rectangles)


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


def enu_from_map(x_m: Array, y_m: Array, polynomial: Array) -> tuple[Array, Array]:
    """Height-0 ENU east and north of map coordinates: the inverse of map_polynomial."""
    p = polynomial
    e, n = x_m / p[0], y_m / p[3]
    for _ in range(4):
        e, n = (
            x_m / (p[0] + p[1] * n + p[2] * n * n),
            (y_m - p[4] * n * n - p[5] * e * e) / (p[3] + p[6] * e * e),
        )
    return e, n


def _blend(planes: Array, rectangles: Array, x: Array, y: Array, z_far_m: float) -> Array:
    """Inverse-distance mean of the runway planes (k, ...) and the far height; exact on every runway.

    Where runways cross, both follow one mean weighted by the distance to their own ends, so that every end
    keeps its plane; the mean fades out along each runway over CROSSING_BLEND_M.
    """
    if len(planes) == 0:
        return np.full_like(x, z_far_m)
    outside, ends = zip(*(_distances(rectangle, x, y) for rectangle in rectangles), strict=True)
    end_weight = [1 / (distance**2 + 1e-6) for distance in ends]
    total, norm = np.full_like(x, z_far_m / FAR_SCALE_M**2), np.full_like(x, 1 / FAR_SCALE_M**2)
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
    return total / norm


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
