"""Tasks for tests of workers, light to import where these run."""

import os
import signal
import subprocess
import time
from pathlib import Path


def square(number: int) -> int:
    return number * number


def odd_ones_fail(numbers: list[int]) -> list[int]:
    """The numbers of a task: 3 kills its worker, 5 never ends, 7 is refused."""
    from lard.errors import DataError

    if 3 in numbers:
        os.kill(os.getpid(), signal.SIGKILL)
    if 5 in numbers:
        time.sleep(600)
    if 7 in numbers:
        raise DataError("7 is odd")
    return numbers


def killed_once(task: tuple[str, int]) -> int:
    """The number of a task; whoever is first to take number 2 is killed in the midst of it."""
    mark, number = Path(task[0]), task[1]
    if number == 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def job_cancelled_once(task: tuple[str, int]) -> int:
    """The number of a task; the Slurm job of whoever is first to take number 2 is cancelled."""
    mark, number = Path(task[0]), task[1]
    if number == 2 and not mark.exists():
        mark.touch()
        subprocess.run(["scancel", os.environ["SLURM_JOB_ID"]], check=True, timeout=60)
        time.sleep(60)
    return number


def slow(task: tuple[str, int, float]) -> int:
    """The number of a task, after some time; leaves a file that tells that it has begun."""
    folder, number, seconds = task
    (Path(folder) / str(number)).touch()
    time.sleep(seconds)
    return number


def standing(_: int) -> tuple[str, int]:
    """Where a worker stands, and which process it is."""
    time.sleep(0.05)
    return str(Path.cwd()), os.getpid()
