"""The weights that come with the package: how a checkpoint becomes one of them, and how one is taken."""

from __future__ import annotations

from pathlib import Path

from lard.detect.cards import ZOO, ModelCard, weights_of
from lard.detect.checkpoint import load_detector, read_tensors, save_detector, write_tensors
from lard.tables import write_json

_OWN = ("format", "name", "spec", "parameters", "lipschitz", "airports")
"""What a checkpoint says of itself; the rest tells how it was trained."""


def adopt(name: str, as_name: str, path: Path) -> None:
    """Write a shipped model's checkpoint under a name of one's own."""
    tensors, meta = read_tensors(weights_of(name))
    write_tensors(tensors, {**meta, "name": as_name}, path)


def ship(checkpoint: str | Path, made_by: str, folder: Path = ZOO) -> ModelCard:
    """Write a checkpoint, float16 wherever no certificate rests on the weights, and its card beside it.

    made_by: the command that makes the checkpoint again.
    """
    loaded = load_detector(checkpoint)
    told = {key: value for key, value in loaded.meta.items() if key not in _OWN}
    airports = loaded.meta.get("airports") or {}
    extra = {**told, "airports": airports} if airports else told
    weights = folder / f"{loaded.name}.pt"
    save_detector(loaded.net, loaded.name, loaded.net.spec, extra, weights, half=True)
    halved = load_detector(weights)
    card = ModelCard(
        name=loaded.name,
        made_by=made_by,
        family=loaded.net.spec.family,
        parameters=sum(parameter.numel() for parameter in loaded.net.parameters()),
        lipschitz_constant=halved.bound.constant if halved.bound else None,
        trained_airports=tuple(airports.get("train", ())),
        validation_airports=tuple(airports.get("validation", ())),
        training=told,
    )
    write_json(card.model_dump(mode="json"), weights.with_suffix(".json"))
    return card
