"""`lard assurance`: one page of what was measured of detectors besides their scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

KINDS = {
    "explain": "explain.json of lard explain: where a detector looks.",
    "failure": "failure.json of lard monitor: predicted failures.",
    "monitor": "monitor.json of lard monitor: pictures outside of the domain.",
    "certificates": "certificates.json of lard certify.",
    "attack": "attack.json of lard attack.",
    "conform": "conform.json of lard conform.",
}


def _documents(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with an option for each kind of document."""
    for name, text in reversed(KINDS.items()):
        option = click.option(
            f"--{name}", type=click.Path(dir_okay=False, path_type=Path), multiple=True,
            help=f"{text} May be given several times.",
        )  # fmt: skip
        command = option(command)
    return command


@click.command()
@_documents
@click.option(
    "--link", "links", multiple=True, metavar="NAME=PAGE", help="Another page to link; several times."
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("reports/assurance.html"),
    show_default=True, help="Page to write.",
)  # fmt: skip
def assurance(links: tuple[str, ...], out: Path, **documents: tuple[Path, ...]) -> None:
    """Write the assurance page from documents that other commands have written.

    It shows those that are given, with their numbers, intervals and pictures, and says of the others that
    nothing was measured.

    \b
    Examples:
      lard assurance --explain explain/ortho/explain.json --out reports/assurance.html
      lard assurance --explain e/explain.json --monitor m/monitor.json --link Scores=leaderboard.html
    """
    from lard.report.assurance import write_assurance
    from lard.written import keep_text

    if not any(documents.values()):
        raise click.UsageError(f"give a document: {', '.join(f'--{name}' for name in KINDS)}")
    pairs = [one.partition("=") for one in links]
    if not all(name and equals and page for name, equals, page in pairs):
        raise click.BadParameter("expected NAME=PAGE", param_hint="--link")
    keep_text(out, "a page that lard wrote", 'name="generator" content="lard ')
    write_assurance(documents, out, {name: page for name, _, page in pairs})
    click.echo(f"{out}: {sum(map(bool, documents.values()))} of {len(KINDS)} sections measured")
