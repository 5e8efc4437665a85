"""Finds made smaller: parts of the damaged input that the fault does not need are taken away."""

from __future__ import annotations

import time
from collections.abc import Callable


def smallest(raw: bytes, still: Callable[[bytes], bool], limit_s: float = 20.0) -> bytes:
    """The shortest input found within the time that still shows the fault; parts are halved until bytes."""
    end = time.monotonic() + limit_s
    part = len(raw) // 2
    while part >= 1 and time.monotonic() < end:
        at, shorter = 0, False
        while at < len(raw) and time.monotonic() < end:
            tried = raw[:at] + raw[at + part :]
            if len(tried) < len(raw) and still(tried):
                raw, shorter = tried, True
            else:
                at += part
        part = part if shorter and part > 1 else part // 2
    return raw
