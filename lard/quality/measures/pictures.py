"""One pass over the pictures: each file is read and decoded once, and everything is measured from that.

Threads are enough, because decoding and hashing release the interpreter lock. Finished blocks are kept in a
cache folder, so that an interrupted run goes on where it stopped; the cache knows a block by the names,
sizes and times of its files, and is removed once all is measured.
"""

from __future__ import annotations

import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.errors import DataError
from lard.progress import Meter
from lard.quality.measures.bars import bars, clear_bars
from lard.quality.measures.chroma import colour_lags
from lard.quality.measures.coding import coding_of
from lard.quality.measures.grain import line_changes, motion, plain_box, repeats
from lard.quality.measures.ground import SMALL_PX, packed
from lard.quality.measures.lines import odd_lines
from lard.quality.measures.reading import decoded
from lard.quality.measures.tearing import row_jumps
from lard.tables import Schema, read_table, write_table
from lard.workers import Shares, run_tasks, workers_of

Array = NDArray[np.float64]

BLOCK = 256
SKETCH_PX, COLOURS_PX = 64, 16
PICTURES: Schema = {
    "image": pl.String,
    "fault": pl.String,  # "" when the picture decodes
    "sha256": pl.String,
    "pixel_hash": pl.String,
    "look_hash": pl.String,  # 256-bit gradient hash, hex
    "width_px": pl.Int32,
    "height_px": pl.Int32,
    "mean": pl.Float64,
    "entropy_bit": pl.Float64,
    "sharpness": pl.Float64,
    "clipped_share": pl.Float64,
    "flat_share": pl.Float64,
    "row_jumps": pl.List(pl.Float64),  # see lard.quality.measures.tearing
    "column_jumps": pl.List(pl.Float64),  # the same of columns
    "sketch": pl.Binary,  # SKETCH_PX x SKETCH_PX grey levels, row by row
    "colours": pl.Binary,  # COLOURS_PX x COLOURS_PX x 3, blue-green-red
    "small": pl.Binary,  # see lard.quality.measures.ground
    "detail": pl.Float64,  # see _detail
    "noise": pl.Float64,  # grey levels
    "comb": pl.Float64,  # see _comb
    "blocks": pl.Float64,  # see _blocks
    "repeats": pl.Float64,  # see lard.quality.measures.grain
    "motion": pl.Float64,
    "plain_box": pl.List(pl.Int32),
    "coding": pl.String,  # "" where all readers see the same, see lard.quality.measures.coding
    "colour_lags": pl.List(pl.Float64),  # see lard.quality.measures.chroma
    "bars_px": pl.List(pl.Int32),  # thickness at SIDES, see lard.quality.measures.bars
    "clear_bars_px": pl.List(pl.Int32),  # of those that a single picture is proof of
    "lines": pl.List(pl.Int32),  # rows, then columns that are none of the scene's, see measures.lines
}
_END = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND\xaeB`\x82"}


def measure_all(root: Path, images: list[str], workers: int | str, cache: Path | None) -> pl.DataFrame:
    """Measure every picture of the list; rows in its order.

    A number of workers is one of threads; others (lard.workers.workers_of) measure the blocks elsewhere, and
    must see the pictures.
    """
    blocks = [images[start : start + BLOCK] for start in range(0, len(images), BLOCK)]
    if isinstance(workers, str):
        _measure_elsewhere(root, blocks, workers, cache)
        workers = 1
    tables: list[pl.DataFrame] = []
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with ThreadPoolExecutor(max(1, workers)) as pool, Meter("pictures", len(images), "img") as meter:
            for block in blocks:
                part = cache / f"{_block_key(root, block)}.parquet" if cache else None
                table = _cached(part)
                if table is None:
                    rows = list(pool.map(lambda name: measure(root, name), block))
                    table = pl.DataFrame(rows, schema=dict(PICTURES))
                    if part is not None:
                        write_table(table, part, PICTURES, finite=False)
                tables.append(table)
                meter.advance(len(block))
    finally:
        cv2.setNumThreads(threads)
    if cache is not None:
        shutil.rmtree(cache, ignore_errors=True)
    return pl.concat(tables) if tables else pl.DataFrame(schema=dict(PICTURES))


def _measure_elsewhere(root: Path, blocks: list[list[str]], workers: str, cache: Path | None) -> None:
    """Let workers measure the blocks that the cache lacks, and put them there."""
    if cache is None:
        raise DataError(f"workers {workers!r}: measuring pictures elsewhere takes a folder to keep them")
    parts = {f"{_block_key(root, block)}.parquet": block for block in blocks}
    missing = [(name, block) for name, block in parts.items() if _cached(cache / name) is None]
    seen = [path for block in blocks[:1] for name in block[:1] if (path := root / name).is_file()]
    todo = sum(len(block) for _, block in missing)
    with Meter("pictures", todo, "img") as meter:
        measured = partial(_measure_block, root.absolute())
        for name, rows in run_tasks(workers_of(workers, Shares(reads=tuple(seen))), measured, missing):
            write_table(pl.DataFrame(rows, schema=dict(PICTURES)), cache / name, PICTURES, finite=False)
            meter.advance(len(rows))


def _measure_block(root: Path, task: tuple[str, list[str]]) -> tuple[str, list[dict[str, Any]]]:
    """Called on a worker: a block's name and its measurements."""
    cv2.setNumThreads(1)
    return task[0], [measure(root, name) for name in task[1]]


def measure(root: Path, name: str) -> dict[str, Any]:
    """All measurements of one picture; unreadable ones come back with the fault named and the rest null."""
    row: dict[str, Any] = dict.fromkeys(PICTURES)
    row |= {"image": name, "fault": ""}
    try:
        data = (root / name).read_bytes()
    except FileNotFoundError:
        return row | {"fault": "missing"}
    except OSError as error:
        return row | {"fault": f"cannot be read: {error.strerror}"}
    row["sha256"] = hashlib.sha256(data).hexdigest()
    if not data:
        return row | {"fault": "empty file"}
    end = _END.get(data[:2])
    # decoders fill the rest of a cut-off picture with grey and say nothing
    if end is not None and end not in data[-64:]:
        return row | {"fault": "cut off: the end-of-image marker is missing"}
    pixels = decode(data)
    if pixels is None:
        return row | {"fault": "not a decodable picture"}
    return row | {"coding": coding_of(data)} | _measure_pixels(pixels)


def decode(data: bytes) -> NDArray[np.uint8] | None:
    """Pixels (h, w, 3) blue-green-red, or None when the bytes are no picture, or one of too many pixels."""
    return decoded(data, cv2.IMREAD_COLOR)


def _measure_pixels(pixels: NDArray[np.uint8]) -> dict[str, Any]:
    height, width = pixels.shape[:2]
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    counts = np.asarray(cv2.calcHist([grey], [0], None, [256], [0, 256]), np.float64).ravel()
    share = counts / grey.size
    used = share[share > 0]
    # sharpness and flatness on the middle half of the columns keep the whole pass near the decoding time
    first = width // 4
    middle = grey[:, first : width - first]
    laplacian = cv2.Laplacian(middle, cv2.CV_16S)
    fine = float(cv2.meanStdDev(laplacian)[1][0, 0])
    changes = line_changes(middle)
    # in two steps, because shrinking by a whole number is ten times as fast
    quarter = cv2.resize(grey, (max(width // 4, 17), max(height // 4, 16)), interpolation=cv2.INTER_AREA)
    half = (max(width // 2, COLOURS_PX), max(height // 2, COLOURS_PX))
    colours = cv2.resize(pixels, half, interpolation=cv2.INTER_AREA)
    plain = np.asarray(grey, np.uint8)
    turned = np.asarray(cv2.transpose(grey), np.uint8)
    bars_px = bars(plain)
    return {
        "pixel_hash": hashlib.sha1(grey.tobytes(), usedforsecurity=False).hexdigest(),
        "look_hash": gradient_bits(quarter).tobytes().hex(),
        "width_px": width,
        "height_px": height,
        "mean": float(share @ np.arange(256)),
        "entropy_bit": float(-(used * np.log2(used)).sum()),
        "sharpness": fine**2,
        "clipped_share": float(share[0] + share[255]),
        "flat_share": _flat_share(np.asarray(grey[2 * height // 3 :], np.uint8)),
        "row_jumps": row_jumps(plain),
        "column_jumps": row_jumps(turned, columns=True),
        "sketch": cv2.resize(quarter, (SKETCH_PX, SKETCH_PX), interpolation=cv2.INTER_AREA).tobytes(),
        "colours": cv2.resize(colours, (COLOURS_PX, COLOURS_PX), interpolation=cv2.INTER_AREA).tobytes(),
        "small": packed(np.asarray(quarter if quarter.shape[1] >= SMALL_PX else grey, np.uint8)),
        "detail": _detail(grey, fine),
        "noise": _noise(laplacian),
        "comb": _comb(middle, changes),
        "blocks": _blocks(changes, first),
        "repeats": repeats(changes, first),
        "motion": motion(middle),
        "plain_box": [round(side * height / len(quarter)) for side in plain_box(quarter)],
        "colour_lags": colour_lags(pixels),
        "bars_px": bars_px,
        "clear_bars_px": clear_bars(plain, bars_px),
        "lines": odd_lines(plain, turned),
    }


def _detail(grey: NDArray[Any], fine: float) -> float:
    """Fine structure over coarse: the logarithm of the Laplacian's spread at full over that at half size.

    A blurred or enlarged picture has little of the finest, whatever it shows; both on the middle columns.
    """
    height, width = grey.shape
    half = cv2.resize(
        grey[:, width // 4 : width - width // 4],
        (max(width // 4, 4), max(height // 2, 4)),
        interpolation=cv2.INTER_AREA,
    )
    coarse = float(cv2.meanStdDev(cv2.Laplacian(half, cv2.CV_16S))[1][0, 0])
    return float(np.log2((fine + 0.2) / (coarse + 0.2)))


def _comb(grey: NDArray[Any], changes: tuple[Array, Array]) -> float:
    """Change to the next row over that to the next but one, over the same of columns: about 1, and more where
    odd and even rows are two fields; blur, noise and scale act on both alike."""
    if min(grey.shape) < 3:
        return 1.0
    second = (cv2.absdiff(grey[:, 2:], grey[:, :-2]), cv2.absdiff(grey[2:], grey[:-2]))
    across, down = (
        (float(change.mean()) + 0.2) / (cv2.mean(next_but_one)[0] + 0.2)
        for change, next_but_one in zip(changes, second, strict=True)
    )
    return float(down / across)


def gradient_bits(grey: NDArray[Any]) -> NDArray[np.uint8]:
    """256 bits (32 bytes) of a grey picture: where it gets brighter to the right, in 16 by 16 cells."""
    small = cv2.resize(grey, (17, 16), interpolation=cv2.INTER_AREA)
    return np.packbits((small[:, 1:] > small[:, :-1]).ravel())


def _blocks(changes: tuple[Array, Array], first: int = 0) -> float:
    """Change across the borders of JPEG's blocks of 8 px over that within them; first: column of the first.

    1.2 to 1.7 at a quality of 92, 1.5 to 2.5 at 70, 4 and more at 10, whatever they were saved as since.
    """
    found = []
    for change, start in zip(changes, (first, 0), strict=True):
        if len(change) < 23:
            return 1.0
        border = (np.arange(len(change)) + start) % 8 == 7
        found.append((float(change[border].mean()) + 0.2) / (float(change[~border].mean()) + 0.2))
    return float(np.mean(found))


def _noise(laplacian: NDArray[Any]) -> float:
    """Spread of the Laplacian where a picture is plainest: its noise."""
    rows, columns = laplacian.shape[0] // 16, laplacian.shape[1] // 16
    if not rows or not columns:
        return 0.0
    # in eighths of a level, in bytes: strong edges saturate, which the plainest places do not see
    eighths = cv2.resize(
        cv2.convertScaleAbs(laplacian, alpha=8.0), (columns, rows), interpolation=cv2.INTER_AREA
    )
    return float(np.quantile(eighths, 0.1)) / 8.0


def _flat_share(grey: NDArray[np.uint8], block: int = 16) -> float:
    """Largest share of 16 px blocks that are all of one and the same grey: ground that was not loaded.

    Calm water is flat too, but its grey changes with the angle it is seen at.
    """
    rows, columns = grey.shape[0] // block, grey.shape[1] // block
    if not rows or not columns:
        return 0.0
    kernel = np.ones((block, block), np.uint8)
    part = (slice(0, rows * block, block), slice(0, columns * block, block))
    high = np.asarray(cv2.dilate(grey, kernel, anchor=(0, 0))[part], np.int16)
    low = np.asarray(cv2.erode(grey, kernel, anchor=(0, 0))[part], np.int16)
    levels = np.bincount(low[high - low <= 1], minlength=256)
    # a level and the next: compression moves a plain grey by one
    return float((levels[:-1] + levels[1:]).max() / (rows * columns))


def _block_key(root: Path, block: list[str]) -> str:
    digest = hashlib.sha256()
    for name in block:
        try:
            stat = (root / name).stat()
            digest.update(f"{name}:{stat.st_size}:{stat.st_mtime_ns}\n".encode())
        except OSError:
            digest.update(f"{name}:missing\n".encode())
    return digest.hexdigest()[:24]


def _cached(part: Path | None) -> pl.DataFrame | None:
    if part is None or not part.is_file():
        return None
    try:
        return read_table(part, PICTURES, finite=False)
    except DataError:
        return None  # a half-written block of a killed run is measured again
