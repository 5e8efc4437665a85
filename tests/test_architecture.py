"""Imports point one way, and heavy packages stay in the rooms that own them."""

import ast
import json
import os
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "lard").rglob("*.py")) + sorted((ROOT / "pipelines").glob("*.py"))

# a room may import only from itself and from rooms that stand before it
ROOMS = (
    "errors", "progress", "compiled", "distortion", "documents", "siblings", "files", "pictures", "parts",
    "tables", "store", "workers", "written", "geodesy", "camera", "airports", "approach", "odd", "scenario",
    "labels", "ground", "render", "simulators", "intake", "quality", "calibrate", "export", "score",
    "detect", "robust", "segment", "assurance", "report", "project", "plan", "cli", "pipelines",
)  # fmt: skip
RANKS = {room: rank for rank, room in enumerate(ROOMS)}
OWNED = {
    "torch": ("lard/detect", "lard/robust", "lard/segment", "lard/assurance"),
    "rasterio": ("lard/ground", "lard/airports", "lard/intake"),
    "fsspec": ("lard/store",),
    "gcsfs": ("lard/store",),
    "s3fs": ("lard/store",),
    "requests": ("lard/ground", "lard/simulators", "lard/airports"),
}


def _imports(path: Path) -> list[tuple[str, int]]:
    """Every imported dotted name with its line, those inside functions included."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; use the absolute name"
            found.append((node.module or "", node.lineno))
            found += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
    return found


def _modules(path: Path, known: set[str]) -> set[str]:
    """Modules of the project that a file imports; of `from package import module` the module."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            deeper = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {dotted if dotted in known else node.module for dotted in deeper}
    return found & known


def _room(dotted: str) -> str | None:
    parts = dotted.split(".")
    if parts[0] == "pipelines":
        return "pipelines"
    return parts[1] if parts[0] == "lard" and len(parts) > 1 and parts[1] in RANKS else None


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    relative = path.relative_to(ROOT)
    own = "pipelines" if relative.parts[0] == "pipelines" else relative.with_suffix("").parts[1]
    if own == "__init__":
        assert not _imports(path), "lard/__init__.py imports nothing"
        return
    assert own in RANKS, f"{relative}: a new room; give it a rank in the architecture test"
    for dotted, line in _imports(path):
        room = _room(dotted)
        if room is None or room == own:
            continue
        assert RANKS[room] < RANKS[own], f"{relative}:{line}: {own} must not import {room}"


def test_modules_form_no_circle() -> None:
    """No chain of imports leads back to where it started, imports inside functions included."""
    names = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in MODULES
    }
    imports = {name: sorted(_modules(path, set(names)) - {name}) for name, path in names.items()}
    with pytest.raises(CycleError):
        TopologicalSorter({"a": ["b"], "b": ["a"]}).prepare()
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as circle:
        pytest.fail("circle of imports: " + " -> ".join(circle.args[1]))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_packages_stay_in_their_rooms(path: Path) -> None:
    relative = str(path.relative_to(ROOT))
    for dotted, line in _imports(path):
        owners = OWNED.get(dotted.split(".")[0])
        if owners is not None:
            assert relative.startswith(owners), f"{relative}:{line}: {dotted} belongs in {owners}"


def test_modules_are_imported_by_name_in_few_places() -> None:
    """What is imported by a string escapes the tests above: only commands and optional packages are."""
    hidden = {
        str(path.relative_to(ROOT))
        for path in MODULES
        if "importlib" in (text := path.read_text()) or "__import__" in text
    }
    assert hidden == {
        "lard/cli/__init__.py", "lard/cli/modules.py", "lard/detect/__init__.py", "lard/detect/deploy.py",
        "lard/workers/shares.py",  # asks for versions of packages, imports none
    }  # fmt: skip


def test_the_page_lists_the_rooms_in_their_order() -> None:
    """And every path that the page names is there."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page.split("## Rooms")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert tuple(name for cell in cells for name in re.findall(r"`([a-z]+)/?`", cell)) == ROOMS
    for name in re.findall(r"`((?:[a-z_]+/)+[\w.]*)`", page):
        produced = name == "images/"
        folders = (ROOT, ROOT / "lard", ROOT / "lard" / "ground")
        assert produced or any((folder / name).exists() for folder in folders), f"{name}: no such path"


def test_help_imports_no_heavy_package() -> None:
    heavy = ("torch", "numba", "rasterio", "polars", "matplotlib", "pyproj", "numpy")
    code = (
        "import sys; from click.testing import CliRunner; from lard.cli import main; "
        "r = CliRunner().invoke(main, ['--help']); assert r.exit_code == 0, r.output; "
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


def test_scoring_imports_no_torch(tmp_path: Path) -> None:
    """Neither the help nor a real run: whoever scores results needs no network."""
    truth = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 64}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 8, 16, 9], "iscrowd": 0}],
        "categories": [{"id": 1, "name": "runway"}],
    }
    (tmp_path / "coco").mkdir()
    (tmp_path / "coco" / "test.json").write_text(json.dumps(truth))
    row = {"image_id": 1, "category_id": 1, "bbox": [8, 8, 16, 9], "score": 0.9}
    (tmp_path / "found.json").write_text(json.dumps([row]))
    code = (
        "import sys; from click.testing import CliRunner; from lard.cli import main\n"
        "for command in (['score', '--help'], ['score', 'found.json', '--data', '.']):\n"
        "    r = CliRunner().invoke(main, command); assert r.exit_code == 0, (r.output, r.exception)\n"
        "    print([m for m in ('torch', 'lard.detect') if m in sys.modules])"
    )
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=environment,
    )
    assert done.stdout.split() == ["[]", "[]"]
    assert json.loads((tmp_path / "found.score.json").read_text())["overall"]["AP50"] == 1


def test_nothing_reads_the_design_notes() -> None:
    """The folder beside the repository does not ship: only tests that skip when it is absent may name it."""
    for path in MODULES:
        assert "../shared" not in path.read_text(), path


def test_every_command_stands_in_one_section_of_the_help() -> None:
    from lard.cli import COMMANDS, SECTIONS

    listed = [name for names in SECTIONS.values() for name in names]
    assert sorted(listed) == sorted(COMMANDS)
