"""Packets of X-Plane's built-in UDP interface (port 49000), little endian, names padded with zeros.

Layouts: Laminar Research, "Exchanging Data with X-Plane", delivered with X-Plane 11 and 12.
"""

import struct
from collections.abc import Mapping, Sequence

from lard.errors import SourceError

RREF_REQUEST = struct.Struct("<4sxii400s")
RREF_VALUE = struct.Struct("<if")
DREF = struct.Struct("<4sxf500s")
VEHX = struct.Struct("<4sxidddfff")
DATA_ROW = struct.Struct("<i8f")
LEAVE_ALONE = -999.0
"""A value of a DATA row that X-Plane does not touch."""
ALERT_LINES, ALERT_CHARS = 4, 240


def rref(name: str, index: int, per_second: int) -> bytes:
    """Ask for a dataref so many times a second under an own number; 0 ends it. 413 bytes."""
    return RREF_REQUEST.pack(b"RREF", per_second, index, _text(name, 399))


def rref_values(packet: bytes) -> dict[int, float]:
    """Values by number of an RREF answer; empty when the packet is of another kind or cut."""
    if packet[:4] != b"RREF" or (len(packet) - 5) % RREF_VALUE.size:
        return {}
    return dict(RREF_VALUE.iter_unpack(packet[5:]))


def dref(name: str, value: float) -> bytes:
    """Set a dataref (name[3] for one element). 509 bytes."""
    return DREF.pack(b"DREF", value, _text(name, 499))


def vehx(
    lat_deg: float, lon_deg: float, alt_msl_m: float, heading_deg: float, pitch_deg: float, roll_deg: float,
    aircraft: int = 0,
) -> bytes:  # fmt: skip
    """Put an aircraft somewhere and stop its flight model. 45 bytes."""
    return VEHX.pack(b"VEHX", aircraft, lat_deg, lon_deg, alt_msl_m, heading_deg % 360.0, pitch_deg, roll_deg)


def command(name: str) -> bytes:
    """Run a command once."""
    return b"CMND\0" + _text(name, 499) + b"\0"


def alert(lines: Sequence[str]) -> bytes:
    """Show up to four lines of text in X-Plane. 965 bytes."""
    if len(lines) > ALERT_LINES:
        raise SourceError(f"an alert has {len(lines)} lines; X-Plane shows {ALERT_LINES}")
    padded = [*lines, *[""] * (ALERT_LINES - len(lines))]
    return b"ALRT\0" + b"".join(_text(line, ALERT_CHARS - 1).ljust(ALERT_CHARS, b"\0") for line in padded)


def data(rows: Mapping[int, Sequence[float]]) -> bytes:
    """Set rows of the data output table; missing values are left alone."""
    parts = [b"DATA\0"]
    for index, values in rows.items():
        if len(values) > 8:
            raise SourceError(f"row {index} of the data table has {len(values)} values; it holds 8")
        parts.append(DATA_ROW.pack(index, *values, *[LEAVE_ALONE] * (8 - len(values))))
    return b"".join(parts)


def _text(text: str, most: int) -> bytes:
    try:
        encoded = text.encode("ascii")
    except UnicodeEncodeError as error:
        raise SourceError(f"{text!r}: X-Plane's packets carry ASCII only") from error
    if len(encoded) > most:
        raise SourceError(f"{text[:40]!r}...: {len(encoded)} bytes, the packet holds {most}")
    return encoded
