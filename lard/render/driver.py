"""Renders a frames table into a dataset folder: by airport, in parallel, resumable, always the same bytes.

A journal beside the images holds, per finished frame, a key of everything its picture depends on and the
picture's SHA-256. A frame is kept when both still hold; so a run may be killed at any moment and repeated.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

import lard
from lard.airports.model import RunwayDatabase
from lard.camera import Camera
from lard.errors import DataError, SourceError
from lard.ground.pyramid import load_ground
from lard.ground.resolution import REFUSE_RATIO, check_resolution
from lard.ground.terrain.dem import load_dem
from lard.ground.terrain.surface import FAR_REACH_M
from lard.progress import Meter
from lard.render.beyond import FLAT_SHARE, PAINTED_SHARE, beyond_shares
from lard.render.conditions import COLUMNS, check_conditions
from lard.render.journal import (
    JOURNAL,
    Journal,
    check_folder,
    image_name,
    journal_line,
    kept_pictures,
    part_of,
    picture_path,
    remove_stale,
    unique_frames,
    unwritable,
    write_tables,
)  # fmt: skip
from lard.render.renderer import RENDERER_VERSION
from lard.render.task import RenderSettings, Task, render_task, single_frames, task_name
from lard.tables import (
    MANIFEST,
    below,
    folder_lock,
    folders_for,
    sha256_file,
)  # fmt: skip
from lard.workers import Failures, Shares, Workers, arrived, run_tasks, workers_of

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
    out_dir: Path
    workers: str | int
    db: RunwayDatabase
    settings: RenderSettings
    dem: str


def render_frames(
    frames: pl.DataFrame,
    ground_root: str | Path,
    out_dir: str | Path,
    workers: str | int,
    db: RunwayDatabase,
    *,
    settings: RenderSettings | None = None,
    resume: bool = True,
    shard: tuple[int, int] = (0, 1),
    dem: str | Path | None = None,
    coarse: bool = False,
) -> pl.DataFrame:
    """Write images/<frame_id>.jpg of every frame, frames.parquet and manifest.parquet; return the manifest.

    dem is a terrain model's path (lard.ground.terrain.dem); coarse lets ground imagery be much too
    coarse for its frames, which is an error otherwise. With shard (i, n) only an n-th part of the frames, by
    airport, is checked and rendered and no table is written; a last call without one checks all pictures,
    makes what is missing and writes the tables. Frames that fail are told at the end (Unfinished), when all
    others are there.
    """
    settings, out_dir, ground_root = settings or RenderSettings(), Path(out_dir), Path(ground_root)
    frames = _checked(part_of(unique_frames(frames), shard))
    if len(frames) == 0:  # more shards than frames
        return pl.DataFrame(schema={**MANIFEST, FLAT_SHARE: pl.Float64, PAINTED_SHARE: pl.Float64})
    grounds = _ground_manifests(frames, ground_root, db)
    check_resolution(frames, grounds, db, refuse_ratio=None if coarse else REFUSE_RATIO)
    check_folder(out_dir, frames["frame_id"].to_list())
    run = _Run(ground_root, out_dir, workers, db, settings, str(dem or ""))
    keys = _keys(frames, grounds, run)
    if shard[1] > 1:
        journal = out_dir / f"{JOURNAL}_{shard[0]}_{shard[1]}.jsonl"
        with folders_for(out_dir / "images"):
            done = _render_missing(frames, keys, grounds, journal, run, resume)
        return _manifest(frames, done, grounds, run)
    with folder_lock(out_dir):
        journal = out_dir / f"{JOURNAL}.jsonl"
        with folders_for(out_dir / "images"):
            done = _render_missing(frames, keys, grounds, journal, run, resume)
        remove_stale(out_dir, done)
        manifest = _manifest(frames, done, grounds, run)
        lines = [journal_line(name, keys[name], done[name]) for name in sorted(done)]
        try:
            # the journal sorted, so that its bytes do not tell the order of work
            write_tables(out_dir, frames, manifest, journal, "".join(lines))
        except OSError as error:
            raise unwritable(out_dir, error) from error
        for part_journal in out_dir.glob(f"{JOURNAL}_*.jsonl"):
            part_journal.unlink()
    return manifest


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
        path = below(root, f"{icao}/manifest.json")
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
        terrain = dem.digest(ground["lat0_deg"], ground["lon0_deg"], FAR_REACH_M) if dem else ""
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
    frames: pl.DataFrame, keys: dict[str, str], grounds: dict[str, dict[str, Any]], journal: Path,
    run: _Run, resume: bool,
) -> dict[str, str]:  # fmt: skip
    """SHA-256 of every frame's picture, after rendering those that are missing, damaged or out of date."""
    done = kept_pictures({name: keys[name] for name in frames["frame_id"]}, run.out_dir) if resume else {}
    todo = frames.filter(~pl.col("frame_id").is_in(list(done)))
    if len(todo) == 0:
        return done
    airports = todo["airport"].unique().sort()
    manifests = tuple(run.ground_root / run.db.airport(icao).icao / "manifest.json" for icao in airports)
    workers = workers_of(run.workers, Shares(run.out_dir, manifests))
    failures = Failures(task_name, single_frames)
    with Journal(journal) as entries, Meter("render", len(todo), "frames") as meter:
        kept = len(done)
        for results in run_tasks(workers, render_task, _tasks(todo, grounds, run), failures):
            _check_arrived(results, run.out_dir, workers)
            entries.add([journal_line(frame_id, keys[frame_id], digest) for frame_id, digest in results])
            done.update(results)
            meter.advance(len(results), f"{kept} kept" if kept else "")
    failures.check()
    return done


def _check_arrived(results: list[tuple[str, str]], out_dir: Path, workers: Workers) -> None:
    """SourceError unless the pictures that a worker says it wrote are here, as it wrote them."""
    for frame_id, digest in results:
        path = picture_path(out_dir, frame_id)
        is_whole = partial(_is_whole, path, digest)
        if not (arrived(is_whole) if workers.remote else is_whole()):
            raise SourceError(
                f"{path}: rendered by a worker ({workers.where}) and not here; give an --out that all "
                "workers and this process share, and run again"
            )


def _is_whole(path: Path, digest: str) -> bool:
    return path.is_file() and sha256_file(path) == digest


def _tasks(frames: pl.DataFrame, grounds: dict[str, dict[str, Any]], run: _Run) -> Iterator[Task]:
    columns = _columns(frames)
    for (icao,), group in frames.group_by("airport", maintain_order=True):
        airport = run.db.airport(str(icao))
        for start in range(0, len(group), _FRAMES_PER_TASK):
            rows = [_given(row) for row in group[start : start + _FRAMES_PER_TASK].select(columns).to_dicts()]
            yield Task(
                (run.ground_root / airport.icao).absolute(), grounds[str(icao)]["digest"], airport,
                run.out_dir.absolute(), run.settings, rows,
                str(Path(run.dem).absolute()) if run.dem else "", run.db.altitude_datum,
            )  # fmt: skip


def _manifest(
    frames: pl.DataFrame, done: dict[str, str], grounds: dict[str, dict[str, Any]], run: _Run
) -> pl.DataFrame:
    """What every picture is made from, with the shares of it that look beyond the imagery."""
    db = run.db
    rows = [
        {
            "frame_id": row["frame_id"], "image": image_name(row["frame_id"]),
            "sha256": done[row["frame_id"]],
            "width_px": row["width_px"], "height_px": row["height_px"], "source": "ortho",
            "source_version": f"renderer {RENDERER_VERSION}; {ground.get('generator', 'unknown ground')}",
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
