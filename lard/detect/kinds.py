"""What a checkpoint's model answers with, so that training one kind does not write over another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lard.detect.checkpoint import CORNER_FORMAT, read_tensors
from lard.detect.config import ModelSpec
from lard.detect.corner_spec import CornerSpec
from lard.errors import ModelError

DETECTOR, SEGMENTER, CORNERS = "detector", "segmenter", "corner model"


def kind_of(spec: ModelSpec | CornerSpec) -> str:
    """Detector, segmenter or corner model."""
    if isinstance(spec, CornerSpec):
        return CORNERS
    return SEGMENTER if spec.segments else DETECTOR


def keep_other_kinds(checkpoint: Path, spec: ModelSpec | CornerSpec) -> None:
    """Raise ModelError where training `spec` would write over the checkpoint of another kind of model."""
    if not checkpoint.exists():
        return
    found, wanted = _described(read_tensors(checkpoint)[1]), kind_of(spec)
    if found != wanted:
        raise ModelError(
            f"{checkpoint}: holds a {found}, which a {wanted} would replace; give another folder with --out"
        )


def _described(meta: Mapping[str, Any]) -> str:
    """The kind that a checkpoint's description tells."""
    if meta.get("format") == CORNER_FORMAT:
        return CORNERS
    told = meta.get("spec")
    family = told.get("family") if isinstance(told, Mapping) else None
    return SEGMENTER if family in ("seg", "lip-seg") else DETECTOR
