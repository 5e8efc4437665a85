"""Reads text, JSON and YAML that others wrote: bounded, of any Unicode encoding, only finite numbers.

Whatever is wrong becomes one line of the error class asked for: file, line, what was found, remedy.
"""

import codecs
import json
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from lard.errors import DataError, LardError

TEXT_LIMIT_BYTES = 512 << 20
YAML_LIMIT_BYTES = 32 << 20
DEPTH_LIMIT = 64
WHOLE_LIMIT = 1 << 63
"""Whole numbers beyond this fit no table."""

_EXPANSION_NODES, _EXPANSION_FACTOR = 100_000, 10
_SUSPECT = re.compile(r"(?:^|[\s\[,:-])\d{19}|[eE]\+?\d{3}")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with theirs
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_bytes(
    path: str | Path,
    *,
    error: type[LardError] = DataError,
    absent: str = "give the path of a file that is there",
    limit_bytes: int = TEXT_LIMIT_BYTES,
) -> bytes:
    """Bytes of a file of at most limit_bytes; `absent` says what to do when there is none."""
    try:
        with Path(path).open("rb") as stream:
            raw = stream.read(limit_bytes + 1)
    except (FileNotFoundError, NotADirectoryError) as fault:
        raise error(f"{path}: no such file; {absent}") from fault
    except OSError as fault:
        raise error(f"{path}: cannot be read ({os.strerror(fault.errno or 0)})") from fault
    except ValueError as fault:  # a NUL in the path
        raise error(f"{str(path)!r}: is no path of a file ({fault})") from fault
    if len(raw) > limit_bytes:
        raise error(f"{path}: longer than {limit_bytes >> 20} MiB, the most that is read; split it")
    return raw


def encoding_of(head: bytes) -> tuple[str, int]:
    """Encoding that the first bytes of a text show, and the length of its mark; UTF-8 where none does."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name, len(mark)
    if len(head) >= 2 and (head[0] == 0) != (head[1] == 0):
        return ("utf-16-be" if head[0] == 0 else "utf-16-le"), 0
    return "utf-8", 0


def _as_cp1252(fault: UnicodeError) -> tuple[str, int]:
    assert isinstance(fault, UnicodeDecodeError)
    return fault.object[fault.start : fault.end].decode("cp1252", "replace"), fault.end


OLD_BYTES = "lard-old-bytes"
"""Error handler that reads what is no UTF-8 as the Windows text it then mostly is: names of old tables."""
codecs.register_error(OLD_BYTES, _as_cp1252)


def decode_text(raw: bytes, where: object, *, error: type[LardError] = DataError, old: bool = False) -> str:
    """Text of UTF-8, UTF-16 or UTF-32 bytes; with `old` single bytes of Windows text are let in too."""
    encoding, skipped = encoding_of(raw)
    try:
        return raw[skipped:].decode(encoding, OLD_BYTES if old else "strict")
    except UnicodeDecodeError as fault:
        line = raw.count(b"\n", 0, fault.start) + 1
        found = raw[fault.start + skipped : fault.start + skipped + 1].hex() or "an end"
        raise error(
            f"{where}:{line}: byte 0x{found} is no {encoding.upper()} text; save the file as UTF-8"
        ) from fault


def read_text(
    path: str | Path,
    *,
    error: type[LardError] = DataError,
    absent: str = "give the path of a file that is there",
    limit_bytes: int = TEXT_LIMIT_BYTES,
    old: bool = False,
) -> str:
    """Text of a file without its byte order mark, line ends as they are."""
    return decode_text(
        read_bytes(path, error=error, absent=absent, limit_bytes=limit_bytes), path, error=error, old=old
    )


def read_json(
    path: str | Path,
    *,
    error: type[LardError] = DataError,
    absent: str = "run the stage or command that writes it first",
    pairs: Callable[[list[tuple[str, Any]]], Any] | None = None,
) -> Any:
    """A JSON file's value."""
    return parse_json(read_bytes(path, error=error, absent=absent), path, error=error, pairs=pairs)


def parse_json(
    raw: bytes | str,
    where: object,
    *,
    error: type[LardError] = DataError,
    pairs: Callable[[list[tuple[str, Any]]], Any] | None = None,
) -> Any:
    """Value of a JSON text; `pairs` makes objects of their keys and values."""
    text = decode_text(raw, where, error=error) if isinstance(raw, bytes) else raw
    hooks: dict[str, Any] = {"object_pairs_hook": pairs} if pairs else {}
    if "NaN" in text or "Infinity" in text or _SUSPECT.search(text):
        hooks |= {"parse_constant": _finite, "parse_float": _finite, "parse_int": _whole}
    try:
        value = json.loads(text, **hooks)
    except json.JSONDecodeError as fault:
        raise error(
            f"{where}:{fault.lineno}: not valid JSON ({fault.msg}, column {fault.colno}); write it again"
        ) from fault
    except RecursionError:
        raise error(f"{where}: nested deeper than {DEPTH_LIMIT} levels; expected a plain document") from None
    except _NumberError as fault:
        raise error(f"{where}:{_line(text, str(fault))}: {str(fault)[:40]} {_NO_NUMBER}") from None
    if text.count("[") + text.count("{") > DEPTH_LIMIT and _deeper_than(value, DEPTH_LIMIT):
        raise error(f"{where}: nested deeper than {DEPTH_LIMIT} levels; expected a plain document")
    return value


class _NumberError(Exception):
    """A number that no table can hold; its text."""


_NO_NUMBER = "is no number that can be used; expected a finite one of at most 64 bits"


def _finite(text: str) -> float:
    value = float(text) if text[-1:].isdigit() else math.nan
    if not math.isfinite(value):
        raise _NumberError(text)
    return value


def _whole(text: str) -> int:
    if len(text) > 20 or not -WHOLE_LIMIT <= int(text) < WHOLE_LIMIT:
        raise _NumberError(text)
    return int(text)


def _line(text: str, part: str) -> int:
    return text.count("\n", 0, max(text.find(part), 0)) + 1


def _deeper_than(value: Any, limit: int) -> bool:
    """Whether lists and mappings lie in each other more than `limit` times."""
    level = [value] if isinstance(value, list | dict) else []
    for _ in range(limit):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, list | dict)
        ]
        if not level:
            return False
    return True


def read_yaml(
    path: str | Path,
    *,
    error: type[LardError] = DataError,
    absent: str = "give the path of a file that is there",
) -> Any:
    """A YAML 1.2 file's value; repeated keys are refused."""
    text = read_text(path, error=error, absent=absent, limit_bytes=YAML_LIMIT_BYTES)
    return yaml_value(yaml_nodes(text, path, error=error), path, error=error)


def yaml_nodes(
    text: str, where: object, *, error: type[LardError] = DataError, finite: bool = True
) -> Node | None:
    """The nodes of a YAML text, with their lines: bounded in depth and in what aliases make of them.

    Without `finite`, .inf and .nan pass, for a reader that reports them by field.
    """
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as fault:
        raise _marked(fault, where, error) from fault
    except YAMLError as fault:
        raise error(f"{where}:1: not valid YAML: {_one_line(fault)}") from fault
    except RecursionError:
        raise error(f"{where}: nested deeper than {DEPTH_LIMIT} levels; expected a plain document") from None
    except (ValueError, IndexError, OverflowError) as fault:  # of a tag or directive that means nothing
        raise error(f"{where}:1: not valid YAML: {_one_line(fault)}") from fault
    if node is not None:
        sizes: dict[int, int] = {}
        whole = _size(node, where, error, sizes, 1)
        _check_numbers(node, where, error, finite)
        if whole > max(_EXPANSION_NODES, _EXPANSION_FACTOR * len(sizes)):
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


def _size(node: Node, where: object, error: type[LardError], sizes: dict[int, int], depth: int) -> int:
    """Number of values below a node, aliases written out; 0 marks those that are being counted."""
    if id(node) in sizes:
        if sizes[id(node)] == 0:
            raise error(f"{where}:{node.start_mark.line + 1}: an alias of itself; write the value out")
        return sizes[id(node)]
    if depth > DEPTH_LIMIT:
        raise error(f"{where}:{node.start_mark.line + 1}: nested deeper than {DEPTH_LIMIT} levels")
    sizes[id(node)], total = 0, 1
    if isinstance(node, MappingNode):
        for key, value in node.value:
            total += _size(key, where, error, sizes, depth + 1) + _size(value, where, error, sizes, depth + 1)
    elif isinstance(node, SequenceNode):
        total += sum(_size(child, where, error, sizes, depth + 1) for child in node.value)
    sizes[id(node)] = total
    return total


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
        elif not _fits(str(node.tag).rpartition(":")[2], str(node.value).replace("_", ""), finite):
            found = str(node.value)[:40]
            raise error(f"{where}:{node.start_mark.line + 1}: {found} {_NO_NUMBER}")


def _fits(kind: str, text: str, finite: bool) -> bool:
    """Whether a scalar of a YAML kind is no number or one that a table can hold."""
    try:
        if kind == "float" and finite:
            return text.lower().lstrip("+-") not in (".inf", ".nan") and math.isfinite(float(text))
        if kind == "int":
            return len(text) <= 70 and -WHOLE_LIMIT <= int(text, 0) < WHOLE_LIMIT
    except ValueError:
        pass  # leading zeros, sexagesimal or no number at all: the constructor decides
    return True


def _marked(fault: MarkedYAMLError, where: object, error: type[LardError]) -> LardError:
    line = fault.problem_mark.line + 1 if fault.problem_mark else 1
    what = " ".join(str(part) for part in (fault.context, fault.problem) if part)
    return error(f"{where}:{line}: not valid YAML: {_one_line(what)}")


def _one_line(fault: object) -> str:
    return " ".join(str(fault).split())[:200] or type(fault).__name__
