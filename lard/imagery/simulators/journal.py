"""What is finished of a dataset folder: pictures with the key of what they depend on and their SHA-256.

The same lines as the renderer's journal: a frame is kept when its key and its picture's bytes still hold.
"""

import hashlib
import io
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lard.errors import SourceError
from lard.imagery.render import JOURNAL, image_name
from lard.tables import atomic_path, sha256_file

Picture = NDArray[np.uint8]
"""RGB (height, width, 3)."""


def journal_line(frame_id: str, key: str, digest: str) -> str:
    """One finished frame."""
    return json.dumps({"frame_id": frame_id, "key": key, "sha256": digest}, sort_keys=True) + "\n"


def kept_pictures(keys: Mapping[str, str], out_dir: Path) -> dict[str, str]:
    """SHA-256 of the pictures already there, of the same inputs and undamaged."""
    found: dict[str, str] = {}
    for journal in sorted(out_dir.glob(f"{JOURNAL}*.jsonl")):
        for line in filter(None, journal.read_text(encoding="utf-8", errors="replace").splitlines()):
            try:
                entry = json.loads(line)
                frame_id, key, digest = entry["frame_id"], entry["key"], entry["sha256"]
            except (ValueError, KeyError, TypeError):
                continue  # the last line of a killed run may be cut; its frame is made again
            if keys.get(frame_id) == key:
                found[frame_id] = digest
    return {
        frame_id: digest
        for frame_id, digest in found.items()
        if (path := out_dir / image_name(frame_id)).is_file() and sha256_file(path) == digest
    }


def write_picture(picture: Picture, path: Path, jpeg_quality: int) -> str:
    """Write a JPEG atomically; its SHA-256. SourceError when there is no room or no right to write."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=jpeg_quality, subsampling=0)
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())
    except OSError as error:
        raise SourceError(
            f"{path}: cannot be written ({os.strerror(error.errno or 0)}); finished pictures are kept, "
            "make room and run again"
        ) from error
    return hashlib.sha256(buffer.getbuffer()).hexdigest()


def remove_stale(out_dir: Path, frame_ids: Collection[str]) -> None:
    """Remove pictures of frames no longer in the table, and what killed runs left half-written."""
    wanted = set(frame_ids)
    for path in (out_dir / "images").iterdir():
        if path.is_file() and (path.suffix != ".jpg" or path.stem not in wanted):
            path.unlink()
