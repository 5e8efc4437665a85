"""Rows of foreign tables: read however their lines end, refused or told by row where they say nonsense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner
from PIL import Image

from lard.cli import main
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
