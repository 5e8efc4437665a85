"""COCO ground truth of one dataset or of several taken together, and what each of its runways counts for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.documents import checked
from lard.errors import DataError
from lard.files import name_fault
from lard.intake.coco import read_coco
from lard.intake.coco_model import CocoModel
from lard.tables import sha256_file

REQUIRED, IGNORED, ABSENT = 0, 1, 2
"""Roles of a runway: to be found; neither rewarded nor punished; not there, so that finding it is wrong."""

SHOWN = 8

Paths = str | Path | Sequence[str | Path]


def several(paths: Paths) -> list[Path]:
    """One path or several as a list."""
    return [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]


def coco_paths(datasets: Paths, split: str) -> list[Path]:
    """The COCO file of a split in each dataset folder; DataError for a split that is no name of a file."""
    if fault := name_fault(split):
        raise DataError(f"split {split!r}: {fault}; expected the name of a file in coco/, such as test")
    return [folder / "coco" / f"{split}.json" for folder in several(datasets)]


def holds_images(path: Path) -> bool:
    """Whether a COCO file is there and has images."""
    return path.is_file() and bool(read_coco(path).document["images"])


def read_truth(paths: Paths) -> dict[str, Any]:
    """Read a COCO ground-truth file, or join several.

    Ids of the second file and those after it are raised by the largest id before them, whence any program
    arrives at the same ids from the same files. Each image gets its dataset's `source` and, when there
    are several, a file name that starts with its dataset's folder.
    """
    files = several(paths)
    places = [os.path.realpath(path) for path in files]
    for path, place in zip(files, places, strict=True):
        if places.count(place) > 1:
            raise DataError(f"{path}: given twice; name each dataset once")
    documents = [_read(path) for path in files]
    joined: dict[str, Any] = {**documents[0], "images": [], "annotations": []}
    raised = {"images": 0, "annotations": 0}
    for path, document in zip(files, documents, strict=True):
        if document["categories"] != joined["categories"]:
            raise DataError(f"{path}: categories differ from those of {files[0]}; export both alike")
        source = source_of(document, path)
        for image in document["images"]:
            moved = {"source": source, **image, "id": int(image["id"]) + raised["images"]}
            if len(files) > 1:
                moved["file_name"] = str(image_path(path.parent.parent, str(image["file_name"])))
            joined["images"].append(moved)
        for note in document["annotations"]:
            moved = {**note, "image_id": int(note["image_id"]) + raised["images"]}
            if "id" in note:
                moved["id"] = int(note["id"]) + raised["annotations"]
            joined["annotations"].append(moved)
        for key in raised:
            raised[key] = max((int(item.get("id", 0)) for item in joined[key]), default=0)
    return joined


def source_of(document: Mapping[str, Any], path: Path) -> str:
    """The imagery source that a COCO file names, else its dataset's folder."""
    info = document.get("info")
    return str((info.get("source") if isinstance(info, dict) else None) or path.parent.parent.name)


def _read(path: Path) -> Mapping[str, Any]:
    """A COCO file that can be scored against: no faults, one category, ids and sizes whole numbers."""
    coco = read_coco(path)
    document = coco.document
    if not document["images"]:
        raise DataError(f"{path}: no images; expected at least one")
    if len(document["categories"]) != 1:
        raise DataError(f"{path}: {len(document['categories'])} categories; expected one, the runway")
    faults = [f"{fault.place}: {fault.message}" for fault in coco.faults]
    for image in coco.images:
        faults += _unwhole(image, ("id", "width", "height"), f"image {image['id']}")
    for k, note in coco.annotations:
        faults += _unwhole(note, ("id",) if "id" in note else (), f"annotations[{k}]")
    if faults:
        lines = [
            f"{path}: not a COCO detection file ({fault}); write it with lard export coco"
            for fault in faults[:SHOWN]
        ]
        more = [f"and {len(faults) - SHOWN} more faults"] if len(faults) > SHOWN else []
        raise DataError("\n".join(lines + more))
    checked(CocoModel, document, path, remedy="write it with lard export coco")
    return document


def _unwhole(item: Mapping[str, Any], keys: Sequence[str], where: str) -> list[str]:
    """A fault for each key whose value is no whole number."""
    values = {key: item.get(key) for key in keys}
    return [
        f"{where}: {key} {value!r} is no whole number"
        for key, value in values.items()
        if not isinstance(value, int | float) or value % 1 != 0
    ]


def image_path(dataset: Path, file_name: str) -> Path:
    """Where an image of a COCO file lies: below the dataset folder, or in its images/."""
    file = Path(file_name)
    below = file.parent != Path() or (dataset / file).is_file()
    return dataset / file if below else dataset / "images" / file


def truth_sha256(paths: Paths) -> str:
    """Hash of a ground-truth file; of several, that of their hashes in order."""
    hashes = [sha256_file(path) for path in several(paths)]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def roles_as_marked(truth: Mapping[str, Any]) -> NDArray[np.int8]:
    """The protocol: runways marked `iscrowd`, which are those not IN_ODD, are ignored. (annotations,)"""
    return np.array(
        [IGNORED if note.get("iscrowd", 0) else REQUIRED for note in truth["annotations"]], np.int8
    )


def roles_all_required(truth: Mapping[str, Any]) -> NDArray[np.int8]:
    """Every visible runway must be found. (annotations,)"""
    return np.full(len(truth["annotations"]), REQUIRED, np.int8)


def roles_of_verdict(truth: Mapping[str, Any], verdict: str) -> NDArray[np.int8]:
    """Only runways of one verdict must be found, all others are ignored. (annotations,)"""
    return np.array(
        [REQUIRED if note.get("verdict") == verdict else IGNORED for note in truth["annotations"]], np.int8
    )


def roles_outside_absent(truth: Mapping[str, Any]) -> NDArray[np.int8]:
    """As marked, but runways OUT_OF_ODD count as background, so that finding one is wrong. (annotations,)"""
    outside = np.array([note.get("verdict") == "OUT_OF_ODD" for note in truth["annotations"]], bool)
    return np.where(outside, ABSENT, roles_as_marked(truth)).astype(np.int8)
