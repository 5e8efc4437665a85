"""Distributions of one parameter: exact quantile and distribution functions on arrays."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy import special

Array = NDArray[np.float64]
NUMBER_LIMIT = 1e9
"""Largest number of a spec, in its parameter's own unit; sums, squares and quotients of them stay finite."""
_LARGEST = 1e3 * NUMBER_LIMIT  # in other units; what is too large in the parameter's own is told there
Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-_LARGEST, le=_LARGEST)]
Positive = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0, le=_LARGEST)]
Weight = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0, le=NUMBER_LIMIT)]
_LEAST = 1e-12  # of what others are divided by

NEEDS = {
    "uniform": (),
    "log_uniform": (),
    "normal": ("mean", "sd"),
    "beta": ("a", "b"),
    "power": ("exponent",),
    "discrete": ("values",),
}
"""Per law, the fields it needs beside its range."""


def _bounds(pair: Any) -> tuple[Any, Any] | None:
    """Lower and upper bound of a two-number list, else None."""
    good = isinstance(pair, list | tuple) and len(pair) == 2 and all(_is_number(x) for x in pair)
    return (pair[0], pair[1]) if good else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)


class Law(BaseModel):
    """A law on [lo, hi]: uniform, log_uniform, truncated normal, beta, power (lo + u^exponent (hi - lo))
    or discrete (value: weight)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    law: Literal["uniform", "log_uniform", "normal", "beta", "power", "discrete"] = "uniform"
    range: tuple[Number, Number]
    mean: Number | None = None
    sd: Positive | None = None
    a: Positive | None = None
    b: Positive | None = None
    exponent: Positive | None = None
    values: dict[Number, Weight] | None = None

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, given: Any) -> Any:
        if _is_number(given):
            given = {"range": [given, given]}
        elif isinstance(given, list | tuple):
            given = {"range": given}
        if not isinstance(given, dict):
            raise ValueError(
                f"expected a number, a range [low, high] or {{range: ..., law: ...}}, found {given!r}"
            )
        if "values" in given and isinstance(given["values"], dict | list) and given["values"]:
            values = given["values"]
            if isinstance(values, list):
                twice = next((value for value in values if values.count(value) > 1), None)
                if twice is not None:
                    raise ValueError(f"{twice} is listed twice; write weights as {{{twice}: 2, ...}}")
                values = dict.fromkeys(values, 1.0)
            if not all(_is_number(value) for value in values):
                raise ValueError("expected values as {number: weight} or a list of numbers")
            values = {float(value): weight for value, weight in values.items()}
            given = {"law": "discrete", "range": [min(values), max(values)], **given, "values": values}
        if "range" in given:
            bounds = _bounds(given["range"])
            if bounds is None:
                raise ValueError(f"expected a range of two numbers [low, high], found {given['range']!r}")
            if bounds[1] < bounds[0]:
                raise ValueError(f"upper bound {bounds[1]:g} is below lower bound {bounds[0]:g}")
            given = {**given, "range": bounds}
        return given

    @model_validator(mode="after")
    def _complete(self) -> Law:
        needed = NEEDS[self.law]
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"law {self.law} needs {' and '.join(missing)}")
        optional = ("mean", "sd", "a", "b", "exponent", "values")
        spare = [name for name in optional if name not in needed and getattr(self, name) is not None]
        if spare:
            raise ValueError(f"law {self.law} does not use {' and '.join(spare)}; remove it")
        if self.law == "log_uniform" and self.lo < _LEAST:
            raise ValueError(
                f"law log_uniform needs a positive lower bound ({_LEAST:g} or more), found {self.lo:g}"
            )
        if self.sd is not None and self.sd < _LEAST:
            raise ValueError(f"sd is {self.sd:g}, next to nothing; state the one value, or widen it")
        if self.law == "normal" and self.lo < self.hi and self._normal_mass() < 1e-9:
            raise ValueError(f"normal({self.mean:g}, {self.sd:g}) has no mass in [{self.lo:g}, {self.hi:g}]")
        if self.law == "discrete" and (self.lo > min(self.values or {}) or self.hi < max(self.values or {})):
            raise ValueError("discrete values lie outside the range; remove the range")
        return self

    @property
    def lo(self) -> float:
        """Lower bound."""
        return self.range[0]

    @property
    def hi(self) -> float:
        """Upper bound."""
        return self.range[1]

    @property
    def numbers(self) -> list[float]:
        """Every number of the law that has its parameter's unit."""
        return [*self.range, *(x for x in (self.mean, self.sd) if x is not None), *(self.values or ())]

    def slack(self, x: Array, below: float = 0.0, above: float = 0.0) -> Array:
        """Distance (n,) of values x to the nearer limit of what the law can be, widened; negative outside.

        A discrete law can be its values only, each of them widened.
        """
        x = np.asarray(x, np.float64)
        spans = [(value, value) for value in sorted(self.values or {})] or [self.range]
        return np.maximum.reduce([np.minimum(x - (lo - below), hi + above - x) for lo, hi in spans])

    def scaled(self, factor: float) -> Law:
        """The same law with every length multiplied: the change of unit of a parameter."""
        if factor == 1.0:
            return self
        changed: dict[str, Any] = {"range": (self.lo * factor, self.hi * factor)}
        changed |= {
            name: given * factor for name in ("mean", "sd") if (given := getattr(self, name)) is not None
        }
        if self.values is not None:
            changed["values"] = {value * factor: weight for value, weight in self.values.items()}
        return self.model_copy(update=changed)

    def ppf(self, u: Array) -> Array:
        """Quantiles (n,) of probabilities u in [0, 1]; never outside the range."""
        lo, hi = self.lo, self.hi
        if lo == hi:
            return np.full_like(u, lo)
        if self.law == "uniform":
            x = lo + u * (hi - lo)
        elif self.law == "log_uniform":
            x = lo * np.exp(u * np.log(hi / lo))
        elif self.law == "power":
            x = lo + u ** (self.exponent or 1.0) * (hi - lo)
        elif self.law == "beta":
            x = lo + special.betaincinv(self.a, self.b, u) * (hi - lo)
        elif self.law == "normal":
            x = self._normal_ppf(u)
        else:
            values, edges = self._steps()
            x = values[np.minimum(np.searchsorted(edges, u, side="right"), len(values) - 1)]
        return np.clip(x, lo, hi)

    def cdf(self, x: Array) -> Array:
        """Distribution function (n,)."""
        lo, hi = self.lo, self.hi
        x = np.asarray(x, np.float64)
        if lo == hi:
            return (x >= lo).astype(np.float64)
        t = np.clip((x - lo) / (hi - lo), 0.0, 1.0)
        if self.law == "uniform":
            return t
        if self.law == "log_uniform":
            return np.log(np.clip(x, lo, hi) / lo) / np.log(hi / lo)
        if self.law == "power":
            return t ** (1 / (self.exponent or 1.0))
        if self.law == "beta":
            return special.betainc(self.a, self.b, t)
        if self.law == "normal":
            mean, sd = self.mean or 0.0, self.sd or 1.0
            bound, z = (lo - mean) / sd, (np.clip(x, lo, hi) - mean) / sd
            tail = special.ndtr(-bound) - special.ndtr(-z)
            return (tail if bound > 0 else special.ndtr(z) - special.ndtr(bound)) / self._normal_mass()
        values, edges = self._steps()
        return np.concatenate([[0.0], edges])[np.searchsorted(values, x, side="right")]

    def _steps(self) -> tuple[Array, Array]:
        """Sorted values and cumulative weights of a discrete law."""
        items = sorted((self.values or {}).items())
        edges = np.cumsum([weight for _, weight in items])
        return np.array([value for value, _ in items]), edges / edges[-1]

    def _normal_mass(self) -> float:
        lo, hi = ((bound - (self.mean or 0.0)) / (self.sd or 1.0) for bound in self.range)
        # the upper tail is computed as a lower one: 1 - 1e-17 would be 1
        return float(special.ndtr(hi) - special.ndtr(lo) if lo < 0 else special.ndtr(-lo) - special.ndtr(-hi))

    def _normal_ppf(self, u: Array) -> Array:
        mean, sd = self.mean or 0.0, self.sd or 1.0
        lo = (self.lo - mean) / sd
        if lo > 0:
            return mean - sd * special.ndtri(special.ndtr(-lo) - u * self._normal_mass())
        return mean + sd * special.ndtri(special.ndtr(lo) + u * self._normal_mass())
