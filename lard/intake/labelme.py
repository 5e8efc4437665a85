"""Labels of annotated pictures of real approaches: labelme files, drawn by hand, without pose or camera.

A runway is a shape whose label starts with "runway", its ident after it where known ("runway 09L"): a polygon
of four points gives corners, another polygon or a rectangle a box. What nobody knows stays null, the verdict
is UNKNOWN.
"""

from __future__ import annotations

import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from shapely.geometry import Polygon, box

from lard.airports.model import normalise_ident
from lard.documents import checked
from lard.errors import AirportError, DataError
from lard.intake.sets.outlines import UNTOLD
from lard.labels.checks import NAMELESS
from lard.labels.pixels import labels_of_pixels, ordered_around
from lard.tables import LABELS, SIDE_LIMIT_PX, name_fault, read_json

Array = NDArray[np.float64]

OUTSIDE_SHARE = 0.5  # of the picture's size by which a point may lie outside: corners beyond the edge
UNKNOWN = {"is_target": True, "verdict": "UNKNOWN", **UNTOLD}


_Number = typing.Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]
_Side = typing.Annotated[int, Field(ge=1, le=SIDE_LIMIT_PX)]


class _Shape(BaseModel):
    label: str = ""
    points: list[tuple[_Number, _Number]]
    shape_type: str | None = None


class _File(BaseModel):
    """What is read of a labelme file."""

    imagePath: str
    imageWidth: _Side
    imageHeight: _Side
    shapes: list[_Shape]
    flags: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Annotated:
    """One annotated picture: its name and size, and a shape (ident, points (k, 2)) per runway.

    stated: the picture's path as the file has it, which may lead to a folder beside.
    """

    image: str
    stated: str
    width_px: int
    height_px: int
    flags: tuple[str, ...]
    runways: tuple[tuple[str, Array], ...]


def read_labelme(path: Path, other_labels: Sequence[str] = ()) -> Annotated:
    """Read a labelme file; DataError lists all its faults. Shapes named in other_labels are passed over."""
    document = read_json(path)
    if not isinstance(document, dict) or "shapes" not in document:
        raise DataError(f"{path}: no labelme file; expected an object with shapes, imagePath and image size")
    file = checked(_File, document, path)
    faults: list[str] = []
    width, height = file.imageWidth, file.imageHeight
    runways: list[tuple[str, Array]] = []
    places: dict[tuple[str, bytes], int] = {}
    for number, shape in enumerate(file.shapes):
        where = f"{path}: shapes[{number}]"
        label = shape.label.strip()
        if label in other_labels:
            continue
        ident = _ident(label)
        if ident is None:
            faults.append(
                f"{where}: label {label!r}; expected runway, or runway and its ident such as runway 09L"
            )
            continue
        points = _points(shape, where, width, height, faults)
        if points is None:
            continue
        first = places.setdefault((ident, points.tobytes()), number)
        if first != number:
            faults.append(f"{where}: is shapes[{first}] again; keep one of them")
        runways.append((ident, points))
    if faults:
        raise DataError("\n".join(faults))
    stated = file.imagePath.replace("\\", "/")
    image = stated.rsplit("/", 1)[-1]
    if name_fault(image):
        raise DataError(f"{path}: imagePath {image[:80]!r} {name_fault(image)}; expected the picture's name")
    flags = tuple(sorted(name for name, on in (file.flags or {}).items() if on))
    return Annotated(image, stated, width, height, flags, tuple(runways))


def _ident(label: str) -> str | None:
    """Runway ident of a label, empty where it names none; None when it is no runway."""
    head, _, rest = label.replace("_", " ").replace(":", " ").partition(" ")
    if head.lower() not in ("runway", "rwy"):
        return None
    if not rest.strip():
        return ""
    try:
        return normalise_ident(rest)
    except AirportError:
        return None


def _points(shape: _Shape, where: str, width: int, height: int, faults: list[str]) -> Array | None:
    kind = shape.shape_type or "polygon"
    points = np.array(shape.points, np.float64).reshape(-1, 2)
    if kind in ("polygon", "linestrip") and len(points) > 3 and (points[0] == points[-1]).all():
        kind, points = "polygon", points[:-1]  # a ring that some programs close
    if kind == "rectangle" and len(points) in (2, 4):  # two corners, or in newer files all four
        (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
        # five points: a box, not a runway's corners
        points = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, (y0 + y1) / 2]])
    elif kind == "rotation" and len(points) == 4:
        # a box that is turned: no runway's corners either
        kind, points = "polygon", np.vstack([points, (points[3] + points[0]) / 2])
    elif kind != "polygon" or len(points) < 3:
        faults.append(f"{where}: a {kind} of {len(points)} points; expected a polygon or a rectangle")
        return None
    if not Polygon(points).is_valid or Polygon(points).area < 1.0:
        faults.append(f"{where}: the polygon crosses itself or has no area")
        return None
    reach = OUTSIDE_SHARE * np.array([width, height])
    if (points < -reach).any() or (points > np.array([width, height]) + reach).any():
        faults.append(f"{where}: points far outside the picture of {width}x{height} px; of another size?")
        return None
    return points


def labels_of_annotated(
    pictures: Sequence[Annotated], frame_ids: Sequence[str], airports: Sequence[str]
) -> pl.DataFrame:
    """LABELS of annotated pictures; corners TL, TR, BR, BL as they lie in the picture, if there are four."""
    parts = [pl.DataFrame(schema=dict(LABELS))]
    for picture, frame_id, airport in zip(pictures, frame_ids, airports, strict=True):
        for ident, points in picture.runways:
            quad = len(points) == 4
            corners = ordered_around(points[None]) if quad else np.full((1, 4, 2), np.nan)
            columns = {
                "frame_id": [frame_id], "image": [f"images/{frame_id}.jpg"], "airport": [airport],
                "runway": [ident or NAMELESS], **{key: [value] for key, value in UNKNOWN.items()},
            }  # fmt: skip
            size = np.array([[picture.width_px, picture.height_px]])
            row = labels_of_pixels(corners, size, columns)
            parts.append(row if quad else _boxed(row, points, picture))
    return pl.concat(parts).sort("frame_id", "runway", "x_min_px")


def _boxed(row: pl.DataFrame, points: Array, picture: Annotated) -> pl.DataFrame:
    """A label without corners: the polygon as drawn, cut to the picture, and its box."""
    whole = Polygon(points)
    inside = whole.intersection(box(0, 0, picture.width_px, picture.height_px))
    if inside.is_empty or inside.geom_type != "Polygon":
        raise DataError(
            f"{picture.image}: a runway's polygon lies in {0 if inside.is_empty else 'several'} parts of the "
            "picture; draw it as one"
        )
    ring = np.array(inside.exterior.coords)[:-1]
    x0, y0, x1, y1 = inside.bounds
    return row.with_columns(
        polygon=pl.Series([ring.ravel().tolist()], dtype=pl.List(pl.Float64)),
        x_min_px=pl.lit(x0), y_min_px=pl.lit(y0), x_max_px=pl.lit(x1), y_max_px=pl.lit(y1),
        visible_fraction=pl.lit(float(inside.area / whole.area)),
        truncated=pl.lit(bool(inside.area < whole.area - 1e-6)), behind=pl.lit(False),
    )  # fmt: skip
