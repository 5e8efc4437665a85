"""Renders a frames table into a dataset folder: by airport, in parallel, resumable, always the same bytes.

A journal beside the images holds, per finished frame, a key of everything its picture depends on and the
picture's SHA-256. A frame is kept when both still hold; so a run may be killed at any moment and repeated.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image

import lard
from lard.airports.model import Airport, RunwayDatabase
from lard.camera import Camera, Poses
from lard.errors import DataError, LardError, SourceError
from lard.imagery.ground.pyramid import GroundPyramid, load_ground
from lard.imagery.ground.terrain import Surface, surface_of
from lard.imagery.renderer import RENDERER_VERSION, Conditions, Quality, render_frame
from lard.progress import Meter
from lard.tables import (
    FRAMES,
    MANIFEST,
    atomic_path,
    check_schema,
    folder_lock,
    read_json,
    sha256_file,
    stable_hash,
    write_table,
    write_text,
)  # fmt: skip
from lard.workers import executor_of, run_bounded

JOURNAL = "render_journal"
_FRAMES_PER_TASK = 4
_INPUT_COLUMNS = [
    "frame_id", "airport", "lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg",
    "width_px", "height_px", "fx_px", "fy_px", "cx_px", "cy_px", "earth_model", "visibility_m", "seed",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """How pictures are made and stored; part of every frame's key."""

    jpeg_quality: int = 92
    quality: Quality = field(default_factory=Quality)

    def __post_init__(self) -> None:
        if not 1 <= self.jpeg_quality <= 100:
            raise DataError(f"render.jpeg_quality is {self.jpeg_quality}; expected from 1 to 100")
        if not 1 <= self.quality.supersample <= 8:
            raise DataError(f"render.supersample is {self.quality.supersample}; expected from 1 to 8")

    @classmethod
    def of_params(cls, params: dict[str, Any]) -> "RenderSettings":
        """Settings of the `render` section of params.yaml; unknown keys are refused."""
        filters = {name: params[name] for name in Quality.__dataclass_fields__ if name in params}
        unknown = set(params) - set(filters) - {"jpeg_quality"}
        if unknown:
            known = ", ".join(["jpeg_quality", *Quality.__dataclass_fields__])
            raise DataError(f"render.{', render.'.join(sorted(unknown))}: unknown; expected some of {known}")
        return cls(int(params.get("jpeg_quality", 92)), Quality(**filters))


@dataclass(frozen=True, slots=True)
class _Task:
    """A few frames of one airport, as sent to a worker."""

    ground: Path
    airport: Airport
    out_dir: Path
    settings: RenderSettings
    frames: list[dict[str, Any]]


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
) -> pl.DataFrame:
    """Write images/<frame_id>.jpg of every frame, frames.parquet and manifest.parquet; return the manifest.

    With shard (i, n) only an n-th part of the frames is rendered and no table is written; a last call without
    one checks all pictures, makes what is missing and writes the tables.
    """
    settings, out_dir, ground_root = settings or RenderSettings(), Path(out_dir), Path(ground_root)
    frames = _checked(frames)
    grounds = _ground_manifests(frames, ground_root, db)
    keys = _keys(frames, grounds, db, settings)
    if shard[1] > 1:
        part = [stable_hash(name) % shard[1] == shard[0] for name in frames["frame_id"]]
        journal = out_dir / f"{JOURNAL}_{shard[0]}_{shard[1]}.jsonl"
        (out_dir / "images").mkdir(parents=True, exist_ok=True)
        done = _render_missing(
            frames.filter(part), keys, journal, ground_root, out_dir, workers, db, settings, resume
        )
        return _manifest(frames.filter(part), done, grounds, db)
    with folder_lock(out_dir):
        (out_dir / "images").mkdir(parents=True, exist_ok=True)
        journal = out_dir / f"{JOURNAL}.jsonl"
        done = _render_missing(frames, keys, journal, ground_root, out_dir, workers, db, settings, resume)
        _remove_stale(out_dir, set(frames["frame_id"]))
        manifest = _manifest(frames, done, grounds, db)
        write_table(frames, out_dir / "frames.parquet", FRAMES)
        write_table(manifest, out_dir / "manifest.parquet", MANIFEST)
        lines = [_line(name, keys[name], done[name]) for name in sorted(done)]
        write_text("".join(lines), journal)  # sorted, so that its bytes do not tell the order of work
        for part_journal in out_dir.glob(f"{JOURNAL}_*.jsonl"):
            part_journal.unlink()
    return manifest


def image_name(frame_id: str) -> str:
    """Path of a frame's picture relative to the dataset folder."""
    return f"images/{frame_id}.jpg"


def _checked(frames: pl.DataFrame) -> pl.DataFrame:
    frames = check_schema(frames, FRAMES, "frames").sort("frame_id")
    if len(frames) == 0:
        raise DataError("frames: the table is empty; sample some frames first")
    twice = frames.filter(pl.col("frame_id").is_duplicated())["frame_id"].unique().sort().to_list()
    if twice:
        raise DataError(f"frames: frame_id {', '.join(twice[:5])} occurs more than once; ids must be unique")
    faults = [
        f"frames: {name} of frame {row[0]} is {row[1]}; expected a finite number"
        for name in _INPUT_COLUMNS
        if frames[name].dtype.is_numeric()
        for row in frames.filter(~pl.col(name).cast(pl.Float64).is_finite().fill_null(False))
        .select("frame_id", name).head(3).rows()
    ]  # fmt: skip
    if faults:
        raise DataError("\n".join(faults))
    return frames


def _ground_manifests(frames: pl.DataFrame, root: Path, db: RunwayDatabase) -> dict[str, dict[str, Any]]:
    """Manifest of every airport's ground with its digest; one error for all that are missing."""
    manifests, faults = {}, []
    for icao in frames["airport"].unique().sort():
        db.airport(icao)
        path = root / icao / "manifest.json"
        if path.is_file():
            manifests[icao] = {**read_json(path), "digest": sha256_file(path)}
        else:
            faults.append(f"{path}: no ground imagery for {icao}")
    if faults:
        raise SourceError("\n".join([*faults, "Make it first: run the ground stage, or `lard ground`."]))
    return manifests


def _keys(
    frames: pl.DataFrame, grounds: dict[str, dict[str, Any]], db: RunwayDatabase, settings: RenderSettings
) -> dict[str, str]:
    """Per frame, the digest of everything its picture depends on."""
    places = {
        icao: [ground["digest"], [strip.corners for strip in db.airport(icao).runways], db.earth]
        for icao, ground in grounds.items()
    }
    common = [RENDERER_VERSION, asdict(settings)]
    return {
        row["frame_id"]: hashlib.sha256(
            json.dumps([common, places[row["airport"]], row], sort_keys=True).encode()
        ).hexdigest()
        for row in frames.select(_INPUT_COLUMNS).iter_rows(named=True)
    }


def _render_missing(
    frames: pl.DataFrame, keys: dict[str, str], journal: Path, ground_root: Path, out_dir: Path,
    workers: str | int, db: RunwayDatabase, settings: RenderSettings, resume: bool,
) -> dict[str, str]:  # fmt: skip
    """SHA-256 of every frame's picture, after rendering those that are missing, damaged or out of date."""
    done = _kept(frames, keys, out_dir) if resume else {}
    todo = frames.filter(~pl.col("frame_id").is_in(list(done)))
    if len(todo) == 0:
        return done
    executor, width = executor_of(workers)
    with (
        executor,
        journal.open("a", encoding="utf-8") as stream,
        Meter("render", len(todo), "frames") as meter,
    ):
        stream.write("\n")  # ends a line that a killed run left cut
        kept = len(done)
        for results in run_bounded(
            executor, width, _render_task, _tasks(todo, ground_root, out_dir, db, settings)
        ):
            for frame_id, digest in results:
                done[frame_id] = digest
                stream.write(_line(frame_id, keys[frame_id], digest))
            stream.flush()
            meter.advance(len(results), f"{kept} kept" if kept else "")
    return done


def _kept(frames: pl.DataFrame, keys: dict[str, str], out_dir: Path) -> dict[str, str]:
    """SHA-256 of the pictures already there, of the same inputs and undamaged."""
    kept = {}
    wanted = set(frames["frame_id"])
    for journal in sorted(out_dir.glob(f"{JOURNAL}*.jsonl")):
        for line in filter(None, journal.read_text(encoding="utf-8", errors="replace").splitlines()):
            try:
                entry = json.loads(line)
                frame_id, key, digest = entry["frame_id"], entry["key"], entry["sha256"]
            except (ValueError, KeyError, TypeError):
                continue  # the last line of a killed run may be cut; its frame is rendered again
            if frame_id in wanted and keys[frame_id] == key:
                kept[frame_id] = digest
    return {
        frame_id: digest
        for frame_id, digest in kept.items()
        if (path := out_dir / image_name(frame_id)).is_file() and sha256_file(path) == digest
    }


def _line(frame_id: str, key: str, digest: str) -> str:
    return json.dumps({"frame_id": frame_id, "key": key, "sha256": digest}, sort_keys=True) + "\n"


def _tasks(
    frames: pl.DataFrame, ground_root: Path, out_dir: Path, db: RunwayDatabase, settings: RenderSettings
) -> Iterator[_Task]:
    for (icao,), group in frames.group_by("airport", maintain_order=True):
        airport = db.airport(str(icao))
        for start in range(0, len(group), _FRAMES_PER_TASK):
            rows = group[start : start + _FRAMES_PER_TASK].select(_INPUT_COLUMNS).to_dicts()
            yield _Task(ground_root / airport.icao, airport, out_dir, settings, rows)


_scene: dict[tuple[str, str, str], tuple[GroundPyramid, Surface]] = {}
"""The one ground and surface this process holds: tasks come airport by airport."""


def _scene_of(task: _Task, earth: str) -> tuple[GroundPyramid, Surface]:
    key = (str(task.ground), sha256_file(task.ground / "manifest.json"), earth)
    if key not in _scene:
        _scene.clear()
        ground = load_ground(task.ground)
        _scene[key] = (ground, surface_of(task.airport, ground.lat0_deg, ground.lon0_deg, earth))
    return _scene[key]


def _render_task(task: _Task) -> list[tuple[str, str]]:
    """Render and write the frames of a task; frame ids with the SHA-256 of their pictures."""
    results = []
    for row in task.frames:
        frame = pl.DataFrame([row])
        camera = Camera(*(row[name] for name in Camera.__dataclass_fields__))
        try:
            ground, surface = _scene_of(task, row["earth_model"])
            image = render_frame(
                ground,
                surface,
                Poses.from_frames(frame),
                camera,
                Conditions.of_frame(row),
                task.settings.quality,
            )
        except LardError as error:
            raise type(error)(f"frame {row['frame_id']}: {error}") from error
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=task.settings.jpeg_quality, subsampling=0)
        path = task.out_dir / image_name(row["frame_id"])
        try:
            with atomic_path(path) as temporary:
                temporary.write_bytes(buffer.getbuffer())
        except OSError as error:
            raise SourceError(
                f"{path}: cannot be written ({os.strerror(error.errno or 0)}); finished pictures are kept, "
                "make room and run again"
            ) from error
        results.append((row["frame_id"], hashlib.sha256(buffer.getbuffer()).hexdigest()))
    return results


def _remove_stale(out_dir: Path, frame_ids: set[str]) -> None:
    """Remove pictures of frames no longer in the table, and what killed runs left half-written."""
    for path in (out_dir / "images").iterdir():
        if path.is_file() and (path.suffix != ".jpg" or path.stem not in frame_ids):
            path.unlink()


def _manifest(
    frames: pl.DataFrame, done: dict[str, str], grounds: dict[str, dict[str, Any]], db: RunwayDatabase
) -> pl.DataFrame:
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
    return pl.DataFrame(rows, schema=dict(MANIFEST))
