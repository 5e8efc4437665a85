"""Pictures in docs/images that show pages of real runs, in Chromium: `make demo` and `make repro` come first.

python benchmarks/screens.py demo demo/out docs/images/demo.webp
python benchmarks/screens.py explorer demo/out docs/images/explorer.jpg
python benchmarks/screens.py pages reports/leaderboard.html reports/compliance.html docs/images/pages.jpg
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from browser import window
from PIL import Image, ImageDraw, ImageFont

from lard.documents import read_json
from lard.errors import DataError, LardError, told

COLOURS = {"fcos-s": (30, 90, 255), "lip-fcos-s": (255, 150, 0)}
VERDICTS = {"IN_ODD": (60, 220, 60), "IN_EXTENDED_ODD": (240, 220, 40), "OUT_OF_ODD": (235, 60, 50)}
INK, LINE = (20, 20, 20), (190, 196, 203)
SIDE, GAP = 330, 8
THUMBS = "#grid .shot img"


def taken(page: Path, width: int, height: int, holding: str = "body", steps: str = "") -> Image.Image:
    """A page in a window of that size with all its pictures, after steps of a reader (JavaScript), if given.

    DataError where there is no Chromium or no page, and where a picture or what it must hold does not come.
    """
    with window(page) as tab:
        tab.show(width, height, holding)
        if steps:
            tab.value(steps)
            tab.settle(holding)
        return tab.picture()


def printed(page: Path, width: int) -> Image.Image:
    """The first sheet of a page on paper, so wide; DataError without poppler's pdftoppm."""
    if shutil.which("pdftoppm") is None:
        raise DataError("no pdftoppm, which draws sheets: install poppler-utils")
    with window(page) as tab:
        tab.show(1280, 900)
        paper = tab.pdf()
    drawn = subprocess.run(
        ["pdftoppm", "-singlefile", "-r", "150", "-png", "-"], input=paper, check=True, capture_output=True
    ).stdout
    with Image.open(io.BytesIO(drawn)) as image:
        height = round(image.height * width / image.width)
        return image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)


def demo(out: Path) -> Image.Image:
    """Four frames with labels and what two detectors find, the compliance report, the explorer."""
    data = out / "dataset"
    frames = pl.read_parquet(data / "frames.parquet")
    labels = pl.read_parquet(data / "labels.parquet").filter(pl.col("visible_fraction") > 0)
    image_ids = {
        str(image["frame_id"]): image["id"] for image in read_json(data / "coco/test.json")["images"]
    }
    targets = labels.filter("is_target").with_columns(side=pl.col("x_max_px") - pl.col("x_min_px"))
    sides = targets.join(frames.select("frame_id", "zone"), on="frame_id").sort(
        "zone", "side", descending=True
    )
    chosen = sides.group_by("airport", maintain_order=True).agg(pl.col("frame_id").gather_every(7).head(2))
    names = [name for _, some in chosen.iter_rows() for name in some][:4]
    floors = {
        model: read_json(out / f"results/{model}.score.json")["operating_point"]["score"] for model in COLOURS
    }
    cells = [
        _frame(data / "images" / f"{name}.jpg", labels.filter(pl.col("frame_id") == name), [
            (COLOURS[model], row["bbox"])
            for model in COLOURS
            for row in read_json(out / f"results/{model}.json")
            if row["image_id"] == image_ids[name] and row["score"] >= floors[model]
        ])
        for name in names
    ]  # fmt: skip
    width = 4 * SIDE + 3 * GAP
    half = (width - GAP) // 2
    pages = [
        taken(out / page, 2 * half, 800, holding).resize((half, 400), Image.Resampling.LANCZOS)
        for page, holding in (("compliance/compliance.html", ".tiles"), ("explorer/index.html", THUMBS))
    ]
    sheet = Image.new("RGB", (width + 2 * GAP, SIDE + 3 * 26 + 400 + 2 * GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    told_by = ", ".join(
        f"{model} ({colour})" for model, colour in (("fcos-s", "blue"), ("lip-fcos-s", "orange"))
    )
    draw.text((GAP, 5), f"labels of {len(frames)} frames drawn from a domain; found by {told_by}", INK, font)
    for place, (name, cell) in enumerate(zip(names, cells, strict=True)):
        left = GAP + place * (SIDE + GAP)
        sheet.paste(cell, (left, 26))
        draw.text((left, 26 + SIDE + 4), name, INK, font)
    top = 2 * 26 + SIDE + GAP
    for place, (name, page) in enumerate(zip(("the compliance report", "the explorer"), pages, strict=True)):
        left = GAP + place * (half + GAP)
        draw.text((left, top), name, INK, font)
        sheet.paste(page, (left, top + 24))
        draw.rectangle((left, top + 24, left + half, top + 24 + 400), outline=LINE)
    return sheet


def _frame(
    path: Path, labels: pl.DataFrame, found: Sequence[tuple[tuple[int, int, int], Sequence[float]]]
) -> Image.Image:
    """Around the target of a picture: labels in the colours of their verdicts, and detections."""
    target = labels.filter("is_target").row(0, named=True)
    with Image.open(path) as image:
        picture = image.convert("RGB")
    centre = [(target[f"{axis}_min_px"] + target[f"{axis}_max_px"]) / 2 for axis in "xy"]
    wide = max(target["x_max_px"] - target["x_min_px"], target["y_max_px"] - target["y_min_px"])
    side = min(max(8 * wide, 360.0), *picture.size)
    left, top = (min(max(c - side / 2, 0), full - side) for c, full in zip(centre, picture.size, strict=True))
    scale = SIDE / side
    cell = picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS, (left, top, left + side, top + side))
    draw = ImageDraw.Draw(cell)
    for row in labels.iter_rows(named=True):
        ring = np.asarray(row["polygon"]).reshape(-1, 2)
        points = [(float((x - left) * scale), float((y - top) * scale)) for x, y in ring]
        draw.polygon(points, outline=VERDICTS[row["verdict"]])
    for colour, (x, y, w, h) in found:
        box = ((x - left) * scale, (y - top) * scale, (x + w - left) * scale, (y + h - top) * scale)
        draw.rectangle(box, outline=colour, width=2)
    return cell


def pages(leaderboard: Path, compliance: Path) -> Image.Image:
    """Both pages in narrow windows, the leaderboard on paper."""
    narrow = [
        taken(page, 400, 1100).resize((267, 733), Image.Resampling.LANCZOS)
        for page in (leaderboard, compliance)
    ]
    paper = printed(leaderboard, 518)
    sheet = Image.new("RGB", (1078, 733), (203, 210, 217))
    for place, page in enumerate(narrow):
        sheet.paste(page, (place * 280, 0))
    sheet.paste(paper.crop((0, 0, 518, 733)), (560, 0))
    return sheet


def explorer(out: Path) -> Image.Image:
    """The explorer's frames of 1 to 5 km, those that the 1-Lipschitz detector hits and those it misses."""
    steps = """
      filters.find((filter) => filter.key === "along_track_m").set([1000, 5000]);
      const outcome = filters.find((filter) => filter.key === "outcome:lip-fcos-s");
      for (const word of ["hit", "missed"]) outcome.labels[outcome.values.indexOf(word)].box.click();
    """
    page = taken(out / "explorer/index.html", 1400, 860, THUMBS, steps)
    return page.resize((1000, 614), Image.Resampling.LANCZOS)


def main() -> int:
    """Write one picture; 2 with a line where something is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["demo", "explorer", "pages"])
    parser.add_argument("paths", nargs="+", type=Path, help="what to show, then the picture to write")
    asked = parser.parse_args()
    *shown, out = asked.paths
    if len(shown) != (2 if asked.what == "pages" else 1):
        parser.error(
            "demo and explorer take its folder and a picture to write, pages two pages and a picture"
        )
    try:
        sheet = {"demo": demo, "explorer": explorer, "pages": pages}[asked.what](*shown)
    except LardError as error:
        print(f"screens: {told(error)}", file=sys.stderr)
        return 2
    sheet.save(out, quality=82)
    return 0


if __name__ == "__main__":
    sys.exit(main())
