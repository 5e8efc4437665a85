"""Models by name: two families at three widths, the Lipschitz one in three variants.

s is for two CPU cores, m for a small GPU, l has the widths and depths of a ResNet-18 and a fourth level.
`accurate` (the plain name) trains the focal loss on logits times a temperature, which reaches a high average
precision sooner; `robust` asks it for logits beyond an offset on either side of zero and keeps larger radii;
`certified` asks each runway's locations together for as much as its pixels allow, from where they stand.
`seg` and `lip-seg` are the twins of both families that answer with a mask of the runways.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SMALL: dict[str, Any] = {"depths": (1, 1, 2, 2), "pyramid": 32, "side_limits_px": (32.0, 96.0)}
_MEDIUM: dict[str, Any] = {
    "widths": (32, 64, 128, 192),
    "depths": (1, 2, 3, 3),
    "pyramid": 64,
    "side_limits_px": (32.0, 96.0),
}
_LARGE: dict[str, Any] = {
    "widths": (64, 64, 128, 256, 512),
    "depths": (1, 2, 2, 2, 2),
    "pyramid": 128,
    "towers": 4,
    "side_limits_px": (32.0, 96.0, 256.0),
}
_ACCURATE: dict[str, Any] = {"family": "lip-fcos", "loss": "focal", "temperature": 10.0}
_ROBUST: dict[str, Any] = {"family": "lip-fcos", "loss": "focal", "temperature": 20.0, "offset": 0.15}
_MASKS: dict[str, Any] = {"family": "lip-seg", "temperature": 60.0, "offset": 0.04}
_CERTIFIED: dict[str, Any] = {
    "family": "lip-fcos",
    "loss": "bag",
    "temperature": 20.0,
    "centre_radius": 2.5,
    "bag": {"shape": "emma", "share": 0.5, "ramp": 0.5, "background_weight": 2.0},
}
_SIZES: dict[str, tuple[dict[str, Any], dict[str, Any], float]] = {
    # plain, Lipschitz (kernels need more channels to tell as much), peak learning rate
    "s": (_SMALL | {"widths": (16, 32, 64, 96)}, _SMALL | {"widths": (16, 48, 64, 96)}, 2e-3),
    "m": (_MEDIUM, _MEDIUM, 1e-3),
    "l": (_LARGE, _LARGE, 5e-4),
}

PRESETS: dict[str, dict[str, Any]] = {}
"""Parameters of each named model, as they stand in the models section of params.yaml."""
for _size, (_plain, _lipschitz, _rate) in _SIZES.items():
    PRESETS[f"fcos-{_size}"] = {"family": "fcos", "learning_rate": _rate, **_plain}
    PRESETS[f"lip-fcos-{_size}"] = {"learning_rate": _rate, **_lipschitz, **_ACCURATE}
    PRESETS[f"lip-fcos-{_size}-robust"] = {"learning_rate": _rate, **_lipschitz, **_ROBUST}
    PRESETS[f"lip-fcos-{_size}-certified"] = {"learning_rate": _rate, **_lipschitz, **_CERTIFIED}
    if _size != "l":
        PRESETS[f"seg-{_size}"] = {"family": "seg", "learning_rate": _rate, **_plain}
        PRESETS[f"lip-seg-{_size}"] = {"learning_rate": _rate, **_lipschitz, **_MASKS}


def from_preset(given: Any, presets: Mapping[str, Mapping[str, Any]]) -> Any:
    """Parameters as given, over those of the preset that they name as `base`; ValueError where none is."""
    if not isinstance(given, Mapping) or "base" not in given:
        return given
    if not isinstance(given["base"], str) or given["base"] not in presets:
        raise ValueError(f"base {given['base']!r:.40} is none of {', '.join(presets)}")
    return {**presets[given["base"]], **{key: value for key, value in given.items() if key != "base"}}
