"""Foreign documents at the door: any Unicode encoding, finite numbers, bounded depth, size and aliases."""

import contextlib
import gc
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from lard.documents import (
    DEPTH_LIMIT,
    SETTINGS_LIMIT_BYTES,
    checked,
    parse_json,
    read_json,
    read_text,
    read_yaml,
)
from lard.errors import DataError, SpecError

TEXT = "name: Orly é\nwidth_m: [45.0, 60]\n"
JSON = '{"name": "Orly é", "width_m": [45.0, 60]}'
VALUE = {"name": "Orly é", "width_m": [45.0, 60]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_of_any_kind_is_read(tmp_path: Path, encoding: str) -> None:
    """What PowerShell, Notepad and spreadsheets save is the same document."""
    (tmp_path / "a.yaml").write_text(TEXT, encoding=encoding)
    (tmp_path / "a.json").write_text(JSON, encoding=encoding)
    assert read_yaml(tmp_path / "a.yaml") == VALUE
    assert read_json(tmp_path / "a.json") == VALUE


def test_latin_1_is_refused_by_line_unless_expected(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("a: 1\nname: Orly é\n".encode("latin-1"))
    with pytest.raises(SpecError, match=r"a\.yaml:2: byte 0xe9 is no UTF-8 text; save the file as UTF-8"):
        read_yaml(path, error=SpecError)
    assert read_text(path, old=True).splitlines()[1] == "name: Orly é"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": NaN}', r":1: NaN is no number"),
        ('{"a":\n -Infinity}', r":2: -Infinity is no number"),
        ('{"a": 1e999}', r":1: 1e999 is no number"),
        ('{"a": [-1e308]}', r":1: -1e308 is no number"),
        ('{"a": 99999999999999999999}', r":1: 99999999999999999999 is no number"),
        ('{"a": ' + "9" * 5000 + "}", r"is no number"),
        ("[" * 100_000, r"nested deeper|not valid JSON"),
        ("[" * 70 + "]" * 70, r"nested deeper than 64 levels"),
        ('{"a": ' * 200 + "1" + "}" * 200, r"nested deeper than 64 levels"),
        ("", r":1: not valid JSON"),
        ('{"images": [], "images": []}', r"key 'images' stands twice"),
        ('{"a": [{"b": 1, "b": 1}]}', r"key 'b' stands twice"),
        ('{"a": 1,\n "b" 2}', r":2: not valid JSON"),
    ],
)  # fmt: skip
def test_json_that_is_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        parse_json(text, "x.json")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_json_that_only_looks_odd_is_read() -> None:
    """Words and long fractions are no faults; nor is a document as deep as the limit."""
    assert parse_json('{"NaN": "Infinity", "a": 0.1234567890123456789, "b": 1e100}', "x")["b"] == 1e100
    deep = "[" * DEPTH_LIMIT + "]" * DEPTH_LIMIT
    assert parse_json(deep, "x")


_TEXTS = st.text(alphabet='a" :\\\n\té', max_size=4)
_VALUES = st.recursive(
    st.none() | st.integers(-99, 99) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(value=_VALUES, between=st.sampled_from([":", " :", "\n\t : ", "\r:"]))
def test_json_is_that_of_the_standard_library(value: object, between: str) -> None:
    """Whatever colons, quotes and spaces stand in strings and around keys."""
    text = json.dumps(value, separators=(",", between))
    assert parse_json(text, "x") == json.loads(text) == value


@given(inner=_VALUES, key=_TEXTS, other=_VALUES, between=st.sampled_from([":", " :", "\n\t : ", "\r:"]))
def test_a_key_that_stands_twice_is_told_wherever_it_is(
    inner: object, key: str, other: object, between: str
) -> None:
    one, two, name = json.dumps(inner), json.dumps(other), json.dumps(key)
    text = json.dumps([other, {"x": "MARK"}], separators=(",", between))
    text = text.replace('"MARK"', f"{{{name}{between}{one}, {name}{between}{two}}}")
    with pytest.raises(DataError, match="stands twice in one object"):
        parse_json(text, "x")


@pytest.mark.parametrize("look", [8, 1 << 24])
def test_numbers_are_looked_at_in_pieces(look: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lard.documents.json._LOOK", look)
    for place in range(12):
        for number in ("99999999999999999999", "-99999999999999999999", "1e999", "1E+200", "7.5e200"):
            with pytest.raises(DataError, match="is no number"):
                parse_json(" " * place + f'["é", {number}]', "x")
    assert parse_json('["1e999", 1e99, 0.1234567890123456789]', "x")[1] == 1e99


def test_a_large_document_leaves_collecting_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lard.documents.json._LARGE", 1)
    for text in ('{"a": 1}', "{"):
        with contextlib.suppress(DataError):
            parse_json(text, "x")
        assert gc.isenabled()
    gc.disable()
    try:
        parse_json('{"a": 1}', "x")
        assert not gc.isenabled()
    finally:
        gc.enable()


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{new}: &{new} {{<<: [{','.join([f'*{old}'] * 9)}]}}\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, r"aliases expand to [\d,]+ values"),
        (MERGES, r"aliases expand to [\d,]+ values"),
        ("a: &a [*a]\n", r"an alias of itself"),
        ("".join(f"k{k}: &k{k} [{f'*k{k - 1}' if k else 1}]\n" for k in range(99)), r":62: nested deeper"),
        ("a: " + "[" * 5000 + "]" * 5000, r"nested deeper than 64 levels"),
        ("a: " + "[" * 80 + "]" * 80, r":1: nested deeper than 64 levels"),
        ("a: 1\nb: .inf\n", r":2: \.inf is no number"),
        ("a: .NaN\n", r"is no number"),
        ("a: 1e999\n", r"is no number"),
        ("a: -1.0e+308\n", r":1: -1.0e\+308 is no number"),
        ("a: !!float nan\n", r"is no number"),
        ("a: " + "9" * 5000, r"is no number"),
        ("a: 99999999999999999999\n", r"is no number"),
        ("a: 2020-13-01\n", r"not valid YAML: month"),
        ("a: !!bool 7\n", r"not valid YAML"),
        ("a: !!int ''\n", r"not valid YAML"),
        ("a: !!timestamp x\n", r"not valid YAML"),
        ("a: !!binary é\n", r"not valid YAML"),
        ("a: !!python/object/apply:os.getcwd []\n", r"not valid YAML"),
        ("? [a]\n: 1\n? {b: 1}\n: 2\n", r"not valid YAML|$"),
        ("a: 1\na: 2\n", r":2: not valid YAML.*duplicate key"),
        ("a: \x00\n", r"not valid YAML"),
        ("%YAML 99.9\n---\na: 1\n", r"not valid YAML|$"),
        ("a: *b\n", r":1: not valid YAML"),
    ],
)  # fmt: skip
def test_yaml_that_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Each in one line of the class asked for, at once: a bomb of aliases is measured, never written out."""
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    if message.endswith("|$"):
        return _either(path)
    with pytest.raises(SpecError, match=message) as caught:
        read_yaml(path, error=SpecError)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    return None


def _either(path: Path) -> None:
    try:
        read_yaml(path, error=SpecError)
    except SpecError as error:
        assert "\n" not in str(error)


def test_aliases_in_ordinary_use_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("base: &base {a: 1, b: [1, 2]}\nother: {<<: *base, a: 2}\nagain: *base\n")
    assert read_yaml(path)["other"] == {"a": 2, "b": [1, 2]}


def test_yaml_is_read_at_the_speed_of_libyaml(tmp_path: Path) -> None:
    """Hundreds of kilobytes take a second or two; what nobody writes is refused by its size."""
    path = tmp_path / "x.yaml"
    path.write_text(
        "".join(f"- {{id: a{i}, reason: 'some words', value: [1.5, {i}]}}\n" for i in range(4000))
    )
    started = time.process_time()
    value = read_yaml(path)
    assert value[3999] == {"id": "a3999", "reason": "some words", "value": [1.5, 3999]}
    assert time.process_time() - started < 3.0
    path.write_bytes(b"# a comment\n" * (SETTINGS_LIMIT_BYTES // 12 + 1))
    with pytest.raises(DataError, match="longer than 2 MiB, the most that is read"):
        read_yaml(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: yes\nb: 0o17\nc: 017\nd: 1_000\ne: 1e3\n", {"a": "yes", "b": 15, "c": 17, "d": 1000, "e": 1e3}),
        ("%YAML 1.1\n---\na: yes\n", {"a": True}),
        ("a: ! 7\nb: !!str 7\nc: '7'\nd: ~\ne:\n", {"a": "7", "b": "7", "c": "7", "d": None, "e": None}),
        ("? a\n: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("", None),
        ("# nothing\n", None),
    ],
)  # fmt: skip
def test_yaml_means_what_its_version_says(tmp_path: Path, text: str, value: object) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    assert read_yaml(path) == value


def test_size_and_kind_of_file(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("[1, 2, 3]")
    with pytest.raises(DataError, match="longer than 0 MiB"):
        read_text(path, limit_bytes=4)
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\)"):
        read_json(tmp_path)
    with pytest.raises(DataError, match="no such file; run the stage"):
        read_json(tmp_path / "absent.json")
    with pytest.raises(DataError, match="no such file"):
        read_json(path / "below.json")
    with pytest.raises(DataError, match="is no path"):
        read_json("a\0b")


class Sample(BaseModel):
    """A declared model with what readers use."""

    name: str
    width_m: float = Field(gt=0, allow_inf_nan=False)
    ends: list[dict[str, int]] = []


def test_faults_of_a_declared_model_are_told_by_field() -> None:
    """One line for each: file, field, what was expected and found, remedy; in our own words."""
    assert checked(Sample, {"name": "a", "width_m": 45}, "a.json").width_m == 45.0
    bad = {"width_m": "x" * 500, "ends": [3]}
    with pytest.raises(SpecError) as caught:
        checked(Sample, bad, "a.json", error=SpecError, remedy="write it again")
    lines = str(caught.value).split("\n")
    assert [line.split(": ")[1] for line in lines] == ["name", "width_m", "ends.0"]
    assert all(line.startswith("a.json: ") and line.endswith("; write it again") for line in lines)
    assert max(map(len, lines)) < 200 and "pydantic" not in str(caught.value)
    with pytest.raises(DataError, match=r"^a\.json: expected an object with named fields$"):
        checked(Sample, [], "a.json")
    with pytest.raises(DataError, match="and 42 more faults"):
        checked(Sample, {"name": "a", "width_m": 1, "ends": [None] * 50}, "a.json")
