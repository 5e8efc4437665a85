"""Monitors on disk: arrays and a JSON description in one npz file, nothing that can run code when loaded."""

from __future__ import annotations

import io
import json
import math
import zipfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from lard.assurance.mahalanobis import Gaussian
from lard.assurance.monitors import ALARMS, Monitor
from lard.assurance.ocsdf import restored
from lard.assurance.thresholds import PICTURES, Rule
from lard.documents import checked, parse_json
from lard.errors import ModelError
from lard.files import atomic_path

FORMAT = "lard-monitor-1"
LARGEST_BYTES = 64 << 20
TOLERANCE = 1e-5
_REMEDY = "fit the monitor again with lard monitor fit"
_NETWORK = "network."
_Finite = Annotated[float, Field(allow_inf_nan=False)]


class Description(BaseModel):
    """What a monitor's file says of it besides its arrays."""

    model_config = ConfigDict(extra="forbid")

    format: str
    model: str = Field(min_length=1, max_length=200)
    model_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    constant: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None
    shrinkage: float = Field(ge=0, le=1)
    distance_constant: float = Field(gt=0, allow_inf_nan=False)
    width: int = Field(ge=4, le=512, multiple_of=4)
    false_stops: float = Field(gt=0, lt=1)
    thresholds: dict[str, _Finite]
    learnt_on: dict[str, int]
    set_on: dict[str, int]
    rule: Rule = PICTURES


def write_monitor(monitor: Monitor, path: Path) -> None:
    """Write a monitor, atomically; the same monitor gives the same bytes."""
    about = Description(
        format=FORMAT,
        model=monitor.model,
        model_sha256=monitor.model_sha256,
        constant=monitor.constant,
        shrinkage=monitor.gaussian.shrinkage,
        distance_constant=monitor.distance.constant,
        width=monitor.distance.width,
        false_stops=monitor.false_stops,
        thresholds=dict(monitor.thresholds),
        learnt_on=dict(monitor.learnt_on),
        set_on=dict(monitor.set_on),
        rule=monitor.rule,
    )
    arrays: dict[str, NDArray[Any]] = {
        "about": np.array(json.dumps(about.model_dump(mode="json"), sort_keys=True)),
        "mean": monitor.gaussian.mean,
        "whitening": monitor.gaussian.whitening,
        "centres": monitor.centres,
        "widths": monitor.widths,
    }
    arrays |= {f"{_NETWORK}{key}": value.numpy() for key, value in monitor.distance.net.state_dict().items()}
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)  # type: ignore[arg-type]
    with atomic_path(path) as temporary:
        temporary.write_bytes(stream.getvalue())


def read_monitor(path: Path) -> Monitor:
    """A monitor that write_monitor wrote; ModelError names what is wrong with anything else."""
    arrays = _arrays(path)
    about = _described(arrays.pop("about", None), path)
    network = {
        key.removeprefix(_NETWORK): torch.from_numpy(arrays.pop(key))
        for key in sorted(arrays)
        if key.startswith(_NETWORK)
    }
    size = arrays["mean"].size if "mean" in arrays else 0
    shapes = {"mean": (size,), "whitening": (size, size), "centres": (2,), "widths": (2,)}
    found = {key: value.shape for key, value in arrays.items()}
    if not size or found != shapes:
        odd = sorted(key for key in {*found, *shapes} if found.get(key) != shapes.get(key)) or ["mean"]
        raise ModelError(f"{path}: array {odd[0][:60]!r} does not fit the monitor it describes; {_REMEDY}")
    if not (arrays["widths"] > 0).all():
        raise ModelError(f"{path}: widths must be above 0; {_REMEDY}")
    distance = restored(network, about.width, path)
    if not math.isclose(distance.constant, about.distance_constant, rel_tol=TOLERANCE):
        raise ModelError(
            f"{path}: claims constant {about.distance_constant:.6f} of its distance, its layers measure"
            f" {distance.constant:.6f}; the file was altered, {_REMEDY}"
        )
    gaussian = Gaussian(arrays["mean"], arrays["whitening"], about.shrinkage)
    return Monitor(
        about.model, about.model_sha256, about.constant, gaussian, arrays["centres"], arrays["widths"],
        distance, about.false_stops, about.thresholds, about.learnt_on, about.set_on, about.rule,
    )  # fmt: skip


def check_model(monitor: Monitor, model_sha256: str, constant: float | None, path: Path, model: str) -> None:
    """ModelError where a monitor was fitted to another model, or claims another constant of it."""
    if monitor.model_sha256 != model_sha256:
        raise ModelError(
            f"{path}: was fitted to {monitor.model} (sha256 {monitor.model_sha256[:12]}), not to {model}"
            f" (sha256 {model_sha256[:12]}); give that model, or fit a monitor to this one"
        )
    known = monitor.constant is not None and constant is not None
    same = monitor.constant is None and constant is None
    if not (same or (known and math.isclose(monitor.constant or 0, constant or 0, rel_tol=TOLERANCE))):
        raise ModelError(
            f"{path}: claims Lipschitz constant {monitor.constant} of {model}, which measures {constant};"
            f" the file was altered, {_REMEDY}"
        )


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of a file of bounded size, finite numbers only but for the description."""
    if not path.is_file():
        raise ModelError(f"{path}: no such monitor; fit one with lard monitor fit")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > LARGEST_BYTES:
            raise ModelError(f"{path}: holds {size} bytes; expected at most {LARGEST_BYTES}; {_REMEDY}")
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ModelError(f"{path}: not a monitor, or a damaged one; {_REMEDY}") from error
    for name, array in arrays.items():
        if name == "about":
            continue
        kind = np.float32 if name.startswith(_NETWORK) else np.float64
        if array.dtype != kind or not np.isfinite(array).all():
            raise ModelError(f"{path}: array {name[:60]!r} holds no finite {kind.__name__}; {_REMEDY}")
    return arrays


def _described(about: NDArray[Any] | None, path: Path) -> Description:
    if about is None or about.ndim or about.dtype.kind != "U":
        raise ModelError(f"{path}: not a monitor, its description is missing; {_REMEDY}")
    meta = parse_json(str(about), f"{path}: its description", error=ModelError)
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        found = meta.get("format") if isinstance(meta, dict) else None
        raise ModelError(f"{path}: format {found!r:.60}, expected {FORMAT!r}; {_REMEDY}")
    described = checked(Description, meta, path, error=ModelError, remedy=_REMEDY)
    if set(described.thresholds) != set(ALARMS):
        raise ModelError(
            f"{path}: thresholds of {sorted(described.thresholds)}; expected {list(ALARMS)}; {_REMEDY}"
        )
    return described
