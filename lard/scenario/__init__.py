"""Scenarios: frames sampled from an ODD, sequences of approaches."""

from lard.scenario.sampler import Sample, draw, sample
from lard.scenario.splits import assign_splits, neighbour_groups

__all__ = ["Sample", "assign_splits", "draw", "neighbour_groups", "sample"]
