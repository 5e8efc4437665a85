"""What commands read, and what others wrote, stays as it is; empty paths are told."""

import re
import shutil
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from lard.cli import main
from lard.errors import DataError
from lard.tables import FRAMES
from lard.written import keep_csv, keep_picture, keep_table, keep_text, save_picture

ODD = "odd_specs/lard_v2.yaml"


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def refused(*words: object) -> str:
    found = run(*words)
    assert found.exit_code == 2 and isinstance(found.exception, SystemExit), found.output
    return found.output


def state(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled dataset of three frames with grey pictures."""
    folder = tmp_path_factory.mktemp("kept") / "ds"
    table = folder / "frames.parquet"
    assert (
        run("scenario", "sample", "--odd", ODD, "--airports", "LFPO", "--n", 3, "--out", table).exit_code == 0
    )
    assert run("label", folder).exit_code == 0
    (folder / "images").mkdir()
    for name in pl.read_parquet(table)["frame_id"]:
        Image.new("RGB", (64, 64), "grey").save(folder / "images" / f"{name}.jpg")
    return folder


@pytest.fixture
def ds(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "ds")
    return tmp_path / "ds"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("label", "{ds}/frames.parquet", "--out", "{ds}/frames.parquet"), "which is read"),
        (("scenario", "fill", "{ds}", "--odd", ODD, "--airports", "LFPO", "--out", "{ds}/frames.parquet"),
         "which is read"),
        (("odd", "coverage", "{ds}", "--odd", ODD, "--json", "{ds}/frames.parquet"), "which is read"),
        (("odd", "coverage", "{ds}", "--odd", "{odd}", "--json", "{odd}"), "which is read"),
        (("odd", "openodd", "{odd}", "--out", "{odd}"), "which is read"),
        (("airports", "diff", "{user}.json", "shipped", "--corrections", "{user}.json"), "which is read"),
        (("export", "card", "{ds}", "--out", "{ds}/frames.parquet"), "which is read"),
        (("export", "card", "{ds}", "--out", "{user}.txt"), r"expected a name that ends in \.md"),
        (("export", "card", "{ds}", "--out", "{user}.md"), "is not a data card that lard wrote"),
        (("inspect", "{ds}", "--out", "{ds}/images/LFPO.jpg"), "is among the pictures of"),
        (("inspect", "{ds}", "--out", "{user}.jpg"), "is not a picture that lard drew"),
        (("preview", "LFPO", "06", "--out", "{user}.jpg"), "is not a picture that lard drew"),
        (("odd", "preview", ODD, "--out", "{user}.png"), "is not a picture that lard drew"),
        (("odd", "preview", ODD, "--out", "{user}.html"), "is not a page that lard drew"),
        (("dqr", "run", "{ds}", "--out", "{ds}"), "which is read|is the dataset"),
        (("dqr", "run", "{ds}", "--out", "{mine}"), "summary.json: is of no earlier run"),
        (("calibrate", "{ds}", "--out", "{ds}"), "which is read"),
        (("scenario", "sample", "--odd", ODD, "--airports", "LFPO", "--n", 3, "--out", "{user}.txt"),
         r"expected a name that ends in \.parquet"),
        (("scenario", "sample", "--odd", ODD, "--airports", "LFPO", "--n", 3, "--out", "{user}.parquet"),
         "is not a frames table"),
        (("scenario", "convert", "{ds}/frames.parquet", "{user}.yaml"), "is not a scenario"),
        (("airports", "export", "{user}.json", "--format", "lard-v2"), "is not a runway database"),
        (("airports", "export", "{user}.json", "--format", "geojson"), "is not a GeoJSON of runways"),
        (("airports", "export", "{user}.txt", "--format", "geojson"), "expected a name that ends in"),
        (("airports", "export", "{mine}", "--format", "table"), "is of no earlier run"),
        (("odd", "schema", "--out", "{user}.json"), "is not a JSON Schema"),
        (("label", "{ds}/frames.parquet", "--out", "{user}.csv"), "is not a label table"),
        (("conform", "a.json", "b.json", "--data", "{ds}", "--out", "{mine}"), "is of no earlier run"),
        (("assurance", "--explain", "a.json", "--out", "{user}.html"), "is not a page that lard wrote"),
    ],
)  # fmt: skip
def test_no_command_writes_over_what_it_reads_or_what_others_wrote(
    words: tuple[object, ...], told: str, ds: Path, tmp_path: Path
) -> None:
    user, mine, odd = tmp_path / "user", tmp_path / "mine", tmp_path / "own.yaml"
    shutil.copy(ODD, odd)
    mine.mkdir()
    for name in ("summary.json", "compliance.html", "conform.json", "runways.csv", "database.json"):
        (mine / name).write_text('{"mine": true}')
    for suffix in ("txt", "md", "html", "yaml", "json", "csv"):
        user.with_suffix(f".{suffix}").write_text('{"mine": true}')
    Image.new("RGB", (8, 8)).save(user.with_suffix(".jpg"))
    Image.new("RGB", (8, 8)).save(user.with_suffix(".png"))
    pl.DataFrame({"mine": [1]}).write_parquet(user.with_suffix(".parquet"))
    before = state(tmp_path)
    places = {"ds": ds, "user": user, "mine": mine, "odd": odd}
    output = refused(*(str(word).format(**places) for word in words))
    assert re.search(told, output), output
    assert state(tmp_path) == before


def test_what_lard_wrote_itself_is_written_again(ds: Path, tmp_path: Path) -> None:
    for words in (
        ("export", "card", ds, "--out", ds / "README.md"),
        ("inspect", ds, "--out", tmp_path / "sheet.jpg"),
        ("inspect", ds, "--out", tmp_path / "sheet.png"),
        ("scenario", "convert", ds / "frames.parquet", tmp_path / "a.yaml"),
        ("scenario", "convert", ds / "frames.parquet", tmp_path / "a.esp", "--timezone", "UTC"),
        ("label", ds / "frames.parquet", "--out", tmp_path / "a.csv"),
        ("label", ds / "frames.parquet", "--csv-version", "v1", "--out", tmp_path / "b.csv"),
        ("label", ds),
        ("dqr", "run", ds, "--only", "U01", "--fail-on", "error", "--out", tmp_path / "dqr"),
        ("odd", "coverage", ds, "--odd", ODD, "--t", 1, "--json", tmp_path / "cover.json"),
        ("odd", "openodd", ODD, "--out", tmp_path / "o.yaml"),
        ("odd", "schema", "--out", tmp_path / "s.json"),
        ("airports", "export", tmp_path / "r.geojson", "--format", "geojson", "--airports", "LFPO"),
        ("airports", "export", tmp_path / "r.json", "--format", "lard-v2", "--airports", "LFPO"),
        ("airports", "export", tmp_path / "table", "--format", "table", "--airports", "LFPO"),
    ):
        first, second = run(*words), run(*words)
        assert first.exit_code == second.exit_code != 2, (words, first.output, second.output)


def test_files_are_told_by_what_they_hold(tmp_path: Path) -> None:
    picture, table, text = tmp_path / "a.png", tmp_path / "a.parquet", tmp_path / "a.csv"
    keep_picture(picture)
    save_picture(Image.new("RGB", (8, 8)), picture, 90)
    keep_picture(picture)
    text.write_text("a,b\n1,2\n")
    keep_csv(text, (("a", "b"),), "a table")
    keep_text(text, "a text", "1,2")
    with pytest.raises(DataError, match=r"a\.csv: is not a table and would be written over"):
        keep_csv(text, (("a", "c"),), "a table")
    table.write_text("no parquet")
    with pytest.raises(DataError, match=r"a\.parquet: is not a frames table"):
        keep_table(table, FRAMES, "a frames table")
    (tmp_path / "link.parquet").symlink_to("nowhere")
    with pytest.raises(DataError, match="is not a frames table"):
        keep_table(tmp_path / "link.parquet", FRAMES, "a frames table")


@pytest.mark.parametrize(
    "words",
    [
        ("score", "", "--data", "ds"),
        ("label", ""),
        ("label", "a.parquet", "--out", ""),
        ("scenario", "sample", "--odd", ODD, "--airports", "LFPO", "--n", 3, "--out", ""),
        ("odd", "check", ""),
        ("dqr", "run", "", "--out", "x"),
        ("airports", "show", "LFPO", "--runways", ""),
        ("predict", "fcos-s", ""),
        ("preview", "LFPO", "06", "--out", ""),
    ],
)
def test_an_empty_path_is_told(words: tuple[object, ...]) -> None:
    assert "is empty" in refused(*words)
