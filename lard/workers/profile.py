"""What a profile of Slurm jobs holds."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

_Line = Annotated[str, Field(max_length=1000, pattern=r"^[^\n\r\x00]*$")]
_Word = Annotated[str, Field(max_length=200, pattern=r"^[\w.:@%,=+/-]*$")]


class SlurmProfile(BaseModel):
    """Jobs that serve as workers: `jobs` of them, each with `cores` processes of one thread.

    Only cores, memory and walltime must be given; what is left out is the site's default.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    cores: int = Field(ge=1, le=1024)
    memory: str = Field(pattern=r"^[1-9]\d{0,6} ?(MB|GB|MiB|GiB)$")
    """Of a job; its processes share it."""
    walltime: str = Field(pattern=r"^(\d+-)?\d{1,2}:\d{2}:\d{2}$")
    jobs: int = Field(default=1, ge=1, le=10_000)
    partition: _Word | None = None
    account: _Word | None = None
    interface: _Word | None = None
    """Network card that workers and this process reach each other by, ib0 say."""
    job_script_prologue: tuple[_Line, ...] = Field(default=(), strict=False)
    """Lines of shell before a worker starts: modules, an environment."""
    directives: tuple[_Line, ...] = Field(default=(), strict=False)
    """Further options of sbatch, --constraint=icelake say."""
    python: _Line | None = None
    """The workers' Python; that of this process when absent."""
    logs: _Line | None = None
    """Folder for what jobs print; nothing is kept when absent."""
    scratch: _Line | None = None
    """Folder on the nodes for what workers put aside."""
    task_limit_s: float = Field(default=0.0, ge=0, lt=1e7)

    @property
    def walltime_s(self) -> int:
        """The walltime in seconds."""
        days, _, clock = self.walltime.rpartition("-")
        hours, minutes, seconds = map(int, clock.split(":"))
        return int(days or 0) * 86_400 + hours * 3600 + minutes * 60 + seconds

    def settings(self, spare: str) -> dict[str, Any]:
        """Arguments of dask_jobqueue.SLURMCluster; `spare` is a folder for what nobody asked to keep."""
        # a worker retires before Slurm ends its job, so that no task is cut
        lifetime = ["--lifetime", f"{max(30, round(0.9 * self.walltime_s))}s"]
        return {
            "queue": self.partition,
            "account": self.account,
            "cores": self.cores,
            "processes": self.cores,
            "memory": self.memory,
            "walltime": self.walltime,
            "job_script_prologue": list(self.job_script_prologue),
            "job_extra_directives": list(self.directives),
            "interface": self.interface,
            "log_directory": self.logs or spare,
            "local_directory": self.scratch or "${TMPDIR:-/tmp}",
            "worker_extra_args": [*lifetime, "--lifetime-stagger", "20s", "--no-dashboard"],
            "scheduler_options": {"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            **({"python": self.python} if self.python else {}),
        }
