"""Weights of a checkpoint in half precision, measured again, as a model that comes with the package."""

import sys
from pathlib import Path

from lard.detect.checkpoint import load_detector, save_detector
from pipelines.stage import run

OWN = ("format", "name", "spec", "parameters", "lipschitz")
"""What a checkpoint says of itself; the rest tells how it was trained and is kept."""


def main(checkpoint: str, out: str) -> None:
    """Write a model's checkpoint with float16 wherever no certificate rests on the weights."""
    loaded = load_detector(checkpoint)
    extra = {key: value for key, value in loaded.meta.items() if key not in OWN}
    save_detector(loaded.net, loaded.name, loaded.net.spec, extra, Path(out), half=True)


if __name__ == "__main__":
    run(lambda: main(*sys.argv[1:]))
