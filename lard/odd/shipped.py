"""The specs that come with the project: found by name anywhere, and by the content that frames name."""

from __future__ import annotations

from pathlib import Path

import lard
from lard.errors import SpecError
from lard.tables import sha256_file

FOLDER = Path(lard.__file__).parent.parent / "odd_specs"
"""Beside the package both in a checkout and where it is installed (pyproject.toml, packages.find)."""


def shipped_specs() -> dict[str, Path]:
    """Files of the shipped specs by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def find_spec(given: str | Path) -> Path:
    """The file of a spec that is given by path, or by the name of a shipped one; SpecError lists those."""
    path, shipped = Path(given), shipped_specs()
    if path.is_file():
        return path
    name = str(given).removesuffix(".yaml")
    if name in shipped:
        return shipped[name]
    raise SpecError(
        f"{given}: no such file, and no shipped spec of that name; in {FOLDER} are {', '.join(shipped)}"
    )


def shipped_by_content(sha256: str) -> Path | None:
    """The shipped spec whose file has that SHA-256."""
    return next((path for path in shipped_specs().values() if sha256_file(path) == sha256), None)
