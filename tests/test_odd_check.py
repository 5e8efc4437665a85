"""`lard odd check`: planted mistakes are found, all at once, with their lines."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from lard.cli import main

SPECS = Path(__file__).parent.parent / "odd_specs"

GOOD = """\
name: small
version: "1"
approach:
  lateral_deg: [-3, 3]
  vertical_deg: [1.8, 5.2]
  yaw_offset_deg: [-10, 10]
  pitch_deg: [-15, 5]
  roll_deg: [-10, 10]
zones:
  far:
    along_track_m: [3000, 6000]
  near:
    along_track_m: [280, 3000]
environment:
  rain_mm_h: {values: {0: 1, 5: 1}}
  cloud_fraction: [0, 1]
  light: [day, night]
runways:
  surface: [asphalt, concrete]
  country: [FR, US]
  length_m: [1500, 4000]
rules:
  - name: lights
    when: {light: [night]}
    require: {lighted: [true]}
dqr:
  C01: {min_per_bin: 3}
"""


def check(tmp_path: Path, text: str, code: int) -> list[str]:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    result = CliRunner().invoke(main, ["odd", "check", str(path)])
    assert result.exit_code == code, result.output
    return [line.replace(f"{path}:", "").removeprefix("lard: ") for line in result.output.splitlines()]


def test_sound_specs_have_neither_faults_nor_warnings(tmp_path: Path) -> None:
    assert check(tmp_path, GOOD, 0)[0].endswith("small 1 is sound, zones far, near")
    shipped = CliRunner().invoke(main, ["odd", "check", *map(str, sorted(SPECS.glob("*.yaml")))])
    assert shipped.exit_code == 0 and "warning" not in shipped.output, shipped.output


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("asphalt, concrete", "asfalt, concrete", "19: runways.surface: unknown 'asfalt'"),
        ("[FR, US]", "[Frankreich]", "20: runways.country: unknown 'Frankreich'"),
        ("[FR, US]", "[fr]", "20: runways.country: unknown 'fr' (did you mean FR?)"),
        ("[FR, US]", "[LI]", "20: runways.country: no runway of lard"),
        ("[1500, 4000]", "[9000, 9900]", "21: runways.length_m: no runway of lard"),
        ("length_m: [1500, 4000]", "width_m: [1, 2]", "21: runways.width_m: no runway of lard"),
        ("{lighted: [true]}", "{surface: [gras]}", "25: rules.0.require.surface: unknown 'gras'"),
        ("C01:", "C0l:", "27: dqr.C0l: unknown requirement"),
        ("min_per_bin", "min_per_bn", "27: dqr.C01.min_per_bn: unknown threshold"),
        ("min_per_bin: 3", "min_per_bin: few", "27: dqr.C01.min_per_bin: 'few' is not like its default"),
        ("min_per_bin: 3", "severity: fatal", "27: dqr.C01.severity: 'fatal' is no severity"),
        ("light: [day, night]", "jpeg_quality: [90.2, 90.8]", "17: environment.jpeg_quality: [90.2"),
        ("light: [day, night]", "lens_drops: {values: [0, 1.5]}", "17: environment.lens_drops: 1.5 is"),
    ],
)  # fmt: skip
def test_what_nothing_can_satisfy_is_an_error(tmp_path: Path, old: str, new: str, line: str) -> None:
    assert old in GOOD
    found = check(tmp_path, GOOD.replace(old, new, 1), 2)
    assert any(text.startswith(line) for text in found), found


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("[3000, 6000]", "[3000, 60000]", "warning: 11: zones.far.along_track_m: reaches 60 km out"),
        ("[280, 3000]", "[280, 2900]", "warning: 11: zones.far.along_track_m: a gap from 2900 to"),
        ("[FR, US]", "[FR, LI]", "warning: 20: runways.country: no runway of lard"),
        ("{light: [night]}", "{rain_mm_h: [10, 20]}", "warning: 24: rules.0.when.rain_mm_h: rule"),
        ("{lighted: [true]}", "{roll_deg: [20, 30]}", "warning: 17: environment.light: rules"),
        ("light: [day, night]", "visibility_m: [500, 2000]", "warning: 11: zones.far.along_track_m: begins"),
        ("[1.8, 5.2]", "[-5.2, -1.8]", "warning: 5: approach.vertical_deg: lies below the runway"),
    ],
)  # fmt: skip
def test_what_is_only_odd_is_a_warning(tmp_path: Path, old: str, new: str, line: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    if "visibility" in new:
        text = text.replace("when: {light: [night]}\n", "when: {rain_mm_h: 5}\n")
    found = check(tmp_path, text, 0)
    assert any(text.startswith(line) for text in found), found


def test_everything_is_told_at_once(tmp_path: Path) -> None:
    text = (
        GOOD.replace("asphalt, concrete", "asfalt").replace("[FR, US]", "[Frankreich]").replace("C01", "X99")
    )
    text = (
        text.replace("[1500, 4000]", "[9000, 9900]")
        .replace("6000]", "60000]")
        .replace("[280, 3000]", "[280, 2500]")
    )
    found = check(tmp_path, text.replace("roll_deg: [-10, 10]", "roll_deg: [10, -10]\n  rol_deg: 1"), 2)
    lines = sorted(int(line.removeprefix("warning: ").split(":")[0]) for line in found)
    # a zone that cannot be read is left out of what follows; the rest is checked as far as it goes
    assert {8, 9, 20, 21} <= set(lines), found
    found = check(tmp_path, text, 2)
    lines = sorted(int(line.removeprefix("warning: ").split(":")[0]) for line in found)
    assert lines == [11, 11, 19, 20, 21, 27], found


def test_no_runway_meets_all_together(tmp_path: Path) -> None:
    text = GOOD.replace("[FR, US]", "[IS]").replace("[1500, 4000]", "[4800, 5000]")
    assert any(
        "18: runways: no runway of lard" in line and "together" in line for line in check(tmp_path, text, 2)
    )


def test_errors_beyond_the_first_are_counted_and_all_told_in_order_when_asked(tmp_path: Path) -> None:
    text = GOOD + "".join(f"odd{k:02d}: 1\n" for k in range(30))
    first = check(tmp_path, text, 2)
    assert first[0] == "note: 30 errors; --all lists every one" and first[-1].endswith("more lines")
    result = CliRunner().invoke(main, ["odd", "check", str(tmp_path / "x.yaml"), "--all"])
    told = [line for line in result.output.splitlines() if ": odd" in line]
    assert result.exit_code == 2 and len(told) == 30
    assert [line.partition(": odd")[2][:2] for line in told] == [f"{k:02d}" for k in range(30)]
