"""Kinds of documents that the assurance pages are built from: how each is read, told and summed up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lard.documents import read_json
from lard.errors import DataError
from lard.report.assurance_answers import (
    Answer,
    attack_answers,
    certificate_answers,
    conform_answers,
    explain_answers,
    failure_answers,
    monitor_answers,
)
from lard.report.assurance_attacks import attack_tables, certificate_tables, conform_tables
from lard.report.assurance_explain import explain_pictures, explain_tables
from lard.report.assurance_tables import SECTIONS, Shown, Table, stated_pictures, stated_tables

LOOKS, KNOWS, REFUSES, CERTIFIED, ATTACKED, STATED = SECTIONS[1:]


@dataclass(frozen=True, slots=True)
class Question:
    """A section of an account: what it answers, and the commands that measure it."""

    title: str
    asks: str
    command: str


QUESTIONS: dict[str, Question] = {
    LOOKS: Question(
        "Where it looks",
        "Does the score of a runway rest on the runway, and what would turn the decision?",
        "lard explain",
    ),
    KNOWS: Question(
        "What it does not know",
        "Which pictures from outside of the domain does an alarm tell from those inside?",
        "lard monitor score",
    ),
    REFUSES: Question(
        "What it refuses",
        "What is stopped at the alarm threshold, at what cost inside, and which detections are foreseen to be"
        " wrong?",
        "lard monitor score and lard monitor failures",
    ),
    CERTIFIED: Question(
        "What is certified", "What can no change of the pixels of a stated norm do?", "lard certify"
    ),
    ATTACKED: Question(
        "What attacks reach", "How small a change of the pixels is enough to make it fail?", "lard attack"
    ),
    STATED: Question(
        "What holds with a stated chance",
        "How far must boxes be grown to hold the runway as often as stated?",
        "lard conform",
    ),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of document: the section it belongs to, how it is told, and what makes it."""

    section: str
    command: str
    marks: tuple[str, ...]  # keys that such a document has
    tables: Callable[[Mapping[str, Any]], list[Table]]
    answers: Callable[[Mapping[str, Any]], list[Answer]]
    pictures: Callable[[Mapping[str, Any], Path], list[Shown]] = lambda document, folder: []
    formats: tuple[str, ...] = ()  # of its key "format"; none: it has no such key


KINDS: dict[str, Kind] = {
    "explain": Kind(
        LOOKS, "lard explain", ("models", "pairs", "by_zone"), explain_tables, explain_answers,
        explain_pictures, ("lard-explain-1",),
    ),
    "monitor": Kind(
        KNOWS, "lard monitor score", ("tables",), stated_tables, monitor_answers, stated_pictures,
        ("lard-monitor",),
    ),
    "failure": Kind(
        REFUSES, "lard monitor failures", ("tables",), stated_tables, failure_answers, stated_pictures,
        ("lard-failure",),
    ),
    "certificates": Kind(
        CERTIFIED, "lard certify", ("by_eps", "clean", "threshold"), certificate_tables, certificate_answers
    ),
    "attack": Kind(
        ATTACKED, "lard attack", ("models", "norm", "split"), attack_tables, attack_answers,
        formats=("lard-attack-1",),
    ),
    "conform": Kind(STATED, "lard conform", ("alpha", "says", "coverage"), conform_tables, conform_answers),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """What one document says of one model: what it adds to which section."""

    section: str
    tables: list[Table]
    pictures: list[Shown]
    answers: list[Answer]


def read_document(name: str, path: Path) -> Mapping[str, Any]:
    """A document of a kind; DataError names one that is something else."""
    kind = KINDS[name]
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


def models_of(document: Mapping[str, Any]) -> list[str]:
    """The models that a document speaks of; none where it names none."""
    if isinstance(document.get("models"), dict):
        return [str(name) for name in document["models"]]
    return [str(document["model"])] if document.get("model") else []


def told_of(name: str, document: Mapping[str, Any], path: Path, model: str | None) -> Told:
    """What a document says of one of its models, of what it speaks of at all for None.

    DataError where it is not as its command writes it.
    """
    kind = KINDS[name]
    try:
        own = _part(document, model)
        tables = [_without(model, table) for table in kind.tables(own)]
        return Told(kind.section, tables, kind.pictures(own, path.parent), kind.answers(own))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as fault:
        raise DataError(
            f"{path}: not as {kind.command} writes it ({type(fault).__name__}: {str(fault)[:80]});"
            f" run {kind.command} again"
        ) from fault


def _part(document: Mapping[str, Any], model: str | None) -> Mapping[str, Any]:
    """The document with one model alone; pairs of it with others stay."""
    if model is None or not isinstance(document.get("models"), dict):
        return document
    own = {**document, "models": {model: document["models"][model]}}
    if "pairs" in own:
        own["pairs"] = [one for one in own["pairs"] if model in (one["first"], one["second"])]
    return own


def _without(model: str | None, table: Table) -> Table:
    """A table without the column that names the page's own model in every row."""
    if model is None or not table.columns or table.columns[0] != "model":
        return table
    if any(row[0] != model for row in table.rows):
        return table
    return Table(table.title, table.columns[1:], [row[1:] for row in table.rows], table.note, table.section)
