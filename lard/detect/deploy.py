"""Detectors as ONNX and torch.export files that say how they are to be fed and read."""

from __future__ import annotations

import importlib
import io
import json
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from lard.detect.checkpoint import Checkpoint, load_detector
from lard.detect.config import PredictSpec
from lard.detect.decode import Decoder, Detections, cells_of, refuse_unbounded, select
from lard.documents import checked, parse_json
from lard.errors import DataError, ModelError, naming
from lard.tables import atomic_path

FORMAT = "lard-deploy-1"
KEY = "lard"
OPSET = 18
AGREEMENT = 1e-4
Format = Literal["onnx", "torch"]


class _Frames(BaseModel):
    shape: tuple[str, Literal[3], int, int]  # batch, 3, height, width


class _Locations(BaseModel):
    locations: int = Field(ge=1)


class _About(BaseModel):
    """What `lard predict` needs of an ONNX file's description."""

    format: Literal["lard-deploy-1"]
    name: str
    input: _Frames
    levels: list[_Locations] = Field(min_length=1)


def export_model(
    checkpoint_path: str | Path, out: str | Path, kind: Format, size_px: tuple[int, int], plan: PredictSpec
) -> dict[str, Any]:
    """Write a checkpoint for pictures of size_px (width, height) and any batch; returns its description.

    The file computes boxes and scores of every location; choosing among them is described, not included,
    and `lard predict` on the file does it. An ONNX file is compared with the checkpoint before it is kept.
    """
    if kind == "onnx":
        _check_packages()
    checkpoint = load_detector(checkpoint_path)
    coarsest = checkpoint.net.spec.strides_px[-1]
    if min(size_px) < coarsest or any(side % coarsest for side in size_px):
        raise ModelError(
            f"size {size_px[0]}x{size_px[1]}: expected multiples of the coarsest stride, {coarsest} px"
        )
    about = description(checkpoint, size_px, plan)
    decoder = Decoder(checkpoint.net).eval()
    width, height = size_px
    example = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode(), naming(checkpoint_path):
        refuse_unbounded(*(part.numpy() for part in decoder(example)))
    batch = {"images": {0: torch.export.Dim("batch", min=1)}}
    program = torch.export.export(decoder, (example,), dynamic_shapes=batch)
    if kind == "torch":
        _without_traces(program)
        buffer = io.BytesIO()
        torch.export.save(program, buffer, extra_files={f"{KEY}.json": json.dumps(about, sort_keys=True)})
        content = buffer.getvalue()
    else:
        content = _onnx_bytes(program, about)
        _compare(content, decoder, example)
    with atomic_path(out) as temporary:
        temporary.write_bytes(content)
    return about


def is_exported(path: Path) -> bool:
    """Whether a file is one that export_model wrote, by the description in it."""
    return FORMAT.encode() in path.read_bytes()


def description(checkpoint: Checkpoint, size_px: tuple[int, int], plan: PredictSpec) -> dict[str, Any]:
    """What a user of the file must know: input, output, score, choice of detections, Lipschitz constant."""
    spec = checkpoint.net.spec
    width, height = size_px
    cells = cells_of(spec.strides_px, height, width)
    first = np.concatenate(([0], np.cumsum(cells)))
    logit = "logit" if spec.temperature == 1.0 else f"{spec.temperature:g} * logit"
    plain = spec.family == "fcos"
    about: dict[str, Any] = {
        "format": FORMAT,
        "name": checkpoint.name,
        "family": spec.family,
        "parameters": checkpoint.meta["parameters"],
        "input": {
            "name": "images",
            "shape": ["batch", 3, height, width],
            "type": "float32",
            "preparation": [
                "colour order RGB, channels first",
                "divide by 255; no mean, no standard deviation",
                "fill a smaller frame up on the right and at the bottom with 0.5; do not resize",
            ],
        },
        "output": {
            "boxes": {"shape": ["batch", sum(cells), 4], "columns": "x_min, y_min, x_max, y_max in px"},
            "scores": {"shape": ["batch", sum(cells)], "range": [0, 1]},
        },
        "levels": [
            {"stride_px": stride, "first": int(start), "locations": count}
            for stride, start, count in zip(spec.strides_px, first, cells, strict=False)
        ],
        "score": f"sqrt(sigmoid({logit}) * sigmoid(centerness))" if plain else f"sigmoid({logit})",
        "choice": {
            "steps": [
                "of each level keep the per_level best locations with a score of at least score_floor",
                "cut boxes to the frame and drop those thinner than 0.01 px",
                "greedy non-maximum suppression over all levels: drop a box whose IoU with a better one is"
                " above nms_iou",
                "keep the max_boxes best",
            ],
            **{key: getattr(plan, key) for key in ("score_floor", "per_level", "nms_iou", "max_boxes")},
        },
    }
    if checkpoint.bound is not None:
        about["lipschitz"] = {**checkpoint.bound.to_json(), "temperature": spec.temperature}
    return about


def _without_traces(program: torch.export.ExportedProgram) -> None:
    """Drop the source lines of each operation: they name files of this machine."""
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                for key in ("stack_trace", "source_fn_stack", "from_node"):
                    node.meta.pop(key, None)


def _check_packages() -> None:
    """Say what is missing before the work begins."""
    try:
        for package in ("onnx", "onnxscript", "onnxruntime"):
            importlib.import_module(package)
    except ImportError as error:
        raise ModelError(f"ONNX files need more packages ({error}); pip install 'lard[onnx]'") from error


def _onnx_bytes(program: torch.export.ExportedProgram, about: dict[str, Any]) -> bytes:
    import onnx

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells of packages that nothing here needs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch about its own calls
        exported = torch.onnx.export(
            program, dynamo=True, opset_version=OPSET, verbose=False,
            input_names=["images"], output_names=["boxes", "scores"],
        )  # fmt: skip
    assert exported is not None
    model = exported.model_proto
    del model.metadata_props[:]
    for graph in (model.graph, *model.functions):
        if hasattr(graph, "metadata_props"):
            del graph.metadata_props[:]
        for node in graph.node:  # source lines name files of this machine
            del node.metadata_props[:]
            node.doc_string = ""
    onnx.helper.set_model_props(model, {KEY: json.dumps(about, sort_keys=True)})
    model.doc_string = f"{about['name']}: see the metadata entry {KEY!r}"
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _session(model: bytes | str) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError(f"ONNX files need onnxruntime ({error}); pip install 'lard[onnx]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own classes, one per kind of fault
        where = model if isinstance(model, str) else "export"
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{where}: not a readable ONNX file ({reason}); export it again") from error


@torch.inference_mode()
def _compare(content: bytes, decoder: Decoder, example: torch.Tensor) -> None:
    """Refuse an export whose answers to a picture differ from the checkpoint's."""
    boxes, scores = _session(content).run(None, {"images": example.numpy()})
    own_boxes, own_scores = (part.numpy() for part in decoder(example))
    size = np.maximum((own_boxes[..., 2:] - own_boxes[..., :2]).max(axis=-1, keepdims=True), 1.0)
    worst = max(float(np.abs(scores - own_scores).max()), float((np.abs(boxes - own_boxes) / size).max()))
    if not worst <= AGREEMENT:
        raise ModelError(f"the ONNX file differs from the checkpoint by {worst:.2g}; expected {AGREEMENT:g}")


@dataclass(frozen=True, slots=True, eq=False)
class OnnxDetector:
    """An ONNX file at work: RGB picture (h, w, 3) up to frame_px (width, height) -> detections."""

    name: str
    path: Path
    session: Any
    frame_px: tuple[int, int]
    cells: list[int]
    plan: PredictSpec

    def __call__(self, image: NDArray[np.uint8]) -> Detections:
        (rows, columns), (width, height) = image.shape[:2], self.frame_px
        if rows > height or columns > width:
            raise DataError(
                f"{self.path}: takes frames up to {width}x{height} px, found {columns}x{rows};"
                f" export it with --size {columns}x{rows}"
            )
        filled = np.full((height, width, 3), 127.5, dtype=np.float32)
        filled[:rows, :columns] = image
        pixels = np.ascontiguousarray(filled.transpose(2, 0, 1)[None] / np.float32(255))
        try:
            boxes, scores = self.session.run(None, {"images": pixels})
        except Exception as error:  # onnxruntime's own classes, one per kind of fault
            raise ModelError(f"{self.path}: cannot be run ({str(error).splitlines()[0][:200]})") from error
        with naming(self.path):
            refuse_unbounded(boxes, scores)
        return select(boxes[0], scores[0], self.cells, (columns, rows), self.plan)


def open_onnx(path: str | Path, plan: PredictSpec) -> OnnxDetector:
    """The detector of an ONNX file that export_model wrote."""
    if not Path(path).is_file():
        raise ModelError(f"{path}: no such file; write it with lard export-model")
    session = _session(str(path))
    try:
        described = session.get_modelmeta().custom_metadata_map.get(KEY)
        parts = [
            (part.name, tuple(part.shape[1:])) for part in (*session.get_inputs(), *session.get_outputs())
        ]
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: its texts are no UTF-8; write it again with lard export-model") from error
    if described is None:
        raise ModelError(f"{path}: not an ONNX file that lard export-model wrote")
    where = f"{path}: its description"
    about = checked(
        _About, parse_json(described, where, error=ModelError), where, error=ModelError,
        remedy="use a file that lard export-model wrote",
    )  # fmt: skip
    height, width = about.input.shape[2:]
    cells = [level.locations for level in about.levels]
    _check_shapes(parts, [(3, height, width), (sum(cells), 4), (sum(cells),)], path)
    return OnnxDetector(about.name, Path(path), session, (width, height), cells, plan)


def _check_shapes(
    parts: list[tuple[str, tuple[int, ...]]], expected: list[tuple[int, ...]], path: str | Path
) -> None:
    """Compare names and shapes of images, boxes and scores, batch aside, with those described."""
    names, shapes = [name for name, _ in parts], [shape for _, shape in parts]
    if names != ["images", "boxes", "scores"] or shapes != expected:
        raise ModelError(
            f"{path}: takes and gives {', '.join(map(str, zip(names, shapes, strict=True)))}, its description"
            f" says {', '.join(map(str, expected))}; write it again with lard export-model"
        )
