"""Which picture belongs to which frame: by name, or by the number in its name; nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lard.errors import SourceError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_LAST_NUMBER = re.compile(r"(\d+)(?=\D*$)")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pictures by frame, and what is left on either side."""

    how: str  # name or index
    paths: dict[str, Path]
    frames_without: tuple[str, ...]
    pictures_without: tuple[Path, ...]


def pictures_in(folder: Path) -> list[Path]:
    """Pictures of a folder in the order of the numbers in their names; SourceError when there is none."""
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder; name the one that holds the pictures")
    found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()]
    if not found:
        raise SourceError(f"{folder}: no picture ({', '.join(SUFFIXES)}) in it")
    return sorted(found, key=lambda path: (_natural(path.stem), path.suffix))


def _natural(text: str) -> list[tuple[int, int, str]]:
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part
    ]


def match(frame_ids: Sequence[str], pictures: Sequence[Path], how: str = "auto") -> Pairs:
    """Pair frames, in their order, with pictures.

    name: a picture's stem is the frame id (any padding of its last number). index: the last numbers of the
    stems count the frames from 0, or from 1 when they end at the number of frames; a number that is missing
    leaves its frame without a picture and shifts nothing. auto: by name when any stem is a frame id.
    """
    if how not in ("auto", "name", "index"):
        raise SourceError(f"matching by {how!r}: expected auto, name or index")
    by_name: dict[str, Path] = {}
    twice = []
    for path in pictures:
        key = _unpadded(path.stem)
        if key in by_name:
            twice.append(f"{path.name} and {by_name[key].name}")
        by_name[key] = path
    if twice:
        raise SourceError(f"two pictures of one name: {'; '.join(twice[:3])}; keep one of each")
    keys = {_unpadded(frame_id): frame_id for frame_id in frame_ids}
    if how == "name" or (how == "auto" and keys.keys() & by_name.keys()):
        paths = {frame_id: by_name[key] for key, frame_id in keys.items() if key in by_name}
        return _pairs("name", frame_ids, pictures, paths)
    return _pairs("index", frame_ids, pictures, _by_index(frame_ids, pictures))


def _unpadded(stem: str) -> str:
    return _LAST_NUMBER.sub(lambda found: str(int(found.group())), stem)


def _by_index(frame_ids: Sequence[str], pictures: Sequence[Path]) -> dict[str, Path]:
    numbers: dict[int, Path] = {}
    for path in pictures:
        found = _LAST_NUMBER.search(path.stem)
        if found is None:
            raise SourceError(
                f"{path.name}: no number in its name to tell its place among {len(pictures)} pictures; "
                "rename the pictures or match by name"
            )
        number = int(found.group())
        if number in numbers:
            raise SourceError(
                f"{path.name} and {numbers[number].name} carry the same number {number}; one folder "
                "must hold the pictures of one scenario"
            )
        numbers[number] = path
    first = 1 if 0 not in numbers and len(frame_ids) in numbers else 0
    if 0 not in numbers and first == 0 and len(frame_ids) - 1 not in numbers:
        raise SourceError(
            f"pictures are numbered {min(numbers)} to {max(numbers)} for {len(frame_ids)} frames: neither "
            "counted from 0 nor from 1, so nothing says which frame each shows; rename them to the frame ids"
        )
    return {frame_id: numbers[first + i] for i, frame_id in enumerate(frame_ids) if first + i in numbers}


def _pairs(how: str, frame_ids: Sequence[str], pictures: Sequence[Path], paths: dict[str, Path]) -> Pairs:
    used = set(paths.values())
    return Pairs(
        how,
        paths,
        tuple(frame_id for frame_id in frame_ids if frame_id not in paths),
        tuple(path for path in pictures if path not in used),
    )
