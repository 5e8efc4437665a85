"""The parts of a batch that one process computes, in step wherever a layer asks about the whole batch.

A batch is computed in equal parts, however many processes share them, and whatever is added up over the
batch is added part by part in their order. The sums of a step have therefore the same bytes on 1, 2 or 4
processes, which a plain all-reduce (or DistributedDataParallel, which is one) does not give: there the size
of a process's share decides how convolutions sum, and the ring in which order shares are added.

Several parts of one process run on a thread each, one at a time: a part computes until a layer meets the
others, hands on, and goes on when all have met. No two ever compute at once.
"""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from lard.detect.crew import Place, gathered

T = TypeVar("T")


class _Abandoned(RuntimeError):
    """Another part of this process failed."""


class Lockstep:
    """`parts` parts of each batch, of which this process computes those from `place.rank * own` on."""

    def __init__(self, parts: int, place: Place) -> None:
        self.parts, self.place = parts, place
        self.own = parts // place.world
        self.running = False
        self._failed: BaseException | None = None
        self._waiting: list[Tensor] = []
        self._met: Any = None
        self._here = threading.local()
        self._turns: list[threading.Semaphore] = []
        self._threads: concurrent.futures.ThreadPoolExecutor | None = None

    def run(self, work: Callable[[int], T]) -> list[T]:
        """What `work` answers for each part 0 .. own - 1 of this process; the first error of any is raised.

        A single part stays on this thread, as GPUs need: their backward pass has one thread for a device.
        """
        self.running = True
        try:
            return [work(0)] if self.own == 1 else self._in_turn(work)
        finally:
            self.running = False

    def _in_turn(self, work: Callable[[int], T]) -> list[T]:
        if self._threads is None:
            self._threads = concurrent.futures.ThreadPoolExecutor(
                self.own, "part", initializer=torch.set_num_threads, initargs=(1,)
            )
        self._failed, self._waiting, self._met = None, [], None
        self._turns = [threading.Semaphore(0) for _ in range(self.own)]
        futures = [self._threads.submit(self._part, index, work) for index in range(self.own)]
        self._turns[0].release()
        try:
            concurrent.futures.wait(futures)
        except BaseException as error:  # Ctrl-C reaches this thread alone
            self._give_up(error)
            concurrent.futures.wait(futures)
            raise
        if self._failed is not None:
            raise self._failed
        return [future.result() for future in futures]

    def _part(self, index: int, work: Callable[[int], T]) -> T:
        self._await_turn(index)
        self._here.index = index
        try:
            found = work(index)
        except BaseException as error:
            self._give_up(error)
            raise
        if index + 1 < self.own:
            self._turns[index + 1].release()
        return found

    def _await_turn(self, index: int) -> None:
        self._turns[index].acquire()
        if self._failed is not None:
            raise _Abandoned

    def _give_up(self, error: BaseException) -> None:
        """Wake all parts, each to end where it stands."""
        if self._failed is None:
            self._failed = error
            for turn in self._turns:
                turn.release()

    def meet(self, value: Tensor, joined: Callable[[Tensor], T]) -> T:
        """What `joined` makes, once, of the values that all parts bring, in their order: (parts, *shape)."""
        if self.own == 1:
            return joined(gathered(value[None]))
        index: int = self._here.index
        self._waiting.append(value)
        if index + 1 < self.own:
            self._turns[index + 1].release()
        else:
            self._met = joined(gathered(torch.stack(self._waiting)))
            self._waiting = []
            self._turns[0].release()
        self._await_turn(index)
        met: T = self._met
        return met
