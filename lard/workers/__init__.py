"""Where work runs: in this process, in processes of this machine, on a Dask scheduler, in jobs of Slurm."""

from lard.workers.named import default_workers as default_workers
from lard.workers.named import workers_of as workers_of
from lard.workers.shares import ARRIVAL_S as ARRIVAL_S
from lard.workers.shares import Shares as Shares
from lard.workers.shares import arrived as arrived
from lard.workers.tasks import Failures as Failures
from lard.workers.tasks import Workers as Workers
from lard.workers.tasks import run_tasks as run_tasks
