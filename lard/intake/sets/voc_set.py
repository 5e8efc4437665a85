"""Pascal VOC folders, as a dataset: an XML file of boxes for each picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from lard.documents import number_of, read_text
from lard.errors import DataError
from lard.intake.sets.classes import class_notes, runway_class
from lard.intake.sets.model import SUFFIXES, Imported, frame_ids, frames_of, refuse, split_of
from lard.intake.sets.outlines import Outline, box_points, check_outline, labels_of_outlines, without_repeats
from lard.intake.sets.sizes import upright_size

Box = tuple[float, float, float, float]


def read_voc_set(place: Path, split: str = "", label: str = "") -> Imported:
    """Read the annotations (*.xml) below a folder.

    Pictures lie beside them or in JPEGImages/. The split is the list of ImageSets/Main that holds a name, the
    one that a folder of its path names, or `split`. VOC counts pixels from 1 and its boxes hold their last
    pixel: a box 1, 1, 10, 10 covers 10 x 10 px from the corner of the picture.
    """
    files = sorted(place.rglob("*.xml")) if place.is_dir() else []
    if not files:
        raise DataError(f"{place}: no annotation (*.xml) in it")
    listed = _lists(place)
    faults: list[str] = []
    read: list[tuple[Path, Path, list[tuple[str, Box]]]] = []
    for path in files:
        try:
            read.append((path, *_read(path, place)))
        except DataError as error:
            faults.append(str(error))
    refuse(place, faults)
    wanted = runway_class(sorted({name for _, _, boxes in read for name, _ in boxes}), label, place)
    ids = frame_ids([picture for _, picture, _ in read], place)
    rows: list[dict[str, Any]] = []
    outlines: list[tuple[str, Outline]] = []
    others = 0
    for path, picture, boxes in read:
        named = listed.get(path.stem) or split_of(path.relative_to(place)) or split
        if not named:
            faults.append(f"{path}: no list of ImageSets/Main holds {path.stem}; give --split")
            continue
        size = upright_size(picture)
        rows.append({"frame_id": ids[picture], "split": named, "width_px": size[0], "height_px": size[1]})
        for number, (name, (x0, y0, x1, y1)) in enumerate(boxes):
            if name != wanted:
                others += 1
            elif x1 > size[0] + 1 or y1 > size[1] + 1 or x0 < -1 or y0 < -1:
                faults.append(
                    f"{path}: box {x0:g} {y0:g} {x1:g} {y1:g} leaves the picture of {size[0]}x{size[1]}"
                )
            else:
                drawn = Outline(ids[picture], *size, box_points(x0, y0, x1, y1), corners=False)
                try:
                    outlines.append((f"{path.name}: object {number}", check_outline(drawn)))
                except ValueError as error:
                    faults.append(f"{path}: box {x0:g} {y0:g} {x1:g} {y1:g}: {error}")
    refuse(place, faults)
    kept, repeats = without_repeats(outlines)
    notes = class_notes(wanted, label) + repeats
    notes += [f"{others} objects of other classes are left out"] if others else []
    pictures = {ids[picture]: picture for _, picture, _ in read}
    return Imported("voc", frames_of(rows, "voc"), labels_of_outlines(kept), pictures, tuple(notes))


def _lists(place: Path) -> dict[str, str]:
    """The split of each name that a list of ImageSets/Main holds."""
    found: dict[str, str] = {}
    for split in ("train", "val", "test"):
        for path in sorted(place.rglob(f"ImageSets/Main/{split}.txt")):
            for line in read_text(path).splitlines():
                name = line.split()[0] if line.split() else ""
                if name and found.setdefault(name, split) != split:
                    raise DataError(f"{path}: {name} is in the list of {found[name]} as well")
    return found


def _read(path: Path, place: Path) -> tuple[Path, list[tuple[str, Box]]]:
    """The picture of an annotation and its boxes by class, as corner pairs in px."""
    text = read_text(path)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DataError(f"{path}: declares a document type; VOC annotations have none")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise DataError(f"{path}: not XML ({error})") from error
    if root.tag != "annotation":
        raise DataError(f"{path}: begins with <{root.tag}>; expected <annotation>")
    picture = _picture(path, root.findtext("filename") or "", place)
    size = tuple(root.findtext(f"size/{side}") for side in ("width", "height"))
    upright = upright_size(picture)
    if all(size) and tuple(map(str, upright)) != tuple(str(side).strip() for side in size):
        raise DataError(f"{path}: {size[0]}x{size[1]} px, {picture.name} is {upright[0]}x{upright[1]}")
    return picture, [_box(path, number, item) for number, item in enumerate(root.findall("object"))]


def _picture(path: Path, filename: str, place: Path) -> Path:
    stems = [Path(filename.replace("\\", "/")).name] if filename else []
    stems += [path.stem + suffix for suffix in SUFFIXES]
    for folder in (path.parent, path.parent.parent / "JPEGImages", path.parent.parent / "images", place):
        for name in stems:
            if (folder / name).is_file():
                return folder / name
    raise DataError(f"{path}: no picture {filename or path.stem} beside it or in JPEGImages/")


def _box(path: Path, number: int, item: ElementTree.Element) -> tuple[str, Box]:
    values = [item.findtext(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")]
    try:
        x0, y0, x1, y1 = (number_of(str(value)) for value in values)
    except ValueError as error:
        raise DataError(f"{path}: object {number}: bndbox is {values}; expected four numbers") from error
    if not (x1 >= x0 and y1 >= y0 and max(map(abs, (x0, y0, x1, y1))) < 1e6):
        raise DataError(f"{path}: object {number}: bndbox is {values}; expected xmin <= xmax, ymin <= ymax")
    name = (item.findtext("name") or "").strip()
    if not name:
        raise DataError(f"{path}: object {number}: its <name> is empty or missing; expected its class")
    return name, (x0 - 1, y0 - 1, x1, y1)
