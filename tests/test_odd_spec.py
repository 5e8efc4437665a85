"""ODD specs: what is read, and every fault of a file with its line."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from lard.cli import main
from lard.errors import SpecError
from lard.odd import load_spec
from lard.odd.laws import Law

SPECS = Path(__file__).parent.parent / "odd_specs"

GOOD = """\
name: small
version: "1"
approach:
  lateral_deg: [-3, 3]
  vertical_deg: [1.8, 5.2]
  yaw_offset_deg: [-10, 10]
  pitch_deg: [-15, 5]
zones:
  far:
    along_track_m: [3000, 6000]
    roll_deg: [-30, 30]
  near:
    along_track_m: [280, 3000]
    roll_deg: [-10, 10]
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    return path


def faults_of(tmp_path: Path, text: str) -> list[str]:
    path = write(tmp_path, text)
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    return [line.removeprefix(f"{path}:") for line in str(caught.value).splitlines()]


def test_lard_v2_states_the_three_zones_and_the_executed_margins() -> None:
    spec = load_spec(SPECS / "lard_v2.yaml")
    assert spec.zone_names == ("far", "medium", "close")
    assert (spec.lateral_apex_m, spec.vertical_apex_m) == (0, 305)
    assert spec.camera.width_px == 1024 and np.isclose(spec.camera.fov_deg[0], 60)
    far, _, close = spec.limits("in")
    assert far.tolist() == [[4400, 6100], [-4, 4], [1, 6], [-25, 25], [-16, 6], [-31, 31]]
    assert spec.limits("extended")[2].tolist() == [
        [-20, 4500], [-9, 9], [-8.2, 6], [-33.5, 33.5], [-30, 20], [-25, 25],
    ]  # fmt: skip
    assert close[0].tolist() == [180, 2600]


def test_v1_cone_is_given_in_nautical_miles_and_read_in_metres() -> None:
    law = load_spec(SPECS / "lard_v1_cone.yaml").zone("cone").laws["along_track_m"]
    assert np.allclose(law.range, (0.08 * 1852, 3 * 1852)) and law.law == "power"


def test_lards_own_v2_file_gives_the_same_domain(tmp_path: Path) -> None:
    sets = {
        "Far": (4500, 6000, 24, 30), "Medium": (2500, 4500, 24, 15), "Close": (280, 2500, 18.5, 10),
    }  # fmt: skip
    text = "".join(
        f"ODD_{name}:\n  min_distance_m: {lo}\n  max_distance_m: {hi}\n"
        "  alpha_h_min: -3\n  alpha_h_max: 3\n  alpha_v_min: -5.2\n  alpha_v_max: -1.8\n"
        f"  yaw_min: {-yaw}\n  yaw_max: {yaw}\n  pitch_min: -15\n  pitch_max: 5\n"
        f"  roll_min: {-roll}\n  roll_max: {roll}\n"
        for name, (lo, hi, yaw, roll) in sets.items()
    )
    read, ours = load_spec(write(tmp_path, text)), load_spec(SPECS / "lard_v2.yaml")
    for level in ("nominal", "in", "extended"):
        assert np.array_equal(read.limits(level), ours.limits(level))
    broken = text.replace("roll_max: 30", "roll_max: -31")
    assert faults_of(tmp_path, broken)[0].startswith("13: ODD_Far.roll_max: upper bound -31 is below lower")


def test_lards_v1_trajectory_is_a_cone_of_truncated_normals(tmp_path: Path) -> None:
    text = (
        "trajectory:\n  distribution: exp\n  distrib_param: 1.41\n"
        "  max_distance_m: 5556\n  min_distance_m: 150\n  dist_ap_m: 300\n"
        "  alpha_h_deg: 0\n  std_alpha_h_deg: 2\n  alpha_v_deg: -3\n  std_alpha_v_deg: 0.4\n"
        "  std_yaw_deg: 5\n  pitch_deg: -4\n  std_pitch_deg: 2\n  roll_deg: 0\n  std_roll_deg: 5\n"
    )
    laws = load_spec(write(tmp_path, text)).zones[0].laws
    assert laws["along_track_m"].range == (-150, 5256)
    assert np.allclose(laws["vertical_deg"].range, (2.2, 3.8)) and laws["vertical_deg"].mean == 3


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "roll_deg: [-30, 30]",
            "roll_deg: [15, -15]",
            "11: zones.far.roll_deg: upper bound -15 is below lower",
        ),
        ("roll_deg: [-30, 30]", "roll_furlong: [1, 2]", "11: zones.far.roll_furlong: unknown unit 'furlong'"),
        ("roll_deg: [-30, 30]", "rol_deg: [1, 2]", "11: zones.far.rol_deg: unknown parameter 'rol_deg'"),
        (
            "roll_deg: [-30, 30]",
            "roll_deg: [-30, .nan]",
            "11: zones.far.roll_deg: expected a range of two numbers",
        ),
        (
            "roll_deg: [-30, 30]",
            'roll_deg: ["-30", 30]',
            "11: zones.far.roll_deg: expected a range of two numbers",
        ),
        (
            "roll_deg: [-30, 30]",
            "roll_deg: [-300, 30]",
            "11: zones.far.roll_deg: [-300, 30] leaves the possible",
        ),
        ("    roll_deg: [-30, 30]\n", "", "9: zones.far: roll_deg missing; add"),
        (
            "[3000, 6000]",
            "[2000, 6000]",
            "13: zones.near.along_track_m: overlaps zone far from 2000 to 3000 m",
        ),
        ('version: "1"', "version: 1", "2: version: expected text, found 1; put it in quotes"),
        ("name: small", "nme: small", "1: nme: unknown field; expected one of name"),
        ("name: small", "name: small\nname: other", "2: name: key repeated, first on line 1; keep one"),
        ("name: small", "name: [small", "2: not valid YAML"),
        ("name: small", "name: small\ncamera: {width_px: 0}", "2: camera.width_px: input should be greater"),
        (
            "name: small",
            "name: small\nmargins: {in: {roll_deg: -1}}",
            "2: margins.in.roll_deg: expected a width",
        ),
        (
            "name: small",
            "name: small\nmargins: {in: {roll_deg: 1}}",
            "2: margins.in.roll_deg: [1, 1] is wider",
        ),
        ("name: small", "name: small\nenvironment: {light: [noon]}", "2: environment.light: unknown 'noon'"),
        (
            "name: small",
            "name: small\nenvironment: {light: [day], local_time_h: [1, 2]}",
            "2: environment.local_time_h: the sun's place is given twice, also by light",
        ),
        (
            "[-3, 3]",
            "{range: [-3, 3], law: normal, mean: 0}",
            "4: approach.lateral_deg: law normal needs sd",
        ),
        (
            "[-3, 3]",
            "{range: [-3, 3], law: cauchy}",
            "4: approach.lateral_deg.law: input should be 'uniform'",
        ),
        ("zones:", "rules: [{when: {roll_deg: [0, 1]}}]\nzones:", "8: rules.0: expected a rule"),
        ("zones:", "rules: 0\nzones:", "8: rules: expected a list of rules, found 0"),
        (
            "zones:",
            "rules: [{require: {}}]\nzones:",
            "8: rules.0.require: is empty, so the rule asks nothing",
        ),
        (
            "zones:",
            "rules: [{when: [], require: {roll_deg: [0, 1]}}]\nzones:",
            "8: rules.0.when: expected a mapping of parameters, found []",
        ),
        (
            "zones:",
            "rules: [{when: {along_track_m: 3000, along_track_km: 4}, require: {roll_deg: 0}}]\nzones:",
            "8: rules.0.when.along_track_km: along_track_m is given twice, in different units",
        ),
        (
            "zones:",
            "rules: [{require: {light: {by: roll_deg, points: [[0, 1, 2], [1, 1, 2]]}}}]\nzones:",
            "8: rules.0.require.light: has categories, which no limit that moves can hold",
        ),
        (
            "zones:",
            "rules: [{require: {roll_deg: {values: [0, 5]}}}]\nzones:",
            "8: rules.0.require.roll_deg: expected a number, [low, high] or {by: ..., points: ...}",
        ),
        (
            "zones:",
            "runways: {length_m: {range: [1, 2], law: beta, a: 1, b: 2}}\nzones:",
            "8: runways.length_m: is a law (beta), but runways are selected",
        ),
        ("zones:", "runways: {country: {FR: 2, US: 1}}\nzones:", "8: runways.country: has weights, but"),
    ],
)
def test_each_fault_names_line_field_and_what_is_wrong(tmp_path: Path, old: str, new: str, line: str) -> None:
    assert old in GOOD
    found = faults_of(tmp_path, GOOD.replace(old, new, 1))
    assert any(text.startswith(line) for text in found), found


def test_all_faults_of_a_file_are_reported_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("[-30, 30]", "[30, -30]").replace("[-15, 5]", "[5]").replace('"1"', "1")
    found = faults_of(tmp_path, text + "extra: 1\nextra: 2\n")
    assert [int(line.split(":")[0]) for line in found] == [2, 7, 11, 15, 16]


@pytest.mark.parametrize("text", ["", "- 1\n", "just text\n", "a: &a [*a]\n", "\tx: 1\n", "name: \x00\n"])
def test_what_is_no_spec_is_explained(tmp_path: Path, text: str) -> None:
    assert faults_of(tmp_path, text)


def test_missing_file_is_explained() -> None:
    with pytest.raises(SpecError, match=r"nowhere\.yaml: no such file"):
        load_spec("nowhere.yaml")


def test_yaml_1_2_does_not_read_times_as_numbers_or_words_as_booleans(tmp_path: Path) -> None:
    assert "found '12:30'" in faults_of(tmp_path, GOOD.replace("[-15, 5]", "12:30"))[0] or faults_of(
        tmp_path, GOOD.replace("[-15, 5]", "12:30")
    )[0].startswith("7: approach.pitch_deg: expected a number, a range")
    assert load_spec(write(tmp_path, GOOD.replace("small", "on"))).name == "on"


def test_cli_reports_every_file_and_leaves_with_2(tmp_path: Path) -> None:
    bad = write(tmp_path, GOOD.replace("[-30, 30]", "[30, -30]"))
    result = CliRunner().invoke(main, ["odd", "check", str(bad), str(SPECS / "lard_v2.yaml")])
    assert result.exit_code == 2 and "Traceback" not in result.output
    assert "x.yaml:11: zones.far.roll_deg: upper bound -30 is below lower bound 30" in result.output
    assert "lard_v2 2.0 is sound" in result.output


LAWS = [
    Law(range=(-3, 3)),
    Law(range=(5, 500), law="log_uniform"),
    Law(range=(2.2, 3.8), law="normal", mean=3, sd=0.4),
    Law(range=(10, 14), law="normal", mean=0, sd=1.7),
    Law(range=(-14, -10), law="normal", mean=0, sd=1.7),
    Law(range=(0, 10), law="beta", a=2, b=5),
    Law(range=(280, 6000), law="power", exponent=1.41),
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: f"{law.law}{law.range}")
def test_quantiles_invert_the_distribution_and_stay_in_the_range(law: Law) -> None:
    u = np.linspace(0, 1, 4097)
    x = law.ppf(u)
    assert x.min() >= law.lo and x.max() <= law.hi and np.all(np.diff(x) >= 0)
    assert np.allclose(law.cdf(x), u, atol=1e-9)
    assert law.cdf(np.array([law.lo - 1, law.hi + 1])).tolist() == [0, 1]


def test_truncated_normal_is_scipys() -> None:
    law = Law(range=(-2, 5), law="normal", mean=1, sd=2)
    expected = stats.truncnorm((-2 - 1) / 2, (5 - 1) / 2, 1, 2)
    u = np.linspace(0.001, 0.999, 99)
    assert np.allclose(law.ppf(u), expected.ppf(u)) and np.allclose(law.cdf(law.ppf(u)), u)


def test_discrete_law_draws_its_values_by_weight() -> None:
    law = Law.model_validate({"values": {0: 1, 5: 3}})
    assert np.unique(law.ppf((np.arange(400) + 0.5) / 400), return_counts=True)[1].tolist() == [100, 300]
    assert law.cdf(np.array([-1.0, 0, 3, 5])).tolist() == [0, 0.25, 0.25, 1]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (
            "rules:\n"
            "- {name: lit, when: {light: [night]}, require: {lighted: [true]}}\n"
            "- {name: left, require: {lateral_deg: [-3, -1]}}\n"
            "- {name: right, require: {lateral_deg: [1, 3]}}\n",
            "17: rules.1: rules 'left' and 'right' conflict: nothing of zone far satisfies them",
        ),
        (
            "rules:\n- {name: steep, require: {vertical_deg: [6, 8]}}\n",
            "16: rules.0: rules 'steep' contradicts the zone: nothing of zone far",
        ),
        (
            "rules:\n"
            "- {name: f, require: {roll_deg: {by: along_track_m, points: [[0, 40, 50], [9000, 40, 50]]}}}\n",
            "16: rules.0: rules 'f' contradicts the zone: nothing of zone far",
        ),
    ],
)
def test_rules_that_leave_nothing_are_named(tmp_path: Path, rules: str, message: str) -> None:
    assert faults_of(tmp_path, GOOD + rules)[0].startswith(message)


TOO_LARGE = (
    (
        "zones:",
        "margins: {extended: {along_track_km: 1.0e+308}}\nzones:",
        "8: margins.extended.along_track_km",
    ),
    ("zones:", "margins: {in: {roll_deg: [1, 2.0e+9]}}\nzones:", "8: margins.in.roll_deg"),
    ("along_track_m: [3000, 6000]", "along_track_km: [3, 1.0e+308]", "10: zones.far.along_track_km"),
    ("along_track_m: [3000, 6000]", "along_track_km: [3, 1.0e+8]", "10: zones.far.along_track_km"),
    (
        "roll_deg: [-30, 30]",
        "roll_deg: {range: [-30, 30], law: normal, mean: 0, sd: 1.0e+308}",
        "11: zones.far",
    ),
    ("roll_deg: [-30, 30]", "roll_deg: {range: [-30, 30], law: beta, a: 1.0e+308, b: 1}", "11: zones.far"),
    ("    roll_deg: [-30, 30]", "    share: 1.0e+308\n    roll_deg: [-30, 30]", "11: zones.far.share"),
    ("zones:", "environment: {light: {day: 1.0e+308, dusk: 1.0e+308}}\nzones:", "8: environment.light"),
    ("zones:", "environment: {rain_mm_h: {values: {1: 1.0e+308, 2: 1}}}\nzones:", "8: environment.rain_mm_h"),
    ("zones:", "rules: [{require: {along_track_km: [0, 1.0e+308]}}]\nzones:", "8: rules.0.require"),
    ("zones:", "rules: [{require: {along_track_km: [0, 1.0e+9]}}]\nzones:", "8: rules.0.require"),
    (
        "zones:",
        "rules: [{require: {along_track_km: {by: roll_deg, points: [[0, 0, 1], [9, 0, 1.0e+11]]}}}]\nzones:",
        "8: rules.0.require.along_track_km: 1e+14 m is more than any along_track can be",
    ),
    ("zones:", "severity: {points: [[0, 1.0e+308]]}\nzones:", "8: severity.points"),
    ("zones:", "dqr: {C01: {min_per_bin: .inf}}\nzones:", "8: dqr.C01.min_per_bin"),
    ("zones:", "camera: {width_px: 64, height_px: 64, fov_x_deg: 1.0e-308}\nzones:", "8: camera"),
    ("zones:", "camera: {width_px: 64, height_px: 64, fov_x_deg: 179.9999}\nzones:", "8: camera"),
)


@pytest.mark.parametrize(("old", "new", "line"), TOO_LARGE)
def test_numbers_have_a_size(tmp_path: Path, old: str, new: str, line: str) -> None:
    """What is finite as written need not be so in metres, in sums or as a focal length."""
    path = write(tmp_path, GOOD.replace(old, new, 1))
    for command in ("check", "show", "openodd"):
        ran = CliRunner().invoke(main, ["odd", command, str(path)])
        assert ran.exit_code == 2 and f"{path}:{line}" in ran.output, ran.output


def test_change_of_unit_keeps_a_law() -> None:
    """Up to the largest number of a spec, in any unit."""
    law = Law.model_validate({"values": {-1e9: 1, 2.0: 3}}).scaled(1852.0)
    assert law.numbers == [-1.852e12, 3704.0, -1.852e12, 3704.0]
    normal = Law(range=(-1, 1), law="normal", mean=0.5, sd=2).scaled(1000.0)
    assert (normal.range, normal.mean, normal.sd) == ((-1000, 1000), 500, 2000)
