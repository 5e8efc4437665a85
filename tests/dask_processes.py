"""A Dask scheduler and its workers as processes of their own, in a folder of their own, for tests."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest


class Processes:
    """Starts parts of a cluster and ends them; `folder` is where they stand."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = port or free.getsockname()[1]
        self.folder, self.started = folder, list[subprocess.Popen[bytes]]()
        self.address = f"tcp://127.0.0.1:{self.port}"

    def start(self, part: str, *words: str, before: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        """Start dask scheduler or worker; `before` is put before the command."""
        path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
        command = [*before, sys.executable, "-m", f"distributed.cli.dask_{part}", *words, "--no-dashboard"]
        environment = {
            **os.environ, "PYTHONPATH": path, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
        }  # fmt: skip
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=quiet, stderr=quiet)
        self.started.append(process)
        return process

    def scheduler(self) -> subprocess.Popen[bytes]:
        """Start the scheduler, and wait until it answers."""
        process = self.start("scheduler", "--host", "127.0.0.1", "--port", str(self.port))
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return process
        pytest.fail(f"no scheduler at {self.address} within 60 s")

    def worker(self, *words: str, before: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        """Start a worker of one thread."""
        return self.start("worker", self.address, "--nthreads", "1", *words, before=before)

    def end(self) -> None:
        """End all of them."""
        for process in self.started:
            process.terminate()  # a nanny takes its worker with it
        for process in self.started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
