"""The weights that come with the package: how a checkpoint becomes one of them, and how one is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from lard.detect.cards import ZOO, Card, ModelCard, weights_of
from lard.detect.checkpoint import Checkpoint, load_detector, read_tensors, save_detector, write_tensors
from lard.detect.corner_files import CornerCheckpoint
from lard.tables import write_json

_OWN = ("format", "name", "spec", "parameters", "lipschitz", "airports")
"""What a checkpoint says of itself; the rest tells how it was trained."""
_Kind = TypeVar("_Kind", bound=Card)

Shipped = Checkpoint | CornerCheckpoint
"""What can come with the package."""


def adopt(name: str, as_name: str, path: Path) -> None:
    """Write a shipped model's checkpoint under a name of one's own."""
    tensors, meta = read_tensors(weights_of(name))
    write_tensors(tensors, {**meta, "name": as_name}, path)


def ship(checkpoint: str | Path, made_by: str, folder: Path = ZOO) -> ModelCard:
    """Write a checkpoint, float16 wherever no certificate rests on the weights, and its card beside it.

    made_by: the command that makes the checkpoint again.
    """
    loaded = load_detector(checkpoint)
    airports = loaded.meta.get("airports")
    extra = training_of(loaded) | ({"airports": airports} if airports else {})
    weights = folder / f"{loaded.name}.pt"
    save_detector(loaded.net, loaded.name, loaded.net.spec, extra, weights, half=True)
    return write_card(ModelCard, load_detector(weights), made_by, weights)


def training_of(loaded: Shipped) -> dict[str, Any]:
    """How a checkpoint says that it was trained."""
    return {key: value for key, value in loaded.meta.items() if key not in _OWN}


def write_card(
    kind: type[_Kind], shipped: Checkpoint | CornerCheckpoint, made_by: str, weights: Path
) -> _Kind:
    """Write the card of a model as it ships beside its weights."""
    airports = shipped.meta.get("airports") or {}
    card = kind(
        name=shipped.name,
        made_by=made_by,
        family=shipped.net.spec.family,
        parameters=sum(parameter.numel() for parameter in shipped.net.parameters()),
        lipschitz_constant=shipped.bound.constant if shipped.bound else None,
        trained_airports=tuple(airports.get("train", ())),
        validation_airports=tuple(airports.get("validation", ())),
        training=training_of(shipped),
    )
    write_json(card.model_dump(mode="json"), weights.with_suffix(".json"))
    return card
