"""What the compliance report says of a dataset as a whole, and of the limits it was held against."""

from __future__ import annotations

from typing import Any

import polars as pl

from lard import __version__
from lard.quality import Dataset, Run
from lard.quality.dataset import PARTS
from lard.report.glossary import threshold_meaning


def thresholds(run: Run) -> list[dict[str, Any]]:
    """Every threshold of the requirements that ran: its meaning, and its value and default in each."""
    found: dict[str, list[tuple[str, Any, Any]]] = {}
    for result in run.results:
        for name, value in result.thresholds.items():
            found.setdefault(name, []).append((result.id, value, result.check.thresholds.get(name)))
    return [
        {"name": name, "meaning": threshold_meaning(name, found[name][0][0]), "uses": found[name]}
        for name in sorted(found)
    ]


def dataset_facts(data: Dataset) -> list[tuple[str, str]]:
    """Name, layout, sizes, domain, runways and versions; what the dataset is without."""
    kinds = {"lard": "lard dataset folder", "lard_v1": "LARD V1", "lard_v2": "LARD V2", "coco": "COCO"}
    facts = [("dataset", data.name), ("layout", kinds.get(data.kind, data.kind))]
    for name, table in (("frames", data.frames), ("labels", data.labels)):
        facts.append((name, f"{len(table):,}" if table is not None else "none"))
    facts.append(("pictures", f"{len(data.image_paths):,}" if "images" in data.parts else "none"))
    if data.frames is not None and "airports" in data.parts:
        facts.append(("airports", str(data.frames["airport"].n_unique())))
    if data.odd is not None:
        facts.append(("ODD", f"{data.odd.name} {data.odd.version}"))
    if data.database is not None:
        facts.append(("runways", f"{data.database.name} {data.database.version}"))
    facts.append(("judged by", f"lard {__version__}"))
    absent = [text for part, text in PARTS.items() if part not in data.parts]
    if absent:
        facts.append(("without", ", ".join(absent)))
    return facts


def split_rows(data: Dataset) -> list[dict[str, Any]]:
    """Sizes, zones and airports of each set."""
    if data.frames is None or not {"split", "airports"} <= data.parts:
        return []
    rows = []
    for split in data.frames["split"].drop_nulls().unique().sort().to_list():
        part = data.frames.filter(pl.col("split") == split)
        labels = 0
        if data.labels is not None:
            labels = len(data.labels.join(part.select("frame_id").unique(), on="frame_id", how="semi"))
        airports = sorted(part["airport"].drop_nulls().unique().to_list())
        zones = dict(part.group_by("zone").len().sort("zone").iter_rows())
        rows.append(
            {
                "split": split,
                "frames": len(part),
                "labels": labels,
                "airports": len(airports),
                "names": " ".join(airports[:60])
                + (f" and {len(airports) - 60} more" if len(airports) > 60 else ""),
                "zones": ", ".join(f"{zone or '–'} {count}" for zone, count in zones.items()),
            }
        )
    order = {"train": 0, "val": 1, "test": 2}
    return sorted(rows, key=lambda row: (order.get(row["split"], 3), row["split"]))


def sample_size(run: Run) -> list[dict[str, Any]]:
    """What the number of test samples allows one to say, with no failure among them."""
    result = next((r for r in run.results if r.id == "DQR-N01"), None)
    table = dict(result.outcome.evidence.get("samples", {})) if result else {}
    rows = []
    for name, row in table.items():
        count = row.get("test_frames", row.get("test_airports", 0))
        unit = "airports" if name == "airports" else "frames"
        rows.append({"name": name, "count": count, "unit": unit, "rate": row["provable_rate"]})
    return rows


def odd_rows(data: Dataset) -> list[tuple[str, str]]:
    """Name, version and digest of the spec."""
    if data.odd is None:
        return []
    return [("name", data.odd.name), ("version", data.odd.version), ("SHA-256 of the spec", data.odd.sha256)]
