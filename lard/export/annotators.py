"""Datasets for tools that people look at and correct labels in: FiftyOne, CVAT and Label Studio.

Every runway in a picture is written with airport, runway and verdict, so that what comes back through `lard
import` is known by name. Predictions are rows x, y, width, height (px), score and a name of their model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from lard import __version__
from lard.errors import DataError
from lard.export.common import LabelledFolder, one_line, place_image, staged_folder
from lard.tables import write_json, write_text

RUNWAY = "runway"
NAMED = ("airport", "runway", "verdict")
"""What is said of each runway beside its place."""
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Predicted:
    """Detections of one model by frame: x, y, width, height in px, score."""

    model: str
    boxes: Mapping[str, Sequence[Sequence[float]]]


def write_fiftyone(dataset: LabelledFolder, out: str | Path, predicted: Sequence[Predicted] = ()) -> int:
    """data/, samples.json and metadata.json in FiftyOneDataset's layout; returns the number of runways.

    Labels are Detections in the field ground_truth, the split is a tag, boxes are fractions of the picture,
    predictions a field each. metadata.json states no version, by which FiftyOne knows that samples may be
    read one by one whatever release it is.
    """
    fields: dict[str, str] = {}
    for model in predicted:
        other = fields.setdefault(field_name(model.model), model.model)
        if other != model.model:
            raise DataError(
                f"--results: {other} and {model.model} would both be the field {field_name(other)}; "
                "rename one"
            )
    samples, count = [], 0
    with staged_folder(out) as folder:
        for split, frame, rows in _frames(dataset):
            name, size = frame["frame_id"], (frame["width_px"], frame["height_px"])
            place_image(dataset.image_path(name), folder / "data" / f"{name}.jpg")
            found = [_detection(_box(row), size) | {key: row[key] for key in NAMED} for row in rows]
            sample: dict[str, Any] = {
                "filepath": f"data/{name}.jpg",
                "tags": [split],
                "_media_type": "image",
                "metadata": {"_cls": "ImageMetadata", "width": size[0], "height": size[1]},
                "frame_id": name,
                "ground_truth": {"_cls": "Detections", "detections": found},
            }
            for model in predicted:
                guessed = [
                    _detection(row[:4], size) | {"confidence": float(row[4])}
                    for row in model.boxes.get(name, [])
                ]
                sample[field_name(model.model)] = {"_cls": "Detections", "detections": guessed}
            samples.append(sample)
            count += len(rows)
        about = {"dataset": _name(dataset), "lard": __version__}
        metadata = {"media_type": "image", "default_classes": [RUNWAY], "info": about}
        write_json(metadata, folder / "metadata.json")
        write_json({"samples": samples}, folder / "samples.json")
    return count


def field_name(model: str) -> str:
    """A field of FiftyOne for a model: letters, digits and underscores."""
    return "predictions_" + "".join(c if c.isascii() and c.isalnum() else "_" for c in model)


def write_cvat(dataset: LabelledFolder, out: str | Path) -> int:
    """images/ and annotations.xml (CVAT for images 1.1): a polygon per runway; returns their number."""
    lines, count, total = [], 0, 0
    with staged_folder(out) as folder:
        for split, frame, rows in _frames(dataset):
            name = frame["frame_id"]
            place_image(dataset.image_path(name), folder / "images" / f"{name}.jpg")
            size = f'width="{frame["width_px"]}" height="{frame["height_px"]}"'
            lines.append(f'  <image id="{total}" name={quoteattr(f"{name}.jpg")} subset="{split}" {size}>')
            lines += [_polygon(row) for row in rows]
            lines.append("  </image>")
            total, count = total + 1, count + len(rows)
        text = "\n".join([*_cvat_head(_name(dataset), total), *lines, "</annotations>", ""])
        write_text(text, folder / "annotations.xml")
    return count


def write_labelstudio(dataset: LabelledFolder, out: str | Path, predicted: Sequence[Predicted] = ()) -> int:
    """images/, tasks.json and config.xml of Label Studio; returns the number of runways.

    Boxes are percent of the picture. Pictures are named for its local file storage: serve the folder that
    holds `out` as LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT.
    """
    out, tasks, count = Path(out), [], 0
    with staged_folder(out) as folder:
        for place, (split, frame, rows) in enumerate(_frames(dataset), 1):
            name, size = frame["frame_id"], (frame["width_px"], frame["height_px"])
            place_image(dataset.image_path(name), folder / "images" / f"{name}.jpg")
            told = [{"meta": {"text": [f"{key}={row[key]}" for key in NAMED]}} for row in rows]
            boxes = [_rectangle(f"{place}-{k}", _box(row), size) for k, row in enumerate(rows)]
            task: dict[str, Any] = {
                "id": place,
                "data": {
                    "image": f"/data/local-files/?d={out.resolve().name}/images/{name}.jpg",
                    "frame_id": name,
                    "split": split,
                },
                "annotations": [{"result": [one | more for one, more in zip(boxes, told, strict=True)]}],
                "predictions": [
                    _prediction(model, name, f"{place}-p{k}", size) for k, model in enumerate(predicted)
                ],
            }
            tasks.append(task)
            count += len(rows)
        write_json(tasks, folder / "tasks.json")
        write_text(_STUDIO, folder / "config.xml")
    return count


_STUDIO = """<View>
  <Image name="image" value="$image"/>
  <RectangleLabels name="label" toName="image"><Label value="runway" background="#2f6fb3"/></RectangleLabels>
</View>
"""


def _frames(dataset: LabelledFolder) -> Iterator[tuple[str, Row, list[dict[str, Any]]]]:
    visible = dataset.visible()
    for split, frames in dataset.splits.items():
        for frame in frames.iter_rows(named=True):
            yield split, frame, visible[frame["frame_id"]]


def _name(dataset: LabelledFolder) -> str:
    return one_line(dataset.info.get("name", dataset.folder.name))


def _box(row: Row) -> list[float]:
    x0, y0, x1, y1 = (row[name] for name in ("x_min_px", "y_min_px", "x_max_px", "y_max_px"))
    return [x0, y0, x1 - x0, y1 - y0]


def _detection(box: Sequence[float], size: tuple[int, int]) -> dict[str, Any]:
    parts = [float(value) / size[k % 2] for k, value in enumerate(box)]
    return {"_cls": "Detection", "label": RUNWAY, "bounding_box": parts, "tags": [], "attributes": {}}


def _cvat_head(name: str, total: int) -> list[str]:
    attributes = "".join(
        f"<attribute><name>{key}</name><mutable>False</mutable><input_type>text</input_type>"
        "<default_value></default_value><values></values></attribute>"
        for key in NAMED
    )
    label = (
        f"<label><name>{RUNWAY}</name><color>#2f6fb3</color><type>any</type>"
        f"<attributes>{attributes}</attributes></label>"
    )
    return [
        '<?xml version="1.0" encoding="utf-8"?>',
        "<annotations>",
        "  <version>1.1</version>",
        f"  <meta><task><name>{escape(name)}</name><size>{total}</size><mode>annotation</mode>"
        f"<labels>{label}</labels></task></meta>",
    ]


def _polygon(row: Row) -> str:
    points = ";".join(
        f"{x:.8g},{y:.8g}" for x, y in zip(row["polygon"][::2], row["polygon"][1::2], strict=True)
    )
    told = "".join(f'<attribute name="{key}">{escape(str(row[key]))}</attribute>' for key in NAMED)
    shape = f'label="{RUNWAY}" source="manual" occluded="0" points="{points}" z_order="0"'
    return f"    <polygon {shape}>{told}</polygon>"


def _rectangle(name: str, box: Sequence[float], size: tuple[int, int]) -> dict[str, Any]:
    x, y, width, height = (100 * float(value) / size[k % 2] for k, value in enumerate(box))
    return {
        "id": name, "type": "rectanglelabels", "from_name": "label", "to_name": "image",
        "original_width": size[0], "original_height": size[1], "image_rotation": 0,
        "value": {
            "x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": [RUNWAY],
        },
    }  # fmt: skip


def _prediction(model: Predicted, name: str, key: str, size: tuple[int, int]) -> dict[str, Any]:
    rows = model.boxes.get(name, [])
    found = [_rectangle(f"{key}-{k}", row[:4], size) | {"score": float(row[4])} for k, row in enumerate(rows)]
    return {
        "model_version": model.model,
        "score": max((row[4] for row in rows), default=0.0),
        "result": found,
    }
