"""Every reader: the command that reads, the seed that is damaged for it, and how."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fuzz.mutate import Mutator, of_bytes, of_cells, of_json, of_text, of_yaml, zipped
from fuzz.mutate_binary import (
    of_checkpoint,
    of_onnx,
    of_parquet,
    of_picture,
    of_raster,
    of_sqlite,
    of_tar,
)

JSON: tuple[Mutator, ...] = (of_json, of_json, of_json, of_bytes, of_text)
YAML: tuple[Mutator, ...] = (of_yaml, of_yaml, of_yaml, of_bytes, of_text)
CELLS: tuple[Mutator, ...] = (of_cells, of_cells, of_cells, of_bytes, of_text)
TEXT: tuple[Mutator, ...] = (of_text, of_bytes)
PARQUET: tuple[Mutator, ...] = (of_parquet, of_parquet, of_parquet, of_parquet, of_bytes)


SLOW = (
    ("dqr run CASE/ds --odd", 8), ("dqr run CASE", 4), ("--reference", 4), ("leaderboard build", 4),
    ("mbtiles:", 4),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reader:
    """A command line and the seed (below the seeds' root) that is damaged; its top folder is copied whole.

    In the command, CASE is the folder of the damaged copy, SEEDS that of the valid ones, OUT an empty one.
    """

    seed: str
    command: str
    mutators: tuple[Mutator, ...]
    keeps: bool = False  # what it could read is written although it exits with 2, as its help says

    @property
    def every(self) -> int:
        """Rounds from one run to the next: commands that take a second or more run in fewer of them."""
        return next((rounds for part, rounds in SLOW if part in self.command), 1)

    @property
    def name(self) -> str:
        """What tells readers apart in reports: the seed's file and the words of the command."""
        words = [part for part in self.command.split() if part.isalpha() and part.islower()]
        return f"{self.seed}: {' '.join(words[:2])}"


_DATA = "--data SEEDS/ds"
_MODEL = "SEEDS/models/fcos.pt"
_TARGET = "--airport BIRK --runway 01"
_CELL = "--gsd 8 --levels 1 --reach 1500 --licence a --attribution b --allow-holes --out OUT/g --cache OUT/c"

_DATASET = (
    "label CASE/ds --odd SEEDS/odd/tiny.yaml --out OUT/l.parquet",
    "dqr run CASE/ds --odd SEEDS/odd/tiny.yaml --workers 1 --out OUT/x",
    "export coco CASE/ds --out OUT/x",
    "export yolo CASE/ds --task pose --out OUT/x",
    "export lard CASE/ds --version v1 --out OUT/x",
    "export lard CASE/ds --version v2 --out OUT/x",
    "export huggingface CASE/ds --out OUT/x",
    "export webdataset CASE/ds --out OUT/x",
    "export card CASE/ds --out OUT/x.md",
    "inspect CASE/ds --out OUT/x.jpg --n 2 --tile-px 64",
    "explore CASE/ds --workers 1 --out OUT/x",
)


def cases(seed: int, first: int = 0, only: str = "") -> Iterator[tuple[int, int]]:
    """Number of every case of a seed and its reader's index, in rounds of all that are due; never other ones.

    `first` and `only` leave cases out and give none another number.
    """
    known, number = list(readers()), -1
    for turn in itertools.count():
        due = [k for k, reader in enumerate(known) if (turn + k) % reader.every == 0]
        for k in np.random.default_rng([seed, turn, 1]).permutation(due):
            number += 1
            if number >= first and only in f"{known[k].seed} {known[k].command}":
                yield number, int(k)


def readers() -> Iterator[Reader]:
    """All readers."""
    yield from _tables()
    yield from _coco()
    yield from _domains()
    yield from _runways()
    yield from _scenarios()
    yield from _models()
    yield from _carried()
    yield from _foreign()
    yield from _imagery()


def _tables() -> Iterator[Reader]:
    for seed in ("ds/frames.parquet", "ds/labels.parquet"):
        for command in _DATASET:
            yield Reader(seed, command, PARQUET)
    for command in (
        "odd coverage CASE/ds --odd SEEDS/odd/tiny.yaml --json OUT/x.json",
        "scenario fill CASE/ds --odd SEEDS/odd/tiny.yaml --airports BIRK --t 1 --bins 2 --out OUT/x.parquet",
        "scenario convert CASE/ds/frames.parquet OUT/x.esp",
        "tiles verify SEEDS/ground --frames CASE/ds/frames.parquet",
        "footage SEEDS/ds/images --poses CASE/ds/frames.parquet --out OUT/x",
    ):
        yield Reader("ds/frames.parquet", command, PARQUET)
    yield Reader("one/frames.parquet", "scenario convert CASE/one/frames.parquet OUT/x.yaml --to v1", PARQUET)
    for command in (_DATASET[1], _DATASET[6], _DATASET[8]):
        yield Reader("ds/manifest.parquet", command, PARQUET)
    for command in (_DATASET[0], _DATASET[1], _DATASET[2], _DATASET[6], _DATASET[8], _DATASET[10]):
        yield Reader("ds/dataset.json", command, JSON)
    for command in (_DATASET[1], _DATASET[3], _DATASET[9]):
        yield Reader("ds/images/BIRK_19_close_0000.jpg", command, (of_picture,))


def _coco() -> Iterator[Reader]:
    for command in (
        "score SEEDS/test/results.json --data CASE/ds --out OUT/s.json",
        f"predict {_MODEL} --data CASE/ds --out OUT/p.json",
        "dqr run CASE/ds/coco/test.json --workers 1 --out OUT/x",
        "leaderboard convert SEEDS/yolo --data CASE/ds --out OUT/p.json",
    ):
        yield Reader("ds/coco/test.json", command, JSON)
    yield Reader("test/results.json", f"score CASE/test/results.json {_DATA} --out OUT/s.json", JSON)
    walk = "explore SEEDS/ds --results CASE/test/results.json --workers 1 --out OUT/x"
    yield Reader("test/results.json", walk, JSON)
    yield Reader(
        "val/results.json",
        f"conform CASE/val/results.json SEEDS/test/results.json {_DATA} --score 0 --alpha 0.5"
        " --unit runway --out OUT/x",
        JSON,
    )
    add = f"leaderboard add SEEDS/test/results.json --card CASE/card/card.yaml {_DATA} --board OUT/b"
    yield Reader("card/card.yaml", add, YAML)
    build = f"leaderboard build {_DATA} --board CASE/board --out OUT/x"
    yield Reader("board/mine/score.json", build, JSON)
    yield Reader("board/mine/results.json", build, JSON)
    name = "KATL_09L_close_0000.txt"
    yield Reader(f"yolo/{name}", f"leaderboard convert CASE/yolo {_DATA} --out OUT/p.json", CELLS)


def _domains() -> Iterator[Reader]:
    for command in (
        "odd check CASE/odd/tiny.yaml",
        "odd show CASE/odd/tiny.yaml",
        "odd diff CASE/odd/tiny.yaml SEEDS/odd/tiny.yaml",
        "odd openodd CASE/odd/tiny.yaml --out OUT/x.yaml",
        "init OUT/p --airport BIRK --odd CASE/odd/tiny.yaml",
        "scenario sample --odd CASE/odd/tiny.yaml --airports BIRK --n 4 --seed 1 --out OUT/f.parquet",
    ):
        yield Reader("odd/tiny.yaml", command, YAML)
    predict = f"predict {_MODEL} {_DATA} --config CASE/params/params.yaml --out OUT/p.json"
    yield Reader("params/params.yaml", predict, YAML)
    only = "--odd SEEDS/odd/tiny.yaml --only C01 --workers 1 --out OUT/x"
    dqr = f"dqr run SEEDS/ds --waivers CASE/waivers/waivers.yaml {only}"
    yield Reader("waivers/waivers.yaml", dqr, YAML)


def _runways() -> Iterator[Reader]:
    for seed, mutators in (
        ("v1/v1.json", JSON), ("v2/v2.json", JSON), ("ourairports/runways.csv", CELLS),
        ("apt/apt.dat", CELLS),
        ("aptgz/apt.dat.gz", (zipped(of_text),)), ("db/runways.csv", CELLS), ("db/airports.csv", CELLS),
        ("db/database.json", JSON),
    ):  # fmt: skip
        place = "CASE/db" if seed.startswith("db/") else f"CASE/{seed}"
        yield Reader(seed, f"airports check {place}", mutators)
        yield Reader(seed, f"airports import {place} --out OUT/x", mutators)
    yield Reader("v1/v1.json", "airports diff CASE/v1/v1.json SEEDS/v2/v2.json", JSON)
    names = "airports import SEEDS/ourairports/runways.csv --names CASE/names/names.csv --out OUT/x"
    yield Reader("names/names.csv", names, CELLS)
    reference = "--reference CASE/ourairports/runways.csv --only A06 --workers 1 --out OUT/x"
    yield Reader("ourairports/runways.csv", f"dqr run SEEDS/ds {reference}", CELLS)
    yield Reader(
        "v2/v2.json",
        "label SEEDS/ds --odd SEEDS/odd/tiny.yaml --runways CASE/v2/v2.json --out OUT/l.parquet",
        JSON,
    )
    moves = "airports export OUT/x.geojson --format geojson --corrections CASE/corrections/moves.csv"
    yield Reader("corrections/moves.csv", moves, CELLS)


def _scenarios() -> Iterator[Reader]:
    for seed, more, mutators in (
        ("yaml1/v1.yaml", "", YAML), ("yaml2/v2.yaml", "", YAML), ("esp/s.esp", _TARGET, JSON),
        ("camera/cam.json", _TARGET, JSON),
    ):  # fmt: skip
        yield Reader(seed, f"scenario convert CASE/{seed} OUT/x.parquet {more}", mutators)
        yield Reader(
            seed, f"label CASE/{seed} --odd SEEDS/odd/plain.yaml --out OUT/x.parquet {more}", mutators
        )
    yield Reader("yaml2/v2.yaml", "scenario convert CASE/yaml2/v2.yaml OUT/x.esp", YAML)
    yield Reader("esp/s.esp", f"scenario convert CASE/esp/s.esp OUT/x.yaml --to v2 {_TARGET}", JSON)
    match = f"footage CASE/footage --poses SEEDS/camera/cam.json --match index {_TARGET} --out OUT/x"
    yield Reader("footage/shot_1.png", match, (of_picture,))


def _models() -> Iterator[Reader]:
    checkpoint = (of_checkpoint,)
    yield Reader("models/fcos.pt", f"predict CASE/models/fcos.pt {_DATA} --out OUT/p.json", checkpoint)
    certify = f"certify CASE/models/lip.pt {_DATA} --split val --limit 1 --score 0.01"
    yield Reader("models/lip.pt", certify, checkpoint)
    yield Reader("models/m.onnx", f"predict CASE/models/m.onnx {_DATA} --out OUT/p.json", (of_onnx,))
    picture = f"predict {_MODEL} CASE/footage/shot_0.png --out OUT/p.json --draw OUT/d"
    yield Reader("footage/shot_0.png", picture, (of_picture,), keeps=True)


def _carried() -> Iterator[Reader]:
    """Datasets in a store, in tar shards and in tables by airport, and heat maps beside them."""
    for seed, mutators in (
        ("pushed/contents.parquet", PARQUET),
        ("pushed/dataset.json", JSON),
        ("pushed/labels.parquet", PARQUET),
    ):
        yield Reader(seed, "pull file://CASE/pushed OUT/x", mutators, keeps=True)
        yield Reader(seed, "export coco file://CASE/pushed --out OUT/x", mutators)
    for seed, mutators in (
        ("tars/test-000000.tar", (of_tar,)), ("tars/tables/manifest.parquet", PARQUET),
        ("tars/tables/frames.parquet", PARQUET), ("tars/tables/dataset.json", JSON),
    ):  # fmt: skip
        yield Reader(seed, "import webdataset CASE/tars --out OUT/x", mutators)
    walk = f"predict {_MODEL} --data CASE/tars --out OUT/p.json"
    yield Reader("tars/test-000000.tar", walk, (of_tar,))
    yield Reader("tars/coco/test.json", walk, JSON)
    for name in ("frames", "labels", "manifest"):
        seed = f"parted/{name}.parquet/airport=KATL/part-0.parquet"
        yield Reader(seed, "export coco CASE/parted --out OUT/x", PARQUET)
        yield Reader(seed, "dqr run CASE/parted --odd SEEDS/odd/tiny.yaml --workers 1 --out OUT/x", PARQUET)
    walk = "explore SEEDS/ds --explained CASE/looks --workers 1 --out OUT/x"
    yield Reader("looks/explain.json", walk, JSON)
    yield Reader("looks/gallery/fcos/2.png", walk, (of_picture,))


def _foreign() -> Iterator[Reader]:
    yield Reader("labelme/a0.json", "annotated CASE/labelme --airport LFBO --out OUT/x", JSON)
    yield Reader("labelme/a0.png", "annotated CASE/labelme --airport LFBO --out OUT/x", (of_picture,))
    notes = "annotated SEEDS/labelme --notes CASE/notes/notes.csv --out OUT/x"
    yield Reader("notes/notes.csv", notes, CELLS)
    for version in ("v1", "v2"):
        folder = f"lard{version}"
        yield Reader(f"{folder}/dataset.csv", f"dqr run CASE/{folder} --workers 1 --out OUT/x", CELLS)
        inspect = f"inspect CASE/{folder} --out OUT/x.jpg --n 2 --tile-px 64"
        yield Reader(f"{folder}/dataset.csv", inspect, CELLS)
        yield Reader(
            f"{folder}/dataset.csv", f"import lard-{version} CASE/{folder} --split test --out OUT/x", CELLS
        )
    for name, mutators in (("coco.json", JSON), ("a.jpg", (of_picture,))):
        yield Reader(f"cocoset/{name}", "import coco CASE/cocoset --split test --out OUT/x", mutators)
    for name, mutators in (("data.yaml", YAML), ("a.txt", CELLS)):
        yield Reader(f"yoloset/{name}", "import yolo CASE/yoloset --split test --out OUT/x", mutators)
    yield Reader("vocset/a.xml", "import voc CASE/vocset --split test --out OUT/x", TEXT)
    yield Reader("lardv1/dataset.csv", "annotated CASE/lardv1/dataset.csv --out OUT/x", CELLS)


def _imagery() -> Iterator[Reader]:
    yield Reader("ground/BIRK/manifest.json", "tiles verify CASE/ground", JSON)
    yield Reader("ground/BIRK/manifest.json", "tiles info CASE/ground/BIRK", JSON)
    for seed, kind, mutators in (
        ("raster/photo.tif", "raster", (of_raster,)), ("mbtiles/a.mbtiles", "mbtiles", (of_sqlite,)),
    ):  # fmt: skip
        yield Reader(seed, f"tiles fetch BIRK --source {kind}:CASE/{seed} {_CELL}", mutators)
    report = "terrain report BIRK --dem CASE/raster/land.tif --out OUT/x.csv"
    yield Reader("raster/land.tif", report, (of_raster,))
    yield Reader("raster/terrain.json", report, JSON)
    start = "init OUT/p --airport BIRK --ground CASE/raster/photo.tif --licence a --attribution b"
    yield Reader("raster/photo.tif", start, (of_raster,))
    for seed, kind, mutators in (("arcgis/arcgis.json", "arcgis", JSON), ("wmts/wmts.xml", "wmts", TEXT)):
        address = f"{kind}:SERVER/{seed}" + ("#layer=a" if kind == "wmts" else "/rest/services/N/MapServer")
        yield Reader(seed, f"tiles info {address} --allow-host HOST --cache OUT/c", mutators)
