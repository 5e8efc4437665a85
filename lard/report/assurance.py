"""One page of assurance: where detectors look, what they do not know, what they refuse, what is certified.

It is built from the JSON documents of the commands that measure it, whichever there are; a section without
its document says which command would make it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lard import __version__
from lard.documents import read_json
from lard.errors import DataError
from lard.files import write_text
from lard.report.assurance_attacks import attack_tables, certificate_tables, conform_tables
from lard.report.assurance_explain import explain_pictures, explain_tables
from lard.report.assurance_tables import Shown, Table, stated_pictures, stated_tables
from lard.report.page import render_page

Tables = Callable[[Mapping[str, Any]], list[Table]]
Pictures = Callable[[Mapping[str, Any], Path], list[Shown]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of document: how it is told, what it answers, and what makes it."""

    title: str
    asks: str
    command: str
    marks: tuple[str, ...]  # keys that such a document has
    tables: Tables
    pictures: Pictures = lambda document, folder: []
    formats: tuple[str, ...] = ()  # of its key "format"; none: it has no such key


KINDS: dict[str, Kind] = {
    "explain": Kind(
        "Where it looks",
        "Does the score of a runway rest on the runway, and what would turn the decision?",
        "lard explain",
        ("models", "pairs", "by_zone"),
        explain_tables,
        explain_pictures,
        ("lard-explain-1",),
    ),
    "failure": Kind(
        "What it does not know",
        "Does a detection's confidence tell whether it is right?",
        "lard monitor failures",
        ("tables",),
        stated_tables,
        stated_pictures,
        ("lard-failure",),
    ),
    "monitor": Kind(
        "What it refuses",
        "Is a picture from outside of the domain noticed, and at what cost inside?",
        "lard monitor score",
        ("tables",),
        stated_tables,
        stated_pictures,
        ("lard-monitor",),
    ),
    "certificates": Kind(
        "What is certified",
        "What can no change of the pixels of a stated norm do?",
        "lard certify",
        ("by_eps", "clean", "threshold"),
        certificate_tables,
    ),
    "attack": Kind(
        "What attacks reach",
        "How small a change of the pixels is enough to make it fail?",
        "lard attack",
        ("models", "norm", "split"),
        attack_tables,
        formats=("lard-attack-1",),
    ),
    "conform": Kind(
        "What holds with a stated chance",
        "How far must boxes be grown to hold the runway as often as stated?",
        "lard conform",
        ("alpha", "says", "coverage"),
        conform_tables,
    ),
}


@dataclass(frozen=True, slots=True)
class Section:
    """One section of the page: what its documents say, or that there is none."""

    id: str
    title: str
    asks: str
    command: str
    tables: Sequence[Table]
    pictures: Sequence[Shown]

    @property
    def missing(self) -> bool:
        """Whether no document was given for it."""
        return not self.tables and not self.pictures


def section_of(name: str, paths: Sequence[Path]) -> Section:
    """The section of a kind of document from its files; DataError names one that is something else."""
    kind = KINDS[name]
    tables: list[Table] = []
    pictures: list[Shown] = []
    for path in paths:
        document = _read(path, kind)
        try:
            tables += kind.tables(document)
            pictures += kind.pictures(document, path.parent)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as fault:
            raise DataError(
                f"{path}: not as {kind.command} writes it ({type(fault).__name__}: {str(fault)[:80]});"
                f" run {kind.command} again"
            ) from fault
    return Section(name, kind.title, kind.asks, kind.command, tables, pictures)


def _read(path: Path, kind: Kind) -> Mapping[str, Any]:
    document = read_json(path, absent=f"run {kind.command} first")
    wanted = kind.formats or ("none",)
    own = isinstance(document, dict) and all(key in document for key in kind.marks)
    if not own or (kind.formats and document.get("format") not in kind.formats):
        found = document.get("format", "none") if isinstance(document, dict) else "no object"
        raise DataError(
            f"{path}: format {found!r:.40} with other keys than {kind.command} writes (format"
            f" {' or '.join(wanted)}, keys {', '.join(kind.marks)}); give its document"
        )
    return dict(document)


def assurance_html(documents: Mapping[str, Sequence[Path]], links: Mapping[str, str] | None = None) -> str:
    """The page of documents by kind; `links` to other pages by their names."""
    sections = [section_of(name, documents.get(name, ())) for name in KINDS]
    return render_page(
        "assurance.html.j2",
        title="Assurance",
        version=__version__,
        sections=sections,
        links=dict(links or {}),
    )


def write_assurance(
    documents: Mapping[str, Sequence[Path]], out: str | Path, links: Mapping[str, str] | None = None
) -> None:
    """Write the page, or nothing when a document is not what it should be."""
    write_text(assurance_html(documents, links), out)
