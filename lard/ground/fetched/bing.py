"""Bing Maps: a metadata call with a key names the tile addresses, zooms and who is to be named where.

REST Imagery API, "Get Imagery Metadata", and "Bing Maps Tile System" (quadkeys).
"""

import re
from typing import Annotated
from urllib.parse import quote, urlencode

from pydantic import BaseModel, Field, ValidationError

from lard.documents import parse_json
from lard.errors import DataError, SourceError
from lard.ground.fetched.grid import TILE_LIMIT_PX, TileMatrix, quadkey, web_mercator
from lard.ground.fetched.source import Credit, Opening, TileSource

ENDPOINT = "https://dev.virtualearth.net/REST/v1/Imagery/Metadata/"
_TERMS = "Microsoft Bing Maps Platform API terms of use; caching and derived works are restricted by them"

_Degrees = Annotated[float, Field(allow_inf_nan=False)]


class _Area(BaseModel):
    """Where a provider's imagery lies: south, west, north, east."""

    bbox: tuple[_Degrees, _Degrees, _Degrees, _Degrees] = (-90.0, -180.0, 90.0, 180.0)
    zoomMin: int = 0
    zoomMax: int = 99


class _Provider(BaseModel):
    attribution: str | None = None
    coverageAreas: list[_Area] | None = None


class _Resource(BaseModel):
    """What is used of an imagery set's metadata."""

    imageUrl: str
    imageUrlSubdomains: list[str] | None = None
    imageWidth: int = Field(default=256, ge=1, le=TILE_LIMIT_PX)
    imageHeight: int = Field(default=256, ge=1, le=TILE_LIMIT_PX)
    zoomMin: int = Field(default=1, ge=0, le=30)
    zoomMax: int = Field(default=19, ge=0, le=30)
    imageryProviders: list[_Provider] | None = None


def open_bing(opening: Opening) -> TileSource:
    """bing:Aerial, or bing:URL of a metadata service without its query."""
    opening.only("culture")
    if not opening.key and not opening.http.settings.offline:
        raise SourceError(
            f"{opening.identity}: Bing Maps needs a key; give --key or set LARD_BING_KEY "
            "(keys are issued at the Bing Maps Dev Center)"
        )
    place = opening.address or "Aerial"
    endpoint = place if "://" in place else ENDPOINT + quote(place)
    query = {"output": "json", "include": "ImageryProviders", "uriScheme": "https", "key": opening.key}
    body = opening.document(f"{endpoint}?{urlencode(query)}", "metadata", "Bing's metadata")
    resource = _resource(body, opening)
    template, subdomains = resource.imageUrl, resource.imageUrlSubdomains or []
    if "{quadkey}" not in template or ("{subdomain}" in template and not subdomains):
        raise SourceError(
            f"{opening.identity}: imageUrl {opening.redact(template)!r} has no {{quadkey}} or no subdomains"
        )
    culture = opening.options.get("culture", "en-US")
    width, height = resource.imageWidth, resource.imageHeight
    if width != height:
        raise SourceError(f"{opening.identity}: tiles of {width} x {height} px; expected squares")
    first, last = resource.zoomMin, resource.zoomMax
    generation = re.search(r"[?&]g=(\d+)", template)
    opening.redact.learn_from(template)

    def address(matrix: TileMatrix, col: int, row: int) -> str:
        values = {
            "quadkey": quadkey(matrix.zoom, col, row), "culture": culture,
            "subdomain": subdomains[(col + row) % len(subdomains)] if subdomains else "",
        }  # fmt: skip
        return re.sub(r"\{(quadkey|culture|subdomain)\}", lambda match: values[match[1]], template)

    source = TileSource(
        "bing", opening.identity, opening.slug, opening.limited(web_mercator(first, last, width)),
        opening.licence(_TERMS), opening.credits(*_credits(resource)), address,
        missing=opening.missing, placeholders=opening.placeholders,
        note=f"generation {generation[1]}" if generation else "",
    )  # fmt: skip
    opening.keep("metadata", body)
    return source


def _resource(body: bytes, opening: Opening) -> _Resource:
    try:
        answer = parse_json(body, "the answer")
    except DataError as error:
        raise SourceError(f"{opening.identity}: not Bing's metadata ({error})") from None
    if isinstance(answer, dict) and answer.get("authenticationResultCode") not in (None, "ValidCredentials"):
        raise SourceError(
            f"{opening.identity}: Bing refuses the key ({str(answer['authenticationResultCode'])[:80]}); "
            "check --key or LARD_BING_KEY"
        )
    try:
        found = answer["resourceSets"][0]["resources"][0]
        if "imageUrl" in found:
            return _Resource.model_validate(found)
    except (ValidationError, KeyError, IndexError, TypeError) as error:
        raise SourceError(
            f"{opening.identity}: not Bing's metadata ({type(error).__name__}); expected resourceSets "
            "with an imageUrl"
        ) from None
    raise SourceError(f"{opening.identity}: the imagery set has no tiles (no imageUrl); try bing:Aerial")


def _credits(resource: _Resource) -> list[Credit]:
    return [
        Credit(provider.attribution or "", area.zoomMin, area.zoomMax, area.bbox)
        for provider in resource.imageryProviders or []
        for area in provider.coverageAreas or [_Area()]
    ]
