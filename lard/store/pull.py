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
from lard.store.choice import Choice, Chosen, chosen
from lard.store.contents import Contents, Entry, read_contents
from lard.store.objects import Store
from lard.store.opening import open_store
from lard.store.pool import each
from lard.tables import atomic_path, write_parquet

MARK = ".lard-pull.json"
"""Lies in a folder that is fetched, and says from where."""
BASE = ".lard-pull.parquet"
"""The files of the last finished pull by path and SHA-256: others are changed here, and not written over."""
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
            if not overwrite:
                _keep_changes(folder, base, selected, contents)
            write_json({"format": _FORMAT, "url": store.url}, folder / MARK)
            done = _fetch_all(store, contents, selected, folder)
        removed = _forget(folder, base, selected) if not choice.only else 0
        stays = (
            {} if not choice.only else {path: sha for path, sha in base.items() if (folder / path).is_file()}
        )
        _write_base(folder, stays | {path: sha for path, sha, _ in done})
    sent = [path for path, _, fetched in done if fetched]
    size = contents.total(path for path in sent if path not in selected.made)
    return Pulled(len(sent), size, len(done) - len(sent), removed, selected.left_out)


def _fetched(store: Store, contents: Contents, scratch: Path, path: str) -> Path:
    """A file of the store in the scratch folder."""
    entry, target = contents.files[path], below(scratch, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    store.fetch(path, target, entry.size, entry.sha256)
    return target


def _fetch_all(
    store: Store, contents: Contents, selected: Chosen, folder: Path
) -> list[tuple[str, str, bool]]:
    """Path, SHA-256 and whether it was fetched, of every chosen file."""
    done = []
    with Meter("pull", len(selected.paths), "files") as meter:

        def one(path: str) -> tuple[str, str, bool]:
            return _taken(store, contents.files[path], selected.made.get(path), folder, path)

        for result in each(one, selected.paths):
            done.append(result)
            meter.advance()
    return done


def _taken(store: Store, entry: Entry, made: Path | None, folder: Path, path: str) -> tuple[str, str, bool]:
    """One file put into its place, unless it is there already."""
    target = below(folder, path)
    wanted = sha256_file(made) if made is not None else entry.sha256
    if target.is_file() and sha256_file(target) == wanted:
        return path, wanted, False
    target.parent.mkdir(parents=True, exist_ok=True)
    if made is not None:
        with atomic_path(target) as temporary:
            temporary.write_bytes(made.read_bytes())
    else:
        store.fetch(path, target, entry.size, entry.sha256)
    return path, wanted, True


def _base(folder: Path, url: str) -> dict[str, str]:
    """SHA-256 of the files that the last finished pull left in a folder; DataError for a folder of others."""
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
        return dict(pl.read_parquet(path).select("path", "sha256").iter_rows())
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise DataError(f"{path}: is no list of files; fetch the folder anew, into an empty one") from error


def _write_base(folder: Path, files: Mapping[str, str]) -> None:
    table = pl.DataFrame(sorted(files.items()), schema={"path": pl.String, "sha256": pl.String}, orient="row")
    with atomic_path(folder / BASE) as temporary:
        write_parquet(table, temporary)


def _keep_changes(folder: Path, base: Mapping[str, str], selected: Chosen, contents: Contents) -> None:
    """DataError where a file that would be written over was changed here since the last pull."""
    for path in selected.paths:
        target = folder / path
        if path in base and target.is_file():
            found = sha256_file(target)
            if found not in (base[path], contents.files[path].sha256):
                raise DataError(
                    f"{target}: was changed here since it was fetched; move it away, push it, or pull with "
                    "--overwrite"
                )


def _forget(folder: Path, base: Mapping[str, str], selected: Chosen) -> int:
    """Remove what the last pull left and this one does not choose, where it was not changed; how many."""
    count = 0
    for path in sorted(set(base) - set(selected.paths)):
        target = below(folder, path)
        if target.is_file() and sha256_file(target) == base[path]:
            target.unlink()
            count += 1
    return count
