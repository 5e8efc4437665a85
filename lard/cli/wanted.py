"""What a command that is given the URL of a dataset needs of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lard.store.mount import Mount

TABLES, ALL, SPLIT, LEARNT, EDITED, FILE = "tables", "all", "split", "learnt", "edited", "file"
FOLDER, OWN = "folder", "own"


def wanted_files(kind: str, values: Mapping[str, Any], mount: Mount) -> list[str]:
    """The files of a dataset that a command needs."""
    from lard.store.choice import PICTURES

    paths = list(mount.contents.files)
    tables = [path for path in paths if not path.startswith(PICTURES) and not path.endswith(".tar")]
    if kind == ALL:
        return paths
    if kind == FILE:
        return []
    if kind == SPLIT:
        from lard.cli.benchmark import parameters

        split = values.get("split") or parameters(values.get("config")).predict.split
        return tables + _pictures_of_split(mount, tables, split)
    if kind == LEARNT:
        held = [
            split for split in ("train", "val") if split == "train" or _coco(split) in mount.contents.files
        ]
        return tables + [path for split in held for path in _pictures_of_split(mount, tables, split)]
    return tables


def _coco(split: str) -> str:
    return f"coco/{split}.json"


def _pictures_of_split(mount: Mount, tables: list[str], split: str) -> list[str]:
    """The pictures of a split, which its COCO file names, or the tars that they lie in."""
    from lard.documents import read_json
    from lard.errors import DataError
    from lard.intake.tars import shards_of_split

    name = _coco(split)
    if name not in mount.contents.files:
        raise DataError(
            f"{mount.store.url}/{name}: no such object; write it with `lard export coco` and push it"
        )
    mount.add(tables)
    images = read_json(mount.folder / name).get("images", [])
    named = {str(image.get("file_name", "")) for image in images if isinstance(image, dict)}
    return sorted(named & set(mount.contents.files)) or shards_of_split(mount.contents.files, split)
