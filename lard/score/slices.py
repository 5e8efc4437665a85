"""Groups of images that are scored apart: where, when and how the frames were taken."""

from __future__ import annotations

import datetime
import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from lard.scenario.sun import elevation_deg, light_of

DISTANCES_M = (1000.0, 2000.0, 3000.0, 4000.0, 5000.0)
HOURS = ((0, 6), (6, 9), (9, 12), (12, 15), (15, 18), (18, 24))
STATED = ("zone", "airport", "source")
_HOURS_FROM = tuple(low for low, _ in HOURS)
_DISTANCE_NAMES = (
    *(f"{low / 1000:g}-{high / 1000:g} km" for low, high in pairwise((0.0, *DISTANCES_M))),
    f"over {DISTANCES_M[-1] / 1000:g} km",
)
KINDS = ("zone", "airport", "source", "runways", "in_view", "distance", "light", "solar_time")


def slices(truth: Mapping[str, Any]) -> dict[str, dict[str, list[int]]]:
    """Image ids by kind and name of slice; a kind that does not tell images apart is left out.

    runways counts required runways, in_view all visible ones, distance is that of the nearest required one,
    solar_time the hours of mean solar time at the camera.
    """
    images = truth["images"]
    ids = [int(image["id"]) for image in images]
    required: dict[int, list[Any]] = {}
    visible: dict[int, int] = {}
    for note in truth["annotations"]:
        image_id = note["image_id"]
        visible[image_id] = visible.get(image_id, 0) + 1
        if not note.get("iscrowd"):
            required.setdefault(image_id, []).append(note.get("slant_m"))
    slants_m = [required.get(image_id, []) for image_id in ids]
    names: dict[str, list[Any]] = {kind: [image.get(kind) for image in images] for kind in STATED}
    names["runways"] = [_count(len(own)) for own in slants_m]
    names["in_view"] = [_count(visible.get(image_id, 0)) for image_id in ids]
    names["distance"] = [distance_bin(min(own)) if own and None not in own else None for own in slants_m]
    names |= _daylight(images)
    found: dict[str, dict[str, list[int]]] = {kind: {} for kind in KINDS}
    for kind, groups in found.items():
        by_name: dict[Any, list[int]] = defaultdict(list)
        for image_id, name in zip(ids, names[kind], strict=True):
            by_name[name].append(image_id)
        for name, own in by_name.items():
            if name is not None:
                groups.setdefault(str(name), []).extend(own)
    whole = len(truth["images"])
    return {
        kind: groups
        for kind, groups in found.items()
        if groups and not (len(groups) == 1 and len(next(iter(groups.values()))) == whole)
    }


def _count(number: int) -> str:
    return "3+" if number >= 3 else str(number)


def distance_bin(slant_m: float) -> str:
    """Name of the range of distances that a slant distance lies in."""
    return _DISTANCE_NAMES[bisect_right(DISTANCES_M, slant_m)]


def _daylight(images: Sequence[Mapping[str, Any]]) -> dict[str, list[str | None]]:
    """Light and solar time of the images (images,) whose time and place are known, None of others."""
    moments = [_moment(image) for image in images]
    names: dict[str, list[str | None]] = {kind: [None] * len(images) for kind in ("light", "solar_time")}
    known = [place for place, moment in enumerate(moments) if moment is not None]
    day, hour, lat_deg = np.array([moments[place] for place in known], np.float64).reshape(-1, 3).T
    lights = light_of(elevation_deg(day, hour, lat_deg)).tolist()
    for place, light, at in zip(known, lights, hour.tolist(), strict=True):
        low, high = HOURS[bisect_right(_HOURS_FROM, at) - 1]
        names["light"][place] = str(light)
        names["solar_time"][place] = f"{low:02d}-{high:02d} h"
    return names


def _moment(image: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """Day of the year and hour of mean solar time at the camera, and its latitude; None where not known."""
    pose = image.get("pose")
    if pose is None or image.get("time_utc") is None:
        return None
    try:
        moment = datetime.datetime.fromisoformat(str(image["time_utc"]))
        lat_deg, lon_deg = float(pose["lat_deg"]), float(pose["lon_deg"])
        if moment.tzinfo is not None:
            moment = moment.astimezone(datetime.UTC)
    except (ValueError, TypeError, KeyError, OverflowError):
        return None
    hour = moment.hour + moment.minute / 60 + moment.second / 3600 + lon_deg / 15
    return moment.timetuple().tm_yday + math.floor(hour / 24), hour % 24, lat_deg
