"""Every export is read back: by pycocotools, and by the other formats' own readers where installed."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from click.testing import CliRunner
from labels_support import grey_dataset
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from tars_support import rewritten

from lard.cli import main
from lard.errors import DataError
from lard.export.common import open_dataset, staged_folder
from lard.export.lard_folder import type_of_pictures
from lard.intake.lard_csv import read_lard_csv
from lard.intake.lard_tables import labels_of_lard
from lard.labels.masks import rle_mask
from lard.tables import FRAMES, MANIFEST, write_json, write_table

SPEC = Path(__file__).parents[1] / "odd_specs" / "lard_v2.yaml"
N = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of small grey pictures."""
    return grey_dataset(tmp_path_factory.mktemp("data") / "toy", N, (200.0, 5000.0))


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result.output


def seen(folder: Path, split: str | None = None) -> pl.DataFrame:
    dataset = open_dataset(folder)
    labels = dataset.labels.filter(pl.col("visible_fraction") > 0)
    if split:
        chosen = dataset.frames.filter(pl.col("split") == split)["frame_id"].to_list()
        labels = labels.filter(pl.col("frame_id").is_in(chosen))
    return labels


def load(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


@pytest.mark.parametrize("segmentation", ["polygon", "rle"])
def test_coco_is_read_by_pycocotools(folder: Path, tmp_path: Path, segmentation: str) -> None:
    run("export", "coco", folder, "--out", tmp_path / "coco", "--segmentation", segmentation)
    ids: set[int] = set()
    for split in ("train", "val", "test"):
        coco = load(tmp_path / "coco" / f"{split}.json")
        labels = seen(folder, split)
        assert len(coco.anns) == len(labels)
        assert not ids & set(coco.imgs)
        ids |= set(coco.imgs)
        keys = {(coco.imgs[a["image_id"]]["frame_id"], a["runway"]): a for a in coco.anns.values()}
        for row in labels.iter_rows(named=True):
            a = keys[row["frame_id"], row["runway"]]
            box = (row["x_min_px"], row["y_min_px"], row["x_max_px"] - row["x_min_px"],
                   row["y_max_px"] - row["y_min_px"])  # fmt: skip
            assert a["bbox"] == pytest.approx(box, abs=1e-6)
            assert a["area"] == pytest.approx(box[2] * box[3], abs=1e-5)
            assert a["iscrowd"] == (row["verdict"] != "IN_ODD")
            assert a["num_keypoints"] == sum(row[f"x_{c}_px"] is not None for c in ("tl", "tr", "br", "bl"))
            mask = coco.annToMask(a)
            assert mask.shape == (192, 256)
            ys, xs = np.nonzero(mask)
            if len(xs):  # the rasteriser rounds to pixels
                assert xs.min() >= box[0] - 1 and xs.max() <= box[0] + box[2] + 1
                assert ys.min() >= box[1] - 1 and ys.max() <= box[1] + box[3] + 1


def test_perfect_boxes_score_one_and_ignorable_ones_do_not_count(folder: Path, tmp_path: Path) -> None:
    run("export", "coco", folder, "--out", tmp_path / "coco")
    truth = load(tmp_path / "coco" / "train.json")
    required = [a for a in truth.anns.values() if not a["iscrowd"]]
    assert required and len(required) < len(truth.anns)
    results = [
        {"image_id": a["image_id"], "category_id": 1, "bbox": a["bbox"], "score": 1.0}
        for a in truth.anns.values()
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        scored = COCOeval(truth, truth.loadRes(results), "bbox")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    assert scored.stats[0] == pytest.approx(1.0)


@pytest.mark.parametrize("column", ["height_m", "slant_m", "lateral_deg", "x_tl_px", "polygon", "x_max_px"])
@pytest.mark.parametrize(
    "command",
    [("lard", "--version", "v1"), ("lard", "--version", "v2"), ("coco",), ("yolo",), ("webdataset",)],
)
def test_no_unit_makes_a_label_infinite(
    folder: Path, tmp_path: Path, column: str, command: tuple[str, ...]
) -> None:
    """The largest floats are finite in metres and pixels, and not in feet, in squares or as whole numbers."""
    copy = tmp_path / "data"
    shutil.copytree(folder, copy)
    path = copy / "labels.parquet"
    labels = pl.read_parquet(path)
    kind, value = labels.schema[column], [1e308] * 6 if column == "polygon" else 1e308
    labels.with_columns(pl.Series(column, [value] * len(labels), dtype=kind)).write_parquet(path)
    said = run("export", command[0], copy, "--out", tmp_path / "out", *command[1:], code=2)
    assert f"{path}: {column} of " in said and "is 1e+308, expected" in said
    assert [part.name for part in tmp_path.iterdir()] == ["data"]


def test_coco_bytes_do_not_change(folder: Path, tmp_path: Path) -> None:
    contents = []
    for k in range(2):
        run("export", "coco", folder, "--out", tmp_path / f"coco{k}")
        contents.append((tmp_path / f"coco{k}" / "train.json").read_bytes())
    assert contents[0] == contents[1]
    image = json.loads(contents[0])["images"][0]
    assert set(image["camera"]) == {"fx_px", "fy_px", "cx_px", "cy_px"} and "yaw_deg" in image["pose"]


@pytest.mark.parametrize("task", ["detect", "segment", "pose"])
def test_yolo_reads_back(folder: Path, tmp_path: Path, task: str) -> None:
    run("export", "yolo", folder, "--out", tmp_path / "yolo", "--task", task)
    config = yaml.safe_load((tmp_path / "yolo" / "data.yaml").read_text())
    assert config["names"] == {0: "runway"} and "path" not in config
    total = 0
    for split in ("train", "val", "test"):
        images = sorted((tmp_path / "yolo" / config[split]).glob("*.jpg"))
        labels = seen(folder, split)
        for image in images:
            lines = (tmp_path / "yolo" / "labels" / split / f"{image.stem}.txt").read_text().splitlines()
            rows = labels.filter(pl.col("frame_id") == image.stem).sort("runway").to_dicts()
            assert len(lines) == len(rows)
            for line, row in zip(lines, rows, strict=True):
                values = np.array(line.split(), float)
                assert values[0] == 0 and (values[1:] >= 0).all()
                total += 1
                if task == "segment":
                    pixels = values[1:].reshape(-1, 2) * (256, 192)
                    assert pixels.ravel() == pytest.approx(row["polygon"], abs=1e-4)
                    continue
                x, y, w, h = values[1:5] * (256, 192, 256, 192)
                corners = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
                expected = [row[k] for k in ("x_min_px", "y_min_px", "x_max_px", "y_max_px")]
                assert corners == pytest.approx(expected, abs=1e-4)
                if task == "pose":
                    points = values[5:].reshape(4, 3)
                    assert (points[:, :2] <= 1).all() and set(points[:, 2]) <= {0.0, 2.0}
    assert total == len(seen(folder))
    if task == "pose":
        assert config["kpt_shape"] == [4, 3] and config["flip_idx"] == [1, 0, 3, 2]


@pytest.mark.parametrize(
    ("source", "kind"), [("flightgear", "flight_simulator"), ("xplane", "xplane"), ("ortho", "ortho")]
)
def test_the_type_of_a_lard_table_is_that_of_its_pictures(
    folder: Path, tmp_path: Path, source: str, kind: str
) -> None:
    dataset = open_dataset(folder)
    frames = dataset.frames["frame_id"].to_list()
    manifest = pl.DataFrame({"frame_id": frames, "source": source})
    found = type_of_pictures(replace(dataset, manifest=manifest))
    assert found == kind
    mixed = manifest.with_columns(
        source=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("a")).otherwise("source")
    )
    with pytest.raises(DataError, match=r"pictures of 2 sources .*state it with --type"):
        type_of_pictures(replace(dataset, manifest=mixed))
    with pytest.raises(DataError, match="no such file"):
        type_of_pictures(replace(dataset, manifest=None))


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_lard_folder_reads_back_and_can_be_inspected(folder: Path, tmp_path: Path, version: str) -> None:
    run("export", "lard", folder, "--out", tmp_path / "lard", "--version", version)
    table = read_lard_csv(tmp_path / "lard" / "dataset.csv")
    assert all((tmp_path / "lard" / name).is_file() for name in table["image"])
    dataset = open_dataset(folder)
    held = dataset.labels.filter(~pl.col("behind"))
    held = held.filter("is_target") if version == "v1" else held
    assert len(table) == len(held)
    back = labels_of_lard(table)
    assert back["frame_id"].to_list() == held["frame_id"].to_list()
    shift = np.abs(back["x_min_px"].to_numpy() - held["x_min_px"].to_numpy())
    assert np.nanmax(shift) <= 1.0  # whole pixels
    assert back["along_track_m"].to_list() == pytest.approx(held["along_track_m"].abs().to_list(), abs=10)
    run("inspect", tmp_path / "lard", "--out", tmp_path / "sheet.png", "--n", 6, "--tile-px", 128)
    assert Image.open(tmp_path / "sheet.png").width == 512


def test_huggingface_folder(folder: Path, tmp_path: Path) -> None:
    run("export", "huggingface", folder, "--out", tmp_path / "hf")
    rows = 0
    for split in ("train", "validation", "test"):
        part = tmp_path / "hf" / "data" / split
        for line in (part / "metadata.jsonl").read_text().splitlines():
            record = json.loads(line)
            assert (part / record["file_name"]).is_file()
            assert len({len(column) for column in record["objects"].values()}) == 1
            rows += len(record["objects"]["bbox"])
    assert rows == len(seen(folder))
    card = (tmp_path / "hf" / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert front["configs"][0]["data_files"][1]["split"] == "validation"
    assert f"{N} cockpit views" in card and "| toy | 1 | MIT | nobody | 20 |" in card


def test_huggingface_folder_by_datasets(folder: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    run("export", "huggingface", folder, "--out", tmp_path / "hf")
    loaded = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path / "hf"), cache_dir=str(tmp_path / "cache")
    )
    assert {k: len(v) for k, v in loaded.items()} == {
        {"val": "validation"}.get(k, k): len(v) for k, v in open_dataset(folder).splits.items()
    }
    row = loaded["train"][0]
    assert row["image"].size == (256, 192)
    labels = seen(folder, "train").filter(pl.col("frame_id") == row["frame_id"])
    assert sorted(row["objects"]["runway"]) == labels["runway"].to_list()


def test_croissant_by_mlcroissant(folder: Path, tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    run("export", "huggingface", folder, "--out", tmp_path / "hf")
    described = mlcroissant.Dataset(jsonld=tmp_path / "hf" / "croissant.json")
    assert not described.metadata.ctx.issues.errors
    records = list(described.records(record_set="train"))
    assert len(records) == len(open_dataset(folder).splits["train"])
    names = {record["train/frame_id"] for record in records}
    assert {name.decode() for name in names} == set(open_dataset(folder).splits["train"]["frame_id"])
    assert all(record["train/image"].size == (256, 192) for record in records)
    boxes = [record["train_objects/bbox"] for record in described.records(record_set="train_objects")]
    assert len(boxes) == len(seen(folder, "train")) and all(len(box) == 4 for box in boxes)


def test_croissant_describes_pictures_and_boxes(folder: Path, tmp_path: Path) -> None:
    """Every name that the description uses is there: columns in the tables, files below the folder."""
    run("export", "huggingface", folder, "--out", tmp_path / "hf")
    described = json.loads((tmp_path / "hf/croissant.json").read_text())
    files = {entry["@id"]: entry for entry in described["distribution"]}
    ids = set(files) | {field["@id"] for records in described["recordSet"] for field in records["field"]}
    kinds = set()
    for records in described["recordSet"]:
        assert records["key"]["@id"] in ids
        for field in records["field"]:
            kinds.add(field["dataType"])
            source = field["source"]
            if "fileSet" in source:
                assert list((tmp_path / "hf").glob(files[source["fileSet"]["@id"]]["includes"]))
                continue
            table = tmp_path / "hf" / files[source["fileObject"]["@id"]]["contentUrl"]
            assert source["extract"]["column"] in json.loads(table.read_text().splitlines()[0])
            if "references" in field:
                assert (field["references"].get("fileSet") or field["references"]["field"])["@id"] in ids
    assert {"sc:ImageObject", "cr:BoundingBox"} <= kinds
    objects = [json.loads(line) for line in (tmp_path / "hf/objects/train.jsonl").read_text().splitlines()]
    assert len(objects) == len(seen(folder, "train")) == len({row["object_id"] for row in objects})


def test_yolo_works_from_any_folder_and_says_what_is_missing(folder: Path, tmp_path: Path) -> None:
    """Without `path` Ultralytics looks beside data.yaml; it refuses to train without train and val."""
    dataset = tmp_path / "d"
    shutil.copytree(folder, dataset)
    frames = pl.read_parquet(dataset / "frames.parquet").with_columns(split=pl.lit("test"))
    write_table(frames, dataset / "frames.parquet", FRAMES)
    write_json(
        json.loads((dataset / "dataset.json").read_text()) | {"name": "a\npath: /"}, dataset / "dataset.json"
    )
    said = run("export", "yolo", dataset, "--out", tmp_path / "yolo")
    assert "no train and no val frames" in said
    text = (tmp_path / "yolo/data.yaml").read_text()
    assert yaml.safe_load(text) == {"test": "images/test", "names": {0: "runway"}}
    assert "# train: has no frames" in text and "# val: has no frames" in text


def test_cards_escape_what_they_are_given(folder: Path, tmp_path: Path) -> None:
    """Names and licences from elsewhere are text on the card, not Markdown, HTML or YAML."""
    dataset = tmp_path / "d"
    shutil.copytree(folder, dataset)
    name = "x\n---\nlicense: mit\n# [a](javascript:b) <img src=c> *d* \u2028"
    info = json.loads((dataset / "dataset.json").read_text())
    (dataset / "dataset.json").write_text(json.dumps(info | {"name": name, "earth_model": "<b>|"}))
    manifest = pl.read_parquet(dataset / "manifest.parquet").with_columns(
        licence=pl.lit("MIT | [x](y)\n\n# new"), attribution=pl.lit("<script>")
    )
    write_table(manifest, dataset / "manifest.parquet", MANIFEST)
    run("export", "huggingface", dataset, "--out", tmp_path / "hf")
    text = (tmp_path / "hf/README.md").read_text()
    front = yaml.safe_load(text.split("\n---\n")[0])
    assert front["license"] == "other" and front["pretty_name"].startswith("x --- license: mit # [a]")
    body = text.split("\n---\n", 1)[1]
    for markup in ("<img", "<script", "<b>", "*d*", "\n# new", "\nlicense: mit"):
        assert markup not in body, markup
    assert r"\[a\](javascript:b)" in body and r"MIT \| \[x\](y) # new" in body
    json.loads((tmp_path / "hf/croissant.json").read_text())


def test_webdataset_shards(folder: Path, tmp_path: Path) -> None:
    for k in range(2):
        run("export", "webdataset", folder, "--out", tmp_path / f"w{k}", "--shard-size", 3)
    shards = sorted(path.name for path in (tmp_path / "w0").glob("*.tar"))
    assert shards[0] == "test-000000.tar" and len(shards) == 7
    found = 0
    for name in shards:
        assert (tmp_path / "w0" / name).read_bytes() == (tmp_path / "w1" / name).read_bytes()
        with tarfile.open(tmp_path / "w0" / name) as tar:
            members = tar.getmembers()
            assert all(a.name[:-4] == b.name[:-5] for a, b in zip(members[::2], members[1::2], strict=True))
            for member in members[1::2]:
                record = json.load(tar.extractfile(member))  # type: ignore[arg-type]
                found += len(record["objects"])
                for item in record["objects"]:
                    assert rle_mask(item["mask_rle"]).shape == (192, 256)
    assert found == len(seen(folder))


def test_webdataset_by_its_reader(folder: Path, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    run("export", "webdataset", folder, "--out", tmp_path / "w")
    read = webdataset.WebDataset(str(tmp_path / "w" / "train-000000.tar"), shardshuffle=False).decode("pil")
    samples = list(read)
    assert [s["__key__"] for s in samples] == open_dataset(folder).splits["train"]["frame_id"].to_list()
    assert samples[0]["jpg"].size == (256, 192) and "objects" in samples[0]["json"]


def test_webdataset_of_a_size_comes_back(folder: Path, tmp_path: Path) -> None:
    """Shards hold at most the bytes asked for; the dataset made of them has the bytes that it had."""
    pictures = sum(path.stat().st_size for path in (folder / "images").iterdir())
    run("export", "webdataset", folder, "--out", tmp_path / "w", "--shard-mb", 0.1)
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "w").glob("*.tar")}
    assert max(sizes.values()) <= 100_000 < sum(sizes.values()) and len(sizes) < N, "several frames a shard"
    assert sum(sizes.values()) > pictures
    keys = []
    for name in sorted(sizes):
        with tarfile.open(tmp_path / "w" / name) as tar:
            assert {(m.mtime, m.uid, m.uname, m.mode) for m in tar} == {(0, 0, "", 0o644)}
            keys += [m.name[:-4] for m in tar if m.name.endswith(".jpg")]
    assert sorted(keys) == sorted(open_dataset(folder).frames["frame_id"])
    assert f"{N} frames" in run("import", "webdataset", tmp_path / "w", "--out", tmp_path / "back")
    for path in folder.rglob("*"):
        if path.is_file():
            assert (tmp_path / "back" / path.relative_to(folder)).read_bytes() == path.read_bytes()
    assert (tmp_path / "back/coco/test.json").is_file()


def test_frames_larger_than_a_shard_are_told_once(folder: Path, tmp_path: Path) -> None:
    dataset = Path(shutil.copytree(folder, tmp_path / "d"))
    name = open_dataset(dataset).frames["frame_id"][0]
    picture = dataset / "images" / f"{name}.jpg"
    picture.write_bytes(picture.read_bytes() + bytes(200_000))
    said = run("export", "webdataset", dataset, "--out", tmp_path / "w", "--shard-mb", 0.1)
    assert said.count("note:") == 1 and f"--shard-mb 0.1 have a tar each; the largest, {name}, " in said
    largest = max(path.stat().st_size for path in (tmp_path / "w").glob("*.tar"))
    assert f"of {largest / 1e6:.3g} MB" in said
    said = run("export", "webdataset", dataset, "--out", tmp_path / "v", "--shard-mb", 1)
    assert "note:" not in said


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda rows: rows[2:], "pictures are in no shard"),
        (lambda rows: [*rows, rows[0]], "is in the shards twice"),
        (lambda rows: [*rows, ("../../x.jpg", b"x")], "is no frame of"),
        (lambda rows: [(rows[0][0], rows[0][1] + b"x"), *rows[1:]], "is another than the manifest states"),
        (None, "train-000000.tar: "),
    ],
)
def test_shards_that_are_not_whole(folder: Path, tmp_path: Path, change: Any, text: str) -> None:
    run("export", "webdataset", folder, "--out", tmp_path / "w")
    path = tmp_path / "w" / "train-000000.tar"
    if change is None:
        path.write_bytes(path.read_bytes()[:700])
    else:
        rewritten(path, change)
    assert text in run("import", "webdataset", tmp_path / "w", "--out", tmp_path / "back", code=2)
    assert not (tmp_path / "back").exists()


def test_card_counts_what_is_there(folder: Path, tmp_path: Path) -> None:
    run("export", "card", folder, "--out", tmp_path / "card.md")
    text = (tmp_path / "card.md").read_text()
    assert "KXYZ are in more than one" in text  # the toy data are split by runway
    frames = open_dataset(folder).frames
    assert f"| train | {(frames['split'] == 'train').sum()} |" in text


def test_inspect_draws_filters_and_single_frames(folder: Path, tmp_path: Path) -> None:
    frame = open_dataset(folder).frames["frame_id"][0]
    run("inspect", folder, "--frame", frame, "--out", tmp_path / "one.png")
    assert Image.open(tmp_path / "one.png").size == (256, 192)
    drawn = np.array(Image.open(tmp_path / "one.png"), int)
    plain = np.array(Image.open(folder / "images" / f"{frame}.jpg"), int)
    assert np.abs(drawn - plain).max() > 50
    run(
        "inspect",
        folder,
        "--zone",
        "far",
        "--verdict",
        "IN_ODD",
        "--out",
        tmp_path / "far.jpg",
        "--tile-px",
        100,
    )
    message = run("inspect", folder, "--zone", "near", "--out", tmp_path / "x.jpg", code=2)
    assert "no zone near in this dataset; it has close, far, medium" in message
    message = run("inspect", folder, "--frame", "nope", "--out", tmp_path / "x.jpg", code=2)
    assert "no frame 'nope'" in message
    assert not (tmp_path / "x.jpg").exists()


def test_exports_refuse_what_is_broken(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    assert "is not an empty folder" in run("export", "yolo", folder, "--out", tmp_path / "full", code=2)
    assert "no such dataset folder" in run(
        "export", "yolo", tmp_path / "none", "--out", tmp_path / "o", code=2
    )
    assert "missing" in run("export", "coco", tmp_path / "full", "--out", tmp_path / "o", code=2)
    name = open_dataset(folder).frames["frame_id"][3]
    image = folder / "images" / f"{name}.jpg"
    kept = image.read_bytes()
    image.unlink()
    try:
        output = run("export", "webdataset", folder, "--out", tmp_path / "o", code=2)
        assert f"1 of {N} images are missing" in output and not (tmp_path / "o").exists()
    finally:
        image.write_bytes(kept)


def test_a_failed_export_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError), staged_folder(tmp_path / "out") as folder:
        (folder / "half").write_text("x")
        raise DataError("stop")
    assert list(tmp_path.iterdir()) == []
