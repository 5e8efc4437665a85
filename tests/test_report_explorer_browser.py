"""The explorer in a real browser, from file://, in a narrow window: filters, keys, marks, frames, map."""

import io
import json
import subprocess
from html import unescape
from pathlib import Path

import polars as pl
from browser_support import CHROMIUM, needs_browser
from explorer_support import (
    AIRPORTS,
    ATTRIBUTION,
    HOSTILE,
    data_of,
    write_findings,
    write_results,
    write_toy,
)

from lard.quality import read_waivers
from lard.quality.model import Offence
from lard.report.explorer import write_explorer


@needs_browser
def test_in_a_browser(tmp_path: Path) -> None:
    toy = tmp_path / "toy set"
    write_toy(toy)
    write_findings(toy, tmp_path / "f.parquet")
    write_results(toy, tmp_path / "mine.json")
    out = tmp_path / "e"
    write_explorer(toy, out, results=[tmp_path / "mine.json"], findings=tmp_path / "f.parquet")
    head = f"const HOSTILE = {json.dumps(HOSTILE)}, ATTRIBUTION = {json.dumps(ATTRIBUTION)};"
    probe = Path(__file__).with_name("explorer_probe.js").read_text()
    (out / "js" / "probe.js").write_text(head + probe)
    page = (out / "index.html").read_text().replace("</body>", '<script src="js/probe.js"></script></body>')
    (out / "probe.html").write_text(page)
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--window-size=400,900", "--virtual-time-budget=8000", "--dump-dom", (out / "probe.html").as_uri(),
    ]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, timeout=240).stdout
    told = json.loads(unescape(shown.split('<pre id="told">')[1].split("</pre>")[0]))
    frames = pl.read_parquet(toy / "frames.parquet").sort("frame_id")
    assert told["problems"] == []
    assert told["all"] == "24 frames"
    zone, count, counts = told["zone"]
    assert count == frames["zone"].to_list().count(zone)
    assert sum(counts) == 24  # the other zones still say what they would give
    assert told["brushed"] == len(frames.filter(pl.col("along_track_m").is_between(1000, 3000)))
    judged = data_of(out)["models"][0]
    hits = [w is not None and w >= judged["score"] for w in judged["worst"]]
    assert told["outcomes"]["hit"] == sum(hits)
    assert told["outcomes"]["not predicted"] == judged["judged"].count(False)
    assert told["marked"] == [frames["frame_id"][1]]
    (tmp_path / "waivers.yaml").write_text(told["waivers"])
    waivers = read_waivers(tmp_path / "waivers.yaml")
    findings = pl.read_parquet(tmp_path / "f.parquet").filter(pl.col("subject").str.starts_with(HOSTILE))
    assert len(waivers) == 2
    for check, subject in findings.select("check_id", "subject").iter_rows():
        covering = [w for w in waivers if w.covers(check, Offence(subject, None, ""))]
        assert [w.reason for w in covering] == ['seen: "fine"\u2028, yes']
        assert not covering[0].covers(check, Offence(subject + "0", None, ""))
    assert pl.read_csv(io.StringIO(told["csv"]))["frame_id"].to_list() == [HOSTILE]
    assert told["title"] == HOSTILE
    labels = pl.read_parquet(toy / "labels.parquet").filter(pl.col("frame_id") == HOSTILE)
    assert told["runways"] == len(labels)
    assert told["polygons"] == labels.filter(pl.col("visible_fraction") > 0).height
    assert told["attribution"]
    assert told["images"] == 6  # the neighbours; no text became a picture
    assert told["wide"] <= 0
    assert told["airports"] == len(AIRPORTS)
    assert told["page"] == f"{ATTRIBUTION}: explorer"
