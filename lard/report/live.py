"""A dataset as a recording for the Rerun viewer: runways, zones and cameras in 3-D, pictures on a time line.

Every airport is a tree of its own: runways, zones, paths and cameras in metres about its first threshold,
and the camera of the moment with picture, labels and detections. Line `frame` counts frames, sequences one
after the other; line `flight` plays those that state the time of each frame at the pace of their clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from lard.airports import Airport
from lard.airports.files import SHIPPED, open_database
from lard.camera import camera_of_row
from lard.errors import DataError, SpecError
from lard.labels.dataset import read_dataset
from lard.labels.judging import dataset_spec
from lard.odd import load_spec
from lard.parts import is_table
from lard.progress import track
from lard.quality import Odd
from lard.report.explorer import image_names
from lard.report.explorer_results import FALSE_ALARM, FOUND, Judged, judge_results
from lard.report.explorer_thumbs import picture_fault
from lard.report.scene import cameras, nominal_path, origin_of, runway_outline, zone_edges
from lard.tables import MANIFEST, atomic_path, read_table

if TYPE_CHECKING:
    import rerun as rr

APPLICATION = "lard view"
COLOURS = {"IN_ODD": (60, 200, 110), "IN_EXTENDED_ODD": (235, 190, 60), "OUT_OF_ODD": (230, 80, 70)}
ZONES = ((90, 150, 230), (230, 140, 60), (170, 110, 220), (80, 190, 190))
DETECTED = {FOUND: (70, 160, 255), FALSE_ALARM: (255, 60, 200)}
_GREY = (170, 170, 170)
PAUSE_S = 2.0
"""Between two sequences on the line `flight`."""
PATH_DEG = 3.0
"""Vertical angle of the path drawn where no spec says which angles a zone has."""


@dataclass(frozen=True, slots=True)
class Viewed:
    """What was recorded, and what a user should know about it."""

    frames: int
    airports: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Material:
    folder: Path
    frames: pl.DataFrame
    labels: Mapping[str, list[dict[str, Any]]]
    images: Mapping[str, Path]
    broken: Mapping[str, str]
    """Reasons of frames whose pictures are missing or damaged."""
    judged: Sequence[Judged]
    odd: Odd | None


def rerun() -> Any:
    """The viewer's package; DataError naming the extra where it is not installed."""
    try:
        import rerun as found
    except ImportError as error:
        raise DataError(
            "lard view needs the package rerun-sdk; install the extra view: pip install 'lard[view]'"
        ) from error
    return found


def view(
    folder: str | Path,
    *,
    save: str | Path | None = None,
    results: Sequence[str | Path] = (),
    score: float | None = None,
    odd: str | Path | None = None,
    runways: str = SHIPPED,
    limit: int | None = None,
) -> Viewed:
    """Record a dataset folder into a file, or open the viewer on it; DataError for what does not fit."""
    rr = rerun()
    material, notes = _material(Path(folder), results, score, odd, limit)
    database = open_database(runways)
    posed = material.frames.drop_nulls(["lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg"])
    known = posed.filter(pl.col("airport").is_in(list(database.airports)))
    if known.is_empty():
        raise DataError(
            f"{folder}: no frame has a pose at an airport of {database.name} {database.version}; name the "
            "runways that it was made with by --runways"
        )
    lost = len(material.frames) - len(known)
    notes += [f"{lost} frames without a pose or a known airport are left out"] if lost else []
    if any(known[name].fill_null(0.0).any() for name in ("k1", "k2") if name in known.columns):
        notes.append(
            "frustums are drawn without the lens's distortion; labels lie where the picture has them"
        )
    codes = sorted(known["airport"].unique().to_list())
    stream = rr.RecordingStream(APPLICATION, recording_id=str(folder))
    if save is None:
        stream.spawn(default_blueprint=_blueprint(codes))
        _record(rr, stream, known, database.airports, material)
        stream.flush()
    else:
        with atomic_path(Path(save)) as temporary:
            stream.save(temporary, default_blueprint=_blueprint(codes))
            _record(rr, stream, known, database.airports, material)
            stream.flush()
            stream.disconnect()
    return Viewed(len(known), len(codes), tuple(notes))


def _material(
    folder: Path,
    results: Sequence[str | Path],
    score: float | None,
    odd: str | Path | None,
    limit: int | None,
) -> tuple[_Material, list[str]]:
    frames, labels, info = read_dataset(folder)
    if frames.is_empty():
        raise DataError(f"{folder}: frames.parquet has no rows; sample and render frames first")
    order = [name for name in ("airport", "sequence", "time_s", "frame_id") if name in frames.columns]
    path = folder / "manifest.parquet"
    manifest = read_table(path, MANIFEST) if is_table(path) else None
    names = frames["frame_id"].to_list()
    judged = judge_results(folder, names, results, score)
    notes: list[str] = []
    domain: Odd | None = None
    if odd is not None:
        domain = Odd.from_spec(load_spec(odd), Path(odd).name)
    else:
        try:
            found = dataset_spec(frames, info)
            domain = Odd.from_spec(*found) if found else None
        except (DataError, SpecError) as error:
            notes.append(f"no zones are drawn: {error}; name the spec with --odd")
    images = {n: folder / image for n, image in zip(names, image_names(names, labels, manifest), strict=True)}
    seen = labels.filter(pl.col("visible_fraction") > 0).sort("frame_id", "airport", "runway")
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in seen.iter_rows(named=True):
        rows.setdefault(row["frame_id"], []).append(row)
    shown = frames.sort(order, nulls_last=True).head(limit or len(frames))
    broken = {
        name: fault
        for name in shown["frame_id"].to_list()
        if (fault := picture_fault(images[name])) is not None
    }
    if broken:
        notes.append(f"{len(broken)} of {len(shown)} pictures cannot be shown (first: {broken[min(broken)]})")
    return _Material(folder, shown, rows, images, broken, judged, domain), notes


def _record(
    rr: Any,
    stream: rr.RecordingStream,
    frames: pl.DataFrame,
    airports: Mapping[str, Airport],
    data: _Material,
) -> None:
    place, moments = 0, flight_times(frames)
    for code in sorted(frames["airport"].unique().to_list()):
        own = frames.filter(pl.col("airport") == code)
        origin = origin_of(airports[code])
        _surroundings(rr, stream, airports[code], own, data.odd)
        positions, rotations = cameras(own, origin)
        stream.log(f"{code}/cameras", rr.Points3D(positions, radii=rr.Radius.ui_points(3)), static=True)
        rows = zip(own.iter_rows(named=True), positions, rotations, strict=True)
        for frame, position, rotation in track(list(rows), f"view {code}", unit="frames"):
            stream.set_time("frame", sequence=place)
            if (moment := moments[frame["frame_id"]]) is not None:
                stream.set_time("flight", duration=moment)
            _frame(rr, stream, code, frame, position, rotation, data)
            place += 1
        stream.reset_time()
        stream.set_time("frame", sequence=place)
        stream.log(f"{code}/camera", rr.Clear(recursive=True))  # no frame of it is of a later moment


def _surroundings(
    rr: Any, stream: rr.RecordingStream, airport: Airport, frames: pl.DataFrame, odd: Odd | None
) -> None:
    """Runways, and before those that frames approach the zones of the domain and a path."""
    code, origin, earth = airport.icao, origin_of(airport), frames["earth_model"][0]
    stream.log(code, rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    for runway in airport.strips:
        outline = runway_outline(runway, origin, earth)
        closed = [np.vstack([outline, outline[:1]])]
        name = f"{code}/runways/{runway.ident}_{runway.reciprocal}"
        stream.log(name, rr.LineStrips3D(closed, colors=[_GREY], radii=rr.Radius.ui_points(2)), static=True)
    apexes = (odd.lateral_apex_m, odd.vertical_apex_m) if odd else (0.0, 305.0)
    for ident in sorted(set(frames["runway"].to_list()) & {runway.ident for runway in airport.runways}):
        runway = airport.runway(ident)
        longest, angle = 6000.0, PATH_DEG
        for zone, colour in zip(odd.zones if odd else (), ZONES * 9, strict=False):
            if not {"along_track_m", "lateral_deg", "vertical_deg"} <= set(zone.bounds):
                continue
            longest = max(longest, zone.bounds["along_track_m"][1])
            angle = float(np.mean(zone.bounds["vertical_deg"]))
            edges = zone_edges(runway, zone.bounds, apexes, origin)
            stream.log(
                f"{code}/zones/{ident}/{zone.name}",
                rr.LineStrips3D(edges, colors=[colour], radii=rr.Radius.ui_points(1)),
                static=True,
            )
        path = nominal_path(runway, angle, longest, apexes, origin)
        stream.log(f"{code}/paths/{ident}", rr.LineStrips3D([path], colors=[(250, 250, 250)]), static=True)


def _frame(
    rr: Any,
    stream: rr.RecordingStream,
    code: str,
    frame: Mapping[str, Any],
    position: np.ndarray[Any, Any],
    rotation: np.ndarray[Any, Any],
    data: _Material,
) -> None:
    name, camera = frame["frame_id"], camera_of_row(frame)
    here = f"{code}/camera"
    stream.log(here, rr.Transform3D(translation=position, mat3x3=rotation))
    lens = rr.Pinhole(
        resolution=[camera.width_px, camera.height_px], focal_length=[camera.fx_px, camera.fy_px],
        principal_point=[camera.cx_px, camera.cy_px], image_plane_distance=150.0,
        camera_xyz=rr.ViewCoordinates.RDF,
    )  # fmt: skip
    if name in data.broken:  # before the lens, which it would take away as well
        stream.log(f"{here}/picture", rr.Clear(recursive=False))
    stream.log(f"{here}/picture", lens)
    if name not in data.broken:
        stream.log(f"{here}/picture", rr.EncodedImage(path=data.images[name]))
    rows = [row for row in data.labels.get(name, []) if row["polygon"]]
    lines = [np.array([*row["polygon"], *row["polygon"][:2]], np.float64).reshape(-1, 2) for row in rows]
    words = [f"{row['airport']} {row['runway']} {row['verdict']}" for row in rows]
    colours = [COLOURS.get(row["verdict"], _GREY) for row in rows]
    stream.log(f"{here}/picture/labels", rr.LineStrips2D(lines, colors=colours, labels=words))
    for model in data.judged:
        counted = [row for row in model.detections.get(name, []) if row[4] >= model.score]
        boxes = rr.Boxes2D(
            array=[row[:4] for row in counted], array_format=rr.Box2DFormat.XYWH,
            colors=[DETECTED.get(row[5], _GREY) for row in counted],
            labels=[f"{model.name} {row[4]:.2f}" for row in counted],
        )  # fmt: skip
        stream.log(f"{here}/picture/detections/{model.name}", boxes)
    told = ("sequence", "runway", "zone", "split", "along_track_m", "lateral_deg", "vertical_deg", "time_utc")
    lines_of = [f"{key}: {frame[key]}" for key in told if frame.get(key) is not None]
    stream.log(f"{code}/frame", rr.TextDocument("\n".join([name, *lines_of])))


def flight_times(frames: pl.DataFrame) -> dict[str, float | None]:
    """Seconds on the line `flight` by frame: sequences one after the other, a pause between them.

    None for frames of no sequence, or of one that states no times.
    """
    if not {"sequence", "time_s"} <= set(frames.columns):
        return dict.fromkeys(frames["frame_id"].to_list())
    found: dict[str, float | None] = {}
    start, last, of, first = 0.0, 0.0, None, 0.0
    for name, sequence, time_s in frames.select("frame_id", "sequence", "time_s").iter_rows():
        if not sequence or time_s is None:
            found[name] = None
            continue
        if sequence != of:
            start, of, first = (last + PAUSE_S if of is not None else 0.0), sequence, time_s
        last = start + time_s - first
        found[name] = last
    return found


def _blueprint(codes: Sequence[str]) -> Any:
    """A tab for each airport: the scene, the picture, what is known of the frame."""
    import rerun.blueprint as rrb

    return rrb.Blueprint(
        rrb.Tabs(
            *(
                rrb.Horizontal(
                    rrb.Spatial3DView(origin=code, name="scene"),
                    rrb.Vertical(
                        rrb.Spatial2DView(origin=f"{code}/camera/picture", name="picture"),
                        rrb.TextDocumentView(origin=f"{code}/frame", name="frame"),
                        row_shares=[3, 1],
                    ),
                    name=code,
                )
                for code in codes
            )
        )
    )
