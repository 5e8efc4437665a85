"""Monitors of the domain: a toy whose distances are known, bounds that hold, files at the door, commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result
from monitor_support import SIDE_PX, scene, write_model, write_picture, write_split

from lard.assurance.departures import departed
from lard.assurance.domains import NO_RUNWAY, Shot, by_verdict, changed, inside, limited, read_shots, spread
from lard.assurance.features import constant_of, look, looks_of
from lard.assurance.mahalanobis import fit_gaussian
from lard.assurance.monitor_file import read_monitor, write_monitor
from lard.assurance.monitors import ALARMS, DISTANCE, FIRING, Monitor, Seen, fit
from lard.assurance.ocsdf import Distance, learn, restored, strangers, to_boundary
from lard.assurance.ranks import auroc
from lard.assurance.shrink import SCALE
from lard.cli import main
from lard.detect.checkpoint import load_detector
from lard.errors import ModelError

SHA = "0" * 64


def halves(contrasts: list[float], seed: int) -> np.ndarray:
    """Shrunk pictures, grey above and below, that differ by twice a contrast: (n, 3, 64, 64)."""
    side = np.where(np.arange(64) < 32, 1.0, -1.0)[:, None] * np.ones(64)
    noise = np.random.default_rng(seed).normal(0, 0.004, (len(contrasts), 3, 64, 64))
    return (SCALE * (np.array(contrasts)[:, None, None, None] * side + noise)).astype(np.float32)


@pytest.fixture(scope="module")
def toy() -> tuple[np.ndarray, Distance]:
    """Pictures bright above and dark below, and the distance learnt to them."""
    own = halves(np.linspace(0.4, 0.5, 40).tolist(), 1)
    return own, learn(own, steps=20, seed=0, width=8, quiet=True)


Toy = tuple[np.ndarray, Distance]


def test_the_learnt_distance_is_never_beyond_the_true_one(toy: Toy) -> None:
    """It parts them from those dark above, and |f| is at most the distance to the other side."""
    own, distance = toy
    others = halves([-0.1, -0.2, -0.3, -0.4, -0.5], 2)
    f, g = distance.scores(own), distance.scores(others)
    assert distance.constant == pytest.approx(1, abs=1e-4)
    assert auroc(-f, -g) == 1 and g.max() < 0 < f.min()
    apart = np.linalg.norm((own[:, None] - others[None]).reshape(len(own), len(others), -1), axis=2)
    assert apart.min() == pytest.approx(SCALE * 0.5 * np.sqrt(3 * 64 * 64), rel=0.01)
    slack = 1 + 1e-4
    assert (f[:, None] - g[None] <= distance.constant * apart * slack).all()
    assert (np.abs(f) <= apart.min(axis=1) * slack).all(), "to the nearest picture that is outside"
    assert (np.abs(g) <= apart.min(axis=0) * slack).all()


def test_newton_steps_bring_strangers_to_the_boundary_and_leave_those_inside(toy: Toy) -> None:
    _, distance = toy
    rng = np.random.default_rng(4)
    before = strangers(rng, 16)
    after = to_boundary(distance.net, before)
    f, g = distance.scores(before.numpy()), distance.scores(after.numpy())
    outside = f < 0
    assert outside.sum() > 4 and (np.abs(g[outside]) < np.abs(f[outside])).mean() > 0.8
    assert np.allclose(g[~outside], f[~outside], atol=1e-4) and float(after.abs().max()) <= SCALE / 2


def test_the_same_seed_learns_the_same_and_altered_kernels_are_refused(toy: Toy) -> None:
    own, _ = toy
    first, second = (learn(own, 2, seed=5, width=8, quiet=True) for _ in range(2))
    state = first.net.state_dict()
    assert all(bool((value == second.net.state_dict()[key]).all()) for key, value in state.items())
    stretched = {key: value * 1.5 for key, value in state.items()}
    with pytest.raises(ModelError, match="Lipschitz bound"):
        restored(stretched, 8, "m.npz")
    with pytest.raises(ModelError, match="do not fit"):
        restored(state, 16, "m.npz")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three splits of small pictures, models of both families, a folder of nights and monitors of both."""
    folder = tmp_path_factory.mktemp("monitor")
    for split, count in (("train", 12), ("val", 10), ("test", 4)):
        write_split(folder, split, count)
    (folder / "night").mkdir()
    for number in range(6):
        write_picture(folder / "night" / f"{number}.png", scene([7, number], dark=True))
    for family in ("fcos", "lip-fcos"):
        write_model(folder / f"{family}.pt", family)
        shown = run(
            "fit", f"{family}.pt", "--steps", "3", "--keep", "looks", "--out", f"{family}.npz", at=folder
        )
        assert shown.exit_code == 0, shown.output
    return folder


def run(command: str, *options: str, at: Path) -> Result:
    """A command of lard monitor whose paths lie in a folder."""
    files = (".pt", ".npz", ".onnx")
    texts = [str(at / text) if text.endswith(files) or text in ("looks", "out") else text for text in options]
    return CliRunner().invoke(main, ["monitor", command, *texts, "--data", str(at)])


def refused(shown: Result, text: str) -> bool:
    """Whether a command ended with 2 and one line that holds a text."""
    assert shown.exit_code == 2, shown.output
    lines = [
        line
        for line in shown.stderr.splitlines()
        if line and not line.startswith(("look", "inside", "learn"))
    ]
    assert lines[-1].startswith(("lard:", "Error:")) and text in lines[-1], shown.stderr
    return True


def test_no_alarm_moves_by_more_than_its_constant(data: Path) -> None:
    """Noise, a brighter picture and a changed corner, against all alarms of a Lipschitz model."""
    checkpoint = load_detector(data / "lip-fcos.pt")
    monitor = read_monitor(data / "lip-fcos.npz")
    rng = np.random.default_rng(0)
    pictures = [scene([k]) for k in range(3)]
    changes = [
        lambda p: np.clip(p.astype(int) + rng.integers(-2, 3, p.shape), 0, 255),
        lambda p: np.clip(p.astype(int) + 9, 0, 255),
        lambda p: np.where(np.arange(SIDE_PX)[:, None, None] < 9, 255 - p, p),
    ]
    first, second, norms = [], [], []
    for picture in pictures:
        for change in changes:
            other = change(picture).astype(np.uint8)
            norms.append(np.linalg.norm((other.astype(float) - picture) / 255))
            first.append(look(checkpoint, picture, "a"))
            second.append(look(checkpoint, other, "b"))
    before, after = (monitor.alarms(looks, [""] * len(looks)) for looks in (first, second))
    for name in ALARMS:
        constants = before[name].constants
        assert constants is not None
        moved = np.abs(after[name].values - before[name].values)
        assert (moved <= constants * np.array(norms) * 1.0002).all(), name
        assert moved.max() > 1e-6, name
    plain = read_monitor(data / "fcos.npz")
    found = plain.alarms([look(load_detector(data / "fcos.pt"), pictures[0], "a")], [""])
    assert [name for name in ALARMS if found[name].constants is not None] == [DISTANCE]


def test_looks_agree_with_prediction_and_are_kept_whole(data: Path, tmp_path: Path) -> None:
    from lard.detect.config import PredictSpec
    from lard.detect.decode import detect

    checkpoint = load_detector(data / "lip-fcos.pt")
    picture = scene([11])
    one = look(checkpoint, picture, "a")
    boxes, scores = detect(checkpoint.net, picture, PredictSpec(score_floor=0.1, precision="float32"))
    assert (
        len(one.scores) > 3
        and np.allclose(one.scores, scores, atol=1e-5)
        and np.allclose(one.boxes, boxes, atol=1e-2)
    )
    own = np.log(one.scores / (1 - one.scores)) / 8 - np.log(0.1 / 0.9) / 8
    assert (one.support >= own - 1e-5).all(), "the cell that a detection comes from agrees with it"
    assert one.energy >= one.peak
    shots = read_shots(data, "test")[:2]
    made = list(looks_of(checkpoint, SHA, shots, tmp_path))
    kept = list(looks_of(checkpoint, SHA, shots, tmp_path))
    assert len(list(tmp_path.glob("*.npz"))) == 2
    for a, b in zip(made, kept, strict=True):
        assert (a.pooled == b.pooled).all() and (a.features == b.features).all() and a.gain == b.gain
    for path in tmp_path.glob("*.npz"):
        path.write_bytes(path.read_bytes()[:100])
    assert (next(looks_of(checkpoint, SHA, shots, tmp_path)).pooled == made[0].pooled).all()


def test_sets_are_drawn_evenly_and_changes_leave_the_file_alone(data: Path) -> None:
    shots = read_shots(data, "test")
    assert len(inside(shots)) == 24
    assert [len(spread(shots, 2)), len(limited(shots, 9)), len(limited(shots, None))] == [12, 9, 24]
    assert len({shot.airport for shot in limited(shots, 6)}) == 6
    plain = shots[0].pixels()
    for name in ("no runway", "rotated", "dirt"):
        other = changed(shots[:1], name)[0].pixels()
        assert other.shape == plain.shape and not np.array_equal(other, plain), name
    strip = plain[45:55, 38:46].astype(float).mean()
    dirty, bare = (changed(shots[:1], name)[0].pixels() for name in ("dirt", "no runway"))
    assert dirty[45:55, 38:46].astype(float).mean() == pytest.approx(strip, abs=2), "labels stay true"
    assert not np.array_equal(bare[45:55, 38:46], plain[45:55, 38:46])
    judged = [Shot(shot.picture, "IN_ODD" if k % 2 else "OUT_OF_ODD") for k, shot in enumerate(shots)]
    assert len(inside(judged)) == 12
    assert {name: len(own) for name, own in by_verdict("x", judged, 7).items()} == {
        "x, IN_ODD": 7, "x, OUT_OF_ODD": 7,
    }  # fmt: skip
    assert list(by_verdict("x", [Shot(shot.picture, NO_RUNWAY) for shot in shots], 7)) == ["x"]


def test_departures_change_one_condition_and_nothing_else() -> None:
    frames = pl.DataFrame(
        {
            "frame_id": [f"F{k}" for k in range(6)],
            "airport": ["EGLL", "EGLL", "EGLL", "FAOR", "FAOR", "KATL"],
            "split": ["test"] * 5 + ["train"],
            "lat_deg": [51.0, 51, 51, -26, -26, 34], "lon_deg": [0.0, 0, 0, 28, 28, -84],
            "day_of_year": [170.0] * 6, "local_time_h": [12.0] * 6, "sun_elevation_deg": [60.0] * 6,
            "sun_azimuth_deg": [180.0] * 6, "light": ["day"] * 6, "time_utc": ["2024-06-18T12:00:00Z"] * 6,
            "visibility_m": [30000.0] * 6,
        }
    )  # fmt: skip
    night = departed(frames, "night", "test", 4)
    assert night["airport"].to_list() == ["EGLL", "EGLL", "FAOR", "FAOR"]
    assert night["light"].to_list() == ["night"] * 4 and (night["sun_elevation_deg"] < -6).all()
    assert night["visibility_m"].to_list() == [30000.0] * 4
    fog = departed(frames, "fog", "test", 9)
    assert len(fog) == 5 and (fog["fog_visibility_m"] == 1500).all() and fog["light"].to_list() == ["day"] * 5
    with pytest.raises(Exception, match="no split 'val'"):
        departed(frames, "rain", "val", 3)


def test_the_command_writes_tables_that_can_be_rendered(tmp_path: Path) -> None:
    from lard.render.conditions import check_conditions
    from lard.tables import FRAMES, POSE, read_table

    odd = Path(__file__).parent.parent / "odd_specs" / "lard_v2.yaml"
    frames = str(tmp_path / "frames.parquet")
    drawn = [
        "scenario",
        "sample",
        "--odd",
        str(odd),
        "--airports",
        "LFPO,EHAM",
        "--n",
        "6",
        "--split",
        "test=EHAM",
    ]
    assert CliRunner().invoke(main, [*drawn, "--out", frames]).exit_code == 0
    out = tmp_path / "departures"
    shown = CliRunner().invoke(main, ["monitor", "departures", frames, "--out", str(out)])
    assert shown.exit_code == 0, shown.output
    before = read_table(frames, FRAMES, POSE)
    for path in sorted(out.iterdir()):
        table = read_table(path, FRAMES, POSE)
        assert check_conditions(table) == [] and set(table["airport"]) == {"EHAM"}, path
        own = before.filter(pl.col("frame_id").is_in(table["frame_id"].to_list())).sort("frame_id")
        assert table["yaw_deg"].to_list() == own["yaw_deg"].to_list()
    assert [path.stem for path in sorted(out.iterdir())] == ["fog", "haze", "night", "rain"]
    held = {path: path.read_bytes() for path in out.iterdir()}
    assert CliRunner().invoke(main, ["monitor", "departures", frames, "--out", str(out)]).exit_code == 0
    assert {path: path.read_bytes() for path in out.iterdir()} == held, "an earlier run's are written again"
    for foreign in (b"notes of somebody", Path(frames).read_bytes()):
        (out / "rain.parquet").write_bytes(foreign)
        shown = CliRunner().invoke(main, ["monitor", "departures", frames, "--n", "1", "--out", str(out)])
        assert shown.exit_code == 2 and "rain.parquet: holds no frames of an earlier run" in shown.output
        assert {path: path.read_bytes() for path in out.iterdir()} == held | {out / "rain.parquet": foreign}


def test_a_night_is_seen_and_the_document_says_at_what_price(data: Path) -> None:
    options = [
        "--domain",
        f"night={data / 'night'}",
        "--change",
        "rotated",
        "--keep",
        "looks",
        "--eps",
        "0.1,1",
    ]
    shown = run("score", "lip-fcos.npz", "lip-fcos.pt", *options, "--out", "out", at=data)
    assert shown.exit_code == 0, shown.output
    document = json.loads((data / "out" / "monitor.json").read_text())
    assert document["format"] == "lard-monitor" and set(document["outside"]) == {"rotated", "night"}
    assert document["inside"]["pictures"] == 24 and document["outside"]["night"]["pictures"] == 6
    night = document["outside"]["night"]["alarms"]
    assert night["mahalanobis"]["AUROC"] > 0.95 and night["mahalanobis"]["stopped"] == 1
    for row in night.values():
        bounds = [row["AUROC"], row["certified_AUROC"]["0.1"], row["certified_AUROC"]["1"]]
        assert bounds == sorted(bounds, reverse=True)
        assert row["AUROC_interval"][0] <= row["AUROC"] <= row["AUROC_interval"][1]
    for table in document["tables"]:
        assert (
            table["title"]
            and table["note"]
            and all(len(row) == len(table["columns"]) for row in table["rows"])
        )
    for picture in document["pictures"]:
        assert (data / "out" / picture["file"]).read_text().startswith("<svg")
    again = run("score", "lip-fcos.npz", "lip-fcos.pt", *options, "--out", "out", at=data)
    assert again.exit_code == 0 and json.loads((data / "out" / "monitor.json").read_text()) == document


def test_what_cannot_be_fitted_or_scored_is_told_in_one_line(data: Path, tmp_path: Path) -> None:
    (data / "x.onnx").write_bytes(b"x")
    assert refused(run("fit", "x.onnx", "--out", "o.npz", at=data), "no features")
    assert refused(run("fit", "fcos.pt", "--out", str(tmp_path / "o.pt"), at=data), "end its name in .npz")
    few = ("--val-per-airport", "5", "--keep", "looks", "--out", "o.npz")
    assert refused(
        run("fit", "fcos.pt", *few, at=data), "10 validation pictures cannot set a false-stop rate"
    )
    few = ("--per-airport", "5", "--keep", str(tmp_path / "none"), "--out", "o.npz")
    assert refused(run("fit", "fcos.pt", *few, at=data), "10 training pictures inside the domain")
    assert not (tmp_path / "none").exists(), "told before anything is looked at"
    assert not (data / "o.npz").exists()
    (data / "kept.npz").write_bytes(b"mine")
    assert refused(run("fit", "fcos.pt", "--out", "kept.npz", at=data), "would be written over")
    out = ("--out", str(tmp_path / "o"), "--keep", "looks")
    assert refused(run("score", "fcos.npz", "lip-fcos.pt", *out, at=data), "was fitted to fcos")
    assert refused(run("score", "fcos.npz", "fcos.pt", "--domain", "night", *out, at=data), "NAME=FOLDER")
    (tmp_path / "empty").mkdir()
    empty = f"none={tmp_path / 'empty'}"
    assert refused(run("score", "fcos.npz", "fcos.pt", "--domain", empty, *out, at=data), "no picture")
    (tmp_path / "tiny").mkdir()
    for k in range(5):
        write_picture(tmp_path / f"tiny/{k}.png", np.full((9, 80, 3), k, np.uint8))
    tiny = f"tiny={tmp_path / 'tiny'}"
    assert refused(
        run("score", "fcos.npz", "fcos.pt", "--domain", tiny, *out, at=data), "0.png: a picture of 9"
    )
    assert refused(run("score", "fcos.npz", "fcos.pt", "--eps", "1,nan", *out, at=data), "L2 norms")
    assert refused(run("score", "fcos.npz", "fcos.pt", "--change", "none", *out, at=data), "nothing outside")
    assert refused(
        run("score", "fcos.npz", "fcos.pt", "--split", "val", *out, at=data), "fitted or set on BIRK"
    )
    assert not (tmp_path / "o").exists()


def test_an_altered_file_is_refused(data: Path, tmp_path: Path) -> None:
    good = data / "lip-fcos.npz"
    with np.load(good) as stored:
        arrays = {name: stored[name] for name in stored.files}
    same = tmp_path / "same.npz"
    write_monitor(read_monitor(good), same)
    assert same.read_bytes() == good.read_bytes()

    def altered(**changes: object) -> Path:
        path = tmp_path / "altered.npz"
        np.savez(path, **{key: value for key, value in (arrays | changes).items() if value is not None})  # type: ignore[arg-type]
        return path

    def about(**changes: object) -> np.ndarray:
        return np.array(json.dumps(json.loads(str(arrays["about"])) | changes))

    faults = {
        "holds no finite": altered(mean=np.full_like(arrays["mean"], np.nan)),
    }
    for text, path in faults.items():
        with pytest.raises(ModelError, match=text):
            read_monitor(path)
    for text, change in (
        ("does not fit", {"whitening": arrays["whitening"][:-1]}),
        ("does not fit", {"mean": None}),
        ("description is missing", {"about": None}),
        ("expected 'lard-monitor-1'", {"about": about(format="other")}),
        ("model_sha256", {"about": about(model_sha256="x")}),
        ("thresholds of", {"about": about(thresholds={FIRING: 1.0})}),
        ("claims constant", {"about": about(distance_constant=0.5)}),
        ("not a monitor", {"about": np.array([{"code": 1}], dtype=object)}),
        ("widths must", {"widths": np.zeros(2)}),
    ):
        with pytest.raises(ModelError, match=text):
            read_monitor(altered(**change))
    with pytest.raises(ModelError, match="no such monitor"):
        read_monitor(tmp_path / "absent.npz")


def test_a_model_of_no_shape_of_the_monitor_and_shared_airports_are_refused(data: Path) -> None:
    checkpoint = load_detector(data / "fcos.pt")
    one = look(checkpoint, scene([1]), "a")
    seen = Seen([one] * 25, ["KATL"] * 25)
    with pytest.raises(Exception, match="KATL is in both splits"):
        fit("m", SHA, constant_of(checkpoint), seen, seen, 0.1, 1, 0)
    monitor = read_monitor(data / "fcos.npz")
    other = Monitor(
        "m", SHA, None, fit_gaussian(np.random.default_rng(0).normal(size=(30, 4))), monitor.centres,
        monitor.widths, monitor.distance, 0.1, {}, {}, {},
    )  # fmt: skip
    with pytest.raises(ModelError, match="give the model it was fitted to"):
        other.alarms([one], [""])
