"""Checks caches and ground folders, and says in short what they hold."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import rasterio
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from rasterio.errors import RasterioError

from lard.airports.model import RunwayDatabase
from lard.documents import read_json
from lard.errors import DataError, LardError, SourceError
from lard.ground.fetched.cache import DamagedError, TileCache, read_entry
from lard.ground.fetched.download import UndecodableError, decode
from lard.ground.fetched.fetch import REPEATS
from lard.ground.fetched.grid import TileMatrix, transformer
from lard.ground.holes import runway_zones
from lard.ground.resolution import REFUSE_RATIO, WARN_RATIO, check_resolution
from lard.progress import track
from lard.tables import inside, sha256_file

ERROR, WARNING, NOTE = "error", "warning", "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found, and how bad it is."""

    severity: str
    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.subject}: {self.message}"


_Number = Annotated[float, Field(allow_inf_nan=False)]


class _Strict(BaseModel):
    """Numbers are numbers: what is checked is used as it stands."""

    model_config = ConfigDict(strict=True)


class _File(_Strict):
    """A file of a ground folder, beside its manifest."""

    file: Annotated[str, AfterValidator(lambda name: inside(name, "file", ValueError))]
    width_px: int = Field(ge=1)
    height_px: int = Field(ge=1)
    sha256: str | None = None


class _Level(_Strict):
    gsd_m: float = Field(gt=0, allow_inf_nan=False)
    x_min_m: _Number
    y_max_m: _Number
    width_px: int = Field(ge=1)
    height_px: int = Field(ge=1)
    tiles: list[_File]


class _Hole(_Strict):
    level: int = Field(ge=0)
    filled_from: str
    pixels: int
    x_min_m: _Number
    y_min_m: _Number
    x_max_m: _Number
    y_max_m: _Number


class _Ground(_Strict):
    """What a ground folder's manifest must state to be checked."""

    airport: str
    lat0_deg: float = Field(ge=-90, le=90)
    lon0_deg: float = Field(ge=-180, le=180)
    levels: list[_Level] = Field(min_length=1)
    holes: list[_Hole] = []
    objects: _File | None = None
    source: dict[str, Any] = {}

    @model_validator(mode="after")
    def _holes_of_levels(self) -> "_Ground":
        if any(hole.level >= len(self.levels) for hole in self.holes):
            raise ValueError("a hole lies in a level that is not there")
        return self


class _Zoom(BaseModel):
    zoom: int
    name: str
    crs: str
    x_min: _Number
    y_max: _Number
    pixel_x: _Number
    pixel_y: _Number
    tile_width_px: int
    tile_height_px: int


class _Described(BaseModel):
    """What a cache states of its source."""

    identity: str
    licence: str
    attributions: list[str]
    note: str = ""
    zooms: list[_Zoom]


def folders_of(path: Path) -> tuple[list[Path], list[Path]]:
    """The caches and the ground folders at a path or one below it."""
    if not path.is_dir():
        raise SourceError(f"{path}: no such folder; expected a tile cache or a ground folder")
    places = [path, *sorted(child for child in path.iterdir() if child.is_dir())]
    caches = [place for place in places if (place / "source.json").is_file()]
    grounds = [place for place in places if (place / "manifest.json").is_file()]
    if not caches and not grounds:
        raise SourceError(
            f"{path}: neither a tile cache (source.json) nor a ground folder (manifest.json) here or "
            "one level below"
        )
    return caches, grounds


def verify_cache(folder: Path) -> list[Finding]:
    """Every tile's checksum and picture; holes are counted by reason."""
    cache, findings = TileCache(folder.parent, folder.name), []
    matrices = {matrix.zoom: matrix for matrix in _matrices(_described(folder))}
    bodies: Counter[str] = Counter()
    holes: Counter[str] = Counter()
    whole = 0
    for tile, path in track(list(cache.tiles()), f"verify {folder.name}", unit="tiles"):
        name = f"{folder.name}/{tile[0]}/{tile[1]}/{tile[2]}"
        try:
            entry = read_entry(path)
            if entry.hole:
                holes[f"zoom {tile[0]}: {entry.hole}"] += 1
                continue
            if tile[0] in matrices:
                decode(entry.body, matrices[tile[0]])
            bodies[entry.sha256] += 1
            whole += 1
        except (DamagedError, UndecodableError) as error:
            findings.append(Finding(ERROR, name, f"{error}; it is fetched again when next wanted"))
    for digest, count in sorted(bodies.items()):
        if count >= REPEATS:
            text = f"{count} tiles are the same picture; a placeholder? Then say #placeholder={digest}"
            findings.append(Finding(WARNING, folder.name, text))
    left = [path for path in folder.rglob(".*.tmp*") if path.is_file()]
    if left:
        text = f"{len(left)} half-written files; the next fetch removes them"
        findings.append(Finding(NOTE, folder.name, text))
    findings += [
        Finding(NOTE, folder.name, f"{count} holes of {reason}") for reason, count in sorted(holes.items())
    ]
    return [*findings, Finding(NOTE, folder.name, f"{whole} tiles whole")]


def verify_ground(folder: Path, db: RunwayDatabase, frames: pl.DataFrame | None = None) -> list[Finding]:
    """Checksums, decodable tiles, holes, all runways covered, and resolution for a frames table."""
    manifest = read_json(folder / "manifest.json")
    name = folder.name
    try:
        _Ground.model_validate(manifest)
    except ValidationError as error:
        return [Finding(ERROR, name, f"manifest.json {_fault(error)}; make it again")]
    findings = []
    tiles = [tile for level in manifest["levels"] for tile in level["tiles"]]
    for tile in track(tiles, f"verify {name}", unit="files"):
        fault = _tile_fault(folder / tile["file"], tile)
        if fault:
            findings.append(
                Finding(ERROR, f"{name}/{tile['file']}", f"{fault}; make the ground imagery again")
            )
    heights = manifest.get("objects")
    if heights and (fault := _tile_fault(folder / heights["file"], heights)):
        text = f"{fault}; make the ground imagery again"
        findings.append(Finding(ERROR, f"{name}/{heights['file']}", text))
    findings += _runway_findings(name, manifest, db)
    holes = manifest.get("holes", [])
    for level in sorted({hole["level"] for hole in holes}):
        mine = [hole for hole in holes if hole["level"] == level]
        kinds = ", ".join(sorted({hole["filled_from"] for hole in mine}))
        pixels = sum(hole["pixels"] for hole in mine)
        area = pixels * manifest["levels"][level]["gsd_m"] ** 2 / 1e4
        findings.append(
            Finding(NOTE, name, f"level {level}: {area:.3g} ha in {len(mine)} holes filled from {kinds}")
        )
    if frames is not None:
        findings += _resolution_findings(name, manifest, db, frames)
    for key in ("licence", "attribution"):
        if not manifest.get(key) or str(manifest[key]).startswith("unstated"):
            findings.append(
                Finding(
                    WARNING, name, f"{key} is unstated; name it when fetching (--{key}) before you publish"
                )
            )
    return [*findings, Finding(NOTE, name, f"{len(tiles)} files in {len(manifest['levels'])} levels checked")]


def _tile_fault(path: Path, tile: Mapping[str, Any]) -> str:
    """What is wrong with a file of a ground folder; empty when nothing."""
    if not path.is_file():
        return "is missing"
    if tile.get("sha256") and sha256_file(path) != tile["sha256"]:
        return "its SHA-256 is not the manifest's"
    try:
        with rasterio.open(path) as source:
            if (source.width, source.height) != (tile["width_px"], tile["height_px"]):
                return (
                    f"{source.width} x {source.height} px instead of {tile['width_px']} x {tile['height_px']}"
                )
            for _, window in source.block_windows(1):
                source.read(1, window=window)
    except RasterioError as error:
        return f"cannot be read ({error})"
    return ""


def _runway_findings(name: str, manifest: Mapping[str, Any], db: RunwayDatabase) -> list[Finding]:
    try:
        airport = db.airport(str(manifest["airport"]))
    except LardError as error:
        return [Finding(WARNING, name, f"{error}")]
    findings = []
    finest = manifest["levels"][0]
    x0, y1, gsd = float(finest["x_min_m"]), float(finest["y_max_m"]), float(finest["gsd_m"])
    x1, y0 = x0 + finest["width_px"] * gsd, y1 - finest["height_px"] * gsd
    holes = [hole for hole in manifest.get("holes", []) if hole["level"] == 0]
    for zone in runway_zones(airport, float(manifest["lat0_deg"]), float(manifest["lon0_deg"]), 0.0):
        left, low, right, high = zone.box
        if left < x0 or low < y0 or right > x1 or high > y1:
            beyond = max(x0 - left, y0 - low, right - x1, high - y1)
            text = (
                f"runway {zone.name} reaches out of the finest level by {beyond:.0f} m; use a longer --reach"
            )
            findings.append(Finding(ERROR, name, text))
        over = [
            h
            for h in holes
            if h["x_min_m"] < right and h["x_max_m"] > left and h["y_min_m"] < high and h["y_max_m"] > low
        ]
        if over:
            findings.append(
                Finding(WARNING, name, f"{len(over)} filled holes lie in the box of runway {zone.name}")
            )
    return findings


def _resolution_findings(
    name: str, manifest: Mapping[str, Any], db: RunwayDatabase, frames: pl.DataFrame
) -> list[Finding]:
    icao = str(manifest["airport"])
    mine = frames.filter(pl.col("airport") == icao)
    if len(mine) == 0:
        return [Finding(NOTE, name, f"no frame of the table is at {icao}")]
    found = check_resolution(mine, {icao: manifest}, db, warn_ratio=np.inf, refuse_ratio=None)
    findings = []
    for entry in found:
        severity = ERROR if entry.ratio > REFUSE_RATIO else WARNING if entry.ratio > WARN_RATIO else NOTE
        findings.append(Finding(severity, name, f"{entry}; {entry.needed_gsd_m:.2g} m is needed to be sharp"))
    return findings


def describe_cache(folder: Path) -> list[str]:
    """Source, zooms, sizes, attribution, licence and coverage of a cache, in lines."""
    described = _described(folder)
    cache = TileCache(folder.parent, folder.name)
    lines = [
        f"{folder.name}: tile cache", f"  source       {described['identity']}",
        f"  licence      {described['licence']}",
        f"  attribution  {'; '.join(described['attributions']) or 'unstated'}",
    ]  # fmt: skip
    if described.get("note"):
        lines.append(f"  note         {described['note']}")
    matrices = {matrix.zoom: matrix for matrix in _matrices(described)}
    zooms: dict[int, list[Any]] = {}
    for (zoom, col, row), path in cache.tiles():
        entry = zooms.setdefault(zoom, [0, 0, col, col, row, row])
        entry[0] += 1
        entry[1] += path.stat().st_size
        entry[2:] = min(entry[2], col), max(entry[3], col), min(entry[4], row), max(entry[5], row)
    for zoom, (count, size, c0, c1, r0, r1) in sorted(zooms.items()):
        text = f"  zoom {zoom:2d}      {count} tiles, {size / 1e6:.1f} MB"
        if zoom in matrices:
            matrix = matrices[zoom]
            left, _, _, top = matrix.bounds(c0, r0)
            _, bottom, right, _ = matrix.bounds(c1, r1)
            west, south, east, north = transformer(matrix.crs, "EPSG:4326").transform_bounds(
                left, bottom, right, top
            )
            gsd = matrix.gsd_m((south + north) / 2, (west + east) / 2)
            text += f", {gsd:.3g} m per pixel, {south:.4f} to {north:.4f} N, {west:.4f} to {east:.4f} E"
        lines.append(text)
    return lines


def describe_ground(folder: Path) -> list[str]:
    """Source, levels, attribution, licence and coverage of a ground folder, in lines."""
    manifest = read_json(folder / "manifest.json")
    try:
        _Ground.model_validate(manifest)
    except ValidationError as error:
        raise DataError(
            f"{folder / 'manifest.json'}: {_fault(error)}; make the ground imagery again"
        ) from error
    try:
        levels = manifest["levels"]
        lines = [
            f"{folder.name}: ground imagery of {manifest['airport']} at {manifest['lat0_deg']:.6f}, "
            f"{manifest['lon0_deg']:.6f}",
            f"  made from    {manifest.get('generator', 'unknown')}",
            f"  licence      {manifest.get('licence') or 'unstated'}",
            f"  attribution  {manifest.get('attribution') or 'unstated'}",
        ]  # fmt: skip
        for number, level in enumerate(levels):
            size = sum(
                (folder / tile["file"]).stat().st_size
                for tile in level["tiles"]
                if (folder / tile["file"]).is_file()
            )
            width, height = (
                level["width_px"] * level["gsd_m"] / 1000,
                level["height_px"] * level["gsd_m"] / 1000,
            )
            holes = sum(1 for hole in manifest.get("holes", []) if hole["level"] == number)
            lines.append(
                f"  level {number}      {level['gsd_m']:g} m per pixel, {width:.2f} x {height:.2f} km, "
                f"{len(level['tiles'])} files, {size / 1e6:.1f} MB"
                + (", sparse" if level.get("sparse") else "")
                + (f", {holes} holes filled" if holes else "")
            )
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{folder / 'manifest.json'}: lacks {error}; make the ground imagery again"
        ) from error
    source = manifest.get("source", {})
    if "tiles" in source:
        zooms = ", ".join(f"zoom {zoom}: {entry['tiles']}" for zoom, entry in sorted(source["zooms"].items()))
        lines.append(f"  tiles        {source['tiles']} ({zooms})")
        lines.append(
            f"  digest       {hashlib.sha256(str(sorted(source['zooms'].items())).encode()).hexdigest()[:16]}"
        )
    return lines


def _described(folder: Path) -> dict[str, Any]:
    """What a cache says of its source, checked."""
    path = folder / "source.json"
    described: dict[str, Any] = read_json(path)
    try:
        _Described.model_validate(described)
        _matrices(described)
    except ValidationError as error:
        raise DataError(f"{path}: {_fault(error)}; fetch something again") from error
    except ValueError as error:
        raise DataError(f"{path}: {error}; fetch something again") from error
    return described


def _fault(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "the document"
    return f"lacks {where}" if first["type"] == "missing" else f"{where}: {first['msg']}"


def _matrices(described: Mapping[str, Any]) -> list[TileMatrix]:
    return [
        TileMatrix(
            entry["zoom"], entry["name"], entry["crs"], entry["x_min"], entry["y_max"], entry["pixel_x"],
            entry["pixel_y"], entry["tile_width_px"], entry["tile_height_px"], 0, 1 << 30, 0, 1 << 30,
        )
        for entry in described["zooms"]
    ]  # fmt: skip
