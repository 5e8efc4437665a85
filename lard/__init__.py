"""Runway-detection datasets and benchmarks, from an operational design domain to a leaderboard."""

__version__ = "0.1.0"
