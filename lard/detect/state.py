"""What an interrupted training run goes on from, and why a run does not go on from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor

import lard
from lard.detect.checkpoint import read_tensors, write_tensors
from lard.detect.config import TrainSpec
from lard.detect.learner import Learning
from lard.errors import ModelError
from lard.intake.tars import TABLES, is_sharded
from lard.tables import sha256_file

DECIDING = (
    "camera.py", "detect/bags.py", "detect/batches.py", "detect/clutter.py", "detect/config.py",
    "detect/crew.py", "detect/crops.py", "detect/data.py", "detect/decode.py", "detect/fcos.py",
    "detect/learner.py", "detect/lockstep.py", "detect/log.py", "detect/lookalikes.py", "detect/loss.py",
    "detect/masks.py", "detect/muon.py",
    "detect/norm.py", "detect/ortho.py",
    "detect/precision.py", "detect/rank.py", "detect/segmenter.py", "detect/start.py", "detect/train.py",
    "detect/validate.py", "intake/coco.py", "intake/tars.py", "pictures.py",
    "score/averaging.py", "score/boxes.py", "score/evaluation.py", "score/provenance.py", "score/truth.py",
)  # fmt: skip
"""Modules that decide what a state holds; one of other code would mix two runs."""
CORNERS_DECIDING = (
    *DECIDING,
    "detect/corner_crops.py", "detect/corner_loss.py", "detect/corner_net.py", "detect/corner_spec.py",
    "detect/corner_train.py", "detect/corner_windows.py", "detect/corners.py", "score/keypoints.py",
)  # fmt: skip
"""The same of corner models."""
SHOWN = 4

Fingerprint = dict[str, dict[str, Any]]
"""What a saved state must share with a run: parameters, data, code and versions."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """The next step of a run, its log rows so far, and why a state that is there was not taken."""

    step: int
    rows: list[dict[str, float]]
    refused: tuple[str, ...] = ()


def fingerprint(
    spec: BaseModel,
    plan: TrainSpec,
    datasets: Sequence[Path],
    start_sha256: str | None = None,
    deciding: Sequence[str] = DECIDING,
) -> Fingerprint:
    """The parameters, data, code and versions of a run, and the file whose weights it starts from."""
    parameters = {f"models.*.{key}": value for key, value in spec.model_dump(mode="json").items()}
    parameters |= {f"train.{key}": value for key, value in deciding_of(plan).items()}
    parameters["--start"] = start_sha256
    data = {
        f"{name} of dataset {number}": sha256_file(folder / name)
        for number, dataset in enumerate(datasets, start=1)
        for name, folder in (
            ("coco/train.json", dataset),
            ("coco/val.json", dataset),
            ("manifest.parquet", dataset / TABLES if is_sharded(dataset) else dataset),
        )
        if (folder / name).is_file()
    }
    root = Path(lard.__file__).parent
    code = {f"lard/{name}": sha256_file(root / name) for name in deciding}
    versions = {"torch": torch.__version__, "numpy": np.__version__, "opencv": cv2.__version__}
    return {"parameters": parameters, "data": data, "code": code, "versions": versions}


def deciding_of(plan: TrainSpec) -> dict[str, Any]:
    """The numbers of a plan that decide bytes: all but that of the processes, which share its parts."""
    return plan.model_dump(mode="json", exclude={"processes"})


def differences(saved: Any, wanted: Fingerprint) -> list[str]:
    """What a saved fingerprint has otherwise than the wanted one, the values where they are short."""
    if not isinstance(saved, Mapping) or not all(isinstance(saved.get(part), Mapping) for part in wanted):
        return ["another version of lard wrote it"]
    found = []
    for part, now in wanted.items():
        before = saved[part]
        for key in sorted({*now, *before}):
            if now.get(key) == before.get(key):
                continue
            told = part in ("parameters", "versions")
            found.append(f"{key} is {now.get(key)}, was {before.get(key)}" if told else f"{key} has changed")
    return found


def save_state(
    path: Path, learner: Learning[Any], step: int, rows: list[dict[str, float]], own: Fingerprint
) -> None:
    """Write all that the next step depends on: both networks, the optimiser's moments, the log so far."""
    tensors = {f"net.{key}": value for key, value in learner.net.state_dict().items()}
    tensors |= {f"average.{key}": value for key, value in learner.average.state_dict().items()}
    for index, state in learner.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{key}": value for key, value in state.items()}
    write_tensors(tensors, {"step": step, "rows": rows, "fingerprint": own}, path)


@dataclass(frozen=True, slots=True)
class Saved:
    """The content of a state's file, or why it is not taken."""

    tensors: dict[str, Tensor]
    meta: dict[str, Any]
    refused: tuple[str, ...] = ()


def read_state(path: Path, own: Fingerprint) -> Saved | None:
    """What save_state wrote, where there is something, refused where it is of another run."""
    if not path.is_file():
        return None
    try:
        tensors, meta = read_tensors(path)
    except ModelError as error:
        return Saved({}, {}, (str(error),))
    refused = differences(meta.get("fingerprint"), json.loads(json.dumps(own)))
    return Saved({}, {}, tuple(refused)) if refused else Saved(tensors, meta)


def restored(saved: Saved | None, learner: Learning[Any]) -> Resumed:
    """Set what was saved, where it fits; else begin at step 0 and say why."""
    if saved is None or saved.refused:
        return Resumed(0, [], () if saved is None else saved.refused)
    tensors, meta = saved.tensors, saved.meta
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in _below("optimiser.", tensors).items():
        index, _, field = key.partition(".")
        state.setdefault(int(index) if index.isdecimal() else -1, {})[field] = value
    if not (_fits(learner, tensors, state) and _is_log(meta.get("step"), meta.get("rows"))):
        return Resumed(0, [], ("it is damaged",))
    learner.net.load_state_dict(_below("net.", tensors))
    learner.average.load_state_dict(_below("average.", tensors))
    groups = learner.optimiser.state_dict()["param_groups"]
    learner.optimiser.load_state_dict({"state": state, "param_groups": groups})
    return Resumed(int(meta["step"]), meta["rows"])


def _fits(learner: Learning[Any], tensors: dict[str, Tensor], moments: dict[int, dict[str, Tensor]]) -> bool:
    """Whether a state's tensors, of both networks and of the optimiser, have the sizes of this run's."""
    for prefix, net in (("net.", learner.net), ("average.", learner.average)):
        wanted = {key: value.shape for key, value in net.state_dict().items()}
        if wanted != {key: value.shape for key, value in _below(prefix, tensors).items()}:
            return False
    groups = learner.optimiser.param_groups
    sizes = [parameter.shape for group in groups for parameter in group["params"]]
    return all(
        0 <= index < len(sizes) and all(value.shape in (sizes[index], ()) for value in fields.values())
        for index, fields in moments.items()
    )


def _is_log(step: Any, rows: Any) -> bool:
    """Whether these are the number of a step and the rows of a log up to it."""
    return (
        type(step) is int
        and step >= 0
        and isinstance(rows, list)
        and all(isinstance(row, dict) and all(type(v) in (int, float) for v in row.values()) for row in rows)
    )


def why_anew(name: str, path: Path, refused: Sequence[str]) -> str:
    """One line that says why a run begins at step 0 although a state is there."""
    more = [f"and {len(refused) - SHOWN} more differences"] if len(refused) > SHOWN else []
    reasons = "; ".join([*refused[:SHOWN], *more])
    return f"{name}: begins at step 0 and will replace {path}, which is of another run: {reasons}"


def kept(path: Path) -> str:
    """What a run that ends early leaves."""
    if not path.is_file():
        return "no state was saved yet"
    return f"the state after step {read_tensors(path)[1].get('step')} is kept in {path}"


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names start with a prefix, without it."""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
