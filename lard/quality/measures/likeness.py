"""Which pictures look alike, as they are or mirrored: copies that were saved anew, or made to swell a set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.quality.measures.pictures import SKETCH_PX, gradient_bits

Codes = NDArray[np.uint8]
Sketches = NDArray[np.uint8]
Pair = tuple[str, str, int]

TURNS: dict[str, Callable[[Sketches], Sketches]] = {
    "mirrored left-right": lambda s: s[:, :, ::-1],
    "mirrored upside down": lambda s: s[:, ::-1],
    "rotated by 180 degrees": lambda s: s[:, ::-1, ::-1],
}
BANDS = 16


def near_pairs(pictures: pl.DataFrame, bits: int) -> list[Pair]:
    """Pairs of pictures whose look hashes differ in at most `bits` bits; at most 15."""
    codes = np.array([list(bytes.fromhex(h)) for h in pictures["look_hash"].to_list()], np.uint8)
    return _pairs(pictures["image"].to_list(), codes, codes, bits)


def turned_pairs(pictures: pl.DataFrame, bits: int) -> list[tuple[str, str, str]]:
    """Pairs of pictures of which the second looks like the first turned, and how; each pair once."""
    known = pictures.drop_nulls("sketch")
    if len(known) < 2:
        return []
    raw = np.stack([np.frombuffer(sketch, np.uint8) for sketch in known["sketch"]])
    sketches = raw.reshape(-1, SKETCH_PX, SKETCH_PX)
    names, codes = known["image"].to_list(), _codes(sketches)
    found: dict[tuple[str, str], str] = {}
    for turn, change in TURNS.items():
        for a, b, _ in _pairs(names, _codes(change(sketches)), codes, bits):
            found.setdefault((a, b), turn)
    return [(a, b, turn) for (a, b), turn in sorted(found.items())]


def _codes(sketches: Sketches) -> Codes:
    """Gradient hashes (n, 32) of sketches, as those of pictures are made."""
    return np.stack([gradient_bits(np.ascontiguousarray(sketch)) for sketch in sketches])


def _pairs(names: list[str], first: Codes, second: Codes, bits: int) -> list[Pair]:
    """Pairs (a, b, bits) of different pictures, one hash of the first and one of the second kind.

    Two hashes of 16 bands that differ in fewer bits than there are bands agree in at least one band.
    """
    if len(names) < 2:
        return []
    pairs: dict[tuple[int, int], int] = {}
    for band in range(BANDS):
        groups: dict[bytes, list[int]] = defaultdict(list)
        for k, code in enumerate(second[:, 2 * band : 2 * band + 2]):
            groups[code.tobytes()].append(k)
        for i, code in enumerate(first[:, 2 * band : 2 * band + 2]):
            members = np.array(groups.get(code.tobytes(), []), np.int64)
            members = members[members > i] if first is second else members[members != i]
            distance = np.unpackbits(second[members] ^ first[i], axis=1).sum(axis=1)
            for j in np.flatnonzero(distance <= bits):
                pairs[min(i, int(members[j])), max(i, int(members[j]))] = int(distance[j])
    return [(names[i], names[j], distance) for (i, j), distance in sorted(pairs.items())]
