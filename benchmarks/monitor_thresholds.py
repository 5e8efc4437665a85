"""Thresholds of the Mahalanobis alarm by several rules, on what `lard monitor score` measured.

Rules rest on the validation airports, or on these and the training airports, each of which is judged by a
distance fitted to the others. Prints a row for each: the share stopped inside and of each group outside.

    python benchmarks/monitor_thresholds.py MODEL DATA MONITOR.npz monitors/monitor.json LOOKS TRAIN VAL

TRAIN and VAL: pictures of each airport, as in `lard monitor fit`; LOOKS: its --keep.
"""

import json
import sys
from pathlib import Path

import numpy as np

from lard.assurance.domains import inside, read_shots, spread
from lard.assurance.features import open_model
from lard.assurance.mahalanobis import fit_gaussian
from lard.assurance.monitor_file import read_monitor
from lard.assurance.monitors import MAHALANOBIS, look_at
from lard.assurance.thresholds import threshold_by
from lard.detect.models import resolve
from lard.errors import DataError
from lard.files import sha256_file

RULES = (
    ("pictures, validation", "pictures", 0.05, False),
    ("airports, validation", "airports", 0.05, False),
    ("airports, validation", "airports", 0.2, False),
    ("median, validation", "median", 0.05, False),
    ("airports, all", "airports", 0.05, True),
    ("airports, all", "airports", 0.1, True),
    ("median, all", "median", 0.05, True),
)


def main(model: str, data: str, monitor: str, measured: str, looks: str, train: str, val: str) -> None:
    """Print the table."""
    path = resolve(model)
    checkpoint, weights, fitted = open_model(path), sha256_file(path), read_monitor(Path(monitor))
    sides = []
    for split, count in (("train", int(train)), ("val", int(val))):
        shots = spread(inside(read_shots(Path(data), split)), count)
        seen = look_at(checkpoint, weights, shots, Path(looks), split)
        sides.append((np.stack([one.pooled for one in seen.looks]), np.array(seen.airports)))
    (pooled, airports), (own, places) = sides
    crossed = np.zeros(len(pooled))
    for name in np.unique(airports):
        here = airports == name
        crossed[here] = fit_gaussian(pooled[~here]).distances(pooled[here])
    validation = fitted.gaussian.distances(own)
    values = {
        group: np.array(alarms[MAHALANOBIS])
        for group, alarms in json.loads(Path(measured).read_text())["values"].items()
    }
    print("rule", "rate", "threshold", *values, sep="\t")
    for title, rule, rate, all_airports in RULES:
        alarms = np.concatenate((crossed, validation)) if all_airports else validation
        names = np.concatenate((airports, places)) if all_airports else places
        try:
            threshold = threshold_by(rule, alarms, names, rate)  # type: ignore[arg-type]
        except DataError as error:
            print(title, rate, str(error), sep="\t")
            continue
        shares = [f"{(one > threshold).mean():.2f}" for one in values.values()]
        print(title, rate, f"{threshold:.1f}", *shares, sep="\t")


if __name__ == "__main__":
    main(*sys.argv[1:])
