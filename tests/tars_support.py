"""Harm done to tar shards."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

Rows = list[tuple[str, bytes]]


def rewritten(path: Path, change: Callable[[Rows], Rows]) -> None:
    """The members of a tar, changed as a list of names and contents."""
    with tarfile.open(path) as tar:
        members = [(m.name, tar.extractfile(m).read()) for m in tar]  # type: ignore[union-attr]
    whole_tar(path, change(members))


def whole_tar(path: Path, rows: Rows) -> None:
    """A tar of these names and contents."""
    with tarfile.open(path, "w") as tar:
        for name, content in rows:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def cut(path: Path, size: int) -> None:
    """The first bytes of a tar."""
    path.write_bytes(path.read_bytes()[:size])
