"""Data quality requirements: a registry of checks, a runner, and inputs of several layouts."""

from lard.quality.catalogue import all_checks, find_check
from lard.quality.dataset import Dataset
from lard.quality.load import load_dataset
from lard.quality.model import Offence, Outcome
from lard.quality.odd import Odd
from lard.quality.outputs import verdict, write_outputs
from lard.quality.registry import Check, check
from lard.quality.runner import Result, Run, run_checks
from lard.quality.waivers import Waiver
from lard.quality.waivers_file import read_waivers

__all__ = [
    "Check",
    "Dataset",
    "Odd",
    "Offence",
    "Outcome",
    "Result",
    "Run",
    "Waiver",
    "all_checks",
    "check",
    "find_check",
    "load_dataset",
    "read_waivers",
    "run_checks",
    "verdict",
    "write_outputs",
]
