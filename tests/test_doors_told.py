"""Messages that name the file, what is wrong with it and what helps."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image
from pydantic import BaseModel, Field

from lard.airports.csvfile import Cells
from lard.cli import main
from lard.documents import checked, first_line
from lard.errors import AirportError, DataError

RUNWAYS = (
    "id,airport_ref,airport_ident,length_ft,width_ft,surface,lighted,closed,le_ident,le_latitude_deg,"
    "le_longitude_deg,le_elevation_ft,le_heading_degT,le_displaced_threshold_ft,he_ident,he_latitude_deg,"
    "he_longitude_deg,he_elevation_ft,he_heading_degT,he_displaced_threshold_ft"
)


def told(*words: object) -> str:
    found = CliRunner().invoke(main, [str(word) for word in words])
    assert found.exit_code == 2 and isinstance(found.exception, SystemExit), found.output
    return found.output


@pytest.mark.parametrize(
    ("head", "fault"),
    [
        ("image,height,slant_distance,x_A", "parted by commas; write it with semicolons"),
        ("image;height;SLANT_DISTANCE;x_A", "named in capitals"),
        ("name;place", r"no column slant_distance \(it begins with 'name;place'\)"),
    ],
)
def test_what_is_no_label_table_is_named(head: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / "dataset.csv").write_text(f"{head}\n1\n")
    output = told("import", "lard-v1", tmp_path, "--out", tmp_path / "out")
    assert re.search(rf"dataset\.csv: no LARD label table: .*{fault}", output), output


def test_a_head_that_cannot_be_read_names_the_file() -> None:
    assert "/proc/self/mem: cannot be read" in told("import", "lard-v1", "/proc/self/mem", "--out", "none")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_first_line_of_a_text_of_any_encoding(encoding: str, end: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(f"a;b{end}1;2{end}".encode(encoding))
    assert first_line(path) == "a;b"


def test_no_elevation_names_the_option_that_fills_it(tmp_path: Path) -> None:
    path = tmp_path / "runways.csv"
    path.write_text(
        f"{RUNWAYS}\n1,1,XXAA,12795,164,CON,1,0,04,46.2256,6.0959,,45.1,,22,46.2502,6.1319,,225.1,\n"
    )
    assert "--fill-elevation" in told("airports", "import", path, "--out", tmp_path / "db")


def test_a_column_that_occurs_twice_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b,,,a\n1,2,,,3\n")
    with pytest.raises(AirportError, match=r"a\.csv:1: column 'a' occurs twice; keep one of them"):
        Cells(path, ("a",))
    path.write_text("a,b,,\n1,2,,\n")  # commas at the end of lines are no columns
    assert Cells(path, ("a",)).rows[0]["a"] == "1"


def test_a_broken_annotation_is_told_once(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "one.jpg")
    (tmp_path / "one.json").write_text('{"shapes": [')
    output = told("annotated", tmp_path, "--out", tmp_path / "out")
    assert "one.json" in output and "without annotation" not in output
    Image.new("RGB", (16, 16)).save(tmp_path / "two.jpg")
    assert "two.jpg: a picture without annotation" in told("annotated", tmp_path, "--out", tmp_path / "out")


class _Point(BaseModel):
    place: tuple[float, float]
    names: list[str] = Field(max_length=1)


def test_counts_are_told_in_plain_words() -> None:
    with pytest.raises(DataError) as caught:
        checked(_Point, {"place": [1, 2, 3], "names": ["a", "b"]}, "a.json")
    text = str(caught.value)
    assert (
        "place: expected at most 2 items, found 3" in text
        and "names: expected at most 1 item, found 2" in text
    )
