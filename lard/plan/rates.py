"""Rates of the stages, fitted to runs of two or three sizes; the file of them.

A stage takes a fixed part per process and one per unit. The first frames of an airport may take more than
those that follow: ground has to be read, and some comparisons are of so many pictures of an airport, no more.
"""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from itertools import pairwise
from math import isclose
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from lard import __version__
from lard.documents import checked, read_json
from lard.errors import DataError, naming
from lard.plan.stages import STAGES, TABLES_OF
from lard.tables import write_json

FORMAT = "lard plan rates 2"
Quantity = Literal["cpu_s", "wall_s", "peak_mib", "bytes", "files"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
Amount = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
HOW = "measure here: lard plan --measure --out rates.json"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Spent(_Model):
    """What a run or a unit of work takes: processor and clock seconds, peak MiB of a process, outputs."""

    cpu_s: Amount
    wall_s: Amount
    peak_mib: Amount
    bytes: Amount
    files: Amount


class Run(Spent):
    """One timed run of `units` airports, frames or steps."""

    units: Annotated[int, Field(ge=0)]


class Rate(_Model):
    """What a stage takes, and the runs that it comes from.

    `fixed` once per process, `each` per unit, and `first` besides for each of the first `knee` units of an
    airport; where an airport is shared, every process has its own first ones.
    """

    unit: Literal["airport", "frame", "step"]
    fixed: Spent
    each: Spent
    first: Spent
    knee: Annotated[int, Field(ge=0)]
    runs: Annotated[list[Run], Field(min_length=2)]

    def of(self, quantity: Quantity, units: float, processes: int = 1, airports: int = 1) -> float:
        """What `units` of work at so many airports take in all when so many processes share them."""
        fixed, each, first = (getattr(part, quantity) for part in (self.fixed, self.each, self.first))
        early = min(units, self.knee * max(airports, processes))
        return float(fixed * processes + each * units + first * early)

    @property
    def spread(self) -> float | None:
        """By what share of their median processor times of equal runs of the larger size lie apart."""
        most = max(run.units for run in self.runs)
        times = [run.cpu_s for run in self.runs if run.units == most]
        return (max(times) - min(times)) / statistics.median(times) if len(times) > 1 else None

    @property
    def most_mib(self) -> float:
        """Largest peak of the runs."""
        return max(run.peak_mib for run in self.runs)


class Machine(_Model):
    """What rates depend on besides the code."""

    processor: str
    cores: Annotated[int, Field(ge=1)]
    memory_gib: Annotated[int, Field(ge=0)]
    system: str
    python: str


class Rates(_Model):
    """A rates file."""

    format: Literal["lard plan rates 2"] = FORMAT  # type: ignore[assignment]
    lard_version: str
    machine: Machine
    airports: list[str]
    models: dict[str, str]
    stages: dict[str, Rate]
    frame_log_sd: Annotated[float, Field(ge=0, le=5, allow_inf_nan=False)]
    """Standard deviation of the logarithm of the time between one picture and the next."""
    scheduler_ms: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
    """Time of the giving process per task of no work."""
    scheduler: str
    store_mb_s: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
    """Megabytes (10^6) per second written in files of a picture's size."""


def fitted(unit: Literal["airport", "frame", "step"], runs: Sequence[Run], airports: int = 1) -> Rate:
    """A rate from the medians of runs of two sizes, a line, or of three, a line that bends at the second.

    The frames of each run lie at so many airports.

    No part is below zero; where units beyond the second size take more than those before, it is straight.
    """
    sizes = sorted({run.units for run in runs})
    if len(sizes) not in (2, 3):
        raise DataError(
            f"runs of {len(sizes)} sizes; expected two or three, which part fixed from per {unit}"
        )
    fixed, each, first = {}, {}, {}
    for name in QUANTITIES:
        took = [statistics.median(getattr(run, name) for run in runs if run.units == size) for size in sizes]
        slopes = [
            max((high - low) / (many - few), 0.0)
            for (few, low), (many, high) in pairwise(zip(sizes, took, strict=True))
        ]
        if slopes[0] < slopes[-1]:
            slopes = [max((took[-1] - took[0]) / (sizes[-1] - sizes[0]), 0.0)]
        each[name], first[name] = slopes[-1], slopes[0] - slopes[-1]
        fixed[name] = max(took[0] - slopes[0] * sizes[0], 0.0)
    return Rate(
        unit=unit,
        fixed=Spent(**fixed),
        each=Spent(**each),
        first=Spent(**first),
        knee=sizes[1] // airports if len(sizes) == 3 else 0,
        runs=list(runs),
    )


def this_machine() -> Machine:
    """The machine this runs on."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [
            line.split(":", 1)[1].strip()
            for line in cpuinfo.read_text(errors="replace").splitlines()
            if line.startswith("model name")
        ]
        processor = names[0] if names else processor
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        processor=processor,
        cores=os.cpu_count() or 1,
        memory_gib=round(memory / 2**30),
        system=f"{platform.system()} {platform.machine()}",
        python=".".join(platform.python_version_tuple()[:2]),
    )


def described(machine: Machine) -> str:
    """A machine in words."""
    return (
        f"{machine.processor}, {machine.cores} cores, {machine.memory_gib} GiB, {machine.system}, "
        f"Python {machine.python}"
    )


def write_rates(rates: Rates, path: Path) -> None:
    """Write a rates file."""
    write_json(rates.model_dump(mode="json"), path)


def is_rates(document: object) -> bool:
    """Whether a JSON document is a rates file of any version."""
    return isinstance(document, dict) and str(document.get("format", "")).startswith("lard plan rates")


def _near(one: Spent, other: Spent) -> bool:
    """Whether two costs are the same but for the rounding of other machines."""
    return all(
        isclose(getattr(one, name), getattr(other, name), rel_tol=1e-6, abs_tol=1e-6) for name in QUANTITIES
    )


def read_rates(path: Path, foreign: bool = False) -> Rates:
    """The rates of a file; DataError unless all stages are there, follow from their runs, and are of this
    version and machine.

    `foreign` lets rates of another version of lard or another machine pass.
    """
    if not path.is_file():
        raise DataError(f"{path}: no rates here, and none ship, as each machine has its own; {HOW}")
    rates = checked(Rates, read_json(path), path, remedy=HOW)
    needed = [*(stage.name for stage in STAGES if not stage.optional), *TABLES_OF.values()]
    missing = [name for name in needed if name not in rates.stages]
    if missing:
        raise DataError(f"{path}: stages: {', '.join(missing)} missing; {HOW}")
    units = {stage.name: stage.unit for stage in STAGES} | dict.fromkeys(TABLES_OF.values(), "frame")
    for name, rate in rates.stages.items():
        if name not in units:
            raise DataError(f"{path}: stages.{name}: no such stage, expected {', '.join(units)}; {HOW}")
        if rate.unit != units[name]:
            raise DataError(f"{path}: stages.{name}.unit is {rate.unit}, expected {units[name]}; {HOW}")
        with naming(f"{path}: stages.{name}.runs"):
            told = fitted(rate.unit, rate.runs, max(len(rates.airports), 1))
        if rate.knee != told.knee:
            raise DataError(f"{path}: stages.{name}.knee is not what its runs come to; {HOW}")
        for part in ("fixed", "each", "first"):
            if not _near(getattr(rate, part), getattr(told, part)):
                raise DataError(f"{path}: stages.{name}.{part} is not what its runs come to; {HOW}")
    here, faults = this_machine(), []
    if rates.lard_version != __version__:
        faults.append(f"{path}: lard_version is {rates.lard_version}, this is {__version__}")
    if rates.machine != here:
        faults.append(f"{path}: machine is {described(rates.machine)}, this is {described(here)}")
    if faults and not foreign:
        raise DataError("\n".join(f"{fault}; {HOW}, or say --foreign" for fault in faults))
    return rates
