"""Defects of exported files, each written from clean tables and then spoilt."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from quality_defects import Change
from quality_defects import alone as defect

from lard.export.annotators import write_cvat, write_fiftyone, write_labelstudio
from lard.export.coco import write_coco
from lard.export.common import open_dataset
from lard.export.huggingface import write_huggingface
from lard.export.lard_folder import write_lard_folder
from lard.export.webdataset import write_webdataset
from lard.export.yolo import write_yolo
from lard.quality import Dataset
from lard.tables import write_json

Document = dict[str, Any]
SETS = ("train", "val", "test")


def coco_fault(
    name: str, sets: tuple[str, ...] = SETS, rle: bool = False
) -> Callable[[Callable[[Document], None]], None]:
    """Register a change of the COCO files of some sets."""

    def register(change: Callable[[Document], None]) -> None:
        def plant(data: Dataset) -> Dataset:
            folder = _coco(data, rle)
            for part in sets:
                path = folder / f"{part}.json"
                document = json.loads(path.read_text())
                change(document)
                write_json(document, path)
            return data

        defect("T03", f"COCO: {name}", files=True, few=True)(plant)

    return register


def _coco(data: Dataset, rle: bool = False) -> Path:
    assert data.frames is not None and data.labels is not None
    folder = data.root / "coco"
    write_coco(data.frames, data.labels, folder, data.meta, segmentation="rle" if rle else "polygon")
    data.exports = (folder,)
    return folder


def note_fault(
    name: str, sets: tuple[str, ...] = SETS, step: int = 1, **change: Callable[[Document], Any]
) -> None:
    """Register a change of fields of every step-th annotation."""

    def plant(document: Document) -> None:
        for note in document["annotations"][::step]:
            note.update({field: new(note) for field, new in change.items()})

    coco_fault(name, sets)(plant)


def _moved(px: float) -> Callable[[Document], Any]:
    return lambda n: [n["bbox"][0] + px, *n["bbox"][1:]]


note_fault("one box in a hundred 0.01 px to the right", step=100, bbox=_moved(0.01))
note_fault("boxes 3 px to the right, the test set", ("test",), bbox=_moved(3.0))
note_fault(
    "boxes as corners, the validation set",
    ("val",),
    bbox=lambda n: [*n["bbox"][:2], n["bbox"][0] + n["bbox"][2], n["bbox"][1] + n["bbox"][3]],
)
note_fault(
    "boxes by their centre",
    bbox=lambda n: [n["bbox"][0] + n["bbox"][2] / 2, n["bbox"][1] + n["bbox"][3] / 2, *n["bbox"][2:]],
)
note_fault("boxes normalised", bbox=lambda n: [v / 256 for v in n["bbox"]])
note_fault("boxes in whole pixels", bbox=lambda n: [int(v) for v in n["bbox"]])
note_fault("areas of the polygon's bounding circle", step=20, area=lambda n: n["area"] * 1.5)
note_fault("runways that are not required scored", iscrowd=lambda n: 0)
note_fault("required and ignored runways exchanged", ("test",), iscrowd=lambda n: 1 - n["iscrowd"])
note_fault("verdicts all IN_ODD", verdict=lambda n: "IN_ODD")
note_fault("corners in another order", keypoints=lambda n: n["keypoints"][3:] + n["keypoints"][:3])
note_fault(
    "corners half a pixel off, one in fifty",
    step=50,
    keypoints=lambda n: [
        v + 0.5 if k % 3 == 0 and n["keypoints"][k + 2] else v for k, v in enumerate(n["keypoints"])
    ],
)
note_fault(
    "visibility flags of corners lost",
    keypoints=lambda n: [2 if k % 3 == 2 else v for k, v in enumerate(n["keypoints"])],
)
note_fault(
    "polygons are the boxes",
    segmentation=lambda n: [
        [
            n["bbox"][0],
            n["bbox"][1],
            n["bbox"][0] + n["bbox"][2],
            n["bbox"][1] + n["bbox"][3],
            n["bbox"][0],
            n["bbox"][1] + n["bbox"][3],
        ]
    ],
)
note_fault("polygons lost, the test set", ("test",), segmentation=lambda n: [])
note_fault("distances in nautical miles", along_track_m=lambda n: n["along_track_m"] / 1852)
note_fault("visible fractions all 1", visible_fraction=lambda n: 1.0)
note_fault("another category", step=30, category_id=lambda n: 2)
note_fault(
    "runways named by their other end",
    step=10,
    runway=lambda n: f"{(int(n['runway'][:2]) + 17) % 36 + 1:02d}",
)
note_fault("targets not marked", is_target=lambda n: False)


@coco_fault("one annotation lost", ("test",))
def _(document: Document) -> None:
    del document["annotations"][5]


@coco_fault("annotations of one airport lost", ("test",))
def _(document: Document) -> None:
    document["annotations"] = [n for n in document["annotations"] if n["airport"] != "EGLL"]


@coco_fault("annotations twice", ("train",))
def _(document: Document) -> None:
    document["annotations"] += [dict(n, id=n["id"] + 10_000) for n in document["annotations"][:4]]


@coco_fault("annotations of another picture", ("val",))
def _(document: Document) -> None:
    ids = [n["image_id"] for n in document["annotations"]]
    for note, image in zip(document["annotations"], ids[7:] + ids[:7], strict=True):
        note["image_id"] = image


@coco_fault("one picture lost", ("val",))
def _(document: Document) -> None:
    lost = document["images"].pop(3)["id"]
    document["annotations"] = [n for n in document["annotations"] if n["image_id"] != lost]


@coco_fault("sizes exchanged with those of another camera", ("val",))
def _(document: Document) -> None:
    for image in document["images"]:
        image["width"] = 320


@coco_fault("file names of other pictures", ("test",))
def _(document: Document) -> None:
    names = [image["file_name"] for image in document["images"]]
    for image, name in zip(document["images"], names[1:] + names[:1], strict=True):
        image["file_name"] = name


@coco_fault("poses of other frames", ("train",))
def _(document: Document) -> None:
    poses = [image["pose"] for image in document["images"]]
    for image, pose in zip(document["images"], poses[1:] + poses[:1], strict=True):
        image["pose"] = pose


@coco_fault("focal length of another camera", ("test",))
def _(document: Document) -> None:
    for image in document["images"]:
        image["camera"]["fx_px"] *= 1.01


@coco_fault("image ids used in two files", ("val",))
def _(document: Document) -> None:
    first = min(image["id"] for image in document["images"])
    for part in (*document["images"], *document["annotations"]):
        key = "image_id" if "image_id" in part else "id"
        part[key] -= first - 1


@coco_fault("a second category listed", ("val",))
def _(document: Document) -> None:
    document["categories"].append({"id": 2, "name": "taxiway"})


@coco_fault("masks of other runways", ("test",), rle=True)
def _(document: Document) -> None:
    masks = [n["segmentation"] for n in document["annotations"]]
    for note, mask in zip(document["annotations"], masks[1:] + masks[:1], strict=True):
        note["segmentation"] = mask


@defect("T03", "COCO: file of a set missing", files=True, few=True)
def _(data: Dataset) -> Dataset:
    (_coco(data) / "val.json").unlink()
    return data


@defect("T03", "COCO: file torn", files=True, few=True)
def _(data: Dataset) -> Dataset:
    path = _coco(data) / "val.json"
    path.write_text(path.read_text()[:-2000])
    return data


@defect("T03", "COCO: test pictures in the training file", files=True, few=True)
def _(data: Dataset) -> Dataset:
    folder = _coco(data)
    one, two = (json.loads((folder / f"{name}.json").read_text()) for name in ("train", "test"))
    moved = {image["id"] for image in two["images"][:3]}
    for part, key in (("images", "id"), ("annotations", "image_id")):
        one[part] += [item for item in two[part] if item[key] in moved]
        two[part] = [item for item in two[part] if item[key] not in moved]
    write_json(one, folder / "train.json")
    write_json(two, folder / "test.json")
    return data


@defect("T03", "COCO: exported before the labels were made anew", files=True, few=True)
def _(data: Dataset) -> Dataset:
    _coco(data)
    assert data.labels is not None
    data.labels = data.labels.with_columns(pl.col("x_max_px") + 0.5)
    return data


def folder_fault(
    name: str, write: Callable[[Dataset, Path], Any]
) -> Callable[[Callable[[Path], None]], None]:
    """Register a change of an exported folder."""

    def register(change: Callable[[Path], None]) -> None:
        def plant(data: Dataset) -> Dataset:
            out = data.root / "out"
            write(data, out)
            change(out)
            data.exports = (out,)
            return data

        plant_it: Change = plant
        defect("T03", name, files=True, few=True)(plant_it)

    return register


def _yolo(task: str) -> Callable[[Dataset, Path], Any]:
    return lambda data, out: write_yolo(open_dataset(data.root), out, task)


def _lard(version: str) -> Callable[[Dataset, Path], Any]:
    return lambda data, out: write_lard_folder(open_dataset(data.root), out, version)


def _hf(data: Dataset, out: Path) -> None:
    write_huggingface(open_dataset(data.root), out)


def _wds(data: Dataset, out: Path) -> None:
    write_webdataset(open_dataset(data.root), out)


def _texts(out: Path) -> list[Path]:
    return sorted(path for path in out.glob("labels/*/*.txt") if path.stat().st_size)


def _edit_lines(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path.write_text("".join(" ".join(change(line.split())) + "\n" for line in path.read_text().splitlines()))


@folder_fault("YOLO: one box a hundredth of the picture off", _yolo("detect"))
def _(out: Path) -> None:
    _edit_lines(_texts(out)[9], lambda f: [f[0], str(float(f[1]) + 0.01), *f[2:]])


@folder_fault("YOLO: boxes as corners, the test set", _yolo("detect"))
def _(out: Path) -> None:
    for path in out.glob("labels/test/*.txt"):
        _edit_lines(path, lambda f: [f[0], *(str(float(f[k]) - float(f[k + 2]) / 2) for k in (1, 2)), *f[3:]])


@folder_fault("YOLO: another class", _yolo("detect"))
def _(out: Path) -> None:
    _edit_lines(_texts(out)[3], lambda f: ["1", *f[1:]])


@folder_fault("YOLO: labels of one frame lost", _yolo("detect"))
def _(out: Path) -> None:
    _texts(out)[3].write_text("")


@folder_fault("YOLO: a text file missing", _yolo("segment"))
def _(out: Path) -> None:
    _texts(out)[3].unlink()


@folder_fault("YOLO: labels of two pictures exchanged", _yolo("segment"))
def _(out: Path) -> None:
    one, two = _texts(out)[3:5]
    first = one.read_text()
    one.write_text(two.read_text())
    two.write_text(first)


@folder_fault("YOLO: corners of a pose exchanged", _yolo("pose"))
def _(out: Path) -> None:
    for path in _texts(out):
        _edit_lines(path, lambda f: [*f[:5], *f[8:11], *f[5:8], *f[11:]])


@folder_fault("YOLO: a test picture among the training pictures", _yolo("detect"))
def _(out: Path) -> None:
    picture = sorted(out.glob("images/test/*"))[0]
    text = out / "labels" / "test" / f"{picture.stem}.txt"
    for path in (picture, text):
        path.replace(Path(str(path).replace("/test/", "/train/")))


@folder_fault("YOLO: a picture replaced by another", _yolo("detect"))
def _(out: Path) -> None:
    one, two = sorted(out.glob("images/test/*"))[:2]
    content = one.read_bytes()
    two.unlink()
    two.write_bytes(content)


def _edit_csv(out: Path, **columns: pl.Expr) -> None:
    path = out / "dataset.csv"
    table = pl.read_csv(path, separator=";", infer_schema_length=None)
    table.with_columns(**columns).write_csv(path, separator=";")


@folder_fault("LARD V2: distances in km", _lard("v2"))
def _(out: Path) -> None:
    _edit_csv(out, slant_distance=pl.col("slant_distance") * 1.852)


@folder_fault("LARD V2: heights in metres", _lard("v2"))
def _(out: Path) -> None:
    _edit_csv(out, height_above_runway=pl.col("height_above_runway") * 0.3048)


@folder_fault("LARD V2: pitch from the horizon", _lard("v2"))
def _(out: Path) -> None:
    _edit_csv(out, pitch=pl.col("pitch") - 90)


@folder_fault("LARD V2: left and right corners exchanged", _lard("v2"))
def _(out: Path) -> None:
    _edit_csv(out, x_TL=pl.col("x_TR"), x_TR=pl.col("x_TL"))


@folder_fault("LARD V2: corners rounded up", _lard("v2"))
def _(out: Path) -> None:
    _edit_csv(out, y_BL=pl.col("y_BL") + 1)


@folder_fault("LARD V2: rows lost", _lard("v2"))
def _(out: Path) -> None:
    path = out / "dataset.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:40] + lines[44:]))


@folder_fault("LARD V2: runways named by their other end", _lard("v2"))
def _(out: Path) -> None:
    path = out / "dataset.csv"
    path.write_text(path.read_text().replace(";09L;", ";27R;"))


@folder_fault("LARD V1: lateral angles of the other sign", _lard("v1"))
def _(out: Path) -> None:
    _edit_csv(out, lateral_path_angle=-pl.col("lateral_path_angle"))


@folder_fault("LARD V1: a corner moved", _lard("v1"))
def _(out: Path) -> None:
    _edit_csv(out, x_A=pl.col("x_A") + 2)


def _edit_records(out: Path, change: Callable[[Document], None], split: str = "test") -> None:
    path = out / "data" / split / "metadata.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        change(record)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


@folder_fault("Hugging Face: boxes as corners", _hf)
def _(out: Path) -> None:
    def corners(record: Document) -> None:
        record["objects"]["bbox"] = [[x, y, x + w, y + h] for x, y, w, h in record["objects"]["bbox"]]

    _edit_records(out, corners)


@folder_fault("Hugging Face: one object lost", _hf)
def _(out: Path) -> None:
    def shortened(record: Document) -> None:
        record["objects"] = {name: values[1:] for name, values in record["objects"].items()}

    _edit_records(out, shortened, "validation")


@folder_fault("Hugging Face: columns of objects of several lengths", _hf)
def _(out: Path) -> None:
    _edit_records(out, lambda record: record["objects"]["verdict"].append("IN_ODD"))


@folder_fault("Hugging Face: roll of the other sign", _hf)
def _(out: Path) -> None:
    _edit_records(out, lambda record: record.update(roll_deg=-record["roll_deg"]))


@folder_fault("Hugging Face: pictures under other names", _hf)
def _(out: Path) -> None:
    one, two = sorted((out / "data" / "test").glob("*.jpg"))[:2]
    one.replace(out / "kept")
    two.replace(one)
    (out / "kept").replace(two)


@folder_fault("WebDataset: a shard torn", _wds)
def _(out: Path) -> None:
    path = sorted(out.glob("*.tar"))[0]
    path.write_bytes(path.read_bytes()[: 512 * 31 + 77])


@folder_fault("WebDataset: records of other pictures", _wds)
def _(out: Path) -> None:
    path = sorted(out.glob("val*.tar"))[0]
    with tarfile.open(path) as tar:
        entries = [(entry, (tar.extractfile(entry) or io.BytesIO()).read()) for entry in tar]
    records = [content for entry, content in entries if entry.name.endswith("json")]
    rotated = iter(records[1:] + records[:1])
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for entry, content in entries:
            new = next(rotated) if entry.name.endswith("json") else content
            entry.size = len(new)
            tar.addfile(entry, io.BytesIO(new))


def _replaced(name: str, pairs: dict[str, str], place: str = "data.yaml", task: str = "pose") -> None:
    """Register a description of a YOLO folder in which texts are replaced."""

    @folder_fault(f"YOLO: {name}", _yolo(task))
    def _(out: Path) -> None:
        text = (out / place).read_text()
        for old, new in pairs.items():
            assert old in text, old
            text = text.replace(old, new)
        (out / place).write_text(text)


_replaced("data.yaml trains on the test pictures", {"train: images/train": "train: images/test"})
_replaced(
    "data.yaml validates on the training pictures", {"val: images/val": "val: images/train"}, task="detect"
)
_replaced("data.yaml names a folder that is not there", {"images/val": "images/valid"}, task="segment")
_replaced("data.yaml states a path elsewhere", {"train: ": "path: /datasets/runways\ntrain: "})
_replaced("data.yaml without a test set", {"test: images/test\n": ""}, task="detect")
_replaced("data.yaml mirrors corners into themselves", {"[1, 0, 3, 2]": "[0, 1, 2, 3]"})
_replaced("data.yaml mirrors corners across the threshold", {"[1, 0, 3, 2]": "[3, 2, 1, 0]"})
_replaced("data.yaml without the mirrored corners", {"flip_idx: [1, 0, 3, 2]\n": ""})
_replaced("data.yaml of two numbers per corner", {"kpt_shape: [4, 3]": "kpt_shape: [4, 2]"})
_replaced("data.yaml of five corners", {"kpt_shape: [4, 3]": "kpt_shape: [5, 3]"})
_replaced("data.yaml of another class", {"0: runway": "0: taxiway"}, task="detect")
_replaced("data.yaml of two classes, the runway second", {"0: runway": "0: sky\n  1: runway"}, task="detect")
_replaced("data.yaml counts from one", {"0: runway": "1: runway"}, task="segment")
_replaced("data.yaml says two classes", {"names:": "nc: 2\nnames:"}, task="detect")
_replaced("data.yaml is no YAML", {"names:": "names: ["}, task="detect")


@coco_fault("skeleton across the runway", ("train",))
def _(document: Document) -> None:
    document["categories"][0]["skeleton"] = [[1, 3], [2, 4]]


@coco_fault("keypoints named in another order", ("val",))
def _(document: Document) -> None:
    document["categories"][0]["keypoints"].reverse()


@coco_fault("info of another set", ("test",))
def _(document: Document) -> None:
    document["info"]["split"] = "train"


@coco_fault("info of another runway database")
def _(document: Document) -> None:
    document["info"]["runway_db_version"] = "1999.1"


@coco_fault("info of another camera", ("val",))
def _(document: Document) -> None:
    document["info"]["camera"] = {"width_px": 640, "height_px": 640, "fov_x_deg": 45.0}


note_fault("number of corners all four", ("test",), num_keypoints=lambda n: 3)


def _written_over(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, old
    path.unlink()
    path.write_text(text.replace(old, new))


@folder_fault("Hugging Face: README gives the test files as validation", _hf)
def _(out: Path) -> None:
    _written_over(out / "README.md", "path: data/validation/**", "path: data/test/**")


@folder_fault("Hugging Face: README without the test set", _hf)
def _(out: Path) -> None:
    _written_over(out / "README.md", "  - split: test\n    path: data/test/**\n", "")


@folder_fault("Hugging Face: README counts other frames", _hf)
def _(out: Path) -> None:
    _written_over(out / "README.md", "| train | ", "| train | 1")


@folder_fault("Hugging Face: objects of the Croissant file moved", _hf)
def _(out: Path) -> None:
    path = out / "objects" / "test.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["bbox"][0] += 1.0
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@folder_fault("Hugging Face: an object of the Croissant file lost", _hf)
def _(out: Path) -> None:
    _edit_lines(out / "objects" / "train.jsonl", lambda lines: lines[:-1])


def _croissant(name: str, change: Callable[[Document], None]) -> None:
    @folder_fault(f"Croissant: {name}", _hf)
    def _(out: Path) -> None:
        document = json.loads((out / "croissant.json").read_text())
        change(document)
        write_json(document, out / "croissant.json")


def _set(of: Document, key: str, value: Any) -> None:
    of[key] = value


_croissant("hash of another file", lambda d: _set(d["distribution"][0], "sha256", "0" * 64))
_croissant("a file that is not there", lambda d: _set(d["distribution"][0], "contentUrl", "data/x.jsonl"))
_croissant("pictures of another set", lambda d: _set(d["distribution"][2], "includes", "data/test/*.jpg"))
_croissant(
    "a column that is not there",
    lambda d: _set(d["recordSet"][0]["field"][8]["source"]["extract"], "column", "focal_px"),
)
_croissant(
    "latitude read from longitude",
    lambda d: _set(d["recordSet"][0]["field"][12]["source"]["extract"], "column", "lon_deg"),
)
_croissant("text where numbers are", lambda d: _set(d["recordSet"][0]["field"][12], "dataType", "sc:Text"))
_croissant("records of the test set left out", lambda d: d["recordSet"].pop())


def _cvat(data: Dataset, out: Path) -> None:
    write_cvat(open_dataset(data.root), out)


def _studio(data: Dataset, out: Path) -> None:
    write_labelstudio(open_dataset(data.root), out)


def _fiftyone(data: Dataset, out: Path) -> None:
    write_fiftyone(open_dataset(data.root), out)


@folder_fault("CVAT: another number of pictures stated", _cvat)
def _(out: Path) -> None:
    _written_over(out / "annotations.xml", "<size>", "<size>1")


@folder_fault("CVAT: polygons of a label that the task does not know", _cvat)
def _(out: Path) -> None:
    _written_over(out / "annotations.xml", '<polygon label="runway"', '<polygon label="taxiway"')


@folder_fault("CVAT: the task knows another label", _cvat)
def _(out: Path) -> None:
    _written_over(out / "annotations.xml", "<label><name>runway", "<label><name>taxiway")


@folder_fault("Label Studio: the configuration knows another label", _studio)
def _(out: Path) -> None:
    _written_over(out / "config.xml", 'value="runway"', 'value="strip"')


@folder_fault("FiftyOne: other classes stated", _fiftyone)
def _(out: Path) -> None:
    _written_over(out / "metadata.json", '"runway"', '"taxiway"')
