"""Pictures and their records in the tar shards of `lard export webdataset`: where each lies, and its bytes.

Nothing is unpacked: a picture is read from its offset, by the name of its key and never by a path in a tar.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from lard.documents import parse_json
from lard.errors import DataError
from lard.parts import SHARD_TABLES as TABLES
from lard.parts import is_sharded as is_sharded
from lard.parts import is_table
from lard.tables import MANIFEST, read_table

_LARGEST = 200_000_000  # bytes of a picture
_SUFFIX, _RECORD = ".jpg", ".json"
_TAR = re.compile(r"\.(tar|tgz)\b")


@dataclass(frozen=True, slots=True)
class Member:
    """The bytes of a picture in a tar: where they begin, how many, and their SHA-256 where it is stated."""

    offset: int
    size: int
    sha256: str = ""


def shards_of(folder: Path, split: str = "") -> list[Path]:
    """The tars in a folder, of one split or of all, by name."""
    names = [path.name for path in folder.glob("*.tar")]
    return [folder / name for name in (shards_of_split(names, split) if split else sorted(names))]


def shards_of_split(names: Iterable[str], split: str) -> list[str]:
    """Those of the names of files that are tars of a split, sorted."""
    return sorted(name for name in names if re.fullmatch(rf"{re.escape(split)}-\d+\.tar", name))


def stated_sha256(folder: Path) -> dict[str, str]:
    """SHA-256 of pictures by frame, as the manifest beside shards states them; none without a manifest."""
    path = folder / TABLES / "manifest.parquet"
    return dict(read_table(path, MANIFEST).select("frame_id", "sha256").iter_rows()) if is_table(path) else {}


def unchecked(folders: Iterable[Path]) -> list[str]:
    """A line for each folder of shards whose pictures no manifest states, so that nothing checks them."""
    return [
        f"note: {folder / TABLES / 'manifest.parquet'} is not there or empty: nothing states the pictures' "
        "SHA-256, and no picture is checked"
        for folder in folders
        if is_sharded(folder) and not stated_sha256(folder)
    ]


def check_stated(folder: Path, key: str, stated: Mapping[str, str]) -> str:
    """SHA-256 of a picture by a manifest; DataError where it states none."""
    if not stated.get(key):
        path = folder / TABLES / "manifest.parquet"
        raise DataError(f"{path}: states no SHA-256 of picture {key[:80]!r}; export the dataset again")
    return stated[key]


def members(path: Path) -> Iterator[tuple[str, Member]]:
    """Name and place of every picture and record in a tar, by its headers alone.

    DataError where it is cut or no tar.
    """
    size = path.stat().st_size
    try:
        with tarfile.open(path, "r:") as tar:
            for entry in tar:
                if not entry.name.endswith((_SUFFIX, _RECORD)):
                    continue
                if not entry.isreg() or entry.issparse() or not 0 < entry.size <= _LARGEST:
                    what = "picture" if entry.name.endswith(_SUFFIX) else "record"
                    raise DataError(f"{path}: {entry.name[:80]!r} is no plain {what}; export again")
                if entry.offset_data + entry.size > size:
                    raise DataError(f"{path}: ends within {entry.name[:80]!r}; fetch or export it again")
                yield entry.name, Member(entry.offset_data, entry.size)
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError) as error:
        told = str(error) if isinstance(error, tarfile.TarError) else type(error).__name__
        raise DataError(f"{path}: cannot be read as a tar ({told:.100}); fetch or export it again") from error


def each_once(shards: Iterable[Path]) -> Iterator[tuple[Path, str, Member]]:
    """Tar, name and place of every picture and record in shards; DataError for one that is there twice."""
    seen: set[str] = set()
    for path in shards:
        for name, place in members(path):
            if name in seen:
                raise DataError(f"{path}: {name[:80]!r} is in the shards twice; export the dataset again")
            seen.add(name)
            yield path, name, place


def picture_key(name: str) -> str | None:
    """Which frame's picture a name in a tar is; None for a record."""
    return name.removesuffix(_SUFFIX) if name.endswith(_SUFFIX) else None


def index(folder: Path, split: str) -> dict[str, tuple[Path, Member]]:
    """Tar and place of every picture of a split, by key; DataError for a name that is there twice."""
    stated = stated_sha256(folder)
    found: dict[str, tuple[Path, Member]] = {}
    for path, name, place in each_once(shards_of(folder, split)):
        if (key := picture_key(name)) is not None:
            known = check_stated(folder, key, stated) if stated else ""
            found[key] = path, Member(place.offset, place.size, known)
    return found


def read_member(path: Path, key: str, place: Member) -> bytes:
    """The bytes of a picture; DataError where the tar was cut or they are others than stated."""
    content = _bytes_at(path, key + _SUFFIX, place)
    if place.sha256 and sha256(content).hexdigest() != place.sha256:
        raise DataError(f"{path}: picture {key} is another than the manifest states; export again")
    return content


def check_record(path: Path, name: str, place: Member) -> None:
    """DataError where a record is no JSON object, or has a key twice, of which readers take one."""
    where = f"{path}: {name[:80]}"
    found = parse_json(_bytes_at(path, name, place), where)
    if not isinstance(found, dict):
        raise DataError(f"{where}: expected a JSON object; export the dataset again")


def _bytes_at(path: Path, name: str, place: Member) -> bytes:
    with path.open("rb") as stream:
        stream.seek(place.offset)
        content = stream.read(place.size)
    if len(content) != place.size:
        raise DataError(f"{path}: ends within {name[:80]!r}; fetch or export it again")
    return content


def lost(folder: Path, keys: list[str], count: int, *, any_name: bool = False) -> DataError:
    """What is wrong with shards that lack pictures, of `count` that there should be.

    With `any_name` every .tar was read; else those that are named as shards of a split.
    """
    read = re.compile(r".*\.tar" if any_name else r"(train|val|test)-\d+\.tar")
    others = sorted(
        path.name for path in folder.iterdir() if _TAR.search(path.name) and not read.fullmatch(path.name)
    )
    told = ""
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        named = ", ".join(name[:60] for name in others[:3])
        told = f"; not read, for a shard is called such as train-000000.tar: {named}{more}"
    return DataError(
        f"{folder}: {len(keys)} of {count} pictures are in no shard, the first is {min(keys)[:80]}; fetch "
        f"the missing shards or export the dataset again{told}"
    )
