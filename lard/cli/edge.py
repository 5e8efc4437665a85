"""What every command's arguments are held to before it runs, whatever it does."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from lard.cli.options import check_kept, finite_number
from lard.cli.remote import is_url, taking_urls

_OUTPUTS = ("out", "target", "json_path", "draw", "corrections_out")
"""Parameters that name what a command writes."""
_BOTH = ("cache", "board", "tensorboard")
"""Parameters of places that a command writes as well as reads."""
_OTHER_URL = re.compile(r"[a-z][a-z0-9+.-]+://|(s3|gs|file|https?|ftp):/", re.IGNORECASE)
"""What is meant as a URL, though none of a store: of another scheme, or with one slash."""
_OWN = ("frames.parquet", "manifest.parquet", "labels.parquet", "dataset.json")


def checked(command: click.Command) -> click.Command:
    """The command, which takes finite numbers and paths that are not empty, and keeps what it reads."""
    for other in command.commands.values() if isinstance(command, click.Group) else ():
        checked(other)
    for param in command.params:
        if isinstance(param.type, click.types.FloatParamType):
            param.callback = finite_number
        elif isinstance(param.type, click.Path) and not isinstance(param.type, _NamedPath):
            param.type = _NamedPath(param.type)
        elif isinstance(param.type, click.types.StringParamType) and _is_needed(param):
            param.type = _NEEDED
    run = command.callback
    if run is not None and not isinstance(command, click.Group) and not hasattr(run, "keeps_inputs"):
        command.callback = _marked(taking_urls(_keeping_inputs(run)))
    return command


class _NamedPath(click.Path):
    """A path that is not empty, which would be the working directory."""

    def __init__(self, like: click.Path) -> None:
        vars(self).update(vars(like))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not os.fspath(value):
            self.fail("the path is empty; name a file or folder", param, ctx)
        if is_url(value):
            return value
        if isinstance(value, str) and _OTHER_URL.match(value) and not os.path.lexists(value):
            self.fail(
                f"{value[:80]!r}: no URL that is read; stores are named by s3://, gs:// and file:///, "
                "anything else is to be fetched first",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)


class _NeededText(click.types.StringParamType):
    """A text that is not empty: of arguments, of required options and of those that name a place."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the text is empty; give a name or path, or leave the option away", param, ctx)
        return super().convert(value, param, ctx)


_NEEDED = _NeededText()
_PLACES = ("out", "odd", "odd_path", "runways", "ground", "json_path", "frames_path", "screenshots")


def _is_needed(param: click.Parameter) -> bool:
    return param.required or param.param_type_name == "argument" or param.name in _PLACES


def _keeping_inputs(run: Any) -> Any:
    """The function of a command, after a look that none of its outputs is something it reads."""

    @functools.wraps(run)
    def kept(*args: Any, **values: Any) -> Any:
        given = dict(_paths(values))
        for name in _OUTPUTS:
            for out in given.get(name, ()):
                for other, paths in given.items():
                    if other not in _OUTPUTS and other not in _BOTH:
                        _keep(out, paths)
        return run(*args, **values)

    return kept


def _marked(run: Any) -> Any:
    run.keeps_inputs = True
    return run


def _paths(values: dict[str, Any]) -> Iterator[tuple[str, list[Path]]]:
    """The values of parameters that may be paths, by name."""
    for name, value in values.items():
        each = value if isinstance(value, tuple) else (value,)
        paths = [
            Path(one) for one in each if isinstance(one, str | Path) and str(one) and "\0" not in str(one)
        ]
        if paths:
            yield name, paths


def _keep(out: Path, inputs: list[Path]) -> None:
    check_kept(out, *(path for path in inputs if _exists(path)))
    place = os.path.realpath(out)
    for folder in inputs:
        if _exists(folder / "frames.parquet"):
            check_kept(out, *(folder / name for name in _OWN))
            if place.startswith(os.path.realpath(folder / "images") + "/"):
                raise click.UsageError(f"--out {out} is among the pictures of {folder}; name another file")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that no file can have
        return False
