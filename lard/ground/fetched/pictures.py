"""Bodies of tiles as pictures: what they are, decoded within bounds, and those of a source read."""

import hashlib
import io
import warnings
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lard.ground.fetched.cache import TileCache
from lard.ground.fetched.grid import Tile, TileMatrix
from lard.ground.fetched.source import TileSource

_OPAQUE = 128
_FORMATS = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
}


# what Pillow thinks of a server's pictures is said by us; filters of a block are not those of one thread
warnings.filterwarnings("ignore", module=r"PIL\.")


class UndecodableError(Exception):
    """A body that is no picture of a tile's size."""


def decode(body: bytes, matrix: TileMatrix) -> NDArray[np.uint8]:
    """Pixels (height, width, 4) RGBA of a tile; UndecodableError names what is wrong with it."""
    try:
        with Image.open(io.BytesIO(body), formats=list(_FORMATS)) as image:
            if image.size != (matrix.tile_width_px, matrix.tile_height_px):
                raise UndecodableError(
                    f"{image.size[0]} x {image.size[1]} px instead of "
                    f"{matrix.tile_width_px} x {matrix.tile_height_px}"
                )
            if image.mode.startswith(("I", "F")):
                raise UndecodableError(f"pixels of mode {image.mode} instead of 8 bits")
            return np.asarray(image.convert("RGBA"))
    except UndecodableError:
        raise
    except Exception as error:  # a broken picture makes decoders raise errors of any class
        raise UndecodableError(f"no picture ({str(error)[:80] or type(error).__name__})") from None


def media_of(body: bytes) -> str:
    """Media type by a body's first bytes; empty for what is no picture."""
    if body.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "image/webp"
    if body[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    if body[:4] in (b"II*\0", b"MM\0*"):
        return "image/tiff"
    return ""


@dataclass(slots=True)
class TileReader:
    """Decoded tiles of a source; None for a hole. Notes those that turn out damaged."""

    source: TileSource
    cache: TileCache
    damaged: dict[Tile, str] = field(default_factory=dict)

    def body(self, tile: Tile) -> bytes | None:
        """The stored bytes of a tile."""
        zoom, col, row = tile
        if self.source.read is not None:
            body = self.source.read(self.source.matrix(zoom), col, row)
            if body is not None and hashlib.sha256(body).hexdigest() in self.source.placeholders:
                return None
            return body
        entry = self.cache.read(tile)
        return None if entry is None or entry.hole else entry.body

    def pixels(self, tile: Tile) -> NDArray[np.uint8] | None:
        """RGBA pixels of a tile."""
        body = self.body(tile)
        if body is None:
            return None
        try:
            pixels = decode(body, self.source.matrix(tile[0]))
        except UndecodableError as error:
            self.damaged[tile] = str(error)
            return None
        return pixels

    def opaque(self, tile: Tile, parts: int) -> NDArray[np.bool_] | None:
        """Which of parts x parts of a tile are mostly picture; None where there is no tile."""
        body = self.body(tile)
        if body is None:
            return None
        if media_of(body) == "image/jpeg":
            return np.ones((parts, parts), bool)
        pixels = self.pixels(tile)
        if pixels is None:
            return None
        alpha = Image.fromarray(pixels[..., 3]).resize((parts, parts), Image.Resampling.BOX)
        return np.asarray(alpha) >= _OPAQUE
