"""The keys of LARD's YAML layouts: any other would be read by nobody, and is a fault."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from lard.odd.parameters import PARAMETERS
from lard.scenario.formats_model import CLOCK
from lard.tables import FRAMES

_LAYOUTS = {"v1": "LARD V1", "v1-older": "LARD V1 (older form)", "v2": "LARD V2"}
_COMMON = ("image", "poses", "runways_database", "trajectory", "time")
_ROOT = {
    "v1": ("airport", "runways", *_COMMON),
    "v1-older": ("airports", "camera", "watermark", *_COMMON),
    "v2": ("airports_runways", *_COMMON),
}
_IMAGE = {
    "v1": ("height", "width", "fov", "watermark_height"),
    "v1-older": ("height", "width"),
    "v2": ("height", "width", "fov_x", "fov_y", "watermark_height"),
}
_POSE = frozenset(("uuid", "airport", "runway", "pose", "time"))
_CLOCK = frozenset(CLOCK)
_ELSEWHERE = frozenset(key for keys in (*_ROOT.values(), _POSE) for key in keys)

Where = tuple[str | int, ...]


def unknown_keys(data: Mapping[str, Any], layout: str) -> list[tuple[Where, str]]:
    """Faults of keys that the layout does not have; trajectory and time window are kept as they are."""
    named = _LAYOUTS[layout]
    blocks: list[tuple[Where, Any, tuple[str, ...]]] = [
        ((), data, _ROOT[layout]),
        (("image",), data.get("image"), _IMAGE[layout]),
    ]
    if layout == "v1-older":
        blocks += [(("camera",), data.get("camera"), ("fov",))]
        blocks += [(("watermark",), data.get("watermark"), ("height",))]
        airports = data.get("airports")
        items = airports if isinstance(airports, list) else []
        blocks += [(("airports", k), item, ("code", "runways")) for k, item in enumerate(items)]
    found = []
    for where, block, known in blocks:
        what = f"{where[0] if where else 'a scenario'} of {named}"
        found += [
            ((*where, key), _told(key, what, known))
            for key in map(str, block if isinstance(block, Mapping) else ())
            if key not in known
        ]
    return found + list(_of_poses(data.get("poses")))


def _of_poses(poses: Any) -> Iterator[tuple[Where, str]]:
    """One fault for each unknown key of the poses, at the first that has it."""
    first: dict[tuple[bool, str], tuple[int, int]] = {}
    for k, pose in enumerate(poses if isinstance(poses, list) else ()):
        if not isinstance(pose, Mapping):
            continue
        clock = pose.get("time")
        for is_clock, block, known in ((False, pose, _POSE), (True, clock, _CLOCK)):
            if isinstance(block, Mapping) and not known.issuperset(block):
                for key in block:
                    if key not in known:
                        at, count = first.get((is_clock, str(key)), (k, 0))
                        first[is_clock, str(key)] = (at, count + 1)
    for (is_clock, key), (at, count) in first.items():
        where: Where = ("poses", at, "time", key) if is_clock else ("poses", at, key)
        names = tuple(sorted(_CLOCK if is_clock else _POSE))
        more = f" (in {count} of {len(poses)} poses)" if count > 1 else ""
        yield where, _told(key, "time of a pose" if is_clock else "a pose", names, more)


def _told(key: str, what: str, known: tuple[str, ...], more: str = "") -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.7)
    hint = f"; did you mean {near[0]}?" if near else ""
    column = (key in FRAMES or key in PARAMETERS or key in ("k1", "k2", "k3")) and key not in _ELSEWHERE
    remedy = "remove it" + (", or state it in a frames table, which has such a column" if column else "")
    return f"unknown key{more}{hint}; {what} holds {', '.join(known)}: {remedy}"
