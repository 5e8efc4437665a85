"""Several approaches to several airports: each on a drawn runway, cut to the part that the domain holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, get_type_hints

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from lard.airports.model import RunwayDatabase
from lard.errors import SpecError
from lard.odd.spec import OUTSIDE, OddSpec
from lard.scenario.selection import candidates
from lard.scenario.sequences import Flight, sequence
from lard.tables import frame_rng

_STRICT = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
_TYPES = get_type_hints(Flight)
FlightSpec: Any = create_model(
    "FlightSpec",
    __config__=_STRICT,
    **{f.name: (_TYPES[f.name], f.default) for f in fields(Flight)},  # type: ignore[call-overload]
)
"""The fields of a Flight, as a parameter file states them."""
_TOLD = ("kind", "frame_rate_hz", "start_m", "headwind_m_s", "crosswind_m_s", "turbulence")


class Campaign(BaseModel):
    """Every flight is flown at every airport; `flights` have names, and the fields of a Flight."""

    model_config = _STRICT
    seed: int = Field(ge=0)
    frames_at_most: int = Field(ge=1)
    airports: tuple[str, ...] = Field(min_length=1)
    flights: dict[str, FlightSpec] = Field(min_length=1)

    @model_validator(mode="after")
    def _flyable(self) -> Campaign:
        if len(set(self.airports)) < len(self.airports):
            raise ValueError("airports: one is named twice; name each once")
        for name, flight in self.flights.items():
            try:
                Flight(**flight.model_dump()).check()
            except SpecError as error:
                raise ValueError(f"flights.{name}: {str(error).replace(chr(10), '; ')}") from error
        return self


@dataclass(frozen=True, slots=True)
class Flown:
    """Frames of all flights, sorted by frame_id, and what each flight was and how many frames it lost."""

    frames: pl.DataFrame
    flights: tuple[dict[str, Any], ...]


def fly_all(
    spec: OddSpec, db: RunwayDatabase, campaign: Campaign, least_frames: int, where: str = "sequences"
) -> Flown:
    """Fly a campaign; of each flight the frames from the first to the last that lie in a zone of the domain.

    The runway is drawn, with the seed, from those that the domain admits at the airport; number k of the
    flights has the seed plus k. Flights of fewer than least_frames frames are refused.
    """
    tables, told = [], []
    for airport in campaign.airports:
        runways = candidates(spec, db, [airport]).runways
        for number, (name, stated) in enumerate(campaign.flights.items()):
            draw = frame_rng(campaign.seed, f"campaign/{airport}/{name}")
            ident = runways[int(draw.integers(len(runways)))].ident
            flight, seed = Flight(**stated.model_dump()), campaign.seed + number
            table = sequence(spec, db, airport, ident, flight, seed)
            inside = np.flatnonzero(table["zone"].to_numpy() != OUTSIDE)
            first, last = (int(inside[0]), int(inside[-1])) if len(inside) else (0, -1)
            kept = table[first : last + 1]
            if len(kept) < least_frames:
                raise SpecError(
                    f"{where}.flights.{name}: {len(kept)} of {len(table)} frames at {airport} lie in a zone"
                    f" of {spec.name}, {least_frames} are needed; raise frame_rate_hz or start_m"
                )
            tables.append(kept)
            told.append(_told(name, airport, ident, flight, seed, table, first, kept))
    frames = pl.concat(tables)
    if len(frames) > campaign.frames_at_most:
        raise SpecError(
            f"{where}.frames_at_most: the flights have {len(frames)} frames, {campaign.frames_at_most} are"
            " allowed; raise it, or lower frame_rate_hz or start_m"
        )
    return Flown(frames.sort("frame_id"), tuple(told))


def _told(
    name: str,
    airport: str,
    ident: str,
    flight: Flight,
    seed: int,
    table: pl.DataFrame,
    first: int,
    kept: pl.DataFrame,
) -> dict[str, Any]:
    """One flight: frames before and after the domain are left out, those between stay."""
    known: Mapping[str, Any] = asdict(flight)
    return {
        "sequence": str(table["sequence"][0]),
        "flight": name,
        "airport": airport,
        "runway": ident,
        "seed": seed,
        **{key: known[key] for key in _TOLD},
        "flown": len(table),
        "kept": len(kept),
        "left_out_before": first,
        "left_out_after": len(table) - first - len(kept),
        "outside_kept": int((kept["zone"] == OUTSIDE).sum()),
    }
