"""Checkpoints: tensors and a JSON description, nothing that can run code when loaded."""

from __future__ import annotations

import io
import json
import pickle
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from lard.detect.audit import LipschitzBound, audit
from lard.detect.config import ModelSpec
from lard.detect.fcos import Detector, LipschitzFcos, LipschitzTrunk, Net
from lard.detect.ortho import OrthoConv2d
from lard.detect.segmenter import network_of
from lard.detect.wiring import Certified
from lard.documents import checked, parse_json
from lard.errors import LardError, ModelError, naming
from lard.tables import atomic_path

FORMAT, CORNER_FORMAT = "lard-detector-1", "lard-corners-1"
BOUND_TOLERANCE = 1e-5
_REMEDY = "use a checkpoint that lard train wrote"


class Constant(BaseModel):
    """The Lipschitz constant that a checkpoint claims."""

    model_config = ConfigDict(extra="allow")

    L: float = Field(gt=0, allow_inf_nan=False)


class Airports(BaseModel):
    """Codes of the airports whose pictures a model learnt from, and of those it was watched on."""

    model_config = ConfigDict(extra="forbid")

    train: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()


class About(BaseModel):
    """What a checkpoint says of its model; training adds more, which is passed on."""

    model_config = ConfigDict(extra="allow")

    format: str
    name: str
    parameters: int = Field(ge=0)
    lipschitz: Constant | None = None
    airports: Airports | None = None


class Description(About):
    """What a checkpoint says of its detector."""

    spec: ModelSpec


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A detector ready to predict, its description and, for a Lipschitz one, its certified constant."""

    net: Detector
    name: str
    meta: dict[str, Any]
    bound: LipschitzBound | None


def write_tensors(tensors: dict[str, Tensor], meta: dict[str, Any], path: str | Path) -> None:
    """Write tensors and a JSON description atomically; the same content gives the same bytes."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    buffer = (
        io.BytesIO()
    )  # torch puts a file's own name into the archive, which a temporary name would change
    torch.save({"meta": json.dumps(meta, sort_keys=True), "tensors": plain}, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def read_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what write_tensors wrote; raise ModelError for anything else, pickled code included."""
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about pickles of other kinds: they are refused here
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such checkpoint; train the model first") from error
    except (MemoryError, LardError):
        raise
    except Exception as error:  # damaged archives let errors of any class out of torch
        # torch's own text tells to load it all the same
        code = isinstance(error, pickle.UnpicklingError)
        what = "it may hold code" if code else f"cannot be read, {type(error).__name__}"
        raise ModelError(
            f"{path}: refused: not a checkpoint of tensors only ({what}); use one that lard train wrote"
        ) from error
    if not _is_ours(content):
        raise ModelError(f"{path}: not a checkpoint of this project; {_REMEDY}")
    harmed = _harmed(path)
    if harmed:
        raise ModelError(f"{path}: {harmed} does not have the bytes that were written; copy the file again")
    meta = parse_json(content["meta"], f"{path}: its description", error=ModelError)
    if not isinstance(meta, dict):
        raise ModelError(f"{path}: its description is no JSON object; {_REMEDY}")
    return content["tensors"], meta


def _harmed(path: Path) -> str | None:
    """The first part of an archive whose checksum is not that of its bytes, which torch does not ask."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError, RuntimeError, zlib.error):
        return "the archive"


def _is_ours(content: Any) -> bool:
    """Whether a checkpoint has a description in JSON and tensors by name."""
    if not isinstance(content, dict) or set(content) != {"meta", "tensors"}:
        return False
    tensors = content["tensors"]
    return (
        isinstance(content["meta"], str)
        and isinstance(tensors, dict)
        and all(
            isinstance(k, str) and isinstance(v, Tensor) and _holds_numbers(v) for k, v in tensors.items()
        )
    )


def _holds_numbers(tensor: Tensor) -> bool:
    """Whether a tensor is an ordinary one: not sparse, quantised, complex or a mere shape."""
    plain = tensor.layout is torch.strided and not tensor.is_quantized and tensor.device.type == "cpu"
    return plain and not tensor.is_complex()


def described(meta: dict[str, Any], path: str | Path) -> Description:
    """A checkpoint's description as declared; ModelError names every field at fault."""
    if meta.get("format") == CORNER_FORMAT:
        raise ModelError(f"{path}: a corner model, no detector; give it with --corners beside a detector")
    if meta.get("format") != FORMAT:
        raise ModelError(f"{path}: format {meta.get('format')!r}, expected {FORMAT!r}; train the model again")
    return checked(Description, meta, path, error=ModelError, remedy=_REMEDY)


def save_detector(
    net: Detector, name: str, spec: ModelSpec, extra: dict[str, Any], path: str | Path, half: bool = False
) -> None:
    """Write an exported detector; a Lipschitz one is audited first and carries its constant.

    `half` rounds to float16 what no constant rests on: all of a plain model, the boxes of a Lipschitz one,
    whose orthogonal kernels would gain a thousandth a layer.
    """
    meta = {"format": FORMAT, "name": name, "spec": spec.model_dump(mode="json"), **extra}
    meta["parameters"] = sum(parameter.numel() for parameter in net.parameters())
    if isinstance(net, LipschitzTrunk):
        meta["lipschitz"] = audit(net).to_json()
    state = net.state_dict()
    if half:
        free = "regression." if isinstance(net, LipschitzFcos) else ""
        state = {
            key: value.half() if key.startswith(free) and value.is_floating_point() else value
            for key, value in state.items()
        }
    write_tensors(state, meta, path)


def exported(net: Detector, spec: ModelSpec) -> Detector:
    """A copy for prediction: orthogonal layers become ordinary convolutions with exact kernels."""
    return in_plain_layers(net, network_of(spec, exported=True))


def in_plain_layers(net: nn.Module, plain: Net) -> Net:
    """The weights of a network in one of the same parts whose orthogonal layers are ordinary convolutions."""
    modules = dict(plain.named_modules())
    state: dict[str, Tensor] = {}
    for name, module in net.named_modules():
        if isinstance(module, OrthoConv2d):
            assert isinstance(modules[name], nn.Conv2d)
            state |= {f"{name}.{key}": value for key, value in module.cpu().to_plain().state_dict().items()}
    kept = plain.state_dict()
    state |= {key: value for key, value in net.state_dict().items() if key in kept and key not in state}
    plain.load_state_dict(state)
    return plain.eval()


def description_of(path: str | Path) -> Description:
    """What a checkpoint says of itself."""
    return described(read_tensors(path)[1], path)


def trained_airports(about: Description) -> tuple[str, ...] | None:
    """Codes of the airports that a checkpoint says it learnt from; None where it says nothing."""
    return about.airports.train if about.airports and about.airports.train else None


def facts(about: Description) -> dict[str, Any]:
    """What a leaderboard says about a checkpoint: size, work per picture, Lipschitz constant if any."""
    found: dict[str, Any] = {
        "parameters": about.parameters,
        "family": about.spec.family,
        "gmac_per_megapixel": round(multiplications(about.spec) / 1e9, 3),
    }
    return found | ({"lipschitz_constant": about.lipschitz.L} if about.lipschitz else {})


def multiplications(spec: ModelSpec, side_px: int = 1024) -> int:
    """Multiplications of the convolutions of one square picture, counted without computing it."""
    count = 0

    def add(layer: nn.Module, _: Any, answer: Tensor) -> None:
        nonlocal count
        assert isinstance(layer, nn.Conv2d)
        count += answer.numel() * layer.weight[0].numel()

    with torch.device("meta"):
        net = network_of(spec, exported=True).eval()
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d):
                layer.register_forward_hook(add)
        net(torch.empty(1, 3, side_px, side_px))
    return count


def load_detector(path: str | Path, name: str | None = None) -> Checkpoint:
    """Load a detector for prediction; a Lipschitz one is measured again and must match what it claims."""
    return _loaded(path, name, segments=False)


def load_segmenter(path: str | Path) -> Checkpoint:
    """Load a model that answers with masks, as load_detector does one that answers with boxes."""
    return _loaded(path, None, segments=True)


def _loaded(path: str | Path, name: str | None, segments: bool) -> Checkpoint:
    tensors, meta = read_tensors(path)
    about = described(meta, path)
    if name is not None and about.name != name:
        raise ModelError(
            f"{path}: holds model {about.name!r}, expected {name!r}; give the matching checkpoint"
        )
    if about.spec.segments != segments:
        found = f"{path}: family {about.spec.family!r}:"
        raise ModelError(
            f"{found} a detector, which answers with boxes; give a seg or lip-seg model of lard train"
            if segments
            else f"{found} answers with masks, not with boxes; use lard segment, or give a detector"
        )
    net = filled(lambda: network_of(about.spec, exported=True), tensors, path)
    bound = bound_as_claimed(net, about.lipschitz, path) if isinstance(net, LipschitzTrunk) else None
    return Checkpoint(net, about.name, meta, bound)


def bound_as_claimed(net: Certified, claim: Constant | None, path: str | Path) -> LipschitzBound:
    """The constant of a network as it is measured, which must be what its file claims."""
    with naming(path):
        bound = audit(net)
    claimed = claim.L if claim else 0.0
    if not abs(bound.constant - claimed) <= BOUND_TOLERANCE * bound.constant:
        raise ModelError(
            f"{path}: claims Lipschitz constant {claimed:.6f}, its layers measure {bound.constant:.6f};"
            " the file was altered, train the model again"
        )
    return bound


def filled(make: Callable[[], Net], tensors: dict[str, Tensor], path: str | Path) -> Net:
    """The network of a description with a checkpoint's tensors, which must fit it and be finite."""
    with torch.device("meta"):  # no memory before the sizes are known to fit
        sizes = {name: _size(tensor) for name, tensor in make().state_dict().items()}
    found = {name: _size(tensor) for name, tensor in tensors.items()}
    if found != sizes:
        odd = sorted(name for name in {*found, *sizes} if found.get(name) != sizes.get(name))
        raise ModelError(
            f"{path}: tensors do not fit the model it describes ({len(odd)} of them, such as {odd[0][:80]});"
            f" {_REMEDY}"
        )
    # as the network holds them: what is finite in 64 bits need not be so in 32
    broken = sorted(
        name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor.float()).all())
    )
    if broken:
        raise ModelError(f"{path}: tensor {broken[0]} holds no finite numbers; train the model again")
    net = make()
    net.load_state_dict(tensors)
    return net.eval()


def _size(tensor: Tensor) -> tuple[tuple[int, ...], bool]:
    """A tensor's shape, and whether it holds fractions."""
    return tuple(tensor.shape), tensor.is_floating_point()
