"""Options that the commands of the detection benchmark share, and the parameters they read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lard.detect.config import Params

CONFIG = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Parameter file with models, train and predict [default: params.yaml where there is one].",
)
DATA = click.option(
    "--data",
    "datasets",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    multiple=True,
    help="Dataset folder, with coco/; several are taken together.",
)
VALIDATION = click.option(
    "--val",
    "validation",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Results on the validation split, where operating points are chosen.",
)
BUDGET = click.option(
    "--false-alarms",
    "budget",
    type=click.FloatRange(0, min_open=True),
    default=0.1,
    show_default=True,
    help="False alarms per picture that the operating point may have on the validation split.",
)


def parameters(config: Path | None) -> Params:
    """Parameters of a file, of params.yaml if it is there, else the defaults."""
    from lard.detect.config import Params, read_params

    default = Path("params.yaml")
    return read_params(config or default) if config or default.is_file() else Params()
