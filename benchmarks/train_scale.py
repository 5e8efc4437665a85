"""How training and prediction grow with processes, GPUs and loaders: crops and pictures a second.

python benchmarks/train_scale.py --data data/ortho                       # this machine's CPUs; some minutes
python benchmarks/train_scale.py --data data/ortho --device cuda --model fcos-l --batch 64 --loaders 8

Parts, in their order, as the minutes allow (those left out are named): `loader` cuts crops and targets alone,
`step` computes gradients and moves weights alone, `scale` trains on 1, 2, 4 ... processes or GPUs, `exchange`
is what adding up gradients in one order costs against an all-reduce, `predict` searches whole pictures.
Without --data on pictures made here. Processor time counts only this program's own work, which can be
compared on a machine that others use too; times of the clock cannot.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.distributed as dist

from lard.detect.batches import Batch, Share, batches, cuts
from lard.detect.config import ModelSpec, Params, PredictSpec, TrainSpec
from lard.detect.crew import Place, crew, summed, told_by_all, total
from lard.detect.data import Picture, load_image, read_pictures
from lard.detect.decode import detect_all
from lard.detect.fcos import build, channels_last
from lard.detect.learner import Learner, backward, clip_gradients, move, new_learner
from lard.detect.precision import arithmetic
from lard.tables import write_json

WARM = 2
FRAME_PX = 1024


@dataclass(frozen=True, slots=True)
class Job:
    """What is trained in a measurement; steps are counted after WARM more."""

    spec: ModelSpec
    plan: TrainSpec
    pictures: list[Picture]
    steps: int
    loaders: int


class Report:
    """Rows as they are measured, within a limit of time."""

    def __init__(self, minutes: float) -> None:
        self.ends = time.monotonic() + 60 * minutes
        self.rows: list[dict[str, Any]] = []

    def add(self, part: str, what: str, measured: Callable[[], dict[str, float]]) -> dict[str, float]:
        """Measure and print a row; {} where the time is over."""
        if time.monotonic() > self.ends:
            print(f"{part:9} {what:44} left out: the time is over", flush=True)
            self.rows.append({"part": part, "what": what, "left_out": True})
            return {}
        found = measured()
        numbers = "  ".join(f"{key} {value:.4g}" for key, value in found.items())
        print(f"{part:9} {what:44} {numbers}", flush=True)
        self.rows.append({"part": part, "what": what, **found})
        return found


def synchronised(device: torch.device) -> None:
    """Wait for a GPU to have done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def loader(job: Job, loaders: int) -> dict[str, float]:
    """Crops a second that are cut with their targets; with no loaders also by processor time."""
    share = Share(job.pictures, job.spec, job.plan, 0, 0)
    device = torch.device("cpu")
    stream = cuts(share, device, loaders)
    for _ in range(WARM):
        next(stream)
    clock, cpu = time.perf_counter(), time.process_time()
    for _ in range(job.steps):
        next(stream)
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    crops = job.steps * job.plan.batch
    return {"crops_s": crops / clock, **({} if loaders else {"crops_per_cpu_s": crops / cpu})}


def repeated(batch: Batch) -> Iterator[Batch]:
    """One batch again and again: what a loader of endless speed would bring."""
    while True:
        yield batch


def trained(job: Job, place: Place, fresh: bool = True) -> dict[str, float]:
    """Train some steps on this process's share; figures of all processes together.

    wait_share: of the clock, that the first process waits for crops; `fresh`: cut them, else one batch
    serves.
    """
    device = place.device(job.plan.device)
    learner = new_learner(job.spec, job.plan, device, place)
    share = Share(job.pictures, job.spec, job.plan, place.rank, 0)
    ahead = batches(share, device, job.loaders if fresh else 0)
    if not fresh:
        ahead = repeated(next(ahead))
    for step in range(WARM):
        one_step(learner, next(ahead), step)
    synchronised(device)
    waited, clock, cpu = 0.0, time.perf_counter(), time.process_time()
    for step in range(WARM, WARM + job.steps):
        before = time.perf_counter()
        batch = next(ahead)
        waited += time.perf_counter() - before
        one_step(learner, batch, step)
    synchronised(device)
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    every = told_by_all((clock, cpu))
    crops = job.steps * job.plan.batch
    return {
        "crops_s": crops / max(one[0] for one in every),
        "crops_per_cpu_s": crops / sum(one[1] for one in every),
        "crops_s_of_slowest_cpu": crops / max(one[1] for one in every),
        "wait_share": waited / clock,
    }


def one_step(learner: Learner, batch: Batch, step: int) -> None:
    """Gradients, clipping and the move of one step."""
    backward(learner, batch, 0.5)
    clip_gradients(learner)
    move(learner, step, 1e-4)


def on_processes(job: Job, work: Callable[[Place], dict[str, float]]) -> dict[str, float]:
    """What the first of the job's processes measures."""
    with crew("train_scale", job.plan.processes, job.plan.device, work) as place:
        return work(place)


def exchanged(job: Job, place: Place) -> dict[str, float]:
    """Milliseconds to add up the gradients of all processes: in one order of parts, and by an all-reduce."""
    device = place.device(job.plan.device)
    learner = new_learner(job.spec, job.plan, device, place)
    length = sum(parameter.numel() for parameter in learner.parameters)
    rows = torch.rand(learner.together.own, length, device=device)
    found = {"parameters": float(length)}
    for name, add in (
        ("in_order_ms", lambda: summed(rows)),
        ("all_reduce_ms", lambda: total(rows.sum(dim=0))),
    ):
        add()
        synchronised(device)
        dist.barrier()
        clock = time.perf_counter()
        for _ in range(20):
            add()
        synchronised(device)
        found[name] = (time.perf_counter() - clock) / 20 * 1e3
    return found


def searched(spec: ModelSpec, plan: PredictSpec, images: list[np.ndarray]) -> dict[str, float]:
    """Pictures a second through a network and the choice of its boxes, the pictures read before."""
    device = torch.device(plan.device)
    net = channels_last(build(spec)).to(device).eval()
    detect_all(net, images[: plan.batch], plan)
    clock, cpu = time.perf_counter(), time.process_time()
    detect_all(net, images, plan)
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    return {"images_s": len(images) / clock, "images_per_cpu_s": len(images) / cpu}


def read_alone(pictures: list[Picture]) -> dict[str, float]:
    """Pictures a second that one process reads and decodes."""
    clock, cpu = time.perf_counter(), time.process_time()
    for picture in pictures:
        load_image(picture)
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    return {"images_s": len(pictures) / clock, "images_per_cpu_s": len(pictures) / cpu}


def made_pictures(folder: Path, count: int = 48) -> Path:
    """A dataset of bright trapezoids on smooth ground."""
    (folder / "images").mkdir(parents=True)
    (folder / "coco").mkdir()
    images, notes = [], []
    for number in range(1, count + 1):
        rng = np.random.default_rng(number)
        coarse = rng.uniform(40, 160, (FRAME_PX // 32, FRAME_PX // 32, 3))
        pixels = cv2.resize(coarse, (FRAME_PX, FRAME_PX), interpolation=cv2.INTER_CUBIC)
        x, y = rng.uniform(100, 800, 2)
        width, height = rng.uniform(20, 120, 2)
        quad = np.array([[x + width / 3, y], [x + width / 1.5, y], [x + width, y + height], [x, y + height]])
        cv2.fillPoly(pixels, [np.round(quad).astype(np.int32)], (225.0, 225.0, 225.0))
        name = f"images/{number}.jpg"
        cv2.imwrite(str(folder / name), np.clip(pixels, 0, 255).astype(np.uint8))
        images.append({"id": number, "file_name": name, "width": FRAME_PX, "height": FRAME_PX})
        notes.append(
            {
                "id": number, "image_id": number, "category_id": 1, "bbox": [x, y, width, height],
                "area": width * height, "iscrowd": 0, "segmentation": [quad.ravel().tolist()],
            }
        )  # fmt: skip
    document = {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "runway"}]}
    write_json(document, folder / "coco" / "train.json")
    return folder


def measure(given: argparse.Namespace, data: Path, report: Report) -> None:
    """All parts."""
    pictures = read_pictures(data, "train")
    spec = Params().model(given.model)
    cuda = given.device == "cuda"
    counts = [n for n in given.processes if not cuda or n <= torch.cuda.device_count()]
    parts = None if cuda else max(given.processes)
    known = {"steps": 100_000, "batch": given.batch, "crop_px": given.crop_px, "device": given.device}
    best = arithmetic("auto", given.device)

    def job(processes: int = 1, loaders: int = 0, **changes: Any) -> Job:
        plan = {
            **known,
            "processes": processes,
            "parts": parts,
            "precision": best,
            "clutter": 0.25,
            **changes,
        }
        return Job(spec, TrainSpec.model_validate(plan), pictures, given.steps, loaders)

    spread = [n for n in (0, 2, 4, 8, 16) if n <= max(given.loaders, 0)]
    for loaders in spread:
        report.add("loader", f"{loaders} loaders", partial(loader, job(), loaders))
    kinds: list[tuple[str, dict[str, Any]]] = [("float32", {"precision": "float32"})]
    kinds += [("bfloat16", {"precision": "bfloat16"})] if best == "bfloat16" else []
    kinds += [] if cuda else [("one part", {"parts": 1}), ("two parts", {"parts": 2})]
    kinds += [("compiled", {"compile": True, "parts": None if cuda else 1})] if given.compile else []
    for name, changes in kinds:
        report.add(
            "step", f"{name}, batch {given.batch}", partial(trained, job(**changes), Place(), fresh=False)
        )
    for count in counts:
        one = job(count, given.loaders if cuda else 0, compile=given.compile and cuda)
        what = f"{count} {'GPUs' if cuda else 'processes'}, {one.loaders} loaders, {one.plan.pieces} parts"
        report.add("scale", what, partial(on_processes, one, partial(trained, one)))
    if max(counts) > 1:
        one = job(max(counts))
        report.add(
            "exchange", f"{max(counts)} processes", partial(on_processes, one, partial(exchanged, one))
        )
    some = pictures[: given.pictures]
    report.add("predict", "reading alone", partial(read_alone, some))
    images = [load_image(picture) for picture in some]
    for batch in (1, 4, 16) if cuda else (1, 4):
        for precision in dict.fromkeys(("float32", best)):
            plan = PredictSpec.model_validate(
                {"device": given.device, "batch": batch, "precision": precision}
            )
            what = f"batch {batch}, {precision}"
            report.add("predict", what, partial(searched, spec, plan, images))


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, help="dataset folder with coco/train.json")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--model", default="fcos-s")
    parser.add_argument(
        "--processes", type=int, nargs="+", default=[1, 2, 4], help="the largest: parts of a batch"
    )
    parser.add_argument("--batch", type=int, default=32, help="crops of all processes together")
    parser.add_argument("--crop-px", type=int, default=192)
    parser.add_argument("--steps", type=int, default=6, help=f"of a measurement, after {WARM} more")
    parser.add_argument("--loaders", type=int, default=0, help="of each process, at most")
    parser.add_argument("--pictures", type=int, default=12, help="to predict")
    parser.add_argument("--compile", action="store_true", help="measure compiled networks too")
    parser.add_argument("--minutes", type=float, default=10, help="after which no other measurement begins")
    parser.add_argument("--out", type=Path, help="JSON of all rows")
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    report = Report(given.minutes)
    print(
        f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f},"
        f" torch {torch.__version__}, {given.model}"
    )
    with tempfile.TemporaryDirectory() as folder:
        measure(given, given.data or made_pictures(Path(folder) / "data"), report)
    if given.out is not None:
        given.out.write_text(json.dumps(report.rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
