"""Accuracy of the runway database behind the labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from shapely.geometry import Polygon

from lard.airports import Airport, Runway
from lard.documents import read_text
from lard.errors import AirportError, DataError
from lard.ground.terrain.land import terrain_heights
from lard.labels.checks import NAMELESS
from lard.quality.dataset import Dataset
from lard.quality.measures import geometry
from lard.quality.measures.terrain import refuse_shipped
from lard.quality.model import Offence, Outcome
from lard.quality.registry import check

Array = NDArray[np.float64]


def airports_used(data: Dataset) -> tuple[list[Airport], list[Offence]]:
    """Airports that frames or labels name, and an offence for each name the database does not know."""
    assert data.database is not None
    found, offences = {}, []
    for icao, ident in data.named_runways:
        try:
            airport = data.database.airport(icao)
            found[airport.icao] = airport
            if ident != NAMELESS:
                airport.runway(ident)
        except AirportError as error:
            offences.append(Offence(f"{icao}/{ident}", None, str(error)))
    return [found[icao] for icao in sorted(found)], offences


def runways_used(data: Dataset) -> Iterator[Runway]:
    """Every landing direction of the airports used."""
    for airport in airports_used(data)[0]:
        yield from airport.runways


@check(
    "DQR-A05",
    "The runway database is valid",
    severity="error",
    rationale="Labels are projections of the database: a crossed corner or a wrong end spoils all of them.",
    objective="accuracy",
    thresholds={
        "min_width_m": 15.0,
        "max_width_m": 80.0,
        "min_length_m": 400.0,
        "max_length_m": 5500.0,
        "max_ident_deg": 30.0,
        "max_reciprocal_m": 0.01,
        "max_terrain_m": 10.0,
    },
    needs=("runways",),
)
def runways_valid(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Polygon, corner order, size, heading, reciprocal and, where terrain is given, altitude."""
    airports, offences = airports_used(data)
    if not airports and not offences:
        return Outcome(None, "neither frames nor labels name a runway")
    checked = 0
    for airport in airports:
        for runway in airport.runways:
            checked += 1
            name = f"{airport.icao}/{runway.ident}"
            offences += [Offence(name, value, text) for value, text in runway_faults(airport, runway, limits)]
    terrain = ""
    if data.terrain:
        more, count = _against_terrain(data, airports, float(limits["max_terrain_m"]))
        offences += more
        terrain = f"; {count} corners compared with terrain"
    bad = len({offence.subject for offence in offences})
    message = f"{checked} runway ends of {len(airports)} airports, {bad} with faults{terrain}"
    return Outcome(not offences, message, float(bad), 0.0, tuple(offences), checked)


def runway_faults(
    airport: Airport, runway: Runway, limits: Mapping[str, Any]
) -> list[tuple[float | None, str]]:
    """What is wrong with one landing direction: measured value and message of each fault."""
    corners = np.array(runway.corners, np.float64)
    if corners.shape != (4, 3) or not np.isfinite(corners).all():
        return [(None, "corners are not four finite positions")]
    points = geometry.cart(corners, runway.earth)
    east, north = _local(points, corners)
    ring = np.column_stack([east, north])
    faults: list[tuple[float | None, str]] = []
    if not Polygon(ring).is_valid:
        faults.append((None, "the outline TL-TR-BR-BL crosses itself: two corners are exchanged"))
    signed = 0.5 * float(np.sum(ring[:, 0] * np.roll(ring[:, 1], -1) - ring[:, 1] * np.roll(ring[:, 0], -1)))
    if signed > 0:  # TL, TR, BR, BL run clockwise as seen from above
        faults.append((None, "corners run anticlockwise: left and right are exchanged"))
    near, far = (ring[2] + ring[3]) / 2, (ring[0] + ring[1]) / 2
    axis = far - near
    width, length = float(np.linalg.norm(ring[2] - ring[3])), float(np.linalg.norm(axis))
    for value, what in ((width, "width"), (length, "length")):
        low, high = float(limits[f"min_{what}_m"]), float(limits[f"max_{what}_m"])
        if not low <= value <= high:
            faults.append((value, f"{what} is {value:.1f} m, expected {low:g} to {high:g} m"))
    heading = float(np.degrees(np.arctan2(axis[0], axis[1])) % 360)
    gap = abs((heading - 10.0 * int(runway.ident[:2]) + 180.0) % 360.0 - 180.0)
    if gap > float(limits["max_ident_deg"]):
        faults.append((gap, f"true heading {heading:.1f} deg does not suit the ident {runway.ident}"))
    try:
        other = airport.runway(runway.reciprocal)
    except AirportError:
        return [*faults, (None, f"its reciprocal {runway.reciprocal} is not in the database")]
    turned = geometry.cart(np.array(other.corners, np.float64)[[2, 3, 0, 1]], other.earth)
    offset = float(np.linalg.norm(turned - points, axis=1).max())
    if offset > float(limits["max_reciprocal_m"]):
        faults.append(
            (offset, f"corners differ by {offset:.2f} m from those of the reciprocal {other.ident}")
        )
    return faults


def _local(points: Array, corners: Array) -> tuple[Array, Array]:
    """East and north (4,) in metres of earth-centred points about their first."""
    lat, lon = np.radians(corners[0, 0]), np.radians(corners[0, 1])
    east = np.array([-np.sin(lon), np.cos(lon), 0.0])
    north = np.array([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)])
    return (points - points[0]) @ east, (points - points[0]) @ north


def _against_terrain(data: Dataset, airports: list[Airport], limit: float) -> tuple[list[Offence], int]:
    assert data.database is not None
    refuse_shipped(data.terrain)
    offences, count = [], 0
    for airport in airports:
        for runway in airport.runways:
            corners = np.array(runway.corners, np.float64)
            heights = terrain_heights(
                data.terrain, corners[:, 0], corners[:, 1], data.database.altitude_datum
            )
            gap = corners[:, 2] - heights
            count += int(np.isfinite(gap).sum())
            if np.isfinite(gap).any() and np.nanmax(np.abs(gap)) > limit:
                worst = float(gap[np.nanargmax(np.abs(gap))])
                text = f"a corner lies {worst:+.1f} m from the terrain, at most {limit:g} m"
                offences.append(Offence(f"{airport.icao}/{runway.ident}", abs(worst), text))
    return offences, count


@check(
    "DQR-A06",
    "Thresholds agree with an independent database",
    severity="warning",
    rationale="Runways are rebuilt, displaced and renumbered; two sources that agree make that unlikely.",
    objective="accuracy",
    thresholds={"max_m": 25.0},
    needs=("runways",),
)
def thresholds_agree(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Distance of each landing threshold to the nearest one of an OurAirports `runways.csv`."""
    if data.reference_runways is None:
        return Outcome(None, "no reference given (--reference OurAirports runways.csv)")
    reference = _reference_thresholds(data.reference_runways)
    offences, distances = [], []
    for runway in runways_used(data):
        known = reference.get(runway.airport)
        name = f"{runway.airport}/{runway.ident}"
        if known is None:
            offences.append(Offence(name, None, "the reference has no located runway of this airport"))
            continue
        lat, lon, alt = runway.ltp
        points = geometry.cart(np.column_stack([known, np.full(len(known), alt)]), runway.earth)
        here = geometry.cart(np.array([lat, lon, alt]), runway.earth)
        distance = float(np.linalg.norm(points - here, axis=1).min())
        distances.append(distance)
        if distance > float(limits["max_m"]):
            text = f"landing threshold is {distance:.0f} m from the nearest of the reference"
            offences.append(Offence(name, distance, text))
    median = float(np.median(distances)) if distances else None
    message = f"{len(distances)} thresholds compared" + (
        f", median distance {median:.1f} m" if distances else ""
    )
    return Outcome(not offences, message, median, float(limits["max_m"]), tuple(offences), len(distances))


def _reference_thresholds(path: Any) -> dict[str, Array]:
    """Landing thresholds (k, 2) latitude, longitude of each airport: pavement ends moved by the displacement.

    By geometry and not by ident, because runways are renumbered.
    """
    try:
        table = pl.read_csv(read_text(path, old=True).encode(), infer_schema_length=0)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise DataError(f"{path}: not a readable OurAirports runways.csv ({error})") from error
    columns = [f"{end}_{name}" for end in ("le", "he") for name in ("latitude_deg", "longitude_deg")]
    columns += ["le_displaced_threshold_ft", "he_displaced_threshold_ft"]
    missing = [name for name in ("airport_ident", *columns) if name not in table.columns]
    if missing:
        raise DataError(f"{path}: columns {', '.join(missing)} are missing; expected OurAirports runways.csv")
    numbers = pl.col(columns).cast(pl.Float64, strict=False)
    numbers = pl.when(numbers.is_finite()).then(numbers)
    table = table.select("airport_ident", numbers.name.keep()).drop_nulls(columns[:4])
    found: dict[str, list[Array]] = {}
    for row in table.iter_rows(named=True):
        ends = np.array([[row[columns[0]], row[columns[1]]], [row[columns[2]], row[columns[3]]]])
        length = _flat_distance(ends)
        for k, name in enumerate(("le", "he")):
            shift = (row[f"{name}_displaced_threshold_ft"] or 0.0) * 0.3048
            point = ends[k] + (ends[1 - k] - ends[k]) * (shift / length if length > 0 else 0.0)
            found.setdefault(row["airport_ident"], []).append(point)
    return {airport: np.array(points) for airport, points in found.items()}


def _flat_distance(ends: Array) -> float:
    north = (ends[1, 0] - ends[0, 0]) * 111_200.0
    east = (ends[1, 1] - ends[0, 1]) * 111_200.0 * np.cos(np.radians(ends[:, 0].mean()))
    return float(np.hypot(north, east))
