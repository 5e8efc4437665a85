"""What FiftyOne, CVAT and Label Studio have in common when labels come back: pictures with named shapes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.errors import DataError
from lard.intake.sets.classes import class_notes, runway_class
from lard.intake.sets.model import Imported, frame_ids, frames_of, refuse, split_of
from lard.intake.sets.outlines import Outline, check_outline, labels_of_outlines
from lard.intake.sets.sizes import upright_size
from lard.labels.checks import NAMELESS


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A label as it was drawn: its place in its file, class, points (k, 2) px, what is said of it."""

    place: str
    label: str
    points: NDArray[np.float64]
    told: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture of a foreign file: its place there, where it lies, its split, the size stated (or None)."""

    place: str
    path: Path
    split: str
    size: tuple[Any, Any] | None
    shapes: Sequence[Shape]


def found_picture(place: str, name: str, folders: Sequence[Path]) -> Path:
    """A named picture in one of several folders; DataError when none holds it, or it leads out of them."""
    if not name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise DataError(f"{place}: picture {name[:80]!r}; expected a path below the folder")
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise DataError(
        f"{place}: no picture {name[:80]}, looked for in {', '.join(str(one) for one in folders)}"
    )


def numbers(place: str, values: Any, count: int, what: str) -> list[float]:
    """Finite numbers, so many of them; DataError else."""
    good = isinstance(values, list | tuple) and len(values) == count
    if not good or any(
        isinstance(v, bool) or not isinstance(v, int | float) or not math.isfinite(v) for v in values
    ):
        raise DataError(f"{place}: {what} is {str(values)[:60]}; expected {count} finite numbers")
    return [float(v) for v in values]


def imported(kind: str, where: Path, pictures: Sequence[Picture], split: str, label: str) -> Imported:
    """Frames and labels of pictures; DataError of all faults: sizes, labels and outlines that do not fit.

    Every class that is not the runway's is a fault: what a person drew is not left out silently.
    """
    classes = sorted({shape.label for picture in pictures for shape in picture.shapes})
    wanted = runway_class(classes, label, where) if classes else label
    counted = Counter(picture.path for picture in pictures)
    twice = sorted(str(path) for path, count in counted.items() if count > 1)
    refuse(where, (f"{where}: {path} is described more than once" for path in twice))
    ids = frame_ids([picture.path for picture in pictures], where if where.is_dir() else where.parent)
    rows: list[dict[str, Any]] = []
    outlines: list[Outline] = []
    faults: list[str] = []
    for picture in pictures:
        size = upright_size(picture.path)
        named = picture.split or split_of(picture.path.name) or split
        if picture.size is not None and tuple(picture.size) != size:
            told = f"{str(picture.size[0])[:12]}x{str(picture.size[1])[:12]}"
            faults.append(f"{picture.place}: states {told} px, {picture.path.name} is {size[0]}x{size[1]}")
        if named not in ("train", "val", "test"):
            faults.append(f"{picture.place}: split {named[:40]!r}; expected train, val or test: give --split")
        rows.append(
            {"frame_id": ids[picture.path], "split": named, "width_px": size[0], "height_px": size[1]}
        )
        for shape in picture.shapes:
            if shape.label != wanted:
                faults.append(
                    f"{shape.place}: label {shape.label[:60]!r}; expected {wanted!r}: rename or delete it"
                )
                continue
            airport, runway = (str(shape.told.get(key, "")) for key in ("airport", "runway"))
            verdict = str(shape.told.get("verdict") or "UNKNOWN")
            name = "" if runway == NAMELESS else runway
            drawn = Outline(ids[picture.path], *size, shape.points, False, airport, name, verdict)
            try:
                outlines.append(check_outline(drawn))
            except ValueError as error:
                faults.append(f"{shape.place}: {error}")
    refuse(where, faults)
    pictures_by_name = {ids[picture.path]: picture.path for picture in pictures}
    notes = class_notes(wanted, label) if classes else []
    return Imported(kind, frames_of(rows, kind), labels_of_outlines(outlines), pictures_by_name, tuple(notes))
