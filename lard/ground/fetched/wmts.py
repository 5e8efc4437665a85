"""WMTS: layers, styles, formats and tile matrix sets out of the capabilities (OGC 07-057r7)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from xml.etree import ElementTree

from pyproj import CRS
from pyproj.exceptions import CRSError

from lard.errors import SourceError, one_line
from lard.ground.fetched.address import Redactor
from lard.ground.fetched.grid import METRES_PER_DEGREE, TileMatrix
from lard.ground.fetched.source import Credit, Opening, TileSource

_NS = {"w": "http://www.opengis.net/wmts/1.0", "o": "http://www.opengis.net/ows/1.1"}
_HREF = "{http://www.w3.org/1999/xlink}href"
_PIXEL_M = 0.28e-3
_ADDRESS_CHARACTERS = 4000
_FORMATS = ("image/jpeg", "image/png", "image/webp")
_MERCATOR = ("EPSG:3857", "EPSG:900913", "EPSG:3785", "EPSG:102100")


@dataclass(frozen=True, slots=True)
class _Choice:
    """What is asked for: a layer in a style, a format and a matrix set."""

    layer: ElementTree.Element
    name: str
    style: str
    form: str
    matrix_set: str


def open_wmts(opening: Opening) -> TileSource:
    """wmts:URL of the capabilities, with #layer=, matrixset=, style=, format= where there are several."""
    opening.only("layer", "matrixset", "style", "format")
    where = opening.identity
    url = _capabilities_url(opening.address, opening.key)
    body = opening.document(url, "capabilities", "the capabilities")
    source = _source(_parse(body, where, opening.redact), opening)
    opening.keep("capabilities", body)
    return source


def _source(root: ElementTree.Element, opening: Opening) -> TileSource:
    where = opening.identity
    choice = _choose(root, opening)
    matrices = _matrices(root, choice, where)
    service = root.find("o:ServiceIdentification", _NS)
    terms = (
        [_text(service, f"o:{name}") for name in ("Fees", "AccessConstraints")] if service is not None else []
    )
    licence = "; ".join(text for text in terms if text and text.lower() != "none")
    provider = _text(root.find("o:ServiceProvider", _NS), "o:ProviderName")
    credit = " - ".join(part for part in (_text(choice.layer, "o:Title") or choice.name, provider) if part)
    return TileSource(
        "wmts", where, opening.slug, opening.limited(matrices), opening.licence(licence),
        opening.credits(Credit(credit)), _addresses(root, choice, opening),
        missing=opening.missing, placeholders=opening.placeholders,
        note=one_line(
            f"layer {choice.name}, style {choice.style or 'default'}, {choice.matrix_set}, {choice.form}"
        ),
    )  # fmt: skip


def _capabilities_url(address: str, key: str) -> str:
    address = address.replace("{key}", key)
    if urlsplit(address).path.lower().endswith(".xml"):
        return address
    return _with_query(address, {"SERVICE": "WMTS", "REQUEST": "GetCapabilities", "VERSION": "1.0.0"})


def _with_query(url: str, values: dict[str, str]) -> str:
    """The address with parameters set, in any case they may be there already."""
    parts = urlsplit(url)
    names = {name.lower() for name in values}
    kept = [(name, value) for name, value in parse_qsl(parts.query, True) if name.lower() not in names]
    query = urlencode([*kept, *values.items()], safe="/:,")
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def _parse(body: bytes, where: str, redact: Redactor) -> ElementTree.Element:
    if b"<!ENTITY" in body.replace(b"\0", b""):  # in UTF-16 too
        raise SourceError(f"{where}: the capabilities define XML entities, which are refused")
    try:
        root = ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # or of no known encoding
        raise SourceError(f"{where}: the capabilities are no XML ({error}); check the address") from None
    if root.tag.endswith("ExceptionReport") or root.tag.endswith("ServiceExceptionReport"):
        text = " ".join(part.strip() for part in root.itertext() if part.strip())
        raise SourceError(f"{where}: the server answers: {redact(text)[:300]}")
    if root.tag != f"{{{_NS['w']}}}Capabilities":
        raise SourceError(f"{where}: <{root.tag.split('}')[-1]}> is no WMTS 1.0.0 Capabilities document")
    return root


def _text(element: ElementTree.Element | None, path: str) -> str:
    found = None if element is None else element.find(path, _NS)
    return "" if found is None or found.text is None else found.text.strip()


def _pick(
    what: str, offered: list[str], wanted: str | None, where: str, preferred: tuple[str, ...] = ()
) -> str:
    """The wanted one of the offered, else a preferred or the only one."""
    if wanted is not None:
        if wanted in offered:
            return wanted
        raise SourceError(
            f"{where}: no {what} {wanted!r}; the server offers {', '.join(offered[:30]) or 'none'}"
        )
    for name in preferred:
        if name in offered:
            return name
    if len(offered) == 1:
        return offered[0]
    raise SourceError(
        f"{where}: name the {what} with #{what.replace(' ', '')}=...; "
        f"the server offers {', '.join(offered[:30]) or 'none'}"
    )


def _choose(root: ElementTree.Element, opening: Opening) -> _Choice:
    where, options = opening.identity, opening.options
    layers = {_text(layer, "o:Identifier"): layer for layer in root.findall("w:Contents/w:Layer", _NS)}
    name = _pick("layer", list(layers), options.get("layer"), where)
    layer = layers[name]
    styles = {_text(style, "o:Identifier"): style for style in layer.findall("w:Style", _NS)}
    default = tuple(style for style, element in styles.items() if element.get("isDefault") in ("true", "1"))
    style = (
        _pick("style", list(styles), options.get("style"), where, (*default, *list(styles)[:1]))
        if styles
        else ""
    )
    formats = [element.text or "" for element in layer.findall("w:Format", _NS)]
    form = _pick("format", formats, options.get("format"), where, _FORMATS)
    links = [_text(link, "w:TileMatrixSet") for link in layer.findall("w:TileMatrixSetLink", _NS)]
    mercator = [
        link
        for link in links
        if _crs_name(_text(_matrix_set(root, link, where), "o:SupportedCRS"))[0] == "EPSG:3857"
    ]
    return _Choice(
        layer,
        name,
        style,
        form,
        _pick("matrix set", links, options.get("matrixset"), where, tuple(mercator[:1])),
    )


def _matrix_set(root: ElementTree.Element, name: str, where: str) -> ElementTree.Element:
    for element in root.findall("w:Contents/w:TileMatrixSet", _NS):
        if _text(element, "o:Identifier") == name:
            return element
    raise SourceError(
        f"{where}: the layer names the tile matrix set {name!r}, which the capabilities do not define"
    )


def _crs_name(text: str) -> tuple[str, bool]:
    """Name for PROJ of a SupportedCRS, and whether coordinates come in the order the authority states."""
    urn = re.fullmatch(r"urn:(?:x-)?ogc:def:crs:([A-Za-z]+):[^:]*:(\w+)", text)
    if urn and urn[1].upper() == "OGC" and urn[2].upper() in ("CRS84", "84"):
        return "OGC:CRS84", False
    http = re.fullmatch(r"https?://www\.opengis\.net/def/crs/([A-Za-z]+)/[^/]+/(\w+)", text)
    found = urn or http
    name = f"{found[1].upper()}:{found[2]}" if found else text
    return "EPSG:3857" if name.upper() in _MERCATOR else name, found is not None


def _matrices(root: ElementTree.Element, choice: _Choice, where: str) -> tuple[TileMatrix, ...]:
    """The matrices of the chosen set, coarsest first, within the layer's limits."""
    definition = _matrix_set(root, choice.matrix_set, where)
    stated = _text(definition, "o:SupportedCRS")
    name, authority_order = _crs_name(stated)
    try:
        crs = CRS.from_user_input(name)
    except CRSError:
        raise SourceError(f"{where}: CRS {stated!r} of {choice.matrix_set} is unknown to PROJ") from None
    if not (crs.is_geographic or crs.is_projected):
        raise SourceError(f"{where}: CRS {stated!r} of {choice.matrix_set} is no map of the earth")
    swap = authority_order and crs.axis_info[0].direction.lower() in ("north", "south")
    unit = METRES_PER_DEGREE if crs.is_geographic else crs.axis_info[0].unit_conversion_factor
    matrices = []
    try:
        limits = _limits(choice)
        elements = sorted(
            definition.findall("w:TileMatrix", _NS), key=lambda e: -float(_text(e, "w:ScaleDenominator"))
        )
        for zoom, element in enumerate(elements):
            identifier = _text(element, "o:Identifier")
            corner = [float(value) for value in _text(element, "w:TopLeftCorner").split()]
            x, y = (corner[1], corner[0]) if swap else (corner[0], corner[1])
            pixel = float(_text(element, "w:ScaleDenominator")) * _PIXEL_M / unit
            width, height = int(_text(element, "w:TileWidth")), int(_text(element, "w:TileHeight"))
            columns, rows = int(_text(element, "w:MatrixWidth")), int(_text(element, "w:MatrixHeight"))
            if limits and identifier not in limits:
                continue
            c0, c1, r0, r1 = limits.get(identifier, (0, columns - 1, 0, rows - 1))
            span = max(c0, 0), min(c1, columns - 1), max(r0, 0), min(r1, rows - 1)
            matrices.append(
                TileMatrix(zoom, identifier, name, x, y, pixel, pixel, width, height, *span, rows)
            )
    except (ValueError, IndexError, OverflowError) as error:
        raise SourceError(f"{where}: tile matrix set {choice.matrix_set} is malformed ({error})") from None
    if not matrices:
        raise SourceError(f"{where}: layer {choice.name} has no tile matrix of {choice.matrix_set}")
    return tuple(matrices)


def _limits(choice: _Choice) -> dict[str, tuple[int, int, int, int]]:
    """First and last column, first and last row by matrix."""
    found = {}
    for link in choice.layer.findall("w:TileMatrixSetLink", _NS):
        if _text(link, "w:TileMatrixSet") != choice.matrix_set:
            continue
        for entry in link.findall("w:TileMatrixSetLimits/w:TileMatrixLimits", _NS):
            columns = int(_text(entry, "w:MinTileCol")), int(_text(entry, "w:MaxTileCol"))
            rows = int(_text(entry, "w:MinTileRow")), int(_text(entry, "w:MaxTileRow"))
            found[_text(entry, "w:TileMatrix")] = (*columns, *rows)
    return found


def _addresses(
    root: ElementTree.Element, choice: _Choice, opening: Opening
) -> Callable[[TileMatrix, int, int], str]:
    """The function that gives a tile's address: by the REST template if there is one, else by KVP."""
    dimensions = {
        _text(entry, "o:Identifier"): _text(entry, "w:Default")
        for entry in choice.layer.findall("w:Dimension", _NS)
    }
    for resource in choice.layer.findall("w:ResourceURL", _NS):
        if resource.get("resourceType") == "tile" and resource.get("format") in (choice.form, None):
            template = str(resource.get("template"))
            if len(template) > _ADDRESS_CHARACTERS:
                raise SourceError(f"{opening.identity}: a tile template of {len(template):,} characters")
            template = template.replace("{key}", opening.key)
            opening.redact.learn_from(template)
            fixed = {"style": choice.style, "tilematrixset": choice.matrix_set, "layer": choice.name}
            fixed |= {name.lower(): value for name, value in dimensions.items()}
            return lambda matrix, col, row: _filled(
                template,
                {**fixed, "tilematrix": matrix.name, "tilecol": str(col), "tilerow": str(row)},
                opening.identity,
            )
    base = _kvp_url(root) or opening.address.replace("{key}", opening.key)
    # a key in the capabilities' address is wanted by the tiles too
    carried = {
        name: value for name, value in parse_qsl(urlsplit(opening.address).query)
        if name.lower() not in ("service", "request", "version")
    }  # fmt: skip
    if _kvp_url(root) == "" and urlsplit(opening.address).path.lower().endswith(".xml"):
        raise SourceError(
            f"{opening.identity}: the capabilities give neither a tile template nor a GetTile address"
        )

    def address(matrix: TileMatrix, col: int, row: int) -> str:
        return _with_query(
            base,
            {
                **carried, "SERVICE": "WMTS", "REQUEST": "GetTile", "VERSION": "1.0.0", "LAYER": choice.name,
                "STYLE": choice.style, "FORMAT": choice.form, "TILEMATRIXSET": choice.matrix_set,
                "TILEMATRIX": matrix.name, "TILEROW": str(row), "TILECOL": str(col), **dimensions,
            },
        )  # fmt: skip

    return address


def _filled(template: str, values: dict[str, str], where: str) -> str:
    missing = [name for name in re.findall(r"\{([^}]*)\}", template) if name.lower() not in values]
    if missing:
        raise SourceError(
            f"{where}: the tile template wants {', '.join(missing)}, which the capabilities do not give"
        )
    return re.sub(r"\{([^}]*)\}", lambda match: values[match[1].lower()], template)


def _kvp_url(root: ElementTree.Element) -> str:
    for operation in root.findall("o:OperationsMetadata/o:Operation", _NS):
        if operation.get("name") != "GetTile":
            continue
        for get in operation.findall("o:DCP/o:HTTP/o:Get", _NS):
            encodings = [value.text for value in get.findall("o:Constraint/o:AllowedValues/o:Value", _NS)]
            if not encodings or "KVP" in encodings:
                return str(get.get(_HREF) or "")
    return ""
