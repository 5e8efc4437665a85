"""Numbers in texts: what tables of others write, and not all that Python would take for one."""

import math
import re

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def number_of(text: str) -> float:
    """The finite number that a text is, of ASCII digits alone; ValueError for any other.

    Python's float also takes digits parted by underscores ("3_0" is 30) and those of any script: in a table
    they are slips of the pen, not numbers.
    """
    bare = text.strip()
    value = float(bare) if _NUMBER.fullmatch(bare) else math.nan
    if not math.isfinite(value):
        raise ValueError(f"{bare[:60]!r} is no finite number")
    return value
