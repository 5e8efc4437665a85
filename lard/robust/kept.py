"""What a run keeps of a picture to go on from: arrays in a file, made again where it is damaged."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.robust.certify import Contrast, Reach
from lard.tables import atomic_path

Arrays = dict[str, NDArray[Any]]


def write_arrays(arrays: Mapping[str, Any], path: Path) -> None:
    """Write arrays by name, atomically and with the same bytes for the same."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    with atomic_path(path) as temporary:
        temporary.write_bytes(stream.getvalue())


def read_arrays(path: Path, names: Iterable[str] | None = None, key: str | None = None) -> Arrays | None:
    """The arrays of a file, all or those named; None where there is no file, or a damaged one.

    With a `key`, also None where the file was written under another entry of that name.
    """
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            if key is not None and str(stored["key"]) != key:
                return None
            return {name: stored[name] for name in names or stored.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # half a file of another program, or none of ours: computed again


def reach_arrays(reach: Reach | None) -> dict[str, NDArray[Any]]:
    """The reach of a picture as arrays, empty where it has none."""
    contrast = reach.contrast if reach else None
    return {
        "reach": np.array([reach.constant, reach.rounding] if reach else []),
        "contrast": np.array([contrast.deviation, contrast.values] if contrast else []),
    }


def reach_of(held: Mapping[str, NDArray[Any]]) -> Reach | None:
    """The reach that reach_arrays made arrays of."""
    bounds, seen = held["reach"], held["contrast"]
    contrast = Contrast(float(seen[0]), int(seen[1])) if len(seen) else None
    return Reach(float(bounds[0]), contrast, float(bounds[1])) if len(bounds) else None
