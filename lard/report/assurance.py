"""Assurance pages: an account of each model, and an index that sets them side by side.

An account says where a model looks, what it does not know, what it refuses and what is certified, each with
its number, its interval and the pictures. It is built from the JSON documents of the commands that measure
these, whichever there are; a section without a document says which command would make it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lard import __version__
from lard.errors import DataError
from lard.files import atomic_paths
from lard.report.assurance_answers import Answer
from lard.report.assurance_kinds import KINDS, QUESTIONS, Question, Told, models_of, read_document, told_of
from lard.report.assurance_tables import Shown, Table
from lard.report.page import render_page

Documents = Mapping[str, Sequence[Path]]
_NAME = re.compile(r"[\w][\w.+-]{0,99}")


@dataclass(frozen=True, slots=True)
class Section:
    """One section of an account: what its documents say, or that there is none."""

    id: str
    question: Question
    answers: list[Answer] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    pictures: list[Shown] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)  # why something could not be measured

    @property
    def missing(self) -> bool:
        """Whether no document was given for it."""
        return not self.tables and not self.pictures


def sections_of(told: Sequence[Told]) -> list[Section]:
    """What several documents say, by question; tables and answers may name another than their document's."""
    found = {name: Section(name, question) for name, question in QUESTIONS.items()}
    for one in told:
        for table in one.tables:
            found[table.section or one.section].tables.append(table)
        for answer in one.answers:
            found[answer.section or one.section].answers.append(answer)
        found[one.section].pictures.extend(one.pictures)
    return list(found.values())


def assurance_pages(
    documents: Documents,
    out: str | Path,
    links: Mapping[str, str] | None = None,
    absent: Mapping[tuple[str, str], str] | None = None,
) -> dict[Path, str]:
    """The index, at `out`, and an account of each model in the folder of its name: texts by path.

    `links` lead to other pages, as seen from the index; `absent` says why a model has no document of a kind.
    DataError names a document that is something else.
    """
    out = Path(out)
    accounts: dict[str, list[Told]] = {}
    others: list[Told] = []
    for name in KINDS:
        for path in documents.get(name, ()):
            document = read_document(name, path)
            models = models_of(document)
            for model in models:
                accounts.setdefault(_named(model, path), []).append(told_of(name, document, path, model))
            if not models:
                others.append(told_of(name, document, path, None))
    links = dict(links or {})
    above = {"All models": f"../{out.name}"} | {
        name: target if "://" in target else f"../{target}" for name, target in links.items()
    }
    found = {model: sections_of(told) for model, told in accounts.items()}
    for (model, name), reason in (absent or {}).items():
        for section in found.get(model, ()):
            if section.id == KINDS[name].section:
                section.reasons.append(f"{KINDS[name].command}: {reason}")
    pages = {
        out.with_suffix("") / f"{model}.html": _account(model, sections, above)
        for model, sections in found.items()
    }
    rest = [one for one in sections_of(others) if not one.missing]
    index = render_page(
        "assurance.html.j2", title="Assurance", version=__version__, links=links, questions=QUESTIONS,
        accounts=found, folder=out.stem, rest=rest,
    )  # fmt: skip
    return {out: index, **pages}


def _named(model: str, path: Path) -> str:
    if not _NAME.fullmatch(model):
        raise DataError(
            f"{path}: model {model!r:.80} cannot name a page; use letters, digits, '.', '_' and '-'"
        )
    return model


def _account(model: str, sections: Sequence[Section], links: Mapping[str, str]) -> str:
    return render_page(
        "assurance_model.html.j2", title=f"Assurance of {model}", model=model, version=__version__,
        sections=sections, links=links,
    )  # fmt: skip


def write_pages(pages: Mapping[Path, str]) -> None:
    """Write all pages, or none."""
    with atomic_paths(list(pages)) as files:
        for file, text in zip(files, pages.values(), strict=True):
            file.write_text(text, encoding="utf-8")


def accounts_below(reports: Path, models: Sequence[str], name: str = "assurance") -> dict[str, str]:
    """Links from a page in `reports` to the accounts of models that lie there: model, path."""
    return {model: f"{name}/{model}.html" for model in models if (reports / name / f"{model}.html").is_file()}
