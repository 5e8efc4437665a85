"""ArcGIS REST: tiled map and image services that describe their own grid."""

import json
import math
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from pyproj.exceptions import CRSError

from lard.errors import SourceError
from lard.ground.fetched.grid import TileMatrix, transformer
from lard.ground.fetched.source import Credit, Opening, TileSource

_WEB_MERCATOR = (102100, 102113, 900913, 3857)


def open_arcgis(opening: Opening) -> TileSource:
    """arcgis:URL of a MapServer or ImageServer with a tile cache; a key is sent as its token."""
    opening.only()
    parts = urlsplit(opening.address)
    service = urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
    extra = f"&{parts.query}" if parts.query else ""
    token = f"&{urlencode({'token': opening.key})}" if opening.key else ""
    where = opening.identity
    try:
        answer = json.loads(
            opening.document(f"{service}?f=json{extra}{token}", "service", "the service's description")
        )
    except ValueError:
        raise SourceError(
            f"{where}: its answer is no JSON; expected the address of a MapServer or ImageServer"
        ) from None
    if not isinstance(answer, dict) or "error" in answer:
        error = answer.get("error", {}) if isinstance(answer, dict) else {}
        message = f"{error.get('code', '?')}: {error.get('message', 'no description')}"
        raise SourceError(
            f"{where}: the service answers error {opening.redact(message)}; a token goes into --key"
        )
    info = answer.get("tileInfo")
    if not info:
        raise SourceError(
            f"{where}: the service has no tile cache (tileInfo); expected a tiled MapServer or ImageServer"
        )
    try:
        matrices = _matrices(answer, info)
    except (KeyError, TypeError, ValueError, CRSError) as error:
        raise SourceError(f"{where}: tileInfo is malformed ({type(error).__name__}: {error})") from None

    def address(matrix: TileMatrix, col: int, row: int) -> str:
        return f"{service}/tile/{matrix.name}/{row}/{col}?blankTile=false{extra}{token}"

    return TileSource(
        "arcgis", where, opening.slug, opening.limited(matrices), opening.licence(),
        opening.credits(Credit(str(answer.get("copyrightText") or "").strip())), address,
        missing=opening.missing, placeholders=opening.placeholders,
        note=str(answer.get("mapName") or answer.get("name") or ""),
    )  # fmt: skip


def _matrices(answer: dict[str, Any], info: dict[str, Any]) -> tuple[TileMatrix, ...]:
    crs = _crs(info["spatialReference"])
    origin_x, origin_y = float(info["origin"]["x"]), float(info["origin"]["y"])
    width, height = int(info["cols"]), int(info["rows"])
    low, high = answer.get("minLOD", 0), answer.get("maxLOD", 99)
    extent = answer.get("fullExtent") or answer.get("initialExtent")
    box = _box(extent, crs) if extent else None
    matrices = []
    for lod in sorted(info["lods"], key=lambda entry: int(entry["level"])):
        level, pixel = int(lod["level"]), float(lod["resolution"])
        if not low <= level <= high:
            continue
        if not pixel > 0:
            raise ValueError(f"resolution of level {level} is {pixel}")
        across, down = pixel * width, pixel * height
        first = top = 0
        last = bottom = (1 << 31) - 1
        if box is not None:
            first = max(0, math.floor((box[0] - origin_x) / across))
            last = max(first, math.ceil((box[2] - origin_x) / across) - 1)
            top = max(0, math.floor((origin_y - box[3]) / down))
            bottom = max(top, math.ceil((origin_y - box[1]) / down) - 1)
        matrices.append(
            TileMatrix(
                level,
                str(level),
                crs,
                origin_x,
                origin_y,
                pixel,
                pixel,
                width,
                height,
                first,
                last,
                top,
                bottom,
            )
        )
    if not matrices:
        raise ValueError("no levels of detail")
    return tuple(matrices)


def _crs(reference: dict[str, Any]) -> str:
    wkid = reference.get("latestWkid") or reference.get("wkid")
    if wkid in _WEB_MERCATOR:
        return "EPSG:3857"
    name = str(reference["wkt"]) if wkid is None else f"EPSG:{wkid}" if int(wkid) < 32768 else f"ESRI:{wkid}"
    transformer("EPSG:4326", name)  # raises CRSError for what PROJ does not know
    return name


def _box(extent: dict[str, Any], crs: str) -> tuple[float, float, float, float] | None:
    """Extent in the tiles' CRS; None when it is not a finite box."""
    west, south, east, north = (float(extent[name]) for name in ("xmin", "ymin", "xmax", "ymax"))
    reference = extent.get("spatialReference")
    if reference and _crs(reference) != crs:
        west, south, east, north = transformer(_crs(reference), crs).transform_bounds(
            west, south, east, north
        )
    values = (west, south, east, north)
    return values if all(math.isfinite(value) for value in values) else None
