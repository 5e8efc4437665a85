"""Which format an exported folder or file is of, and its readers by format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lard.errors import DataError
from lard.intake.coco import looks_like_coco
from lard.quality.exports import annotators, folders
from lard.quality.exports.coco import read_coco_export
from lard.quality.exports.model import Exported
from lard.tables import read_json

FORMATS = (
    "COCO *.json, YOLO data.yaml, LARD dataset.csv, Hugging Face metadata.jsonl, WebDataset *.tar, "
    "FiftyOne samples.json, CVAT annotations.xml or Label Studio tasks.json"
)


def find_exports(root: Path) -> tuple[Path, ...]:
    """Where a dataset folder holds files exported from it: its coco folder."""
    folder = root / "coco"
    return (folder,) if folder.is_dir() and any(folder.glob("*.json")) else ()


def read_export(path: Path) -> Exported:
    """Read an export of a known format; what cannot be read is a problem of it, DataError when it is none."""
    where = path.name
    if path.is_file() and path.suffix == ".json":
        return read_coco_export([path], where)
    if not path.is_dir():
        raise DataError(f"{path}: no such export; expected a folder with {FORMATS}")
    if (path / "data.yaml").is_file():
        return folders.read_yolo(path, where)
    if (path / "dataset.csv").is_file():
        return folders.read_lard(path / "dataset.csv", where)
    if (path / "samples.json").is_file():
        return annotators.read_fiftyone(path, where)
    if (path / "annotations.xml").is_file():
        return annotators.read_cvat(path, where)
    if (path / "tasks.json").is_file():
        return annotators.read_labelstudio(path, where)
    if sorted(path.glob("data/*/metadata.jsonl")):
        return folders.read_huggingface(path, where)
    if sorted(path.glob("*.tar")):
        return folders.read_webdataset(path, where)
    documents = [file for file in sorted(path.glob("*.json")) if _is_coco(file)]
    if not documents:
        raise DataError(f"{path}: not an export; expected {FORMATS}")
    return read_coco_export(documents, where)


def _is_coco(path: Path) -> bool:
    try:
        return looks_like_coco(read_json(path))
    except DataError:
        return True  # one that cannot be read is a fault, not another file


def read_exports(paths: Sequence[Path]) -> list[Exported]:
    """All exports of a dataset."""
    return [read_export(path) for path in paths]
