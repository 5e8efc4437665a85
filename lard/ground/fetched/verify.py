"""Checks caches and ground folders, and says in short what they hold."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import rasterio
from pydantic import ValidationError

from lard.airports.model import RunwayDatabase
from lard.documents import read_json
from lard.errors import LardError, SourceError
from lard.ground.fetched.cache import DamagedError, TileCache, read_entry
from lard.ground.fetched.judged import REPEATS
from lard.ground.fetched.pictures import UndecodableError, decode
from lard.ground.fetched.stated import GroundManifest, described_cache, fault_of, matrices_of
from lard.ground.gdal import GDAL_FAULTS
from lard.ground.holes import runway_zones
from lard.ground.resolution import REFUSE_RATIO, WARN_RATIO, check_resolution
from lard.progress import track
from lard.tables import sha256_file

ERROR, WARNING, NOTE = "error", "warning", "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found, and how bad it is."""

    severity: str
    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.subject}: {self.message}"


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
    matrices = {matrix.zoom: matrix for matrix in matrices_of(described_cache(folder))}
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
        GroundManifest.model_validate(manifest)
    except ValidationError as error:
        return [Finding(ERROR, name, f"manifest.json {fault_of(error)}; make it again")]
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
        with rasterio.open(path, driver="GTiff") as source:
            if (source.width, source.height) != (tile["width_px"], tile["height_px"]):
                return (
                    f"{source.width} x {source.height} px instead of {tile['width_px']} x {tile['height_px']}"
                )
            for _, window in source.block_windows(1):
                source.read(1, window=window)
    except GDAL_FAULTS as error:
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
