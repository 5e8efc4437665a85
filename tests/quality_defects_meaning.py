"""Defects of metadata, conditions and sets: units, clocks, domains, splits, places and approaches."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import cv2
import numpy as np
import polars as pl
from quality_defects import alone as defect
from quality_defects_labels import EVERYWHERE, GROUPS, edit, edit_frames, one_in

from lard.airports import Airport, load_shipped
from lard.quality import Dataset
from lard.scenario.sun import elevation_deg, light_of

EGLL, TEST, FAR = GROUPS["one airport"], GROUPS["the test set"], GROUPS["the far zone"]
AWAY = pl.col("frame_id").str.starts_with("KATL")  # an airport whose clock is not UTC


def later(data: Dataset, where: pl.Expr, hours: Any) -> None:
    """Move times by hours: a number, or an array (n,)."""
    assert data.frames is not None
    rows = data.frames.with_columns(hit=where)["hit"]
    steps = np.broadcast_to(hours, len(data.frames))
    moved = [
        (datetime.fromisoformat(text) + timedelta(hours=float(step) if hit else 0.0)).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        )
        for text, step, hit in zip(data.frames["time_utc"], steps, rows, strict=True)
    ]
    data.frames = data.frames.with_columns(time_utc=pl.Series(moved))


def zones_h(data: Dataset) -> np.ndarray:
    """Whole hours (n,) of each frame's local clock before UTC."""
    assert data.frames is not None
    return np.round(data.frames["lon_deg"].to_numpy() / 15)


def flown_at(data: Dataset, where: pl.Expr, hour: float) -> None:
    """Move frames to another local hour, with all that follows from it."""
    assert data.frames is not None
    shift = hour - data.frames["local_time_h"].to_numpy()
    later(data, where, shift)
    sun = elevation_deg(
        data.frames["day_of_year"].to_numpy(),
        np.full(len(data.frames), hour),
        data.frames["lat_deg"].to_numpy(),
    )
    edit_frames(
        data, where, local_time_h=pl.lit(hour), sun_elevation_deg=pl.Series(sun),
        light=pl.Series(light_of(sun).tolist()), sun_azimuth_deg=pl.lit(None, pl.Float64),
    )  # fmt: skip


for _group, _where in {"all": EVERYWHERE, "one airport": AWAY, "the test set": TEST}.items():

    @defect("A08", f"local time for UTC, {_group}")
    def _(data: Dataset, where: pl.Expr = _where) -> None:
        later(data, where, zones_h(data))

    @defect("A08", f"visibility in km, {_group}")
    def _(data: Dataset, where: pl.Expr = _where) -> None:
        edit_frames(data, where, visibility_m=pl.col("visibility_m") / 1000)

    @defect("A03", f"height in feet, {_group}")
    def _(data: Dataset, where: pl.Expr = _where) -> None:
        edit(data, where, height_m=pl.col("height_m") / 0.3048)

    @defect("C09", f"flown by night in a day domain, {_group}")
    def _(data: Dataset, where: pl.Expr = _where) -> None:
        flown_at(data, where, 0.5)


@defect("A08", "local time for UTC in a table that states no clock")
def _(data: Dataset) -> None:
    later(data, EVERYWHERE, zones_h(data))
    assert data.frames is not None
    data.frames = data.frames.drop("local_time_h", "sun_elevation_deg", "sun_azimuth_deg", "light")


for _name, _hours in {"two minutes": 1 / 30, "an hour": 1.0, "half a day": 12.0}.items():

    @defect("A08", f"clock wrong by {_name}")
    def _(data: Dataset, hours: float = _hours) -> None:
        later(data, EVERYWHERE, hours)


@defect("A08", "date of another half-year")
def _(data: Dataset) -> None:
    later(data, one_in(50), 24 * 150)


@defect("A08", "elevation of the sun in radians")
def _(data: Dataset) -> None:
    edit_frames(data, EVERYWHERE, sun_elevation_deg=pl.col("sun_elevation_deg").radians())


@defect("A08", "azimuth of the sun from south")
def _(data: Dataset) -> None:
    edit_frames(data, EVERYWHERE, sun_azimuth_deg=(pl.col("sun_azimuth_deg") + 180) % 360)


@defect("A08", "one frame by day stated as night")
def _(data: Dataset) -> None:
    edit_frames(data, one_in(1000), light=pl.lit("night"))


@defect("A08", "northern seasons south of the equator")
def _(data: Dataset) -> None:
    south = pl.col("lat_deg") < 0
    edit_frames(data, south, season=pl.lit("summer"))


@defect("A08", "visibility in nautical miles, one zone")
def _(data: Dataset) -> None:
    edit_frames(data, FAR, visibility_m=pl.col("visibility_m") / 1852)


@defect("A08", "visibility in feet")
def _(data: Dataset) -> None:
    edit_frames(data, EVERYWHERE, visibility_m=pl.col("visibility_m") / 0.3048)


@defect("A08", "visibility in km, one frame")
def _(data: Dataset) -> None:
    edit_frames(data, one_in(1000), visibility_m=pl.col("visibility_m") / 1000)


@defect("A08", "local hours in minutes")
def _(data: Dataset) -> None:
    edit_frames(data, EVERYWHERE, local_time_h=pl.col("local_time_h") * 60)


@defect("A08", "cloud cover in per cent", ruled=True)
def _(data: Dataset) -> None:
    edit_frames(data, EVERYWHERE, cloud_fraction=pl.col("cloud_fraction") * 100)


@defect("A08", "altitudes of another datum, one airport")
def _(data: Dataset) -> None:
    edit_frames(data, EGLL, altitude_datum=pl.lit("ellipsoidal"))


@defect("A08", "latitude and longitude exchanged")
def _(data: Dataset) -> None:
    edit_frames(data, one_in(200), lat_deg=pl.col("lon_deg"), lon_deg=pl.col("lat_deg"))


@defect("A08", "longitude without its sign, one airport")
def _(data: Dataset) -> None:
    edit_frames(data, AWAY, lon_deg=pl.col("lon_deg").abs())


@defect("A08", "times with a zone of their own")
def _(data: Dataset) -> None:
    edit_frames(data, one_in(100), time_utc=pl.col("time_utc").str.replace("Z", "+02:00"))


@defect("A08", "times that are none")
def _(data: Dataset) -> None:
    edit_frames(data, one_in(100), time_utc=pl.lit("noon"))


@defect("A08", "pictures by night stated as day", files=True)
def _(data: Dataset) -> None:
    for name in data.image_paths[40:44]:
        path = data.root / name
        dark = cv2.imread(str(path)) // 8  # type: ignore[operator]
        path.unlink()
        cv2.imwrite(str(path), dark)


@defect("A03", "distance in km, one airport")
def _(data: Dataset) -> None:
    edit(data, EGLL, along_track_m=pl.col("along_track_m") / 1000)


@defect("A03", "slant range in nautical miles, one zone")
def _(data: Dataset) -> None:
    edit(data, FAR, slant_m=pl.col("slant_m") / 1852)


@defect("A03", "angles in radians")
def _(data: Dataset) -> None:
    edit(
        data,
        EVERYWHERE,
        vertical_deg=pl.col("vertical_deg").radians(),
        lateral_deg=pl.col("lateral_deg").radians(),
    )


@defect("A03", "drawn distance in nautical miles, the test set")
def _(data: Dataset) -> None:
    edit_frames(data, TEST, along_track_m=pl.col("along_track_m") / 1852)


@defect("A03", "yaw of the frame instead of its offset from the runway")
def _(data: Dataset) -> None:
    edit(data, one_in(9), yaw_offset_deg=pl.col("yaw_offset_deg") + 90)


@defect("A03", "distance 1.1 m too long, one label")
def _(data: Dataset) -> None:
    edit(data, one_in(3000), along_track_m=pl.col("along_track_m") + 1.1)


@defect("C09", "one frame in thicker haze than declared")
def _(data: Dataset) -> None:
    edit_frames(data, one_in(1000), visibility_m=pl.lit(14_990.0))


@defect("C09", "thick haze, the test set")
def _(data: Dataset) -> None:
    edit_frames(data, TEST, visibility_m=pl.col("visibility_m") / 4)


@defect("C09", "flown before the declared hours")
def _(data: Dataset) -> None:
    flown_at(data, one_in(60), 9.9)


@defect("C09", "flown in winter")
def _(data: Dataset) -> None:
    assert data.frames is not None
    later(data, one_in(30), 24 * (355 - data.frames["day_of_year"].to_numpy()))
    edit_frames(data, one_in(30), day_of_year=pl.lit(355.0))


@defect("C09", "a light that the spec does not know", ruled=True)
def _(data: Dataset) -> None:
    edit_frames(data, one_in(100), light=pl.lit("twilight"))


@defect("C09", "rain between the declared rates", ruled=True)
def _(data: Dataset) -> None:
    edit_frames(data, one_in(100), rain_mm_h=pl.lit(4.0))


@defect("C09", "runways of grass where paved ones are declared", ruled=True)
def _(data: Dataset) -> None:
    db = load_shipped()
    place = db.airport("EGLL")
    grass = Airport(
        place.icao, place.name, place.country, place.lat_deg, place.lon_deg, place.elevation_m,
        tuple(replace(r, surface="grass") for r in place.runways),
    )  # fmt: skip
    data.database = replace(db, airports={**db.airports, "EGLL": grass})


@defect("A03", "yaw offset counted to 360 degrees, one airport")
def _(data: Dataset) -> None:
    assert data.frames is not None
    turned = pl.when(pl.col("airport") == "EGLL").then(pl.col("yaw_offset_deg") % 360)
    data.frames = data.frames.with_columns(yaw_offset_deg=turned.otherwise(pl.col("yaw_offset_deg")))


@defect("A08", "altitudes in feet, all")
def _(data: Dataset) -> None:
    edit_frames(data, EVERYWHERE, alt_m=pl.col("alt_m") / 0.3048)


@defect("A08", "altitudes of the ellipsoid stated as those of the sea, one airport")
def _(data: Dataset) -> None:
    edit_frames(data, GROUPS["one airport"], alt_m=pl.col("alt_m") + 45.0)


@defect("A08", "heights above the runway for altitudes, one airport")
def _(data: Dataset) -> None:
    assert data.frames is not None
    ground = data.runway_corners.select("airport", "runway", ground=pl.col("corners").list.get(11))
    height = data.frames.join(ground, on=["airport", "runway"], how="left", maintain_order="left")
    low = (height["alt_m"] - height["ground"]).alias("low")
    edit_frames(data, pl.col("airport") == "EDDF", alt_m=low)


@defect("C09", "rain that the spec does not speak of, the test set")
def _(data: Dataset) -> None:
    edit_frames(data, GROUPS["the test set"], rain_mm_h=pl.lit(4.0))


@defect("T02", "frames of one airport drawn from another spec")
def _(data: Dataset) -> None:
    edit_frames(data, GROUPS["one airport"], odd_sha256=pl.lit("0" * 64))


@defect("T02", "frames of one airport drawn on an older runway database")
def _(data: Dataset) -> None:
    edit_frames(data, GROUPS["one airport"], runway_db_version=pl.lit("2025.01"))


def _respelt(name: str, of: str, table: str = "frames", **to: str) -> None:
    """Register a word that all rows, or those of one airport, spell in another way."""
    ((column, pattern),) = to.items()
    for group, here in (("all", pl.lit(True)), ("one airport", pl.col("frame_id").str.starts_with("KATL"))):

        @defect("T02", f"{name}, {group}")
        def _(data: Dataset, here: pl.Expr = here) -> None:
            rows = getattr(data, table)
            changed = pl.when(here & (pl.col(column) == of)).then(pl.lit(pattern)).otherwise(pl.col(column))
            setattr(data, table, rows.with_columns(changed.alias(column)))


_respelt("close written Close", "close", zone="Close")
_respelt("far written FAR", "far", zone="FAR")
_respelt("close called short final, which the spec does not know", "close", zone="short_final")
_respelt("train written Train", "train", split="Train")
_respelt("day written Day", "day", light="Day")
_respelt("day called noon", "day", light="noon")
_respelt("summer in another language", "summer", season="sommer")
_respelt("wgs84 written WGS-84", "wgs84", earth_model="WGS-84")
_respelt("datum called amsl", "msl", altitude_datum="amsl")
_respelt("IN_ODD written in_odd", "IN_ODD", table="labels", verdict="in_odd")
_respelt("ODD called inside", "IN_ODD", table="labels", verdict="INSIDE")


@defect("T02", "the source written in capitals in the manifest")
def _(data: Dataset) -> None:
    assert data.manifest is not None
    data.meta = {**data.meta, "source": "drawn"}
    data.manifest = data.manifest.with_columns(source=pl.lit("Drawn"))
