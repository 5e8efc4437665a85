"""A small labelled dataset with hostile texts, results and findings of it, and the pages' data read back."""

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
from quality_support import draw_picture, small_spec, write_manifest

from lard.airports import load_shipped
from lard.export.coco import write_coco
from lard.labels import label_frames
from lard.labels.dataset import describe
from lard.scenario import draw
from lard.tables import FINDINGS, FRAMES, LABELS, MANIFEST, write_json, write_table

AIRPORTS = ("LFPO", "KATL", "EGLL", "NZCH")
SPLIT = {"val": ["LFPO"], "test": ["EGLL", "KATL"]}
HOSTILE = """x<img src=x onerror=alert(1)>'"&[*]?"""
ATTRIBUTION = "</script><script>document.title='taken'</script>"


def write_toy(root: Path, n: int = 24) -> None:
    spec, db = small_spec(), load_shipped()
    frames = draw(spec, db, AIRPORTS, n, 5, split=SPLIT).frames.sort("frame_id")
    first = frames["frame_id"][0]
    frames = frames.with_columns(
        frame_id=pl.when(pl.col("frame_id") == first).then(pl.lit(HOSTILE)).otherwise(pl.col("frame_id")),
        weather=pl.when(pl.col("frame_id") == first).then(pl.lit("<b>fog</b>")).otherwise(pl.lit("clear")),
    )
    write_table(frames, root / "frames.parquet", FRAMES)
    labels = label_frames(frames, db, spec)
    write_table(labels, root / "labels.parquet", LABELS)
    info = describe("toy", frames, db, spec, "odd_specs/lard_v2.yaml") | {"name": ATTRIBUTION}
    write_json(info, root / "dataset.json")
    targets = dict(labels.filter("is_target").select("frame_id", "polygon").iter_rows())
    for row in frames.iter_rows(named=True):
        draw_picture(root / "images" / f"{row['frame_id']}.jpg", row, targets.get(row["frame_id"]))
    write_manifest(root)
    manifest = pl.read_parquet(root / "manifest.parquet").with_columns(attribution=pl.lit(ATTRIBUTION))
    write_table(manifest, root / "manifest.parquet", MANIFEST)
    write_coco(frames, labels, root / "coco", info)


def write_results(root: Path, path: Path, split: str = "test") -> list[dict[str, Any]]:
    """Every second runway is found, each third picture has a false alarm, some scores are low."""
    truth = json.loads((root / "coco" / f"{split}.json").read_text())
    rows = [
        {"image_id": note["image_id"], "category_id": 1, "bbox": note["bbox"], "score": 0.3 + 0.05 * (k % 12)}
        for k, note in enumerate(truth["annotations"])
        if k % 2 == 0
    ]
    for k, image in enumerate(truth["images"]):
        if k % 3 == 0:
            rows.append(
                {"image_id": image["id"], "category_id": 1, "bbox": [1, 1, 4, 3], "score": 0.1 * (k % 9)}
            )
    write_json(rows, path)
    return rows


def write_findings(root: Path, path: Path) -> None:
    labels = pl.read_parquet(root / "labels.parquet").filter(pl.col("frame_id") == HOSTILE)
    own = pl.read_parquet(root / "frames.parquet").filter(pl.col("frame_id") == HOSTILE)["airport"][0]
    label = labels.filter(pl.col("airport") == own).row(0, named=True)
    rows = [
        ("DQR-I01", "warning", f"{HOSTILE}:{label['runway']}", 2.0, 4.0, "<i>small</i>"),
        ("DQR-U01", "error", HOSTILE, None, None, "twice"),
        ("DQR-C07", "warning", "width_classes", 2.0, 3.0, "2 present, 3 needed"),
    ]
    write_table(pl.DataFrame(rows, schema=dict(FINDINGS), orient="row"), path, FINDINGS)


def data_of(out: Path) -> dict[str, Any]:
    text = (out / "data" / "frames.js").read_text("ascii")
    return json.loads(text.removeprefix("var LARD_DATA=").removesuffix(";\n"))


def rows_of(out: Path) -> list[dict[str, Any]]:
    rows = []
    for path in sorted((out / "data").glob("part_*.js")):
        rows += json.loads(re.fullmatch(r"LARD_PART\(\d+,(.*)\);\n", path.read_text("ascii"))[1])  # type: ignore[index]
    return rows


def facet(data: dict[str, Any], key: str) -> list[set[str]]:
    found = next(item for item in data["facets"] if item["key"] == key)
    return [{found["values"][code] for code in codes} for codes in found["codes"]]
