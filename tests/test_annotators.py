"""FiftyOne, CVAT and Label Studio: what is written, judged against the tables, corrected and read back."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from explorer_support import write_results, write_toy

from lard.cli import main
from lard.errors import DataError
from lard.export.annotators import Predicted, write_fiftyone
from lard.export.coco import write_coco
from lard.export.common import open_dataset
from lard.labels.dataset import read_dataset
from lard.quality.exports import demand_true

KINDS = ("fiftyone", "cvat", "labelstudio")
FILE = {"fiftyone": "samples.json", "cvat": "annotations.xml", "labelstudio": "tasks.json"}
BOX = ["x_min_px", "y_min_px", "x_max_px", "y_max_px"]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled dataset whose names are plain files, with results on its test split."""
    root = tmp_path_factory.mktemp("annotators") / "toy"
    write_toy(root, 12)
    hostile = next(p for p in (root / "images").iterdir() if "<" in p.name)
    hostile.rename(root / "images" / "plain.jpg")
    for name in ("frames", "labels", "manifest"):
        table = pl.read_parquet(root / f"{name}.parquet")
        table = table.with_columns(pl.col("frame_id").replace(hostile.stem, "plain"))
        if "image" in table.columns:
            table = table.with_columns(pl.col("image").replace(f"images/{hostile.name}", "images/plain.jpg"))
        table.write_parquet(root / f"{name}.parquet")
    write_coco(*read_dataset(root)[:2], root / "coco", read_dataset(root)[2])
    write_results(root, root / "mine.json")
    return root


@pytest.fixture(scope="module")
def exported(toy: Path) -> Path:
    for kind in KINDS:
        told = CliRunner().invoke(main, ["export", kind, str(toy), "--out", str(toy.parent / kind)])
        assert told.exit_code == 0, told.output
    return toy.parent


def copied(exported: Path, kind: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported / kind, tmp_path / kind))


def imported(source: Path, kind: str, out: Path, *more: str) -> Any:
    return CliRunner().invoke(main, ["import", kind, str(source), "--val", "0", "--out", str(out), *more])


def visible(folder: Path) -> pl.DataFrame:
    labels = read_dataset(folder)[1].filter(pl.col("visible_fraction") > 0)
    return labels.sort("frame_id", "airport", "runway")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_what_the_tables_hold(
    kind: str, exported: Path, toy: Path, tmp_path: Path
) -> None:
    frames, labels, _ = read_dataset(toy)
    demand_true(toy, frames, labels, exported / kind)
    folder = copied(exported, kind, tmp_path)
    file = folder / FILE[kind]
    text = file.read_text()
    if kind == "cvat":
        file.write_text(re.sub(r'points="[\d.]+,', 'points="7.5,', text, count=1))
    else:
        key = '"bounding_box": [' if kind == "fiftyone" else '"x": '
        assert key in text
        file.write_text(re.sub(re.escape(key) + r"\s*[\d.e-]+", key + "0.0123", text, count=1))
    with pytest.raises(Exception, match="differs from the tables"):
        demand_true(toy, frames, labels, folder)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_come_back_by_name_and_place(kind: str, exported: Path, toy: Path, tmp_path: Path) -> None:
    told = imported(exported / kind, kind, tmp_path / "back")
    assert told.exit_code == 0, told.output
    before, after = visible(toy), visible(tmp_path / "back")
    for name in ("frame_id", "airport", "runway", "verdict"):
        assert after[name].to_list() == before[name].to_list()
    assert after.select(BOX).to_numpy() == pytest.approx(before.select(BOX).to_numpy(), abs=1e-3)
    splits = [
        dict(read_dataset(folder)[0].select("frame_id", "split").iter_rows())
        for folder in (toy, tmp_path / "back")
    ]
    assert splits[0] == splits[1]
    if kind == "cvat":
        areas = [
            [float(np.ptp(points[::2])) for points in table["polygon"].to_list()] for table in (before, after)
        ]
        assert areas[1] == pytest.approx(areas[0], abs=1e-3)


def test_a_corrected_box_is_the_one_that_comes_in(exported: Path, tmp_path: Path) -> None:
    folder = copied(exported, "fiftyone", tmp_path)
    document = json.loads((folder / "samples.json").read_text())
    sample = next(one for one in document["samples"] if one["ground_truth"]["detections"])
    sample["ground_truth"]["detections"] = sample["ground_truth"]["detections"][:1]
    sample["ground_truth"]["detections"][0]["bounding_box"] = [0.25, 0.5, 0.125, 0.25]
    (folder / "samples.json").write_text(json.dumps(document))
    told = imported(folder, "fiftyone", tmp_path / "back")
    assert told.exit_code == 0, told.output
    row = visible(tmp_path / "back").filter(pl.col("frame_id") == sample["frame_id"]).row(0, named=True)
    size = sample["metadata"]["width"]
    assert [row[name] for name in BOX] == pytest.approx([size * v for v in (0.25, 0.5, 0.375, 0.75)])


def test_fiftyone_layout(exported: Path) -> None:
    """The layout that FiftyOne documents for reading samples without a release's own metadata."""
    folder = exported / "fiftyone"
    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata["media_type"] == "image" and "version" not in metadata
    for sample in json.loads((folder / "samples.json").read_text())["samples"]:
        assert (folder / sample["filepath"]).is_file() and sample["tags"][0] in ("train", "val", "test")
        assert sample["ground_truth"]["_cls"] == "Detections"
        for item in sample["ground_truth"]["detections"]:
            x, y, width, height = item["bounding_box"]
            assert (
                item["_cls"] == "Detection"
                and 0 <= x < x + width <= 1 + 1e-9
                and 0 <= y < y + height <= 1 + 1e-9
            )


def test_models_that_would_share_a_field_are_refused(toy: Path, tmp_path: Path) -> None:
    models = [Predicted("a-1", {}), Predicted("a_1", {})]
    with pytest.raises(DataError, match="a-1 and a_1 would both be the field predictions_a_1; rename one"):
        write_fiftyone(open_dataset(toy), tmp_path / "out", models)
    assert not (tmp_path / "out").exists()


def test_cvat_layout(exported: Path) -> None:
    root = ElementTree.fromstring((exported / "cvat" / "annotations.xml").read_text())
    assert root.tag == "annotations" and root.findtext("version") == "1.1"
    assert root.findtext("meta/task/labels/label/name") == "runway"
    images = root.findall("image")
    assert [image.get("id") for image in images] == [str(k) for k in range(len(images))]
    for image in images:
        assert (exported / "cvat" / "images" / str(image.get("name"))).is_file()
        for polygon in image.findall("polygon"):
            assert all(len(pair.split(",")) == 2 for pair in str(polygon.get("points")).split(";"))


def test_label_studio_layout_and_predictions(toy: Path, tmp_path: Path) -> None:
    command = [
        "export",
        "labelstudio",
        str(toy),
        "--results",
        str(toy / "mine.json"),
        "--out",
        str(tmp_path / "s"),
    ]
    told = CliRunner().invoke(main, command)
    assert told.exit_code == 0, told.output
    tasks = json.loads((tmp_path / "s" / "tasks.json").read_text())
    results = [one for task in tasks for made in task["annotations"] for one in made["result"]]
    assert len(results) == len(visible(toy))
    predicted = [one for task in tasks for made in task["predictions"] for one in made["result"]]
    assert predicted and {made["model_version"] for task in tasks for made in task["predictions"]} == {"mine"}
    for one in results + predicted:
        value = one["value"]
        assert one["type"] == "rectanglelabels" and value["rectanglelabels"] == ["runway"]
        assert 0 <= value["x"] <= value["x"] + value["width"] <= 100 + 1e-9
    config = ElementTree.fromstring((tmp_path / "s" / "config.xml").read_text())
    assert {one.get("name") for one in config} == {"image", "label"}, "the names that results refer to"


def change(kind: str, folder: Path, how: str) -> None:
    file = folder / FILE[kind]
    text = file.read_text()
    if how == "label":
        text = re.sub(
            r'("label"|label=)(: )?"runway"', lambda m: m.group().replace("runway", "taxiway"), text, count=1
        )
        if kind == "labelstudio":
            text = re.sub(r'"rectanglelabels": \[\s*"runway"', '"rectanglelabels": ["taxiway"', text, count=1)
    elif how == "size":
        text = re.sub(r'(original_width": |"width": |width=")256', r"\g<1>640", text, count=1)
    elif how == "picture":
        next(p for p in folder.rglob("*.jpg")).unlink()
    elif how == "outside":
        text = {
            "fiftyone": lambda t: re.sub(r'("bounding_box": \[\s*)[\d.e-]+', r"\g<1>1.7", t, count=1),
            "cvat": lambda t: re.sub(r'points="[^"]*"', 'points="900,900;950,900;950,950"', t, count=1),
            "labelstudio": lambda t: re.sub(r'("x": )[\d.e-]+', r"\g<1>170", t, count=1),
        }[kind](text)
    file.write_text(text)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("how", "told"),
    [("label", "taxiway"), ("size", "640"), ("picture", "no picture"), ("outside", "expected|outside")],
)
def test_what_does_not_fit_is_refused_in_one_line(
    kind: str, how: str, told: str, exported: Path, tmp_path: Path
) -> None:
    folder = copied(exported, kind, tmp_path)
    change(kind, folder, how)
    found = imported(folder, kind, tmp_path / "back", "--class", "runway")
    assert found.exit_code == 2, found.output
    assert re.search(told, found.output) and found.output.count("\n") == 1, found.output
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize(
    "bomb",
    ['<!DOCTYPE a [<!ENTITY b "bb">]><annotations/>', "<annotations>", "<other/>", "<annotations/>",
     "<annotations><track/></annotations>"],
)  # fmt: skip
def test_xml_of_others_is_read_safely(bomb: str, tmp_path: Path) -> None:
    (tmp_path / "annotations.xml").write_text(bomb)
    found = imported(tmp_path, "cvat", tmp_path / "back")
    assert found.exit_code == 2 and found.output.count("\n") == 1 and "annotations.xml" in found.output


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/passwd", ""])
def test_pictures_outside_of_the_folder_are_not_read(name: str, exported: Path, tmp_path: Path) -> None:
    folder = copied(exported, "fiftyone", tmp_path)
    document = json.loads((folder / "samples.json").read_text())
    document["samples"][0]["filepath"] = name
    (folder / "samples.json").write_text(json.dumps(document))
    found = imported(folder, "fiftyone", tmp_path / "back")
    assert found.exit_code == 2 and "expected a path below the folder" in found.output


def test_label_studio_uploads_and_unannotated_tasks(exported: Path, tmp_path: Path) -> None:
    folder = copied(exported, "labelstudio", tmp_path)
    tasks = json.loads((folder / "tasks.json").read_text())
    for task in tasks:  # as an upload names its files
        task["data"]["image"] = f"/data/upload/3/0a1b2c3d-{task['data']['frame_id']}.jpg"
    (folder / "tasks.json").write_text(json.dumps(tasks))
    assert imported(folder, "labelstudio", tmp_path / "back").exit_code == 0
    tasks[0]["annotations"] = [{"was_cancelled": True, "result": []}]
    (folder / "tasks.json").write_text(json.dumps(tasks))
    found = imported(folder, "labelstudio", tmp_path / "again")
    assert found.exit_code == 2 and "has no annotation" in found.output
