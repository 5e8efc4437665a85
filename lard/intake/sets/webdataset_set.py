"""WebDataset shards of `lard export webdataset` as the dataset folder that they were made of."""

import shutil
import tarfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from lard.errors import DataError
from lard.labels.dataset import read_dataset
from lard.parts import is_table
from lard.progress import Meter
from lard.tables import MANIFEST, read_table

TABLES = "tables"
_COPIED = ("frames.parquet", "labels.parquet", "manifest.parquet", "dataset.json")
_LARGEST = 200_000_000  # bytes of a picture


def read_webdataset(source: Path, out: Path) -> int:
    """Write images/ and the tables of a folder of shards into `out`, an empty folder; how many frames.

    DataError where a picture is missing, twice, of no frame, or other than the manifest states.
    """
    tables = source / TABLES
    if not tables.is_dir():
        raise DataError(
            f"{tables}: no such folder; expected tars of `lard export webdataset` with {TABLES}/ beside them"
        )
    frames, _, _ = read_dataset(tables)
    ids = set(frames["frame_id"])
    stated: dict[str, str] = {}
    if is_table(tables / "manifest.parquet"):
        manifest = read_table(tables / "manifest.parquet", MANIFEST)
        stated = dict(manifest.select("frame_id", "sha256").iter_rows())
    (out / "images").mkdir()
    found: set[str] = set()
    with Meter("pictures", len(ids), "img") as meter:
        for where, key, content in _pictures(source):
            if key not in ids or key in found:
                what = "is in the shards twice" if key in found else f"is no frame of {tables}"
                raise DataError(f"{where}: {key[:80]!r} {what}; export the dataset again")
            if key in stated and sha256(content).hexdigest() != stated[key]:
                raise DataError(f"{where}: picture {key} is another than the manifest states; export again")
            (out / "images" / f"{key}.jpg").write_bytes(content)
            found.add(key)
            meter.advance()
    if lost := sorted(ids - found):
        raise DataError(
            f"{source}: {len(lost)} of {len(ids)} pictures are in no shard, the first is {lost[0]}; fetch "
            "the missing shards or export the dataset again"
        )
    for name in _COPIED:
        if (tables / name).is_dir():
            shutil.copytree(tables / name, out / name)
        elif (tables / name).is_file():
            shutil.copyfile(tables / name, out / name)
    return len(ids)


def _pictures(source: Path) -> Iterator[tuple[Path, str, bytes]]:
    """Shard, key and bytes of every picture; nothing is unpacked by the names in a tar."""
    shards = sorted(source.glob("*.tar"))
    if not shards:
        raise DataError(f"{source}: holds no .tar; give the folder of the shards")
    for path in shards:
        try:
            with tarfile.open(path, "r:") as tar:
                for entry in tar:
                    if not entry.name.endswith(".jpg"):
                        continue
                    key = entry.name.removesuffix(".jpg")
                    if not entry.isreg() or entry.size > _LARGEST:
                        raise DataError(f"{path}: {entry.name[:80]!r} is no plain picture; export again")
                    stream = tar.extractfile(entry)
                    content = stream.read() if stream is not None else b""
                    if len(content) != entry.size:
                        raise DataError(f"{path}: ends within {entry.name[:80]!r}; fetch or export it again")
                    yield path, key, content
        except (tarfile.TarError, EOFError) as error:
            raise DataError(f"{path}: cannot be read as a tar ({error}); fetch or export it again") from error
