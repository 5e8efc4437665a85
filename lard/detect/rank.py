"""A loss of ranks: an upper bound of 1 - average precision, and margins that make scores comparable.

ROADMAP (Ramzi et al., "Robust and Decomposable Average Precision for Image Retrieval", NeurIPS 2021): SupAP
bounds the error of a batch's ranking, the calibration term keeps the ranking of all batches together, which
no loss of one batch's ranks can see.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lard.detect.config import RankSpec


def rank_loss(scores: Tensor, objectness: Tensor, spec: RankSpec) -> Tensor:
    """(1 - calibration) x SupAP + calibration x margins, summed over the positive locations.

    scores (b, n) in [0, 1]; objectness (b, n): 1 runway, 0 background, -1 ignored. All positives take part,
    at most sixteen for each runway, and the `negatives` highest-scored background locations of the whole
    batch, the only ones that can stand above a positive soon; lower ones are left as they are.
    Without a positive only the margin of the negatives is left.
    """
    positive, background = scores[objectness == 1], scores[objectness == 0]
    negative = background.topk(min(spec.negatives, len(background)), sorted=False).values
    error = precision_errors(positive, negative, spec).sum()
    if not spec.calibration:
        return error
    above = F.relu(negative - spec.negative_margin).sum() / max(len(negative), 1)
    margins = F.relu(spec.positive_margin - positive).sum() + max(len(positive), 1) * above
    return (1 - spec.calibration) * error + spec.calibration * margins


def precision_errors(positive: Tensor, negative: Tensor, spec: RankSpec) -> Tensor:
    """1 - precision at the rank of each positive, from above: scores (p,), (n,) -> (p,).

    The mean is at least 1 - AP of these scores, ties counted against the positives. The rank among positives
    is exact and has no gradient, so that no positive is lowered to make place for another.
    """
    ordered = positive.detach().sort().values
    rank = len(ordered) - torch.searchsorted(ordered, positive.detach(), right=False)
    wrong = step_bound(negative[None, :] - positive[:, None], spec).sum(dim=1)
    return wrong / (rank + wrong)


def step_bound(ahead: Tensor, spec: RankSpec) -> Tensor:
    """What a negative that is ahead of a positive by this much counts: at least 1 from zero on.

    Below zero a sigmoid of width tau, above it the same and one half, beyond delta a straight line, whose
    gradient does not vanish for negatives far ahead (equation 6 of the paper).
    """
    near = torch.sigmoid(ahead.clamp(max=spec.delta) / spec.tau) + 0.5 * (ahead >= 0)
    return near + spec.slope * F.relu(ahead - spec.delta)
