"""Large YAML 1.2 files at the speed of libyaml: its events become plain values here, strictly.

A key twice, an unknown tag, a merge, a second document or an alias of nothing is refused with its line; so
are numbers that no table can hold, and what is deep or large once its aliases are written out.
Without libyaml the same events come from PyYAML's own parser, ten times slower.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from lard.documents import YAML_LIMIT_BYTES, read_text
from lard.documents.composed import Events
from lard.documents.json import DEPTH_LIMIT, FLOAT_LIMIT, NO_NUMBER, WHOLE_LIMIT
from lard.documents.yaml import aliases_fit
from lard.odd.yamlfile import Faults

Where = tuple[str | int, ...]

_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **{sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
}
_TAG = "tag:yaml.org,2002:"
_SCALARS: dict[str, tuple[type, ...]] = {
    "str": (), "int": (int,), "float": (int, float), "bool": (bool,), "null": (type(None),),
}  # fmt: skip
_SHORT = 8  # longer texts are hardly ever met twice
_NO_KEY: Any = object()


def plain_value(text: str) -> Any:
    """The value of a plain scalar by YAML 1.2's core schema: null, truth, whole number, number or text."""
    if text in _WORDS:
        return _WORDS[text]
    if _NUMBER.fullmatch(text):
        return int(text) if _INTEGER.fullmatch(text) else float(text)
    return int(text, 0) if _OTHER_BASE.fullmatch(text) else text


@dataclass(slots=True)
class _Open:
    """A mapping, set or sequence whose end has not come yet."""

    value: Any
    anchor: str | None
    is_set: bool
    where: Where
    before: int
    height: int = 1
    key: Any = _NO_KEY


@dataclass(frozen=True, slots=True)
class _Anchor:
    """A value that aliases may name, with the number of values in it and how deep they lie."""

    value: Any
    size: int
    height: int


@dataclass(slots=True)
class _Reading:
    """One pass over a document; with `lines` it also notes the line of every key and item."""

    faults: Faults
    lines: bool
    root: Any = None
    repeated: bool = False
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, _Anchor] = field(default_factory=dict)
    written: int = 0
    whole: int = 0  # values with aliases written out
    short: dict[str, Any] = field(default_factory=dict)

    def fail(self, event: Any, message: str) -> None:
        self.faults.add((), message, event.start_mark.line + 1)
        self.faults.raise_if_any()

    def place(self, value: Any, event: Any) -> None:
        """Put a finished or just opened value where the document has it."""
        if not self.stack:
            self.root = value
            return
        top = self.stack[-1]
        if type(top.value) is list:
            if self.lines:  # a list or mapping has its line since it was opened
                self.faults.lines.setdefault((*top.where, len(top.value)), event.start_mark.line + 1)
            top.value.append(value)
        elif top.key is _NO_KEY:
            self.begin_key(top, value, event)
        else:
            top.value[top.key] = value
            top.key = _NO_KEY

    def begin_key(self, top: _Open, key: Any, event: Any) -> None:
        if type(key) is list or type(key) is dict or type(key) is set:
            self.fail(event, "a key is a list or a mapping; expected text or a number")
        if key == "<<" and type(event) is ScalarEvent and event.implicit[0]:
            self.fail(event, "merge key <<, which YAML 1.2 does not have; write the values out")
        if key in top.value:
            self.repeated = True
        if self.lines:
            where, line = (*top.where, str(key)), event.start_mark.line + 1
            first = self.faults.lines.setdefault(where, line)
            if key in top.value:
                self.faults.add(where, f"key repeated, first on line {first}; keep one", line)
        top.value[key] = None
        top.key = key

    def scalar(self, event: Any) -> Any:
        text, tag = event.value, event.tag
        if tag is None or tag == "!":
            if not event.implicit[0] or tag == "!":
                return text
            if text not in self.short:
                value = self.number(plain_value(text), event)
                if len(text) > _SHORT:
                    return value
                self.short[text] = value
            return self.short[text]
        kind = tag.removeprefix(_TAG)
        if kind not in _SCALARS:
            self.fail(event, f"tag {tag} has no meaning here; write a plain value")
        value = self.number(plain_value(text), event)
        allowed = _SCALARS[kind]
        if allowed and (type(value) not in allowed):
            self.fail(event, f"{text!r} is no {kind}, as its tag says")
        return text if kind == "str" else float(value) if kind == "float" else value

    def number(self, value: Any, event: Any) -> Any:
        """The value, unless it is a number that no table can hold."""
        kind = type(value)
        if (kind is float and not abs(value) <= FLOAT_LIMIT) or (
            kind is int and not -WHOLE_LIMIT <= value < WHOLE_LIMIT
        ):
            self.fail(event, f"{event.value[:40]} {NO_NUMBER}")
        return value

    def open(self, event: Any) -> None:
        is_list = type(event) is SequenceStartEvent
        kind = "" if event.tag in (None, "!") else event.tag.removeprefix(_TAG)
        if kind not in (("", "seq") if is_list else ("", "map", "set")):
            self.fail(event, f"tag {event.tag} has no meaning here; write a plain list or mapping")
        where: Where = ()
        if self.lines and self.stack:
            top = self.stack[-1]
            where = (*top.where, len(top.value) if type(top.value) is list else str(top.key))
        if len(self.stack) >= DEPTH_LIMIT:
            self.fail(event, f"nested deeper than {DEPTH_LIMIT} levels")
        self.stack.append(_Open([] if is_list else {}, event.anchor, kind == "set", where, self.whole))
        if self.lines and where and type(where[-1]) is int:
            self.faults.lines[where] = event.start_mark.line + 1

    def close(self, event: Any) -> None:
        done = self.stack.pop()
        value = set(done.value) if done.is_set else done.value
        if done.anchor:
            self.anchors[done.anchor] = _Anchor(value, self.whole - done.before, done.height)
        self.raise_to(done.height + 1)
        self.place(value, event)

    def raise_to(self, height: int) -> None:
        """Note how deep values lie below what is open."""
        if self.stack:
            self.stack[-1].height = max(self.stack[-1].height, height)

    def alias(self, event: Any) -> None:
        if event.anchor not in self.anchors:
            self.fail(event, f"alias *{event.anchor} of nothing that is complete before it")
        named = self.anchors[event.anchor]
        self.whole += named.size
        if not aliases_fit(self.whole, self.written):
            self.fail(event, "its aliases expand to too many values; write them out or leave them out")
        if len(self.stack) + named.height > DEPTH_LIMIT:
            self.fail(event, f"nested deeper than {DEPTH_LIMIT} levels, aliases written out")
        self.raise_to(named.height + 1)
        self.place(named.value, event)

    def take(self, event: Any) -> None:
        """Take one event of the document."""
        kind = type(event)
        self.written += 1
        self.whole += 1
        if kind is ScalarEvent:
            value = self.scalar(event)
            if event.anchor:
                self.anchors[event.anchor] = _Anchor(value, 1, 0)
            self.place(value, event)
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            self.open(event)
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            self.close(event)
        elif kind is AliasEvent:
            self.alias(event)


def read_document(path: str | Path) -> tuple[Any, Faults]:
    """Value of the one document of a file and an empty list of its faults; SpecError for bad YAML.

    Lines are not noted: `locate` does that, once something is wrong.
    """
    path = Path(path)
    text = read_text(path, absent="expected a scenario file", limit_bytes=YAML_LIMIT_BYTES)
    reading = _read(text, Faults(str(path)), lines=False)
    if reading.repeated:
        locate(path).raise_if_any()
    return reading.root, reading.faults


def locate(path: str | Path) -> Faults:
    """Faults of a file that know the line of every key and item, repeated keys among them."""
    return _read(read_text(path, limit_bytes=YAML_LIMIT_BYTES), Faults(str(path)), lines=True).faults


def _read(text: str, faults: Faults, lines: bool) -> _Reading:
    reading, documents = _Reading(faults, lines), 0
    take = reading.take
    try:
        events = Events(text)
        while type(event := events.get_event()) is not StreamEndEvent:
            if type(event) is DocumentStartEvent:
                documents += 1
                if documents > 1:
                    reading.fail(event, "a second document begins; expected one")
            take(event)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        what = " ".join(part for part in (error.context, error.problem) if part)
        faults.add((), f"not valid YAML: {what}", line)
    except (yaml.YAMLError, ValueError) as error:
        faults.add((), f"not valid YAML: {' '.join(str(error).split())}", 1)
    faults.raise_if_any()
    return reading
