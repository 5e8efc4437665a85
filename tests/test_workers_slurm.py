"""A real Slurm of one node, started here where it is installed: jobs as workers, and what it refuses."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from worker_tasks import job_cancelled_once, standing

from lard.errors import SourceError
from lard.workers import Failures, Shares, run_tasks, workers_of

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        importlib.util.find_spec("dask_jobqueue") is None,
        reason="dask-jobqueue is not installed: pip install 'lard[slurm]'",
    ),
    pytest.mark.skipif(
        not all(map(shutil.which, ("sbatch", "slurmctld", "slurmd", "munged"))) or os.getuid() != 0,
        reason="no Slurm can be started here: as root, apt-get install slurm-wlm munge",
    ),
]

CONF = """ClusterName=one
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldPort={ctld}
SlurmdPort={slurmd}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SchedulerParameters=sched_interval=1,bf_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=2000 State=UNKNOWN
PartitionName=short Nodes={host} Default=YES MaxTime=60 State=UP
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A profile for a Slurm of this machine alone, which ends with the tests."""
    folder = tmp_path_factory.mktemp("slurm")
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    conf = folder / "slurm.conf"
    conf.write_text(
        CONF.format(host=host, folder=folder, ctld=free_port(), slurmd=free_port(), cpus=os.cpu_count())
    )
    for name in ("state", "spool"):
        (folder / name).mkdir()
    munged = [
        "munged", "--force", "--num-threads=1", f"--key-file={key}", f"--socket={folder}/munge.socket",
        f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log", f"--seed-file={folder}/seed",
    ]  # fmt: skip
    patch = pytest.MonkeyPatch()
    patch.setenv("SLURM_CONF", str(conf))
    patch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    )
    try:
        for command in (
            munged,
            ["slurmctld", "-f", str(conf), "-L", f"{folder}/ctld.log"],
            ["slurmd", "-f", str(conf), "-L", f"{folder}/slurmd.log"],
        ):
            subprocess.run(command, check=True, timeout=60, capture_output=True)
        for _ in range(300):
            told = subprocess.run(["sinfo", "-h", "-o", "%t"], capture_output=True, text=True, timeout=60)
            if told.stdout.strip() == "idle":
                break
            time.sleep(0.2)
        else:
            pytest.fail(f"Slurm does not come up: {told.stdout}{told.stderr}")
        profile = folder / "site.yaml"
        profile.write_text(
            "partition: short\ncores: 1\nmemory: 500 MB\nwalltime: '00:30:00'\njobs: 2\n"
            f"interface: lo\nscratch: {folder}\nlogs: {folder}\n"
            "job_script_prologue: ['export LARD_TEST_PROLOGUE=1']\n"
        )
        yield profile
    finally:
        for name in ("slurmd.pid", "ctld.pid", "munged.pid"):
            if (folder / name).is_file():
                os.kill(int((folder / name).read_text()), signal.SIGTERM)
        patch.undo()


def jobs() -> int:
    told = subprocess.run(["squeue", "-h"], capture_output=True, text=True, check=True, timeout=60)
    return len(told.stdout.splitlines())


def test_jobs_do_the_work_and_end_with_it(slurm: Path, tmp_path: Path) -> None:
    workers = workers_of(f"slurm:{slurm}", Shares(tmp_path))
    found = list(run_tasks(workers, standing, range(300)))
    assert len(found) == 300
    assert len({process for _, process in found}) >= min(2, os.cpu_count() or 1), "both jobs"
    end = time.monotonic() + 60
    while jobs() and time.monotonic() < end:
        time.sleep(0.5)
    assert jobs() == 0, "none is left in the queue"
    assert not list(tmp_path.iterdir())


def test_another_takes_the_place_of_a_job_that_is_cancelled(slurm: Path, tmp_path: Path) -> None:
    one = tmp_path / "one.yaml"
    one.write_text(slurm.read_text().replace("jobs: 2", "jobs: 1"))
    tasks = [(str(tmp_path / "killed"), number) for number in range(12)]
    failures = Failures(str)
    workers = workers_of(f"slurm:{one}", Shares(tmp_path))
    found = run_tasks(workers, job_cancelled_once, tasks, failures)
    assert sorted(found) == list(range(12))
    assert (tmp_path / "killed").exists()
    failures.check()


def test_what_slurm_refuses_is_told(slurm: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(slurm.read_text().replace("partition: short", "partition: long"))
    with pytest.raises(SourceError, match=r"wrong.yaml: Slurm takes no such job \(.*invalid partition"):
        list(run_tasks(workers_of(f"slurm:{wrong}", Shares(tmp_path)), standing, range(3)))
