"""Places without imagery: zones of runways, where none is forgiven, and the record of those filled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.airports.model import Airport
from lard.errors import SourceError
from lard.ground.terrain.surface import map_from_geodetic
from lard.ground.tiles import LevelGrid

RUNWAY_MARGIN_M = 150.0
"""How near a runway a hole may not come."""
_HOLES_PER_BLOCK = 64


@dataclass(frozen=True, slots=True)
class RunwayZone:
    """A runway with what lies near it, on the map."""

    name: str
    polygon: NDArray[np.float64]  # (n, 2) m

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x_min, y_min, x_max, y_max in metres."""
        low, high = self.polygon.min(axis=0), self.polygon.max(axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def runway_zones(
    airport: Airport, lat0_deg: float, lon0_deg: float, margin_m: float = RUNWAY_MARGIN_M
) -> list[RunwayZone]:
    """Every strip of an airport, grown on all sides, on the map at an origin."""
    zones = []
    for strip in airport.strips or airport.runways:
        lat, lon, _ = np.array(strip.corners).T
        corners = np.column_stack(map_from_geodetic(lat, lon, lat0_deg, lon0_deg))  # TL, TR, BR, BL
        centre = corners.mean(axis=0)
        along = corners[0] - corners[3]
        across = corners[1] - corners[0]
        grown = []
        for a, b in ((1, -1), (1, 1), (-1, 1), (-1, -1)):
            length, width = np.linalg.norm(along), np.linalg.norm(across)
            grown.append(
                centre
                + a * along / length * (length / 2 + margin_m)
                + b * across / width * (width / 2 + margin_m)
            )
        zones.append(RunwayZone(f"{strip.ident}/{strip.reciprocal}", np.array(grown)))
    return zones


def refuse_near_runways(
    airport: str,
    number: int,
    grid: LevelGrid,
    empty: NDArray[np.bool_],
    zones: Sequence[RunwayZone],
    source: str,
) -> None:
    """SourceError when an empty pixel of a level's block lies in a runway's zone."""
    for zone in zones:
        column = (zone.polygon[:, 0] - grid.x_min_m) / grid.gsd_m
        row = (grid.y_max_m - zone.polygon[:, 1]) / grid.gsd_m
        mask = np.zeros(empty.shape, np.uint8)
        corners = np.clip(np.rint(np.column_stack([column, row])), -1e6, 1e6).astype(np.int32)
        cv2.fillPoly(mask, [corners], (1,))
        over = empty & (mask > 0)
        if over.any():
            raise SourceError(
                f"{airport}: {source} has no imagery over or near runway {zone.name} "
                f"({_where(grid, over)}, level {number} of {grid.gsd_m:g} m); a runway is never made up: "
                "use another source, or retry what failed (--retry-holes)"
            )


def hole_error(
    airport: str, number: int, grid: LevelGrid, empty: NDArray[np.bool_], source: str
) -> SourceError:
    """What to say of a hole that may not be filled."""
    return SourceError(
        f"{airport}: {source} leaves {empty.mean():.1%} of a block of level {number} ({grid.gsd_m:g} m) "
        f"empty, at {_where(grid, empty)}; ask for less (--reach, --levels), or fill holes away from runways "
        "from coarser imagery with --allow-holes"
    )


def _where(grid: LevelGrid, mask: NDArray[np.bool_]) -> str:
    x0, y0, x1, y1 = _box(grid, mask)
    return f"x {x0:.0f} to {x1:.0f} m, y {y0:.0f} to {y1:.0f} m from the airport's reference point"


def _box(grid: LevelGrid, mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        grid.x_min_m + float(columns[0]) * grid.gsd_m, grid.y_max_m - float(rows[-1] + 1) * grid.gsd_m,
        grid.x_min_m + float(columns[-1] + 1) * grid.gsd_m, grid.y_max_m - float(rows[0]) * grid.gsd_m,
    )  # fmt: skip


def extents(number: int, grid: LevelGrid, mask: NDArray[np.bool_], filled_from: str) -> list[dict[str, Any]]:
    """The connected holes of a block as rectangles; one rectangle for all when there are very many."""
    if not mask.any():
        return []
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count - 1 > _HOLES_PER_BLOCK:
        boxes = [(*_box(grid, mask), int(mask.sum()))]
    else:
        boxes = [
            (
                grid.x_min_m + float(x) * grid.gsd_m, grid.y_max_m - float(y + h) * grid.gsd_m,
                grid.x_min_m + float(x + w) * grid.gsd_m, grid.y_max_m - float(y) * grid.gsd_m, int(area),
            )
            for x, y, w, h, area in stats[1:]
        ]  # fmt: skip
    names = ("x_min_m", "y_min_m", "x_max_m", "y_max_m", "pixels")
    return [
        {"level": number, "filled_from": filled_from, **dict(zip(names, box, strict=True))} for box in boxes
    ]
