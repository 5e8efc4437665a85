"""Foreign datasets come in as they went out: LARD, COCO, YOLO and VOC against their own labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from labels_support import GREY_SIZE_PX as SIZE_PX
from labels_support import grey_dataset
from PIL import Image

from lard.cli import main
from lard.intake.sets.model import split_of
from lard.intake.sets.splits import carve
from lard.tables import FRAMES, LABELS, read_table

BOX = ("x_min_px", "y_min_px", "x_max_px", "y_max_px")
CORNERS = tuple(f"{axis}_{corner}_px" for corner in ("tl", "tr", "br", "bl") for axis in "xy")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of twelve grey pictures: six to train, three to validate, three to test."""
    splits = ["train"] * 6 + ["val"] * 3 + ["test"] * 3
    return grey_dataset(tmp_path_factory.mktemp("data") / "toy", 12, (300.0, 3000.0), split=splits)


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(item) for item in arguments])
    assert result.exit_code == code, result.output
    return result.output


def labels_of(folder: Path, *, seen: bool = True) -> pl.DataFrame:
    table = read_table(folder / "labels.parquet", LABELS)
    table = table.filter(pl.col("visible_fraction") > 0) if seen else table
    return table.sort("frame_id", *BOX)


def same(found: pl.DataFrame, wanted: pl.DataFrame, columns: tuple[str, ...], within_px: float) -> None:
    """Equal runways of equal frames, to some pixels."""
    assert found["frame_id"].to_list() == wanted["frame_id"].to_list()
    np.testing.assert_allclose(
        found.select(columns).to_numpy().astype(float),
        wanted.select(columns).to_numpy().astype(float),
        atol=within_px,
    )


def with_corners(labels: pl.DataFrame) -> pl.DataFrame:
    """Labels whose four corners all lie in the picture."""
    inside = pl.all_horizontal(
        pl.col(name).is_between(0, SIZE_PX[0 if name[0] == "x" else 1]).fill_null(False) for name in CORNERS
    )
    return labels.filter(inside)


@pytest.mark.parametrize("task", ["detect", "segment", "pose"])
def test_a_yolo_folder_comes_back(folder: Path, tmp_path: Path, task: str) -> None:
    run("export", "yolo", folder, "--task", task, "--out", tmp_path / "yolo")
    run("import", "yolo", tmp_path / "yolo", "--out", tmp_path / "back")
    back, own = labels_of(tmp_path / "back"), labels_of(folder)
    same(back, own, BOX, 1e-4 if task != "pose" else SIZE_PX[0])
    if task == "pose":
        same(with_corners(back), with_corners(own), BOX, 1e-3)
    frames = read_table(tmp_path / "back/frames.parquet", FRAMES)
    assert dict(frames.group_by("split").len().iter_rows()) == {"train": 6, "val": 3, "test": 3}
    assert (tmp_path / "back/coco/val.json").is_file()


def test_a_coco_folder_comes_back_with_verdicts_and_runways(folder: Path, tmp_path: Path) -> None:
    run("export", "coco", folder, "--out", folder / "coco")
    run("import", "coco", folder / "coco", "--out", tmp_path / "back")
    back, own = labels_of(tmp_path / "back"), labels_of(folder)
    same(back, own, BOX, 1e-3)
    assert back["runway"].to_list() == own["runway"].to_list()
    assert back["verdict"].to_list() == own["verdict"].to_list()
    again = json.loads((tmp_path / "back/coco/test.json").read_text())
    before = json.loads((folder / "coco/test.json").read_text())
    assert [note["iscrowd"] for note in again["annotations"]] == [
        note["iscrowd"] for note in before["annotations"]
    ]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_lard_tables_come_back(folder: Path, tmp_path: Path, version: str) -> None:
    run("export", "lard", folder, "--version", version, "--type", "arcgis", "--out", tmp_path / "lard")
    out = run("import", f"lard-{version}", tmp_path / "lard", "--split", "train", "--out", tmp_path / "back")
    frames = read_table(tmp_path / "back/frames.parquet", FRAMES)
    assert set(frames["split"]) == {"train"}
    assert "no validation split: all training pictures are of" in out
    back, own = labels_of(tmp_path / "back"), labels_of(folder)
    joined = back.join(own, on=["frame_id", "runway"], how="inner", suffix="_own")
    assert len(joined) == len(back) > 8
    moved = [(pl.col(name) - pl.col(f"{name}_own")).abs().max() for name in BOX]
    assert max(joined.select(moved).row(0)) <= 2.0, "LARD cuts pixels off; edges cut by the picture move more"
    if version == "v2":
        pose = frames.select("lat_deg", "pitch_deg").to_numpy()
        true = read_table(folder / "frames.parquet", FRAMES).select("lat_deg", "pitch_deg").to_numpy()
        np.testing.assert_allclose(pose, true, atol=1e-5)


def test_splits_of_published_names() -> None:
    names = {
        "metadata_ges_train.csv": "train", "metadata_flsim_test.csv": "test", "instances_val2017.json": "val",
        "LARD_test_real_nominal/x.csv": "test", "valid/_annotations.coco.json": "val", "labels.json": "",
        "trainer/mine.json": "", "data/contest.json": "",
    }  # fmt: skip
    assert {name: split_of(name) for name in names} == names


def test_a_validation_split_holds_whole_airports_and_about_the_share() -> None:
    rng = np.random.default_rng(3)
    airports = [f"A{k:03d}" for k in rng.integers(0, 40, 2000)]
    frames = pl.DataFrame(
        {
            "frame_id": [str(k) for k in range(2000)],
            "airport": airports,
            "split": ["train"] * 1500 + ["test"] * 500,
        }
    )
    carved, note = carve(frames, 0.1, seed=1)
    training, held = (set(carved.filter(pl.col("split") == split)["airport"]) for split in ("train", "val"))
    assert not training & held
    assert 0.07 < carved.filter(pl.col("split") == "val").height / 1500 < 0.13
    assert carved.filter(pl.col("split") == "test").height == 500
    assert "validation split of" in note
    assert carve(frames, 0.1, seed=1)[0].equals(carved)


def voc(folder: Path, name: str, objects: str, size: tuple[int, int] = (40, 30)) -> None:
    for part in ("Annotations", "JPEGImages"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), (60, 80, 60)).save(folder / f"JPEGImages/{name}.png")
    (folder / f"Annotations/{name}.xml").write_text(
        f"<annotation><filename>{name}.png</filename><size><width>{size[0]}</width><height>{size[1]}</height>"
        f"<depth>3</depth></size>{objects}</annotation>"
    )


def voc_box(name: str, x0: float, y0: float, x1: float, y1: float) -> str:
    return (
        f"<object><name>{name}</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax>"
        f"<ymax>{y1}</ymax></bndbox></object>"
    )


def test_voc_counts_pixels_from_one(tmp_path: Path) -> None:
    voc(tmp_path / "voc", "one", voc_box("runway", 1, 1, 10, 20) + voc_box("car", 3, 3, 4, 4))
    voc(tmp_path / "voc", "two", "")
    (tmp_path / "voc/ImageSets/Main").mkdir(parents=True)
    (tmp_path / "voc/ImageSets/Main/train.txt").write_text("one\n")
    (tmp_path / "voc/ImageSets/Main/test.txt").write_text("two\n")
    out = run("import", "voc", tmp_path / "voc", "--out", tmp_path / "back")
    assert "1 objects of other classes are left out" in out
    labels = labels_of(tmp_path / "back")
    assert labels.select(BOX).rows() == [(0.0, 0.0, 10.0, 20.0)]
    frames = read_table(tmp_path / "back/frames.parquet", FRAMES)
    assert frames["split"].to_list() == ["train", "test"]
    with Image.open(tmp_path / "back/images/two.jpg") as image:
        assert image.format == "JPEG", "PNG pictures become JPEGs"


@pytest.mark.parametrize(
    ("objects", "size", "message"),
    [
        (voc_box("runway", 1, 1, "x", 20), (40, 30), "expected four numbers"),  # type: ignore[arg-type]
        (voc_box("runway", 1, 1, 90, 20), (40, 30), "leaves the picture"),
        (voc_box("runway", 20, 1, 10, 20), (40, 30), "xmin <= xmax"),
        ("<object>", (40, 30), "not XML"),
        ("", (41, 30), "one.png is 40x30"),
    ],
)
def test_bad_voc_files_are_named(tmp_path: Path, objects: str, size: tuple[int, int], message: str) -> None:
    voc(tmp_path / "voc", "one", objects, size)
    out = run("import", "voc", tmp_path / "voc", "--split", "train", "--class", "runway",
              "--out", tmp_path / "back", code=2)  # fmt: skip
    assert message in out or "no class" in out
    assert "one.xml" in out or "no class" in out
    assert not (tmp_path / "back").exists()


def yolo(folder: Path, text: str, *, data: str = "train: images\nnames: [runway]\n") -> Path:
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30)).save(folder / "images/one.jpg")
    (folder / "labels/one.txt").write_text(text)
    (folder / "data.yaml").write_text(data)
    return folder


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0.5 0.5 2 0.2\n", "in fractions"),
        ("0 12 15 20 10\n", "in fractions"),
        ("0 0.5 0.5 nan 0.2\n", "finite"),
        ("0 0.5 0.5\n", "expected a class and a box"),
        ("runway 0.5 0.5 0.1 0.2\n", "expected numbers"),
    ],
)
def test_bad_yolo_lines_are_named(tmp_path: Path, text: str, message: str) -> None:
    out = run("import", "yolo", yolo(tmp_path / "y", text), "--out", tmp_path / "back", code=2)
    assert message in out
    assert "one.txt:1" in out
    assert not (tmp_path / "back").exists()


def test_classes_and_splits_that_are_not_told_are_asked_for(tmp_path: Path) -> None:
    both = yolo(tmp_path / "y", "", data="train: images\nnames: [road, car]\n")
    assert "give --class" in run("import", "yolo", both, "--out", tmp_path / "a", code=2)
    assert "no class 'runway'" in run(
        "import", "yolo", both, "--class", "runway", "--out", tmp_path / "a", code=2
    )
    (both / "data.yaml").unlink()
    assert "give --split" in run("import", "yolo", both, "--out", tmp_path / "a", code=2)
    out = run("import", "yolo", both, "--split", "test", "--out", tmp_path / "a")
    assert "1 test frames" in out
    assert "holds a dataset already" in run(
        "import", "yolo", both, "--split", "test", "--out", tmp_path / "a", code=2
    )


def test_classes_of_one_name_are_taken_for_one(tmp_path: Path) -> None:
    """With and without --class no object of either is lost."""
    text = "0 0.3 0.3 0.2 0.2\n1 0.7 0.7 0.2 0.2\n2 0.5 0.5 0.1 0.1\n"
    place = yolo(tmp_path / "y", text, data="train: images\nnames: [runway, runway, car]\n")
    for name, more in (("a", ()), ("b", ("--class", "runway"))):
        said = run("import", "yolo", place, *more, "--out", tmp_path / name)
        assert "classes 0, 1 are all called 'runway' and taken for one" in said
        assert "1 objects of other classes" in said
        assert len(pl.read_parquet(tmp_path / name / "labels.parquet")) == 2


def test_a_set_without_runways_says_so(tmp_path: Path) -> None:
    """Refused where labels were left out or are not there; told where they say that no runway is seen."""
    place = yolo(tmp_path / "y", "0 0.5 0.5 0.2 0.2\n", data="train: images\nnames: [runway, car]\n")
    (place / "labels/one.txt").write_text("1 0.5 0.5 0.2 0.2\n")
    assert "no runway in any of its 1 pictures; 1 objects of other classes are left out" in run(
        "import", "yolo", place, "--out", tmp_path / "a", code=2
    )
    assert not (tmp_path / "a").exists()
    (place / "labels/one.txt").unlink()
    assert "1 pictures have no label file" in run("import", "yolo", place, "--out", tmp_path / "a", code=2)
    (place / "labels/one.txt").write_text("")
    assert "! no runway in any of its 1 pictures" in run("import", "yolo", place, "--out", tmp_path / "a")


def test_a_class_that_is_taken_for_the_runway_is_named(tmp_path: Path) -> None:
    place = yolo(tmp_path / "y", "0 0.5 0.5 0.2 0.2\n", data="train: images\nnames: [piste]\n")
    assert "its only class, 'piste', is taken" in run("import", "yolo", place, "--out", tmp_path / "a")
    out = run("import", "yolo", place, "--class", "piste", "--out", tmp_path / "b")
    assert "piste" not in out
    voc(tmp_path / "v", "one", voc_box("boat", 1, 1, 10, 20))
    assert "'boat', is taken" in run(
        "import", "voc", tmp_path / "v", "--split", "test", "--out", tmp_path / "c"
    )


def test_turned_pictures_come_in_upright(tmp_path: Path) -> None:
    place = yolo(tmp_path / "y", "0 0.5 0.5 0.2 0.2\n")
    turned = Image.new("RGB", (40, 30), (200, 10, 10))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(place / "images/one.jpg", exif=exif)
    run("import", "yolo", place, "--out", tmp_path / "back")
    with Image.open(tmp_path / "back/images/one.jpg") as image:
        assert image.size == (30, 40)
        assert image.getexif().get(0x0112, 1) == 1
    assert labels_of(tmp_path / "back").select(BOX).row(0) == pytest.approx((12.0, 16.0, 18.0, 24.0))


def test_carving_takes_no_share_of_one_or_more(tmp_path: Path) -> None:
    place = yolo(tmp_path / "y", "")
    assert "--val 1" in run("import", "yolo", place, "--val", "1", "--out", tmp_path / "a", code=2)
