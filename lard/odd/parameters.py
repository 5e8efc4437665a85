"""The parameters an ODD may limit: unit, possible values, other units to write them in, ISO 34503 name."""

from dataclasses import dataclass

from lard.airports.vocabulary import MARKINGS

APPROACH = ("along_track_m", "lateral_deg", "vertical_deg", "yaw_offset_deg", "pitch_deg", "roll_deg")
"""The six parameters of an approach, in the order of every array (n, 6) here."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: numeric between lo and hi, or one of the categories when there are any."""

    name: str
    group: str  # approach, environment or runway
    unit: str  # suffix of the name; "" for categories
    lo: float = 0.0
    hi: float = 0.0
    categories: tuple[str, ...] = ()  # ("*",) = any text
    iso34503: str = ""
    whole: bool = False  # a whole number: each from the least to the greatest has its own share of a law

    @property
    def stem(self) -> str:
        """Name without its unit."""
        return self.name.removesuffix(f"_{self.unit}") if self.unit else self.name


UNITS = {
    "m": {"m": 1.0, "km": 1000.0, "nm": 1852.0, "ft": 0.3048},
    "deg": {"deg": 1.0, "rad": 57.29577951308232, "mrad": 0.05729577951308232},
    "h": {"h": 1.0, "min": 1 / 60},
    "mm_h": {"mm_h": 1.0},
    "fraction": {"fraction": 1.0, "okta": 0.125, "percent": 0.01},
    "deg_s": {"deg_s": 1.0, "rad_s": 57.29577951308232},
    "ms": {"ms": 1.0, "s": 1000.0, "us": 0.001},
    "ev": {"ev": 1.0},
    "grey": {"grey": 1.0},
    "px": {"px": 1.0},
    "": {},
}
"""Per canonical unit, the units a spec may use as a suffix and their factor to the canonical one."""

_ENVIRONMENT = "environment"
PARAMETERS = {
    p.name: p
    for p in (
        Parameter("along_track_m", "approach", "m", -20_000, 100_000),
        Parameter("lateral_deg", "approach", "deg", -89, 89),
        Parameter("vertical_deg", "approach", "deg", -89, 89),
        Parameter("yaw_offset_deg", "approach", "deg", -180, 180),
        Parameter("pitch_deg", "approach", "deg", -90, 90),
        Parameter("roll_deg", "approach", "deg", -180, 180),
        Parameter(
            "visibility_m",
            _ENVIRONMENT,
            "m",
            1,
            1_000_000,
        ),
        Parameter("local_time_h", _ENVIRONMENT, "h", 0, 24),
        Parameter("day_of_year", _ENVIRONMENT, "", 1, 366, whole=True),
        Parameter("sun_elevation_deg", _ENVIRONMENT, "deg", -90, 90, iso34503="elevation_of_the_sun"),
        Parameter("cloud_fraction", _ENVIRONMENT, "fraction", 0, 1, iso34503="cloudiness_rate"),
        Parameter("rain_mm_h", _ENVIRONMENT, "mm_h", 0, 300, iso34503="rainfall_rate"),
        Parameter(
            "light", _ENVIRONMENT, "", categories=("day", "dusk", "night"), iso34503="natural_illuminance"
        ),
        Parameter("season", _ENVIRONMENT, "", categories=("winter", "spring", "summer", "autumn")),
        Parameter("fog_base_m", _ENVIRONMENT, "m", 0, 5_000),
        Parameter("fog_top_m", _ENVIRONMENT, "m", 0, 5_000),
        Parameter("fog_visibility_m", _ENVIRONMENT, "m", 10, 100_000),
        Parameter("cloud_base_m", _ENVIRONMENT, "m", 0, 12_000),
        Parameter("wetness_fraction", _ENVIRONMENT, "fraction", 0, 1),
        Parameter("lights_fraction", _ENVIRONMENT, "fraction", 0, 1),
        Parameter("lens_drops", _ENVIRONMENT, "", 0, 500, whole=True),
        Parameter("exposure_ev", _ENVIRONMENT, "ev", -6, 6),
        Parameter("shutter_ms", _ENVIRONMENT, "ms", 0, 1_000),
        Parameter("yaw_rate_deg_s", _ENVIRONMENT, "deg_s", -90, 90),
        Parameter("pitch_rate_deg_s", _ENVIRONMENT, "deg_s", -90, 90),
        Parameter("roll_rate_deg_s", _ENVIRONMENT, "deg_s", -90, 90),
        Parameter("defocus_px", _ENVIRONMENT, "px", 0, 30),
        Parameter("vignette_fraction", _ENVIRONMENT, "fraction", 0, 1),
        Parameter("noise_grey", _ENVIRONMENT, "grey", 0, 60),
        Parameter("jpeg_quality", _ENVIRONMENT, "", 1, 100, whole=True),
        Parameter("watermark_px", _ENVIRONMENT, "px", 0, 1_000, whole=True),
        Parameter("length_m", "runway", "m", 0, 10_000),
        Parameter("width_m", "runway", "m", 0, 200),
        Parameter("elevation_m", "runway", "m", -500, 6_000),
        Parameter("strips_in_view", "runway", "", 0, 20, whole=True),
        Parameter("surface", "runway", "", categories=("*",), iso34503="drivable_area_surface_type"),
        Parameter("marking", "runway", "", categories=MARKINGS),
        Parameter("country", "runway", "", categories=("*",), iso34503="region_or_states"),
        Parameter("lighted", "runway", "", categories=("true", "false")),
    )
}

CONDITIONS = (
    "fog_base_m", "fog_top_m", "fog_visibility_m", "cloud_base_m", "wetness_fraction", "lights_fraction",
    "lens_drops", "exposure_ev", "shutter_ms", "yaw_rate_deg_s", "pitch_rate_deg_s", "roll_rate_deg_s",
    "defocus_px", "vignette_fraction", "noise_grey", "jpeg_quality", "watermark_px",
)  # fmt: skip
"""Environment parameters that frames carry where their spec declares them, in the order of coordinates."""

# the longest first: roll_rate_rad_s is a rate, not a roll in the unit rate_rad_s
_STEMS = dict(sorted(((p.stem, p) for p in PARAMETERS.values() if p.unit), key=lambda item: -len(item[0])))


def resolve(key: str) -> tuple[Parameter, float] | str:
    """The parameter a spec key means and the factor to its unit, or what is wrong with the key."""
    if key in PARAMETERS:
        return PARAMETERS[key], 1.0
    for stem, parameter in _STEMS.items():
        if key == stem or key.startswith(f"{stem}_"):
            units = UNITS[parameter.unit]
            suffix = key[len(stem) + 1 :]
            if suffix in units:
                return parameter, units[suffix]
            known = ", ".join(f"{stem}_{unit}" for unit in units)
            return f"unknown unit {suffix!r}; write one of {known}"
    return f"unknown parameter {key!r}"
