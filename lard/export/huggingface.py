"""A Hugging Face image folder: pictures and metadata.jsonl by split, a data card, a Croissant file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lard.export.card import card_text
from lard.export.common import LabelledFolder, one_line, place_image, staged_folder
from lard.export.croissant import OBJECT_COLUMNS, croissant
from lard.export.records import OBJECT_FIELDS, as_columns, frame_fields, objects
from lard.tables import write_json, write_text

HF_SPLITS = {"train": "train", "val": "validation", "test": "test"}


def write_huggingface(dataset: LabelledFolder, out: str | Path) -> dict[str, int]:
    """Write the folder; return the number of frames of each split.

    `datasets.load_dataset("imagefolder", data_dir=out)` reads it: one row per frame, `objects` as lists.
    """
    visible = dataset.visible()
    with staged_folder(out) as folder:
        for split, frames in dataset.splits.items():
            part, lines, boxes = folder / "data" / HF_SPLITS[split], [], []
            for frame in frames.iter_rows(named=True):
                name, size = frame["frame_id"], (frame["width_px"], frame["height_px"])
                place_image(dataset.image_path(name), part / f"{name}.jpg")
                found = objects(visible[name], *size, masks=False)
                record: dict[str, Any] = {"file_name": f"{name}.jpg", **frame_fields(frame)}
                record["objects"] = as_columns(found, OBJECT_FIELDS)
                lines.append(json.dumps(record, sort_keys=True, allow_nan=False))
                boxes += [json.dumps(_object(name, item), sort_keys=True, allow_nan=False) for item in found]
            write_text("\n".join(lines) + "\n", part / "metadata.jsonl")
            write_text(
                "".join(f"{line}\n" for line in boxes), folder / "objects" / f"{HF_SPLITS[split]}.jsonl"
            )
        splits = {HF_SPLITS[split]: len(frames) for split, frames in dataset.splits.items()}
        write_text(_front_matter(dataset, splits) + card_text(dataset), folder / "README.md")
        write_json(croissant(dataset, folder, list(splits)), folder / "croissant.json")
    return splits


def _object(frame_id: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """A runway in a picture as the Croissant file describes it."""
    named = {"object_id": f"{frame_id}/{found['runway']}", "frame_id": frame_id}
    return {name: named[name] if name in named else found[name] for name in OBJECT_COLUMNS}


def _front_matter(dataset: LabelledFolder, splits: dict[str, int]) -> str:
    """The YAML header by which the hub finds splits and tags."""
    lines = ["---", "license: other", "task_categories:", "- object-detection", "- keypoint-detection"]
    lines += [
        "tags:",
        "- aviation",
        "- runway",
        "- synthetic",
        "configs:",
        "- config_name: default",
        "  data_files:",
    ]
    for split in splits:
        lines += [f"  - split: {split}", f"    path: data/{split}/**"]
    # a JSON text is a YAML one
    name = json.dumps(one_line(dataset.info.get("name", "runways")), ensure_ascii=False)
    return "\n".join([*lines, f"pretty_name: {name}", "---", "", ""])
