"""Exports for FiftyOne, CVAT and Label Studio, as the comparison sees them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from lard.documents import read_text
from lard.errors import DataError
from lard.quality.exports.descriptions import CLASSES
from lard.quality.exports.model import Exported, Fields
from lard.tables import read_json

_TOLERANCE_PX = 1e-3
_NAMED = ("airport", "runway", "verdict")


def read_fiftyone(folder: Path, where: str) -> Exported:
    """samples.json: boxes as fractions, one file of data/ per sample."""
    found = Exported(where, "fiftyone", tolerance_px=_TOLERANCE_PX)
    for sample in _listed(found, folder / "samples.json", "samples"):
        name = str(sample.get("frame_id"))
        about = sample.get("metadata") or {}
        size = (about.get("width"), about.get("height"))
        found.pictures[name] = folder / str(sample.get("filepath"))
        objects = [
            {key: item.get(key) for key in _NAMED} | {"bbox": _scaled(item.get("bounding_box"), size, 1.0)}
            for item in (sample.get("ground_truth") or {}).get("detections", [])
        ]
        split = (sample.get("tags") or [""])[0]
        found.add(name, {"split": split, "width_px": size[0], "height_px": size[1]}, objects)
        labels = {item.get("label") for item in (sample.get("ground_truth") or {}).get("detections", [])}
        _classes(found, name, labels)
    if (folder / "metadata.json").is_file():
        try:
            classes = read_json(folder / "metadata.json").get("default_classes")
        except (DataError, AttributeError) as error:
            found.fault("metadata.json", str(error))
            return found
        if classes != CLASSES:
            found.fault("metadata.json", f"default_classes is {classes!r}, expected {CLASSES}")
    return found


def read_labelstudio(folder: Path, where: str) -> Exported:
    """tasks.json: boxes as percent, of the first annotation of each task."""
    found = Exported(where, "labelstudio", tolerance_px=_TOLERANCE_PX)
    for task in _listed(found, folder / "tasks.json", ""):
        data = task.get("data") or {}
        name = str(data.get("frame_id"))
        found.pictures[name] = folder / "images" / Path(str(data.get("image"))).name
        objects = []
        for item in (task.get("annotations") or [{}])[0].get("result", []):
            size = (item.get("original_width"), item.get("original_height"))
            value = item.get("value", {})
            told = dict(word.split("=", 1) for word in item.get("meta", {}).get("text", []))
            box = [value.get(key) for key in ("x", "y", "width", "height")]
            objects.append({**told, "bbox": _scaled(box, size, 100.0)})
        found.add(name, {"split": data.get("split")}, objects)
        values = [item.get("value", {}) for item in (task.get("annotations") or [{}])[0].get("result", [])]
        _classes(found, name, {word for value in values for word in value.get("rectanglelabels", [None])})
    if (folder / "config.xml").is_file():
        labels = re.findall(r'<Label\s[^>]*value="([^"]*)"', read_text(folder / "config.xml"))
        if labels != CLASSES:
            found.fault("config.xml", f"its labels are {labels}, expected {CLASSES}")
    return found


def read_cvat(folder: Path, where: str) -> Exported:
    """annotations.xml: a polygon per runway in pixels."""
    found = Exported(where, "cvat", tolerance_px=_TOLERANCE_PX)
    try:
        text = read_text(folder / "annotations.xml")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise DataError("declares a document type")
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, DataError) as error:
        found.fault("annotations.xml", str(error))
        return found
    for image in root.findall("image"):
        name = Path(str(image.get("name"))).stem
        found.pictures[name] = folder / "images" / str(image.get("name"))
        objects: list[Fields] = []
        for item in image.findall("polygon"):
            points = [float(v) for pair in str(item.get("points")).split(";") for v in pair.split(",")]
            told = {str(one.get("name")): one.text or "" for one in item.findall("attribute")}
            xs, ys = points[::2], points[1::2]
            box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
            objects.append({**told, "polygon": points, "bbox": box})
        size = {f"{side}_px": int(str(image.get(side))) for side in ("width", "height")}
        found.add(name, {"split": image.get("subset"), **size}, objects)
        _classes(found, name, {item.get("label") for item in image.findall("polygon")})
    size_stated = root.findtext("meta/task/size")
    if size_stated is not None and size_stated != str(len(root.findall("image"))):
        found.fault("annotations.xml", f"says {size_stated} pictures, it has {len(root.findall('image'))}")
    labels = [label.findtext("name") for label in root.findall("meta/task/labels/label")]
    if labels and labels != CLASSES:
        found.fault("annotations.xml", f"its labels are {labels}, expected {CLASSES}")
    return found


def _classes(found: Exported, name: str, given: set[Any]) -> None:
    if given - set(CLASSES):
        shown = ", ".join(sorted(map(repr, given - set(CLASSES))))
        found.fault(name, f"an object is of {shown}; expected {CLASSES[0]}")


def _listed(found: Exported, path: Path, key: str) -> list[dict[str, Any]]:
    """The objects of a list in a file; what cannot be read is a fault."""
    try:
        document = read_json(path)
    except DataError as error:
        found.fault(path.name, str(error))
        return []
    rows = document.get(key) if key and isinstance(document, dict) else document
    if not isinstance(rows, list):
        found.fault(path.name, "expected a list")
        return []
    return [row for row in rows if isinstance(row, dict)]


def _scaled(values: Any, size: tuple[Any, Any], whole: float) -> list[float]:
    return [float(value) / whole * float(size[k % 2]) for k, value in enumerate(values)]
