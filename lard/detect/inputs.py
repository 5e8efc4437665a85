"""Pictures and videos that are named one by one or lie in folders, and the names of their drawings."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lard import pictures
from lard.detect import video
from lard.documents import read_json
from lard.errors import DataError
from lard.files import below, keep_unlike, path_fault

FORMAT = "lard-pictures-1"
JOURNAL = "detections.json"
"""What lies beside drawings and tells of them."""

KEPT = (".jpg", ".jpeg", ".png")
"""Drawings of such pictures keep their suffix; those of others are PNG."""


@dataclass(frozen=True, slots=True)
class Input:
    """A file to look at, and its path below the folder it was found in (its name, if named itself)."""

    path: Path
    below: Path

    @property
    def is_video(self) -> bool:
        """Whether its suffix is a video's; any other file is tried as a picture."""
        return self.path.suffix.lower() in video.SUFFIXES


@dataclass(frozen=True, slots=True)
class Inputs:
    """What was found, each file once, and the number of files in folders of types not read, by suffix."""

    files: tuple[Input, ...]
    others: dict[str, int]


def collect(places: Sequence[Path], draw: Path | None = None) -> Inputs:
    """Files named and those in folders below, sorted; drawings in `draw` of an earlier run are left out.

    Raises DataError when a place does not exist, a folder holds nothing to look at, or drawings would fall
    among the originals.
    """
    found: dict[Path, Input] = {}
    others: Counter[str] = Counter()
    for place in places:
        _keep_apart(place, draw)
        for entry in _folder(place, draw, others) if place.is_dir() else [Input(place, Path(place.name))]:
            found.setdefault(_real(entry.path), entry)
    return Inputs(tuple(found.values()), dict(sorted(others.items())))


def keep_result_apart(out: Path, inputs: Inputs, draw: Path | None) -> None:
    """DataError where the file of results would replace an input, or take the place of a drawing."""
    place = _real(out)
    if any(_real(entry.path) == place for entry in inputs.files):
        raise DataError(f"--out {out}: is one of the files to look at; name another file")
    if draw is None:
        return
    folder = _real(draw)
    taken = {folder / name for name in drawing_names(inputs.files)}
    if folder.is_relative_to(place) or any(drawing.is_relative_to(place) for drawing in taken):
        raise DataError(f"--out {out}: drawings are to go there (--draw {draw}); name another file")


def keep_drawings_apart(draw: Path, inputs: Inputs) -> None:
    """DataError where a drawing would take the place of a file that no earlier run drew there."""
    journal = draw / JOURNAL
    keep_unlike(journal, "what lard predict wrote", is_detections)
    images = read_json(journal)["images"] if journal.is_file() else []
    drawn = {str(image.get("drawn")) for image in images if isinstance(image, dict)}
    for name in drawing_names(inputs.files):
        if not path_fault(name.as_posix()):  # such a file is told alone, when its turn comes
            below(draw, name.as_posix())
        if os.path.lexists(draw / name) and name.as_posix() not in drawn:
            raise DataError(
                f"{draw / name}: is no drawing that {JOURNAL} there tells of and would be written over;"
                " name a new or empty folder for --draw"
            )


def is_detections(document: object) -> bool:
    """Whether a JSON document is one that `lard predict` writes of pictures and videos."""
    return (
        isinstance(document, dict)
        and document.get("format") == FORMAT
        and isinstance(document.get("images"), list)
    )


def _keep_apart(place: Path, draw: Path | None) -> None:
    if not place.is_dir() and not place.is_file():
        raise DataError(f"{place}: no such file or folder; give a picture, a video or a folder of them")
    folder = _real(place) if place.is_dir() else _real(place).parent
    if draw is not None and _real(draw) == folder:
        raise DataError(f"{draw}: the originals lie there ({place}); give another folder for the drawings")


def _folder(folder: Path, draw: Path | None, others: Counter[str]) -> list[Input]:
    apart = _real(draw) if draw is not None else None
    entries = []
    for path in sorted(folder.rglob("*")):
        below = path.relative_to(folder)
        if path.is_dir() or any(part.startswith(".") for part in below.parts):
            continue
        if apart is not None and _real(path).is_relative_to(apart):
            continue
        if path.suffix.lower() in (*pictures.SUFFIXES, *video.SUFFIXES):
            entries.append(Input(path, below))
        else:
            others[path.suffix.lower() or path.name] += 1
    if not entries:
        rest = f" ({counted(others)})" if others else ""
        raise DataError(
            f"{folder}: no picture or video in it{rest}; pictures end in {' '.join(pictures.SUFFIXES)},"
            f" videos in {' '.join(video.SUFFIXES)}"
        )
    return entries


def _real(path: Path) -> Path:
    """Where a path leads; of links in a circle, which Path.resolve raises at, the last one."""
    return Path(os.path.realpath(path))


def counted(others: dict[str, int]) -> str:
    """Other files by suffix, as a text."""
    return ", ".join(f"{count} {suffix}" for suffix, count in sorted(others.items()))


def drawing_names(files: Iterable[Input]) -> list[Path]:
    """A path for each drawing, no two alike whatever the case of their letters.

    It is the input's own below its folder: JPEG and PNG keep their suffix, videos become NAME.mp4, other
    pictures NAME.SUFFIX.png; a number is added to a name that was given already.
    """
    names: list[Path] = []
    taken: set[str] = {JOURNAL}
    for entry in files:
        suffix = entry.below.suffix.lower()
        wanted = entry.below
        if entry.is_video and suffix != ".mp4":
            wanted = wanted.with_name(f"{wanted.name}.mp4")
        elif not entry.is_video and suffix not in KEPT:
            wanted = wanted.with_name(f"{wanted.name}.png")
        name, number = wanted, 1
        while str(name).casefold() in taken:
            number += 1
            name = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
        taken.add(str(name).casefold())
        names.append(name)
    return names
