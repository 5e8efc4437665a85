"""CVAT's files (CVAT for images 1.1: annotations.xml beside the pictures), as a dataset."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from lard.documents import read_text
from lard.errors import DataError
from lard.intake.sets.drawn import Picture, Shape, found_picture, imported, numbers
from lard.intake.sets.model import Imported, refuse
from lard.intake.sets.outlines import box_points

SPLITS = {"train": "train", "val": "val", "validation": "val", "test": "test"}
_OTHERS = ("polyline", "points", "ellipse", "cuboid", "mask", "skeleton", "tag", "track")


def read_cvat_set(place: Path, split: str = "", label: str = "") -> Imported:
    """Read boxes and polygons of a file, or of annotations.xml in a folder; `subset` tells the split.

    Shapes of other kinds are refused. Document types, through which entities come, are refused as well.
    """
    file = place / "annotations.xml" if place.is_dir() else place
    if not file.is_file():
        raise DataError(f"{place}: no annotations.xml; export the task as CVAT for images 1.1")
    text = read_text(file)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DataError(f"{file}: declares a document type; CVAT's files have none")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise DataError(f"{file}: not XML ({error})") from error
    if root.tag != "annotations":
        raise DataError(f"{file}: begins with <{root.tag[:40]}>; expected <annotations>")
    if root.find("track") is not None:
        raise DataError(f"{file}: holds tracks; export the task as CVAT for images, not for video")
    pictures, faults = [], []
    for image in root.findall("image"):
        try:
            pictures.append(_picture(file, image))
        except DataError as error:
            faults.append(str(error))
    refuse(file, faults)
    if not pictures:
        raise DataError(f"{file}: no <image> in it")
    return imported("cvat", file.parent, pictures, split, label)


def _picture(file: Path, image: ElementTree.Element) -> Picture:
    name = image.get("name") or ""
    place = f"{file}: image {name[:80]}"
    path = found_picture(place, name, (file.parent / "images", file.parent))
    size = tuple(_whole(place, side, image.get(side)) for side in ("width", "height"))
    shapes = []
    for number, item in enumerate(image):
        where = f"{place}: {item.tag} {number}"
        if item.tag in _OTHERS:
            raise DataError(f"{where}: a shape that is no box or polygon; draw runways as those")
        if item.tag in ("box", "polygon"):
            told = {str(one.get("name")): (one.text or "").strip() for one in item.findall("attribute")}
            shapes.append(Shape(where, item.get("label") or "", _points(where, item), told))
    subset = (image.get("subset") or "").lower()
    return Picture(place, path, SPLITS.get(subset, ""), (size[0], size[1]), shapes)


def _whole(place: str, side: str, text: str | None) -> int:
    if not (text or "").isascii() or not (text or "").isdigit() or len(text or "") > 6:
        raise DataError(f"{place}: {side} is {str(text)[:40]!r}; expected pixels")
    return int(str(text))


def _points(place: str, item: ElementTree.Element) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    try:
        if item.tag == "box":
            given = [float(item.get(side) or "nan") for side in ("xtl", "ytl", "xbr", "ybr")]
        else:
            given = [float(v) for pair in (item.get("points") or "").split(";") for v in pair.split(",")]
    except ValueError as error:
        raise DataError(f"{place}: {str(error)[:80]}; expected numbers") from error
    if item.tag == "box":
        x0, y0, x1, y1 = numbers(place, given, 4, "box")
        if float(item.get("rotation") or 0) % 360:
            raise DataError(f"{place}: is rotated; draw a runway that lies aslant as a polygon")
        if not (x1 > x0 and y1 > y0):
            raise DataError(f"{place}: box {x0:g} {y0:g} {x1:g} {y1:g} has no area")
        return box_points(x0, y0, x1, y1)
    if len(given) < 6 or len(given) % 2:
        raise DataError(f"{place}: {len(given) // 2} points; expected three at least")
    return np.array(numbers(place, given, len(given), "points"), np.float64).reshape(-1, 2)
