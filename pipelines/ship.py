"""A checkpoint as a model that comes with the package: weights in half precision, and a card."""

import sys

from lard.detect.shipped import ship
from lard.errors import SpecError
from pipelines.stage import run


def main(*given: str) -> None:
    """Write lard/detect/zoo/NAME.pt and NAME.json."""
    if len(given) != 2:
        raise SpecError(
            f"expected a checkpoint and the command that makes it; found {' '.join(given) or 'none'}"
        )
    card = ship(*given)
    print(f"{card.name}: {card.parameters} parameters, {len(card.trained_airports)} airports")


if __name__ == "__main__":
    run(lambda: main(*sys.argv[1:]))
