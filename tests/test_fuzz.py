"""The fuzzer itself: damage is repeatable and often readable, judgements tell sound from unsound."""

from __future__ import annotations

import argparse
import hashlib
import json
from itertools import islice
from pathlib import Path

import click
import numpy as np
import polars as pl
import pytest
import yaml
from click.testing import CliRunner, Result
from fuzz import __main__ as fuzzer
from fuzz.minimise import smallest
from fuzz.mutate import Mutator, of_bytes, of_cells, of_json, of_text, of_yaml
from fuzz.mutate_binary import of_parquet
from fuzz.readers import Reader, cases, readers
from fuzz.run import Find, Place, arguments, judged, prepare
from fuzz.seeds import make
from fuzz.worker import serving
from fuzz_workers import lost, missing, silent

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
    pl.DataFrame({"a": [None, 1.0], "b": [[1.0], [2.0, 3.0]]}).write_parquet(place.out / "t.parquet")
    assert kinds(ended(0, "")) == []
    pl.DataFrame({"b": [[1.0], [2.0, float("inf")]]}).write_parquet(place.out / "t.parquet")
    assert kinds(ended(0, "")) == ["no number"]
    (place.out / "t.parquet").unlink()
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


def test_names_in_a_damaged_table_may_look_like_no_number(tmp_path: Path) -> None:
    place = Place(tmp_path / "seeds", tmp_path / "case", tmp_path / "out")
    (place.case / "a").mkdir(parents=True)
    place.out.mkdir()
    path, reader = place.case / "a" / "a.parquet", Reader("a/a.parquet", "x CASE/a", ())
    for value, kinds in (("NaN", []), (float("nan"), ["no number"])):
        pl.DataFrame({"name": [value] * 2, "other": "x"}).write_parquet(path)
        assert [find.kind for find in judged(reader, place, ended(0, '{"name": NaN}'), {path})] == kinds


def test_cases_follow_from_the_seed_alone() -> None:
    """All readers come in turn, the slow ones in fewer rounds; leaving some out gives none another number."""
    found = list(islice(cases(3), 2000))
    assert found == list(islice(cases(3), 2000)) != list(islice(cases(4), 2000))
    assert [number for number, _ in found] == list(range(2000))
    known = list(readers())
    times = [sum(index == k for _, index in found) for k in range(len(known))]
    assert min(times) >= 1
    assert max(times) - min(n for n, reader in zip(times, known, strict=True) if reader.every == 1) <= 1
    assert any(reader.every > 1 for reader in known)
    assert list(islice(cases(3, first=700), 50)) == found[700:750]
    labelme = [case for case in found if "labelme" in f"{known[case[1]].seed} {known[case[1]].command}"]
    assert list(islice(cases(3, only="labelme"), 20)) == labelme[:20]


def test_the_gate_judges_every_reader() -> None:
    assert {k for _, k in islice(cases(0), fuzzer.GATE_RUNS)} == set(range(len(list(readers()))))


def session_of(tmp_path: Path, target: object, runs: int | None, seconds: float | None) -> fuzzer.Session:
    session = fuzzer.Session(tmp_path / "keep", 5)
    asked = argparse.Namespace(seed=5, runs=runs, seconds=seconds, first=0, only="")
    fuzzer.fuzz(session, tmp_path / "seeds", tmp_path, asked, target)  # type: ignore[arg-type]
    return session


def test_a_lost_worker_loses_no_case_and_no_find(tmp_path: Path) -> None:
    """The one whose process died is a find, its damaged file kept; the next begins at the next case."""
    session = session_of(tmp_path, lost, 12, None)
    assert session.numbers == list(range(12)) and session.runs == 12
    assert session.counts == {"crash": 2}
    told = ""
    for number, index in islice(cases(5), 12):
        reader, digest = list(readers())[index], hashlib.sha256(b"%d" % number).hexdigest()
        told = hashlib.sha256(f"{told} {number} {reader.seed} {reader.command} {digest}".encode()).hexdigest()
    assert session.mark == told
    for number in (3, 7):
        reader = list(readers())[next(k for n, k in cases(5) if n == number)]
        kept = tmp_path / "keep" / f"crash-5-{number}"
        assert (kept / "CASE" / reader.seed).read_bytes() == b"%d" % number
        assert f"--seed 5 --first {number} --runs 1" in (kept / "find.txt").read_text()


def test_a_fuzzer_that_fails_says_so(tmp_path: Path) -> None:
    with pytest.raises(fuzzer.Fault, match="ended between two cases with 9"):
        session_of(tmp_path, missing, 5, None)


def test_time_that_is_over_ends_a_run_of_the_fuzzer(tmp_path: Path) -> None:
    session = session_of(tmp_path, silent, 10**9, 6.0)
    assert 0 < session.runs < 10**9


def test_finds_stay_where_their_inputs_cannot_be_made_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that tries may end, or its command may go elsewhere and remove what lies there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fuzzer, "minimise", missing)
    session = fuzzer.Session(Path("keep").resolve(), 0)
    index = next(k for k, reader in enumerate(readers()) if reader.seed == "odd/tiny.yaml")
    fuzzer._keep(session, 7, index, Find("no number", "a", "half a character: \ud800"), b"as damaged")
    fuzzer._shrink(session, tmp_path / "seeds", tmp_path)
    assert (tmp_path / "keep/no-number-0-7/CASE/odd/tiny.yaml").read_bytes() == b"as damaged"
