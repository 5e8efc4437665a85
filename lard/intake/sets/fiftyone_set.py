"""FiftyOne folders (FiftyOneDataset: samples.json beside data/), as a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lard.errors import DataError
from lard.intake.sets.drawn import Picture, Shape, found_picture, imported, numbers
from lard.intake.sets.model import Imported, refuse
from lard.intake.sets.outlines import box_points
from lard.intake.sets.sizes import upright_size
from lard.tables import read_json

SPLITS = {"train": "train", "val": "val", "validation": "val", "test": "test"}


def read_fiftyone_set(place: Path, split: str = "", label: str = "", field: str = "ground_truth") -> Imported:
    """Read the Detections of a field of every sample; the split is a sample's tag, else `split`."""
    folder = place if place.is_dir() else place.parent
    file = folder / "samples.json"
    if not file.is_file():
        raise DataError(f"{place}: no samples.json; export as FiftyOneDataset with its pictures")
    document = read_json(file)
    samples = document.get("samples") if isinstance(document, dict) else None
    if not isinstance(samples, list):
        raise DataError(f"{file}: samples: expected a list")
    pictures, faults = [], []
    for k, sample in enumerate(samples):
        try:
            pictures.append(_picture(f"{file}: samples[{k}]", sample, folder, field))
        except DataError as error:
            faults.append(str(error))
    refuse(file, faults)
    return imported("fiftyone", folder, pictures, split, label)


def _picture(place: str, sample: Any, folder: Path, field: str) -> Picture:
    if not isinstance(sample, dict) or not isinstance(sample.get("filepath"), str):
        raise DataError(f"{place}: filepath: expected the path of a picture")
    name = sample["filepath"]
    path = found_picture(f"{place}.filepath", name, (folder, folder / "data"))
    about = sample.get("metadata")
    size = (about.get("width"), about.get("height")) if isinstance(about, dict) else None
    tags = [SPLITS[tag] for tag in sample.get("tags") or [] if isinstance(tag, str) and tag in SPLITS]
    if len(set(tags)) > 1:
        raise DataError(f"{place}.tags: {', '.join(tags)}; expected one split")
    held = sample.get(field)
    if held is not None and (not isinstance(held, dict) or not isinstance(held.get("detections"), list)):
        raise DataError(f"{place}.{field}: expected Detections; name their field with --field")
    shapes = []
    if held is not None:
        pixels = upright_size(path)
        shapes = [
            _shape(f"{place}.{field}.detections[{k}]", item, pixels)
            for k, item in enumerate(held["detections"])
        ]
    return Picture(
        place, path, tags[0] if tags else "", None if size is None or None in size else size, shapes
    )


def _shape(place: str, item: Any, size: tuple[int, int]) -> Shape:
    if not isinstance(item, dict):
        raise DataError(f"{place}: expected a Detection")
    x, y, width, height = numbers(place, item.get("bounding_box"), 4, "bounding_box")
    if not (
        width > 0
        and height > 0
        and -0.01 <= x <= 1
        and -0.01 <= y <= 1
        and x + width <= 1.01
        and y + height <= 1.01
    ):
        raise DataError(
            f"{place}: bounding_box {x:g}, {y:g}, {width:g}, {height:g}; expected fractions of the picture"
        )
    points = box_points(x * size[0], y * size[1], (x + width) * size[0], (y + height) * size[1])
    told = {key: item[key] for key in ("airport", "runway", "verdict") if isinstance(item.get(key), str)}
    return Shape(place, str(item.get("label") or ""), points, told)
