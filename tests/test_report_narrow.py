"""The leaderboard in a real browser, in a narrow window: rows stack, nothing reaches beyond the window."""

from __future__ import annotations

import json
import subprocess
from html import unescape
from pathlib import Path

from browser_support import CHROMIUM, needs_browser

from lard.report.entries import Board, Entry
from lard.report.leaderboard import leaderboard_html

PROBE = """<script>addEventListener("load", () => {
  const root = document.documentElement, cell = document.querySelector("table.stack td");
  const told = document.createElement("pre"); told.id = "told";
  const plots = document.querySelectorAll("figure.plot").length;
  told.textContent = JSON.stringify({ beyond: root.scrollWidth - innerWidth, width: innerWidth, plots,
    stacked: getComputedStyle(cell).display, heading: getComputedStyle(cell, "::before").content });
  document.body.append(told); });</script></body>"""


@needs_browser
def test_in_a_narrow_window(tmp_path: Path) -> None:
    airports = {f"AIRPORT-WITH-A-LONG-NAME-{k}": {"AP": 0.4, "AP50": 0.5} for k in range(20)}
    found = {code: {n: {"found": 1, "runways": 2} for n in ("0-1 km", "1-2 km")} for code in airports}
    entry = Entry(
        "a-model-of-a-long-name-" * 3,
        {"AP": 0.5, "AP50": 0.6},
        {"airport": airports},
        {},
        {"found_by_airport": found},
    )
    page = tmp_path / "page.html"
    page.write_text(leaderboard_html([Board([entry])]).replace("</body>", PROBE))
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--window-size=400,900", "--virtual-time-budget=3000", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, timeout=240).stdout
    told = json.loads(unescape(shown.split('<pre id="told">')[1].split("</pre>")[0]))
    assert told["width"] <= 700 and told["beyond"] <= 0
    assert told["stacked"] == "flow-root" and told["heading"] == '"model"'
    assert told["plots"] >= 2
