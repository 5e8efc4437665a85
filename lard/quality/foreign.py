"""Datasets made by others: LARD V1 and V2 folders of CSV files and pictures, and COCO detection files."""

from __future__ import annotations

from pathlib import Path

from lard.quality.dataset import Dataset


def find(root: Path) -> Dataset | None:
    """The dataset at a path, or None when it is of no known layout."""
    return None
