"""Says in short what caches and ground folders hold."""

import hashlib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lard.documents import read_json
from lard.errors import DataError
from lard.ground.fetched.cache import TileCache
from lard.ground.fetched.grid import transformer
from lard.ground.fetched.stated import GroundManifest, described_cache, fault_of, matrices_of


def describe_cache(folder: Path) -> list[str]:
    """Source, zooms, sizes, attribution, licence and coverage of a cache, in lines."""
    described = described_cache(folder)
    cache = TileCache(folder.parent, folder.name)
    lines = [
        f"{folder.name}: tile cache", f"  source       {described['identity']}",
        f"  licence      {described['licence']}",
        f"  attribution  {'; '.join(described['attributions']) or 'unstated'}",
    ]  # fmt: skip
    if described.get("note"):
        lines.append(f"  note         {described['note']}")
    matrices = {matrix.zoom: matrix for matrix in matrices_of(described)}
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
        GroundManifest.model_validate(manifest)
    except ValidationError as error:
        raise DataError(
            f"{folder / 'manifest.json'}: {fault_of(error)}; make the ground imagery again"
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
