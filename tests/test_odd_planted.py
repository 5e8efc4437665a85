"""`lard odd check`: mistakes planted into the shipped specs, one at a time, each found with its place.

odd_planted.tsv has a row for each: the spec, what it says, what is put there, and what is said of it.
"""

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner

from lard.cli import main
from lard.odd import load_spec
from lard.odd.openodd import openodd_text
from lard.odd.shipped import shipped_specs

ROWS = list(csv.DictReader((Path(__file__).parent / "odd_planted.tsv").open(), delimiter="\t", quoting=3))


def check(path: Path) -> tuple[int, list[str]]:
    result = CliRunner().invoke(main, ["odd", "check", str(path)])
    assert result.exit_code in (0, 2), result.output
    return result.exit_code, result.output.replace(f"{path}:", "").splitlines()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["planted"].strip()[:50])
def test_every_planted_mistake_is_told(tmp_path: Path, row: dict[str, str]) -> None:
    old, new = (row[key].replace("\\n", "\n") for key in ("written", "planted"))
    text = shipped_specs()[row["spec"]].read_text()
    assert old in text
    path = tmp_path / "x.yaml"
    path.write_text(text.replace(old, new, 1))
    code, lines = check(path)
    warned = row["expected"].startswith("warning ")
    wanted = row["expected"].removeprefix("warning ")
    said = [line for line in lines if wanted in line and line.startswith("warning: ") == warned]
    assert said, lines
    assert said[0].removeprefix("warning: ").removeprefix("lard: ").partition(":")[0].isdigit()
    assert warned or code == 2


def test_all_planted_mistakes_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    rows = [row for row in ROWS if row["spec"] == "lard_v2" and "\\n" not in row["planted"]]
    text, wanted = shipped_specs()["lard_v2"].read_text(), []
    for row in rows:
        # comparisons between parts wait until the parts can be read
        single = not any(
            word in row["expected"] for word in ("warning ", "overlaps", "before the", "margins")
        )
        if single and text.count(row["written"]) == 1:
            text = text.replace(row["written"], row["planted"])
            wanted.append(row["expected"].partition(":")[0])
    path = tmp_path / "x.yaml"
    path.write_text(text)
    found = "\n".join(check(path)[1])
    assert len(wanted) >= 8 and [name for name in wanted if name not in found] == []


def test_lards_trajectory_names_unknown_fields_and_laws(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        "trajectory:\n  distribution: expo\n  max_distance_m: 5556\n  min_distance_m: 150\n  std_yaw: 5\n"
        "  alpha_h_deg: 0\n  std_alpha_h_deg: 2\n  std_alpha_v_deg: 0.4\n  alpha_v_deg: -3\n"
        "  std_yaw_deg: 5\n  std_pitch_deg: 2\n  std_roll_deg: 5\n"
    )
    code, lines = check(path)
    text = "\n".join(lines)
    assert code == 2 and "2: trajectory.distribution: unknown 'expo'" in text
    assert "warning: 5: trajectory.std_yaw: unknown field" in text and "did you mean std_yaw_deg" in text


@pytest.mark.parametrize("name", sorted(shipped_specs()))
def test_every_shipped_spec_comes_back_from_openodd(tmp_path: Path, name: str) -> None:
    spec = load_spec(name)
    path = tmp_path / "open.yaml"
    path.write_text(openodd_text(spec))
    same = {"exclude": {"file_sha256"}}
    assert load_spec(path).model_dump(**same) == spec.model_dump(**same)
    assert "warning" not in "\n".join(check(path)[1])
