"""The label and export stages on a small dataset: what they write, and the same bytes again."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from labels_support import frames_of
from PIL import Image

from lard.airports import Airport, RunwayDatabase, load_shipped
from lard.errors import LardError
from lard.stages import export, label
from lard.tables import FRAMES, LABELS, read_table, write_table

ROOT = Path(__file__).parents[1]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with rendered frames of one airport."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(
        f"runways: shipped\nsample: {{odd: {ROOT / 'odd_specs' / 'lard_v2.yaml'}}}\n"
    )
    shipped = load_shipped()
    katl: Airport = shipped.airport("KATL")
    renamed = RunwayDatabase(shipped.name, shipped.version, shipped.earth, "msl", {"KXYZ": katl})
    frames = frames_of(renamed, 10, airport="KATL", along_m=(500.0, 3000.0))
    folder = tmp_path / "data" / "ortho"
    (folder / "images").mkdir(parents=True)
    for name in frames["frame_id"]:
        Image.new("RGB", (1024, 1024), (80, 100, 80)).save(folder / "images" / f"{name}.jpg")
    write_table(frames, folder / "frames.parquet", FRAMES)
    return folder


def test_label_and_export_write_the_same_bytes_twice(place: Path) -> None:
    written = []
    for _ in range(2):
        label.main()
        export.main()
        names = ["labels.parquet", "dataset.json", "coco/train.json", "coco/val.json", "coco/test.json"]
        written.append([(place / name).read_bytes() for name in names])
        written[-1].append(Path("reports/contact_sheet.jpg").read_bytes())
    assert written[0] == written[1]
    labels = read_table(place / "labels.parquet", LABELS)
    assert labels["frame_id"].n_unique() == 10 and labels.filter("is_target").height == 10
    described = json.loads((place / "dataset.json").read_text())
    assert described["frames"] == 10 and described["camera"]["fov_x_deg"] == 60.0
    images = [image for split in ("train", "val", "test")
              for image in json.loads((place / "coco" / f"{split}.json").read_text())["images"]]  # fmt: skip
    assert sorted(image["id"] for image in images) == list(range(1, 11))
    assert all((place / image["file_name"]).is_file() for image in images)


def test_stages_refuse_what_is_missing(place: Path) -> None:
    with pytest.raises(LardError, match=r"labels\.parquet, dataset\.json missing"):
        export.main()
    label.main()
    (place / "images" / f"{read_table(place / 'frames.parquet', FRAMES)['frame_id'][0]}.jpg").unlink()
    with pytest.raises(LardError, match="no such image; render the frames first"):
        export.main()
    write_table(read_table(place / "frames.parquet", FRAMES).with_columns(airport=pl.lit("KATX")),
                place / "frames.parquet", FRAMES)  # fmt: skip
    with pytest.raises(LardError, match="airport 'KATX' is not in the runway database"):
        label.main()
