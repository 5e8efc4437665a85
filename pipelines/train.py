"""Stage train@MODEL: models/<model>/checkpoint.pt and log.csv from the training split of data/<source>."""

import sys
from pathlib import Path

from lard.detect.config import read_params
from lard.detect.train import train
from pipelines.stage import run


def main(model: str) -> None:
    """Train the model named on the command line with the parameters of params.yaml."""
    params = read_params("params.yaml")
    dataset = Path("data") / params.train.source
    train(
        model,
        params.model(model),
        params.train,
        dataset,
        Path("models") / model,
        Path("models") / ".resume" / model,
    )


if __name__ == "__main__":
    run(lambda: main(" ".join(sys.argv[1:])))
