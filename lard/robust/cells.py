"""What certificates need of a clean picture, at any threshold: the logits of its locations, by place.

One file per picture, under a key of everything it depends on: an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lard.detect.checkpoint import Checkpoint, load_detector
from lard.detect.config import PredictSpec
from lard.detect.data import Picture, load_image
from lard.detect.decode import Detections, boxes_of, cells_of, select, to_input
from lard.detect.fcos import LipschitzFcos, channels_last
from lard.detect.loss import flatten, locations_px
from lard.errors import ModelError
from lard.robust.box_field import BoxField, box_field
from lard.robust.certify import Floats, Reach, answered, bound_of_model, owners_of
from lard.robust.erasure import erasure_energies
from lard.robust.exact_erasure import exact_energies
from lard.robust.kept import reach_arrays, reach_of, read_arrays, write_arrays
from lard.tables import folders_for, sha256_file
from lard.workers import Shares, run_tasks, workers_of

FORMAT = "lard-certificate-cells-3"
HELD = 4096
"""Logits kept of each place, the largest; certificates count the others as if any of them could fire."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Logits of a clean picture, each place's the largest first, and what lard predict keeps of it.

    A location serves the required runway that its clean box overlaps best, by half; `off` are those whose
    centre lies more than their stride outside of every labelled box, `rest` all others.
    """

    own: tuple[Floats, ...]  # (locations,) of each required runway
    off: Floats
    off_count: int
    rest: Floats
    energies: Floats  # (runways,) erasure energy
    kept: Detections
    reach: Reach
    exact: bool = False  # energies are exact, not estimated
    field: BoxField | None = None  # of a model with certified boxes

    def costs(self, threshold: float) -> Floats:
        """Squared displacement that silences each required runway, 0 where it does not fire: (runways,)."""
        return np.array([_above(logits, threshold) for logits in self.own], np.float64)

    def silence(self, threshold: float) -> float:
        """Squared displacement that silences the whole picture, counting the locations held."""
        return sum(_above(logits, threshold) for logits in (*self.own, self.off, self.rest))

    def making(self, threshold: float) -> Floats:
        """Squared displacement that makes each held location off the runways fire, the cheapest first."""
        return np.asarray(np.maximum(threshold - self.off, 0) ** 2, np.float64)


def _above(logits: Floats, threshold: float) -> float:
    return float((np.maximum(logits - threshold, 0) ** 2).sum())


@torch.inference_mode()
def cells_of_picture(
    checkpoint: Checkpoint, picture: Picture, plan: PredictSpec, bare: Path | None = None
) -> Cells:
    """Read the logits of a clean picture, in float32; ModelError when one is not finite.

    `bare` is the picture of the same frame without runways, from which erasure energies are exact.
    """
    net, image = checkpoint.net, load_image(picture)
    strides = net.spec.strides_px
    pixels = to_input(image, strides[-1])
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    levels, reach = answered(net, pixels, bound_of_model(checkpoint))
    logits = flatten(levels)[0][0].double().numpy()
    if not np.isfinite(logits).all():
        raise ModelError(f"{checkpoint.name}: logits of {picture.path} are not finite; train the model again")
    boxes = boxes_of(levels, strides)[0]
    wanted = picture.boxes[~picture.ignored]
    owners = owners_of(boxes.double().numpy(), wanted)
    height, width = pixels.shape[2:]
    off = off_runways(picture.boxes, strides, height, width) & (owners < 0)
    scores = torch.cat([net.scores(level).flatten(1) for level in levels], dim=1)[0].numpy()
    field = None
    if isinstance(net, LipschitzFcos) and net.spec.certified_boxes:
        field = box_field(net, net.joint(pixels), HELD)
    frame = picture.width_px, picture.height_px
    kept = select(boxes.numpy(), scores, cells_of(strides, height, width), frame, plan)
    return Cells(
        tuple(_largest(logits[owners == runway]) for runway in range(len(wanted))),
        _largest(logits[off]),
        int(off.sum()),
        _largest(logits[(owners < 0) & ~off]),
        erasure_energies(image, picture) if bare is None else exact_energies(image, bare, picture),
        kept,
        reach,
        bare is not None,
        field,
    )


def off_runways(
    boxes: NDArray[np.float64], strides_px: Sequence[int], height_px: int, width_px: int
) -> NDArray[np.bool_]:
    """Whether the centre of each location lies more than its stride outside of every box (n, 4)."""
    found = []
    for stride in strides_px:
        centres = locations_px(height_px, width_px, stride)
        outside = np.ones(len(centres), bool)
        for x0, y0, x1, y1 in boxes:
            x, y = centres.T
            outside &= (x < x0 - stride) | (x > x1 + stride) | (y < y0 - stride) | (y > y1 + stride)
        found.append(outside)
    return np.concatenate(found)


def _largest(logits: Floats) -> Floats:
    return -np.sort(-logits)[:HELD]


def read_cells(
    checkpoint: Checkpoint,
    pictures: Iterable[Picture],
    plan: PredictSpec,
    weights_sha256: str,
    folder: Path | None = None,
    without: Mapping[int, Path] | None = None,
) -> Iterator[Cells]:
    """Cells of pictures in turn: those in the folder that still hold, else computed and put there.

    `without`: by image id, pictures of the same frames without runways.
    """
    torch.set_num_threads(1)  # the same sums on every machine with the same kernels
    channels_last(checkpoint.net)
    plan = plan.model_copy(update={"score_floor": 0.0})
    for picture in pictures:
        path = folder / f"{picture.image_id}.npz" if folder else None
        bare = (without or {}).get(picture.image_id)
        key = _key(picture, plan, weights_sha256, bare)
        found = load_cells(path, key) if path else None
        if found is None:
            found = cells_of_picture(checkpoint, picture, plan, bare)
            if path:
                save_cells(found, key, path)
        yield found


@dataclass(frozen=True, slots=True)
class Reading:
    """What a worker needs to read cells of pictures into a folder."""

    checkpoint: Path
    weights_sha256: str
    plan: PredictSpec
    folder: Path

    def put(self, task: tuple[Picture, Path | None]) -> int:
        """Called on a worker: put a picture's cells into the folder, unless they are there; its id."""
        picture, bare = task
        without = None if bare is None else {picture.image_id: bare}
        loaded = _opened(self.checkpoint, self.weights_sha256)
        deque(read_cells(loaded, [picture], self.plan, self.weights_sha256, self.folder, without), maxlen=0)
        return picture.image_id


@lru_cache(maxsize=1)
def _opened(checkpoint: Path, _: str) -> Checkpoint:
    return load_detector(checkpoint)


def put_cells(
    checkpoint: Path, pictures: Sequence[Picture], plan: PredictSpec, weights_sha256: str, folder: Path,
    without: Mapping[int, Path], workers: str | int,
) -> Iterator[int]:  # fmt: skip
    """Let workers put cells of pictures into a folder, where read_cells finds them; ids as they finish."""
    reading = Reading(checkpoint.absolute(), weights_sha256, plan, folder.absolute())
    tasks = []
    for picture in pictures:
        bare = without.get(picture.image_id)
        placed = replace(picture, path=picture.path.absolute())  # a worker may stand in another folder
        tasks.append((placed, bare and bare.absolute()))
    shares = Shares(folder, (checkpoint, *(picture.path for picture in pictures[:1])))
    with folders_for(folder):
        yield from run_tasks(workers_of(workers, shares), reading.put, tasks)


def _key(picture: Picture, plan: PredictSpec, weights_sha256: str, bare: Path | None) -> str:
    """Digest of everything that a picture's cells depend on."""
    labels = [picture.boxes.tolist(), picture.ignored.tolist(), [ring.tolist() for ring in picture.polygons]]
    choice = [plan.nms_iou, plan.per_level, plan.max_boxes]
    told = [FORMAT, HELD, weights_sha256, sha256_file(picture.path), labels, choice]
    told += [] if bare is None else [sha256_file(bare)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def save_cells(cells: Cells, key: str, path: Path) -> None:
    """Write cells under a key, atomically and with the same bytes for the same cells."""
    arrays = {
        "key": np.array(key),
        "lengths": np.array([len(logits) for logits in cells.own], np.int64),
        "own": np.concatenate([*cells.own, np.empty(0)]),
        "off": cells.off,
        "off_count": np.array(cells.off_count),
        "rest": cells.rest,
        "energies": cells.energies,
        "exact": np.array(cells.exact),
        "boxes": cells.kept[0],
        "scores": cells.kept[1],
        **reach_arrays(cells.reach),
    }
    if cells.field is not None:
        arrays |= {f"field_{key}": np.asarray(value) for key, value in asdict(cells.field).items()}
    write_arrays(arrays, path)


def load_cells(path: Path, key: str) -> Cells | None:
    """The cells of a file that was written under this key; None where there is none, or a damaged one."""
    held = read_arrays(path, key=key)
    if held is None:
        return None
    own = np.split(held["own"], np.cumsum(held["lengths"]))[:-1]
    reach = reach_of(held)
    assert reach is not None  # cells are of models with a constant
    return Cells(
        tuple(own),
        held["off"],
        int(held["off_count"]),
        held["rest"],
        held["energies"],
        (held["boxes"], held["scores"]),
        reach,
        bool(held["exact"]),
        _field_of(held),
    )


def _field_of(held: Mapping[str, NDArray[Any]]) -> BoxField | None:
    """The field that a file holds, of a model with certified boxes."""
    if "field_logits" not in held:
        return None
    logits, units, centres, strides = (
        held[f"field_{name}"] for name in ("logits", "units", "centres", "strides")
    )
    gain, temperature, rest = (float(held[f"field_{name}"]) for name in ("gain", "temperature", "rest"))
    return BoxField(logits, units, centres, strides, gain, temperature, rest)
