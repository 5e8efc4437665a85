"""Walks along texels by vectors of channels, beside the same sums in whole numbers."""

import numpy as np
import pytest

from lard.compiled import compiled
from lard.render.kernels.lanes import walk


@compiled(error_model="numpy")
def one_walk(
    texels: np.ndarray, index: int, step: int, side: int, length: int, start: int, q: int, slope: int
) -> tuple[float, float, float]:
    return walk(texels, index, step, side, length, start, q, slope)  # type: ignore[call-arg, return-value]


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
@pytest.mark.parametrize("down", [True, False])
def test_a_walk_sums_what_whole_numbers_sum(length: int, down: bool) -> None:
    rng = np.random.default_rng(length)
    pixels = rng.integers(0, 256, (64, 64, 4), np.uint8)
    pixels[..., 3] = 0
    texels = pixels.view("<u4")[..., 0]
    flat = np.ascontiguousarray(texels if down else texels.T).ravel()
    step, side = (64, 1) if down else (1, 64)
    for start in (0, 1, 128, 255, *rng.integers(0, 256, 8).tolist()):
        for slope in (0, 20000, -20000):
            first, q = 3, (31 << 16) + int(rng.integers(0, 65536))
            found = one_walk(flat, first * step, step, side, length, start, q, slope)
            assert found == tuple(expected(pixels[..., :3], first, length, start, q, slope))


def test_a_white_line_sums_to_its_length() -> None:
    texels = np.full(64 * 64, 0x00FFFFFF, np.uint32)
    assert one_walk(texels, 64, 64, 1, 1000, 37, 9 << 16, 900) == (255 * 256 * 1000,) * 3


def test_a_walk_reads_no_texel_beyond_its_last() -> None:
    """The last one lies `length` after the start, or one further; no read goes past it and its neighbour."""
    texels = np.zeros(64 * 64, np.uint32)
    texels[5 * 64 :] = 0x00FFFFFF  # a line of 2 texels from row 2 on: rows 2 to 4
    assert one_walk(texels, 2 * 64, 64, 1, 512, 255, 7 << 16, 0) == (0.0, 0.0, 0.0)
