"""The FlightGear stage without FlightGear: a marker, one line, the same bytes; and `lard sources check`."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from flightgear_fake import fake_installation

from lard.cli import main as lard
from lard.errors import DataError, SpecError
from lard.simulators.flightgear.install import airport_meshes
from pipelines import flightgear

SECTION = "flightgear: {airports: [PHTO], n: 4, seed: 1"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FG_ROOT", str(tmp_path / "none"))
    return tmp_path


def test_without_flightgear_a_marker_and_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "params.yaml").write_text(SECTION + "}\n")
    (folder / "data/flightgear/images").mkdir(parents=True)
    (folder / "data/flightgear/images/old.jpg").write_bytes(b"old")
    flightgear.main()
    text = capsys.readouterr().out
    assert text.count("\n") == 1
    assert "none ($FG_ROOT)" in text
    assert "apt-get install" in text
    assert "dvc repro --force --single-item flightgear" in text
    files = [path for path in (folder / "data/flightgear").rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["status.json"]
    first = files[0].read_bytes()
    (folder / "params.yaml").write_text(SECTION + ", enabled: false}\n")
    flightgear.main()
    assert files[0].read_bytes() == first
    assert "enabled is false" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("section", "error", "message"),
    [
        ("flightgear: {airports: [PHTO], n: 4}", SpecError, "seed missing"),
        (SECTION + ", enabled: always}", SpecError, "enabled is 'always'"),
        (SECTION + ", supersample: 9}", DataError, "supersample is 9"),
        (SECTION + ", msaa: 4}", DataError, r"flightgear\.msaa: unknown"),
    ],
)
def test_faults_of_params(folder: Path, section: str, error: type[Exception], message: str) -> None:
    (folder / "params.yaml").write_text(section + "\n")
    with pytest.raises(error, match=message):
        flightgear.main()
    assert not (folder / "data").exists()


def test_check_tells_what_is_missing(folder: Path) -> None:
    result = CliRunner().invoke(lard, ["sources", "check", "flightgear"])
    assert result.exit_code == 2
    assert "apt-get install" in result.output


def test_check_refuses_a_scenery_without_airports(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in fake_installation(folder, airports=()).items():
        monkeypatch.setenv(name, value)
    airport_meshes.cache_clear()
    result = CliRunner().invoke(lard, ["sources", "check", "flightgear"])
    assert result.exit_code == 2
    assert "FlightGear 2020.3.16" in result.output
    assert "no airport in" in result.output


def test_number_of_simulators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LARD_FLIGHTGEARS", raising=False)
    memory = {"SC_PHYS_PAGES": 6 * 10**6, "SC_PAGE_SIZE": 4096}  # 24.6 GB
    monkeypatch.setattr("os.sysconf", lambda name: memory[name])
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert flightgear.simulators(4) == "2"
    assert flightgear.simulators(1) == "1"
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    assert flightgear.simulators(40) == "6"
    memory["SC_PHYS_PAGES"] = 10**5
    assert flightgear.simulators(4) == "1"
    monkeypatch.setenv("LARD_FLIGHTGEARS", "3")
    assert flightgear.simulators(4) == "3"
