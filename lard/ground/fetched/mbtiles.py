"""MBTiles: a SQLite file of tiles in web mercator, rows from the south (MBTiles 1.3)."""

import sqlite3
import threading
from pathlib import Path
from urllib.parse import quote

from lard.errors import SourceError, one_line
from lard.ground.fetched.grid import TileMatrix, web_mercator
from lard.ground.fetched.source import Credit, Opening, TileSource


def open_mbtiles(opening: Opening) -> TileSource:
    """mbtiles:PATH of a file of raster tiles."""
    opening.only("tile")
    path = Path(opening.address)
    if not path.is_file():
        raise SourceError(f"{path}: no such file; expected an MBTiles file")
    connections = threading.local()

    def connection() -> sqlite3.Connection:
        if not hasattr(connections, "db"):
            connections.db = sqlite3.connect(
                f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1", uri=True
            )
        db: sqlite3.Connection = connections.db
        return db

    try:
        metadata = {
            str(name): str(value) for name, value in connection().execute("select name, value from metadata")
        }
        found = connection().execute("select min(zoom_level), max(zoom_level) from tiles").fetchone()
    except sqlite3.Error as error:
        raise SourceError(
            f"{path}: not a readable MBTiles file ({error}); expected tables metadata and tiles"
        ) from None
    if found[0] is None:
        raise SourceError(f"{path}: holds no tiles")
    if not all(isinstance(zoom, int) and 0 <= zoom <= 30 for zoom in found):
        raise SourceError(f"{path}: its zooms are {found[0]!r} to {found[1]!r}; expected from 0 to 30")
    form = metadata.get("format", "").lower()
    if form in ("pbf", "mvt"):
        raise SourceError(f"{path}: holds vector tiles ({form}); expected pictures (png, jpg, webp)")
    if metadata.get("scheme", "tms").lower() not in ("tms", "xyz"):
        raise SourceError(f"{path}: scheme {metadata['scheme']!r} is unknown; expected tms or xyz")
    from_south = metadata.get("scheme", "tms").lower() == "tms"
    matrices = web_mercator(int(found[0]), int(found[1]), opening.number("tile", 256, 16, 4096))

    def read(matrix: TileMatrix, col: int, row: int) -> bytes | None:
        line = matrix.rows - 1 - row if from_south else row
        try:
            answer = connection().execute(
                "select tile_data from tiles where zoom_level = ? and tile_column = ? and tile_row = ?",
                (matrix.zoom, col, line),
            ).fetchone()  # fmt: skip
        except sqlite3.Error as error:
            raise SourceError(f"{path}: damaged ({error}); copy it again") from None
        if answer is None or answer[0] is None:
            return None
        if not isinstance(answer[0], bytes):
            raise SourceError(f"{path}: tile {matrix.zoom}/{col}/{line} is no picture; copy the file again")
        return answer[0]

    area = (-90.0, -180.0, 90.0, 180.0)
    bounds = metadata.get("bounds", "").split(",")
    if len(bounds) == 4:
        try:
            west, south, east, north = (float(value) for value in bounds)
            area = (south, west, north, east)
        except ValueError:
            raise SourceError(
                f"{path}: metadata bounds is {metadata['bounds']!r}; expected west,south,east,north"
            ) from None
    return TileSource(
        "mbtiles", opening.identity, opening.slug, opening.limited(matrices),
        opening.licence(metadata.get("license") or metadata.get("licence") or ""),
        opening.credits(Credit(metadata.get("attribution", ""), area=area)), read=read,
        placeholders=opening.placeholders, note=one_line(metadata.get("name", "")),
    )  # fmt: skip
