"""Slurm jobs as workers: a scheduler in this process, and jobs that a short profile describes.

By dask-jobqueue, because lost workers, late ones and live width are then those of any Dask scheduler; a job
per task, as submitit makes them, would be 250,000 jobs for a million frames.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lard.documents import checked, read_yaml
from lard.errors import LardError, SourceError, SpecError
from lard.workers.scheduler import Scheduler, dask_client
from lard.workers.shares import Shares

if TYPE_CHECKING:
    from lard.workers.profile import SlurmProfile


def read_profile(path: str | Path) -> SlurmProfile:
    """A profile of Slurm jobs; SpecError with file, field and remedy."""
    from lard.workers.profile import SlurmProfile

    if not Path(path).is_file():
        raise SpecError(f"{path}: no such Slurm profile; write one (docs/scale.md)")
    return checked(
        SlurmProfile, read_yaml(path, error=SpecError), path, error=SpecError, remedy="see docs/scale.md"
    )


@contextlib.contextmanager
def _own_interrupt() -> Iterator[None]:
    """Keep what Ctrl-C does: dask_jobqueue makes it a plain exit when it is imported."""
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers are set by the main thread alone, by importing modules too
        return
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def slurm_scheduler(path: str, shares: Shares, limit_s: float) -> Scheduler:
    """The workers of a profile's jobs, which end with the work; LardError where Slurm or Dask is absent."""
    profile = read_profile(path)
    dask_client(f"workers 'slurm:{path}' are Dask's")
    try:
        with _own_interrupt():
            from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise LardError(
            f"workers 'slurm:{path}' need dask-jobqueue, which is not installed; pip install 'lard[slurm]'"
        ) from error
    if shutil.which("sbatch") is None:
        raise LardError(
            f"workers 'slurm:{path}': sbatch is not on this machine; run where Slurm's commands are, or name "
            "a number of processes"
        )

    _find_card(profile.interface, path)

    @contextlib.contextmanager
    def connect(_: float) -> Iterator[Any]:
        client_of = dask_client("slurm")
        with contextlib.ExitStack() as stack:
            spare = stack.enter_context(tempfile.TemporaryDirectory(prefix="lard-slurm-"))
            try:
                cluster = stack.enter_context(SLURMCluster(**profile.settings(spare)))
            except (OSError, RuntimeError, ValueError) as error:  # a folder for logs, an address in use
                told = " ".join(str(error).split())[:300]
                raise SourceError(f"{path}: no scheduler of its jobs can start ({told}); mend it") from error
            _try_job(cluster.job_script(), path)
            # as many at all times: others take the place of those that end early
            cluster.adapt(minimum_jobs=profile.jobs, maximum_jobs=profile.jobs, interval="5s")
            with client_of(cluster, set_as_default=False) as client:
                yield client

    return Scheduler(f"slurm:{path}", shares, profile.task_limit_s or limit_s, connect)


def _find_card(interface: str | None, path: str) -> None:
    """SpecError where a profile names a network card that this machine does not have."""
    import psutil  # comes with Dask

    cards = sorted(psutil.net_if_addrs())
    if interface is not None and interface not in cards:
        raise SpecError(
            f"{path}: interface: no network card {interface!r} on this machine; expected {', '.join(cards)}"
        )


def _try_job(script: str, path: str) -> None:
    """SourceError when Slurm says that it would not take the profile's jobs."""
    tried = subprocess.run(
        ["sbatch", "--test-only"], input=script, capture_output=True, text=True, check=False, timeout=120
    )
    if tried.returncode:
        told = "; ".join(line.strip() for line in tried.stderr.splitlines() if line.strip())
        raise SourceError(f"{path}: Slurm takes no such job ({told[:300]}); mend the profile")
