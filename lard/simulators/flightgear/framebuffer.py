"""A screen of exactly the picture's size: Xvfb with its framebuffer in a file, read as XWD."""

import os
import select
import shutil
import struct
import time
from pathlib import Path

import numpy as np

from lard.errors import SourceError
from lard.render.journal import Picture
from lard.simulators.core import SimulatorFault
from lard.simulators.flightgear.process import Child

_HEADER = struct.Struct(">25I")  # X11/XWDFile.h, always written big endian on these servers
_START_S = 20.0


def read_xwd(path: Path) -> Picture:
    """RGB (height, width, 3) of an XWD file of 24-bit colours in 32-bit little-endian pixels."""
    try:
        data = path.read_bytes()
        header = _HEADER.unpack_from(data)
    except (OSError, struct.error) as error:
        raise SimulatorFault(f"{path}: no picture of the screen ({error}); has Xvfb died?") from error
    size, version, depth, width, height = header[0], header[1], header[3], header[4], header[5]
    byte_order, bits, stride, colours = header[7], header[11], header[12], header[19]
    start = size + 12 * colours
    if version != 7 or depth != 24 or bits != 32 or byte_order != 0 or stride < 4 * width:
        raise SourceError(
            f"{path}: found XWD version {version}, depth {depth}, {bits} bits, byte order {byte_order}; "
            "expected version 7, depth 24, 32 bits, least significant byte first"
        )
    if len(data) < start + stride * height:
        raise SimulatorFault(f"{path}: cut at {len(data)} bytes, expected {start + stride * height}")
    rows = np.frombuffer(data, np.uint8, stride * height, start).reshape(height, stride)
    return rows[:, : 4 * width].reshape(height, width, 4)[:, :, 2::-1]


class Screen:
    """An Xvfb of one size, on a display number it finds itself."""

    def __init__(self, width_px: int, height_px: int, folder: Path) -> None:
        """Start it and wait for its display; SourceError when it is missing or does not start."""
        program = shutil.which("Xvfb")
        if program is None:
            raise SourceError("Xvfb is not installed; apt-get install xvfb")
        self.size = (width_px, height_px)
        self.file = folder / "Xvfb_screen0"
        self.file.unlink(missing_ok=True)
        reader, writer = os.pipe()
        try:
            self.server = Child(
                [
                    program, "-displayfd", str(writer), "-screen", "0", f"{width_px}x{height_px}x24",
                    "-fbdir", str(folder), "+extension", "GLX", "-noreset", "-nolisten", "tcp",
                ],
                folder / "xvfb.log", ending="TERM", pass_fds=(writer,),
            )  # fmt: skip
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        try:
            number = self._display_number(reader)
        except BaseException:
            self.stop()
            raise
        finally:
            os.close(reader)
        self.display = f":{number}"

    def _display_number(self, reader: int) -> str:
        """What the server says on its -displayfd."""
        text, end = b"", time.monotonic() + _START_S
        while not text.endswith(b"\n"):
            ready, _, _ = select.select([reader], [], [], max(0.0, end - time.monotonic()))
            part = os.read(reader, 64) if ready else b""
            if not part:
                what = (
                    self.server.ended() if not self.server.alive else f"gave no display in {_START_S:.0f} s"
                )
                raise SourceError(f"Xvfb {what}; {self.server.tail()}")
            text += part
        return text.decode().strip()

    def capture(self) -> Picture:
        """What the screen shows now; a SimulatorFault when the server is gone or of another size."""
        if not self.server.alive:
            raise SimulatorFault(f"Xvfb {self.server.ended()}; {self.server.tail()}")
        picture = read_xwd(self.file)
        if picture.shape[:2] != (self.size[1], self.size[0]):
            raise SimulatorFault(
                f"the screen is {picture.shape[1]} x {picture.shape[0]} px, expected "
                f"{self.size[0]} x {self.size[1]}"
            )
        return picture

    def stop(self) -> None:
        """End the server."""
        self.server.stop()
