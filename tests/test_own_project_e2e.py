"""README's chain for an own airport, photo, domain and YOLO detector, run as it is written there."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from pipeline_support import STATISTICS_OF_A_FEW_FRAMES
from pyproj import Transformer
from rasterio.transform import from_origin
from ruamel.yaml import YAML

from lard.ground.fetched.grid import local_crs

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parent.parent
MARK = "<!-- run as written by tests/test_own_project_e2e.py -->\n```sh\n"
MOST_COMMANDS = 8
RUNWAYS = """\
id,airport_ref,airport_ident,length_ft,width_ft,surface,lighted,closed,\
le_ident,le_latitude_deg,le_longitude_deg,le_elevation_ft,le_heading_degT,le_displaced_threshold_ft,\
he_ident,he_latitude_deg,he_longitude_deg,he_elevation_ft,he_heading_degT,he_displaced_threshold_ft
1,1,LSGG,12795,164,CON,1,0,04,46.2256,6.0959,1411,45.1,,22,46.2502,6.1319,1365,225.1,
"""
# Ultralytics' command as far as the chain uses it: a detector that finds each required runway
YOLO = """\
#!{python}
import json, sys
from pathlib import Path
given = dict(word.split("=", 1) for word in sys.argv[2:])
assert sys.argv[1] == "predict" and given["save_txt"] == given["save_conf"] == "True", sys.argv
assert Path(given["model"]).is_file() and Path(given["source"]).is_dir(), given
out = Path(given["project"]) / given["name"] / "labels"
out.mkdir(parents=True)
truth = json.loads(Path("data/ortho/coco/test.json").read_text())
images = {{image["id"]: image for image in truth["images"]}}
for found in truth["annotations"]:
    image = images[found["image_id"]]
    assert (Path(given["source"]) / Path(image["file_name"]).name).is_file()
    x, y, w, h = found["bbox"]
    width, height = image["width"], image["height"]
    values = (x + w / 2) / width, (y + h / 2) / height, w / width, h / height
    with (out / (Path(image["file_name"]).stem + ".txt")).open("a") as file:
        file.write("0 " + " ".join(f"{{value:.6f}}" for value in values) + " 0.9\\n")
"""


def _commands() -> list[str]:
    block = (ROOT / "README.md").read_text().split(MARK)[1].split("```")[0]
    return re.sub(r"\\\n\s*", "", block).strip().splitlines()


def _photo(half_m: float, gsd_m: float) -> NDArray[np.uint8]:
    """Fields and woods (3, h, w) seen from above, with the runway where the database has it."""
    rng = np.random.default_rng(1)
    side = round(2 * half_m / gsd_m)
    lots = rng.choice([55, 70, 85, 100], (side // 20, side // 20)).astype(np.float32)
    turn = cv2.getRotationMatrix2D((side / 40, side / 40), 30, 20)
    turn[:, 2] += side / 2 - side / 40
    fields = cv2.warpAffine(lots, turn, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    grain = rng.integers(-18, 18, (side, side))
    picture = np.stack([0.85 * fields + grain, fields + grain + 8, 0.6 * fields + grain], axis=-1)
    picture = np.ascontiguousarray(picture.clip(0, 255).astype(np.uint8))
    to_local = Transformer.from_crs("EPSG:4979", local_crs(46.238, 6.114), always_xy=True)
    row = next(csv.DictReader(io.StringIO(RUNWAYS)))
    ends = np.array(
        [
            to_local.transform(float(row[f"{end}_longitude_deg"]), float(row[f"{end}_latitude_deg"]))
            for end in ("le", "he")
        ]
    )
    along = (ends[1] - ends[0]) / np.hypot(*(ends[1] - ends[0]))
    across = np.array([-along[1], along[0]])
    for half_width_m, grey in ((25.0, 235), (23.5, 70)):  # white edges round grey concrete
        corners = np.array([end + side * half_width_m * across for end, side in zip(
            ends[[0, 1, 1, 0]], (1, 1, -1, -1), strict=True)])  # fmt: skip
        pixels = np.stack(((corners[:, 0] + half_m) / gsd_m, (half_m - corners[:, 1]) / gsd_m), axis=1)
        cv2.fillPoly(picture, [np.round(pixels * 16).astype(np.int32)], (grey,) * 3, cv2.LINE_AA, 4)
    return np.ascontiguousarray(picture.transpose(2, 0, 1))


def _own_things(folder: Path) -> None:
    """What a user brings: runways, a photo, a domain and a detector."""
    (folder / "runways.csv").write_text(RUNWAYS)
    half_m, gsd_m = 4000, 2.0
    pixels, crs = _photo(half_m, gsd_m), local_crs(46.238, 6.114)
    profile = {"driver": "GTiff", "width": pixels.shape[2], "height": pixels.shape[1], "dtype": "uint8"}
    place = from_origin(-half_m, half_m, gsd_m, gsd_m)
    with rasterio.open(folder / "my_photo.tif", "w", **profile, count=3, crs=crs, transform=place) as photo:
        photo.write(pixels)
    yaml = YAML()
    spec = yaml.load(ROOT / "odd_specs/lard_v2.yaml")
    spec["name"] = "my_domain"
    spec["camera"].update(width_px=256, height_px=256)
    spec["dqr"] = STATISTICS_OF_A_FEW_FRAMES
    yaml.dump(spec, folder / "my_domain.yaml")
    (folder / "my_yolo.pt").write_bytes(b"weights")
    (folder / "bin").mkdir()
    (folder / "bin/yolo").write_text(YOLO.format(python=sys.executable))
    (folder / "bin/yolo").chmod(0o755)


def test_the_chain_of_the_readme(tmp_path: Path) -> None:
    """At most eight commands from an empty folder to a score, with products that hold what they promise."""
    commands = _commands()
    assert len(commands) <= MOST_COMMANDS
    _own_things(tmp_path)
    path = f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-c", "\n".join(commands)], cwd=tmp_path, capture_output=True, text=True, timeout=900,
        env=dict(os.environ, PATH=path, PYTHONPATH=str(ROOT)),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    project = tmp_path / "my_project"
    frames = int(next(word for word in re.findall(r"--n (\d+)", "\n".join(commands))))
    assert len(list((project / "data/ortho/images").iterdir())) == frames
    assert len(json.loads((project / "data/ortho/coco/test.json").read_text())["images"]) == frames
    assert (project / "reports/compliance.html").stat().st_size > 0
    assert json.loads((project / "mine.score.json").read_text())["overall"]["AP50"] == 1
