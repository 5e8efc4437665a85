"""The pages of docs/ lead where they say, stand in the menu once, and build without a warning."""

import importlib.util
import os
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *ROOT.glob("demo/*.md"), *ROOT.glob("zoo/*.md"),
                *ROOT.glob("examples/**/*.md"), *DOCS.glob("*.md")])  # fmt: skip
FENCE = re.compile(r"^(```+|~~~+).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]\[]*(?:\[[^\]]*\][^\]\[]*)*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")


def prose(text: str) -> str:
    """A page without its blocks of code and its code in lines."""
    return re.sub(r"`[^`\n]+`", "", FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """What `#...` may name in a page: its headings as GitHub and MyST spell them."""
    seen: Counter[str] = Counter()
    found = set()
    for title in re.findall(r"^#+[ \t]+(.+?)[ \t]*$", FENCE.sub("", text), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", title.replace("`", "").lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


@cache
def _anchors_of(page: Path) -> set[str]:
    return anchors(page.read_text())


def dead_links(page: Path, text: str) -> list[str]:
    """Links of a page's text, to files and headings, that lead nowhere; the network is not asked."""
    dead = []
    for link in LINK.findall(prose(text)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        inside = target.is_relative_to(ROOT) and target.exists()
        known = anchors(text) if target == page else _anchors_of(target) if anchor and inside else set()
        if not inside or (anchor and anchor not in known):
            dead.append(link)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert dead_links(page, page.read_text()) == []


def test_dead_links_are_found() -> None:
    text = "# A b\n[1](odd.md) [2](nowhere.md) ![3](images/none.jpg) [4](#a-b)\n"
    text += "[5](#c) [6](odd.md#c) `[7](x.md)`\n"
    text += "```\n[8](y.md)\n```\n[9](https://example.org/none) [10](../../etc/passwd)\n"
    found = dead_links(DOCS / "index.md", text)
    assert found == ["nowhere.md", "images/none.jpg", "#c", "odd.md#c", "../../etc/passwd"]


def test_the_menu_holds_every_page_once() -> None:
    trees = re.findall(r"```\{toctree\}\n(.*?)```", (DOCS / "index.md").read_text(), re.DOTALL)
    entries = [line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")]
    assert Counter(entries) == Counter(page.stem for page in DOCS.glob("*.md") if page.stem != "index")


def test_pictures_are_small() -> None:
    for picture in (DOCS / "images").iterdir():
        assert picture.stat().st_size <= 250_000, picture.name
    assert (DOCS / "images/demo.webp").stat().st_size <= 150_000


@pytest.mark.e2e
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    for package in ("sphinx", "myst_parser", "furo"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: the extra `docs`")
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(ROOT), *filter(None, sys.path)]))
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d"]
    done = subprocess.run(
        [*command, str(tmp_path / "trees"), str(DOCS), str(tmp_path / "html")],
        capture_output=True, text=True, env=environment, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    for page in DOCS.glob("*.md"):
        assert (tmp_path / "html" / f"{page.stem}.html").is_file()
    commands = (tmp_path / "html/commands.html").read_text()
    for title in ("lard airports import", "lard dqr run", "lard certify"):
        assert f"{title}<a" in commands
