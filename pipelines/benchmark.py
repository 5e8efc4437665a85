"""What the detect stages share: what they run on, and where they find and put their files."""

import sys
from collections.abc import Iterable
from pathlib import Path

from lard.errors import SpecError

VALIDATION = "val"
"""The split that operating points are chosen on."""


def model_and_protocol() -> tuple[str, str]:
    """The two arguments of a stage."""
    if len(sys.argv) != 3:
        raise SpecError(f"{sys.argv[0]}: expected a model and a protocol, found {sys.argv[1:]}")
    return sys.argv[1], sys.argv[2]


def one_protocol() -> str:
    """The argument of a stage that looks at all models of a protocol."""
    if len(sys.argv) != 2:
        raise SpecError(f"{sys.argv[0]}: expected a protocol, found {sys.argv[1:]}")
    return sys.argv[1]


def datasets(sources: Iterable[str]) -> list[Path]:
    """The dataset folder of each source."""
    return [Path("data") / source for source in sources]


def model_folder(protocol: str, model: str) -> Path:
    """Folder of the checkpoint of a model trained under a protocol."""
    return Path("models") / protocol / model


def results_file(protocol: str, model: str, suffix: str = ".json") -> Path:
    """COCO results, or with another suffix their scores, of a model under a protocol."""
    return Path("results") / protocol / f"{model}{suffix}"
