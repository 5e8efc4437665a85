"""What every importer shares: which rows to keep, what was left out and why, and airport names."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from lard.airports.countries import country_expected
from lard.airports.csvfile import Cells
from lard.airports.model import normalise_ident
from lard.airports.surfaces import PAVED
from lard.errors import AirportError

M_PER_FT = 0.3048
_OTHER_SIDE = {"L": "R", "R": "L"}


@dataclass(frozen=True, slots=True)
class AirportInfo:
    """What a file of names says about an airport."""

    name: str = ""
    country: str = ""
    lat_deg: float | None = None
    lon_deg: float | None = None
    elevation_m: float | None = None


NAMED_ROWS = 5
_UNASSIGNED = "ZZ"  # iso_country of OurAirports where there is none, such as on the high seas
NOT_ASKED_FOR = "airport not asked for"


@dataclass(slots=True)
class ImportReport:
    """What an importer kept, left out and mended; every row read is in exactly one of kept and excluded."""

    source: str
    rows: int = 0
    kept: int = 0
    excluded: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    which: dict[str, list[str]] = field(default_factory=dict)
    """The first few rows left out for each reason that says nothing of what was asked for."""

    def exclude(self, reason: str, count: int = 1, which: Iterable[str] = ()) -> None:
        """Count rows left out for a reason, and name some."""
        if count:
            self.excluded[reason] += count
        named = self.which.setdefault(reason, [])
        named += islice(which, NAMED_ROWS - len(named))

    def as_dict(self) -> dict[str, object]:
        """The report as plain values for JSON."""
        return {
            "source": self.source,
            "rows": self.rows,
            "kept": self.kept,
            "excluded": dict(sorted(self.excluded.items())),
            "which": {reason: named for reason, named in sorted(self.which.items()) if named},
            "notes": self.notes,
        }


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows of a world-wide file to keep; codes in upper case, None means all airports."""

    airports: Collection[str] | None = None
    surfaces: Collection[str] = PAVED
    min_length_m: float = 400.0
    max_length_m: float = 5500.0
    min_width_m: float = 15.0
    max_width_m: float = 80.0
    fill_elevation: bool = False
    """Give an end without elevation that of the nearest end of its airport that has one."""

    def wants(self, icao: str) -> bool:
        """Whether an airport is asked for."""
        return self.airports is None or icao.upper() in self.airports

    def raise_absent(self, path: str | Path, present: Iterable[str]) -> None:
        """AirportError naming the airports asked for that a file does not have."""
        absent = sorted(set(self.airports or ()) - {icao.upper() for icao in present})
        if absent:
            raise AirportError(f"{path}: no rows for {', '.join(absent)}; expected codes that the file has")


def reciprocal_ident(ident: str) -> str:
    """Ident of the opposite landing direction: "18C" -> "36C", "8R" -> "26L"."""
    ident = normalise_ident(ident)
    number = (int(ident[:2]) + 17) % 36 + 1
    side = ident[2:]
    return f"{number:02d}{_OTHER_SIDE.get(side, side)}"


def ident_heading_deg(ident: str) -> float:
    """Heading an ident stands for, degrees: magnetic (true near the poles) and rounded to ten."""
    return 10.0 * int(normalise_ident(ident)[:2])


def read_infos(path: str | Path) -> dict[str, AirportInfo]:
    """Names and countries by airport code: a CSV with icao, name, country, or OurAirports' airports.csv."""
    path = Path(path)
    cells = Cells(path, ())
    columns = set(cells.columns)
    if {"icao", "name", "country"} <= columns:
        code, country, lat, lon, elevation, scale = (
            "icao",
            "country",
            "lat_deg",
            "lon_deg",
            "elevation_m",
            1.0,
        )
    elif {"ident", "name", "iso_country"} <= columns:
        code, country, scale = "ident", "iso_country", M_PER_FT
        lat, lon, elevation = "latitude_deg", "longitude_deg", "elevation_ft"
    else:
        raise AirportError(
            f"{path}:1: expected the columns icao, name, country, or ident, name, iso_country of OurAirports"
        )
    infos = {}
    for index, row in enumerate(cells.rows):
        if code == "ident" and row[country] == _UNASSIGNED:
            row[country] = ""
        height = cells.number(index, elevation)
        infos[row[code].upper()] = AirportInfo(
            row["name"],
            cells.word(index, country, country_expected),
            cells.number(index, lat, -90, 90),
            cells.number(index, lon, -180, 180),
            None if height is None else height * scale,
        )
    cells.raise_faults()
    return infos
