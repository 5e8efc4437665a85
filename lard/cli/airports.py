"""`lard airports`: the group; each command is imported when it is used."""

from __future__ import annotations

import click

from lard.cli.modules import ModuleGroup

COMMANDS = {
    "check": "lard.cli.airports_show",
    "diff": "lard.cli.airports_diff",
    "export": "lard.cli.airports_exchange",
    "import": "lard.cli.airports_exchange",
    "list": "lard.cli.airports_show",
    "show": "lard.cli.airports_show",
}


@click.group(cls=ModuleGroup, lazy=COMMANDS)
def airports() -> None:
    """Runway databases: who has which runway where, and how well sources agree.

    \b
    Examples:
      lard airports list
      lard airports show KATL
      lard airports import ourairports --airports LFBO,LFPG --out data/airports
      lard airports diff lard_v1_runways.json data/airports
    """
