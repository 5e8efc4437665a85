"""A checkpoint as a model that comes with the package: weights in half precision, and a card."""

import sys

from lard.detect.checkpoint import CORNER_FORMAT, read_tensors
from lard.detect.corner_shipped import ship_corners
from lard.detect.shipped import ship
from lard.errors import SpecError
from pipelines.stage import run


def main(*given: str) -> None:
    """Write lard/detect/zoo/NAME.pt and NAME.json, of a corner model below corners/ there."""
    if len(given) != 2:
        raise SpecError(
            f"expected a checkpoint and the command that makes it; found {' '.join(given) or 'none'}"
        )
    corners = read_tensors(given[0])[1].get("format") == CORNER_FORMAT
    card = ship_corners(*given) if corners else ship(*given)
    print(f"{card.name}: {card.parameters} parameters, {len(card.trained_airports)} airports")


if __name__ == "__main__":
    run(lambda: main(*sys.argv[1:]))
