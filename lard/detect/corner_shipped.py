"""Corner models that come with the package: how a checkpoint becomes one of them."""

from __future__ import annotations

from pathlib import Path

from lard.detect.cards import CORNERS, ZOO, CornerCard
from lard.detect.corner_files import load_corner_checkpoint, save_corners
from lard.detect.shipped import training_of, write_card


def ship_corners(checkpoint: str | Path, made_by: str, folder: Path | None = None) -> CornerCard:
    """Write a corner model, float16 where no constant rests on the weights, and its card beside it.

    made_by: the command that makes the checkpoint again; folder: instead of that of the package.
    """
    folder = folder or ZOO / CORNERS
    loaded = load_corner_checkpoint(checkpoint)
    extra = {**training_of(loaded), "airports": loaded.meta.get("airports") or {}}
    weights = folder / f"{loaded.name}.pt"
    save_corners(loaded.net, loaded.name, extra, weights, half=True)
    return write_card(CornerCard, load_corner_checkpoint(weights), made_by, weights)
