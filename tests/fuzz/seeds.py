"""Valid inputs of every reader, small, written by the project's own writers wherever there is one."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import rasterio
import torch
from airports_support import row, write_csv
from click.testing import CliRunner
from PIL import Image
from quality_support import SIZE_PX, draw_picture, write_manifest

from lard.airports import load_shipped
from lard.cli import main
from lard.detect.checkpoint import exported, save_detector
from lard.detect.config import ModelSpec
from lard.detect.fcos import build
from lard.geodesy import ecef_from_geodetic
from lard.labels import label_frames
from lard.labels.dataset import describe
from lard.odd import load_spec
from lard.scenario import draw
from lard.scenario.formats_camera import SPHERE
from lard.tables import FRAMES, LABELS, write_json, write_table

AIRPORTS = ("BIRK", "KATL", "LFPO")
TINY_ODD = """\
name: tiny
version: "1"
description: A small domain.
camera: {width_px: 256, height_px: 256, fov_x_deg: 60}
approach: {lateral_deg: [-3, 3], vertical_deg: [1.8, 5.2], pitch_deg: [-15, 5], roll_deg: [-10, 10]}
zones:
  far: {along_track_m: [2500, 6000], yaw_offset_deg: [-24, 24]}
  close: {along_track_m: [280, 2500], yaw_offset_deg: {range: [-18.5, 18.5], law: uniform}}
environment:
  visibility_m: {range: [15000, 60000], law: log_uniform}
dqr:
  C01: {min_per_bin: 20}
"""
PARAMS = "models:\n  m: {base: fcos-s, steps: 20}\npredict: {split: val, score_floor: 0.4, max_boxes: 20}\n"
CARD = (
    "name: mine\nauthors: Someone\ndescription: A detector.\nparameters: 1000\nlatency_ms: 3.5\n"
    "score_threshold: 0.5\n"
)
WAIVERS = "waivers:\n  - {check: C01, subject: '*', reason: a tiny set, author: me, expires: 2099-12-31}\n"
APT = """\
I
1100 generated

1 30 0 0 XAAA Sample field
1302 icao_code XAAA
100 45.00 1 0 0.25 1 2 1 09 10.0 20.0 0.0 0.0 3 0 0 1 27 10.0 20.025 0.0 0.0 3 0 0 1
99
"""
ARCGIS = {
    "tileInfo": {
        "rows": 256, "cols": 256, "format": "JPEG",
        "origin": {"x": -20037508.342789244, "y": 20037508.342789244},
        "spatialReference": {"wkid": 102100},
        "lods": [{"level": 16, "resolution": 2.388657133911758, "scale": 9027.977411}],
    },
    "fullExtent": {
        "xmin": -20037508.34, "ymin": -20037508.34, "xmax": 20037508.34, "ymax": 20037508.34,
        "spatialReference": {"wkid": 102100},
    },
    "copyrightText": "me", "capabilities": "Map,Tilemap", "singleFusedMapCache": True,
}  # fmt: skip
WMTS = """\
<?xml version="1.0"?>
<Capabilities xmlns="http://www.opengis.net/wmts/1.0" xmlns:ows="http://www.opengis.net/ows/1.1">
<ows:ServiceProvider><ows:ProviderName>me</ows:ProviderName></ows:ServiceProvider>
<Contents><Layer><ows:Title>a</ows:Title><ows:Identifier>a</ows:Identifier><Style isDefault="true">
<ows:Identifier>default</ows:Identifier></Style><Format>image/jpeg</Format>
<TileMatrixSetLink><TileMatrixSet>g</TileMatrixSet></TileMatrixSetLink>
<ResourceURL format="image/jpeg" resourceType="tile" template="http://127.0.0.1/{TileMatrix}/{TileRow}/{TileCol}"/>
</Layer><TileMatrixSet><ows:Identifier>g</ows:Identifier>
<ows:SupportedCRS>urn:ogc:def:crs:EPSG::3857</ows:SupportedCRS><TileMatrix><ows:Identifier>16</ows:Identifier>
<ScaleDenominator>8530.918</ScaleDenominator><TopLeftCorner>-20037508.34 20037508.34</TopLeftCorner>
<TileWidth>256</TileWidth><TileHeight>256</TileHeight><MatrixWidth>65536</MatrixWidth>
<MatrixHeight>65536</MatrixHeight></TileMatrix></TileMatrixSet></Contents></Capabilities>
"""


def build_seeds(root: Path) -> None:
    """Write all seeds below a new folder."""
    root.mkdir(parents=True)
    _texts(root)
    _dataset(root / "ds", root)
    _airports(root)
    _scenarios(root)
    _models(root)
    _results(root)
    _carried(root)
    _annotated(root)
    _imagery(root)


def command(*arguments: object) -> None:
    """Run one of our commands; anything but success is an error of the seeds."""
    ran = CliRunner().invoke(main, [str(part) for part in arguments])
    assert ran.exit_code == 0, f"{arguments}: {ran.output} {ran.exception!r}"


def _texts(root: Path) -> None:
    for name, text in {
        "odd/tiny.yaml": TINY_ODD, "odd/plain.yaml": TINY_ODD.split("environment:")[0],
        "params/params.yaml": PARAMS, "card/card.yaml": CARD,
        "waivers/waivers.yaml": WAIVERS, "arcgis/arcgis.json": json.dumps(ARCGIS), "wmts/wmts.xml": WMTS,
    }.items():  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def _dataset(folder: Path, root: Path) -> None:
    """Six pictures of three airports, labelled, with COCO files."""
    spec, db = load_spec(root / "odd/tiny.yaml"), load_shipped()
    frames = draw(spec, db, AIRPORTS, 6, 1, split={"val": ["BIRK"], "test": ["KATL", "LFPO"]}).frames
    write_table(frames, folder / "frames.parquet", FRAMES)
    labels = label_frames(frames, db, spec)
    write_table(labels, folder / "labels.parquet", LABELS)
    write_json(describe("drawn", frames, db, spec, "tiny.yaml"), folder / "dataset.json")
    targets = dict(labels.filter(pl.col("is_target")).select("frame_id", "polygon").iter_rows())
    for entry in frames.iter_rows(named=True):
        name = str(entry["frame_id"])
        draw_picture(folder / "images" / f"{name}.jpg", entry, targets.get(name))
    write_manifest(folder)
    command("export", "coco", folder, "--out", root / "coco")
    (root / "coco").rename(folder / "coco")


def _airports(root: Path) -> None:
    codes = ",".join(AIRPORTS)
    for kind, name in (("lard-v1", "v1/v1.json"), ("lard-v2", "v2/v2.json"), ("table", "db")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        command("airports", "export", root / name, "--format", kind, "--airports", codes)
    for name in ("ourairports", "apt", "aptgz", "corrections"):
        (root / name).mkdir()
    write_csv(root / "ourairports" / "runways.csv", row(), row("XBBB", lat=20.0), row("XCCC", closed=1))
    (root / "apt" / "apt.dat").write_text(APT)
    (root / "aptgz" / "apt.dat.gz").write_bytes(gzip.compress(APT.encode(), mtime=0))
    command(
        "airports", "diff", root / "v1/v1.json", "shipped", "--corrections", root / "corrections/moves.csv"
    )


def _scenarios(root: Path) -> None:
    frames = root / "one" / "frames.parquet"
    frames.parent.mkdir()
    table = pl.read_parquet(root / "ds" / "frames.parquet")
    first = table.filter((pl.col("airport") == "BIRK") & (pl.col("runway") == table["runway"][0]))
    write_table(first, frames, FRAMES)
    for name, to in (("yaml1/v1.yaml", "v1"), ("yaml2/v2.yaml", "v2"), ("esp/s.esp", "esp")):
        (root / name).parent.mkdir()
        command("scenario", "convert", frames, root / name, "--to", to)
    places = ecef_from_geodetic(64.1 + np.arange(3) / 1000, -21.94, 300.0, SPHERE).tolist()
    steps = [
        {
            "position": dict(zip("xyz", places[k], strict=True)),
            "rotation": {"x": 80.0, "y": 10.0 + k, "z": 1.0},
            "coordinate": {"latitude": 64.1 + k / 1000, "longitude": -21.94, "altitude": 300.0},
            "fovVertical": 30.0,
        }
        for k in range(3)
    ]
    (root / "camera").mkdir()
    document = {"width": 192, "height": 108, "numFrames": 3, "cameraFrames": steps}
    (root / "camera" / "cam.json").write_text(json.dumps(document))
    (root / "footage").mkdir()
    for k in range(3):
        noise = np.random.default_rng(k).integers(0, 255, (12, 24, 3), np.uint8)
        picture = np.kron(noise, np.ones((9, 8, 1), np.uint8))
        Image.fromarray(picture).save(root / "footage" / f"shot_{k}.png")


def _models(root: Path) -> None:
    (root / "models").mkdir()
    torch.manual_seed(1)
    sizes = {"widths": (8, 16, 16), "depths": (1, 1, 1), "pyramid": 8, "towers": 1, "side_limits_px": (32,)}
    for name, more in (("fcos", {"family": "fcos"}), ("lip", {"family": "lip-fcos", "loss": "hinge"})):
        spec = ModelSpec.model_validate({**sizes, **more})
        path = root / "models" / f"{name}.pt"
        save_detector(exported(build(spec), spec), name, spec, {}, path)
    command(
        "export-model", root / "models/fcos.pt", "--out", root / "models/m.onnx", "--size",
        f"{SIZE_PX}x{SIZE_PX}",
    )  # fmt: skip


def _results(root: Path) -> None:
    """COCO results near the truth, a board with one of them, YOLO text of the same."""
    rng = np.random.default_rng(1)
    for split in ("val", "test"):
        truth = json.loads((root / f"ds/coco/{split}.json").read_text())
        rows = [
            {
                "image_id": note["image_id"], "category_id": note["category_id"], "score": 0.9 - 0.01 * k,
                "bbox": [*note["bbox"][:2], *(float(s * rng.uniform(0.8, 1)) for s in note["bbox"][2:])],
            }
            for k, note in enumerate(truth["annotations"])
        ]  # fmt: skip
        (root / split).mkdir()
        (root / split / "results.json").write_text(json.dumps(rows))
    data = root / "ds"
    command(
        "leaderboard", "add", root / "test/results.json", "--card", root / "card/card.yaml", "--data", data,
        "--board", root / "board",
    )  # fmt: skip
    (root / "yolo").mkdir()
    names = [Path(image["file_name"]).stem for image in truth["images"]]
    for name in names:
        (root / "yolo" / f"{name}.txt").write_text("0 0.5 0.5 0.1 0.2 0.9\n0 0.2 0.2 0.1 0.1 0.4\n")


def _carried(root: Path) -> None:
    """The dataset in a store, in tar shards, in tables by airport, and heat maps of it."""
    data = root / "ds"
    command("push", data, f"file://{root}/pushed")
    command("export", "webdataset", data, "--out", root / "tars")
    shutil.copytree(data, root / "parted")
    command("partition", root / "parted")
    command(
        "explain", root / "models/fcos.pt", "--data", data, "--n", "1", "--methods", "gradient",
        "--score", "0.01", "--out", root / "looks",
    )  # fmt: skip


def _annotated(root: Path) -> None:
    folder = root / "labelme"
    folder.mkdir()
    for k, suffix in enumerate(("png", "jpg")):
        pixels = np.random.default_rng(k).integers(0, 255, (90, 160, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"a{k}.{suffix}")
        shape = {"label": "runway 09L", "points": [[75, 30], [85, 30.2], [100, 70], [60, 69]], "flags": {}}
        box = {"label": "runway", "points": [[10, 20], [60, 40]], "shape_type": "rectangle"}
        shapes = [{**shape, "shape_type": "polygon", "group_id": None}, box]
        document = {
            "version": "5.5.0", "flags": {"night": True}, "shapes": shapes, "imagePath": f"a{k}.{suffix}",
            "imageData": None, "imageWidth": 160, "imageHeight": 90,
        }  # fmt: skip
        (folder / f"a{k}.json").write_text(json.dumps(document))
    (root / "names").mkdir()
    (root / "names" / "names.csv").write_text("icao,name,country\nXAAA,Sample field,FR\nXBBB,Other,FR\n")
    _sets(root)
    (root / "notes").mkdir()
    (root / "notes" / "notes.csv").write_text("image,airport,runway,weather\na0.png,LFBO,09L,rain\n")
    for version in ("v1", "v2"):
        command("export", "lard", root / "ds", "--version", version, "--out", root / f"lard{version}")


def _sets(root: Path) -> None:
    """The same picture and runway as COCO, YOLO and VOC have them."""
    corners = [75, 30, 85, 30.2, 100, 70, 60, 69]
    note = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [60, 30, 40, 40], "segmentation": [corners]}
    coco = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 160, "height": 90}],
        "annotations": [note, {**note, "id": 2, "keypoints": [1.5, 2] * 6, "airport": "LFBO"}],
        "categories": [{"id": 1, "name": "runway"}],
    }
    box = "<bndbox><xmin>60</xmin><ymin>30</ymin><xmax>100</xmax><ymax>70</ymax></bndbox>"
    runway = f"<object><name>runway</name>{box}</object>"
    size = "<size><width>160</width><height>90</height></size>"
    for name, text in {
        "cocoset/coco.json": json.dumps(coco),
        "yoloset/data.yaml": "path: .\ntest: .\nkpt_shape: [4, 2]\nnames: {0: runway}\n",
        "yoloset/a.txt": "0 0.5 0.5 0.3 0.4 0.4 0.3 0.6 0.3 0.6 0.7 0.4 0.7\n",
        "vocset/a.xml": f"<annotation><filename>a.jpg</filename>{size}{runway}</annotation>",
    }.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
        (root / name).with_name("a.jpg").write_bytes((root / "labelme" / "a1.jpg").read_bytes())


def _imagery(root: Path) -> None:
    """A folder of tiles around Reykjavik, and what is made of it: ground, cache, MBTiles, a raster."""
    tiles = root / "xyz"
    rng = np.random.default_rng(3)
    zoom, column, line = 13, 3596, 2178  # where BIRK lies
    for x in range(column - 2, column + 3):
        for y in range(line - 2, line + 3):
            path = tiles / str(zoom) / str(x) / f"{y}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (256, 256, 3), np.uint8)).save(path, compress_level=1)
    (root / "raster").mkdir()
    for name, kind, count, side in (("photo", "uint8", 3, 800), ("land", "float32", 1, 100)):
        place = rasterio.transform.from_bounds(-22.0, 64.105, -21.88, 64.155, side, side)
        coarse = rng.integers(1, 200, (count, side // 10, side // 10))
        options = {"driver": "GTiff", "width": side, "height": side, "count": count, "dtype": kind}
        with rasterio.open(
            root / "raster" / f"{name}.tif",
            "w",
            crs="EPSG:4326",
            transform=place,
            compress="deflate",
            **options,
        ) as file:
            file.write(np.kron(coarse, np.ones((1, 10, 10))).astype(kind))
    (root / "raster" / "terrain.json").write_text('{"unit": "m", "vertical_datum": "EGM96"}\n')
    (root / "mbtiles").mkdir()
    with sqlite3.connect(root / "mbtiles" / "a.mbtiles") as store:
        store.execute("create table metadata (name text, value text)")
        store.execute("create table tiles (zoom_level int, tile_column int, tile_row int, tile_data blob)")
        facts = {"name": "a", "format": "png", "minzoom": "13", "maxzoom": "13", "type": "baselayer"}
        store.executemany("insert into metadata values (?, ?)", facts.items())
        for path in sorted(tiles.rglob("*.png")):
            x, y = int(path.parent.name), int(path.stem)
            store.execute("insert into tiles values (?,?,?,?)", (zoom, x, 2**zoom - 1 - y, path.read_bytes()))
    store.close()
    command(
        "tiles", "fetch", "BIRK", "--source", f"raster:{root}/raster/photo.tif", "--gsd", "8",
        "--levels", "1", "--reach", "1500", "--licence", "a", "--attribution", "b",
        "--out", root / "ground", "--cache", root / "rastercache", "--allow-holes",
    )  # fmt: skip


def make(root: Path, say: Callable[[str], object] = print) -> Path:
    """The folder of seeds, made when it is not there yet."""
    if not (root / ".ready").is_file():
        say(f"making seeds in {root}")
        build_seeds(root)
        (root / ".ready").touch()
    return root
