"""Pictures of pages are taken when all that the window shows is there, and never of what is broken."""

import base64
import importlib.util
import io
from pathlib import Path
from types import ModuleType

import pytest
from browser_support import needs_browser
from PIL import Image

from lard.errors import DataError

ROOT = Path(__file__).parent.parent


def _browser() -> ModuleType:
    spec = importlib.util.spec_from_file_location("browser", ROOT / "benchmarks/browser.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _page(path: Path, body: str) -> Path:
    path.write_text(f"<!doctype html><style>body {{ margin: 0 }}</style><body>{body}</body>")
    return path


@needs_browser
def test_a_picture_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (20, 20), (200, 30, 30)).save(stream, "PNG")
    picture = base64.b64encode(stream.getvalue()).decode()
    late = (
        '<div id="grid"></div><p style="margin-top: 3000px"><img loading="lazy" src="absent.png"></p>'
        "<script>setTimeout(() => { const img = new Image(100, 100); img.loading = 'lazy';"
        f"img.src = 'data:image/png;base64,{picture}'; grid.append(img); }}, 700)</script>"
    )
    with _browser().window(_page(tmp_path / "late.html", late)) as tab:
        tab.show(300, 200, "#grid img")
        taken = tab.picture()
        assert tab.pdf().startswith(b"%PDF")
    assert taken.size == (300, 200)
    assert taken.getpixel((50, 50)) == (200, 30, 30) and taken.getpixel((250, 50)) == (255, 255, 255)


@needs_browser
def test_broken_and_absent_parts_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = _browser()
    broken = _page(tmp_path / "broken.html", '<img width="50" height="50" src="gone.jpg">')
    with browser.window(broken) as tab, pytest.raises(DataError, match=r"no picture where .*gone\.jpg"):
        tab.show(300, 200)
    empty = _page(tmp_path / "empty.html", "nothing")
    with browser.window(empty) as tab:
        tab.show(300, 200)
        monkeypatch.setattr(browser, "LIMIT_S", 3.0)
        with pytest.raises(DataError, match="an element #grid not there after 3 s"):
            tab.settle("#grid")
    with pytest.raises(DataError, match="no such page"), browser.window(tmp_path / "none.html"):
        pass
