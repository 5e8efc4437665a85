"""A dataset as the checks see it: tables, pictures, ODD and runways, each part present or absent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.airports import RunwayDatabase
from lard.camera import DISTORTION
from lard.errors import AirportError
from lard.labels.verdict import assume
from lard.quality.domain import Domain, domains, frame_faults, row_context, runway_values, words_of
from lard.quality.measures.pictures import measure_all
from lard.quality.measures.sun import solar_clock, sun_elevation_deg
from lard.quality.model import Offence
from lard.quality.odd import PARAMETERS, Odd

Array = NDArray[np.float64]

POSE = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")
CAMERA = ("width_px", "height_px", "fx_px", "fy_px", "cx_px", "cy_px")
CORNERS = ("x_tl_px", "y_tl_px", "x_tr_px", "y_tr_px", "x_br_px", "y_br_px", "x_bl_px", "y_bl_px")
BOX = ("x_min_px", "y_min_px", "x_max_px", "y_max_px")
PARTS = {
    "frames": "a table of frames",
    "pose": "camera poses",
    "approach": "approach values of each frame",
    "camera": "a camera model for each frame",
    "labels": "labels",
    "boxes": "label boxes",
    "corners": "runway corners in pixels",
    "polygon": "clipped polygons and visible fractions",
    "verdict": "ODD verdicts",
    "split": "train, validation and test sets",
    "airports": "the airport of each frame",
    "time": "time of day",
    "images": "pictures",
    "manifest": "a manifest",
    "runways": "a runway database",
    "odd": "an ODD spec",
}


@dataclass(frozen=True, slots=True)
class LabelGeometry:
    """Pose, camera, runway corners and values of the label rows whose runway is known (m rows)."""

    rows: NDArray[np.int64]  # (m,) row of each in the labels table
    corners: Array  # (m, 4, 3) latitude deg, longitude deg, altitude m
    pose: Mapping[str, Array]
    camera: Mapping[str, Array]
    earth: NDArray[np.object_]  # (m,)

    def groups(self) -> Iterable[tuple[str, NDArray[np.bool_]]]:
        """Each earth model with the mask (m,) of its rows."""
        for earth in sorted(set(self.earth.tolist())):
            yield earth, self.earth == earth


@dataclass
class Dataset:
    """What one run of the checks looks at; tables that could not be read are None and named in problems."""

    root: Path
    kind: str
    name: str
    frames: pl.DataFrame | None = None
    labels: pl.DataFrame | None = None
    manifest: pl.DataFrame | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    odd: Odd | None = None
    database: RunwayDatabase | None = None
    reference_runways: Path | None = None
    terrain: tuple[Path, ...] = ()
    problems: tuple[Offence, ...] = ()
    exports: tuple[Path, ...] = ()
    workers: int | str = 2  # threads, or workers of other machines that measure the pictures
    cache: Path | None = None

    @cached_property
    def parts(self) -> frozenset[str]:
        """The parts present: keys of PARTS."""
        found = set()
        frames, labels = self.frames, self.labels
        if frames is not None and len(frames):
            found.add("frames")
            found |= {"pose"} if _filled(frames, POSE) else set()
            found |= {"approach"} if _filled(frames, PARAMETERS) else set()
            found |= {"camera"} if _filled(frames, CAMERA) else set()
            found |= {"split"} if _filled(frames, ("split",)) else set()
            found |= {"airports"} if _filled(frames, ("airport",)) else set()
            found |= {"time"} if _filled(frames, ("time_utc",)) else set()
        if labels is not None and len(labels):
            found.add("labels")
            found |= {"boxes"} if _filled(labels, BOX) else set()
            found |= {"corners"} if _filled(labels, CORNERS) else set()
            found |= {"polygon"} if _filled(labels, ("polygon", "visible_fraction")) else set()
            found |= {"verdict"} if _filled(labels, ("verdict",)) else set()
        if self.manifest is not None:
            found.add("manifest")
        if (self.image_paths and (self.root / "images").is_dir()) or any(
            (self.root / image).is_file() for image in self.image_paths[:50]
        ):
            found.add("images")
        found |= {"runways"} if self.database is not None else set()
        found |= {"odd"} if self.odd is not None else set()
        return frozenset(found)

    @cached_property
    def image_paths(self) -> list[str]:
        """Every picture the manifest, labels or frames speak of, relative to the root, sorted."""
        names: set[str] = set()
        for table in (self.manifest, self.labels, self.frames):
            if table is not None and "image" in table.columns:
                names |= set(table["image"].drop_nulls().unique().to_list())
        if not names and self.frames is not None and self.kind == "lard":
            names = {f"images/{frame_id}.jpg" for frame_id in self.frames["frame_id"].to_list()}
        return sorted(name for name in names if name)

    @cached_property
    def image_of(self) -> dict[str, str]:
        """Picture of each frame id."""
        found: dict[str, str] = {}
        for table in (self.labels, self.manifest, self.frames):
            if table is not None and "image" in table.columns:
                pairs = table.select("frame_id", "image").drop_nulls().unique(maintain_order=True)
                found |= dict(pairs.iter_rows())
        if not found and self.frames is not None and self.kind == "lard":
            found = {frame_id: f"images/{frame_id}.jpg" for frame_id in self.frames["frame_id"].to_list()}
        return found

    @cached_property
    def frame_of(self) -> dict[str, str]:
        """Frame id of each picture."""
        return {image: frame_id for frame_id, image in self.image_of.items()}

    @cached_property
    def split_of(self) -> dict[str, str]:
        """Set of each frame id and of each picture, where it is stated."""
        if self.frames is None:
            return {}
        found = dict(self.frames.select("frame_id", "split").drop_nulls().iter_rows())
        return found | {image: found[name] for image, name in self.frame_of.items() if name in found}

    @cached_property
    def pictures(self) -> pl.DataFrame:
        """Measurements of every picture, one row each (see lard.quality.measures.pictures)."""
        return measure_all(self.root, self.image_paths, self.workers, self.cache)

    @cached_property
    def shared(self) -> dict[str, Any]:
        """What one requirement has worked out and another needs as well, by name."""
        return {}

    @cached_property
    def targets(self) -> pl.DataFrame:
        """One row per frame with its approach PARAMETERS, zone, split and airport, those all known."""
        assert self.frames is not None
        table = self.frames.filter(
            pl.all_horizontal(pl.col(name).is_not_null() & pl.col(name).is_finite() for name in PARAMETERS)
        )
        if self.odd is not None and table["zone"].null_count() == len(table):
            values = {name: table[name].to_numpy() for name in PARAMETERS}
            table = table.with_columns(pl.Series("zone", self.odd.zone_names(values), dtype=pl.String))
        return table

    @cached_property
    def domains(self) -> Mapping[str, Domain]:
        """What the ODD allows of each zone, by name."""
        assert self.odd is not None and self.frames is not None
        return domains(self.odd, self.frames, self.row_context)

    @cached_property
    def frame_faults(self) -> Mapping[str, NDArray[np.bool_]]:
        """Why rows of `targets` are no part of the zone they name (see lard.quality.domain)."""
        assert self.odd is not None
        return frame_faults(self.odd, self.targets, self.row_context(self.targets))

    def environment_values(self, name: str, frames: pl.DataFrame) -> tuple[list[Any] | None, bool]:
        """Values (n,) of an environment parameter of frames, and whether they are stated in a column.

        What is not stated follows from time and place where it can; None where it cannot.
        """
        if name in frames.columns and frames[name].null_count() < len(frames):
            return frames[name].to_list(), True
        if not {"time", "pose"} <= self.parts:
            return None, False
        times = frames["time_utc"].to_list()
        lat, lon = (frames[side].fill_null(np.nan).to_numpy() for side in ("lat_deg", "lon_deg"))
        sun = sun_elevation_deg(times, lat, lon)
        if name == "sun_elevation_deg":
            return sun.tolist(), False
        if name == "light":  # within a degree of a limit either may be meant
            edge = (np.abs(sun) < 1.0) | (np.abs(sun + 6.0) < 1.0)
            words = np.where(sun >= 0, "day", np.where(sun >= -6.0, "dusk", "night"))
            unknown = edge | ~np.isfinite(sun)
            return [None if u else str(w) for u, w in zip(unknown, words, strict=True)], False
        hours, days = solar_clock(times, lon)
        derived = {"local_time_h": hours, "day_of_year": days}
        return (derived[name].tolist() if name in derived else None), False

    def row_context(self, table: pl.DataFrame) -> dict[str, NDArray[Any]]:
        """Environment and runway values (n,) of rows that name a frame, an airport and a runway."""
        assert self.frames is not None
        frames = assume(self.frames, self.meta.get("assumed") or {})  # as the labels were judged
        return row_context(frames, self.runway_values, table)

    @cached_property
    def runway_values(self) -> pl.DataFrame:
        """What rules may look at of every landing direction the dataset names and the database knows."""
        spec = self.odd.spec if self.odd is not None else None
        return runway_values(self.database, self.named_runways, spec)

    @cached_property
    def airport_of(self) -> Mapping[str, str]:
        """The airport that each frame approaches, where it is stated."""
        if self.frames is None:
            return {}
        return dict(self.frames.select("frame_id", "airport").drop_nulls().iter_rows())

    @cached_property
    def label_geometry(self) -> LabelGeometry:
        """Pose, camera and runway of each label row whose frame and runway are known."""
        assert self.labels is not None and self.frames is not None and self.database is not None
        keys = ("frame_id", *POSE, *CAMERA, *DISTORTION, "earth_model")
        frames = (
            with_distortion(self.frames).select(keys).unique("frame_id", keep="first", maintain_order=True)
        )
        labels = self.labels.select("frame_id", "airport", "runway").with_row_index("row")
        known = self.runway_corners
        ends = known.select("airport", "runway").with_row_index("_end")
        joined = labels.join(frames, on="frame_id", how="inner").join(
            ends, on=["airport", "runway"], how="inner"
        )
        joined = joined.filter(posed()).sort("row")
        corners = np.array(known["corners"].to_list(), np.float64).reshape(-1, 4, 3)
        return LabelGeometry(
            rows=joined["row"].to_numpy().astype(np.int64),
            corners=corners[joined["_end"].to_numpy()],
            pose={name: joined[name].to_numpy() for name in POSE},
            camera={name: joined[name].to_numpy().astype(np.float64) for name in (*CAMERA, *DISTORTION)},
            earth=words_of(joined["earth_model"]),
        )

    @cached_property
    def runway_corners(self) -> pl.DataFrame:
        """airport, runway, corners (12 numbers) of every landing direction the dataset names and the
        database knows, spelled as in the dataset."""
        rows: list[tuple[str, str, list[float]]] = []
        for airport, runway in self.named_runways:
            try:
                found = self.database.airport(airport).runway(runway) if self.database else None
            except AirportError:
                found = None
            if found is not None:
                rows.append((airport, runway, [float(v) for corner in found.corners for v in corner]))
        schema: dict[str, Any] = {"airport": pl.String, "runway": pl.String, "corners": pl.List(pl.Float64)}
        return pl.DataFrame(rows, schema=schema, orient="row")

    @cached_property
    def named_runways(self) -> list[tuple[str, str]]:
        """Every airport and runway that frames or labels name, sorted."""
        pairs: set[tuple[str, str]] = set()
        for table in (self.frames, self.labels):
            if table is not None:
                pairs |= set(table.select("airport", "runway").drop_nulls().unique().iter_rows())
        return sorted(pairs)


def with_distortion(frames: pl.DataFrame) -> pl.DataFrame:
    """Frames with the columns of radial distortion, 0 where none is stated."""
    stated = [pl.col(name).fill_null(0.0).cast(pl.Float64) for name in DISTORTION if name in frames.columns]
    absent = [pl.lit(0.0).alias(name) for name in DISTORTION if name not in frames.columns]
    return frames.with_columns(*stated, *absent)


def posed() -> pl.Expr:
    """Whether a row has a complete and finite pose; DQR-T02 reports those that have not."""
    known = (pl.col(name).is_not_null() & pl.col(name).is_finite().fill_null(False) for name in POSE)
    return pl.all_horizontal(known)


def _filled(table: pl.DataFrame, columns: Iterable[str]) -> bool:
    return all(name in table.columns and table[name].null_count() < len(table) for name in columns)


def sources_of(data: Dataset) -> dict[str, str]:
    """Source of each frame, where one is named."""
    for table in (data.manifest, data.frames):
        if table is not None and "source" in table.columns:
            return dict(table.select("frame_id", "source").drop_nulls().iter_rows())
    return {}
