"""The site of these pages: `make docs`, in docs/_build/html. Warnings are errors there."""

import re

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from lard import __version__
from lard.cli import SECTIONS, main

project, author, release = "lard", "the authors of lard", __version__
copyright = "MIT licence"
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"lard {release}"
html_copy_source = False
myst_heading_anchors = 4
nitpicky = True
highlight_language = "none"  # blocks that name no language hold output


class Commands(SphinxDirective):
    """Every command with the text of its --help, by what one wants."""

    def run(self) -> list[nodes.Node]:
        """Sections: a task, its commands, their commands."""
        top = click.Context(main, info_name="lard")
        return [self._task(title, names, top) for title, names in SECTIONS.items()]

    def _task(self, title: str, names: tuple[str, ...], top: click.Context) -> nodes.section:
        section = self._section(title)
        for name in names:
            command = main.get_command(top, name)
            assert command is not None
            section += self._command(command, click.Context(command, top, name))
        return section

    def _command(self, command: click.Command, context: click.Context) -> nodes.section:
        section = self._section(context.command_path)
        text = context.get_help()
        section += nodes.literal_block(text, text, language="none")
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None
                section += self._command(inner, click.Context(inner, context, name))
        return section

    def _section(self, title: str) -> nodes.section:
        section = nodes.section(ids=[re.sub(r"\W+", "-", title.lower())])
        section += nodes.title(title, title)
        self.state.document.note_implicit_target(section, section)
        return section


def setup(app: Sphinx) -> None:
    """Make the directive known."""
    app.add_directive("commands", Commands)
