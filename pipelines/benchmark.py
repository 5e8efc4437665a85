"""Where the detect stages find and put their files."""

from collections.abc import Iterable
from pathlib import Path


def datasets(sources: Iterable[str]) -> list[Path]:
    """The dataset folder of each source."""
    return [Path("data") / source for source in sources]


def model_folder(protocol: str, model: str) -> Path:
    """Folder of the checkpoint of a model trained under a protocol."""
    return Path("models") / protocol / model


def results_file(protocol: str, model: str, suffix: str = ".json") -> Path:
    """COCO results, or with another suffix their scores, of a model under a protocol."""
    return Path("results") / protocol / f"{model}{suffix}"
