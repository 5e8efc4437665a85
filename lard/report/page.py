"""Templates, style and figures shared by the reports."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import matplotlib as mpl
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from lard.report.dressing import dressed
from lard.report.glossary import meaning

_HERE = Path(__file__).parent
INK, SOFT, LINE = "#1c2430", "#5b6675", "#dfe3e8"
BLUE, ORANGE, GREEN, RED, GREY = "#2f6fb3", "#c4701b", "#2c7a4b", "#b3261e", "#9aa4b0"
COLOURS = (BLUE, ORANGE, GREEN, RED, GREY, "#6b4fa3", "#2a8c8c", "#8a6d3b")
SPLIT_COLOURS = {"train": BLUE, "val": GREY, "test": ORANGE}

_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: small, searchable, printed sharply
    "svg.hashsalt": "lard",  # ids that do not change from run to run
    "font.family": "sans-serif",
    "font.sans-serif": [
        "DejaVu Sans"
    ],  # ships with matplotlib, so measured text widths are the same everywhere
    "font.size": 8.0,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.titlesize": 8.5,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "text.color": INK,
}


@contextmanager
def figure(width_in: float, height_in: float) -> Iterator[Figure]:
    """A figure in the reports' style; no global state, no display."""
    with mpl.rc_context(_STYLE):
        yield Figure(figsize=(width_in, height_in), layout="constrained")


def apart(fig: Figure) -> None:
    """Part axes beside one another, so that tick labels at their ends do not meet."""
    fig.set_layout_engine("constrained", w_pad=0.12)


def to_svg(fig: Figure, label: str) -> str:
    """Inline SVG of a figure, the same bytes each time; `label` is read to those who cannot see it."""
    stream = io.StringIO()
    fig.savefig(stream, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # ids are per file in matplotlib; on a page with several figures they would meet
    prefix = re.sub(r"\W+", "-", label.lower())[:24]
    svg = re.sub(r'id="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r'(xlink:href|href)="#([^"]+)"', rf'\1="#{prefix}-\2"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["figures"] = figures_text
    environment.filters["term"] = _term
    environment.filters["anchor"] = lambda text: re.sub(r"\W+", "-", str(text)).strip("-")
    return environment


def render(template: str, **values: Any) -> str:
    """Text of a template with the shared style inline."""
    style = (_HERE / "style.css").read_text(encoding="utf-8")
    return _environment().get_template(template).render(style=style, **values)


def render_page(template: str, **values: Any) -> str:
    """A report of one page: `render`, terms explained, tables readable on paper and in narrow windows."""
    return dressed(render(template, **values))


def _term(symbol: str) -> Markup:
    """A symbol that says on hover what it means."""
    return Markup('<abbr title="{}" data-term="{}">{}</abbr>').format(meaning(symbol), symbol, symbol)


def figures_text(value: Any) -> str:
    """A number as a person would write it: four figures, no exponent for the usual sizes."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if not math.isfinite(value):
        return "not finite"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value)}"
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:.4g}"
    return f"{value:.2g}"
