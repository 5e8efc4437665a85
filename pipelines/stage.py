"""What every stage shares: its parameters, its runways and the way it ends."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lard.airports import RunwayDatabase
from lard.airports.files import open_database
from lard.documents import read_yaml
from lard.errors import LardError, SpecError, fault_line, told

PARAMS = Path("params.yaml")


def params(*path: str) -> Any:
    """The value at a path of keys in params.yaml; SpecError names the key that is missing."""
    value = read_yaml(PARAMS, error=SpecError, absent="run the stages from the repository root")
    for depth, key in enumerate(path, start=1):
        if not isinstance(value, dict) or key not in value:
            raise SpecError(f"{PARAMS}: {'.'.join(path[:depth])} is missing; see the shipped params.yaml")
        value = value[key]
    return value


def optional(name: str) -> dict[str, Any]:
    """A section that params.yaml need not have for this stage; empty where it has none."""
    whole = params()
    own = whole.get(name) if isinstance(whole, dict) else None
    return own if isinstance(own, dict) else {}


def assured_models() -> list[str]:
    """The models of the assurance stage; none where params.yaml has no such stage."""
    return [str(name) for name in optional("assurance").get("models") or ()]


def runway_database() -> RunwayDatabase:
    """The runway database that params.yaml names: `shipped`, or a folder or file."""
    return open_database(str(params("runways")))


def run(stage: Callable[[], int | None]) -> None:
    """Run a stage as a script: one clear line and exit code 2 for a user's error, 130 for Ctrl-C."""
    try:
        code = stage() or 0
    except LardError as error:
        print(f"lard: {told(error)}", file=sys.stderr)
        code = 2
    except OSError as error:
        line = fault_line(error)
        if line is None:
            raise
        print(f"lard: {line}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on from here", file=sys.stderr)
        code = 130
    sys.exit(code)
