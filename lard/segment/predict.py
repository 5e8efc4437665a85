"""Masks of pictures as files: white where a model sees a runway."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lard.detect.checkpoint import load_segmenter
from lard.detect.inputs import collect
from lard.detect.segmenter import segment
from lard.errors import DataError, LardError
from lard.files import atomic_path, keep_others, staged, write_json
from lard.pictures import upright_rgb
from lard.progress import track
from lard.robust.certify import logit_threshold

FORMAT = "lard-masks-1"
DOCUMENT = "masks.json"
MOST_PX = 16_000_000
"""Pixels of a picture that is seen at once; a mask has no tiles."""


def write_masks(model: Path, places: Sequence[Path], score: float, out: Path) -> dict[str, Any]:
    """Write a PNG of 0 and 255 for each picture, of its upright size, and masks.json; return the latter.

    DataError for videos, for two pictures of one name, and for a folder with files of others.
    """
    checkpoint = load_segmenter(model)
    threshold = logit_threshold(score, checkpoint.net.spec.temperature)
    files = collect(places, out).files
    if videos := [entry.path for entry in files if entry.is_video]:
        raise DataError(f"{videos[0]}: a video; masks are written of pictures, give frames of it")
    names = [entry.below.with_name(f"{entry.below.name}.png") for entry in files]
    twice = [str(name) for name, count in Counter(map(str, names)).items() if count > 1]
    if twice:
        raise DataError(f"{twice[0]}: two pictures would have this mask; give the folder above them")
    keep_others(out, [str(name) for name in names] + [DOCUMENT], DOCUMENT)
    rows: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    with staged(out) as made:
        for entry, name in track(list(zip(files, names, strict=True)), "segment", unit="pictures"):
            try:
                pixels = upright_rgb(entry.path).pixels
                height, width = pixels.shape[:2]
                if height * width > MOST_PX:
                    raise DataError(f"{width}x{height} px; expected at most {MOST_PX:,}, make it smaller")
                above = segment(checkpoint.net, pixels) > threshold
            except LardError as error:
                failed.append({"file_name": str(entry.below), "error": str(error)})
                continue
            with atomic_path(made / name) as temporary:
                _, coded = cv2.imencode(".png", above.astype(np.uint8) * 255)
                temporary.write_bytes(coded.tobytes())
            rows.append(
                {
                    "file_name": entry.below.as_posix(),
                    "mask": name.as_posix(),
                    "width": width,
                    "height": height,
                    "runway_pixels": int(above.sum()),
                }
            )
        document = {
            "format": FORMAT,
            "model": {"name": checkpoint.name, "score": score},
            "images": rows,
            "failed": failed,
        }
        write_json(document, made / DOCUMENT)
    return document
