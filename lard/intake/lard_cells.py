"""What the cells of LARD's label tables may hold: ranges of numbers, words for night, times that exist."""

from __future__ import annotations

import re
from datetime import date

RANGES = {
    "slant_distance": (0.0, 1e4), "along_track_distance": (-1e4, 1e4), "height_above_runway": (-1e5, 1e6),
    "lateral_path_angle": (-360.0, 360.0), "vertical_path_angle": (-360.0, 360.0),
    "pitch": (-360.0, 360.0), "watermark_height": (0.0, 1e5),
    "lat_cam": (-90.0, 90.0), "lon_cam": (-180.0, 360.0), "alt_cam": (-1e4, 1e6),
}  # fmt: skip
"""Of each column the numbers that mean anything: nautical miles, degrees, feet, pixels, metres.

Yaw and roll are not among them: Earth Studio counts on beyond a full turn.
"""
YES, NO = ("1", "1.0", "true", "yes", "night"), ("0", "0.0", "false", "no", "day")
"""What stands for night and for day; tables of LARD itself have 0 and 1, or nothing."""

_DATE = re.compile(r"(?<!\d)(?:(\d{4})([-/.])(\d{1,2})\2(\d{1,2})|(\d{1,2})([-/.])(\d{1,2})\6(\d{4}))(?!\d)")
_CLOCK = re.compile(r"(?<![\d:])(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,]\d+)?)?(?![\d:])")


def is_night(text: str | None) -> bool:
    """Whether a cell says night; an empty one does not."""
    return (text or "").strip().lower() in YES


def text_fault(column: str, text: str) -> str:
    """What is expected instead of a filled cell of a column of texts; "" where it may stand as it is."""
    bare = text.strip()
    if column == "night" and bare and bare.lower() not in YES + NO:
        return "1 or 0"
    if column == "time" and bare and not _exists(bare):
        return "a date and time that exist, such as 2024-05-31 10:15:00"
    return ""


def _exists(text: str) -> bool:
    """Whether the date and the clock time that a text holds, if any, exist; day or month may come first.

    Tables name no layout, and nothing is computed from these times: words and other layouts may stand.
    """
    clock = _CLOCK.search(text)
    if clock and not (int(clock[1]) < 24 and int(clock[2]) < 60 and int(clock[3] or 0) <= 60):
        return False
    found = _DATE.search(text)
    if found is None:
        return True
    if found[1]:
        return _is_day(int(found[1]), int(found[3]), int(found[4]))
    first, second, year = int(found[5]), int(found[7]), int(found[8])
    return _is_day(year, second, first) or _is_day(year, first, second)


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
