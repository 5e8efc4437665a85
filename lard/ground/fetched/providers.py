"""Opens a source of tiles from its specification KIND:ADDRESS#OPTIONS."""

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from lard.errors import SourceError
from lard.ground.fetched.arcgis import open_arcgis
from lard.ground.fetched.bing import open_bing
from lard.ground.fetched.cache import TileCache
from lard.ground.fetched.http import Http, host_of
from lard.ground.fetched.mbtiles import open_mbtiles
from lard.ground.fetched.source import Opening, TileSource, options_of
from lard.ground.fetched.templates import open_template
from lard.ground.fetched.wmts import open_wmts

OPENERS: dict[str, Callable[[Opening], TileSource]] = {
    "xyz": open_template,
    "tms": open_template,
    "bing": open_bing,
    "arcgis": open_arcgis,
    "wmts": open_wmts,
    "mbtiles": open_mbtiles,
}
RASTER = "raster"
KINDS = (*OPENERS, RASTER)
_KEY_VARIABLES = {"bing": "LARD_BING_KEY"}


def split_spec(spec: str) -> tuple[str, str, dict[str, str]]:
    """Kind, address and options of a source."""
    kind, colon, rest = spec.partition(":")
    kind = kind.strip().lower()
    if not colon or kind not in KINDS:
        raise SourceError(
            f"--source: {kind if colon else spec[:40]!r} is no kind of source; expected KIND:ADDRESS with "
            f"one of {', '.join(KINDS)}, for example 'xyz:https://tiles.example.org/{{z}}/{{x}}/{{y}}.jpg'"
        )
    address, _, fragment = rest.partition("#")
    return kind, address.strip(), options_of(fragment, f"--source {kind}:...")


def key_for(kind: str, key: str | None) -> str:
    """The key given, else that of the environment: LARD_BING_KEY for bing, LARD_TILE_KEY for the others."""
    return key or os.environ.get(_KEY_VARIABLES.get(kind, "LARD_TILE_KEY"), "")


def open_source(
    spec: str, http: Http, cache_root: str | Path, key: str | None = None
) -> tuple[TileSource, TileCache]:
    """Open a source and its cache; asks the server to describe itself where the protocol has that."""
    kind, address, options = split_spec(spec)
    if kind not in OPENERS:
        raise SourceError(f"--source {kind}: is no tiled source; expected one of {', '.join(OPENERS)}")
    if not address and kind != "bing":
        raise SourceError(f"--source {kind}:: no address; expected {kind}:ADDRESS")
    if "://" in address:
        try:
            urlsplit(address).port  # noqa: B018 - it is parsed when asked for
        except ValueError as error:
            raise SourceError(
                f"--source {kind}:{address}: {error}; expected http(s)://host[:port]/..."
            ) from None
    secret = key_for(kind, key)
    http.redact.learn(secret)
    http.redact.learn_from(address)
    draft = Opening(kind, address, options, secret, http, TileCache(cache_root, "-"), "-")
    slug = _slug(kind, address, draft.identity)
    cache = TileCache(cache_root, slug)
    if options.get("repeated", "keep") != "keep":
        raise SourceError(f"--source {kind}: repeated is {options['repeated']!r}; expected repeated=keep")
    try:
        source = OPENERS[kind](Opening(kind, address, options, secret, http, cache, slug))
    except SourceError as error:  # a server may answer with the key it was given
        raise SourceError(http.redact(error)) from None
    return replace(source, keep_repeated="repeated" in options), cache


def _slug(kind: str, address: str, identity: str) -> str:
    """Folder name of a source: readable, and different for every identity."""
    place = host_of(address) if "://" in address else Path(address.split("{")[0]).name or address
    name = re.sub(r"[^a-z0-9.]+", "-", place.lower()).strip("-.")[:40]
    return f"{kind}-{name}-{hashlib.sha256(identity.encode()).hexdigest()[:10]}"
