"""`lard import` of damaged or odd datasets: one line, exit 2, nothing written, nobody's pictures touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from lard.cli import main
from lard.documents import parse_json, read_yaml
from lard.errors import DataError
from lard.intake.lard_csv import V2_COLUMNS

NOTE = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 10]}


def _picture(path: Path, orientation: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.effect_noise((64, 48), 60).convert("RGB").save(path, "JPEG", exif=exif)


def _coco(folder: Path, note: dict[str, Any], image: dict[str, Any] | None = None) -> Path:
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48, **(image or {})}],
        "annotations": [{**NOTE, **note}],
        "categories": [{"id": 1, "name": "runway"}],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "test.json").write_text(json.dumps(document))
    return folder / "test.json"


def _refused(*arguments: object) -> str:
    result = CliRunner().invoke(main, ["import", *map(str, arguments)])
    assert isinstance(result.exception, SystemExit) and result.exit_code == 2, result.output
    return result.output


@pytest.mark.parametrize(
    ("note", "told"),
    [
        ({"segmentation": [[{}] * 8]}, "segmentation holds {}"),
        ({"segmentation": [["1"] * 8]}, "segmentation holds '1'"),
        ({"segmentation": [[1] * 7]}, "7 numbers"),
        ({"segmentation": [[1e99] * 8]}, "coordinates beyond"),
        ({"segmentation": [[0, 0, 30, 30, 30, 0, 0, 30, 5, 5]]}, "sides cross"),
        ({"segmentation": [[0, 0, 30, 30, 10, 10, 20, 20, 5, 5]]}, "sides cross"),
        ({"keypoints": [{}] * 12}, "keypoints holds {}"),
        ({"keypoints": [1e99, 1e99, 2] * 4}, "coordinates beyond"),
        ({"bbox": [500, 500, 10, 10]}, "outside of the picture"),
        ({"bbox": [-1e99, -1e99, 1e99, 1e99]}, "coordinates beyond"),
        ({"verdict": "banana"}, "verdict 'banana'"),
        ({"airport": "../../x"}, "begins with a dot"),
        ({"runway": "R" * 1000}, "longer than"),
        ({"runway": "\ud800"}, "half a character"),
    ],
)
def test_outlines_that_show_no_runway_are_named(tmp_path: Path, note: dict[str, Any], told: str) -> None:
    path = _coco(tmp_path / "in", note)
    _picture(tmp_path / "in" / "a.jpg")
    text = _refused("coco", path, "--out", tmp_path / "x")
    assert told in text and "test.json" in text
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_picture_that_breaks_off_leaves_nothing_behind(tmp_path: Path, kind: str) -> None:
    path = _coco(tmp_path / "in", {})
    _picture(tmp_path / "in" / "a.jpg")
    with Image.open(tmp_path / "in" / "a.jpg") as image:
        image.load()
        image.save(tmp_path / "in" / "a.jpg", kind)
    raw = (tmp_path / "in" / "a.jpg").read_bytes()
    (tmp_path / "in" / "a.jpg").write_bytes(raw[: len(raw) // 2])
    assert "a.jpg: not a picture" in _refused("coco", path, "--out", tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("orientation", [1, 3])
def test_a_dataset_is_not_imported_onto_itself(tmp_path: Path, orientation: int) -> None:
    """Its pictures lie where those of the new dataset would: they stay, to the byte."""
    path = _coco(tmp_path, {})
    _picture(tmp_path / "images" / "a.jpg", orientation)
    before = (tmp_path / "images" / "a.jpg").read_bytes()
    assert "new or empty folder" in _refused("coco", path, "--out", tmp_path)
    assert (tmp_path / "images" / "a.jpg").read_bytes() == before


def test_a_link_in_the_place_of_the_pictures_is_not_followed(tmp_path: Path) -> None:
    path = _coco(tmp_path / "in", {})
    _picture(tmp_path / "in" / "a.jpg")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "images").symlink_to(tmp_path / "elsewhere")
    assert "new or empty folder" in _refused("coco", path, "--out", tmp_path / "x")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_read_only_picture_keeps_its_mode(tmp_path: Path) -> None:
    path = _coco(tmp_path / "in", {})
    _picture(tmp_path / "in" / "a.jpg")
    (tmp_path / "in" / "a.jpg").chmod(0o444)
    result = CliRunner().invoke(main, ["import", "coco", str(path), "--out", str(tmp_path / "x")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "in" / "a.jpg").stat().st_mode & 0o777 == 0o444


def test_a_seed_is_not_negative(tmp_path: Path) -> None:
    path = _coco(tmp_path / "in", {})
    _picture(tmp_path / "in" / "a.jpg")
    assert "--seed" in _refused("coco", path, "--out", tmp_path / "x", "--seed", -1)


def test_a_label_folder_in_the_place_of_a_label_file_is_no_empty_picture(tmp_path: Path) -> None:
    _picture(tmp_path / "in" / "images" / "test" / "a.jpg")
    (tmp_path / "in" / "labels" / "test" / "a.txt").mkdir(parents=True)
    assert "a.txt" in _refused("yolo", tmp_path / "in", "--out", tmp_path / "x")


def test_half_a_character_is_refused(tmp_path: Path) -> None:
    """JSON and YAML can write a surrogate alone; no file and no table can hold one."""
    assert parse_json(r'{"a": "\ud83d\ude00"}', "x.json") == {"a": "\U0001f600"}
    with pytest.raises(DataError, match=r"x\.json: .*half a character"):
        parse_json(r'{"a": ["\ud800"]}', "x.json")
    (tmp_path / "x.yaml").write_text('a: "\\ud800"\n')
    with pytest.raises(DataError, match=r"x\.yaml:1: (half a character|.*Unicode character)"):
        read_yaml(tmp_path / "x.yaml")


def test_a_code_that_names_no_file_is_told_with_its_table(tmp_path: Path) -> None:
    """Of several tables too: the one that it was read from, and nothing is left."""
    _picture(tmp_path / "set" / "a.jpg")
    table = _coco(tmp_path / "set", {}, {"airport": "K\x01TL"})
    told = _refused("coco", tmp_path / "set", "--out", tmp_path / "out")
    assert f"{table}: image 1: airport 'K\\x01TL' has a slash" in told
    row = dict.fromkeys(V2_COLUMNS, "1") | {"image": "a.jpg", "airport": "K\x01TL", "runway": "09"}
    row |= {"width": "64", "height": "48", "runway_in_cone": "IN_ODD"}
    label_table = tmp_path / "lard" / "metadata_test.csv"
    _picture(label_table.parent / "a.jpg")
    label_table.write_text(f"{';'.join(row)}\n{';'.join(row.values())}\n")
    told = _refused("lard-v2", label_table.parent, "--out", tmp_path / "out")
    assert f"{label_table}: airport 'K\\x01TL' has a slash" in told
    shown = CliRunner().invoke(main, ["inspect", str(label_table), "--out", str(tmp_path / "a.jpg")])
    assert shown.exit_code == 2 and f"{label_table}: labels: airport" in shown.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lard", "set"]


@pytest.mark.parametrize(("text", "told"), [("x" * 20_000, "20,000 characters"), ("a\nb", "one line")])
@pytest.mark.parametrize("option", ["--licence", "--attribution"])
def test_credits_are_a_line(tmp_path: Path, option: str, text: str, told: str) -> None:
    assert told in _refused("coco", tmp_path, "--out", tmp_path / "out", option, text)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda text: text.replace('"id": 1,', '"id": 1, "id": 1,', 1), "key 'id' stands twice"),
        (lambda text: text.replace("48", "NaN", 1), "NaN is no number"),
        (lambda text: text.replace('"id": 1', '"id": ' + "1" * 31, 1), "1111 is no number"),
        (lambda text: text[:-1] + ', "x": ' + "[" * 99 + "]" * 99 + "}", "nested deeper"),
        (lambda text: text[:-9], "not valid JSON"),
        (lambda text: text.replace('"categories": [', '"categories": {"x": [') + "}", "expected lists"),
        (lambda text: text.replace('"categories"', '"kinds"'), "expected lists"),
    ],
)
def test_a_file_of_a_folder_that_cannot_be_read_is_no_lost_split(
    tmp_path: Path, harm: Callable[[str], str], told: str
) -> None:
    """Beside a sound one, whose folder may hold JSON that is no COCO, and by itself."""
    path = _coco(tmp_path / "in", {})
    _picture(tmp_path / "in" / "a.jpg")
    text = harm(path.read_text())
    (tmp_path / "in" / "captions.json").write_text('{"images": [], "annotations": [{"caption": "x"}]}')
    (tmp_path / "in" / "train.json").write_text(text)
    assert told in (said := _refused("coco", tmp_path / "in", "--out", tmp_path / "x")), said
    assert "train.json" in said and not (tmp_path / "x").exists()
    path.unlink()
    assert told in _refused("coco", tmp_path / "in", "--out", tmp_path / "x")
    (tmp_path / "in" / "train.json").unlink()
    assert "no COCO file" in _refused("coco", tmp_path / "in", "--out", tmp_path / "x")


def test_a_name_with_a_control_character_is_one_fault(tmp_path: Path) -> None:
    said = _refused("coco", _coco(tmp_path / "in", {}, {"file_name": "a\0.jpg"}), "--out", tmp_path / "x")
    assert "control character" in said and "which is not there" not in said
    assert len(said.strip().splitlines()) == 1


def test_pictures_that_would_share_a_name_are_both_named(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png"):
        _picture(tmp_path / "in/images" / name)
    said = _refused("yolo", tmp_path / "in", "--split", "test", "--out", tmp_path / "x")
    assert "images_a: images/a.jpg, images/a.png" in said
