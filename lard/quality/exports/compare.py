"""An export against the tables it came from: every frame, every runway, every value."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pycocotools import mask as coco_mask

from lard.intake.lard_csv import V1_LATERAL_APEX_M
from lard.quality.dataset import BOX, CORNERS, Dataset
from lard.quality.exports.folders import in_pixels
from lard.quality.exports.model import Exported, Fields
from lard.quality.frames import SETS
from lard.quality.model import Offence
from lard.tables import sha256_file

REQUIRED = ("IN_ODD", "UNKNOWN")
NEAR = 2e-6  # relative, and of a unit: what six decimals leave of a value
MASK_SHARE = 0.9  # overlap of a mask and its polygon, as a share of their union; small ones lose a rim
Row = Mapping[str, Any]


def compared(data: Dataset, found: Exported) -> Iterator[Offence]:
    """Everything in which an export differs from the dataset's tables; subjects begin with its place."""
    assert data.frames is not None and data.labels is not None
    yield from found.problems
    yield from _about(data, found)
    frames = {str(row["frame_id"]): row for row in data.frames.iter_rows(named=True)}
    in_pixels(found, {name: (row["width_px"], row["height_px"]) for name, row in frames.items()})
    wanted = _wanted(data, found)
    expected = set(frames) if found.every_frame else {str(name) for name in wanted["frame_id"]}
    expected -= {name for name, row in frames.items() if found.unread & {"", str(row["split"])}}
    for name in sorted(expected - set(found.frames)):
        yield Offence(f"{found.where}:{name}", None, "the frame is not in the export")
    for name, entries in sorted(found.frames.items()):
        if name not in frames:
            yield Offence(f"{found.where}:{name}", None, "no such frame in the dataset")
            continue
        if len(entries) > 1 and found.every_frame:
            yield Offence(f"{found.where}:{name}", None, f"the frame is exported {len(entries)} times")
        for fields in entries:
            yield from _differing(f"{found.where}:{name}", fields, frames[name], found)
    yield from _objects(found, wanted, set(frames))
    yield from _pictures(data, found)


def _about(data: Dataset, found: Exported) -> Iterator[Offence]:
    """What exported files say of themselves and the dataset of itself, but for the tools that wrote them."""
    for split, stated in found.about.items():
        place = f"{found.where}:{split}.json"
        if split in SETS and stated.get("split", split) != split:
            yield Offence(place, None, f"info.split is {stated['split']!r}")
        for key in sorted((set(stated) & set(data.meta)) - {"tool_version", "drawn_on", "split"}):
            if stated[key] != data.meta[key]:
                told = f"info.{key} is {str(stated[key])[:80]}, dataset.json says {str(data.meta[key])[:80]}"
                yield Offence(place, None, told)


def _wanted(data: Dataset, found: Exported) -> pl.DataFrame:
    """The labels that belong in an export, in the order of frame, airport and runway."""
    assert data.labels is not None
    labels = data.labels
    if found.holds == "visible":
        labels = labels.filter(pl.col("visible_fraction") > 0)
    else:
        labels = labels.filter(~pl.col("behind") & pl.all_horizontal(pl.col(CORNERS).is_not_null()))
        labels = labels.filter("is_target") if found.holds == "targets" else labels
    labels = labels.sort("frame_id", "airport", "runway")
    return labels if found.named else _of_verdicts(labels, found)


def _of_verdicts(labels: pl.DataFrame, found: Exported) -> pl.DataFrame:
    """The labels of those verdicts that explain how many objects an export without names holds."""
    verdicts = sorted(str(v) for v in labels["verdict"].unique().to_list())
    given = {name: len(objects) for name, objects in found.objects.items()}
    best, fewest = labels, -1
    for size in range(len(verdicts), 0, -1):
        for chosen in combinations(verdicts, size):
            part = labels.filter(pl.col("verdict").is_in(list(chosen)))
            count = dict(part.group_by("frame_id").len().iter_rows())
            wrong = sum(given.get(name, 0) != count.get(name, 0) for name in set(given) | set(count))
            if fewest < 0 or wrong < fewest * 0.5:
                best, fewest = part, wrong
    return best


def _objects(found: Exported, wanted: pl.DataFrame, frames: set[str]) -> Iterator[Offence]:
    rows: dict[str, list[Row]] = {}
    for row in wanted.iter_rows(named=True):
        rows.setdefault(str(row["frame_id"]), []).append(row)
    for name in sorted((set(rows) | set(found.objects)) & set(found.frames) & frames):
        given, due = found.objects.get(name, []), rows.get(name, [])
        pairs, missing, extra = _matched(given, due) if found.named else _nearest(given, due)
        for lost in missing:
            yield Offence(f"{found.where}:{name}:{lost['runway']}", None, "the runway is not in the export")
        for fields in extra:
            what = fields.get("runway", "an object")
            yield Offence(f"{found.where}:{name}:{what}", None, "no such runway in the labels of this frame")
        for fields, label in pairs:
            place = f"{found.where}:{name}:{label['runway']}"
            yield from _differing(place, fields, _full(label), found)


def _matched(given: list[Fields], due: list[Row]) -> tuple[list[tuple[Fields, Row]], list[Row], list[Fields]]:
    """Objects and labels of one frame by the runway they name."""
    pairs, left = [], list(due)
    extra = []
    for fields in given:
        row = next((r for r in left if _names(fields, r)), None)
        if row is None:
            extra.append(fields)
        else:
            left.remove(row)
            pairs.append((fields, row))
    return pairs, left, extra


def _names(fields: Fields, row: Row) -> bool:
    same = fields.get("runway") == row["runway"]
    return same and fields.get("airport", row["airport"]) == row["airport"]


def _nearest(given: list[Fields], due: list[Row]) -> tuple[list[tuple[Fields, Row]], list[Row], list[Fields]]:
    """Objects without names and labels of one frame, each with the nearest box."""
    pairs, left, extra = [], list(due), []
    for fields in given:
        box = np.array(fields["bbox"])
        if not left:
            extra.append(fields)
            continue
        row = min(left, key=lambda r: float(np.abs(box - np.array(_full(r)["bbox"])).max()))
        left.remove(row)
        pairs.append((fields, row))
    return pairs, left, extra


def _full(row: Row) -> Fields:
    """A label with what exports make of its columns."""
    x0, y0, x1, y1 = (row[name] if row[name] is not None else math.nan for name in BOX)
    points = [(row[CORNERS[2 * k]], row[CORNERS[2 * k + 1]]) for k in range(4)]
    along = row["along_track_m"]
    return {
        **row,
        "unsigned": None if along is None else abs(along),
        "lateral_v1_deg": _from_beyond(row),
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": (x1 - x0) * (y1 - y0),
        "corners": [value for point in points for value in point],
        "iscrowd": 0 if row["verdict"] in REQUIRED else 1,
    }


def _from_beyond(row: Row) -> float | None:
    """Lateral angle as LARD V1 sees it, of one that is seen from the threshold."""
    along, lateral = row["along_track_m"], row["lateral_deg"]
    if along is None or lateral is None:
        return None
    return math.degrees(math.atan2(along * math.tan(math.radians(lateral)), along + V1_LATERAL_APEX_M))


def _keypoints(row: Row, width: float, height: float) -> list[float]:
    flat: list[float] = []
    for k in range(4):
        x, y = row["corners"][2 * k : 2 * k + 2]
        if x is None or y is None:
            flat += [0.0, 0.0, 0]
        else:
            flat += [x, y, 2 if 0 <= x <= width and 0 <= y <= height else 1]
    return flat


def _differing(subject: str, fields: Fields, row: Row, found: Exported) -> Iterator[Offence]:
    """Fields of a frame or an object that are not those of its row."""
    for name, given in fields.items():
        if name == "mask":
            fault = _mask_fault(given, row)
        elif name == "keypoints":
            fault = _keypoint_fault(given, _keypoints(row, *fields["size"]), found.tolerance_px)
        elif name == "corners_px":
            true = [math.nan if v is None else v for v in row["corners"]]
            cut = np.trunc(true) if found.whole_px == "trunc" else np.floor(true)
            fault = _fault(name, given, sorted(cut) if fields.get("sorted") else cut.tolist(), 0.0)
        elif name == "num_keypoints":
            fault = _fault(name, given, sum(map(bool, _keypoints(row, *fields["size"])[2::3])), 0.0)
        elif name in ("size", "sorted") or name not in row:
            continue
        else:
            pixels = name in ("bbox", "polygon") or name.endswith("_px")
            room = found.tolerance_px if pixels else 0.0
            if name == "area":
                room = 1e-4 * max(1.0, float(row[name]))
            fault = _fault(name, given, row[name], max(room, fields.get("room", {}).get(name, 0.0)))
        if fault:
            yield Offence(subject, None, fault)


def _fault(name: str, given: Any, true: Any, room: float) -> str:
    """Why an exported value is not the true one; "" when it is."""
    if isinstance(true, (list, tuple)) or isinstance(given, (list, tuple)):
        a, b = list(given or []), list(true or [])
        if len(a) != len(b):
            return f"{name} has {len(a)} values, the tables {len(b)}"
        return next(
            (
                f"{name}: {_fault('value', x, y, room)}"
                for x, y in zip(a, b, strict=True)
                if _fault("value", x, y, room)
            ),
            "",
        )
    if isinstance(true, bool) or isinstance(given, bool) or not _number(true) or not _number(given):
        return "" if given == true else f"{name} is {given!r}, the tables say {true!r}"
    allowed = max(room, NEAR * max(1.0, abs(float(true))))
    far = abs(float(given) - float(true))
    return (
        ""
        if far <= allowed or (given != given and true != true)
        else f"{name} is {given:.8g}, the tables say {true:.8g}"
    )


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _keypoint_fault(given: Any, true: list[float], room: float) -> str:
    """Why keypoints x, y, v are not the corners; formats may leave out those that lie out of the picture."""
    flat = (
        [v for point in given for v in point] if given and isinstance(given[0], list | tuple) else list(given)
    )
    if len(flat) != 12:
        return f"{len(flat)} values of keypoints, expected 12"
    for k in range(0, 12, 3):
        x, y, flag = flat[k : k + 3]
        if flag == 0 and true[k + 2] in (0, 1) and (x, y) == (0, 0):
            if true[k + 2] == 1 and room < 1e-3:
                return (
                    f"keypoint {k // 3 + 1} is left out, the label has it at {true[k]:.2f}, {true[k + 1]:.2f}"
                )
            continue
        if flag != true[k + 2] or max(abs(x - true[k]), abs(y - true[k + 1])) > max(
            room, NEAR * abs(true[k]), NEAR * abs(true[k + 1])
        ):
            corner = f"{true[k]:.2f}, {true[k + 1]:.2f} ({true[k + 2]})"
            return f"keypoint {k // 3 + 1} is {x:.2f}, {y:.2f} ({flag}), the corner {corner}"
    return ""


def _mask_fault(rle: Any, row: Row) -> str:
    """Why a run-length mask is not that of the label's polygon."""
    try:
        height, width = (int(side) for side in rle["size"])
        given = {"size": [height, width], "counts": str(rle["counts"]).encode("ascii")}
        area = float(coco_mask.area(given))
        (true,) = coco_mask.frPyObjects([[float(v) for v in row["polygon"]]], height, width)
        union = float(coco_mask.iou([given], [true], [0])[0][0])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        return f"mask cannot be read: {type(error).__name__}: {error}"
    full = float(coco_mask.area(true))
    if area == full == 0.0:
        return ""
    return (
        "" if union >= MASK_SHARE else f"mask overlaps its polygon by {union:.0%} ({area:g} and {full:g} px)"
    )


def _pictures(data: Dataset, found: Exported) -> Iterator[Offence]:
    """Pictures of an export against those of the dataset, byte for byte."""
    hashes: dict[str, str] = {}
    if data.manifest is not None:
        hashes = dict(data.manifest.select("frame_id", "sha256").drop_nulls().iter_rows())
    for name, path in sorted(found.pictures.items()):
        source = data.root / data.image_of.get(name, "")
        if not path.is_file():
            yield Offence(f"{found.where}:{name}", None, f"{path.name}: the picture is missing")
        elif source.is_file() and Path(source).samefile(path):
            continue
        elif name in hashes and sha256_file(path) != hashes[name]:
            yield Offence(f"{found.where}:{name}", None, f"{path.name}: not the picture of this frame")
    for name, digest in sorted(found.pictures_in_tar.items()):
        if name in hashes and digest != hashes[name]:
            yield Offence(f"{found.where}:{name}", None, "its picture is not that of this frame")
