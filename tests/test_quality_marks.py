"""Torn frames, still overlays and watermark bands: found where they are, and not where there are none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from quality_support import odd, write_clean

from lard.airports import load_shipped
from lard.quality import Dataset, load_dataset, run_checks
from lard.quality.checks import tears
from lard.quality.checks.integrity import declared_bands, labels_in_bands
from lard.quality.measures.overlay import still_parts
from lard.quality.measures.pictures import _measure_pixels
from lard.quality.measures.tearing import FIELDS, _goes_aside, row_jumps, unpacked
from lard.quality.model import FAIL, NOT_APPLICABLE, PASS, Offence

SHAPE = (240, 320)


def scene(seed: int, sky_rows: int = 0) -> np.ndarray:
    """Uneven ground with fine texture, and a plain sky of the same grey in every picture."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 200, (12, 16)).astype(np.uint8)
    picture = cv2.resize(coarse, SHAPE[::-1], interpolation=cv2.INTER_CUBIC)
    picture = cv2.add(picture, rng.integers(0, 8, SHAPE).astype(np.uint8))
    picture[:sky_rows] = 210
    return picture


def jpeg(picture: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", picture)[1], cv2.IMREAD_GRAYSCALE))


def wide(picture: np.ndarray) -> list[int]:
    return [int(j["row"]) for j in unpacked(row_jumps(jpeg(picture))) if j["share"] > 0.6 and j["ratio"] > 3]


@pytest.mark.parametrize("row", [9, 60, 119, 120, 121, 200, 233])
def test_a_tear_is_found_at_its_row(row: int) -> None:
    found = 0
    for seed in range(12):
        upper, lower = scene(2 * seed), scene(2 * seed + 1)
        assert wide(upper) == []
        found += row in wide(np.concatenate([upper[:row], lower[row:]]))
    assert found >= 9  # two places may look alike where they meet


def test_a_level_horizon_jumps_with_one_sign() -> None:
    jumps = unpacked(row_jumps(scene(3, sky_rows=100)))
    assert [j["row"] for j in jumps if j["share"] > 0.6] == [100]
    best = max(jumps, key=lambda j: j["share"])
    assert best["sign"] < -0.9
    assert best["above"] < 0.5


@pytest.mark.parametrize("at", [60.0, 120.3, 120.5, 180.8])
def test_a_level_edge_between_two_fields_is_no_tear(at: float) -> None:
    upper, lower = scene(4), scene(5)
    fine = [cv2.resize(part, None, fx=1, fy=10, interpolation=cv2.INTER_LINEAR) for part in (upper, lower)]
    row = round(10 * at)
    tall = cv2.GaussianBlur(np.concatenate([fine[0][:row], fine[1][row:]]), (0, 0), 5.0)  # half a pixel
    seen = cv2.resize(tall, SHAPE[::-1], interpolation=cv2.INTER_AREA)
    torn = np.concatenate([upper[: round(at)], lower[round(at) :]])

    def judged(picture: np.ndarray) -> list[Offence]:
        table = pl.DataFrame(
            {"image": ["a.jpg"], "height_px": [SHAPE[0]], "row_jumps": [row_jumps(jpeg(picture))]}
        )
        limits = {"max_jump_share": 0.5, "max_jump_ratio": 1.5}
        return tears.torn(Dataset(Path(), "lard", "x"), table, {}, limits)

    assert judged(seen) == []
    assert [f"row {round(at)}:" in o.message for o in judged(torn)] == [True]
    assert max(j["share"] for j in unpacked(row_jumps(jpeg(seen)))) > 0.4  # it does jump


@pytest.mark.parametrize("shape", [(8, 300), (300, 8), (16, 16), (17, 33)])
def test_tiny_pictures_have_whole_rows_of_fields(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    assert len(row_jumps(picture)) % len(FIELDS) == 0


def marked(kind: str) -> list[np.ndarray]:
    pictures = []
    for seed in range(20):
        picture = scene(seed, sky_rows=40 + seed)
        if kind == "logo":
            over = cv2.putText(
                picture.copy(), "Imagery Co", (180, 230), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1
            )
            picture = cv2.addWeighted(picture, 0.4, over, 0.6, 0)
        elif kind == "lower band":
            picture[-18:] = 120
        elif kind == "upper band":
            picture[:18] = 120
        pictures.append(jpeg(picture))
    return pictures


@pytest.mark.parametrize(
    ("kind", "overlays", "top", "bottom"),
    [("none", 0, 0, 0), ("logo", 1, 0, 0), ("lower band", None, 0, 18), ("upper band", None, 18, 0)],
)
def test_what_stands_still(kind: str, overlays: int | None, top: int, bottom: int) -> None:
    still = still_parts(marked(kind))
    assert still is not None
    # compression spreads an edge over its block of 8 pixels
    assert abs(still.top_px - top) <= 4
    assert abs(still.bottom_px - bottom) <= 4
    if overlays is not None:
        assert len(still.overlays) == overlays
    for overlay in still.overlays if kind == "logo" else ():
        assert 170 < overlay.x0 < overlay.x1 < 300
        assert 205 < overlay.y0 < overlay.y1 <= 240


def test_few_pictures_tell_nothing() -> None:
    assert still_parts(marked("logo")[:5]) is None
    assert still_parts([]) is None


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tables")
    write_clean(root, n=120, pictures=False)
    return root


def opened_with(root: Path, **block: object) -> Dataset:
    data = load_dataset(root)
    data.odd, data.database = replace(odd(), dqr={"I04": block}), load_shipped()
    return data


def test_bands_are_declared_by_the_spec_or_the_dataset(tables: Path) -> None:
    plain = run_checks(opened_with(tables), ["I04"]).results[0]
    assert plain.status == NOT_APPLICABLE
    low = run_checks(opened_with(tables, watermark_px=2), ["I04"]).results[0]
    assert low.status in (PASS, FAIL)
    high = run_checks(opened_with(tables, watermark_px=110), ["I04"]).results[0]
    assert high.status == FAIL
    assert "watermark band of 110 px" in high.outcome.offences[0].message
    data = opened_with(tables)
    data.meta = {"watermark_px": 110}
    assert run_checks(data, ["I04"]).results[0].outcome.offences == high.outcome.offences
    data.meta = {"watermark_px": "much"}
    assert "whole pixels" in run_checks(data, ["I04"]).results[0].outcome.offences[0].message


def test_labels_reach_into_bands_exactly_when_their_box_does(tables: Path) -> None:
    data = opened_with(tables, watermark_px=100)
    bands, _ = declared_bands(data, {"watermark_px": 100})
    assert data.labels is not None
    boxed = data.labels.drop_nulls(["y_min_px"])
    reach = boxed.filter((pl.col("y_min_px") < 99.5) | (pl.col("y_max_px") > 156.5))
    found = labels_in_bands(data, bands)
    assert {o.subject for o in found} == {
        f"{f}:{r}" for f, r in reach.select("frame_id", "runway").iter_rows()
    }
    assert 0 < len(found) < len(boxed)


def test_watermark_height_of_lard_tables(tmp_path: Path) -> None:
    head = "image;height;width;type;airport;runway;slant_distance;watermark_height;"
    head += ";".join(f"{a}_{c}" for c in "ABCD" for a in "xy")
    rows = ["a.png;1000;800;x;LFBO;32L;1.0;100;300;500;340;500;280;600;360;600",
            "b.png;1000;800;x;LFBO;32L;1.0;100;300;800;340;800;280;950;360;950",
            "c.png;1000;800;x;LFBO;32L;1.0;0;300;800;340;800;280;950;360;950"]  # fmt: skip
    (tmp_path / "LARD_train.csv").write_text("\n".join([head, *rows]) + "\n")
    data = load_dataset(tmp_path)
    result = run_checks(data, ["I04"]).results[0]
    assert [o.subject for o in result.outcome.offences] == ["b:32L"], json.dumps(result.outcome.message)


def test_two_interlaced_fields_are_told_from_one_picture() -> None:
    coarse = np.random.default_rng(1).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    picture = cv2.resize(coarse, (256, 256), interpolation=cv2.INTER_CUBIC)
    laced = picture.copy()
    laced[1::2] = np.roll(picture[1::2], 4, axis=1)  # the second field is of a moment later
    assert _measure_pixels(picture)["comb"] < 1.15
    assert _measure_pixels(laced)["comb"] > 1.3


def test_far_ground_that_slants_goes_on_aside_from_each_row_and_is_not_torn() -> None:
    """Everything leans by one row in 35 pixels; in the torn picture the rows below 60 moved by as much."""
    rng = np.random.default_rng(8)
    line = cv2.GaussianBlur(rng.normal(0, 120, (1, 6000)), (0, 0), 3.0)[0] + 120
    rows, columns = np.mgrid[0:120, 0:320]
    slanting = np.clip(line[columns + 35 * rows], 0, 255).astype(np.uint8)
    assert _goes_aside(slanting, 60)[1] == 1.0
    still = np.clip(np.repeat(line[None, :320], 120, axis=0) + rng.normal(0, 3, (120, 320)), 0, 255)
    torn = np.concatenate([still[:61], np.roll(still[61:], -35, axis=1)]).astype(np.uint8)
    lag, misfit = _goes_aside(torn, 60)
    assert (lag, misfit < 0.2) == (35.0, True)
    assert _goes_aside(still.astype(np.uint8), 60)[1] == 1.0
