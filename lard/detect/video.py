"""Frames of a video file, with their numbers and times, and videos written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.errors import DataError

SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".wmv")
FALLBACK_HZ = 25.0
"""Frame rate of a video that states none, or one that no camera has."""
LOST_SHARE, LOST_MOST = 0.02, 2
"""Containers may estimate how many frames they hold; a video that ends earlier than this is broken."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame: number from 0, time from the video's begin, RGB (h, w, 3)."""

    number: int
    time_s: float
    pixels: NDArray[np.uint8]


class Video:
    """A video open for reading; turned upright when its file says how the camera was held."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        # FFmpeg alone: other backends take a % in a name for a sequence of pictures
        before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        try:
            self._capture = cv2.VideoCapture(str(self.path.resolve()), cv2.CAP_FFMPEG)
        finally:
            cv2.utils.logging.setLogLevel(before)
        if not self._capture.isOpened():
            raise DataError(f"{path}: not a video that can be read; convert it, to H.264 in .mp4 say")
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate_hz = rate if math.isfinite(rate) and 0.1 <= rate <= 1000 else FALLBACK_HZ
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.stated = int(count) if math.isfinite(count) and count > 0 else None
        """How many frames the file says it has; None when it does not."""
        self.seen = 0

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """Every n-th frame that can be read, the first one included; check_whole tells what is missing."""
        try:
            while self._capture.grab():
                if self.seen % every == 0:
                    decoded, image = self._capture.retrieve()
                    if not decoded:
                        return
                    pixels = np.ascontiguousarray(image[:, :, ::-1], np.uint8)
                    yield Frame(self.seen, self._time_s(self.seen), pixels)
                self.seen += 1
        finally:
            self._capture.release()

    def check_whole(self) -> None:
        """After its frames: DataError when there was none, or when the video breaks off."""
        if self.seen == 0:
            raise DataError(f"{self.path}: a video without a frame that can be read; convert it again")
        if self.stated is not None and self.seen < self.stated * (1 - LOST_SHARE) - LOST_MOST:
            raise DataError(
                f"{self.path}: breaks off after {self.seen} of {self.stated} frames;"
                " the results hold those, copy or convert it again for the rest"
            )

    def _time_s(self, number: int) -> float:
        stated_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        return (
            stated_s if math.isfinite(stated_s) and (stated_s > 0 or number == 0) else number / self.rate_hz
        )


class VideoWriter:
    """Writes RGB frames to an .mp4; a context manager, the file is whole when it closes."""

    def __init__(self, path: Path, rate_hz: float) -> None:
        self.path, self.rate_hz = path, rate_hz
        self._writer: Any = None
        self._size = (0, 0)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.release()

    def add(self, pixels: NDArray[np.uint8]) -> None:
        """Write one frame (h, w, 3); all have the first one's size, an odd side gets a black line more."""
        height, width = pixels.shape[:2]
        if self._writer is None:
            self._size = (width, height)
            even = (width + width % 2, height + height % 2)  # the codec takes no others
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self.path), cv2.CAP_FFMPEG, code, self.rate_hz, even)
            if not self._writer.isOpened():
                raise DataError(f"{self.path}: no video of {even[0]}x{even[1]} px can be written here")
        if self._size != (width, height):
            raise DataError(f"{self.path}: the frame size changes from {self._size} to {(width, height)} px")
        padded = np.pad(pixels[:, :, ::-1], ((0, height % 2), (0, width % 2), (0, 0)))
        self._writer.write(np.ascontiguousarray(padded))
