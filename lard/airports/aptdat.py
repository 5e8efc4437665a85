"""X-Plane and FlightGear apt.dat (1000 to 1200), plain or gzip: rows 1, 16, 17, 100, 101, 102 and 1302.

A row 100 states width, surface and both pavement ends with their displaced lengths in metres. The file has
one elevation per airport, so runways come out level.
"""

import gzip
import io
import math
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lard.airports.build import build_airports
from lard.airports.intake import M_PER_FT, NOT_ASKED_FOR, AirportInfo, ImportReport, Selection
from lard.airports.model import RunwayDatabase
from lard.airports.pavement import Pavement, ident_fault, strips_of
from lard.airports.surfaces import surface_of_aptdat
from lard.airports.vocabulary import APTDAT_APPROACH_LIGHTS, APTDAT_MARKINGS
from lard.documents import OLD_BYTES, encoding_of, number_of
from lard.errors import AirportError
from lard.tables import name_fault

_RUNWAY_FIELDS = 26
_CLOSED = "[X]"  # what X-Plane's gateway puts before the name of an airport that is no more
_ICAO = re.compile(r"[A-Z][A-Z0-9]{3}")
_LINE_LIMIT, _SIZE_LIMIT = 1 << 16, 2 << 30  # characters; the world's file has 0.4 GB


@dataclass
class _Reading:
    """What has been read of a file so far."""

    path: Path
    selection: Selection
    report: ImportReport
    rows: list[Pavement] = field(default_factory=list)
    infos: dict[str, AirportInfo] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    own: str = ""
    """X-Plane's id of the airport being read; its ICAO code where a row 1302 states one."""
    icao: str = ""
    elevation_m: float = math.nan
    name: str = ""
    ended: bool = False
    """Whether the row 99 that ends every apt.dat was met."""
    held: list[tuple[int, list[str]]] = field(default_factory=list)
    """Its runway rows with their lines: the row that states its code may come after them."""

    def fault(self, line: int, name: str, found: str, expected: str) -> None:
        self.faults.append(f"{self.path}:{line}: {name}: found {found!r}, expected {expected}")

    def number(self, line: int, name: str, text: str, low: float, high: float) -> float:
        try:
            value = number_of(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and low <= value <= high):
            self.fault(line, name, text, f"a number from {low:g} to {high:g}")
        return value


def read_aptdat(
    path: str | Path,
    selection: Selection | None = None,
    infos: Mapping[str, AirportInfo] | None = None,
    *,
    name: str = "apt.dat",
    version: str = "",
    date: str = "",
    earth: str = "wgs84",
) -> tuple[RunwayDatabase, ImportReport]:
    """Read an apt.dat: rows left out are counted by reason, an AirportError lists all malformed ones."""
    path = Path(path)
    reading = _Reading(path, selection or Selection(), ImportReport(source=path.name))
    stated_version = ""
    for line, text in _lines(path):
        if line == 2:
            stated_version = _version(path, text)
        elif line > 2:
            _read_row(reading, line, text)
    _end_airport(reading)
    if reading.faults:
        raise AirportError("\n".join(reading.faults))
    if not stated_version:
        raise AirportError(f"{path}:2: found an empty file, expected an apt.dat of version 1000 to 1200")
    if not reading.ended:
        reading.report.notes.append(
            f"{path.name}: no row 99 ends it: it may be cut off, airports may be missing; get it again"
        )
    reading.selection.raise_absent(path, reading.known)
    strips = strips_of(reading.rows, reading.selection, reading.report, date, earth)
    reading.report.kept = len(strips)
    merged = {**reading.infos, **(infos or {})}
    airports = build_airports(strips, earth, merged)
    return RunwayDatabase(name, version or date or stated_version, earth, "msl", airports), reading.report


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines of a file, plain or gzip, of any Unicode or old Windows text and with any line ends."""
    try:
        with path.open("rb") as plain:
            zipped = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            stream = gzip.GzipFile(fileobj=plain) if zipped else plain
            encoding, skipped = encoding_of(stream.read(4))
            stream.seek(skipped)
            with io.TextIOWrapper(stream, encoding, OLD_BYTES) as text:
                yield from _bounded(path, text)
    except (OSError, EOFError, zlib.error) as error:
        raise AirportError(f"{path}: cannot be read ({error}); expected an apt.dat, plain or gzip") from error


def _bounded(path: Path, text: io.TextIOWrapper) -> Iterator[tuple[int, str]]:
    """Lines, none of them and not all of them together longer than any apt.dat has them."""
    size = line = 0
    while part := text.readline(_LINE_LIMIT):
        line, size = line + 1, size + len(part)
        if len(part) == _LINE_LIMIT or size > _SIZE_LIMIT:
            what = f"a line of {_LINE_LIMIT} characters" if size <= _SIZE_LIMIT else "more than 2 GiB"
            raise AirportError(f"{path}:{line}: found {what}, expected an apt.dat")
        yield line, part.strip()


def _version(path: Path, text: str) -> str:
    version = text.split()[0] if text else ""
    if not 1000 <= (_code(version) or 0) <= 1200:
        raise AirportError(
            f"{path}:2: found version {version!r}, expected an apt.dat of version 1000 to 1200"
        )
    return version


def _read_row(reading: _Reading, line: int, text: str) -> None:
    fields = text.split()
    code = _code(fields[0]) if fields else None
    if code in (1, 16, 17):
        _end_airport(reading)
        _read_header(reading, line, fields)
    elif code == 1302 and len(fields) > 2 and fields[1] == "icao_code":
        reading.icao = fields[2].upper()
    elif code == 99 and len(fields) == 1:
        reading.ended = True
    elif code in (100, 101, 102):
        reading.report.rows += 1
        reading.held.append((line, fields))


def _code(text: str) -> int | None:
    """A whole number of ASCII digits, None for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _read_header(reading: _Reading, line: int, fields: list[str]) -> None:
    if len(fields) < 5:
        reading.fault(line, "airport header", " ".join(fields), "code, elevation ft, two flags, ident, name")
        return
    reading.own, reading.name = fields[4].upper(), " ".join(fields[5:])
    if fault := name_fault(reading.own):
        reading.fault(line, "airport code", reading.own[:80], f"a plain code; it {fault}")
    reading.elevation_m = reading.number(line, "elevation ft", fields[1], -1500, 30000) * M_PER_FT


def _end_airport(reading: _Reading) -> None:
    """Take up the airport that has been read, under its ICAO code where it states one."""
    own, stated, held = reading.own, reading.icao, reading.held
    reading.own, reading.icao, reading.held = "", "", []
    code = own
    if stated and stated != own and reading.selection.wants(own) | reading.selection.wants(stated):
        code = stated if _ICAO.fullmatch(stated) and stated not in reading.infos else own
        reading.report.notes.append(f"{own}: ICAO code {stated} stated; kept under {code}")
    if own:
        reading.known |= {own, code}
        reading.infos[code] = AirportInfo(reading.name, elevation_m=reading.elevation_m)
    closed = reading.name.upper().startswith(_CLOSED)
    wanted = reading.selection.wants(own) or reading.selection.wants(code)
    for line, fields in held:
        if not wanted:
            reading.report.exclude(NOT_ASKED_FOR)
        elif fields[0] == "101":
            reading.report.exclude(
                "water", which=[f"{code} {fields[3]}/{fields[6]}" if len(fields) > 6 else code]
            )
        elif fields[0] == "102":
            reading.report.exclude("helipad", which=[f"{code} {fields[1]}" if len(fields) > 1 else code])
        elif closed:
            reading.report.exclude(
                "closed", which=[f"{code} {fields[8]}/{fields[17]}" if len(fields) > 17 else code]
            )
        else:
            _read_runway(reading, line, fields, code)


def _read_runway(reading: _Reading, line: int, fields: list[str], icao: str) -> None:
    if len(fields) < _RUNWAY_FIELDS:
        reading.fault(line, "row 100", f"{len(fields)} fields", f"{_RUNWAY_FIELDS} fields")
        return
    if not icao:
        reading.fault(line, "row 100", fields[8], "an airport header (row 1, 16 or 17) before it")
        return
    idents = (fields[8], fields[17])
    (end1, displaced1, marking1, lights1), (end2, displaced2, marking2, lights2) = (
        _read_end(reading, line, fields[at : at + 9]) for at in (8, 17)
    )
    width_m = reading.number(line, "width m", fields[1], 0, 1000)
    code = _code(fields[2])
    if code is None or code > 99:
        reading.fault(line, "surface", fields[2], "a surface code")
    surface = surface_of_aptdat(-1 if code is None else code)
    if surface not in reading.selection.surfaces:
        reason = "surface unknown" if surface == "unknown" else f"surface {surface}"
        reading.report.exclude(reason, which=[f"{icao} {'/'.join(idents)}"])
        return
    fault = ident_fault(idents)
    if fault:
        reading.report.exclude(fault, which=[f"{icao} {'/'.join(idents)}"])
        return
    reading.rows.append(
        Pavement(
            icao,
            idents,
            (end1, end2),
            width_m,
            (displaced1, displaced2),
            surface,
            fields[6].strip("0.") != "",
            (marking1, marking2),
            "apt.dat",
            approach_lights=(lights1, lights2),
            assumed=(),
        )
    )


def _read_end(
    reading: _Reading, line: int, fields: list[str]
) -> tuple[tuple[float, float, float], float, str, str]:
    """Pavement end, displaced length in metres, marking and approach lights of the nine fields of one end."""
    ident, lat, lon, displaced, _, marking, lights = fields[:7]
    point = (
        reading.number(line, f"{ident} latitude", lat, -90, 90),
        reading.number(line, f"{ident} longitude", lon, -180, 180),
        reading.elevation_m,
    )
    length_m = reading.number(line, f"{ident} displaced threshold m", displaced, 0, 5500)
    return (
        point,
        length_m,
        _coded(reading, line, f"{ident} marking", marking, APTDAT_MARKINGS),
        _coded(reading, line, f"{ident} approach lights", lights, APTDAT_APPROACH_LIGHTS),
    )


def _coded(reading: _Reading, line: int, name: str, text: str, words: Mapping[int, str]) -> str:
    """The word of a code; anything else is noted as a fault."""
    code = _code(text)
    word = None if code is None else words.get(code)
    if word is None:
        reading.fault(line, name, text, f"a code from 0 to {max(words)}")
    return word or "none"
