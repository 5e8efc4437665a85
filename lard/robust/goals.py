"""What an attacker wants of a picture: a loss to descend, and whether the detections show it reached.

Losses work on all locations; whether a goal is reached is read from what is left after the choice among
them and non-maximum suppression, at the operating point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lard.detect.decode import Detections
from lard.errors import DataError
from lard.robust.layout import (
    PLACE_PX,
    RIGHT,
    SHARP,
    TOUCH,
    Layout,
    free_place,
    highest,
    holding,
    overlap,
    overlaps,
    touched,
)
from lard.robust.scene import Answers

GOALS = ("vanish", "fabricate", "fabricate-random", "ap", "move")
KEPT = 5.0  # weight of firing on against losing overlap


class Goal(Protocol):
    """One attacker's aim at one picture."""

    @property
    def eligible(self) -> bool:
        """Whether the clean picture gives the attacker something to do."""

    @property
    def ends(self) -> bool:
        """Whether nothing is left to gain once it is reached."""

    @property
    def regions(self) -> NDArray[np.float64]:
        """Where it is decided, corner pairs (m, 4) in px; only the search without gradients asks."""

    def losses(self, answers: Answers) -> Tensor:
        """A loss (b,) for each picture; the attacker wants it low."""

    def reached(self, found: Detections) -> bool:
        """Whether detections of a picture, best first, show it."""


def goal_of(name: str, layout: Layout, rng: np.random.Generator) -> Goal:
    """The goal of a name; only a random place draws from the generator."""
    if name == "vanish":
        return Vanish(layout)
    if name == "fabricate":
        return Fabricate(layout)
    if name == "fabricate-random":
        return FabricateAt(layout, *free_place(layout, rng))
    if name == "ap":
        return Rank(layout)
    if name == "move":
        return Move(layout)
    raise DataError(f"goal {name!r}: expected one of {', '.join(GOALS)}")


@dataclass(frozen=True, slots=True, eq=False)
class Vanish:
    """No detection of the operating point touches a required runway."""

    layout: Layout
    ends = True

    @property
    def eligible(self) -> bool:
        """A required runway is there."""
        return len(self.layout.wanted) > 0

    @property
    def regions(self) -> NDArray[np.float64]:
        """The required runways."""
        return self.layout.scene.wanted

    def losses(self, answers: Answers) -> Tensor:
        """How far the locations that serve a runway stand above the point, softly, summed."""
        above = F.softplus(answers.logits - self.layout.limit, beta=SHARP)
        return (above * self.layout.touching(answers)).sum(dim=1)

    def reached(self, found: Detections) -> bool:
        """See Goal."""
        return not touched(self.layout.scene, found).any()


@dataclass(frozen=True, slots=True, eq=False)
class Fabricate:
    """A detection of the operating point that lies outside all runways, at the place easiest to reach."""

    layout: Layout
    ends = False
    eligible = True

    @property
    def regions(self) -> NDArray[np.float64]:
        """The whole picture."""
        width, height = self.layout.scene.frame_px
        return np.array([[0.0, 0.0, width, height]])

    def losses(self, answers: Answers) -> Tensor:
        """How far the best of the free locations stay below the point."""
        return self.layout.limit - highest(answers.logits, self.layout.free(answers))

    def reached(self, found: Detections) -> bool:
        """See Goal."""
        return bool(self.layout.clear(self.layout.scene.at_point(found)[0]).any())


@dataclass(frozen=True, slots=True, eq=False)
class FabricateAt:
    """A detection of the operating point that meets the square about a place and lies outside all runways."""

    layout: Layout
    x_px: float
    y_px: float
    ends = True
    eligible = True

    @property
    def regions(self) -> NDArray[np.float64]:
        """A square about the place."""
        x, y = self.x_px, self.y_px
        return np.array([[x - PLACE_PX, y - PLACE_PX, x + PLACE_PX, y + PLACE_PX]])

    def losses(self, answers: Answers) -> Tensor:
        """How far the best free location of the square stays below the point."""
        square = torch.from_numpy(self.regions).float().to(answers.boxes.device)
        here = holding(square, self.layout.centres) & self.layout.free(answers)
        return self.layout.limit - highest(answers.logits, here)

    def reached(self, found: Detections) -> bool:
        """See Goal."""
        boxes, _ = self.layout.scene.at_point(found)
        here = overlap(boxes, self.regions).max(axis=1, initial=0) > 0
        return bool((here & self.layout.clear(boxes)).any())


@dataclass(frozen=True, slots=True, eq=False)
class Rank:
    """The best detection outside all runways comes before every right one, whatever the operating point."""

    layout: Layout
    ends = False

    @property
    def eligible(self) -> bool:
        """A required runway is there."""
        return len(self.layout.wanted) > 0

    @property
    def regions(self) -> NDArray[np.float64]:
        """The required runways and the whole picture."""
        width, height = self.layout.scene.frame_px
        return np.concatenate((self.layout.scene.wanted, [[0.0, 0.0, width, height]]))

    def losses(self, answers: Answers) -> Tensor:
        """By how much the best location of a runway stands above the best free one."""
        right = highest(answers.logits, self.layout.touching(answers))
        return right - highest(answers.logits, self.layout.free(answers))

    def reached(self, found: Detections) -> bool:
        """See Goal."""
        boxes, scores = found
        clear = scores[self.layout.clear(boxes)].max(initial=0.0)
        right = overlap(boxes, self.layout.scene.wanted).max(axis=1, initial=0) >= RIGHT
        return bool(clear > scores[right].max(initial=0.0))


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """Every required runway that was found still has a detection that touches it, and none of IoU 0.5."""

    layout: Layout
    ends = True

    @property
    def eligible(self) -> bool:
        """A required runway was found."""
        return bool(self.layout.found.any())

    @property
    def regions(self) -> NDArray[np.float64]:
        """The runways that were found."""
        return self.layout.scene.wanted[self.layout.found]

    def losses(self, answers: Answers) -> Tensor:
        """Overlap beyond what is right of locations that fire, and by how much none fires at a runway."""
        overlapping = overlaps(answers.boxes, self.layout.wanted[torch.from_numpy(self.layout.found)])
        beyond = F.relu(overlapping - (RIGHT - 0.05)).amax(dim=-1)
        firing = torch.sigmoid(answers.logits - self.layout.limit)
        off = (firing * beyond).sum(dim=1)
        touching = overlapping.detach() >= TOUCH
        kept = [highest(answers.logits, touching[..., k]) for k in range(touching.shape[-1])]
        silent = F.relu(self.layout.limit + 0.5 - torch.stack(kept)).sum(dim=0)
        return off + KEPT * silent

    def reached(self, found: Detections) -> bool:
        """See Goal."""
        boxes, _ = self.layout.scene.at_point(found)
        best = overlap(boxes, self.regions).max(axis=0, initial=0)
        return bool(((best >= TOUCH) & (best < RIGHT)).all())
