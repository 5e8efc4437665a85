"""Training: deterministic by seed, on one or several processes, resumable to the same bytes."""

from __future__ import annotations

import contextlib
import csv
import datetime
import hashlib
import io
import json
import math
import multiprocessing
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from lard.detect.checkpoint import read_tensors, save_detector, write_tensors
from lard.detect.config import ModelSpec, TrainSpec
from lard.detect.data import crops_of, pictures_of_step, read_pictures
from lard.detect.fcos import Detector, build, channels_last
from lard.detect.loss import Targets, assign, detection_loss
from lard.detect.ortho import OrthoConv2d, retract_all
from lard.errors import LardError, ModelError
from lard.progress import Meter
from lard.tables import atomic_path, folder_lock, sha256_file

LOG_COLUMNS = ("step", "learning_rate", "objectness", "box", "centre", "gradient_norm")
LOG_EVERY = 10
PATIENCE = datetime.timedelta(minutes=10)


def train(
    name: str, spec: ModelSpec, plan: TrainSpec, dataset: str | Path, folder: str | Path, work: str | Path
) -> Path:
    """Train a model and write checkpoint.pt and log.csv into `folder`; `work` is for resuming."""
    with folder_lock(work):
        if plan.processes == 1:
            return _Run(name, spec, plan, Path(dataset), Path(folder), Path(work), rank=0).run()
        with _crew(name, spec, plan, Path(dataset), Path(folder), Path(work)):
            return _Run(name, spec, plan, Path(dataset), Path(folder), Path(work), rank=0).run()


@contextlib.contextmanager
def _crew(
    name: str, spec: ModelSpec, plan: TrainSpec, dataset: Path, folder: Path, work: Path
) -> Iterator[None]:
    """Start ranks 1.. as processes that share gradients with this one; end them whatever happens."""
    context = multiprocessing.get_context("spawn")  # file handles and threads do not survive a fork
    with tempfile.TemporaryDirectory(prefix="lard-train-") as meeting:
        place = f"file://{meeting}/store"
        crew = [
            context.Process(
                target=_member, args=(name, spec, plan, dataset, folder, work, rank, place), daemon=True
            )
            for rank in range(1, plan.processes)
        ]
        for process in crew:
            process.start()
        try:
            dist.init_process_group(
                "gloo", init_method=place, rank=0, world_size=plan.processes, timeout=PATIENCE
            )
            yield
        except RuntimeError as error:
            raise ModelError(
                f"{name}: a training process ended early ({error}); see its message above"
            ) from error
        finally:
            if dist.is_initialized():
                dist.destroy_process_group()
            for process in crew:
                process.join(timeout=5)
                if process.is_alive():
                    process.terminate()
                    process.join()


def _member(
    name: str,
    spec: ModelSpec,
    plan: TrainSpec,
    dataset: Path,
    folder: Path,
    work: Path,
    rank: int,
    place: str,
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches rank 0, whose end closes the group
    dist.init_process_group("gloo", init_method=place, rank=rank, world_size=plan.processes, timeout=PATIENCE)
    try:
        _Run(name, spec, plan, dataset, folder, work, rank).run()
    except LardError as error:
        print(f"{name}, process {rank}: {error}", file=sys.stderr)
    except RuntimeError as error:
        print(f"{name}, process {rank}: ended ({error})", file=sys.stderr)


class _Run:
    """One process's part of a training run."""

    def __init__(
        self, name: str, spec: ModelSpec, plan: TrainSpec, dataset: Path, folder: Path, work: Path, rank: int
    ) -> None:
        torch.set_num_threads(1)  # processes scale better than threads here, and bytes depend on the threads
        cv2.setNumThreads(1)
        self.name, self.spec, self.plan, self.rank = name, spec, plan, rank
        self.folder, self.state_path = folder, work / f"{name}.resume.pt"
        self.device = torch.device(plan.device)
        if plan.device == "cuda" and not torch.cuda.is_available():
            raise ModelError("train.device: cuda is not available here; set it to cpu")
        self.dataset = dataset
        self.pictures = read_pictures(dataset, "train")
        self.data_hash = sha256_file(dataset / "coco" / "train.json")
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
        """A step whose lack of memory is told with a batch to try."""
        try:
            return self._step(step)
        except RuntimeError as error:
            if not isinstance(error, torch.OutOfMemoryError) and "allocate" not in str(error):
                raise
            unit = self.plan.crops_per_image * self.plan.processes
            smaller = self.plan.batch // 2 // unit * unit
            remedy = f"set train.batch to {smaller}" if smaller else "lower train.crop_px"
            raise ModelError(
                f"{self.name}: out of memory at step {step}, batch {self.plan.batch}; {remedy}"
            ) from error

    def _step(self, step: int) -> dict[str, float]:
        """One optimiser step; returns its log row, the same on every rank."""
        plan = self.plan
        images, targets, names = self._batch(step)
        rate = self.spec.learning_rate * schedule(step, plan.steps, plan.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.net.train()
        self.optimiser.zero_grad(set_to_none=True)
        positives = _sum(torch.tensor([float((targets.objectness == 1).sum())]))
        terms = detection_loss(self.net(images), targets, self.spec, float(positives[0]))
        torch.stack(list(terms.values())).sum().backward()
        logged = _sum(
            torch.tensor([float(terms[key].detach()) if key in terms else 0.0 for key in LOG_COLUMNS[2:5]])
        )
        self._share_gradients()
        norm = float(nn.utils.clip_grad_norm_(self.parameters, plan.clip_norm))
        if not (math.isfinite(norm) and bool(torch.isfinite(logged).all())):
            raise ModelError(
                f"{self.name}: loss or gradient is not finite at step {step}"
                f" (loss {logged.tolist()}, gradient {norm}) on the batch {', '.join(names)};"
                " the state of the last save is kept, lower models.*.learning_rate or look at these images"
            )
        self.optimiser.step()
        retract_all(self.net)
        self._update_average(step)
        return dict(zip(LOG_COLUMNS, (float(step), rate, *logged.tolist(), norm), strict=True))

    def _batch(self, step: int) -> tuple[Tensor, Targets, list[str]]:
        """This rank's share of a step's crops and targets, and the file names of the whole step."""
        plan = self.plan
        visits = pictures_of_step(step, plan.batch // plan.crops_per_image, len(self.pictures), plan.seed)
        share = len(visits) // plan.processes
        mine = visits[self.rank * share : (self.rank + 1) * share]
        crops = [crop for serial, index in mine for crop in crops_of(self.pictures[index], serial, plan)]
        wanted = [assign(crop.boxes, crop.ignored, plan.crop_px, plan.crop_px, self.spec) for crop in crops]
        pixels = torch.from_numpy(np.stack([crop.pixels for crop in crops])).permute(0, 3, 1, 2)
        targets = Targets(
            torch.from_numpy(np.stack([objectness for objectness, _ in wanted])).to(self.device),
            torch.from_numpy(np.stack([distances for _, distances in wanted])).to(self.device),
        )
        return (
            pixels.to(self.device).float() / 255,
            targets,
            [self.pictures[index].path.name for _, index in visits],
        )

    def _share_gradients(self) -> None:
        """Sum the gradients of all ranks in one message."""
        if not dist.is_initialized():
            return
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = _sum(torch.cat([p.grad.flatten() for p in self.parameters if p.grad is not None]))
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
        """What a saved state must share with this run to be resumed."""
        known = {"spec": self.spec.model_dump(mode="json"), "plan": self.plan.model_dump(mode="json")}
        digest = hashlib.sha256(json.dumps({**known, "torch": torch.__version__}, sort_keys=True).encode())
        for source in sorted(Path(__file__).parent.glob("*.py")):
            digest.update(source.read_bytes())  # a state of other code would mix two runs
        for data in ("coco/train.json", "manifest.parquet"):
            if (self.dataset / data).is_file():
                digest.update(sha256_file(self.dataset / data).encode())
        return digest.hexdigest()

    def _save_state(self, step: int) -> None:
        """Keep everything that the next step depends on."""
        tensors = {f"net.{key}": value for key, value in self.net.state_dict().items()}
        tensors |= {f"average.{key}": value for key, value in self.average.state_dict().items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{key}": value for key, value in state.items()}
        write_tensors(
            tensors, {"step": step, "rows": self.rows, "fingerprint": self._fingerprint()}, self.state_path
        )

    def _resume(self) -> int:
        """Load the state of an interrupted run of the same parameters and data; return the next step."""
        step = 0
        if self.state_path.is_file():
            try:
                tensors, meta = read_tensors(self.state_path)
            except ModelError:
                meta = {}  # not a state we wrote: start afresh, the file is replaced at the next save
            if meta.get("fingerprint") == self._fingerprint():
                self.net.load_state_dict(_below("net.", tensors))
                self.average.load_state_dict(_below("average.", tensors))
                state: dict[int, dict[str, Tensor]] = {}
                for key, value in _below("optimiser.", tensors).items():
                    index, field = key.split(".", 1)
                    state.setdefault(int(index), {})[field] = value
                groups = self.optimiser.state_dict()["param_groups"]
                self.optimiser.load_state_dict({"state": state, "param_groups": groups})
                self.rows, step = meta["rows"], int(meta["step"])
        return self._agreed(step)

    def _agreed(self, step: int) -> int:
        """Rank 0's step; all ranks read the same file, so that a difference means it changed meanwhile."""
        if dist.is_initialized():
            steps = [torch.zeros(1) for _ in range(self.plan.processes)]
            dist.all_gather(steps, torch.tensor([float(step)]))
            if len({float(value) for value in steps}) > 1:
                raise ModelError(f"{self.state_path}: changed while training started; run again")
        return step

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


def exported(net: Detector, spec: ModelSpec) -> Detector:
    """A copy for prediction: orthogonal layers become ordinary convolutions with exact kernels."""
    plain = build(spec, exported=True)
    modules = dict(plain.named_modules())
    state: dict[str, Tensor] = {}
    for name, module in net.named_modules():
        if isinstance(module, OrthoConv2d):
            assert isinstance(modules[name], nn.Conv2d)
            state |= {f"{name}.{key}": value for key, value in module.cpu().to_plain().state_dict().items()}
    kept = plain.state_dict()
    state |= {key: value for key, value in net.state_dict().items() if key in kept and key not in state}
    plain.load_state_dict(state)
    return plain.eval()


def schedule(step: int, steps: int, warmup: float) -> float:
    """Share of the peak learning rate: linear warm-up, then a cosine down to 2 %."""
    rising = max(1, round(warmup * steps))
    if step < rising:
        return (step + 1) / rising
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def _sum(value: Tensor) -> Tensor:
    """Sum of a tensor over all ranks."""
    if dist.is_initialized():
        dist.all_reduce(value)
    return value


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names start with a prefix, without it."""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
