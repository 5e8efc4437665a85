"""COCO files read for training and prediction, their pictures as files or in tar shards."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.errors import DataError
from lard.intake.tars import Member, index, is_sharded, lost, read_member
from lard.parts import in_tars
from lard.pictures import plain_colour, upright_rgb
from lard.score.truth import Paths, coco_paths, image_path, read_truth, several


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of a COCO file with its runways; boxes (n, 4) as corner pairs in px.

    With a `place` its path is that of a tar and, below it, of the picture's name there.
    """

    image_id: int
    path: Path
    width_px: int
    height_px: int
    boxes: NDArray[np.float64]
    polygons: tuple[NDArray[np.float64], ...]
    ignored: NDArray[np.bool_]
    info: dict[str, Any] = field(default_factory=dict)
    place: Member | None = None

    @property
    def file(self) -> Path:
        """The file that holds its bytes."""
        return self.path if self.place is None else self.path.parent


def read_pictures(
    datasets: Paths, split: str, truth: Mapping[str, Any] | None = None, *, shards: bool = False
) -> list[Picture]:
    """Read coco/<split>.json of one dataset folder or several, by image id; missing images in one error.

    `truth` is what read_truth gave of these files, where the caller has read them already. With `shards`
    pictures may lie in tars (Picture.place); else such a dataset is a DataError.
    """
    folders, paths = several(datasets), coco_paths(datasets, split)
    named = ", ".join(map(str, paths))
    document = read_truth(paths) if truth is None else truth
    notes: dict[int, list[dict[str, Any]]] = {int(image["id"]): [] for image in document["images"]}
    for note in document["annotations"]:
        notes[int(note["image_id"])].append(note)
    below = folders[0] if len(folders) == 1 else Path()
    pictures = [
        _picture(below, image, notes[int(image["id"])])
        for image in sorted(document["images"], key=lambda image: int(image["id"]))
    ]
    for folder in filter(is_sharded, folders):
        if not shards:
            raise in_tars(folder)
        pictures = _placed(pictures, folder, split)
    missing = [
        str(picture.path) for picture in pictures if picture.place is None and not picture.path.is_file()
    ]
    if missing:
        names = ", ".join(missing[:3])
        raise DataError(
            f"{named}: {len(missing)} of {len(pictures)} images are missing ({names}); render them first"
        )
    return pictures


def _placed(pictures: Sequence[Picture], folder: Path, split: str) -> list[Picture]:
    """The pictures with those of a folder of shards found in them."""
    places = index(folder, split)
    found, missing, own = [], [], 0
    for picture in pictures:
        if picture.path.parent in (folder, folder / "images"):
            own += 1
            tar, place = places.get(picture.path.stem, (folder, None))
            if place is None or picture.path.suffix != ".jpg":
                missing.append(picture.path.stem)
            picture = replace(picture, path=tar / picture.path.name, place=place)
        found.append(picture)
    if missing:
        raise lost(folder, missing, own)
    return found


def _picture(dataset: Path, image: dict[str, Any], notes: list[dict[str, Any]]) -> Picture:
    xywh = np.array([note["bbox"] for note in notes], dtype=np.float64).reshape(-1, 4)
    boxes = np.concatenate((xywh[:, :2], xywh[:, :2] + xywh[:, 2:]), axis=1)
    polygons = []
    for box, note in zip(boxes, notes, strict=True):
        rings = note.get("segmentation")
        if isinstance(rings, list) and rings and len(rings[0]) >= 6:
            polygons.append(np.array(rings[0], dtype=np.float64).reshape(-1, 2))
        else:
            x0, y0, x1, y1 = box
            polygons.append(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))
    ignored = np.array([bool(note.get("iscrowd", 0)) for note in notes], dtype=bool)
    return Picture(
        int(image["id"]),
        image_path(dataset, str(image["file_name"])),
        int(image["width"]),
        int(image["height"]),
        boxes,
        tuple(polygons),
        ignored,
        image,
    )


def load_image(picture: Picture) -> NDArray[np.uint8]:
    """Decode an image as RGB (h, w, 3); raise DataError when it cannot be read or has another size."""
    content = None
    if picture.place is not None:
        content = read_member(picture.file, picture.path.stem, picture.place)
    image = picture_pixels(picture.path, content)
    if image.shape[:2] != (picture.height_px, picture.width_px):
        found = f"{image.shape[1]}x{image.shape[0]}"
        raise DataError(
            f"{picture.path}: {found} px, the COCO file says {picture.width_px}x{picture.height_px};"
            " export and render the same frames"
        )
    return image


def picture_pixels(path: Path, content: bytes | None = None) -> NDArray[np.uint8]:
    """Decode an image of any size as RGB (h, w, 3), of its content where that is given; else DataError."""
    return np.asarray(cv2.cvtColor(_decoded(path, content), cv2.COLOR_BGR2RGB), np.uint8)


def _decoded(path: Path, content: bytes | None) -> NDArray[np.uint8]:
    """Upright pixels (h, w, 3) blue-green-red of a picture of any mode."""
    if not plain_colour(path if content is None else io.BytesIO(content)):
        return np.ascontiguousarray(upright_rgb(path, content).pixels[:, :, ::-1])
    if content is None:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    else:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"{path}: cannot be decoded; render it again")
    return np.asarray(image, np.uint8)
