"""The fast YAML reader: YAML 1.2 values as ruamel.yaml gives them, the same strictness, lines in errors."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from lard.errors import DataError, SpecError
from lard.odd.yamlfile import load_yaml
from lard.scenario.formats_events import locate, plain_value, read_document
from lard.scenario.formats_yaml import read_yaml_scenario


def written(folder: Path, text: str) -> Path:
    path = folder / "S.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    ["", "~", "null", "Null", "nul", "true", "False", "yes", "no", "on", "Off", "y", "1", "-7", "+3", "09",
     "007", "0o17", "0x1F", "1.5", "-.5", "5.", "1e3", "1.5e-7", "6.02E23", ".inf", "-.INF", "12:30:45",
     "08L", "26R", "1.2.3", "--1", "1e", "LFPO", "no way", "-", "1-2"],
)  # fmt: skip
def test_plain_scalars_are_those_of_yaml_1_2(text: str) -> None:
    if text == "-":  # a list item to a parser
        assert plain_value(text) == "-"
        return
    expected = YAML(typ="safe", pure=True).load(f"a: {text}")["a"]
    assert plain_value(text) == expected and type(plain_value(text)) is type(expected)


def test_what_yaml_1_1_would_turn_into_something_else_stays_text() -> None:
    for text in ("2024-06-01", "1_000", "0b101", "12:30", "yes", "=", "1e3x"):
        assert plain_value(text) == text
    assert math.isnan(plain_value(".nan"))


trees = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12)
    | st.floats(-1e100, 1e100)
    | st.text(st.characters(min_codepoint=32, max_codepoint=0x24F, blacklist_characters="\x7f\x85\xa0"),
              max_size=12).filter(lambda text: not text.startswith(":")),  # some parsers refuse those
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(trees)
def test_documents_read_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, tree: object) -> None:
    path = tmp_path_factory.mktemp("yaml") / "S.yaml"
    yaml = YAML(typ="safe", pure=True)
    with path.open("w") as stream:
        yaml.dump({"top": tree}, stream)
    assert read_document(path)[0] == yaml.load(path)


def test_sets_tags_and_aliases(tmp_path: Path) -> None:
    text = (
        "a: !!set {09L, 27R}\nb: &here [1, 'x']\nc: *here\nd: !!str 12\ne: !!float 3\nf: ! 7\ng: !!seq []\n"
    )
    value, _ = read_document(written(tmp_path, text))
    assert value == {
        "a": {"09L", "27R"},
        "b": [1, "x"],
        "c": [1, "x"],
        "d": "12",
        "e": 3.0,
        "f": "7",
        "g": [],
    }
    assert type(value["e"]) is float


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "a: key repeated, first on line 1; keep one"),
        ("a:\n- b: {c: 1,\n       c: 2}\n", 3, "a.0.b.c: key repeated, first on line 2"),
        ("a: 1\nb: !!python/tuple [1]\n", 2, "has no meaning here"),
        ("a: 1\n\nb: !thing x\n", 3, "tag !thing has no meaning here"),
        ("a: !!int high\n", 1, "'high' is no int"),
        ("a: *there\n", 1, "alias *there of nothing"),
        ("a: &loop [*loop]\n", 1, "alias *loop of nothing that is complete"),
        ("a: {x: 1}\nb:\n  <<: {y: 2}\n", 3, "merge key <<"),
        ("? [1, 2]\n: 3\n", 1, "a key is a list or a mapping"),
        ("a: 1\n---\nb: 2\n", 2, "a second document begins"),
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "not valid YAML"),
        ("a: 1\nb:\t- 2\n", 2, "not valid YAML"),
        ("a: \x07\n", 1, "not valid YAML"),
    ],
)
def test_faults_have_their_line(tmp_path: Path, text: str, line: int, expected: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SpecError) as caught:
        read_document(path)
    assert str(caught.value).startswith(f"{path}:{line}: ") and expected in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_every_repeated_key_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        read_document(written(tmp_path, "a: 1\na: 2\nb: {c: 1, c: 2}\n"))
    assert len(str(caught.value).splitlines()) == 2


def test_lines_are_those_of_the_slow_reader(tmp_path: Path) -> None:
    text = "name: x\nposes:\n- pose: [1,\n    2, 3]\n  time:\n    hour: 4\n- pose:\n  - 5\n  - 6\ni: {w: 1}\n"
    path = written(tmp_path, text)
    assert locate(path).lines == load_yaml(path)[1].lines


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"[1, 2]"])
def test_no_scenario_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "S.yaml"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_yaml_scenario(path)
    assert "S.yaml" in str(caught.value) and "\n" not in str(caught.value)
