"""A dataset folder from pictures made elsewhere and the poses they were made at."""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

import lard
from lard.airports.model import RunwayDatabase
from lard.camera import camera_of, intrinsics
from lard.errors import DataError, SourceError
from lard.geodesy import ecef_from_geodetic, wrap_deg
from lard.intake.footage.fit import Fit, fitted, fitted_camera
from lard.intake.footage.match import Pairs, match, pictures_in
from lard.pictures import JPEG_QUALITY, upright_jpeg, upright_rgb
from lard.progress import track
from lard.tables import FRAMES, MANIFEST, folder_lock, folders_for, sha256_file, staged, write_table

BLANK_SD = 2.0  # grey levels, below which a picture shows nothing
_THUMB = 32


@dataclass(frozen=True, slots=True)
class Origin:
    """Where pictures come from, for the manifest."""

    source: str
    version: str = ""
    licence: str = ""
    attribution: str = ""


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a look at every matched picture found."""

    unreadable: tuple[str, ...]
    misfits: tuple[str, ...]  # size against camera
    blank: tuple[str, ...]
    repeated: tuple[str, ...]

    @property
    def faults(self) -> list[str]:
        """One line per fault."""
        return [*self.unreadable, *self.misfits, *self.blank, *self.repeated]


def plan(frames: pl.DataFrame, folder: Path, how: str) -> Pairs:
    """Pair the frames, in their order, with the pictures of a folder."""
    return match(frames["frame_id"].to_list(), pictures_in(folder), how)


def disagreements(frames: pl.DataFrame, expected: pl.DataFrame) -> list[str]:
    """Where poses or fields of view of pictures are not those that were asked for, frame by frame in order.

    A metre and a hundredth of a degree are let pass: tools write their tracks with few digits.
    """
    if len(frames) != len(expected):
        return [f"{len(frames)} poses, {len(expected)} were asked for"]
    faults = []
    pair = [frames, expected]
    places = [
        ecef_from_geodetic(t["lat_deg"].to_numpy(), t["lon_deg"].to_numpy(), t["alt_m"].to_numpy())
        for t in pair
    ]
    away = np.linalg.norm(places[0] - places[1], axis=1)
    fov = [np.degrees(2 * np.arctan(t["width_px"].to_numpy() / 2 / t["fx_px"].to_numpy())) for t in pair]
    off = {"position": (away, 1.0, "m"), "field of view": (np.abs(fov[0] - fov[1]), 0.01, "degrees")}
    for name in ("yaw_deg", "pitch_deg", "roll_deg"):
        turn = np.abs(wrap_deg(frames[name].to_numpy() - expected[name].to_numpy()))
        off[name.removesuffix("_deg")] = (turn, 0.01, "degrees")
    ids = frames["frame_id"].to_list()
    for name, (size, limit, unit) in off.items():
        wrong = np.flatnonzero(~(size <= limit))
        if len(wrong):
            k = int(wrong[0])
            faults.append(
                f"{name} of {len(wrong)} frames is not what was asked for, first {ids[k]} "
                f"by {size[k]:.4g} {unit}"
            )
    return faults


def inspect(frames: pl.DataFrame, pairs: Pairs, fit: Fit, workers: int) -> Inspected:
    """Look at every matched picture: readable, of the camera's size, not blank, not the one before again."""
    camera = camera_of(frames)

    def look(item: tuple[str, Path]) -> tuple[str, str, float, NDArray[Any] | None]:
        frame_id, path = item
        try:
            picture = upright_rgb(path).pixels
        except DataError as error:
            reason = str(error).removeprefix(f"{path}: ")
            return "unreadable", f"{path.name} (frame {frame_id}): {reason}", 0.0, None
        try:
            inner = fitted(picture, camera, fit, f"{path.name} (frame {frame_id})")
        except SourceError as error:
            return "misfit", str(error), 0.0, None
        grey = cv2.cvtColor(inner, cv2.COLOR_RGB2GRAY)
        thumb = cv2.resize(grey, (_THUMB, _THUMB), interpolation=cv2.INTER_AREA)
        return "", f"{path.name} (frame {frame_id})", float(grey.std()), thumb

    items = [(name, pairs.paths[name]) for name in frames["frame_id"] if name in pairs.paths]
    with ThreadPoolExecutor(max(1, workers)) as pool:
        found = list(track(pool.map(look, items), "inspect", total=len(items), unit="img"))
    blank = [
        f"{text}: blank, deviation {sd:.1f} grey levels"
        for kind, text, sd, _ in found
        if not kind and sd < BLANK_SD
    ]
    seen: dict[bytes, str] = {}
    repeated = []
    for kind, text, sd, thumb in found:
        if kind or sd < BLANK_SD or thumb is None:
            continue
        key = thumb.tobytes()
        if key in seen:
            repeated.append(f"{text}: shows the same as {seen[key]}, a frozen view")
        seen.setdefault(key, text)
    return Inspected(
        tuple(text for kind, text, *_ in found if kind == "unreadable"),
        tuple(text for kind, text, *_ in found if kind == "misfit"),
        tuple(blank),
        tuple(repeated),
    )


def collect(
    frames: pl.DataFrame, pairs: Pairs, fit: Fit, origin: Origin, db: RunwayDatabase, out_dir: Path,
    workers: int, *, watermark_px: int = 0,
) -> pl.DataFrame:  # fmt: skip
    """Write images, frames.parquet (fitted camera) and manifest.parquet; return the manifest.

    Untouched JPEG files are kept to the byte; all else is encoded at quality 95 without chroma subsampling.
    watermark_px: height of each band that stays in the pictures, above and below.
    """
    camera = camera_of(frames)
    new = fitted_camera(camera, fit)
    frames = frames.filter(pl.col("frame_id").is_in(list(pairs.paths)))
    frames = frames.with_columns(
        **{name: pl.lit(value, FRAMES.get(name)) for name, value in intrinsics(new).items()}
    )
    if watermark_px:
        if 2 * watermark_px >= new.height_px:
            raise SourceError(f"watermark bands of {watermark_px} px leave nothing of {new.height_px} px")
        frames = frames.with_columns(watermark_px=pl.lit(watermark_px, pl.Int32))

    def bring(frame_id: str) -> str:
        path, name = pairs.paths[frame_id], f"images/{frame_id}.jpg"
        if fit.changes_pixels:
            buffer = io.BytesIO()
            Image.fromarray(fitted(upright_rgb(path).pixels, camera, fit, path.name)).save(
                buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0
            )
            data = buffer.getvalue()
        else:
            data, _ = upright_jpeg(path)
        digest = hashlib.sha256(data).hexdigest()
        if not ((out_dir / name).is_file() and sha256_file(out_dir / name) == digest):
            (made / name).write_bytes(data)
        return digest

    with folders_for(out_dir), folder_lock(out_dir), staged(out_dir) as made:
        (made / "images").mkdir()
        frames = frames.sort("frame_id")
        ids = frames["frame_id"].to_list()
        with ThreadPoolExecutor(max(1, workers)) as pool:
            digests = list(track(pool.map(bring, ids), "collect", total=len(ids), unit="img"))
        manifest = pl.DataFrame(
            {
                "frame_id": ids,
                "image": [f"images/{frame_id}.jpg" for frame_id in ids],
                "sha256": digests,
                "width_px": new.width_px,
                "height_px": new.height_px,
                "source": origin.source,
                "source_version": origin.version,
                "licence": origin.licence,
                "attribution": origin.attribution,
                "runway_db": db.name,
                "runway_db_version": db.version,
                "tool_version": lard.__version__,
                "seed": frames["seed"],
            },
            schema=dict(MANIFEST),
        )
        write_table(frames, made / "frames.parquet", FRAMES)
        write_table(manifest, made / "manifest.parquet", MANIFEST)
    return manifest
