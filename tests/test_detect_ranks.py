"""One run on any number of processes and machines: the same bytes, and what is said when one is missing."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from detect_support import write_toy
from ruamel.yaml import YAML
from torch import Tensor, nn

from lard.cli import main
from lard.detect.checkpoint import read_tensors
from lard.detect.config import ModelSpec, TrainSpec, parse_plan
from lard.detect.crew import Place, given_place
from lard.detect.learner import new_learner
from lard.detect.lockstep import Lockstep
from lard.detect.norm import in_parts
from lard.detect.train import check_alike, train
from lard.errors import ModelError, SpecError

SMALL = {"widths": (8, 16, 16), "depths": (1, 1, 1), "pyramid": 8, "towers": 1, "side_limits_px": (32,)}
PLAIN = ModelSpec(family="fcos", **SMALL)
LIP = ModelSpec(family="lip-fcos", **SMALL)
HINGE = ModelSpec(family="lip-fcos", loss="hinge", **SMALL)
PLAN = TrainSpec(steps=4, batch=8, crops_per_image=2, crop_px=64, processes=1, save_every=2)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "data")


def on(processes: int) -> TrainSpec:
    return TrainSpec.model_validate({**PLAN.model_dump(), "processes": processes})


def test_four_processes_end_with_the_bytes_of_one(toy: Path, tmp_path: Path) -> None:
    """Batch statistics and gradients of a batch that is shared out."""
    whole = train("m", PLAIN, on(1), toy, tmp_path / "1", tmp_path / "work")
    shared = train("m", PLAIN, on(4), toy, tmp_path / "4", tmp_path / "work")
    assert (shared.parent / "log.csv").read_text() == (whole.parent / "log.csv").read_text()
    assert shared.read_bytes() == whole.read_bytes()


def test_two_machines_under_torchrun_end_with_the_bytes_of_one_process(toy: Path, tmp_path: Path) -> None:
    """Two launches that find each other, on a loss that compares pictures; the second one writes nothing."""
    own = train("tiny", HINGE, PLAN, toy, tmp_path / "own", tmp_path / "work")
    config = {"models": {"tiny": HINGE.model_dump(mode="json")}, "train": PLAN.model_dump(mode="json")}
    YAML(typ="safe").dump(config, tmp_path / "params.yaml")
    environment = dict(os.environ, PYTHONPATH=str(Path(__file__).parent.parent), OMP_NUM_THREADS="1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    nodes = []
    for node in range(2):
        (tmp_path / f"node{node}").mkdir()
        command = [
            sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1",
            "--rdzv-backend", "c10d", "--rdzv-id", "lard", "--rdzv-endpoint", f"127.0.0.1:{port}",
            "--local-addr", "127.0.0.1", "--no-python", sys.executable, "-c",
            "from lard.cli import main; main()", "train", "tiny", "--data", str(toy),
            "--config", str(tmp_path / "params.yaml"), "--out", "out",
        ]  # fmt: skip
        nodes.append(
            subprocess.Popen(
                command, env=environment, cwd=tmp_path / f"node{node}", text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
        )  # fmt: skip
    told = [node.communicate(timeout=300) for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], told
    written = list(tmp_path.glob("node*/out/checkpoint.pt"))
    assert len(written) == 1 and written[0].read_bytes() == own.read_bytes()
    assert (written[0].parent / "log.csv").read_bytes() == (own.parent / "log.csv").read_bytes()
    assert not [path for path in tmp_path.glob("node*/out") if path != written[0].parent]
    assert "".join(out for out, _ in told).count("checkpoint.pt") == 1


def test_a_killed_process_is_named_and_one_process_goes_on_for_two(toy: Path, tmp_path: Path) -> None:
    """The state of two processes leads one to the bytes of a run that nothing happened to."""
    plan = TrainSpec.model_validate({**PLAN.model_dump(), "steps": 40})
    whole = train("m", LIP, plan, toy, tmp_path / "whole", tmp_path / "w").read_bytes()
    state = tmp_path / "work" / "m.resume.pt"

    def kill() -> None:
        while not state.is_file():
            time.sleep(0.02)
        for child in multiprocessing.active_children():
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    shared = plan.model_copy(update={"processes": 2})
    with pytest.raises(ModelError) as caught:
        train("m", LIP, shared, toy, tmp_path / "cut", tmp_path / "work")
    killer.join()
    text = str(caught.value)
    host = re.escape(socket.gethostname())
    assert re.match(
        rf"m: process 1 on {host} ended early \(by SIGKILL\); the state after step \d+ is kept", text
    )
    assert state.is_file() and not (tmp_path / "cut" / "checkpoint.pt").exists()
    assert train("m", LIP, plan, toy, tmp_path / "cut", tmp_path / "work").read_bytes() == whole


def deep() -> nn.Sequential:
    torch.manual_seed(0)
    unit = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8)]
    return nn.Sequential(*unit).double()


def test_statistics_of_the_whole_batch_and_their_gradient() -> None:
    """Against torch's batch normalisation of all at once, in double precision."""
    rng = torch.Generator().manual_seed(1)
    images = torch.rand(12, 3, 20, 20, generator=rng, dtype=torch.float64) * 3 + 1
    pull = torch.randn(12, 8, 16, 16, generator=rng, dtype=torch.float64)
    whole, together = deep(), Lockstep(4, Place())
    parted = in_parts(deep(), together)
    answer = whole(images)
    (answer * pull).sum().backward()
    shares, pulls = images.chunk(4), pull.chunk(4)
    answers = together.run(lambda part: parted(shares[part]))
    np.testing.assert_allclose(torch.cat(answers).detach(), answer.detach(), rtol=1e-10, atol=1e-12)

    def gradient(part: int) -> tuple[Tensor, ...]:
        return torch.autograd.grad((answers[part] * pulls[part]).sum(), list(parted.parameters()))

    for wanted, *found in zip(whole.parameters(), *together.run(gradient), strict=True):
        assert wanted.grad is not None
        np.testing.assert_allclose(sum(found), wanted.grad, rtol=1e-9, atol=1e-9)
    for key, value in whole.state_dict().items():
        np.testing.assert_allclose(parted.state_dict()[key], value, rtol=1e-12)
    parted.eval()
    whole.eval()
    np.testing.assert_allclose(parted(images).detach(), whole(images).detach(), rtol=1e-9)


def test_one_part_that_fails_ends_all_and_the_next_step_runs() -> None:
    together = Lockstep(3, Place())

    def work(part: int) -> float:
        met = together.meet(torch.tensor(float(part)), lambda values: float(values.sum()))
        if part == 1 and failing:
            raise ValueError("part 1")
        return met + together.meet(torch.tensor(1.0), lambda values: float(values.sum()))

    failing = True
    with pytest.raises(ValueError, match="part 1"):
        together.run(work)
    failing = False
    assert together.run(work) == [6.0, 6.0, 6.0]


def test_processes_that_drift_apart_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three that hold the same, and one whose first orthogonal factor is off by the last bit."""
    learner, brought = new_learner(LIP, PLAN, torch.device("cpu")), []

    def gathered(rows: Tensor) -> Tensor:
        brought.append(rows)
        return torch.cat(brought)

    monkeypatch.setattr("lard.detect.crew.gathered", gathered)
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    for _ in range(3):
        check_alike("m", tmp_path / "state.pt", 7, learner)
    factor = dict(learner.net.named_parameters())["stem.1.mix"]
    with torch.no_grad():
        factor[0, 0] = torch.nextafter(factor[0, 0], torch.tensor(9.0))
    with pytest.raises(
        ModelError, match=r"after step 7 the weights of process 3 differ .* no state was saved"
    ):
        check_alike("m", tmp_path / "state.pt", 7, learner)


def test_other_data_on_another_machine_is_refused(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_first(thing: object, place: Place) -> object:
        other = {"coco/train.json of dataset 1": "0"}
        return {**thing, "data": other} if isinstance(thing, dict) else thing

    monkeypatch.setattr("lard.detect.train.told_by_first", of_first)
    told = r"process 0 on .* has not what process 0 has: coco/train.json of dataset 1 has changed; give all"
    with pytest.raises(ModelError, match=told):
        train("m", PLAIN, PLAN, toy, tmp_path / "out", tmp_path / "work")


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        (
            {"RANK": "1", "WORLD_SIZE": "2", "MASTER_PORT": "1"},
            "MASTER_ADDR: not set, though RANK and WORLD_SIZE",
        ),
        ({"RANK": "0", "WORLD_SIZE": "2"}, "MASTER_ADDR and MASTER_PORT: not set"),
        ({"RANK": "x", "WORLD_SIZE": "2", "MASTER_ADDR": "h", "MASTER_PORT": "1"}, "RANK: found 'x'"),
        ({"RANK": "2", "WORLD_SIZE": "2", "MASTER_ADDR": "h", "MASTER_PORT": "1"}, "expected 0 to 1"),
    ],
)
def test_a_place_that_cannot_be_is_refused(environment: dict[str, str], told: str) -> None:
    with pytest.raises(ModelError, match=told):
        given_place(environment)
    assert given_place({"RANK": "1"}) is None
    whole = {"RANK": "3", "WORLD_SIZE": "4", "MASTER_ADDR": "h", "MASTER_PORT": "1"}
    assert given_place({**whole, "LOCAL_RANK": "1"}) == Place(3, 1, 4)


@pytest.mark.parametrize(
    ("environment", "options", "told"),
    [
        ({}, ["--processes", "3"], "batch 8 must be a multiple of crops_per_image x processes = 6"),
        ({"RANK": "0", "WORLD_SIZE": "3"}, [], "must be a multiple of crops_per_image x processes = 6"),
        ({"RANK": "0", "WORLD_SIZE": "2"}, ["--processes", "2"], "torchrun has started them already"),
        ({"RANK": "0", "WORLD_SIZE": "2"}, [], "MASTER_PORT: 127.0.0.1:PORT is in use on this machine"),
    ],
)
def test_what_cannot_be_shared_is_said_in_a_line(
    environment: dict[str, str], options: list[str], told: str, toy: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        if environment:
            environment = {**environment, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        for key, value in environment.items():
            monkeypatch.setenv(key, value)
        config = {"models": {"m": PLAIN.model_dump(mode="json")}, "train": PLAN.model_dump(mode="json")}
        YAML(typ="safe").dump(config, tmp_path / "params.yaml")
        given = [
            "--data",
            str(toy),
            "--config",
            str(tmp_path / "params.yaml"),
            "--out",
            str(tmp_path / "out"),
        ]
        shown = CliRunner().invoke(main, ["train", "m", *given, *options])
    assert shown.exit_code == 2
    assert told.replace(":PORT", f":{port}") in shown.output
    assert not (tmp_path / "out").exists()


def test_a_compiled_network_trains_as_it_is(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traced and run operation by operation, which changes no byte; kernels that are held once included."""
    alone = TrainSpec.model_validate({**PLAN.model_dump(), "steps": 2, "parts": 1})
    plain = train("m", LIP, alone, toy, tmp_path / "plain", tmp_path / "work")
    traced = []

    def compiled(net: nn.Module) -> nn.Module:
        traced.append(net)
        return whole(net, backend="eager")

    whole = torch.compile
    monkeypatch.setattr("torch.compile", compiled)
    asked = alone.model_copy(update={"compile": True})
    path = train("m", LIP, asked, toy, tmp_path / "compiled", tmp_path / "work")
    before, after = read_tensors(plain)[0], read_tensors(path)[0]
    assert len(traced) == 1 and all(torch.equal(before[key], after[key]) for key in before)
    with pytest.raises(SpecError, match="compile: each process has to compute one part of a batch"):
        parse_plan({**alone.model_dump(), "compile": True, "parts": 4})


def test_the_state_is_saved_by_the_clock_too(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute a step on this clock; steps are saved every hundred, and every two minutes."""
    saved, clock = [], iter(range(0, 6000, 60))
    monkeypatch.setattr("lard.detect.train.time.monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(
        "lard.detect.train.save_state", lambda path, learner, step, rows, own: saved.append(step)
    )
    plan = PLAN.model_copy(update={"steps": 8, "save_every": 100})
    train("m", PLAIN, plan, toy, tmp_path / "out", tmp_path / "work", save_minutes=2)
    assert len(saved) >= 2 and all(later - sooner <= 2 for sooner, later in pairwise(saved))
