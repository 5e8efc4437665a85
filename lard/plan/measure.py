"""Measures the rates of the stages: their commands, run in two small sizes in a folder that vanishes."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import log
from pathlib import Path

import lard
from lard.errors import LardError
from lard.plan.rates import Machine, Rates, Run, fitted, this_machine
from lard.plan.stages import STAGES, TABLES_OF
from lard.workers import run_tasks, workers_of

PICTURES, ROWS, STEPS = (8, 40), (1000, 20_000), (4, 20)
"""Frames of runs with pictures, of runs with tables alone, and steps of training."""
_COMMAND = "import sys; from lard.cli import main; sys.argv[0] = 'lard'; main()"
_TAIL_CHARACTERS = 300
_MODELS = {"predict": "fcos-s", "certify": "lip-fcos-s"}
_NO_WORK_TASKS = 2000
_STORE_FILES, _STORE_BYTES = 64, 256 * 1024


@dataclass
class Bench:
    """Runs commands in a folder and keeps what each stage took."""

    folder: Path
    airports: Sequence[str]
    tell: Callable[[str], None]
    runs: dict[str, list[Run]] = field(default_factory=dict)
    logs: list[float] = field(default_factory=list)

    def run(
        self,
        arguments: Sequence[str],
        stage: str = "",
        units: int = 0,
        *made: str,
        codes: Collection[int] = (0,),
    ) -> None:
        """Run `lard ...`; with a stage, keep what it took and what lies under the names it made."""
        self.tell(f"lard {' '.join(arguments)}")
        path = os.pathsep.join(
            [str(Path(lard.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "LARD_WORKERS": "1"}
        log_path, start = self.folder / "log.txt", time.perf_counter()
        with log_path.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-c", _COMMAND, *arguments],
                cwd=self.folder, env=environment, stdout=stream, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                _, status, usage = os.wait4(process.pid, 0)
            except BaseException:
                process.kill()
                process.wait()
                raise
        wall_s = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in codes:
            text = " ".join(log_path.read_text(errors="replace").split())
            raise LardError(
                f"lard {' '.join(arguments)}: ended with {process.returncode} while measuring: "
                f"{text[-_TAIL_CHARACTERS:]}"
            )
        if stage:
            found = [path for name in made for path in _files(self.folder / name)]
            self.runs.setdefault(stage, []).append(
                Run(
                    units=units,
                    cpu_s=usage.ru_utime + usage.ru_stime,
                    wall_s=wall_s,
                    peak_mib=usage.ru_maxrss / 1024,  # Linux counts in KiB
                    bytes=sum(path.stat().st_size for path in found),
                    files=len(found),
                )
            )

    def ground(self, timed: bool = True) -> None:
        """Paint the airports; then once more, when there is nothing to do."""
        command = ["ground", *self.airports, "--out", "ground", "--workers", "1"]
        self.run(command, "ground" if timed else "", len(self.airports), "ground")
        if timed:
            self.run(command, "ground", 0)

    def sample(self, n: int, out: str, timed: bool = False) -> None:
        """Draw n frames, all for testing."""
        (self.folder / out).parent.mkdir(exist_ok=True)
        split = f"test={','.join(self.airports)}"
        command = ["scenario", "sample", "--odd", "lard_v2", "--airports", ",".join(self.airports)]
        command += ["--n", str(n), "--seed", "1", "--split", split, "--out", out]
        self.run(command, "sample" if timed else "", n, out)

    def tables(self, n: int) -> None:
        """Sample, label and export n frames without pictures."""
        name = f"rows{n}"
        self.sample(n, f"{name}/frames.parquet", timed=True)
        self.run(["label", name], "label", n, f"{name}/labels.parquet", f"{name}/dataset.json")
        out = self._new("dqr")
        self.run(
            ["dqr", "run", name, "--workers", "1", "--out", out], TABLES_OF["check"], n, out, codes=(0, 1)
        )
        out = self._new("coco")
        self.run(["export", "coco", name, "--out", out], "export", n, out)

    def pictures(self, n: int) -> None:
        """Render, check, predict and certify n frames."""
        data = f"data{n}"
        if not (self.folder / data).is_dir():
            self.sample(n, f"frames{n}.parquet")
        command = ["render", f"frames{n}.parquet", "--ground", "ground", "--out", data, "--workers", "1"]
        self.run([*command, "--no-resume"], "render", n, data)
        written = sorted(path.stat().st_mtime_ns for path in (self.folder / data / "images").iterdir())
        self.logs += [log((later - one) / 1e9) for one, later in pairwise(written) if later > one]
        if not (self.folder / data / "coco").is_dir():
            self.run(["label", data])
            self.run(["export", "coco", data, "--out", f"{data}/coco"])
        out = self._new("dqr")
        # 1: so small a dataset fails requirements of coverage
        self.run(["dqr", "run", data, "--workers", "1", "--out", out], "check", n, out, codes=(0, 1))
        out = self._new("found") + ".json"
        self.run(["predict", _MODELS["predict"], "--data", data, "--out", out], "predict", n, out)
        out = self._new("certified")
        self.run(["certify", _MODELS["certify"], "--data", data, "--out", out], "certify", n, out)

    def train(self, model: str, steps: int) -> None:
        """Train a model for so many steps on the frames of the larger dataset."""
        data = f"train{max(PICTURES)}"
        if not (self.folder / data).is_dir():
            source = self.folder / f"data{max(PICTURES)}"
            (self.folder / data / "coco").mkdir(parents=True)
            (self.folder / data / "images").symlink_to(source / "images")
            (self.folder / data / "coco/train.json").write_bytes((source / "coco/test.json").read_bytes())
        (self.folder / "train.yaml").write_text(
            f"train: {{steps: {steps}, processes: 1, validate_every: 0}}\n", encoding="utf-8"
        )
        out = self._new("model")
        self.run(
            ["train", model, "--data", data, "--config", "train.yaml", "--out", out], "train", steps, out
        )

    def _new(self, name: str) -> str:
        """A name in the folder that is free yet."""
        return f"{name}_{sum(path.name.startswith(f'{name}_') for path in self.folder.iterdir())}"


def _files(path: Path) -> list[Path]:
    return [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]


def measure(
    airports: Sequence[str], repeats: int, train: str = "", tell: Callable[[str], None] = lambda _: None
) -> Rates:
    """Rates of every stage on this machine: medians of `repeats` runs of two sizes, one process each.

    `train` names a model to measure training of; `tell` hears each command before it runs.
    """
    with tempfile.TemporaryDirectory(prefix="lard_plan_") as name:
        bench = Bench(Path(name), airports, tell)
        bench.ground()
        bench.sample(4, "warm.parquet")
        # compiles the kernels where no run before this has
        bench.run(["render", "warm.parquet", "--ground", "ground", "--out", "warm", "--workers", "1"])
        for _ in range(repeats):
            for size in PICTURES:
                bench.pictures(size)
            for size in ROWS:
                bench.tables(size)
        for steps in STEPS if train else ():
            bench.train(train, steps)
        tell("tasks of no work, and files of a picture's size")
        store = store_mb_s(Path(name))
    units = {stage.name: stage.unit for stage in STAGES} | dict.fromkeys(TABLES_OF.values(), "frame")
    stages = {name: fitted(units[name], runs) for name, runs in bench.runs.items()}  # type: ignore[arg-type]
    machine: Machine = this_machine()
    return Rates(
        lard_version=lard.__version__,
        machine=machine,
        airports=list(airports),
        models={**_MODELS, **({"train": train} if train else {})},
        stages=stages,
        frame_log_sd=statistics.stdev(bench.logs),
        scheduler_ms=scheduler_ms("2"),
        scheduler="2 processes of this machine",
        store_mb_s=store,
    )


def verify(
    rates: Rates, frames: int, airports: Sequence[str], tell: Callable[[str], None]
) -> dict[str, tuple[Run, Run]]:
    """Run every stage once with so many frames; by stage what the rates foretold and what it took."""
    with tempfile.TemporaryDirectory(prefix="lard_plan_") as name:
        bench = Bench(Path(name), airports, tell)
        bench.ground()
        bench.tables(frames)
        bench.pictures(frames)
    found = {}
    for stage, runs in bench.runs.items():
        run, rate = runs[0], rates.stages[stage]
        told = {name: rate.of(name, run.units) for name in ("cpu_s", "wall_s", "peak_mib", "bytes", "files")}
        found[stage] = (Run(units=run.units, **told), run)
    return found


def no_work(number: int) -> int:
    """A task that takes no time."""
    return number


def scheduler_ms(workers: str) -> float:
    """Milliseconds per task of no work that one giving process needs, its workers started."""
    results = run_tasks(workers_of(workers), no_work, range(_NO_WORK_TASKS + 1))
    next(results)  # workers have started
    start = time.perf_counter()
    count = sum(1 for _ in results)
    return 1e3 * (time.perf_counter() - start) / count


def store_mb_s(folder: Path) -> float:
    """Megabytes per second of files as large as pictures, written until they are on the disk."""
    block = os.urandom(_STORE_BYTES)
    start = time.perf_counter()
    for number in range(_STORE_FILES):
        with (folder / f"store{number}").open("wb") as stream:
            stream.write(block)
            stream.flush()
            os.fsync(stream.fileno())
    return _STORE_FILES * _STORE_BYTES / 1e6 / (time.perf_counter() - start)
