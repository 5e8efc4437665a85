"""What each training step sees: crops cut ahead of it, with the answers wanted at every location."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lard.detect.config import ModelSpec, TrainSpec
from lard.detect.data import Crop, Picture, crops_of, pictures_of_step
from lard.detect.loss import Targets, assign


@dataclass(frozen=True, slots=True)
class Batch:
    """One process's share of a step's crops (b, 3, h, w) in [0, 1], and the files of the whole step."""

    images: Tensor
    frames: Tensor  # (b, 4) statistics of the frames they are cut from
    targets: Targets
    files: list[str]


@contextlib.contextmanager
def crop_threads(count: int) -> Iterator[Executor | None]:
    """Threads that cut crops ahead of the steps, None for none; ended at the end, whatever happens."""
    if count == 0:
        yield None
        return
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


class Batches:
    """The batches of one process, known from the step alone, whichever was asked for before."""

    def __init__(
        self,
        pictures: list[Picture],
        spec: ModelSpec,
        plan: TrainSpec,
        rank: int,
        device: torch.device,
        pool: Executor | None = None,
    ) -> None:
        self.pictures, self.spec, self.plan, self.rank, self.device = pictures, spec, plan, rank, device
        self.pool = pool
        self._ahead: dict[int, list[Future[list[Crop]]]] = {}

    def of(self, step: int) -> Batch:
        """This process's share of a step."""
        side = self.plan.crop_px
        crops = self._crops(step)
        wanted = [assign(crop.boxes, crop.ignored, side, side, self.spec) for crop in crops]
        pixels = torch.from_numpy(np.stack([crop.pixels for crop in crops])).permute(0, 3, 1, 2)
        objectness = np.stack([objectness for objectness, _ in wanted])
        distances = np.stack([distances for _, distances in wanted])
        targets = Targets(
            torch.from_numpy(objectness).to(self.device), torch.from_numpy(distances).to(self.device)
        )
        files = [self.pictures[index].path.name for _, index in self._visits(step)]
        frames = torch.from_numpy(np.stack([crop.frame for crop in crops])).float().to(self.device)
        return Batch(pixels.to(self.device).float() / 255, frames, targets, files)

    def _visits(self, step: int) -> list[tuple[int, int]]:
        """(serial, picture index) of a whole step."""
        count = self.plan.batch // self.plan.crops_per_image
        return pictures_of_step(step, count, len(self.pictures), self.plan.seed)

    def _share(self, step: int) -> list[tuple[int, int]]:
        """(serial, picture index) of this process's share of a step."""
        visits = self._visits(step)
        share = len(visits) // self.plan.processes
        return visits[self.rank * share : (self.rank + 1) * share]

    def _crops(self, step: int) -> list[Crop]:
        """The crops of a step; with threads, those of the next step are begun as well."""
        if self.pool is None:
            cut = [crops_of(self.pictures[index], serial, self.plan) for serial, index in self._share(step)]
            return [crop for crops in cut for crop in crops]
        for number in (step, step + 1):
            if number not in self._ahead and number < self.plan.steps:
                self._ahead[number] = [
                    self.pool.submit(crops_of, self.pictures[index], serial, self.plan)
                    for serial, index in self._share(number)
                ]
        return [crop for future in self._ahead.pop(step) for crop in future.result()]
