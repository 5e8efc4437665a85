"""The project's own runway table: a folder with airports.csv, runways.csv and database.json."""

import csv
import io
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from lard.airports.build import Strip, as_edges, build_airports, square_edges
from lard.airports.content import (
    EndCells,
    airport_cells,
    corner_cells,
    digest_of_cells,
    end_cells,
    number_text,
    place_cells,
    version_of,
)
from lard.airports.countries import country_expected
from lard.airports.csvfile import Cells
from lard.airports.intake import AirportInfo
from lard.airports.model import Airport, Array, Runway, RunwayDatabase, normalise_ident
from lard.airports.surfaces import surface_expected
from lard.airports.vocabulary import (
    APPROACH_LIGHTS,
    ASSUMABLE,
    MARKINGS,
    approach_lights_of,
    marking_of,
    usual_approach_lights,
)
from lard.documents import read_json
from lard.errors import AirportError
from lard.files import keep_others
from lard.geodesy import EARTH_MODELS
from lard.tables import atomic_paths, json_text, name_fault

AIRPORT_COLUMNS = ("icao", "name", "country", "lat_deg", "lon_deg", "elevation_m")
RUNWAY_COLUMNS = (
    "airport", "ident", "reciprocal", "lat_deg", "lon_deg", "alt_m", "width_m", "displaced_m",
    "surface", "lighted", "marking", "source", "date",
)  # fmt: skip
CORNER_COLUMNS = tuple(
    f"{corner}_{what}" for corner in ("br", "bl") for what in ("lat_deg", "lon_deg", "alt_m")
)
END_COLUMNS = ("approach_lights", "assumed")
"""What is known of an end; tables without these columns assume the lights that go with the marking."""
FILES = ("airports.csv", "runways.csv", "database.json")
ALTITUDE_DATUMS = ("msl", "ellipsoidal")

_SHIPPED = Path(__file__).parent / "data"
_Paint = tuple[str, str, tuple[str, ...]]  # marking, approach lights, what of them is assumed


@cache
def load_shipped() -> RunwayDatabase:
    """The runway table that comes with the project."""
    return read_table_folder(_SHIPPED)


def keep_other_tables(folder: Path) -> None:
    """DataError where files of the table's names lie in a folder that no table of ours is in."""
    keep_others(folder, FILES, FILES[-1], keys=("altitude_datum", "version"))


def write_table_folder(database: RunwayDatabase, folder: str | Path) -> None:
    """Write a database as our table; corner columns appear only where an edge is not square to the axis."""
    folder = Path(folder)
    airports = [database.airports[icao] for icao in sorted(database.airports)]
    airport_rows = [
        (
            a.icao,
            a.name,
            a.country,
            number_text(a.lat_deg, 6),
            number_text(a.lon_deg, 6),
            number_text(a.elevation_m, 1),
        )
        for a in airports
    ]
    runways = [runway for airport in airports for runway in airport.runways]
    ends = end_cells(runways) if runways else []
    rows = [_runway_row(runway, end) for runway, end in zip(runways, ends, strict=True)]
    columns: tuple[str, ...] = (*RUNWAY_COLUMNS, *END_COLUMNS)
    if any(any(end.corners) for end in ends):
        columns = (*columns, *CORNER_COLUMNS)
        rows = [(*row, *end.corners) for row, end in zip(rows, ends, strict=True)]
    head = {name: getattr(database, name) for name in ("altitude_datum", "earth", "name", "version")}
    places = [airport_cells(a.icao, a.country, a.lat_deg, a.lon_deg, a.elevation_m) for a in airports]
    head["content"] = digest_of_cells(database.earth, database.altitude_datum, places, ends)
    if "+" in database.version:  # of content in memory, of which a table may hold less
        head["version"] = version_of(database.version, head["content"])
    names = ("airports.csv", "runways.csv", "database.json")
    others = [name for name in names[:2] if (folder / name).exists()]
    if others and not (folder / names[2]).exists():
        raise AirportError(f"{folder / others[0]}: is there and of no table of ours; give another folder")
    with atomic_paths([folder / name for name in names]) as files:
        texts = csv_text(AIRPORT_COLUMNS, airport_rows), csv_text(columns, rows), json_text(head)
        for file, text in zip(files, texts, strict=True):
            file.write_text(text, encoding="utf-8")


def csv_text(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([columns, *rows])
    return stream.getvalue()


def _runway_row(runway: Runway, end: EndCells) -> tuple[str, ...]:
    return (
        end.airport, end.ident, end.reciprocal, *end.place, end.displaced_m, end.surface, end.lighted,
        end.marking, runway.source, runway.date, end.approach_lights, " ".join(runway.assumed),
    )  # fmt: skip


def read_table_folder(folder: str | Path) -> RunwayDatabase:
    """Read a database written by write_table_folder; AirportError with every fault of its files at once.

    Its version is the written one if the files still say what was written, else one of their content.
    """
    folder = Path(folder)
    head = _read_head(folder / "database.json")
    infos = _read_airports(folder / "airports.csv")
    cells = Cells(folder / "runways.csv", RUNWAY_COLUMNS, (*END_COLUMNS, *CORNER_COLUMNS))
    ends = _read_ends(cells, infos)
    paint = [_read_paint(cells, index) for index in range(len(cells.rows))]
    pairs = _pairs(cells)
    cells.raise_faults()
    strips = _strips(cells, ends, paint, pairs, head["earth"])
    airports = build_airports(strips, head["earth"], infos)
    without = {icao: _empty_airport(icao, info) for icao, info in infos.items() if icao not in airports}
    merged = dict(sorted({**airports, **without}.items()))
    told = digest_of_cells(
        head["earth"], head["altitude_datum"], _airports_told(infos), _ends_told(cells, ends, paint)
    )
    version = head["version"] if head.get("content") == told else version_of(head["version"], told)
    return RunwayDatabase(head["name"], version, head["earth"], head["altitude_datum"], merged)


def _airports_told(infos: dict[str, AirportInfo]) -> list[tuple[str, ...]]:
    """Cells of airports as they are read, spelt as they would be written."""
    return [
        airport_cells(icao, info.country, info.lat_deg or 0.0, info.lon_deg or 0.0, info.elevation_m or 0.0)
        for icao, info in infos.items()
    ]


def _ends_told(cells: Cells, ends: Array, paint: list[_Paint]) -> list[EndCells]:
    """Cells of runway ends as they are read, spelt as they would be written."""
    told = []
    for index, (row, (lat, lon, alt, width, displaced, *near)) in enumerate(
        zip(cells.rows, ends.tolist(), strict=True)
    ):
        corners = ("",) * 6 if math.isnan(near[0]) else corner_cells((near[:3], near[3:]))
        lighted = str(int(cells.flag(index, "lighted", True)))
        told.append(
            EndCells(
                row["airport"], row["ident"], row["reciprocal"], place_cells(lat, lon, alt, width),
                number_text(displaced, 3), row["surface"], lighted, paint[index][0], paint[index][1], corners,
            )
        )  # fmt: skip
    return told


def _empty_airport(icao: str, info: AirportInfo) -> Airport:
    where = (info.lat_deg or 0.0, info.lon_deg or 0.0, info.elevation_m or 0.0)
    return Airport(icao, info.name, info.country, *where, ())


def _read_head(path: Path) -> dict[str, str]:
    head = read_json(path, error=AirportError, absent="expected a folder that lard airports wrote")
    needed = {"name": None, "version": None, "earth": EARTH_MODELS, "altitude_datum": ALTITUDE_DATUMS}
    if not isinstance(head, dict):
        raise AirportError(
            f"{path}: found {type(head).__name__}, expected an object with {', '.join(needed)}"
        )
    faults = []
    for key, allowed in needed.items():
        if not isinstance(head.get(key), str) or (allowed and head[key] not in allowed):
            expected = "one of " + ", ".join(allowed) if allowed else "text"
            faults.append(f"{path}: {key}: found {head.get(key)!r}, expected {expected}")
    if faults:
        raise AirportError("\n".join(faults))
    return head


def _read_airports(path: Path) -> dict[str, AirportInfo]:
    cells = Cells(path, AIRPORT_COLUMNS, ())
    infos: dict[str, AirportInfo] = {}
    for index, row in enumerate(cells.rows):
        icao = row["icao"]
        if name_fault(icao) or icao in infos:
            cells.fault(index, "icao", icao[:80], "a plain code that occurs once")
        infos[icao] = AirportInfo(
            row["name"],
            cells.word(index, "country", country_expected),
            cells.required(index, "lat_deg", -90, 90),
            cells.required(index, "lon_deg", -180, 180),
            cells.required(index, "elevation_m", -500, 9000),
        )
    cells.raise_faults()
    return infos


def _read_ends(cells: Cells, infos: dict[str, AirportInfo]) -> Array:
    """Per row lat, lon (deg), alt, width, displaced (m), then BR and BL: (n, 11), nan where empty."""
    rows = []
    for index, row in enumerate(cells.rows):
        if row["airport"] not in infos:
            cells.fault(index, "airport", row["airport"], "a code listed in airports.csv")
        cells.flag(index, "lighted", True)
        cells.word(index, "surface", surface_expected)
        corner = [cells.number(index, name) for name in CORNER_COLUMNS]
        if any(value is None for value in corner) and any(value is not None for value in corner):
            cells.fault(
                index, "br_lat_deg..bl_alt_m", row.get("br_lat_deg", ""), "all six corner cells or none"
            )
        rows.append(
            (
                cells.required(index, "lat_deg", -90, 90),
                cells.required(index, "lon_deg", -180, 180),
                cells.required(index, "alt_m", -500, 9000),
                cells.required(index, "width_m", 1, 200),
                cells.required(index, "displaced_m", 0, 5500),
                *(math.nan if value is None else value for value in corner),
            )
        )
    return np.array(rows, dtype=np.float64).reshape(-1, 5 + len(CORNER_COLUMNS))


def _pairs(cells: Cells) -> list[tuple[int, int]]:
    """Row numbers of the two ends of each strip; an end whose reciprocal is not listed is a fault."""
    rows: dict[tuple[str, str], int] = {}
    for index, row in enumerate(cells.rows):
        for column in ("ident", "reciprocal"):
            try:
                row[column] = normalise_ident(row[column])
            except AirportError:
                cells.fault(index, column, row[column], "a runway ident such as 09L")
        key = (row["airport"], row["ident"])
        if key in rows:
            cells.fault(
                index,
                "ident",
                row["ident"],
                f"an ident once per airport; line {cells.line(rows[key])} has it too",
            )
        rows[key] = index
    pairs = []
    for index, row in enumerate(cells.rows):
        other = rows.get((row["airport"], row["reciprocal"]))
        if other is None or cells.rows[other]["reciprocal"] != row["ident"]:
            expected = f"the ident of a row of {row['airport']} whose reciprocal is {row['ident']}"
            cells.fault(index, "reciprocal", row["reciprocal"], expected)
        elif row["ident"] < row["reciprocal"]:
            pairs.append((index, other))
    return pairs


def _read_paint(cells: Cells, index: int) -> _Paint:
    """Marking, approach lights and what of them is assumed, in the words of lard.airports.vocabulary."""
    row = cells.rows[index]
    marking = marking_of(row["marking"])
    if marking is None:
        cells.fault(index, "marking", row["marking"], f"one of {', '.join(MARKINGS)}")
        marking = "none"
    if "approach_lights" not in cells.columns:
        return marking, usual_approach_lights(marking), ASSUMABLE
    lights = approach_lights_of(row["approach_lights"])
    if lights is None:
        cells.fault(index, "approach_lights", row["approach_lights"], f"one of {', '.join(APPROACH_LIGHTS)}")
    assumed = tuple(row.get("assumed", "").split())
    if not set(assumed) <= set(ASSUMABLE):
        cells.fault(index, "assumed", row["assumed"], f"names among {', '.join(ASSUMABLE)}, or nothing")
    return marking, lights or "none", assumed


def _strips(
    cells: Cells, ends: Array, paint: list[_Paint], pairs: list[tuple[int, int]], earth: str
) -> list[Strip]:
    if not pairs:
        return []
    both = ends[np.array(pairs)]  # (n, 2, 11)
    square = square_edges(both[..., :3], both[..., 3], earth)  # (n, 2, 2, 3)
    stated = both[..., 5:].reshape(-1, 2, 2, 3)
    edges = np.where(np.isnan(stated), square, stated)
    strips = []
    for k, pair in enumerate(pairs):
        first, second = (cells.rows[index] for index in pair)
        strips.append(
            Strip(
                first["airport"],
                (first["ident"], second["ident"]),
                as_edges(edges[k]),
                (float(both[k, 0, 4]), float(both[k, 1, 4])),
                first["surface"],
                cells.flag(pair[0], "lighted", True),
                (paint[pair[0]][0], paint[pair[1]][0]),
                first["source"],
                first["date"],
                (paint[pair[0]][1], paint[pair[1]][1]),
                (paint[pair[0]][2], paint[pair[1]][2]),
            )
        )
    return strips
