"""Walks along texels by vectors of channels, beside the same sums in whole numbers."""

import numpy as np
import pytest

from lard.compiled import compiled
from lard.render.kernels.lanes import walk_down, walk_right


@compiled(error_model="numpy")
def down(
    texels: np.ndarray, place: int, pitch: int, length: int, slope: int, starts: np.ndarray, qs: np.ndarray,
    sums: np.ndarray,
) -> None:  # fmt: skip
    walk_down(texels, place, pitch, length, slope, len(starts), starts, qs, sums)  # type: ignore[call-arg]


@compiled(error_model="numpy")
def right(
    texels: np.ndarray, place: int, pitch: int, length: int, slope: int, starts: np.ndarray, qs: np.ndarray,
    sums: np.ndarray,
) -> None:  # fmt: skip
    walk_right(texels, place, pitch, length, slope, len(starts), starts, qs, sums)  # type: ignore[call-arg]


def walks(texels: np.ndarray, length: int, slope: int, starts: list[int], qs: list[int]) -> np.ndarray:
    """Sums (lines, 3) of lines down a square of texels, which both ways to walk must find."""
    found = []
    for walk, along in ((down, texels), (right, texels.T)):
        sums = np.full((3, len(starts) + 2), -1.0)
        flat = np.ascontiguousarray(along).ravel()
        walk(flat, 0, len(texels), length, slope, np.array(starts, float), np.array(qs, float), sums)
        assert (sums[:, len(starts) :] == -1.0).all()
        found.append(sums[:, : len(starts)].T)
    assert (found[0] == found[1]).all()
    return found[0]


def expected(pixels: np.ndarray, first: int, length: int, start: int, q: int, slope: int) -> np.ndarray:
    """Sums over rows first.. of (rows, columns, 3) pixels, blended between two columns; weights of 1/256."""
    last = (start + length) >> 8
    total = np.zeros(3, np.int64)
    for k in range(last + 1):
        weight = 256 - start if k == 0 else (start + length) & 255 if k == last else 256
        column, share = divmod((q + k * slope) >> 8, 256)
        a, b = (pixels[first + k, column + side].astype(np.int64) for side in (0, 1))
        total += weight * (256 * a + (b - a) * share)
    return total


@pytest.mark.parametrize("length", [256, 300, 511, 512, 1500, 40 * 256])
@pytest.mark.parametrize("slope", [0, 20000, -20000])
def test_walks_sum_what_whole_numbers_sum(length: int, slope: int) -> None:
    rng = np.random.default_rng(length)
    pixels = rng.integers(0, 256, (64, 64, 4), np.uint8)
    pixels[..., 3] = 0
    parts = [0, 1, 128, 255, *rng.integers(0, 256, 8).tolist()]
    firsts = rng.integers(0, 20, len(parts)).tolist()
    qs = ((31 << 16) + rng.integers(0, 65536, len(parts))).tolist()
    starts = [256 * first + part for first, part in zip(firsts, parts, strict=True)]
    found = walks(pixels.view("<u4")[..., 0], length, slope, starts, qs)
    for k, part in enumerate(parts):
        assert (found[k] == expected(pixels[..., :3], firsts[k], length, part, qs[k], slope)).all()


def test_a_white_line_sums_to_its_length() -> None:
    texels = np.full((64, 64), 0x00FFFFFF, np.uint32)
    assert (walks(texels, 1000, 900, [256 + 37], [9 << 16]) == 255 * 256 * 1000).all()


def test_a_walk_takes_nothing_from_beyond_its_last_texel() -> None:
    texels = np.zeros((64, 64), np.uint32)
    texels[5:] = 0x00FFFFFF  # a line of 2 texels from row 2 on: rows 2 to 4
    assert (walks(texels, 512, 0, [2 * 256 + 255], [7 << 16]) == 0).all()


def test_no_lines_are_no_walks() -> None:
    assert walks(np.full((64, 64), 0x00FFFFFF, np.uint32), 512, 0, [], []).shape == (0, 3)
