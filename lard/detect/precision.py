"""The arithmetic that networks are computed in: float32, or bfloat16 where the device has it."""

from __future__ import annotations

import torch

from lard.detect.config import Precision


def arithmetic(precision: Precision, device: str) -> Precision:
    """As asked, or for `auto` bfloat16 where the device computes in it (AVX512-BF16, AMX, CUDA from 8.0)."""
    if precision != "auto":
        return precision
    if device == "cuda":
        native = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if native else "float32"


def computed_in(precision: Precision, device: str) -> torch.autocast:
    """A context in which networks answer in that arithmetic."""
    return torch.autocast(device, torch.bfloat16, enabled=arithmetic(precision, device) == "bfloat16")
