"""Time and memory of a dataset's tables by stage: sample, label, coverage, requirements, exports.

python benchmarks/scale.py --frames 25000 100000

Frames of many airports, without pictures; each stage is a command of its own, timed by the system.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from math import log
from pathlib import Path

from lard.airports import load_shipped
from lard.documents import read_json
from lard.tables import write_json

SPEC = "lard_v2"
_COMMAND = "import sys; from lard.cli import main; sys.argv[0] = 'lard'; main()"


def stages(airports: str, n: int, parts: bool) -> dict[str, list[str]]:
    """The commands by stage, in their order; with `parts` frames lie by airport before they are labelled."""
    sample = ["scenario", "sample", "--odd", SPEC, "--airports", airports, "--n", str(n), "--seed", "1"]
    return {
        "sample": [*sample, "--split", "test=0.3", "--split", "val=0.1", "--out", "data/frames.parquet"],
        **({"partition": ["partition", "data"]} if parts else {}),
        "label": ["label", "data"],
        "coverage": ["odd", "coverage", "data", "--odd", SPEC],
        "check": ["dqr", "run", "data", "--odd", SPEC, "--out", "dqr"],
        "coco": ["export", "coco", "data", "--out", "coco"],
    }


def spent(arguments: list[str], folder: Path) -> dict[str, float]:
    """Processor and clock seconds and peak MiB of a command, its exit status beside them."""
    start = time.perf_counter()
    with (folder / "log.txt").open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, *arguments], cwd=folder, stdout=stream, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        sys.exit(f"lard {' '.join(arguments)}: {(folder / 'log.txt').read_text()[-2000:]}")
    return {
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "wall_s": time.perf_counter() - start,
        "peak_mib": usage.ru_maxrss / 1024,
    }


def main() -> None:
    """Run what the command line asks for; print a line per stage and size, and the growth between sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[25_000, 100_000])
    parser.add_argument("--only", nargs="+", help="stages; those before them must be there (--keep)")
    parser.add_argument("--partition", action="store_true", help="tables in a part for each airport")
    parser.add_argument("--keep", type=Path, help="folder for the data, one of each size")
    parser.add_argument("--out", type=Path, help="JSON to add to")
    options = parser.parse_args()
    airports = ",".join(sorted(load_shipped().airports))
    found: dict[str, dict[int, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        for n in sorted(options.frames):
            folder = (options.keep or Path(name)).absolute() / str(n)
            (folder / "data").mkdir(parents=True, exist_ok=True)
            for stage, arguments in stages(airports, n, options.partition).items():
                if options.only and stage not in options.only:
                    continue
                found.setdefault(stage, {})[n] = took = spent(arguments, folder)
                text = f"{took['cpu_s']:.1f} s processor, {took['wall_s']:.1f} s, {took['peak_mib']:.0f} MiB"
                print(f"{n} frames, {stage}: {text}", flush=True)
    few, many = min(options.frames), max(options.frames)
    for stage, sizes in found.items():
        if few == many:
            break
        growth = log(sizes[many]["cpu_s"] / sizes[few]["cpu_s"]) / log(many / few)
        slope = (sizes[many]["peak_mib"] - sizes[few]["peak_mib"]) / (many - few)
        at_million = sizes[many]["peak_mib"] + slope * (1_000_000 - many)
        print(f"{stage}: time as frames^{growth:.2f}; 1,000,000 frames in {at_million / 1024:.1f} GiB, if on")
    if options.out:
        before = read_json(options.out) if options.out.is_file() else {}
        for stage, sizes in found.items():
            before.setdefault(stage, {}).update({str(n): took for n, took in sizes.items()})
        write_json(before, options.out)


if __name__ == "__main__":
    main()
