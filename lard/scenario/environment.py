"""Environment of frames from unit points: light and air, weather, lights, sensor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.odd.drawing import quantiles
from lard.odd.laws import Law
from lard.odd.parameters import CONDITIONS, PARAMETERS
from lard.odd.spec import Categories, OddSpec
from lard.scenario import sun

Array = NDArray[np.float64]

DIMENSIONS = 6
_VISIBILITY, _DAY, _TIME, _KIND, _CLOUD, _RAIN = range(DIMENSIONS)

COORDINATE = {
    "visibility_m": _VISIBILITY,
    "day_of_year": _DAY,
    "season": _DAY,
    "local_time_h": _TIME,
    "sun_elevation_deg": _KIND,
    "light": _KIND,
    "cloud_fraction": _CLOUD,
    "rain_mm_h": _RAIN,
    **{name: DIMENSIONS + k for k, name in enumerate(CONDITIONS)},
}
"""The coordinate that each parameter is drawn from."""

DEFAULTS = {
    "visibility_m": 20_000.0,
    "local_time_h": 12.0,
    "day_of_year": 172.0,
    "cloud_fraction": 0.0,
    "rain_mm_h": 0.0,
}
"""What a spec that does not say gets: noon of midsummer, clear and dry, 20 km."""


def draw_environment(
    spec: OddSpec, u: Array, lat_deg: Array
) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_]]:
    """Environment columns (n,) of unit points (n, DIMENSIONS), and where the sun can stand as asked.

    Where the spec declares some of CONDITIONS, the points have len(CONDITIONS) further coordinates.
    """
    season, light = spec.environment.get("season"), spec.environment.get("light")
    kind = u[:, _KIND]
    if isinstance(season, Categories):
        # one coordinate chooses the season and, stretched within it, the day
        names, within = _split(season, u[:, _DAY])
        day = sun.day_in_season(names, lat_deg, within)
    else:
        day = _quantiles(spec, "day_of_year", u[:, _DAY])
    afternoon = u[:, _TIME] >= 0.5
    half = (u[:, _TIME] * 2) % 1.0
    possible = np.ones(len(u), bool)
    if isinstance(light, Categories):
        names, _ = _split(light, kind)
        time = sun.time_in_light(day, names, lat_deg, half, afternoon)
    elif "sun_elevation_deg" in spec.environment:
        wanted = _quantiles(spec, "sun_elevation_deg", kind)
        time = sun.time_at(day, sun.hour_angle_deg(day, wanted, lat_deg), afternoon)
    else:
        time = _quantiles(spec, "local_time_h", u[:, _TIME])
    possible = ~np.isnan(time)
    time = np.where(possible, time, 12.0)
    elevation = sun.elevation_deg(day, time, lat_deg)
    columns: dict[str, NDArray[Any]] = {
        "visibility_m": _quantiles(spec, "visibility_m", u[:, _VISIBILITY]),
        "local_time_h": time,
        "day_of_year": np.floor(day),
        "sun_elevation_deg": elevation,
        "sun_azimuth_deg": sun.azimuth_deg(day, time, lat_deg),
        "light": sun.light_of(elevation),
        "season": sun.season_of(day, lat_deg),
        "cloud_fraction": _quantiles(spec, "cloud_fraction", u[:, _CLOUD]),
        "rain_mm_h": _quantiles(spec, "rain_mm_h", u[:, _RAIN]),
    }
    for name in declared_conditions(spec):
        law = spec.environment[name]
        assert isinstance(law, Law)
        values = quantiles(name, law, u[:, COORDINATE[name]])
        columns[name] = values.astype(np.int64) if PARAMETERS[name].whole else values
    return columns, possible


def declared_conditions(spec: OddSpec) -> tuple[str, ...]:
    """Those of CONDITIONS that a spec has a law for: the others get no column."""
    return tuple(name for name in CONDITIONS if name in spec.environment)


def _quantiles(spec: OddSpec, name: str, u: Array) -> Array:
    law = spec.environment.get(name)
    return quantiles(name, law, u) if isinstance(law, Law) else np.full(len(u), DEFAULTS[name])


def _split(categories: Categories, u: Array) -> tuple[NDArray[np.str_], Array]:
    """Category (n,) of each coordinate and where it lies within that category's share, in [0, 1)."""
    share = np.array([categories.weights[name] for name in categories.names])
    upper = np.cumsum(share / share.sum())
    index = np.minimum(np.searchsorted(upper, u, side="right"), len(share) - 1)
    lower = np.concatenate([[0.0], upper])[index]
    within = np.clip((u - lower) / (upper[index] - lower), 0.0, np.nextafter(1.0, 0.0))
    return np.array(categories.names)[index], within
