"""Curves of a score while a map's best pixels are taken away, or put back: deletion and insertion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lard.assurance.view import View

Floats = NDArray[np.float64]
SHARES = (0.0, 0.03, 0.1, 0.2, 0.4, 1.0)
"""Of the field's pixels that are taken away or put back."""
LEAST_DIFFERENCE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Logits above the operating point (shares, locations): the best pixels deleted, or alone."""

    deleted: Floats
    inserted: Floats

    def areas(self) -> tuple[float, float] | None:
        """Areas under deletion (small is good) and insertion (large is good), each in [0, 1].

        The score is 1 on the picture and 0 on the field in its mean colour, cut to that range. None where the
        picture scores no more than that.
        """
        lost, kept = self.deleted.max(axis=1), self.inserted.max(axis=1)
        difference = lost[0] - kept[0]
        if difference < LEAST_DIFFERENCE:
            return None
        shares = np.array(SHARES)
        low, high = (
            float(np.trapezoid(((one - kept[0]) / difference).clip(0, 1), shares)) for one in (lost, kept)
        )
        return low, high


def curves_of(view: View, pixels: Tensor, values: Floats, batch: int) -> Curves:
    """The curves of a map (rows, columns) of the view's field (RISE, Petsiuk et al., 2018).

    Equal values go in the order of their pixels, from the top left: a flat map is an order too.
    """
    order = np.argsort(-values.ravel(), kind="stable")
    ranks = np.empty(order.size, np.int64)
    ranks[order] = np.arange(order.size)
    counts = np.round(np.array(SHARES) * order.size)[:, None, None]
    best = torch.from_numpy(ranks.reshape(values.shape)[None] < counts).to(pixels.device)[:, None]
    part, fill = view.field.cut(pixels), view.field.fill(pixels)
    # both ends are shared: nothing deleted is the picture, nothing inserted is the flat field
    tried = torch.cat((torch.where(best, fill, part), torch.where(best[1:-1], part, fill)))
    with torch.no_grad():
        found = torch.cat(
            [view.above(view.field.put(some, pixels)).double().cpu() for some in tried.split(batch)]
        ).numpy()
    deleted = found[: len(SHARES)]
    return Curves(deleted, np.concatenate((deleted[-1:], found[len(SHARES) :], deleted[:1])))
