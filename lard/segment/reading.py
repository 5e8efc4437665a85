"""What statements about masks need of a picture: its margins and reach, read in one pass and kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lard.detect.checkpoint import Checkpoint
from lard.detect.data import Picture, load_image
from lard.detect.decode import to_input
from lard.detect.fcos import channels_last
from lard.detect.masks import ELSE, RUNWAY, mask_of
from lard.detect.segmenter import logits_in
from lard.errors import naming
from lard.robust.certify import Reach, answered
from lard.robust.kept import reach_arrays, reach_of, read_arrays, write_arrays
from lard.segment.knapsack import HELD, Ints, Margins, margins_of
from lard.tables import sha256_file

FORMAT = "lard-mask-margins-2"
BINS = 100
"""Of scores from 0 to 1, in which pixels are counted."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture's margins, and how far perturbations move its logits: None of a model without a constant."""

    margins: Margins
    reach: Reach | None
    scores: Ints  # (2, BINS): pixels of runways, and others, by the bin of their score


def truth_of(picture: Picture) -> NDArray[np.int8]:
    """The mask (h, w) of a picture: required runways, everything else, and runways that do not count."""
    return mask_of(picture.polygons, ~picture.ignored, picture.height_px, picture.width_px)


@torch.inference_mode()
def look(checkpoint: Checkpoint, picture: Picture, threshold: float) -> Seen:
    """One pass over a clean picture, in float32."""
    net = checkpoint.net
    pixels = to_input(load_image(picture), net.spec.strides_px[-1])
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    reach = None
    if checkpoint.bound is None:
        levels = net(pixels)
    else:
        levels, reach = answered(net, pixels, checkpoint.bound)
    with naming(picture.path):
        logits = logits_in(levels, (picture.height_px, picture.width_px))
    truth = truth_of(picture)
    return Seen(margins_of(logits, truth, threshold), reach, scores_of(logits * net.spec.temperature, truth))


def scores_of(logits: NDArray[np.float32], truth: NDArray[np.int8]) -> Ints:
    """Pixels of runways, and others, by the bin of their score, of logits (h, w) after the temperature."""
    cuts = np.arange(1, BINS) / BINS
    limits = np.log(cuts / (1 - cuts))
    kinds = [np.searchsorted(limits, logits[truth == kind], side="left") for kind in (RUNWAY, ELSE)]
    return np.stack([np.bincount(kind, minlength=BINS) for kind in kinds]).astype(np.int64)


def best_score(every: Sequence[Seen]) -> tuple[float, float]:
    """The score, a multiple of 1 / BINS, from which the IoU of all pixels is largest, and that IoU."""
    runway, other = np.sum([one.scores for one in every], axis=0)
    found, alarms = (np.cumsum(counts[::-1])[::-1][1:] for counts in (runway, other))
    shares = found / np.maximum(runway.sum() + alarms, 1)
    place = int(shares.argmax())
    return (place + 1) / BINS, float(shares[place])


def read_all(
    checkpoint: Checkpoint,
    pictures: Iterable[Picture],
    threshold: float,
    weights_sha256: str,
    folder: Path | None = None,
) -> Iterator[Seen]:
    """What is seen of pictures in turn: from the folder where it still holds, else computed and put there."""
    torch.set_num_threads(1)  # the same sums on every machine with the same kernels
    channels_last(checkpoint.net)
    for picture in pictures:
        path = folder / f"{picture.image_id}.npz" if folder else None
        key = _key(picture, threshold, weights_sha256)
        found = load_seen(path, key) if path else None
        if found is None:
            found = look(checkpoint, picture, threshold)
            if path:
                save_seen(found, key, path)
        yield found


def _key(picture: Picture, threshold: float, weights_sha256: str) -> str:
    """Digest of everything that a picture's margins depend on."""
    labels = [picture.ignored.tolist(), [ring.tolist() for ring in picture.polygons]]
    told = [FORMAT, HELD, weights_sha256, sha256_file(picture.path), labels, threshold]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def save_seen(seen: Seen, key: str, path: Path) -> None:
    """Write what was seen under a key, atomically and with the same bytes for the same."""
    margins = seen.margins
    arrays = {
        "key": np.array(key),
        "found": margins.found,
        "silent": margins.silent,
        "counts": np.array([margins.silent_count, margins.missed, margins.alarms], np.int64),
        **reach_arrays(seen.reach),
        "scores": seen.scores,
    }
    write_arrays(arrays, path)


def load_seen(path: Path, key: str) -> Seen | None:
    """What a file holds that was written under this key; None where there is none, or a damaged one."""
    held = read_arrays(path, key=key)
    if held is None:
        return None
    silent_count, missed, alarms = map(int, held["counts"])
    margins = Margins(held["found"], held["silent"], silent_count, missed, alarms)
    return Seen(margins, reach_of(held), held["scores"])
