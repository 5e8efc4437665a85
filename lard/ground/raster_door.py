"""The door of raster files: kinds that hold their own pixels, and VRTs of such files on this machine.

GDAL would follow what a file says to servers and to files of any kind. Nothing here reaches the network.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import rasterio

from lard.documents import read_text
from lard.errors import LardError

DRIVERS = (
    "GTiff", "JPEG", "PNG", "JP2OpenJPEG", "JP2KAK", "JP2ECW", "JP2MrSID", "JPEGXL", "WEBP", "BMP", "HFA",
    "ENVI", "EHdr", "GPKG", "MBTiles", "SRTMHGT", "DTED", "AAIGrid", "USGSDEM",
)  # fmt: skip
_VRT_LIMIT_BYTES = 64 << 20
_NESTED = 8
_HEAD_BYTES = 4096  # GDAL tells kinds by the first kilobyte
_SERVERS = (b"<gdal_wm", b"<wms", b"<wcs_gdal", b"<capabilities", b"<gdaltileindex", b"<ogcapi", b"<tilejson")
_PLAIN = (
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"\xff\xd8\xff",
    b"\x89PNG",
    b"\0\0\0\x0cjP",
    b"EHFA_HEADER",
)
_REFERENCES = ("sourcefilename", "sourcedataset", "overviewfile", "dempath")
_ELSEWHERE = ("overview_file", "x_dataset", "y_dataset")
# what a file may yet make GDAL ask for (overviews elsewhere, say) ends at once
_OFFLINE = {
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "none", "GDAL_HTTP_PROXY": "127.0.0.1:9",
    "GDAL_HTTP_CONNECTTIMEOUT": "1", "GDAL_HTTP_TIMEOUT": "1", "GDAL_HTTP_MAX_RETRY": "0",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
}  # fmt: skip


@contextlib.contextmanager
def opened_raster(path: Path, error: type[LardError], name: str = "", **options: Any) -> Iterator[Any]:
    """A raster file, opened as one of DRIVERS or as a VRT of such; `name` is what GDAL opens of it."""
    drivers = drivers_of(path, error)
    with _opened(name or str(path), drivers, **options) as source:
        yield source


@contextlib.contextmanager
def _opened(name: str, drivers: Sequence[str], **options: Any) -> Iterator[Any]:
    # rasterio.open takes one driver only
    with rasterio.Env(**_OFFLINE), rasterio.DatasetReader(name, driver=list(drivers), **options) as source:
        yield source


def drivers_of(path: Path, error: type[LardError]) -> Sequence[str]:
    """The drivers that may open a file; an error of the class given where it refers to what may not be."""
    beside = _beside(path)
    states = [file.stat() for file in (path, beside) if file == path or file.is_file()]
    key = tuple((state.st_mtime_ns, state.st_size) for state in states)
    return _drivers(path, error, key)  # type: ignore[arg-type]  # mypy takes classes for unhashable


@lru_cache(maxsize=256)
def _drivers(path: Path, error: type[LardError], _states: tuple[tuple[int, int], ...]) -> tuple[str, ...]:
    return _seen(path, error, {os.path.realpath(path): False}, 1)


def _seen(path: Path, error: type[LardError], known: dict[str, bool], depth: int) -> tuple[str, ...]:
    """The drivers of a file after a look at all it is made of; `known`: whether a file is looked through."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    _check_beside(path, error)
    if head.startswith(_PLAIN):
        return DRIVERS
    small = head.lower()
    if any(mark in small for mark in _SERVERS):
        raise error(
            f"{path}: describes a server or an index; use a source such as xyz: or wmts:, or the files"
        )
    if b"<vrtdataset" not in small:
        if depth > 1:
            with _opened(str(path), DRIVERS):
                pass  # a VRT opens its files as whatever they are
        return DRIVERS
    if depth > _NESTED:
        raise error(f"{path}: VRTs within VRTs, more than {_NESTED} deep; make one of the rasters themselves")
    for name, is_relative in _references(path, error):
        file = path.parent / name if is_relative else Path(name)
        if "\0" in name or not file.is_file():
            raise error(
                f"{path}: reads {name[:80]!r}, which is no file here; copy the raster here first and make "
                "the VRT again"
            )
        real = os.path.realpath(file)
        if real not in known:
            known[real] = False
            _seen(file, error, known, depth + 1)
            known[real] = True
        elif not known[real]:
            raise error(f"{path}: is made of itself; make it again from the rasters: gdalbuildvrt")
    return ("VRT",)


def _references(path: Path, error: type[LardError]) -> list[tuple[str, bool]]:
    """What a VRT is made of: names, and whether they are relative to it."""
    text = read_text(path, error=error, limit_bytes=_VRT_LIMIT_BYTES, old=True)
    if "<!doctype" in text.lower() or "<!entity" in text.lower():
        raise error(f"{path}: declares entities; write it again with gdalbuildvrt")
    builder = ElementTree.TreeBuilder(insert_comments=True)  # a comment cuts a name short for GDAL
    try:
        root = ElementTree.fromstring(text, ElementTree.XMLParser(target=builder))
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as fault:
        raise error(f"{path}: not valid XML ({fault}); write it again with gdalbuildvrt") from fault
    found = []
    for part in root.iter():
        if not isinstance(part.tag, str):
            continue
        given = {key.lower(): value for key, value in part.attrib.items()}
        if given.get("subclass", "").lower() == "vrtrawrasterband":
            raise error(f"{path}: reads raw bytes of another file; make it a GeoTIFF first: gdal_translate")
        if str(given.get("key", "")).lower() in _ELSEWHERE or any(key in given for key in _REFERENCES):
            raise error(f"{path}: refers to what lies elsewhere ({part.tag}); make it a GeoTIFF: gdalwarp")
        if part.tag.lower() in _REFERENCES:
            if len(part) or not part.text:
                raise error(f"{path}: a {part.tag} without a name; write it again with gdalbuildvrt")
            found.append((part.text, given.get("relativetovrt", "0") == "1"))
    return found


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.aux.xml")


def _check_beside(path: Path, error: type[LardError]) -> None:
    """Refuse a file whose .aux.xml sends GDAL elsewhere for its overviews or its place."""
    beside = _beside(path)
    if beside.is_file():
        text = read_text(beside, error=error, limit_bytes=_VRT_LIMIT_BYTES, old=True).lower()
        if any(key in text for key in _ELSEWHERE):
            raise error(
                f"{beside}: refers to what lies elsewhere; remove it, or make overviews with gdaladdo"
            )
