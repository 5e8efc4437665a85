"""Speed of the detectors and of scoring, each against its baseline in the same run.

python benchmarks/detect.py            # one thread, CPU seconds; a minute or two
python benchmarks/detect.py scoring    # only the part named: training, inference, scoring, report
"""

from __future__ import annotations

import contextlib
import datetime
import io
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lard.detect.checkpoint import exported, multiplications, save_detector
from lard.detect.config import ModelSpec, Params, PredictSpec
from lard.detect.decode import detect
from lard.detect.fcos import Detector, build, channels_last
from lard.detect.loss import Targets, assign, detection_loss
from lard.detect.ortho import retract_all
from lard.score.evaluation import AREAS_PX2, Evaluation
from lard.score.scores import scores
from lard.score.slices import KINDS

BATCH, CROP_PX, FRAME_PX = 16, 192, 1024
IMAGES, RUNWAYS, DETECTIONS = 20_000, 2, 5
WIDTHS = (16, 48, 64, 96)  # equal in both families, so that only the kind of layer differs
MODELS: dict[str, ModelSpec] = {
    "fcos": ModelSpec(family="fcos", widths=WIDTHS, depths=(1, 1, 2, 2)),
    "lip-fcos": Params().model("lip-fcos-s"),
}


def cpu_seconds(work: Callable[[], object], repeats: int) -> float:
    """CPU seconds of one call, after a first one that is not counted; the least of several."""
    work()
    found = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def training_step(spec: ModelSpec, half: bool = False) -> Callable[[], None]:
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
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            levels = net(images)
        levels = [level._replace(logits=level.logits.float()) for level in levels]
        terms = detection_loss(levels, targets, spec, 100.0)
        torch.stack(list(terms.values())).sum().backward()
        optimiser.step()
        retract_all(net)

    return step


def training() -> None:
    """Seconds of a training step of each family, and the Lipschitz one over the plain one."""
    seconds = {name: cpu_seconds(training_step(spec), 4) for name, spec in MODELS.items()}
    half = cpu_seconds(training_step(MODELS["fcos"], half=True), 2)
    for name, value in seconds.items():
        print(f"{name}: step of {BATCH} crops of {CROP_PX} px {value:.3f} s")
    print(f"lip-fcos / fcos, training step: {seconds['lip-fcos'] / seconds['fcos']:.2f} (at most 1.5)")
    print(f"bfloat16 / float32 on this CPU, training step: {half / seconds['fcos']:.2f}")


def inference() -> None:
    """Seconds of a frame for each family as exported, by torch and by ONNX Runtime where it is installed."""
    frame = np.random.default_rng(0).integers(0, 256, (FRAME_PX, FRAME_PX, 3), dtype=np.uint8)
    nets = {name: channels_last(exported(build(spec), spec)) for name, spec in MODELS.items()}
    plan = PredictSpec()
    seconds = {name: cpu_seconds(lambda net=net: detect(net, frame, plan), 3) for name, net in nets.items()}  # type: ignore[misc]
    for name, value in seconds.items():
        work = multiplications(MODELS[name]) / 1e9
        print(f"{name}: frame of {FRAME_PX} px {value:.3f} s, {work:.1f} GMAC")
    print(f"lip-fcos / fcos, exported inference: {seconds['lip-fcos'] / seconds['fcos']:.2f} (at most 1.1)")
    with contextlib.suppress(ImportError):
        runtime_inference(nets, frame, plan)


def runtime_inference(nets: dict[str, Detector], frame: np.ndarray, plan: PredictSpec) -> None:
    """The same with ONNX Runtime."""
    import onnxruntime  # noqa: F401

    from lard.detect.deploy import export_model, open_onnx

    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, net in nets.items():
            checkpoint, out = Path(folder) / f"{name}.pt", Path(folder) / f"{name}.onnx"
            save_detector(net, name, MODELS[name], {}, checkpoint)
            export_model(checkpoint, out, "onnx", (FRAME_PX, FRAME_PX), plan)
            run = open_onnx(out, plan)
            seconds[name] = cpu_seconds(lambda run=run: run(frame), 3)  # type: ignore[misc]
            print(f"{name}: frame of {FRAME_PX} px by ONNX Runtime {seconds[name]:.3f} s")
    print(f"lip-fcos / fcos, ONNX Runtime: {seconds['lip-fcos'] / seconds['fcos']:.2f} (at most 1.1)")


def scoring() -> None:
    """Seconds of matching and averaging many detections, here and by pycocotools."""
    truth, rows = crowd_of_boxes()
    Evaluation({**truth, "images": truth["images"][:1], "annotations": []}, rows[:1]).metrics()  # compiles
    start = time.process_time()
    evaluation = Evaluation(truth, rows)
    ours = {area: evaluation.metrics(area=area) for area in AREAS_PX2}
    own_s = time.process_time() - start
    start = time.process_time()
    judge = pycocotools_eval(truth, rows)
    their_s = time.process_time() - start
    worst = 0.0
    for place, area in enumerate(AREAS_PX2):
        precision = judge.eval["precision"][:, :, 0, place, -1]
        worst = max(worst, abs(ours[area]["AP"] - precision[precision > -1].mean()))
    size = f"{len(truth['images'])} images, {len(rows)} detections, {len(AREAS_PX2)} areas"
    print(f"scoring of {size}: {own_s:.2f} s, pycocotools {their_s:.2f} s, largest difference {worst:.1e}")
    print(f"scoring / pycocotools: {own_s / their_s:.3f} (at most 0.33)")


def report() -> None:
    """Seconds of a whole score report, intervals and points included, and of pycocotools' AP alone."""
    truth, rows = crowd_of_boxes()
    _describe(truth)
    notes = [note for note in truth["annotations"] if note["image_id"] <= 60]
    few = {**truth, "images": truth["images"][:60], "annotations": notes}
    scores(few, rows[:300])  # compiles
    start = time.process_time()
    found = scores(truth, rows)
    own_s = time.process_time() - start
    kinds = {*KINDS, "size", "verdict", "protocol"} - found["slices"].keys()
    missing = kinds | ({"severity", "confusion", "found_by_airport", "localisation"} - found.keys())
    assert not missing, f"not in the report that is timed: {sorted(missing)}"
    start = time.process_time()
    pycocotools_eval(truth, rows, {"all": AREAS_PX2["all"]})
    their_s = time.process_time() - start
    print(f"whole report of {len(rows)} detections: {own_s:.2f} s, pycocotools' AP alone {their_s:.2f} s")
    print(f"report / pycocotools: {own_s / their_s:.3f} (at most 0.33)")


def _describe(truth: dict[str, Any]) -> None:
    """All that slices and parts of a report ask of pictures and runways, as the export writes it."""
    rng = np.random.default_rng(1)
    camera = {"fx_px": 900.0, "fy_px": 900.0, "cx_px": FRAME_PX / 2, "cy_px": FRAME_PX / 2}
    for image, minute, lat in zip(
        truth["images"], rng.integers(0, 525_600, IMAGES).tolist(), rng.uniform(-60, 60, IMAGES), strict=True
    ):
        number = image["id"]
        moment = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(minutes=minute)
        image |= {
            "airport": f"A{number % 20:02d}", "zone": ("far", "medium", "close")[number % 3],
            "source": ("ortho", "other")[number % 2], "camera": camera,
            "runway": "09L", "frame_id": f"A{number % 20:02d}_09L_{number:05d}", "file_name": f"{number}.jpg",
            "time_utc": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "pose": {"lat_deg": float(lat), "lon_deg": float(2 * lat)},
        }  # fmt: skip
    for note in truth["annotations"]:
        note["iscrowd"] |= note["image_id"] % 11 == 0  # pictures that require nothing
    truth["annotations"] = [
        note for note in truth["annotations"] if note["image_id"] % 7 or not note["iscrowd"]
    ]
    far_m = rng.uniform(300, 6000, len(truth["annotations"])).tolist()
    for note, metres in zip(truth["annotations"], far_m, strict=True):
        verdict = "OUT_OF_ODD" if note["iscrowd"] else "IN_ODD"
        note |= {"slant_m": metres, "along_track_m": metres, "verdict": verdict}
        note["is_target"] = not note["iscrowd"]
    truth["info"] = {"odd": {"severity": {"by": "along_track_m", "points": [[300, 20], [6000, 1]]}}}


def crowd_of_boxes() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A large random ground truth and detections around it."""
    rng = np.random.default_rng(0)
    images = [{"id": k + 1, "width": FRAME_PX, "height": FRAME_PX} for k in range(IMAGES)]
    corner = rng.uniform(0, 900, (IMAGES, RUNWAYS, 2))
    boxes = np.concatenate((corner, rng.uniform(8, 90, (IMAGES, RUNWAYS, 2))), axis=2)
    notes = [
        {
            "id": image * RUNWAYS + k + 1, "image_id": image + 1, "category_id": 1, "iscrowd": k,
            "bbox": boxes[image, k].tolist(), "area": float(boxes[image, k, 2:].prod()),
        }
        for image in range(IMAGES)
        for k in range(RUNWAYS)
    ]  # fmt: skip
    near = boxes[:, np.arange(DETECTIONS) % RUNWAYS] + rng.normal(0, 4, (IMAGES, DETECTIONS, 4))
    known = rng.random((IMAGES, DETECTIONS))
    rows = [
        {
            "image_id": image + 1, "category_id": 1, "bbox": np.abs(near[image, k]).tolist(),
            "score": float(known[image, k]),
        }
        for image in range(IMAGES)
        for k in range(DETECTIONS)
    ]  # fmt: skip
    return {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "runway"}]}, rows


def pycocotools_eval(
    truth: dict[str, Any], rows: list[dict[str, Any]], areas_px2: dict[str, tuple[float, float]] = AREAS_PX2
) -> Any:
    """The same evaluation by pycocotools."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes([dict(row) for row in rows]), "bbox")
        judge.params.areaRng = [list(limits) for limits in areas_px2.values()]
        judge.params.areaRngLbl = list(areas_px2)
        judge.evaluate()
        judge.accumulate()
    return judge


def main(parts: list[str]) -> None:
    """Print the parts named, or all of them."""
    torch.set_num_threads(1)
    known = {"training": training, "inference": inference, "scoring": scoring, "report": report}
    for part in parts or list(known):
        if part not in known:
            sys.exit(f"{part}: expected one of {', '.join(known)}")
        known[part]()


if __name__ == "__main__":
    main(sys.argv[1:])
