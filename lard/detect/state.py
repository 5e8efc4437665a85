"""What an interrupted training run goes on from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lard.detect.checkpoint import read_tensors, write_tensors
from lard.detect.config import ModelSpec, TrainSpec
from lard.detect.fcos import Detector
from lard.errors import ModelError
from lard.tables import sha256_file


def fingerprint(spec: ModelSpec, plan: TrainSpec, datasets: Sequence[Path]) -> str:
    """What a saved state must share with a run to be resumed: parameters, data, code and torch."""
    known = {"spec": spec.model_dump(mode="json"), "plan": plan.model_dump(mode="json")}
    digest = hashlib.sha256(json.dumps({**known, "torch": torch.__version__}, sort_keys=True).encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())  # a state of other code would mix two runs
    for dataset in datasets:
        for data in ("coco/train.json", "manifest.parquet"):
            if (dataset / data).is_file():
                digest.update(sha256_file(dataset / data).encode())
    return digest.hexdigest()


def save_state(
    path: Path, net: Detector, average: Detector, optimiser: torch.optim.Optimizer, meta: dict[str, Any]
) -> None:
    """Write both networks, the optimiser's moments and a description that holds step and fingerprint."""
    tensors = {f"net.{key}": value for key, value in net.state_dict().items()}
    tensors |= {f"average.{key}": value for key, value in average.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{key}": value for key, value in state.items()}
    write_tensors(tensors, meta, path)


def load_state(
    path: Path, net: Detector, average: Detector, optimiser: torch.optim.Optimizer, wanted: str
) -> dict[str, Any]:
    """Load what save_state wrote if its fingerprint is the wanted one; its description, else nothing."""
    if not path.is_file():
        return {}
    try:
        tensors, meta = read_tensors(path)
    except ModelError:
        return {}  # not a state we wrote: start afresh, the file is replaced at the next save
    if meta.get("fingerprint") != wanted:
        return {}
    net.load_state_dict(_below("net.", tensors))
    average.load_state_dict(_below("average.", tensors))
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in _below("optimiser.", tensors).items():
        index, field = key.split(".", 1)
        state.setdefault(int(index), {})[field] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return meta


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names start with a prefix, without it."""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
