"""Exposure, noise and rounding of pictures."""

import math

import numpy as np

from lard.render.kernels.layout import Array, jit


@jit
def develop(colours: Array, first_row: int, gain: float, sigma: float, key: Array, image: Array) -> None:
    """Exposure, noise and rounding to uint8 of rows of a picture.

    Noise of a value is a function of its place and the key (2 words): a hash whose four bytes add up to a
    nearly normal number.
    """
    rows, columns, _ = colours.shape
    per_row = 3 * columns
    values, bytes_out = colours.reshape(rows, per_row), image.reshape(rows, per_row)
    light = np.float32(gain)
    spread = np.float32(sigma / math.sqrt(4.0 * (256.0 * 256.0 - 1.0) / 12.0))
    for j in range(rows):
        base = np.uint32((first_row + j) * per_row)
        if sigma > 0.0:
            for i in range(per_row):
                h = np.uint32(np.uint32(base + np.uint32(i)) ^ key[0])
                h = np.uint32(h ^ (h >> np.uint32(16)))
                h = np.uint32(h * np.uint32(0x7FEB352D))
                h = np.uint32(h ^ (h >> np.uint32(15)))
                h = np.uint32(h * np.uint32(0x846CA68B))
                h = np.uint32(h ^ (h >> np.uint32(16)) ^ key[1])
                h = np.uint32(h * np.uint32(0x9E3779B1))
                h = np.uint32(h ^ (h >> np.uint32(15)))
                pairs = np.uint32((h & np.uint32(0x00FF00FF)) + ((h >> np.uint32(8)) & np.uint32(0x00FF00FF)))
                total = np.int32((pairs & np.uint32(0xFFFF)) + (pairs >> np.uint32(16)))
                value = (
                    values[j, i] * light + (np.float32(total) - np.float32(510.0)) * spread + np.float32(0.5)
                )
                bytes_out[j, i] = np.uint8(min(max(value, np.float32(0.0)), np.float32(255.0)))
        else:
            for i in range(per_row):
                value = values[j, i] * light + np.float32(0.5)
                bytes_out[j, i] = np.uint8(min(max(value, np.float32(0.0)), np.float32(255.0)))
