"""YAML 1.2: bounded in depth and in what aliases make of it, and only numbers that a table can hold."""

from pathlib import Path
from typing import Any

import yaml as libyaml
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from lard.documents.composed import DepthError, composed
from lard.documents.json import DEPTH_LIMIT, FLOAT_LIMIT, NO_NUMBER, WHOLE_LIMIT
from lard.documents.text import read_text
from lard.errors import DataError, LardError

YAML_LIMIT_BYTES = 32 << 20
SETTINGS_LIMIT_BYTES = 2 << 20
"""Of specs, parameters, cards, waivers and lists of classes: far beyond what people write."""

_EXPANSION_NODES, _EXPANSION_FACTOR = 100_000, 10


def read_yaml(
    path: str | Path,
    *,
    error: type[LardError] = DataError,
    absent: str = "give the path of a file that is there",
) -> Any:
    """A YAML 1.2 file's value; repeated keys are refused."""
    text = read_text(path, error=error, absent=absent, limit_bytes=SETTINGS_LIMIT_BYTES)
    return yaml_value(yaml_nodes(text, path, error=error), path, error=error)


def yaml_nodes(
    text: str, where: object, *, error: type[LardError] = DataError, finite: bool = True
) -> Node | None:
    """The nodes of a YAML text, with their lines: bounded in depth and in what aliases make of them.

    Without `finite`, .inf and .nan pass, for a reader that reports them by field.
    """
    try:
        node = composed(text)
    except libyaml.MarkedYAMLError as fault:
        raise _marked(fault, where, error) from fault
    except DepthError as fault:
        raise error(f"{where}:{fault}: nested deeper than {DEPTH_LIMIT} levels; write it flatter") from None
    except (libyaml.YAMLError, ValueError) as fault:  # a character that no text has, half a character
        raise error(f"{where}:1: not valid YAML: {_one_line(fault)}") from fault
    if node is not None:
        sizes: dict[int, tuple[int, int]] = {}
        whole, _ = _size(node, where, error, sizes, 1)
        _check_numbers(node, where, error, finite)
        if not aliases_fit(whole, len(sizes)):
            raise error(f"{where}: its aliases expand to {whole:,} values; write them out or leave them out")
    return node


def yaml_value(
    node: Node | None, where: object, *, error: type[LardError] = DataError, repeated: bool = False
) -> Any:
    """Value of a text's nodes; `repeated` lets keys occur twice, for a reader that reports them itself."""
    if node is None:
        return None
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = repeated
    try:
        return yaml.constructor.construct_document(node)
    except MarkedYAMLError as fault:
        raise _marked(fault, where, error) from fault
    except (YAMLError, ValueError, TypeError, LookupError, AttributeError, OverflowError) as fault:
        # the library lets all of these out for a tag that does not fit its value (month 13, !!bool 7)
        raise error(f"{where}:1: not valid YAML: {_one_line(fault)}") from fault


def aliases_fit(whole: int, written: int) -> bool:
    """Whether a document of so many values, aliases written out, is no bomb."""
    return whole <= max(_EXPANSION_NODES, _EXPANSION_FACTOR * written)


def _size(
    node: Node, where: object, error: type[LardError], sizes: dict[int, tuple[int, int]], depth: int
) -> tuple[int, int]:
    """Number and levels of the values of a node, aliases written out; 0, 0 marks those being counted."""
    total, height = sizes.get(id(node), (1, 1))
    if total == 0:
        raise error(f"{where}:{node.start_mark.line + 1}: an alias of itself; write the value out")
    if depth + height - 1 > DEPTH_LIMIT:
        raise error(f"{where}:{node.start_mark.line + 1}: nested deeper than {DEPTH_LIMIT} levels")
    if id(node) in sizes:
        return total, height
    sizes[id(node)] = 0, 0
    below: list[Node] = []
    if isinstance(node, MappingNode):
        below = [part for pair in node.value for part in pair]
    elif isinstance(node, SequenceNode):
        below = node.value
    for child in below:
        more, levels = _size(child, where, error, sizes, depth + 1)
        total, height = total + more, max(height, levels + 1)
    sizes[id(node)] = total, height
    return sizes[id(node)]


def _check_numbers(root: Node, where: object, error: type[LardError], finite: bool) -> None:
    """Refuse numbers that no table can hold; each node once, however many aliases name it."""
    seen: set[int] = set()
    nodes = [root]
    while nodes:
        node = nodes.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, MappingNode):
            nodes += [part for pair in reversed(node.value) for part in reversed(pair)]
        elif isinstance(node, SequenceNode):
            nodes += reversed(node.value)
        elif any("\ud800" <= character <= "\udfff" for character in str(node.value)):
            raise error(
                f"{where}:{node.start_mark.line + 1}: half a character; write the text again as UTF-8"
            )
        elif not _fits(str(node.tag).rpartition(":")[2], str(node.value).replace("_", ""), finite):
            found = str(node.value)[:40]
            raise error(f"{where}:{node.start_mark.line + 1}: {found} {NO_NUMBER}")


def _fits(kind: str, text: str, finite: bool) -> bool:
    """Whether a scalar of a YAML kind is no number or one that a table can hold."""
    try:
        if kind == "float" and finite:
            return text.lower().lstrip("+-") not in (".inf", ".nan") and abs(float(text)) <= FLOAT_LIMIT
        if kind == "int":
            return len(text) <= 70 and -WHOLE_LIMIT <= int(text, 0) < WHOLE_LIMIT
    except ValueError:
        pass  # leading zeros, sexagesimal or no number at all: the constructor decides
    return True


def _marked(
    fault: MarkedYAMLError | libyaml.MarkedYAMLError, where: object, error: type[LardError]
) -> LardError:
    line = fault.problem_mark.line + 1 if fault.problem_mark else 1
    what = " ".join(str(part) for part in (fault.context, fault.problem) if part)
    return error(f"{where}:{line}: not valid YAML: {_one_line(what)}")


def _one_line(fault: object) -> str:
    return " ".join(str(fault).split())[:200] or type(fault).__name__
