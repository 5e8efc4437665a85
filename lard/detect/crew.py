"""Processes that train together: started here or by torchrun, on CPUs (gloo) or GPUs (nccl)."""

from __future__ import annotations

import contextlib
import datetime
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from lard.errors import LardError, ModelError

PATIENCE = datetime.timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Place:
    """This process's number among those that train together, and its number on this machine."""

    rank: int = 0
    local_rank: int = 0
    world: int = 1

    def device(self, kind: str) -> torch.device:
        """The device of this process: the CPU, or one of the machine's GPUs."""
        if kind == "cpu":
            return torch.device("cpu")
        if not torch.cuda.is_available():
            raise ModelError("train.device: cuda is not available here; set it to cpu")
        return torch.device("cuda", self.local_rank % torch.cuda.device_count())


def torchrun_place() -> Place | None:
    """The place that torchrun gave this process, None when it was not started by torchrun."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    rank, local_rank, world = (int(os.environ[key]) for key in ("RANK", "LOCAL_RANK", "WORLD_SIZE"))
    return Place(rank, local_rank, world)


@contextlib.contextmanager
def joined(name: str, place: Place, kind: str, meeting: str | None) -> Iterator[None]:
    """Membership in the group that meets at a file, or where torchrun's environment says (None)."""
    device = place.device(kind)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    try:
        dist.init_process_group(
            backend,
            init_method=meeting or "env://",
            rank=place.rank,
            world_size=place.world,
            timeout=PATIENCE,
        )
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise ModelError(
            f"{name}: a training process ended early ({error}); see its message above"
        ) from error
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


@contextlib.contextmanager
def crew(name: str, processes: int, kind: str, work: Callable[[Place], object]) -> Iterator[Place]:
    """Start processes 1.. that do `work` while this one is process 0; end them whatever happens."""
    if processes == 1:
        yield Place()
        return
    context = multiprocessing.get_context("spawn")  # file handles and threads do not survive a fork
    with tempfile.TemporaryDirectory(prefix="lard-train-") as folder:
        meeting = f"file://{folder}/store"
        members = [
            context.Process(target=_member, args=(name, Place(rank, rank, processes), kind, work, meeting))
            for rank in range(1, processes)
        ]
        for member in members:
            member.start()
        try:
            with joined(name, Place(0, 0, processes), kind, meeting):
                yield Place(0, 0, processes)
        finally:
            for member in members:
                member.join(timeout=5)
                if member.is_alive():
                    member.terminate()
                    member.join()


def _member(name: str, place: Place, kind: str, work: Callable[[Place], object], meeting: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches process 0, whose end closes the group
    try:
        with joined(name, place, kind, meeting):
            work(place)
    except LardError as error:
        print(f"{name}, process {place.rank}: {error}", file=sys.stderr)


def total(value: Tensor) -> Tensor:
    """Sum of a tensor over all processes, in place."""
    if dist.is_initialized():
        dist.all_reduce(value)
    return value


def all_alike(value: float, device: torch.device) -> bool:
    """Whether every process holds the same number."""
    if not dist.is_initialized():
        return True
    values = [torch.zeros(1, device=device) for _ in range(dist.get_world_size())]
    dist.all_gather(values, torch.tensor([value], device=device))
    return len({float(other) for other in values}) == 1
