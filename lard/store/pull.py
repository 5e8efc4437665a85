"""Folders in stores fetched to this machine: whole ones, or the frames of some airports and splits."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from lard.documents import read_json
from lard.errors import DataError
from lard.files import affixes, below, folder_lock, sha256_file, staging, write_json
from lard.progress import Meter
from lard.store.choice import PICTURES, TABLES, Choice, Chosen, chosen
from lard.store.contents import Contents, Entry, read_contents
from lard.store.objects import Store
from lard.store.opening import open_store
from lard.store.pool import each
from lard.tables import atomic_path, write_parquet

MARK = ".lard-pull.json"
"""Lies in a folder that is fetched, and says from where."""
BASE = ".lard-pull.parquet"
"""What pulls put here, or were to, by path and SHA-256: others are changed here, and not written over."""
_FORMAT = "lard-pull-1"


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull did: files fetched and their bytes, those kept and removed; what the choice leaves out."""

    fetched: int
    fetched_bytes: int
    kept: int
    removed: int
    left_out: tuple[str, ...]


def pull(url: str, folder: Path, choice: Choice | None = None, *, overwrite: bool = False) -> Pulled:
    """Fetch what is missing or changed of a folder in a store; tables last, so that no half dataset is seen.

    A pull that was killed is gone on with. DataError where the folder holds files of others or, unless
    `overwrite`, files changed here since they were fetched.
    """
    store, choice = open_store(url), choice or Choice()
    contents = read_contents(store)
    with folder_lock(folder):
        base = _base(folder, store.url)
        with staging(folder, affixes("pull")) as scratch:
            selected = chosen(contents, choice, partial(_fetched, store, contents, scratch))
            wanted = {path: _wanted(path, selected, contents) for path in selected.paths}
            if not overwrite:
                _keep_changes(folder, base, wanted, contents)
            write_json({"format": _FORMAT, "url": store.url}, folder / MARK)
            # noted before the first file comes: a run that fails or is killed leaves only what is noted
            _write_base(
                folder, {path: base.get(path, frozenset()) | {sha} for path, sha in wanted.items()}, base
            )
            done = _fetch_all(store, contents, selected, wanted, folder)
        removed = _forget(folder, base, selected) if not choice.only else 0
        stays = {path: shas for path, shas in base.items() if choice.only and (folder / path).is_file()}
        _write_base(folder, {path: frozenset([sha]) for path, sha in wanted.items()}, stays)
    sent = [path for path, fetched in done if fetched]
    size = contents.total(path for path in sent if path not in selected.made)
    return Pulled(len(sent), size, len(done) - len(sent), removed, selected.left_out)


def _fetched(store: Store, contents: Contents, scratch: Path, path: str) -> Path:
    """A file of the store in the scratch folder."""
    entry, target = contents.files[path], below(scratch, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    store.fetch(path, target, entry.size, entry.sha256)
    return target


def _wanted(path: str, selected: Chosen, contents: Contents) -> str:
    """SHA-256 of a file as it is to lie here."""
    made = selected.made.get(path)
    return contents.files[path].sha256 if made is None else sha256_file(made)


def _rank(path: str) -> int:
    """When a file comes: pictures, then what lies deeper, tables and what lies in the folder itself last."""
    if path.startswith(PICTURES):
        return 0
    return 1 if "/" in path and path.partition("/")[0] not in TABLES else 2


def _fetch_all(
    store: Store, contents: Contents, selected: Chosen, wanted: Mapping[str, str], folder: Path
) -> list[tuple[str, bool]]:
    """Path of every chosen file and whether it was fetched; each rank when all before it are there."""
    done = []
    with Meter("pull", len(selected.paths), "files") as meter:

        def one(path: str) -> tuple[str, bool]:
            made = selected.made.get(path)
            return path, _taken(store, contents.files[path], made, wanted[path], below(folder, path), path)

        for rank in sorted({_rank(path) for path in selected.paths}):
            for result in each(one, (path for path in selected.paths if _rank(path) == rank)):
                done.append(result)
                meter.advance()
    return done


def _taken(store: Store, entry: Entry, made: Path | None, wanted: str, target: Path, path: str) -> bool:
    """Put one file into its place, unless it is there already; whether it was fetched."""
    if target.is_file() and sha256_file(target) == wanted:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    if made is not None:
        with atomic_path(target) as temporary:
            temporary.write_bytes(made.read_bytes())
    else:
        store.fetch(path, target, entry.size, entry.sha256)
    return True


def _base(folder: Path, url: str) -> dict[str, frozenset[str]]:
    """SHA-256 that files had which pulls put into a folder, by path; DataError for a folder of others.

    One after a finished pull; after one that was stopped those of the versions before it, too.
    """
    mark = folder / MARK
    if not mark.is_file():
        theirs = sorted(path.name for path in folder.iterdir())
        if theirs:
            raise DataError(
                f"{folder / theirs[0]}: is of no earlier `lard pull` and could be written over; name a new "
                "or empty folder"
            )
        return {}
    found = read_json(mark)
    if not isinstance(found, dict) or found.get("format") != _FORMAT or found.get("url") != url:
        told = found.get("url") if isinstance(found, dict) else None
        raise DataError(f"{folder}: was fetched from {told}, not from {url}; name a new or empty folder")
    path = folder / BASE
    if not path.is_file():
        return {}
    try:
        rows = pl.read_parquet(path).select("path", "sha256").group_by("path").agg("sha256").iter_rows()
        return {name: frozenset(shas) for name, shas in rows}
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise DataError(f"{path}: is no list of files; fetch the folder anew, into an empty one") from error


def _write_base(
    folder: Path, files: Mapping[str, frozenset[str]], others: Mapping[str, frozenset[str]]
) -> None:
    rows = sorted((path, sha) for path, shas in {**others, **files}.items() for sha in shas)
    table = pl.DataFrame(rows, schema={"path": pl.String, "sha256": pl.String}, orient="row")
    with atomic_path(folder / BASE) as temporary:
        write_parquet(table, temporary)


def _keep_changes(
    folder: Path, base: Mapping[str, frozenset[str]], wanted: Mapping[str, str], contents: Contents
) -> None:
    """DataError where a file that would be written over is none that a pull put there."""
    for path, sha in wanted.items():
        target = folder / path
        if target.is_file():
            ours = base.get(path, frozenset()) | {sha, contents.files[path].sha256}
            if sha256_file(target) not in ours:
                raise DataError(
                    f"{target}: was changed here since it was fetched; move it away, push it, or pull with "
                    "--overwrite"
                )


def _forget(folder: Path, base: Mapping[str, frozenset[str]], selected: Chosen) -> int:
    """Remove what the last pull left and this one does not choose, where it was not changed; how many."""
    count = 0
    for path in sorted(set(base) - set(selected.paths)):
        target = below(folder, path)
        if target.is_file() and sha256_file(target) in base[path]:
            target.unlink()
            count += 1
    return count
