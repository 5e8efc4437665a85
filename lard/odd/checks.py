"""Checks across the parts of an ODD spec: margins, overlapping zones, a sun placed twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from lard.odd.laws import Law
from lard.odd.parameters import APPROACH, CONDITIONS
from lard.odd.spec import CameraSpec, Categories, Reference, Rule, Zone
from lard.odd.yamlfile import Faults

RAIN_CLOUD_FRACTION = 0.5
"""Least cloud that rain falls from."""


def check_spec(
    zones: Sequence[Zone],
    margins: Mapping[str, Mapping[str, tuple[float, float]]],
    environment: Mapping[str, Law | Categories],
    runways: Mapping[str, Law | Categories],
    rules: Sequence[Rule],
    faults: Faults,
) -> None:
    """Note every contradiction between parts that are each valid."""
    for name, (below, above) in margins.get("in", {}).items():
        wide = margins.get("extended", {}).get(name, (0.0, 0.0))
        if below > wide[0] or above > wide[1]:
            text = f"[{below:g}, {above:g}] is wider than the extended margin [{wide[0]:g}, {wide[1]:g}]"
            faults.add(("margins", "in", name), f"{text}; widen the extended one")
    for first, second in combinations(zones, 2):
        _check_overlap(first, second, faults)
    if "sun_elevation_deg" in environment or "light" in environment:
        for name in {"local_time_h"} & set(environment):
            other = "sun_elevation_deg" if "sun_elevation_deg" in environment else "light"
            faults.add(("environment", name), f"the sun's place is given twice, also by {other}; keep one")
    if {"sun_elevation_deg", "light"} <= set(environment):
        faults.add(
            ("environment", "light"), "the sun's place is given twice, also by sun_elevation_deg; keep one"
        )
    if {"day_of_year", "season"} <= set(environment):
        faults.add(("environment", "season"), "the day is given twice, also by day_of_year; keep one")
    _check_weather(environment, faults)
    for index, rule in enumerate(rules):
        for name in sorted(rule.parameters & set(CONDITIONS) - set(environment)):
            text = f"rule {rule.name!r} looks at {name}, which the environment does not declare; add it there"
            faults.add(("rules", index), text)


def _check_weather(environment: Mapping[str, Law | Categories], faults: Faults) -> None:
    """Rain falls from clouds, and a fog has its top above its base."""
    rain, cloud = environment.get("rain_mm_h"), environment.get("cloud_fraction")
    thickest = cloud.hi if isinstance(cloud, Law) else 0.0
    if isinstance(rain, Law) and rain.lo > 0 and thickest < RAIN_CLOUD_FRACTION:
        text = f"it always rains, but cloud_fraction is never above {thickest:g}"
        faults.add(("environment", "rain_mm_h"), f"{text}; let it reach {RAIN_CLOUD_FRACTION:g}")
    base, top = environment.get("fog_base_m"), environment.get("fog_top_m")
    if isinstance(base, Law) and not isinstance(top, Law):
        faults.add(("environment", "fog_base_m"), "a fog needs fog_top_m as well; add it")
    if isinstance(base, Law) and isinstance(top, Law) and 0 < top.hi <= base.lo:
        text = f"the fog's base, {base.lo:g} m or more, is never below its top, {top.hi:g} m at most"
        faults.add(("environment", "fog_base_m"), f"{text}; lower the base")


def check_frame(
    zones: Sequence[Zone],
    reference: Reference | None,
    camera: CameraSpec | None,
    environment: Mapping[str, Law | Categories],
    faults: Faults,
) -> None:
    """Note zones that reach the points their angles are seen from, and bands that cover the picture."""
    for name in ("lateral_apex_m", "vertical_apex_m") if reference else ():
        apex_m = getattr(reference, name)
        near = min((zone.laws["along_track_m"].lo for zone in zones), default=0.0)
        if apex_m < 0 and near <= -apex_m:
            text = f"{apex_m:g} is before the threshold, and zones begin at {near:g} m: no angle there"
            faults.add(("reference", name), f"{text}; beyond the threshold is positive")
    band = environment.get("watermark_px")
    if camera is not None and isinstance(band, Law) and 2 * band.hi >= camera.height_px:
        text = f"two bands of {band.hi:g} px cover a picture of {camera.height_px} px"
        faults.add(("environment", "watermark_px"), f"{text}; narrow them")


def _check_overlap(first: Zone, second: Zone, faults: Faults) -> None:
    """Two zones that share approaches must agree on what they allow there."""
    boxes = [{p: zone.laws[p].range for p in APPROACH} for zone in (first, second)]
    common = {p: (max(b[p][0] for b in boxes), min(b[p][1] for b in boxes)) for p in APPROACH}
    lo, hi = common["along_track_m"]
    if hi <= lo:
        return
    differing = [p for p in APPROACH[1:] if boxes[0][p] != boxes[1][p]]
    if differing:
        limits = "; ".join(
            f"{p} [{boxes[0][p][0]:g}, {boxes[0][p][1]:g}] against [{boxes[1][p][0]:g}, {boxes[1][p][1]:g}]"
            for p in differing
        )
        faults.add(
            ("zones", second.name, "along_track_m"),
            f"overlaps zone {first.name} from {lo:g} to {hi:g} m with contradictory limits: {limits}; "
            "make the distances disjoint or the limits equal",
        )
