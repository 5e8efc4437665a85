"""Processes that never outlive this one: the kernel ends them when the thread that started them is gone."""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lard.errors import SourceError

_STOP_S = 5.0


class Child:
    """A child process with its log; ended with its whole group, and by the kernel when its parent dies."""

    def __init__(
        self, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None,
        *, ending: str = "KILL", pass_fds: Sequence[int] = (),
    ) -> None:  # fmt: skip
        """Start the command; `ending` is the signal it gets at the end, or when this thread dies."""
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise SourceError("setpriv is not installed; apt-get install util-linux (Linux only)")
        self.log, self.name = log, Path(command[0]).name
        self._signal = signal.Signals[f"SIG{ending}"]
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [setpriv, "--pdeathsig", ending, "--", *command],
                stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT,
                env=None if env is None else dict(env), pass_fds=tuple(pass_fds), start_new_session=True,
            )  # fmt: skip

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def ended(self) -> str:
        """How it ended, for a message."""
        code = self.process.poll()
        if code is None:
            return "still runs"
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"

    def tail(self, lines: int = 8) -> str:
        """The end of its log."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.is_file() else ""
        last = [line for line in text.splitlines() if line.strip()][-lines:]
        return (
            f"{self.log}:\n" + "\n".join(f"  {line[:300]}" for line in last) if last else f"{self.log}: empty"
        )

    def stop(self) -> None:
        """End it and its group, first politely when that is its way, then for good."""
        for number, wait_s in ((self._signal, _STOP_S), (signal.SIGKILL, _STOP_S)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(wait_s)
                return


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_free(port: int) -> bool:
    """Whether nobody listens on a TCP port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def cache_root() -> Path:
    """Where simulators keep what they build at their first start: $LARD_CACHE or ~/.cache/lard."""
    base = os.environ.get("LARD_CACHE")
    if base:
        return Path(base)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lard"


@contextlib.contextmanager
def own_folder(parent: Path) -> Iterator[Path]:
    """The first numbered folder of `parent` that no other simulator uses, held until the end."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(
            f"{parent}: cannot be made ({os.strerror(error.errno or 0)}); "
            "set LARD_CACHE to a folder with room"
        ) from error
    for number in range(1000):
        folder = parent / f"{number}"
        folder.mkdir(exist_ok=True)
        with (parent / f"{number}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield folder
            return
    raise SourceError(f"{parent}: a thousand folders are in use; stop other runs first")
