"""Terrain models: heights at latitudes and longitudes from rasters, SRTM files and terrarium tiles.

Tiles that share a CRS, a resolution and a raster of posts form one layer, which is read as one seamless grid
in blocks; where the finest layer has no data, the next one answers. Heights come in metres and in the datum
the caller names: those above mean sea level are used as they are, whatever geoid they were reduced with
(EGM96 and EGM2008 differ by less than a metre almost everywhere); those above the ellipsoid need a geoid
grid.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from pyproj.exceptions import ProjError

from lard.airports import Airport
from lard.documents import checked
from lard.errors import DataError
from lard.ground.terrain.layers import Layer, layers_of, terrarium_layers
from lard.ground.terrain.model import FAR_REACH_M, FAR_STEP_M, TerrainModel
from lard.ground.terrain.rasters import SUFFIXES, open_raster
from lard.ground.terrain.shipped import SHIPPED, ShippedDem
from lard.tables import read_json, sha256_file

Array = NDArray[np.float64]

SIDECAR = "terrain.json"
DATUMS = ("msl", "ellipsoidal")
_FEET = {"ft": 0.3048, "us-ft": 1200 / 3937, "m": 1.0}


@dataclass(frozen=True, slots=True)
class Dem:
    """A terrain model: its layers, finest first, and how its heights relate to the datum asked for."""

    path: str
    layers: tuple[Layer, ...]
    vertical: str  # what its files or terrain.json state, or "mean sea level (assumed)"
    datum: str  # of the heights it gives: msl or ellipsoidal
    geoid: str = ""  # grid file used to get there, or none
    geoid_sign: float = 0.0  # heights given = heights stored + sign * undulation

    @property
    def far_reach_m(self) -> float:
        """How far from an airport its land is drawn."""
        return FAR_REACH_M

    @property
    def far_step_m(self) -> float:
        """Post spacing of the land drawn away from the airport."""
        return FAR_STEP_M

    def levelled_by(self, airports: tuple[Airport, ...]) -> "Dem":
        """Itself: rasters stay as they are."""
        return self

    def heights(self, lat_deg: Array, lon_deg: Array, step_m: float = 0.0) -> Array:
        """Heights in metres of latitudes and longitudes of any shape, bilinear between posts; NaN where none.

        step_m: spacing of the points asked for; rasters much finer are averaged to about it.
        """
        lat, lon = np.broadcast_arrays(np.asarray(lat_deg, np.float64), np.asarray(lon_deg, np.float64))
        flat_lat, flat_lon = lat.ravel(), lon.ravel()
        height = np.full(flat_lat.shape, np.nan)
        for layer in sorted(self.layers, key=lambda layer: layer.rank(step_m)):
            left = np.flatnonzero(np.isnan(height))
            if left.size == 0:
                break
            height[left] = layer.heights(flat_lat[left], flat_lon[left], step_m)
        if self.geoid_sign:
            height += self.geoid_sign * undulation_m(self.geoid, flat_lat, flat_lon)
        return height.reshape(lat.shape)

    def told(self, lat_deg: Array, lon_deg: Array) -> Array:
        """Heights to compare runways with: those of heights."""
        return self.heights(lat_deg, lon_deg)

    def check_covers(self, icao: str, lat_deg: float, lon_deg: float) -> None:
        """Rasters may serve any airport; whether they hold its runways is seen when these are met."""

    def files_near(self, lat_deg: float, lon_deg: float, reach_m: float) -> list[Path]:
        """Files that touch a square of half side reach_m."""
        half = np.degrees(reach_m / 6.35e6)
        across = half / max(np.cos(np.radians(abs(lat_deg) + half)), 0.02)
        box = (lat_deg - half, lat_deg + half, lon_deg - across, lon_deg + across)
        return sorted({path for layer in self.layers for path in layer.files(*box)})

    def stated(self, places: Iterable[tuple[float, float]], reach_m: float) -> dict[str, Any]:
        """Which files (by SHA-256) tell the land near places (latitude, longitude), and in what datum."""
        files = {path for lat, lon in places for path in self.files_near(lat, lon, reach_m)}
        return {
            "name": self.name(),
            "heights": self.vertical,
            "given_in": self.datum,
            "geoid": Path(self.geoid).name if self.geoid_sign else "",
            "files": {path.name: _file_digest(str(path)) for path in sorted(files)},
        }

    def digest(self, lat_deg: float, lon_deg: float, reach_m: float) -> str:
        """SHA-256 digests of the files within a square of half side reach_m, with the datum, as one text.

        What a picture of an airport depends on: other tiles of a large folder do not count.
        """
        files = self.files_near(lat_deg, lon_deg, reach_m)
        if not files:
            raise DataError(
                f"{self.path}: no terrain within {reach_m / 1000:g} km of {lat_deg:.4f}, {lon_deg:.4f}; "
                "add tiles there"
            )
        parts = [f"{path.name}:{_file_digest(str(path))}" for path in files]
        geoid = _file_digest(self.geoid) if self.geoid_sign else ""
        return " ".join([self.vertical, self.datum, geoid, *parts])

    def name(self) -> str:
        """What a manifest calls it: its file or folder."""
        return Path(self.path).name

    def summary(self) -> str:
        """One line: layers with resolutions, vertical datum and what was done about it."""
        layers = ", ".join(layer.summary() for layer in self.layers)
        done = "used as they are" if not self.geoid_sign else f"brought to {self.datum} with {self.geoid}"
        return f"{self.path}: {layers}; heights above {self.vertical}, {done}"


@cache
def _file_digest(path: str) -> str:
    return sha256_file(Path(path))


@cache
def load_dem(path: str | Path, datum: str = "msl") -> TerrainModel:
    """Open a terrain model: a raster, a folder of rasters or of z/x/y.png tiles, or a {z}/{x}/{y} template;
    "shipped" is the coarse relief around the shipped airports (lard.ground.terrain.shipped).

    datum: of the runway database, msl or ellipsoidal. A file terrain.json beside the rasters may state what
    they do not: {"unit": "m" | "ft" | "us-ft", "vertical_datum": "msl" | "EGM96" | ... | "ellipsoidal",
    "geoid": "grid file"}.
    """
    if datum not in DATUMS:
        raise DataError(f"altitude datum {datum!r} is unknown; expected {' or '.join(DATUMS)}")
    if str(path) == SHIPPED:
        if datum != "msl":
            raise DataError(
                f"terrain {SHIPPED}: heights above mean sea level, runways above the ellipsoid; "
                "name a raster of your own, with a geoid"
            )
        return ShippedDem()
    path = Path(path)
    templated = bool(re.search(r"\{-?[xyz]\}", str(path)))
    folder = Path(str(path).split("{", 1)[0]) if templated else path if path.is_dir() else path.parent
    stated = _sidecar(folder / SIDECAR)
    if templated or _is_pyramid(path):
        layers = terrarium_layers(str(path) if templated else f"{path}/{{z}}/{{x}}/{{y}}.png")
        verticals = {""}
    else:
        rasters = [open_raster(file, _FEET.get(stated.get("unit", ""))) for file in _raster_files(path)]
        layers, verticals = layers_of(rasters), {raster.vertical for raster in rasters}
    if len(verticals) > 1 and "vertical_datum" not in stated:
        raise DataError(
            f"{path}: tiles of different vertical datums ({', '.join(sorted(map(repr, verticals)))}); "
            f"keep one, or state it in {SIDECAR}"
        )
    vertical = stated.get("vertical_datum") or next(iter(verticals)) or "mean sea level (assumed)"
    own = "ellipsoidal" if "ellipsoid" in vertical.lower() else "msl"
    if own == datum:
        return Dem(str(path), layers, vertical, datum)
    geoid = stated.get("geoid", "")
    if not geoid:
        raise DataError(
            f"{path}: heights above {vertical}, runways above {datum}; a geoid grid joins them: name one "
            f'(.gtx or .tif of undulations, from cdn.proj.org say) as "geoid" in {folder / SIDECAR}'
        )
    geoid = str((folder / geoid).resolve())
    undulation_m(geoid, np.zeros(1), np.zeros(1))
    return Dem(str(path), layers, vertical, datum, geoid, -1.0 if own == "ellipsoidal" else 1.0)


def undulation_m(geoid: str, lat_deg: Array, lon_deg: Array) -> Array:
    """Heights of the geoid above the ellipsoid in metres; NaN outside the grid."""
    if not Path(geoid).is_file():
        raise DataError(f"{geoid}: no such geoid grid; fetch it (.gtx or .tif from cdn.proj.org)")
    try:
        shift = _geoid_shift(geoid)
        _, _, height = shift.transform(lon_deg, lat_deg, np.zeros(np.shape(lat_deg)))
    except ProjError as error:
        raise DataError(
            f"{geoid}: not a geoid grid that PROJ reads ({error}); expected .gtx or .tif"
        ) from error
    return np.where(np.isfinite(height), height, np.nan)


@cache
def _geoid_shift(geoid: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_pipeline(
        "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad "
        f'+step +proj=vgridshift +grids="{geoid}" +multiplier=1 '
        "+step +proj=unitconvert +xy_in=rad +xy_out=deg"
    )


class _Stated(BaseModel):
    """terrain.json beside rasters: what their own files do not say."""

    model_config = ConfigDict(extra="forbid")

    unit: str | None = None
    vertical_datum: str | None = None
    geoid: str | None = None


def _sidecar(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    stated = checked(_Stated, read_json(path), path)
    if stated.unit is not None and stated.unit not in _FEET:
        raise DataError(f"{path}: unit {stated.unit!r:.40}; expected {', '.join(_FEET)}")
    return {key: str(value) for key, value in stated.model_dump(exclude_none=True).items()}


def _is_pyramid(path: Path) -> bool:
    return path.is_dir() and any(
        zoom.name.isdecimal() and zoom.is_dir() and any(column.name.isdecimal() for column in zoom.iterdir())
        for zoom in path.iterdir()
    )


def _raster_files(path: Path) -> list[Path]:
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if file.name.lower().endswith(SUFFIXES)]
        if not files:
            raise DataError(
                f"{path}: no terrain in this folder; expected files ending in {', '.join(SUFFIXES)}, "
                "or z/x/y.png"
            )
        return files
    if not path.is_file():
        raise DataError(f"{path}: no such terrain file or folder")
    return [path]
