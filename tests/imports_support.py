"""Which files of the project a module needs."""

from __future__ import annotations

import ast
from collections.abc import Collection
from pathlib import Path

ROOT = Path(__file__).parent.parent


def imported_files(path: Path, apart: Collection[str] = (), seen: set[str] | None = None) -> set[str]:
    """Files of lard that a module imports, directly, through others or through another stage.

    Those `apart`, named from lard/, are left out.
    """
    seen = set() if seen is None else seen
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            stem = name.replace(".", "/")
            for file in (ROOT / f"{stem}.py", ROOT / stem / "__init__.py"):
                relative = str(file.relative_to(ROOT))
                known = not name.startswith(("lard.", "pipelines.")) or relative in seen
                if known or relative.removeprefix("lard/") in apart or not file.is_file():
                    continue
                seen.add(relative)
                imported_files(file, apart, seen)
    return seen
