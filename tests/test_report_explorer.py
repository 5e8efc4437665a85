"""What the explorer's pages hold against the tables, and what the command refuses."""

import io
import os
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from explorer_support import HOSTILE, data_of, facet, rows_of, write_findings, write_results, write_toy
from PIL import Image

from lard.airports import load_shipped
from lard.approach import runway_frame
from lard.camera import Poses
from lard.cli import main
from lard.errors import DataError
from lard.report.explorer import write_explorer
from lard.report.explorer_frames import APPROACH
from lard.report.explorer_thumbs import small_jpeg, thumb_name
from lard.score.evaluation import Evaluation
from lard.score.points import measured_at
from lard.score.truth import read_truth, truth_sha256
from lard.tables import FINDINGS, FRAMES, LABELS, POSE, read_json, sha256_file, write_json, write_table


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("explorer") / "data" / "toy set"
    write_toy(root)
    return root


@pytest.fixture(scope="module")
def plain(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of the dataset alone, written by the command."""
    out = tmp_path_factory.mktemp("plain") / "explorer"
    found = CliRunner().invoke(main, ["explore", str(toy), "--out", str(out), "--workers", "2"])
    assert found.exit_code == 0, found.output
    assert "24 frames in" in found.output
    return out


def bytes_below(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_pages_hold_what_the_tables_hold(toy: Path, plain: Path) -> None:
    data, rows = data_of(plain), rows_of(plain)
    frames = pl.read_parquet(toy / "frames.parquet").sort("frame_id")
    labels = pl.read_parquet(toy / "labels.parquet")
    assert data["frame_id"] == frames["frame_id"].to_list()
    for key in ("airport", "zone", "split", "weather"):
        assert facet(data, key) == [{value} for value in frames[key]]
    along = next(item["values"] for item in data["ranges"] if item["key"] == "along_track_m")
    assert along == pytest.approx(frames["along_track_m"].to_list(), rel=1e-5)
    for place, (name, row) in enumerate(zip(data["frame_id"], rows, strict=True)):
        own = labels.filter(pl.col("frame_id") == name)
        shown = [dict(zip(data["label_columns"], cells, strict=True)) for cells in row["labels"]]
        assert len(shown) == len(own) and shown[0]["is_target"]
        for label in shown:
            same = own.filter((pl.col("airport") == label["airport"]) & (pl.col("runway") == label["runway"]))
            stated = same.row(0, named=True)
            for column, value in label.items():
                expected = stated[column]
                number = isinstance(expected, float | list)
                assert value == (pytest.approx(expected, rel=1e-7, abs=1e-6) if number else expected)
        assert facet(data, "any_verdict")[place] == set(own["verdict"])
        picture = Path(os.path.normpath(plain / unquote(data["images"] + row["image"])))
        assert sha256_file(picture) == row["manifest"]["sha256"]
        with Image.open(plain / "thumbs" / thumb_name(place)) as thumb:
            assert thumb.size == (200, 200)


def test_horizons_and_neighbours(toy: Path, plain: Path) -> None:
    rows, frames = rows_of(plain), pl.read_parquet(toy / "frames.parquet").sort("frame_id")
    for row, frame in zip(rows, frames.iter_rows(named=True), strict=True):
        line = np.array(row["horizon"]).reshape(-1, 2)
        assert (np.diff(line[:, 0]) > 0).all()
        slope = np.degrees(np.arctan2(*(line[-1] - line[0])[::-1]))
        assert slope == pytest.approx(-frame["roll_deg"], abs=1.5)
    axes = ["along_track_m", "lateral_deg", "vertical_deg", "yaw_offset_deg", "pitch_deg", "roll_deg"]
    values = frames.select(axes).to_numpy()
    values[:, 0] = np.log1p(values[:, 0])
    values /= values.std(axis=0)
    far = np.linalg.norm(values[:, None] - values[None], axis=2) + np.diag(np.full(len(values), np.inf))
    for place, row in enumerate(rows):
        assert [k for k, _ in row["near"]] == np.argsort(far[place])[:6].tolist()
        assert [d for _, d in row["near"]] == pytest.approx(np.sort(far[place])[:6], abs=1e-3)


def test_the_map_shows_runways_and_cones_that_hold_the_cameras(toy: Path, plain: Path) -> None:
    data, db = data_of(plain), load_shipped()
    frames = pl.read_parquet(toy / "frames.parquet").sort("frame_id")
    assert [airport["code"] for airport in data["map"]["airports"]] == sorted(set(frames["airport"]))
    for airport in data["map"]["airports"]:
        assert sum(one["frames"] for one in airport["runways"]) == frames["airport"].to_list().count(
            airport["code"]
        )
        for one in airport["runways"]:
            runway = db.airport(airport["code"]).runway(one["ident"])
            assert one["ends"][0] == pytest.approx(runway.ltp[:2], abs=1e-5)
            if not one["cone"]:
                continue
            level = np.zeros(1)
            arc = [
                runway_frame(
                    runway, Poses(*(np.array([v]) for v in (*p, runway.ltp[2])), level, level, level)
                )
                for p in one["cone"][1:]
            ]
            angles = [float(np.arctan2(cross[0], along[0])) for along, cross, _ in arc]
            own = frames.filter((pl.col("airport") == airport["code"]) & (pl.col("runway") == one["ident"]))
            along, cross, _ = runway_frame(runway, Poses.from_frames(own))
            seen = np.arctan2(cross, along)
            assert (angles[0], angles[-1]) == pytest.approx((seen.min(), seen.max()), abs=1e-3)


def test_outcomes_are_those_of_the_scores_at_any_score(toy: Path, tmp_path: Path) -> None:
    rows = write_results(toy, tmp_path / "mine.json")
    write_explorer(toy, tmp_path / "e", results=[tmp_path / "mine.json"], score=0.5)
    data, details = data_of(tmp_path / "e"), rows_of(tmp_path / "e")
    model = data["models"][0]
    assert (model["name"], model["split"], model["score"], model["chosen"]) == ("mine", "test", 0.5, "stated")
    evaluation = Evaluation(read_truth(toy / "coco" / "test.json"), rows)
    in_split = [split == {"test"} for split in facet(data, "split")]
    assert model["judged"] == in_split
    for score in (0.0, 0.2, 0.41, 0.5, 0.72, 0.99):
        told = measured_at(evaluation, score)
        shown = [d for row in details for d in (row["detections"][0] or []) if d[4] >= score]
        assert sum(d[5] == 1 for d in shown) == told["found"]
        assert sum(d[5] == 0 for d in shown) == told["false_alarms"]
        for place in np.flatnonzero(in_split):
            mine = [d for d in details[place]["detections"][0] if d[4] >= score]
            assert (model["alarm"][place] >= score) == any(d[5] == 0 for d in mine)
            verdicts = [dict(zip(data["label_columns"], c, strict=True)) for c in details[place]["labels"]]
            required = [v for v in verdicts if v["verdict"] == "IN_ODD" and v["visible_fraction"] > 0]
            whole = len(required) == sum(d[5] == 1 for d in mine)
            assert (model["worst"][place] is None) == (not required)
            assert not required or (model["worst"][place] >= score) == whole


def test_results_are_judged_by_their_score_file(toy: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    write_results(toy, path)
    report = {
        "operating_point": {"score": 0.61, "chosen_on": "validation"},
        "results_sha256": sha256_file(path),
    }
    write_json(
        report | {"truth_sha256": truth_sha256(toy / "coco" / "test.json")}, tmp_path / "mine.score.json"
    )
    write_explorer(toy, tmp_path / "e", results=[path])
    model = data_of(tmp_path / "e")["models"][0]
    assert (model["score"], model["chosen"]) == (0.61, "operating point, chosen on validation")
    write_json(report | {"truth_sha256": "0" * 64}, tmp_path / "mine.score.json")
    with pytest.raises(DataError, match="scored on another dataset"):
        write_explorer(toy, tmp_path / "e", results=[path])
    write_json(report | {"results_sha256": "0" * 64}, tmp_path / "mine.score.json")
    with pytest.raises(DataError, match="of other results"):
        write_explorer(toy, tmp_path / "e", results=[path])


def test_a_split_without_frames_is_no_obstacle(toy: Path, tmp_path: Path) -> None:
    dataset, path = tmp_path / "d", tmp_path / "mine.json"
    shutil.copytree(toy, dataset)
    empty = read_json(dataset / "coco" / "test.json") | {"images": [], "annotations": []}
    write_json(empty, dataset / "coco" / "val.json")
    write_results(dataset, path)
    write_explorer(dataset, tmp_path / "e", results=[path])
    assert data_of(tmp_path / "e")["models"][0]["split"] == "test"


def test_findings_and_tables_are_joined_by_frame(toy: Path, tmp_path: Path) -> None:
    write_findings(toy, tmp_path / "findings.parquet")
    names = pl.read_parquet(toy / "frames.parquet")["frame_id"].sort().to_list()
    ids = [HOSTILE, HOSTILE, names[0], names[1], "?"]
    table = pl.DataFrame({"frame_id": ids, "radius": [2.0, 0.5, float("nan"), 1.5, 1.0]})
    table.with_columns(kind=pl.Series(["<u>", "b", None, "b", "b"])).write_csv(tmp_path / "certified.csv")
    written = write_explorer(
        toy, tmp_path / "e", findings=tmp_path / "findings.parquet", tables=[tmp_path / "certified.csv"]
    )
    assert "1 of 5 rows" in written.notes[0]
    data, rows = data_of(tmp_path / "e"), rows_of(tmp_path / "e")
    place = names.index(HOSTILE)
    assert facet(data, "finding")[place] == {"DQR-I01", "DQR-U01"}
    assert [row[6] for row in data["findings"]] == [-1, place, place]
    assert facet(data, "certified:kind")[place] == {"<u>", "b"}
    radius = next(item for item in data["ranges"] if item["key"] == "certified:radius")
    assert radius["values"][place] == 0.5  # the lowest of the frame's rows
    assert [value for value in radius["values"] if value is not None] == [1.5, 0.5]
    assert rows[place]["tables"] == [[[2.0, "<u>"], [0.5, "b"]]]


def test_the_same_bytes_each_time_and_others_stay(toy: Path, tmp_path: Path) -> None:
    write_explorer(toy, tmp_path / "a", workers=1)
    write_explorer(toy, tmp_path / "b", workers=3)
    assert bytes_below(tmp_path / "a") == bytes_below(tmp_path / "b")
    (tmp_path / "b" / "mine.txt").write_text("kept")
    write_explorer(toy, tmp_path / "b", copy_images=True)
    assert (tmp_path / "b" / "mine.txt").read_text() == "kept"
    data, rows = data_of(tmp_path / "b"), rows_of(tmp_path / "b")
    assert data["images"] == ""
    assert all((tmp_path / "b" / unquote(row["image"])).is_file() for row in rows)
    assert str(tmp_path) not in "".join(path.read_text() for path in (tmp_path / "b" / "data").iterdir())


def test_no_text_of_tables_becomes_markup(toy: Path, tmp_path: Path) -> None:
    write_findings(toy, tmp_path / "f.parquet")
    write_explorer(toy, tmp_path / "e", findings=tmp_path / "f.parquet")
    page = (tmp_path / "e" / "index.html").read_text()
    assert "<script>document" not in page and "&lt;script&gt;document" in page
    assert re.findall(r'<script[^>]*src="([^"]+)"', page)[0] == "data/frames.js"
    assert "http:" not in page and "https:" not in page
    for path in (tmp_path / "e" / "js").iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(|http", text
        )


def test_pictures_that_cannot_be_shown_are_told(toy: Path, tmp_path: Path) -> None:
    shutil.copytree(toy, tmp_path / "d")
    images = sorted((tmp_path / "d" / "images").iterdir())
    images[3].unlink()
    images[5].write_bytes(b"\xff\xd8\xff no picture")
    written = write_explorer(tmp_path / "d", tmp_path / "e", copy_images=True)
    assert "2 of 24 pictures cannot be shown" in written.notes[0]
    assert data_of(tmp_path / "e")["thumb"].count(False) == 2
    stream = io.BytesIO()
    Image.new("L", (300, 90)).save(stream, "PNG")
    (tmp_path / "grey.png").write_bytes(stream.getvalue())
    assert Image.open(io.BytesIO(small_jpeg(tmp_path / "grey.png"))).size == (200, 60)


def test_pictures_of_no_known_pose_are_shown_all_the_same(toy: Path, tmp_path: Path) -> None:
    shutil.copytree(toy, tmp_path / "d")
    (tmp_path / "d" / "manifest.parquet").unlink()
    for name, schema in (("frames", FRAMES), ("labels", LABELS)):
        table = pl.read_parquet(tmp_path / "d" / f"{name}.parquet")
        unknown = [c for c in {*POSE, *APPROACH, "verdict"} if c in table.columns and c != "earth_model"]
        table = table.with_columns(pl.lit(None, table.schema[column]).alias(column) for column in unknown)
        write_table(table, tmp_path / "d" / f"{name}.parquet", schema)
    write_explorer(tmp_path / "d", tmp_path / "e")
    data, rows = data_of(tmp_path / "e"), rows_of(tmp_path / "e")
    assert data["size"] == [[256, 256]] * 24
    assert (data["map"]["airports"], data["map"]["places"]) == ([], [None] * 24)
    assert all(row["horizon"] == row["near"] == [] and row["manifest"] is None for row in rows)
    assert [item["key"] for item in data["ranges"] if item["first"]] == ["visibility_m", "box_side_px"]


@pytest.mark.parametrize(
    "fault",
    [
        "absent",
        "unlabelled",
        "file",
        "foreign",
        "itself",
        "ids",
        "list",
        "told",
        "findings",
        "table",
        "object",
        "twice",
        "bare",
        "doubled",
    ],
)
def test_refusals_are_one_line(toy: Path, tmp_path: Path, fault: str) -> None:
    dataset, out, more = tmp_path / "d", tmp_path / "out", []
    shutil.copytree(toy, dataset, ignore=shutil.ignore_patterns("images"))
    if fault == "absent":
        dataset, expected = tmp_path / "none", "no such dataset folder"
    elif fault == "unlabelled":
        (dataset / "labels.parquet").unlink()
        expected = "labels.parquet missing"
    elif fault == "doubled":
        frames = pl.read_parquet(dataset / "frames.parquet")
        write_table(pl.concat([frames, frames[:1]]), dataset / "frames.parquet", FRAMES)
        expected = "stands in several rows"
    elif fault == "file":
        out.write_text("x")
        expected = "is a file"
    elif fault == "foreign":
        out.mkdir()
        (out / "index.html").write_text("somebody's page")
        expected = "holds other files"
    elif fault == "told":
        (dataset / "dataset.json").write_text("true")
        expected = "dataset.json"
    elif fault == "itself":
        out, expected = dataset, "which is read"
    elif fault in ("ids", "list", "object", "twice", "bare"):
        image = [{}] if fault == "list" else 777
        row = {"image_id": image, "category_id": 1, "bbox": [1, 1, 4, 3], "score": 0.5}
        write_json(row if fault == "object" else [row], tmp_path / "r.json")
        more, expected = ["--results", tmp_path / "r.json"], f"image_id {image} is of no split of"
        if fault == "object":
            expected = "expected a list of detections"
        if fault == "twice":
            more, expected = more * 2, "two files are named r"
        if fault == "bare":
            shutil.rmtree(dataset / "coco")
            expected = "lard export coco"
    elif fault == "findings":
        more, expected = ["--findings", dataset / "frames.parquet"], "check_id is missing"
    else:
        (tmp_path / "t.csv").write_text("frame_id,a\nnobody,1\n")
        more, expected = ["--table", tmp_path / "t.csv"], "none of its 1 rows"
    before = bytes_below(tmp_path)
    found = CliRunner().invoke(main, ["explore", str(dataset), "--out", str(out), *map(str, more)])
    assert found.exit_code == 2, found.output
    assert expected in found.output
    assert bytes_below(tmp_path) == before


def test_findings_of_runways_without_a_label_and_of_exports_reach_their_frames(
    toy: Path, tmp_path: Path
) -> None:
    name = pl.read_parquet(toy / "frames.parquet")["frame_id"].sort()[3]
    rows = [
        ("DQR-C08", "error", f"{name}:ZZZZ/36", 900.0, 0.0, "in the picture, not labelled"),
        ("DQR-T03", "error", f"coco:{name}:09", None, 0.0, "the runway is not in the export"),
        ("DQR-T03", "error", "coco:info", None, 0.0, "of no frame"),
    ]
    write_table(pl.DataFrame(rows, schema=dict(FINDINGS), orient="row"), tmp_path / "f.parquet", FINDINGS)
    write_explorer(toy, tmp_path / "e", findings=tmp_path / "f.parquet")
    data = data_of(tmp_path / "e")
    place = data["frame_id"].index(name)
    assert {row[2]: row[6] for row in data["findings"]} == {
        rows[0][2]: place,
        rows[1][2]: place,
        rows[2][2]: -1,
    }
    assert facet(data, "finding")[place] == {"DQR-C08", "DQR-T03"}


def test_what_all_frames_share_is_told_of_each(toy: Path, tmp_path: Path) -> None:
    shutil.copytree(toy, tmp_path / "one")
    frames = pl.read_parquet(toy / "frames.parquet").with_columns(zone=pl.lit("far"), split=pl.lit("test"))
    write_table(frames, tmp_path / "one" / "frames.parquet", FRAMES)
    write_explorer(tmp_path / "one", tmp_path / "e")
    data = data_of(tmp_path / "e")
    assert facet(data, "zone") == [{"far"}] * len(frames)
    assert facet(data, "split") == [{"test"}] * len(frames)


def test_a_picture_of_another_size_than_its_frame_states_is_told(toy: Path, tmp_path: Path) -> None:
    shutil.copytree(toy, tmp_path / "one")
    frames = pl.read_parquet(toy / "frames.parquet")
    size = frames.row(0, named=True)["width_px"], frames.row(0, named=True)["height_px"]
    picture = next(iter(sorted((tmp_path / "one" / "images").iterdir())))
    Image.new("RGB", (size[0] // 2, size[1])).save(picture)
    notes = write_explorer(tmp_path / "one", tmp_path / "e").notes
    assert len(notes) == 1
    assert "1 of 24 pictures" in notes[0]
    assert f"{picture.name} is {size[0] // 2}x{size[1]}, its frame {size[0]}x{size[1]}" in notes[0]


def write_looks(toy: Path, out: Path, models: tuple[str, ...] = ("fcos-s", "lip-fcos-s")) -> list[str]:
    """A folder as `lard explain` writes it, with a panel of every second picture of the test split."""
    truth = read_truth(toy / "coco" / "test.json")
    document = {
        "models": {name: {} for name in models},
        "split": "test",
        "truth_sha256": truth_sha256(toy / "coco" / "test.json"),
    }
    write_json(document, out / "explain.json")
    shown = truth["images"][::2]
    for model in models:
        for image in shown:
            panel = out / "gallery" / model / f"{image['id']}.png"
            panel.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (9, 7), (image["id"] % 256, len(model), 0)).save(panel)
    return [image["frame_id"] for image in shown]


def test_heat_maps_stand_beside_their_frames(toy: Path, tmp_path: Path) -> None:
    frames = write_looks(toy, tmp_path / "looks")
    write_explorer(toy, tmp_path / "out", explained=[tmp_path / "looks"])
    data, rows = data_of(tmp_path / "out"), rows_of(tmp_path / "out")
    numbers = {image["frame_id"]: image["id"] for image in read_truth(toy / "coco" / "test.json")["images"]}
    for name, row, models in zip(data["frame_id"], rows, facet(data, "explained"), strict=True):
        if name not in frames:
            assert (row["explained"], models) == ([], {"(none)"})
            continue
        assert [model for model, _ in row["explained"]] == ["fcos-s", "lip-fcos-s"]
        assert models == {"fcos-s", "lip-fcos-s"}
        for model, address in row["explained"]:
            panel = tmp_path / "looks" / "gallery" / model / f"{numbers[name]}.png"
            assert (tmp_path / "out" / unquote(address)).read_bytes() == panel.read_bytes()


def test_heat_maps_of_another_dataset_are_refused(toy: Path, tmp_path: Path) -> None:
    def refused(text: str) -> None:
        with pytest.raises(DataError, match=text):
            write_explorer(toy, tmp_path / "out", explained=[tmp_path / "looks"])
        assert not (tmp_path / "out").exists()

    refused(r"explain\.json: no such file")
    write_looks(toy, tmp_path / "looks")
    path = tmp_path / "looks" / "explain.json"
    document = read_json(path)
    for changed, text in (
        ({"truth_sha256": "0" * 64}, "of another dataset"),
        ({"split": "val"}, "of another dataset"),
        ({"split": "../../x"}, "split: not an explanation"),
        ({"models": {"../up": {}}}, "models: '../up' begins with a dot"),
        ({"models": []}, "not an explanation"),
    ):
        write_json(document | changed, path)
        refused(text)
    write_json(document, path)
    panel = next((tmp_path / "looks" / "gallery").rglob("*.png"))
    panel.unlink()
    panel.symlink_to(path)  # a file of any kind, which must not get into pages that are passed on
    refused("png.*explain again")
    shutil.rmtree(tmp_path / "looks" / "gallery")
    refused("no heat map of these frames")
