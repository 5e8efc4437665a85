"""Clean exports of every format, and a clean plain COCO dataset, have no finding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from quality_defects_foreign import plain, written
from quality_support import opened, write_clean
from tars_support import whole_tar

from lard.errors import DataError
from lard.export.annotators import write_cvat, write_fiftyone, write_labelstudio
from lard.export.coco import write_coco
from lard.export.common import LabelledFolder, open_dataset
from lard.export.huggingface import write_huggingface
from lard.export.lard_folder import write_lard_folder
from lard.export.webdataset import write_webdataset
from lard.export.yolo import write_yolo
from lard.quality import Dataset, run_checks
from lard.quality.exports import compared, demand_true, read_export
from lard.quality.model import PASS

WRITERS: dict[str, Callable[[LabelledFolder, Path], object]] = {
    "coco": lambda d, out: write_coco(d.frames, d.labels, out, d.info),
    "coco, masks": lambda d, out: write_coco(d.frames, d.labels, out, d.info, segmentation="rle"),
    "yolo": lambda d, out: write_yolo(d, out, "detect"),
    "yolo, required only": lambda d, out: write_yolo(d, out, "detect", ("IN_ODD",)),
    "yolo, outlines": lambda d, out: write_yolo(d, out, "segment"),
    "yolo, corners": lambda d, out: write_yolo(d, out, "pose"),
    "lard v1": lambda d, out: write_lard_folder(d, out, "v1"),
    "lard v2": lambda d, out: write_lard_folder(d, out, "v2"),
    "hugging face": write_huggingface,
    "cvat": write_cvat,
    "label studio": write_labelstudio,
    "fiftyone": write_fiftyone,
    "webdataset": lambda d, out: write_webdataset(d, out, 50),
}


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("few")
    write_clean(root, n=96)
    return opened(root)


@pytest.mark.parametrize("name", WRITERS)
def test_clean_exports_are_those_of_the_tables(name: str, few: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    WRITERS[name](open_dataset(few.root), out)
    found = read_export(out)
    assert sum(map(len, found.objects.values())) > 50
    assert [(o.subject, o.message) for o in compared(few, found)] == []


def test_a_stale_export_is_refused(few: Dataset, tmp_path: Path) -> None:
    assert few.frames is not None and few.labels is not None
    write_coco(few.frames, few.labels, tmp_path / "coco", few.meta)
    demand_true(few.root, few.frames, few.labels, tmp_path / "coco")
    moved = few.labels.with_columns(pl.col("y_max_px") + 1)
    with pytest.raises(DataError, match="export again"):
        demand_true(few.root, few.frames, moved, tmp_path / "coco")


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected COCO"):
        read_export(tmp_path)


def test_clean_plain_coco_has_no_finding(few: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "foreign"
    asked = ["I06", "T02", "I04", "U01"]
    run = run_checks(written(plain(few, folder, pictures=True), folder), asked)
    assert {r.id: (r.status, r.outcome.offences[:2]) for r in run.results if r.status != PASS} == {}


@pytest.mark.parametrize("name", ["test", "more"])
def test_a_file_that_cannot_be_read_is_named_and_not_its_frames(
    few: Dataset, tmp_path: Path, name: str
) -> None:
    assert few.frames is not None and few.labels is not None
    write_coco(few.frames, few.labels, tmp_path / "coco", few.meta)
    (tmp_path / "coco" / f"{name}.json").write_text('{"images": [], "images": []}')
    problems = list(compared(few, read_export(tmp_path / "coco")))
    assert [one.subject for one in problems] == [f"coco:{name}.json"]
    assert f"cannot be read: {name}.json: key 'images' stands twice" in problems[0].message


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (b'{"frame_id": "a", "yaw_deg": 1.0, "yaw_deg": 2.0}', "key 'yaw_deg' stands twice in one object"),
        (b'{"frame_id": "a", "objects": [{"bbox": [], "bbox": []}]}', "key 'bbox' stands twice"),
        (b"[1]", "expected a JSON object"),
        (b'{"frame_id": "a"', "not valid JSON"),
        (b'{"frame_id": "\xff"}', "byte 0xff is no UTF-8 text"),
    ],
)
def test_records_of_shards_that_readers_take_otherwise_are_named(
    tmp_path: Path, record: bytes, told: str
) -> None:
    """And none of what they say is taken."""
    whole_tar(tmp_path / "test-000000.tar", [("a.jpg", b"picture"), ("a.json", record)])
    found = read_export(tmp_path)
    (problem,) = found.problems
    assert problem.subject.endswith(":a.json") and told in problem.message, problem
    assert not found.frames and set(found.pictures_in_tar) == {"a"}


def test_a_picture_twice_in_shards_is_named(tmp_path: Path) -> None:
    whole_tar(tmp_path / "test-000000.tar", [("a.jpg", b"one"), ("a.json", b'{"frame_id": "a"}')])
    whole_tar(tmp_path / "test-000001.tar", [("a.jpg", b"two")])
    (problem,) = read_export(tmp_path).problems
    assert problem.message == "its picture is in the shards twice"
