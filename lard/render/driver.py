"""Renders a frames table into a dataset folder: by airport, in parallel, resumable, always the same bytes.

A journal beside the images holds, per finished frame, a key of everything its picture depends on and the
picture's SHA-256. A frame is kept when both still hold; so a run may be killed at any moment and repeated.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

import lard
from lard.airports.model import RunwayDatabase
from lard.camera import Camera
from lard.errors import DataError, SourceError
from lard.files import inside
from lard.ground.pyramid import load_ground
from lard.ground.resolution import REFUSE_RATIO, check_resolution
from lard.ground.terrain.dem import load_dem
from lard.ground.terrain.shipped import in_use, located
from lard.progress import Meter
from lard.render.beyond import FLAT_SHARE, PAINTED_SHARE, beyond_shares
from lard.render.conditions import COLUMNS, check_conditions
from lard.render.journal import image_name, part_of, unique_frames
from lard.render.place import Folder, Ground, GroundFolder, Place
from lard.render.renderer import RENDERER_VERSION
from lard.render.task import RenderSettings, Task, render_task, single_frames, task_name
from lard.tables import MANIFEST
from lard.workers import Failures, run_tasks, workers_of

_FRAMES_PER_TASK = 4
_INPUT_COLUMNS = [
    "frame_id", "airport", "lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg",
    "width_px", "height_px", "fx_px", "fy_px", "cx_px", "cy_px", "earth_model", "visibility_m", "seed",
]  # fmt: skip
_OPTIONAL_COLUMNS = [
    *(name for name in (*Camera.__dataclass_fields__, *COLUMNS) if name not in _INPUT_COLUMNS),
    "light", "day_of_year", "local_time_h",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Run:
    """What all frames of a run share."""

    ground_root: Path
    place: Place
    ground_of: Callable[[str], Ground]
    workers: str | int
    db: RunwayDatabase
    settings: RenderSettings
    dem: str


def render_frames(
    frames: pl.DataFrame,
    ground_root: str | Path,
    out_dir: str | Path | Place,
    workers: str | int,
    db: RunwayDatabase,
    *,
    settings: RenderSettings | None = None,
    resume: bool = True,
    shard: tuple[int, int] = (0, 1),
    dem: str | Path | None = None,
    coarse: bool = False,
    ground_of: Callable[[str], Ground] | None = None,
) -> pl.DataFrame:
    """Write images/<frame_id>.jpg of every frame, frames.parquet and manifest.parquet; return the manifest.

    dem is a terrain model's path (lard.ground.terrain.dem); coarse lets ground imagery be much too coarse for
    its frames, which is an error otherwise. With shard (i, n) only an n-th part of the frames, by airport, is
    checked and rendered and no table is written; a last call without one checks all pictures, makes what is
    missing and writes the tables. Frames that fail are told at the end (Unfinished), when all others are
    there. ground_of gives workers an airport's ground where they do not see ground_root, which then holds
    manifests and covers alone.
    """
    settings, ground_root = settings or RenderSettings(), Path(ground_root)
    place = Folder(Path(out_dir)) if isinstance(out_dir, str | Path) else out_dir
    frames = _checked(part_of(unique_frames(frames), shard))
    if len(frames) == 0:  # more shards than frames
        return pl.DataFrame(schema={**MANIFEST, FLAT_SHARE: pl.Float64, PAINTED_SHARE: pl.Float64})
    grounds = _ground_manifests(frames, ground_root, db)
    check_resolution(frames, grounds, db, refuse_ratio=None if coarse else REFUSE_RATIO)
    place.check(frames["frame_id"].to_list())
    run = _Run(
        ground_root, place, ground_of or partial(_here, ground_root), workers, db, settings, str(dem or "")
    )
    keys = _keys(frames, grounds, run)
    if shard[1] > 1:
        return _manifest(frames, _render_missing(frames, keys, grounds, shard, run, resume), grounds, run)
    with place.held():
        done = _render_missing(frames, keys, grounds, shard, run, resume)
        manifest = _manifest(frames, done, grounds, run)
        place.finish(frames, manifest, keys, done)
    return manifest


def _here(root: Path, icao: str) -> Ground:
    return GroundFolder((root / icao).absolute())


def _checked(frames: pl.DataFrame) -> pl.DataFrame:
    faults = [
        f"frames: {name} of frame {row[0]} is {row[1]}; expected a finite number"
        for name in _INPUT_COLUMNS
        if frames[name].dtype.is_numeric()
        for row in frames.filter(~pl.col(name).cast(pl.Float64).is_finite().fill_null(False))
        .select("frame_id", name).head(3).rows()
    ]  # fmt: skip
    faults += check_conditions(frames)
    if faults:
        raise DataError("\n".join(faults))
    return frames


def _ground_manifests(frames: pl.DataFrame, root: Path, db: RunwayDatabase) -> dict[str, dict[str, Any]]:
    """Manifest of every airport's ground with its digest; one error for all that are missing."""
    manifests, faults = {}, []
    for icao in frames["airport"].unique().sort():
        db.airport(icao)
        path = root / inside(f"{icao}/manifest.json", "frames: airport")  # read: links lead anywhere
        if path.is_file():
            ground = load_ground(path.parent)  # a malformed manifest is named before the work begins
            manifests[icao] = {**ground.manifest, "digest": ground.digest}
        else:
            faults.append(f"{path}: no ground imagery for {icao}")
    if faults:
        raise SourceError("\n".join([*faults, "Make it first: run the ground stage, or `lard ground`."]))
    return manifests


def _keys(frames: pl.DataFrame, grounds: dict[str, dict[str, Any]], run: _Run) -> dict[str, str]:
    """Per frame, the digest of everything its picture depends on."""
    places, dem = {}, load_dem(run.dem, run.db.altitude_datum) if run.dem else None
    for icao, ground in grounds.items():
        airport = run.db.airport(icao)
        lit = [
            [strip.displaced_m, strip.marking, strip.approach_lights, strip.lighted]
            for strip in airport.runways
        ]
        terrain = ""
        if dem:
            dem.check_covers(icao, ground["lat0_deg"], ground["lon0_deg"])
            land = dem.levelled_by(in_use(airport, run.db))
            terrain = land.digest(ground["lat0_deg"], ground["lon0_deg"], dem.far_reach_m)
        corners = [strip.corners for strip in airport.runways]
        places[icao] = [ground["digest"], corners, lit, run.db.earth, terrain]
    common = [RENDERER_VERSION, asdict(run.settings)]
    return {
        row["frame_id"]: hashlib.sha256(
            json.dumps([common, places[row["airport"]], row], sort_keys=True).encode()
        ).hexdigest()
        for row in map(_given, frames.select(_columns(frames)).iter_rows(named=True))
    }


def _columns(frames: pl.DataFrame) -> list[str]:
    """The columns that pictures depend on."""
    return _INPUT_COLUMNS + [name for name in _OPTIONAL_COLUMNS if name in frames.columns]


def _given(row: dict[str, Any]) -> dict[str, Any]:
    """A row without its empty cells: an empty optional column is as good as none."""
    return {name: value for name, value in row.items() if value is not None}


def _render_missing(
    frames: pl.DataFrame, keys: dict[str, str], grounds: dict[str, dict[str, Any]], shard: tuple[int, int],
    run: _Run, resume: bool,
) -> dict[str, str]:  # fmt: skip
    """SHA-256 of every frame's picture, after rendering those that are missing, damaged or out of date."""
    done = run.place.kept({name: keys[name] for name in frames["frame_id"]}) if resume else {}
    todo = frames.filter(~pl.col("frame_id").is_in(list(done)))
    if len(todo) == 0:
        return done
    of_airports = [run.ground_of(run.db.airport(icao).icao) for icao in todo["airport"].unique().sort()]
    shared = tuple(g.path / "manifest.json" for g in of_airports if isinstance(g, GroundFolder))
    workers = workers_of(run.workers, run.place.shares(shared))
    failures = Failures(task_name, single_frames)
    with run.place.journal(shard) as note, Meter("render", len(todo), "frames") as meter:
        kept = len(done)
        for results in run_tasks(workers, render_task, _tasks(todo, grounds, run), failures):
            run.place.check_arrived(results, workers)
            note([(keys[row[0]], row) for row in results])
            done.update((frame_id, digest) for frame_id, digest, _ in results)
            meter.advance(len(results), f"{kept} kept" if kept else "")
    run.place.confirm(done)
    failures.check()
    return done


def _tasks(frames: pl.DataFrame, grounds: dict[str, dict[str, Any]], run: _Run) -> Iterator[Task]:
    columns = _columns(frames)
    for (icao,), group in frames.group_by("airport", maintain_order=True):
        airport = run.db.airport(str(icao))
        for start in range(0, len(group), _FRAMES_PER_TASK):
            rows = [_given(row) for row in group[start : start + _FRAMES_PER_TASK].select(columns).to_dicts()]
            yield Task(
                run.ground_of(airport.icao), grounds[str(icao)]["digest"], airport,
                run.place.elsewhere(), run.settings, rows,
                located(run.dem) if run.dem else "", run.db.altitude_datum,
                in_use(airport, run.db) if run.dem else (),
            )  # fmt: skip


def _manifest(
    frames: pl.DataFrame, done: dict[str, str], grounds: dict[str, dict[str, Any]], run: _Run
) -> pl.DataFrame:
    """What every picture is made from, with the shares of it that look beyond the imagery."""
    db = run.db
    terrain = f"; terrain {load_dem(run.dem, db.altitude_datum).name()}" if run.dem else ""
    rows = [
        {
            "frame_id": row["frame_id"], "image": image_name(row["frame_id"]),
            "sha256": done[row["frame_id"]],
            "width_px": row["width_px"], "height_px": row["height_px"], "source": "ortho",
            "source_version": f"renderer {RENDERER_VERSION}; "
            f"{ground.get('generator', 'unknown ground')}{terrain}",
            "licence": ground.get("licence", ""), "attribution": ground.get("attribution", ""),
            "runway_db": db.name, "runway_db_version": db.version, "tool_version": lard.__version__,
            "seed": row["seed"],
        }
        for row in frames.iter_rows(named=True)
        for ground in [grounds[row["airport"]]]
    ]  # fmt: skip
    folders = {icao: (run.ground_root / icao, ground) for icao, ground in grounds.items()}
    shares = beyond_shares(frames, folders, db)
    manifest = pl.DataFrame(rows, schema=dict(MANIFEST))
    return manifest.join(shares, on="frame_id", how="left", maintain_order="left")
