"""The commands that rates are measured and verified by, in an order in which each finds what it needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lard.plan.stages import FIRST_OF, STAGES, TABLES_OF, wholes

PICTURES: Mapping[str, tuple[int, ...]] = {
    "render": (8, 40, 400), "check": (8, 400, 1600, 3200), "predict": (8, 40), "certify": (8, 40),
}  # fmt: skip
"""Pictures of an airport in runs of a stage, of `check` in all. More than two sizes where the first ones take
more than those that follow: rendering reads ground into memory; checks look finely at 300 pictures, and at
300 of near runways, which a quarter of the pictures of lard_v2 has. All are found in 1,600."""
ONCE = 1600
"""From this size on one run is enough to bear out a rate."""
ROWS, STEPS = (1000, 20_000), (4, 20)
"""Frames of runs with tables alone, and steps of training."""
MODELS = {"predict": "fcos-s", "certify": "lip-fcos-s"}
TIMED = (*(stage.name for stage in STAGES if not stage.optional), TABLES_OF["check"])
"""What can be verified."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command `lard arguments` in a folder; `made` is what it writes there, all of it."""

    name: str  # as the journal knows it
    arguments: tuple[str, ...]
    made: tuple[str, ...]
    about_s: float  # processor seconds that it may take, for the time left
    stage: str = ""  # whose rate it is a run of; "" where others need what it makes
    units: int = 0
    codes: tuple[int, ...] = (0,)
    weighed: bool = True  # whether what it made counts as the stage's storage
    keep: bool = False  # whether what lies there already is its input
    warms: bool = False  # whether it reads and compiles what later ones find ready, and tells nothing of them
    prepare: Callable[[Path], None] | None = None


def measuring(airports: Sequence[str], repeats: int, train: str = "") -> list[Step]:
    """All runs that rates come from: of two sizes or more, `repeats` times each."""
    # compiles kernels where no run before this has
    warm_ground = ("ground", airports[0], "--gsd", "4", "--out", "warm_ground")
    steps = [Step("warm ground", warm_ground, ("warm_ground",), 5, warms=True)]
    steps += [_ground(airports), _ground_again(airports)]
    steps.append(replace(_sample(airports, 4, "warm.parquet", ""), warms=True))
    warm = ("render", "warm.parquet", "--ground", "ground", "--out", "warm", "--workers", "1")
    steps.append(Step("warm up", warm, ("warm",), 8, warms=True))
    runs: dict[int, dict[str, int]] = {}  # by frames in all the stages, and the size that it is of each
    for stage, sizes in PICTURES.items():
        for n in sizes:
            runs.setdefault(round(n * wholes(FIRST_OF[stage], len(airports))), {})[stage] = n
    for repeat in range(repeats):
        for frames, stages in sorted(runs.items()):
            again = [stage for stage, n in stages.items() if n < ONCE or repeat == 0]
            steps += _pictures(airports, frames, repeat, again) if again else []
        for n in ROWS:
            steps += _tables(airports, n, repeat, TIMED)
    for count in STEPS if train else ():
        steps.append(_train(train, count, max(PICTURES["predict"]) * len(airports)))
    return steps


def verifying(airports: Sequence[str], n: int, stages: Collection[str]) -> list[Step]:
    """One run of each of the stages with n frames, after what it needs."""
    steps = []
    if {"sample", "label", "export", TABLES_OF["check"]} & set(stages):
        steps += _tables(airports, n, 0, stages)
    if {"ground", "render", "check", "predict", "certify"} & set(stages):
        steps.append(_ground(airports))
    if {"render", "check", "predict", "certify"} & set(stages):
        steps += _pictures(airports, n, 0, stages)
    return steps


def _ground(airports: Sequence[str]) -> Step:
    command = ("ground", *airports, "--out", "ground", "--workers", "1")
    return Step("ground", command, ("ground",), 1 + 22 * len(airports), "ground", len(airports))


def _ground_again(airports: Sequence[str]) -> Step:
    """When there is nothing to do."""
    command = ("ground", *airports, "--out", "ground", "--workers", "1")
    return Step("ground again", command, ("ground",), 1, "ground", weighed=False, keep=True)


def _sample(airports: Sequence[str], n: int, out: str, stage: str) -> Step:
    """Draw n frames, all for testing."""
    codes = ",".join(airports)
    command = ("scenario", "sample", "--odd", "lard_v2", "--airports", codes, "--n", str(n), "--seed", "1")
    return Step(f"sample {out}", (*command, "--split", f"test={codes}", "--out", out), (out,), 2, stage, n)


def _tables(airports: Sequence[str], n: int, repeat: int, stages: Collection[str]) -> list[Step]:
    """Sample, label, check and export n frames without pictures."""
    data = f"rows{n}_{repeat}"
    checked, out = f"{data}_dqr", f"{data}_coco"
    labels = (f"{data}/labels.parquet", f"{data}/dataset.json")
    check = ("dqr", "run", data, "--workers", "1", "--out", checked)
    steps = [
        _sample(airports, n, f"{data}/frames.parquet", "sample"),
        Step(f"label {data}", ("label", data), labels, 2 + n / 1e4, "label", n),
        # 1: so small a dataset fails requirements of coverage
        Step(f"check {data}", check, (checked,), 8 + n / 2e3, TABLES_OF["check"], n, (0, 1)),
        Step(f"export {data}", ("export", "coco", data, "--out", out), (out,), 2 + n / 4e3, "export", n),
    ]
    needed = {"sample"} if stages else set()
    needed |= {"label"} if {TABLES_OF["check"], "export"} & set(stages) else set()
    return [step for step in steps if step.stage in {*stages, *needed}]


def _pictures(airports: Sequence[str], n: int, repeat: int, stages: Collection[str]) -> list[Step]:
    """Render, check, predict and certify n frames."""
    data, frames = f"data{n}_{repeat}", f"frames{n}_{repeat}.parquet"
    checked, found, certified = f"{data}_dqr", f"{data}_found.json", f"{data}_certified"
    render = ("render", frames, "--ground", "ground", "--out", data, "--workers", "1")
    labels = (f"{data}/labels.parquet", f"{data}/dataset.json")
    check = ("dqr", "run", data, "--workers", "1", "--out", checked)
    predict = ("predict", MODELS["predict"], "--data", data, "--out", found)
    certify = ("certify", MODELS["certify"], "--data", data, "--out", certified)
    steps = [
        _sample(airports, n, frames, ""),
        Step(f"render {data}", render, (data,), 5 + 0.09 * n, "render", n),
        Step(f"label {data}", ("label", data), labels, 2),
        Step(f"export {data}", ("export", "coco", data, "--out", f"{data}/coco"), (f"{data}/coco",), 2),
        Step(f"check {data}", check, (checked, f".{checked}.pictures"), 8 + n / 40, "check", n, (0, 1)),
        Step(f"predict {data}", predict, (found,), 6 + 0.36 * n, "predict", n),
        Step(f"certify {data}", certify, (certified,), 9 + 0.37 * n, "certify", n),
    ]
    steps = [step for step in steps if step.stage in ("", "render", *stages)]
    return [step if step.stage in stages else replace(step, stage="") for step in steps]


def _train(model: str, count: int, frames: int) -> Step:
    """Train a model for so many steps on the dataset of so many frames."""
    out, config = f"model{count}", f"train{count}.yaml"

    def prepare(folder: Path) -> None:
        data, source = folder / "train", folder / f"data{frames}_0"
        if not data.is_dir():
            (data / "coco").mkdir(parents=True)
            (data / "images").symlink_to(source / "images")
        (data / "coco/train.json").write_bytes((source / "coco/test.json").read_bytes())
        (folder / config).write_text(
            f"train: {{steps: {count}, processes: 1, validate_every: 0}}\n", encoding="utf-8"
        )

    command = ("train", model, "--data", "train", "--config", config, "--out", out)
    return Step(f"train {count}", command, (out,), 10 + 2 * count, "train", count, prepare=prepare)
