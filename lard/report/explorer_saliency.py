"""Heat maps of `lard explain` beside the frames they are of: where a detector looked, what would turn it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from lard.errors import DataError
from lard.files import name_fault
from lard.intake.coco import read_coco
from lard.report.explorer_thumbs import picture_fault
from lard.score.truth import truth_sha256
from lard.tables import read_json

SHOWN = "explained"
"""Folder of the pages that panels are copied to."""


@dataclass(frozen=True, slots=True)
class Looks:
    """The panels of one folder of `lard explain`: per frame the model and the picture's file."""

    panels: Mapping[str, list[tuple[str, Path]]]


def models_by_frame(found: Sequence[Looks]) -> dict[str, set[str]]:
    """The models whose heat maps are there of each frame."""
    models: dict[str, set[str]] = {}
    for one in found:
        for frame, panels in one.panels.items():
            models.setdefault(frame, set()).update(model for model, _ in panels)
    return models


def read_explained(folder: Path, dataset: Path, names: Sequence[str]) -> Looks:
    """Read a folder of `lard explain` by the image ids of the dataset's COCO file of the split it is of.

    DataError where the folder is none, is of another dataset or state of it, or has no panel.
    """
    path = folder / "explain.json"
    if not path.is_file():
        raise DataError(f"{path}: no such file; name a folder that lard explain wrote")
    document = read_json(path)
    stated = document if isinstance(document, dict) else {}
    models, split = stated.get("models"), stated.get("split")
    if not isinstance(models, dict) or not isinstance(split, str) or name_fault(split):
        raise DataError(f"{path}: models, split: not an explanation as lard explain writes it; explain again")
    odd = [name for name in models if name_fault(name)]
    if odd:
        raise DataError(f"{path}: models: {odd[0]!r} {name_fault(odd[0])}; explain again")
    truth = dataset / "coco" / f"{split}.json"
    if not truth.is_file() or truth_sha256(truth) != stated.get("truth_sha256"):
        raise DataError(
            f"{path}: truth_sha256: of another dataset than {truth}; explain pictures of this one, alone"
        )
    frames = {image["id"]: str(image.get("frame_id")) for image in read_coco(truth).images}
    known, panels = set(names), dict[str, list[tuple[str, Path]]]()
    for model in sorted(models):
        for number, frame in sorted(frames.items()):
            panel = folder / "gallery" / model / f"{number}.png"
            if frame not in known or not panel.is_file():
                continue
            fault = picture_fault(panel)
            if fault:  # what is no picture could be any file that the name leads to
                raise DataError(f"{fault}; explain again")
            panels.setdefault(frame, []).append((model, panel))
    if not panels:
        raise DataError(f"{folder}: gallery: no heat map of these frames; explain with --gallery 9 or more")
    return Looks(panels)


def copy_panels(found: Sequence[Looks], names: Sequence[str], out: Path) -> dict[str, list[list[str]]]:
    """Copy panels below `out`; per frame the model and the address of each."""
    shown: dict[str, list[list[str]]] = {}
    place = {name: k for k, name in enumerate(names)}
    for number, one in enumerate(found):
        for frame, panels in one.panels.items():
            for model, panel in panels:
                target = out / SHOWN / str(number) / model / f"{place[frame]:06d}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(panel, target)
                shown.setdefault(frame, []).append([model, quote(target.relative_to(out).as_posix())])
    return shown
