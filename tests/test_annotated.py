"""Hand-annotated pictures become a dataset like any other: labels, quality checks, export and scoring."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from PIL import Image

from lard.cli import main
from lard.errors import DataError
from lard.intake.annotated import import_labelme, import_lard_real
from lard.intake.labelme import read_labelme
from lard.tables import FRAMES, LABELS, read_table

SIZE = (320, 180)
QUAD = [[150.0, 60.0], [170.0, 60.5], [200.0, 140.0], [120.0, 139.0]]


def annotate(folder: Path, name: str, shapes: list[dict[str, object]], **changes: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(name)).integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8)
    Image.fromarray(pixels).save(folder / f"{name}.png")
    document = {
        "version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": f"{name}.png", "imageData": None,
        "imageWidth": SIZE[0], "imageHeight": SIZE[1], **changes,
    }  # fmt: skip
    path = folder / f"{name}.json"
    path.write_text(json.dumps(document))
    return path


def runway(points: list[list[float]], label: str = "runway", kind: str = "polygon") -> dict[str, object]:
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, "flags": {}}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    folder = tmp_path / "video"
    annotate(folder, "a1", [runway(QUAD, "runway 09L"), runway([[10, 20], [60, 40]], kind="rectangle")])
    annotate(folder, "a2", [runway([[-30, 100], [80, 90], [90, 150], [40, 200], [-30, 170]])])
    annotate(folder, "a3", [], flags={"night": True})
    return folder


def test_shapes_become_labels(video: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.csv"
    notes.write_text(
        "image,airport,time_to_landing_s,weather,night\na1.png,LFBO,12.5,rain,\na2.png,LFBO,7,,1\n"
    )
    frames = import_labelme(video, tmp_path / "data", notes=notes, attribution="the pilot")
    labels = read_table(tmp_path / "data/labels.parquet", LABELS)
    assert read_table(tmp_path / "data/frames.parquet", FRAMES)["frame_id"].to_list() == ["a1", "a2", "a3"]
    assert frames["light"].to_list() == ["day", "night", "night"]
    assert frames["time_to_landing_s"].to_list() == [12.5, 7.0, None]
    assert frames["weather"].to_list() == ["rain", "", ""]
    assert len(labels) == 3 and set(labels["verdict"]) == {"UNKNOWN"}
    quad = labels.filter(pl.col("runway") == "09L").row(0, named=True)
    found = [[quad[f"x_{c}_px"], quad[f"y_{c}_px"]] for c in ("tl", "tr", "br", "bl")]
    assert found == QUAD
    cut = labels.filter(pl.col("frame_id") == "a2").row(0, named=True)
    assert (
        cut["truncated"] and cut["x_tl_px"] is None and cut["x_min_px"] == 0.0 and cut["y_max_px"] <= SIZE[1]
    )
    assert 0 < cut["visible_fraction"] < 1


def test_the_dataset_goes_through_checks_export_and_scoring(video: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    run = CliRunner()
    done = run.invoke(main, ["annotated", str(video), "--out", str(data), "--airport", "LFBO"])
    assert done.exit_code == 0, done.output
    checked = run.invoke(
        main, ["dqr", "run", str(data), "--odd", "odd_specs/lard_v2.yaml", "--out", str(tmp_path / "dqr")]
    )
    assert checked.exit_code in (0, 1), checked.output
    exported = run.invoke(main, ["export", "coco", str(data), "--out", str(data / "coco")])
    assert exported.exit_code == 0, exported.output
    document = json.loads((data / "coco/test.json").read_text())
    assert [note["iscrowd"] for note in document["annotations"]] == [0, 0, 0], (
        "annotated runways must be found"
    )
    results = [
        {"image_id": note["image_id"], "category_id": 1, "bbox": note["bbox"], "score": 0.9}
        for note in document["annotations"]
    ]
    (tmp_path / "results.json").write_text(json.dumps(results))
    scored = run.invoke(
        main,
        ["score", str(tmp_path / "results.json"), "--data", str(data), "--out", str(tmp_path / "s.json")],
    )
    assert scored.exit_code == 0, scored.output


def test_every_fault_is_named_and_nothing_written(video: Path, tmp_path: Path) -> None:
    annotate(video, "b1", [runway(QUAD, "taxiway")])
    annotate(video, "b2", [runway([[0, 0], [50, 50], [50, 0], [0, 50]])])
    annotate(video, "b3", [runway([[0, 0], [5000, 0], [50, 50]])])
    annotate(video, "b4", [], imageWidth=640)
    (video / "b5.json").write_text("{not json")
    Image.new("RGB", SIZE).save(video / "b6.png")
    with pytest.raises(DataError) as caught:
        import_labelme(video, tmp_path / "data")
    for text in (
        "label 'taxiway'", "crosses itself", "far outside the picture", "annotated as 640x180", "b5.json",
        "b6.png: a picture without annotation",
    ):  # fmt: skip
        assert text in str(caught.value)
    assert not (tmp_path / "data").exists()
    assert read_labelme(video / "b1.json", other_labels=("taxiway",)).runways == ()


def test_a_shape_that_stands_twice_is_named(tmp_path: Path) -> None:
    """Another ident, or another place, is another runway."""
    folder = tmp_path / "twice"
    folder.mkdir()
    quad = [[150.0, 60.0], [170.0, 60.0], [200.0, 140.0], [120.0, 140.0]]
    moved = [[x + 9, y] for x, y in quad]
    annotate(folder, "a", [runway(quad), runway(quad, "runway 09L"), runway(moved), runway(quad)])
    with pytest.raises(DataError, match=r"a\.json: shapes\[3\]: is shapes\[0\] again"):
        import_labelme(folder, tmp_path / "data")


def test_lard_real_table(tmp_path: Path) -> None:
    folder = tmp_path / "LARD_test_real"
    (folder / "images").mkdir(parents=True)
    Image.new("RGB", SIZE, (90, 90, 90)).save(folder / "images/clip_1.jpg")
    columns = [
        "image", "height", "width", "type", "original_dataset", "scenario", "airport", "runway",
        "time_to_landing", "weather", "night", "time", "slant_distance", "along_track_distance",
        "height_above_runway", "lateral_path_angle", "vertical_path_angle", "yaw", "pitch", "roll",
        "watermark_height", "x_A", "y_A", "x_B", "y_B", "x_C", "y_C", "x_D", "y_D",
    ]  # fmt: skip
    cells = dict.fromkeys(columns, "") | {
        "image": "images/clip_1.jpg", "height": "180", "width": "320", "type": "real", "airport": "LFBO",
        "runway": "32L", "time_to_landing": "20", "weather": "rain", "night": "True", "watermark_height": "0",
        "x_A": "150", "y_A": "60", "x_B": "170", "y_B": "60", "x_C": "120", "y_C": "140", "x_D": "200",
        "y_D": "140",
    }  # fmt: skip
    table = folder / "LARD_test_real.csv"
    table.write_text(";".join(columns) + "\n" + ";".join(cells[name] for name in columns) + "\n")
    frames = import_lard_real(table, tmp_path / "data")
    row = frames.row(0, named=True)
    assert (row["light"], row["weather"], row["time_to_landing_s"]) == ("night", "rain", 20.0)
    label = read_table(tmp_path / "data/labels.parquet", LABELS).row(0, named=True)
    assert (label["x_tl_px"], label["x_br_px"], label["runway"]) == (150.0, 200.0, "32L")
    (folder / "images/clip_1.jpg").unlink()
    with pytest.raises(DataError, match=r"no picture clip_1\.jpg"):
        import_lard_real(table, tmp_path / "other")


def test_dialects_of_labelme(tmp_path: Path) -> None:
    """A rectangle of four points, a closed ring, a turned box, a picture in a folder beside."""
    folder = tmp_path / "labels"
    closed = [*QUAD, QUAD[0]]
    four = [[10, 20], [60, 20], [60, 40], [10, 40]]
    shapes = [runway(closed, "runway 09L"), runway(four, kind="rectangle"), runway(QUAD, kind="rotation")]
    annotate(folder, "a1", shapes, imagePath="..\\pictures\\a1.png")
    (tmp_path / "pictures").mkdir()
    (folder / "a1.png").rename(tmp_path / "pictures" / "a1.png")
    import_labelme(folder, tmp_path / "data")
    labels = read_table(tmp_path / "data/labels.parquet", LABELS)
    corners = labels.select("x_tl_px", "y_br_px").null_count().row(0)
    assert len(labels) == 3 and corners == (2, 2), "only the ring has corners"
    box = labels.filter(pl.col("x_max_px") == 60.0).row(0, named=True)
    assert [box[f"{axis}_{end}_px"] for end in ("min", "max") for axis in "xy"] == [10.0, 20.0, 60.0, 40.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"imageWidth": [320]}, "imageWidth: expected a valid integer"),
        ({"imageWidth": 10**400}, "is no number"),
        ({"flags": "night"}, "flags: expected a valid dictionary"),
        ({"shapes": [3]}, r"shapes\.0: expected an object"),
        ({"shapes": [{"label": "runway", "points": [[1, 2, 3]]}]}, r"shapes\.0\.points"),
        ({"imagePath": "/etc/passwd\n"}, "imagePath"),
    ],
)  # fmt: skip
def test_labelme_files_of_other_shapes_are_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    annotate(tmp_path / "video", "a1", [runway(QUAD)])
    path = tmp_path / "video" / "a1.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=message):
        import_labelme(tmp_path / "video", tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("image,airport\na.png,LFBO\na.png,LFPO\n", "more than one row"),
        ("image,split\na.png,banana\n", "split 'banana'"),
        ("image,time_utc\na.png,noon\n", "time_utc 'noon'"),
    ],
)
def test_notes_that_contradict_or_mean_nothing_are_named(tmp_path: Path, text: str, told: str) -> None:
    annotate(tmp_path / "in", "a", [runway(QUAD)])
    (tmp_path / "notes.csv").write_text(text)
    with pytest.raises(DataError, match=told) as fault:
        import_labelme(tmp_path / "in", tmp_path / "x", notes=tmp_path / "notes.csv")
    assert "notes.csv" in str(fault.value) and not (tmp_path / "x").exists()


@pytest.mark.parametrize("there", ["x/images/a.jpg", "x/images/b.jpg", "x/notes.txt", "x/dataset.json"])
def test_a_folder_that_holds_something_stays_as_it_is(tmp_path: Path, there: str) -> None:
    annotate(tmp_path / "in", "a", [runway(QUAD)])
    (tmp_path / there).parent.mkdir(parents=True)
    (tmp_path / there).write_bytes(b"mine")
    with pytest.raises(DataError, match="give a new or empty folder"):
        import_labelme(tmp_path / "in", tmp_path / "x")
    assert [path for path in (tmp_path / "x").rglob("*") if path.is_file()] == [tmp_path / there]
    assert (tmp_path / there).read_bytes() == b"mine"


def test_a_picture_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    annotate(tmp_path / "in", "a", [runway(QUAD)])
    path = annotate(tmp_path / "in", "b", [runway(QUAD)]).with_suffix(".png")
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(DataError, match=r"b\.png: not a picture that can be read"):
        import_labelme(tmp_path / "in", tmp_path / "x")
    assert not (tmp_path / "x").exists()
