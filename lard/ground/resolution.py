"""Whether ground imagery is fine enough for the frames that look at it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.airports.model import Airport, Runway, RunwayDatabase
from lard.camera import Poses, camera_columns, camera_of_row, project, to_camera
from lard.errors import SourceError
from lard.geodesy import ecef_from_geodetic
from lard.ground.terrain.surface import map_from_geodetic

Array = NDArray[np.float64]

WARN_RATIO = 2.0
"""Ground pixels this many times a picture's pixel are a warning: the runway looks soft there."""
REFUSE_RATIO = 8.0
"""And this many an error: markings and edges are lost."""
_ALONG, _ACROSS = 193, 5
_NEAREST_M = 1.0
_FRAMES_PER_CHUNK = 256


@dataclass(frozen=True, slots=True)
class Resolution:
    """The most demanding frame of an airport beside what its ground imagery holds."""

    airport: str
    frame_id: str
    runway: str
    needed_gsd_m: float
    found_gsd_m: float

    @property
    def ratio(self) -> float:
        """Pixels of the picture across one pixel of the ground; above 1 the ground is the coarser."""
        return self.found_gsd_m / self.needed_gsd_m

    def __str__(self) -> str:
        if not np.isfinite(self.found_gsd_m):
            return (
                f"{self.airport}: the ground imagery does not reach runway {self.runway}, which frame "
                f"{self.frame_id} sees"
            )
        return (
            f"{self.airport}: ground imagery of {self.found_gsd_m:g} m per pixel at runway {self.runway}; "
            f"frame {self.frame_id} sees it with {self.needed_gsd_m:.2g} m per pixel (ratio {self.ratio:.1f})"
        )


def needed_gsd_m(frames: pl.DataFrame, airports: Mapping[str, Airport]) -> pl.DataFrame:
    """Per frame with a runway in view: the ground size of a pixel (m) at the nearest visible runway point.

    Columns frame_id, airport, runway, needed_gsd_m, lat_deg, lon_deg of that point. A pixel's size is its
    short side on the ground, distance along the axis over focal length: what a texel is compared with.
    """
    rows: list[dict[str, Any]] = []
    for (icao, earth), group in frames.sort("frame_id").group_by(
        "airport", "earth_model", maintain_order=True
    ):
        airport = airports[str(icao)]
        strips = airport.strips or airport.runways
        if not strips:
            continue
        points = [_points(strip) for strip in strips]
        places = np.concatenate([place for place, _ in points])
        ecef = ecef_from_geodetic(places[:, 0], places[:, 1], places[:, 2], str(earth))
        names = np.repeat([strip.ident for strip in strips], [len(place) for place, _ in points])
        for start in range(0, len(group), _FRAMES_PER_CHUNK):
            rows += _needed(group[start : start + _FRAMES_PER_CHUNK], str(icao), ecef, places, names)
    schema = {
        "frame_id": pl.String, "airport": pl.String, "runway": pl.String, "needed_gsd_m": pl.Float64,
        "lat_deg": pl.Float64, "lon_deg": pl.Float64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)


def check_resolution(
    frames: pl.DataFrame,
    grounds: Mapping[str, Mapping[str, Any]],
    db: RunwayDatabase,
    *,
    warn_ratio: float = WARN_RATIO,
    refuse_ratio: float | None = REFUSE_RATIO,
) -> list[Resolution]:
    """The most demanding frame of every airport; warns on stderr, refuses beyond refuse_ratio (None: never).

    grounds: manifest.json of each airport's ground folder, by ICAO code.
    """
    worst = []
    needed = needed_gsd_m(frames, {icao: db.airport(icao) for icao in frames["airport"].unique()})
    for (icao,), group in needed.group_by("airport", maintain_order=True):
        manifest = grounds[str(icao)]
        lat, lon = group["lat_deg"].to_numpy(), group["lon_deg"].to_numpy()
        x, y = map_from_geodetic(lat, lon, float(manifest["lat0_deg"]), float(manifest["lon0_deg"]))
        found = found_gsd_m(manifest, x, y)
        index = int(np.argmax(found / group["needed_gsd_m"].to_numpy()))
        row = group.row(index, named=True)
        worst.append(
            Resolution(str(icao), row["frame_id"], row["runway"], row["needed_gsd_m"], float(found[index]))
        )
    worst.sort(key=lambda resolution: resolution.airport)
    faults = [entry for entry in worst if refuse_ratio is not None and entry.ratio > refuse_ratio]
    if faults:
        lines = [
            f"{entry}; make it with --gsd {_rounded(entry.needed_gsd_m)}, at most "
            f"{_rounded(entry.needed_gsd_m * (refuse_ratio or 1))}"
            for entry in faults
        ]
        remedy = "Or keep the camera farther away, or take what there is by lard render --allow-coarse."
        raise SourceError("\n".join([*lines, remedy]))
    for entry in worst:
        if entry.ratio > warn_ratio:
            print(f"{entry}; --gsd {_rounded(entry.needed_gsd_m)} would be sharp", file=sys.stderr)
    return worst


def found_gsd_m(manifest: Mapping[str, Any], x_m: Array, y_m: Array) -> Array:
    """Pixel size (n,) in metres of the finest level at map places; infinite beyond the coarsest."""
    found = np.full(np.shape(x_m), np.inf)
    for level in sorted(manifest["levels"], key=lambda entry: -float(entry["gsd_m"])):
        gsd = float(level["gsd_m"])
        column, row = (x_m - float(level["x_min_m"])) / gsd, (float(level["y_max_m"]) - y_m) / gsd
        for part in level["tiles"] if level.get("sparse") else [level]:
            left, top = part.get("col_px", 0), part.get("row_px", 0)
            inside = (column >= left) & (column < left + part["width_px"])
            inside &= (row >= top) & (row < top + part["height_px"])
            found[inside] = gsd
    return found


def _needed(
    frames: pl.DataFrame, icao: str, ecef: Array, places: Array, names: Array
) -> list[dict[str, Any]]:
    """Rows of one airport's frames; its runway points as ECEF (k, 3), places (k, 3) and idents (k,)."""
    cam = to_camera(ecef, Poses.from_frames(frames))  # (n, k, 3)
    rows = []
    cameras = frames.select(camera_columns(frames)).to_dicts()
    for index, (frame_id, values) in enumerate(zip(frames["frame_id"], cameras, strict=True)):
        camera = camera_of_row(values)
        pixels, depth = project(cam[index], camera), cam[index, :, 2]
        seen = (depth > _NEAREST_M) & (pixels[:, 0] >= 0) & (pixels[:, 0] < camera.width_px)
        seen &= (pixels[:, 1] >= 0) & (pixels[:, 1] < camera.height_px)
        if not seen.any():
            continue
        nearest = int(np.argmin(np.where(seen, depth, np.inf)))
        rows.append(
            {
                "frame_id": frame_id, "airport": icao, "runway": str(names[nearest]),
                "needed_gsd_m": float(depth[nearest]) / max(camera.fx_px, camera.fy_px),
                "lat_deg": float(places[nearest, 0]), "lon_deg": float(places[nearest, 1]),
            }
        )  # fmt: skip
    return rows


def _points(strip: Runway) -> tuple[Array, int]:
    """Latitudes, longitudes and altitudes (k, 3) of a grid over a runway, denser towards its ends."""
    tl, tr, br, bl = (np.array(corner) for corner in strip.corners)
    along = (1 - np.cos(np.linspace(0, np.pi, _ALONG))) / 2
    across = np.linspace(0, 1, _ACROSS)
    a, b = (part.ravel()[:, None] for part in np.meshgrid(along, across, indexing="ij"))
    grid = (bl * (1 - b) + br * b) * (1 - a) + (tl * (1 - b) + tr * b) * a
    return grid, len(grid)


def _rounded(gsd_m: float) -> str:
    """Two significant digits, rounded down: what is asked for must be enough."""
    digits = 1 - int(np.floor(np.log10(gsd_m)))
    return f"{np.floor(gsd_m * 10**digits) / 10**digits:g}"
