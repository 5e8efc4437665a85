"""Where sources of pictures paint what labels are compared with: side stripes, bars behind a threshold.

Standards give metres. A simulator stretches one texture over every runway, so there the stripes' places are
shares of its width.
"""

from __future__ import annotations

from dataclasses import dataclass

from lard.errors import DataError


@dataclass(frozen=True, slots=True)
class Paint:
    """Side stripes, and what lies along the runway behind a threshold that is not displaced."""

    inset_m: float = 0.0
    inset_share: float = 0.0
    """Centre of a side stripe inside the declared edge: metres plus a share of the width."""
    stripe_m: float = 0.0
    stripe_share: float = 0.0
    """Width of a side stripe, likewise."""
    bars_m: tuple[float, float] = (6.0, 36.0)
    """Threshold bars, from and (at least) to, behind the threshold."""
    across_m: tuple[tuple[float, float], ...] = ()
    """Stripes across the runway that may be painted at a threshold, from and to; nearer than the bars."""
    edges: bool = True
    """Whether pavement ends at the declared edge, so that a step there may be looked for."""

    @property
    def marks_m(self) -> tuple[float, ...]:
        """Start and end of the bars, the threshold, start and end of each stripe across, along the runway."""
        return (*self.bars_m, 0.0, *(end for stripe in self.across_m for end in stripe))

    def inset(self, width_m: float) -> float:
        """Centre of a side stripe inside the edge of a runway of a width, metres."""
        return self.inset_m + self.inset_share * width_m

    def stripe(self, width_m: float) -> float:
        """Width of a side stripe, metres."""
        return self.stripe_m + self.stripe_share * width_m


PAINTS = {
    # ICAO Annex 14 5.2.4-5.2.7, AC 150/5340-1: the bars' start is common to both, the stripe across is not
    "standard": Paint(inset_m=0.45, stripe_m=0.9, across_m=((-1.8, 0.0), (0.0, 3.05))),
    # measured in Textures/Runway/pa_*.png of FlightGear 2020.3, 61.57 m to a texture's length
    "flightgear": Paint(
        inset_share=0.0234,
        stripe_share=0.0182,
        bars_m=(9.74, 56.1),
        across_m=((0.0, 3.85),),
        edges=False,
    ),
}


def paint_of(name: str) -> Paint:
    """The paint of a source by its own or a standard's name; DataError for an unknown one."""
    if name not in PAINTS:
        raise DataError(f"paint {name!r}: unknown; expected one of {', '.join(PAINTS)}")
    return PAINTS[name]
