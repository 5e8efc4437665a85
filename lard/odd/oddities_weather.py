"""Weather, light and sensor that contradict each other or show in no picture."""

from __future__ import annotations

from lard.odd.checks import RAIN_CLOUD_FRACTION
from lard.odd.laws import Law
from lard.odd.reading import place_of
from lard.odd.spec import Categories, OddSpec
from lard.odd.yamlfile import Faults

_RATES = ("yaw_rate_deg_s", "pitch_rate_deg_s", "roll_rate_deg_s")
_NIGHT_BELOW_DEG = -6.0
_SEEN_GREY = 0.05  # below it fewer than one value in 25 moves, by one level


def warn_of_weather(spec: OddSpec, faults: Faults) -> None:
    """Warn of what an environment declares without effect, and of skies that nobody sees."""
    laws = {name: law for name, law in spec.environment.items() if isinstance(law, Law)}

    def warn(name: str, text: str) -> None:
        faults.warn(place_of(faults, (("environment",),), name), text)

    def most(name: str) -> float:
        return laws[name].hi if name in laws else 0.0

    if most("fog_top_m") == 0:
        for name in ("fog_visibility_m", "fog_base_m", "fog_top_m"):
            if (name == "fog_visibility_m" and name in laws) or most(name) > 0:
                warn(
                    name,
                    "there is never a fog, as fog_top_m is absent or 0; give it a height, or remove this",
                )
    elif {"fog_visibility_m", "visibility_m"} <= set(laws):
        fog, air = laws["fog_visibility_m"], laws["visibility_m"]
        if fog.lo >= air.hi:
            text = f"a fog of {fog.lo:g} m or more is clearer than the air around it, {air.hi:g} m at most"
            warn("fog_visibility_m", f"{text}; lower it")
    if "cloud_base_m" in laws and most("cloud_fraction") == 0 and most("rain_mm_h") == 0:
        warn(
            "cloud_base_m",
            "there is never a cloud, as cloud_fraction is absent or 0; declare it, or remove this",
        )
    rains = "rain_mm_h" in laws and laws["rain_mm_h"].lo == 0 < most("rain_mm_h")
    if rains and most("cloud_fraction") < RAIN_CLOUD_FRACTION:
        text = f"it rains, but cloud_fraction is never above {most('cloud_fraction'):g}"
        warn("rain_mm_h", f"{text}; let it reach {RAIN_CLOUD_FRACTION:g}")
    turning = [name for name in _RATES if name in laws and (laws[name].lo, laws[name].hi) != (0, 0)]
    for name in turning if most("shutter_ms") == 0 else ():
        warn(name, "blurs nothing, as shutter_ms is absent or 0; declare it, or remove this")
    if most("shutter_ms") > 0 and not turning:
        warn("shutter_ms", f"blurs nothing without {' or '.join(_RATES)}; declare one, or remove this")
    if 0 < most("noise_grey") < _SEEN_GREY:
        text = f"noise of {most('noise_grey'):g} grey levels of 255 shows in no picture"
        warn("noise_grey", f"{text}; a camera has 1 to 5, or remove this")
    if "lights_fraction" in laws and most("lights_fraction") == 0 and _night(spec):
        warn("lights_fraction", "no light is ever on, by night either: pictures are black; let it be above 0")


def _night(spec: OddSpec) -> bool:
    light, sun = spec.environment.get("light"), spec.environment.get("sun_elevation_deg")
    if isinstance(light, Categories):
        return "night" in light.names
    return isinstance(sun, Law) and sun.lo < _NIGHT_BELOW_DEG
