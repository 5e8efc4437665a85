"""The ODD specification as a checked, frozen object."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from lard.camera import Camera
from lard.odd.laws import Law, Number, Weight
from lard.odd.parameters import APPROACH, PARAMETERS

Array = NDArray[np.float64]
Angle = Annotated[float, Field(strict=True, gt=0, lt=180)]
Text = Annotated[str, Field(strict=True, min_length=1)]

OUTSIDE = "outside"
"""What frames that lie in no zone have as their zone."""

FOV_DEG = (0.01, 179.0)
"""Least and widest field of view: beyond them a focal length in pixels says nothing."""

DEFAULT_CAMERA = {"width_px": 1024, "height_px": 1024, "fov_x_deg": 60.0}


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CameraSpec(_Model):
    """A pinhole camera as a spec states it; square pixels unless fov_y_deg says otherwise."""

    width_px: Annotated[int, Field(strict=True, ge=16, le=32768)]
    height_px: Annotated[int, Field(strict=True, ge=16, le=32768)]
    fov_x_deg: Angle
    fov_y_deg: Angle | None = None

    @model_validator(mode="after")
    def _seen(self) -> CameraSpec:
        for name in ("fov_x_deg", "fov_y_deg"):
            angle = getattr(self, name)
            if angle is not None and not FOV_DEG[0] <= angle <= FOV_DEG[1]:
                raise ValueError(f"{name} is {angle!r}; expected {FOV_DEG[0]:g} to {FOV_DEG[1]:g} degrees")
        return self


Apex = Annotated[Number, Field(ge=-20_000, le=20_000)]


class Reference(_Model):
    """Distance beyond the LTP of the points that lateral and vertical angles are seen from."""

    lateral_apex_m: Apex = 0.0
    vertical_apex_m: Apex = 305.0


class Categories(_Model):
    """Allowed categories of a parameter with their weights, normalised to a sum of 1."""

    weights: dict[str, Weight]

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, given: Any) -> Any:
        if isinstance(given, dict) and set(given) == {"weights"} and isinstance(given["weights"], dict):
            given = given["weights"]
        if isinstance(given, str | bool):
            given = [given]
        if isinstance(given, list | tuple):
            names = [_text(item) for item in given]
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ValueError(f"{twice} is listed twice; write weights as {{{twice}: 2, ...}}")
            given = dict.fromkeys(names, 1.0)
        if not isinstance(given, dict) or not given:
            raise ValueError("expected a list of categories or {category: weight}")
        return {"weights": {_text(key): weight for key, weight in given.items()}}

    @property
    def names(self) -> tuple[str, ...]:
        """The categories, sorted."""
        return tuple(sorted(self.weights))

    def ppf(self, u: Array) -> NDArray[np.str_]:
        """Categories (n,) of probabilities u."""
        edges = np.cumsum([self.weights[name] for name in self.names])
        index = np.searchsorted(edges / edges[-1], u, side="right")
        return np.array(self.names)[np.minimum(index, len(self.names) - 1)]


def _text(value: Any) -> str:
    """Category name of a YAML scalar: true is "true"."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class Profile(_Model):
    """Limits that change piecewise linearly with another numeric parameter: points (x, lo, hi)."""

    by: Text
    points: tuple[tuple[Number, Number, Number], ...]

    @model_validator(mode="after")
    def _ordered(self) -> Profile:
        if PARAMETERS.get(self.by) is None or PARAMETERS[self.by].categories:
            raise ValueError(f"by: {self.by!r} is not a numeric parameter")
        x = [point[0] for point in self.points]
        if len(x) < 2 or any(b <= a for a, b in pairwise(x)):
            raise ValueError(f"expected two or more points with increasing {self.by}, found {x}")
        bad = [point for point in self.points if point[2] < point[1]]
        if bad:
            raise ValueError(f"upper bound {bad[0][2]:g} is below lower bound {bad[0][1]:g} at {bad[0][0]:g}")
        return self

    def limits(self, x: Array) -> tuple[Array, Array]:
        """Lower and upper limits (n,) at values x (n,) of the governing parameter."""
        at, lo, hi = np.array(self.points).T
        return np.interp(x, at, lo), np.interp(x, at, hi)


Condition = tuple[float, float] | tuple[str, ...] | Profile


class Rule(_Model):
    """Where all of `when` holds, all of `require` must hold too."""

    name: Text
    when: dict[str, Condition]
    require: dict[str, Condition]

    @property
    def parameters(self) -> frozenset[str]:
        """Every parameter the rule looks at."""
        governing = (c.by for c in (*self.when.values(), *self.require.values()) if isinstance(c, Profile))
        return frozenset((*self.when, *self.require, *governing))


class Severity(_Model):
    """Weight of a missed runway by its distance: points (x, weight), linear between, constant beyond."""

    by: Literal["along_track_m"] = "along_track_m"
    points: tuple[tuple[Number, Number], ...]

    @model_validator(mode="after")
    def _ordered(self) -> Severity:
        x = [point[0] for point in self.points]
        if not x or any(b <= a for a, b in pairwise(x)):
            raise ValueError(f"expected points with increasing {self.by}, found {x}")
        reach = PARAMETERS[self.by]
        if not reach.lo <= x[0] <= x[-1] <= reach.hi:
            limits = f"[{reach.lo:g}, {reach.hi:g}] {reach.unit}"
            raise ValueError(f"[{x[0]:g}, {x[-1]:g}] leaves the possible {limits} of {self.by}")
        if any(weight <= 0 for _, weight in self.points):
            raise ValueError(f"weights must be positive, found {[weight for _, weight in self.points]}")
        return self


class Zone(_Model):
    """One zone: a law per approach parameter and its share of a sample."""

    name: Text
    share: Weight = 1.0
    laws: dict[str, Law]


class OddSpec(_Model):
    """An operational design domain: zones, margins, reference points, camera, environment, runways, rules.

    margins[level][parameter] is (below, above) in the parameter's unit for the levels `in` and `extended`;
    parameters are those of the approach and numeric ones of environment and runways.
    """

    name: Text
    version: Text
    description: str = ""
    reference: Reference = Reference()
    camera_spec: CameraSpec
    margins: dict[str, dict[str, tuple[float, float]]]
    zones: tuple[Zone, ...]
    environment: dict[str, Law | Categories] = {}
    runways: dict[str, Law | Categories] = {}
    rules: tuple[Rule, ...] = ()
    dqr: dict[str, dict[str, Any]] = {}
    severity: Severity | None = None
    file_sha256: str = ""

    @property
    def lateral_apex_m(self) -> float:
        """Distance beyond the LTP of the point lateral_deg is seen from."""
        return self.reference.lateral_apex_m

    @property
    def vertical_apex_m(self) -> float:
        """Distance beyond the LTP of the point vertical_deg is seen from."""
        return self.reference.vertical_apex_m

    @cached_property
    def camera(self) -> Camera:
        """The camera of the spec."""
        c = self.camera_spec
        return Camera.from_fov(c.width_px, c.height_px, c.fov_x_deg, c.fov_y_deg)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the file it was read from, else of its canonical JSON."""
        content = json.dumps(self.model_dump(mode="json", exclude={"file_sha256"}), sort_keys=True)
        return self.file_sha256 or hashlib.sha256(content.encode()).hexdigest()

    @property
    def zone_names(self) -> tuple[str, ...]:
        """Zone names in the order of the spec."""
        return tuple(zone.name for zone in self.zones)

    def zone(self, name: str) -> Zone:
        """The zone of that name."""
        return self.zones[self.zone_names.index(name)]

    def margin(self, level: str) -> Array:
        """Margins (6, 2) below and above the nominal range of each approach parameter at a level."""
        stated: Mapping[str, tuple[float, float]] = self.margins.get(level, {})
        return np.array([stated.get(name, (0.0, 0.0)) for name in APPROACH])

    def limits(self, level: str = "nominal") -> Array:
        """Limits (zones, 6, 2) of the parameters in APPROACH order, widened by the level's margins."""
        nominal = np.array([[zone.laws[name].range for name in APPROACH] for zone in self.zones])
        return nominal + self.margin(level) * (-1.0, 1.0)
