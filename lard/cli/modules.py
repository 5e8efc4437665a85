"""A group whose commands live in modules of their own, imported when one is used."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from lard.cli.edge import checked


class ModuleGroup(click.Group):
    """A group that also knows commands by the module that holds them, as NAME_command."""

    def __init__(self, *args: Any, lazy: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        command = getattr(importlib.import_module(self.lazy[cmd_name]), f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        return checked(command)
