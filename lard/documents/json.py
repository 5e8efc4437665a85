"""JSON: bounded in depth, and only numbers that a table can hold."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lard.documents.text import decode_text, read_bytes
from lard.errors import DataError, LardError

DEPTH_LIMIT = 64
WHOLE_LIMIT = 1 << 63
"""Whole numbers beyond this fit no table."""
FLOAT_LIMIT = 1e100
"""Squares of what a document states, sums and changes of unit stay finite up to it."""
NO_NUMBER = f"is no number that can be used; expected a finite one of at most 64 bits and {FLOAT_LIMIT:g}"

_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")
_SUSPECT = re.compile(r"(?:^|[\s\[,:-])\d{19}|[eE]\+?\d{3}")


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
    """Value of a JSON text; `pairs` makes objects of keys and values, else no key may stand twice in one."""
    text = decode_text(raw, where, error=error) if isinstance(raw, bytes) else raw
    hooks: dict[str, Any] = {"object_pairs_hook": pairs or _once}
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
    except _KeyTwiceError as fault:
        raise error(f"{where}: key {str(fault)!r:.60} stands twice in one object; keep one of them") from None
    except _NumberError as fault:
        raise error(f"{where}:{_line(text, str(fault))}: {str(fault)[:40]} {NO_NUMBER}") from None
    if _ESCAPED.search(text):
        _check_characters(value, where, error)
    if text.count("[") + text.count("{") > DEPTH_LIMIT and _deeper_than(value, DEPTH_LIMIT):
        raise error(f"{where}: nested deeper than {DEPTH_LIMIT} levels; expected a plain document")
    return value


def _check_characters(value: Any, where: object, error: type[LardError]) -> None:
    """Refuse half a character, which an escape can write and no file or table can hold."""
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as fault:
        found = fault.object[fault.start].encode("unicode_escape").decode()
        raise error(f"{where}: {found} is half a character; write the text again as UTF-8") from None
    except RecursionError:
        raise error(f"{where}: nested deeper than {DEPTH_LIMIT} levels; expected a plain document") from None


class _KeyTwiceError(Exception):
    """A key that stands twice in an object; readers would silently take the last."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of its keys and values."""
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise _KeyTwiceError(next(key for place, key in enumerate(keys) if key in keys[:place]))
    return found


class _NumberError(Exception):
    """A number that no table can hold; its text."""


def _finite(text: str) -> float:
    value = float(text) if text[-1:].isdigit() else math.nan
    if not abs(value) <= FLOAT_LIMIT:
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
