"""JSON: bounded in depth, and only numbers that a table can hold."""

import contextlib
import gc
import json
import math
import re
from collections.abc import Callable, Iterator
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
_KEY_ENDS = ('":', " :", "\t:", "\n:", "\r:")
_LOOK, _OVERLAP, _LARGE = 1 << 24, 32, 1 << 20
_DIGITS = bytes(
    48 if chr(code).isdigit() and code < 128 else 101 if code in b"eE" else 43 if code == 43 else 32
    for code in range(256)
)
"""Digits as 0, e of either case, + as it is and all else as a space."""
_MARKS = (b"0" * 19, b"e000", b"e+000")
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
    hooks: dict[str, Any] = {}
    if "NaN" in text or "Infinity" in text or (_may_be_suspect(text) and _SUSPECT.search(text)):
        hooks |= {"parse_constant": _finite, "parse_float": _finite, "parse_int": _whole}
    try:
        with _no_collecting(len(text)):
            value = _loaded(text, hooks, pairs)
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


def _loaded(text: str, hooks: dict[str, Any], pairs: Callable[[list[tuple[str, Any]]], Any] | None) -> Any:
    """The value of a text; without `pairs` a _KeyTwiceError where a key stands twice in one object.

    A key ends in a quote and a colon, with white space between them or none: where there are no more such
    places than keys in the objects made, none was lost. Else, as with a colon after a space in some string,
    each object is looked at, which takes longer.
    """
    if pairs is not None:
        return json.loads(text, object_pairs_hook=pairs, **hooks)
    keys = 0

    def counted(found: dict[str, Any]) -> dict[str, Any]:
        nonlocal keys
        keys += len(found)
        return found

    value = json.loads(text, object_hook=counted, **hooks)
    if sum(map(text.count, _KEY_ENDS)) > keys:
        value = json.loads(text, object_pairs_hook=_once, **hooks)
    return value


def _may_be_suspect(text: str) -> bool:
    """Whether a text may have numbers that _SUSPECT finds: a quick look, which finds no fewer."""
    for start in range(0, len(text), _LOOK):
        digits = text[start : start + _LOOK + _OVERLAP].encode("ascii", "replace").translate(_DIGITS)
        if any(mark in digits for mark in _MARKS):
            return True
    return False


@contextlib.contextmanager
def _no_collecting(characters: int) -> Iterator[None]:
    """Let no search for circles go through the many objects of a large text again and again: it has none."""
    if characters < _LARGE or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


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


_NESTING = (list, dict)  # a tuple is tried sooner than a union


def _deeper_than(value: Any, limit: int) -> bool:
    """Whether lists and mappings lie in each other more than `limit` times."""
    level = [value] if isinstance(value, list | dict) else []
    for _ in range(limit):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, _NESTING)
        ]
        if not level:
            return False
    return True
