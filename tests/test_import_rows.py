"""Rows of foreign tables: read however their lines end, refused or told by row where they say nonsense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner
from PIL import Image

from lard.cli import main
from lard.documents import number_of
from lard.intake.lard_csv import V1_COLUMNS, V2_COLUMNS, open_lard_csv
from lard.tables import LABELS, read_table

CORNERS = {
    "v1": {"x_A": 30, "y_A": 10, "x_B": 36, "y_B": 10, "x_C": 26, "y_C": 30, "x_D": 40, "y_D": 30},
    "v2": {"x_TR": 36, "y_TR": 10, "x_TL": 30, "y_TL": 10, "x_BL": 26, "y_BL": 30, "x_BR": 40, "y_BR": 30},
}


def picture(path: Path, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.effect_noise((64, 48), 60).convert("RGB").save(path, **options)


def rows_of(version: str, *changes: dict[str, object]) -> str:
    """A label table of a row for each set of changed cells."""
    columns = V1_COLUMNS if version == "v1" else V2_COLUMNS
    plain = {"image": "a.jpg", "width": 64, "height": 48, "airport": "LFPO", "runway": "02", "type": "real"}
    cells = [plain | CORNERS[version] | change for change in changes]
    lines = [columns, *([str(row.get(name, "")) for name in columns] for row in cells)]
    return "".join(";".join(line) + "\n" for line in lines)


def lard(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    assert isinstance(result.exception, SystemExit | None) and result.exit_code == code, result.output
    return result.output


def read_lard(folder: Path, version: str, text: str, code: int = 0) -> str:
    picture(folder / "in" / "a.jpg")
    (folder / "in" / "table.csv").write_bytes(text.encode())
    told = lard(
        "import", f"lard-{version}", folder / "in", "--split", "train", "--val", 0, "--out", folder / "out",
        code=code,
    )  # fmt: skip
    assert (folder / "out").exists() == (code == 0)
    return told


def labels(folder: Path) -> pl.DataFrame:
    return read_table(folder / "out" / "labels.parquet", LABELS)


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\n\n", "\r\n\r\n"])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_lard_tables_of_any_line_ends_are_read(tmp_path: Path, version: str, ends: str) -> None:
    text = rows_of(version, {}, {"runway": "06"}).replace("\n", ends)
    read_lard(tmp_path, version, text)
    assert labels(tmp_path)["runway"].to_list() == ["02", "06"]


def test_a_bad_cell_is_told_by_its_line_in_the_file(tmp_path: Path) -> None:
    """Blank lines count; those within quotes, part of a cell, are not passed over."""
    (tmp_path / "a.csv").write_text(rows_of("v1", {}, {"x_A": "7_27"}).replace("\n", "\n\n"))
    assert [(cell.line, cell.column) for cell in open_lard_csv(tmp_path / "a.csv").cells] == [(5, "x_A")]
    (tmp_path / "b.csv").write_text(rows_of("v1", {"weather": '"rain\n\nsnow"'}))
    assert [line for line, _ in open_lard_csv(tmp_path / "b.csv").layout] == [3]


BOX = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 10]}
SEEN = [10, 10, 2, 30, 10, 2, 30, 25, 2, 10, 25, 2]


def read_coco(folder: Path, *notes: dict[str, Any], code: int = 0, **parts: Any) -> str:
    """Import a file of a picture of 64x48 px with some annotations."""
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
        "annotations": [BOX | note for note in notes],
        "categories": [{"id": 1, "name": "runway"}],
    }
    picture(folder / "in" / "a.jpg")
    (folder / "in" / "train.json").write_text(json.dumps(document | parts))
    told = lard(
        "import", "coco", folder / "in" / "train.json", "--val", 0, "--out", folder / "out", code=code
    )
    assert (folder / "out").exists() == (code == 0)
    return told


@pytest.mark.parametrize(
    ("note", "code", "told"),
    [
        ({"bbox": [50, 40, 30, 30]}, 2, "annotations[0]: an outline from 50, 40 to 80, 70 leaves"),
        ({"bbox": [50, 40, 14.4, 8.3]}, 0, ""),  # rounding
        ({"bbox": [-9, 5, 20, 10]}, 2, "leaves the picture of 64x48 px"),
        ({"segmentation": [[5, 5, 90, 5, 90, 9, 50, 20, 5, 9]]}, 2, "leaves the picture"),
        ({"bbox": [5, 5, 1e-9, 1e-9]}, 2, "less than 1e-05 px"),
        ({"keypoints": SEEN}, 0, ""),
        ({"keypoints": [-900, *SEEN[1:]]}, 2, "leaves the picture"),
        ({"keypoints": [-900, 10, 1, *SEEN[3:]]}, 0, ""),  # said to lie outside
        ({"keypoints": [70, 10, 2, 90, 10, 2, 90, 25, 2, 70, 25, 2]}, 2, "nothing lies in the picture"),
        ({"segmentation": [[-900, 10, 30, 10, 30, 25, 10, 25]]}, 2, "leaves the picture"),
        ({"category_id": 7}, 2, "annotations[0]: is of category 7, which the file does not list"),
    ],
)
def test_annotations_beyond_their_picture(tmp_path: Path, note: dict[str, Any], code: int, told: str) -> None:
    assert told in read_coco(tmp_path, note, code=code)


@pytest.mark.parametrize("other", [{"id": 1, "name": "taxiway"}, {"id": 2}, 7])
def test_categories_that_say_two_things_are_refused(tmp_path: Path, other: dict[str, Any]) -> None:
    told = read_coco(tmp_path, {}, code=2, categories=[{"id": 1, "name": "runway"}, other])
    assert "train.json: categories[1]: " in told


def test_a_category_under_two_ids_is_one(tmp_path: Path) -> None:
    both = [{"id": 0, "name": "runway", "supercategory": "none"}, {"id": 1, "name": "runway"}]
    told = read_coco(tmp_path, {}, {"category_id": 0, "bbox": [9, 9, 9, 9]}, categories=both)
    assert "categories 0, 1 are all called 'runway'" in told and len(labels(tmp_path)) == 2


def test_an_annotation_that_stands_twice_is_taken_once(tmp_path: Path) -> None:
    told = read_coco(tmp_path, {}, {"bbox": [9, 9, 9, 9]}, {"id": 9}, {"runway": "06"})
    assert "taken once" in told and "annotations[2] is train.json: annotations[0] again" in told
    assert len(labels(tmp_path)) == 3


def test_a_name_given_to_two_runways_of_a_picture_is_refused(tmp_path: Path) -> None:
    """Which of them is 06 nobody can tell; runways without a name may be several."""
    told = read_coco(tmp_path, {"runway": "06"}, {"bbox": [9, 9, 9, 9], "runway": "06"}, code=2)
    assert "a.jpg: runway 06 is labelled twice; leave one out, or rename one" in told


def read_yolo(folder: Path, text: str, code: int = 0, data: str = "train: images\nnames: [runway]\n") -> str:
    picture(folder / "in" / "images" / "a.jpg")
    (folder / "in" / "labels").mkdir(exist_ok=True)
    (folder / "in" / "labels" / "a.txt").write_text(text)
    (folder / "in" / "data.yaml").write_text(data)
    told = lard("import", "yolo", folder / "in" / "data.yaml", "--val", 0, "--out", folder / "out", code=code)
    assert (folder / "out").exists() == (code == 0)
    return told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("7 .5 .5 .2 .2", "a.txt:1: class 7, which names does not have (it has 0)"),
        ("0 .5 .5 .2 .2\n-1 .5 .5 .2 .2", "a.txt:2: class -1; expected a whole number"),
        ("0.5 .5 .5 .2 .2", "a.txt:1: class 0.5; expected a whole number"),
        ("0 0_.5 .5 .2 .2", "a.txt:1: '0_.5' is no finite number"),
        ("0 0.1 0_1 .2 .2", "a.txt:1: '0_1' is no finite number"),
        ("0 .5 .5 1e-9 1e-9", "a.txt:1: an outline of less than 1e-05 px"),
    ],
)
def test_yolo_lines_that_say_nonsense_are_named(tmp_path: Path, text: str, told: str) -> None:
    assert told in read_yolo(tmp_path, text, code=2)


def test_a_sliver_at_the_edge_is_a_runway(tmp_path: Path) -> None:
    """Our own exports hold boxes of one millionth of a picture, of runways that just touch its edge."""
    read_yolo(tmp_path, "0 0.0000005 .5 0.000001 .2\n")
    assert len(labels(tmp_path)) == 1


def test_yolo_names_are_as_many_as_it_says(tmp_path: Path) -> None:
    data = "train: images\nnc: 3\nnames: [runway]\n"
    assert "data.yaml: nc is 3 and names has 1" in read_yolo(tmp_path, "0 .5 .5 .2 .2", code=2, data=data)


def test_yolo_repeats_and_labels_without_picture_are_told(tmp_path: Path) -> None:
    """Lists of classes are no labels."""
    (tmp_path / "in" / "labels" / "old").mkdir(parents=True)
    for name in ("old/lost.txt", "classes.txt"):
        (tmp_path / "in" / "labels" / name).write_text("0 .5 .5 .2 .2\n")
    told = read_yolo(tmp_path, "0 .5 .5 .2 .2\n0 .5 .5 .2 .2\n")
    assert "taken once" in told and "a.txt:2 is" in told and len(labels(tmp_path)) == 1
    assert "label files without a picture: labels/old/lost.txt" in told and "classes" not in told


VOC = (
    "<annotation><filename>a.jpg</filename><object><name>{}</name><bndbox><xmin>10</xmin><ymin>10</ymin>"
    "<xmax>{}</xmax><ymax>25</ymax></bndbox></object></annotation>"
)


@pytest.mark.parametrize(
    ("cells", "told"),
    [(("", "30"), "a.xml: object 0: its <name> is empty"), (("runway", "3_0"), "a.xml: object 0: bndbox")],
)
def test_voc_objects_that_say_nonsense_are_named(tmp_path: Path, cells: tuple[str, str], told: str) -> None:
    picture(tmp_path / "in" / "a.jpg")
    (tmp_path / "in" / "a.xml").write_text(VOC.format(*cells))
    arguments = ("import", "voc", tmp_path / "in", "--split", "train", "--val", 0, "--out", tmp_path / "out")
    assert told in lard(*arguments, code=2)


@pytest.mark.parametrize(
    "text", ["1_0", "\u0661", "0x10", "1,5", "", "nan", "inf", "1e999", "1 0", "--1", "."]
)
def test_texts_that_are_no_numbers(text: str) -> None:
    with pytest.raises(ValueError, match="is no finite number"):
        number_of(text)


def test_numbers_of_any_usual_spelling() -> None:
    texts = ["1", "+1", "-.5", "1.", "1e3", " 2E-1\n", "007"]
    assert [number_of(text) for text in texts] == [1, 1, -0.5, 1, 1000, 0.2, 7]


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("time", "31/02/2024 99:00"), ("time", "2024-02-30 10:00:00"), ("time", "2024-02-28 10:75"),
        ("slant_distance", -3), ("night", "maybe"), ("pitch", 900), ("vertical_path_angle", "1_0"),
    ],
)  # fmt: skip
def test_cells_of_lard_tables_that_mean_nothing_are_named(
    tmp_path: Path, version: str, column: str, cell: object
) -> None:
    told = read_lard(tmp_path, version, rows_of(version, {}, {"runway": "06", column: cell}), code=2)
    assert f"table.csv:3: column {column}: found '{cell}', expected" in told


@pytest.mark.parametrize(
    "cells",
    [
        {"time": "2024-02-29 10:50:32", "night": "0", "slant_distance": 0.94}, {"time": "29/02/2024 10:50"},
        {"time": "02/29/2024", "night": "True"}, {"time": "10:50", "night": "1.0"}, {"time": "dusk"},
    ],
)  # fmt: skip
def test_cells_of_published_tables_may_stand(tmp_path: Path, cells: dict[str, object]) -> None:
    read_lard(tmp_path, "v1", rows_of("v1", cells))


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_lard_rows_that_repeat_or_show_nothing_are_told(tmp_path: Path, version: str) -> None:
    """Far corners are right where a runway passes beside the camera, so they are kept as they are stated."""
    x = "x_A" if version == "v1" else "x_TR"
    moved = {name: value + 640 * (name[0] == "x") for name, value in CORNERS[version].items()}
    rows = (
        {},
        {"runway": "06"},
        {},
        {"runway": "07", x: -50000},
        {"runway": "08", **moved},
        {"runway": "09", x: -9},
    )
    told = read_lard(tmp_path, version, rows_of(version, *rows))
    assert "1 rows stand there twice and are taken once: " in told and "table.csv:4 is line 2 again" in told
    assert "1 rows have a corner more than 10 picture sizes outside" in told and "table.csv:5" in told
    assert "1 rows show nothing of their runway in the picture: " in told and "table.csv:6" in told
    assert "table.csv:7" not in told and labels(tmp_path)["runway"].to_list() == [
        "02",
        "06",
        "07",
        "08",
        "09",
    ]


def test_hand_made_lard_tables_are_refused_by_row(tmp_path: Path) -> None:
    for name in "abcd":
        picture(tmp_path / f"{name}.jpg")
    rows = ({}, {"image": "b.jpg", "x_A": -50000}, {}, {"image": "c.jpg", **dict.fromkeys(CORNERS["v1"], 99)})
    (tmp_path / "t.csv").write_text(rows_of("v1", *rows, {"image": "d.jpg", "x_A": -9}))
    told = lard("annotated", tmp_path / "t.csv", "--out", tmp_path / "out", code=2)
    for text in ("t.csv:3: a corner more than", "t.csv:4: is line 2 again", "t.csv:5: nothing of the runway"):
        assert text in told
    assert "t.csv:6" not in told and not (tmp_path / "out").exists()
