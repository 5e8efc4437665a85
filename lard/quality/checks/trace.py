"""Traceability, tables that belong together, and sample size."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import polars as pl

from lard.labels.checks import UNNAMED
from lard.quality import untold
from lard.quality.agreement import contradictions
from lard.quality.dataset import Dataset
from lard.quality.frames import TESTING, zone_rows
from lard.quality.labels import label_name
from lard.quality.land import REMEDY, unlabelled_land, untold_land
from lard.quality.model import Offence, Outcome, inconclusive
from lard.quality.registry import check
from lard.quality.spelling import misspelt
from lard.quality.vocabulary import unknown_words
from lard.tables import FRAMES

NOTHING = {"", "n/a", "na", "nan", "none", "null", "nil", "unknown", "tbd", "todo", "tba", "xxx", "fixme"}


@check(
    "DQR-T01",
    "Every picture is traceable and unaltered",
    severity="error",
    rationale="A picture whose source, licence, seed or bytes are unknown can be neither re-made nor used.",
    objective="traceability",
    thresholds={"min_share": 1.0},
    needs=("frames",),
)
def traceable(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Manifest has every picture once, with all its fields; hashes are those of the files."""
    assert data.frames is not None
    if data.manifest is None:
        if data.kind != "lard":
            remedy = (
                "import the dataset, which writes a manifest with source, licence and hash of each picture"
            )
            return inconclusive("this layout has no manifest: no picture can be traced", remedy)
        return Outcome(False, "manifest.parquet is missing or unreadable", 0.0, 1.0)
    manifest, offences = data.manifest, []
    for name in manifest["frame_id"].filter(manifest["frame_id"].is_duplicated()).unique().sort().to_list():
        offences.append(Offence(name, None, "more than one manifest row"))
    listed, drawn = set(manifest["frame_id"].to_list()), set(data.frames["frame_id"].to_list())
    offences += [Offence(str(f), None, "no manifest row") for f in sorted(drawn - listed)]
    offences += [
        Offence(str(f), None, "in the manifest but not in the frames") for f in sorted(listed - drawn)
    ]
    unknowable = ("source_version", "runway_db_version") if untold.is_imported(data) else ()
    for row in manifest.drop(unknowable).iter_rows(named=True):
        empty = [name for name, value in row.items() if value is None or _says_nothing(value)]
        if empty:
            offences.append(Offence(str(row["frame_id"]), None, f"manifest lacks {', '.join(empty)}"))
    offences += _hash_offences(data)
    total = max(len(drawn | listed), 1)
    share = 1 - len({offence.subject for offence in offences}) / total
    floor = float(limits["min_share"])
    often = Counter(offence.message for offence in offences).most_common(1)
    return Outcome(
        share >= floor,
        f"{share:.2%} of {total} pictures are fully traced"
        + "".join(f"; {n} times: {text}" for text, n in often)
        + ("; imported, not checked: what drew them, on which runways" if unknowable else ""),
        share,
        floor,
        tuple(offences),
        total,
    )


def _says_nothing(value: object) -> bool:
    """Whether a text only fills a field."""
    return isinstance(value, str) and value.strip(" .-?_<>[]()").lower() in NOTHING


def _hash_offences(data: Dataset) -> list[Offence]:
    assert data.manifest is not None
    if "images" not in data.parts:
        return [Offence("images", None, "the manifest lists pictures, but there is no images folder")]
    offences = []
    both = data.manifest.join(data.pictures, on="image", how="inner", suffix="_file")
    for row in both.filter(pl.col("sha256_file").is_not_null()).iter_rows(named=True):
        if row["sha256"] != row["sha256_file"]:
            offences.append(
                Offence(row["frame_id"], None, f"{row['image']}: bytes differ from the manifest's hash")
            )
    listed = set(data.manifest["image"].to_list())
    folder = data.root / "images"
    present = {f"images/{p.name}" for p in folder.iterdir() if p.is_file()} if folder.is_dir() else set()
    offences += [Offence(name, None, "picture without a manifest row") for name in sorted(present - listed)]
    return offences


@check(
    "DQR-T02",
    "Tables, pictures and spec belong together",
    severity="error",
    rationale="A frame without labels, a label without a frame or an id used twice is lost or counted twice.",
    objective="integrity",
)
def tables_agree(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Readable tables, unique ids, no missing values, references that lead somewhere, no contradictions,
    every name spelt in one way."""
    offences = list(data.problems)
    for name in ("frames", "labels"):
        table = getattr(data, name)
        if table is not None and not len(table):
            offences.append(Offence(name, 0.0, "the table has no rows"))
    frames, labels = data.frames, data.labels
    if frames is not None:
        ids = frames["frame_id"]
        for name in ids.filter(ids.is_duplicated()).unique().sort().to_list():
            offences.append(Offence(str(name), None, "frame id used more than once"))
        if data.kind == "lard":
            offences += [*_missing_values(data, frames), *untold.lost(data)]
    if labels is not None:
        keys = labels.select("frame_id", "airport", "runway")
        if data.kind == "lard":
            again = keys.is_duplicated() & ~keys["runway"].is_in(UNNAMED)
            twice = keys.with_row_index("row").filter(again)
            twice = twice.unique(keys.columns, keep="first").sort(keys.columns)
            offences += [
                Offence(label_name(data, row), None, "runway labelled twice in a frame")
                for row in twice["row"]
            ]
    if frames is not None and labels is not None:
        known, used = frames["frame_id"].unique(), labels["frame_id"].unique()
        offences += [
            Offence(str(f), None, "labels of a frame that is not in the frames") for f in _less(used, known)
        ]
        if data.kind == "lard":
            targets = labels["frame_id"].filter(labels["is_target"].fill_null(False))
            if untold.is_imported(data):  # pictures of which nobody said what they approach may show nothing
                known = frames.drop_nulls("runway")["frame_id"].unique()
            offences += [
                Offence(str(f), None, "frame without a label of its target") for f in _less(known, targets)
            ]
    offences += [*contradictions(data), *misspelt(data), *unknown_words(data), *_spec_offences(data)]
    total = (len(frames) if frames is not None else 0) + (len(labels) if labels is not None else 0)
    message = f"{len(offences)} faults in {total} rows of frames and labels"
    message += untold.in_words(data) + untold_land(data)
    if hills := unlabelled_land(data):
        message = f"{message}; {hills}"
        if not offences:
            return inconclusive(message, REMEDY, total)
    return Outcome(not offences, message, float(len(offences)), 0.0, tuple(offences), total)


def _less(names: pl.Series, others: pl.Series) -> list[str]:
    """Names that are not among the others, sorted."""
    lone = names.cast(pl.String).alias("name").to_frame()
    return (
        lone.join(others.cast(pl.String).alias("name").to_frame(), on="name", how="anti")["name"]
        .sort()
        .to_list()
    )


def _missing_values(data: Dataset, frames: pl.DataFrame) -> list[Offence]:
    offences = []
    for name, dtype in FRAMES.items():
        bad = frames[name].is_null()
        if dtype == pl.Float64:
            bad = bad | ~frames[name].is_finite().fill_null(False)
        bad &= ~untold.excused(data, name)
        for frame_id in frames["frame_id"].filter(bad).to_list():
            offences.append(Offence(str(frame_id), None, f"frames.{name} is empty or not finite"))
    return offences


def _spec_offences(data: Dataset) -> list[Offence]:
    """The dataset says which spec it was drawn from; judging it by another is a finding."""
    stated = data.meta.get("odd")
    if data.odd is None or not isinstance(stated, Mapping):
        return []
    offences = []
    for key, ours in (("name", data.odd.name), ("version", data.odd.version), ("sha256", data.odd.sha256)):
        theirs = stated.get(key)
        if theirs and ours and str(theirs) != str(ours):
            text = f"dataset.json names the ODD {key} {theirs}, it is judged by {ours}"
            offences.append(Offence(f"odd.{key}", None, text))
    return offences


@check(
    "DQR-N01",
    "There are enough samples for the statement to be made",
    severity="warning",
    rationale="With no failure in n independent trials, the failure rate is below 1 - (1-c)^(1/n), not zero.",
    objective="sufficiency",
    thresholds={"confidence": 0.95, "failure_rate": 0.01, "min_test_airports": 20},
    needs=("approach", "split", "odd"),
)
def enough_samples(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Test frames per zone against n >= ln(1-c)/ln(1-p), and test airports as the independent unit."""
    confidence, rate = float(limits["confidence"]), float(limits["failure_rate"])
    needed = math.ceil(math.log(1 - confidence) / math.log(1 - rate))
    offences, table, smallest = [], {}, math.inf
    for zone, rows in zone_rows(data):
        n = len(rows.filter(pl.col("split") == TESTING))
        bound = 1 - (1 - confidence) ** (1 / n) if n else 1.0
        table[zone.name] = {"test_frames": n, "provable_rate": bound}
        smallest = min(smallest, n)
        if n < needed:
            text = f"{n} test frames, {needed} needed; without any failure they show a rate below {bound:.2%}"
            offences.append(Offence(zone.name, float(n), text))
    airports = data.targets.filter(pl.col("split") == TESTING)["airport"].n_unique()
    bound = 1 - (1 - confidence) ** (1 / airports) if airports else 1.0
    if airports < float(limits["min_test_airports"]):
        text = (
            f"{airports} test airports, {limits['min_test_airports']} needed: frames of one airport are not "
            f"independent, and {airports} airports without failure only show that fewer than {bound:.0%} of "
            "airports fail"
        )
        offences.append(Offence("airports", float(airports), text))
    message = (
        f"at least {smallest:g} test frames per zone ({needed} needed for a failure rate below {rate:.1%} at "
        f"{confidence:.0%} confidence), {airports} test airports"
    )
    table["airports"] = {"test_airports": airports, "provable_rate": bound}
    return Outcome(
        not offences, message, float(smallest), float(needed), tuple(offences), len(data.targets),
        {"samples": table},
    )  # fmt: skip
