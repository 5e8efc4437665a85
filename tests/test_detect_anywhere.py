"""`lard predict MODEL INPUTS`: pictures, folders and videos that belong to no dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from detect_support import bright_boxes, write_plain, write_random_model
from PIL import Image

from lard.cli import main
from lard.detect.anywhere import predict_anywhere
from lard.detect.config import PredictSpec
from lard.detect.inputs import Input, collect, drawing_names, keep_drawings_apart
from lard.detect.models import Model
from lard.detect.video import Video, VideoWriter
from lard.errors import DataError

MODEL = Model("bright", Path("bright.pt"), PredictSpec(), bright_boxes, None)


def _write(path: Path, x: int = 20) -> Path:
    """A picture of 64x48 px with a bright rectangle at x."""
    pixels = np.full((48, 64, 3), 40, np.uint8)
    pixels[10:20, x : x + 8] = 230
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def _write_video(path: Path, count: int = 10, size: tuple[int, int] = (64, 48), code: str = "MJPG") -> Path:
    """A video of 20 Hz whose bright rectangle moves by 4 px a frame."""
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*code), 20.0, size)
    for number in range(count):
        pixels = np.full((size[1], size[0], 3), 40, np.uint8)
        pixels[16:32, 4 * number : 4 * number + 12] = 230
        writer.write(pixels)
    writer.release()
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_random_model(tmp_path_factory.mktemp("model") / "m.pt"))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # without a params.yaml: the defaults


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["predict", *map(str, arguments)])


def _read(path: str | Path) -> Any:
    return json.loads(Path(path).read_text())


def test_a_folder_with_broken_pictures(checkpoint: str) -> None:
    """Broken ones are named at the end, exit status 2; the others are detected and drawn."""
    for name in ("a b.png", "sub/c [1] #2.jpg", "d.tif", ".hidden.png"):
        _write(Path("in") / name)
    Path("in/cut.jpg").write_bytes(Path("in/sub/c [1] #2.jpg").read_bytes()[:300])
    Path("in/gone.png").symlink_to("nowhere.png")
    Path("in/notes.txt").write_text("x")
    shown = _run(checkpoint, "in", "--draw", "in/out", "--score", "0.5")
    assert shown.exit_code == 2 and "in/cut.jpg: not a picture" in shown.output, shown.output
    assert (
        "in/gone.png: no such picture" in shown.output
        and "neither pictures nor videos: 1 .txt" in shown.output
    )
    found = _read("in/out/detections.json")
    assert [image["file_name"] for image in found["images"]] == [
        "in/a b.png",
        "in/d.tif",
        "in/sub/c [1] #2.jpg",
    ]
    assert {(image["width"], image["height"]) for image in found["images"]} == {(64, 48)}
    assert [image["drawn"] for image in found["images"]] == ["a b.png", "d.tif.png", "sub/c [1] #2.jpg"]
    assert [failure["file_name"] for failure in found["failed"]] == ["in/cut.jpg", "in/gone.png"]
    assert found["detections"] and all(row["score"] >= 0.5 for row in found["detections"])
    for image in found["images"]:
        assert Image.open(Path("in/out", image["drawn"])).size == (64, 48)
    before = Path("in/out/detections.json").read_bytes()
    assert _run(checkpoint, "in", "--draw", "in/out", "--score", "0.5").exit_code == 2
    assert Path("in/out/detections.json").read_bytes() == before  # drawings are no inputs of the next run
    assert not list(Path("in").rglob("*.tmp*"))


def test_json_goes_to_standard_output(checkpoint: str) -> None:
    shown = CliRunner().invoke(main, ["predict", checkpoint, str(_write(Path("a.png")))])
    assert shown.exit_code == 0
    document = json.loads(shown.stdout)
    assert document["model"] == {
        "name": "random",
        "file": "m.pt",
        "score": 0.3,
        "scales": [1.0],
        "relative": False,
        "blend": False,
    }
    assert document["images"][0]["file_name"] == "a.png" and document["failed"] == []


def test_the_search_is_stated(checkpoint: str) -> None:
    way = ("--scales", "1,2", "--blend", "--relative", "--score", "0.5")
    assert _run(checkpoint, str(_write(Path("a.png"))), *way, "--out", "o.json").exit_code == 0
    stated = _read("o.json")["model"]
    assert (stated["scales"], stated["relative"], stated["blend"]) == ([1, 2], True, True)


@pytest.mark.parametrize("scales", ["1,1", "1,2,1,2", "2,2.0"])
def test_a_scale_is_named_once(checkpoint: str, scales: str) -> None:
    shown = _run(checkpoint, str(_write(Path("a.png"))), "--scales", scales, "--out", "o.json")
    assert shown.exit_code == 2 and "names a scale twice" in shown.output and not Path("o.json").exists()
    with pytest.raises(ValueError, match="names a scale twice"):
        PredictSpec(scales=(1.0, 2.0, 1.0))


@pytest.mark.parametrize("odd", ["new\nline.png", "back\\slash.png", "odd\x7f/a.png"])
def test_a_name_that_no_drawing_can_have_costs_no_other_result(checkpoint: str, odd: str) -> None:
    for name in ("a.png", odd, "z.png"):
        _write(Path("in") / name)
    shown = _run(checkpoint, "in", "--draw", "out")
    assert shown.exit_code == 2 and "has a backslash or a control character in its name" in shown.output
    found = _read("out/detections.json")
    assert [image["drawn"] for image in found["images"]] == ["a.png", "z.png"]
    assert [failure["file_name"] for failure in found["failed"]] == [f"in/{odd}"]
    assert all(Path("out", name).is_file() for name in ("a.png", "z.png"))
    assert _run(checkpoint, "in", "--out", "all.json").exit_code == 0, "drawn or not, it can be read"
    assert len(_read("all.json")["images"]) == 3


def test_a_link_among_the_drawings_is_told_before_the_work(checkpoint: str) -> None:
    _write(Path("in/sub/a.png"))
    Path("elsewhere").mkdir()
    Path("out").mkdir()
    Path("out/sub").symlink_to(Path("elsewhere").resolve())
    with pytest.raises(DataError, match="nothing is written there"):
        keep_drawings_apart(Path("out"), collect([Path("in")]))


def test_a_picture_has_the_boxes_it_has_in_a_dataset(checkpoint: str) -> None:
    """Both forms, same threshold, same boxes and scores; --score of the dataset form is its score floor."""
    write_plain(Path("data"), count=2)
    shown = _run(checkpoint, "--data", "data", "--split", "train", "--score", "0.4", "--out", "coco.json")
    assert shown.exit_code == 0, shown.output
    assert _run(checkpoint, "data/images", "--score", "0.4", "--out", "any.json").exit_code == 0
    rows = _read("coco.json")
    assert rows and min(row["score"] for row in rows) >= 0.4
    own = _read("any.json")["detections"]
    assert sorted(own, key=str) == sorted(rows, key=str)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["M", "none.jpg"], "none.jpg: no such file or folder"),
        (["M", "empty"], r"empty: no picture or video in it (1 .txt); pictures end in .jpg"),
        (["fcos-xxl", "a.png"], "shipped models: fcos-m, fcos-s, lip-fcos-m, lip-fcos-m-robust, lip-fcos-s"),
        (["M", "a.png", "--draw", "empty/x.txt"], "empty/x.txt: File exists; a file is where a folder"),
        (["M", "a.png", "--out", "empty/x.txt/f.json"], "empty/x.txt: File exists; a file is where"),
        (["M", "a.png", "--out", "o.json", "--draw", "o.json"], "--out o.json: drawings are to go there"),
        (["M", "a.png", "--out", "d", "--draw", "d/e"], "--out d: drawings are to go there"),
        (["M", "a.png", "--out", "d/a.png", "--draw", "d"], "--out d/a.png: drawings are to go there"),
        (["M", "a.png", "--out", "a.png"], "--out a.png is a.png, which is read"),
        (["M", "a.png", "--out", "empty"], "File 'empty' is a directory"),
        (["M", "a.png", "--draw", "."], "the originals lie there (a.png)"),
        (["M", "empty/x.txt"], "empty/x.txt: not a picture that can be read"),
        (["M"], "give pictures, folders or videos as INPUTS, or a dataset with --data"),
        (["M", "a.png", "--data", "empty"], "or a dataset with --data"),
        (["M", "--data", "empty"], "Missing option '--out'"),
        (["M", "--data", "empty", "--draw", "out"], "--draw goes with INPUTS only"),
        (["M", "a.png", "--split", "val"], "--split goes with --data only"),
        (["M", "a.png", "--score", "1.5"], "--score"),
        (["M", "a.png", "--every", "0"], "--every"),
    ],
)
def test_mistakes_are_named(arguments: list[str], text: str, checkpoint: str) -> None:
    _write(Path("a.png"))
    Path("empty").mkdir()
    Path("empty/x.txt").write_text("no picture")
    shown = _run(*(checkpoint if argument == "M" else argument for argument in arguments))
    assert shown.exit_code == 2 and text in shown.output, shown.output
    assert sorted(path.as_posix() for path in Path().rglob("*")) == ["a.png", "empty", "empty/x.txt"]


def test_no_two_drawings_have_the_same_name() -> None:
    """Same stem, same name in two folders, other case, a name that another drawing would take."""
    paths = [
        "x.jpg",
        "x.png",
        "x.tif",
        "x.tif.png",
        "b/x.jpg",
        "X.JPG",
        "x.mp4",
        "x.avi",
        "x.avi.mp4",
        "y.bmp",
    ]
    names = drawing_names([Input(Path(path), Path(Path(path).name)) for path in paths])
    assert len({str(name).lower() for name in names}) == len(paths)
    assert [str(name) for name in names[:4]] == ["x.jpg", "x.png", "x.tif.png", "x.tif-2.png"]
    assert names[4].name == "x-2.jpg" and names[7].name == "x.avi.mp4"


def test_a_file_is_taken_once() -> None:
    first = _write(Path("in/a.png"))
    files = collect([first, Path("in"), Path("in/../in/a.png")]).files
    assert [entry.path for entry in files] == [first]


def test_a_video_by_frames_and_times() -> None:
    """Every third frame, its number and time; the drawing plays at the same speed."""
    document = predict_anywhere(MODEL, collect([_write_video(Path("v [1] %d.avi"))]), Path("out"), every=3)
    images = document["images"]
    assert [image["frame"] for image in images] == [0, 3, 6, 9] and not document["failed"]
    assert [image["time_s"] for image in images] == pytest.approx([0, 0.15, 0.3, 0.45])
    lefts = [row["bbox"][0] for row in document["detections"]]
    assert lefts == pytest.approx([0, 12, 24, 36], abs=1)
    assert {image["drawn"] for image in images} == {"v [1] %d.avi.mp4"}
    drawn = Video(Path("out/v [1] %d.avi.mp4"))
    assert drawn.stated == 4 and drawn.rate_hz == pytest.approx(20 / 3, rel=1e-3)
    assert len(list(drawn.frames())) == 4
    drawn.check_whole()


def test_a_video_with_odd_sides_is_drawn_whole() -> None:
    """The codec takes even sides only: a black line more, nothing cut off."""
    pixels = np.full((49, 65, 3), 200, np.uint8)
    with VideoWriter(Path("v.mp4"), 20) as writer:
        writer.add(pixels)
        with pytest.raises(DataError, match="frame size changes"):
            writer.add(pixels[1:])
    frame = next(Video("v.mp4").frames())
    assert frame.pixels.shape == (50, 66, 3)
    assert frame.pixels[:48, :64].min() > 150 and frame.pixels[49].max() < 100


def test_videos_that_break_off_or_cannot_be_read() -> None:
    """Named, and what came before the break is kept; a video without frames is no empty result."""
    whole = _write_video(Path("whole.avi"), 40).read_bytes()
    Path("cut.avi").write_bytes(whole[: len(whole) // 2])
    Path("text.mp4").write_bytes(b"no video" * 100)
    Path("empty.mp4").write_bytes(b"")
    mp4 = _write_video(Path("whole.mp4"), 40, code="mp4v").read_bytes()
    Path("headless.mp4").write_bytes(mp4[: len(mp4) // 2])
    names = ["cut.avi", "text.mp4", "empty.mp4", "headless.mp4", "whole.avi"]
    document = predict_anywhere(MODEL, collect([Path(name) for name in names]), Path("out"), every=2)
    errors = {failure["file_name"]: failure["error"] for failure in document["failed"]}
    assert list(errors) == names[:4]
    assert "breaks off after" in errors["cut.avi"] and "of 40 frames" in errors["cut.avi"]
    assert all("not a video that can be read" in errors[name] for name in names[1:4])
    counts = {name: sum(image["file_name"] == name for image in document["images"]) for name in names}
    assert counts["whole.avi"] == 20 and 2 < counts["cut.avi"] < 15
    assert sorted(path.name for path in Path("out").iterdir()) == ["cut.avi.mp4", "whole.avi.mp4"]


def test_a_video_without_frames() -> None:
    document = predict_anywhere(MODEL, collect([_write_video(Path("v.avi"), 0)]), Path("out"))
    assert "v.avi: a video without a frame" in document["failed"][0]["error"] and not document["images"]
    assert not Path("out").exists()


def test_a_drawn_video_of_few_frames_a_minute() -> None:
    predict_anywhere(MODEL, collect([_write_video(Path("v.avi"), 3)]), Path("out"), every=2000)
    assert len(list(Video("out/v.avi.mp4").frames())) == 1
