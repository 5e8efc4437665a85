"""What commands print that is more than a line: tables and JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import click


def print_json(value: Any) -> None:
    """Print a value as JSON with sorted keys."""
    click.echo(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False))


def print_table(title: str, columns: list[str], rows: list[list[str]], right: set[str]) -> None:
    """Print rows under their columns; those named in right are numbers."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=column in right)
    for row in rows:
        table.add_row(*row)
    # a file or a pipe has no width: never fold rows there
    console = Console() if sys.stdout.isatty() else Console(width=200, soft_wrap=True)
    console.print(table)
