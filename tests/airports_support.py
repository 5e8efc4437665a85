"""Small runway files written by the airport tests."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from lard.airports import Airport, Runway, RunwayDatabase
from lard.airports.build import Strip, as_edges, build_airports, square_edges
from lard.airports.intake import AirportInfo

SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data"
OURAIRPORTS = SHARED / "ourairports" / "runways.csv"
LARD_V1 = SHARED / "lard" / "lard_v1_runways_database.json"
LARD_V2 = SHARED / "lard" / "lard_v2_runways_ArcGIS_KATL.json"

HEADER = (
    "id,airport_ref,airport_ident,length_ft,width_ft,surface,lighted,closed,"
    "le_ident,le_latitude_deg,le_longitude_deg,le_elevation_ft,le_heading_degT,le_displaced_threshold_ft,"
    "he_ident,he_latitude_deg,he_longitude_deg,he_elevation_ft,he_heading_degT,he_displaced_threshold_ft\n"
)


def row(
    airport: str = "XAAA",
    le: str = "09",
    he: str = "27",
    *,
    lat: float = 10.0,
    lon: float = 20.0,
    he_lat: float | None = None,
    he_lon: float | None = None,
    length_ft: Any = 8974,
    width_ft: Any = 150,
    surface: str = "ASP",
    closed: int = 0,
    elevation_ft: tuple[Any, Any] = (100, 200),
    displaced_ft: tuple[Any, Any] = ("", ""),
) -> str:
    """One row of runways.csv: by default 09/27, eastwards for 0.025 degrees of longitude at 10 N (2735 m)."""
    far = (lat if he_lat is None else he_lat, lon + 0.025 if he_lon is None else he_lon)
    return (
        f"1,1,{airport},{length_ft},{width_ft},{surface},1,{closed},"
        f"{le},{lat},{lon},{elevation_ft[0]},,{displaced_ft[0]},"
        f"{he},{far[0]},{far[1]},{elevation_ft[1]},,{displaced_ft[1]}\n"
    )


def write_csv(path: Path, *rows: str) -> Path:
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    return path


def database(*strips: Strip, name: str = "sample") -> RunwayDatabase:
    infos = {strip.airport: AirportInfo("Sample field", "FR") for strip in strips}
    return RunwayDatabase(name, "1", "wgs84", "msl", build_airports(strips, "wgs84", infos))


def strip(
    airport: str = "XAAA",
    idents: tuple[str, str] = ("09", "27"),
    first: tuple[float, float, float] = (10.0, 20.0, 30.0),
    second: tuple[float, float, float] = (10.0, 20.025, 40.0),
    width_m: float = 45.0,
) -> Strip:
    edges = square_edges(np.array([[first, second]]), np.full((1, 2), width_m), "wgs84")
    return Strip(airport, idents, as_edges(edges[0]), source="test", date="2026-01-01")


def lard_document(runways: dict[str, Runway], **changes: Any) -> dict[str, Any]:
    """A LARD JSON document of one airport whose corners are A = TR, B = TL, C = BL, D = BR."""
    document: dict[str, Any] = {}
    for ident, runway in runways.items():
        tl, tr, br, bl = runway.corners
        document[ident] = {
            letter: {"coordinate": dict(zip(("latitude", "longitude", "altitude"), point, strict=True))}
            for letter, point in zip("ABCD", (tr, tl, bl, br), strict=True)
        }
    return {"XAAA": {**document, **changes}}


def write_json(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def corner_gap_m(first: Airport, second: Airport) -> float:
    """Largest distance between equal corners of two airports with the same idents."""
    pairs = [(runway, second.runway(runway.ident)) for runway in first.runways]
    assert len(first.runways) == len(second.runways)
    return max(float(np.linalg.norm(a.corners_ecef() - b.corners_ecef(), axis=-1).max()) for a, b in pairs)
