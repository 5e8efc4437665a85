"""WebDataset shards of `lard export webdataset` as the dataset folder that they were made of."""

import shutil
from dataclasses import replace
from pathlib import Path

from lard.errors import DataError
from lard.intake.tars import (
    TABLES,
    check_record,
    check_stated,
    each_once,
    lost,
    picture_key,
    read_member,
    shards_of,
    stated_sha256,
)
from lard.labels.dataset import read_tables
from lard.progress import Meter

_COPIED = ("frames.parquet", "labels.parquet", "manifest.parquet", "dataset.json")


def read_webdataset(source: Path, out: Path) -> int:
    """Write images/ and the tables of a folder of shards into `out`, an empty folder; how many frames.

    DataError where a picture is missing, twice, of no frame, or other than the manifest states, and where its
    record is there twice or no JSON object. What a record says is not taken: the tables hold it.
    """
    tables = source / TABLES
    if not tables.is_dir():
        raise DataError(
            f"{tables}: no such folder; expected tars of `lard export webdataset` with {TABLES}/ beside them"
        )
    frames, _, _ = read_tables(tables)
    ids = set(frames["frame_id"])
    stated = stated_sha256(source)
    if not stated:
        raise DataError(
            f"{tables / 'manifest.parquet'}: no such file, or an empty one: nothing states the pictures' "
            "SHA-256; fetch it or export the dataset again"
        )
    shards = shards_of(source)
    if not shards:
        raise DataError(f"{source}: holds no .tar; give the folder of the shards")
    (out / "images").mkdir()
    found: set[str] = set()
    with Meter("pictures", len(ids), "img") as meter:
        for path, name, place in each_once(shards):
            key = picture_key(name)
            if key is None:
                check_record(path, name, place)
                continue
            if key not in ids:
                raise DataError(f"{path}: {key[:80]!r} is no frame of {tables}; export the dataset again")
            stated_place = replace(place, sha256=check_stated(source, key, stated))
            (out / "images" / f"{key}.jpg").write_bytes(read_member(path, key, stated_place))
            found.add(key)
            meter.advance()
    if missing := sorted(ids - found):
        raise lost(source, missing, len(ids), any_name=True)
    for name in _COPIED:
        if (tables / name).is_dir():
            shutil.copytree(tables / name, out / name)
        elif (tables / name).is_file():
            shutil.copyfile(tables / name, out / name)
    return len(ids)
