"""Speed of the detectors: training step, prediction on whole frames, non-maximum suppression, scoring.

python benchmarks/detect.py            # one thread, CPU seconds
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from lard.detect.boxes import nms
from lard.detect.config import ModelSpec, PredictSpec
from lard.detect.fcos import build, channels_last
from lard.detect.loss import Targets, assign, detection_loss
from lard.detect.ortho import retract_all
from lard.detect.decode import detect
from lard.detect.evaluation import Evaluation
from lard.detect.train import exported

BATCH, CROP_PX, FRAME_PX = 16, 256, 1024
WIDTHS, DEPTHS = (16, 48, 64, 96), (1, 1, 2, 2)
MODELS = {
    "fcos": ModelSpec(family="fcos", widths=WIDTHS, depths=DEPTHS),
    "lip-fcos": ModelSpec(family="lip-fcos", widths=WIDTHS, depths=DEPTHS, temperature=10.0),
}


def cpu_seconds(work: Callable[[], object], repeats: int) -> float:
    """CPU seconds of one call, after a first one that is not counted."""
    work()
    start = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - start) / repeats


def training_step(spec: ModelSpec) -> Callable[[], None]:
    """One optimiser step on a batch of random crops with a runway each."""
    net = channels_last(build(spec))
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3)
    images = torch.rand(BATCH, 3, CROP_PX, CROP_PX).contiguous(memory_format=torch.channels_last)
    box = np.array([[100.0, 90.0, 120.0, 130.0]])
    objectness, distances = assign(box, np.empty((0, 4)), CROP_PX, CROP_PX, spec)
    targets = Targets(
        torch.from_numpy(np.stack([objectness] * BATCH)), torch.from_numpy(np.stack([distances] * BATCH))
    )

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        terms = detection_loss(net(images), targets, spec, 100.0)
        torch.stack(list(terms.values())).sum().backward()
        optimiser.step()
        retract_all(net)

    return step


def main() -> None:
    """Print a table of CPU seconds."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (FRAME_PX, FRAME_PX, 3), dtype=np.uint8)
    for name, spec in MODELS.items():
        train_s = cpu_seconds(training_step(spec), 4)
        net = channels_last(exported(build(spec), spec))
        frame_s = cpu_seconds(lambda net=net: detect(net, frame, PredictSpec()), 4)  # type: ignore[misc]
        print(f"{name}: step of {BATCH} crops {train_s:.3f} s, frame of {FRAME_PX} px {frame_s:.3f} s")
    corner = rng.uniform(0, 900, (900, 2))
    boxes = np.concatenate((corner, corner + rng.uniform(5, 90, (900, 2))), axis=1)
    print(f"nms of 900 boxes {cpu_seconds(lambda: nms(boxes, boxes[:, 0] / 1000, 0.6, 100), 5):.4f} s")
    images = [{"id": image + 1, "width": FRAME_PX, "height": FRAME_PX} for image in range(1000)]
    notes, rows = [], []
    for image in images:
        for _ in range(2):
            box = [*rng.uniform(0, 900, 2).tolist(), *rng.uniform(8, 90, 2).tolist()]
            notes.append(
                {"id": len(notes) + 1, "image_id": image["id"], "category_id": 1, "bbox": box, "iscrowd": 0}
            )
        for _ in range(5):
            box = [*rng.uniform(0, 900, 2).tolist(), *rng.uniform(8, 90, 2).tolist()]
            rows.append(
                {"image_id": image["id"], "category_id": 1, "bbox": box, "score": float(rng.random())}
            )
    truth = {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "runway"}]}
    print(f"scoring of 1000 images {cpu_seconds(lambda: Evaluation(truth, rows).metrics(), 1):.2f} s")


if __name__ == "__main__":
    main()
