"""Faults of disks and of folders that are written by many: told by the name asked for, nothing left."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import click
import numpy as np
import polars as pl
import pytest

from lard.cli import main
from lard.errors import DataError, SourceError, fault_line
from lard.export.common import staged_folder
from lard.ground.compose import Plan, compose_levels
from lard.ground.fetched.grid import local_crs
from lard.ground.tiles import LevelGrid
from lard.tables import atomic_path, folder_lock, staged, write_parquet


@pytest.mark.parametrize("rows", [1, 5000])
def test_a_full_disk_is_one_for_a_table_too(tmp_path: Path, rows: int) -> None:
    """The library of tables tells of it in many ways, or not at all."""
    path = tmp_path / "a.parquet"
    with pytest.raises(OSError, match="No space") as caught, atomic_path(path) as temporary:
        temporary.unlink()
        temporary.symlink_to("/dev/full")
        write_parquet(pl.DataFrame({"a": [f"{row:0100d}" for row in range(rows)]}), temporary)
    assert fault_line(caught.value) == f"{path}: No space left on device; make room and run again"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stage", [staged, staged_folder])
def test_faults_of_a_staged_folder_are_those_of_the_folder(
    tmp_path: Path, stage: Callable[[Path], AbstractContextManager[Path]]
) -> None:
    """Nobody asked for .out.a1b2c3d4.tmp; a fault without a name is one of the folder."""
    out = tmp_path / "out"
    for name in (None, "images/a.jpg"):
        with pytest.raises(OSError, match="No space") as caught, stage(out) as folder:
            raise OSError(errno.ENOSPC, "No space", None if name is None else str(folder / name))
        meant = out if name is None else out / name
        assert fault_line(caught.value) == f"{meant}: No space left on device; make room and run again"
        assert not list(tmp_path.iterdir())


def test_a_lock_goes_with_its_holder(tmp_path: Path) -> None:
    """Who waited for it takes the one that lies there then; what was made for a failed run goes too."""
    folder, order = tmp_path / "new" / "out", []

    def second() -> None:
        with folder_lock(folder):
            order.append("second")

    with folder_lock(folder):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"] and [path.name for path in folder.parent.iterdir()] == ["out"]
    folder.rmdir()
    folder.parent.rmdir()
    with pytest.raises(DataError), folder_lock(folder):
        raise DataError("no")
    assert not list(tmp_path.iterdir())


def test_a_ground_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    """A level that cannot be made leaves the former ground, and files of others, as they were."""
    grids = [LevelGrid(1.0, -64.0, 64.0, 128, 128), LevelGrid(2.0, -128.0, 128.0, 128, 128)]
    crs, folder = local_crs(47.0, 8.0), tmp_path / "XXAA"

    def compose(levels: int, colour: int, fails: int = 9) -> None:
        plans = [Plan(grids[k], (_Flat(colour, k == fails),)) for k in range(levels)]
        compose_levels(folder, "XXAA", (47.0, 8.0), crs, plans, (), {"colour": colour})

    with pytest.raises(SourceError):
        compose(2, 10, fails=1)
    assert not list(tmp_path.iterdir())
    compose(2, 10)
    (folder / "notes.txt").write_text("mine")
    (folder / ".staged.a1b2c3d4.tmp").mkdir()  # of a killed run
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with pytest.raises(SourceError):
        compose(2, 20, fails=1)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    compose(1, 20)
    assert sorted(path.name for path in folder.iterdir()) == [
        "level0_000_000.tif",
        "manifest.json",
        "notes.txt",
    ]


class _Flat:
    """A sampler of one colour, or one that cannot deliver."""

    def __init__(self, colour: int, fails: bool) -> None:
        self.name, self.colour, self.fails = "flat", colour, fails

    def __call__(self, grid: LevelGrid) -> tuple[np.ndarray, np.ndarray]:
        if self.fails:
            raise SourceError("flat: cannot deliver")
        shape = (grid.height_px, grid.width_px)
        return np.full((*shape, 3), self.colour, np.uint8), np.ones(shape, bool)


def _options_of(command: click.Command) -> Iterator[tuple[click.Command, click.Parameter]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _options_of(found)
    for option in command.params:
        if isinstance(option.type, click.types.FloatParamType):
            yield command, option


def test_numbers_of_options_are_finite() -> None:
    """Of every command; click itself takes NaN for any range and infinity for an open one."""
    options = list(_options_of(main))
    assert len(options) > 50
    for command, option in options:
        for text in ("nan", "inf", "-inf"):
            with pytest.raises(click.BadParameter, match=r"not a finite number|not in the range"):
                option.handle_parse_result(click.Context(command), {option.name or "": text}, [])
