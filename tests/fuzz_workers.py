"""Processes that stand in for the fuzzer's worker: they report cases without running anything."""

from __future__ import annotations

import os
import time
from multiprocessing.connection import Connection
from pathlib import Path

from fuzz.readers import cases


def lost(to: Connection, seeds: Path, folder: Path, seed: int, first: int, only: str) -> None:
    """Dies in cases 3 and 7, and ends well after case 5, as after a panic of the table library."""
    for number, index in cases(seed, first, only):
        _begin(to, number, index)
        if number in (3, 7):
            os._exit(1)
        to.send(("end", number, [], 0))
        if number == 5:
            return


def silent(to: Connection, seeds: Path, folder: Path, seed: int, first: int, only: str) -> None:
    """Finds nothing, for ever."""
    for number, index in cases(seed, first, only):
        _begin(to, number, index)
        time.sleep(0.01)
        to.send(("end", number, [], 0))


def missing(*_: object) -> None:
    """Ends before it has done anything."""
    os._exit(9)


def _begin(to: Connection, number: int, index: int) -> None:
    to.send(("start", number, index))
    to.send(("damaged", number, b"%d" % number))
