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
from lard.errors import AirportError
from lard.labels.verdict import assume
from lard.quality.columns import BOX as BOX
from lard.quality.columns import CAMERA as CAMERA
from lard.quality.columns import CORNERS as CORNERS
from lard.quality.columns import POSE as POSE
from lard.quality.columns import once
from lard.quality.columns import posed as posed
from lard.quality.columns import with_distortion as with_distortion
from lard.quality.domain import Domain, domains, frame_faults, row_context, runway_values
from lard.quality.lookup import Lookup
from lard.quality.measures.pictures import measure_all
from lard.quality.measures.sun import solar_clock, sun_elevation_deg
from lard.quality.model import Offence
from lard.quality.odd import PARAMETERS, Odd
from lard.quality.sights import LabelGeometry, label_geometry

Array = NDArray[np.float64]

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
    stored: tuple[pl.DataFrame, pl.DataFrame] | None = (
        None  # frames and labels with words for what is unknown
    )

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
    def once(self) -> pl.DataFrame:
        """Each frame by its first row."""
        assert self.frames is not None
        return once(self.frames)

    @cached_property
    def image_of(self) -> Mapping[str, str]:
        """Picture of each frame id."""
        tables = [
            table.select("frame_id", "image").drop_nulls().unique(maintain_order=True)
            for table in (self.labels, self.manifest, self.frames)
            if table is not None and "image" in table.columns
        ]
        if not any(map(len, tables)) and self.frames is not None and self.kind == "lard":
            image = pl.format("images/{}.jpg", "frame_id").alias("image")
            tables = [self.frames.select("frame_id", image)]
        pairs = pl.concat([table.cast(pl.String) for table in tables] or [_NO_PAIRS])
        return Lookup(pairs["frame_id"], pairs["image"])

    @cached_property
    def frame_of(self) -> Mapping[str, str]:
        """Frame id of each picture."""
        assert isinstance(self.image_of, Lookup)
        return self.image_of.inverse()

    @cached_property
    def split_of(self) -> Mapping[str, str]:
        """Set of each frame id and of each picture, where it is stated."""
        if self.frames is None:
            return {}
        known = self.frames.select("frame_id", "split").drop_nulls().cast(pl.String)
        found = Lookup(known["frame_id"], known["split"]).pairs
        assert isinstance(self.frame_of, Lookup)
        pictures = self.frame_of.pairs.join(
            found, left_on="value", right_on="key", how="inner", maintain_order="left"
        )
        return Lookup(
            pl.concat([found["key"], pictures["key"]]), pl.concat([found["value"], pictures["value_right"]])
        )

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
        known = (pl.col(name).is_not_null() & pl.col(name).is_finite() for name in PARAMETERS)
        told = self.frames.select(pl.all_horizontal(known)).to_series()
        table = self.frames if told.all() else self.frames.filter(told)
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

    def row_context(self, table: pl.DataFrame, asked: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
        """Environment and runway values (n,) of rows that name a frame, an airport and a runway; of `asked`
        parameters alone if given."""
        assert self.frames is not None
        frames = assume(self.frames, self.meta.get("assumed") or {})  # as the labels were judged
        return row_context(frames, self.runway_values, table, asked)

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
        return Lookup(self.frames["frame_id"], self.frames["airport"])

    @cached_property
    def label_geometry(self) -> LabelGeometry:
        """Pose, camera and runway of each label row whose frame and runway are known."""
        assert self.labels is not None and self.frames is not None and self.database is not None
        return label_geometry(self.frames, self.labels, self.runway_corners)

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


_NO_PAIRS = pl.DataFrame(schema={"frame_id": pl.String, "image": pl.String})


def _filled(table: pl.DataFrame, columns: Iterable[str]) -> bool:
    return all(name in table.columns and table[name].null_count() < len(table) for name in columns)


def sources_of(data: Dataset) -> dict[str, str]:
    """Source of each frame, where one is named."""
    for table in (data.manifest, data.frames):
        if table is not None and "source" in table.columns:
            return dict(table.select("frame_id", "source").drop_nulls().iter_rows())
    return {}


def source_column(data: Dataset, ids: pl.Series) -> pl.Series:
    """Source (n,) of frames by their ids, null where none is named."""
    for table in (data.manifest, data.frames):
        if table is not None and "source" in table.columns:
            known = table.select("frame_id", pl.col("source").cast(pl.String)).drop_nulls()
            known = known.unique("frame_id", keep="last")
            asked = pl.DataFrame([ids.alias("frame_id")])
            return asked.join(known, on="frame_id", how="left", maintain_order="left")["source"]
    return pl.Series("source", [None] * len(ids), dtype=pl.String)
