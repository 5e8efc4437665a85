"""Reader of FlightGear's terrain meshes (.btg.gz): triangles by material, WGS84 ECEF metres.

Format: SimGear's binary objects, versions 7 to 10. A header (version and magic number "SG", creation time,
number of objects), then objects of a kind, properties (material, which index streams) and elements. Vertices
are 32-bit offsets from the bounding sphere's centre: about 0.3 mm at the edge of an airport.
"""

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lard.errors import SourceError

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_MAGIC = 0x5347
_SPHERE, _VERTICES, _FACES, _STRIPS, _FANS = 0, 1, 10, 11, 12
_MATERIAL, _INDEX_TYPES, _VERTEX_ATTRIBUTES = 0, 1, 2
_USES_VERTICES = 1
_DEFAULT_STREAMS = 1 | 8  # vertices and texture coordinates


@dataclass(frozen=True, slots=True)
class Mesh:
    """A tile or airport: vertices (n, 3) in ECEF metres and triangles (k, 3) into them by material."""

    vertices_ecef: Array
    triangles: dict[str, Index]


def read_mesh(path: str | Path) -> Mesh:
    """Read a .btg or .btg.gz; SourceError when it is cut, no mesh, or of an unknown version."""
    path = Path(path)
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        return _Reader(data).mesh()
    except (OSError, EOFError, struct.error, zlib.error, ValueError, IndexError) as error:
        raise SourceError(
            f"{path}: not a readable FlightGear mesh ({error}); reinstall the scenery package"
        ) from error


class _Reader:
    """Walks the bytes of one mesh."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0
        head, _ = self.take("<II")
        if head >> 16 != _MAGIC:
            raise ValueError(f"found magic number {head >> 16:#x}, expected {_MAGIC:#x}")
        self.version = head & 0xFFFF
        if not 7 <= self.version <= 10:
            raise ValueError(f"found version {self.version}, expected 7 to 10")
        self.index = np.dtype("<u4" if self.version >= 10 else "<u2")
        self.count = "<I" if self.version >= 10 else "<H"

    def take(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from(layout, self.data, self.at)
        self.at += struct.calcsize(layout)
        return values

    def block(self) -> bytes:
        """A length and that many bytes."""
        (size,) = self.take("<I")
        if self.at + size > len(self.data):
            raise ValueError(f"cut at byte {len(self.data)}")
        self.at += size
        return self.data[self.at - size : self.at]

    def mesh(self) -> Mesh:
        centre = np.zeros(3)
        vertices: list[Array] = []
        parts: dict[str, list[Index]] = {}
        (objects,) = self.take(self.count)
        for _ in range(objects):
            (kind,) = self.take("<B")
            properties, elements = (self.take(self.count)[0] for _ in range(2))
            material, streams, attributes = self.properties(properties)
            blocks = [self.block() for _ in range(elements)]
            if kind == _SPHERE:
                centre = np.frombuffer(blocks[0], "<f8", 3).astype(np.float64)
            elif kind == _VERTICES:
                vertices += [np.frombuffer(b, "<f4").reshape(-1, 3).astype(np.float64) for b in blocks]
            elif kind in (_FACES, _STRIPS, _FANS) and streams & _USES_VERTICES:
                width = streams.bit_count() + attributes.bit_count()
                for b in blocks:
                    corners = np.frombuffer(b, self.index).reshape(-1, width)[:, 0].astype(np.int64)
                    parts.setdefault(material, []).append(_triangles(kind, corners))
        points = np.concatenate(vertices) + centre if vertices else np.zeros((0, 3))
        triangles = {name: np.concatenate(group) for name, group in sorted(parts.items())}
        for name, group in triangles.items():
            if len(group) and group.max() >= len(points):
                raise ValueError(f"material {name} uses vertex {group.max()} of {len(points)}")
        return Mesh(points, triangles)

    def properties(self, count: int) -> tuple[str, int, int]:
        """Material, index streams and vertex attributes of an object."""
        material, streams, attributes = "", _DEFAULT_STREAMS, 0
        for _ in range(count):
            (kind,) = self.take("<B")
            value = self.block()
            if kind == _MATERIAL:
                material = value.decode("latin-1")
            elif kind == _INDEX_TYPES:
                streams = value[0]
            elif kind == _VERTEX_ATTRIBUTES:
                attributes = int.from_bytes(value[:4], "little")
        return material, streams, attributes


def _triangles(kind: int, corners: Index) -> Index:
    """Triangles (k, 3) of a list, a strip or a fan of corners."""
    if kind == _FACES:
        return corners.reshape(-1, 3)
    if kind == _FANS:
        return np.stack([np.full(len(corners) - 2, corners[0]), corners[1:-1], corners[2:]], -1)
    strip = np.stack([corners[:-2], corners[1:-1], corners[2:]], -1)
    strip[1::2] = strip[1::2, ::-1]
    return strip
