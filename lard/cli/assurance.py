"""`lard assurance`: an account of what was measured of each detector besides its scores."""

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
    show_default=True, help="Index to write.",
)  # fmt: skip
def assurance(links: tuple[str, ...], out: Path, **documents: tuple[Path, ...]) -> None:
    """Write an account of each model from documents that other commands have written, and an index of them.

    The index is --out, accounts lie in the folder of its name. They show the documents that are given, with
    their numbers, intervals and pictures, and say of the others that nothing was measured.

    \b
    Examples:
      lard assurance --explain explain/ortho/explain.json --out reports/assurance.html
      lard assurance --explain e/explain.json --monitor m/monitor.json --link Scores=leaderboard.html
    """
    from lard.report.assurance import assurance_pages, write_pages
    from lard.written import keep_text

    if not any(documents.values()):
        raise click.UsageError(f"give a document: {', '.join(f'--{name}' for name in KINDS)}")
    pairs = [one.partition("=") for one in links]
    if not all(name and equals and page for name, equals, page in pairs):
        raise click.BadParameter("expected NAME=PAGE", param_hint="--link")
    own = ("a page that lard wrote", 'name="generator" content="lard ')
    keep_text(out, *own)
    pages = assurance_pages(documents, out, {name: page for name, _, page in pairs})
    for page in pages:
        keep_text(page, *own)
    write_pages(pages)
    click.echo(f"{out}: {len(pages) - 1} models, {sum(map(bool, documents.values()))} of {len(KINDS)} kinds")
