"""The fuzzer itself: damage is repeatable and often readable, judgements tell sound from unsound."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
import polars as pl
import pytest
import yaml
from click.testing import CliRunner, Result
from fuzz.minimise import smallest
from fuzz.mutate import Mutator, of_bytes, of_cells, of_json, of_text, of_yaml
from fuzz.mutate_binary import of_parquet
from fuzz.readers import Reader, readers
from fuzz.run import Place, arguments, judged, prepare
from fuzz.seeds import make
from fuzz.worker import serving

from lard.cli import main

TREE = b'{"name": "a", "width_m": [45.0, 60], "ends": [{"ident": "09"}]}'
TABLE = b"a;b;c\n1;2.5;x\n3;4.5;y\n"


@pytest.mark.parametrize("mutator", [of_bytes, of_text, of_json, of_yaml, of_cells])
def test_the_same_seed_gives_the_same_damage(mutator: Mutator) -> None:
    raw = TABLE if mutator is of_cells else TREE
    found = [[mutator(raw, np.random.default_rng([1, k])) for k in range(200)] for _ in range(2)]
    assert found[0] == found[1]
    assert sum(damaged != raw for damaged in found[0]) > 150


def test_damage_by_structure_keeps_documents_readable() -> None:
    rngs = [np.random.default_rng(k) for k in range(100)]
    assert all(json.loads(of_json(TREE, rng)) is not Ellipsis for rng in rngs)
    read = 0
    for rng in rngs:
        try:
            yaml.safe_load(of_yaml(TREE, rng))
            read += 1
        except (yaml.YAMLError, ValueError):
            pass  # a date that is none, a character that YAML has not
    assert read > 80


def test_damaged_tables_are_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"], "c": [[1.0], [2.0, 3.0]]}).write_parquet(path)
    for k in range(60):
        pl.read_parquet(of_parquet(path.read_bytes(), np.random.default_rng(k)))


def test_every_command_of_the_readers_is_known() -> None:
    """Words before the first argument name a command; placeholders become folders."""
    place = Place(Path("/s"), Path("/c"), Path("/o"), "http://127.0.0.1:1")
    chosen = list(readers())
    assert len({(reader.seed, reader.command) for reader in chosen}) == len(chosen) > 80
    for reader in chosen:
        words = arguments(reader, place)
        assert not any(word in " ".join(words) for word in ("CASE", "SEEDS", "OUT/", "SERVER"))
        command: click.Command | None = main
        for word in words:
            if not isinstance(command, click.Group):
                break
            command = command.get_command(click.Context(command), word)
        assert command is not None and not isinstance(command, click.Group), reader.command


@pytest.mark.e2e
def test_every_reader_takes_its_own_seed(tmp_path: Path) -> None:
    """A command that refuses what is valid would refuse all that is damaged for that reason."""
    seeds = make(tmp_path / "seeds")
    refused = []
    with serving(tmp_path / "case") as server:
        place = Place(seeds, tmp_path / "case", tmp_path / "out", server)
        for reader in readers():
            prepare(reader, (seeds / reader.seed).read_bytes(), place)
            result = CliRunner().invoke(main, arguments(reader, place))
            if result.exit_code not in (0, 1) or not isinstance(result.exception, SystemExit | None):
                refused.append(f"{reader.command}: {result.output[-500:]}")
    assert not refused, "\n".join(refused)


def test_unsound_ends_are_found(tmp_path: Path) -> None:
    """A traceback, a file left by a failure, a message that names nothing or too much, NaN in a result."""
    place = Place(tmp_path / "seeds", tmp_path / "case", tmp_path / "out")
    reader = Reader("a/a.json", "x CASE/a/a.json", ())
    (place.case / "a").mkdir(parents=True)
    (place.case / "a" / "a.json").write_text("{}")
    place.out.mkdir()

    def kinds(ran: Result) -> list[str]:
        return [find.kind for find in judged(reader, place, ran, {place.case / "a" / "a.json"})]

    assert kinds(ended(2, "lard: a.json:1: odd")) == []
    assert kinds(ended(2, "lard: something is odd")) == ["nameless message"]
    assert kinds(ended(2, "a.json\n" * 30)) == ["long message"]
    assert kinds(ended(0, '{"AP": NaN}')) == ["no number"]
    assert kinds(ended(0, "the runway of Nancy")) == []
    assert kinds(ended(1, "", ZeroDivisionError())) == ["traceback"]
    (place.out / "half").write_text("x")
    assert kinds(ended(2, "lard: a.json:1: odd")) == ["left-over"]
    assert kinds(ended(0, "")) == []


def ended(code: int, output: str, error: Exception | None = None) -> Result:
    @click.command()
    def command() -> None:
        click.echo(output)
        if error is not None:
            raise error
        raise SystemExit(code)

    return CliRunner().invoke(command)


def test_inputs_are_made_smaller_while_they_still_show_the_fault() -> None:
    assert smallest(b"x" * 1000 + b"fault" + b"y" * 500, lambda raw: b"fault" in raw) == b"fault"
