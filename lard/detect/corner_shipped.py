"""Corner models that come with the package: how a checkpoint becomes one of them."""

from __future__ import annotations

from pathlib import Path

from lard.detect.cards import CORNERS, ZOO, CornerCard
from lard.detect.corner_files import load_corner_checkpoint, save_corners
from lard.tables import write_json

_OWN = ("format", "name", "spec", "parameters", "lipschitz", "airports")
"""What a checkpoint says of itself; the rest tells how it was trained."""


def ship_corners(checkpoint: str | Path, made_by: str, folder: Path | None = None) -> CornerCard:
    """Write a corner model, float16 where no constant rests on the weights, and its card beside it.

    made_by: the command that makes the checkpoint again; folder: instead of that of the package.
    """
    folder = folder or ZOO / CORNERS
    loaded = load_corner_checkpoint(checkpoint)
    told = {key: value for key, value in loaded.meta.items() if key not in _OWN}
    airports = loaded.meta.get("airports") or {}
    weights = folder / f"{loaded.name}.pt"
    save_corners(loaded.net, loaded.name, {**told, "airports": airports}, weights, half=True)
    halved = load_corner_checkpoint(weights)
    card = CornerCard(
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
