"""Bing Maps: a metadata call with a key names the tile addresses, zooms and who is to be named where.

REST Imagery API, "Get Imagery Metadata", and "Bing Maps Tile System" (quadkeys).
"""

import json
import re
from typing import Any
from urllib.parse import quote, urlencode

from lard.errors import SourceError
from lard.ground.fetched.grid import TileMatrix, quadkey, web_mercator
from lard.ground.fetched.source import Credit, Opening, TileSource

ENDPOINT = "https://dev.virtualearth.net/REST/v1/Imagery/Metadata/"
_TERMS = "Microsoft Bing Maps Platform API terms of use; caching and derived works are restricted by them"


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
    template = str(resource["imageUrl"])
    subdomains = [str(name) for name in resource.get("imageUrlSubdomains") or []]
    if "{quadkey}" not in template or ("{subdomain}" in template and not subdomains):
        raise SourceError(
            f"{opening.identity}: imageUrl {opening.redact(template)!r} has no {{quadkey}} or no subdomains"
        )
    culture = opening.options.get("culture", "en-US")
    width, height = int(resource.get("imageWidth", 256)), int(resource.get("imageHeight", 256))
    if width != height:
        raise SourceError(f"{opening.identity}: tiles of {width} x {height} px; expected squares")
    first, last = int(resource.get("zoomMin", 1)), int(resource.get("zoomMax", 19))
    generation = re.search(r"[?&]g=(\d+)", template)
    opening.redact.learn_from(template)

    def address(matrix: TileMatrix, col: int, row: int) -> str:
        values = {
            "quadkey": quadkey(matrix.zoom, col, row), "culture": culture,
            "subdomain": subdomains[(col + row) % len(subdomains)] if subdomains else "",
        }  # fmt: skip
        return re.sub(r"\{(quadkey|culture|subdomain)\}", lambda match: values[match[1]], template)

    return TileSource(
        "bing", opening.identity, opening.slug, opening.limited(web_mercator(first, last, width)),
        opening.licence(_TERMS), opening.credits(*_credits(resource)), address,
        missing=opening.missing, placeholders=opening.placeholders,
        note=f"generation {generation[1]}" if generation else "",
    )  # fmt: skip


def _resource(body: bytes, opening: Opening) -> dict[str, Any]:
    try:
        answer = json.loads(body)
        if answer.get("authenticationResultCode") not in (None, "ValidCredentials"):
            raise SourceError(
                f"{opening.identity}: Bing refuses the key ({answer['authenticationResultCode']}); "
                "check --key or LARD_BING_KEY"
            )
        resource = answer["resourceSets"][0]["resources"][0]
        if "imageUrl" in resource:
            return dict(resource)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise SourceError(
            f"{opening.identity}: not Bing's metadata ({type(error).__name__}); expected resourceSets "
            "with an imageUrl"
        ) from None
    raise SourceError(f"{opening.identity}: the imagery set has no tiles (no imageUrl); try bing:Aerial")


def _credits(resource: dict[str, Any]) -> list[Credit]:
    found = []
    for provider in resource.get("imageryProviders") or []:
        for area in provider.get("coverageAreas") or [{}]:
            south, west, north, east = area.get("bbox") or (-90.0, -180.0, 90.0, 180.0)
            found.append(
                Credit(
                    str(provider.get("attribution", "")),
                    int(area.get("zoomMin", 0)),
                    int(area.get("zoomMax", 99)),
                    (float(south), float(west), float(north), float(east)),
                )
            )
    return found
