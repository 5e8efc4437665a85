"""YAML 1.2 with line numbers: duplicate keys are refused and every fault of a file is reported at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from lard.errors import SpecError

Path_ = tuple[str | int, ...]


@dataclass
class Faults:
    """Collects faults of one file as `file:line: where: what`, sorted by line when raised."""

    file: str
    lines: dict[Path_, int] = field(default_factory=dict)
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, where: Sequence[str | int], message: str, line: int | None = None) -> None:
        """Note a fault at the deepest part of `where` that the file holds."""
        path = tuple(where)
        while line is None:
            line = self.lines.get(path)
            if not path:
                line = line or 1
            path = path[:-1]
        name = ".".join(str(part) for part in where)
        self.found.append((line, f"{name}: {message}" if name else message))

    def raise_if_any(self) -> None:
        """Raise SpecError with one line per fault."""
        if self.found:
            unique = sorted(dict.fromkeys(self.found), key=lambda item: item[0])
            raise SpecError("\n".join(f"{self.file}:{line}: {text}" for line, text in unique))


def load_yaml(path: str | Path) -> tuple[dict[str, Any], Faults]:
    """Read a YAML mapping; the faults returned hold the line of each key and any duplicate keys."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SpecError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not a readable UTF-8 text file ({error})") from error
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True
    faults = Faults(str(path))
    try:
        node = yaml.compose(text)
        data = YAML(typ="safe", pure=True).load(text) if not _walk(node, (), faults) else yaml.load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise SpecError(f"{path}:{line}: not valid YAML: {what}") from error
    except (YAMLError, RecursionError, ValueError) as error:
        raise SpecError(f"{path}:1: not valid YAML: {error}") from error
    if not isinstance(data, dict):
        kind = "an empty file" if data is None else f"a {type(data).__name__}"
        raise SpecError(f"{path}:1: expected a mapping of fields such as name and zones, found {kind}")
    return data, faults


def _walk(node: Node | None, where: Path_, faults: Faults) -> bool:
    """Record the line of each key below a node; True when a key is repeated."""
    repeated = False
    if isinstance(node, MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen:
                faults.add((*where, name), f"key repeated, first on line {seen[name]}; keep one", line)
                repeated = True
            seen.setdefault(name, line)
            faults.lines.setdefault((*where, name), line)
            repeated |= _walk(value, (*where, name), faults)
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            faults.lines[(*where, index)] = value.start_mark.line + 1
            repeated |= _walk(value, (*where, index), faults)
    return repeated
