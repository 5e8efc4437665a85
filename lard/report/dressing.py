"""A finished page made readable anywhere: cells that know their heading, terms explained, a glossary.

Pages are our own templates' output, so that tags are well formed, `>` in attributes is escaped, and every
table opens and closes its rows and cells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape, unescape

from lard.report.glossary import explained, meaning, pattern

GLOSSARY = "<!--glossary-->"
"""Where a template wants the table of terms that its page uses."""
PAPER_CHARACTERS = 112
"""Characters of cells that fit beside each other on A4 upright at the size that pages print tables in."""
_GAP_CHARACTERS = 2.2
_VOID = frozenset({"br", "img", "meta", "link", "input", "hr"})
_WHOLE = re.compile(r"(<script\b.*?</script>|<style\b.*?</style>|<svg\b.*?</svg>)", re.DOTALL)
_TAG = re.compile(r"(<[^>]*>)")
_TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)
_ROW = re.compile(r"<tr\b.*?</tr>", re.DOTALL)
_CELL = re.compile(r"<(t[dh])\b([^>]*)>(.*?)</\1>", re.DOTALL)
_TERM = re.compile(r'data-term="([^"]*)"')
_BARE = frozenset({"abbr", "code", "title", "option", "button", "h1", "h2", "h3"})
"""Elements whose text is left as it is."""


def dressed(page: str) -> str:
    """The page with stacked tables, explained terms and its glossary; nothing else of it changes."""
    stacked = "".join(
        part if _WHOLE.match(part) else _TABLE.sub(lambda found: _stacked(found.group()), part)
        for part in _WHOLE.split(page)
    )
    marker = _Marker()
    marked = "".join(
        marker.note(part) if _WHOLE.match(part) else marker.mark(part) for part in _WHOLE.split(stacked)
    )
    return marked.replace(GLOSSARY, _glossary(marker.used), 1)


def plain_text(markup: str) -> str:
    """Text of a piece of markup, tags as spaces."""
    return re.sub(r"\s+", " ", unescape(_TAG.sub(" ", markup))).strip()


def _stacked(table: str) -> str:
    """A table whose cells carry their column's heading; `wide` when it does not fit on paper as it is."""
    rows = _ROW.findall(table)
    heads = [plain_text(body) for kind, _, body in _CELL.findall(rows[0]) if kind == "th"] if rows else []
    if len(heads) < 2 or len(heads) != len(_CELL.findall(rows[0])):
        return table
    classes = "stack wide" if _width(rows) > PAPER_CHARACTERS else "stack"
    body = _ROW.sub(lambda row: _headed(row.group(), heads), table)
    opening = body[: body.index(">")]
    if 'class="' in opening:
        return body.replace('class="', f'class="{classes} ', 1)
    return body.replace("<table", f'<table class="{classes}"', 1)


def _headed(row: str, heads: list[str]) -> str:
    """A row whose cells name their headings; one that spans columns names none."""
    place = -1

    def named(cell: re.Match[str]) -> str:
        nonlocal place
        place += 1
        kind, attributes, body = cell.groups()
        if kind == "th" or "colspan" in attributes or place >= len(heads):
            return cell.group()
        return f'<td data-head="{escape(heads[place])}"{attributes}>{body}</td>'

    return _CELL.sub(named, row)


def _width(rows: list[str]) -> float:
    """Characters that a table needs from side to side: of each column the longest word, and gaps."""
    widest: list[int] = []
    for row in rows:
        for place, (_, attributes, body) in enumerate(_CELL.findall(row)):
            if "colspan" in attributes:
                continue
            whole = "number" in attributes or "nowrap" in attributes or "nowrap" in body
            lines = [plain_text(line) for line in re.split(r"<br\s*/?>", body)]
            words = lines if whole and "<th" not in row else [word for line in lines for word in line.split()]
            widest += [0] * (place + 1 - len(widest))
            widest[place] = max(widest[place], *(len(word) for word in words), 0)
    return sum(widest) + _GAP_CHARACTERS * len(widest)


@dataclass(slots=True)
class _Marker:
    """Explains terms in texts, in each block where it stands first, and keeps account of them."""

    used: set[str] = field(default_factory=set)

    def note(self, part: str) -> str:
        """Account of the terms in a figure; its text stays."""
        if part.startswith("<svg"):
            self.used.update(pattern().findall(plain_text(part)))
        return part

    def mark(self, part: str) -> str:
        """A stretch of markup with terms explained; headings of stacked cells are attributes and stay."""
        out: list[str] = []
        open_: list[str] = []
        seen: set[str] = set()
        for piece in _TAG.split(part):
            if not piece.startswith("<"):
                bare = _BARE.intersection(open_)
                out.append(piece if bare else self._text(piece, seen))
                if bare & {"h1", "h2", "h3"}:
                    self.used.update(pattern().findall(piece))
                continue
            out.append(piece)
            name = re.sub(r"[</>]", " ", piece).split()
            if not name or name[0].startswith("!") or name[0] in _VOID:
                continue
            if name[0] == "abbr" and (told := _TERM.search(piece)):
                self.used.add(unescape(told.group(1)))
            if piece.startswith("</"):
                if name[0] in open_:
                    del open_[len(open_) - 1 - open_[::-1].index(name[0]) :]
            else:
                open_.append(name[0])
                if name[0] in ("p", "table", "dl", "h1", "h2", "h3", "figcaption", "div", "section"):
                    seen.clear()
        return "".join(out)

    def _text(self, text: str, seen: set[str]) -> str:
        def shown(found: re.Match[str]) -> str:
            term = found.group()
            self.used.add(term)
            if term in seen:
                return term
            seen.add(term)
            return f'<abbr title="{escape(meaning(term))}">{term}</abbr>'

        return pattern().sub(shown, text)


def _glossary(used: set[str]) -> str:
    """The table of terms."""
    rows = "\n".join(
        f"<tr><td>{escape(term)}</td><td>{escape(text)}</td></tr>" for term, text in explained(used)
    )
    return f'<table class="glossary"><tr><th>term</th><th>meaning</th></tr>\n{rows}\n</table>' if rows else ""
