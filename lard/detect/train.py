"""Training: deterministic by seed, on one or several processes, resumable to the same bytes."""

from __future__ import annotations

import contextlib
import csv
import io
import math
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from lard.detect.checkpoint import exported, read_tensors, save_detector
from lard.detect.config import ModelSpec, TrainSpec, parse_plan
from lard.detect.crew import Place, all_alike, crew, joined, torchrun_place, total
from lard.detect.data import Crop, crops_of, pictures_of_step, read_pictures
from lard.detect.events import EventWriter, event_writer
from lard.detect.fcos import Level, build, channels_last
from lard.detect.loss import Targets, assign, detection_loss
from lard.detect.ortho import retract_all
from lard.detect.state import fingerprint, load_state, save_state
from lard.errors import ModelError
from lard.progress import Meter
from lard.score.truth import Paths, coco_paths, several, truth_sha256
from lard.tables import atomic_path, folder_lock

LOG_COLUMNS = ("step", "learning_rate", "objectness", "box", "centre", "gradient_norm")
LOG_EVERY = 10


def train(
    name: str,
    spec: ModelSpec,
    plan: TrainSpec,
    datasets: Paths,
    folder: str | Path,
    work: str | Path,
    *,
    loaders: int = 0,
    tensorboard: str | Path | None = None,
) -> Path:
    """Train a model and write checkpoint.pt and log.csv into `folder`; `work` is for resuming.

    A model's own number of steps goes before the plan's. Under torchrun its processes take the place of
    plan.processes. `loaders` threads cut the crops of the next step while this one is computed; they and
    `tensorboard`, a folder for event files, change no byte.
    """
    if spec.steps is not None:
        plan = parse_plan({**plan.model_dump(), "steps": spec.steps})
    place = torchrun_place()
    if place is not None:
        plan = parse_plan({**plan.model_dump(), "processes": place.world})
    run = partial(
        _train, name, spec, plan, several(datasets), Path(folder), Path(work), loaders,
        None if tensorboard is None else Path(tensorboard),
    )  # fmt: skip
    if place is not None:
        with joined(name, place, plan.device, None):
            return run(place)
    with crew(name, plan.processes, plan.device, run) as place:
        return run(place)


def _train(
    name: str,
    spec: ModelSpec,
    plan: TrainSpec,
    datasets: list[Path],
    folder: Path,
    work: Path,
    loaders: int,
    tensorboard: Path | None,
    place: Place,
) -> Path:
    """One process's part; only the first writes, hence only it holds the lock."""
    with folder_lock(work) if place.rank == 0 else contextlib.nullcontext():
        run = _Run(name, spec, plan, datasets, folder, work, place, loaders)
        with event_writer(tensorboard if place.rank == 0 else None) as run.events:
            return run.run()


class _Run:
    """One process's part of a training run."""

    def __init__(
        self,
        name: str,
        spec: ModelSpec,
        plan: TrainSpec,
        datasets: list[Path],
        folder: Path,
        work: Path,
        place: Place,
        loaders: int = 0,
    ) -> None:
        torch.set_num_threads(1)  # processes scale better than threads here, and bytes depend on the threads
        cv2.setNumThreads(1)
        self.name, self.spec, self.plan, self.rank = name, spec, plan, place.rank
        self.folder, self.state_path = folder, work / f"{name}.resume.pt"
        self.device = place.device(plan.device)
        self.datasets = datasets
        self.pictures = read_pictures(datasets, "train")
        self.data_hash = truth_sha256(coco_paths(datasets, "train"))
        self.pool = ThreadPoolExecutor(loaders) if loaders else None
        self.ahead: dict[int, list[Future[list[Crop]]]] = {}
        self.events: EventWriter | None = None
        torch.manual_seed(plan.seed)
        self.net = channels_last(build(spec).to(self.device))
        self.average = channels_last(build(spec).to(self.device))
        self.average.load_state_dict(self.net.state_dict())
        decayed = [p for p in self.net.parameters() if p.ndim == 4]
        others = [p for p in self.net.parameters() if p.ndim != 4]
        self.optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=spec.learning_rate,
        )
        self.parameters = decayed + others
        self.rows: list[dict[str, float]] = []

    def run(self) -> Path:
        """Train to the last step and write the results; only rank 0 writes."""
        start = self._resume()
        meter = Meter(f"train {self.name}", (self.plan.steps - start) * self.plan.batch, "crops")
        with meter if self.rank == 0 else contextlib.nullcontext():
            for step in range(start, self.plan.steps):
                row = self._guarded_step(step)
                if step % LOG_EVERY == 0 or step == self.plan.steps - 1:
                    self.rows.append(row)
                    if self.events is not None:
                        self.events.row(row)
                if self.rank == 0:
                    loss = row["objectness"] + row["box"] + row["centre"]
                    meter.advance(self.plan.batch, f"loss {loss:.3f}, lr {row['learning_rate']:.2g}")
                    if (step + 1) % self.plan.save_every == 0 and step + 1 < self.plan.steps:
                        self._save_state(step + 1)
        checkpoint = self.folder / "checkpoint.pt"
        if self.rank == 0:
            self._write(checkpoint)
            self.state_path.unlink(missing_ok=True)
        return checkpoint

    def _guarded_step(self, step: int) -> dict[str, float]:
        """A step whose lack of memory is told with a batch that fits."""
        try:
            return self._step(step)
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            fits = self._fitting_batch()
            remedy = f"set train.batch to {fits}, which fits" if fits else "lower train.crop_px"
            raise ModelError(
                f"{self.name}: out of memory at step {step}, batch {self.plan.batch} of {self.plan.crop_px}"
                f" px; {remedy}"
            ) from error

    def _fitting_batch(self) -> int:
        """The largest halving of the batch whose forward and backward pass has room here; 0 for none."""
        unit = self.plan.crops_per_image * self.plan.processes
        batch = self.plan.batch // 2 // unit * unit
        while batch:
            self.optimiser.zero_grad(set_to_none=True)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            try:
                self._trial(batch // self.plan.processes)
                return batch
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
            batch = batch // 2 // unit * unit
        return 0

    def _trial(self, crops: int) -> None:
        """A forward and backward pass on empty crops."""
        side = self.plan.crop_px
        levels = self._forward(torch.zeros(crops, 3, side, side, device=self.device))
        torch.stack([(level.logits.sum() + level.distances_px.sum()) for level in levels]).sum().backward()

    def _forward(self, images: Tensor) -> list[Level]:
        """The network's answers in float32, computed in the precision of the plan."""
        half = self.plan.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            levels = self.net(images)
        return [
            Level(a.float(), b.float(), None if c is None else c.float()) for a, b, c in levels
        ]  # losses are summed in float32

    def _step(self, step: int) -> dict[str, float]:
        """One optimiser step; returns its log row, the same on every rank."""
        plan = self.plan
        images, targets, names = self._batch(step)
        rate = self.spec.learning_rate * schedule(step, plan.steps, plan.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.net.train()
        self.optimiser.zero_grad(set_to_none=True)
        positives = total((targets.objectness == 1).sum()[None].float())
        terms = detection_loss(self._forward(images), targets, self.spec, float(positives[0]))
        torch.stack(list(terms.values())).sum().backward()
        none = torch.zeros((), device=self.device)
        logged = total(torch.stack([terms.get(key, none).detach() for key in LOG_COLUMNS[2:5]])).cpu()
        self._share_gradients()
        norm = float(nn.utils.clip_grad_norm_(self.parameters, plan.clip_norm))
        if not (math.isfinite(norm) and bool(torch.isfinite(logged).all())):
            raise ModelError(
                f"{self.name}: loss or gradient is not finite at step {step}"
                f" (loss {logged.tolist()}, gradient {norm}) on the batch {', '.join(names)};"
                f" {self._kept()}, lower models.*.learning_rate or look at these images"
            )
        self.optimiser.step()
        retract_all(self.net)
        self._update_average(step)
        return dict(zip(LOG_COLUMNS, (float(step), rate, *logged.tolist(), norm), strict=True))

    def _batch(self, step: int) -> tuple[Tensor, Targets, list[str]]:
        """This rank's share of a step's crops and targets, and the file names of the whole step."""
        plan = self.plan
        crops = self._crops(step, self._visits(step))
        wanted = [assign(crop.boxes, crop.ignored, plan.crop_px, plan.crop_px, self.spec) for crop in crops]
        pixels = torch.from_numpy(np.stack([crop.pixels for crop in crops])).permute(0, 3, 1, 2)
        targets = Targets(
            torch.from_numpy(np.stack([objectness for objectness, _ in wanted])).to(self.device),
            torch.from_numpy(np.stack([distances for _, distances in wanted])).to(self.device),
        )
        return (
            pixels.to(self.device).float() / 255,
            targets,
            [self.pictures[index].path.name for _, index in self._visits(step, everyone=True)],
        )

    def _visits(self, step: int, everyone: bool = False) -> list[tuple[int, int]]:
        """(serial, picture index) of this process's share of a step, or of the whole step."""
        plan = self.plan
        visits = pictures_of_step(step, plan.batch // plan.crops_per_image, len(self.pictures), plan.seed)
        share = len(visits) // plan.processes
        return visits if everyone else visits[self.rank * share : (self.rank + 1) * share]

    def _crops(self, step: int, visits: list[tuple[int, int]]) -> list[Crop]:
        """The crops of some visits; with loaders, those of the next step are begun as well."""
        if self.pool is None:
            return [
                crop for serial, index in visits for crop in crops_of(self.pictures[index], serial, self.plan)
            ]
        for number in (step, step + 1):
            if number not in self.ahead and number < self.plan.steps:
                self.ahead[number] = [
                    self.pool.submit(crops_of, self.pictures[index], serial, self.plan)
                    for serial, index in self._visits(number)
                ]
        return [crop for future in self.ahead.pop(step) for crop in future.result()]

    def _share_gradients(self) -> None:
        """Sum the gradients of all ranks in one message."""
        if not dist.is_initialized():
            return
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = total(torch.cat([p.grad.flatten() for p in self.parameters if p.grad is not None]))
        place = 0
        for parameter in self.parameters:
            assert parameter.grad is not None
            parameter.grad.copy_(flat[place : place + parameter.numel()].view_as(parameter))
            place += parameter.numel()

    @torch.no_grad()
    def _update_average(self, step: int) -> None:
        """Exponential average of weights and statistics, quicker in the first steps."""
        decay = min(self.plan.ema, (1 + step) / (10 + step))
        averaged, current = self.average.state_dict(), self.net.state_dict()
        floats = [key for key, value in averaged.items() if value.is_floating_point()]
        torch._foreach_lerp_([averaged[key] for key in floats], [current[key] for key in floats], 1 - decay)

    def _fingerprint(self) -> str:
        return fingerprint(self.spec, self.plan, self.datasets)

    def _save_state(self, step: int) -> None:
        """Keep everything that the next step depends on."""
        meta = {"step": step, "rows": self.rows, "fingerprint": self._fingerprint()}
        save_state(self.state_path, self.net, self.average, self.optimiser, meta)

    def _resume(self) -> int:
        """Load the state of an interrupted run of the same parameters and data; return the next step."""
        meta = load_state(self.state_path, self.net, self.average, self.optimiser, self._fingerprint())
        self.rows, step = meta.get("rows", []), int(meta.get("step", 0))
        if not all_alike(float(step), self.device):
            raise ModelError(f"{self.state_path}: changed while training started; run again")
        return step

    def _kept(self) -> str:
        """What an interrupted run leaves."""
        if not self.state_path.is_file():
            return "no state was saved yet"
        step = read_tensors(self.state_path)[1].get("step")
        return f"the state after step {step} is kept in {self.state_path}"

    def _write(self, checkpoint: Path) -> None:
        """Write the exported average and the log."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(LOG_COLUMNS)
        for row in self.rows:
            writer.writerow([int(row["step"]), *(f"{row[key]:.6g}" for key in LOG_COLUMNS[1:])])
        with atomic_path(self.folder / "log.csv") as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8")
        extra = {"train": self.plan.model_dump(mode="json"), "coco_train_sha256": self.data_hash}
        save_detector(exported(self.average, self.spec), self.name, self.spec, extra, checkpoint)


def schedule(step: int, steps: int, warmup: float) -> float:
    """Share of the peak learning rate: linear warm-up, then a cosine down to 2 %."""
    rising = max(1, round(warmup * steps))
    if step < rising:
        return (step + 1) / rising
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error of torch tells of a lack of memory, on a GPU or in its CPU allocator."""
    return isinstance(error, torch.OutOfMemoryError) or "allocate" in str(error)
