"""XYZ and TMS tiles by an address template, of a server or of a folder."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lard.errors import SourceError
from lard.ground.fetched.grid import TileMatrix, quadkey, web_mercator
from lard.ground.fetched.source import Opening, TileSource

_FIELDS = ("{z}", "{x}", "{y}", "{-y}", "{q}", "{s}", "{key}")


def open_template(opening: Opening) -> TileSource:
    """A template of {z}, {x}, {y} ({-y} counts from the south), {q} (quadkey), {s} (subdomain), {key}.

    With the kind tms {y} itself counts from the south.
    """
    opening.only("tile", "subdomains")
    template, where = opening.address, opening.identity
    unknown = sorted(set(re.findall(r"\{[^}]*\}", template)) - set(_FIELDS))
    if unknown:
        raise SourceError(
            f"{where}: unknown field {', '.join(unknown)}; expected some of {', '.join(_FIELDS)}"
        )
    whole = "{q}" in template or (
        "{z}" in template and "{x}" in template and ("{y}" in template or "{-y}" in template)
    )
    if not whole:
        raise SourceError(f"{where}: expected {{z}}, {{x}} and {{y}} (or {{-y}}), or {{q}}, in the address")
    if "{key}" in template and not opening.key:
        raise SourceError(f"{where}: the address wants a {{key}}; give --key or set LARD_TILE_KEY")
    subdomains = [part for part in opening.options.get("subdomains", "a,b,c").split(",") if part]
    if "{s}" in template and not subdomains:
        raise SourceError(f"{where}: subdomains is empty; expected for example subdomains=a,b,c")
    matrices = web_mercator(*opening.zooms((0, 20)), opening.number("tile", 256, 16, 4096))
    address = template_of(template, subdomains, opening.key, from_south=opening.kind == "tms")
    source = TileSource(
        opening.kind, where, opening.slug, matrices, opening.licence(), opening.credits(),
        missing=opening.missing, placeholders=opening.placeholders,
    )  # fmt: skip
    if "://" in template:
        return replace(source, url_of=address)

    def read(matrix: TileMatrix, col: int, row: int) -> bytes | None:
        path = Path(address(matrix, col, row))
        return path.read_bytes() if path.is_file() else None

    start = template.split("{")[0]
    folder = Path(start) if start.endswith("/") else Path(start).parent
    if not folder.is_dir():
        raise SourceError(f"{where}: neither an http(s) address nor an existing folder")
    return replace(source, read=read)


def template_of(
    template: str, subdomains: list[str], key: str = "", *, from_south: bool = False
) -> Callable[[TileMatrix, int, int], str]:
    """The function that fills an address template for a tile."""

    def address(matrix: TileMatrix, col: int, row: int) -> str:
        south = matrix.rows - 1 - row
        values = {
            "{z}": matrix.name, "{x}": str(col), "{y}": str(south if from_south else row), "{-y}": str(south),
            "{s}": subdomains[(col + row) % len(subdomains)] if subdomains else "", "{key}": key,
        }  # fmt: skip
        if "{q}" in template:
            values["{q}"] = quadkey(matrix.zoom, col, row)
        return re.sub(r"\{[^}]*\}", lambda match: values[match[0]], template)

    return address
