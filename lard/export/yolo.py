"""YOLO folders (Ultralytics' layout) for detection, segmentation and pose."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lard.export.coco import KEYPOINTS, keypoint
from lard.export.common import LabelledFolder, one_line, place_image, staged_folder
from lard.labels.table import CORNERS
from lard.tables import write_text


def write_yolo(dataset: LabelledFolder, out: str | Path, task: str, verdicts: tuple[str, ...] = ()) -> int:
    """Write images/, labels/ and data.yaml for a task; return the number of objects.

    Coordinates are fractions of width and height. Every runway in the picture is an object unless verdicts
    are given: YOLO knows no ignored regions, and a runway left out is taught as background.
    """
    visible, count = dataset.visible(verdicts), 0
    with staged_folder(out) as folder:
        for split, frames in dataset.splits.items():
            for frame in frames.iter_rows(named=True):
                name = frame["frame_id"]
                place_image(dataset.image_path(name), folder / "images" / split / f"{name}.jpg")
                lines = [yolo_line(row, frame, task) for row in visible[name]]
                write_text("".join(f"{line}\n" for line in lines), folder / "labels" / split / f"{name}.txt")
                count += len(lines)
        write_text(_data_yaml(dataset, task), folder / "data.yaml")
    return count


def yolo_line(row: Mapping[str, Any], frame: Mapping[str, Any], task: str) -> str:
    """One object: class 0 and its numbers."""
    width, height = frame["width_px"], frame["height_px"]
    if task == "segment":
        values = [value / (height if k % 2 else width) for k, value in enumerate(row["polygon"])]
        return " ".join(["0", *(f"{value:.8f}" for value in values)])
    x0, y0, x1, y1 = (row[name] for name in ("x_min_px", "y_min_px", "x_max_px", "y_max_px"))
    box = ((x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height)
    fields = ["0", *(f"{value:.8f}" for value in box)]
    if task == "pose":
        for corner in CORNERS:
            x, y, flag = keypoint(row[f"x_{corner}_px"], row[f"y_{corner}_px"], width, height)
            # readers refuse points out of the picture: those are not labelled
            fields += [f"{x / width:.8f}", f"{y / height:.8f}", "2"] if flag == 2 else ["0", "0", "0"]
    return " ".join(fields)


def missing_splits(dataset: LabelledFolder) -> list[str]:
    """Splits that Ultralytics wants and that have no frame."""
    return [split for split in ("train", "val") if split not in dataset.splits]


def _data_yaml(dataset: LabelledFolder, task: str) -> str:
    """Names of folders and classes; without `path` they are looked for beside the file, wherever it is."""
    lines = [f"# {one_line(dataset.info.get('name', dataset.folder.name))}, {task}"]
    lines += [f"{split}: images/{split}" for split in dataset.splits]
    lines += [f"# {split}: has no frames; Ultralytics wants it to train" for split in missing_splits(dataset)]
    lines += ["names:", "  0: runway"]
    if task == "pose":
        lines += [f"kpt_shape: [{len(KEYPOINTS)}, 3]", "flip_idx: [1, 0, 3, 2]"]
    return "\n".join(lines) + "\n"
