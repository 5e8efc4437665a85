"""LARD V1 and V2 folders and COCO files as inputs, whole, partial and broken."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from quality_support import odd, write_clean

from lard.airports import load_shipped
from lard.cli import main
from lard.errors import DataError
from lard.quality import Dataset, Odd, load_dataset, run_checks
from lard.quality.model import FAIL, INCONCLUSIVE, NOT_APPLICABLE, PASS

POSE = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")
SIDES = ("TR", "TL", "BL", "BR")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("own")
    write_clean(root, n=240, pictures=False)
    return root


def v2_table(root: Path) -> pl.DataFrame:
    """Our labels in the columns and units of a LARD V2 CSV, with corners cut to whole pixels."""
    frames = pl.read_parquet(root / "frames.parquet")
    labels = pl.read_parquet(root / "labels.parquet").filter(~pl.col("behind"))
    rows = labels.join(
        frames.select("frame_id", *POSE, "width_px"),
        on="frame_id",
    )
    columns: dict[str, pl.Expr] = {
        "image": pl.lit(""),
        "height": pl.col("width_px"),
        "width": pl.col("width_px"),
        "type": pl.lit("xplane"),
        "lat_cam": pl.col("lat_deg"),
        "lon_cam": pl.col("lon_deg"),
        "alt_cam": pl.col("alt_m"),
        "yaw": pl.col("yaw_deg"),
        "pitch": pl.col("pitch_deg") + 90,
        "roll": pl.col("roll_deg"),
        "slant_distance": pl.col("slant_m") / 1852,
        "along_track_distance": (pl.col("along_track_m") / 1852).abs(),
        "height_above_runway": pl.col("height_m") / 0.3048,
        "lateral_path_angle": pl.col("lateral_deg"),
        "vertical_path_angle": pl.col("vertical_deg"),
        "runway_in_cone": pl.col("verdict"),
    }
    for side in SIDES:
        for axis in "xy":
            columns[f"{axis}_{side}"] = pl.col(f"{axis}_{side.lower()}_px").cast(pl.Int64)
    return rows.select(
        pl.col("frame_id").alias("uuid"), "airport", "runway", *(e.alias(n) for n, e in columns.items())
    )


def judged(path: Path, spec: Odd | None = None) -> dict[str, str]:
    data = load_dataset(path)
    data.odd, data.database = spec, load_shipped()
    run = run_checks(data)
    crashed = [r.outcome.message for r in run.results if "could not be evaluated" in r.outcome.message]
    assert not crashed
    return {r.id: r.status for r in run.results}


def test_lard_v2_without_pictures(own: Path, tmp_path: Path) -> None:
    v2_table(own).write_csv(tmp_path / "metadata_xplane_train.csv", separator=";")
    data = load_dataset(tmp_path)
    assert data.kind == "lard_v2"
    frames = pl.read_parquet(own / "frames.parquet")
    assert set(data.frames["frame_id"]) == set(frames["frame_id"])  # type: ignore[index]
    assert set(data.frames["split"]) == {"train"}  # type: ignore[index]
    status = judged(tmp_path, odd())
    assert {status[f"DQR-{id}"] for id in ("C01", "C02", "A01", "A03", "A04", "C03")} <= {PASS, FAIL}
    assert {status[f"DQR-{id}"] for id in ("I04", "I05", "A02")} == {NOT_APPLICABLE}
    assert status["DQR-A01"] == PASS  # whole pixels, half a pixel added on reading
    assert status["DQR-A07"] == INCONCLUSIVE  # the table cannot state the camera
    assert status["DQR-T01"] == INCONCLUSIVE  # nor where its pictures come from
    assert status["DQR-C06"] == NOT_APPLICABLE  # nor light and weather


def test_lard_v2_units_are_judged(own: Path, tmp_path: Path) -> None:
    table = v2_table(own).with_columns(pl.col("height_above_runway") * 0.3048)
    table.write_csv(tmp_path / "metadata_xplane_test.csv", separator=";")
    assert judged(tmp_path, odd())["DQR-A03"] == FAIL


def test_lard_v1_has_boxes_but_no_named_corners(own: Path, tmp_path: Path) -> None:
    letters = {f"{a}_{s}": f"{a}_{n}" for s, n in zip(SIDES, "ABCD", strict=True) for a in "xy"}
    table = v2_table(own).rename(letters)
    table = table.drop("uuid", "lat_cam", "lon_cam", "alt_cam", "runway_in_cone").with_columns(
        image="images/" + pl.arange(pl.len()).cast(pl.String) + ".jpeg", watermark_height=pl.lit(300)
    )
    folder = tmp_path / "LARD_test_synth"
    folder.mkdir()
    table.write_csv(folder / "LARD_test_synth.csv", separator=";")
    data = load_dataset(tmp_path)
    assert data.kind == "lard_v1"
    assert "boxes" in data.parts
    assert not {"corners", "pose", "camera"} & data.parts
    status = judged(tmp_path, odd())
    assert status["DQR-A01"] == NOT_APPLICABLE
    assert status["DQR-C01"] in (PASS, FAIL)  # approach values are there, the yaw offset from the runway


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_our_own_exports_fit_the_odd_they_were_drawn_from(version: str, tmp_path: Path) -> None:
    """V1 sees the lateral angle from elsewhere; both cut corners and round poses."""
    write_clean(tmp_path / "d", n=300)
    out = tmp_path / "out"
    result = CliRunner().invoke(
        main, ["export", "lard", str(tmp_path / "d"), "--version", version, "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    status = judged(out, replace(odd(), dqr={"C01": {"min_per_bin": 5}}))
    asked = ("C01", "C02", "C04", "R01", *(("A01", "A03", "C03") if version == "v2" else ()))
    assert {id: status[f"DQR-{id}"] for id in asked} == dict.fromkeys(asked, PASS)


def test_broken_csv_is_a_finding(own: Path, tmp_path: Path) -> None:
    v2_table(own).with_columns(yaw=pl.lit("north")).write_csv(tmp_path / "a_train.csv", separator=";")
    (tmp_path / "b_test.csv").write_text("image;slant_distance;x_TR\n1;2;3\n")
    data = load_dataset(tmp_path)
    text = " ".join(o.message for o in data.problems)
    assert "north" in text
    assert "columns airport" in text
    assert judged(tmp_path)["DQR-T02"] == FAIL


def coco(n: int = 30) -> dict[str, object]:
    rng = np.random.default_rng(0)
    images = [{"id": k, "file_name": f"{k}.jpg", "width": 640, "height": 480} for k in range(n)]
    boxes = [[float(v) for v in (*rng.uniform(100, 300, 2), *rng.uniform(20, 60, 2))] for _ in range(n)]
    notes = [{"id": k, "image_id": k, "category_id": 1, "bbox": boxes[k], "area": 1.0} for k in range(n)]
    return {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "runway"}]}


def test_coco(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text(json.dumps(coco()))
    data = load_dataset(tmp_path / "train.json")
    assert data.kind == "coco"
    status = judged(tmp_path)
    assert status["DQR-I01"] == PASS
    assert status["DQR-R05"] == PASS
    assert status["DQR-A01"] == NOT_APPLICABLE
    assert status["DQR-A07"] == INCONCLUSIVE


def test_coco_defects_are_findings(tmp_path: Path) -> None:
    document: dict = coco()  # type: ignore[type-arg]
    document["annotations"][0]["image_id"] = 999
    document["annotations"][1]["bbox"] = [1, 2, -3, 4]
    document["annotations"][2]["bbox"] = None
    document["images"].append(dict(document["images"][5]))
    (tmp_path / "val.json").write_text(json.dumps(document))
    data = load_dataset(tmp_path)
    assert len(data.problems) == 4
    assert judged(tmp_path)["DQR-T02"] == FAIL


def test_coco_ids_of_any_kind_are_findings(tmp_path: Path) -> None:
    document: dict = coco()  # type: ignore[type-arg]
    for k in (0, 1):
        document["annotations"][k]["id"] = [1, {}]
        document["annotations"][k + 2]["category_id"] = {"a": 1}
    document["categories"].append({"id": [], "name": "x"})
    (tmp_path / "val.json").write_text(json.dumps(document))
    assert len(load_dataset(tmp_path).problems) >= 3
    assert judged(tmp_path)["DQR-T02"] == FAIL


def test_coco_with_nothing_in_it(tmp_path: Path) -> None:
    (tmp_path / "val.json").write_text(json.dumps({"images": [], "annotations": [], "categories": []}))
    assert judged(tmp_path)["DQR-T02"] == FAIL


@pytest.mark.parametrize("text", ["{}", "[1, 2]", "not json"])
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"x\.json"):
        load_dataset(path)


def test_kind_of_dataset_is_plain(own: Path) -> None:
    data: Dataset = load_dataset(own)
    assert data.kind == "lard"
    assert {"pose", "camera", "corners", "polygon", "verdict", "split", "time"} <= data.parts
