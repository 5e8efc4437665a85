"""Realistic defects, each planted in a clean dataset, with the requirement that must find it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
from quality_support import AIRPORTS, SPLIT, opened, small_spec, weather_spec

from lard.airports import Airport, Runway, RunwayDatabase, load_shipped
from lard.labels import label_frames
from lard.quality import Dataset, Waiver
from lard.scenario import draw
from lard.tables import LABELS, write_json, write_table

Change = Callable[[Dataset], Any]


@dataclass(frozen=True)
class Defect:
    """A defect: its owner, what it is, and how to plant it; `files` when it changes files, not tables."""

    owner: str
    name: str
    plant: Change
    files: bool = False
    close: bool = False  # planted in the dataset of close-ups
    ruled: bool = False  # planted in the dataset whose spec has conditional rules
    few: bool = False  # planted in the dataset of few frames
    places: bool = False  # planted in the dataset whose pictures show the ground of their airports
    alone: bool = False  # the matrix asks its owner only: others take long, or have nothing to say
    waivers: tuple[Waiver, ...] = ()


DEFECTS: list[Defect] = []


def defect(owner: str, name: str, **options: Any) -> Callable[[Change], Change]:
    """Register a planting function."""

    def register(plant: Change) -> Change:
        DEFECTS.append(Defect(f"DQR-{owner}", name, plant, **options))
        return plant

    return register


alone = partial(defect, alone=True)


def planted(item: Defect, root: Path, clean: Dataset) -> Dataset:
    """A dataset with the defect. Pictures are linked and shared with the clean one unless they change."""
    if item.files:
        copy_folder(clean.root, root)
        data = opened(root)
        data.odd = clean.odd
        return item.plant(data) or opened_again(data)
    data = replace(clean)
    if "images" in clean.parts:
        data.__dict__["pictures"] = clean.pictures
    return item.plant(data) or data


def opened_again(data: Dataset) -> Dataset:
    """The folder of a dataset read anew."""
    fresh = opened(data.root)
    fresh.odd = data.odd
    return fresh


def copy_folder(source: Path, target: Path) -> None:
    """A copy whose files are hard links; planting functions replace files and never write into them."""
    for path in source.rglob("*"):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, place)


def _frames(data: Dataset) -> pl.DataFrame:
    assert data.frames is not None
    return data.frames


def _labels(data: Dataset) -> pl.DataFrame:
    assert data.labels is not None
    return data.labels


def _keep(data: Dataset, keep: pl.Expr) -> None:
    data.frames = _frames(data).filter(keep)
    for name in ("labels", "manifest"):
        table = getattr(data, name)
        if table is None:
            continue
        setattr(data, name, table.join(data.frames.select("frame_id"), on="frame_id", how="semi"))


def _every(n: int) -> pl.Expr:
    return pl.int_range(pl.len()) % n == 0


def _edit_labels(data: Dataset, n: int = 20, **columns: pl.Expr) -> None:
    data.labels = _labels(data).with_columns(
        pl.when(_every(n)).then(expression).otherwise(pl.col(name)).alias(name)
        for name, expression in columns.items()
    )


def _picture(data: Dataset, k: int) -> Path:
    return data.root / data.image_paths[k]


def _rewrite(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def _repaint(path: Path, change: Callable[[np.ndarray], np.ndarray], quality: int = 92) -> None:
    pixels = cv2.imread(str(path))
    assert pixels is not None
    _rewrite(path, cv2.imencode(".jpg", change(pixels), [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())


# completeness


@defect("C01", "hole in the pitch range")
def _(data: Dataset) -> None:
    _keep(data, ~pl.col("pitch_deg").is_between(-9.0, -6.5))


@defect("C01", "nothing beyond 5.7 km")
def _(data: Dataset) -> None:
    _keep(data, pl.col("along_track_m") < 5700)


@defect("C02", "never low and left of the centreline")
def _(data: Dataset) -> None:
    _keep(data, ~((pl.col("vertical_deg") < 3.16) & (pl.col("lateral_deg") < -0.6)))


@defect("C01", "never banked where the rules allow it", ruled=True)
def _(data: Dataset) -> None:
    _keep(data, (pl.col("zone") != "long_final") | (pl.col("roll_deg").abs() < 18))


@defect("C02", "never nose down and turned left, which no rule excludes", ruled=True)
def _(data: Dataset) -> None:
    _keep(data, ~((pl.col("pitch_deg") < -5.2) & (pl.col("yaw_offset_deg") < -9)))


@defect("C03", "verdict by nominal limits, margins forgotten")
def _(data: Dataset) -> None:
    nominal = pl.col("lateral_deg").abs() <= 1.0
    verdict = pl.when((pl.col("verdict") == "IN_ODD") & ~nominal).then(pl.lit("OUT_OF_ODD"))
    data.labels = _labels(data).with_columns(verdict.otherwise(pl.col("verdict")).alias("verdict"))


@defect("C03", "parallel runways tagged IN_ODD")
def _(data: Dataset) -> None:
    data.labels = _labels(data).with_columns(verdict=pl.lit("IN_ODD"))


def _without_rules(data: Dataset) -> None:
    unruled = weather_spec().model_copy(update={"rules": ()})
    data.frames = draw(unruled, load_shipped(), AIRPORTS, 1500, 5, split=SPLIT).frames


@defect("C03", "drawn and labelled as if there were no conditional rules", ruled=True)
def _(data: Dataset) -> None:
    _without_rules(data)
    unruled = weather_spec().model_copy(update={"rules": ()})
    data.labels = label_frames(_frames(data), load_shipped(), unruled)


@defect("C03", "unlit runways by night tagged IN_ODD", ruled=True)
def _(data: Dataset) -> None:
    data.database = _with_runway(lambda r: replace(r, lighted=False))


@defect("C04", "frames that break a conditional rule", ruled=True)
def _(data: Dataset) -> None:
    _without_rules(data)
    data.labels = label_frames(_frames(data), load_shipped(), weather_spec())


@defect("C04", "frames of the close zone beyond its end")
def _(data: Dataset) -> None:
    beyond = (pl.col("zone") == "medium") & _every(40)
    data.frames = _frames(data).with_columns(
        zone=pl.when(beyond).then(pl.lit("close")).otherwise(pl.col("zone"))
    )


@defect("C04", "three quarters of the far frames lost")
def _(data: Dataset) -> None:
    _keep(data, (pl.col("zone") != "far") | _every(4))


@defect("C05", "second source shows one airport only")
def _(data: Dataset) -> None:
    assert data.manifest is not None
    second = pl.col("frame_id").str.starts_with("KATL") & _every(2)
    source = pl.when(second).then(pl.lit("other")).otherwise(pl.col("source"))
    data.manifest = data.manifest.with_columns(source=source)


@defect("C06", "always noon, always clear")
def _(data: Dataset) -> None:
    data.frames = _frames(data).with_columns(local_time_h=pl.lit(12.0), visibility_m=pl.lit(50_000.0))


@defect("C07", "runways of one airport")
def _(data: Dataset) -> None:
    _keep(data, pl.col("airport") == "KATL")


# representativeness


@defect("R01", "pitch bunched in the middle")
def _(data: Dataset) -> None:
    _keep(data, ((pl.col("pitch_deg") + 5).abs() < 5) | _every(3))


@defect("R01", "distances denser near the runway than declared")
def _(data: Dataset) -> None:
    low, span = 280.0, 2220.0
    squeezed = low + span * ((pl.col("along_track_m") - low) / span).pow(2.0)
    column = pl.when(pl.col("zone") == "close").then(squeezed).otherwise(pl.col("along_track_m"))
    data.frames = _frames(data).with_columns(along_track_m=column)


@defect("R02", "roll follows the lateral offset")
def _(data: Dataset) -> None:
    data.frames = _frames(data).with_columns(roll_deg=pl.col("lateral_deg") * 3 + pl.col("roll_deg") * 0.1)


@defect("R03", "half of the frames at one airport")
def _(data: Dataset) -> None:
    airport = pl.when(_every(2)).then(pl.lit("KATL")).otherwise(pl.col("airport"))
    data.frames = _frames(data).with_columns(airport=airport)


@defect("R06", "visibility crowded at its lower end")
def _(data: Dataset) -> None:
    low, high = 15_000.0, 60_000.0
    share = (pl.col("visibility_m").log() - float(np.log(low))) / float(np.log(high / low))
    data.frames = _frames(data).with_columns(visibility_m=low * (high / low) ** share.pow(3.0))


@defect("R04", "only the target is labelled")
def _(data: Dataset) -> None:
    data.labels = _labels(data).filter("is_target")


@defect("R05", "labels of a tenth of the frames lost")
def _(data: Dataset) -> None:
    lost = _frames(data).gather_every(10).select("frame_id")
    data.labels = _labels(data).join(lost, on="frame_id", how="anti")


# accuracy


@defect("A01", "labels shifted by 3 px")
def _(data: Dataset) -> None:
    _edit_labels(data, **{f"x_{c}_px": pl.col(f"x_{c}_px") + 3 for c in ("tl", "tr", "br", "bl")})


@defect("A01", "left and right corners exchanged")
def _(data: Dataset) -> None:
    pairs = (("tl", "tr"), ("tr", "tl"), ("br", "bl"), ("bl", "br"))
    _edit_labels(data, **{f"{a}_{to}_px": pl.col(f"{a}_{of}_px") for to, of in pairs for a in "xy"})


@defect("A01", "runway named as its reciprocal")
def _(data: Dataset) -> None:
    db = load_shipped()
    names = {
        f"{airport}/{runway}": db.airport(airport).runway(runway).reciprocal
        for airport, runway in data.named_runways
    }
    _edit_labels(data, runway=(pl.col("airport") + "/" + pl.col("runway")).replace_strict(names))


@defect("A01", "projected on a sphere instead of WGS 84")
def _(data: Dataset) -> None:
    sphere = _frames(data).with_columns(earth_model=pl.lit("sphere6371010"))
    data.labels = label_frames(sphere, load_shipped(), small_spec())


@defect("A01", "sign of roll reversed in the metadata")
def _(data: Dataset) -> None:
    data.frames = _frames(data).with_columns(roll_deg=-pl.col("roll_deg"))


@defect("A01", "corners cut down to whole pixels of another size")
def _(data: Dataset) -> None:
    scale = {f"{a}_{c}_px": pl.col(f"{a}_{c}_px") * 1.05 for a in "xy" for c in ("tl", "tr", "br", "bl")}
    _edit_labels(data, 1, **scale)


@defect("A02", "pictures 3 px lower than their labels", files=True, close=True)
def _(data: Dataset) -> None:
    for name in data.image_paths:
        _repaint(data.root / name, lambda p: np.roll(p, 3, axis=0))


@defect("A02", "pictures rendered with a wider field of view", files=True, close=True)
def _(data: Dataset) -> None:
    centre = cv2.getRotationMatrix2D((511.5, 511.5), 0, 0.985)
    for name in data.image_paths:
        _repaint(
            data.root / name,
            lambda p: cv2.warpAffine(p, centre, (1024, 1024), borderMode=cv2.BORDER_REPLICATE),
        )


@defect("A03", "distances in nautical miles")
def _(data: Dataset) -> None:
    _edit_labels(data, 1, along_track_m=pl.col("along_track_m") / 1852)


@defect("A03", "lateral angle with the other sign")
def _(data: Dataset) -> None:
    data.frames = _frames(data).with_columns(lateral_deg=-pl.col("lateral_deg"))


@defect("A03", "height in feet")
def _(data: Dataset) -> None:
    _edit_labels(data, 7, height_m=pl.col("height_m") / 0.3048)


@defect("A03", "distance without its sign, past the threshold")
def _(data: Dataset) -> None:
    _edit_labels(data, 1, along_track_m=pl.col("along_track_m").abs())


@defect("A03", "vertical angle seen from the threshold")
def _(data: Dataset) -> None:
    angle = (pl.col("height_m") / pl.col("along_track_m")).arctan().degrees()
    _edit_labels(data, 3, vertical_deg=angle)


@defect("A04", "focal length of another field of view")
def _(data: Dataset) -> None:
    data.frames = _frames(data).with_columns(fx_px=pl.col("fx_px") * 1.06, fy_px=pl.col("fy_px") * 1.06)


def _with_runway(change: Callable[[Runway], Runway], icao: str = "KATL", both: bool = True) -> RunwayDatabase:
    db = load_shipped()
    airport = db.airport(icao)
    first = airport.runways[0]
    chosen = {first.ident, first.reciprocal} if both else {first.ident}
    runways = tuple(change(r) if r.ident in chosen else r for r in airport.runways)
    changed = Airport(
        airport.icao,
        airport.name,
        airport.country,
        airport.lat_deg,
        airport.lon_deg,
        airport.elevation_m,
        runways,
    )
    return RunwayDatabase(db.name, db.version, db.earth, db.altitude_datum, {**db.airports, icao: changed})


def _reordered(order: tuple[int, int, int, int]) -> Callable[[Runway], Runway]:
    return lambda r: replace(r, corners=tuple(r.corners[k] for k in order))


@defect("A05", "corners of a runway crossed")
def _(data: Dataset) -> None:
    data.database = _with_runway(_reordered((1, 0, 2, 3)))


@defect("A05", "runway stored under its reciprocal's name")
def _(data: Dataset) -> None:
    data.database = _with_runway(_reordered((2, 3, 0, 1)))


@defect("A05", "one end moved, its reciprocal not")
def _(data: Dataset) -> None:
    moved = lambda p: (p[0] + 1e-5, p[1], p[2])  # noqa: E731
    data.database = _with_runway(lambda r: replace(r, corners=tuple(moved(p) for p in r.corners)), both=False)


@defect("A05", "width in feet read as metres")
def _(data: Dataset) -> None:
    data.database = _with_runway(
        lambda r: Runway.from_thresholds(r.airport, r.ident, r.reciprocal, r.ltp, r.fpap, r.width_m / 0.3048)
    )


@defect("A05", "labels of a runway the database does not know")
def _(data: Dataset) -> None:
    _edit_labels(data, 50, runway=pl.lit("35C"))


@defect("A06", "threshold 200 m from the other database's", files=True)
def _(data: Dataset) -> Dataset:
    db = load_shipped()
    rows = ["airport_ident,le_latitude_deg,le_longitude_deg,le_displaced_threshold_ft,"
            "he_latitude_deg,he_longitude_deg,he_displaced_threshold_ft"]  # fmt: skip
    for icao in sorted(db.airports):
        for r in db.airports[icao].strips:
            shift = 0.0018 if icao == "KATL" else 0.0
            rows.append(f"{icao},{r.ltp[0] + shift},{r.ltp[1]},0,{r.fpap[0] + shift},{r.fpap[1]},0")
    path = data.root / "reference.csv"
    path.write_text("\n".join(rows))
    data.reference_runways = path
    return data


@defect("A07", "some frames from another camera")
def _(data: Dataset) -> None:
    width = pl.when(_every(30)).then(pl.lit(300.0)).otherwise(pl.col("fx_px"))
    data.frames = _frames(data).with_columns(fx_px=width)


@defect("A07", "earth model not stated")
def _(data: Dataset) -> None:
    data.frames = _frames(data).with_columns(altitude_datum=pl.lit(None, pl.String))


# image level


@defect("I01", "runways of one pixel required")
def _(data: Dataset) -> None:
    _edit_labels(data, 10, y_max_px=pl.col("y_min_px") + 0.4)


@defect("I02", "boxes normalised, read as pixels")
def _(data: Dataset) -> None:
    box = {name: pl.col(name) / 256 for name in ("x_min_px", "y_min_px", "x_max_px", "y_max_px")}
    _edit_labels(data, 1, **box)


@defect("I02", "boxes as wide as the picture")
def _(data: Dataset) -> None:
    _edit_labels(data, 5, x_min_px=pl.lit(0.0), x_max_px=pl.lit(256.0))


@defect("I03", "cut-off runways stated as whole")
def _(data: Dataset) -> None:
    data.labels = _labels(data).with_columns(visible_fraction=pl.lit(1.0), truncated=pl.lit(False))


@defect("I03", "boxes around unclipped corners")
def _(data: Dataset) -> None:
    corners = [f"x_{c}_px" for c in ("tl", "tr", "br", "bl")]
    _edit_labels(data, 1, x_max_px=pl.max_horizontal(corners))


@defect("I04", "picture missing", files=True)
def _(data: Dataset) -> None:
    _picture(data, 5).unlink()


@defect("I04", "JPEG cut off half way", files=True)
def _(data: Dataset) -> None:
    content = _picture(data, 6).read_bytes()
    _rewrite(_picture(data, 6), content[: len(content) // 2])


@defect("I04", "empty file", files=True)
def _(data: Dataset) -> None:
    _rewrite(_picture(data, 7), b"")


@defect("I04", "black picture", files=True)
def _(data: Dataset) -> None:
    _repaint(_picture(data, 8), lambda p: p * 0)


@defect("I04", "grey tiles, ground not loaded", files=True)
def _(data: Dataset) -> None:
    def grey(pixels: np.ndarray) -> np.ndarray:
        pixels[128:] = 128
        return pixels

    _repaint(_picture(data, 9), grey)


@defect("I04", "simulator frozen for two frames", files=True)
def _(data: Dataset) -> None:
    content = _picture(data, 10).read_bytes()
    _rewrite(_picture(data, 11), content)


@defect("I04", "picture of another size", files=True)
def _(data: Dataset) -> None:
    _repaint(_picture(data, 12), lambda p: cv2.resize(p, (320, 256)))


@defect("I04", "exposed to white", files=True)
def _(data: Dataset) -> None:
    _repaint(_picture(data, 13), lambda p: cv2.add(p, np.full_like(p, 170)))


@defect("I04", "not a picture", files=True)
def _(data: Dataset) -> None:
    _rewrite(_picture(data, 14), b"<html>404 Not Found</html>" * 50)


def _tear(data: Dataset, first: int, share: float) -> None:
    """Below a share of their height five pictures show another place, at equal exposure."""

    def torn(pixels: np.ndarray, other: np.ndarray) -> np.ndarray:
        row = round(share * len(pixels))
        return np.concatenate([pixels[:row], other[row:]])

    for k in range(first, first + 5):
        other = cv2.imread(str(_picture(data, k + 300)))
        assert other is not None
        _repaint(_picture(data, k), partial(torn, other=other))


@defect("I04", "torn in the middle", files=True)
def _(data: Dataset) -> None:
    _tear(data, 50, 0.5)


@defect("I04", "torn at two thirds", files=True)
def _(data: Dataset) -> None:
    _tear(data, 60, 0.663)


@defect("I04", "torn near the lower edge", files=True)
def _(data: Dataset) -> None:
    _tear(data, 70, 0.93)


def _mark_all(data: Dataset, change: Callable[[np.ndarray], np.ndarray]) -> None:
    for name in data.image_paths:
        _repaint(data.root / name, change)


def _logo(pixels: np.ndarray) -> np.ndarray:
    """A translucent name in the lower right corner."""
    marked = pixels.copy()
    cv2.putText(marked, "Imagery Co", (150, 244), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1)
    return cv2.addWeighted(pixels, 0.4, marked, 0.6, 0)


def _band(rows: slice, grey: int) -> Callable[[np.ndarray], np.ndarray]:
    def banded(pixels: np.ndarray) -> np.ndarray:
        pixels[rows] = grey
        return pixels

    return banded


@defect("I04", "translucent logo of the imagery's source, not declared", files=True)
def _(data: Dataset) -> None:
    _mark_all(data, _logo)


@defect("I04", "band along the lower edge, not declared", files=True)
def _(data: Dataset) -> None:
    _mark_all(data, _band(slice(-14, None), 90))


@defect("I04", "band along the upper edge, not declared", files=True)
def _(data: Dataset) -> None:
    _mark_all(data, _band(slice(0, 12), 30))


@defect("I04", "declared watermark bands over labels", files=True)
def _(data: Dataset) -> None:
    _mark_all(data, lambda p: _band(slice(-60, None), 90)(_band(slice(0, 60), 90)(p)))
    meta = dict(data.meta) | {"watermark_px": 60}
    (data.root / "dataset.json").unlink()
    write_json(meta, data.root / "dataset.json")


@defect("I05", "rendered with the sign of pitch reversed", files=True, close=True)
def _(data: Dataset) -> None:
    for name in data.image_paths:
        _repaint(data.root / name, lambda p: np.roll(p, 60, axis=0))


@defect("I05", "pictures one frame late", files=True, close=True)
def _(data: Dataset) -> None:
    names = data.image_paths
    contents = [(data.root / name).read_bytes() for name in names]
    for name, content in zip(names, contents[1:] + contents[:1], strict=True):
        _rewrite(data.root / name, content)


@defect("I07", "half of a picture beyond the photo")
def _(data: Dataset) -> None:
    data.manifest = _share(data, "beyond_imagery", 0.5)


@defect("I07", "a share that is no number")
def _(data: Dataset) -> None:
    data.manifest = _share(data, "beyond_imagery", float("nan"))


def _share(data: Dataset, column: str, share: float) -> pl.DataFrame:
    """A manifest that states a share of its first picture, and none of the others."""
    assert data.manifest is not None
    shares = [share, *[0.0] * (len(data.manifest) - 1)]
    return data.manifest.with_columns(pl.Series(column, shares, dtype=pl.Float64))


# uniqueness and sets


@defect("U01", "picture repeated under another name", files=True)
def _(data: Dataset) -> None:
    _rewrite(_picture(data, 40), _picture(data, 20).read_bytes())


@defect("U01", "pictures repeated in another quality", files=True)
def _(data: Dataset) -> None:
    for k in range(100, 110):
        content = _picture(data, k - 50).read_bytes()
        _rewrite(_picture(data, k), content)
        _repaint(_picture(data, k), lambda p: p, quality=70)


@defect("U01", "poses drawn twice")
def _(data: Dataset) -> None:
    frames = _frames(data)
    pose = ["lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg"]
    first = frames.head(5).select(pose)
    data.frames = pl.concat([frames.head(5), frames[5:10].with_columns(first.get_columns()), frames[10:]])


@defect("S01", "test airport leaked into training")
def _(data: Dataset) -> None:
    leaked = (pl.col("airport") == "EGLL") & _every(9)
    split = pl.when(leaked).then(pl.lit("train")).otherwise(pl.col("split"))
    data.frames = _frames(data).with_columns(split=split)


@defect("S01", "neighbouring airports in different sets")
def _(data: Dataset) -> None:
    db = load_shipped()
    paris = db.airport("LFPG")
    near = replace(db.airport("LFPO"), lat_deg=paris.lat_deg + 0.05, lon_deg=paris.lon_deg)
    data.database = replace(db, airports={**db.airports, "LFPO": near})


@defect("S02", "test set flown higher than the training set")
def _(data: Dataset) -> None:
    _keep(data, (pl.col("split") != "test") | (pl.col("vertical_deg") > 3.8))


# traceability and size


@defect("T01", "manifest row missing")
def _(data: Dataset) -> None:
    assert data.manifest is not None
    data.manifest = data.manifest[1:]


@defect("T01", "licence not stated")
def _(data: Dataset) -> None:
    assert data.manifest is not None
    data.manifest = data.manifest.with_columns(licence=pl.lit(""))


@defect("T01", "picture edited after it was listed", files=True)
def _(data: Dataset) -> None:
    _repaint(_picture(data, 30), lambda p: cv2.GaussianBlur(p, (3, 3), 0))


@defect("T01", "picture that no table knows", files=True)
def _(data: Dataset) -> None:
    _rewrite(data.root / "images" / "stray.jpg", _picture(data, 31).read_bytes())


@defect("T01", "manifest lost", files=True)
def _(data: Dataset) -> None:
    (data.root / "manifest.parquet").unlink()


@defect("T02", "frame id used twice")
def _(data: Dataset) -> None:
    frames = _frames(data)
    data.frames = pl.concat([frames, frames.head(1)])


@defect("T02", "labels of frames that do not exist")
def _(data: Dataset) -> None:
    data.frames = _frames(data)[3:]


@defect("T02", "position missing")
def _(data: Dataset) -> None:
    lat = pl.when(_every(50)).then(pl.lit(float("nan"))).otherwise(pl.col("lat_deg"))
    data.frames = _frames(data).with_columns(lat_deg=lat)


@defect("T02", "labels table torn", files=True)
def _(data: Dataset) -> None:
    path = data.root / "labels.parquet"
    _rewrite(path, path.read_bytes()[:2000])


@defect("T02", "labels table of another schema", files=True)
def _(data: Dataset) -> None:
    _labels(data).drop("runway").rename({"verdict": "tag"}).write_parquet(data.root / "new.parquet")
    (data.root / "new.parquet").replace(data.root / "labels.parquet")


@defect("T02", "half of the labels lost", files=True)
def _(data: Dataset) -> None:
    (data.root / "labels.parquet").unlink()
    write_table(_labels(data).head(500), data.root / "labels.parquet", LABELS)


@defect("T02", "judged by another spec than it was drawn from")
def _(data: Dataset) -> None:
    assert data.odd is not None
    data.odd = replace(data.odd, name="lard_v1_cone", sha256="0" * 64)


@defect("N01", "two test airports")
def _(data: Dataset) -> None:
    _keep(data, (pl.col("split") != "test") | pl.col("airport").is_in(["EGLL", "PHNL"]))


WAIVER = Waiver("DQR-C01", "*", "accepted for a test", "a tester", date(2999, 1, 1), "waivers#1")


@defect("W01", "waiver expired", waivers=(replace(WAIVER, expires=date(2020, 1, 1)),))
def _(data: Dataset) -> None:
    _keep(data, ~pl.col("pitch_deg").is_between(-9.0, -6.5))


@defect("W01", "waiver that waives nothing", waivers=(WAIVER,))
def _(data: Dataset) -> None:
    return None
