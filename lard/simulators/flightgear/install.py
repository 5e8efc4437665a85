"""What of FlightGear is on this machine: program, data, scenery, and the helpers a headless run needs."""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lard.errors import SourceError

APT = (
    "apt-get update && apt-get install -y --no-install-recommends "
    "flightgear flightgear-data-all xvfb dbus util-linux"
)
VERSIONS = ("2020.3",)
_PROGRAMS = ("/usr/games/fgfs", "/usr/local/bin/fgfs")
_ROOTS = ("/usr/share/games/flightgear", "/usr/share/flightgear", "/usr/local/share/flightgear")
_HELPERS = {"Xvfb": "xvfb", "dbus-daemon": "dbus", "setpriv": "util-linux"}


@dataclass(frozen=True, slots=True)
class Installation:
    """A FlightGear that can be used."""

    program: Path
    root: Path
    version: str
    scenery: tuple[Path, ...]
    """Scenery folders, the first one wins."""


def find_installation() -> Installation:
    """The FlightGear of $LARD_FGFS, $FG_ROOT and $FG_SCENERY or of the usual places.

    SourceError lists all that is missing and the command that installs it.
    """
    program, root, faults = _program(), _root(), []
    if program is None:
        faults.append(f"FlightGear is not installed: no fgfs in {_looked('LARD_FGFS', ('PATH', *_PROGRAMS))}")
    if root is None:
        faults.append(
            f"FlightGear's data are not installed: no file named version in {_looked('FG_ROOT', _ROOTS)}"
        )
    faults += [f"{name} is not installed (package {package})" for name, package in missing_helpers().items()]
    if faults or program is None or root is None:
        raise SourceError("\n".join([*faults, f"Install it: {APT}"]))
    version = _version(root)
    if not version.startswith(VERSIONS):
        raise SourceError(
            f"{root}: found FlightGear {version or 'of no version'}, expected {' or '.join(VERSIONS)}.*: "
            "other versions start, answer and draw differently. Set FG_ROOT and LARD_FGFS to such a version, "
            f"or: {APT}"
        )
    return Installation(program, root, version, _scenery(root))


def missing_helpers() -> dict[str, str]:
    """Programs that a headless run needs and that are not in PATH, with their Debian packages."""
    return {name: package for name, package in _HELPERS.items() if shutil.which(name) is None}


@cache
def airport_meshes(scenery: tuple[Path, ...]) -> dict[str, Path]:
    """Mesh of every airport in the scenery; anywhere else FlightGear draws no runway, and mostly ocean."""
    meshes: dict[str, Path] = {}
    for folder in scenery:
        for path in sorted(folder.glob("Terrain/*/*/*.btg.gz")):
            code = path.name.removesuffix(".btg.gz")
            if not code.isdigit():
                meshes.setdefault(code, path)
    return meshes


def demand_scenery(installation: Installation, airports: Iterable[str]) -> None:
    """SourceError naming the airports without scenery, and those that have it."""
    meshes = airport_meshes(installation.scenery)
    missing = sorted(set(airports) - set(meshes))
    if missing:
        raise SourceError(
            f"no FlightGear scenery for {', '.join(missing)}: ocean would be drawn there. "
            f"Scenery in {', '.join(map(str, installation.scenery))} has "
            f"{', '.join(sorted(meshes)) or 'no airport'}. "
            "Name another scenery folder in $FG_SCENERY, or leave these airports out"
        )


def _looked(variable: str, usual: tuple[str, ...]) -> str:
    """Where something was looked for: what the variable says, else the usual places."""
    stated = os.environ.get(variable)
    return f"{stated} (${variable})" if stated else ", ".join(usual)


def _program() -> Path | None:
    stated = os.environ.get("LARD_FGFS")
    found = [stated] if stated else [shutil.which("fgfs"), *_PROGRAMS]
    return next((Path(p) for p in found if p and os.access(p, os.X_OK) and Path(p).is_file()), None)


def _root() -> Path | None:
    stated = os.environ.get("FG_ROOT")
    return next((Path(p) for p in ([stated] if stated else _ROOTS) if (Path(p) / "version").is_file()), None)


def _version(root: Path) -> str:
    return (root / "version").read_text(encoding="utf-8", errors="replace").strip()


def _scenery(root: Path) -> tuple[Path, ...]:
    stated = [Path(part) for part in os.environ.get("FG_SCENERY", "").split(os.pathsep) if part]
    return (*stated, root / "Scenery")
