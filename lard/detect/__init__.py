"""Runway detectors: networks, training, prediction and checkpoints.

`lard.detect.load("checkpoint.pt").detect("photo.jpg")` finds the runways of any picture.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lard.detect.models import Found, Model, load

__all__ = ["Found", "Model", "load"]


def __getattr__(name: str) -> Any:
    """Import torch only when a model is asked for."""
    if name in __all__:
        return getattr(importlib.import_module("lard.detect.models"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
