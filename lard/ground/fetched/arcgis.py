"""ArcGIS REST: tiled map and image services that describe their own grid."""

import math
from typing import Annotated
from urllib.parse import urlencode, urlsplit, urlunsplit

from pydantic import BaseModel, Field, ValidationError
from pyproj.exceptions import ProjError

from lard.documents import parse_json
from lard.errors import DataError, SourceError, one_line
from lard.ground.fetched.grid import TILE_LIMIT_PX, TileMatrix, transformer
from lard.ground.fetched.source import Credit, Opening, TileSource

_WEB_MERCATOR = (102100, 102113, 900913, 3857)
_LAST = (1 << 31) - 1

_Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e9, le=1e9)]


class _Reference(BaseModel):
    wkid: int | None = Field(default=None, ge=0)
    latestWkid: int | None = Field(default=None, ge=0)
    wkt: str | None = None


class _Origin(BaseModel):
    x: _Number
    y: _Number


class _Lod(BaseModel):
    level: int = Field(ge=0, le=99)
    resolution: float = Field(gt=0, allow_inf_nan=False, le=1e9)


class _TileInfo(BaseModel):
    """The grid; cols and rows are a tile's width and height in pixels."""

    spatialReference: _Reference
    origin: _Origin
    cols: int = Field(ge=1, le=TILE_LIMIT_PX)
    rows: int = Field(ge=1, le=TILE_LIMIT_PX)
    lods: list[_Lod] = Field(max_length=100)


class _Extent(BaseModel):
    """A box; a service without data states "NaN", which is no box."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float
    spatialReference: _Reference | None = None


class _Service(BaseModel):
    """What is used of a MapServer's or ImageServer's description."""

    tileInfo: _TileInfo
    minLOD: int = 0
    maxLOD: int = 99
    fullExtent: _Extent | None = None
    initialExtent: _Extent | None = None
    copyrightText: str | None = None
    mapName: str | None = None
    name: str | None = None


def open_arcgis(opening: Opening) -> TileSource:
    """arcgis:URL of a MapServer or ImageServer with a tile cache; a key is sent as its token."""
    opening.only()
    parts = urlsplit(opening.address)
    service = urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
    extra = f"&{parts.query}" if parts.query else ""
    token = f"&{urlencode({'token': opening.key})}" if opening.key else ""
    where = opening.identity
    body = opening.document(f"{service}?f=json{extra}{token}", "service", "the service's description")
    answer = _described(body, opening)
    matrices = _matrices(answer, where)

    def address(matrix: TileMatrix, col: int, row: int) -> str:
        return f"{service}/tile/{matrix.name}/{row}/{col}?blankTile=false{extra}{token}"

    source = TileSource(
        "arcgis", where, opening.slug, opening.limited(matrices), opening.licence(),
        opening.credits(Credit((answer.copyrightText or "").strip())), address,
        missing=opening.missing, placeholders=opening.placeholders,
        note=one_line(answer.mapName or answer.name or ""),
    )  # fmt: skip
    opening.keep("service", body)
    return source


def _described(body: bytes, opening: Opening) -> _Service:
    """The checked description; SourceError for what is none."""
    where = opening.identity
    try:
        answer = parse_json(body, "the answer")
    except DataError as fault:
        raise SourceError(
            f"{where}: its answer is no JSON ({fault}); expected the address of a MapServer or ImageServer"
        ) from None
    if not isinstance(answer, dict) or "error" in answer:
        error = answer.get("error") if isinstance(answer, dict) else None
        stated = error if isinstance(error, dict) else {}
        message = f"{stated.get('code', '?')}: {stated.get('message', 'no description')}"
        raise SourceError(
            f"{where}: the service answers error {opening.redact(message)[:300]}; a token goes into --key"
        )
    if not answer.get("tileInfo"):
        raise SourceError(
            f"{where}: the service has no tile cache (tileInfo); expected a tiled MapServer or ImageServer"
        )
    try:
        return _Service.model_validate(answer)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise SourceError(f"{where}: tileInfo is malformed ({field}: {first['msg']})") from None


def _matrices(answer: _Service, where: str) -> tuple[TileMatrix, ...]:
    """The levels of detail, coarsest first, within the service's extent."""
    info = answer.tileInfo
    extent = answer.fullExtent or answer.initialExtent
    try:
        crs = _crs(info.spatialReference)
        box = _box(extent, crs) if extent else None
        matrices = [
            _matrix(info, lod, crs, box)
            for lod in sorted(info.lods, key=lambda entry: entry.level)
            if answer.minLOD <= lod.level <= answer.maxLOD
        ]
    except (ValueError, OverflowError, ProjError) as error:
        raise SourceError(f"{where}: tileInfo is malformed ({error})") from None
    levels = [matrix.zoom for matrix in matrices]
    if len(set(levels)) < len(levels):
        raise SourceError(f"{where}: tileInfo is malformed (a level of detail is stated twice)")
    if not matrices:
        raise SourceError(f"{where}: tileInfo is malformed (no levels of detail)")
    return tuple(matrices)


def _matrix(
    info: _TileInfo, lod: _Lod, crs: str, box: tuple[float, float, float, float] | None
) -> TileMatrix:
    x, y, pixel = info.origin.x, info.origin.y, lod.resolution
    span = 0, _LAST, 0, _LAST
    if box is not None:
        across, down = pixel * info.cols, pixel * info.rows
        first, top = max(0, math.floor((box[0] - x) / across)), max(0, math.floor((y - box[3]) / down))
        last = max(first, math.ceil((box[2] - x) / across) - 1)
        span = first, last, top, max(top, math.ceil((y - box[1]) / down) - 1)
    return TileMatrix(lod.level, str(lod.level), crs, x, y, pixel, pixel, info.cols, info.rows, *span)


def _crs(reference: _Reference) -> str:
    wkid = reference.latestWkid or reference.wkid
    if wkid in _WEB_MERCATOR:
        return "EPSG:3857"
    if wkid is None and not reference.wkt:
        raise ValueError("spatialReference has neither wkid nor wkt")
    name = str(reference.wkt) if wkid is None else f"EPSG:{wkid}" if wkid < 32768 else f"ESRI:{wkid}"
    transformer("EPSG:4326", name)  # raises CRSError for what PROJ does not know
    return name


def _box(extent: _Extent, crs: str) -> tuple[float, float, float, float] | None:
    """Extent in the tiles' CRS; None when it is not a finite box."""
    west, south, east, north = extent.xmin, extent.ymin, extent.xmax, extent.ymax
    if extent.spatialReference and _crs(extent.spatialReference) != crs:
        west, south, east, north = transformer(_crs(extent.spatialReference), crs).transform_bounds(
            west, south, east, north
        )
    values = (west, south, east, north)
    return values if all(math.isfinite(value) for value in values) else None
