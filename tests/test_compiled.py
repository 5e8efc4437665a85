"""Machine code on disk: made again after an edit of a callee's file, kept by read-only installs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CALLEE = """
from lard.compiled import compiled
@compiled(nogil=True)
def twice(x):
    return {factor} * x
"""
CALLER = """
from lard.compiled import compiled
from lard.{callee} import (
    twice,
)
@compiled(nogil=True)
def more(x):
    return twice(x) + 1.0
"""
ASK = (
    "import warnings; warnings.simplefilter('error'); from lard.caller import more; "
    "print(more(1.0), sum(more.stats.cache_hits.values()), more._cache.cache_path)"
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of the compiler, a function and one in another file that it calls."""
    folder = tmp_path / "lard"
    folder.mkdir()
    (folder / "__init__.py").touch()
    shutil.copy(ROOT / "lard" / "compiled.py", folder)
    (folder / "callee.py").write_text(CALLEE.format(factor=2.0))
    (folder / "caller.py").write_text(CALLER.format(callee="callee"))
    return folder


def ask(package: Path, **environment: str) -> list[str]:
    """Value of the caller, hits of the cache, its folder; of a new process."""
    result = subprocess.run(
        [sys.executable, "-c", ASK], cwd=package.parent, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(package.parent), **environment},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_an_edit_of_a_callees_file_compiles_its_callers_again(package: Path) -> None:
    assert ask(package)[:2] == ["3.0", "0"]
    assert ask(package)[:2] == ["3.0", "1"]
    (package / "callee.py").write_text(CALLEE.format(factor=5.0))
    assert ask(package)[:2] == ["6.0", "0"]
    assert ask(package)[:2] == ["6.0", "1"]


def test_a_read_only_install_keeps_its_code_with_the_user(package: Path, tmp_path: Path) -> None:
    """As root nothing is read-only, so a file stands where the folder would be made."""
    (package / "__pycache__").write_text("")
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    value, hits, folder = ask(package, **environment)
    assert (value, hits) == ("3.0", "0") and folder.startswith(str(tmp_path / "cache" / "lard" / "compiled"))
    assert ask(package, **environment) == ["3.0", "1", folder]
    other = tmp_path / "other" / "lard"
    shutil.copytree(package, other)
    (other / "callee.py").write_text(CALLEE.format(factor=5.0))
    value, hits, elsewhere = ask(other, **environment)
    assert (value, hits) == ("6.0", "0") and elsewhere != folder
    assert ask(package, **environment) == ["3.0", "1", folder]


def test_code_in_a_folder_others_may_write_to_is_not_run(package: Path, tmp_path: Path) -> None:
    (package / "__pycache__").write_text("")
    (tmp_path / "cache" / "lard" / "compiled").mkdir(parents=True)
    (tmp_path / "cache" / "lard" / "compiled").chmod(0o777)
    (tmp_path / "temporary").mkdir()
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path / "temporary")}
    folder = ask(package, PYTHONDONTWRITEBYTECODE="1", **environment)[2]
    assert folder.startswith(str(tmp_path / "temporary"))
