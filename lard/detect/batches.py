"""What each training step sees: crops cut ahead of it, with the answers wanted at every location."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lard.detect.bags import Bags, padded, ring_energy
from lard.detect.config import ModelSpec, TrainSpec
from lard.detect.crops import crops_of, pictures_of_step
from lard.detect.data import Picture
from lard.detect.decode import as_images
from lard.detect.loss import Targets, assign_owned
from lard.detect.masks import mask_of
from lard.errors import LardError

_AHEAD = 4  # steps that each loader prepares in advance
_PATIENCE_S = 600.0


@dataclass(frozen=True, slots=True)
class Batch:
    """One process's share of a step's crops (b, 3, h, w) in [0, 1]."""

    images: Tensor
    frames: Tensor  # (b, 4) statistics of the frames they are cut from
    targets: Targets

    def parts(self, count: int) -> list[Batch]:
        """So many equal parts, in order."""
        wanted = self.targets
        cut = [
            tensor.chunk(count)
            for tensor in (self.images, self.frames, wanted.objectness, wanted.distances_px)
        ]
        bags: list[Bags | None] = [None] * count
        if wanted.bags is not None:
            owned = zip(wanted.bags.owners.chunk(count), wanted.bags.energies.chunk(count), strict=True)
            bags = [Bags(*pair) for pair in owned]
        return [
            Batch(images, frames, Targets(objectness, distances, own))
            for images, frames, objectness, distances, own in zip(*cut, bags, strict=True)
        ]


class Visits(Dataset[Any]):
    """What one process cuts in each step: index k is the share of step first + k, known from it alone."""

    pictures: list[Picture]
    plan: TrainSpec
    rank: int
    first: int

    def __len__(self) -> int:
        return max(0, self.plan.steps - self.first)

    def __getitem__(self, index: int) -> tuple[Tensor, ...] | LardError:
        """The tensors of one step's share.

        An error of the project comes back instead of being raised: a loader would wrap it in a traceback.
        """
        try:
            return self.cut(self.first + index)
        except LardError as error:
            return error

    def cut(self, step: int) -> tuple[Tensor, ...]:
        """This process's share of a step; the first tensor is of bytes."""
        raise NotImplementedError

    def files(self, step: int) -> list[str]:
        """Names of the pictures of a whole step."""
        return [self.pictures[index].path.name for _, index in self._visits(step)]

    def _visits(self, step: int) -> list[tuple[int, int]]:
        """(serial, picture index) of a whole step."""
        count = self.plan.batch // self.plan.crops_per_image
        return pictures_of_step(step, count, len(self.pictures), self.plan.seed)

    def own(self, step: int) -> list[tuple[int, int]]:
        """(serial, picture index) of this process's share of a step."""
        visits = self._visits(step)
        share = len(visits) // self.plan.processes
        return visits[self.rank * share : (self.rank + 1) * share]


@dataclass(frozen=True, slots=True)
class Share(Visits):
    """The crops of a detector."""

    pictures: list[Picture]
    spec: ModelSpec
    plan: TrainSpec
    rank: int
    first: int

    def cut(self, step: int) -> tuple[Tensor, ...]:
        """Crops (b, h, w, 3) of bytes, statistics (b, 4), objectness (b, n) and distances (b, n, 4).

        For a loss of bags also owners (b, n) of the locations and erasure energies (b, k) of the runways.
        """
        side = self.plan.crop_px
        crops = [
            crop
            for serial, picture in self.own(step)
            for crop in crops_of(self.pictures[picture], serial, self.plan)
        ]
        pixels = torch.from_numpy(np.stack([crop.pixels for crop in crops]))
        frames = torch.from_numpy(np.stack([crop.frame for crop in crops])).float()
        if self.spec.segments:
            masks = [mask_of(crop.outlines, crop.taught, side, side).ravel() for crop in crops]
            none = torch.empty((len(crops), 0, 4))
            return pixels, frames, torch.from_numpy(np.stack(masks).astype(np.float32)), none
        wanted = [assign_owned(crop.boxes, crop.ignored, side, side, self.spec) for crop in crops]
        objectness, distances, owners = (
            torch.from_numpy(np.stack(part)) for part in zip(*wanted, strict=True)
        )
        if self.spec.loss != "bag":
            return pixels, frames, objectness, distances
        energies = [
            np.array([ring_energy(crop.pixels, crop.outlines[k]) for k in np.flatnonzero(crop.taught)])
            for crop in crops
        ]
        return pixels, frames, objectness, distances, owners, torch.from_numpy(padded(energies))


def batches(share: Share, device: torch.device, loaders: int = 0) -> Iterator[Batch]:
    """One batch for each step from share.first on, in their order, whoever cuts them."""
    for pixels, frames, objectness, distances, *bags in cuts(share, device, loaders):
        targets = Targets(objectness, distances, Bags(*bags) if bags else None)
        yield Batch(as_images(pixels), frames, targets)


def cuts(share: Visits, device: torch.device, loaders: int = 0) -> Iterator[tuple[Tensor, ...]]:
    """What is cut for each step from share.first on, in their order, on the device.

    Answers wanted at every location are cut with the pixels, in the loaders where there are some. For a GPU
    all comes by way of pinned memory, so that no step waits for the copy of the next one.
    """
    if not len(share):
        return
    pinned = device.type == "cuda"
    stream = DataLoader(
        share,
        batch_size=None,
        num_workers=loaders,
        multiprocessing_context="spawn" if loaders else None,
        prefetch_factor=_AHEAD if loaders else None,
        timeout=_PATIENCE_S if loaders else 0,
        worker_init_fn=_settle,
        pin_memory=pinned,
        generator=torch.Generator(),  # its own: the networks' draws stay as they are
    )
    for cut in stream:
        if isinstance(cut, LardError):
            raise cut
        yield tuple(part.to(device, non_blocking=pinned) for part in cut)


def _settle(_: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
