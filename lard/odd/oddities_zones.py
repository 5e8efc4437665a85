"""Zones that nobody flies or that show no runway: gaps, distances, angles, camera and reference points."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from lard.camera import cam_from_ned
from lard.odd.laws import Law
from lard.odd.parameters import APPROACH
from lard.odd.reading import place_of
from lard.odd.spec import OddSpec, Zone
from lard.odd.yamlfile import Faults

FAR_M = 20_000.0
"""Farther than any final approach begins."""
NEAR_M = 50.0
STEEP_DEG = 10.0
NARROW_FOV_DEG = 3.0
TALL_APEX_M = 600.0
SEEN_SHARE = 0.5

RUNWAY_WIDTH_M = 45.0
_SAMPLES = 512


def warn_of_zones(spec: OddSpec, faults: Faults) -> None:
    """Warn of zones, camera and reference points that look like a slip."""
    if spec.zones:
        _warn_of_gaps(spec, faults)
    _warn_of_camera(spec, faults)
    for zone in spec.zones:
        _warn_of_distance(spec, zone, faults)
        _warn_of_angles(zone, faults)
        _warn_of_view(spec, zone, faults)
    for level, margins in spec.margins.items():
        for name, pair in margins.items():
            declared = {*APPROACH, *spec.environment, *spec.runways}
            declared |= {asked for rule in spec.rules for asked in rule.require}
            where = place_of(faults, (("margins", level),), name)
            if name not in declared:
                faults.warn(where, f"nothing limits {name}, so there is nothing to widen; remove it")
            elif name == "along_track_m" and max(pair) > FAR_M:
                faults.warn(where, f"{max(pair) / 1000:g} km is more than a final approach; narrow it")


def _warn_of_gaps(spec: OddSpec, faults: Faults) -> None:
    ordered = sorted(spec.zones, key=lambda zone: zone.laws["along_track_m"].lo)
    reach = ordered[0].laws["along_track_m"].hi
    last = ordered[0]
    for _, zone in pairwise(ordered):
        along = zone.laws["along_track_m"]
        if along.lo > reach * (1 + 1e-9) + 1e-6:
            faults.warn(
                place_of(faults, (("zones", zone.name),), "along_track_m"),
                f"a gap from {reach:g} to {along.lo:g} m between the zones {last.name} and {zone.name}: "
                "approaches there are in no zone; join the zones, or leave it if it is meant",
            )
        if along.hi > reach:
            reach, last = along.hi, zone
    for first, second in combinations(spec.zones, 2):
        lo, hi = (
            f(z.laws["along_track_m"].range[k] for z in (first, second)) for k, f in ((0, max), (1, min))
        )
        if hi > lo and all(first.laws[p].range == second.laws[p].range for p in APPROACH[1:]):
            where = place_of(faults, (("zones", second.name), ("approach",)), "along_track_m")
            text = f"shares [{lo:g}, {hi:g}] m and all its limits with zone {first.name}: frames there count"
            faults.warn(where, f"{text} for the first only; make the distances disjoint")


def _warn_of_distance(spec: OddSpec, zone: Zone, faults: Faults) -> None:
    along = zone.laws["along_track_m"]
    where = place_of(faults, (("zones", zone.name), ("approach",)), "along_track_m")
    if along.hi > FAR_M:
        width_px = RUNWAY_WIDTH_M / along.hi * spec.camera.fx_px
        faults.warn(
            where,
            f"reaches {along.hi / 1000:g} km out, where a runway {RUNWAY_WIDTH_M:g} m wide has "
            f"{width_px:.2g} px; final approaches begin within {FAR_M / 1000:g} km",
        )
    visibility = spec.environment.get("visibility_m")
    if isinstance(visibility, Law) and along.lo > visibility.hi:
        text = f"begins at {along.lo:g} m, beyond the best visibility of {visibility.hi:g} m"
        faults.warn(where, f"{text}: no runway is ever seen; widen environment.visibility_m")
    if along.lo < 0:
        what = "lies" if along.hi <= 0 else f"begins {-along.lo:g} m"
        faults.warn(where, f"{what} behind the landing threshold; distances before it are positive")
    elif along.hi < NEAR_M:
        text = f"ends {along.hi:g} m before the threshold, where aircraft are over the runway"
        faults.warn(where, f"{text}; if these are kilometres or nautical miles, write along_track_km or _nm")
    elif along.lo == along.hi:
        faults.warn(where, f"is one distance, {along.lo:g} m, and no range; write [low, high]")


def _warn_of_angles(zone: Zone, faults: Faults) -> None:
    sections = (("zones", zone.name), ("approach",))
    vertical, roll = zone.laws["vertical_deg"], zone.laws["roll_deg"]
    where = place_of(faults, sections, "vertical_deg")
    if vertical.hi <= 0:
        faults.warn(where, "lies below the runway; positive is above it")
    elif vertical.lo < 0:
        faults.warn(
            where, f"begins {-vertical.lo:g} deg below the runway, in the ground; raise the lower bound"
        )
    elif vertical.lo > STEEP_DEG:
        faults.warn(
            where, f"begins at {vertical.lo:g} deg; paths of 3 deg are usual, those beyond 6 are not flown"
        )
    if roll.lo > 90 or roll.hi < -90:
        faults.warn(place_of(faults, sections, "roll_deg"), "is flight upside down; level is 0")


def _warn_of_camera(spec: OddSpec, faults: Faults) -> None:
    camera, apex = spec.camera_spec, spec.reference
    if camera.fov_x_deg < NARROW_FOV_DEG:
        text = f"{camera.fov_x_deg:g} deg is a telescope's field of view"
        if camera.fov_x_deg < np.pi:
            text += f"; {camera.fov_x_deg:g} radians would be {np.degrees(camera.fov_x_deg):.4g}"
        faults.warn(("camera", "fov_x_deg"), f"{text}; state degrees")
    ratio = spec.camera.fx_px / spec.camera.fy_px
    if not 2 / 3 < ratio < 3 / 2:
        text = f"with fov_x_deg {camera.fov_x_deg:g} a pixel is {1 / ratio:.2g} times as wide as high"
        faults.warn(("camera", "fov_y_deg"), f"{text}; leave it out for square pixels")
    if apex.vertical_apex_m > TALL_APEX_M:
        text = f"{apex.vertical_apex_m:g} m is far beyond an aiming point; 1000 ft are 305 m"
        faults.warn(("reference", "vertical_apex_m"), f"{text}; state metres")


def _warn_of_view(spec: OddSpec, zone: Zone, faults: Faults) -> None:
    """Warn where most pictures of a zone would show no part of where the aircraft is to land."""
    values = np.random.default_rng(0).random((_SAMPLES, len(APPROACH)))
    drawn = {name: zone.laws[name].ppf(values[:, k]) for k, name in enumerate(APPROACH)}
    seen = float(_shows_threshold(spec, drawn).mean())
    if seen < SEEN_SHARE:
        text = f"only {seen:.0%} of approaches drawn here have the landing threshold in the picture"
        faults.warn(("zones", zone.name), f"{text}; look at yaw_offset, pitch, lateral and camera.fov_x_deg")


def _shows_threshold(spec: OddSpec, drawn: dict[str, NDArray[np.float64]]) -> NDArray[np.bool_]:
    """Where (n,) the threshold's middle is in the picture, over flat ground, north along the runway."""
    along = drawn["along_track_m"]
    right = np.tan(np.radians(drawn["lateral_deg"])) * (along + spec.lateral_apex_m)
    height = np.tan(np.radians(drawn["vertical_deg"])) * (along + spec.vertical_apex_m)
    target = np.stack([along, -right, height], -1)  # (n, 3) north, east, down from the camera
    rotation = cam_from_ned(drawn["yaw_offset_deg"], drawn["pitch_deg"], drawn["roll_deg"])
    x, y, z = np.einsum("nij,nj->in", rotation, target)
    camera = spec.camera
    ahead = np.where(z > 0, z, np.nan)
    with np.errstate(invalid="ignore"):
        across = np.abs(x / ahead * camera.fx_px) <= camera.width_px / 2
        return np.asarray(across & (np.abs(y / ahead * camera.fy_px) <= camera.height_px / 2))
