"""Groups of images that are scored apart: where, when and how the frames were taken."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np

from lard.scenario.sun import elevation_deg, light_of

DISTANCES_M = (1000.0, 2000.0, 3000.0, 4000.0, 5000.0)
HOURS = ((0, 6), (6, 9), (9, 12), (12, 15), (15, 18), (18, 24))
STATED = ("zone", "airport", "source")
KINDS = ("zone", "airport", "source", "runways", "in_view", "distance", "light", "solar_time")


def slices(truth: Mapping[str, Any]) -> dict[str, dict[str, list[int]]]:
    """Image ids by kind and name of slice; a kind that does not tell images apart is left out.

    runways counts required runways, in_view all visible ones, distance is that of the nearest required one,
    solar_time the hours of mean solar time at the camera.
    """
    found: dict[str, dict[str, list[int]]] = {kind: {} for kind in KINDS}
    required: dict[int, list[Any]] = {}
    visible: dict[int, int] = {}
    for note in truth["annotations"]:
        image_id = note["image_id"]
        visible[image_id] = visible.get(image_id, 0) + 1
        if not note.get("iscrowd"):
            required.setdefault(image_id, []).append(note.get("slant_m"))
    for image in truth["images"]:
        image_id = int(image["id"])
        slants_m = required.get(image_id, [])
        names = [(kind, image[kind]) for kind in STATED if image.get(kind) is not None]
        names += [("runways", _count(len(slants_m))), ("in_view", _count(visible.get(image_id, 0)))]
        if slants_m and None not in slants_m:
            names.append(("distance", distance_bin(min(slants_m))))
        for kind, name in (*names, *_daylight(image).items()):
            groups = found[kind]
            if name in groups:
                groups[name].append(image_id)
            else:
                groups.setdefault(str(name), []).append(image_id)
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
    place = int(np.searchsorted(DISTANCES_M, slant_m, side="right"))
    if place == len(DISTANCES_M):
        return f"over {DISTANCES_M[-1] / 1000:g} km"
    low = DISTANCES_M[place - 1] if place else 0.0
    return f"{low / 1000:g}-{DISTANCES_M[place] / 1000:g} km"


def _daylight(image: Mapping[str, Any]) -> dict[str, str]:
    """Light and solar time of an image whose time and place are known, else nothing."""
    pose = image.get("pose")
    if pose is None or image.get("time_utc") is None:
        return {}
    try:
        moment = datetime.datetime.fromisoformat(str(image.get("time_utc")))
        lat_deg, lon_deg = (float(pose[key]) for key in ("lat_deg", "lon_deg"))  # type: ignore[index]
    except (ValueError, TypeError, KeyError):
        return {}
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.UTC)
    hour = moment.hour + moment.minute / 60 + moment.second / 3600 + lon_deg / 15
    day = moment.timetuple().tm_yday + np.floor(hour / 24)
    hour %= 24
    sun_deg = elevation_deg(np.array([day]), np.array([hour]), np.array([lat_deg]))
    low, high = next(pair for pair in HOURS if pair[0] <= hour < pair[1])
    return {"light": str(light_of(sun_deg)[0]), "solar_time": f"{low:02d}-{high:02d} h"}
