"""Masks that are certified: what a set of pixels guarantees, whatever small changes the others undergo.

After EVA (Fel et al., 2023), which verifies a network over a ball about a masked picture. Here the Lipschitz
constant does so exactly and at once: with the runway's pixels of a mask kept and the rest of the field in its
mean colour, every picture within an L2 norm of r of that one fires too, r the firing radius there; those that
differ outside of the mask only are among them. Likewise nothing fires within r' of a picture whose mask was
covered, r' the distance of its best logit to the operating point.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lard.assurance.deletion import SHARES, Curves
from lard.robust.certify import Reach

Floats = NDArray[np.float64]
EPS = (0.0, 0.05, 0.1, 0.25)
"""L2 norms of changes, pixels in [0, 1]; 0 is the masked picture itself and needs no certificate."""


def firing_radii(above: Floats, reach: Reach) -> Floats:
    """Norms (m,) below which no change silences pictures of logits above the point (m, locations)."""
    return reach.radii((np.maximum(above, 0) ** 2).sum(axis=1))


def silent_radii(above: Floats, reach: Reach) -> Floats:
    """Norms (m,) below which no change makes a location of pictures fire: (m, locations) -> (m,)."""
    return reach.radii(np.maximum(-above.max(axis=1), 0) ** 2)


def sufficient_share(curves: Curves, eps: float, reach: Reach | None) -> float | None:
    """The least share of the field whose best pixels alone make the runway fire in spite of eps; None: none.

    Without a Lipschitz constant only eps 0 can be answered.
    """
    return _least(_holds(curves.inserted, eps, reach, firing=True))


def necessary_share(curves: Curves, eps: float, reach: Reach | None) -> float | None:
    """The least share whose cover silences the runway for good, in spite of eps; None: no share does."""
    return _least(_holds(curves.deleted, eps, reach, firing=False))


def certified_shares(curves: Curves, reach: Reach | None) -> dict[str, dict[str, float | None]]:
    """Both shares by eps, as JSON keeps them; a detector without a constant answers for eps 0 alone."""
    eps = EPS if reach is not None else EPS[:1]
    return {
        "sufficient": {f"{one:g}": sufficient_share(curves, one, reach) for one in eps},
        "necessary": {f"{one:g}": necessary_share(curves, one, reach) for one in eps},
    }


def _holds(above: Floats, eps: float, reach: Reach | None, firing: bool) -> Sequence[bool]:
    best = above.max(axis=1)
    if eps == 0:
        return list((best > 0) if firing else (best <= 0))
    if reach is None:
        raise ValueError("eps above 0 needs a Lipschitz constant")
    radii = firing_radii(above, reach) if firing else silent_radii(above, reach)
    return list(radii >= eps)


def _least(holds: Sequence[bool]) -> float | None:
    return next((share for share, one in zip(SHARES, holds, strict=True) if one), None)
