"""Scenarios: frames sampled from an ODD, holes filled, sequences of approaches."""

from lard.scenario.holes import Fill, fill
from lard.scenario.sampler import Sample, draw, sample
from lard.scenario.splits import assign_splits, neighbour_groups

__all__ = ["Fill", "Sample", "assign_splits", "draw", "fill", "neighbour_groups", "sample"]
