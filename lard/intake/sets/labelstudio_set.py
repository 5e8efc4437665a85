"""Label Studio's JSON (tasks with percent boxes and polygons), as a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from lard.errors import DataError
from lard.intake.sets.drawn import Picture, Shape, found_picture, imported, numbers
from lard.intake.sets.model import Imported, refuse
from lard.intake.sets.outlines import box_points
from lard.intake.sets.sizes import upright_size
from lard.tables import read_json

SPLITS = ("train", "val", "test")
KINDS = ("rectanglelabels", "polygonlabels")


def read_labelstudio_set(place: Path, split: str = "", label: str = "") -> Imported:
    """Read the last annotation of each task that was not cancelled; pictures lie beside it or in images/.

    Predictions are no labels and stay aside; tasks that nobody annotated are pictures without a runway only
    if an annotation says so, else they are refused.
    """
    file = place / "tasks.json" if place.is_dir() else place
    if not file.is_file():
        raise DataError(f"{place}: no tasks.json; export the project as JSON and name the file")
    document = read_json(file)
    if not isinstance(document, list) or not document:
        raise DataError(f"{file}: expected a list of tasks; export the project as JSON, not as JSON-MIN")
    pictures, faults = [], []
    for k, task in enumerate(document):
        try:
            pictures.append(_picture(f"{file}: [{k}]", task, file.parent))
        except DataError as error:
            faults.append(str(error))
    refuse(file, faults)
    return imported("labelstudio", file.parent, pictures, split, label)


def _picture(place: str, task: Any, folder: Path) -> Picture:
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("image"), str):
        raise DataError(f"{place}.data.image: expected the address of a picture")
    name = _name_of(data["image"])
    path = found_picture(f"{place}.data.image", name, (folder / "images", folder))
    given = task.get("annotations")
    made = (
        [one for one in given if isinstance(one, dict) and not one.get("was_cancelled")]
        if isinstance(given, list)
        else []
    )
    if not made:
        raise DataError(
            f"{place}: {name[:80]} has no annotation; submit one, an empty one where there is no runway"
        )
    results = made[-1].get("result")
    if not isinstance(results, list):
        raise DataError(f"{place}.annotations.result: expected a list")
    size, shapes, stated = upright_size(path), [], None
    for k, item in enumerate(results):
        where = f"{place}.annotations.result[{k}]"
        if not isinstance(item, dict) or item.get("type") not in KINDS:
            kind = item.get("type") if isinstance(item, dict) else item
            raise DataError(f"{where}: type {str(kind)[:40]!r}; expected {' or '.join(KINDS)}")
        stated = (item.get("original_width"), item.get("original_height"))
        if stated != size:
            break
        shapes.append(_shape(where, item, size))
    told = data.get("split")
    return Picture(place, path, told if told in SPLITS else "", stated, shapes)


def _name_of(address: str) -> str:
    """The file of an address: of local storage, of an upload (less its prefix), or a plain path."""
    parts = urlsplit(address)
    inner = parse_qs(parts.query).get("d", [""])[0] or unquote(parts.path)
    name = inner.replace("\\", "/").rsplit("/", 1)[-1]
    head, _, rest = name.partition("-")
    hexadecimal = len(head) == 8 and all(c in "0123456789abcdef" for c in head)
    return rest if "/upload/" in inner and hexadecimal and rest else name


def _shape(place: str, item: dict[str, Any], size: tuple[int, int]) -> Shape:
    value, kind = item.get("value"), item["type"]
    if not isinstance(value, dict):
        raise DataError(f"{place}.value: expected an object")
    names = value.get(kind)
    if not isinstance(names, list) or len(names) != 1 or not isinstance(names[0], str):
        raise DataError(f"{place}.value.{kind}: {str(names)[:60]}; expected one label")
    if kind == "rectanglelabels":
        given = [value.get(key) for key in ("x", "y", "width", "height")]
        x, y, width, height = numbers(place, given, 4, "x, y, width, height")
        if float(value.get("rotation") or 0) % 360:
            raise DataError(f"{place}: is rotated; draw a runway that lies aslant as a polygon")
        if not (width > 0 and height > 0 and max(x + width, y + height) <= 101 and min(x, y) >= -1):
            raise DataError(f"{place}: {x:g}, {y:g}, {width:g}, {height:g}; expected percent of the picture")
        points = box_points(x, y, x + width, y + height)
    else:
        pairs = value.get("points")
        if not isinstance(pairs, list) or len(pairs) < 3:
            raise DataError(f"{place}.value.points: expected three points at least")
        points = np.array([numbers(place, pair, 2, "a point") for pair in pairs], np.float64)
    words = (item.get("meta") or {}).get("text") if isinstance(item.get("meta"), dict) else None
    split_words = [str(word).partition("=") for word in words] if isinstance(words, list) else []
    told = {key: text for key, _, text in split_words}
    return Shape(place, names[0], points * np.array(size) / 100, told)
