"""What a folder in a store holds: a list of all its files, written last, so that none is seen half.

Objects cannot be renamed and stores have no locks. A folder counts by its list, contents.parquet: each file's
size, SHA-256 and the tag that the store gave it. Who reads checks every file against the list; one that is
being written anew is told by its bytes.
"""

import hashlib
import io
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from lard.errors import DataError
from lard.files import inside, json_text
from lard.store.faults import Missing
from lard.store.objects import Store, Stored
from lard.store.urls import joined

CONTENTS = "contents.parquet"
"""The list; a folder without one is no finished folder."""
MARK = "contents.unfinished"
"""Says that lard has begun to write a folder that has no list yet."""
LISTS = (CONTENTS, MARK)
_SCHEMA = {"path": pl.String, "size": pl.Int64, "sha256": pl.String, "tag": pl.String}
_AGAIN = "; push the folder again"
_SHA256 = r"^[0-9a-f]{64}$"


class Unreadable(DataError):
    """A list that is damaged: a push of the folder writes it anew."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a folder in a store."""

    size: int
    sha256: str
    tag: str


@dataclass(frozen=True, slots=True)
class Contents:
    """The files of a folder by their paths, and the SHA-256 of the list itself."""

    files: Mapping[str, Entry]
    sha256: str

    def total(self, paths: Iterable[str]) -> int:
        """Bytes of some of the files."""
        return sum(self.files[path].size for path in paths)


def read_contents(store: Store) -> Contents:
    """The list of a folder; DataError where it has none or one that cannot be read."""
    where = joined(store.url, CONTENTS)
    try:
        data = store.read(CONTENTS)
    except Missing as error:
        raise DataError(
            f"{store.url}: holds no {CONTENTS}: no folder that `lard push` or a command has finished there; "
            "check the URL, or push it first"
        ) from error
    return Contents(_checked(data, where), hashlib.sha256(data).hexdigest())


def _checked(data: bytes, where: str) -> dict[str, Entry]:
    try:
        table = pl.read_parquet(io.BytesIO(data))
        if theirs := [name for name in _SCHEMA if name not in table.columns]:
            raise DataError(
                f"{where}: is a table without {', '.join(theirs)} and no list that lard wrote; choose "
                "another URL, or move it away"
            )
        table = table.select(pl.col(name).cast(kind, strict=True) for name, kind in _SCHEMA.items())
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = " ".join(str(error).split())[:200]
        raise Unreadable(f"{where}: is no list of files ({reason}){_AGAIN}") from error
    odd = table.filter(
        pl.any_horizontal(pl.all().is_null()) | (pl.col("size") < 0) | ~pl.col("sha256").str.contains(_SHA256)
    )
    if len(odd) or table["path"].n_unique() < len(table):
        name = odd["path"][0] if len(odd) else table.filter(pl.col("path").is_duplicated())["path"][0]
        raise Unreadable(f"{where}: states {str(name)[:80]!r} wrongly or twice{_AGAIN}")
    return {inside(path, where, Unreadable): Entry(*row) for path, *row in table.iter_rows()}


def write_contents(store: Store, files: Mapping[str, Entry]) -> None:
    """Write the list of a folder all of whose files are there; the same bytes for the same files."""
    rows = [(path, entry.size, entry.sha256, entry.tag) for path, entry in sorted(files.items())]
    buffer = io.BytesIO()
    table = pl.DataFrame(rows, schema=_SCHEMA, orient="row")
    table.write_parquet(buffer, compression="zstd", statistics=False)
    store.put(CONTENTS, buffer.getvalue())
    store.delete([MARK])


def begin(store: Store, listing: Mapping[str, Stored], files: Collection[str] = ()) -> dict[str, Entry]:
    """The files that the list of a folder to be written states, none yet of a new one, which is marked.

    A damaged list counts as none, and stays until a new one takes its place, where all else that lies there
    has the names of `files`, which are to be written. DataError where objects of others lie there.
    """
    if CONTENTS in listing:
        try:
            return dict(read_contents(store).files)
        except Unreadable as error:
            if not files:
                raise
            others = sorted(set(listing) - set(files) - set(LISTS))
            others = [path for path in others if not path.rpartition("/")[2].startswith(".")]  # left by kills
            if others:
                raise DataError(
                    f"{str(error).removesuffix(_AGAIN)}; it is written anew only where all that lies there "
                    f"is of the folder, and {others[0]} is not ({len(others)} such objects): remove these, "
                    "or push to another URL"
                ) from error
            return {}
    if listing and MARK not in listing:
        raise DataError(
            f"{joined(store.url, min(listing))}: lies there already, and no {CONTENTS} says that lard wrote "
            f"it ({len(listing)} such objects); choose another URL or remove them"
        )
    if MARK not in listing:
        store.put(MARK, json_text({"format": "lard-folder-1"}).encode())
    return {}
