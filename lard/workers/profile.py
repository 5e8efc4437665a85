"""What a profile of Slurm jobs holds."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_Line = Annotated[str, Field(max_length=1000, pattern=r"^[^\n\r\x00]*$")]
_Place = Annotated[str, Field(max_length=1000, pattern=r"^[^\n\r\x00]+$")]
_LEAST_MB, _MOST_MB = 100, 100e6
"""Memory of a process that has read what it works with at the least, of a job at the most."""
_LEAST_S = 60
_Word = Annotated[str, Field(max_length=200, pattern=r"^[\w.:@%,=+/-]+$")]


class SlurmProfile(BaseModel):
    """Jobs that serve as workers: `jobs` of them, each with `cores` processes of one thread.

    Only cores, memory and walltime must be given; what is left out is the site's default.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    cores: int = Field(ge=1, le=1024)
    memory: str = Field(pattern=r"^[1-9][0-9]{0,6} ?(MB|GB|MiB|GiB)$")
    """Of a job; its processes share it."""
    walltime: str = Field(pattern=r"^([0-9]{1,3}-)?[0-9]{1,2}:[0-5][0-9]:[0-5][0-9]$")
    jobs: int = Field(default=1, ge=1, le=10_000)
    partition: _Word | None = None
    account: _Word | None = None
    interface: _Word | None = None
    """Network card that workers and this process reach each other by, ib0 say."""
    job_script_prologue: tuple[_Line, ...] = Field(default=(), max_length=1000, strict=False)
    """Lines of shell before a worker starts: modules, an environment."""
    directives: tuple[_Line, ...] = Field(default=(), max_length=1000, strict=False)
    """Further options of sbatch, --constraint=icelake say."""
    python: _Place | None = None
    """The workers' Python; that of this process when absent."""
    logs: _Place | None = None
    """Folder for what jobs print; nothing is kept when absent."""
    scratch: _Place | None = None
    """Folder on the nodes for what workers put aside."""
    task_limit_s: float = Field(default=0.0, ge=0, lt=1e7)

    @field_validator("walltime")
    @classmethod
    def _some_time(cls, walltime: str) -> str:
        # 0 would be Slurm's word for no limit, and workers retire by it
        if _seconds(walltime) < _LEAST_S:
            raise ValueError(f"expected at least {_LEAST_S} s, as hours:minutes:seconds")
        return walltime

    @model_validator(mode="after")
    def _enough_memory(self) -> SlurmProfile:
        number, unit = re.fullmatch(r"([0-9]+) ?(\w+)", self.memory).groups()  # type: ignore[union-attr]
        job_mb = int(number) * {"MB": 1, "GB": 1e3, "MiB": 2**20 / 1e6, "GiB": 2**30 / 1e6}[unit]
        if not _LEAST_MB * self.cores <= job_mb <= _MOST_MB:
            raise ValueError(
                f"memory {self.memory} for the {self.cores} processes of a job; expected at least "
                f"{_LEAST_MB} MB each (1 to 2 GB to work well) and at most {_MOST_MB / 1e6:.0f} TB in all"
            )
        return self

    @property
    def walltime_s(self) -> int:
        """The walltime in seconds."""
        return _seconds(self.walltime)

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


def _seconds(walltime: str) -> int:
    """Seconds of [days-]hours:minutes:seconds."""
    days, _, clock = walltime.rpartition("-")
    hours, minutes, seconds = map(int, clock.split(":"))
    return int(days or 0) * 86_400 + hours * 3600 + minutes * 60 + seconds
