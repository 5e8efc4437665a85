"""Where a run of the renderer finds grounds and writes pictures: folders, or what others put there."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import polars as pl

from lard.errors import SourceError
from lard.render.journal import (
    JOURNAL,
    Journal,
    check_folder,
    journal_line,
    kept_pictures,
    picture_path,
    remove_stale,
    unwritable,
    write_jpeg,
    write_tables,
)
from lard.tables import folder_lock, folders_for, sha256_file
from lard.workers import Shares, Workers, arrived

Written = tuple[str, str, str]
"""A picture that a worker wrote: frame id, SHA-256, and what else its place tells it by."""


class Place(Protocol):
    """Where pictures, journal and tables of a run go; pickled to workers, which write pictures."""

    def check(self, frame_ids: Collection[str]) -> None:
        """DataError where pictures of others lie that would be written over."""

    def held(self) -> AbstractContextManager[None]:
        """Keep other runs that write all of it out, where the place knows how."""

    def kept(self, keys: Mapping[str, str]) -> dict[str, str]:
        """SHA-256 of the pictures already there, of the same inputs and undamaged, by frame."""

    def journal(
        self, shard: tuple[int, int]
    ) -> AbstractContextManager[Callable[[list[tuple[str, Written]]], None]]:
        """Yield what notes finished pictures, given the key of each."""

    def elsewhere(self) -> "Place":
        """The same place for workers, who may stand in other folders."""

    def write(self, frame_id: str, jpeg: bytes) -> Written:
        """Called on workers: write a picture, whole or not at all."""

    def check_arrived(self, results: list[Written], workers: Workers) -> None:
        """SourceError unless pictures that a worker says it wrote are there, as it wrote them."""

    def confirm(self, done: Mapping[str, str]) -> None:
        """SourceError unless all pictures of a run are there at its end."""

    def finish(
        self, frames: pl.DataFrame, manifest: pl.DataFrame, keys: Mapping[str, str], done: Mapping[str, str]
    ) -> None:
        """Write the tables and the journal of all pictures, once those of no frame are gone."""

    def shares(self, reads: tuple[Path, ...]) -> Shares:
        """What workers elsewhere must find as it is here."""


class Ground(Protocol):
    """An airport's ground; pickled to workers."""

    def folder(self) -> Path:
        """Called on workers: its folder on the worker's machine."""


@dataclass(frozen=True, slots=True)
class GroundFolder:
    """A folder that all workers see."""

    path: Path

    def folder(self) -> Path:
        """The folder itself."""
        return self.path


@dataclass(frozen=True, slots=True)
class Folder:
    """A dataset folder that all workers see."""

    path: Path

    def check(self, frame_ids: Collection[str]) -> None:
        """DataError when images/ holds pictures of these names that no run of ours is known to have made."""
        check_folder(self.path, frame_ids)

    def held(self) -> AbstractContextManager[None]:
        """Wait for another run that writes here, and keep others waiting."""
        return folder_lock(self.path)

    def kept(self, keys: Mapping[str, str]) -> dict[str, str]:
        """SHA-256 of the pictures already there, each read."""
        return kept_pictures(keys, self.path)

    @contextmanager
    def journal(self, shard: tuple[int, int]) -> Iterator[Callable[[list[tuple[str, Written]]], None]]:
        """Append to the journal, or to that of a shard."""
        name = f"{JOURNAL}.jsonl" if shard[1] == 1 else f"{JOURNAL}_{shard[0]}_{shard[1]}.jsonl"
        with folders_for(self.path / "images"), Journal(self.path / name) as entries:
            yield lambda rows: entries.add([journal_line(row[0], key, row[1]) for key, row in rows])

    def elsewhere(self) -> "Folder":
        """The folder by its absolute path."""
        return Folder(self.path.absolute())

    def write(self, frame_id: str, jpeg: bytes) -> Written:
        """Write a picture atomically."""
        return frame_id, write_jpeg(jpeg, picture_path(self.path, frame_id)), ""

    def check_arrived(self, results: list[Written], workers: Workers) -> None:
        """SourceError unless the pictures that a worker says it wrote are here, as it wrote them."""
        for frame_id, digest, _ in results:
            path = picture_path(self.path, frame_id)
            is_whole = partial(_is_whole, path, digest)
            if not (arrived(is_whole) if workers.remote else is_whole()):
                raise SourceError(
                    f"{path}: rendered by a worker ({workers.where}) and not here; give an --out that all "
                    "workers and this process share, and run again"
                )

    def confirm(self, done: Mapping[str, str]) -> None:
        """Nothing: each picture was read when it arrived."""

    def finish(
        self, frames: pl.DataFrame, manifest: pl.DataFrame, keys: Mapping[str, str], done: Mapping[str, str]
    ) -> None:
        """Write frames.parquet, manifest.parquet and the sorted journal, all or none."""
        remove_stale(self.path, done)
        # the journal sorted, so that its bytes do not tell the order of work
        lines = [journal_line(name, keys[name], done[name]) for name in sorted(done)]
        try:
            write_tables(self.path, frames, manifest, self.path / f"{JOURNAL}.jsonl", "".join(lines))
        except OSError as error:
            raise unwritable(self.path, error) from error
        for part_journal in self.path.glob(f"{JOURNAL}_*.jsonl"):
            part_journal.unlink()

    def shares(self, reads: tuple[Path, ...]) -> Shares:
        """The folder, and the files that are read."""
        return Shares(self.path, reads)


def _is_whole(path: Path, digest: str) -> bool:
    return path.is_file() and sha256_file(path) == digest
