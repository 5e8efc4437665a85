"""Rates of the stages, fitted to runs of two sizes or more; the file of them.

A stage takes a fixed part per process and one per unit. The first frames may take more than those that
follow: of each airport ground has to be read, and a run looks finely at some hundred pictures, no more.
"""

from __future__ import annotations

import os
import platform
import statistics
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from math import isclose
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from lard import __version__
from lard.documents import checked, read_json
from lard.errors import DataError, naming
from lard.plan.stages import FIRST_OF, STAGES, TABLES_OF, UNITS, Whole, wholes
from lard.tables import write_json

FORMAT = "lard plan rates 3"
Quantity = Literal["cpu_s", "wall_s", "peak_mib", "bytes", "files"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
TIMES: tuple[Quantity, ...] = ("cpu_s", "wall_s")
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
    pace_ms: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
    """What a fixed piece of work took meanwhile (lard.plan.pace)."""


class First(_Model):
    """What each of the first `units` of an airport, or of a run, takes besides."""

    units: Annotated[int, Field(ge=1)]
    more: Spent


class Rate(_Model):
    """What a stage takes, and the runs that it comes from.

    `fixed` once per process, `each` per unit, and more for the `first` ones of each airport or of the run;
    where these are shared, every process has its own first ones. Times are of a processor at this pace.
    """

    unit: Literal["airport", "frame", "step"]
    fixed: Spent
    each: Spent
    first: list[First]
    first_of: Whole
    pace_ms: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
    runs: Annotated[list[Run], Field(min_length=2)]

    def of(self, quantity: Quantity, units: float, processes: int = 1, airports: int = 1) -> float:
        """What `units` of work at so many airports take in all when so many processes share them."""
        fixed, each = (getattr(part, quantity) for part in (self.fixed, self.each))
        times = max(wholes(self.first_of, airports), processes)
        early = sum(getattr(one.more, quantity) * min(units, one.units * times) for one in self.first)
        return float(fixed * processes + each * units + early)

    @property
    def spread(self) -> float | None:
        """By what share of their median processor times of equal runs of one size lie apart, of the largest
        size that was run more than once; None where none was."""
        counts = Counter(run.units for run in self.runs)
        most = max((units for units, count in counts.items() if count > 1), default=0)
        times = [_at_pace(run, "cpu_s", self.pace_ms) for run in self.runs if run.units == most]
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

    format: Literal["lard plan rates 3"] = FORMAT  # type: ignore[assignment]
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


def fitted(
    unit: Literal["airport", "frame", "step"],
    runs: Sequence[Run],
    airports: int = 1,
    first_of: Whole = "airport",
) -> Rate:
    """A rate from the medians of runs of two sizes, a line, or of more, one that bends at those between.

    The frames of each run lie at so many airports.

    Times are brought to the median of the paces. No part is below zero; where units take more than those
    before them, the line is straight there.
    """
    sizes = sorted({run.units for run in runs})
    if len(sizes) < 2:
        raise DataError(f"runs of {len(sizes)} sizes; expected two or more, which part fixed from per {unit}")
    pace_ms = statistics.median(run.pace_ms for run in runs)
    fixed, slopes = {}, {}
    for name in QUANTITIES:
        took = [
            statistics.median(_at_pace(run, name, pace_ms) for run in runs if run.units == size)
            for size in sizes
        ]
        slopes[name] = _falling(sizes, took)
        fixed[name] = max(took[0] - slopes[name][0] * sizes[0], 0.0)
    return Rate(
        unit=unit,
        fixed=Spent(**fixed),
        each=Spent(**{name: found[-1] for name, found in slopes.items()}),
        first=[
            First(
                units=max(round(size / wholes(first_of, airports)), 1),
                more=Spent(**{name: found[k] - found[k + 1] for name, found in slopes.items()}),
            )
            for k, size in enumerate(sizes[1:-1])
        ],
        first_of=first_of,
        pace_ms=pace_ms,
        runs=list(runs),
    )


def foretold(rate: Rate, run: Run, airports: int) -> Run:
    """What a rate says of a run at so many airports, at the pace that the processor had then."""
    told = {name: rate.of(name, run.units, 1, min(airports, run.units)) for name in QUANTITIES}
    told |= {name: told[name] * run.pace_ms / rate.pace_ms for name in TIMES}
    return Run(units=run.units, pace_ms=run.pace_ms, **told)


def _at_pace(run: Run, quantity: Quantity, pace_ms: float) -> float:
    """What a run would have taken at another pace of the processor."""
    value = float(getattr(run, quantity))
    return value * pace_ms / run.pace_ms if quantity in TIMES else value


def _falling(sizes: Sequence[int], took: Sequence[float]) -> list[float]:
    """What a unit takes between each size and the next, never more than before and never below zero.

    Pools adjacent violators (Robertson, Wright and Dykstra, Order Restricted Statistical Inference, 1988).
    """
    pools: list[tuple[float, int, int]] = []  # what is taken by so many units in so many gaps
    for (few, low), (many, high) in pairwise(zip(sizes, took, strict=True)):
        pools.append((high - low, many - few, 1))
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] < pools[-1][0] / pools[-1][1]:
            last, before = pools.pop(), pools.pop()
            pools.append((last[0] + before[0], last[1] + before[1], last[2] + before[2]))
    return [max(more / units, 0.0) for more, units, gaps in pools for _ in range(gaps)]


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


def _alike(rate: Rate, other: Rate, part: str) -> bool:
    """Whether a part of two rates is the same but for the rounding of other machines."""
    if part == "first":
        bends = [[(one.units, rate.first_of) for one in rate.first] for rate in (rate, other)]
        pairs = [(one.more, two.more) for one, two in zip(rate.first, other.first, strict=False)]
    elif part == "pace_ms":
        return isclose(rate.pace_ms, other.pace_ms, rel_tol=1e-6)
    else:
        bends, pairs = [[], []], [(getattr(rate, part), getattr(other, part))]
    return bends[0] == bends[1] and all(
        isclose(getattr(one, name), getattr(two, name), rel_tol=1e-6, abs_tol=1e-6)
        for one, two in pairs
        for name in QUANTITIES
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
    for name, rate in rates.stages.items():
        if name not in UNITS:
            raise DataError(f"{path}: stages.{name}: no such stage, expected {', '.join(UNITS)}; {HOW}")
        if rate.unit != UNITS[name]:
            raise DataError(f"{path}: stages.{name}.unit is {rate.unit}, expected {UNITS[name]}; {HOW}")
        with naming(f"{path}: stages.{name}.runs"):
            told = fitted(rate.unit, rate.runs, max(len(rates.airports), 1), FIRST_OF[name])
        for part in ("fixed", "each", "first", "pace_ms"):
            if not _alike(rate, told, part):
                raise DataError(f"{path}: stages.{name}.{part} is not what its runs come to; {HOW}")
    here, faults = this_machine(), []
    if rates.lard_version != __version__:
        faults.append(f"{path}: lard_version is {rates.lard_version}, this is {__version__}")
    if rates.machine != here:
        faults.append(f"{path}: machine is {described(rates.machine)}, this is {described(here)}")
    if faults and not foreign:
        raise DataError("\n".join(f"{fault}; {HOW}, or say --foreign" for fault in faults))
    return rates
