"""Defects of a plain COCO dataset: boxes, categories, sizes, repetitions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import polars as pl
from quality_defects import alone as defect

from lard.quality import Dataset, load_dataset
from lard.tables import write_json

Documents = dict[str, dict[str, Any]]
SETS = ("train", "val", "test")


def plain(data: Dataset, folder: Path, pictures: bool = True) -> Documents:
    """COCO documents of a dataset as others write them, with names of files that tell nothing."""
    assert data.frames is not None and data.labels is not None
    size = data.frames["width_px"][0]
    documents: Documents = {}
    number = 0
    for split in SETS:
        images, notes = [], []
        names = data.frames.filter(pl.col("split") == split)["frame_id"].to_list()[:60]
        for name in names:
            number += 1
            picture = f"{split}/{number:06d}.jpg"
            images.append({"id": number, "file_name": picture, "width": size, "height": size})
            if pictures:
                (folder / split).mkdir(parents=True, exist_ok=True)
                (folder / picture).hardlink_to(data.root / f"images/{name}.jpg")
            seen = data.labels.filter((pl.col("frame_id") == name) & (pl.col("visible_fraction") > 0))
            for row in seen.iter_rows(named=True):
                x0, y0, x1, y1 = (row[c] for c in ("x_min_px", "y_min_px", "x_max_px", "y_max_px"))
                box = [x0, y0, x1 - x0, y1 - y0]
                note = {"id": 10_000 * number + len(notes), "image_id": number, "category_id": 1, "bbox": box}
                notes.append(note | {"area": box[2] * box[3], "segmentation": [row["polygon"]], "iscrowd": 0})
        documents[split] = {
            "images": images,
            "annotations": notes,
            "categories": [{"id": 1, "name": "runway"}],
        }
    return documents


def written(documents: Documents, folder: Path) -> Dataset:
    """The dataset of those documents."""
    for split, document in documents.items():
        write_json(document, folder / f"{split}.json")
    return load_dataset(folder)


def foreign(
    owner: str, name: str, pictures: bool = False
) -> Callable[[Callable[[Documents, Path], None]], None]:
    """Register a change of a plain COCO dataset."""

    def register(change: Callable[[Documents, Path], None]) -> None:
        def plant(data: Dataset) -> Dataset:
            folder = data.root / "foreign"
            documents = plain(data, folder, pictures)
            change(documents, folder)
            return written(json.loads(json.dumps(documents)), folder)

        defect(owner, f"plain COCO: {name}", files=True, few=True)(plant)

    return register


def boxes(
    name: str, change: Callable[[list[float]], list[float]], sets: tuple[str, ...] = SETS, step: int = 1
) -> None:
    """Register a change of every step-th box of some sets, whose polygons and areas are left out."""

    def plant(documents: Documents, folder: Path) -> None:
        for split in sets:
            for note in documents[split]["annotations"][::step]:
                note["bbox"] = change(note["bbox"])
                note.pop("segmentation")
                note.pop("area")

    foreign("I06", name)(plant)


boxes("boxes normalised, all", lambda b: [v / 256 for v in b])
boxes("boxes normalised, the validation set", lambda b: [v / 256 for v in b], ("val",))
boxes("boxes normalised, one in fifty", lambda b: [v / 256 for v in b], step=50)
boxes("boxes as corners, all", lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]])
boxes("boxes as corners, the test set", lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]], ("test",))
boxes("boxes of twice the resolution, all", lambda b: [2 * v for v in b])
boxes("boxes of four times the resolution, the test set", lambda b: [4 * v for v in b], ("test",))
boxes("boxes 2 px beyond the right edge, one in fifty", lambda b: [258 - b[2], *b[1:]], step=50)
boxes("boxes far out of the picture, one in fifty", lambda b: [5000, *b[1:]], step=50)
boxes("boxes left of the picture, one set", lambda b: [-20, *b[1:]], ("train",))
boxes("boxes in per cent", lambda b: [v / 2.56 for v in b])


@foreign("I06", "boxes by their centre, beside polygons")
def _(documents: Documents, folder: Path) -> None:
    for document in documents.values():
        for note in document["annotations"]:
            x, y, w, h = note["bbox"]
            note["bbox"] = [x + w / 2, y + h / 2, w, h]


@foreign("I06", "boxes 3 px from their polygons, one set")
def _(documents: Documents, folder: Path) -> None:
    for note in documents["val"]["annotations"]:
        note["bbox"][0] += 3


@foreign("I06", "sizes of pictures not stated")
def _(documents: Documents, folder: Path) -> None:
    for image in documents["test"]["images"]:
        del image["width"], image["height"]


@foreign("T02", "one annotation of an unknown category")
def _(documents: Documents, folder: Path) -> None:
    documents["val"]["annotations"][3]["category_id"] = 7


@foreign("T02", "no categories listed")
def _(documents: Documents, folder: Path) -> None:
    for document in documents.values():
        document["categories"] = []


@foreign("T02", "a category listed twice")
def _(documents: Documents, folder: Path) -> None:
    documents["train"]["categories"] *= 2


@foreign("T02", "the validation set's runways are of another category")
def _(documents: Documents, folder: Path) -> None:
    documents["val"]["categories"][0]["name"] = "taxiway"


@foreign("T02", "the test set lists one category more")
def _(documents: Documents, folder: Path) -> None:
    documents["test"]["categories"].append({"id": 9, "name": "road"})


@foreign("T02", "the training set counts its categories from another id")
def _(documents: Documents, folder: Path) -> None:
    documents["train"]["categories"][0]["id"] += 1
    for note in documents["train"]["annotations"]:
        note["category_id"] += 1


@foreign("T02", "one annotation twice")
def _(documents: Documents, folder: Path) -> None:
    notes = documents["test"]["annotations"]
    notes.append(dict(notes[4], id=1))


@foreign("T02", "all annotations twice, a tenth of a pixel apart")
def _(documents: Documents, folder: Path) -> None:
    for document in documents.values():
        again = [
            dict(n, id=n["id"] + 10**9, bbox=[n["bbox"][0] + 0.1, *n["bbox"][1:]])
            for n in document["annotations"]
        ]
        document["annotations"] += again


@foreign("T02", "annotation ids twice")
def _(documents: Documents, folder: Path) -> None:
    for note in documents["test"]["annotations"][:3]:
        note["id"] = 5


@foreign("T02", "areas larger than their boxes")
def _(documents: Documents, folder: Path) -> None:
    for note in documents["test"]["annotations"]:
        note["area"] *= 4


@foreign("T02", "annotations of pictures that are not there")
def _(documents: Documents, folder: Path) -> None:
    del documents["test"]["images"][2]


@foreign("I04", "sizes that do not match the files, one set", pictures=True)
def _(documents: Documents, folder: Path) -> None:
    for image in documents["val"]["images"]:
        image["width"], image["height"] = 512, 512


@foreign("I04", "width and height of one picture exchanged", pictures=True)
def _(documents: Documents, folder: Path) -> None:
    documents["val"]["images"][4].update(width=256, height=192)


@foreign("U01", "one training picture in the test set under another name", pictures=True)
def _(documents: Documents, folder: Path) -> None:
    source = folder / documents["train"]["images"][3]["file_name"]
    target = folder / documents["test"]["images"][5]["file_name"]
    target.unlink()
    target.hardlink_to(source)


@foreign("U01", "training pictures in the validation set, in another quality", pictures=True)
def _(documents: Documents, folder: Path) -> None:
    for k in range(3):
        pixels = cv2.imread(str(folder / documents["train"]["images"][k]["file_name"]))
        target = folder / documents["val"]["images"][k]["file_name"]
        target.unlink()
        assert pixels is not None
        cv2.imwrite(str(target), pixels, [cv2.IMWRITE_JPEG_QUALITY, 70])


@foreign("U01", "training annotations in the test set under other names")
def _(documents: Documents, folder: Path) -> None:
    notes = documents["train"]["annotations"]
    image = documents["test"]["images"][0]["id"]
    first = notes[0]["image_id"]
    kept = [n for n in documents["test"]["annotations"] if n["image_id"] != image]
    copied = [dict(n, image_id=image, id=10**8 + k) for k, n in enumerate(notes) if n["image_id"] == first]
    documents["test"]["annotations"] = kept + copied


@foreign("U01", "a picture in two sets under its own name")
def _(documents: Documents, folder: Path) -> None:
    documents["test"]["images"].append(dict(documents["train"]["images"][0], id=10**6))


@foreign("S04", "no validation set")
def _(documents: Documents, folder: Path) -> None:
    del documents["val"]
