"""Damage to files: of any bytes, and by what they hold - trees (JSON, YAML), cells (CSV, text) and lines."""

from __future__ import annotations

import copy
import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import yaml

Rng = np.random.Generator
Mutator = Callable[[bytes, Rng], bytes]

VALUES: tuple[Any, ...] = (
    None, True, False, "", " ", 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**400, 0.5, -0.0, 1e-308, 1e308,
    1e999, -1e999, float("nan"), "NaN", "0", "-1", "1e999", "true", "null",
    "x", "é", "\x00", "a\nb",
    "../../../x", "/etc/passwd", "a/b", "a" * 5000, "٣", "²", "=1+1", "<b>x</b>", "{0}", "%s", [], {}, [[]],
    [None], {"a": 1}, [1, 2], [float("nan")] * 4, "2024-02-30T25:61:61Z", "9" * 5000, 13, 90.0, 180.0, 360.0,
)  # fmt: skip
TOKENS = (
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"NaN", b"1e999", b"[" * 4000, b"{" * 200, b'"', b"'",
    b"\n", b"\r", b"\r\n", b";", b",", b"\t", b":", b"- ", b"&a ", b"*a", b"!!int ", b"%", b"\\", b"\x1b[31m",
    b"9" * 5000, b"-", b"0", b"../", b"\xe2\x80\xa8", b"\xed\xa0\x80", b"!!python/object:os.system ", b"<<: ",
)  # fmt: skip
BOMB = b"a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n" + b"".join(
    b"%c: &%c [%s]\n" % (98 + k, 98 + k, b", ".join([b"*%c" % (97 + k)] * 9)) for k in range(1, 9)
)


def of_bytes(raw: bytes, rng: Rng) -> bytes:
    """Bytes changed, inserted, removed, doubled, cut off or of another encoding."""
    data = bytearray(raw)
    for _ in range(int(rng.choice([1, 1, 1, 2, 4, 16]))):
        at = int(rng.integers(0, len(data) + 1))
        span = int(min(len(data) - at, rng.choice([1, 1, 2, 4, 16, 100, 1000])))
        match int(rng.integers(0, 8)):
            case 0:
                data[at : at + span] = rng.integers(0, 256, span, np.uint8).tobytes()
            case 1:
                data[at:at] = rng.integers(0, 256, span, np.uint8).tobytes()
            case 2:
                del data[at : at + span]
            case 3:
                data[at:at] = data[at : at + span] * int(rng.choice([1, 2, 50]))
            case 4:
                del data[at:]
            case 5:
                data[at:at] = TOKENS[int(rng.integers(len(TOKENS)))]
            case 6 if at < len(data):
                data[at] ^= 1 << int(rng.integers(8))
            case _:
                other = int(rng.integers(0, len(data) + 1))
                data[at : at + span] = data[other : other + span]
    return bytes(data)


def of_text(raw: bytes, rng: Rng) -> bytes:
    """Text in another encoding or with other line ends; or lines lost, doubled, swapped, indented."""
    text = raw.decode("utf-8", "replace")
    kind = int(rng.integers(0, 12))
    if kind < 5:
        encodings = ("utf-16", "utf-16-be", "utf-8-sig", "latin-1", "utf-32")
        return text.replace("a", "é", 1).encode(encodings[kind], "replace")
    if kind == 5:
        return text.replace("\n", str(rng.choice(["\r", "\r\n", "\n\n", "\x0b", " "]))).encode()
    if kind == 6 and rng.random() < 0.3:
        return BOMB + raw
    lines = text.splitlines(keepends=True) or [""]
    for _ in range(int(rng.choice([1, 1, 3]))):
        at, other = (int(rng.integers(0, len(lines))) for _ in range(2))
        match int(rng.integers(0, 5)):
            case 0 if len(lines) > 1:
                del lines[at]
            case 1:
                lines.insert(other, lines[at])
            case 2:
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                lines[at] = " " * int(rng.integers(1, 5)) + lines[at]
            case _:
                lines[at] = of_bytes(lines[at].encode(), rng).decode("utf-8", "replace")
    return "".join(lines).encode()


def tree(value: Any, rng: Rng) -> Any:
    """A document with some of its values replaced, removed, repeated or renamed."""
    root = [copy.deepcopy(value)]
    for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
        places = list(_places(root))
        holder, key = places[int(rng.integers(len(places)))]
        _damage(holder, key, rng)
        if not root:
            return None
    return root[0]


def _places(root: Any) -> Any:
    """(holder, key) of every value below a list or mapping."""
    stack = [root]
    while stack:
        holder = stack.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            yield holder, key
            if isinstance(holder[key], list | dict):
                stack.append(holder[key])


def _damage(holder: Any, key: Any, rng: Rng) -> None:
    value, strange = holder[key], copy.deepcopy(VALUES[int(rng.integers(len(VALUES)))])
    match int(rng.integers(0, 10)):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, list):
            holder[key:key] = [copy.deepcopy(value)] * int(rng.choice([1, 3, 100]))
        case 2 if isinstance(holder, dict) and isinstance(strange, str | int | float | bool | None):
            holder[strange if rng.random() < 0.3 else str(strange)[:40]] = holder.pop(key)
        case 3 if isinstance(value, int | float) and abs(value) < 1e300:
            holder[key] = value * float(rng.choice([-1, 0, 1e-9, 1e9, 1.0001]))
        case 4:
            holder[key] = str(value)
        case 5:
            holder[key] = [value]
        case 6:
            deep: Any = strange
            for _ in range(int(rng.choice([3, 70, 90]))):
                deep = [deep]
            holder[key] = deep
        case _:
            holder[key] = strange


def of_json(raw: bytes, rng: Rng) -> bytes:
    return json.dumps(tree(json.loads(raw), rng)).encode("utf-8", "surrogatepass")


def of_yaml(raw: bytes, rng: Rng) -> bytes:
    changed = tree(yaml.safe_load(raw), rng)
    return yaml.safe_dump(changed, allow_unicode=True, default_flow_style=bool(rng.random() < 0.3)).encode()


def of_cells(raw: bytes, rng: Rng) -> bytes:
    """A table as text, with cells replaced, or columns lost, doubled or renamed."""
    text = raw.decode("utf-8", "replace")
    first = text.split("\n", 1)[0]
    mark = max((";", ",", "\t", " "), key=first.count)
    rows = [line.split(mark) for line in text.splitlines()] or [[""]]
    for _ in range(int(rng.choice([1, 1, 2, 6]))):
        line = rows[int(rng.integers(len(rows)))] or [""]
        at = int(rng.integers(len(line)))
        match int(rng.integers(0, 7)):
            case 0:
                for other in rows:
                    del other[at : at + 1]
            case 1:
                for other in rows:
                    other.insert(at, other[at] if at < len(other) else "")
            case 2:
                del line[at : at + 1]
            case 3:
                line.insert(at, "")
            case _:
                line[at : at + 1] = [_cell(rng)]
    return "\n".join(mark.join(line) for line in rows).encode("utf-8", "surrogatepass")


def _cell(rng: Rng) -> str:
    value = VALUES[int(rng.integers(len(VALUES)))]
    return "" if value is None else str(value) if not isinstance(value, int) else format(value)[:60]


def zipped(inner: Mutator) -> Mutator:
    """Gzip: the text within damaged, or the archive itself."""

    def mutator(raw: bytes, rng: Rng) -> bytes:
        if rng.random() < 0.4:
            return of_bytes(raw, rng)
        stream = io.BytesIO()
        with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as file:
            file.write(inner(gzip.decompress(raw), rng))
        return stream.getvalue()

    return mutator
