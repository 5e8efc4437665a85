"""What the files beside an export say of it, against the export itself: each fault on the export.

The content is compared with the tables elsewhere; a trainer reads the description first, and believes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from lard.documents import read_json, read_text, read_yaml, yaml_nodes, yaml_value
from lard.errors import DataError
from lard.quality.exports.model import Exported
from lard.tables import sha256_file

CLASSES = ["runway"]
CORNERS = ["top_left", "top_right", "bottom_right", "bottom_left"]
MIRRORED = [1, 0, 3, 2]  # left and right corners change places in a mirrored picture
OUTLINE = {(0, 1), (1, 2), (2, 3), (0, 3)}
HF_NAMES = {"train": "train", "val": "validation", "test": "test"}
_SETS = ("train", "val", "test")
_KINDS: Mapping[str, tuple[type, ...]] = {
    "sc:Text": (str,),
    "sc:Integer": (int,),
    "sc:Float": (int, float),
    "sc:Boolean": (bool,),
}


def yolo_faults(folder: Path) -> Iterator[str]:
    """data.yaml: folders of the sets, classes, and of poses the number of corners and how they mirror."""
    try:
        stated = read_yaml(folder / "data.yaml", error=DataError)
    except DataError as error:
        yield str(error).removeprefix(f"{folder}/")
        return
    if not isinstance(stated, Mapping):
        yield "expected a mapping of train, val and names"
        return
    root = folder / str(stated.get("path") or "")
    for name in _SETS:
        place = folder / "images" / name
        there = place.is_dir() and any(place.iterdir())
        given = stated.get(name)
        if given is None:
            if there:
                yield f"{name} is not stated, its pictures are in images/{name}"
            continue
        if not isinstance(given, str):
            yield f"{name} is {given!r}; expected images/{name}"
        elif not (root / given).exists():
            yield f"{name} is {given!r}, which does not exist from {stated.get('path') or 'its folder'}"
        elif not there or not (root / given).samefile(place):
            yield f"{name} is {given!r}; its pictures are in images/{name}"
    names: Any = stated.get("names")
    listed = [names[key] for key in sorted(names)] if _numbered(names) else names
    if listed != CLASSES:
        yield f"names is {names!r}; expected {CLASSES}, numbered from 0"
    if stated.get("nc", 1) != 1:
        yield f"nc is {stated['nc']!r}; the labels have 1 class"
    if "kpt_shape" in stated:
        if stated["kpt_shape"] != [4, 3]:
            yield f"kpt_shape is {stated['kpt_shape']!r}; the labels have 4 corners of 3 numbers"
        if stated.get("flip_idx") != MIRRORED:
            yield f"flip_idx is {stated.get('flip_idx')!r}; corners that mirror into each other: {MIRRORED}"
    elif "flip_idx" in stated:
        yield "flip_idx without kpt_shape"


def _numbered(names: Any) -> bool:
    return isinstance(names, Mapping) and sorted(map(str, names)) == [str(k) for k in range(len(names))]


def category_faults(categories: Any) -> Iterator[str]:
    """COCO's categories: the runway alone, its corners in order, joined to an outline."""
    known = [one for one in categories if isinstance(one, dict)]
    if [one.get("name") for one in known] != CLASSES:
        yield "the categories are not the runway alone"
    for one in known[:1]:
        keypoints, skeleton = one.get("keypoints"), one.get("skeleton")
        if keypoints is not None and keypoints != CORNERS:
            yield f"the keypoints are {keypoints}, expected {CORNERS}"
        if skeleton is not None and not _is_outline(skeleton):
            yield f"the skeleton is {skeleton}; expected the outline through the corners 1 to 4"
        if not isinstance(one.get("supercategory", ""), str):
            yield f"the supercategory is {one['supercategory']!r}, no text"


def _is_outline(skeleton: Any) -> bool:
    try:
        edges = {(min(a, b) - 1, max(a, b) - 1) for a, b in skeleton}
    except (TypeError, ValueError):
        return False
    return edges == OUTLINE and len(skeleton) == len(OUTLINE)


def huggingface_faults(folder: Path, found: Exported) -> Iterator[tuple[str, str]]:
    """README.md's splits and counts, objects/ and croissant.json: the file, and what is wrong in it."""
    count = {name: len(_lines(folder / "data" / hf / "metadata.jsonl")) for name, hf in HF_NAMES.items()}
    count = {name: n for name, n in count.items() if n}
    if (folder / "README.md").is_file():
        yield from (("README.md", text) for text in _readme_faults(folder, count))
    if (folder / "objects").is_dir():
        yield from _object_faults(folder, found)
    if (folder / "croissant.json").is_file():
        yield from (("croissant.json", text) for text in _croissant_faults(folder, count))


def _readme_faults(folder: Path, count: Mapping[str, int]) -> Iterator[str]:
    try:
        text = read_text(folder / "README.md")
        head = (
            yaml_value(yaml_nodes(text.split("---")[1], "README.md"), "README.md")
            if text.startswith("---")
            else {}
        )
    except (DataError, IndexError) as error:
        yield f"its head cannot be read: {error}"
        return
    configs = (head.get("configs") or []) if isinstance(head, Mapping) else []
    files = [
        one
        for config in configs
        if isinstance(config, Mapping)
        for one in config.get("data_files") or []
        if isinstance(one, Mapping)
    ]
    stated = {str(one.get("split")): str(one.get("path")) for one in files}
    wanted = {HF_NAMES[name]: f"data/{HF_NAMES[name]}/**" for name in count}
    for name in sorted(set(wanted) | set(stated)):
        if stated.get(name) != wanted.get(name):
            yield f"split {name} is {stated.get(name)}, its files are {wanted.get(name)}"
    shown = {name: int(n) for name, n in re.findall(r"^\| (train|val|test) \| (\d+) \|", text, re.M)}
    for name in sorted(set(shown) & set(_SETS)):
        if shown[name] != count.get(name, 0):
            yield f"says {shown[name]} frames in {name}, there are {count.get(name, 0)}"


def _object_faults(folder: Path, found: Exported) -> Iterator[tuple[str, str]]:
    """Every line of objects/ against the object of the same frame and runway in the records."""
    for name, hf in HF_NAMES.items():
        path = folder / "objects" / f"{hf}.jsonl"
        frames = {frame for frame, entries in found.frames.items() if entries[0].get("split") == name}
        due: dict[tuple[Any, Any], Mapping[str, Any]] = {
            (frame, item.get("runway")): item for frame in frames for item in found.objects.get(frame, [])
        }
        place = f"objects/{hf}.jsonl"
        for record in _lines(path):
            item = due.pop((record.get("frame_id"), record.get("runway")), None)
            if item is None:
                yield place, f"{record.get('object_id')}: no such object in {hf}/metadata.jsonl"
                continue
            for key, value in record.items():
                if key in item and item[key] != value:
                    yield place, f"{record.get('object_id')}: {key} is {value}, its record says {item[key]}"
        for frame, runway in sorted(due, key=str):
            yield place, f"{frame}/{runway} is missing"


def _croissant_faults(folder: Path, count: Mapping[str, int]) -> Iterator[str]:
    """Files and their hashes, patterns, and fields against the columns of the tables they name."""
    try:
        document = read_json(folder / "croissant.json")
    except DataError as error:
        yield str(error)
        return
    parts = document.get("distribution") or [] if isinstance(document, dict) else []
    tables: dict[str, list[dict[str, Any]]] = {}
    patterns: list[str] = []
    for part in parts:
        if "includes" in part:
            patterns.append(str(part["includes"]))
            continue
        path = folder / str(part.get("contentUrl"))
        if not path.is_file():
            yield f"{part.get('@id')}: no file {part.get('contentUrl')}"
            continue
        if part.get("sha256") != sha256_file(path):
            yield f"{part.get('@id')}: the sha256 is not that of {part.get('contentUrl')}"
        tables[str(part.get("@id"))] = _lines(path)
    pictures = [p.relative_to(folder).as_posix() for p in sorted(folder.glob("data/*/*.jpg"))]
    for pattern in patterns:
        if not any(fnmatch(name, pattern) for name in pictures):
            yield f"no picture is of {pattern}"
    left = [name for name in pictures if sum(fnmatch(name, pattern) for pattern in patterns) != 1]
    if left:
        yield f"{len(left)} pictures are in none or several of its file sets, the first {left[0]}"
    named = set()
    for records in document.get("recordSet") or []:
        named.add(str(records.get("@id")))
        for field in records.get("field") or []:
            yield from _field_faults(field, tables)
    for split in (HF_NAMES[name] for name in count):
        for wanted in (split, f"{split}_objects"):
            if wanted not in named:
                yield f"no record set {wanted}"
    told = re.match(r"(\d+) ", str(document.get("description")))
    if told and int(told[1]) != sum(count.values()):
        yield f"describes {told[1]} views, there are {sum(count.values())}"


def _field_faults(field: Mapping[str, Any], tables: Mapping[str, list[dict[str, Any]]]) -> Iterator[str]:
    source = field.get("source") or {}
    place, column = source.get("fileObject", {}).get("@id"), source.get("extract", {}).get("column")
    if place is None:
        return
    name = str(field.get("name"))
    split = str(field.get("@id")).split("/")[0].removesuffix("_objects")
    if place not in tables:
        yield f"field {name} is of {place}, which is no file here"
    elif place.rsplit("-", 1)[0] != split or name.rsplit("/", 1)[-1] != column:
        yield f"field {name} is read from {column} of {place}"
    else:
        kinds = _KINDS.get(str(field.get("dataType")))
        for row in tables[place]:
            value = row.get(column)
            wrong = kinds is not None and value is not None and not isinstance(value, kinds)
            if column not in row or wrong or (isinstance(value, bool) and kinds and bool not in kinds):
                what = f"is {value!r}, not {field.get('dataType')}" if column in row else "is missing"
                yield f"field {name}: {column} {what} in {place}"
                return


def _lines(path: Path) -> list[dict[str, Any]]:
    """The records of a file of JSON lines; those that cannot be read are noted where records are."""
    found = []
    for line in read_text(path).splitlines() if path.is_file() else ():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            found.append(record)
    return found
