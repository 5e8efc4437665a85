"""Functions compiled by Numba whose machine code is kept on disk until a source it depends on changes.

Numba's own cache notices edits of a function's file only, not of the files of the functions it calls or of
the constants it was compiled with. Here the code goes by a digest of the file and of all modules of this
package that it imports, directly or not. It lies in `__pycache__` beside the module; where that cannot be
written, in a folder of the user or of the machine's temporary files that is named by the digest.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba import njit
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

_SETTINGS: Any = numba.config
_PACKAGE = Path(__file__).parent
_IMPORT = re.compile(
    rf"^[ \t]*(?:from[ \t]+({_PACKAGE.name}[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)"
    rf"|import[ \t]+({_PACKAGE.name}[\w.]*))",
    re.MULTILINE,
)


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorator that compiles a function at its first call, with options of numba.njit."""

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher = njit(**options)(function)
        if not _SETTINGS.DISABLE_JIT and cache_folder(Path(function.__code__.co_filename)) is not None:
            dispatcher._cache = _Cache(function)
        return dispatcher

    return decorate


@cache
def sources_digest(module: Path) -> str:
    """SHA-256 of a module's file and of all modules of this package that it imports, directly or not."""
    found, waiting = {module}, [module]
    while waiting:
        for path in _imported(waiting.pop()):
            if path not in found:
                found.add(path)
                waiting.append(path)
    whole = hashlib.sha256()
    for path in sorted(found, key=_name):
        whole.update(f"{_name(path)}\n{hashlib.sha256(_source(path)).hexdigest()}\n".encode())
    return whole.hexdigest()


@cache
def cache_folder(module: Path) -> Path | None:
    """Where a module's machine code is kept; None when nothing can be written: it is compiled every time."""
    name = sources_digest(module)[:20]
    if _SETTINGS.CACHE_DIR:
        chosen = Path(_SETTINGS.CACHE_DIR) / name
        return chosen if _writable(chosen) else None
    beside = module.parent / "__pycache__"
    if _writable(beside):
        return beside
    for root in _elsewhere():
        # machine code is run as it is read: a folder that others may write to will not do
        if _writable(root) and _owned(root) and _writable(root / name):
            return root / name
    return None


@cache
def _source(path: Path) -> bytes:
    return path.read_bytes()


def _name(path: Path) -> str:
    """A module's name that does not tell where the package is installed."""
    return path.relative_to(_PACKAGE).as_posix() if path.is_relative_to(_PACKAGE) else path.name


@cache
def _imported(path: Path) -> tuple[Path, ...]:
    """Files of this package that a file imports from; names within brackets may be modules, too."""
    found = []
    for package, names, plain in _IMPORT.findall(_source(path).decode()):
        place = _PACKAGE.parent.joinpath(*(package or plain).split("."))
        parts = [place / name for name in re.findall(r"\w+", names)]
        for module in (place, *parts):
            found += [file for file in (module.with_suffix(".py"), module / "__init__.py") if file.is_file()]
    return tuple(found)


def _elsewhere() -> Iterator[Path]:
    """Folders for machine code when the installation is read-only."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    if Path(home).is_absolute():
        yield Path(home) / _PACKAGE.name / "compiled"
    user = os.getuid() if hasattr(os, "getuid") else "user"
    yield Path(tempfile.gettempdir()) / f"{_PACKAGE.name}-compiled-{user}"


@cache
def _writable(folder: Path) -> bool:
    """Whether files can be made in a folder, which is made if need be."""
    try:
        folder.mkdir(mode=0o700 if folder.name != "__pycache__" else 0o777, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _owned(folder: Path) -> bool:
    """Whether only this user may write to a folder."""
    if not hasattr(os, "getuid"):
        return True
    state = folder.lstat()
    return state.st_uid == os.getuid() and not state.st_mode & 0o022


class _Place(_CacheLocator):  # type: ignore[misc]
    """Numba's view of where a function's machine code is kept and what it goes by."""

    def __init__(self, function: Callable[..., Any], path: Path) -> None:
        self._py_file = str(path)  # named in Numba's own warnings
        self._line = function.__code__.co_firstlineno

    @classmethod
    def from_function(cls, function: Callable[..., Any], path: str) -> "_Place":
        """Numba's constructor."""
        return cls(function, Path(path))

    def get_cache_path(self) -> str:
        """The folder."""
        return str(cache_folder(Path(self._py_file)))

    def get_source_stamp(self) -> str:
        """What the stored code must agree with."""
        return sources_digest(Path(self._py_file))

    def get_disambiguator(self) -> str:
        """Tells functions of one name and module apart."""
        return str(self._line)


class _Implementation(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes: list[type[object]] = [_Place]  # noqa: RUF012


class _Cache(FunctionCache):  # type: ignore[misc]
    _impl_class = _Implementation
