"""Pictures inside and outside of a domain: subsets of datasets, changes made to them, pictures of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.detect.clutter import ClutterPart, clutter
from lard.detect.data import Picture, load_image, read_pictures
from lard.detect.inputs import collect
from lard.errors import DataError
from lard.files import frame_rng
from lard.odd.membership import IN_ODD, VERDICTS
from lard.pictures import upright_rgb
from lard.score.truth import coco_paths, holds_images, read_truth

Pixels = NDArray[np.uint8]

LEAST_OUTSIDE = 5
"""Fewer pictures of a domain say nothing of it."""
NO_RUNWAY = "no runway labelled"
_DIRT: tuple[ClutterPart, ...] = ("frame", "panel", "strokes", "text")
_TRIES = 64
_ERASED_BEYOND_PX = 3


def _same(image: Pixels, _: Picture) -> Pixels:
    return image


def _erased(image: Pixels, picture: Picture) -> Pixels:
    """All labelled runways painted over from their surroundings (Telea)."""
    mask = np.zeros(image.shape[:2], np.uint8)
    for polygon in picture.polygons:
        cv2.fillPoly(mask, [np.round(np.clip(polygon, -4096, 4096)).astype(np.int32)], 1)
    side = 2 * _ERASED_BEYOND_PX + 1
    mask = np.asarray(cv2.dilate(mask, np.ones((side, side), np.uint8)), np.uint8)
    return np.asarray(cv2.inpaint(np.ascontiguousarray(image), mask, 3, cv2.INPAINT_TELEA), np.uint8)


def _rotated(image: Pixels, _: Picture) -> Pixels:
    return np.ascontiguousarray(np.rot90(image))


def _dirty(image: Pixels, picture: Picture) -> Pixels:
    """Cockpit parts, strokes and lettering before the lens, off the runways; drawn until there is some."""
    rng = frame_rng(0, f"{picture.path.name}/dirt")
    for _ in range(_TRIES):
        painted = clutter(image, picture.polygons, rng, _DIRT)
        if not np.array_equal(painted, image):
            return painted
    raise DataError(f"{picture.path}: runways fill the picture, so that no dirt can be painted")


CHANGES: dict[str, Callable[[Pixels, Picture], Pixels]] = {
    "": _same, "no runway": _erased, "rotated": _rotated, "dirt": _dirty,
}  # fmt: skip
"""Changes made to pictures of the domain; "" is none."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture, perhaps changed, with its airport and verdict where they are known."""

    picture: Picture
    verdict: str | None = None
    change: str = ""

    @property
    def airport(self) -> str:
        """The airport it was taken at, "" where nobody says."""
        return str(self.picture.info.get("airport") or "")

    def pixels(self) -> Pixels:
        """Its pixels (h, w, 3), RGB."""
        labelled = self.picture.info.get("labelled", True)
        image = load_image(self.picture) if labelled else upright_rgb(self.picture.path).pixels
        return CHANGES[self.change](image, self.picture)


def read_shots(dataset: Path, split: str) -> list[Shot]:
    """The pictures of a split, each with the best verdict of its labelled runways."""
    notes: dict[int, list[dict[str, Any]]] = {}
    for note in read_truth(coco_paths(dataset, split))["annotations"]:
        notes.setdefault(int(note["image_id"]), []).append(note)
    return [
        Shot(picture, _verdict(notes.get(picture.image_id, []))) for picture in read_pictures(dataset, split)
    ]


def _verdict(notes: Sequence[dict[str, Any]]) -> str | None:
    """The best of the labelled runways' verdicts; None of runways that nobody has judged."""
    if not notes:
        return NO_RUNWAY
    given = [note["verdict"] for note in notes if note.get("verdict") in VERDICTS]
    return min(given, key=VERDICTS.index) if given else None


def inside(shots: Sequence[Shot]) -> list[Shot]:
    """Those that show a runway inside the domain; of sets that nobody has judged, all."""
    if all(shot.verdict in (None, NO_RUNWAY) for shot in shots):
        return list(shots)
    return [shot for shot in shots if shot.verdict == IN_ODD]


def spread(shots: Sequence[Shot], per_airport: int | None) -> list[Shot]:
    """At most so many pictures of each airport, evenly over its own in their order; None keeps all."""
    if per_airport is None:
        return list(shots)
    places: dict[str, list[int]] = {}
    for place, shot in enumerate(shots):
        places.setdefault(shot.airport, []).append(place)
    chosen = sorted(place for own in places.values() for place in _even(own, per_airport))
    return [shots[place] for place in chosen]


def limited(shots: Sequence[Shot], count: int | None) -> list[Shot]:
    """At most so many pictures, as many of each airport as can be; None keeps all."""
    if count is None or len(shots) <= count:
        return list(shots)
    rank: dict[str, int] = {}
    turns = []
    for place, shot in enumerate(shots):
        turns.append((rank.get(shot.airport, 0), place))
        rank[shot.airport] = rank.get(shot.airport, 0) + 1
    if len(rank) == 1:
        return [shots[place] for place in _even(list(range(len(shots))), count)]
    return [shots[place] for place in sorted(place for _, place in sorted(turns)[:count])]


def _even(places: list[int], count: int) -> list[int]:
    if len(places) <= count:
        return places
    return [places[k] for k in np.linspace(0, len(places) - 1, count).round().astype(int)]


def changed(shots: Sequence[Shot], change: str) -> list[Shot]:
    """The same pictures under a change; for "no runway" those that show one."""
    usable = [shot for shot in shots if change != "no runway" or shot.picture.polygons]
    return [Shot(shot.picture, None, change) for shot in usable]


def read_domain(name: str, place: Path) -> list[Shot]:
    """All splits of a dataset folder with coco/, or all pictures of any folder; DataError for too few."""
    if not place.is_dir():
        raise DataError(f"{place}: no such folder; --domain {name}= needs a dataset or a folder of pictures")
    shots = shots_of(place)
    if len(shots) < LEAST_OUTSIDE:
        raise DataError(
            f"{place}: {len(shots)} pictures of domain {name!r}; at least {LEAST_OUTSIDE} say something"
        )
    return shots


def shots_of(place: Path) -> list[Shot]:
    """All splits of a dataset folder with coco/, or all pictures of any folder."""
    splits = sorted(path.stem for path in (place / "coco").glob("*.json"))
    shots: list[Shot] = []
    for split in splits:
        if holds_images(place / "coco" / f"{split}.json"):
            shots += read_shots(place, split)
    if splits:
        return shots
    return [_loose(k, entry.path) for k, entry in enumerate(collect([place]).files) if not entry.is_video]


def by_verdict(name: str, shots: Sequence[Shot], limit: int) -> dict[str, list[Shot]]:
    """A domain's pictures, a group for each verdict, small ones too, where several have enough."""
    verdicts = sorted({shot.verdict or "" for shot in shots})
    parts = {verdict: [shot for shot in shots if (shot.verdict or "") == verdict] for verdict in verdicts}
    large = {verdict: own for verdict, own in parts.items() if len(own) >= LEAST_OUTSIDE}
    if len(large) < 2:
        return {name: limited(shots, limit)}
    return {f"{name}, {verdict or 'not judged'}": limited(own, limit) for verdict, own in parts.items()}


def _loose(number: int, path: Path) -> Shot:
    """A picture without labels."""
    height, width = upright_rgb(path).pixels.shape[:2]
    empty = np.zeros((0, 4))
    info = {"labelled": False}
    return Shot(Picture(number, path, width, height, empty, (), np.zeros(0, bool), info))
