"""A checkpoint as a model that comes with the package: weights in half precision, and a card."""

import sys

from lard.detect.shipped import ship
from pipelines.stage import run


def main(checkpoint: str) -> None:
    """Write lard/detect/zoo/NAME.pt and NAME.json."""
    card = ship(checkpoint)
    print(f"{card.name}: {card.parameters} parameters, {len(card.trained_airports)} airports")


if __name__ == "__main__":
    run(lambda: main(*sys.argv[1:]))
