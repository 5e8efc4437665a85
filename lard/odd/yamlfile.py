"""YAML 1.2 with line numbers: duplicate keys are refused and every fault of a file is reported at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from lard.documents import SETTINGS_LIMIT_BYTES, read_text, yaml_nodes, yaml_value
from lard.errors import SpecError

Path_ = tuple[str | int, ...]


@dataclass
class Faults:
    """Collects faults of one file as `file:line: where: what`, sorted by line when raised."""

    file: str
    lines: dict[Path_, int] = field(default_factory=dict)
    found: list[tuple[int, str]] = field(default_factory=list)
    warned: list[tuple[int, str]] = field(default_factory=list)

    def add(self, where: Sequence[str | int], message: str, line: int | None = None) -> None:
        """Note a fault at the deepest part of `where` that the file holds."""
        self.found.append(self._place(where, message, line))

    def warn(self, where: Sequence[str | int], message: str) -> None:
        """Note what is odd and yet can be meant."""
        self.warned.append(self._place(where, message, None))

    def _place(self, where: Sequence[str | int], message: str, line: int | None) -> tuple[int, str]:
        path = tuple(where)
        while line is None:
            line = self.lines.get(path)
            if not path:
                line = line or 1
            path = path[:-1]
        name = ".".join(str(part) for part in where)
        return line, f"{name}: {message}" if name else message

    def errors(self) -> list[str]:
        """The faults as lines of text, by line of the file."""
        return self._texts(self.found)

    def warnings(self) -> list[str]:
        """The warnings as lines of text, by line of the file."""
        return self._texts(self.warned)

    def _texts(self, items: list[tuple[int, str]]) -> list[str]:
        unique = sorted(dict.fromkeys(items), key=lambda item: item[0])
        return [f"{self.file}:{line}: {text}" for line, text in unique]

    def raise_if_any(self) -> None:
        """Raise SpecError with one line per fault."""
        if self.found:
            raise SpecError("\n".join(self.errors()))


def load_yaml(path: str | Path) -> tuple[dict[str, Any], Faults]:
    """Read a YAML mapping; the faults returned hold the line of each key and any duplicate keys."""
    path = Path(path)
    text = read_text(
        path,
        error=SpecError,
        absent="give the path of a spec, or the name of a shipped one",
        limit_bytes=SETTINGS_LIMIT_BYTES,
    )
    node = yaml_nodes(text, path, error=SpecError, finite=False)
    faults = Faults(str(path))
    data = yaml_value(node, path, error=SpecError, repeated=_walk(node, (), faults))
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
