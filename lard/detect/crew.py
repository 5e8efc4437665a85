"""Processes that train together: started here, by torchrun or by a scheduler; gloo on CPUs, nccl on GPUs."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lard.errors import LardError, ModelError

PATIENCE = datetime.timedelta(minutes=10)
ROLL_CALL_S = 2.0
"""What the processes left have to say so when one has ended."""


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


class Lost(ModelError):
    """A process of those that train together has ended before the others."""

    def __init__(self, name: str, ranks: Mapping[int, str], reason: str) -> None:
        self.name, self.ranks, self.reason = name, ranks, reason
        who = ", ".join(f"process {rank} on {host}" for rank, host in ranks.items()) or "a training process"
        super().__init__(f"{name}: {who} ended early ({reason})")


def given_place(environment: Mapping[str, str] = os.environ) -> Place | None:
    """The place that torchrun, or a scheduler in its way, gave this process; None when it was started alone.

    Both say RANK and WORLD_SIZE; where the processes meet is MASTER_ADDR and MASTER_PORT.
    """
    if "RANK" not in environment or "WORLD_SIZE" not in environment:
        return None
    missing = [key for key in ("MASTER_ADDR", "MASTER_PORT") if not environment.get(key)]
    if missing:
        raise ModelError(
            f"{' and '.join(missing)}: not set, though RANK and WORLD_SIZE are; set them to the host and a"
            " free port of process 0, or start the processes by torchrun"
        )
    numbers = []
    for key in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        text = environment.get(key, environment["RANK"])
        if not (text.isascii() and text.isdigit()):
            raise ModelError(f"{key}: found {text!r} in the environment; expected a whole number")
        numbers.append(int(text))
    rank, world, local_rank = numbers
    if not rank < world:
        raise ModelError(f"RANK: found {rank} with WORLD_SIZE {world}; expected 0 to {world - 1}")
    return Place(rank, local_rank, world)


@contextlib.contextmanager
def joined(name: str, place: Place, kind: str, meeting: str | None) -> Iterator[None]:
    """Membership in the group that meets at a file, or where the environment says (None).

    Raises Lost, with the processes that are gone, where one ends before the others.
    """
    device = place.device(kind)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    store = _meet(name, place, meeting)
    try:
        dist.init_process_group(
            backend, store=store, rank=place.rank, world_size=place.world, timeout=PATIENCE
        )
        store.set(f"host/{place.rank}", socket.gethostname())
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        if dist.is_initialized():
            dist.destroy_process_group()  # those that wait for this one learn of it
        raise Lost(name, _absent(store, place), " ".join(str(error).split())[:200]) from error
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _meet(name: str, place: Place, meeting: str | None) -> dist.Store:
    """The store through which the processes find each other."""
    if meeting is not None:
        return dist.FileStore(meeting, place.world)
    where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    try:
        return next(iter(dist.rendezvous("env://", timeout=PATIENCE)))[0]
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        if "EADDRINUSE" in reason or "address already in use" in reason:
            raise ModelError(
                f"MASTER_PORT: {where} is in use on this machine; set it to a free port, the same for all"
            ) from error
        raise ModelError(
            f"{name}: process {place.rank} finds nobody at MASTER_ADDR:MASTER_PORT {where} ({reason[:200]});"
            f" start all {place.world} processes and let them reach that host"
        ) from error


def _absent(store: dist.Store, place: Place) -> dict[int, str]:
    """Rank and host of the processes that do not say they are left; none where no one can be asked."""
    found = {}
    ends = time.monotonic() + ROLL_CALL_S
    try:
        store.set(f"left/{place.rank}", "")
        for rank in range(place.world):
            room = datetime.timedelta(seconds=max(0.1, ends - time.monotonic()))
            try:
                store.wait([f"left/{rank}"], room)
            except RuntimeError:
                known = store.check([f"host/{rank}"])
                found[rank] = store.get(f"host/{rank}").decode() if known else "an unknown host"
    except RuntimeError:  # who kept the store is gone as well
        return {}
    return found


@contextlib.contextmanager
def crew(name: str, processes: int, kind: str, work: Callable[[Place], object]) -> Iterator[Place]:
    """Start processes 1.. that do `work` while this one is process 0; end them whatever happens."""
    if processes == 1:
        yield Place()
        return
    context = multiprocessing.get_context("spawn")  # file handles and threads do not survive a fork
    with tempfile.TemporaryDirectory(prefix="lard-train-") as folder:
        meeting = f"{folder}/store"
        members = [
            context.Process(target=_member, args=(name, Place(rank, rank, processes), kind, work, meeting))
            for rank in range(1, processes)
        ]
        for member in members:
            member.start()
        try:
            with joined(name, Place(0, 0, processes), kind, meeting):
                yield Place(0, 0, processes)
        except Lost as error:
            raise Lost(name, error.ranks, _ends(members, error)) from error
        finally:
            for member in members:
                member.join(timeout=5)
                if member.is_alive():
                    member.terminate()
                    member.join()


def _ends(members: list[Any], error: Lost) -> str:
    """How the processes that are gone have ended."""
    found = []
    for rank in error.ranks:
        member = members[rank - 1]
        member.join(timeout=5)
        if member.exitcode is not None and member.exitcode < 0:
            found.append(f"by {signal.Signals(-member.exitcode).name}")
        elif member.exitcode:
            found.append("see its message above")
    return ", ".join(found) or error.reason


def _member(name: str, place: Place, kind: str, work: Callable[[Place], object], meeting: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches process 0, whose end closes the group
    try:
        with joined(name, place, kind, meeting):
            work(place)
    except Lost as error:
        if not error.ranks:  # else process 0 tells, or is the one that is gone
            print(f"{name}, process {place.rank}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except LardError as error:
        print(f"{name}, process {place.rank}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def total(value: Tensor) -> Tensor:
    """Sum of a tensor over all processes, in place."""
    if dist.is_initialized():
        dist.all_reduce(value)
    return value


def gathered(rows: Tensor) -> Tensor:
    """The rows of all processes, in the order of their ranks: (k, ...) -> (k * world, ...)."""
    if not dist.is_initialized():
        return rows
    everyone = [
        torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())
    ]
    dist.all_gather(everyone, rows.contiguous())
    return torch.cat(everyone)


def summed(rows: Tensor) -> Tensor:
    """The sum of the rows (k, n) of all processes in the order of ranks and rows, on every one: (n,).

    Each process adds up its piece of all rows, so that what is sent and kept does not grow with their number.
    """
    if not dist.is_initialized():
        return in_order(rows)
    world, (count, length) = dist.get_world_size(), rows.shape
    rows = torch.nn.functional.pad(rows, (0, -length % world))
    pieces = rows.view(count, world, -1).transpose(0, 1).contiguous()
    own = torch.empty_like(pieces)
    dist.all_to_all_single(own, pieces)
    return gathered(in_order(own.flatten(0, 1))[None]).flatten()[:length]


def in_order(rows: Tensor) -> Tensor:
    """Sum over the first axis, from its first row to its last: (n, ...) -> (...)."""
    found = rows[0].clone()
    for row in rows[1:]:
        found += row
    return found


def largest(value: int, device: torch.device) -> int:
    """The largest of the numbers that the processes hold."""
    if not dist.is_initialized():
        return value
    found = torch.tensor([value], device=device)
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return int(found[0])


def told_by_first(thing: Any, place: Place) -> Any:
    """What the first process holds, on every one."""
    if not dist.is_initialized():
        return thing
    box = [thing if place.rank == 0 else None]
    dist.broadcast_object_list(box)
    return box[0]


def told_by_all(thing: Any) -> list[Any]:
    """What every process holds, by rank."""
    if not dist.is_initialized():
        return [thing]
    box: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(box, thing)
    return box


def strangers(net: nn.Module) -> list[int]:
    """Ranks whose network differs from that of the first process by a bit."""
    if not dist.is_initialized():
        return []
    digest = hashlib.sha256()
    for value in net.state_dict().values():
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    own = torch.tensor([int.from_bytes(digest.digest()[:7], "big")])
    every = gathered(own.to(next(net.parameters()).device)).tolist()
    return [rank for rank, one in enumerate(every) if one != every[0]]
